"""MIREX-like mood dataset: 903 clips with a mood adjective each, MIDI for some of them."""

import csv
import re
from pathlib import Path

import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data.collections import layout
from lib.signal import affect

CLUSTERS = {1: ("passionate", "rousing", "confident", "boisterous", "rowdy"),
            2: ("rollicking", "cheerful", "fun", "sweet", "amiable/good natured"),
            3: ("literate", "poignant", "wistful", "bittersweet", "autumnal", "brooding"),
            4: ("humorous", "silly", "campy", "quirky", "whimsical", "witty", "wry"),
            5: ("aggressive", "fiery", "tense/anxious", "intense", "volatile", "visceral")}
# A label file's lines, in letters and digits only → their meaning
LINES = {"clusters": {word + str(n): n for n in CLUSTERS for word in ("", "cluster")},
         "categories": {"agressive": "aggressive"} | {re.sub("[^a-z]", "", name): name
                                                      for name in affect.MIREX_POINTS}}
AGAIN = "unpack the archive again: the two files have a line a song"
STRAYED = 0.05  # more adjectives outside their cluster than this: the two label files have slipped


def mirex(folder: Path) -> dict:
    """A row a clip and, where there is one, a row a MIDI file, grouped by artist where known."""
    root, moods = home(folder), labels(folder)
    files = {kind: {int(file.stem): file for file in sorted((root / place).rglob("*"), reverse=True)
                    if file.suffix.lower() in suffixes and file.stem.isdecimal()}
             for kind, place, suffixes in (("audio", "Audio", layout.AUDIO),
                                           ("midi", "MIDIs", (".mid", ".midi")))}
    clips, about = files["audio"], _about(root)
    beyond = [file.name for kind in files.values() for number, file in sorted(kind.items())
              if not 1 <= number <= len(moods)]
    # clips 1, 2, 3 … without a gap: then there must be a line for each and no other
    if beyond or (clips and len(clips) == max(clips) != len(moods)):
        got = f"and {beyond[0]}" if beyond else f"for {len(clips)} clips"
        raise KlangfarbeError(f"a line for each song in {root / 'clusters.txt'} and categories.txt",
                              f"{len(moods)} lines {got}", AGAIN)
    rows = [(n, kind, files[kind].get(n)) for n in moods.index + 1 for kind in files
            if kind == "audio" or n in files[kind]]
    adjectives = [moods["adjective"][n - 1] for n, *_ in rows]
    artists, genres = ([about.get(n, (None, None))[k] for n, *_ in rows] for k in range(2))
    return {"modality": [kind for _, kind, _ in rows], "artists": artists, "genre": genres,
            "item_id": [f"mirex-{n:03d}-{kind}" for n, kind, _ in rows], "emotion": adjectives,
            "group_id": [f"mirex-{n:03d}" for n, *_ in rows],
            "path": [file and file.relative_to(folder).as_posix() for *_, file in rows],
            "points": [affect.MIREX_POINTS[adjective] for adjective in adjectives]}


def labels(folder: Path) -> pd.DataFrame:
    """``cluster`` (1 … 5) and ``adjective`` (of ``affect.MIREX_POINTS``), row i − 1 for song i."""
    root, found = home(folder), {}
    for name, expected in (("clusters", "Cluster 1 to Cluster 5"),
                           ("categories", "one of MIREX's adjectives")):
        file = layout.find_file("mirex", root, [f"{name}.txt"])
        lines = [line.strip() for line in _text(file).rstrip().splitlines()]
        found[name] = [LINES[name].get(re.sub("[^a-z0-9]", "", line.lower())) for line in lines]
        if None in found[name] or not lines:
            at = found[name].index(None) if lines else 0
            raise KlangfarbeError(f"{expected} in every line of {file}", f"{lines[at]!r} in line "
                                  f"{at + 1}" if lines else "an empty file", AGAIN)
    numbers, adjectives = found.values()
    if len(numbers) != len(adjectives):
        raise KlangfarbeError(f"as many lines in clusters.txt as in categories.txt of {root}",
                              f"{len(numbers)} and {len(adjectives)}", AGAIN)
    strayed = [at for at, (number, adjective) in enumerate(zip(numbers, adjectives, strict=True), 1)
               if adjective not in CLUSTERS[number]]
    if len(strayed) > STRAYED * len(numbers):
        raise KlangfarbeError(
            f"adjectives of {root / 'categories.txt'} in the clusters of clusters.txt",
            f"{len(strayed)} of {len(numbers)} in another, first in line {strayed[0]}", AGAIN)
    return pd.DataFrame({"cluster": numbers, "adjective": adjectives})


def home(folder: Path | str) -> Path:
    """The folder that holds ``clusters.txt``: the given one or its ``dataset/``."""
    places = ("clusters.txt", "dataset/clusters.txt", "*/dataset/clusters.txt")
    return layout.find_file("mirex", Path(folder), places).parent


def _text(file: Path) -> str:
    """A file's text: UTF-16 with or without its mark, UTF-8, else Latin-1."""
    held = file.read_bytes()
    marked = held[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return held.decode("utf-16" if marked else "utf-16-le" if held[1:2] == b"\0"
                           else "utf-8-sig")
    except UnicodeDecodeError:
        return held.decode("latin-1")


def _about(root: Path) -> dict[int, tuple[str | None, str | None]]:
    """Song → (artist, genre) from ``dataset info.csv``; empty without it or its file names."""
    file, found = root / "dataset info.csv", {}
    lines = [line for line in _text(file).splitlines() if line.strip()] if file.is_file() else []
    separator = max(";,\t", key=lines[0].count) if lines else ";"
    heads = [head.strip().lower() for line in lines[:1]
             for head in line.rstrip(f" {separator}").split(separator)]
    # Line by line: a quotation mark that is never closed must not swallow the songs that follow.
    for line in lines[1:]:
        row = next(csv.DictReader([line], heads, restkey="", delimiter=separator))
        number = re.match(r"\s*(\d+)", row.get("filename") or "")
        # a cell too many: which one is the artist cannot be told
        if number and not any(cell.strip() for cell in row.get("", ())):
            found[int(number[1])] = layout.text(row.get("artist")), layout.text(row.get("genre"))
    return found
