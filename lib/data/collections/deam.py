"""DEAM: 1,802 excerpts of royalty-free music with static valence and arousal."""

from pathlib import Path

import pandas as pd

from lib.data import manifest as manifests
from lib.data.collections import layout
from lib.signal import affect

CARD = """\
### DEAM (MediaEval Database for Emotional Analysis of Music)
- **What.** 1,802 pieces of royalty-free music (744 of 2013, 1,000 of 2014, 58 of 2015; excerpts of 45 s, whole songs in 2015), rated by at least five people.
- **Where.** <https://cvml.unige.ch/databases/DEAM/>: `DEAM_Annotations.zip`, `DEAM_audio.zip`, `metadata.zip`, unpacked into one folder.
- **Licence.** Annotations CC BY-NC; the music under its own Creative Commons licences.
- **Layout.** `annotations/annotations averaged per song/song_level/static_annotations_averaged_songs_1_2000.csv` and `…_2000_2058.csv`; `MEMD_audio/<id>.mp3`; `metadata/metadata_2013.csv`. Also read: `meta/static_annotations.csv` (the repackaged table).
- **Scale.** Self-assessment manikin, 1–9 (V/A −1…1 here = (x − 5)/4). Group: the artist where the metadata names one, else the song.
- **Known defects.** (1) *The 744 songs of 2013 have valence and arousal exchanged* with respect to emoMusic, whose songs they are: the correlation of DEAM's "valence" with emoMusic's arousal is 1.000 and with emoMusic's valence .599; 738 of 744 agree to 0.1 only when exchanged. emoMusic is the one to trust: by it rock is the most arousing of eight genres and country the most pleasant, classical the least arousing; by DEAM's headings rock would be the most *pleasant* and country the most *arousing*. emoMusic's second-by-second ratings, files of their own, side with it too (valence minus arousal, 15 songs: r = .74). A likely cause: emoMusic's file has arousal first, and the two were joined by position. (The ten clips the tests use are too few to tell: their loudness correlates .73 with both columns.) The adapter exchanges them back (`exchange_2013=True`); for the 1,058 later songs there is no second table to compare with, and they are left as published. (2) Headings carry leading blanks. (3) In the repackaged layout `mood_probabilities.csv` is no model's output: every value is 2/(1 + exp(d)), d the distance of the song's own labels to the tag's point, so using it as a feature reads the labels.
"""  # noqa: E501  (cards are read as text)

URL = "https://cvml.unige.ch/databases/DEAM/"
LICENCE = "annotations CC BY-NC, audio Creative Commons"
LAST_OF_2013 = 1000
FIRST = "static_annotations_averaged_songs_1_2000.csv"
WHERE = f"download DEAM_Annotations.zip from {URL} and unpack it there"


def manifest(folder: Path | str, *, exchange_2013: bool = True):
    """DEAM's rows.

    Args:
        folder: as its publisher ships it, or repackaged (``meta/static_annotations.csv``).
        exchange_2013: put back valence and arousal of the songs up to id 1000 (see the card);
            ``False``: as published.

    Returns:
        the checked table of :mod:`lib.data.manifest`; ``path`` is null where the audio is not
        there.

    Raises:
        KlangfarbeError: the annotations are missing or have other columns.
    """
    folder = Path(folder)
    places = [f"{prefix}annotations averaged per song/song_level/{FIRST}"
              for prefix in ("annotations/", "", "*/annotations/")]
    first = layout.find_file(folder, [*places, FIRST, "meta/static_annotations.csv"],
                           "DEAM's static annotations", WHERE)
    tables = [layout.read_table(first, ("song_id", "valence_mean", "arousal_mean"))]
    if first.name == FIRST:
        second = layout.find_file(first.parent, ["static_annotations_averaged_songs_2000_2058.csv"],
                                "DEAM's annotations of 2015", WHERE)
        tables.append(layout.read_table(second, ("song_id", "valence_mean", "arousal_mean")))
    songs = pd.concat(tables, ignore_index=True)
    unit = affect.to_unit(songs[["valence_mean", "arousal_mean"]].to_numpy(), "deam")
    old = songs["song_id"].to_numpy() <= LAST_OF_2013
    if exchange_2013:
        unit[old] = unit[old][:, ::-1]
    sounds = {}
    for place in ("MEMD_audio", "DEAM_audio/MEMD_audio", "audio", "mp3"):
        sounds = sounds or layout.list_files(folder / place, folder, layout.AUDIO)
    about = _metadata(folder)
    rows = []
    for song, (valence, arousal) in zip(songs["song_id"].astype(int), unit, strict=True):
        artist, genre = about.get(song, (None, None))
        rows.append({"item_id": f"deam-{song:04d}", "modality": "audio",
                     "path": sounds.get(str(song)), "source": "deam",
                     "group_id": f"artist:{artist}" if artist else f"deam-{song:04d}",
                     "genre": genre, "valence": valence, "arousal": arousal, "licence": LICENCE,
                     "origin_url": URL})
    return manifests.frame(rows)


def _metadata(folder: Path) -> dict[int, tuple[str | None, str | None]]:
    """Song → (artist, genre) from the yearly metadata files that are there; their headings differ
    from year to year.
    """
    found = {}
    for file in sorted(folder.glob("metadata*/metadata_20*.csv")) + sorted(
        folder.glob("*/metadata/metadata_20*.csv")):
        table = layout.read_table(file, ())
        names = {name.lower(): name for name in table.columns}
        song = names.get("song_id") or names.get("id")
        artist, genre = names.get("artist"), names.get("genre")
        if song is None:
            continue
        for row in table.to_dict("records"):
            found[int(row[song])] = (layout.text(row[artist]) if artist else None,
                                     layout.text(row[genre]) if genre else None)
    return found
