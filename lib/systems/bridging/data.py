"""The paired data: a painting and a segment of a piece that carry the same emotion word, shuffled
within each emotion, 80 · 10 · 10 % of them for training, validation and test.

``how="published"`` splits the pairs, so that segments of one piece lie on both sides of the border;
``how="corrected"`` first splits whole pieces and whole painters, then pairs within each split.

Source: Hisariya & Liang §V.A (1,200 paintings, 193 pieces in segments of 30 s, paired at random
within a class, 80/10/10 of each class). Notebook: 10, 13.

Known deviations: the paper leaves open how the 1,200 pairs came about; here every painting and
every segment is used at most once · atelier pieces are longer than a segment, so that they leak as
real ones do.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import soxr

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data import leakage, registry, splits
from lib.data.atelier import TRAIN_SEED, paint, render
from lib.signal import affect, images
from lib.signal.audio import SAMPLE_RATE_HZ
from lib.systems import evaluation
from lib.systems.bridging import real_data
from lib.systems.bridging.config import FRACTIONS, DataConfig, get_config

EMOTIONS = tuple(affect.EMOTION_POINTS)
HOW = ("published", "corrected")
COLUMNS = ("painting", "painting_group", "piece", "piece_group", "segment", "start_s", "seconds",
           "emotion", "split")
PIECES_FROM = 100_000  # first index of the atelier's pieces; its paintings begin at 0


class Data(NamedTuple):
    """The paired data of a profile, and how to see and hear it."""

    table: pd.DataFrame  # a row a pair, COLUMNS
    paintings: pd.DataFrame  # painting, emotion; index, or painting_group, path, share
    pieces: pd.DataFrame  # piece, emotion, seconds; index, or piece_group, adjective, sound
    rejects: pd.DataFrame  # item, file, reason: damaged, or shorter than a segment
    pictures: Callable[[Sequence[str], int], np.ndarray]  # names, side → uint8 [N, side, side, 3]
    side: int  # at which the captioner sees the pictures
    clips: Callable[[pd.DataFrame, int], Sequence[np.ndarray]]  # rows, rate → N × float32 [samples]


def load_data(profile: str, *, seed: int = 0) -> Data:
    """A profile's paired data: the atelier's, or at ``paper`` the published collections'."""
    config = get_config(profile).data
    if config.origin == "published":
        folders = (registry.find_folder(real_data.PAINTINGS, ("images", "emotion_labelled")),
                   registry.find_folder(real_data.MUSIC))
        data = load_published(*folders, config, paths.PROCESSED / "bridging" / "published", seed)
        print(f"published collections: {len(data.table)} pairs of {len(data.paintings)} paintings "
              f"and {data.table['piece'].nunique()} of {len(data.pieces)} pieces; "
              f"{len(data.rejects)} files set aside")
        return data
    paintings, pieces = atelier_items(config)
    index = paintings.set_index("painting")["index"]

    def pictures(names: Sequence[str], side: int) -> np.ndarray:
        painted, _ = paint.pictures(TRAIN_SEED, index.loc[list(names)], min(side, paint.MASTER))
        return images.squares(painted, side)

    def clips(rows: pd.DataFrame, rate_hz: int) -> list[np.ndarray]:
        sounds = dict(atelier_sounds(rows, pieces, config, rate_hz))
        return [sounds[name] for name in rows["segment"]]

    table = make_pairs(paintings, pieces, how=config.how, seed=seed,
                       segment_seconds=config.segment_seconds)
    no_rejects = pd.DataFrame(columns=["item", "file", "reason"], dtype=object)
    return Data(table, paintings, pieces, no_rejects, pictures, paint.MASTER, clips)


