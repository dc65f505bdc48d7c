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
    """A row a song of the metadata, grouped by artist; null points where a song has no label."""
    folder = Path(folder)
    inner = folder / "PMEmo2019" if (folder / "PMEmo2019").is_dir() else folder
    labels, about = (layout.find_file(inner, places, "a table of PMEmo's", WHERE) for places in (
        ("annotations/static_annotations.csv", "meta/static_annotations.csv"),
        ("metadata.csv", "meta/metadata.csv")))
    columns, scale = PUBLISHED, "pmemo"
    if PUBLISHED[0] not in layout.read_table(labels, ()).columns:
        columns, scale = REPACKAGED, "pmemo_rescaled"
    rated = layout.read_table(labels, columns)
    points = dict(zip(rated[columns[0]].astype(int), affect.to_unit(rated[columns[1:]], scale),
                      strict=True))
    sounds = layout.list_files(folder, layout.AUDIO, "PMEmo2019/chorus", "chorus")
    songs = layout.read_table(about, ("musicId", "artist"))
    numbers, artists = songs["musicId"].astype(int), list(map(layout.text, songs["artist"]))
    titles = [layout.text(title) for title in songs.get("title", [None] * len(songs))]
    return layout.to_manifest(
        "pmemo", LICENCE, URL, modality="audio", genre="pop", artists=artists,
        item_id=[f"pmemo-{n:04d}" for n in numbers],
        path=[sounds.get(str(n)) for n in numbers],
        points=[points.get(n, (None, None)) for n in numbers],
        description=list(map(layout.titled, titles, artists)))
