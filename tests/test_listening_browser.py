"""The listening page as it is served, in a real browser: worked with the keyboard alone, in two
windows, on a phone.  Skipped where there is no browser."""

import re

import pytest
from browsers import SLOW, axe, browser, fits, served, watch
from studio import listening, server
from test_listening_page import clips, small  # noqa: F401 (a fixture)

from lib.cli import main
from lib.core.errors import KlangfarbeError
from lib.studies.listening import pilot, study
from lib.studies.listening.questions import NAMES

PLAYED = "[...document.querySelectorAll('audio')].some(a => a.currentTime > 0.5)"


def test_the_command_lays_out_the_pilot_once_and_serves_it(tmp_path, monkeypatch, capsys):
    called = []
    monkeypatch.setattr(study, "PILOT", tmp_path / "pilot")
    monkeypatch.setattr(pilot, "clips", lambda: called.append("laid out") or clips(24))
    monkeypatch.setattr(pilot, "wrong_pairs", lambda: ())
    monkeypatch.setattr(server, "serve",
                        lambda build, host, port, ask: called.append((host, port, ask)) or 0)
    assert main(["listen"]) == main(["listen", "--port", "9001"]) == 0
    assert called == ["laid out", ("127.0.0.1", 8866, False), ("127.0.0.1", 9001, False)]
    assert "answers go to" in capsys.readouterr().out
    assert main(["listen", str(tmp_path / "nowhere")]) == 2
    assert "no study.json" in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_before_any_address():
    taken = server.listen("127.0.0.1", 0)
    with pytest.raises(KlangfarbeError, match="a port that are free"):
        server.listen("127.0.0.1", taken.getsockname()[1])
    taken.close()


@pytest.fixture
def opened(small):  # noqa: F811
    with (browser("--autoplay-policy=document-user-activation-required") as window,
          served("listen", small.folder) as (address, _)):
        yield small, address, window


def begun(window, address, **settings):
    tab = window.new_context(**settings).new_page()
    tab.away = watch(tab)
    tab.goto(address, timeout=SLOW)
    tab.get_by_role("button", name=listening.BEGIN).focus(timeout=SLOW)
    tab.keyboard.press("Enter")
    tab.get_by_text(re.compile("Page 1 of 7")).wait_for(timeout=SLOW)
    return tab


def answer(tab):
    """One rated page by the keyboard: 2 to each list, 51 and 52 of 100."""
    tab.get_by_role("button", name="▶ Play").focus()
    tab.keyboard.press("Enter")
    tab.wait_for_function(PLAYED, timeout=SLOW)
    for k in range(4):
        tab.get_by_role("radio", name="2", exact=True).nth(k).focus()
        tab.keyboard.press("Space")
    for k, value in enumerate(("51", "52")):
        tab.get_by_role("spinbutton").nth(k).focus()
        tab.keyboard.type(value)
    tab.wait_for_function(f"!document.querySelector('audio') || {PLAYED.replace('0.5', '0.55')}")
    tab.get_by_role("button", name=listening.NEXT).focus()
    tab.keyboard.press("Enter")


@pytest.mark.slow
def test_pages_by_the_keyboard_after_a_reload_and_in_two_windows(opened):
    of, address, window = opened
    tab = begun(window, address, viewport={"width": 390, "height": 844})
    assert fits(tab) and axe(tab) == []
    assert tab.locator("img[alt='The picture of this page']").count() == 1
    answer(tab)
    tab.get_by_text(re.compile("Page 2 of 7")).wait_for(timeout=SLOW)
    assert tab.evaluate("document.activeElement.id") == "play-left"  # the next thing to press
    tab.reload()  # the browser has kept the code
    tab.get_by_text(re.compile("Page 2 of 7")).wait_for(timeout=SLOW)
    other = tab.context.new_page()
    other.goto(address)
    other.get_by_text(re.compile("Page 2 of 7")).wait_for(timeout=SLOW)
    for each in (tab, other):
        answer(each)
        each.get_by_text(re.compile("Page 3 of 7")).wait_for(timeout=SLOW)
    other.get_by_text(re.compile("answered in another window")).wait_for(timeout=SLOW)
    found = study.answers(of.folder)
    assert found[list(NAMES)].astype(int).to_numpy().tolist() == 2 * [[2, 2, 2, 2, 51, 52]]
    assert found["plays"].tolist() == [1, 1] and found.attrs["faults"] == []
    for name in (study.KEY, study.SETTINGS):  # what the page is not to know
        for path in (of.folder / name, name, f"../{name}"):
            answered = tab.request.get(f"{address}/gradio_api/file={path}")
            assert answered.status in (403, 404)
    tab.get_by_role("button", name=listening.STOP).click()
    tab.get_by_role("button", name=listening.SURE).click()
    tab.get_by_text("Nothing of yours is stored").wait_for(timeout=SLOW)
    assert len(study.answers(of.folder)) == 0 and tab.away == []


@pytest.mark.slow
def test_what_is_lacking_is_said_and_a_full_study_says_so(opened):
    of, address, window = opened
    tab = begun(window, address, color_scheme="dark")
    assert axe(tab) == []
    press = tab.get_by_role("button", name=listening.NEXT)
    press.click()
    tab.get_by_text("Please play the sound first.").wait_for(timeout=SLOW)
    tab.get_by_role("button", name="▶ Play").click()
    tab.wait_for_function(PLAYED, timeout=SLOW)
    tab.get_by_role("radio", name="0 Strongly Disagree").first.check()
    press.click()
    tab.get_by_text(re.compile("Still to answer: Novelty")).wait_for(timeout=SLOW)
    assert tab.get_by_role("radio", name="0 Strongly Disagree").first.is_checked()
    study.claim(of, "bbb")
    full = window.new_context().new_page()
    full.goto(address)
    full.get_by_label("My code").fill("unknown1")
    full.get_by_role("button", name=listening.BEGIN).click()
    full.get_by_text("No sitting has this code").wait_for(timeout=SLOW)
    full.get_by_label("My code").fill("")
    full.get_by_role("button", name=listening.BEGIN).click()
    full.get_by_text("all 2 are taken").wait_for(timeout=SLOW)
    assert len(study.answers(of.folder)) == 0
