"""Asking a judge, case by case: patiently, in the published form, and without losing what was
answered.

    cases ──not yet answered──► ask ──┬─ busy, down, silent: wait and ask again ─┐
                                      ├─ not in the form: ask again              ├─► one line of JSON a case, on the disk at once
                                      ├─ refused: so be it                       │
                                      └─ a rating ───────────────────────────────┘

Source: ours.  Notebook: 46.
"""

import json
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.studies.judge import backends, rating

RATED, REFUSED, MALFORMED, SILENT = "rated", "refused", "malformed", "silent"
COLUMNS = ("judge", "case", "status", "score", "tries", "why", "rating")
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 120.0


def judge(cases: Sequence[backends.Case], backend: backends.Backend, path: Path | str, *,
          n_tries: int = 5, most_silent: int = 3, prompt: str = rating.PROMPT,
          sleep: Callable[[float], None] = time.sleep):
    """Answers of one judge to all cases, a row a case: DataFrame of :data:`COLUMNS`. What stands in
    the file already is not asked again.

    Args:
        path: a ``….jsonl``; another judge's lines in it are left alone. n_tries: of a case, waits
            doubling from 2 s unless the service says how long. most_silent: cases in a row that got
            no answer, after which nobody is asked any more.

    Raises:
        KlangfarbeError: two cases of one name, a service that says no (a wrong key, say) or nothing
            at all. What was answered is kept.
    """
    path = Path(path)
    if len({case.case for case in cases}) < len(cases):
        raise KlangfarbeError("cases of different names",
                              f"{len(cases) - len({case.case for case in cases})} twice",
                              "name them apart")
    stands = {row["case"] for row in _lines(path)
              if row["judge"] == backend.name and row["status"] != SILENT}
    silent = 0
    for case in cases:
        if case.case in stands:
            continue
        row = {"judge": backend.name, "case": case.case,
               **_asked(case, backend, prompt, n_tries, sleep)}
        _append(path, row)
        silent = silent + 1 if row["status"] == SILENT else 0
        if silent == most_silent:
            raise KlangfarbeError(f"an answer of {backend.name}", f"none to {silent} cases in a row: {row['why']}",
                                  f"try later; {path.name} keeps what was answered, and the same call goes on from there")
    return read(path, backend.name, [case.case for case in cases])


def read(path: Path | str, judge_name: str, names: Sequence[str] | None = None):
    """A judge's answers out of a file: DataFrame of :data:`COLUMNS`, the last answer to a case
    counts; no file, no rows.
    """
    rows = {row["case"]: row for row in _lines(Path(path)) if row["judge"] == judge_name}
    kept = [rows[name] for name in (rows if names is None else names) if name in rows]
    return pd.DataFrame(kept, columns=list(COLUMNS))


def _asked(case: backends.Case, backend: backends.Backend, prompt: str, n_tries: int,
           sleep) -> dict:
    """What became of one case: status, score, tries, why, rating."""
    status, why, wait = SILENT, "", FIRST_WAIT_S
    for attempt in range(1, n_tries + 1):
        try:
            found = rating.read(backend.ask(case, prompt))
            return {"status": RATED, "score": found.score, "tries": attempt, "why": "",
                    "rating": rating.written(found)}
        except backends.Refused as refused:
            return {"status": REFUSED, "score": None, "tries": attempt, "why": str(refused),
                    "rating": None}
        except backends.Again as again:
            status, why = SILENT, str(again)
            if attempt < n_tries:
                sleep(min(LONGEST_WAIT_S, wait if again.after is None else again.after))
            wait *= 2
        except rating.Unreadable as unreadable:
            status, why = MALFORMED, unreadable.got
    return {"status": status, "score": None, "tries": n_tries, "why": why, "rating": None}


def _append(path: Path, row: dict) -> None:
    """One more line, on the disk when this returns; a line that a crash left torn is closed off
    first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "ab+") as file:
        if file.tell() and not _ends_whole(file):
            file.write(b"\n")
        file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
        file.flush()
        os.fsync(file.fileno())


def _ends_whole(file) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _lines(path: Path) -> list[dict]:
    """Whole lines of a file; a torn one is as if it were not there, and its case is asked again."""
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and {"judge", "case", "status"} <= row.keys():
            rows.append(row)
    return rows
