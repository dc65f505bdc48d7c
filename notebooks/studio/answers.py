"""What the studio answers, without a page: a painting to pieces of music, music to its feeling over
time and to pictures, a point of the plane to both. Notebook: 90; the same chains as ``hear`` and
``paint``."""

import functools
import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from PIL import Image

from lib.core import artefacts
from lib.core.errors import KlangfarbeError, one_of
from lib.signal import audio, features, images
from lib.systems import interface, real_world
from lib.systems import weights as others
from lib.systems.music2image import generate as painter
from lib.systems.music2image import train_diffusion, train_forest
from lib.systems.real_world import Felt

# by which name a player is chosen → the module that plays
PLAYERS = {"bridging": "lib.systems.bridging.generate", "mapping": "lib.systems.mapping.generate",
           "art2music": "lib.systems.art2music.generate", "by the rules": "lib.systems.score"}
RULES = "by the rules"
# who looks, listens and reads, and whose networks play
WEIGHTS = {"by itself": "the atelier's works by the bundled parts, all others by the packages'",
           "bundled": "the workbook's own parts, which know the atelier alone",
           "package": "EfficientNet-Lite2, musicnn and MiniLM, which packages carry",
           "published": "BLIP, Falcon and MusicGen play (bridging), from the hub's cache"}
MEGAPIXELS, LONGEST_MINUTES = 100, 10
WINDOW_S, WINDOWS = 6.0, 60  # of the curve: its least window, and how many points at most


class Music(NamedTuple):
    """A sound float32 [N] at 22,050 Hz, and the part of it that a picture is painted from."""
    whole: np.ndarray
    middle: np.ndarray


class Piece(NamedTuple):
    """What a player made: MP3, words on the way, and what else is written (suffix → bytes)."""
    mp3: bytes
    told: str
    files: dict[str, bytes]


def read_painting(path: str | None) -> np.ndarray:
    """An uploaded picture → uint8 [H, W, 3]; refused before it is decoded where it is too large."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow's own of large pictures
        try:
            with Image.open(_given(path, "a painting")) as opened:
                size = opened.width * opened.height / 1e6
        except (OSError, Image.DecompressionBombError, SyntaxError, ValueError):
            size = 0.0  # images.load says what is wrong with it
    if size > MEGAPIXELS:
        raise KlangfarbeError(f"a picture of at most {MEGAPIXELS} megapixels", f"{size:.0f}",
                              "make it smaller")
    return images.load(_given(path, "a painting"))


def read_music(path: str | None) -> Music:
    """An uploaded sound; refused before it is kept where it is too long."""
    file = _given(path, "music")
    seconds, _ = audio.inspect(file)
    if seconds > 60 * LONGEST_MINUTES:
        raise KlangfarbeError(f"at most {LONGEST_MINUTES} minutes", f"{seconds / 60:.1f}",
                              "cut out what you want to see")
    return Music(audio.load(file, seconds=None), audio.load(file, seconds=painter.CLIP_SECONDS))


def see(picture: np.ndarray, weights: str) -> tuple[Felt | None, str]:
    """What is seen in a picture uint8 [H, W, 3], ``None`` where a system's own parts look; said."""
    one_of(WEIGHTS, weights, "weights")
    felt, = real_world.look([images.squeezed(picture, real_world.SEEN_AT)])
    return _whose(felt, weights, "look at it")


def play(player: str, picture: np.ndarray, felt: Felt | None, *, comment: str = "", seed: int = 0,
         seconds: float = 8.0, weights: str = "by itself") -> Piece:
    """One player's piece for a picture uint8 [H, W, 3] in which `felt` is seen."""
    one_of(PLAYERS, player, "a player")
    interface.check_seed(seed)
    module, models, side = _loaded(player, weights == "published")
    given = {"comment": comment} if player == "art2music" else {}
    heard = module.generate(images.square(picture, side), models, seed=seed, seconds=seconds,
                            felt=felt, **given)
    return Piece(audio.encode_mp3(heard.sound, heard.sample_rate_hz), module.summary(heard),
                 heard.files)


def hear(music: Music, weights: str) -> tuple[Felt | None, np.ndarray, str]:
    """What is heard in music: as :func:`see`, with its point [2]."""
    one_of(WEIGHTS, weights, "weights")
    heard, = real_world.listen([music.middle], audio.SAMPLE_RATE_HZ)
    felt, told = _whose(heard, weights, "hear it")
    return felt, felt.point if felt else _forest(music.middle), told


def curve(music: Music, felt: Felt | None) -> pd.DataFrame:
    """Valence and arousal over music: a row a window and part of the feeling, with ``seconds``
    (the window's middle), ``value`` and ``feeling``; heard by who heard the whole."""
    rate, sound = audio.SAMPLE_RATE_HZ, music.whole
    length = min(len(sound), round(max(WINDOW_S * rate, 2 * len(sound) / WINDOWS)))
    starts = range(0, len(sound) - length + 1, max(1, length // 2))
    windows = [sound[at : at + length] for at in starts]
    loud = [np.sqrt(np.mean(np.square(w))) >= audio.SILENCE_RMS for w in windows]
    kept = [w for w, is_loud in zip(windows, loud, strict=True) if is_loud]
    heard = ([its.point for its in real_world.listen(kept, rate)] if felt
             else [_forest(window) for window in kept])
    points = np.full((len(windows), 2), np.nan)  # silence is felt as nothing
    points[loud] = heard
    middles = [(at + length / 2) / rate for at in starts]
    return pd.DataFrame([(second, value, name) for second, point in zip(middles, points)
                         for name, value in zip(("valence", "arousal"), point)],
                        columns=["seconds", "value", "feeling"]).dropna()


def paint(point: np.ndarray, given: np.ndarray, *, n: int, seed: int = 0) -> np.ndarray:
    """`n` pictures uint8 [n, H, W, 3] of a point [2], by the seed and what was given."""
    interface.check_seed(seed)
    _, diffusion, config = _painter()
    pictures = train_diffusion.generate(diffusion, np.repeat(np.asarray(point)[None], n, axis=0),
                                        config, interface.own_seed(seed, given))
    return painter.enlarge(pictures)


def at_point(valence: float, arousal: float) -> Felt:
    """A point of the plane as if it were felt: every part then goes by it."""
    return Felt(False, valence, arousal, np.array([valence, arousal]),
                float(valence > 0), "painting")


def _given(path: str | None, what: str) -> Path:
    if not path:
        raise KlangfarbeError(what, "nothing yet", "drop one, or take an example")
    return Path(path)


def _whose(felt: Felt, weights: str, does: str) -> tuple[Felt | None, str]:
    if weights == "bundled" or felt.atelier and weights != "package":
        return None, f"The workbook's own parts {does}."
    point = f"{felt.point[0]:+.2f}, {felt.point[1]:+.2f}"
    return felt, f"{felt.told}; played and painted as {point}, among such works"


def _forest(sound: np.ndarray) -> np.ndarray:
    vectors = features.extract(sound, audio.SAMPLE_RATE_HZ)[None]
    return train_forest.predict(_painter()[0], vectors)[0]


@functools.cache
def _painter() -> tuple:
    return painter.load()


@functools.cache
def _loaded(player: str, published: bool) -> tuple[Any, Any, int]:
    """A player's module, its networks, and the side at which it looks, in pixels."""
    module: Any = import_module(PLAYERS[player])
    if not published or player == RULES:
        return module, module.load(), module.get_config(artefacts.BUNDLED).side
    sources = others.find(player, module.get_config, artefacts.BUNDLED, "published")
    return module, module.load(sources=sources), module.get_config("paper").side
