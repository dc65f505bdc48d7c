"""What the three models learn from: features with ratings, on one scale, joined by song, excerpts
of a piece in one group; pictures with the affect behind them.  Source: Zhang §2.2, §2.3."""

import functools
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from scipy.sparse.csgraph import connected_components
from scipy.special import log_softmax

from lib.core import artefacts, errors, paths, provenance
from lib.data import leakage, manifest, registry
from lib.data.atelier import TEST_SEED, TRAIN_SEED, factors, paint, render
from lib.metrics import picture_regressor
from lib.signal import features, images
from lib.systems.music2image.config import ForestConfig, PictureConfig
from lib.training import loop

AXES = ("valence", "arousal")
# what a photograph may show, as a CLIP is asked: the landscape first
SHOWN = [f"a photograph of {what}" for what in ("a landscape", "a person", "an animal", "a meal",
                                                "a building", "an object", "written words")]
_piece = functools.lru_cache(2)(lambda seed, i, seconds: render.sounds(seed, [i], seconds)[0][0])


class Table(NamedTuple):
    """What a forest learns from."""
    features: np.ndarray  # [N, 135]
    va: np.ndarray  # [N, 2], rated, in [−1, 1]
    truth: np.ndarray  # [N, 2], the point behind the ratings, NaN where nobody knows it
    groups: np.ndarray  # [N], the piece or artist
    kinds: np.ndarray  # [N], the genre; of real music the collection

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
    songs = pd.concat([labelled_files(name, registry.COLLECTIONS[name])
                       for name in config.collections], ignore_index=True)
    va, groups = songs[list(AXES)].to_numpy(float), songs["group_id"].to_numpy(str)
    rows = features.of_files(list(songs["file"]), seconds=config.piece_seconds)
    sound = leakage.standardised(rows)  # an artist's songs are a group, and any that sound alike
    alike = (sound @ sound.T >= leakage.COSINE) | (groups[:, None] == groups)
    _, first, group = np.unique(connected_components(alike)[1], True, True)
    return Table(rows, va, np.full_like(va, np.nan), groups[first][group],
                 songs["source"].to_numpy(str))


def labelled_files(name: str, row: registry.Collection, **settings) -> pd.DataFrame:
    """The manifest rows of a real collection that have a label and a whole ``file``."""
    folder = paths.real_data(name)
    built = manifest.build(row.manifest(folder, **settings),
                           paths.PROCESSED / "manifests" / name, root=folder)
    print(f"{name}: {manifest.summary(built)}")
    rows = built.manifest.dropna(subset=["path", "valence"]).reset_index(drop=True)
    if not len(rows):
        raise errors.KlangfarbeError(f"files with labels in {folder}", "none",
                                     f"check the folder against the card of {name}")
    return rows.assign(file=[folder / path for path in rows["path"]])


@functools.lru_cache(3)
def photographs(config: PictureConfig, use: str, size: int) -> tuple[np.ndarray, np.ndarray]:
    """A collection's photographs uint8 [N, size, size, 3] and their affect, float32 [N, 2]:
    landscapes to ``train`` and to ``test``, or the rest, for the ``judge``. The source's landscapes
    were chosen by hand and are not listed: these are the ones a CLIP is surest of."""
    rows = pd.concat([labelled_files(name, registry.COLLECTIONS[name])
                      for name in config.collections]).drop_duplicates("sha256")
    counts = [config.n_pictures, config.n_held, len(rows) - config.n_pictures - config.n_held]
    if counts[2] < 1:
        raise errors.KlangfarbeError(f"more than {sum(counts[:2])} photographs with labels",
                                     f"{len(rows)}", "get the whole collection")
    key = provenance.content_hash(repr((config.clip, SHOWN, list(rows["sha256"]))).encode())
    if not (kept := paths.PROCESSED / "landscapes" / f"{key}.npy").is_file():
        artefacts.write(kept, _landscape_shares(list(rows["file"]), config.clip))
    order = np.argsort(-artefacts.read(kept), kind="stable")
    order[: sum(counts[:2])] = np.random.default_rng(0).permutation(order[: sum(counts[:2])])
    chosen = rows.iloc[order[np.repeat(["train", "test", "judge"], counts) == use]]
    return (np.stack([images.load(file, size=size) for file in chosen["file"]]),
            np.array(chosen[list(AXES)], np.float32))


