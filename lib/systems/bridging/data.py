"""System 1's paired data: a painting and a stretch of music that carry the same emotion word.

    pieces ──cut every 30 s──► segments ┐
                                        ├─ shuffled inside each class, laid side by side ─► pairs ─► train 80 · validation 10 · test 10 %
    paintings ──────────────────────────┘

Two ways, one function. ``published``: a pair is dealt to a split by itself, so that a piece cut
into six sounds on both sides of the border, and a test asks what was learned by heart.
``corrected``: whole pieces and whole painting groups are dealt first, and pairs are made inside a
split.

Source: text 000, "Bridging Paintings and Music", §V.A (1,200 paintings, 193 pieces in 30-s
segments, paired at random inside a class, 80/10/10 of each class).

Known deviations: the text leaves open how the 1,200 pairs came about; here every painting and every
segment is used at most once, and what one side has too many of is left over · a class's remaining
20 % are halved by rounding · atelier pieces are cut from renderings longer than a segment, so that
they leak as real ones do. Notebook: 10, 13.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import soxr
from scipy.special import gammaln

from lib.core.errors import KlangfarbeError
from lib.data import leakage, splits
from lib.data.atelier import TRAIN_SEED, render
from lib.data.atelier.factors import draw
from lib.signal import affect
from lib.signal.audio import SAMPLE_RATE_HZ

HOW = ("published", "corrected")
FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
COLUMNS = ("painting", "painting_group", "piece", "piece_group", "segment", "start_s", "seconds",
           "emotion", "split")
# atelier pieces are items from this index on, paintings from 0 on: no item is both
PIECES_FROM = 100_000


@dataclass(frozen=True)
class Config:
    """How much data, and how long a segment is. The defaults are the published numbers.

    Attributes:
        n_paintings, n_pieces: of the whole collection; on the atelier the same number of each class
            (rounded up).
        piece_seconds: length of an atelier piece; published pieces are as long as they are.
            segment_seconds: of what is paired.
        how: ``published`` or ``corrected``.
    """

    n_paintings: int = 1200
    n_pieces: int = 193
    piece_seconds: float = 187.0  # 1,200 segments of 30 s from 193 pieces
    segment_seconds: float = 30.0
    how: str = "published"


PROFILES = {
    "smoke": Config(n_paintings=50, n_pieces=25, piece_seconds=4.0, segment_seconds=2.0,
                    how="corrected"),
    "mini": Config(n_paintings=150, n_pieces=50, piece_seconds=30.0, segment_seconds=10.0,
                   how="corrected"),
    "gpu": Config(how="corrected"),
    "paper": Config(),
}


def pairs(paintings, pieces, *, how: str = "published", seed: int = 0,
          segment_seconds: float = 30.0):
    """The paired data set: a row a pair.

    Args:
        paintings: DataFrame ``painting, emotion`` and, where known, ``painting_group`` (its artist;
            else itself).
        pieces: DataFrame ``piece, emotion, seconds`` and, where known, ``piece_group`` (its
            composer or album; else itself).
        how: ``published`` or ``corrected``. seed: of every shuffle. segment_seconds: what a piece
            is cut into; a rest is left out.

    Returns:
        DataFrame of :data:`COLUMNS`, classes and splits in turn; ``segment`` is its name,
        ``piece@start``.

    Raises:
        KlangfarbeError: columns that lack, a name that comes twice, an emotion without both sides,
            or too few groups to split.
    """
    if how not in HOW:
        raise KlangfarbeError(f"a way out of {', '.join(HOW)}", repr(how), "name one of them")
    paintings, pieces = _table(paintings, "painting"), _table(pieces, "piece", "seconds")
    cut = segments(pieces, segment_seconds)
    emotions = [word for word in affect.EMOTION_POINTS
                if word in set(paintings["emotion"]) | set(cut["emotion"])]
    if how == "corrected":
        paintings, cut = (_dealt(table, f"{side}_group", seed) for table,
                          side in ((paintings, "painting"), (cut, "piece")))
    made = []
    for number, emotion in enumerate(emotions):
        seen, heard = (table[table["emotion"] == emotion] for table in (paintings, cut))
        if not len(seen) or not len(heard):
            raise KlangfarbeError(f"paintings and segments of every emotion, {emotion} too",
                                  f"{len(seen)} and {len(heard)}",
                                  "leave the emotion out on both sides, or give shorter segments")
        rng = np.random.default_rng([seed, number])
        if how == "published":
            some = _matched(seen, heard, rng)
            made.append(some.assign(split=_by_pair(len(some))))
        else:
            made += [_matched(seen[seen["split"] == split], heard[heard["split"] == split],
                              rng).assign(split=split) for split in FRACTIONS]
    return pd.concat(made, ignore_index=True)[list(COLUMNS)]


def segments(pieces, segment_seconds: float):
    """Pieces cut without overlap, a rest left out: DataFrame ``piece, piece_group, emotion,
    segment, start_s, seconds``.

    Raises:
        KlangfarbeError: no piece as long as one segment.
    """
    if not segment_seconds > 0:
        raise KlangfarbeError("a segment longer than 0 s", f"{segment_seconds}",
                              "30 s as published")
    counts = np.floor(pieces["seconds"].to_numpy(float) / segment_seconds + 1e-9).astype(int)
    if not counts.sum():
        raise KlangfarbeError(f"pieces of at least {segment_seconds:g} s",
                              f"the longest has {pieces['seconds'].max():g} s",
                              "give a shorter segment")
    place = np.concatenate([np.arange(count) for count in counts])
    cut = pieces.loc[pieces.index.repeat(counts),
                     ["piece", "piece_group", "emotion"]].reset_index(drop=True)
    cut = cut.assign(start_s=place * segment_seconds, seconds=float(segment_seconds))
    return cut.assign(segment=[f"{piece}@{start:g}" for piece,
                               start in zip(cut["piece"], cut["start_s"], strict=True)])


def looked_at(table):
    """What the leak linter finds in a table of pairs: ``lib.data.leakage.check``'s answer, for
    ``report`` and ``assert_no_leakage``.
    """
    names = {"painting": "image_id", "segment": "audio_id", "painting_group": "image_group",
             "piece_group": "audio_group"}
    return leakage.check(pairs=table.rename(columns=names)[[*names.values(), "split"]])


def leaking(table, side: str = "piece_group") -> float:
    """Share of test pairs whose piece (or, by ``side="painting_group"``, painting) is in a training
    pair too, in [0, 1].
    """
    test, train = (table.loc[table["split"] == split, side] for split in ("test", "train"))
    return float(test.isin(set(train)).mean())


def chunk_leak(n_pieces: int = 193, segments_per_piece=1200 / 193, *,
               train: float = FRACTIONS["train"], n_draws: int = 200,
               seed: int = 0) -> dict[str, float]:
    """What a split by segment leaks: the share of test segments whose piece is in train, simulated
    and in closed form.

    A test segment of a piece of m is clean only if none of the other m − 1 is among the T training
    segments of all M: C(M − m, T) / C(M − 1, T), about (1 − T/M)^(m−1). A piece of one segment
    cannot leak; that is where the last per cent goes.

    Args:
        segments_per_piece: a count each, or their mean; then counts are 1 + Poisson(mean − 1),
            drawn anew each time.
        train: share of segments in train; the test set is half of the rest. n_draws: splits
            simulated.

    Returns:
        ``simulated`` and ``expected``, both in [0, 1], and ``segments``, the mean number of them.

    Source: text 000, §V.A (193 pieces, about 1,200 segments).
    """
    rng, simulated, expected, total = np.random.default_rng(seed), [], [], []
    for _ in range(n_draws):
        counts = np.asarray(segments_per_piece)
        if counts.ndim == 0:
            counts = 1 + rng.poisson(float(counts) - 1, n_pieces)
        if len(counts) != n_pieces or counts.min() < 1:
            raise KlangfarbeError(f"{n_pieces} counts of at least 1",
                                  f"{len(counts)}, from {counts.min()}", "leave out pieces of none")
        of = rng.permutation(np.repeat(np.arange(n_pieces), counts))
        n, n_train = len(of), round(train * len(of))
        test = of[n_train : n_train + (n - n_train) // 2]
        simulated.append(np.isin(test, of[:n_train]).mean())
        others = n - counts  # segments of the other pieces
        clean = np.where(others >= n_train,
                         np.exp(gammaln(others + 1) - gammaln(np.maximum(others - n_train, 0) + 1)
                                - gammaln(n) + gammaln(n - n_train)), 0.0)
        expected.append((counts * (1 - clean)).sum() / n)
        total.append(n)
    return {"simulated": float(np.mean(simulated)), "expected": float(np.mean(expected)),
            "segments": float(np.mean(total))}


def atelier(config: Config, collection: int | None = None) -> tuple:
    """The atelier's paintings and pieces, as many of each class: DataFrames for :func:`pairs`, with
    ``index``, the item's own.

    Args:
        collection: seed of the items; ``None``: ``TRAIN_SEED``.
    """
    collection = TRAIN_SEED if collection is None else collection
    seen, heard = (_items(collection, n, start) for n,
                   start in ((config.n_paintings, 0), (config.n_pieces, PIECES_FROM)))
    return (seen.rename(columns={"item": "painting"}),
            heard.rename(columns={"item": "piece"}).assign(seconds=float(config.piece_seconds)))


def sounds(table, pieces, config: Config, sample_rate_hz: int,
           collection: int | None = None) -> Iterator[tuple[str, np.ndarray]]:
    """The segments of an atelier table, piece by piece: (its name, float32 [segment_seconds ·
    rate]), each piece rendered once.

    Args:
        table: :func:`pairs`'s. pieces: :func:`atelier`'s second answer. sample_rate_hz: the
            codec's.
    """
    index = pieces.set_index("piece")["index"]
    length = round(config.segment_seconds * sample_rate_hz)
    for piece, of in table.groupby("piece", sort=False):
        whole, _ = render.sounds(TRAIN_SEED if collection is None else collection,
                                 [int(index[piece])], config.piece_seconds)
        sound = whole[0] if sample_rate_hz == SAMPLE_RATE_HZ else soxr.resample(whole[0],
                                                                                SAMPLE_RATE_HZ,
                                                                                sample_rate_hz)
        for name, start_s in zip(of["segment"], of["start_s"], strict=True):
            start = round(start_s * sample_rate_hz)
            yield name, np.asarray(sound[start : start + length], np.float32)


def _items(collection: int, n: int, start: int):
    """The first ⌈n / 5⌉ items of each emotion from an index on: DataFrame ``item, emotion, index``,
    in the order of the index.
    """
    lacking, rows = dict.fromkeys(affect.EMOTION_POINTS, -(-n // len(affect.EMOTION_POINTS))), []
    for index in itertools.count(start):
        if not any(lacking.values()):
            return pd.DataFrame(rows, columns=["item", "emotion", "index"])
        item = draw(collection, index)
        emotion = affect.emotion_word(item.valence, item.arousal)
        if lacking[emotion]:
            lacking[emotion] -= 1
            rows.append((item.item_id, emotion, index))


def _table(table, side: str, *further: str):
    """A checked copy with its group column."""
    needed = (side, "emotion", *further)
    if lacking := [column for column in needed
                   if column not in table] or [c for c in needed if table[c].isna().any()]:
        raise KlangfarbeError(f"a table of {', '.join(needed)} without gaps",
                              f"lacking: {', '.join(lacking)}", "fill them in")
    if twice := table[side][table[side].duplicated()].tolist():
        raise KlangfarbeError(f"each {side} once", f"{len(twice)} twice, e.g. {twice[0]}",
                              "drop the copies: they would be their own leak")
    if other := sorted(set(table["emotion"]) - set(affect.EMOTION_POINTS)):
        raise KlangfarbeError(f"emotions out of {', '.join(affect.EMOTION_POINTS)}",
                              ", ".join(map(str, other)), "map them first")
    group = table.get(f"{side}_group", table[side])
    return table.assign(**{f"{side}_group": group.fillna(table[side])}).reset_index(drop=True)


def _dealt(table, column: str, seed: int):
    """A split for each row, no group on two sides; a group of several emotions is dealt with the
    one it shows most.
    """
    main = table.groupby(column)["emotion"].agg(lambda words: words.mode().iloc[0])
    of = table[column].map(main)
    split = np.empty(len(table), dtype=object)
    for emotion in of.unique():
        rows = (of == emotion).to_numpy()
        if table.loc[rows, column].nunique() < len(FRACTIONS):
            raise KlangfarbeError(f"at least {len(FRACTIONS)} groups of the emotion {emotion}",
                                  f"{table.loc[rows, column].nunique()}",
                                  f"give more, or another {column}")
        split[rows] = splits.by_group(table.loc[rows, column], FRACTIONS, seed)
    return table.assign(split=split)


def _matched(paintings, segments, rng: np.random.Generator):
    """Paintings and segments, each shuffled, side by side; the longer side's rest is left out."""
    n = min(len(paintings), len(segments))
    seen, heard = (table.iloc[rng.permutation(len(table))[:n]].reset_index(drop=True)
                   for table in (paintings, segments))
    return pd.concat([seen[["painting", "painting_group"]],
                      heard[["piece", "piece_group", "segment", "start_s", "seconds", "emotion"]]],
                     axis=1)


def _by_pair(n: int) -> np.ndarray:
    """80/10/10 of n rows that are shuffled already."""
    n_train = round(FRACTIONS["train"] * n)
    n_validation = (n - n_train + 1) // 2
    return np.repeat(list(FRACTIONS), [n_train, n_validation, n - n_train - n_validation])
