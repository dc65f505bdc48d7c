"""PMEmo: 794 choruses of popular songs, 767 of them labelled."""

from pathlib import Path

from lib.data import manifest as manifests
from lib.data.collections import layout
from lib.signal import affect

CARD = """\
### PMEmo (2019)
- **What.** The choruses of 794 popular songs; 767 have static valence and arousal by at least ten listeners each.
- **Where.** <https://github.com/HuiZhangDB/PMEmo> links `PMEmo2019.zip`.
- **Licence.** Research use only; the music is not free.
- **Layout.** `metadata.csv`, `annotations/static_annotations.csv` (`musicId, Arousal(mean), Valence(mean)`), `chorus/<id>.mp3`. Also read: `meta/…` (repackaged, columns renamed).
- **Scale.** 0–1 as published; **1–9 in the repackaged table** (1 + 8x, rounded to 0.1), told apart by the column names and checked against the range. Group: the artist as written.
- **Known defects.** (1) 27 of 794 songs have no static label: rows must be joined by `musicId`, never by position. (2) In the repackaged table the means were rescaled to 1–9 and the standard deviations were not (they stay near .16, which on 1–9 would be perfect agreement). (3) Columns stand arousal first. (4) `mood_probabilities.csv` is computed from the labels (see DEAM's card).
"""  # noqa: E501  (cards are read as text)

URL = "https://github.com/HuiZhangDB/PMEmo"
LICENCE = "research use"
WHERE = f"download PMEmo2019.zip, linked from {URL}, and unpack it there"
PUBLISHED = ("musicId", "Valence(mean)", "Arousal(mean)")
REPACKAGED = ("song_id", "valence_mean", "arousal_mean")


def manifest(folder: Path | str):
    """PMEmo's rows: every song of the metadata; valence and arousal are null for the unlabelled
    ones.

    Args:
        folder: as its publisher ships it (``PMEmo2019/`` or what it holds), or repackaged
            (``meta/``).

    Raises:
        KlangfarbeError: a table is missing, has other columns, or holds values outside its scale.
    """
    folder = Path(folder)
    if (folder / "PMEmo2019").is_dir():
        folder_prefix, inner = "PMEmo2019/", folder / "PMEmo2019"
    else:
        folder_prefix, inner = "", folder
    places = ["annotations/static_annotations.csv", "meta/static_annotations.csv"]
    labels = layout.find_file(inner, places, "PMEmo's static annotations", WHERE)
    about_file = layout.find_file(inner, ["metadata.csv", "meta/metadata.csv"], "PMEmo's metadata",
                                WHERE)
    songs = layout.read_table(labels, ())
    columns, scale = (PUBLISHED, "pmemo") if "musicId" in songs.columns else (REPACKAGED,
                                                                              "pmemo_rescaled")
    songs = layout.read_table(labels, columns)
    unit = affect.to_unit(songs[list(columns[1:])].to_numpy(), scale)
    of_song = dict(zip(songs[columns[0]].astype(int), unit.tolist(), strict=True))
    about = layout.read_table(about_file, ("musicId", "artist"))
    sounds = layout.list_files(inner / "chorus", inner, layout.AUDIO)
    rows = []
    for record in about.to_dict("records"):
        song = int(record["musicId"])
        valence, arousal = of_song.get(song, (None, None))
        artist, title = layout.text(record["artist"]), layout.text(record.get("title"))
        path = sounds.get(str(song))
        rows.append({"item_id": f"pmemo-{song:04d}", "modality": "audio",
                     "path": folder_prefix + path if path else None, "source": "pmemo",
                     "group_id": f"artist:{artist}" if artist else f"pmemo-{song:04d}",
                     "description": f"{title} by {artist}" if title and artist else None,
                     "valence": valence, "arousal": arousal, "genre": "pop", "licence": LICENCE,
                     "origin_url": URL})
    return manifests.frame(rows)
