"""The command line as a person meets it: one clear line, exit code 2, nothing lost."""

import io
import os
import shutil
import signal
import sys

import numpy as np
import pytest
import soundfile
from PIL import Image

from lib.cli import COMMANDS, main, stop
from lib.core.errors import KlangfarbeError
from lib.signal import audio, images
from lib.systems.music2image import generate
from lib.workbook import doctor

RATE = 22_050


@pytest.fixture
def tone(tmp_path):
    path = tmp_path / "tone.wav"
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 440 * np.arange(3 * RATE) / RATE), RATE)
    return path


@pytest.fixture
def quick(monkeypatch):
    """A chain whose two models are stand-ins: the file handling round them is what is tested
    here.
    """
    monkeypatch.setattr(generate, "load", lambda profile: None)
    monkeypatch.setattr(generate, "generate", lambda sounds, models, variations, seed, felt: (
        np.tile([0.5, -0.5], (len(sounds), 1)),
        np.full((len(sounds) * variations, 32, 32, 3), 100 + seed, np.uint8)))


def test_claims_prints_a_verdict_for_every_claim_and_refuses_an_unknown_profile(capsys):
    assert main(["claims", "--profile", "reference"]) == 0
    said = capsys.readouterr().out
    assert all(f"\n{name} " in said for name in ("S1-1", "S2-8", "S3-6", "S4-5", "X-2"))
    assert 'make run PROFILE=mini NOTEBOOKS="46" PARAMS=' in said, (
        "what was not measured says what would measure it")
    assert main(["claims", "--profile", "tiny"]) == 2 and "smoke, mini" in capsys.readouterr().err


def test_paint_writes_one_picture_and_says_what_it_heard(tone, tmp_path, quick, capsys):
    target = tmp_path / "out.png"
    assert main(["paint", str(tone), "-o", str(target), "--seed", "7"]) == 0
    picture = images.load(target)
    assert picture.shape == (256, 256, 3) and (picture == 107).all()
    said = capsys.readouterr().out
    assert "valence +0.50" in said and "arousal -0.50" in said and "calm" in said


def test_one_bad_file_among_several_is_told_and_the_others_are_painted(tone, tmp_path, quick,
                                                                       capsys):
    broken = tmp_path / "broken.mp3"
    broken.write_bytes(b"this is not music")
    assert main(["paint", str(tone), str(broken), "-o", str(tmp_path / "pictures")]) == 2
    assert (tmp_path / "pictures" / "tone.png").is_file()
    assert "passed over" in capsys.readouterr().out


@pytest.mark.parametrize("output", ["new/", "there", "there/", "run.v1/", "P.PNG", "p.jpeg"])
def test_a_slash_or_a_folder_is_a_folder_for_one_as_well(output, tone, tmp_path, quick,
                                                         monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    assert main(["paint", str(tone), "-o", output]) == 0
    made = tmp_path / output if output[1] == "." else tmp_path / output / "tone.png"
    assert images.load(made).shape == (256, 256, 3)


def test_two_of_one_name_are_not_written_over_each_other(tone, tmp_path, quick, capsys):
    twin = tmp_path / "other" / tone.name
    twin.parent.mkdir()
    twin.write_bytes(tone.read_bytes())
    assert main(["paint", str(tone), str(twin), "-o", str(tmp_path / "pictures")]) == 2
    assert "'tone' twice" in capsys.readouterr().err and not (tmp_path / "pictures").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="file names that are no UTF-8")
def test_what_a_terminal_cannot_show_ends_no_batch(tone, tmp_path, quick, monkeypatch):
    strange = os.fsdecode(os.fsencode(tmp_path) + b"/Fr\xfchling.wav")
    shutil.copyfile(tone, strange)
    shown = io.TextIOWrapper(io.BytesIO(), encoding="cp1252")
    monkeypatch.setattr(sys, "stdout", shown)
    assert main(["paint", strange, str(tone), "-o", str(tmp_path / "pictures")]) == 0
    assert len(list((tmp_path / "pictures").iterdir())) == 2
    assert b"tone.wav: valence" in shown.buffer.getvalue()


def test_a_reader_that_leaves_ends_no_batch(tone, tmp_path, quick, monkeypatch, capfd):
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w", buffering=1) as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert main(["paint", str(tone), "-o", str(tmp_path / "a.png")]) == 0
        assert main(["claims", "--profile", "reference"]) == 0
    assert (tmp_path / "a.png").is_file() and capfd.readouterr().err == ""


