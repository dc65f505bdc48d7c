"""The whole chain: music becomes a point of the valence–arousal plane, the point a picture.

    music [N] ─► features [135] ─forest─► (valence, arousal) [2] ─diffusion─► picture [H, W, 3]

The WGAN-GP of train_gan.py is the source's other decoder; it paints by ``train_gan.generate``.

Networks: ``lib.models.emotion_unet``, ``lib.models.wgan_gp``; the forest is sklearn's. Training:
train_diffusion.py, train_gan.py, train_forest.py. Sampler: schedule.py. Evaluation: evaluate.py
(forest), notebooks 32 (GAN) and 33 (diffusion), grey.py (greyness), notebook 35 (the chain).

Known deviations: valence and arousal lie in [−1, 1] everywhere (published: 1–9 beside 0–1) · Optuna
never sees the test set · the diffusion model's null is learned and its schedule ends at zero signal
(both can be switched).

Source: Zhang §2.1. Notebook: 30, 35.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from sklearn.ensemble import RandomForestRegressor

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.signal import affect, audio, features, images
from lib.systems.music2image import train_diffusion, train_forest
from lib.systems.music2image.config import CLIP_SECONDS, DiffusionConfig

PICTURE_SIZE = 256


class Models(NamedTuple):
    """The trained forest and diffusion model, loaded."""

    forest: RandomForestRegressor
    diffusion: train_diffusion.Models
    config: DiffusionConfig


def load(profile: str = artefacts.BUNDLED) -> Models:
    """A profile's forest and diffusion model, or the bundled ones."""
    return Models(train_forest.load(profile), *train_diffusion.load(profile))


def generate(sounds: list[np.ndarray], models: Models, *, variations: int = 1,
             seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Mono sounds at 22,050 Hz → (valence, arousal) [N, 2] in [−1, 1], and pictures uint8
    [N · variations, H, W, 3].
    """
    rows = np.stack([features.extract(sound, audio.SAMPLE_RATE_HZ) for sound in sounds])
    points = train_forest.predict(models.forest, rows)
    pictures = train_diffusion.generate(models.diffusion, np.repeat(points, variations, axis=0),
                                        models.config, seed)
    return points, pictures


def generate_files(music: list[Path], output: Path, *, profile: str = artefacts.BUNDLED,
                   variations: int = 1, seed: int = 0) -> int:
    """``python -m lib paint``: a picture for each piece; one bad file among several is named and
    left out (exit code 2).
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
    sounds, errors = {}, []
    for path in music:
        try:
            sounds[path] = audio.load(path, seconds=CLIP_SECONDS)
        except KlangfarbeError as error:
            if not several:
                raise
            errors.append(error)
    if sounds:
        points, pictures = generate(list(sounds.values()), load(profile), variations=variations,
                                    seed=seed)
        for i, (path, point) in enumerate(zip(sounds, points, strict=True)):
            own = enlarge(pictures[i * variations : (i + 1) * variations])
            target = output / f"{path.stem}.png" if several else output
            artefacts.write(target, images.sheet(own, min(variations, 4)))
            quadrant = affect.QUADRANTS[int(affect.quadrant(*point))]
            print(f"{path.name}: valence {point[0]:+.2f}, arousal {point[1]:+.2f} ({quadrant}) "
                  f"→ {target}")
    for error in errors:
        print(f"klangfarbe: passed over: {error}")
    return 2 if errors else 0


def enlarge(pictures: np.ndarray) -> np.ndarray:
    """Pictures uint8 [N, H, W, 3] enlarged smoothly by a whole factor to about 256²."""
    size = max(1, PICTURE_SIZE // pictures.shape[1]) * pictures.shape[1]
    return np.stack([np.asarray(Image.fromarray(p).resize((size, size), Image.Resampling.BICUBIC))
                     for p in pictures])
