"""System 4, what its stages read: triplets with their vectors and mels, computed once and kept as
memory maps.

    painting ──CLIP──► v [D] ─┐
    prompt   ──CLIP──► u [D] ─┼─ a row a comment
    clip ──mel, [−1, 1]──► [M, T], a row a clip; `clip_row` says whose it is

Source: text 003, §III-A.5 and §III-B.1. Notebook: 42, 44, 45.
"""

from dataclasses import dataclass

import numpy as np

from lib.core import paths, provenance
from lib.core.errors import KlangfarbeError
from lib.data import memmaps
from lib.data.atelier import TRAIN_SEED, compose, paint, render
from lib.systems.art2music import data, mel


@dataclass(frozen=True)
class Dataset:
    """N triplets out of P paintings and C clips.

    Attributes:
        pairs: of :func:`articaps.paired`, with its ``comments`` (N rows) and ``clips`` (C rows).
        pictures: uint8 [P, H, W, 3]; place: [N], which painting. vectors: float32 [N, D], of a
            comment's painting.
        texts: setting → float32 [N, D], CLIP's of its prompt. mels: float16 [C, M, T] in [−1, 1].
    """

    pairs: "pandas.DataFrame"  # noqa: F821
    comments: "pandas.DataFrame"  # noqa: F821
    clips: "pandas.DataFrame"  # noqa: F821
    pictures: np.ndarray
    place: np.ndarray
    vectors: np.ndarray
    texts: dict[str, np.ndarray]
    mels: np.ndarray

    def mels_of(self, rows: np.ndarray) -> np.ndarray:
        """Mels of triplets, float32 [b, M, T]."""
        return self.mels[self.pairs["clip_row"].to_numpy()[rows]].astype(np.float32)

    @property
    def mean_mel(self) -> np.ndarray:
        """The mean of the mels that training sees, a triplet a vote: float32 [M, T]; what says
        nothing of any painting.
        """
        rows, votes = np.unique(self.pairs.loc[self.pairs["split"] == "train", "clip_row"],
                                return_counts=True)
        return np.average(self.mels[rows].astype(np.float32), axis=0,
                          weights=votes).astype(np.float32)


def load_atelier(config: data.Config, sees, matcher, *, split: str | None = None, seed: int = 0,
            collection: int | None = None, first: int = 0) -> Dataset:
    """The atelier's triplets with everything that training reads.

    Args:
        sees: ``foundations.load("image_text")``. matcher: ``foundations.load("sentences")``. split:
            ``None``: the config's.
        collection, first: as :func:`articaps.sides`.
    """
    collection = TRAIN_SEED if collection is None else collection
    comments, clips = data.atelier_texts(config, collection, first)
    pairs = data.match_pairs(comments, clips, matcher, split or config.split, seed)
    names, place = np.unique(comments["painting"].to_numpy(), return_inverse=True)
    indices = comments.groupby("painting")["index"].first().loc[names].to_numpy()
    pictures = kept("pictures", (collection, tuple(indices), config.side), len(names),
                    (config.side, config.side, 3), np.uint8,
                    lambda rows: paint.pictures(collection, indices[rows], config.side)[0])
    heard = clips["index"].to_numpy()
    mels = kept("mels", (collection, tuple(heard), config.seconds), len(clips),
                (mel.N_MELS, mel.n_frames(config.seconds)), np.float16,
                lambda rows: padded_mel(render.sounds(collection, heard[rows], config.seconds)[0],
                                    mel.n_frames(config.seconds)))
    said = {setting: sees.embed_text(data.prompts(pairs, comments, clips, setting))
            for setting in data.SETTINGS}
    seen = np.concatenate([sees.embed_pictures(np.asarray(pictures[at : at + 64]))
                           for at in range(0, len(names), 64)])
    return Dataset(pairs, comments, clips, pictures, place, seen[place], said, mels)


def padded_mel(sounds: np.ndarray, n_frames: int) -> np.ndarray:
    """Sounds [B, N] → mels float16 [B, M, n_frames] in [−1, 1]; shorter ones end in silence, longer
    ones are cut, as published.
    """
    wanted = n_frames * mel.HOP
    sounds = np.pad(sounds[:, :wanted], ((0, 0), (0, max(0, wanted - sounds.shape[1]))))
    return mel.to_unit(mel.ln_mel(sounds)).numpy().astype(np.float16)


def kept(name: str, depends_on: tuple, n: int, shape: tuple, dtype, compute) -> np.ndarray:
    """Rows of a memory map below ``data/processed/art2music``, made where they lack
    (``mapping.memory.rows``).
    """
    if n < 1:
        raise KlangfarbeError("at least one row", "none", "draw more items")
    hands = provenance.package_hash(paint), provenance.package_hash(compose)
    where = paths.PROCESSED / "art2music" / provenance.content_hash(repr((name, depends_on, shape,
                                                                          hands)).encode())[:16]
    return memmaps.cached_rows(where, name, n, shape, dtype, compute)
