"""VGMIDI: 200 piano arrangements of game music, cut into phrases, with binary valence and
arousal.
"""

from pathlib import Path

from lib.data import manifest as manifests
from lib.data.collections import layout
from lib.signal import affect

CARD = """\
### VGMIDI
- **What.** 200 piano arrangements of video-game music as MIDI, annotated over time by 30 people each and cut into phrases of constant sentiment.
- **Where.** <https://github.com/lucasnfe/vgmidi>.
- **Licence.** MIT for the repository; the melodies are their publishers'.
- **Layout.** `labelled/src/vgmidi.csv` (`id, series, console, game, piece, midi, valence, arousal`) with `labelled/phrases/*.mid`. Also read: `phrases.csv` (`file, piece_id, part, valence, arousal, original_path`) with the files of `phrases.zip` unpacked beside it.
- **Scale.** 0 or 1; placed at the middle of its half, −0.5 or 0.5: the label says which side, not how far. Group: the piece.
- **Known defects.** (1) Phrases of one piece overlap (the longer cuts contain the shorter ones): split by piece, never by phrase. (2) In `phrases.csv` 14 pieces change valence and 18 change arousal from phrase to phrase; this is music, not error. (3) 54 % of the phrases come from the cut into sixteen. (4) Positive valence is twice as frequent as negative.
"""  # noqa: E501  (cards are read as text)

URL = "https://github.com/lucasnfe/vgmidi"
LICENCE = "MIT (repository); melodies of their publishers"
WHERE = f"clone {URL}"
PUBLISHED = ("id", "series", "console", "game", "piece", "midi", "valence", "arousal")
REPACKAGED = ("file", "piece_id", "part", "valence", "arousal")


def manifest(folder: Path | str):
    """VGMIDI's phrases; ``path`` is null where the MIDI file is not there (``phrases.zip`` not yet
    unpacked).

    Args:
        folder: as its publisher ships it, or with ``phrases.csv``.

    Raises:
        KlangfarbeError: the table is missing, has other columns, or labels that are not 0 or 1.
    """
    folder = Path(folder)
    places = ["labelled/src/vgmidi.csv", "src/vgmidi.csv", "phrases.csv"]
    file = layout.find_file(folder, places, "VGMIDI's table of phrases", WHERE)
    published = file.name == "vgmidi.csv"
    phrases = layout.read_table(file, PUBLISHED if published else REPACKAGED)
    unit = affect.to_unit(phrases[["valence", "arousal"]].to_numpy(), "vgmidi")
    rows = []
    for (valence, arousal), record in zip(unit, phrases.to_dict("records"), strict=True):
        score = (file.parent
                 / record["midi"]).resolve() if published else file.parent / record["file"]
        root = folder.resolve() if published else folder
        piece = f"{record['game']}: {record['piece']}" if published else record["piece_id"]
        rows.append({"item_id": f"vgmidi-{score.stem}", "modality": "midi", "source": "vgmidi",
                     "group_id": f"vgmidi-{piece}",
                     "path": score.relative_to(root).as_posix()
                     if score.is_file() and score.is_relative_to(root) else None, "genre": "game",
                     "valence": valence, "arousal": arousal, "licence": LICENCE, "origin_url": URL})
    return manifests.frame(rows)
