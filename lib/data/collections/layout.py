"""What the adapters share: finding a file in one of several layouts, reading a table, and the rows
of a manifest.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path

import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data import manifest as manifests

AUDIO = (".mp3", ".wav", ".flac", ".ogg")
PICTURES = (".jpg", ".jpeg", ".png", ".webp")


def find_file(folder: Path | str, candidates: Iterable[str], what: str, where: str) -> Path:
    """The first of `candidates` (paths below `folder`; a ``*`` stands for any text) that is there.

    Args:
        what: the file's role, e.g. ``"DEAM's static annotations"``. where: how to get it.
    """
    folder, candidates = Path(folder), list(candidates)
    if not folder.is_dir():
        raise KlangfarbeError(f"{what} below {folder}", "no such folder", where)
    for candidate in candidates:
        found = sorted(folder.glob(candidate)) if "*" in candidate else [folder / candidate]
        if found and found[0].exists():
            return found[0]
    raise KlangfarbeError(f"{what}: {folder / candidates[0]}", "no such file", where)


def read_table(path: Path, columns: Iterable[str], *, separator: str = ",") -> pd.DataFrame:
    """Reads a csv or tsv, strips blanks and tabs from headings and text, and checks its columns."""
    try:
        read = pd.read_csv(path, sep=separator, skipinitialspace=True, encoding="utf-8-sig")
    # UnicodeDecodeError and EmptyDataError are ValueErrors
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise KlangfarbeError(f"a table at {path}", f"{type(error).__name__}: {str(error)[:100]}",
                              "download it again") from error
    read.columns = [str(name).strip() for name in read.columns]
    lacking = [name for name in columns if name not in read.columns]
    if lacking:
        raise KlangfarbeError(f"columns {', '.join(columns)} in {path}",
                              f"no {', '.join(lacking)} among {', '.join(read.columns)[:200]}",
                              "check that this is the file the collection's card names")
    for name in read.columns:
        if not pd.api.types.is_numeric_dtype(read[name]):
            read[name] = read[name].str.strip()
    return read


def list_files(folder: Path, root: Path, suffixes: Iterable[str]) -> dict[str, str]:
    """Stem → path relative to `root` of the files in `folder`; empty where there is no folder."""
    if not folder.is_dir():
        return {}
    return {file.stem: file.relative_to(root).as_posix() for file in sorted(folder.iterdir())
            if file.suffix.lower() in suffixes and not file.name.startswith(".")}


def list_first(root: Path, places: Iterable[str], suffixes: Iterable[str]) -> dict[str, str]:
    """:func:`list_files` of the first of several sub-folders that holds any."""
    return next(filter(None, (list_files(root / place, root, suffixes) for place in places)), {})


def text(value) -> str | None:
    """A table's cell as text; ``None`` where it is empty."""
    return None if value is None or value != value or not str(value).strip() else str(value).strip()


def artist_group(artist: str | None) -> str | None:
    """The ``group_id`` of everything by one artist."""
    return f"artist:{artist}" if artist else None


def to_manifest(rows: Iterable[Mapping], source: str, licence: str, url: str,
                **shared) -> pd.DataFrame:
    """The checked manifest of `rows`, with what all of them share; a row without ``group_id`` is a
    group of its own.
    """
    common = {"source": source, "licence": licence, "origin_url": url, **shared}
    return manifests.frame({**common, **row, "group_id": row.get("group_id") or row["item_id"]}
                           for row in rows)
