"""Emotify: 400 one-minute excerpts rated on the nine emotions of the Geneva Emotional Music
Scale.
"""

from pathlib import Path

import numpy as np

from lib.data import manifest as manifests
from lib.data.collections import layout
from lib.signal import affect

CARD = """\
### Emotify
- **What.** 400 one-minute excerpts (classical, rock, electronic, pop: 100 each) played in a game; after each, listeners ticked up to three of the nine emotions of the Geneva Emotional Music Scale (GEMS) they *felt*: 8,407 ratings.
- **Where.** <https://www2.projects.science.uu.nl/memotion/emotifydata/>: `data.csv` and `emotifymusic.zip`, unpacked into one folder.
- **Licence.** Ratings for research; the recordings are Magnatune's, CC BY-NC-SA.
- **Layout.** `data.csv` (a row a rating), `emotifymusic/<genre>/<1…100>.mp3`. Also read: `audio_15s/<genre>_<001…100>.ogg` (15 s from second 20).
- **Scale.** None for valence and arousal: the share of listeners who ticked each emotion is a weight, and a track's point is the weighted mean of `affect.GEMS_POINTS`, *our* choice of points. `emotion`: the emotion ticked most. Group: the track (no artists are given).
- **Known defects.** (1) Track ids run 1–400 while file names start again at 1 in every genre (electronic 3 is track 203). (2) Headings carry leading blanks, lines end in CR LF. (3) 1.2 % of ratings tick nothing; they add no weight. (4) 11 to 59 listeners a track: the points of classical tracks are far better known than the others'. (5) Ages from 5 to 99. (6) Averaging points pulls tracks towards the middle: the plane is not filled, valence least. (7) The copy the tests use holds 301 tracks and 6,207 ratings.
"""  # noqa: E501  (cards are read as text)

URL = "https://www2.projects.science.uu.nl/memotion/emotifydata/"
LICENCE = "ratings for research, recordings CC BY-NC-SA (Magnatune)"
WHERE = f"download data.csv and emotifymusic.zip from {URL}"
FIRST_TRACK = {"classical": 1, "rock": 101, "electronic": 201, "pop": 301}


def manifest(folder: Path | str):
    """Emotify's rows, one a track that has been rated; ``path`` is null where the excerpt is not
    there.

    Args:
        folder: as its publisher ships it, or with ``audio_15s/``.

    Raises:
        KlangfarbeError: ``data.csv`` is missing or lacks an emotion.
    """
    folder = Path(folder)
    emotions = list(affect.GEMS_POINTS)
    ticked = shares(folder)
    points = affect.from_emotions(ticked[emotions].to_numpy(), affect.GEMS_POINTS)
    sounds = _sounds(folder)
    rows = []
    for position, record in enumerate(ticked.to_dict("records")):
        track, genre = int(record["track id"]), record["genre"]
        weights = [record[name] for name in emotions]
        emotion, (valence, arousal) = emotions[weights.index(max(weights))], points[position]
        if not any(weights):  # nobody ticked anything: no point, rather than the neutral one
            emotion = valence = arousal = None
        rows.append({"item_id": f"emotify-{track:03d}", "modality": "audio",
                     "path": sounds.get(track), "source": "emotify",
                     "group_id": f"emotify-{track:03d}", "genre": genre, "emotion": emotion,
                     "valence": valence, "arousal": arousal, "licence": LICENCE, "origin_url": URL})
    return manifests.frame(rows)


def shares(folder: Path | str):
    """The share of a track's listeners who ticked each emotion, in the manifest's order.

    Returns:
        DataFrame, a row a track: ``track id``, ``genre``, and nine columns in [0, 1].
    """
    emotions = list(affect.GEMS_POINTS)
    file = layout.find_file(folder, ["data.csv"], "Emotify's ratings", WHERE)
    ratings = layout.read_table(file, ["track id", "genre", *emotions])
    return ratings.groupby(["track id", "genre"], sort=True)[emotions].mean().reset_index()


def panels(folder: Path | str, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two points for each track, each by a random half of its listeners: how far one panel agrees
    with another.

    Returns:
        two float64 [N, 2] in the order of :func:`manifest`; a half in which nobody ticked anything
        counts as (0, 0).
    """
    emotions = list(affect.GEMS_POINTS)
    file = layout.find_file(folder, ["data.csv"], "Emotify's ratings", WHERE)
    ratings = layout.read_table(file, ["track id", "genre",
                                  *emotions]).sort_values("track id", kind="stable")
    rng = np.random.default_rng(seed)
    first, second = [], []
    for _, of_track in ratings.groupby("track id", sort=True):
        ticks = of_track[emotions].to_numpy()[rng.permutation(len(of_track))]
        first.append(ticks[::2].mean(axis=0))
        second.append(ticks[1::2].mean(axis=0) if len(ticks) > 1 else ticks[0])
    return affect.from_emotions(first,
                                affect.GEMS_POINTS), affect.from_emotions(second,
                                                                          affect.GEMS_POINTS)


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
