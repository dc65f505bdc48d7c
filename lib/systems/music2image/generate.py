"""The whole chain: music becomes a point of the valence–arousal plane, the point a picture.

    music [N] ─► features [135] ─forest─► (valence, arousal) [2] ─diffusion─► picture [H, W, 3]
Training: train_forest.py, train_diffusion.py, train_gan.py (the source's other decoder); networks:
lib/models/emotion_unet.py, wgan_gp.py.  Source: Zhang §2.1.  Notebook: 30, 35."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from lib.core import artefacts, errors, paths
from lib.data import splits
from lib.data.atelier import TEST_SEED, TRAIN_SEED, render
from lib.signal import affect, audio, features, images
from lib.systems import interface, real_world
from lib.systems.music2image import data, train_diffusion, train_forest
from lib.systems.music2image.config import CLIP_SECONDS, Config, get_config
from lib.systems.real_world import Felt


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


def generate(sounds: list, models: tuple, *, variations: int = 1, seed: int = 0,
             felt: Sequence[Felt | None] = ()) -> tuple:
    """Sounds at 22,050 Hz → (valence, arousal) [N, 2], pictures uint8 [N · variations, H, W, 3],
    each sound's own, the same alone and in a list; for real music what lib.systems.real_world hears
    in it, `felt`, in place of the forest's."""
    interface.check_several(sounds, "sounds [N]")
    forest, diffusion, config = models
    points = np.stack([its.point if its else train_forest.predict(
        forest, features.extract(sound, audio.SAMPLE_RATE_HZ)[None])[0]
        for sound, its in zip(sounds, felt or [None] * len(sounds), strict=True)])
    return points, np.concatenate([
        train_diffusion.generate(diffusion, np.repeat(point[None], variations, axis=0), config,
                                 interface.own_seed(seed, sound))
        for sound, point in zip(sounds, points, strict=True)])


def generate_files(music: list[Path], output: Path, *, profile: str = artefacts.BUNDLED,
                   variations: int = 1, seed: int = 0) -> int:
    """``python -m lib paint``: a picture a piece; one bad file among several gives exit code 2."""
    if variations < 1:
        raise errors.KlangfarbeError("at least 1 variation", str(variations),
                                     "leave --variations out for one picture")
    check_trained(profile)
    def show(sounds: dict[Path, np.ndarray], place: Callable) -> None:
        models, pieces = load(profile), list(sounds.values())
        felt = [None] * len(pieces)
        if not get_config(profile).forest.collections:  # grown in the atelier alone
            felt = [None if its.atelier else its
                    for its in real_world.listen(pieces, audio.SAMPLE_RATE_HZ)]
        points, pictures = generate(pieces, models, variations=variations, seed=seed, felt=felt)
        for i, (path, point, its) in enumerate(zip(sounds, points, felt, strict=True)):
            own = enlarge(pictures[i * variations : (i + 1) * variations])
            target = artefacts.write(place(path, ".png"), images.sheet(own, min(variations, 4)))
            print(f"{path.name}: valence {point[0]:+.2f}, arousal {point[1]:+.2f} "
                  f"({affect.QUADRANTS[int(affect.quadrant(*point))]}) → {target}\n  sounds like  "
                  + (its.told if its else "the atelier's: its own forest hears it"))
    with interface.one_thread():
        return interface.convert_files(music, output, (".png", ".jpg", ".jpeg"), "pieces",
                                       functools.partial(audio.load, seconds=CLIP_SECONDS), show)


def enlarge(pictures: np.ndarray) -> np.ndarray:
    """Pictures uint8 [N, H, W, 3] enlarged smoothly by a whole factor to about 256²."""
    size = max(1, 256 // pictures.shape[1]) * pictures.shape[1]
    return np.stack([np.asarray(Image.fromarray(p).resize((size, size), Image.Resampling.BICUBIC))
                     for p in pictures])
