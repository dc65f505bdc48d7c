"""MIREX-like mood dataset: 903 clips with a mood adjective each, MIDI for some of them."""

import csv
import re
from pathlib import Path

from lib.core.errors import KlangfarbeError
from lib.data.collections import layout
from lib.signal import affect

# a line of categories.txt in letters only → its adjective
ADJECTIVES = {"agressive": "aggressive"} | {re.sub("[^a-z]", "", name): name
                                            for name in affect.MIREX_POINTS}


def mirex(folder: Path) -> dict:
    """A row a clip and, where there is one, a row a MIDI file, grouped by artist where known."""
    root, file = home(folder), home(folder) / "categories.txt"
    lines = [line.strip() for line in _text(file).rstrip().splitlines()]
    moods = [ADJECTIVES.get(re.sub("[^a-z]", "", line.lower()), "") for line in lines]
    if "" in moods or not lines:
        at = moods.index("") if lines else 0
        got = f"{lines[at]!r} in line {at + 1}" if lines else "an empty file"
        raise KlangfarbeError(f"one of MIREX's adjectives in every line of {file}", got,
                              "unpack the archive again")
    clips, scores = (
        {int(file.stem): file for file in sorted((root / place).rglob("*"), reverse=True)
         if file.suffix.lower() in suffixes and file.stem.isdecimal()}
        for place, suffixes in (("Audio", layout.AUDIO), ("MIDIs", (".mid", ".midi"))))
    numbers = sorted({*clips, *scores} or {1})
    # clips 1, 2, 3 … without a gap: then there must be a line for each and no other
    if numbers[-1] > len(moods) or (clips and len(clips) == max(clips) != len(moods)):
        raise KlangfarbeError(f"a line for each song in {file}",
                              f"{len(moods)} lines for {numbers[-1]} clips",
                              "unpack the archive again: one line lost moves all that follow")
    about = _about(root)
    rows = [(n, kind, files.get(n)) for n in range(1, len(moods) + 1)
            for kind, files in (("audio", clips), ("midi", scores))
            if kind == "audio" or n in files]
    artists, genres = ([about.get(n, (None, None))[k] for n, *_ in rows] for k in range(2))
    return {"modality": [kind for _, kind, _ in rows], "artists": artists, "genre": genres,
            "item_id": [f"mirex-{n:03d}-{kind}" for n, kind, _ in rows],
            "group_id": [f"mirex-{n:03d}" for n, *_ in rows],
            "emotion": [moods[n - 1] for n, *_ in rows],
            "path": [file and file.relative_to(folder).as_posix() for *_, file in rows],
            "points": [affect.MIREX_POINTS[moods[n - 1]] for n, *_ in rows]}


def home(folder: Path | str) -> Path:
    """The folder that holds ``categories.txt``: the given one or its ``dataset/``."""
    places = ("categories.txt", "dataset/categories.txt", "*/dataset/categories.txt")
    return layout.find_file("mirex", Path(folder), places).parent


def _text(file: Path) -> str:
    # UTF-16 with or without its mark, UTF-8, else Latin-1
    held = file.read_bytes()
    marked = held[:2] in (b"\xff\xfe", b"\xfe\xff")
    try:
        return held.decode("utf-16" if marked else "utf-16-le" if held[1:2] == b"\0"
                           else "utf-8-sig")
    except UnicodeDecodeError:
        return held.decode("latin-1")


def _about(root: Path) -> dict[int, tuple[str | None, str | None]]:
    # song → (artist, genre); empty without the table or its file names
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