def load_published(paintings_folder: Path, music_folder: Path, config: DataConfig,
                   work_folder: Path, seed: int = 0) -> Data:
    """The published collections' paired data; `work_folder` keeps what is rendered and checked."""
    sounds = work_folder / "sounds"
    pieces, broken_pieces = real_data.render_pieces(music_folder, sounds,
                                                    shortest_s=config.segment_seconds)
    rows, broken_paintings = real_data.intact_paintings(paintings_folder, work_folder)
    n_segments = cut_segments(pieces, config.segment_seconds)["emotion"].value_counts().to_dict()
    rows = real_data.select_paintings(rows, config.n_paintings, n_segments, seed)
    paintings = rows.rename(columns={"item_id": "painting", "artist": "painting_group"})
    paintings = paintings[["painting", "painting_group", "emotion", "path", "share"]]
    table = make_pairs(paintings, pieces, how=config.how, seed=seed,
                       segment_seconds=config.segment_seconds)
    path_of, sound_of = paintings.set_index("painting")["path"], pieces.set_index("piece")["sound"]

    def pictures(names: Sequence[str], side: int) -> np.ndarray:
        return images.squares([images.load(paintings_folder / path_of[name], size=side)
                               for name in names], side)

    def clips(some: pd.DataFrame, rate_hz: int) -> real_data.Clips:
        return real_data.Clips([sounds / sound for sound in sound_of.loc[some["piece"]]],
                               some["start_s"].tolist(), config.segment_seconds, rate_hz)

    rejects = pd.concat([broken_paintings, broken_pieces], ignore_index=True)
    return Data(table, paintings, pieces, rejects, pictures, real_data.SIDE, clips)


def make_pairs(paintings: pd.DataFrame, pieces: pd.DataFrame, *, how: str = "published",
               seed: int = 0, segment_seconds: float = 30.0) -> pd.DataFrame:
    """The pairs, :data:`COLUMNS`, of tables ``painting, emotion`` and ``piece, emotion, seconds``,
    with ``painting_group`` (artist) and ``piece_group`` (composer) where known.
    """
    if how not in HOW:
        raise KlangfarbeError(f"a way out of {', '.join(HOW)}", repr(how), "name one of them")
    paintings, pieces = _checked(paintings, "painting"), _checked(pieces, "piece", "seconds")
    segments = cut_segments(pieces, segment_seconds)
    if how == "corrected":
        paintings = _split_groups(paintings, "painting_group", seed)
        segments = _split_groups(segments, "piece_group", seed)
    known = set(paintings["emotion"]) | set(segments["emotion"])
    parts = []
    for number, emotion in enumerate(word for word in EMOTIONS if word in known):
        sides = [table[table["emotion"] == emotion] for table in (paintings, segments)]
        if not all(map(len, sides)):
            raise KlangfarbeError(f"paintings and segments of every emotion, {emotion} too",
                                  f"{len(sides[0])} and {len(sides[1])}",
                                  "leave the emotion out on both sides, or give shorter segments")
        rng = np.random.default_rng([seed, number])
        for split in FRACTIONS if how == "corrected" else (None,):
            some = [side[side["split"] == split] if split else side for side in sides]
            n = min(map(len, some))  # both shuffled, side by side; the longer's rest is left out
            ours, theirs = (side.iloc[rng.permutation(len(side))[:n]].reset_index(drop=True)
                            for side in some)
            pairs = ours[["painting", "painting_group"]].join(theirs.drop(columns="split",
                                                                          errors="ignore"))
            if how == "published":
                n_train = round(FRACTIONS["train"] * n)
                n_validation = (n - n_train + 1) // 2
                split = np.repeat(list(FRACTIONS), [n_train, n_validation,
                                                    n - n_train - n_validation])
            parts.append(pairs.assign(split=split))
    return pd.concat(parts, ignore_index=True)[list(COLUMNS)]


def cut_segments(pieces: pd.DataFrame, segment_seconds: float) -> pd.DataFrame:
    """Pieces cut without overlap, a rest left out: ``piece, piece_group, emotion, start_s, seconds,
    segment``, the last one ``piece@start``.
    """
    counts = np.floor(pieces["seconds"].to_numpy(float) / segment_seconds + 1e-9).astype(int)
    if not counts.sum():
        raise KlangfarbeError(f"pieces of at least {segment_seconds:g} s", "the longest has "
                              f"{pieces['seconds'].max():g} s", "give a shorter segment")
    cut = pieces.loc[pieces.index.repeat(counts), ["piece", "piece_group", "emotion"]]
    cut = cut.reset_index(drop=True)
    cut["start_s"] = cut.groupby("piece", sort=False).cumcount() * segment_seconds
    cut["seconds"] = float(segment_seconds)
    return cut.assign(segment=cut["piece"] + "@" + cut["start_s"].map("{:g}".format))


