"""Coursework for nbgrader: `make assignment NB=31`, the sheet of notebook 31.

A sheet asks the lesson's three exercises, in words, and one function, in code. Words are marked by
a person (the rubric of guide/teaching.md), the function by tests, half of them hidden. What a sheet
needs stands in three places: the exercises in the lesson (*Try*), their answers in
notebooks/solutions/, the function with its tests in questions/.
"""

import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from nbgrader.apps import NbGraderAPI
from sqlalchemy.exc import SAWarning
from traitlets.config.loader import PyFileConfigLoader

from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.workbook import graph, lab

COURSE = paths.RESULTS / "assignments"  # nbgrader's own layout: source, release, submitted, …
QUESTIONS = Path(__file__).parent / "questions"
CONFIG = '''"""nbgrader's settings, of use to its own commands in this folder."""
c = get_config()
c.CourseDirectory.course_id = "klangfarbe"
c.ExecutePreprocessor.timeout = 300
c.ClearSolutions.code_stub = {"python": "raise NotImplementedError  # your code"}
c.ClearSolutions.text_stub = "*Your answer.*"
'''
PREDICTION, ANSWER, TEST = 3, 9, 3  # points
HEADER = """# Sheet {number}: {title}
Read and run the lesson `{stem}.ipynb` first. Experiments belong into a copy of it; their answers,
and one function, into this sheet. **Write predictions down before anything runs**: a wrong one
costs nothing. An answer is marked by its *number* (n, 95 % interval, null), its *comparison* (one
thing changed) and its *verdict* (what it shows, what it cannot show): three points each."""


def exercises(stem: str) -> list[str]:
    """The numbered exercises of a lesson, each a line of Markdown."""
    cells = nbformat.read(paths.NOTEBOOKS / f"{stem}.ipynb", 4).cells
    text = next(cell.source for cell in cells if "## Try" in cell.source)
    text = text.split("## Try")[1].split("\n## ")[0]
    return [line.split(" ", 1)[1] for line in text.splitlines() if re.match(r"\d\. ", line)]


def answers(stem: str) -> dict[int, str]:
    """What the solutions say to each exercise, in words; their code stays where it is."""
    cells = nbformat.read(paths.NOTEBOOKS / "solutions" / f"{stem}_solutions.ipynb", 4).cells[1:]
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    found, numbers = {}, [1]
    for part in re.split(r"(?=\*\*\d)", text):
        if head := re.match(r"\*\*(\d)\.(?: and (\d)\.)?", part):
            numbers = [int(number) for number in head.groups() if number]
        for number in numbers:
            found[number] = found.get(number, "") + part
    return found


def question(stem: str) -> dict[str, str]:
    """A function to write: the Markdown that asks, and the code of its four parts."""
    parts = re.split(r"^# %% ?(.*)\n", (QUESTIONS / f"{stem}.py").read_text(), flags=re.M)[1:]
    cells = dict(zip(parts[::2], (part.strip() for part in parts[1::2])))
    test, hidden = cells["test"].split("### BEGIN HIDDEN TESTS")
    return {"text": re.sub(r"^# ?", "", cells["[markdown]"], flags=re.M), "given": cells[""],
            "answer": cells["answer"], "test": test.strip(),
            "hidden": "### BEGIN HIDDEN TESTS" + hidden}


