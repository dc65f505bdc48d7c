"""Running one notebook as papermill does: what the graph calls for each step."""

import os
from pathlib import Path

import papermill

from lib.core import artefacts, paths, workers
from lib.core.profiles import PROFILE_VARIABLE
from lib.workbook import code_version


def execute(source: Path, executed: Path, values: dict, threads: int) -> bool:
    """Runs a notebook with parameters injected; returns whether every cell ran."""
    # The injected PROFILE must hold: a variable left over from a test run would speak before it.
    os.environ.pop(PROFILE_VARIABLE, None)
    os.environ["KLANGFARBE_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["PYTHONPATH"] = str(paths.ROOT)  # this clone's code, whatever is installed
    workers.own_folder()
    workers.keep_memory()
    executed.parent.mkdir(parents=True, exist_ok=True)
    artefacts.write(executed.with_suffix(code_version.SUFFIX), code_version.code_of(source))
    try:
        papermill.execute_notebook(source, executed, values, kernel_name="python3",
                                   cwd=str(paths.NOTEBOOKS), progress_bar=False, start_timeout=180)
    except papermill.PapermillExecutionError as error:
        print(f"{source.stem}, cell {error.cell_index}: {error.ename}: {error.evalue}")
        return False
    return True
