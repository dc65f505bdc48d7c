"""DEAM: 1,802 excerpts of royalty-free music with static valence and arousal."""

from pathlib import Path

import pandas as pd

from lib.data.collections import layout
from lib.signal import affect

URL = "https://cvml.unige.ch/databases/DEAM/"
LICENCE = "annotations CC BY-NC, audio Creative Commons"
WHERE = f"download DEAM_Annotations.zip from {URL} and unpack it there"
LAST_OF_2013 = 1000
FIRST = "static_annotations_averaged_songs_1_2000.csv"
SECOND = "static_annotations_averaged_songs_2000_2058.csv"
COLUMNS = ("song_id", "valence_mean", "arousal_mean")


def manifest(folder: Path | str, *, exchange_2013: bool = True) -> pd.DataFrame:
    """A row a song, grouped by artist where known, from the publisher's folder or repackaged
    (``meta/static_annotations.csv``).

    Args:
        exchange_2013: put back valence and arousal of the songs up to id 1000, which the published
            table has exchanged (see the card); ``False``: as published.
    """
    folder = Path(folder)
    places = [f"{prefix}annotations averaged per song/song_level/{FIRST}"
              for prefix in ("annotations/", "", "*/annotations/")]
    first = layout.find_file(folder, [*places, FIRST, "meta/static_annotations.csv"],
                             "DEAM's static annotations", WHERE)
    tables = [layout.read_table(first, COLUMNS)]
    if first.name == FIRST:
        second = layout.find_file(first.parent, [SECOND], "DEAM's annotations of 2015", WHERE)
        tables.append(layout.read_table(second, COLUMNS))
    songs = pd.concat(tables, ignore_index=True)
    unit = affect.to_unit(songs[["valence_mean", "arousal_mean"]].to_numpy(), "deam")
    if exchange_2013:
        old = songs["song_id"].to_numpy() <= LAST_OF_2013
        unit[old] = unit[old][:, ::-1]
    sounds = layout.list_first(folder, ("MEMD_audio", "DEAM_audio/MEMD_audio", "audio", "mp3"),
                               layout.AUDIO)
    about = _metadata(folder)
    rows = []
    for song, (valence, arousal) in zip(songs["song_id"].astype(int), unit, strict=True):
        artist, genre = about.get(song, (None, None))
        rows.append({"item_id": f"deam-{song:04d}", "path": sounds.get(str(song)),
                     "group_id": layout.artist_group(artist), "genre": genre, "valence": valence,
                     "arousal": arousal})
    return layout.to_manifest(rows, "deam", LICENCE, URL, modality="audio")


def _metadata(folder: Path) -> dict[int, tuple[str | None, str | None]]:
    """Song → (artist, genre) from the yearly metadata files; their headings differ by year."""
    found = {}
    for file in (sorted(folder.glob("metadata*/metadata_20*.csv"))
                 + sorted(folder.glob("*/metadata/metadata_20*.csv"))):
        table = layout.read_table(file, ())
        names = {name.lower(): name for name in table.columns}
        song = names.get("song_id") or names.get("id")
        for row in table.to_dict("records") if song else ():
            found[int(row[song])] = tuple(layout.text(row.get(names.get(column)))
                                          for column in ("artist", "genre"))
    return found
