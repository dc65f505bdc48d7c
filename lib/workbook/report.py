"""``results/<profile>/report.html``, one page that opens offline: the pictures, sounds, tables and
failures of every notebook, each beside a link to the notebook as it ran; then the ledger."""

import base64
import io
import os
from pathlib import Path

import matplotlib
import nbformat
import pandas as pd
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup
from PIL import Image

from lib.core import artefacts, paths, provenance
from lib.core.profiles import PROFILES
from lib.workbook import graph, ledger

TEMPLATE = Path(__file__).with_suffix(".html")
MAX_ROWS = 40
QUALITY = 85  # of a picture inside the page, which leads to the file itself
MEDIA = {".svg": "image/svg+xml", ".png": "image/webp", ".jpg": "image/webp", ".mp3": "audio/mpeg"}


def failure(profile: str, stem: str) -> str | None:
    """The error a notebook's last run ended with, one line; ``None``: it ended well or not yet."""
    try:
        cells = nbformat.read(paths.RUNS / profile / f"{stem}.ipynb", as_version=4).cells
    except (OSError, ValueError):  # none, or the empty file that Snakemake makes
        return None
    errors = [output for cell in cells for output in cell.get("outputs", ())
              if output.output_type == "error"]
    return f"{errors[0].ename}: {errors[0].evalue}".splitlines()[0] if errors else None


def build(profile: str, stems: list[str]) -> Path:
    """Writes the report of a profile's results and runs; returns its path."""
    home = paths.RESULTS / profile
    times = [{"notebook": _linked(profile, stem), "seconds": f"{float(row['s']):.0f}",
              "peak memory, MB": f"{float(row['max_rss']):.0f}"}
             for stem, row in graph.measured(profile).items()]
    sections = [{"stem": stem, "title": f"{stem[:2]} {graph.title(stem)}",
                 "linked": _linked(profile, stem), "begun": (home / stem).is_dir(),
                 "reason": failure(profile, stem),
                 "parts": [_part(file, home) for suffix in (*MEDIA, ".csv")
                           for file in sorted((home / stem).glob(f"*{suffix}"))
                           if file.name != ledger.EVIDENCE]} for stem in stems]
    filled, shown, drawing = write_ledger(profile)
    counts = filled.claims["verdict"].str.split(":").str[0].value_counts()
    claims = _rows(shown)
    for name, colour in ledger.COLOURS.items():  # mixed: darker on white, lighter on black
        mixed = f"color-mix(in srgb,{colour},CanvasText)"
        claims = claims.replace(f"<td>{name}", f"<td style='color:{mixed}'>{name}")
    template = Environment(loader=FileSystemLoader(TEMPLATE.parent), autoescape=True)
    return artefacts.write(home / "report.html", template.get_template(TEMPLATE.name).render(
        profile=profile, about=PROFILES[profile], sections=sections, claims=claims,
        counts=", ".join(f"{name} {count}" for name, count in counts.items()),
        drawing=drawing and _part(drawing, home), stamp=provenance.provenance(profile, 0),
        times=_rows(pd.DataFrame(times), escape=False) if times else ""))


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


def _rows(table: pd.DataFrame, **options) -> str:
    return table.to_html(index=False, border=0, float_format="%.3g", **options)


def _part(file: Path, home: Path) -> dict:
    """A picture, sound or table: what it is in words, where it lies, its seed and commit."""
    words, stamp = file.stem.replace("_", " "), file.with_name(file.name
                                                               + artefacts.PROVENANCE_SUFFIX)
    part = {"suffix": file.suffix, "words": words[0].upper() + words[1:],
            "name": file.relative_to(home).as_posix(), "made": ""}
    if stamp.is_file():
        origin = artefacts.read(stamp)
        part["made"] = f" · seed {origin['seed']} · commit {origin['git_commit']}"
    if file.suffix == ".csv":
        table = artefacts.read(file)
        return part | {"rows": _rows(table.head(MAX_ROWS)), "more": len(table) - MAX_ROWS}
    content = _small(file) if MEDIA[file.suffix] == "image/webp" else file.read_bytes()
    data = base64.b64encode(content).decode()
    return part | {"data": f"data:{MEDIA[file.suffix]};base64,{data}"}


def _small(file: Path) -> bytes:
    """A picture as WebP: a figure's PNG is five times as large."""
    buffer = io.BytesIO()
    with Image.open(file) as picture:
        picture.convert("RGBA").save(buffer, "webp", quality=QUALITY)
    return buffer.getvalue()


def _linked(profile: str, stem: str) -> Markup:
    """The notebook's name, with a link to the executed copy where there is one."""
    executed = paths.RUNS / profile / f"{stem}.ipynb"
    way = os.path.relpath(executed, paths.RESULTS / profile).replace(os.sep, "/")
    return Markup(f'<a href="{way}">{stem}</a>' if executed.is_file() else stem)
