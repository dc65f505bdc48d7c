"""What stored tensors save in an epoch of fine-tuning MusicGen, and what they still cost over the
bare step.

Four ways through the same batches, taken in turn in one run: ``published``, where every clip's file
is decoded and goes through codec and T5 alone, in every epoch; ``batched``, the same with codec and
T5 over the batch; ``stored``, tensors read from their folder; ``bare``, the step alone on a batch
that is in memory already. Networks are random where no weights are needed: they do not change the
time. On a CPU at the miniature's size; on a CUDA device at MusicGen-small's, with 30-s clips and
bfloat16.
"""

import tempfile
from pathlib import Path

import numpy as np
import soundfile
import torch
from transformers import T5Config, T5EncoderModel

from lib import pretrained
from lib.data.atelier import TRAIN_SEED, factors, words
from lib.pretrained import musicgen_cache
from lib.pretrained.codec import Codec, Encodec
from lib.pretrained.musicgen import MusicGenerator
from lib.pretrained.sources import Source
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
T5_BASE: dict = {"d_model": 768, "d_kv": 64, "d_ff": 3072, "num_layers": 12, "num_heads": 12}
_RANDOM = Source(Path(), "random", "0" * 64, licence="none")


def bench() -> dict:
    """For each batch the best of five turns; wall time on a GPU.

    ``ours, baseline``: seconds an epoch, stored and as published; ``published_ratio``: the thesis's
    240 s / 70 s; ``overhead`` = stored / bare, wanted at most 1.05; ``overhead_of_loading`` = 1 +
    reading and collating / bare, without the noise of two steps; ``seconds``: each way split into
    decode, codec, text, load and model; on a GPU ``gpu_epoch_s``: the same for the thesis's 60
    steps.
    """
    cuda = torch.cuda.is_available()
    config = MusicGenConfig(**(CUDA if cuda else CPU))
    if cuda:
        start = small("cuda")
    else:  # a random decoder of the miniature's size with the bundled codec and text encoder
        codec, text = (pretrained.load(part, device="cpu") for part in ("codec", "text_encoder"))
        network = recipe.build(codec.n_codebooks, codec.codebook_size, text.width)
        start = MusicGenerator(_RANDOM, network.eval(), text, codec, "cpu")
    with tempfile.TemporaryDirectory() as folder:
        found = measure(start, config, Path(folder), N_BATCHES, REPEATS)
    if cuda:
        found |= {"gpu": torch.cuda.get_device_name(),
                  "gpu_epoch_s": round(PUBLISHED_STEPS * found["ours"] / N_BATCHES, 2),
                  "gpu_peak_mb": round(torch.cuda.max_memory_allocated() / 2**20)}
    return found


def small(device: str) -> MusicGenerator:
    """MusicGen-small at random: decoder 24 × 1,024, T5-base, EnCodec at 32 kHz; the bundled
    tokenizer stands for T5's."""
    torch.manual_seed(0)
    whole = generate.network(generate.SMALL, 50, filters=64)
    t5 = T5EncoderModel(T5Config(**T5_BASE)).to(device).eval()
    network = torch.nn.Module()
    network.decoder = whole.decoder.to(device)
    network.enc_to_dec_proj = torch.nn.Linear(T5_BASE["d_model"],
                                              generate.SMALL["hidden_size"]).to(device)
    tokenizer = pretrained.load("text_encoder", device="cpu").tokenizer
    codec = Codec(_RANDOM, Encodec(whole.audio_encoder.to(device).requires_grad_(False)), device)
    text = TextEncoder(_RANDOM, t5, tokenizer, device)
    return MusicGenerator(_RANDOM, network.eval(), text, codec, device)


