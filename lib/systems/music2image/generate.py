"""The whole chain: music becomes a point of the valence–arousal plane, the point a picture.

    music [N] ─► features [135] ─forest─► (valence, arousal) [2] ─diffusion─► picture [H, W, 3]
Training: train_forest.py, train_diffusion.py, train_gan.py (the source's other decoder); networks:
lib/models/emotion_unet.py, wgan_gp.py.  Source: Zhang §2.1.  Notebook: 30, 35."""

import functools
from pathlib import Path

import numpy as np
from PIL import Image

from lib.core import artefacts, errors, paths
from lib.data import splits
from lib.data.atelier import TEST_SEED, TRAIN_SEED, render
from lib.signal import affect, audio, features, images
from lib.systems import interface
from lib.systems.music2image import data, train_diffusion, train_forest
from lib.systems.music2image.config import CLIP_SECONDS, Config


def load(profile: str = artefacts.BUNDLED) -> tuple:
    """A profile's forest, diffusion model and its config, or the bundled ones."""
    forest = artefacts.load(train_forest.NOTEBOOK, profile, "forest.skops")
    return forest, *train_diffusion.load(profile)


def check_trained(profile: str) -> None:
    """Refuses a profile whose forest or diffusion model was not trained on this machine."""
    absent = [name for name, notebook in (("forest.skops", train_forest.NOTEBOOK),
                                          ("unet.safetensors", train_diffusion.NOTEBOOK))
              if not (paths.RESULTS / profile / notebook / name).is_file()]
    if absent and profile != artefacts.BUNDLED:
        raise errors.KlangfarbeError(
            f"models that were trained at {profile}", f"no {' and no '.join(absent)}",
            f'make run PROFILE={profile} NOTEBOOKS="31 33", or leave --profile out')


def listen(forest, config: Config, n_pieces: int) -> tuple[np.ndarray, np.ndarray]:
    """What the forest hears in pieces it has not met, and what they mean, [N, 2] each: the atelier,
    or real songs, each heard by a forest of the same settings that other artists' songs grew."""
    if not config.forest.collections:
        sounds, meant = render.sounds(TEST_SEED, range(n_pieces), config.clip_seconds)
        return train_forest.predict(forest, features.extract_many(list(sounds))), meant
    songs, settings = data.training_table(config.forest, TRAIN_SEED), forest.get_params()
    heard = splits.cross_validated(
        lambda rows, va, new: train_forest.predict(type(forest)(**settings).fit(rows, va), new),
        songs.features, songs.va, songs.groups)
    return heard[:n_pieces], songs.va[:n_pieces]


def generate(sounds: list, models: tuple, *, variations: int = 1, seed: int = 0) -> tuple:
    """Sounds at 22,050 Hz → (valence, arousal) [N, 2], pictures uint8 [N · variations, H, W, 3]."""
    forest, diffusion, config = models
    rows = np.stack([features.extract(sound, audio.SAMPLE_RATE_HZ) for sound in sounds])
    points = train_forest.predict(forest, rows)
    return points, train_diffusion.generate(diffusion, np.repeat(points, variations, axis=0),
                                            config, seed)


def generate_files(music: list[Path], output: Path, *, profile: str = artefacts.BUNDLED,
                   variations: int = 1, seed: int = 0) -> int:
    """``python -m lib paint``: a picture a piece; one bad file among several gives exit code 2."""
    if variations < 1:
        raise errors.KlangfarbeError("at least 1 variation", str(variations),
                                     "leave --variations out for one picture")
    check_trained(profile)
    def show(sounds: dict[Path, np.ndarray]) -> None:
        points, pictures = generate(list(sounds.values()), load(profile), variations=variations,
                                    seed=seed)
        for i, (path, point) in enumerate(zip(sounds, points, strict=True)):
            own = enlarge(pictures[i * variations : (i + 1) * variations])
            target = output / f"{path.stem}.png" if len(music) > 1 else output
            artefacts.write(target, images.sheet(own, min(variations, 4)))
            print(f"{path.name}: valence {point[0]:+.2f}, arousal {point[1]:+.2f} "
                  f"({affect.QUADRANTS[int(affect.quadrant(*point))]}) → {target}")
    return interface.convert_files(music, output, (".png", ".jpg"), "pieces",
                                   functools.partial(audio.load, seconds=CLIP_SECONDS), show)


def enlarge(pictures: np.ndarray) -> np.ndarray:
    """Pictures uint8 [N, H, W, 3] enlarged smoothly by a whole factor to about 256²."""
    size = max(1, 256 // pictures.shape[1]) * pictures.shape[1]
    return np.stack([np.asarray(Image.fromarray(p).resize((size, size), Image.Resampling.BICUBIC))
                     for p in pictures])
