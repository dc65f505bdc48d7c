"""Keeping a run, and saying when what is kept is older than the code that made it.

    papermill_runs/mini/NN.ipynb ─┬─ outputs ─► notebooks/NN.ipynb, as a reader opens it
    results/mini/NN/ ─────────────┼─ small tables and figures ─► results/reference/NN/
    the code that NN imports ─────┴─ a hash per module ─► results/reference/code.json ──stale──► which kept runs ran on other code

``make reference`` makes all of them again. What is hashed is what a module does: another comment or
docstring is the same code. Modules that are found by name while it runs (a collection's adapter)
are not seen.
"""

import ast
import functools
import hashlib
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

import nbformat

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.workbook import ledger, report

# a drawing is text, and the ledger's grows with its claims
MAX_KEPT_BYTES, MAX_DRAWING_BYTES = 100_000, 300_000
# beside an executed notebook; below results/reference; its own cells
CODE, KEPT, NOTEBOOK = ".code.json", "code.json", "notebook"


def store(profile: str, stems: list[str]) -> list[Path]:
    """Makes a finished run the one that is kept: outputs into ``notebooks/``, small tables and
    figures into ``results/reference/``.

    What changes from run to run (times, warnings, the injected cell) stays behind. :data:`KEPT`
    remembers the code it ran on.

    Raises:
        KlangfarbeError: a notebook has no run at this profile, its run failed, or its source has
            changed since.
    """
    stored = []
    for stem in stems:
        source, executed = paths.NOTEBOOKS / f"{stem}.ipynb", paths.RUNS / profile / f"{stem}.ipynb"
        again = f'make run PROFILE={profile} NOTEBOOKS="{stem[:2]}"'
        if not executed.is_file() or report.failure(profile, stem):
            raise KlangfarbeError(f"a whole run of {stem} at {profile}", "none, or a failed one",
                                  again)
        old, new = nbformat.read(source, as_version=4), nbformat.read(executed, as_version=4)
        new.cells = [cell for cell in new.cells
                     if "injected-parameters" not in cell.metadata.get("tags", [])]
        if [cell.source for cell in old.cells] != [cell.source for cell in new.cells]:
            raise KlangfarbeError(f"the source of {stem} as it ran", "a notebook edited since",
                                  again)
        count = 0
        for before, ran in zip(old.cells, new.cells, strict=True):
            if before.cell_type == "code":
                count += bool(before.source.strip())
                before.execution_count = count if before.source.strip() else None
                before.outputs = [_steady(output, count) for output in ran.outputs
                                  if not (output.output_type == "stream" and output.name
                                          == "stderr")]
        old.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python",
                                       "name": "python3"}, "language_info": {"name": "python"}}
        stored.append(artefacts.write(source, nbformat.writes(old) + "\n"))
        _remember(stem, executed)
        _keep_small(paths.RESULTS / profile / stem, paths.REFERENCE / stem)
    # over everything that is stored, of this run and of earlier ones
    report.write_ledger(ledger.STORED, "ledger")
    return stored


def _keep_small(results: Path, reference: Path) -> None:
    """Replaces `reference` by the tables and figures of `results` that are small enough to be
    committed, with their provenance.
    """
    most = {".csv": MAX_KEPT_BYTES, ".png": MAX_KEPT_BYTES, ".jpg": MAX_KEPT_BYTES,
            ".svg": MAX_DRAWING_BYTES}
    small = [file for file in sorted(results.glob("*"))
             if file.stat().st_size <= most.get(file.suffix, -1)]
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


def code_of(notebook: Path) -> dict[str, str]:
    """What a notebook runs on: module of ``lib`` that its cells import, directly or not → hash;
    under :data:`NOTEBOOK`, its own cells'.
    """
    cells = [cell.source for cell in nbformat.read(notebook, as_version=4).cells
             if cell.cell_type == "code"]
    trees = [_tree("\n".join(line for line in cell.splitlines()
                             if not line.lstrip().startswith(("%", "!")))) for cell in cells]
    found, waiting = {NOTEBOOK: _hash("\n".join(map(_does, trees)))}, [name for tree in trees
                                                                       for name in _imported(tree)]
    while waiting:
        name = waiting.pop()
        file = None if name in found else _file(name)
        if file is not None:
            found[name], further = _module(file, file.stat().st_mtime_ns)
            waiting += further
    return dict(sorted(found.items()))


def stale(stems: Iterable[str]) -> dict[str, list[str]]:
    """Kept runs that ran on other code than what stands here: stem → modules that differ; a run
    that nothing is known of has ``["?"]``.
    """
    kept = paths.REFERENCE / KEPT
    known, found = artefacts.read(kept) if kept.is_file() else {}, {}
    for stem in stems:
        then, now = known.get(stem, {}).get("code"), code_of(paths.NOTEBOOKS / f"{stem}.ipynb")
        differs = ["?"] if then is None else [name for name in now.keys() | then.keys()
                                              if now.get(name) != then.get(name)]
        if differs:
            found[stem] = sorted(differs)
    return found


def check(stems: list[str]) -> int:
    """``python -m lib store --check``: says which kept runs are older than the code; returns 1
    where there are any.
    """
    found = stale(stems)
    for stem, modules in found.items():
        print(f"{stem}: ran on another {', '.join(modules[:4])}"
              + (f" and {len(modules) - 4} more" if len(modules) > 4 else ""))
    print(f"{len(stems) - len(found)} of {len(stems)} kept runs ran on the code that stands here"
          + ("; make reference" if found else ""))
    return 1 if found else 0


def _remember(stem: str, executed: Path) -> None:
    ran_on, kept = executed.with_suffix(CODE), paths.REFERENCE / KEPT
    known = artefacts.read(kept) if kept.is_file() else {}
    code = artefacts.read(ran_on) if ran_on.is_file() else None
    artefacts.write(kept,
                    dict(sorted((known | {stem: {"profile": executed.parent.name,
                                                 "code": code}}).items())))


def _tree(source: str) -> ast.AST:
    try:
        return ast.parse(source)
    # the cell will say so itself when it runs; until then it is a text like any other
    except SyntaxError:
        return ast.parse(repr(source))


def _imported(tree: ast.AST) -> Iterator[str]:
    """Modules of ``lib`` that are imported anywhere in a tree, with the packages they lie in."""
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            parts = name.split(".")
            if parts[0] == "lib":
                yield from (".".join(parts[: k + 1]) for k in range(len(parts)))


def _file(name: str) -> Path | None:
    place = paths.ROOT.joinpath(*name.split("."))
    return next((file for file in (place.with_suffix(".py"), place / "__init__.py")
                 if file.is_file()), None)


@functools.lru_cache(maxsize=1024)
def _module(file: Path, _changed: int) -> tuple[str, tuple[str, ...]]:
    """A file's hash, and the modules that it imports."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    further = tuple(dict.fromkeys(_imported(tree)))
    return _hash(_does(tree)), further


def _does(tree: ast.AST) -> str:
    """A tree without its docstrings and places, as text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef
                      | ast.FunctionDef) and ast.get_docstring(node, clean=False) is not None:
            node.body = node.body[1:]
    return ast.dump(tree)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
