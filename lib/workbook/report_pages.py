"""Executed notebooks as pages that open offline, with a place for every cell: what the report's
numbers point to.

    papermill_runs/<profile>/<stem>.ipynb ──page──► <stem>.html beside it ◄──href── results/<profile>/report.html
                                                       └─ #cell-id=c12, the cell that wrote the file
"""

import functools
import html
import os
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError

STYLE = """body{font:16px/1.5 Georgia,serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
:target{outline:2px solid #b5374a}
pre{font:13px/1.4 ui-monospace,monospace;overflow-x:auto;white-space:pre-wrap}
.jp-InputArea pre,.highlight pre{background:#f6f6f4;padding:.5rem}
img{max-width:100%}table{border-collapse:collapse;font:13px/1.4 ui-monospace,monospace}td,th{padding:.1rem .7rem;text-align:right}
.jp-InputPrompt,.jp-OutputPrompt,.anchor-link{display:none}"""
# who writes evidence never names its file; artefacts.save, figure.savefig
EVIDENCE, WRITES = "claims.save(", "save"


def executed(profile: str, stem: str) -> Path:
    """Where a notebook's executed copy lies, or would."""
    return paths.RUNS / profile / f"{stem}.ipynb"


def page(profile: str, stem: str) -> Path | None:
    """Writes the executed notebook as a page and returns its path; ``None`` where there is none. A
    page that is newer stays.

    Formulas stand as they were typed: what typesets them would have to be fetched.
    """
    notebook = executed(profile, stem)
    if not notebook.is_file():
        return None
    made = notebook.with_suffix(".html")
    if made.is_file() and made.stat().st_mtime_ns >= notebook.stat().st_mtime_ns:
        return made
    content = _read(notebook, notebook.stat().st_mtime_ns)
    body, _ = HTMLExporter(template_name="basic").from_notebook_node(content)
    top = (f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(stem)}</title><style>{STYLE}</style>"
           f"<p>{html.escape(stem)} as it ran at profile {html.escape(profile)} · <a href='{notebook.name}'>the notebook itself</a></p>")
    return artefacts.write(made, top + body + "</html>")


def href(profile: str, stem: str, word: str = "") -> str:
    """A relative link from the profile's report to the cell of an executed notebook that wrote
    `word`, a file's name or :data:`EVIDENCE`.

    A cell that writes it in so many words goes before one that only names it. The link leads to the
    notebook's top where no cell names the word, and is empty where the notebook has not run.
    """
    notebook = executed(profile, stem)
    if not notebook.is_file():
        return ""
    way = os.path.relpath(notebook.with_suffix(".html"),
                          paths.RESULTS / profile).replace(os.sep, "/")
    cells = _read(notebook, notebook.stat().st_mtime_ns).cells
    naming = [cell["id"] for cell in cells
              if cell.cell_type == "code" and word and word in cell.source]
    writing = [cell["id"] for cell in cells
               if any(word in line and WRITES in line for line in cell.source.splitlines())]
    return f"{way}#cell-id={(writing or naming)[0]}" if naming else way


def linked(text: str, way: str) -> str:
    """`text`, escaped, as a link where there is a way."""
    return f"<a href='{way}'>{html.escape(text)}</a>" if way else html.escape(text)


@functools.lru_cache(maxsize=64)
def _read(notebook: Path, _changed: int):
    try:
        content = nbformat.read(notebook, as_version=4)
    except Exception as error:  # a run that was killed while it wrote
        raise KlangfarbeError(f"a whole notebook at {notebook}", f"{type(error).__name__}",
                              "delete it and run it again") from error
    content.nbformat_minor = 5
    for number, cell in enumerate(content.cells):
        cell["id"] = f"c{number}"
    return content
