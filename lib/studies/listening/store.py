"""Where answers are kept: ``<rater>.jsonl`` a listener, a line an answer, appended under a lock and
on the disk before the next page; ``withdrawn.jsonl``: how many were deleted, when, not whose."""

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
from filelock import FileLock, Timeout

from lib.core.errors import KlangfarbeError
from lib.studies import jsonl
from lib.studies.listening.questions import FIELDS, Row

RATER = re.compile(r"(?!withdrawn$)[a-z0-9][a-z0-9-]{2,39}")
WITHDRAWN, LOCK_SECONDS = "withdrawn.jsonl", 20


def append(folder: Path | str, row: Row) -> None:
    """Adds one answer to its listener's file; when this returns, it is on the disk. A page that
    was answered already, in another window, is not answered again."""
    path = _file(folder, row.rater)
    with _locked(path.parent):
        if row.trial in answered(folder, row.rater, row.study):
            raise KlangfarbeError("a page without an answer", "This page was answered in another "
                                  "window", "Go on from here")
        jsonl.append(path, asdict(row))


def read(folder: Path | str) -> pd.DataFrame:
    """All answers in a folder; ``.attrs["faults"]``: broken lines, pages answered twice."""
    rows, faults = [], []
    for path in sorted(Path(folder).glob("*.jsonl")):
        if path.name != WITHDRAWN:
            found, wrong = _rows(path)
            rows, faults = rows + found, faults + wrong
    table = pd.DataFrame([asdict(row) for row in rows], columns=list(FIELDS))
    twice = table.duplicated(["study", "rater", "trial"])
    faults += [f"{rater}: trial {trial} answered twice, the first counts"
               for rater, trial in table.loc[twice, ["rater", "trial"]].to_numpy()]
    table = table.loc[~twice].sort_values(["rater", "trial"]).reset_index(drop=True)
    table.attrs["faults"] = faults
    return table


def answered(folder: Path | str, rater: str, study: str) -> set[int]:
    """The trials a listener has answered: where to go on."""
    return {row.trial for row in _rows(_file(folder, rater))[0] if row.study == study}


def delete(folder: Path | str, rater: str) -> int:
    """Removes a listener's answers from the disk; only their number, returned, and the day stay."""
    path = _file(folder, rater)
    with _locked(path.parent):
        if not path.is_file():
            return 0
        count = len(_rows(path)[0])
        with open(path, "r+b") as file:  # what stood there is gone even where only the name is
            file.truncate(0)
            os.fsync(file.fileno())
        path.unlink()
        jsonl.append(path.with_name(WITHDRAWN),
                     {"answers": count, "day": datetime.now(UTC).date().isoformat()})
    return count


def check_code(rater: str) -> None:
    """Refuses what cannot be a listener's code, and so no file's name."""
    if not isinstance(rater, str) or not RATER.fullmatch(rater):
        raise KlangfarbeError("a listener's code: 3 to 40 of a–z, 0–9 and -", repr(rater),
                              "use the code the page gave you")


def _file(folder: Path | str, rater: str) -> Path:
    check_code(rater)
    return Path(folder) / f"{rater}.jsonl"


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / ".lock", timeout=LOCK_SECONDS):
            yield
    except Timeout as error:
        raise KlangfarbeError("the answers' folder to be free", "another page is writing",
                              "try again in a moment") from error
    except OSError as error:
        raise KlangfarbeError(f"to write in {folder}", error.strerror or str(error), "free some "
                              "space or choose another folder; earlier answers are safe") from error


def _rows(path: Path) -> tuple[list[Row], list[str]]:
    rows, faults = [], []
    for number, size, found in jsonl.read(path):
        try:
            row = Row(**(found or {}))
        except (ValueError, TypeError):  # not an object, other fields, or an answer off its scale
            faults.append(
                f"{path.stem}: line {number} is not whole and was left out ({size} bytes)")
            continue
        if row.rater != path.stem:
            faults.append(f"{path.stem}: line {number} is another listener's and was left out")
        else:
            rows.append(row)
    return rows, faults
