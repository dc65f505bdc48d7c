"""MIREX-like mood dataset: 903 clips with a mood adjective each, words for most of them and MIDI
for some.
"""

import csv
import re
from pathlib import Path

import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data import manifest as manifests
from lib.data.collections import layout
from lib.signal import affect

CARD = """\
### MIREX-like mood dataset
- **What.** 903 clips of 30 s of recorded songs, each under one mood adjective that AllMusic gave it, in the five clusters of MIREX's mood task; lyrics of 764 and MIDI files of 193 of the songs (Panda, Malheiro, Rocha, Oliveira & Paiva 2013, *Multi-modal music emotion recognition*, CMMR). In all likelihood what *Bridging Paintings and Music* calls the MIREX emotion dataset.
- **Where.** The page of the music information retrieval group of the University of Coimbra (its readme names <http://mir.dei.uc.pt>).
- **Licence.** Research use as the group states it; the recordings, lyrics and melodies are their publishers'.
- **Layout.** `dataset/Audio/001.mp3` … `903.mp3`, `dataset/Lyrics/<number>.txt`, `dataset/MIDIs/<number>.mid` (the same number is the same song), `clusters.txt` (`Cluster 1`) and `categories.txt` (the adjective), line *i* for song *i*, `dataset info.csv` (semicolons, UTF-16). The inner folder may be absent, and the publisher's scripts may have moved the files into folders by mood. *The files could not be had while this adapter was written*: the layout is that of the readme and of code that reads them.
- **Scale.** None: a song's point is that of its adjective in `affect.MIREX_POINTS`, *our* choice of points. `emotion`: the adjective. Group: the artist where `dataset info.csv` has a column of that name and a name in it, else the song itself. Two rows a song, `-audio` and, where there is one, `-midi`, in one group.
- **Known defects.** (1) Not looked at by us, see the layout. (2) The readme counts 196 MIDI files, the text of system 1 counts 193; all that are there are taken. (3) Spellings of its own: *Agressive*, *Tense - Anxious*, *whimsical* in small letters; of MIREX's 29 adjectives *Quirky* is said to be lacking. (4) A mood is of a whole song, by an editor who heard a recording; the clip is 30 s of it, and the MIDI is somebody's arrangement. (5) Nothing in a line of the label files names its song: one line lost moves all that follow. The adapter compares their lengths with each other and with the files, and every adjective with its cluster. (6) A row of `dataset info.csv` is said to have a cell too many; where the cells of a row do not fit the headings, its artist counts as unknown. (7) Clusters 2 and 4, and 1 and 5, overlap in sound and meaning, as MIREX's own evaluations remark.
"""  # noqa: E501  (cards are read as text)

URL = "http://mir.dei.uc.pt"
LICENCE = "research only, songs of their publishers"
WHERE = (f"get the MIREX-like mood dataset from the University of Coimbra's music information "
         f"retrieval group ({URL}), unpack it there")
CLUSTERS = {1: ("passionate", "rousing", "confident", "boisterous", "rowdy"),
            2: ("rollicking", "cheerful", "fun", "sweet", "amiable/good natured"),
            3: ("literate", "poignant", "wistful", "bittersweet", "autumnal", "brooding"),
            4: ("humorous", "silly", "campy", "quirky", "whimsical", "witty", "wry"),
            5: ("aggressive", "fiery", "tense/anxious", "intense", "volatile", "visceral")}
SCORES = (".mid", ".midi")
# adjectives in another cluster than MIREX's: beyond this share the two files have slipped against
# each other
STRAYED = 0.05
_LETTERS = {re.sub("[^a-z]", "", name): name
            for name in affect.MIREX_POINTS} | {"agressive": "aggressive"}


def manifest(folder: Path | str):
    """The songs' rows: a clip each (``path`` is null where it is not there) and, where there is
    one, a MIDI file.

    Args:
        folder: as its publisher ships it, with the inner ``dataset/`` or without.

    Raises:
        KlangfarbeError: a label file is missing, the two differ in length or from the files, or
            hold what is no cluster or adjective.
    """
    folder, root = Path(folder), home(folder)
    moods, about = labels(folder), _about(root)
    clips, scores = (_numbered(root / place, suffixes) for place,
                     suffixes in (("Audio", layout.AUDIO), ("MIDIs", SCORES)))
    beyond = [file for found in (clips, scores) for number,
              file in found.items() if not 1 <= number <= len(moods)]
    # 1, 2, 3 … without a gap: then there must be a line for each and no other
    whole = clips and len(clips) == max(clips)
    if beyond or (whole and len(clips) != len(moods)):
        got = (f"{len(moods)} lines and {beyond[0].name}" if beyond
               else f"{len(moods)} lines for {len(clips)} clips")
        raise KlangfarbeError(f"a line for each song in {root / 'clusters.txt'} and categories.txt",
                              got, WHERE)
    rows = []
    for number, adjective in enumerate(moods["adjective"], start=1):
        (valence, arousal), (artist, genre) = affect.MIREX_POINTS[adjective], about.get(number,
                                                                                        (None,
                                                                                         None))
        shared = {"source": "mirex", "group_id": f"artist:{artist}" if artist
                  else f"mirex-{number:03d}", "emotion": adjective, "valence": valence,
                  "arousal": arousal, "genre": genre, "licence": LICENCE, "origin_url": URL}
        for modality, files in (("audio", clips), ("midi", scores)):
            if number in files or modality == "audio":
                path = files[number].relative_to(folder).as_posix() if number in files else None
                rows.append({**shared, "item_id": f"mirex-{number:03d}-{modality}",
                             "modality": modality, "path": path})
    return manifests.frame(rows)


def labels(folder: Path | str):
    """What the label files say: DataFrame ``cluster`` (1 … 5), ``adjective`` (a key of
    ``affect.MIREX_POINTS``), row i − 1 for song i.

    Raises:
        KlangfarbeError: a file is missing or empty, a line is no cluster or no adjective of
            MIREX's, their numbers of lines differ, or more than one adjective in twenty lies in
            another cluster than MIREX puts it.
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
    """The folder that holds ``clusters.txt``: the given one or its ``dataset/``.

    Raises:
        KlangfarbeError: neither does; the line says which file is missing and where to get it.
    """
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
    """A file's text, whatever wrote it: UTF-16 with its mark or without, UTF-8, else Latin-1."""
    held = file.read_bytes()
    wide = held[:2] in (b"\xff\xfe", b"\xfe\xff")
    for encoding in ("utf-16",) if wide else ("utf-16-le",) if held[1:2] == b"\0" else (
        "utf-8-sig",):
        try:
            return held.decode(encoding)
        except UnicodeDecodeError:
            continue
    return held.decode("latin-1")


def _numbered(folder: Path, suffixes: tuple[str, ...]) -> dict[int, Path]:
    """Number → file, at any depth (the publisher's scripts move files into folders by mood); the
    first of several copies.
    """
    found = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix.lower() in suffixes and file.stem.isdecimal() and file.is_file():
            found.setdefault(int(file.stem), file)
    return found


def _about(root: Path) -> dict[int, tuple[str | None, str | None]]:
    """Song → (artist, genre) from ``dataset info.csv``; nothing where it is absent or has no
    columns of file and artist.
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
