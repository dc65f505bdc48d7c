"""Running one notebook as papermill does."""

import base64
import json
import os
from pathlib import Path

import papermill

from lib.core import artefacts, paths, workers
from lib.core.profiles import PROFILE_VARIABLE
from lib.workbook import reference_runs


def execute(source: Path, executed: Path, values: dict, threads: int) -> bool:
    """Runs a notebook with parameters injected; the executed one is kept, also when a cell fails.

    Args:
        source: the notebook.
        executed: where the executed copy goes; saved after every cell. Beside it goes what code it
            ran on.
        values: parameters, already checked by :func:`lib.workbook.runner.parse_params`.
        threads: how many threads torch and the BLAS may use.

    Returns:
        Whether every cell ran.
    """
    # The injected PROFILE must hold: a variable left over from a test run would speak before it.
    os.environ.pop(PROFILE_VARIABLE, None)
    os.environ["KLANGFARBE_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
    # the kernel imports the code of this clone, whatever is installed
    os.environ["PYTHONPATH"] = str(paths.ROOT)
    workers.own_folder()
    workers.keep_memory()
    executed.parent.mkdir(parents=True, exist_ok=True)
    artefacts.write(executed.with_suffix(reference_runs.CODE), reference_runs.code_of(source))
    try:
        papermill.execute_notebook(source, executed, values, kernel_name="python3",
                                   cwd=str(paths.NOTEBOOKS), progress_bar=False, start_timeout=180)
    except papermill.PapermillExecutionError as error:
        print(f"{source.stem}, cell {error.cell_index}: {error.ename}: {error.evalue}")
        return False
    return True


def decode(text: str) -> dict:
    """The inverse of :func:`lib.workbook.runner.encode`."""
    return json.loads(base64.b64decode(text))
