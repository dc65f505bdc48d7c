"""What the three models learn from: features with ratings, pictures with the affect behind them.

Known deviations: labels on one scale, [−1, 1] (published: 1–9 beside 0–1) · rows are joined by
song, never by position · excerpts of a piece share its group.

Source: Zhang §2.2, §2.3. Notebook: 31, 32, 33.
"""

import functools
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data import manifest, registry
from lib.data.atelier import compose, factors, genres, harmony, render, voices
from lib.signal import features, images
from lib.systems.music2image.config import ForestConfig
from lib.training import loop

AXES = ("valence", "arousal")
RATERS = 10  # simulated listeners a piece, about as many as rated a song of DEAM
RECIPE = (compose, factors, genres, harmony, render, voices)  # what makes the music


class Table(NamedTuple):
    """What a forest learns from."""

    features: np.ndarray  # [N, 135]
    va: np.ndarray  # [N, 2], rated, in [−1, 1]
    truth: np.ndarray  # [N, 2], the point behind the ratings, NaN where nobody knows it
    groups: np.ndarray  # [N], the piece or artist
    kinds: np.ndarray  # [N], the genre

    def rows(self, chosen: np.ndarray) -> "Table":
        return Table(*(column[chosen] for column in self))


@functools.lru_cache(maxsize=2)
def piece(seed: int, index: int, seconds: float) -> np.ndarray:
    """A rendered piece of the atelier, float32 [N]."""
    return render.sounds(seed, [index], seconds)[0][0]


def excerpt(seed: int, piece_seconds: float, excerpts: int, index: int) -> np.ndarray:
    """Part ``index % excerpts`` of the atelier's piece ``index // excerpts``, float32 [N]."""
    sound = piece(seed, index // excerpts, piece_seconds)
    length = len(sound) // excerpts
    start = index % excerpts * length
    return sound[start : start + length]


def atelier_table(config: ForestConfig, seed: int) -> Table:
    """Features and ratings of an atelier collection, kept under ``data/processed``."""
    settings = repr((seed, config.piece_seconds, config.excerpts))
    recipe = b"".join(Path(module.__file__).read_bytes() for module in RECIPE) + settings.encode()
    items = [factors.draw(seed, i) for i in range(config.n_pieces)]
    sound_of = functools.partial(excerpt, seed, config.piece_seconds, config.excerpts)
    rows = features.table(recipe, range(config.n_pieces * config.excerpts), sound_of,
                               label="features")
    of_pieces = (factors.ratings(items, n_raters=RATERS, disagreement=config.disagreement),
                 np.array([[item.valence, item.arousal] for item in items]),
                 np.array([item.item_id for item in items]),
                 np.array([item.genre for item in items]))
    return Table(rows, *(np.repeat(column, config.excerpts, axis=0) for column in of_pieces))


def training_table(config: ForestConfig, seed: int) -> Table:
    """What a config's forest learns from: the real collections it names, joined by song, else the
    atelier's.
    """
    if not config.collections:
        return atelier_table(config, seed)
    parts = []
    for name in config.collections:
        folder = paths.real_data(name)
        songs = labelled_files(name, registry.COLLECTIONS[name])
        if not len(songs):
            raise KlangfarbeError(f"sounds with labels in {folder}", "none",
                                  f"check the folder against the card of {name}")
        parts.append(songs.assign(file=[folder / path for path in songs["path"]],
                                  genre=songs["genre"].fillna(name)))
    songs = pd.concat(parts, ignore_index=True)
    va = songs[list(AXES)].to_numpy(float)
    return Table(features.of_files(list(songs["file"]), seconds=config.piece_seconds), va,
                 np.full_like(va, np.nan), songs["group_id"].to_numpy(str),
                 songs["genre"].to_numpy(str))


def labelled_files(name: str, row: registry.Collection, **settings) -> pd.DataFrame:
    """The manifest rows of a real collection that have a whole file and a label."""
    folder = paths.real_data(name)
    built = manifest.build(row.manifest(folder, **settings),
                           paths.PROCESSED / "manifests" / name, root=folder)
    print(f"{name}: {manifest.summary(built)}")
    table = built.manifest
    return table[table["path"].notna() & table["valence"].notna()].reset_index(drop=True)


def batches(pictures: np.ndarray, affect: np.ndarray, config, seed: int,
            start: int = 0) -> Iterator[tuple[int, torch.Tensor, torch.Tensor]]:
    """Endless (step, pictures [B, 3, H, W], affect [B, 2]) from step `start` on, out of pictures
    uint8 [N, size, size, 3] and affect [N, 2]; `config` has ``size`` and ``batch_size``.
    """
    if len(pictures) != len(affect) or pictures.shape[1:] != (config.size, config.size, 3):
        raise KlangfarbeError(f"N pictures [{config.size}, {config.size}, 3] and N affects",
                              f"{pictures.shape} and {np.shape(affect)}",
                              "draw them with atelier.paint.pictures(seed, indices, config.size)")
    affect = torch.as_tensor(np.asarray(affect), dtype=torch.float32)
    order = loop.batches(len(pictures), config.batch_size, np.random.default_rng(seed))
    for step, rows in itertools.islice(enumerate(order), start, None):
        yield step, images.to_tensor(pictures[rows]), affect[rows]
