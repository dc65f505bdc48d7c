"""What every adapter needs of a folder: the first of several places a file may lie in, a table with
the columns it must have.
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from lib.core.errors import KlangfarbeError


def find_file(folder: Path | str, candidates: Iterable[str], what: str, where: str) -> Path:
    """The first of `candidates` (paths below `folder`; a ``*`` stands for any text) that is there.

    Args:
        folder: the collection's folder.
        candidates: from the publisher's layout to other known ones.
        what: the file's role, e.g. ``"DEAM's static annotations"``.
        where: where to get it, as an instruction.

    Raises:
        KlangfarbeError: the folder or every candidate is missing; the line names the first
            candidate and says where to get it.
    """
    folder, candidates = Path(folder), list(candidates)
    if not folder.is_dir():
        raise KlangfarbeError(f"{what} below {folder}", "no such folder", where)
    for candidate in candidates:
        found = sorted(folder.glob(candidate)) if "*" in candidate else [folder / candidate]
        if found and found[0].exists():
            return found[0]
    raise KlangfarbeError(f"{what}: {folder / candidates[0]}", "no such file", where)


def read_table(path: Path, columns: Iterable[str], *, separator: str = ","):
    """Reads a csv or tsv, strips stray blanks and tabs from headings and text, and checks its
    columns.

    Raises:
        KlangfarbeError: not a table, or columns lack; the line names them.
    """
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
    """Stem → path relative to `root` (with ``/``) of the files in `folder`, or nothing where the
    folder is absent.
    """
    wanted = {s.lower() for s in suffixes}
    if not folder.is_dir():
        return {}
    return {file.stem: file.relative_to(root).as_posix() for file in sorted(folder.iterdir())
            if file.suffix.lower() in wanted and not file.name.startswith(".")}


def text(value) -> str | None:
    """A table's cell as text; ``None`` where it is empty."""
    return None if value is None or value != value or not str(value).strip() else str(value).strip()


AUDIO = (".mp3", ".wav", ".flac", ".ogg")
PICTURES = (".jpg", ".jpeg", ".png", ".webp")
