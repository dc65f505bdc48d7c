"""The studio: its answers beside those of ``hear`` and ``paint``, its limits, and the page as it is
served, in a real browser (skipped where there is none)."""

import os
import re
import tempfile
import time
from pathlib import Path

import httpx
import numpy as np
import pytest
from browsers import SLOW, axe, browser, fits, served, watch
from PIL import Image
from studio import answers, page, server

from lib.cli import main
from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data.atelier import TEST_SEED, factors, paint, render
from lib.signal import audio

TEMPORARY = os.path.realpath(tempfile.gettempdir())
LINKED = "[...document.querySelectorAll('textarea')].some(box => box.value.includes('tab='))"


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A painting and a piece of the atelier, as files."""
    folder = tmp_path_factory.mktemp("inputs")
    Image.fromarray(paint.pictures(TEST_SEED, range(1), 128)[0][0]).save(folder / "painting.png")
    audio.write(folder / "piece.wav", render.sounds(TEST_SEED, range(1), 8.0)[0][0], 22_050)
    return folder


# --- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("player", ["art2music", answers.RULES])
def test_the_studio_plays_the_bytes_of_the_command(inputs, player):
    painting, output = inputs / "painting.png", inputs / f"{player}.mp3"
    words = ["--as-score"] if player == answers.RULES else ["--system", player]
    assert main(["hear", str(painting), "-o", str(output), "--seconds", "2", *words]) == 0
    picture = answers.read_painting(str(painting))
    felt, told = answers.see(picture, "by itself")
    piece = answers.play(player, picture, felt, seconds=2.0)
    assert felt is None and "own parts" in told and piece.mp3 == output.read_bytes()
    assert bool(piece.files) == (player == answers.RULES)


def test_the_studio_paints_the_picture_of_the_command(inputs):
    assert main(["paint", str(inputs / "piece.wav"), "-o", str(inputs / "own.png")]) == 0
    music = answers.read_music(str(inputs / "piece.wav"))
    felt, point, _ = answers.hear(music, "by itself")
    painted = answers.paint(point, music.middle, n=2)
    assert felt is None and np.array_equal(painted[0], np.asarray(Image.open(inputs / "own.png")))
    assert not np.array_equal(painted[0], painted[1])


@pytest.mark.parametrize("weights", ["bundled", "package"])
def test_a_curve_follows_the_music(weights):
    arousal = [factors.draw(TEST_SEED, item).arousal for item in range(60)]
    sounds, _ = render.sounds(TEST_SEED, [int(np.argmax(arousal)), int(np.argmin(arousal))], 12.0)
    silence = np.zeros(12 * audio.SAMPLE_RATE_HZ, np.float32)
    music = answers.Music(np.concatenate([sounds[0], silence, sounds[1]]), sounds[0])
    felt, _, _ = answers.hear(music, weights)
    assert (felt is None) == (weights == "bundled")
    curve = answers.curve(music, felt).pivot(index="seconds", columns="feeling", values="value")
    first, last = curve[curve.index < 12].mean(), curve[curve.index > 24].mean()
    if weights == "bundled":  # whom packages carry has never heard the atelier
        assert first["arousal"] > last["arousal"] + 0.5
    assert not ((curve.index > 15) & (curve.index < 21)).any()  # silence is felt as nothing
    assert curve.abs().to_numpy().max() <= 1


def test_long_music_has_no_more_points_than_the_curve_can_show():
    rng = np.random.default_rng(0)
    noise = (0.1 * rng.standard_normal(200 * audio.SAMPLE_RATE_HZ)).astype(np.float32)
    curve = answers.curve(answers.Music(noise, noise), None)
    assert answers.WINDOWS * 0.8 < len(curve) / 2 <= answers.WINDOWS


def test_what_is_too_large_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    Image.new("1", (20_000, 6_000)).save(tmp_path / "wide.png")
    monkeypatch.setattr(answers.images, "load", lambda path: pytest.fail("decoded"))
    with pytest.raises(KlangfarbeError, match="at most 100 megapixels; got 120"):
        answers.read_painting(str(tmp_path / "wide.png"))
    monkeypatch.setattr(answers.audio, "inspect", lambda path: (601.0, 22_050))
    with pytest.raises(KlangfarbeError, match="at most 10 minutes"):
        answers.read_music(str(tmp_path / "long.wav"))
    for read in (answers.read_painting, answers.read_music):
        with pytest.raises(KlangfarbeError, match="nothing yet"):
            read(None)


def test_a_point_is_what_every_part_goes_by():
    calm, tense = answers.at_point(0.8, -0.8), answers.at_point(-0.8, 0.8)
    picture = np.full((128, 128, 3), 128, np.uint8)
    told = [answers.play(answers.RULES, picture, felt, seconds=2.0).told for felt in (calm, tense)]
    assert "+0.80, arousal -0.80" in told[0] and "-0.80, arousal +0.80" in told[1]
    painted = [answers.paint(felt.point, felt.point, n=1) for felt in (calm, tense)]
    assert np.abs(painted[0].astype(float) - painted[1]).mean() > 10


@pytest.mark.parametrize("settings, said", [
    ({"seed": None}, "a seed from 0"), ({"seed": 1.5}, "a seed from 0"), ({"seconds": 900}, "120"),
    ({"comment": "?!"}, "in words"), ({"player": "nobody"}, "a player out of bridging")])
def test_settings_that_no_control_gives_are_refused(settings, said):
    picture, player = np.full((64, 64, 3), 99, np.uint8), settings.pop("player", "art2music")
    with pytest.raises(KlangfarbeError, match=said):
        answers.play(player, picture, None, **settings)


def test_what_was_made_goes_after_half_an_hour(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = Path(page.kept("first.mp3", b"1"))
    os.utime(first, (0, 0))
    second = Path(page.kept("second.mp3", b"2"))
    assert not first.exists() and second.read_bytes() == b"2"


@pytest.mark.parametrize("host, own", [("127.0.0.1", True), ("::1", True), ("localhost", True),
                                       ("0.0.0.0", False), ("192.168.0.7", False), ("x", False)])
def test_only_this_machine_is_let_in_without_a_password(host, own):
    assert server.is_own(host) is own


# --- the page -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def studio():
    # Chromium's own camera shows a green field with a clock, its microphone beeps
    with (browser("--use-fake-device-for-media-stream",
                  "--use-fake-ui-for-media-stream") as window,
          served("studio") as (address, _)):
        yield window, address


def choose(tab, name):
    """Opens a tab of the page: on a phone it may stand in a menu."""
    shown = tab.get_by_role("tab", name=name).locator("visible=true")
    if not shown.count():
        tab.locator(".overflow-menu button").locator("visible=true").first.click()
        shown = tab.locator(".overflow-dropdown button", has_text=name)
    shown.first.click()


@pytest.mark.slow
@pytest.mark.parametrize("width, scheme", [(1280, "light"), (390, "dark")])
def test_three_ways_through_the_page(studio, inputs, width, scheme):
    window, address = studio
    tab = window.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme,
                             bypass_csp=True).new_page()  # axe is a script of ours
    away, told = watch(tab), []
    tab.on("request", lambda request: told.append(request.url))
    tab.goto(address, timeout=SLOW)
    tab.locator("input[type=file]").first.set_input_files(inputs / "painting.png")
    tab.get_by_alt_text("The painting that you gave").wait_for(timeout=SLOW)
    tab.get_by_label("Your comment").fill("<b>a calm evening</b> by the lake")
    tab.get_by_role("button", name="Play it").focus()
    tab.keyboard.press("Enter")
    tab.wait_for_function(LINKED, timeout=SLOW)
    tab.get_by_text("written for").wait_for(timeout=SLOW)
    assert tab.locator("b", has_text="a calm evening").count() == 0  # text, never markup
    tab.get_by_role("button", name="The score (MIDI)").wait_for(timeout=SLOW)
    assert fits(tab) and axe(tab) == []
    choose(tab, "Music becomes a picture")
    tab.get_by_role("radio", name="gloomy").check()
    tab.get_by_role("button", name="Paint it").click()
    tab.get_by_alt_text("Picture 4 painted from it").wait_for(timeout=SLOW)
    assert fits(tab) and axe(tab) == []
    choose(tab, "A point of the plane")
    tab.get_by_role("slider").locator("visible=true").nth(1).focus()
    for _ in range(3):
        tab.keyboard.press("ArrowLeft")
    tab.get_by_role("button", name="Paint and play it").click()
    tab.get_by_alt_text("A picture painted for this point").wait_for(timeout=SLOW)
    assert fits(tab) and axe(tab) == [] and away == []
    told += [tab.content()]  # with the addresses of all that is shown
    assert any("gradio_api/file=" in text for text in told)
    assert not any(place in text for text in told for place in (TEMPORARY, str(paths.ROOT)))


@pytest.mark.slow
def test_a_link_gives_the_same_answer(studio):
    window, address = studio
    tab = window.new_page()
    tab.goto(address, timeout=SLOW)
    tab.get_by_label("Thumbnail 3 of 4").first.click()
    tab.get_by_alt_text("The painting that you gave").wait_for(timeout=SLOW)
    tab.get_by_role("checkbox", name="art2music").uncheck()
    tab.get_by_label("Seed").fill("7")

    def played():
        tab.get_by_role("button", name="Play it").click()
        tab.get_by_text("written for").wait_for(timeout=SLOW)
        tab.wait_for_function(LINKED, timeout=SLOW)
        link = tab.evaluate(LINKED.replace(".some(", ".find(") + ".value")
        return link, tab.get_by_text("written for").locator("xpath=..").inner_text(), \
            tab.locator("a[download]").evaluate_all("all => all.map(one => one.href)")

    first = played()
    assert "seed=7" in first[0] and "art2music" not in first[0]
    tab.goto(first[0], timeout=SLOW)
    tab.get_by_alt_text("The painting that you gave").wait_for(timeout=SLOW)
    assert played() == first


@pytest.mark.slow
def test_a_refusal_is_told_without_a_path_and_large_files_are_turned_away(studio, inputs,
                                                                          tmp_path):
    window, address = studio
    tab = window.new_page()
    tab.goto(address, timeout=SLOW)
    tab.get_by_role("button", name="Play it").click()
    tab.get_by_text(re.compile("Expected a painting; got nothing yet")).wait_for(timeout=SLOW)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\nnot a picture")
    tab.locator("input[type=file]").first.set_input_files(tmp_path / "broken.png")
    tab.get_by_alt_text("The painting that you gave").wait_for(timeout=SLOW, state="attached")
    tab.get_by_role("button", name="Play it").click()
    said = tab.get_by_text(re.compile("cannot identify image file")).inner_text(timeout=SLOW)
    assert "broken.png" in said and TEMPORARY not in said
    (tmp_path / "short.wav").write_bytes((inputs / "piece.wav").read_bytes()[:9000])
    choose(tab, "Music becomes a picture")
    tab.locator("input[type=file]").last.set_input_files(tmp_path / "short.wav")
    tab.get_by_role("button", name="Paint it").click()
    said = tab.get_by_text(re.compile("Expected a whole sound file")).inner_text(timeout=SLOW)
    assert "short.wav" in said and "/" not in said.split(";")[1]
    large = httpx.post(f"{address}/gradio_api/upload", timeout=60,
                          files={"files": ("large.png", b"0" * 21_000_000)})
    assert large.status_code == 413
    kept = httpx.post(f"{address}/gradio_api/upload", timeout=60,
                      files={"files": ("small.png", b"0")}).json()
    assert kept[0].endswith("small.png") and TEMPORARY not in kept[0]
    assert httpx.get(f"{address}/gradio_api/file={kept[0]}", timeout=20).content == b"0"
    for path in ("/etc/passwd", __file__, "../README.md", "given/../../etc/passwd"):
        assert not httpx.get(f"{address}/gradio_api/file={path}", timeout=20).is_success
    assert "default-src 'self'" in httpx.get(address, timeout=20).headers[
        "Content-Security-Policy"]


@pytest.mark.slow
def test_a_photograph_is_played_and_a_recording_is_painted(studio):
    window, address = studio
    tab = window.new_page()
    tab.goto(address, timeout=SLOW)
    tab.get_by_role("button", name="Capture from camera").click(timeout=SLOW)
    tab.get_by_role("button", name="Click to Access Webcam").click(timeout=SLOW)
    tab.wait_for_function("[...document.querySelectorAll('video')].some(it => it.currentTime > 0)",
                          timeout=SLOW)
    tab.get_by_role("button", name="capture photo").click(timeout=SLOW)
    tab.get_by_role("button", name="Remove Image").wait_for(timeout=SLOW)
    tab.get_by_role("button", name="Play it").click()
    tab.get_by_text("written for").wait_for(timeout=SLOW)
    choose(tab, "Music becomes a picture")
    tab.get_by_role("button", name="Record audio").click()
    tab.get_by_role("button", name="Record", exact=True).click()
    tab.locator("time.duration", has_text=re.compile("0:0[2-9]")).wait_for(timeout=SLOW)
    tab.get_by_role("button", name="Stop").click()
    tab.get_by_role("button", name="Download").locator("visible=true").wait_for(timeout=SLOW)
    tab.get_by_role("button", name="Paint it").click()
    tab.get_by_alt_text("Picture 4 painted from it").wait_for(timeout=SLOW)


@pytest.mark.slow
def test_an_upload_is_deleted_in_time(inputs):
    with served("studio", environment={"KLANGFARBE_KEPT_S": "2"}) as (address, _):
        given = (inputs / "painting.png").read_bytes()
        kept, = httpx.post(f"{address}/gradio_api/upload", timeout=60,
                           files={"files": ("painting.png", given)}).json()
        where, until = f"{address}/gradio_api/file={kept}", time.monotonic() + 60
        assert httpx.get(where, timeout=20).content == given
        while httpx.get(where, timeout=20).is_success:
            assert time.monotonic() < until, "still there after a minute"


@pytest.mark.slow
def test_on_another_address_nothing_is_told_without_the_password():
    with served("studio", "--host", "0.0.0.0",
                environment={server.PASSWORD: "what-was-agreed"}) as (address, printed):
        here = address.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{here}/config", timeout=20).status_code == 401
        assert httpx.post(f"{here}/gradio_api/upload", timeout=20,
                             files={"files": ("a.png", b"0")}).status_code == 401
        visitor = httpx.Client()
        for word, status in (("guessed", 400), ("what-was-agreed", 200)):
            assert visitor.post(f"{here}/login", timeout=20, data={
                "username": server.USER, "password": word}).status_code == status
        assert visitor.get(f"{here}/config", timeout=20).is_success
