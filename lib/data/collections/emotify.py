"""Emotify: 400 one-minute excerpts rated on the Geneva Emotional Music Scale's nine emotions."""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.data.collections import layout
from lib.signal import affect

URL = "https://www2.projects.science.uu.nl/memotion/emotifydata/"
LICENCE = "ratings for research, recordings CC BY-NC-SA (Magnatune)"
WHERE = f"download data.csv and emotifymusic.zip from {URL}"
FIRST_TRACK = {"classical": 1, "rock": 101, "electronic": 201, "pop": 301}
EMOTIONS = list(affect.GEMS_POINTS)


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row a track that has been rated, from the publisher's folder or one with ``audio_15s/``."""
    ticked, sounds = shares(folder), {}
    for genre, first in FIRST_TRACK.items():
        for place in ("audio_15s", genre, f"emotifymusic/{genre}"):
            for stem, path in layout.list_files(Path(folder), layout.AUDIO, place).items():
                number = stem.removeprefix(f"{genre}_") if place == "audio_15s" else stem
                if number.isdigit():
                    sounds[first + int(number) - 1] = path
    ticks = ticked[EMOTIONS].to_numpy()
    points, anything = affect.from_emotions(ticks, affect.GEMS_POINTS), ticks.any(axis=1)
    points[~anything] = np.nan  # nobody ticked anything: no point, rather than the neutral one
    return layout.to_manifest(
        "emotify", LICENCE, URL, modality="audio", points=points, genre=ticked["genre"],
        item_id=[f"emotify-{track:03d}" for track in ticked["track id"]],
        path=[sounds.get(track) for track in ticked["track id"]],
        emotion=np.where(anything, np.array(EMOTIONS, object)[ticks.argmax(axis=1)], None))


def shares(folder: Path | str) -> pd.DataFrame:
    """Share of a track's listeners who ticked each emotion: ``track id, genre``, nine in [0, 1]."""
    ratings = _ratings(folder)
    return ratings.groupby(["track id", "genre"], sort=True)[EMOTIONS].mean().reset_index()


def panels(folder: Path | str, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two points for each track, each by a random half of its listeners (how far one panel agrees
    with another): two [N, 2] in :func:`manifest`'s order; (0, 0) where a half ticked nothing.
    """
    rng, halves = np.random.default_rng(seed), []
    for _, rows in _ratings(folder).sort_values("track id", kind="stable").groupby("track id"):
        ticks = rows[EMOTIONS].to_numpy()[rng.permutation(len(rows))]
        other = ticks[1::2] if len(ticks) > 1 else ticks
        halves.append((ticks[::2].mean(axis=0), other.mean(axis=0)))
    first, second = (affect.from_emotions(half, affect.GEMS_POINTS)
                     for half in zip(*halves, strict=True))
    return first, second


def _ratings(folder: Path | str) -> pd.DataFrame:
    file = layout.find_file(folder, ["data.csv"], "Emotify's ratings", WHERE)
    return layout.read_table(file, ["track id", "genre", *EMOTIONS])
