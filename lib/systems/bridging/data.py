"""The paired data: a painting and a segment of a piece that carry the same emotion word, shuffled
within each emotion, 80 · 10 · 10 % of them for training, validation and test.
Source: Hisariya & Liang §V.A. How the 1,200 pairs came about is left open: here every painting and
every segment is used at most once. Notebook: 13."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import soxr

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data import leakage, registry, splits
from lib.data.atelier import TRAIN_SEED, paint, render
from lib.signal import affect, audio, images
from lib.systems import evaluation
from lib.systems.bridging import real_data
from lib.systems.bridging.config import FRACTIONS, DataConfig, get_config

EMOTIONS = tuple(affect.EMOTION_POINTS)
HOW = ("published", "corrected")
PIECES_FROM = 100_000  # first index of the atelier's pieces; its paintings begin at 0


class Data(NamedTuple):
    """The paired data of a profile, and how to see and hear it."""

    table: pd.DataFrame  # of make_pairs
    paintings: pd.DataFrame  # painting, painting_group, emotion; index, or path and share
    pieces: pd.DataFrame  # piece, piece_group, emotion, seconds; index, or adjective and sound
    rejects: pd.DataFrame  # item, file, reason: damaged, or shorter than a segment
    pictures: Callable[[Sequence[str], int], np.ndarray]  # names, side → uint8 [N, side, side, 3]
    side: int  # at which the captioner sees the pictures
    clips: Callable[[pd.DataFrame, int], Sequence[np.ndarray]]  # rows, rate → N × float32 [samples]


def load_data(profile: str, *, seed: int = 0) -> Data:
    """A profile's paired data: the atelier's, or at ``paper`` the published collections'."""
    config = get_config(profile).data
    if config.origin == "published":
        data = load_published(
            registry.find_folder(real_data.PAINTINGS, ("images", "emotion_labelled")),
            registry.find_folder(real_data.MUSIC), config,
            paths.PROCESSED / "bridging" / "published", seed)
        print(f"published collections: {len(data.table)} pairs of {len(data.paintings)} paintings "
              f"and {data.table['piece'].nunique()} of {len(data.pieces)} pieces; "
              f"{len(data.rejects)} files set aside")
        return data
    tables = []
    for name, n, start in (("painting", config.n_paintings, 0),
                           ("piece", config.n_pieces, PIECES_FROM)):
        each = -(-n // len(EMOTIONS))
        drawn = evaluation.draw_by_emotion(TRAIN_SEED, dict.fromkeys(EMOTIONS, each), start)
        rows = [(item.item_id, item.item_id, word, item.index) for word in EMOTIONS
                for item in drawn[word][:each]]
        table = pd.DataFrame(rows, columns=[name, f"{name}_group", "emotion", "index"])
        tables.append(table.sort_values("index", ignore_index=True))
    paintings, pieces = tables[0], tables[1].assign(seconds=float(config.piece_seconds))
    index: Any = pd.concat([paintings.set_index("painting"), pieces.set_index("piece")])["index"]

    def pictures(names: Sequence[str], side: int) -> np.ndarray:
        painted, _ = paint.pictures(TRAIN_SEED, index.loc[list(names)], min(side, paint.MASTER))
        return images.squares(painted, side)

    def clips(rows: pd.DataFrame, rate_hz: int) -> list[np.ndarray]:
        length, sounds = round(config.segment_seconds * rate_hz), {}
        for piece, some in rows.groupby("piece", sort=False):  # each is rendered once
            sound = render.sounds(TRAIN_SEED, [int(index[piece])], config.piece_seconds)[0][0]
            if rate_hz != audio.SAMPLE_RATE_HZ:
                sound = soxr.resample(sound, audio.SAMPLE_RATE_HZ, rate_hz)
            for name, start_s in zip(some["segment"], some["start_s"], strict=True):
                start = round(start_s * rate_hz)
                sounds[name] = np.asarray(sound[start : start + length], np.float32)
        return [sounds[name] for name in rows["segment"]]

    table = make_pairs(paintings, pieces, how=config.how, seed=seed,
                       segment_seconds=config.segment_seconds)
    rejects = pd.DataFrame(columns=["item", "file", "reason"], dtype=object)
    return Data(table, paintings, pieces, rejects, pictures, paint.MASTER, clips)


def load_published(paintings_folder: Path, music_folder: Path, config: DataConfig,
                   work_folder: Path, seed: int = 0) -> Data:
    """The published collections' paired data; `work_folder` keeps what is rendered and checked."""
    sounds = work_folder / "sounds"
    pieces, broken_pieces = real_data.render_pieces(music_folder, sounds,
                                                    shortest_s=config.segment_seconds)
    rows, broken_paintings = real_data.intact_paintings(paintings_folder, work_folder)
    n_segments: Any = (pieces["seconds"] / config.segment_seconds + 1e-9).astype(int).groupby(
        pieces["emotion"]).sum()
    rows = real_data.select_paintings(rows, config.n_paintings, dict(n_segments), seed)
    paintings: Any = rows.rename(columns={"item_id": "painting", "artist": "painting_group"})
    paintings = paintings[["painting", "painting_group", "emotion", "path", "share"]]
    table = make_pairs(paintings, pieces, how=config.how, seed=seed,
                       segment_seconds=config.segment_seconds)
    path_of, sound_of = (dict(table[[name, column]].to_numpy()) for table, name, column in
                         ((paintings, "painting", "path"), (pieces, "piece", "sound")))

    def pictures(names: Sequence[str], side: int) -> np.ndarray:
        return images.squares([images.load(paintings_folder / path_of[name], size=side)
                               for name in names], side)

    def clips(some: pd.DataFrame, rate_hz: int) -> real_data.Clips:
        return real_data.Clips([sounds / sound_of[piece] for piece in some["piece"]],
                               some["start_s"].tolist(), config.segment_seconds, rate_hz)

    rejects = pd.concat([broken_paintings, broken_pieces], ignore_index=True)
    return Data(table, paintings, pieces, rejects, pictures, real_data.SIDE, clips)


def make_pairs(paintings: Any, pieces: Any, *, how: str = "published", seed: int = 0,
               segment_seconds: float = 30.0) -> Any:
    """The pairs of tables ``painting, painting_group`` (artist), ``emotion`` and ``piece,
    piece_group, emotion, seconds``. ``published`` splits the pairs, so that segments of one piece
    lie on both sides; ``corrected`` first splits whole pieces and painters, then pairs."""
    counts = np.floor(pieces["seconds"].to_numpy(float) / segment_seconds + 1e-9).astype(int)
    segments = pieces.loc[pieces.index.repeat(counts), ["piece", "piece_group", "emotion"]]
    segments = segments.reset_index(drop=True).assign(seconds=float(segment_seconds))
    segments["start_s"] = segments.groupby("piece", sort=False).cumcount() * segment_seconds
    segments["segment"] = segments["piece"] + "@" + segments["start_s"].map("{:g}".format)
    if how == "corrected":
        paintings = _split_groups(paintings, "painting_group", seed)
        segments = _split_groups(segments, "piece_group", seed)
    known, parts = {*paintings["emotion"], *segments["emotion"]}, []
    for number, emotion in enumerate(word for word in EMOTIONS if word in known):
        sides = [table[table["emotion"] == emotion] for table in (paintings, segments)]
        if not all(map(len, sides)):
            raise KlangfarbeError(f"paintings and segments of every emotion, {emotion} too",
                                  f"{len(sides[0])} and {len(sides[1])}",
                                  "leave the emotion out on both sides, or give shorter segments")
        rng = np.random.default_rng([seed, number])
        for split in FRACTIONS if how == "corrected" else (None,):
            some: Any = [side[side["split"] == split] if split else side for side in sides]
            n = min(map(len, some))  # both shuffled, side by side; the longer's rest is left out
            ours, theirs = (side.iloc[rng.permutation(len(side))[:n]].reset_index(drop=True)
                            for side in some)
            if how == "published":
                n_train = round(FRACTIONS["train"] * n)
                n_validation = (n - n_train + 1) // 2
                split = np.repeat(list(FRACTIONS), [n_train, n_validation,
                                                    n - n_train - n_validation])
            parts.append(ours[["painting", "painting_group"]].join(theirs).assign(split=split))
    columns = ["painting", "painting_group", "piece", "piece_group", "segment", "start_s",
               "seconds", "emotion", "split"]
    return pd.concat(parts, ignore_index=True)[columns]


def check_leakage(table: pd.DataFrame):
    """What the leakage check finds in a table of pairs."""
    names = {"painting": "image_id", "segment": "audio_id", "painting_group": "image_group",
             "piece_group": "audio_group"}
    return leakage.check(pairs=table.rename(columns=names)[[*names.values(), "split"]])


def _split_groups(table: Any, column: str, seed: int) -> pd.DataFrame:
    # no group on two sides; a group counts for its most frequent emotion
    main = table.groupby(column)["emotion"].agg(lambda emotions: emotions.mode().iloc[0])
    parts = [rows.assign(split=splits.by_group(rows[column], FRACTIONS, seed))
             for _, rows in table.groupby(table[column].map(main), sort=False)]
    return pd.concat(parts).sort_index()
