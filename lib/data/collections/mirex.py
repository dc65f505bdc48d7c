"""MIREX-like mood dataset: 903 clips with a mood adjective each, MIDI for some of them."""

import csv
import re
from pathlib import Path

import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data.collections import layout
from lib.signal import affect

URL = "http://mir.dei.uc.pt"
LICENCE = "research only, songs of their publishers"
WHERE = ("get the MIREX-like mood dataset from the University of Coimbra's music information "
         f"retrieval group ({URL}), unpack it there")
CLUSTERS = {1: ("passionate", "rousing", "confident", "boisterous", "rowdy"),
            2: ("rollicking", "cheerful", "fun", "sweet", "amiable/good natured"),
            3: ("literate", "poignant", "wistful", "bittersweet", "autumnal", "brooding"),
            4: ("humorous", "silly", "campy", "quirky", "whimsical", "witty", "wry"),
            5: ("aggressive", "fiery", "tense/anxious", "intense", "volatile", "visceral")}
SCORES = (".mid", ".midi")
# Beyond this share of adjectives outside their MIREX cluster, the two label files have slipped.
STRAYED = 0.05
_LETTERS = {re.sub("[^a-z]", "", name): name
            for name in affect.MIREX_POINTS} | {"agressive": "aggressive"}


def manifest(folder: Path | str) -> pd.DataFrame:
    """A row a clip and, where there is one, a row a MIDI file, grouped by artist where known."""
    folder, root = Path(folder), home(folder)
    moods, about = labels(folder), _about(root)
    files = {"audio": _numbered(root / "Audio", layout.AUDIO),
             "midi": _numbered(root / "MIDIs", SCORES)}
    clips = files["audio"]
    beyond = [file for found in files.values() for number, file in found.items()
              if not 1 <= number <= len(moods)]
    # 1, 2, 3 … without a gap: then there must be a line for each and no other
    whole = clips and len(clips) == max(clips)
    if beyond or (whole and len(clips) != len(moods)):
        got = beyond[0].name if beyond else f"{len(clips)} clips"
        raise KlangfarbeError(f"a line for each song in {root / 'clusters.txt'} and categories.txt",
                              f"{len(moods)} lines {'and' if beyond else 'for'} {got}", WHERE)
    rows = []
    for number, adjective in enumerate(moods["adjective"], start=1):
        valence, arousal = affect.MIREX_POINTS[adjective]
        artist, genre = about.get(number, (None, None))
        for modality, found in files.items():
            path = found[number].relative_to(folder).as_posix() if number in found else None
            if path or modality == "audio":
                rows.append({"item_id": f"mirex-{number:03d}-{modality}", "modality": modality,
                             "path": path, "genre": genre, "emotion": adjective,
                             "group_id": layout.artist_group(artist) or f"mirex-{number:03d}",
                             "valence": valence, "arousal": arousal})
    return layout.to_manifest(rows, "mirex", LICENCE, URL)


def labels(folder: Path | str) -> pd.DataFrame:
    """``cluster`` (1 … 5) and ``adjective`` (a key of ``affect.MIREX_POINTS``), row i − 1 for song
    i; raises where the two label files do not fit each other.
    """
    root = home(folder)
    numbers = _lines(root, "clusters.txt", _cluster, "Cluster 1 to Cluster 5")
    adjectives = _lines(root, "categories.txt",
                        lambda line: _LETTERS.get(re.sub("[^a-z]", "", line.lower())),
                        "one of MIREX's adjectives")
    if len(numbers) != len(adjectives):
        raise KlangfarbeError(f"as many lines in clusters.txt as in categories.txt of {root}",
                              f"{len(numbers)} and {len(adjectives)}", WHERE)
    strayed = [at for at, (number, adjective) in enumerate(zip(numbers, adjectives, strict=True), 1)
               if adjective not in CLUSTERS[number]]
    if len(strayed) > STRAYED * len(numbers):
        raise KlangfarbeError(
            f"adjectives of {root / 'categories.txt'} in the clusters of clusters.txt",
            f"{len(strayed)} of {len(numbers)} in another, first in line {strayed[0]}", WHERE)
    return pd.DataFrame({"cluster": numbers, "adjective": adjectives})


def home(folder: Path | str) -> Path:
    """The folder that holds ``clusters.txt``: the given one or its ``dataset/``."""
    places = ["clusters.txt", "dataset/clusters.txt", "*/dataset/clusters.txt"]
    return layout.find_file(folder, places, "the songs' mood clusters", WHERE).parent


def _cluster(line: str) -> int | None:
    found = re.fullmatch(r"(?:cluster\s*)?([1-5])", line.lower())
    return int(found[1]) if found else None


def _lines(root: Path, name: str, meaning, what: str) -> list:
    """The meaning of every line; blank lines at the end do not count, one in between is a fault."""
    file = layout.find_file(root, [name], "a label for each song", WHERE)
    lines = [line.strip() for line in _text(file).rstrip().splitlines()]
    found = [meaning(line) for line in lines]
    if None in found or not found:
        at = found.index(None) if found else 0
        raise KlangfarbeError(f"{what} in every line of {file}",
                              f"{lines[at]!r} in line {at + 1}" if lines else "an empty file",
                              WHERE)
    return found


def _text(file: Path) -> str:
    """A file's text: UTF-16 with or without its mark, UTF-8, else Latin-1."""
    held = file.read_bytes()
    encoding = "utf-8-sig"
    if held[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16"
    elif held[1:2] == b"\0":
        encoding = "utf-16-le"
    try:
        return held.decode(encoding)
    except UnicodeDecodeError:
        return held.decode("latin-1")


def _numbered(folder: Path, suffixes: tuple[str, ...]) -> dict[int, Path]:
    """Number → file, at any depth (the publisher's scripts move files into folders by mood)."""
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in suffixes and file.stem.isdecimal() and file.is_file():
            found.setdefault(int(file.stem), file)
    return found


def _about(root: Path) -> dict[int, tuple[str | None, str | None]]:
    """Song → (artist, genre) from ``dataset info.csv``; empty where that is absent or has no column
    of file names.
    """
    file = root / "dataset info.csv"
    lines = [line for line in _text(file).splitlines() if line.strip()] if file.is_file() else []
    if not lines:
        return {}
    separator = max(";,\t", key=lines[0].count)
    # Line by line: a quotation mark that is never closed must not swallow the songs that follow.
    heads, *rows = ([cell.strip() for cell in next(csv.reader([line], delimiter=separator))]
                    for line in lines)
    places = {head.lower(): at for at, head in enumerate(heads) if head}
    name, artist, genre = (places.get(head) for head in ("filename", "artist", "genre"))
    found = {}
    for row in rows:
        while row and not row[-1]:
            row.pop()  # a separator at a line's end makes a column without a heading
        number = re.match(r"\d+", row[name]) if name is not None and len(row) > name else None
        # a cell too many: which one is the artist cannot be told
        if number and len(row) <= max(places.values()) + 1:
            found[int(number[0])] = tuple(layout.text(row[at]) if at is not None and at < len(row)
                                          else None for at in (artist, genre))
    return found
