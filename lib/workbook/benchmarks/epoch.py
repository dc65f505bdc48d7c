"""What stored tensors save in an epoch of fine-tuning MusicGen, and what they
still cost over the bare step.

Four ways through the same batches, taken in turn in one run: ``published``, where every clip's file
is decoded and goes through codec and T5 alone, in every epoch; ``batched``, the same with codec and
T5 over the batch; ``stored``, tensors read from their folder; ``bare``, the step alone on a batch
that is in memory already. Networks are random where no weights are needed: they do not change the
time.

On a CPU at the miniature's size; on a CUDA device at MusicGen-small's, with 30-s clips and
bfloat16.
"""

import dataclasses
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import soundfile
import torch
from transformers import T5Config, T5EncoderModel

from lib import pretrained
from lib.data.atelier import TRAIN_SEED, words
from lib.data.atelier.factors import draw
from lib.pretrained import musicgen_cache
from lib.pretrained.codec import Codec, Encodec
from lib.pretrained.musicgen import MusicGenerator
from lib.pretrained.text_encoder import TextEncoder
from lib.recipes import musicgen as recipe
from lib.signal import audio
from lib.systems.bridging import train_musicgen as music
from lib.systems.bridging.config import MusicGenConfig
from lib.training import musicgen as steps
from lib.workbook import benchmarks
from lib.workbook.benchmarks import generate

