"""What the three models learn from: features with ratings, on one scale, joined by song, excerpts
of a piece in one group; pictures with the affect behind them.  Source: Zhang §2.2, §2.3."""

import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from lib.core import errors, paths, provenance
from lib.data import manifest, registry
from lib.data.atelier import factors, render
from lib.signal import features, images
from lib.systems.music2image.config import ForestConfig
from lib.training import loop

AXES = ("valence", "arousal")
_piece = functools.lru_cache(2)(lambda seed, i, seconds: render.sounds(seed, [i], seconds)[0][0])


class Table(NamedTuple):
    """What a forest learns from."""
    features: np.ndarray  # [N, 135]
    va: np.ndarray  # [N, 2], rated, in [−1, 1]
    truth: np.ndarray  # [N, 2], the point behind the ratings, NaN where nobody knows it
    groups: np.ndarray  # [N], the piece or artist
    kinds: np.ndarray  # [N], the genre

    def rows(self, chosen: np.ndarray) -> "Table":
        return Table(*(column[chosen] for column in self))


def excerpt(seed: int, piece_seconds: float, excerpts: int, index: int) -> np.ndarray:
    """Part ``index % excerpts`` of the atelier's piece ``index // excerpts``, float32 [N]."""
    sound = _piece(seed, index // excerpts, piece_seconds)
    length = len(sound) // excerpts
    return sound[index % excerpts * length :][:length]


def atelier_table(config: ForestConfig, seed: int) -> Table:
    """Features and ratings of an atelier collection, kept under ``data/processed``."""
    recipe = repr((provenance.package_hash(render), seed, config.piece_seconds, config.excerpts))
    items = [factors.draw(seed, i) for i in range(config.n_pieces)]
    sound_of = functools.partial(excerpt, seed, config.piece_seconds, config.excerpts)
    rows = features.table(recipe.encode(), range(config.n_pieces * config.excerpts), sound_of)
    # ten simulated listeners a piece, about as many as rated a song of DEAM
    of_pieces = (factors.ratings(items, n_raters=10, disagreement=config.disagreement),
                 [(item.valence, item.arousal) for item in items],
                 [item.item_id for item in items], [item.genre for item in items])
    return Table(rows, *(np.repeat(column, config.excerpts, axis=0) for column in of_pieces))


def training_table(config: ForestConfig, seed: int) -> Table:
    """What a config's forest learns from: real collections, joined by song, or the atelier's."""
    if not config.collections:
        return atelier_table(config, seed)
    parts = []
    for name in config.collections:
        folder = paths.real_data(name)
        songs = labelled_files(name, registry.COLLECTIONS[name])
        if not len(songs):
            raise errors.KlangfarbeError(f"sounds with labels in {folder}", "none",
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
    return built.manifest.dropna(subset=["path", "valence"]).reset_index(drop=True)


def batches(pictures: np.ndarray, affect: np.ndarray, config, seed: int, start=0) -> Iterator:
    """Endless (step, pictures [B, 3, H, W], affect [B, 2]) from step `start` on."""
    labels = torch.as_tensor(np.asarray(affect), dtype=torch.float32)
    order = loop.batches(len(pictures), config.batch_size, np.random.default_rng(seed))
    for step, rows in itertools.islice(enumerate(order), start, None):
        yield step, images.to_tensor(pictures[rows]), labels[rows]
