"""Runs one notebook, as the graph does: a process each, which imports little beside papermill."""

import json
import os
from pathlib import Path

import papermill

from lib.core import paths, workers
from lib.core.profiles import PROFILE_VARIABLE
from lib.workbook import graph


def execute(source: Path, executed: Path, parameters: str, threads: int) -> int:
    """Runs a notebook as the graph does, parameters (``graph.encode``) injected; its exit code."""
    # The injected PROFILE must hold: a variable left over from a test run would speak before it.
    os.environ.pop(PROFILE_VARIABLE, None)
    os.environ["KLANGFARBE_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["PYTHONPATH"] = str(paths.ROOT)  # this clone's code, whatever is installed
    workers.own_folder()
    workers.keep_memory()
    with paths.atomic(executed.with_suffix(graph.CODE_SUFFIX)) as file:
        file.write_text(json.dumps(graph.code_of(source), indent=1) + "\n", encoding="utf-8")
    try:
        papermill.execute_notebook(source, executed, graph.decode(parameters),
                                   kernel_name="python3", cwd=str(paths.NOTEBOOKS),
                                   progress_bar=False, start_timeout=180)
    except papermill.PapermillExecutionError as error:
        print(f"{source.stem}, cell {error.cell_index}: {error.ename}: {error.evalue}")
        return 1
    return 0
