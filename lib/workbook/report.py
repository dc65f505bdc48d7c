"""``results/<profile>/report.html``, one page that opens offline: the ledger, then the pictures,
sounds, tables and failures of every notebook. Each number leads to the cell that wrote its file:

    papermill_runs/<profile>/<stem>.ipynb ──nbconvert──► <stem>.html#cell-id=c12 ◄── report.html
"""

import base64
import functools
import html
import os
import re
from pathlib import Path

import matplotlib
import nbformat
import pandas as pd
from nbconvert import HTMLExporter

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError
from lib.core.profiles import PROFILES
from lib.workbook import graph, ledger

STYLE = """<style>
body{font:16px/1.5 Georgia,serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
h1,h2{font-weight:normal} :target{outline:2px solid #b5374a}
table{border-collapse:collapse;font:13px/1.4 ui-monospace,monospace;margin:1rem 0}
td,th{border-bottom:1px solid #ccc;padding:.2rem .7rem;text-align:left;vertical-align:top}
.ledger td{font-family:Georgia,serif} .ledger td:first-child{white-space:nowrap}
img{max-width:100%;image-rendering:pixelated} .ledger img{image-rendering:auto}
pre{font:13px/1.4 ui-monospace,monospace;overflow-x:auto;white-space:pre-wrap}
.jp-InputArea pre,.highlight pre{background:#f6f6f4;padding:.5rem}
.jp-InputPrompt,.jp-OutputPrompt,.anchor-link{display:none}
figure{margin:1rem 0;overflow-x:auto} figcaption{font-size:13px;color:#666} .failed{color:#a02020}
</style>"""
MAX_ROWS = 40
MEDIA = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".mp3": "audio/mpeg"}
SAVES_EVIDENCE = r"\b(claims|ledger)\.save\("  # the call that writes a notebook's evidence.csv


def failure(profile: str, stem: str) -> str | None:
    """The error a notebook's last run ended with, one line; ``None``: it ended well or not yet."""
    notebook = _executed(profile, stem)
    errors = [output for cell in (notebook.cells if notebook else ()) if cell.cell_type == "code"
              for output in cell.outputs if output.output_type == "error"]
    return f"{errors[0].ename}: {errors[0].evalue}".splitlines()[0] if errors else None


def build(profile: str, stems: list[str]) -> Path:
    """Writes the report of a profile's results and runs; returns its path."""
    stamp = provenance.provenance(profile, 0)
    versions = ", ".join(f"{name} {version}" for name, version in stamp["versions"].items())
    times = [{"notebook": _linked(stem, _address(profile, stem)),
              "seconds": f"{float(row['s']):.0f}",
              "peak memory, MB": f"{float(row['max_rss']):.0f}"}
             for stem, row in graph.measured(profile).items()]
    parts = [f"<h1>Klangfarbe, profile {profile}</h1><p>{PROFILES[profile].capitalize()}.</p>"
             f"<p>Commit {stamp['git_commit']}, {stamp['machine']}, {stamp['made_utc']}; "
             f"{versions}</p>", _ledger_section(profile),
             pd.DataFrame(times).to_html(index=False, border=0, escape=False) if times else ""]
    for stem in stems:
        folder, reason = paths.RESULTS / profile / stem, failure(profile, stem)
        if not folder.is_dir() and not reason:
            parts.append(f"<h2>{stem}</h2><p>Nothing yet: <code>make run PROFILE={profile} "
                         f'NOTEBOOKS="{stem[:2]}"</code> fills it.</p>')
            continue
        _write_page(profile, stem)
        parts.append(f"<h2 id='{stem}'>{_linked(stem, _address(profile, stem))}</h2>")
        if reason:
            parts.append(f"<p class='failed'>failed: {html.escape(reason)}</p>")
        parts += [_figure(file, _address(profile, stem, re.escape(file.name)))
                  for suffix in (*MEDIA, ".csv") for file in sorted(folder.glob(f"*{suffix}"))
                  if file.name != ledger.EVIDENCE]
    return artefacts.write(paths.RESULTS / profile / "report.html",
                           _document(f"Klangfarbe {profile}", "".join(parts)))


def write_ledger(profile: str, folder: str = "") -> tuple[ledger.Ledger, pd.DataFrame, Path | None]:
    """Writes the ledger's table and forest plot (``None`` where nothing was measured yet)."""
    filled = ledger.fill(profile)
    shown = ledger.show(filled)
    artefacts.save(shown, folder, profile, "claims.csv", seed=0)
    if not len(filled.quantities):
        return filled, shown, None
    matplotlib.use("agg")
    drawing = artefacts.save(ledger.draw(filled), folder, profile, "claims.svg", seed=0)
    return filled, shown, drawing


