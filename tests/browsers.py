"""A page of ours served and opened in a real browser; skipped with a reason where there is none."""

import os
import shutil
import subprocess
import sys
import threading
from contextlib import contextmanager
from pathlib import Path

import pytest

from lib.core import paths

LOUD = ("serious", "critical")
SLOW = 120_000  # milliseconds that a page may take where a machine has much else to do


@contextmanager
def served(*words, environment=None):
    """``python -m lib WORDS --port 0`` → its address, and what it has printed so far."""
    server = subprocess.Popen(
        [sys.executable, "-m", "lib", *map(str, words), "--port", "0"], text=True,
        env={**os.environ, "PYTHONPATH": str(paths.ROOT), **(environment or {})},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=paths.ROOT)
    printed = []
    try:
        for line in server.stdout:
            printed.append(line)
            if line.startswith("open http"):
                break
        else:
            pytest.fail("".join(printed))
        threading.Thread(target=lambda: printed.extend(server.stdout), daemon=True).start()
        yield line.split()[1], printed
    finally:
        server.terminate()
        server.wait(20)


@contextmanager
def browser(*flags):
    """Chromium, with further flags of its own."""
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser",
                                                 "google-chrome"))), None)
    if not found:
        pytest.skip("no Chromium or Chrome on this machine")
    with api.sync_playwright() as play:
        window = play.chromium.launch(executable_path=found, args=["--no-sandbox", *flags])
        try:
            yield window
        finally:
            window.close()


def watch(tab):
    """The requests of a tab that leave this machine, as they come."""
    away = []
    tab.on("request", lambda request: None if request.url.startswith(
        ("http://127.0.0.1", "data:", "blob:")) else away.append(request.url))
    return away


def axe(tab):
    """What axe finds that is serious or critical: rule, message, where."""
    package = pytest.importorskip("axe_playwright_python", reason="axe is not installed")
    tab.evaluate((Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8"))
    found = tab.evaluate("axe.run()")["violations"]
    return [(rule["id"], rule["help"], [node["html"][:150] for node in rule["nodes"]][:3])
            for rule in found if rule["impact"] in LOUD]


def fits(tab):
    """Whether nothing is wider than the window."""
    return tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
