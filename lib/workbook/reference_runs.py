"""Storing a run with the repository, and saying when what is stored is older than the code.

    papermill_runs/mini/NN.ipynb ─┬─ outputs ─► notebooks/NN.ipynb, as a reader opens it
    results/mini/NN/ ─────────────┼─ small tables and figures ─► results/reference/NN/
    the code that NN imports ─────┴─ a hash per module ─► results/reference/code.json"""

import shutil
from collections.abc import Iterable
from pathlib import Path

import nbformat

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.workbook import graph, lab, ledger, report

# bytes at most; the ledger's drawing is text that grows with its claims
LIMITS = {".csv": 100_000, ".png": 100_000, ".jpg": 100_000, ".svg": 300_000}


def store(profile: str, stems: list[str]) -> list[Path]:
    """Stores finished runs, without warnings and injected cells, their code and their seconds."""
    known, measured = graph.stored_runs(), graph.measured(profile)
    for stem in stems:
        executed = paths.RUNS / profile / f"{stem}.ipynb"
        again = f'make run PROFILE={profile} NOTEBOOKS="{stem[:2]}"'
        if not executed.is_file() or report.failure(profile, stem):
            raise KlangfarbeError(f"a whole run of {stem} at {profile}", "none, or a failed", again)
        _store_outputs(paths.NOTEBOOKS / f"{stem}.ipynb", executed, again)
        reference = paths.REFERENCE / stem
        small = [file for file in sorted((paths.RESULTS / profile / stem).glob("*"))
                 if file.stat().st_size <= LIMITS.get(file.suffix, -1)]
        if small:  # a run that made none leaves the older ones
            shutil.rmtree(reference, ignore_errors=True)
            reference.mkdir(parents=True)
        for file in small:
            for kept in (file, file.with_name(file.name + artefacts.PROVENANCE_SUFFIX)):
                if kept.is_file():
                    shutil.copyfile(kept, reference / kept.name)
        ran_on = executed.with_suffix(graph.CODE_SUFFIX)
        known[stem] = {"profile": profile,
                       "seconds": round(float(measured[stem]["s"])) if stem in measured else None,
                       "code": artefacts.read(ran_on) if ran_on.is_file() else None}
        artefacts.write(paths.REFERENCE / graph.STORED_RUNS, dict(sorted(known.items())))
    # over everything that is stored, of this run and of earlier ones
    report.write_ledger(ledger.STORED, "ledger")
    return [paths.NOTEBOOKS / f"{stem}.ipynb" for stem in stems]


def stale(stems: Iterable[str]) -> dict[str, list[str]]:
    """Stored runs of other code than what stands here: stem → modules; nothing known: ["?"]."""
    known, found = graph.stored_runs(), {}
    for stem in stems:
        then = known.get(stem, {}).get("code")
        now = graph.code_of(paths.NOTEBOOKS / f"{stem}.ipynb")
        found[stem] = ["?"] if then is None else sorted(
            name for name in now.keys() | then.keys() if now.get(name) != then.get(name))
    return {stem: differs for stem, differs in found.items() if differs}


def check(stems: list[str]) -> int:
    """Prints which stored runs are older than the code; returns 1 where there are any."""
    found = stale(stems)
    for stem, modules in found.items():
        more = f" and {len(modules) - 4} more" if len(modules) > 4 else ""
        print(f"{stem}: ran on another {', '.join(modules[:4])}{more}")
    print(f"{len(stems) - len(found)} of {len(stems)} stored runs ran on the code that stands here"
          + ("; make reference" if found else ""))
    return 1 if found else 0


def _store_outputs(source: Path, executed: Path, again: str) -> None:
    """Writes the outputs of an executed copy into the notebook it was made from."""
    notebook, ran = (nbformat.read(file, as_version=4) for file in (source, executed))
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    ran_cells = [cell for cell in ran.cells if cell.cell_type == "code"
                 and "injected-parameters" not in cell.metadata.get("tags", [])]
    if [cell.source for cell in cells] != [cell.source for cell in ran_cells]:
        raise KlangfarbeError(f"the code of {source.stem} as it ran", "one edited since", again)
    count = 0
    for cell, ran_cell in zip(cells, ran_cells, strict=True):
        count += bool(cell.source.strip())
        cell.execution_count = count if cell.source.strip() else None
        cell.outputs = [output for output in ran_cell.outputs if output.get("name") != "stderr"]
        for output in cell.outputs:
            if output.output_type == "execute_result":
                output.execution_count = count
    notebook.metadata = lab.METADATA
    _describe_pictures(notebook)
    artefacts.write(source, nbformat.writes(notebook) + "\n")


def _describe_pictures(notebook) -> None:
    """Gives each stored picture that has no text in its place one: the heading it stands under."""
    heading = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            heading = [heading, *(line.lstrip("# ") for line in cell.source.splitlines()
                                  if line[:1] == "#")][-1]
        for output in cell.get("outputs", ()):
            for kind in output.get("data", {}):
                if kind.startswith("image/"):
                    output.metadata.setdefault(kind, {}).setdefault("alt", f"Figure: {heading}")
