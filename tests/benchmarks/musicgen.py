"""Benches of MusicGen: fine-tuning from stored tensors, sampling tokens, a picture's way to sound.
Weights are bundled or random: no published weight is needed to time one."""

import contextlib
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import open_clip
import soundfile
import torch
import transformers as hf
from torch import Tensor
from torch.nn import functional as F
from transformers.modeling_outputs import BaseModelOutput

import benchmarks
from lib import pretrained
from lib.data.atelier import TEST_SEED, TRAIN_SEED, factors, paint, words
from lib.models import musicgen_step
from lib.models.musicgen_step import plain_product
from lib.models.projections import StudyTwo
from lib.pretrained.musicgen import MusicGenerator, sample, sound_codes, text_states
from lib.signal import audio
from lib.systems.bridging import train_musicgen as music
from lib.systems.bridging.config import MusicGenConfig
from lib.systems.mapping import train_projection
from lib.systems.mapping.config import get_config
from lib.training import musicgen as steps

MINIATURE = {"vocab_size": 512, "hidden_size": 256, "num_hidden_layers": 6,
             "num_attention_heads": 4, "ffn_dim": 1024}
SMALL = {"vocab_size": 2048, "hidden_size": 1024, "num_hidden_layers": 24,
         "num_attention_heads": 16, "ffn_dim": 4096}
EPOCH = MusicGenConfig(batch_size=8, clip_seconds=8.0, bfloat16=True, start="miniature")
PROJECTION, SHARED = ("clip", "projection"), ("decoder", "codec")
PIPELINE = ("captioner", "language model", "text encoder")


def bench_epoch(n_batches: int = 2, repeats: int = 5, config: MusicGenConfig = EPOCH) -> dict:
    """What stored tensors save in an epoch of fine-tuning, and what they still cost over the bare
    step: seconds an epoch, best of five turns a batch. ``stored``: tensors are read from their
    folder; ``published``: every clip's file is decoded and goes through codec and T5 alone (the
    thesis: 240 s against 70 s); ``bare``: from memory. ``overhead`` = stored / bare (≤ 1.05)."""
    start, n = pretrained.load("musicgen", device="cpu"), n_batches * config.batch_size
    best: dict[str, float] = dict.fromkeys(("stored", "published", "bare"), 0.0)
    models = music.build(config, start)
    models.network.train()
    with tempfile.TemporaryDirectory() as folder:
        material = Material(start, config.clip_seconds, Path(folder), n)
        for number in range(n_batches):
            rows = range(number * config.batch_size, (number + 1) * config.batch_size)
            kept = material.stored(rows)
            calls = [lambda batch=batch: music.train_step(models, batch(), config,
                                                          config.learning_rate)
                     for batch in (lambda rows=rows: material.stored(rows),
                                   lambda rows=rows: material.made(rows), lambda kept=kept: kept)]
            benchmarks.best_seconds(calls, 1)  # warms up
            for way, seconds in zip(best, benchmarks.best_seconds(calls, repeats)):
                best[way] += seconds
        kilobytes = sum(file.stat().st_size for file in material.store.iterdir()) / 1024
    return benchmarks.result(
        f"an epoch of {n} clips of {config.clip_seconds:g} s in batches of {config.batch_size}: "
        "stored tensors against decoding and encoding every clip again", best["stored"],
        best["published"], "s an epoch", n, more_is_better=False, bare=best["bare"],
        overhead=best["stored"] / best["bare"], overhead_wanted=1.05, published_ratio=3.4,
        stored_kb=round(kilobytes))


class Material:
    """Clips (noise: time does not listen) and texts, as files and as stored tensors."""

    def __init__(self, start: MusicGenerator, seconds: float, folder: Path, n: int):
        rng, self.start = np.random.default_rng(0), start
        self.files = [folder / f"{row}.wav" for row in range(n)]
        for file in self.files:
            noise = rng.normal(0, 0.1, (round(seconds * start.sample_rate_hz),))
            soundfile.write(file, noise, start.sample_rate_hz)
        self.texts = [words.description(factors.draw(TRAIN_SEED, row)) for row in range(n)]
        self.store, self.sounds = folder / "store", [self.decode(row) for row in range(n)]

    def decode(self, row: int) -> np.ndarray:
        return audio.load(self.files[row], seconds=None, sample_rate_hz=self.start.sample_rate_hz)

    def stored(self, rows: range):
        """A batch from the store."""
        codec, text, part = self.start.codec, self.start.text, slice(rows.start, rows.stop)
        codes = sound_codes(self.store, self.sounds[part], codec.encode, codec.sha256)
        states = text_states(self.store, self.texts[part], text.states, text.sha256)
        return steps.collate(codes, states, self.start.device)

    def made(self, rows: range):
        """A batch from files and texts, everything computed anew, clip by clip."""
        codes, states = [], []
        for row in rows:
            code, = self.start.codec.encode(self.decode(row)[None, None])
            codes.append(code.cpu())
            (state,), (mask,) = self.start.text.states([self.texts[row]])
            states.append(state[mask])
        return steps.collate(codes, states, self.start.device)


