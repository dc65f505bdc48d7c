"""A stored notebook in JupyterLab, in a real browser: its players play once it is trusted, and
looking at it changes nothing.  Skipped where there is no browser."""

import os
import shutil
import socket
import subprocess

import nbformat
import pytest
from browsers import browser

from lib.core import paths
from lib.workbook import lab

NAME = "90_side_by_side.ipynb"


@pytest.fixture
def opened(tmp_path, monkeypatch):
    """The folder and address of a JupyterLab with a key of its own, on a copy of one notebook."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("JUPYTER_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("PYTHONPATH", str(paths.ROOT))
    folder = tmp_path / "notebooks"
    folder.mkdir()
    shutil.copyfile(paths.NOTEBOOKS / NAME, folder / NAME)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        lab.command(folder, ["--no-browser", f"--port={port}", "--ServerApp.token=",
                             "--allow-root", "--ip=127.0.0.1"]),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    for line in server.stderr:
        if "is running at" in line:
            break
    drain = subprocess.Popen(["cat"], stdin=server.stderr, stdout=subprocess.DEVNULL) \
        if os.name != "nt" else None
    yield folder, f"http://127.0.0.1:{port}"
    server.terminate()
    server.wait(60)
    if drain:
        drain.wait(5)


@pytest.mark.slow
def test_stored_players_play_and_looking_changes_nothing(opened):
    folder, address = opened
    before = (folder / NAME).read_bytes()
    with browser() as window:
        tab = window.new_page(viewport={"width": 1280, "height": 900})

        def players():
            tab.goto(f"{address}/lab/tree/{NAME}?reset", timeout=120_000)
            tab.wait_for_selector(".jp-Notebook", timeout=120_000)
            tab.wait_for_selector("audio", state="attached", timeout=60_000)
            return tab.locator("audio").count(), tab.locator("audio source[src]").count()

        n_players, n_sounds = players()
        assert n_players and not n_sounds, "without trust the players are there and dead"
        lab.trust([folder / NAME])
        n_players, n_sounds = players()
        assert n_sounds == n_players
        tab.evaluate("document.querySelector('audio').play()")
        tab.wait_for_function("document.querySelector('audio').currentTime > 0.2", timeout=20_000)
        # by now the kernel has said its version
        tab.wait_for_selector(".jp-mod-dirty", state="attached", timeout=60_000)
        with tab.expect_response(lambda answer: answer.request.method == "PUT"):
            tab.locator(".jp-Notebook").click()
            tab.keyboard.press("Control+s")
    assert (folder / NAME).read_bytes() == before


def test_only_the_workbooks_own_notebooks_are_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))
    stranger = tmp_path / "00_start_here.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), stranger)
    assert stranger not in lab.stored() and len(lab.stored()) > 70
    lab.trust(lab.stored()[:1])
    notary = nbformat.sign.NotebookNotary()
    assert notary.check_signature(nbformat.read(lab.stored()[0], 4))
    assert not notary.check_signature(nbformat.read(stranger, 4))
