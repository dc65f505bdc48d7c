"""``python -m lib hear``: any painting a person may have becomes music or one clear line, and
nothing is loaded before all is checked.
"""

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from huggingface_hub import constants
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lib import pretrained
from lib.cli import TO_MUSIC, main
from lib.core.errors import KlangfarbeError
from lib.data.atelier import TEST_SEED, factors, paint, render
from lib.pretrained import loading
from lib.signal import affect, audio, images
from lib.systems import interface, score, weights
from lib.systems.bridging import generate as bridging
from lib.systems.bridging import prompts, train_classifier
from lib.systems.bridging.config import TEXT_COLUMNS

HEIGHT, WIDTH = 40, 56
RAMP = np.linspace(60, 230, WIDTH)
# red grows to the right, green falls to the bottom
UPRIGHT = np.stack([np.tile(RAMP, (HEIGHT, 1)),
                    np.tile(np.linspace(220, 80, HEIGHT)[:, None], (1, WIDTH)),
                    np.full((HEIGHT, WIDTH), 120.0)], axis=2).astype(np.uint8)
GREY = np.tile(RAMP, (HEIGHT, 1)).astype(np.uint8)
GREY3 = np.repeat(GREY[:, :, None], 3, axis=2)
HALF = UPRIGHT.copy()
HALF[:, WIDTH // 2 :] = 255  # what a transparent right half looks like on white


def rgb():
    return Image.fromarray(UPRIGHT)


def cmyk():
    # without black: 255 − RGB
    return Image.fromarray(np.dstack([255 - UPRIGHT, np.zeros((HEIGHT, WIDTH), np.uint8)]), "CMYK")


def clear(picture):
    """The same with a transparent right half."""
    veil = np.full((HEIGHT, WIDTH), 255, np.uint8)
    veil[:, WIDTH // 2 :] = 0
    picture = picture.convert("RGB")
    picture.putalpha(Image.fromarray(veil))
    return picture


def as_bytes(picture, kind, **options):
    made = io.BytesIO()
    picture.save(made, kind, **options)
    return made.getvalue()


def without_marker(jpeg):
    """A JPEG without its Adobe marker, APP14."""
    at = jpeg.index(b"\xff\xee")
    return jpeg[:at] + jpeg[at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big") :]


def png(width, height, bits, colour, rows, more=b""):
    """A PNG by hand, for what Pillow does not write: 16 bits a channel, or a header without a
    body.
    """
    def chunk(name, body):
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I",
                                                                        zlib.crc32(name + body))

    body = zlib.compress(b"".join(b"\0" + row for row in rows))
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR",
                                         struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0,
                                                     0)) + more + chunk(b"IDAT", body)
            + chunk(b"IEND", b""))


def deep():
    rows = [(row.astype(">u2") * 257).tobytes() for row in UPRIGHT]
    return png(WIDTH, HEIGHT, 16, 2, rows)


def deep_grey(**options):
    return as_bytes(Image.fromarray(GREY.astype(np.uint16) * 257), "PNG", **options)


def one_bit_clear():
    """Black and white, black transparent: nothing is left to see."""
    return as_bytes(Image.fromarray(GREY > 128), "PNG", transparency=0)


def several(kind, **options):
    return as_bytes(rgb(), kind, save_all=True,
                    append_images=[Image.new("RGB", (WIDTH, HEIGHT), "blue")] * 2, **options)


