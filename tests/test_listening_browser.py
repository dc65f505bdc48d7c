"""The listening page served by Voila in a real browser, worked with the keyboard alone; skipped
where there is no browser.
"""

import os
import re
import shutil
import socket
import subprocess
import threading

import pytest
from test_listening_page import clips, small  # noqa: F401 (a fixture)

from lib.cli import main
from lib.core import paths
from lib.studies.listening import design, page, pilot, study
from lib.studies.listening.questions import NAMES


def test_the_command_lays_out_the_pilot_once_and_serves_it(tmp_path, monkeypatch, capsys):
    called = []
    monkeypatch.setattr(study, "PILOT", tmp_path / "pilot")
    monkeypatch.setattr(pilot, "clips", lambda: called.append("laid out") or clips(24))
    monkeypatch.setattr(pilot, "wrong_pairs", lambda: ())
    monkeypatch.setattr(pilot.subprocess, "run", lambda words,
                        **_: called.append(words) or subprocess.CompletedProcess(words, 0))
    assert main(["listen"]) == main(["listen", "--port", "9001"]) == 0
    assert called[0] == "laid out" and len(called) == 3 and "--port=9001" in called[
        2] and "--Voila.ip=127.0.0.1" in called[2]
    assert "answers go to" in capsys.readouterr().out
    assert main(["listen", str(tmp_path
                               / "nowhere")]) == 2 and "no study.json" in capsys.readouterr().err


@pytest.fixture
def served(small):  # noqa: F811
    pytest.importorskip("voila", reason="Voila is not installed")
    browser = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which(
        "google-chrome")
    if not browser:
        pytest.skip("no Chromium or Chrome on this machine")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(pilot.command(small.folder, port),
                              env={**os.environ, "PYTHONPATH": str(paths.ROOT)},
                              stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        if "running at" in line:
            break
    threading.Thread(target=server.stderr.read, daemon=True).start()
    yield small, f"http://127.0.0.1:{port}", browser
    server.terminate()
    server.wait(20)


def test_one_page_in_a_browser_with_the_keyboard_alone(served):
    api = pytest.importorskip("playwright.sync_api", reason="Playwright is not installed")
    of, address, browser = served
    with api.sync_playwright() as play:
        window = play.chromium.launch(executable_path=browser,
                                      args=["--no-sandbox",
                                            "--autoplay-policy=document-user-activation-required"])
        tab = window.new_page()
        tab.goto(address, timeout=60_000)
        tab.get_by_role("button", name=page.BEGIN).focus(timeout=60_000)
        tab.keyboard.press("Enter")
        tab.get_by_role("button", name="▶ Play").focus()
        tab.keyboard.press("Enter")
        tab.wait_for_function(
            "[...document.querySelectorAll('audio')].some(a => a.currentTime > 0.5)",
            timeout=20_000)
        for _ in range(4):
            tab.keyboard.press("Tab")
            tab.keyboard.press("2")
        for _ in range(2):
            tab.keyboard.press("Tab")
            tab.keyboard.press("ArrowRight")
            tab.keyboard.press("Tab")  # the number beside the slider, which can be typed over
        tab.get_by_role("button", name=page.NEXT).focus()
        tab.keyboard.press("Enter")
        tab.get_by_text(re.compile("Page 2 of 7")).wait_for(timeout=20_000)
        key = tab.request.get(f"{address}/voila/files/{study.KEY}")
        assert key.status in (403, 404)
        window.close()
    found = study.answers(of.folder)
    assert found[list(NAMES)].astype(int).to_numpy().tolist() == [[2, 2, 2, 2, 51,
                                                                   51]] and found[
        "plays"].tolist() == [1]
    assert design.PAIR in found["what"].to_numpy()
