"""What the readers share: a file in one of several places, a table, the files that are there."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError, readable

AUDIO, PICTURES = (".mp3", ".wav", ".flac", ".ogg"), (".jpg", ".jpeg", ".png", ".webp")


def find_file(collection: str, folder: Path, places: Iterable[str]) -> Path:
    """The first of a collection's `places` below `folder` that is there."""
    places, get = list(places), f"python -m lib data fetch {collection} gets it or says how"
    if not folder.is_dir():
        raise KlangfarbeError(f"{collection} in {folder}", "no such folder", get)
    if found := [file for place in places for file in sorted(folder.glob(place))]:
        return found[0]
    raise KlangfarbeError(f"{collection}'s {folder / places[0]}", "no such file", get)


def read_table(path: Path, columns: Iterable[str], *, separator=",", words=False,
               numbers: Iterable[str] = (), key: str = "") -> Any:
    """Reads a csv or tsv, strips blanks and tabs from headings and text, and checks its columns:
    `numbers`, blank or finite, and the whole numbers of `key`, in every row; with `words` a cell
    like ``None`` or ``NA`` is what somebody wrote, a blank one alone empty."""
    with readable("a table", path):
        table = pd.read_csv(path, sep=separator, skipinitialspace=True, encoding="utf-8-sig",
                            keep_default_na=not words, na_values=[""])
    table.columns = [str(name).strip() for name in table.columns]
    if lacking := [name for name in columns if name not in table.columns]:
        raise KlangfarbeError(f"columns {', '.join(columns)} in {path}",
                              f"no {', '.join(lacking)} among {', '.join(table.columns)[:200]}",
                              "check that this is the file the collection's card names")
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = [cell.strip() if isinstance(cell, str) else cell for cell in table[name]]
    for name in [*numbers, *filter(None, [key])]:
        found: Any = pd.to_numeric(table[name], errors="coerce")
        bad = (found.isna() & table[name].notna()) | found.isin([np.inf, -np.inf])
        bad |= (found % 1 != 0) & (name == key)  # NaN % 1 is not 0
        if bad.any():
            raise KlangfarbeError(f"a number in each row of column {name} of {path}",
                                  f"{table[name][bad].tolist()[0]!r} in row {np.argmax(bad) + 1}",
                                  "mend that row, or take the file as it was published")
        table[name] = found.astype("int64") if name == key else found
    return table


def list_files(root: Path, suffixes: Collection[str], *places: str) -> dict[str, str]:
    """Stem → path below `root` of the files in the first of `places` that holds any."""
    for place in places:
        if files := [file for file in sorted((root / place).glob("*"))
                     if file.suffix.lower() in suffixes and not file.name.startswith(".")]:
            return {file.stem: file.relative_to(root).as_posix() for file in files}
    return {}


def text(value) -> str | None:
    """A table's cell as text; ``None`` where it is empty."""
    return None if value is None or value != value else str(value).strip() or None


def texts(table: Any, *columns: str) -> list[list[str | None]]:
    """Columns [N] as text, ``None`` throughout where the table has no such column."""
    return [list(map(text, table.get(name, [None] * len(table)))) for name in columns]