# name → (bytes, what must be seen, mean difference allowed)
GOOD = {
    "rgb.jpg": (lambda: as_bytes(rgb(), "JPEG", quality=95), UPRIGHT, 2),
    "progressive.jpg": (lambda: as_bytes(rgb(), "JPEG", quality=95, progressive=True), UPRIGHT, 2),
    "grey.jpg": (lambda: as_bytes(Image.fromarray(GREY), "JPEG", quality=95), GREY3, 2),
    "cmyk with adobe marker.jpg": (lambda: as_bytes(cmyk(), "JPEG", quality=95), UPRIGHT, 4),
    "cmyk without marker.jpg": (lambda: without_marker(as_bytes(cmyk(), "JPEG", quality=95)),
                                UPRIGHT, 4),
    "rgb.png": (lambda: as_bytes(rgb(), "PNG"), UPRIGHT, 0),
    "16 bit.png": (deep, UPRIGHT, 1),
    "16 bit grey.png": (deep_grey, GREY3, 1),
    "16 bit grey, transparent black.png": (lambda: deep_grey(transparency=0), GREY3, 1),
    "palette.png": (lambda: as_bytes(rgb().quantize(256), "PNG"), UPRIGHT, 8),
    "palette with alpha.png": (lambda: as_bytes(clear(rgb()).quantize(64), "PNG"), HALF, 8),
    "alpha.png": (lambda: as_bytes(clear(rgb()), "PNG"), HALF, 0),
    "grey with alpha.png": (lambda: as_bytes(clear(Image.fromarray(GREY)).convert("LA"), "PNG"),
                            None, 0),
    "one bit, black transparent.png": (one_bit_clear, np.full((HEIGHT, WIDTH, 3), 255, np.uint8),
                                       0),
    "still.webp": (lambda: as_bytes(rgb(), "WEBP", quality=95), UPRIGHT, 4),
    "animated.webp": (lambda: several("WEBP", lossless=True), UPRIGHT, 0),
    "alpha.webp": (lambda: as_bytes(clear(rgb()), "WEBP", lossless=True), HALF, 0),
    "cmyk.tiff": (lambda: as_bytes(cmyk(), "TIFF"), UPRIGHT, 1),
    "16 bit.tiff": (lambda: as_bytes(Image.fromarray(GREY.astype(np.uint16) * 257), "TIFF"), GREY3,
                    1),
    "float.tiff": (lambda: as_bytes(Image.fromarray(GREY.astype(np.float32) / 255), "TIFF"), GREY3,
                   1),
    "pages.tiff": (lambda: several("TIFF"), UPRIGHT, 0),
    "lzw.tiff": (lambda: as_bytes(rgb(), "TIFF", compression="tiff_lzw"), UPRIGHT, 0),
    "still.gif": (lambda: as_bytes(rgb(), "GIF"), UPRIGHT, 10),
    "animated.gif": (lambda: several("GIF"), UPRIGHT, 10),
    "rgb.bmp": (lambda: as_bytes(rgb(), "BMP"), UPRIGHT, 0),
    "a jpeg called.png": (lambda: as_bytes(rgb(), "JPEG", quality=95), UPRIGHT, 2),
}
# where the camera lay: what is done to an upright picture before it is stored under each mark
TURNS = {1: lambda x: x, 2: np.fliplr, 3: lambda x: np.rot90(x, 2), 4: np.flipud,
         5: lambda x: x.swapaxes(0, 1), 6: np.rot90, 7: lambda x: np.rot90(x.swapaxes(0, 1), 2),
         8: lambda x: np.rot90(x, -1)}


