"""The study as a web page: a notebook of one cell, written into the study's folder and served by
Voila, a kernel for each visitor.
"""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from lib.core import artefacts, paths
from lib.studies.listening import pilot, study

PAGE = "page.ipynb"
CELL = """from lib.studies.listening import page, study
page.page(study.load({folder!r})).box"""


def write_page(folder: Path | str) -> Path:
    """Writes the one-cell notebook that Voila serves, and returns its path."""
    folder = Path(folder).resolve()
    notebook = new_notebook(cells=[new_code_cell(CELL.format(folder=str(folder)))],
                            metadata={"kernelspec": {"name": "python3", "display_name": "Python 3",
                                                     "language": "python"},
                                      "title": "A listening study"})
    return artefacts.write(folder / PAGE, nbformat.writes(notebook))


def command(folder: Path | str, port: int, *, host: str = "127.0.0.1") -> list[str]:
    """The command that serves a study; on 127.0.0.1 only this machine can open it."""
    return [sys.executable, "-m", "voila", str(Path(folder).resolve() / PAGE), "--no-browser",
            f"--port={port}", f"--Voila.ip={host}", "--VoilaConfiguration.file_denylist=.*",
            "--show_tracebacks=False"]


def serve(folder: Path | str = "", port: int = 8866, *, host: str = "127.0.0.1") -> int:
    """Serves a study until interrupted; without a folder the pilot, laid out on first use. Returns
    Voila's exit code.

    Raises:
        KlangfarbeError: the folder holds no study.
    """
    folder = Path(folder) if folder else study.PILOT
    if folder == study.PILOT and not (folder / study.SETTINGS).is_file():
        print("laying out the pilot: 24 paintings, 30 places …")
        pilot.lay_out(folder)
    opened = study.load(folder)
    write_page(folder)
    print(f"{len(opened.trials)} pages for {opened.settings['places']} listeners"
          f" · answers go to {opened.ratings}")
    print(f"open http://{host}:{port} · stop with Ctrl-C")
    environment = {**os.environ, "PYTHONPATH": str(paths.ROOT)}
    return subprocess.run(command(folder, port, host=host), env=environment, check=False).returncode
