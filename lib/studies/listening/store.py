"""Where answers are kept: a file a listener, a line an answer, on the disk before the next page
comes; any crash costs one line at most.

```
<folder>/<rater>.jsonl     one JSON object a line, appended under a lock, flushed
<folder>/.lock             held while a line is written; freed when its holder dies
<folder>/withdrawn.jsonl   how many answers were deleted, and when: not whose
```
"""

import contextlib
import json
import os
import re
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

from lib.core.errors import KlangfarbeError
from lib.studies.listening.questions import FIELDS, Row

RATER = re.compile(r"[a-z0-9][a-z0-9-]{2,39}")
WITHDRAWN = "withdrawn.jsonl"
LOCK_SECONDS = 20


def append(folder: Path | str, row: Row) -> None:
    """Adds one answer to its listener's file; when this returns, it is on the disk.

    A line that a crash left torn is closed off first, so that it cannot swallow this one.

    Raises:
        KlangfarbeError: the disk is full or cannot be written, or another page has held the folder
            for 20 s.
    """
    folder = Path(folder)
    line = (json.dumps(row.plain(), ensure_ascii=False) + "\n").encode()
    path = _file(folder, row.rater)
    with _locked(folder):
        new = not path.exists()
        _write(path, line)
        if new:
            _flush_folder(folder)


def read(folder: Path | str):
    """All answers in a folder as a DataFrame with the columns of
    :class:`lib.studies.listening.questions.Row`, by listener and trial.

    A line that is not whole is left out and told in ``.attrs["faults"]``; of one page answered
    twice (two windows) the first counts.
    A folder without answers gives a table without rows: no answer is ever made up.
    """
    rows, faults = [], []
    folder = Path(folder)
    for path in sorted(folder.glob("*.jsonl")) if folder.is_dir() else []:
        if path.name != WITHDRAWN:
            found, wrong = _lines(path)
            rows += found
            faults += wrong
    table = pd.DataFrame([row.plain() for row in rows], columns=list(FIELDS))
    twice = table.duplicated(["study", "rater", "trial"])
    faults += [f"{row.rater}: trial {row.trial} answered twice, the first counts"
               for row in table[twice].itertuples()]
    table = table[~twice].sort_values(["rater", "trial"], ignore_index=True)
    table.attrs["faults"] = faults
    return table


def answered(folder: Path | str, rater: str, study: str) -> set[int]:
    """The trials a listener has answered: where to go on."""
    path = _file(Path(folder), rater)
    return {row.trial for row in _lines(path)[0] if row.study == study} if path.is_file() else set()


def delete(folder: Path | str, rater: str) -> int:
    """Removes every answer of a listener from the disk and returns how many there were; only their
    number and the day are kept.
    """
    folder = Path(folder)
    path = _file(folder, rater)
    with _locked(folder):
        if not path.is_file():
            return 0
        count = len(_lines(path)[0])
        # what stood there is gone even where the name is removed only
        with open(path, "r+b") as file:
            file.truncate(0)
            os.fsync(file.fileno())
        path.unlink()
        _flush_folder(folder)
        _write(folder / WITHDRAWN,
               (json.dumps({"answers": count, "day": datetime.now(UTC).date().isoformat()})
                + "\n").encode())
    return count


def check_code(rater: str) -> None:
    """Refuses what cannot be a listener's code (and so cannot be a file's name).

    Raises:
        KlangfarbeError: other letters, too short, too long.
    """
    if not isinstance(rater, str) or not RATER.fullmatch(rater) or rater == "withdrawn":
        raise KlangfarbeError("a listener's code: 3 to 40 of a–z, 0–9 and -", repr(rater),
                              "use the code the page gave you")


def _file(folder: Path, rater: str) -> Path:
    check_code(rater)
    return folder / f"{rater}.jsonl"


def _locked(folder: Path):
    """The folder's lock, as a context."""
    @contextlib.contextmanager
    def held():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / ".lock", timeout=LOCK_SECONDS):
                yield
        except Timeout as error:
            raise KlangfarbeError("the answers' folder to be free", "another page is writing",
                                  "try again in a moment") from error
        except OSError as error:
            raise KlangfarbeError(f"to write in {folder}", error.strerror or str(error),
                                  "free some space or choose another folder; "
                                  "earlier answers are safe") from error

    return held()


def _write(path: Path, line: bytes) -> None:
    """Appends `line` and flushes it to the disk; a torn end of the file is closed off with a
    newline of its own.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
    try:
        size = os.fstat(handle).st_size
        if size:
            os.lseek(handle, size - 1, os.SEEK_SET)
            if os.read(handle, 1) != b"\n":
                line = b"\n" + line
        while line:
            line = line[os.write(handle, line) :]
        os.fsync(handle)
    finally:
        os.close(handle)


def _flush_folder(folder: Path) -> None:
    """A new name in a folder is safe only when the folder is flushed too (not a thing on
    Windows).
    """
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _lines(path: Path) -> tuple[list[Row], list[str]]:
    """Whole rows of a file, and what is wrong with the others."""
    rows, faults = [], []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line:
            continue
        try:
            row = Row(**json.loads(line))
        # not JSON, not an object, other fields, or an answer off its scale
        except (ValueError, TypeError):
            faults.append(
                f"{path.stem}: line {number} is not whole and was left out ({len(line)} bytes)")
            continue
        if row.rater != path.stem:
            faults.append(f"{path.stem}: line {number} is another listener's and was left out")
        else:
            rows.append(row)
    return rows, faults