def written(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("name", GOOD)
def test_what_paintings_come_as_is_seen_as_it_is(name, tmp_path):
    make, wanted, room = GOOD[name]
    path = written(tmp_path / name, make())
    seen = images.load(path)
    assert seen.dtype == np.uint8 and seen.shape == (HEIGHT, WIDTH, 3)
    if wanted is None:
        assert np.ptp(seen[:, : WIDTH // 2].astype(int),
                      axis=2).max() == 0 and (seen[:, WIDTH // 2 :] == 255).all()
    else:
        assert np.abs(seen.astype(int) - wanted).mean() <= room
    assert images.load(path, size=128).shape == (128, 128, 3)


@pytest.mark.parametrize("mark", TURNS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_however_the_camera_lay_the_painting_stands(kind, mark, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = mark
    turned = Image.fromarray(np.ascontiguousarray(TURNS[mark](UPRIGHT)))
    seen = images.load(written(tmp_path / "turned",
                               as_bytes(turned, kind, exif=exif,
                                        **({} if kind == "PNG" else {"quality": 95}))))
    assert seen.shape == UPRIGHT.shape and np.abs(seen.astype(int) - UPRIGHT).mean() < 5


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 5000), (5000, 1), (2, 3)])
def test_the_narrowest_pictures_are_pictures(width, height, tmp_path):
    Image.new("RGB", (width, height), (200, 30, 90)).save(tmp_path / "a.png")
    seen = images.load(tmp_path / "a.png", size=128)
    assert seen.shape == (128, 128, 3) and (seen == (200, 30, 90)).all()


def header_of(side):
    return png(side, side, 1, 0, [b"\0"])


def sized(jpeg, side):
    """A JPEG whose header says it is `side` × `side`."""
    at = jpeg.index(b"\xff\xc0")
    return jpeg[: at + 5] + struct.pack(">HH", side, side) + jpeg[at + 9 :]


def cut_in_half(content):
    return content[: len(content) // 2]


BAD = {
    "absent.jpg": (None, "no such file"),
    f"{'a' * 300}.jpg": (None, "name too long"),
    "empty.jpg": (lambda: b"", "empty"),
    "text.jpg": (lambda: b"this is no painting, only words\n" * 40, "no picture format"),
    "drawing.svg": (lambda: b'<svg xmlns="http://www.w3.org/2000/svg"/>', "no picture format"),
    "cut.jpg": (lambda: as_bytes(rgb(), "JPEG", quality=95)[:-300], "whole picture"),
    "cut.png": (lambda: cut_in_half(as_bytes(rgb(), "PNG")), "whole picture"),
    "cut.webp": (lambda: as_bytes(rgb(), "WEBP")[:-50], "picture"),
    "cut.tiff": (lambda: as_bytes(rgb(), "TIFF")[:-4000], "picture"),
    "cut.gif": (lambda: as_bytes(rgb(), "GIF")[:-500], "whole picture"),
    "cut.bmp": (lambda: as_bytes(rgb(), "BMP")[:-500], "whole picture"),
    "header only.png": (lambda: as_bytes(rgb(), "PNG")[:40], "picture"),
    "20,000 × 20,000.png": (lambda: header_of(20_000), "178 million pixels"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_painting_is_refused_in_one_line(name, tmp_path):
    make, hint = BAD[name]
    path = tmp_path / name if make is None else written(tmp_path / name, make())
    with pytest.raises(KlangfarbeError) as error:
        images.load(path)
    text = str(error.value)
    assert hint in text and "\n" not in text and text.count("; ") >= 2


def test_a_folder_and_what_may_not_be_read_are_refused(tmp_path, monkeypatch):
    with pytest.raises(KlangfarbeError, match="a folder"):
        images.load(tmp_path)

    def locked(path):
        raise PermissionError(13, "Permission denied")

    path = written(tmp_path / "a.png", GOOD["rgb.png"][0]())
    monkeypatch.setattr(Image, "open", locked)
    with pytest.raises(KlangfarbeError, match="Permission denied"):
        images.load(path)


# --- sound out ------------------------------------------------------------------------------------


def test_sounds_are_written_as_16_bits_and_whole(tmp_path):
    sound = (0.5 * np.sin(np.arange(22_050) / 8)).astype(np.float32)
    for suffix in ("wav", "flac", "WAV"):
        path = audio.write(tmp_path / "new" / f"a.{suffix}", sound, 22_050)
        assert soundfile.info(path).subtype == "PCM_16"
        assert np.abs(soundfile.read(path)[0] - sound).max() <= 1 / 32768
    assert len(audio.load(audio.write(tmp_path / "a.mp3", sound, 22_050))) >= 22_050
    loud = soundfile.read(audio.write(tmp_path / "loud.wav", 3 * sound, 22_050))[0]
    assert loud.max() > 0.99 and loud.min() < -0.99, "clipped, not wrapped round"
    with pytest.raises(KlangfarbeError, match=r"\.wav, \.flac, \.ogg, \.mp3"):
        audio.write(tmp_path / "a.aiff", sound, 22_050)
    with pytest.raises(KlangfarbeError, match="to write"):
        audio.write(tmp_path / "a.mp3" / "b.wav", sound, 22_050)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.mp3", "loud.wav",
                                                          "new"], "nothing half written stays"


# --- the chain ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def chain():
    """The bundled chain, loaded once."""
    return bridging.load()


@pytest.fixture
def loaded(chain, monkeypatch):
    """The command, with the networks at hand."""
    monkeypatch.setattr(bridging, "load", lambda profile, sources=None: chain)
    return chain


def empty_hub(monkeypatch, folder):
    """No network, and nothing in the hub's cache."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(folder))


@pytest.fixture
def painting(tmp_path):
    return written(tmp_path / "painting.png", GOOD["rgb.png"][0]())


class Player:
    """Stands in for a MusicGenerator: notes what it was told and plays one sine, as loud as
    wanted.
    """

    sample_rate_hz = 1000

    def __init__(self, loud):
        self.loud, self.told = loud, []

    def generate(self, texts, seconds, **settings):
        self.told += texts
        return self.loud * np.sin(np.arange(round(seconds * 1000),
                                            dtype=np.float32))[None].repeat(len(texts), 0)


def test_each_link_is_told_what_the_one_before_said(chain):
    player, picture = Player(0.5), images.square(UPRIGHT, 128)
    for model, column in TEXT_COLUMNS.items():
        config = replace(chain.config, music=chain.config.music.for_model(model))
        heard = bridging.generate(picture, chain._replace(generator=player, config=config),
                                  seconds=1.0)
        assert player.told[-1] == getattr(heard, column)
    sure = train_classifier.predict(chain.classifier, picture[None], chain.temperature)[0]
    assert train_classifier.EMOTIONS[
        sure.argmax()] == heard.emotion and heard.probability == pytest.approx(sure.max())
    assert heard.second_probability == pytest.approx(
        np.sort(sure)[-2]) and heard.second != heard.emotion
    by_hand = prompts.generate_texts(picture[None], [heard.emotion], chain.captioner,
                                     chain.describer, describe_from="word").iloc[0]
    assert (by_hand.caption, by_hand.description) == (heard.caption, heard.description)
    assert heard.caption.startswith(
        f"{'an' if heard.emotion == 'angry' else 'a'} {heard.emotion} painting")


@pytest.mark.parametrize("loud", [0.0, 0.2, 0.99, 3.0])
def test_whatever_the_player_plays_leaves_finished(chain, loud):
    heard = bridging.generate(images.square(UPRIGHT, 128), chain._replace(generator=Player(loud)),
                              seconds=1.0)
    plain = Player(loud).generate([""], 1.0)[0]
    assert np.array_equal(heard.sound, interface.finish(plain, heard.sample_rate_hz))
    assert "LUFS" in heard.told and np.isfinite(heard.peak_db)


@settings(max_examples=40, deadline=None)
@given(st.floats(-70, 20), st.floats(-0.5, 0.5), st.floats(0.5, 3.0), st.integers(0, 9))
def test_a_finished_sound_is_centred_faded_and_as_loud_as_a_person_listens(db, offset, seconds,
                                                                           seed):
    rate, rng = 22_050, np.random.default_rng(seed)
    noise = rng.standard_normal(round(seconds * rate)).astype(np.float32)
    made = interface.finish(noise * 10 ** (db / 20) + np.float32(offset), rate)
    assert made.dtype == np.float32 and len(made) == len(noise)
    assert made[0] == 0 and abs(made[-1]) < 1e-6 and np.abs(made).max() <= interface.PEAK + 1e-6
    low, high = interface.HEARD_LUFS
    assert low - 0.5 < interface.loudness(made, rate) < high + 0.5  # the fades' part of it
    assert abs(made.mean()) < 0.02


def test_what_was_played_louder_is_heard_louder_and_silence_stays_silent():
    rate, beats = 22_050, np.arange(22_050 * 3) / 22_050
    tone = np.sin(2 * np.pi * 440 * beats).astype(np.float32)
    played = [-40, -31, -27, -21, -15]
    heard = [interface.loudness(interface.finish(tone * 10 ** (db / 20), rate), rate)
             for db in played]
    assert (np.diff(heard) >= -0.05).all() and heard[3] - heard[1] == pytest.approx(
        10 * 10 / 22, abs=0.1)
    # 0 LUFS is a stereo sine of 997 Hz at full scale but for 3.01 dB a channel: BS.1770-4, annex 1
    assert interface.loudness(np.sin(2 * np.pi * 997 * beats), rate) == pytest.approx(-3.01, abs=.1)
    assert not interface.finish(np.zeros(rate, np.float32), rate).any()


def test_a_painting_becomes_music_and_the_same_again(painting, loaded, tmp_path, capsys):
    target = tmp_path / "music.wav"
    assert main(["hear", str(painting), "--system", "bridging", "-o", str(target), "--seconds",
                 "1.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["painting.png", "looks", "emotion", "caption",
                                                   "description", "music"]
    # no painting of the atelier: no word of its classifier, but how sure the real eye is
    assert "valence" in lines[1] and "sure" in lines[1] and "%" not in lines[2]
    assert lines[2].split()[1] in affect.EMOTION_POINTS and lines[3].split()[1] == "a"
    sound, rate = soundfile.read(target)
    assert (len(sound), rate, soundfile.info(target).subtype) == (round(1.5 * rate),
                                                                  loaded.generator.sample_rate_hz,
                                                                  "PCM_16")
    assert 1e-3 < np.abs(sound).max() < 0.995 and np.sqrt(np.square(sound).mean()) > 1e-3
    first = target.read_bytes()
    assert main(["hear", str(painting), "-o", str(target), "--seconds",
                 "1.5"]) == 0 and target.read_bytes() == first
    assert main(["hear", str(painting), "-o", str(target), "--seconds", "1.5", "--seed",
                 "1"]) == 0 and target.read_bytes() != first


def test_among_several_the_bad_are_named_and_the_others_sound_as_they_do_alone(painting, loaded,
                                                                               tmp_path, capsys):
    other = written(tmp_path / "cmyk.jpg", GOOD["cmyk with adobe marker.jpg"][0]())
    dot = Image.new("RGB", (1, 1), "red")
    dot.save(tmp_path / "dot.gif")
    bad = written(tmp_path / "bad.jpg", b"no painting")
    folder = tmp_path / "music"
    assert main(["hear", *map(str, (other, bad, painting, tmp_path / "dot.gif")), "-o", str(folder),
                 "--seconds", "0.5"]) == 2
    said = capsys.readouterr().out
    assert said.count("passed over") == 1 and "bad.jpg" in said.splitlines()[-1]
    assert sorted(p.name for p in folder.iterdir()) == ["cmyk.wav", "dot.wav", "painting.wav"]
    assert main(["hear", str(painting), "-o", str(tmp_path / "alone.wav"), "--seconds", "0.5"]) == 0
    assert (tmp_path / "alone.wav").read_bytes() == (folder / "painting.wav").read_bytes()


def test_a_score_is_written_for_what_is_felt_and_played_as_midi(tmp_path, capsys):
    for name, valence in (("glad", 0.9), ("grim", -0.9)):
        picture = paint.paint(factors.draw(TEST_SEED, 3, valence=valence, arousal=0.2), 128)
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
    names = [str(tmp_path / f"{name}.png") for name in ("glad", "grim")]
    assert main(["hear", *names, "--as-score", "-o", str(tmp_path / "m"), "--seconds", "6"]) == 0
    said, scores = capsys.readouterr().out, {}
    for name in ("glad", "grim"):
        sound, rate = soundfile.read(tmp_path / "m" / f"{name}.wav")
        assert len(sound) == 6 * rate
        scores[name] = render.read_midi(tmp_path / "m" / f"{name}.mid")
        again = interface.finish(render.render(scores[name], 6.0), rate)
        assert np.corrcoef(again, sound)[0, 1] > 0.99, "the MIDI file is the piece that is heard"
    assert "major" in said.split("grim.png")[0] and "minor" in said.split("grim.png")[1]
    in_a_notebook = score.compose_for(images.load(names[1]), seconds=6.0)
    assert np.abs(in_a_notebook.sound - sound).max() < 1e-4, "16 bits of a file"
    assert main(["hear", names[0], "--as-score", "--comment", "calm", "-o", "x.wav"]) == 2
    assert "no comment" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("command", ["hear --system bridging", "hear --system mapping",
                                     "hear --system art2music", "hear --as-score", "paint"])
def test_the_same_bytes_alone_and_in_a_list_on_one_thread_and_on_two(command, tmp_path):
    works, beats = [tmp_path / f"{name}.png" for name in "abc"], np.arange(22_050 * 2) / 22_050
    for path, picture in zip(works, (UPRIGHT, UPRIGHT // 4, 255 - UPRIGHT), strict=True):
        Image.fromarray(picture).save(path)
    if command == "paint":
        works = [path.with_suffix(".wav") for path in works]
        for k, path in enumerate(works):
            tone = np.sin(2 * np.pi * 110 * (k + 2) * beats) * np.sin(7 * (k + 1) * beats)
            audio.write(path, 0.4 * tone.astype(np.float32), 22_050)
    suffix = ".png" if command == "paint" else ".wav"
    words = [*command.split(), *([] if command == "paint" else ["--seconds", "0.5"])]
    threads, alone = torch.get_num_threads(), []
    for count in (1, 2):
        torch.set_num_threads(count)
        target = tmp_path / f"{count}{suffix}"
        assert main([*words, str(works[2]), "-o", str(target)]) == 0
        alone.append(target.read_bytes())
        assert torch.get_num_threads() == count
    torch.set_num_threads(threads)
    assert main([*words, *map(str, works), "-o", str(tmp_path / "all")]) == 0
    listed = [(tmp_path / "all" / f"{path.stem}{suffix}").read_bytes() for path in works]
    assert alone == [listed[2]] * 2 and len(set(listed)) > 1


@pytest.mark.parametrize(("line", "told"), [
    ("absent.jpg -o x.wav", "no such file"),
    (". -o x.wav", "a folder"),
    ("{painting} -o x.aiff", ".wav, .flac, .ogg, .mp3"),
    ("{painting} -o x", ".wav, .flac, .ogg, .mp3"),
    ("{painting} {painting} -o x.wav", "a folder for several paintings"),
    ("{painting} {painting} -o music", "different names"),
    ("{painting} -o x.wav --seconds 0", "from 0.5 to 120 s"),
    ("{painting} -o x.wav --seconds 121", "from 0.5 to 120 s"),
    ("{painting} -o x.wav --seconds nan", "from 0.5 to 120 s"),
    ("{painting} -o x.wav --seed -1", "a seed"),
    ("{painting} -o x.wav --profile tiny", "bundled, smoke, mini"),
    ("{painting} -o x.wav --system telepathy", ", ".join(TO_MUSIC)),
    ("{painting} -o x.wav --weights nowhere", "without captioner, describer, musicgen"),
    ("{painting} -o x.wav --weights published", "add --yes"),
    ("{painting} -o x.wav --system mapping --weights published --yes", "--profile paper"),
    ("absent.jpg gone.png -o music", ""),
])
def test_refusals_come_in_one_line_before_any_model_is_loaded(line, told, painting, tmp_path,
                                                              monkeypatch, capsys):
    def early(*_, **__):
        raise AssertionError("a model was loaded for what could have been refused")

    monkeypatch.setattr(bridging, "load", early)
    empty_hub(monkeypatch, tmp_path / "hub")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.wav").write_bytes(b"precious")
    (tmp_path / "folder.wav").mkdir()
    assert main(["hear", *line.format(painting=painting).split()]) == 2
    out, err = capsys.readouterr()
    assert (told in err and err.count("\n") == 1) if told else out.count("passed over") == 2
    assert (tmp_path / "x.wav").read_bytes() == b"precious" and not (tmp_path / "music").exists()


def test_every_system_that_hears_has_the_same_door():
    from importlib import import_module
    from inspect import signature

    for name, module in TO_MUSIC.items():
        system, own = import_module(module), ["comment"] if name == "art2music" else []
        assert list(signature(system.generate).parameters) == ["painting", "models", *own, "seed",
                                                               "seconds", "felt"]
        assert list(signature(system.load).parameters) == ["profile", "sources"]


def test_a_chain_without_its_classifier_names_the_notebook(own_results, monkeypatch, painting,
                                                           tmp_path, capsys):
    from lib.core import paths

    monkeypatch.setattr(paths, "MINIATURES", tmp_path / "none")
    assert main(["hear", str(painting), "-o", str(tmp_path / "x.wav")]) == 2
    assert 'NOTEBOOKS="11"' in capsys.readouterr().err and not (tmp_path / "x.wav").exists()


# --- the weights of others ------------------------------------------------------------------------


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub that has everything; the names asked for are noted, cached is what was fetched once."""
    fetched = []

    def find(part_name, part, source, *, fetch=True):
        if source not in fetched and not fetch:
            raise KlangfarbeError("it in the cache", "nothing", "fetch it")
        fetched.append(source)
        return loading.Source(tmp_path, source, "")

    monkeypatch.setattr(loading, "find", find)
    return fetched


@pytest.fixture
def sources(monkeypatch, chain):
    """What the chain is told to load from; it plays with the bundled networks all the same."""
    told = {}

    def load(profile, sources=None):
        told.update(sources or {})
        return chain

    monkeypatch.setattr(bridging, "load", load)
    return told


PUBLISHED = {"captioner": "Salesforce/blip-image-captioning-large",
             "describer": "tiiuae/falcon-rw-1b", "musicgen": "facebook/musicgen-small"}


def hear(painting, tmp_path, *more):
    return main(["hear", str(painting), "-o", str(tmp_path / "x.wav"), "--seconds", "0.5", *more])


def test_published_weights_are_named_with_size_and_licence_and_fetched_once(
        painting, hub, sources, tmp_path, capsys):
    assert hear(painting, tmp_path, "--weights", "published", "--yes") == 0
    said = capsys.readouterr().out
    for part, name in PUBLISHED.items():
        assert f"{part:10} {name}, {loading.HUB_GB[name]:.2f} GB, licence " in said
    assert "licence CC-BY-NC-4.0" in said and sources == PUBLISHED and hub == [*PUBLISHED.values()]
    # cached now: no question, no word, though nobody says --yes
    assert hear(painting, tmp_path, "--weights", "published") == 0
    assert "licence" not in capsys.readouterr().out


@pytest.mark.parametrize(("answer", "code"), [("y", 0), ("", 2), ("no", 2)])
def test_on_a_terminal_one_question_decides(answer, code, painting, hub, sources, tmp_path,
                                            monkeypatch, capsys):
    asked = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or answer)
    assert hear(painting, tmp_path, "--weights", "published") == code
    total = sum(loading.HUB_GB[name] for name in PUBLISHED.values())
    assert len(asked) == 1 and f"{total:.1f} GB" in asked[0]
    assert bool(hub) == bool(sources) == (tmp_path / "x.wav").exists() == (code == 0)
    assert code == 0 or "nothing was fetched" in capsys.readouterr().err


def test_a_folder_holds_a_part_by_its_own_or_its_repositorys_name(painting, sources, tmp_path,
                                                                 capsys):
    names = "captioner", "falcon-rw-1b", "musicgen-large"
    folders = [tmp_path / "given" / name for name in names]
    for folder in folders[:2]:
        folder.mkdir(parents=True)
    assert hear(painting, tmp_path, "--weights", str(tmp_path / "given")) == 2
    line = capsys.readouterr().err
    assert "without musicgen;" in line and "musicgen/ or musicgen-small/ with config.json" in line
    assert not sources and not (tmp_path / "x.wav").exists()
    folders[2].mkdir()
    assert hear(painting, tmp_path, "--weights", str(tmp_path / "given")) == 0
    assert sources == dict(zip(PUBLISHED, folders, strict=True))


def test_a_painting_is_heard_through_networks_of_a_folder(painting, tmp_path, capsys):
    from rehearsal import networks

    for part, make in (("captioner", networks.blip), ("describer", networks.falcon),
                       ("musicgen", networks.musicgen)):
        (tmp_path / part).mkdir()
        make(tmp_path / part)
    assert hear(painting, tmp_path, "--weights", str(tmp_path)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-4].split()[0] == "emotion" and lines[-1].startswith("  music        0.5 s")
    sound, rate = soundfile.read(tmp_path / "x.wav")
    assert (len(sound), rate) == (16_000, 32_000)


def test_what_was_trained_with_a_bundled_network_keeps_it(hub, capsys):
    from lib.systems.art2music.config import get_config

    found = weights.find("art2music", get_config, "bundled", "published", yes=True)
    assert found == {"captioner": PUBLISHED["captioner"]}
    assert "image_text: miniature, not laion/CLIP-ViT-H-14" in capsys.readouterr().out
    assert {*weights.find("art2music", get_config, "paper", "published", yes=True)} == {
        "captioner", "image_text"}


@pytest.mark.parametrize("name", weights.PARTS)
def test_every_part_of_a_chain_can_be_given_and_has_a_size(name):
    from importlib import import_module
    from operator import attrgetter

    get_config = import_module(TO_MUSIC[name]).get_config
    given = {part: f"/folder/{part}" for part in weights.PARTS[name]}
    config = weights.with_sources(get_config("mini"), name, given)
    for part, place in weights.PARTS[name].items():
        assert attrgetter(place)(config) == given[part]
        published = attrgetter(place)(get_config("paper"))
        assert published in pretrained.PARTS[part].hub and loading.HUB_GB[published] > 0
    assert weights.with_sources(config, name, None) is config


def test_what_to_do_out_of_reach_is_an_option_of_this_command(monkeypatch, tmp_path):
    from lib.cli import parser

    empty_hub(monkeypatch, tmp_path)
    with pytest.raises(KlangfarbeError) as error:
        pretrained.load("captioner", PUBLISHED["captioner"])
    assert "into FOLDER/captioner, and add --weights FOLDER to hear" in error.value.do
    words = parser().parse_args(["hear", "a.jpg", "-o", "a.wav", "--weights", "FOLDER"])
    assert words.weights == "FOLDER"


@pytest.mark.parametrize("collection", ["monet_jpg", "wikiart_paintings"])
def test_real_paintings_become_music(collection, real_data, loaded, tmp_path, capsys):
    paintings = sorted(real_data(collection).rglob("*.jpg"))[:2]
    assert main(["hear", *map(str, paintings), "-o", str(tmp_path / "music"), "--seconds",
                 "1"]) == 0
    made = sorted((tmp_path / "music").iterdir())
    assert len(made) == len(paintings) == 2
    for path in made:
        sound = audio.load(path)
        assert np.isfinite(sound).all() and 0.005 < np.abs(sound).max() < 1


def test_a_shape_that_is_no_picture_is_refused(chain):
    with pytest.raises(KlangfarbeError, match="uint8"):
        bridging.generate(np.zeros((20, 20), np.uint8), chain)
    with pytest.raises(KlangfarbeError, match="from 0.5 to 120"):
        bridging.generate(UPRIGHT, chain, seconds=121)
