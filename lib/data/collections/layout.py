"""What the adapters share: finding a file in one of several layouts, a table, a manifest."""

from collections.abc import Collection, Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data import manifest as manifests

AUDIO = (".mp3", ".wav", ".flac", ".ogg")
PICTURES = (".jpg", ".jpeg", ".png", ".webp")


def find_file(folder: Path | str, places: Collection[str], what: str, where: str) -> Path:
    """The first of `places` below `folder` that is there: `what` it is, `where` to get it."""
    if not Path(folder).is_dir():
        raise KlangfarbeError(f"{what} below {folder}", "no such folder", where)
    for place in places:
        if found := sorted(Path(folder).glob(place)):
            return found[0]
    raise KlangfarbeError(f"{what}: {Path(folder) / next(iter(places))}", "no such file", where)


def read_table(path: Path, columns: Iterable[str], *, separator: str = ",") -> pd.DataFrame:
    """Reads a csv or tsv, strips blanks and tabs from headings and text, and checks its columns."""
    try:
        table = pd.read_csv(path, sep=separator, skipinitialspace=True, encoding="utf-8-sig")
    except (ValueError, OSError) as error:  # pandas' own errors are ValueErrors
        raise KlangfarbeError(f"a table at {path}", f"{type(error).__name__}: {str(error)[:100]}",
                              "download it again") from error
    table.columns = [str(name).strip() for name in table.columns]
    if lacking := [name for name in columns if name not in table.columns]:
        raise KlangfarbeError(f"columns {', '.join(columns)} in {path}",
                              f"no {', '.join(lacking)} among {', '.join(table.columns)[:200]}",
                              "check that this is the file the collection's card names")
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = table[name].str.strip()
    return table


def list_files(root: Path, suffixes: Collection[str], *places: str) -> dict[str, str]:
    """Stem → path below `root` of the files in the first of `places` that holds any."""
    for place in places:
        files = [file for file in sorted((root / place).glob("*"))
                 if file.suffix.lower() in suffixes and not file.name.startswith(".")]
        if files:
            return {file.stem: file.relative_to(root).as_posix() for file in files}
    return {}


def text(value) -> str | None:
    """A table's cell as text; ``None`` where it is empty."""
    return None if value is None or value != value else str(value).strip() or None


def titled(title: str | None, artist: str | None) -> str | None:
    """``Title by Artist`` where both are known."""
    return f"{title} by {artist}" if title and artist else None


def to_manifest(source: str, licence: str, url: str, *, points=None, artists=None,
                **columns) -> pd.DataFrame:
    """The checked manifest of columns [N], or of one text for all rows. `points` [N, 2] are valence
    and arousal; a row's group is its artist's, else its ``group_id``, else its own.
    """
    if points is not None:
        columns["valence"], columns["arousal"] = np.array(points, float).reshape(-1, 2).T
    table = pd.DataFrame({"source": source, "licence": licence, "origin_url": url, "group_id": None}
                         | {name: value if isinstance(value, str) else list(value)
                            for name, value in columns.items()})
    groups = table["group_id"].where(table["group_id"].notna(), table["item_id"])
    if artists is not None:
        groups = [f"artist:{artist}" if artist else group
                  for artist, group in zip(artists, groups, strict=True)]
    return manifests.frame(table.assign(group_id=groups).to_dict("records"))