def sheet(stem: str) -> nbformat.NotebookNode:
    """The instructor's version of a lesson's sheet: answers, tests, and what nbgrader reads."""
    lesson = nbformat.read(paths.NOTEBOOKS / f"{stem}.ipynb", 4).cells[0].source
    cells, solved, asked = [], answers(stem), question(stem)

    def add(make, source: str, name: str, points: int | None = None, solution: bool = False):
        marks = {"schema_version": 3, "grade_id": name, "task": False, "solution": solution,
                 "grade": points is not None, "locked": not solution}
        if points is not None:
            marks["points"] = points
        cells.append(make(source, metadata={"nbgrader": marks}, id=name))

    title = lesson.splitlines()[0].removeprefix("# ")
    add(new_markdown_cell, HEADER.format(number=stem[:2], title=title, stem=stem), "header")
    for number, text in enumerate(exercises(stem), 1):
        add(new_markdown_cell, f"## {number}\n{text}", f"exercise-{number}")
        if "Predict" in text:
            add(new_markdown_cell, "**Before you run it**, a number, or a direction and why:",
                f"ask-prediction-{number}")
            add(new_markdown_cell, "Any prediction with its reason, written before the run.",
                f"prediction-{number}", PREDICTION, True)
        add(new_markdown_cell, "**What came out**, and what it shows:", f"ask-answer-{number}")
        add(new_markdown_cell, solved[number], f"answer-{number}", ANSWER, True)
    add(new_markdown_cell, f"## Write it\n{asked['text']}", "question")
    add(new_code_cell, asked["given"], "given")
    add(new_code_cell, asked["answer"], "function", solution=True)
    add(new_code_cell, asked["test"], "test", TEST)
    add(new_code_cell, asked["hidden"], "hidden", TEST)
    return new_notebook(cells=cells, metadata=lab.METADATA)


def course(folder: Path) -> NbGraderAPI:
    """nbgrader on a folder, which gets its settings if it has none."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = folder / "nbgrader_config.py"
    if not settings.exists():
        settings.write_text(CONFIG)
    config = PyFileConfigLoader(settings.name, str(folder)).load_config()
    config.CourseDirectory.root = str(folder)
    # nbgrader calls alembic by its name, wherever this Python was started from
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return NbGraderAPI(config=config)


def done(stem: str, result: dict) -> None:
    """Raises, with the error in nbgrader's log, where it failed."""
    if not result["success"]:
        log = str(result.get("log") or result.get("error"))
        told = re.findall(r"^\s*(\w*(?:Error|Exception): .*)", log, re.M) or [log.strip()[-300:]]
        raise KlangfarbeError("a sheet that nbgrader accepts", f"{stem}: {told[-1]}",
                              "mend its exercise, solution or question")


def make(stem: str, folder: Path = COURSE) -> Path:
    """Writes a sheet's instructor's version and its release; the release's path."""
    source = folder / "source" / stem / f"{stem}.ipynb"
    source.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(sheet(stem), source)
    done(stem, course(folder).generate_assignment(stem))
    return folder / "release" / stem / source.name


def grade(stem: str, student: str, notebook: Path, folder: Path = COURSE) -> tuple[float, float]:
    """Hands a notebook in for a student and lets nbgrader mark it: (points of the tests, most)."""
    handed_in = folder / "submitted" / student / stem / f"{stem}.ipynb"
    handed_in.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(notebook, handed_in)
    api = course(folder)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SAWarning)  # nbgrader's own use of its database
        done(stem, api.autograde(stem, student))
    with api.gradebook as book:
        marked = book.find_submission(stem, student)
        return marked.code_score or 0.0, marked.max_code_score or 0.0


def rehearsal(stems: list[str], folder: Path) -> Iterator[tuple[str, float, float, float]]:
    """What a solved and an empty sheet get from the tests, and the most to be had."""
    for stem in stems:
        release = make(stem, folder)
        solved, most = grade(stem, "solved", folder / "source" / stem / release.name, folder)
        empty, _ = grade(stem, "empty", release, folder)
        yield stem, solved, empty, most


def run(notebooks: list[str], rehearse: bool) -> int:
    """Makes the sheets of these notebooks, or has a solved and an empty one of each marked."""
    stems, failed = graph.select(notebooks), 0
    for stem in stems if not rehearse else ():
        print(make(stem).relative_to(paths.ROOT))
    for stem, solved, empty, most in rehearsal(stems, COURSE) if rehearse else ():
        print(f"{stem:28} solved {solved:g} of {most:g} · empty {empty:g}", flush=True)
        failed += solved < most or empty > 0
    return int(failed > 0)
