"""Bad files and bad moments: each gives one clear line and loses nothing that was made before."""

import os
import tracemalloc
import warnings
import wave

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.signal import audio, images

RATE = 22_050
QUICK = settings(max_examples=25, deadline=None,
                 suppress_health_check=[HealthCheck.function_scoped_fixture])


def tone(seconds, rate=RATE, hertz=440.0, channels=1):
    t = np.arange(int(seconds * rate)) / rate
    sound = (0.3 * np.sin(2 * np.pi * hertz * t)).astype(np.float32)
    return sound if channels == 1 else np.repeat(sound[:, None], channels, axis=1)


def written(path, sound, rate=RATE, **options):
    soundfile.write(path, sound, rate, **options)
    return path


def cut(path, share):
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * share)])
    return path


def one_line(error):
    text = str(error.value)
    assert "\n" not in text and len(text) < 400
    assert text.startswith("expected ") and "; got " in text and text.count("; ") >= 2
    return text


# --- sound ----------------------------------------------------------------------------------------

BAD_SOUNDS = {
    "missing": (lambda d: d / "absent.wav", "no such file"),
    "a folder": (lambda d: d, "a folder"),
    "empty": (lambda d: _bytes(d / "a.wav", b""), "empty"),
    "text": (lambda d: _bytes(d / "a.wav", b"this is no sound at all, only words\n" * 40),
             "sound file"),
    "text called mp3": (lambda d: _bytes(d / "a.mp3",
                                         b"this is no sound at all, only words\n" * 40),
                        "sound file"),
    "a picture called wav": (lambda d: _picture(d / "a.png").rename(d / "b.wav"), "sound file"),
    "header only": (lambda d: cut(written(d / "a.wav", tone(3)), 0.0005), "whole sound file"),
    "truncated wav": (lambda d: cut(written(d / "a.wav", tone(3)), 0.5), "cut short"),
    "truncated aiff": (lambda d: cut(written(d / "a.aiff", tone(3)), 0.5), "cut short"),
    "truncated flac": (lambda d: cut(written(d / "a.flac", tone(3)), 0.4), "cut short"),
    "truncated ogg": (lambda d: cut(written(d / "a.ogg", tone(3)), 0.7), "cut short"),
    "truncated mp3": (lambda d: cut(written(d / "a.mp3", tone(3)), 0.4), "cut short"),
    "silent": (lambda d: written(d / "a.wav", np.zeros(3 * RATE)), "silence"),
    "nearly silent": (lambda d: written(d / "a.wav", 3e-5 * tone(3), subtype="FLOAT"), "silence"),
    "0.05 s": (lambda d: written(d / "a.wav", tone(0.05)), "0.05 s"),
    "no samples": (lambda d: written(d / "a.wav", np.zeros(0)), "0.00 s"),
    "all NaN": (lambda d: written(d / "a.wav", np.full(3 * RATE, np.nan), subtype="FLOAT"),
                "NaN or infinite"),
    "one infinity": (lambda d: written(d / "a.wav", _with(tone(3), 100, np.inf), subtype="FLOAT"),
                     "1 samples are NaN or infinite"),
    "cancelling channels": (lambda d: written(d / "a.wav", np.stack([tone(3), -tone(3)], axis=1)),
                            "cancel"),
}


def _bytes(path, content):
    path.write_bytes(content)
    return path


def _with(sound, position, value):
    sound[position] = value
    return sound


def _picture(path, size=(40, 30), **options):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3),
                                                      dtype=np.uint8)).save(path, **options)
    return path


@pytest.mark.parametrize("name", BAD_SOUNDS)
def test_bad_sound_gives_one_clear_line(name, tmp_path, capfd):
    make, hint = BAD_SOUNDS[name]
    with pytest.raises(KlangfarbeError) as error:
        audio.load(make(tmp_path))
    assert hint in one_line(error)
    assert capfd.readouterr().err == "", "a decoder spoke past the one line"


@pytest.mark.parametrize("name", [n for n in BAD_SOUNDS if n not in ("cancelling channels",)])
def test_inspect_refuses_what_load_refuses(name, tmp_path):
    with pytest.raises(KlangfarbeError) as error:
        audio.inspect(BAD_SOUNDS[name][0](tmp_path))
    one_line(error)


@pytest.mark.parametrize("suffix", ["flac", "mp3"])
def test_a_missing_end_is_seen_by_inspect_where_the_middle_is_whole(suffix, tmp_path):
    path = cut(written(tmp_path / f"a.{suffix}", tone(20)), 0.9)
    assert len(audio.load(path, seconds=2.0)) == 2 * RATE
    with pytest.raises(KlangfarbeError, match="cut short"):
        audio.inspect(path)


