"""JupyterLab on the workbook, whose notebooks it trusts (it plays no stored sound of others) and,
if they were only looked at, saves as they lay there.  Notebook: 00."""

import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import nbformat
from nbformat.sign import NotebookNotary

from lib.core import paths
from lib.workbook import graph

METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"}}


def stored() -> list[Path]:
    """The notebooks that the workbook comes with, and their solutions."""
    files = (paths.NOTEBOOKS / folder / f"{stem}{end}.ipynb" for stem in graph.STEPS
             for folder, end in (("", ""), ("solutions", "_solutions")))
    return [file for file in files if file.is_file()]


def trust(files: Iterable[Path]) -> None:
    """Signs notebooks with this user's key: what they hold is shown and played."""
    notary = NotebookNotary()
    for file in files:
        notary.sign(nbformat.read(file, as_version=4))


def as_stored(model: dict, **_) -> None:
    """Before JupyterLab saves: drops the name and version of the Python that looked."""
    if model["type"] == "notebook":
        model["content"]["metadata"].update(METADATA)


def command(folder: Path, words: Sequence[str] = ()) -> list[str]:
    """JupyterLab on a folder, `words` its further options."""
    return [sys.executable, "-m", "jupyterlab", str(folder), *words,
            f"--ContentsManager.pre_save_hook={__name__}.as_stored"]


def serve(words: Sequence[str]) -> int:
    """Trusts the workbook's own notebooks and opens JupyterLab on them; its exit code."""
    trust(stored())
    return subprocess.run(command(paths.NOTEBOOKS, words), check=False, cwd=paths.ROOT).returncode
