"""Running one notebook as papermill does, and putting a run's outputs back into the notebooks a reader opens."""

import base64
import json
import os
import shutil
from pathlib import Path

from lib import artefacts, compiled, paths
from lib.errors import KlangfarbeError
from lib.profiles import PROFILE_VARIABLE

MAX_KEPT_BYTES, MAX_DRAWING_BYTES = 100_000, 300_000  # a drawing is text, and the ledger's grows with its claims


def execute(source: Path, executed: Path, values: dict, threads: int) -> bool:
    """Runs a notebook with parameters injected; the executed one is kept, also when a cell fails.

    Args:
        source: the notebook.
        executed: where the executed copy goes; saved after every cell.
        values: parameters, already checked by :func:`lib.workflow.parse_params`.
        threads: how many threads torch and the BLAS may use.

    Returns:
        Whether every cell ran.
    """
    import papermill

    # The injected PROFILE must hold: a variable left over from a test run would speak before it.
    os.environ.pop(PROFILE_VARIABLE, None)
    os.environ["KLANGFARBE_THREADS"] = os.environ["OMP_NUM_THREADS"] = str(threads)
    os.environ["PYTHONPATH"] = str(paths.ROOT)  # the kernel imports the code of this clone, whatever is installed
    compiled.own_folder()
    executed.parent.mkdir(parents=True, exist_ok=True)
    try:
        papermill.execute_notebook(source, executed, values, kernel_name="python3", cwd=str(paths.NOTEBOOKS), progress_bar=False,
                                   start_timeout=180)
    except papermill.PapermillExecutionError as error:
        print(f"{source.stem}, cell {error.cell_index}: {error.ename}: {error.evalue}")
        return False
    return True


def store(profile: str, stems: list[str]) -> list[Path]:
    """Makes a finished run the one that is kept: outputs into ``notebooks/``, small tables and figures into ``results/reference/``.

    What changes from run to run (times, warnings, the injected cell) stays behind.

    Raises:
        KlangfarbeError: a notebook has no run at this profile, its run failed, or its source has changed since.
    """
    import nbformat

    from lib import claims, report

    stored = []
    for stem in stems:
        source, executed = paths.NOTEBOOKS / f"{stem}.ipynb", paths.RUNS / profile / f"{stem}.ipynb"
        again = f'make run PROFILE={profile} NOTEBOOKS="{stem[:2]}"'
        if not executed.is_file() or report.failure(profile, stem):
            raise KlangfarbeError(f"a whole run of {stem} at {profile}", "none, or a failed one", again)
        old, new = nbformat.read(source, as_version=4), nbformat.read(executed, as_version=4)
        new.cells = [cell for cell in new.cells if "injected-parameters" not in cell.metadata.get("tags", [])]
        if [cell.source for cell in old.cells] != [cell.source for cell in new.cells]:
            raise KlangfarbeError(f"the source of {stem} as it ran", "a notebook edited since", again)
        count = 0
        for before, ran in zip(old.cells, new.cells, strict=True):
            if before.cell_type == "code":
                count += bool(before.source.strip())
                before.execution_count = count if before.source.strip() else None
                before.outputs = [_steady(output, count) for output in ran.outputs
                                  if not (output.output_type == "stream" and output.name == "stderr")]
        old.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                        "language_info": {"name": "python"}}
        stored.append(artefacts.write(source, nbformat.writes(old) + "\n"))
        _keep_small(paths.RESULTS / profile / stem, paths.REFERENCE / stem)
    report.write_ledger(claims.STORED, "ledger")  # over everything that is stored, of this run and of earlier ones
    return stored


def _keep_small(results: Path, reference: Path) -> None:
    """Replaces `reference` by the tables and figures of `results` that are small enough to be committed, with their provenance."""
    most = {".csv": MAX_KEPT_BYTES, ".png": MAX_KEPT_BYTES, ".jpg": MAX_KEPT_BYTES, ".svg": MAX_DRAWING_BYTES}
    small = [file for file in sorted(results.glob("*")) if file.stat().st_size <= most.get(file.suffix, -1)]
    if small:  # a run that made none leaves the older ones
        shutil.rmtree(reference, ignore_errors=True)
        reference.mkdir(parents=True)
        for file in small:
            for kept in (file, file.with_name(file.name + artefacts.PROVENANCE_SUFFIX)):
                if kept.is_file():
                    shutil.copyfile(kept, reference / kept.name)


def _steady(output, count: int):
    output = output.copy()
    if output.output_type == "execute_result":
        output.execution_count = count
    return output


def decode(text: str) -> dict:
    """The inverse of :func:`lib.workflow.encode`."""
    return json.loads(base64.b64decode(text))