@pytest.mark.parametrize(("words", "told"), [
    (["{tone}", "-o", "x.png", "--profile", "nosuch"], "models that were trained at nosuch"),
    (["absent.wav", "-o", "x.png"], "no such file"),
    (["{tone}", "-o", "x.docx"], ".png, .jpg"),
    (["{tone}", "{tone}", "-o", "x.png"], "a folder for several pieces"),
    (["{tone}", "-o", "x.png", "--variations", "0"], "at least 1 variation"),
    (["{tone}", "-o", "x.png", "--weights", "published"], "Zhang published no weights"),
])
def test_paint_refuses_with_one_line_and_keeps_what_was_there(words, told, tone, tmp_path, quick,
                                                              capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.png").write_bytes(b"precious")
    assert main(["paint", *[word.format(tone=tone) for word in words]]) == 2
    line = capsys.readouterr().err
    assert told in line and line.count("\n") == 1
    assert (tmp_path / "x.png").read_bytes() == b"precious"


@pytest.mark.parametrize(("interrupt", "code"), [
    (signal.default_int_handler, 130),
    (stop, 143),
])
def test_an_interrupt_ends_with_130_and_sigterm_with_143(interrupt, code, monkeypatch, tone,
                                                         capsys):
    def interrupted(*_, **__):
        interrupt(signal.SIGTERM, None)

    monkeypatch.setattr(generate, "generate_files", interrupted)
    assert main(["paint", str(tone), "-o", "x.png"]) == code
    assert "goes on from here" in capsys.readouterr().err


def test_doctor_names_the_command_that_mends(monkeypatch, capsys):
    assert main(["doctor"]) in (0, 2)
    assert "cores, memory" in capsys.readouterr().out
    monkeypatch.setattr(doctor, "MIN_FREE_GB", 1e9)
    assert main(["doctor"]) == 2
    said = capsys.readouterr().out
    assert "of disk left" in said and "mend: rm -rf" in said


def test_a_missing_miniature_names_the_notebook_that_makes_it(own_results, monkeypatch, tone,
                                                              tmp_path, capsys):
    from lib.core import paths

    monkeypatch.setattr(paths, "MINIATURES", tmp_path / "none")
    assert main(["paint", str(tone), "-o", str(tmp_path / "x.png")]) == 2
    assert 'NOTEBOOKS="31"' in capsys.readouterr().err


def test_errors_have_three_parts():
    error = KlangfarbeError("a", "b", "c")
    assert str(error) == "expected a; got b; c" and (error.expected, error.got,
                                                     error.do) == ("a", "b", "c")


# --- as people type it ----------------------------------------------------------------------------


def test_a_pattern_that_no_shell_expanded_means_its_files(tone, tmp_path, quick):
    shutil.copyfile(tone, tmp_path / "other.wav")
    (tmp_path / "odd[1].wav").write_bytes(tone.read_bytes())
    assert main(["paint", str(tmp_path / "*o*e*.wav"), "-o", str(tmp_path / "new/")]) == 0
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["other.png", "tone.png"]
    assert main(["paint", str(tmp_path / "odd[1].wav"), "-o", str(tmp_path / "one.png")]) == 0


def test_a_pattern_without_files_is_a_file_that_is_not_there(tmp_path, quick, capsys):
    assert main(["paint", str(tmp_path / "*.flac"), "-o", str(tmp_path / "a.png")]) == 2
    assert "*.flac: no such file" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a.PNG", "a.jpeg", "a.JPG"])
def test_a_pictures_name_may_end_in_other_letters(tone, tmp_path, quick, name):
    assert main(["paint", str(tone), "-o", str(tmp_path / name)]) == 0
    with Image.open(tmp_path / name) as picture:
        assert picture.format == ("PNG" if name.lower().endswith("png") else "JPEG")


@pytest.mark.parametrize("suffix, form", [(".OGG", "OGG"), (".flac", "FLAC"), (".WAV", "WAV")])
def test_a_sound_has_the_form_of_its_name(tmp_path, suffix, form):
    sound = 0.3 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)
    path = audio.write(tmp_path / f"a{suffix}", sound, RATE)
    assert soundfile.info(path).format == form
    assert np.corrcoef(soundfile.read(path)[0], sound)[0, 1] > 0.99


@pytest.mark.parametrize("words", [["run", "--cores", "0"], ["run", "--cores", "-2"],
                                   ["run", "--cores", "two"], ["run", "--port", "8890"]])
def test_numbers_that_mean_nothing_are_refused_before_anything_runs(words, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert "no whole number from 1" in capsys.readouterr().err or words[1] == "--port"


def test_steps_below_nothing_are_refused(capsys):
    assert main(["run", "--notebooks", "33", "--params", "33.steps=-5", "--dry-run"]) == 2
    assert "a number from 0" in capsys.readouterr().err


def test_what_jupyterlab_is_told_reaches_it(monkeypatch):
    told = []
    monkeypatch.setattr("lib.workbook.lab.serve", lambda **given: told.append(given))
    main(["lab", "--port", "8890", "--no-browser"])
    assert told == [{"words": ["--port", "8890", "--no-browser"]}]


def test_every_argument_of_every_command_is_explained():
    for name, (_, text, *options) in COMMANDS.items():
        assert text
        for names, settings in options:
            assert settings.get("help"), f"{name} {names[0]}"