def _ledger_section(profile: str) -> str:
    filled, shown, drawing = write_ledger(profile)
    counts = filled.claims["verdict"].str.split(":").str[0].value_counts()
    shown = shown.map(lambda text: html.escape(str(text)))
    for row, claim in enumerate(filled.claims.itertuples()):
        numbers = [_linked(text, _address(profile, notebook, SAVES_EVIDENCE))
                   for text, notebook in ledger.numbers(filled, claim)]
        if numbers:
            shown.loc[row, "ours"] = "; ".join(numbers)
    table = shown.to_html(index=False, border=0, escape=False)
    for name, colour in ledger.COLOURS.items():
        coloured = f"<td style='color:{colour.removeprefix('tab:')}'>{name}</td>"
        table = table.replace(f"<td>{name}</td>", coloured)
    summary = ", ".join(f"{name} {count}" for name, count in counts.items())
    return (f"<h2 id='claims'>Ledger</h2><p>Claims of the sources: {summary}.</p>"
            f"<div class='ledger'>{table}{_figure(drawing) if drawing else ''}</div>")


def _figure(file: Path, address: str = "") -> str:
    """A picture, sound or table inside the page, its name linked, with its provenance."""
    if file.suffix == ".csv":
        table = artefacts.read(file)
        shown = table.head(MAX_ROWS).to_html(index=False, border=0, float_format="%.3g")
        if len(table) > MAX_ROWS:
            shown += f"<p>… {len(table) - MAX_ROWS} more rows in {file.name}</p>"
    else:
        content = base64.b64encode(file.read_bytes()).decode()
        data = f"data:{MEDIA[file.suffix]};base64,{content}"
        shown = (f"<audio controls src='{data}'></audio>" if file.suffix == ".mp3"
                 else f"<img src='{data}' alt='{file.stem}'>")
    stamp, made = file.with_name(file.name + artefacts.PROVENANCE_SUFFIX), ""
    if stamp.is_file():
        origin = artefacts.read(stamp)
        made = f" · seed {origin['seed']} · commit {origin['git_commit']}"
    return f"<figure>{shown}<figcaption>{_linked(file.stem, address)}{made}</figcaption></figure>"


def _write_page(profile: str, stem: str) -> None:
    """Writes an executed notebook as a page; formulas stay as typed: a typesetter is online."""
    notebook = paths.RUNS / profile / f"{stem}.ipynb"
    page = notebook.with_suffix(".html")
    if not notebook.is_file() or (page.is_file()
                                  and page.stat().st_mtime_ns >= notebook.stat().st_mtime_ns):
        return
    whole = _read(notebook, notebook.stat().st_mtime_ns)
    body, _ = HTMLExporter(template_name="basic").from_notebook_node(whole)
    top = (f"<p>{stem} as it ran at profile {profile} · "
           f"<a href='{notebook.name}'>the notebook itself</a></p>")
    artefacts.write(page, _document(stem, top + body))


def _address(profile: str, stem: str, what: str = "") -> str:
    """A relative link to the cell that saves what matches `what`, else to the notebook's top."""
    notebook = _executed(profile, stem)
    if notebook is None:
        return ""
    page = os.path.relpath(paths.RUNS / profile / f"{stem}.html", paths.RESULTS / profile)
    lines = [(cell["id"], line) for cell in notebook.cells if cell.cell_type == "code"
             for line in cell.source.splitlines() if what and re.search(what, line)]
    lines.sort(key=lambda line: "save" not in line[1])  # a line that saves it comes first
    return page.replace(os.sep, "/") + (f"#cell-id={lines[0][0]}" if lines else "")


def _executed(profile: str, stem: str) -> nbformat.NotebookNode | None:
    """An executed notebook with its cells numbered, or ``None`` where it has not run."""
    file = paths.RUNS / profile / f"{stem}.ipynb"
    return _read(file, file.stat().st_mtime_ns) if file.is_file() else None


@functools.lru_cache(maxsize=64)
def _read(file: Path, _changed: int) -> nbformat.NotebookNode:
    try:
        notebook = nbformat.read(file, as_version=4)
    except Exception as error:  # a run that was killed while it wrote
        raise KlangfarbeError(f"a whole notebook at {file}", type(error).__name__,
                              "delete it and run it again") from error
    notebook.nbformat_minor = 5
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"c{number}"
    return notebook


def _document(title: str, body: str) -> str:
    return (f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{html.escape(title)}"
            f"</title>{STYLE}{body}</html>")


def _linked(text: str, address: str) -> str:
    return f"<a href='{address}'>{html.escape(text)}</a>" if address else html.escape(text)