WAYS = ("published", "batched", "stored", "bare")
PARTS = ("decode", "codec", "text", "load", "model")
OVERHEAD_WANTED, PUBLISHED_RATIO, PUBLISHED_STEPS = 1.05, 3.4, 60
N_BATCHES, REPEATS = 2, 5
CPU = {"batch_size": 8, "clip_seconds": 8.0, "bfloat16": True, "start": "miniature"}
CUDA = {"batch_size": 16, "clip_seconds": 30.0, "bfloat16": True}
T5_BASE = {"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
_RANDOM = SimpleNamespace(name="random", sha256="0" * 64, licence="none", revision="none")


def bench() -> dict:
    """For each batch the best of five turns; wall time on a GPU.

    ``ours, baseline``: seconds an epoch, stored and as published; ``published_ratio``: the thesis's
    240 s / 70 s; ``overhead`` = stored / bare, wanted at most 1.05; ``overhead_of_loading`` = 1 +
    reading and collating / bare, without the noise of two steps; ``seconds``: each way split into
    decode, codec, text, load and model; on a GPU ``gpu_…``, see :func:`on_gpu`.
    """
    cuda = torch.cuda.is_available()
    config = MusicGenConfig(**(CUDA if cuda else CPU))
    if not cuda:
        torch.set_num_threads(1)
    start = small("cuda") if cuda else miniature()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(start, config, Path(folder), N_BATCHES, REPEATS)
    return found | (on_gpu(start, config, found) if cuda else {})


def miniature():
    """A random decoder of the miniature's size with the bundled codec and text encoder, on the CPU:
    a MusicGenerator.
    """
    codec, text = (pretrained.load(part, device="cpu") for part in ("codec", "text_encoder"))
    network = recipe.build(codec.n_codebooks, codec.codebook_size, text.width)
    return MusicGenerator(_RANDOM, network.eval(), text, codec, "cpu")


def small(device: str):
    """MusicGen-small at random: decoder 24 × 1,024, T5-base, EnCodec at 32 kHz; the bundled
    tokenizer stands for T5's.
    """
    torch.manual_seed(0)
    whole = generate.network(generate.SMALL, 50, filters=64)
    t5 = T5EncoderModel(T5Config(**T5_BASE)).to(device).eval()
    network = torch.nn.Module()
    network.decoder = whole.decoder.to(device)
    network.enc_to_dec_proj = torch.nn.Linear(T5_BASE["d_model"],
                                              generate.SMALL["hidden_size"]).to(device)
    words = pretrained.load("text_encoder", device="cpu").tokenizer
    codec = Codec(_RANDOM, Encodec(whole.audio_encoder.to(device).requires_grad_(False)), device)
    return MusicGenerator(_RANDOM, network.eval(), TextEncoder(_RANDOM, t5, words, device), codec,
                          device)


def measure(start, config, folder: Path, n_batches: int, repeats: int) -> dict:
    """Times the four ways through ``n_batches`` batches, a turn of each after the other;
    :func:`bench` says what comes back.
    """
    files, texts, store, codes_keys, text_keys = _material(start, config, folder,
                                                           n_batches * config.batch_size)
    models = music.build(config, start)
    models.network.train()
    cuda = start.device.startswith("cuda")
    best = {way: [None] * n_batches for way in WAYS}
    for turn in range(repeats + 1):  # turn 0 warms up
        for number in range(n_batches):
            rows = range(number * config.batch_size, (number + 1) * config.batch_size)
            in_memory = _stored(start, store, codes_keys, text_keys, rows)
            for way in WAYS:
                watch = _Watch(cuda)
                if way in ("published", "batched"):
                    batch = _made(start, files, texts, rows, watch, one_by_one=way == "published")
                elif way == "stored":
                    with watch("load"):
                        batch = _stored(start, store, codes_keys, text_keys, rows)
                else:
                    batch = in_memory
                with watch("model"):
                    music.train_step(models, batch, config, config.learning_rate)
                kept = best[way][number]
                if turn and (kept is None or watch.total < kept.total):
                    best[way][number] = watch
    seconds = {way: {part: sum(watch.parts.get(part, 0.0) for watch in best[way]) for part in PARTS}
               for way in WAYS}
    total = {way: sum(parts.values()) for way, parts in seconds.items()}
    n, loading = n_batches * config.batch_size, seconds["stored"]["load"]
    return benchmarks.result(
        f"an epoch of {n} clips of {config.clip_seconds:g} s in batches of {config.batch_size}: "
        "stored tensors against decoding and encoding every clip again", total["stored"],
        total["published"], "s an epoch", n, more_is_better=False,
        overhead=total["stored"] / total["bare"], overhead_wanted=OVERHEAD_WANTED,
        overhead_of_loading=1 + loading / total["bare"],
        batched_ratio=total["batched"] / total["stored"], published_ratio=PUBLISHED_RATIO,
        seconds=seconds,
        stored_kb=round(sum(file.stat().st_size for file in store.folder.iterdir()) / 1024))


def on_gpu(start, config, found: dict) -> dict:
    """What only a GPU shows: an epoch of 60 steps (s), the step's FLOP as a share of a plain matrix
    product's here, memory, LoRA's too.
    """
    n_steps = round(config.clip_seconds * start.frame_rate_hz)
    codes = [torch.zeros(start.n_codebooks, n_steps, dtype=torch.long)] * config.batch_size
    batch = steps.collate(codes, [torch.zeros(32, start.text_width)] * config.batch_size,
                          start.device)
    peaks = {}
    for name, tried in (("gpu_peak_mb", config),
                        ("gpu_lora_peak_mb", dataclasses.replace(config, lora=8, accumulate=8))):
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        models = music.build(tried, start)
        models.network.train()
        for _ in range(2):
            music.train_step(models, batch, tried, config.learning_rate)
        peaks[name] = round(torch.cuda.max_memory_allocated() / 2**20)
        del models
    a_step = found["seconds"]["bare"]["model"] / N_BATCHES
    columns, decoder = n_steps + start.n_codebooks - 1, start.network.decoder
    n_weights = sum(p.numel() for p in decoder.parameters())
    work = config.batch_size * step_flop(n_weights, decoder.config.num_hidden_layers, start.width,
                                         columns)
    return {"gpu": torch.cuda.get_device_name(),
            "gpu_epoch_s": round(PUBLISHED_STEPS * found["ours"] / N_BATCHES, 2),
            "gpu_tflops": round(work / a_step / 1e12, 1),
            "gpu_utilisation": round(work / a_step / _matmul_flops(), 3), **peaks}


def step_flop(n_parameters: int, layers: int, width: int, columns: int) -> float:
    """FLOP of one item's forward and backward pass: 6 for each weight and column, 12·layers·width
    for each pair of columns.

    Source: Chowdhery et al. (2022), "PaLM", appendix B (model FLOP utilisation).
    """
    return columns * (6.0 * n_parameters + 12.0 * layers * width * columns)


def _matmul_flops(side: int = 8192, repeats: int = 20) -> float:
    """FLOP a second of a bfloat16 matrix product on this device: the ceiling a step is held
    against.
    """
    a = torch.randn(side, side, device="cuda", dtype=torch.bfloat16)
    a @ a
    torch.cuda.synchronize()
    start = time.perf_counter()
    for _ in range(repeats):
        a @ a
    torch.cuda.synchronize()
    return 2.0 * side**3 * repeats / (time.perf_counter() - start)


class _Watch:
    """Seconds of each part: of this process on a CPU, of the clock where a GPU works beside it."""

    def __init__(self, cuda: bool):
        self.cuda, self.parts = cuda, {}

    @property
    def total(self) -> float:
        return sum(self.parts.values())

    def _now(self) -> float:
        if not self.cuda:
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    @contextmanager
    def __call__(self, part: str):
        start = self._now()
        yield
        self.parts[part] = self.parts.get(part, 0.0) + self._now() - start


def _material(start, config, folder: Path, n: int) -> tuple:
    """Files, texts, a filled store, and the keys of both: noise for sound, since time does not
    listen.
    """
    rng, rate = np.random.default_rng(0), start.sample_rate_hz
    files = [folder / f"{row}.wav" for row in range(n)]
    for file in files:
        soundfile.write(file, 0.1 * rng.standard_normal(round(config.clip_seconds * rate)), rate)
    texts = [words.description(draw(TRAIN_SEED, row)) for row in range(n)]
    sounds, store = [_decoded(file, rate) for file in files], musicgen_cache.Store(folder / "store")
    musicgen_cache.sound_codes(store, sounds, start.codec.encode, start.codec.sha256)
    musicgen_cache.text_states(store, texts, start.text.states, start.text.sha256)
    return (files, texts, store, [musicgen_cache.sound_key(sound, start.codec.sha256)
                                  for sound in sounds],
            [musicgen_cache.text_key(text, start.text.sha256) for text in texts])


def _decoded(file: Path, rate: int) -> np.ndarray:
    return audio.load(file, seconds=None, sample_rate_hz=rate)


def _stored(start, store, codes_keys: list[str], text_keys: list[str], rows: range):
    return steps.collate(store.read([codes_keys[row] for row in rows]),
                         store.read([text_keys[row] for row in rows]), start.device)


def _made(start, files: list[Path], texts: list[str], rows: range, watch: _Watch, *,
          one_by_one: bool):
    """A batch from files and texts, everything computed anew."""
    codes, states = [], []
    for some in [[row] for row in rows] if one_by_one else [list(rows)]:
        with watch("decode"):
            sounds = np.stack([_decoded(files[row], start.sample_rate_hz) for row in some])
        with watch("codec"):
            codes += list(start.codec.encode(sounds[:, None]))
        with watch("text"):
            states += [s[m] for s, m in zip(*start.text.states([texts[row] for row in some]),
                                            strict=True)]
    with watch("load"):
        return steps.collate([c.cpu() for c in codes], states, start.device)
