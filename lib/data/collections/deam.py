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
PLACES = (*(f"{above}annotations averaged per song/song_level/{FIRST}"
            for above in ("annotations/", "", "*/annotations/")),
          FIRST, "meta/static_annotations.csv")
COLUMNS = ("song_id", "valence_mean", "arousal_mean")


def manifest(folder: Path | str, *, exchange_2013: bool = True) -> pd.DataFrame:
    """A row a song; `exchange_2013` undoes an exchange of the axes up to id 1000 (see the card)."""
    folder = Path(folder)
    files = [layout.find_file(folder, PLACES, "DEAM's static annotations", WHERE)]
    if files[0].name == FIRST:
        files += [layout.find_file(files[0].parent, [SECOND], "DEAM's annotations of 2015", WHERE)]
    songs = pd.concat([layout.read_table(file, COLUMNS) for file in files], ignore_index=True)
    numbers, points = songs["song_id"].astype(int), affect.to_unit(songs[[*COLUMNS[1:]]], "deam")
    if exchange_2013:
        old = numbers.to_numpy() <= LAST_OF_2013
        points[old] = points[old][:, ::-1]
    about = {}  # song → artist, genre; the headings of the yearly files differ
    for file in (*sorted(folder.glob("metadata*/metadata_20*.csv")),
                 *sorted(folder.glob("*/metadata/metadata_20*.csv"))):
        for row in layout.read_table(file, ()).rename(columns=str.lower).to_dict("records"):
            if song := row.get("song_id") or row.get("id"):
                about[int(song)] = layout.text(row.get("artist")), layout.text(row.get("genre"))
    artists, genres = ([about.get(n, (None, None))[k] for n in numbers] for k in range(2))
    sounds = layout.list_files(folder, layout.AUDIO, "MEMD_audio", "DEAM_audio/MEMD_audio", "audio",
                               "mp3")
    return layout.to_manifest("deam", LICENCE, URL, modality="audio", points=points, genre=genres,
                              artists=artists, item_id=[f"deam-{n:04d}" for n in numbers],
                              path=[sounds.get(str(n)) for n in numbers])
