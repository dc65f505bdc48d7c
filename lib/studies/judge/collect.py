"""Asking a judge, case by case: who does not answer in the form is asked again, a refusal is
recorded, and every outcome is a line of JSON on the disk at once.  Notebook: 46.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.signal import audio, images
from lib.studies import jsonl
from lib.studies.judge import backends, rating

RATED, REFUSED, MALFORMED, SILENT = "rated", "refused", "malformed", "silent"
COLUMNS = ("judge", "case", "status", "score", "tries", "why", "rating")
FIRST_WAIT_S, LONGEST_WAIT_S = 2.0, 120.0
MOST_SILENT = 3  # cases in a row without any answer, after which nobody is asked any more


def collect_ratings(cases: Sequence[rating.Case], backend: backends.Backend, path: Path | str, *,
                    n_tries: int = 5, sleep: Callable[[float], None] = time.sleep) -> pd.DataFrame:
    """Answers of one judge, a row of :data:`COLUMNS` a case; what the file (``….jsonl``, also of
    other judges) answers is not asked again. Waits double from 2 s unless the service says.
    """
    path, names = Path(path), [case.name for case in cases]
    if len(set(names)) < len(names):
        raise KlangfarbeError("cases of different names", f"{len(names) - len(set(names))} twice",
                              "name them apart")
    before = read_answers(path, backend.name)
    known, silent = set(before.loc[before["status"] != SILENT, "case"]), 0
    for case in cases:
        if case.name in known:
            continue
        row = {"judge": backend.name, "case": case.name, **_ask(case, backend, n_tries, sleep)}
        jsonl.append(path, row)
        silent = silent + 1 if row["status"] == SILENT else 0
        if silent == MOST_SILENT:
            raise KlangfarbeError(f"an answer of {backend.name}",
                                  f"none to {silent} cases in a row: {row['why']}",
                                  f"try later; {path.name} stays, the same call goes on from there")
    return read_answers(path, backend.name, names)


def read_answers(path: Path | str, judge: str, names: Sequence[str] | None = None) -> pd.DataFrame:
    """A judge's answers from a file, the last one to each case; a torn line is none."""
    rows = {row["case"]: row for _, _, row in jsonl.read(Path(path))
            if row and {"judge", "case", "status"} <= row.keys() and row["judge"] == judge}
    kept = [rows[name] for name in (rows if names is None else names) if name in rows]
    return pd.DataFrame(kept, columns=list(COLUMNS))


def rate_files(painting: Path, music: Path, comment: str, backend: str, model: str,
               base_url: str = "", output: Path | None = None) -> int:
    """``python -m lib judge``: prints one rating, returns the exit code; `output` keeps it."""
    comment = comment.strip()
    if not comment:
        raise KlangfarbeError("a comment, what is felt before the painting", "none",
                              'for instance --comment "it makes me feel calm"')
    case = rating.Case(f"{painting.name} {music.name} {comment}", images.load(painting), comment,
                       audio.load(music), audio.SAMPLE_RATE_HZ)
    judge = backends.get_backend(backend, model, base_url)
    with tempfile.TemporaryDirectory() as folder:
        row = collect_ratings([case], judge, output or Path(folder) / "answers.jsonl").iloc[0]
    if row["status"] != RATED:
        raise KlangfarbeError(f"a rating of {judge.name}",
                              f"{row['status']} after {row['tries']} tries: {row['why']}",
                              "ask again later, or another judge; no rating is made up")
    answer = row["rating"]
    print(f"{judge.name}: {answer['scores']['Feeling_alignment']} of 10")
    for name in ("text", "image", "audio"):
        print(f"  {name:6} {', '.join(answer['keywords'][name])} · {answer['explanations'][name]}")
    print(f"  {answer['explanations']['overall']}\n"
          "One rating is an anecdote; notebook 46 has the controls.")
    return 0


def _ask(case: rating.Case, backend: backends.Backend, n_tries: int, sleep) -> dict:
    row = {"status": SILENT, "score": None, "tries": n_tries, "why": "", "rating": None}
    for attempt in range(1, n_tries + 1):
        try:
            found = rating.read_rating(backend.ask(case, rating.PROMPT))
            return row | {"status": RATED, "score": found.score, "tries": attempt, "why": "",
                          "rating": found.model_dump(mode="json")}
        except backends.Refused as refused:
            return row | {"status": REFUSED, "tries": attempt, "why": str(refused)}
        except backends.TemporaryFailure as failure:
            row |= {"status": SILENT, "why": str(failure)}
            wait = FIRST_WAIT_S * 2 ** (attempt - 1) if failure.after is None else failure.after
            if attempt < n_tries:
                sleep(min(LONGEST_WAIT_S, wait))
        except rating.InvalidAnswer as invalid:
            row |= {"status": MALFORMED, "why": invalid.got}
    return row
