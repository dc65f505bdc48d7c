"""Emotify: 400 one-minute excerpts rated on the nine emotions of the Geneva Emotional Music Scale.
"""

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
    folder = Path(folder)
    ticked = shares(folder)
    points = affect.from_emotions(ticked[EMOTIONS].to_numpy(), affect.GEMS_POINTS)
    sounds = _sounds(folder)
    rows = []
    for (valence, arousal), record in zip(points, ticked.to_dict("records"), strict=True):
        track = int(record["track id"])
        emotion = max(EMOTIONS, key=record.get)
        if not record[emotion]:  # nobody ticked anything: no point, rather than the neutral one
            emotion = valence = arousal = None
        rows.append({"item_id": f"emotify-{track:03d}", "path": sounds.get(track),
                     "genre": record["genre"], "emotion": emotion, "valence": valence,
                     "arousal": arousal})
    return layout.to_manifest(rows, "emotify", LICENCE, URL, modality="audio")


def shares(folder: Path | str) -> pd.DataFrame:
    """The share of a track's listeners who ticked each emotion, a row a track: ``track id, genre``
    and nine columns in [0, 1].
    """
    ratings = _ratings(folder)
    return ratings.groupby(["track id", "genre"], sort=True)[EMOTIONS].mean().reset_index()


def panels(folder: Path | str, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two points for each track, each by a random half of its listeners: how far one panel agrees
    with another. Two [N, 2] in :func:`manifest`'s order; (0, 0) where a half ticked nothing.
    """
    rng = np.random.default_rng(seed)
    halves = []
    for _, of_track in _ratings(folder).sort_values("track id",
                                                    kind="stable").groupby("track id", sort=True):
        ticks = of_track[EMOTIONS].to_numpy()[rng.permutation(len(of_track))]
        halves.append((ticks[::2].mean(axis=0), ticks[1::2].mean(axis=0) if len(ticks) > 1
                       else ticks[0]))
    first, second = zip(*halves, strict=True)
    return (affect.from_emotions(first, affect.GEMS_POINTS),
            affect.from_emotions(second, affect.GEMS_POINTS))


def _ratings(folder: Path | str) -> pd.DataFrame:
    file = layout.find_file(folder, ["data.csv"], "Emotify's ratings", WHERE)
    return layout.read_table(file, ["track id", "genre", *EMOTIONS])


def _sounds(folder: Path) -> dict[int, str]:
    """Track id → path, from either layout."""
    found = {}
    for genre, first in FIRST_TRACK.items():
        for place in (f"emotifymusic/{genre}", genre):
            for stem, path in layout.list_files(folder / place, folder, layout.AUDIO).items():
                if stem.isdigit():
                    found.setdefault(first + int(stem) - 1, path)
    for stem, path in layout.list_files(folder / "audio_15s", folder, layout.AUDIO).items():
        genre, _, number = stem.rpartition("_")
        if genre in FIRST_TRACK and number.isdigit():
            found.setdefault(FIRST_TRACK[genre] + int(number) - 1, path)
    return found