@pytest.mark.parametrize("channels", [1, 2, 6])
@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg"])
def test_mono_stereo_and_surround_become_the_mean_of_their_channels(channels, suffix, tmp_path):
    frames = tone(1.0,
                  channels=channels) if channels == 1 else np.stack([tone(1.0, hertz=220 * (c + 1))
                                                                     for c in range(channels)],
                                                                    axis=1)
    sound = audio.load(written(tmp_path / f"a.{suffix}", frames))
    expected = frames if channels == 1 else frames.mean(axis=1)
    assert sound.dtype == np.float32 and sound.shape == expected.shape
    assert np.corrcoef(sound, expected)[0, 1] > 0.99
    if suffix != "ogg":
        assert np.abs(sound - expected).max() < 2 / 32768


def test_three_hours_cost_no_more_memory_than_a_minute(tmp_path):
    path, rate, seconds = tmp_path / "long.wav", 16_000, 3 * 3600
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1), file.setsampwidth(2), file.setframerate(rate)
        file.setnframes(seconds * rate)
        file.writeframes(b"")
    # a sparse file: three hours of nothing, and a tone in the middle
    with open(path, "r+b") as file:
        header = bytearray(file.read(44))
        header[4:8], header[40:44] = (36 + 2 * seconds
                                      * rate).to_bytes(4, "little"), (2 * seconds
                                                                      * rate).to_bytes(4, "little")
        file.seek(0)
        file.write(header)
        file.truncate(44 + 2 * seconds * rate)
        file.seek(44 + 2 * (seconds // 2 - 10) * rate)
        file.write((tone(20, rate) * 32767).astype("<i2").tobytes())
    audio.load(path, seconds=1.0)  # imports and buffers first: they are not the file's cost
    tracemalloc.start()
    sound = audio.load(path, seconds=15.0)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(sound) == 15 * RATE and np.sqrt(np.mean(sound**2)) == pytest.approx(0.3 / np.sqrt(2),
                                                                                   rel=1e-2)
    assert peak < 12e6, f"{peak / 1e6:.0f} MB for 15 s of a 3 h file"


@QUICK
@given(
    rate=st.integers(8_000, 65_535),
    channels=st.integers(1, 6),
    suffix=st.sampled_from(["wav", "flac"]),
    seconds=st.floats(0.51, 1.5),
    level=st.floats(0.01, 0.99),
    seed=st.integers(0, 99),
)
def test_lossless_files_come_back_as_they_were_written(tmp_path, rate, channels, suffix, seconds,
                                                       level, seed):
    frames = level * np.random.default_rng(seed).uniform(-1, 1,
                                                         (int(seconds * rate) + 1,
                                                          channels)).astype(np.float32)
    path = written(tmp_path / f"a.{suffix}", frames, rate)
    sound = audio.load(path, seconds=None, sample_rate_hz=rate)
    assert sound.shape == (len(frames),)
    mean = frames.mean(axis=1)
    assert np.abs(sound - (mean - mean.mean())).max() <= 1.1 / 32768
    assert audio.inspect(path) == (len(frames) / rate, rate)


@QUICK
@given(
    rate=st.sampled_from([8_000, 11_025, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000]),
    channels=st.integers(1, 3),
    suffix=st.sampled_from(["wav", "flac", "ogg"]),
    seconds=st.floats(0.6, 1.5),
    hertz=st.floats(100, 2_000),
)
def test_any_rate_becomes_ours_with_pitch_level_and_length_kept(tmp_path, rate, channels, suffix,
                                                                seconds, hertz):
    sound = audio.load(written(tmp_path / f"a.{suffix}", tone(seconds, rate, hertz, channels),
                               rate))
    assert abs(len(sound) - int(seconds * rate) * RATE / rate) <= 2
    middle = sound[len(sound) // 8 : -len(sound) // 8]
    assert np.sqrt(np.mean(middle**2)) == pytest.approx(0.3 / np.sqrt(2), rel=0.1)
    spectrum = np.abs(np.fft.rfft(middle * np.hanning(len(middle))))
    assert abs(np.argmax(spectrum) * RATE / len(middle) - hertz) < 2 * RATE / len(middle)


@QUICK
@given(
    junk=st.binary(max_size=3000),
    suffix=st.sampled_from(["wav", "flac", "ogg", "mp3", "aiff", "m4a"]),
    head=st.sampled_from([b"", b"RIFF\x00\x10\x00\x00WAVEfmt ", b"fLaC", b"OggS", b"ID3",
                          b"FORM\x00\x00\x10\x00AIFF"]),
)
def test_no_bytes_whatever_raise_anything_else(tmp_path, junk, suffix, head):
    path = _bytes(tmp_path / f"a.{suffix}", head + junk)
    with pytest.raises(KlangfarbeError) as error:
        audio.load(path)
    one_line(error)


# --- pictures -------------------------------------------------------------------------------------

BAD_PICTURES = {
    "missing": (lambda d: d / "absent.png", "no such file"),
    "a folder": (lambda d: d, "a folder"),
    "empty": (lambda d: _bytes(d / "a.png", b""), "empty"),
    "text": (lambda d: _bytes(d / "a.jpg", b"this is no picture\n" * 50), "no picture format"),
    "a sound called jpg": (lambda d: written(d / "a.wav", tone(1)).rename(d / "b.jpg"),
                           "no picture format"),
    "truncated png": (lambda d: cut(_picture(d / "a.png"), 0.6), "whole picture"),
    "truncated jpg": (lambda d: cut(_picture(d / "a.jpg", (200, 200)), 0.5), "whole picture"),
    "truncated webp": (lambda d: cut(_picture(d / "a.webp", (200, 200)), 0.5), "picture"),
}


@pytest.mark.parametrize("name", BAD_PICTURES)
def test_bad_picture_gives_one_clear_line(name, tmp_path):
    make, hint = BAD_PICTURES[name]
    with pytest.raises(KlangfarbeError) as error:
        images.load(make(tmp_path))
    assert hint in one_line(error)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    with pytest.raises(KlangfarbeError, match="pixels"):
        images.load(_picture(tmp_path / "a.png", (40, 30)))


def test_transparency_is_laid_on_white_and_orientation_obeyed(tmp_path):
    clear = np.zeros((10, 10, 4), np.uint8)
    clear[:, :5] = (255, 0, 0, 255)
    Image.fromarray(clear).save(tmp_path / "clear.png")
    picture = images.load(tmp_path / "clear.png")
    assert (picture[:, :5] == (255, 0, 0)).all() and (picture[:, 5:] == 255).all()
    upright = np.full((20, 30, 3), 200, np.uint8)
    upright[:10] = 90
    mark = Image.Exif()
    mark[0x0112] = 6  # the camera lay on its side
    Image.fromarray(np.rot90(upright)).save(tmp_path / "turned.jpg", exif=mark, quality=95)
    assert np.abs(images.load(tmp_path / "turned.jpg").astype(int) - upright).mean() < 3


@pytest.mark.parametrize("mode", ["L", "LA", "P", "CMYK", "1", "I;16", "RGBA", "F"])
def test_every_mode_becomes_rgb(mode, tmp_path):
    grey = np.tile(np.linspace(80, 220, 32, dtype=np.uint8), (32, 1))
    if mode == "I;16":
        picture, name = Image.fromarray(grey.astype(np.uint16) * 257), "a.png"
    elif mode == "F":
        picture, name = Image.fromarray(grey.astype(np.float32)), "a.tiff"
    else:
        picture, name = Image.fromarray(np.repeat(grey[:, :, None], 3,
                                                  2)).convert(
            mode), "a.tiff" if mode == "CMYK" else "a.png"
    picture.save(tmp_path / name)
    loaded = images.load(tmp_path / name)
    assert loaded.shape == (32, 32, 3) and loaded.dtype == np.uint8
    if mode not in ("1", "P"):  # two levels, 216 colours: not the same greys
        assert np.abs(loaded[..., 0].astype(int) - grey).mean() < 8


@QUICK
@given(
    width=st.integers(1, 90),
    height=st.integers(1, 90),
    size=st.sampled_from([None, 8, 32]),
    suffix=st.sampled_from(["png", "jpg", "webp"]),
)
def test_any_picture_loads_at_the_size_asked_for(tmp_path, width, height, size, suffix):
    loaded = images.load(_picture(tmp_path / f"a.{suffix}", (width, height)), size=size)
    assert loaded.dtype == np.uint8 and loaded.ndim == 3 and loaded.shape[2] == 3
    assert loaded.shape[:2] == ((size, size) if size else (height, width))


@QUICK
@given(top=st.integers(0, 12), left=st.integers(0, 12), bottom=st.integers(0, 12),
       right=st.integers(0, 12))
def test_letterbox_bars_go_and_nothing_else(top, left, bottom, right):
    picture = np.random.default_rng(1).integers(60, 255, (24, 30, 3), dtype=np.uint8)
    framed = np.pad(picture, ((top, bottom), (left, right), (0, 0)))
    assert np.array_equal(images.crop_bars(framed), picture)


@settings(QUICK, max_examples=60)
@given(
    suffix=st.sampled_from(["png", "jpg", "webp", "gif", "tiff"]),
    changes=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), max_size=8),
    share=st.floats(0.05, 1),
)
def test_a_damaged_picture_loads_or_gives_one_line_and_nothing_else(tmp_path, suffix, changes,
                                                                    share):
    content = bytearray(_picture(tmp_path / f"whole.{suffix}").read_bytes())
    for place, value in changes:
        content[int(place * (len(content) - 1))] = value
    path = _bytes(tmp_path / f"a.{suffix}", bytes(content[: max(1, int(share * len(content)))]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            assert images.load(path, size=8).shape == (8, 8, 3)
        except KlangfarbeError as error:
            assert "\n" not in str(error) and str(path) in str(error)


def test_a_wholly_black_picture_stays_whole():
    black = np.zeros((20, 20, 3), np.uint8)
    assert images.crop_bars(black).shape == black.shape


# --- the command line's exit code


@pytest.mark.parametrize("name", ["missing", "text", "0.05 s", "truncated wav"])
def test_the_command_line_ends_with_two_and_one_line(name, tmp_path, capsys):
    from lib.cli import main

    output = tmp_path / "picture.png"
    output.write_bytes(b"made before")
    code = main(["paint", str(BAD_SOUNDS[name][0](tmp_path)), "-o", str(output)])
    said = capsys.readouterr()
    assert code == 2 and BAD_SOUNDS[name][1] in said.err
    assert len(said.err.strip().splitlines()) == 1
    assert output.read_bytes() == b"made before"


# --- weights --------------------------------------------------------------------------------------


def test_a_missing_weight_file_names_the_notebook_that_makes_it(own_results, monkeypatch):
    monkeypatch.setattr(paths, "MINIATURES", own_results / "miniatures")
    with pytest.raises(KlangfarbeError) as error:
        artefacts.load("33_music2image_diffusion", "mini", "unet.safetensors")
    assert "make run PROFILE=mini" in one_line(error) and '"33"' in str(error.value)


@pytest.mark.parametrize("name", ["a.safetensors", "a.parquet", "a.npy", "a.json", "a.skops",
                                  "a.csv"])
def test_a_damaged_artefact_gives_one_clear_line(name, tmp_path):
    (tmp_path / name).write_bytes(b"" if name.endswith("csv") else os.urandom(64))
    with pytest.raises(KlangfarbeError) as error:
        artefacts.read(tmp_path / name)
    assert "make it again" in one_line(error)


def test_text_in_a_table_that_is_none_is_told_when_it_is_read(tmp_path):
    artefacts.write(tmp_path / "a.parquet", pd.DataFrame({"word": ["calm", "grey sky"]}))
    whole = (tmp_path / "a.parquet").read_bytes()
    assert whole.count(b"grey sky") >= 1
    (tmp_path / "a.parquet").write_bytes(whole.replace(b"grey sky", b"gr\xad\xff sky"))
    with pytest.raises(KlangfarbeError, match=r"a.parquet: .*UTF.?8"):
        artefacts.read(tmp_path / "a.parquet")


def _profiled(path, picture, **changes):
    """A picture with a profile: sRGB's own, or one whose red and green are exchanged."""
    from PIL import ImageCms

    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    if changes.get("exchanged"):
        red, green = profile.find(b"rXYZ"), profile.find(b"gXYZ")
        profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    Image.fromarray(picture).save(path, icc_profile=bytes(profile))
    return images.load(path)


def test_colours_are_those_that_the_profile_means(tmp_path):
    picture = np.random.default_rng(0).integers(20, 255, (24, 24, 3), dtype=np.uint8)
    assert np.array_equal(_profiled(tmp_path / "same.png", picture), picture)
    exchanged = _profiled(tmp_path / "other.png", picture[..., [1, 0, 2]], exchanged=True)
    assert np.abs(exchanged.astype(int) - picture).max() <= 3
    Image.fromarray(picture).save(tmp_path / "broken.png", icc_profile=b"no profile at all")
    assert np.array_equal(images.load(tmp_path / "broken.png"), picture)


@pytest.mark.parametrize(("top", "kind", "name"), [
    (255, np.int32, "a.tiff"), (1023, np.uint16, "a.png"), (4095, np.uint16, "a.png"),
    (4095, np.uint16, "a.tiff"), (65_535, np.uint16, "a.png")])
def test_a_grey_of_any_depth_is_as_bright_as_it_was(top, kind, name, tmp_path):
    grey = np.tile(np.linspace(0.3, 1, 32), (32, 1))
    Image.fromarray((top * grey).astype(kind)).save(tmp_path / name)
    assert np.abs(images.load(tmp_path / name)[..., 0] / 255 - grey).max() < 0.01


def test_long_text_beside_the_pixels_does_no_harm(tmp_path):
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("story", "once upon a time " * 200_000, zip=True)
    _picture(tmp_path / "a.png", pnginfo=text)
    assert images.load(tmp_path / "a.png").shape == (30, 40, 3)
