"""Sphinx's settings for ``make site``.  The repository itself is the source folder, so that a link
in a page or a notebook means here what it means in the repository."""

import json
import os
import re
import shutil
import sys
from pathlib import Path

import pandas as pd
import yaml
from docutils.nodes import SkipNode

from lib.workbook import graph

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "notebooks"))
from kit import equations  # noqa: E402

citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))

project, author = "Klangfarbe", citation["authors"][0]["name"]
project_copyright, release = f"{author}, {citation['license']}", citation["version"]
language, root_doc = "en", "README"
extensions = ["myst_nb", "sphinx.ext.autosummary", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
include_patterns = [
    "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "notebooks/*.md", "notebooks/*.ipynb",
    "notebooks/guide/*.md", "notebooks/site/*.md", "results/reference/front/pairs.md",
    "data/README.md", "data/miniatures/**/CARD.md", "results/site/api/*.rst"]
exclude_patterns = [".*", "lib", "tests", "papermill_runs", "data/raw", "data/processed",
                    "results/site/html"]
templates_path = [str(Path(__file__).parent / "templates")]  # autosummary looks from the source

# The notebooks as stored: the outputs that a reader sees are those of the kept run.
nb_execution_mode = "off"
nb_merge_streams = True
myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 4
autodoc_member_order = "bysource"
autodoc_typehints = "none"

html_math_renderer = "mathml"
html_theme = "sphinx_book_theme"
html_title = "Klangfarbe"
html_static_path = ["static", *sorted(str(file) for file in
                                      (ROOT / "results/reference/front").glob("*.mp3"))]
html_css_files = ["site.css"]
html_sourcelink_suffix = ""
# The address where the repository is published: with it the pages get launch and source buttons.
repository = os.environ.get("REPOSITORY") or citation.get("repository-code", "")
launch = {"colab_url": "https://colab.research.google.com",
          "binderhub_url": "https://mybinder.org", "notebook_interface": "jupyterlab"}
html_theme_options = {
    "repository_url": repository, "repository_branch": "main",
    "use_repository_button": bool(repository), "launch_buttons": launch if repository else {},
    "show_toc_level": 2, "home_page_in_toc": True, "navbar_persistent": [],
}

CONTENTS = """

```{{toctree}}
:hidden:
:caption: {}

{}
```
"""


def contents(known) -> str:
    """The tables of contents that the sidebar shows, below the README's text."""
    parts = {"The workbook": ["notebooks/README", "notebooks/site/ledger", "notebooks/site/cite",
                              "results/reference/front/pairs"]}
    for first, name in (("0", "Start"), ("1", "bridging"), ("2", "mapping"),
                        ("3", "music2image"), ("4", "art2music"), ("9", "All four")):
        parts[name] = [f"{file.stem[:2]} {graph.title(file.stem)} <notebooks/{file.stem}>"
                       for file in sorted((ROOT / "notebooks").glob(f"{first}*.ipynb"))]
    parts["Guides"] = [f"notebooks/guide/{file.stem}"
                       for file in sorted((ROOT / "notebooks/guide").glob("*.md"))]
    parts["Reference"] = ["notebooks/site/api", "data/README", "CONTRIBUTING", "CHANGELOG"]
    return "".join(CONTENTS.format(name, "\n".join(
        page for page in pages if page.split("<")[-1].strip(">") in known))
        for name, pages in parts.items())


def claims() -> str:
    """The kept ledger as a table, the verdict beside the claim."""
    table = pd.read_csv(ROOT / "results/reference/ledger/claims.csv")[
        ["id", "claim", "verdict", "published", "ours", "on", "reason", "rule"]]
    return (f"\n```{{csv-table}}\n:header-rows: 1\n:class: ledger\n\n{table.to_csv(index=False)}"
            "```\n")


def on_read(app, page, source) -> None:
    """A page before it is parsed: contents below the README, players in place of links to sounds,
    the texts of a notebook's pictures where MyST-NB looks for them."""
    if app.env.doc2path(page).suffix == ".ipynb":
        source[0] = with_texts(source[0])
        return
    static = "../" * page.count("/") + "_static/"
    source[0] = re.sub(r"\[([^]]+)\]\((?:[\w/]*/)?(\w+\.mp3)\)",
                       rf'<audio controls preload="none" aria-label="\1" src="{static}\2">'
                       r"</audio> \1", source[0])
    source[0] = re.sub(r'<a id="(\w+)"></a>', r"(\1)=", source[0])
    if page == root_doc:
        source[0] += contents(app.project.docnames)
    elif page == "data/README":
        source[0] += CONTENTS.format("Cards of the bundled weights", "\n".join(
            card for card in sorted(app.project.docnames) if card.endswith("/CARD")).replace(
                "data/", "/data/"))
    elif page == "notebooks/site/ledger":
        source[0] += claims()


def with_texts(text: str) -> str:
    """A notebook whose pictures' texts stand in their cell's metadata, too."""
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            for kind in output.get("metadata", {}).values():
                if "alt" in kind:
                    cell["metadata"]["mystnb"] = {"image": {"alt": kind["alt"]}}
    return json.dumps(notebook)


def mathml(self, node) -> None:
    """An equation as MathML."""
    block = node.tagname == "math_block"
    drawn = equations.draw(node.astext(), block)
    self.body.append('<div class="equation" tabindex="0" role="group" aria-label="equation">'
                     f"{drawn}</div>" if block else drawn)
    raise SkipNode


def on_docstring(app, what, name, thing, options, lines) -> None:
    """A module's indented drawings are literal, a bar is a bar, a metric's card has a paragraph,
    notebooks are linked; what others wrote of their functions stays with them."""
    if not (getattr(thing, "__module__", None) or "lib").startswith("lib"):
        lines.clear()
    text = re.sub(r"(``.*?``)|[|]", lambda found: found[1] or r"\|", "\n".join(lines) + "\n")
    if what == "module":
        text = re.sub(r"(?m)((?:^    .*\n)+)",
                      lambda drawn: "\n::\n\n" + drawn[1].replace(r"\|", "|") + "\n", text)
    text = re.sub(r"(?m)^Card: ", "\nCard\n    ", text)
    text = re.sub(r"(?<=Notebook: )[\w, ]+", lambda found: re.sub(r"\w+", linked, found[0]), text)
    lines[:] = text.splitlines()


def linked(number) -> str:
    """A notebook's number in a docstring as a link to its page."""
    pages = sorted((ROOT / "notebooks").glob(f"{number[0][:2]}_*.ipynb"))
    return f":doc:`{number[0]} </notebooks/{pages[0].stem}>`" if pages else number[0]


def on_page(app, page, template, context, tree) -> None:
    """The sidebar's arrows have a name, which the theme forgets."""
    draw = context["generate_toctree_html"]
    context["generate_toctree_html"] = lambda *words, **options: str(
        draw(*words, **options)).replace("<summary>", '<summary aria-label="show its pages">')


def on_finish(app, error) -> None:
    """The first page under the name that a server looks for, too."""
    if not error:
        shutil.copyfile(app.outdir / f"{root_doc}.html", app.outdir / "index.html")


def setup(app) -> None:
    app.connect("source-read", on_read)
    app.connect("autodoc-process-docstring", on_docstring)
    app.connect("html-page-context", on_page, priority=900)
    app.connect("build-finished", on_finish)
    app.add_html_math_renderer("mathml", (mathml, None), (mathml, None))