class Material:
    """Clips (noise: time does not listen) and texts, as files and as stored tensors."""

    def __init__(self, start: MusicGenerator, seconds: float, folder: Path, n: int):
        rng, self.start = np.random.default_rng(0), start
        self.files = [folder / f"{row}.wav" for row in range(n)]
        for file in self.files:
            noise = 0.1 * rng.standard_normal(round(seconds * start.sample_rate_hz))
            soundfile.write(file, noise, start.sample_rate_hz)
        self.texts = [words.description(factors.draw(TRAIN_SEED, row)) for row in range(n)]
        self.store = musicgen_cache.Store(folder / "store")
        sounds, codec, text = self.decode(range(n)), start.codec, start.text
        musicgen_cache.sound_codes(self.store, sounds, codec.encode, codec.sha256)
        musicgen_cache.text_states(self.store, self.texts, text.states, text.sha256)
        self.keys = [(musicgen_cache.sound_key(sound, codec.sha256),
                      musicgen_cache.text_key(said, text.sha256))
                     for sound, said in zip(sounds, self.texts, strict=True)]

    def decode(self, rows) -> list[np.ndarray]:
        return [audio.load(self.files[row], seconds=None,
                           sample_rate_hz=self.start.sample_rate_hz) for row in rows]

    def stored(self, rows: range):
        """A batch from the store."""
        codes, states = (self.store.read([self.keys[row][k] for row in rows]) for k in (0, 1))
        return steps.collate(codes, states, self.start.device)

    def made(self, rows: range, clock: benchmarks.Clock, *, one_by_one: bool):
        """A batch from files and texts, everything computed anew."""
        codes, states = [], []
        for some in [[row] for row in rows] if one_by_one else [rows]:
            with clock("decode"):
                sounds = np.stack(self.decode(some))
            with clock("codec"):
                codes += list(self.start.codec.encode(sounds[:, None]))
            with clock("text"):
                states += [s[m] for s, m in zip(
                    *self.start.text.states([self.texts[row] for row in some]), strict=True)]
        with clock("load"):
            return steps.collate([c.cpu() for c in codes], states, self.start.device)


def measure(start: MusicGenerator, config: MusicGenConfig, folder: Path, n_batches: int,
            repeats: int) -> dict:
    """Times the four ways through ``n_batches`` batches, a turn of each after the other;
    :func:`bench` says what comes back."""
    n = n_batches * config.batch_size
    material = Material(start, config.clip_seconds, folder, n)
    models = music.build(config, start)
    models.network.train()
    synchronize = torch.cuda.synchronize if start.device.startswith("cuda") else None
    turns = {(way, number): [] for way in WAYS for number in range(n_batches)}
    for _ in range(repeats + 1):  # the first turn warms up
        for number in range(n_batches):
            rows = range(number * config.batch_size, (number + 1) * config.batch_size)
            in_memory = material.stored(rows)
            for way in WAYS:
                clock = benchmarks.Clock(synchronize)
                turns[way, number].append(clock)
                if way in ("published", "batched"):
                    batch = material.made(rows, clock, one_by_one=way == "published")
                elif way == "stored":
                    with clock("load"):
                        batch = material.stored(rows)
                else:
                    batch = in_memory
                with clock("model"):
                    music.train_step(models, batch, config, config.learning_rate)
    best = {key: min(clocks[1:], key=lambda clock: clock.total) for key, clocks in turns.items()}
    seconds = {way: {part: sum(best[way, number].parts[part] for number in range(n_batches))
                     for part in PARTS} for way in WAYS}
    total = {way: sum(parts.values()) for way, parts in seconds.items()}
    return benchmarks.result(
        f"an epoch of {n} clips of {config.clip_seconds:g} s in batches of {config.batch_size}: "
        "stored tensors against decoding and encoding every clip again", total["stored"],
        total["published"], "s an epoch", n, more_is_better=False,
        overhead=total["stored"] / total["bare"], overhead_wanted=OVERHEAD_WANTED,
        overhead_of_loading=1 + seconds["stored"]["load"] / total["bare"],
        batched_ratio=total["batched"] / total["stored"], published_ratio=PUBLISHED_RATIO,
        seconds=seconds, stored_kb=round(sum(file.stat().st_size for file
                                             in material.store.folder.iterdir()) / 1024))