def _landscape_shares(files: list, clip: str) -> np.ndarray:  # logarithms, [N]
    from lib import pretrained  # loads transformers, which the atelier's pictures do not need
    network = pretrained.load("image_text", clip)
    seen = [network.embed_pictures(np.stack([images.load(file, size=224)
                                             for file in files[first : first + 64]]))
            for first in range(0, len(files), 64)]
    logits = 100 * np.concatenate(seen) @ network.embed_text(SHOWN).T  # 100: as CLIP was trained
    return log_softmax(logits, axis=1)[:, 0]


def training_pictures(config: PictureConfig) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [N, size, size, 3] to learn from and their affect, float32 [N, 2]."""
    if config.collections and config.style:
        return photographs(config, "train", config.size)
    if config.collections:  # as many of every kind; the judge has seen most of them
        parts = [photographs(config, use, config.size) for use in ("train", "judge")]
        pictures, affect = (np.concatenate(column) for column in zip(*parts, strict=True))
        rows = np.random.default_rng(0).permutation(len(pictures))[: config.n_pictures]
        return pictures[rows], affect[rows]
    return paint.pictures(TRAIN_SEED, range(config.n_pictures), config.size, config.style)


def held_pictures(config: PictureConfig, n: int, first: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """`n` pictures that no painter learns from: of the atelier from item `first` on, of photographs
    at most as many as are held out and look like none that is learned from."""
    if not config.collections:
        return paint.pictures(TEST_SEED, range(first, first + n), config.size, config.style)
    (seen, _), (held, affect) = (photographs(config, use, config.size) for use in ("train", "test"))
    prints, bits = leakage.fingerprints([*seen, *held]), leakage.HASH_BITS
    near, _ = leakage.near_rows([(prints[:, :bits], 1 - 2 * leakage.BITS),
                                 (prints[:, bits:], leakage.COLOURS)],
                                np.repeat(["train", "test"], [len(seen), len(held)]), None,
                                np.arange(len(prints)))
    fresh = [row for row in range(len(held)) if len(seen) + row not in near][:n]
    return held[fresh], affect[fresh]


def real_pictures(config: PictureConfig, points: np.ndarray, first: int = 0) -> np.ndarray:
    """A picture of each point [N, 2]: the atelier's item `first`, …, painted for it, or the nearest
    photograph held out, the next nearest where a point comes again: uint8 [N, size, size, 3]."""
    if not config.collections:
        return np.stack([paint.paint(factors.draw(TEST_SEED, i, valence=v, arousal=a), config.size)
                         for i, (v, a) in enumerate(points, first)])
    held, affect = held_pictures(config, config.n_held)
    nearest = np.argsort(((np.asarray(points)[:, None] - affect) ** 2).sum(-1), axis=1)
    again = pd.DataFrame(points).groupby([0, 1]).cumcount() % len(held)
    return held[nearest[np.arange(len(nearest)), again]]


def judge(config: PictureConfig) -> picture_regressor.PictureRegressor:
    """What reads a painter's pictures: the bundled regressor, or one of unused photographs."""
    fitted, side = picture_regressor.PictureRegressor(), picture_regressor.JUDGE_SIZE
    return (fitted.fit(*photographs(config, "judge", side)) if config.collections
            else picture_regressor.load_picture_regressor())


def source(config: ForestConfig | PictureConfig) -> str:
    """The true name of a config's data, for tables and evidence."""
    return ", ".join(config.collections) or "atelier"


def batches(pictures, affect: np.ndarray, config, seed: int, start=0) -> Iterator:
    """Endless (step, pictures [B, 3, H, W], affect [B, 2]) from step `start` on, of pictures uint8
    [N, H, W, 3] or tensors [N, C, h, w]."""
    labels = torch.as_tensor(np.asarray(affect), dtype=torch.float32)
    order = loop.batches(len(pictures), config.batch_size, np.random.default_rng(seed))
    for step, rows in itertools.islice(enumerate(order), start, None):
        some = pictures[rows]
        yield step, some if torch.is_tensor(some) else images.to_tensor(some), labels[rows]
