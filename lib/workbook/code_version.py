"""What code a notebook runs on, a hash per module of ``lib`` it imports, directly or not; where
they differ, a notebook is run again, and ``store --check`` calls a stored run old. Comments,
docstrings, line breaks do not count; a module imported by name at run time is not seen."""

import ast
import functools
import hashlib
from pathlib import Path

import nbformat

from lib.core import paths

SUFFIX = ".code.json"  # of the file beside an executed notebook
CELLS = "notebook"  # the name under which the notebook's own code cells are hashed


def code_of(notebook: Path) -> dict[str, str]:
    """Name of each module → hash; under :data:`CELLS` the notebook's own code cells."""
    cells = [_parse(cell.source) for cell in nbformat.read(notebook, as_version=4).cells
             if cell.cell_type == "code"]
    hashes = {CELLS: _hash("\n".join(map(_plain, cells)))}
    whole = ast.Module([node for cell in cells for node in cell.body], [])
    waiting = _imports(whole)
    while waiting:
        name = waiting.pop()
        place = paths.ROOT.joinpath(*name.split("."))
        file = next((file for file in (place.with_suffix(".py"), place / "__init__.py")
                     if file.is_file()), None)
        if name not in hashes and file is not None:
            hashes[name], imports = _module(file, file.stat().st_mtime_ns)
            waiting += imports
    return dict(sorted(hashes.items()))


def fingerprint(notebook: Path) -> str:
    """One hash over :func:`code_of`."""
    return _hash(repr(code_of(notebook)))


@functools.lru_cache(maxsize=1024)
def _module(file: Path, _changed: int) -> tuple[str, list[str]]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    imports = _imports(tree)  # before the docstrings are taken out of the tree
    return _hash(_plain(tree)), imports


def _parse(source: str) -> ast.Module:
    lines = [line for line in source.splitlines() if not line.lstrip().startswith(("%", "!"))]
    try:
        return ast.parse("\n".join(lines))
    except SyntaxError:  # the cell will say so itself when it runs
        return ast.parse(repr(source))


def _imports(tree: ast.AST) -> list[str]:
    # modules of lib imported anywhere or reached through an imported package (metrics.stats.holm),
    # with the packages they lie in
    names, packages = [], {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            packages |= {alias.asname or alias.name: f"{node.module}.{alias.name}"
                         for alias in node.names}
    names += packages.values()
    for node in ast.walk(tree):
        first, *rest = ast.unparse(node).split(".") if isinstance(node, ast.Attribute) else [""]
        if packages.get(first, "").startswith("lib"):
            names.append(".".join([packages[first], *rest]))
    parts = [name.split(".") for name in names if name.split(".")[0] == "lib"]
    return list(dict.fromkeys(".".join(part[: k + 1]) for part in parts for k in range(len(part))))


def _plain(tree: ast.AST) -> str:
    """A tree without docstrings and positions, as text."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef
    for node in ast.walk(tree):
        if isinstance(node, documented) and ast.get_docstring(node):
            node.body = node.body[1:]
    return ast.dump(tree)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
