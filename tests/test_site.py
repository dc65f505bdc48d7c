"""The site and the report, built and read in a real browser: on a phone and a screen, light and
dark, nothing is asked of another host, nothing overflows, axe finds nothing serious."""

import functools
import http.server
import os
import subprocess
import sys
import threading

import browsers
import numpy as np
import pandas as pd
import pytest

from lib.core import artefacts, paths
from lib.signal import audio
from lib.workbook import graph, ledger, report

NOTEBOOK = "notebooks/00_start_here"
PAGES = ("README.md", f"{NOTEBOOK}.ipynb", "notebooks/site/ledger.md", "notebooks/site/cite.md",
         "notebooks/guide/ledger.md", "data/README.md", "data/miniatures/codec/CARD.md")
VIEWS = [(width, scheme) for width in (390, 1280) for scheme in ("light", "dark")]


def build(folder, pages, **environment):
    """A site of a few pages; links to the pages that it leaves out are the one thing allowed."""
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "notebooks/site",
         "-D", f"include_patterns={','.join(pages)}", "-D", "suppress_warnings=myst.xref_missing",
         "-d", folder / "doctrees", ".", folder / "html"],
        cwd=paths.ROOT, env=os.environ | environment, capture_output=True, text=True, check=False)
    assert not done.returncode and "WARNING" not in done.stderr, done.stderr
    return folder / "html"


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return build(tmp_path_factory.mktemp("site"), PAGES)


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """A report of a run that painted, played and measured, and failed once."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("report")
        patch.setattr(paths, "RESULTS", folder)
        patch.setattr(paths, "RUNS", folder / "runs")
        tone = 0.2 * np.sin(2 * np.pi * 440 * np.arange(22_050) / 22_050)
        wide = pd.DataFrame({f"a_long_name_of_column_{i}": [0.25] * 50 for i in range(20)})
        for name, content in (("a_tone.mp3", audio.encode_mp3(tone)), ("wide.csv", wide),
                              ("red.png", np.full((300, 900, 3), (200, 0, 0), np.uint8))):
            artefacts.save(content, "33_music2image_diffusion", "smoke", name, seed=0)
        rows = [ledger.evidence("S3-5", f"ccc_{axis}", 0.8, 0.7, 0.9, 64, null=0.2)
                for axis in ("valence", "arousal")]
        ledger.save(rows, "33_music2image_diffusion", "smoke", seed=0)
        return report.build("smoke", graph.select([]))


@pytest.fixture(scope="module")
def browser():
    with browsers.browser() as window:
        yield window


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served():
    """``served(folder)`` → the address at which its files are read."""
    servers = []

    def serve(folder):
        handler = functools.partial(Quiet, directory=str(folder))
        servers.append(http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler))
        threading.Thread(target=servers[-1].serve_forever, daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}"

    yield serve
    for server in servers:
        server.shutdown()


def opened(browser, address, width, scheme):
    """A tab in one view, and the list of the requests that it makes."""
    tab = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked = []
    tab.on("request", lambda request: asked.append(request.url))
    tab.goto(address)
    tab.wait_for_load_state()
    return tab, asked


def faults(tab):
    """What axe calls serious or critical, and how far the page is wider than the window."""
    wide = tab.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    return browsers.axe(tab) + ([f"{wide} px too wide"] if wide > 0 else [])


def play(tab):
    tab.evaluate("document.querySelector('audio').play()")
    tab.wait_for_function("document.querySelector('audio').currentTime > 0.1", timeout=20_000)


@pytest.mark.slow
def test_the_site_is_whole_and_holds_the_notebooks_as_stored(site):
    notebook = (site / f"{NOTEBOOK}.html").read_text(encoding="utf-8")
    stored = paths.ROOT / f"{NOTEBOOK}.ipynb"
    assert (site / f"_sources/{NOTEBOOK}.ipynb").read_bytes() == stored.read_bytes()
    assert f'href="../_sources/{NOTEBOOK}.ipynb"' in notebook, "the button that downloads it"
    assert 'alt="Figure: Music becomes a picture"' in notebook and "<math" in notebook
    assert "mybinder" not in notebook and "colab" not in notebook, "no address is known yet"
    front = (site / "index.html").read_text(encoding="utf-8")
    assert 'href="notebooks/00_start_here.html">00 Klangfarbe: start here<' in front.replace(
        "\n", "")
    assert 'src="_static/bridging.mp3"' in front and (site / "_static/bridging.mp3").is_file()
    claims = artefacts.read(paths.REFERENCE / "ledger/claims.csv")
    shown = (site / "notebooks/site/ledger.html").read_text(encoding="utf-8")
    assert all(claim in shown for claim in claims["id"])


@pytest.mark.slow
def test_a_published_address_gives_launch_buttons(tmp_path):
    site = build(tmp_path, ("README.md", f"{NOTEBOOK}.ipynb"),
                 REPOSITORY="https://github.com/someone/klangfarbe")
    notebook = (site / f"{NOTEBOOK}.html").read_text(encoding="utf-8")
    for way in ("colab.research.google.com/github/someone/klangfarbe/blob/main/",
                "mybinder.org/v2/gh/someone/klangfarbe/main?urlpath=lab/tree/"):
        assert f"{way}{NOTEBOOK}.ipynb" in notebook


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_the_site_in_a_browser(site, browser, served, width, scheme):
    address = served(site)
    tab, asked = opened(browser, f"{address}/index.html", width, scheme)
    assert not faults(tab)
    tab.goto(f"{address}/{NOTEBOOK}.html")
    assert not faults(tab)
    assert tab.locator("html").get_attribute("data-theme") == scheme
    play(tab)
    tab.goto(f"{address}/search.html?q=renoir")
    tab.wait_for_selector("#search-results li a", timeout=20_000)
    strange = [url for url in asked if not url.startswith((address, "data:"))]
    assert not strange and len(asked) > 10
    tab.close()


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_the_report_in_a_browser(page, browser, width, scheme):
    tab, asked = opened(browser, page.as_uri(), width, scheme)
    assert not faults(tab)
    play(tab)
    table = tab.get_by_role("region", name="Table: 33_music2image_diffusion/wide.csv")
    table.focus()
    tab.keyboard.press("ArrowRight")
    tab.wait_for_function("document.activeElement.scrollLeft > 0", timeout=20_000)
    tab.get_by_role("link", name="33 Painting by removing noise").click()
    assert tab.url.endswith("#33_music2image_diffusion")
    assert all(url.startswith(("file:", "data:")) for url in asked)
    tab.close()


def test_the_report_shows_pictures_before_names_and_small(page):
    text = page.read_text(encoding="utf-8")
    order = [text.index(part) for part in ("<nav", "data:image/webp", "Red <small>", "wide.csv",
                                           'id="claims"', "ccc_valence 0.8")]
    assert order == sorted(order)
    assert "10 more rows" in text and "data:image/png" not in text
