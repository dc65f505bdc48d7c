"""emoMusic ("1000 Songs"): 744 excerpts of DEAM's first year, with artists and genres."""

from pathlib import Path

from lib.data import manifest as manifests
from lib.data.collections import layout
from lib.signal import affect

CARD = """\
### emoMusic (1000 Songs for Emotional Analysis of Music)
- **What.** 744 excerpts of 45 s from the Free Music Archive in eight genres, each rated by at least ten people; the songs of DEAM's first year, so never use the two as train and test.
- **Where.** <https://cvml.unige.ch/databases/emoMusic/>: `annotations.tar.gz` and `clips_45sec.tar.gz`, unpacked into one folder.
- **Licence.** Annotations CC BY-NC; the music under its own Creative Commons licences.
- **Layout.** `annotations/static_annotations.csv` (`song_id, mean_arousal, std_arousal, mean_valence, std_valence`), `annotations/songs_info.csv`, `clips_45seconds/<id>.mp3`. Also read: `meta/…` (repackaged, columns renamed) and clips in `mp345/`.
- **Scale.** 1–9. Group: the artist. Split: the publisher's development set is `train`, its evaluation set `test`.
- **Known defects.** (1) Valence and arousal stand exchanged with respect to DEAM's table of the same songs: this one is right (see DEAM's card). (2) `songs_info.csv` has a tab inside every quoted cell. (3) The evaluation split shares artists with the development split: split by artist instead. (4) `mood_probabilities.csv` of the repackaged layout is computed from the labels (see DEAM's card).
"""  # noqa: E501  (cards are read as text)

URL = "https://cvml.unige.ch/databases/emoMusic/"
LICENCE = "annotations CC BY-NC, audio Creative Commons"
WHERE = f"download annotations.tar.gz from {URL} and unpack it there"
PUBLISHED = ("song_id", "mean_valence", "mean_arousal")
REPACKAGED = ("song_id", "valence_mean", "arousal_mean")


def manifest(folder: Path | str):
    """emoMusic's rows; ``path`` is null where the clip is not there.

    Args:
        folder: as its publisher ships it, or repackaged (``meta/``).

    Raises:
        KlangfarbeError: the annotations are missing or have other columns.
    """
    folder = Path(folder)
    places = ("annotations/", "meta/", "")
    labels = layout.find_file(folder, [f"{place}static_annotations.csv" for place in places],
                            "emoMusic's static annotations", WHERE)
    info_file = layout.find_file(folder, [f"{place}songs_info.csv" for place in places],
                               "emoMusic's list of songs", WHERE)
    songs = layout.read_table(labels, ("song_id",))
    columns = PUBLISHED if "mean_valence" in songs.columns else REPACKAGED
    songs = layout.read_table(labels, columns)
    info = layout.read_table(info_file, ("song_id", "Artist", "Song title",
                                    "Genre")).set_index("song_id")
    set_column = next((c for c in info.columns if "set" in c.lower()), None)
    unit = affect.to_unit(songs[list(columns[1:])].to_numpy(), "emomusic")
    sounds = {}
    for place in ("clips_45seconds", "mp345", "audio"):
        sounds = sounds or layout.list_files(folder / place, folder, layout.AUDIO)
    rows = []
    for song, (valence, arousal) in zip(songs["song_id"].astype(int), unit, strict=True):
        about = info.loc[song].to_dict() if song in info.index else {}
        artist, title = layout.text(about.get("Artist")), layout.text(about.get("Song title"))
        genre, part = ((layout.text(about.get(column)) or "").lower()
                       for column in ("Genre", set_column))
        rows.append({"item_id": f"emomusic-{song:04d}", "modality": "audio",
                     "path": sounds.get(str(song)), "source": "emomusic",
                     "group_id": f"artist:{artist}" if artist else f"emomusic-{song:04d}",
                     "genre": genre or None, "split": {"development": "train",
                                                       "evaluation": "test"}.get(part),
                     "description": f"{title} by {artist}" if title and artist else None,
                     "valence": valence, "arousal": arousal, "licence": LICENCE, "origin_url": URL})
    return manifests.frame(rows)
