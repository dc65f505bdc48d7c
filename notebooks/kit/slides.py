"""A lecture out of a notebook as it is stored: `make slides` writes one deck for 00 and each tour.

A heading begins a slide; an output stands under a short text, else has a slide of its own below,
with the text that follows it. Code is left out, but for the cells whose print is checked: they hold
the closed forms that a lecture would write on the board.
"""

import re
import shutil
from importlib.resources import files
from pathlib import Path

import nbformat
from nbconvert.exporters import SlidesExporter
from nbformat.v4 import new_markdown_cell
from traitlets.config import Config

from kit import equations
from lib.core import paths
from lib.workbook import graph

FOLDER = paths.RESULTS / "slides"
LECTURES = ("00", "10", "20", "30", "40")
SHORT = 500  # characters of a text that leaves room for a picture
CODE = re.compile(r"(```.*?```|`[^`\n]+`)", re.S)
MATH = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+)\$", re.S)


def with_equations(text: str) -> str:
    """Markdown whose formulas are MathML; what stands in code is left as it is."""
    drawn = lambda found: equations.draw((found[1] or found[2]).strip(), bool(found[1]))
    return "".join(part if CODE.fullmatch(part) else MATH.sub(drawn, part)
                   for part in CODE.split(text))


def deck(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """The cells of a lecture, each with the kind of slide that it begins or belongs to."""
    cells, room = [], False  # is there room for an output below the text?

    def add(cell, kind: str) -> None:
        cell.metadata["slideshow"] = {"slide_type": kind}
        cells.append(cell)

    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts = [part.strip() for part in re.split(r"^(?=#{1,3} )", cell.source, flags=re.M)]
            for part in filter(None, parts):
                add(new_markdown_cell(with_equations(part)), "slide" if part[0] == "#" else "-")
                room = part[0] == "#" and len(part) < SHORT and "$$" not in part
        elif outputs := [output for output in cell.outputs if shown(output)]:
            cell.outputs = outputs
            checked = cell.source.startswith("# NBVAL_CHECK_OUTPUT")
            cell.source = cell.source.partition("\n")[2] if checked else cell.source
            cell.metadata["tags"] = [] if checked else ["hide-code"]
            add(cell, "-" if room and not checked else "subslide")
            room = False
    notebook.cells = cells
    return notebook


def shown(output: nbformat.NotebookNode) -> bool:
    """Whether an output is of use without a kernel; who made a file is no part of a lecture."""
    if output.output_type == "stream":
        return output.name == "stdout" and ": made by notebook" not in output.text
    return not any("widget" in kind for kind in output.data)


def make(stem: str, folder: Path = FOLDER) -> Path:
    """Writes the deck of a notebook, and reveal.js beside it; the deck's path."""
    config = Config()
    config.TagRemovePreprocessor.remove_input_tags = {"hide-code"}
    config.SlidesExporter.reveal_url_prefix = "reveal"
    config.SlidesExporter.reveal_theme = "white"  # the others fetch their fonts
    exporter = SlidesExporter(config=config, template_file=str(
        Path(__file__).with_name("slides.html.j2").resolve()), exclude_input_prompt=True)
    notebook = deck(nbformat.read(paths.NOTEBOOKS / f"{stem}.ipynb", 4))
    html, _ = exporter.from_notebook_node(notebook, {"metadata": {"name": graph.title(stem)}})
    source = files("sphinx_revealjs") / "_static" / "revealjs"  # carried there, version by version
    for part in ("dist", "plugin/notes"):
        shutil.copytree(str(source / part), folder / "reveal" / part, dirs_exist_ok=True)
    target = folder / f"{stem}.html"
    target.write_text(html, encoding="utf-8")
    return target


def run(notebooks: list[str]) -> None:
    """Writes the decks of the notebooks that are named, or of 00 and the four tours."""
    for stem in graph.select(notebooks or list(LECTURES)):
        print(make(stem).relative_to(paths.ROOT))
