"""VGMIDI: 200 piano arrangements of game music, in phrases with binary valence and arousal."""

from pathlib import Path

import pandas as pd

from lib.data.collections import layout
from lib.signal import affect

URL = "https://github.com/lucasnfe/vgmidi"
LICENCE = "MIT (repository); melodies of their publishers"
WHERE = f"clone {URL}"
PLACES = ("labelled/src/vgmidi.csv", "src/vgmidi.csv", "phrases.csv")


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row a phrase, grouped by piece, from the publisher's folder or one with ``phrases.csv``."""
    file = layout.find_file(folder, PLACES, "VGMIDI's table of phrases", WHERE)
    published, root = file.name == "vgmidi.csv", Path(folder).resolve()
    columns = ("midi", "game", "piece") if published else ("file", "piece_id")
    phrases = layout.read_table(file, (*columns, "valence", "arousal"))
    names = phrases[columns[0]]
    pieces = phrases["game"] + ": " + phrases["piece"] if published else phrases["piece_id"]
    scores = [(file.parent / name).resolve() for name in names]
    return layout.to_manifest(
        "vgmidi", LICENCE, URL, modality="midi", genre="game",
        item_id=[f"vgmidi-{Path(name).stem}" for name in names],
        group_id=[f"vgmidi-{piece}" for piece in pieces],
        points=affect.to_unit(phrases[["valence", "arousal"]], "vgmidi"),
        path=[score.relative_to(root).as_posix() if score.is_file() and score.is_relative_to(root)
              else None for score in scores])