def bench_generate() -> dict:
    """Fast sampling against transformers' own ``generate``, tokens a second: one network of random
    weights at the miniature's size, guidance 3, top-k 250, no codec; are greedy tokens equal?"""
    torch.manual_seed(0)
    n_pieces, seconds, rate_hz = 4, 8, 25
    model, n_steps = network(MINIATURE, rate_hz), seconds * rate_hz
    best = {}
    for n_items in (n_pieces, 1):
        given = (*_conditions(n_items), n_steps)
        best[n_items] = benchmarks.best_seconds(
            [lambda given=given: sample(model.decoder, *given, seed=0),
             lambda given=given: plain(model, *given, do_sample=True, top_k=250)], 5)
    (ours, baseline), one = best[n_pieces], best[1]
    given = (*_conditions(2), 40)
    equal = torch.equal(sample(model.decoder, *given, top_k=1),
                        plain(model, *given, do_sample=False))
    n_codebooks = model.decoder.config.num_codebooks
    tokens, columns = n_pieces * n_codebooks * n_steps, n_steps + n_codebooks - 1
    return benchmarks.result(
        f"tokens/s, {n_pieces} pieces of {seconds} s, 6 layers × 256, 4 × 512 codes, guided; "
        "baseline: transformers' generate", tokens / ours, tokens / baseline, "tokens/s", tokens,
        more_is_better=True, ms_a_step=1e3 * ours / columns,
        baseline_ms_a_step=1e3 * baseline / columns, ratio_one_piece=one[1] / one[0],
        times_real_time=n_pieces * seconds / ours, greedy_tokens_equal=bool(equal))


def network(size: dict, rate_hz: int, filters: int = 4) -> Any:
    """A random MusicGen of this size: no published weight is needed to time one."""
    special, ratios = size["vocab_size"], [8, 5, 4, 4] if rate_hz == 50 else [8, 5, 4, 8]
    # the special token's number is one beyond the codebook; it warns of that
    hf.utils.logging.set_verbosity_error()
    text = hf.T5Config(vocab_size=100, d_model=size["hidden_size"], d_kv=8, d_ff=64, num_layers=1,
                       num_heads=2)
    codec = hf.EncodecConfig(
        sampling_rate=32_000, audio_channels=1, num_filters=filters, num_residual_layers=1,
        upsampling_ratios=ratios, codebook_size=special, hidden_size=128, codebook_dim=128,
        num_lstm_layers=2, normalize=False, chunk_length_s=None, use_causal_conv=False,
        target_bandwidths=[4 * (special.bit_length() - 1) * rate_hz / 1000])
    decoder = hf.MusicgenDecoderConfig(**size, num_codebooks=4, pad_token_id=special,
                                       bos_token_id=special, max_position_embeddings=2048)
    model = hf.MusicgenForConditionalGeneration(hf.MusicgenConfig(
        text_encoder=text.to_dict(), audio_encoder=codec.to_dict(), decoder=decoder.to_dict()))
    for name in ("decoder_start_token_id", "pad_token_id", "bos_token_id"):
        setattr(model.generation_config, name, special)
    return model.eval()


def plain(model, states, mask, n_steps: int, **settings) -> torch.Tensor:
    """Codes [B, K, S] of transformers' own `generate` from ready conditions, its codec left out."""
    doubled: Any = [torch.cat([part, 0 * part]) for part in (states, mask)]
    kept = []
    model.audio_encoder.decode = lambda codes, **_: kept.append(codes[0]) or SimpleNamespace(
        audio_values=codes)
    model.generate(input_ids=torch.zeros_like(mask[:, :1]), attention_mask=doubled[1],
                   encoder_outputs=BaseModelOutput(doubled[0]), guidance_scale=3.0,
                   max_length=n_steps + model.decoder.config.num_codebooks, **settings)
    return kept[0]


