"""``results/<profile>/report.html``: one page that opens offline, with every run's pictures, tables, times and failures."""

import base64
import html
from pathlib import Path

from lib import artefacts, paths, repro, workflow

STYLE = """body{font:16px/1.5 Georgia,serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}h1,h2{font-weight:normal}
table{border-collapse:collapse;font:13px/1.4 ui-monospace,monospace;margin:1rem 0}
td,th{border-bottom:1px solid #ccc;padding:.2rem .7rem;text-align:left}
img{max-width:100%;image-rendering:pixelated}figure{margin:1rem 0}figcaption{font-size:13px;color:#666}.failed{color:#a02020}"""
MAX_ROWS = 40


def failure(profile: str, stem: str) -> str | None:
    """The error a notebook's last run ended with (one line), or ``None`` if it ended well or never ran."""
    executed = paths.RUNS / profile / f"{stem}.ipynb"
    if not executed.is_file():
        return None
    import nbformat

    for cell in nbformat.read(executed, as_version=4).cells:
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                return f"{output.ename}: {output.evalue}".splitlines()[0]
    return None


def build(profile: str) -> Path:
    """Writes the page from what stands in ``results/<profile>`` and ``papermill_runs/<profile>``; returns its path."""
    stamp = repro.provenance(profile, 0)
    parts = [f"<h1>Klangfarbe, profile {profile}</h1><p>Commit {stamp['git_commit']}, {stamp['machine']}, {stamp['made_utc']}; "
             + ", ".join(f"{k} {v}" for k, v in stamp["versions"].items()) + "</p>", _times(profile)]
    for stem in workflow.STEPS:
        folder = paths.RESULTS / profile / stem
        reason = failure(profile, stem)
        if folder.is_dir() or reason:
            parts.append(f"<h2 id='{stem}'>{stem}</h2>")
            parts += [f"<p class='failed'>failed: {html.escape(reason)}</p>"] if reason else []
            parts += [_picture(file) for file in sorted(folder.glob("*.png"))] + [_table(file) for file in sorted(folder.glob("*.csv"))]
        else:
            parts.append(f"<h2>{stem}</h2><p>Nothing yet: <code>make run PROFILE={profile} NOTEBOOKS=\"{stem[:2]}\"</code> fills it.</p>")
    head = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Klangfarbe {profile}</title><style>{STYLE}</style>"
    page = head + "".join(parts) + "</html>"
    return artefacts.write(paths.RESULTS / profile / "report.html", page)


def _times(profile: str) -> str:
    import pandas as pd

    rows = []
    for file in sorted((paths.RUNS / profile / "benchmarks").glob("*.tsv")):
        measured = pd.read_csv(file, sep="\t").iloc[-1]
        rows.append({"notebook": file.stem, "seconds": f"{measured['s']:.0f}", "peak memory, MB": f"{float(measured['max_rss']):.0f}"})
    return pd.DataFrame(rows).to_html(index=False, border=0) if rows else ""


def _picture(file: Path) -> str:
    data = base64.b64encode(file.read_bytes()).decode()
    return f"<figure><img src='data:image/png;base64,{data}' alt='{file.stem}'><figcaption>{file.stem}{_stamp(file)}</figcaption></figure>"


def _table(file: Path) -> str:
    table = artefacts.read(file)
    more = f"<p>… {len(table) - MAX_ROWS} more rows in {file.name}</p>" if len(table) > MAX_ROWS else ""
    shown = table.head(MAX_ROWS).to_html(index=False, border=0, float_format="%.3g")
    return f"<figure>{shown}{more}<figcaption>{file.stem}{_stamp(file)}</figcaption></figure>"


def _stamp(file: Path) -> str:
    provenance = file.with_name(file.name + artefacts.PROVENANCE_SUFFIX)
    if not provenance.is_file():
        return ""
    made = artefacts.read(provenance)
    return f" · seed {made['seed']} · commit {made['git_commit']}"
