"""All four systems on what people painted, played and rated: WikiArt's paintings, Emotify's music,
on which nothing here was trained; the atelier's own items go the same way, for comparison.

    painting ─┬─ bridging, mapping, art2music ─► music ─► tagger ─┐
              ├─ regressor of pictures ───────────────────────────┼─► against people's ratings
              └─ CLIP ─► ridge on other painters' ratings ────────┘
    piece ────┬─ music2image ─► pictures ─► regressor ────────────┐
              ├─ tagger ──────────────────────────────────────────┼─► against people's ratings
              └─ features ─► ridge on other pieces' ratings ──────┘

A number says nothing where its instrument does not agree with people on real music or paintings.
Source: ours; points of emotion shares are :mod:`lib.signal.affect`'s.  Notebook: 93.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data import registry, splits
from lib.data.splits import FOLDS
from lib.metrics import stats
from lib.signal import audio, images
from lib.systems import compare, evaluation, recombine
from lib.systems.bridging import train_musicgen

ITEMS_FROM = 970_000  # of the atelier's TEST_SEED


@dataclass(frozen=True)
class Config:
    """How many items of each world, and how long the music."""

    n_paintings: int = 300  # real ones
    n_pieces: int = 300
    n_atelier: int = 300    # items of the atelier, painting and piece
    n_known: int = 2_000    # its training pairs, for retrieval and the lines
    seconds: float = 8.0    # of the music that is made
    listened: float = 15.0  # seconds of each real piece, its middle
    side: int = 128         # of the pictures

    def __post_init__(self):
        if min(self.n_paintings, self.n_pieces, self.n_atelier, self.n_known) < FOLDS:
            raise KlangfarbeError(f"{FOLDS} items of each world or more", str(self), "draw more")


PROFILES = {"smoke": Config(8, 8, 6, 12, seconds=1.0, listened=2.0),
            "mini": Config(120, 120, 60, 240, seconds=4.0), "gpu": Config(), "paper": Config()}


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
    return RatedWorks(compare.resample_to_length(sounds, [rate_hz] * len(sounds), rate_hz, seconds),
                      rows[["valence", "arousal"]].to_numpy(float), rows["group_id"].to_numpy(str),
                      files)


def _drawn(rows: pd.DataFrame, folder: Path, n: int, seed: int) -> tuple[pd.DataFrame, list]:
    """Up to `n` rows that have a file and a label, in random order, and the files."""
    rows = rows.dropna(subset=["path", "valence"])
    if len(rows) < FOLDS:
        raise KlangfarbeError(f"{FOLDS} files with labels or more", str(len(rows)),
                              "see data/README.md")
    rows = rows.sample(min(n, len(rows)), random_state=seed)
    return rows, [folder / path for path in rows["path"]]


def generate_music(parts: recombine.Systems, pictures: np.ndarray, comments: list[str] | None, *,
                   seed: int = 0, seconds: float = 4.0,
                   rate_hz: int = 22_050) -> tuple[dict, list[str]]:
    """What the three systems play to N paintings uint8 [N, H, W, 3] and comments (``None``: the
    captioner's): system → float32 [N, samples] at `rate_hz`, and the first one's descriptions.
    """
    said, descriptions = recombine.encode(parts, pictures, comments, None)
    player = parts.bridging.generator
    made = {"bridging": (train_musicgen.generate(player, descriptions, parts.bridging.config.music,
                                                 seed, seconds=seconds), player.sample_rate_hz),
            "mapping": recombine.decode(parts, "MusicGen", said["vector"], seed=seed,
                                        seconds=seconds),
            "art2music": recombine.decode(parts, "flow", said["fused"], seed=seed, seconds=seconds)}
    return {name: compare.resample_to_length(list(sounds), [rate] * len(sounds), rate_hz, seconds)
            for name, (sounds, rate) in made.items()}, descriptions


def linear_probe(inputs: np.ndarray, truth: np.ndarray, groups: np.ndarray,
                 seed: int = 0) -> np.ndarray:
    """What could be known: a linear map of `inputs` [N, D] that never saw the group it predicts."""
    return splits.cross_validated(lambda known, felt,
                                  unseen: recombine.fit_linear_map(known, felt).predict(unseen),
                                  inputs, truth, groups, k=min(FOLDS, len(set(groups))), seed=seed)


def correlation(truth: np.ndarray, found: np.ndarray) -> float:
    """Pearson's r of valence and of arousal, [N, 2] twice, averaged, [−1, 1] ↑, 0 for a constant:
    agreement that forgives a wrong middle and a wrong spread.
    """
    vary = (truth.std(0) > 1e-12) & (found.std(0) > 1e-12)
    return float(np.mean([np.corrcoef(truth[:, axis], found[:, axis])[0, 1] if vary[axis] else 0.0
                          for axis in (0, 1)]))


def agreement_table(truth: np.ndarray, found: dict[str, np.ndarray],
                    groups: np.ndarray | None = None, *, seed: int = 0) -> pd.DataFrame:
    """A row for each of `found` [N, 2]: ``row, agreement, low, high, luck, correlation, r_low,
    r_high, r_luck, n``: 95 % over groups; luck: 97.5 % quantile, what was found permuted.
    """
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
