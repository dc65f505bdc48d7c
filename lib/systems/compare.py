"""The four systems side by side: the same held-out paintings, or pieces for the one that paints,
and retrieval as the baseline. Source: ours; claim X-2. Notebook: 90."""

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import soxr

from lib.data.atelier import TEST_SEED, TRAIN_SEED, factors, paint, render, words
from lib.systems import evaluation

ITEMS_FROM, KNOWN_FROM = 950_000, 370_000  # in TEST_SEED, in TRAIN_SEED; only these notebooks'


@dataclass(frozen=True)
class Config:
    """Held-out paintings, each with its comment and its own piece; pairs for retrieval."""
    n_items: int = 400
    n_known: int = 4_000
    seconds: float = 8.0  # of all sounds
    side: int = 128       # of the pictures


PROFILES = {"smoke": Config(6, 12, seconds=1.0), "mini": Config(40, 400, seconds=4.0),
            "gpu": Config(), "paper": Config()}


def draw_items(config: Config, items_from: int = ITEMS_FROM) -> SimpleNamespace:
    """N items of ``TEST_SEED`` from `items_from` on: ``pictures`` uint8 [N, H, W, 3], ``comments``,
    ``sounds`` float32 [N, samples] (each painting's own piece) at ``rate_hz``, ``truth`` [N, 2] in
    [−1, 1], ``words`` out of five; ``known_pictures`` …: K of the training collection."""
    def draw(seed: int, first: int, n: int) -> dict:
        numbers = range(first, first + n)
        items = [factors.draw(seed, number) for number in numbers]
        return {"pictures": paint.pictures(seed, numbers, config.side)[0],
                "comments": [words.comment(item) for item in items],
                "sounds": render.sounds(seed, numbers, config.seconds)[0],
                "truth": np.array([(item.valence, item.arousal) for item in items]),
                "words": np.array([words.emotion_word(item) for item in items])}
    known = draw(TRAIN_SEED, KNOWN_FROM, config.n_known)
    return SimpleNamespace(**draw(TEST_SEED, items_from, config.n_items), **{
        f"known_{name}": some for name, some in known.items()}, rate_hz=render.SAMPLE_RATE_HZ)


def nearest_neighbours(here: np.ndarray, there: np.ndarray) -> np.ndarray:
    """For each row of `here` [N, D] the nearest of `there` [K, D] by cosine, standardised."""
    mean, spread = there.mean(0), np.maximum(there.std(0), 1e-6)
    return evaluation.nearest((here - mean) / spread, (there - mean) / spread)


def resample_to_length(sounds: list, rates: list[int], rate_hz: int, seconds: float) -> np.ndarray:
    """Sounds of any rate, cut or ended with silence: float32 [N, samples] at `rate_hz`."""
    n, made = round(seconds * rate_hz), []
    for sound, rate in zip(sounds, rates, strict=True):
        sound = sound if rate == rate_hz else soxr.resample(np.asarray(sound, np.float32), rate,
                                                            rate_hz)
        made.append(np.pad(sound[:n], (0, max(0, n - len(sound)))))
    return np.stack(made).astype(np.float32)
