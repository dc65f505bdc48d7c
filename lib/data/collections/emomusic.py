"""emoMusic ("1000 Songs"): 744 excerpts of DEAM's first year, with artists and genres."""

from pathlib import Path

import pandas as pd

from lib.data.collections import layout
from lib.signal import affect

URL = "https://cvml.unige.ch/databases/emoMusic/"
LICENCE = "annotations CC BY-NC, audio Creative Commons"
WHERE = f"download annotations.tar.gz from {URL} and unpack it there"
PLACES = ("annotations/", "meta/", "")
PUBLISHED = ["song_id", "mean_valence", "mean_arousal"]
REPACKAGED = ["song_id", "valence_mean", "arousal_mean"]
SPLITS = {"development": "train", "evaluation": "test"}


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row an excerpt, grouped by artist, from the publisher's folder or repackaged."""
    folder = Path(folder)
    labels, info = (layout.find_file(folder, [place + name for place in PLACES],
                                     "a table of emoMusic's", WHERE)
                    for name in ("static_annotations.csv", "songs_info.csv"))
    songs = layout.read_table(labels, ("song_id",))
    columns = PUBLISHED if "mean_valence" in songs.columns else REPACKAGED
    songs = layout.read_table(labels, columns)
    known = layout.read_table(info, ("song_id", "Artist", "Song title", "Genre"))
    part = next((column for column in known.columns if "set" in column.lower()), None)
    about = {record["song_id"]: record for record in known.to_dict("records")}
    numbers = songs["song_id"].astype(int)
    artists, titles, genres, parts = (
        [layout.text(about.get(n, {}).get(column)) for n in numbers]
        for column in ("Artist", "Song title", "Genre", part))
    sounds = layout.list_files(folder, layout.AUDIO, "clips_45seconds", "mp345", "audio")
    return layout.to_manifest(
        "emomusic", LICENCE, URL, modality="audio", artists=artists,
        item_id=[f"emomusic-{n:04d}" for n in numbers],
        path=[sounds.get(str(n)) for n in numbers],
        points=affect.to_unit(songs[columns[1:]], "emomusic"),
        genre=[genre and genre.lower() for genre in genres],
        split=[SPLITS.get((name or "").lower()) for name in parts],
        description=list(map(layout.titled, titles, artists)))
