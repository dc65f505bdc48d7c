"""``results/<profile>/report.html``, one page that opens offline: the ledger, then the pictures,
sounds, tables and failures of every notebook, each beside a link to the notebook as it ran."""

import base64
import html
import os
from pathlib import Path

import matplotlib
import nbformat
import pandas as pd

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError
from lib.core.profiles import PROFILES
from lib.workbook import graph, ledger

STYLE = """<style>
body{font:16px/1.5 Georgia,serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
h1,h2{font-weight:normal} figure{margin:1rem 0;overflow-x:auto} figcaption{font-size:13px}
table{border-collapse:collapse;font:13px/1.4 ui-monospace,monospace;margin:1rem 0}
td,th{border-bottom:1px solid #ccc;padding:.2rem .7rem;text-align:left;vertical-align:top}
.ledger td{font-family:Georgia,serif} .ledger td:first-child{white-space:nowrap}
img{max-width:100%;image-rendering:pixelated} .ledger img{image-rendering:auto}
.failed{color:#a02020}
</style>"""
MAX_ROWS = 40
MEDIA = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".mp3": "audio/mpeg"}


def failure(profile: str, stem: str) -> str | None:
    """The error a notebook's last run ended with, one line; ``None``: it ended well or not yet."""
    file = paths.RUNS / profile / f"{stem}.ipynb"
    if not file.is_file():
        return None
    try:
        cells = nbformat.read(file, as_version=4).cells
    except Exception as error:  # a run that was killed while it wrote
        raise KlangfarbeError(f"a whole notebook at {file}", type(error).__name__,
                              "delete it and run it again") from error
    errors = [output for cell in cells for output in cell.get("outputs", ())
              if output.output_type == "error"]
    return f"{errors[0].ename}: {errors[0].evalue}".splitlines()[0] if errors else None


def build(profile: str, stems: list[str]) -> Path:
    """Writes the report of a profile's results and runs; returns its path."""
    stamp = provenance.provenance(profile, 0)
    versions = ", ".join(f"{name} {version}" for name, version in stamp["versions"].items())
    times = [{"notebook": _linked(profile, stem), "seconds": f"{float(row['s']):.0f}",
              "peak memory, MB": f"{float(row['max_rss']):.0f}"}
             for stem, row in graph.measured(profile).items()]
    parts = [f"<h1>Klangfarbe, profile {profile}</h1><p>{PROFILES[profile].capitalize()}.</p>"
             f"<p>Commit {stamp['git_commit']}, {stamp['machine']}, {stamp['made_utc']}; "
             f"{versions}</p>", _ledger_section(profile),
             pd.DataFrame(times).to_html(index=False, border=0, escape=False) if times else ""]
    for stem in stems:
        folder, reason = paths.RESULTS / profile / stem, failure(profile, stem)
        parts.append(f"<h2 id='{stem}'>{_linked(profile, stem)}</h2>")
        if reason:
            parts.append(f"<p class='failed'>failed: {html.escape(reason)}</p>")
        elif not folder.is_dir():
            parts.append(f"<p>Nothing yet: <code>make run PROFILE={profile} "
                         f'NOTEBOOKS="{stem[:2]}"</code> fills it.</p>')
        parts += [_figure(file) for suffix in (*MEDIA, ".csv")
                  for file in sorted(folder.glob(f"*{suffix}")) if file.name != ledger.EVIDENCE]
    return artefacts.write(
        paths.RESULTS / profile / "report.html",
        "<!doctype html><html lang='en'><meta charset='utf-8'>"
        f"<title>Klangfarbe {profile}</title>{STYLE}{''.join(parts)}</html>")


def write_ledger(profile: str, folder: str = "") -> tuple[ledger.Ledger, pd.DataFrame, Path | None]:
    """Writes the ledger's table, and a forest plot of what its rules ask for (``None`` where
    nothing was measured yet)."""
    filled = ledger.fill(profile)
    shown = ledger.show(filled)
    artefacts.save(shown, folder, profile, "claims.csv", seed=0)
    if not len(filled.quantities):
        return filled, shown, None
    matplotlib.use("agg")
    asked = [name if "." in name else f"{claim['id']}.{name}"
             for claim in filled.claims.to_dict("records") for name in ledger.names(claim["rule"])]
    q = filled.quantities
    decide = filled._replace(quantities=q[(q["claim"] + "." + q["quantity"]).isin(asked)])
    drawing = artefacts.save(ledger.draw(decide), folder, profile, "claims.svg", seed=0)
    return filled, shown, drawing


def _ledger_section(profile: str) -> str:
    filled, shown, drawing = write_ledger(profile)
    counts = filled.claims["verdict"].str.split(":").str[0].value_counts()
    summary = ", ".join(f"{name} {count}" for name, count in counts.items())
    table = shown.to_html(index=False, border=0)
    for name, colour in ledger.COLOURS.items():
        table = table.replace(f"<td>{name}", f"<td style='color:{colour}'>{name}")
    return (f"<h2 id='claims'>Ledger</h2><p>Claims of the sources: {summary}.</p>"
            f"<div class='ledger'>{table}{_figure(drawing) if drawing else ''}</div>")


def _figure(file: Path) -> str:
    """A picture, sound or table inside the page, with its name, seed and commit."""
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
    return f"<figure>{shown}<figcaption>{file.stem}{made}</figcaption></figure>"


def _linked(profile: str, stem: str) -> str:
    """The notebook's name, with a link to the executed copy where there is one."""
    executed = paths.RUNS / profile / f"{stem}.ipynb"
    way = os.path.relpath(executed, paths.RESULTS / profile).replace(os.sep, "/")
    return f"<a href='{way}'>{stem}</a>" if executed.is_file() else stem