def _conditions(n_items: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return (torch.randn(n_items, 8, MINIATURE["hidden_size"], generator=generator),
            torch.ones(n_items, 8, dtype=torch.long))


def bench_latency(n_pictures: int = 8, play_seconds: float = 4.0) -> dict:
    """A picture's way to what conditions the music, by projection and by captioner and language
    model, ms (median, one at a time, both ways in turn; wanted ratio 20). ``parts_ms``; picture to
    waveform, projection over pipeline: ``whole_ratio`` (thesis: below .5); on a GPU ``gpu_…``."""
    clip, captioner, describer, generator = (
        pretrained.load(part, device="cpu")
        for part in ("image_text", "captioner", "describer", "musicgen"))
    models = train_projection.build(get_config("mini").study_two, generator, clip.width)
    clocks = []
    for picture in paint.pictures(TEST_SEED, range(n_pictures + 1), 128)[0]:
        clock = benchmarks.Clock()
        clocks.append(clock)
        with clock("clip"):
            vector = clip.embed_pictures(picture[None])
        with clock("projection"):
            condition = train_projection.predict(models, vector)
        with clock("captioner"):
            caption = captioner.caption(picture[None], ["sad"])
        with clock("language model"):
            text = describer.describe(caption, ["sad"], prompt="mapping")
        with clock("text encoder"):
            generator.condition(*generator.states(text))
        with clock("decoder"):
            condition = torch.from_numpy(condition)
            codes = sample(generator.network.decoder, condition,
                           torch.ones(condition.shape[:2], dtype=torch.long),
                           round(play_seconds * generator.frame_rate_hz))
        with clock("codec"):
            generator.codec.decode(codes)
    ms = {part: 1e3 * float(np.median([clock.parts[part] for clock in clocks[1:]]))
          for part in (*PROJECTION, *PIPELINE, *SHARED)}
    ours, theirs, shared = (sum(ms[part] for part in some)
                            for some in (PROJECTION, PIPELINE[:2], SHARED))
    pipeline = theirs + ms["text encoder"] + shared
    return benchmarks.result(
        "one picture → condition: CLIP, projection; baseline: captioner, language model "
        f"({play_seconds:g} s are played)", ours, theirs, "ms", n_pictures, more_is_better=False,
        parts_ms={part: round(value, 2) for part, value in ms.items()}, whole_ms=ours + shared,
        pipeline_whole_ms=pipeline, whole_ratio=(ours + shared) / pipeline, **gpu())


def product_by_rows(x, weight, added=None, gelu: bool = False) -> Tensor:
    """For up to four rows: sums that a compiler fuses with what stands around, unless they
    shrink."""
    if x.shape[1] > len(weight):
        return plain_product(x, weight, added, gelu)
    made = [(weight * row).sum(-1) for row in x]
    made = torch.stack([F.gelu(row) for row in made] if gelu else made)
    return made if added is None else added + made


@contextlib.contextmanager
def compiled() -> Iterator[None]:
    """The step as torch.compile makes it, in place of lib's own."""
    made = torch.compile(musicgen_step.block, dynamic=False, fullgraph=True)
    with mock.patch.multiple(musicgen_step, block=made, plain_product=product_by_rows):
        yield


def gpu() -> dict:
    """Picture to 10 s of sound on a CUDA device at published sizes with random weights, ms of wall
    time (the thesis: 600 on an RTX 3090). The step is compiled: ``gpu_compile_s`` is what the first
    piece waits for it, ``gpu_uncompiled_ms`` what one takes without."""
    if not torch.cuda.is_available():
        return {}
    torch.manual_seed(0)
    tower: Any = open_clip.create_model("ViT-B-32", pretrained=None, device="cuda").eval().half()
    projection = StudyTwo().cuda().eval().half()
    model = network(SMALL, 50, filters=64).to("cuda")
    model.decoder.half()
    picture = torch.rand(1, 3, 224, 224, device="cuda").half()
    mask = torch.ones(1, 1, dtype=torch.long, device="cuda")
    torch.cuda.reset_peak_memory_stats()
    turns = {"graph": [], "compile": []}
    ways = {"graph": contextlib.nullcontext, "compile": compiled}
    def wall() -> float:
        torch.cuda.synchronize()
        return time.perf_counter()
    with torch.inference_mode():
        for step, clocks in turns.items():
            for seed in range(5):  # the first call of each also loads kernels, or makes them
                clock = benchmarks.Clock(wall)
                clocks.append(clock)
                with clock("condition"):
                    condition = projection(tower.encode_image(picture))
                with clock("tokens"), ways[step]():
                    codes = sample(model.decoder, condition, mask, 500, seed=seed, step="graph")
                with clock("codec"):
                    model.audio_encoder.decode(codes[None], [None])
    best = {step: min(clocks[1:], key=lambda clock: clock.total) for step, clocks in turns.items()}
    return {"gpu": torch.cuda.get_device_name(), "gpu_ms": round(1e3 * best["compile"].total, 1),
            "gpu_wanted_ms": 700.0, "gpu_published_ms": 600.0,
            "gpu_parts_ms": {part: round(1e3 * s, 1) for part, s in best["compile"].parts.items()},
            "gpu_uncompiled_ms": round(1e3 * best["graph"].total, 1),
            "gpu_compile_s": round(turns["compile"][0].total, 1),
            "gpu_peak_mb": round(torch.cuda.max_memory_allocated() / 2**20)}
