"""VGMIDI: 200 piano arrangements of game music, in phrases with binary valence and arousal."""

from pathlib import Path

import pandas as pd

from lib.data.collections import layout
from lib.signal import affect

URL = "https://github.com/lucasnfe/vgmidi"
LICENCE = "MIT (repository); melodies of their publishers"
WHERE = f"clone {URL}"
PLACES = ("labelled/src/vgmidi.csv", "src/vgmidi.csv", "phrases.csv")
PUBLISHED = ("id", "series", "console", "game", "piece", "midi", "valence", "arousal")
REPACKAGED = ("file", "piece_id", "part", "valence", "arousal")


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row a phrase, grouped by piece, from the publisher's folder or one with ``phrases.csv``."""
    folder = Path(folder)
    file = layout.find_file(folder, PLACES, "VGMIDI's table of phrases", WHERE)
    published = file.name == "vgmidi.csv"
    phrases = layout.read_table(file, PUBLISHED if published else REPACKAGED)
    unit = affect.to_unit(phrases[["valence", "arousal"]].to_numpy(), "vgmidi")
    rows = []
    for (valence, arousal), record in zip(unit, phrases.to_dict("records"), strict=True):
        name = record["midi" if published else "file"]
        score = (file.parent / name).resolve()
        piece = f"{record['game']}: {record['piece']}" if published else record["piece_id"]
        there = score.is_file() and score.is_relative_to(folder.resolve())
        rows.append({"item_id": f"vgmidi-{Path(name).stem}", "group_id": f"vgmidi-{piece}",
                     "path": score.relative_to(folder.resolve()).as_posix() if there else None,
                     "valence": valence, "arousal": arousal})
    return layout.to_manifest(rows, "vgmidi", LICENCE, URL, modality="midi", genre="game")
