"""``results/<profile>/report.html``, one page that opens offline: the ledger, then every run's
pictures, sounds, tables, failures.

Each number leads to the executed notebook that made it, to the cell where one names its file
(:mod:`lib.workbook.report_pages`).
"""

import base64
import html
from pathlib import Path

import matplotlib
import nbformat
import pandas as pd

from lib.core import artefacts, paths
from lib.core import provenance as repro
from lib.core.profiles import PROFILES
from lib.workbook import ledger as claims
from lib.workbook import report_pages, runner
from lib.workbook.report_pages import EVIDENCE, href, linked

STYLE = """body{font:16px/1.5 Georgia,serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}h1,h2{font-weight:normal}
table{border-collapse:collapse;font:13px/1.4 ui-monospace,monospace;margin:1rem 0}
td,th{border-bottom:1px solid #ccc;padding:.2rem .7rem;text-align:left;vertical-align:top}
.ledger td{font-family:Georgia,serif}.ledger td:first-child{white-space:nowrap}
img{max-width:100%;image-rendering:pixelated}.ledger img{image-rendering:auto}
figure{margin:1rem 0;overflow-x:auto}figcaption{font-size:13px;color:#666}.failed{color:#a02020}"""
MAX_ROWS = 40
MEDIA = {".svg": "image/svg+xml", ".png": "image/png", ".jpg": "image/jpeg", ".mp3": "audio/mpeg"}


def failure(profile: str, stem: str) -> str | None:
    """The error a notebook's last run ended with (one line), or ``None`` if it ended well or never
    ran.
    """
    executed = paths.RUNS / profile / f"{stem}.ipynb"
    if not executed.is_file():
        return None
    for cell in nbformat.read(executed, as_version=4).cells:
        for output in cell.get("outputs", []):
            if output.get("output_type") == "error":
                return f"{output.ename}: {output.evalue}".splitlines()[0]
    return None


def build(profile: str) -> Path:
    """Writes the page from what stands in ``results/<profile>`` and ``papermill_runs/<profile>``;
    returns its path.
    """
    stamp = repro.provenance(profile, 0)
    versions = ", ".join(f"{name} {version}" for name, version in stamp["versions"].items())
    parts = [f"<h1>Klangfarbe, profile {profile}</h1><p>{PROFILES[profile].capitalize()}.</p>"
             f"<p>Commit {stamp['git_commit']}, {stamp['machine']}, {stamp['made_utc']}; {versions}</p>", _ledger(profile), _times(profile)]
    for stem in runner.STEPS:
        folder = paths.RESULTS / profile / stem
        reason = failure(profile, stem)
        if folder.is_dir() or reason:
            report_pages.page(profile, stem)
            parts.append(f"<h2 id='{stem}'>{linked(stem, href(profile, stem))}</h2>")
            parts += [f"<p class='failed'>failed: {html.escape(reason)}</p>"] if reason else []
            parts += [_medium(file, href(profile, stem, file.name)) for suffix in MEDIA
                      for file in sorted(folder.glob(f"*{suffix}"))]
            parts += [_table(file, href(profile, stem, file.name))
                      for file in sorted(folder.glob("*.csv")) if file.name != claims.EVIDENCE]
        else:
            parts.append(f"<h2>{stem}</h2><p>Nothing yet: <code>make run PROFILE={profile} NOTEBOOKS=\"{stem[:2]}\"</code> fills it.</p>")
    head = f"<!doctype html><html lang='en'><meta charset='utf-8'><title>Klangfarbe {profile}</title><style>{STYLE}</style>"
    page = head + "".join(parts) + "</html>"
    return artefacts.write(paths.RESULTS / profile / "report.html", page)


def _times(profile: str) -> str:
    rows = []
    for file in sorted((paths.RUNS / profile / "benchmarks").glob("*.tsv")):
        measured = pd.read_csv(file, sep="\t").iloc[-1]
        rows.append({"notebook": linked(file.stem, href(profile, file.stem)),
                     "seconds": f"{measured['s']:.0f}",
                     "peak memory, MB": f"{float(measured['max_rss']):.0f}"})
    return pd.DataFrame(rows).to_html(index=False, border=0, escape=False) if rows else ""


def write_ledger(profile: str, folder: str = "") -> tuple:
    """The claims with their verdicts as ``claims.csv`` and the forest plot as ``claims.svg`` below
    the profile's results.

    Returns:
        The ledger, its table, and the plot's file, ``None`` where nothing was measured yet.
    """
    ledger = claims.fill(profile)
    shown = claims.show(ledger)
    artefacts.save(shown, folder, profile, "claims.csv", seed=0)
    if not len(ledger.quantities):
        return ledger, shown, None
    matplotlib.use("agg")
    return ledger, shown, artefacts.save(claims.draw(ledger), folder, profile, "claims.svg", seed=0)


def _ledger(profile: str) -> str:
    """The ledger as a section of the page."""
    ledger, shown, drawing = write_ledger(profile)
    drawn = "" if drawing is None else _medium(drawing)
    counts = ledger.claims["verdict"].str.split(":").str[0].value_counts()
    text = "Claims of the sources: " + ", ".join(f"{name} {count}" for name,
                                                 count in counts.items())
    shown = shown.map(lambda text: html.escape(str(text)))
    numbers = [[linked(text, href(profile, notebook, EVIDENCE)) for text,
                notebook in claims.numbers(ledger, claim)] for claim in ledger.claims.itertuples()]
    shown["ours"] = ["; ".join(some) or text for some,
                     text in zip(numbers, shown["ours"], strict=True)]
    rows = shown.to_html(index=False, border=0, escape=False)
    for name, colour in claims.COLOURS.items():
        rows = rows.replace(f"<td>{name}</td>",
                            f"<td style='color:{colour.removeprefix('tab:')}'>{name}</td>")
    return f"<h2 id='claims'>Ledger</h2><p>{text}.</p><div class='ledger'>{rows}{drawn}</div>"


def _medium(file: Path, way: str = "") -> str:
    """A picture or a sound, inside the page; its name leads the given way."""
    data = f"data:{MEDIA[file.suffix]};base64,{base64.b64encode(file.read_bytes()).decode()}"
    shown = f"<audio controls src='{data}'></audio>" if file.suffix == ".mp3" else f"<img src='{data}' alt='{file.stem}'>"
    return f"<figure>{shown}<figcaption>{linked(file.stem, way)}{_stamp(file)}</figcaption></figure>"


def _table(file: Path, way: str) -> str:
    table = artefacts.read(file)
    more = f"<p>… {len(table) - MAX_ROWS} more rows in {file.name}</p>" if len(
        table) > MAX_ROWS else ""
    shown = table.head(MAX_ROWS).to_html(index=False, border=0, float_format="%.3g")
    return f"<figure>{shown}{more}<figcaption>{linked(file.stem, way)}{_stamp(file)}</figcaption></figure>"


def _stamp(file: Path) -> str:
    provenance = file.with_name(file.name + artefacts.PROVENANCE_SUFFIX)
    if not provenance.is_file():
        return ""
    made = artefacts.read(provenance)
    return f" · seed {made['seed']} · commit {made['git_commit']}"
