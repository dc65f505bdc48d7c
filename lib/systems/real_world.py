"""What people painted, played and rated, for all four systems: WikiArt's paintings and Emotify's
music, on which nothing here was trained. A number says nothing where its instrument does not agree
with people on real works. Source: ours; points of emotion shares are :mod:`lib.signal.affect`'s.
Notebook: 93."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data import registry
from lib.data.splits import FOLDS
from lib.metrics import stats
from lib.signal import audio, images
from lib.systems import compare, evaluation

ITEMS_FROM = 970_000  # of the atelier's TEST_SEED


@dataclass(frozen=True)
class Config(compare.Config):
    """The atelier's items as in notebook 90, and how many real ones."""

    n_items: int = 300
    n_known: int = 2_000
    n_paintings: int = 300
    n_pieces: int = 300
    listened: float = 15.0  # seconds of each real piece, its middle


PROFILES = {"smoke": Config(6, 12, 1.0, n_paintings=8, n_pieces=8, listened=2.0),
            "mini": Config(60, 240, 4.0, n_paintings=120, n_pieces=120), "gpu": Config(),
            "paper": Config()}


class RatedWorks(NamedTuple):
    """N paintings or pieces that people rated."""

    content: np.ndarray  # uint8 [N, side, side, 3], or float32 [N, samples] at the asked rate
    truth: np.ndarray    # [N, 2] in [−1, 1]
    groups: np.ndarray   # N, the painter or the track
    files: list          # N, where they lie


def load_paintings(n: int, side: int, seed: int = 0) -> RatedWorks:
    """Up to `n` paintings with WikiArt-Emotions' ratings, drawn by `seed`, without black bars."""
    collection = registry.COLLECTIONS["wikiart_emotions"]
    folder = registry.find_folder(collection.folders,
                                  ("images", "emotion_labelled"))
    rows, files = _drawn(collection.manifest(folder, paintings_only=True), folder, n, seed)
    painters = rows["caption"].str.rsplit(" by ", n=1).str[-1].to_numpy(str)
    return RatedWorks(np.stack([images.load(file, size=side) for file in files]),
                      rows[["valence", "arousal"]].to_numpy(float), painters, files)


def load_pieces(n: int, seconds: float, rate_hz: int, seed: int = 0) -> RatedWorks:
    """The middle `seconds` of up to `n` of Emotify's tracks, drawn by `seed`, at `rate_hz`."""
    collection = registry.COLLECTIONS["emotify"]
    folder = registry.find_folder(collection.folders)
    rows, files = _drawn(collection.manifest(folder), folder, n, seed)
    sounds = [audio.load(file, seconds=seconds, sample_rate_hz=rate_hz) for file in files]
    sounds = compare.resample_to_length(sounds, [rate_hz] * len(sounds), rate_hz, seconds)
    return RatedWorks(sounds, rows[["valence", "arousal"]].to_numpy(float),
                      rows["group_id"].to_numpy(str), files)


def _drawn(rows: pd.DataFrame, folder: Path, n: int, seed: int) -> tuple[pd.DataFrame, list]:
    rows = rows.dropna(subset=["path", "valence"])
    if len(rows) < FOLDS:
        raise KlangfarbeError(f"{FOLDS} files with labels or more", str(len(rows)),
                              "see data/README.md")
    rows = rows.sample(min(n, len(rows)), random_state=seed)
    return rows, [folder / path for path in rows["path"]]


def correlation(truth: np.ndarray, found: np.ndarray) -> float:
    """Pearson's r of valence and of arousal, [N, 2] twice, averaged: [−1, 1] ↑, 0 if constant."""
    vary = (truth.std(0) > 1e-12) & (found.std(0) > 1e-12)
    return float(np.mean([np.corrcoef(truth[:, axis], found[:, axis])[0, 1] if vary[axis] else 0.0
                          for axis in (0, 1)]))


def agreement_table(truth: np.ndarray, found: dict[str, np.ndarray],
                    groups: np.ndarray | None = None, *, seed: int = 0) -> pd.DataFrame:
    """A row for each of `found` [N, 2]: ``row, agreement, low, high, luck, correlation, r_low,
    r_high, r_luck, n``: 95 % over groups; luck: 97.5 % quantile, what was found permuted."""
    rows, scores = [], {evaluation.agreement: ("agreement", "low", "high", "luck"),
                        correlation: ("correlation", "r_low", "r_high", "r_luck")}
    for name, seen in found.items():
        row = {"row": name}
        for score, names in scores.items():
            luck = np.quantile(stats.permutation_null(score, truth, seen, seed=seed), 0.975)
            row |= dict(zip(names, (score(truth, seen),
                                    *stats.bootstrap(score, truth, seen, groups=groups, seed=seed),
                                    luck), strict=True))
        rows.append(row | {"n": len(truth)})
    return pd.DataFrame(rows)
