"""What cannot be heard or seen changes no feeling: the same sound in another container, depth, rate
or with an offset, the same picture in another container, depth, profile or turned by its camera."""



import numpy as np
import pytest
import soundfile
import test_bad_input
from PIL import Image
from test_sound_files import by_ffmpeg

from lib.core import artefacts
from lib.data.atelier import TEST_SEED, factors, paint, render
from lib.signal import audio, features, images
from lib.systems import real_world
from lib.systems.music2image import train_forest

RATE = 22_050
ALIKE = 0.02


@pytest.fixture(scope="module")
def piece():
    """Six seconds of a piece of the atelier, as a file of floats would hold them."""
    sound, = render.sounds(TEST_SEED, [4711], 6.0)[0]
    return (0.5 * sound / np.abs(sound).max()).astype(np.float32)


@pytest.fixture(scope="module")
def heard():
    """A sound [N] → valence and arousal by the bundled forest and by the real world's heads."""
    forest = artefacts.load(train_forest.NOTEBOOK, "bundled", "forest.skops")

    def hear(sound):
        its, = real_world.listen([sound], RATE)
        return np.array([*train_forest.predict(forest, features.extract(sound, RATE)[None])[0],
                         its.valence, its.arousal])

    return hear


@pytest.fixture(scope="module")
def plain(piece, heard, tmp_path_factory):
    """What is heard in the piece as a file of floats."""
    path = tmp_path_factory.mktemp("plain") / "plain.wav"
    lossless(path, piece, subtype="FLOAT")
    return heard(audio.load(path))


def lossless(path, sound, **options):
    soundfile.write(path, sound, RATE, **options)


SOUNDS = {
    "16 bits": ("wav", lambda p, s: lossless(p, s, subtype="PCM_16")),
    "24 bits": ("wav", lambda p, s: lossless(p, s, subtype="PCM_24")),
    "32 bits": ("wav", lambda p, s: lossless(p, s, subtype="PCM_32")),
    "double": ("wav", lambda p, s: lossless(p, s, subtype="DOUBLE")),
    "flac": ("flac", lossless),
    "aiff": ("aiff", lossless),
    "caf": ("caf", lambda p, s: lossless(p, s, subtype="PCM_24")),
    "both sides": ("wav", lambda p, s: lossless(p, np.stack([s, s], 1))),
    "an offset": ("wav", lambda p, s: lossless(p, s + np.float32(0.1), subtype="FLOAT")),
    "a negative offset": ("flac", lambda p, s: lossless(p, s - np.float32(0.2))),
    "floats of 16 bits": ("wav", lambda p, s: lossless(p, 32_768 * s, subtype="FLOAT")),
    "upside down": ("wav", lambda p, s: lossless(p, -s)),
    "ogg": ("ogg", lambda p, s: lossless(p, s, compression_level=0.0)),
    "mp3": ("mp3", lambda p, s: lossless(p, s, compression_level=0.0)),
    "Apple Lossless": ("m4a", lambda p, s: by_ffmpeg(p, "alac", RATE, s))}


@pytest.mark.parametrize("name", SOUNDS)
def test_the_same_sound_feels_the_same(name, piece, heard, plain, tmp_path, capfd):
    suffix, write = SOUNDS[name]
    write(tmp_path / f"other.{suffix}", piece)
    other = heard(audio.load(tmp_path / f"other.{suffix}"))
    # what a lossy code leaves out tips some of the forest's thresholds
    bounds = [0.1 if suffix in ("ogg", "mp3") else ALIKE] * 2 + [ALIKE] * 2
    assert (np.abs(other - plain) <= bounds).all(), f"{other} for {plain}"


@pytest.fixture(scope="module")
def painting():
    """A painting of the atelier, uint8 [128, 128, 3]."""
    return paint.paint(factors.draw(TEST_SEED, 4711), 128)


def seen(path):
    its, = real_world.look([images.load(path)])
    return np.array([its.valence, its.arousal])


def turned(path, picture):
    mark = Image.Exif()
    mark[0x0112] = 6  # the camera lay on its side
    Image.fromarray(np.rot90(picture)).save(path, exif=mark)


def profiled(path, picture):
    test_bad_input._profiled(path, picture[..., [1, 0, 2]], exchanged=True)



PICTURES = {
    "webp": ("webp", lambda p, x: Image.fromarray(x).save(p, lossless=True)),
    "tiff": ("tiff", lambda p, x: Image.fromarray(x).save(p)),
    "bmp": ("bmp", lambda p, x: Image.fromarray(x).save(p)),
    "jpeg": ("jpg", lambda p, x: Image.fromarray(x).save(p, quality=100, subsampling=0)),
    "opaque": ("png", lambda p, x: Image.fromarray(x).convert("RGBA").save(p)),
    "a profile": ("png", profiled),
    "turned": ("png", turned),
    "a black frame": ("png", lambda p, x: Image.fromarray(np.pad(x, ((9, 9), (4, 4), (0, 0))))
                      .save(p))}


@pytest.mark.parametrize("name", PICTURES)
def test_the_same_picture_feels_the_same(name, painting, tmp_path):
    Image.fromarray(painting).save(tmp_path / "plain.png")
    suffix, write = PICTURES[name]
    write(tmp_path / f"other.{suffix}", painting)
    plain, other = (seen(tmp_path / file) for file in ("plain.png", f"other.{suffix}"))
    assert np.abs(other - plain).max() <= ALIKE, f"{other} for {plain}"


@pytest.mark.parametrize("top", [255, 1023, 4095, 65_535])
def test_the_same_grey_picture_feels_the_same_at_any_depth(top, painting, tmp_path):
    grey = painting.max(axis=2)
    grey = (grey - grey.min()) / np.ptp(grey)
    Image.fromarray(np.round(255 * grey).astype(np.uint8)).save(tmp_path / "plain.png")
    Image.fromarray(np.round(top * grey).astype(np.uint16)).save(tmp_path / "deep.png")
    plain, deep = (seen(tmp_path / file) for file in ("plain.png", "deep.png"))
    assert np.abs(deep - plain).max() <= ALIKE
