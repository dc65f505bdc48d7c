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
    """A row an excerpt, grouped by artist, from the publisher's folder or repackaged
    (``meta/``).
    """
    folder = Path(folder)
    labels = layout.find_file(folder, [f"{place}static_annotations.csv" for place in PLACES],
                              "emoMusic's static annotations", WHERE)
    info_file = layout.find_file(folder, [f"{place}songs_info.csv" for place in PLACES],
                                 "emoMusic's list of songs", WHERE)
    songs = layout.read_table(labels, ("song_id",))
    columns = PUBLISHED if "mean_valence" in songs.columns else REPACKAGED
    songs = layout.read_table(labels, columns)
    info = layout.read_table(info_file, ("song_id", "Artist", "Song title", "Genre"))
    set_column = next((c for c in info.columns if "set" in c.lower()), None)
    about = {record["song_id"]: record for record in info.to_dict("records")}
    unit = affect.to_unit(songs[columns[1:]].to_numpy(), "emomusic")
    sounds = layout.list_first(folder, ("clips_45seconds", "mp345", "audio"), layout.AUDIO)
    rows = []
    for song, (valence, arousal) in zip(songs["song_id"].astype(int), unit, strict=True):
        artist, title, genre, part = (layout.text(about.get(song, {}).get(column))
                                      for column in ("Artist", "Song title", "Genre", set_column))
        rows.append({"item_id": f"emomusic-{song:04d}", "path": sounds.get(str(song)),
                     "group_id": layout.artist_group(artist), "genre": genre and genre.lower(),
                     "split": SPLITS.get((part or "").lower()),
                     "description": f"{title} by {artist}" if title and artist else None,
                     "valence": valence, "arousal": arousal})
    return layout.to_manifest(rows, "emomusic", LICENCE, URL, modality="audio")
