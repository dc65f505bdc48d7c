"""The study as a web page: a notebook of one cell, written into the study's folder and served by
Voila, a kernel for each visitor.
"""

import os
import subprocess
import sys
from pathlib import Path

from nbformat import v4, writes

from lib.core import artefacts, paths
from lib.studies.listening import pilot, study

CELL = """from lib.studies.listening import page, study
page.Page(study.load({folder!r})).box"""


def write_page(folder: Path | str) -> Path:
    """Writes the one-cell notebook that Voila serves, and returns its path."""
    folder = Path(folder).resolve()
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = v4.new_notebook(cells=[v4.new_code_cell(CELL.format(folder=str(folder)))],
                               metadata={"kernelspec": kernel, "title": "A listening study"})
    return artefacts.write(folder / "page.ipynb", writes(notebook))


def command(page: Path, port: int, host: str = "127.0.0.1") -> list[str]:
    """The command that serves a page; on 127.0.0.1 only this machine can open it."""
    return [sys.executable, "-m", "voila", str(page), "--no-browser", f"--port={port}",
            f"--Voila.ip={host}", "--show_tracebacks=False",
            "--VoilaConfiguration.file_denylist=.*"]


def serve(folder: Path | str = "", port: int = 8866, *, host: str = "127.0.0.1") -> int:
    """Serves a study (without a folder the pilot) until interrupted; returns Voila's exit code."""
    folder = Path(folder) if folder else study.PILOT
    if folder == study.PILOT and not (folder / study.SETTINGS).is_file():
        print("laying out the pilot: 24 paintings, 30 places …")
        study.lay_out(folder, pilot.clips(), n_pairs=6, wrong=pilot.wrong_pairs())
    opened = study.load(folder)
    print(f"{len(opened.trials)} pages for {opened.settings['places']} listeners"
          f" · answers go to {opened.ratings}")
    print(f"open http://{host}:{port} · stop with Ctrl-C")
    return subprocess.run(command(write_page(folder), port, host), check=False,
                          env={**os.environ, "PYTHONPATH": str(paths.ROOT)}).returncode
