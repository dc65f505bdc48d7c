"""PMEmo: 794 choruses of popular songs, 767 of them labelled."""

from pathlib import Path

import pandas as pd

from lib.data.collections import layout
from lib.signal import affect

URL = "https://github.com/HuiZhangDB/PMEmo"
LICENCE = "research use"
WHERE = f"download PMEmo2019.zip, linked from {URL}, and unpack it there"
PUBLISHED = ["musicId", "Valence(mean)", "Arousal(mean)"]
REPACKAGED = ["song_id", "valence_mean", "arousal_mean"]


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row a song of the metadata, grouped by artist, from the publisher's folder or repackaged
    (``meta/``); valence and arousal are null where a song has no label.
    """
    folder = Path(folder)
    inner = folder / "PMEmo2019" if (folder / "PMEmo2019").is_dir() else folder
    labels = layout.find_file(inner, ["annotations/static_annotations.csv",
                                      "meta/static_annotations.csv"], "PMEmo's static annotations",
                              WHERE)
    about_file = layout.find_file(inner, ["metadata.csv", "meta/metadata.csv"], "PMEmo's metadata",
                                  WHERE)
    songs = layout.read_table(labels, ())
    columns, scale = ((PUBLISHED, "pmemo") if "musicId" in songs.columns
                      else (REPACKAGED, "pmemo_rescaled"))
    songs = layout.read_table(labels, columns)
    unit = affect.to_unit(songs[columns[1:]].to_numpy(), scale)
    of_song = dict(zip(songs[columns[0]].astype(int), unit.tolist(), strict=True))
    sounds = layout.list_files(inner / "chorus", folder, layout.AUDIO)
    rows = []
    for record in layout.read_table(about_file, ("musicId", "artist")).to_dict("records"):
        song = int(record["musicId"])
        valence, arousal = of_song.get(song, (None, None))
        artist, title = layout.text(record["artist"]), layout.text(record.get("title"))
        rows.append({"item_id": f"pmemo-{song:04d}", "path": sounds.get(str(song)),
                     "group_id": layout.artist_group(artist),
                     "description": f"{title} by {artist}" if title and artist else None,
                     "valence": valence, "arousal": arousal})
    return layout.to_manifest(rows, "pmemo", LICENCE, URL, modality="audio", genre="pop")