def check_leakage(table: pd.DataFrame):
    """What the leakage check finds in a table of pairs."""
    names = {"painting": "image_id", "segment": "audio_id", "painting_group": "image_group",
             "piece_group": "audio_group"}
    return leakage.check(pairs=table.rename(columns=names)[[*names.values(), "split"]])


def leaking_share(table: pd.DataFrame, group: str = "piece_group") -> float:
    """Share of test pairs whose piece (or ``painting_group``) is in a training pair too, [0, 1]."""
    test, train = (table.loc[table["split"] == split, group] for split in ("test", "train"))
    return float(test.isin(set(train)).mean())


def atelier_items(config: DataConfig) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The atelier's paintings and pieces for :func:`make_pairs`, with ``index``, the item's own."""
    def items(name: str, n: int, start: int) -> pd.DataFrame:
        each = -(-n // len(EMOTIONS))
        drawn = evaluation.draw_by_emotion(TRAIN_SEED, dict.fromkeys(EMOTIONS, each), start)
        table = pd.DataFrame([(item.item_id, word, item.index) for word in EMOTIONS
                              for item in drawn[word][:each]], columns=[name, "emotion", "index"])
        return table.sort_values("index", ignore_index=True)

    pieces = items("piece", config.n_pieces, PIECES_FROM)
    return (items("painting", config.n_paintings, 0),
            pieces.assign(seconds=float(config.piece_seconds)))


def atelier_sounds(table: pd.DataFrame, pieces: pd.DataFrame, config: DataConfig,
                   sample_rate_hz: int) -> Iterator[tuple[str, np.ndarray]]:
    """The segments of an atelier table, each piece rendered once: (name, float32 [samples])."""
    index = pieces.set_index("piece")["index"]
    length = round(config.segment_seconds * sample_rate_hz)
    for piece, rows in table.groupby("piece", sort=False):
        sound = render.sounds(TRAIN_SEED, [int(index[piece])], config.piece_seconds)[0][0]
        if sample_rate_hz != SAMPLE_RATE_HZ:
            sound = soxr.resample(sound, SAMPLE_RATE_HZ, sample_rate_hz)
        for name, start_s in zip(rows["segment"], rows["start_s"], strict=True):
            start = round(start_s * sample_rate_hz)
            yield name, np.asarray(sound[start : start + length], np.float32)


def _checked(table: pd.DataFrame, side: str, *more: str) -> pd.DataFrame:
    """A checked copy with its group column."""
    needed = (side, "emotion", *more)
    if lacking := [name for name in needed if name not in table or table[name].isna().any()]:
        raise KlangfarbeError(f"a table of {', '.join(needed)} without gaps",
                              f"lacking: {', '.join(lacking)}", "fill them in")
    if twice := table[side][table[side].duplicated()].tolist():
        raise KlangfarbeError(f"each {side} once", f"{len(twice)} twice, e.g. {twice[0]}",
                              "drop the copies: they would be their own leak")
    if other := sorted(set(table["emotion"]) - set(EMOTIONS)):
        raise KlangfarbeError(f"emotions out of {', '.join(EMOTIONS)}", ", ".join(map(str, other)),
                              "map them first")
    group = table.get(f"{side}_group", table[side])
    return table.assign(**{f"{side}_group": group.fillna(table[side])}).reset_index(drop=True)


def _split_groups(table: pd.DataFrame, column: str, seed: int) -> pd.DataFrame:
    """A split for each row, no group on two sides; a group counts for its most frequent emotion."""
    main = table.groupby(column)["emotion"].agg(lambda emotions: emotions.mode().iloc[0])
    emotion_of, parts = table[column].map(main), []
    for emotion, rows in table.groupby(emotion_of, sort=False):
        if rows[column].nunique() < len(FRACTIONS):
            raise KlangfarbeError(f"at least {len(FRACTIONS)} groups of the emotion {emotion}",
                                  f"{rows[column].nunique()}", f"give more, or another {column}")
        parts.append(rows.assign(split=splits.by_group(rows[column], FRACTIONS, seed)))
    return pd.concat(parts).sort_index()
