"""System 3, Generate Image from Music Emotion: a piece of music becomes a picture by way of two
numbers.

    music [N] ──features──► [F] ──forest──► (valence, arousal) [2] ──diffusion (or WGAN-GP)──► picture [H, W, 3]
              lib/signal/features.py     forest.py   in [−1, 1]             diffusion.py (gan.py)

Source: text 002, "Generate Image from Music Emotion". Three learners, a file each, all in one
order: Config and PROFILES, build, train_step (the forest: fit), generate (the forest: predict).
``released.py`` holds the *as released* experiments, ``reference.py`` the numbers on real
collections; this file joins the stages.

Known deviations: valence and arousal lie in [−1, 1] everywhere (published: 1–9 beside 0–1) · Optuna
never sees the test set · the diffusion model's null is learned, its schedule ends at zero signal
(both switchable). Notebook: 30–35.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.signal import affect, audio, features, images
from lib.systems.music2image import train_diffusion, train_forest

CLIP_SECONDS = 45.0  # DEAM's clips are this long; the middle of longer files is taken
PICTURE_SIDE = 256  # a painted picture is enlarged to about this many pixels for looking at


@dataclass(frozen=True)
class Config:
    """The whole chain: how many fresh pieces it is measured on, and how long they are. Each stage
    has its own config beside this.
    """

    n_pieces: int = 1802
    clip_seconds: float = CLIP_SECONDS


PROFILES = {
    "smoke": Config(n_pieces=16, clip_seconds=4.0),
    "mini": Config(n_pieces=120, clip_seconds=10.0),
    "gpu": Config(n_pieces=1000),
    "paper": Config(),
}


def hear(music: Path, profile: str = artefacts.BUNDLED) -> np.ndarray:
    """Valence and arousal of a piece of music, float64 [2] in [−1, 1].

    Args:
        music: wav, flac, ogg, mp3 or aiff; the middle 45 s of longer files.
        profile: whose forest to use, where it is there; else, and by default, the bundled
            miniature.

    Raises:
        KlangfarbeError: the file cannot be heard, or no forest is there.
    """
    return hear_many([music], profile)[0]


def hear_many(music: list[Path], profile: str = artefacts.BUNDLED) -> np.ndarray:
    """As :func:`hear`, for several pieces with one forest: [N, 2]."""
    heard = [audio.load(path, seconds=CLIP_SECONDS) for path in music]
    model = artefacts.load(train_forest.NOTEBOOK, profile, "forest.skops")
    return train_forest.predict(model,
                                np.stack([features.extract(sound, audio.SAMPLE_RATE_HZ)
                                          for sound in heard]))


def paint(points: np.ndarray, profile: str = artefacts.BUNDLED, seed: int = 0) -> np.ndarray:
    """Pictures for points of the plane, [N, 2] → uint8 [N, H, W, 3], by the profile's diffusion
    model or its miniature.
    """
    models, config = train_diffusion.load(profile)
    return train_diffusion.generate(models, points, config, seed)


def paint_files(music: list[Path], output: Path, *, profile: str = artefacts.BUNDLED,
                variations: int = 1, seed: int = 0) -> int:
    """``python -m lib paint``: paints each piece, writes the pictures, says what was heard; returns
    the exit code.

    One bad file among several is told and passed over (exit code 2 at the end); the others are
    painted.
    """
    several = len(music) > 1
    if not several and output.suffix not in (".png", ".jpg"):
        raise KlangfarbeError("a picture's name ending in .png or .jpg", str(output),
                              "for instance -o picture.png")
    if several and output.suffix:
        raise KlangfarbeError("a folder for several pieces", str(output),
                              "for instance -o pictures/")
    if variations < 1:
        raise KlangfarbeError("at least 1 variation", str(variations),
                              "leave --variations out for one picture")
    good, faults = [], []
    for path in music:
        try:
            audio.load(path, seconds=CLIP_SECONDS)
            good.append(path)
        except KlangfarbeError as fault:
            faults.append(fault)
    if good:
        points = hear_many(good, profile)
        pictures = paint(np.repeat(points, variations, axis=0), profile, seed)
        for i, (path, point) in enumerate(zip(good, points, strict=True)):
            mine = enlarged(pictures[i * variations : (i + 1) * variations])
            target = output / f"{path.stem}.png" if several else output
            artefacts.write(target, images.sheet(mine, min(variations, 4)))
            mood = affect.QUADRANTS[int(affect.quadrant(*point))]
            print(f"{path.name}: valence {point[0]:+.2f}, arousal {point[1]:+.2f} ({mood}) → {target}")
    if faults and not several:
        raise faults[0]
    for fault in faults:
        print(f"klangfarbe: passed over: {fault}")
    return 2 if faults else 0


def enlarged(pictures: np.ndarray) -> np.ndarray:
    """Pictures enlarged by a whole factor to about 256² for looking at: uint8 [N, H, W, 3] → [N,
    kH, kW, 3], smooth.
    """
    factor = max(1, PICTURE_SIDE // pictures.shape[1])
    side = factor * pictures.shape[1]
    return np.stack([np.asarray(Image.fromarray(p).resize((side, side), Image.Resampling.BICUBIC))
                     for p in pictures])
