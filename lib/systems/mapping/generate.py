"""The system at run time: a picture becomes music by way of one vector.

    picture [H, W, 3] ─CLIP─► v [D_in] ─projection─► m̂ [n, D] ─MusicGen─► codes ─codec─► music [N]
                       frozen           trained                frozen    [K, S]  frozen
Source: Deepika §4.3.6. Ours: each picture has its own seed, so that the music depends on no other;
the bundled tagger, which took no part, says what the music sounds like. Notebook: 20."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from lib import pretrained
from lib.core import artefacts
from lib.metrics import audio_quality
from lib.pretrained.musicgen import seeds_of
from lib.signal import images
from lib.systems import interface, real_world, weights
from lib.systems.mapping import checkpoints, train_projection
from lib.systems.mapping.config import ProjectionConfig, get_config
from lib.systems.real_world import Felt


class Models(NamedTuple):
    """What is loaded."""
    clip: Any
    projection: train_projection.Models
    generator: Any
    config: ProjectionConfig
    tagger: Any
    side: int  # to which pictures are resized
    knows_atelier: bool  # alone: its CLIP is the bundled one


@dataclass(frozen=True)
class Result(interface.Sound):
    """A picture's music; valence and arousal in [−1, 1] and the emotion are the tagger's."""
    vector: np.ndarray  # float32 [D_in], CLIP's
    condition: np.ndarray  # float32 [n, D], what the decoder attends to
    valence: float
    arousal: float
    emotion: str


def load(profile: str = artefacts.BUNDLED, sources=None) -> Models:
    """The chain of a profile, or its bundled miniature; each part prints which it is. `sources`:
    part → folder or hub name, in place of the config's."""
    config = weights.with_sources(get_config(profile), "mapping", sources)
    clip = pretrained.load("image_text", config.clip)
    generator = pretrained.load("musicgen", config.generator)
    models, settings = checkpoints.load(profile, "two", generator, clip)
    return Models(clip, models, generator, settings, pretrained.load("tagger"), config.side,
                  config.clip == pretrained.MINIATURE)


def generate(painting: np.ndarray, models: Models, *, seed: int = 0, seconds=8.0,
             felt: Felt | None = None) -> Result:
    """A picture uint8 [H, W, 3] becomes music; of a real one `felt` is what lib.systems.real_world
    sees in it."""
    return generate_batch([painting], models, seed=seed, seconds=seconds,
                          felt=[felt] if felt else ())[0]


def generate_batch(paintings: Sequence[np.ndarray], models: Models, *, seed: int = 0,
                   seconds=8.0, felt: Sequence[Felt] = ()) -> list[Result]:
    """Pictures uint8 [H, W, 3], all the atelier's or each with what is `felt` in it, become music
    together, each as it does alone."""
    interface.check_several(paintings, "paintings uint8 [H, W, 3]")
    interface.check_seconds(seconds)
    pictures = images.squares(paintings, models.side)  # [N, side, side, 3]
    if felt and models.knows_atelier:
        vectors = real_world.clip_vectors("image", np.stack([its.point for its in felt]))
    else:
        vectors = models.clip.embed_pictures(pictures)  # [N, D_in]
    conditions = train_projection.predict(models.projection, vectors)  # [N, n, D]
    rate = models.generator.sample_rate_hz
    seeds = [interface.own_seed(seed, picture) for picture in pictures]
    sounds = [interface.finish(sound, rate) for sound in generate_music(
        models.generator, conditions, models.config, seeds, seconds=seconds)]
    predicted = audio_quality.predict_emotions(models.tagger, [
        interface.pad_to(sound, rate) for sound in sounds], rate)
    return [Result(sound, rate, vector=vector, condition=condition, emotion=affect["word"],
                   valence=float(affect["valence"]), arousal=float(affect["arousal"]))
            for sound, vector, condition, affect in zip(
                sounds, vectors, conditions, predicted.to_dict("records"), strict=True)]


def generate_music(generator, conditions: np.ndarray, config: ProjectionConfig,
                   seed: int | Sequence[int] = 0, *, seconds: float = 8.0, batch: int = 16,
                   **sampling) -> np.ndarray:
    """Conditions [N, n, D] → music [N, samples], item i by `seed` + i or its own, `batch`
    or the config's ``n_at_once`` at a time; `sampling` in place of the config's."""
    batch = min(batch, config.n_at_once)
    seeds = seeds_of(seed, len(conditions))
    given = torch.from_numpy(conditions).to(generator.device)
    mask = torch.ones(given.shape[:2], dtype=torch.long, device=generator.device)
    return np.concatenate([
        generator.generate_from(given[at : at + batch], mask[at : at + batch], seconds,
                                seed=seeds[at : at + batch], **config.sampling | sampling)
        for at in range(0, len(given), batch)])


def summary(result: Result) -> str:
    """What happened on the way, four lines."""
    n_tokens, width = result.condition.shape
    return (f"  vector       {len(result.vector)} numbers, CLIP's of the picture\n"
            f"  condition    {n_tokens} × {width}, from the vector alone: no word on the way\n"
            f"  heard as     {result.emotion}, valence {result.valence:+.2f}, "
            f"arousal {result.arousal:+.2f} (by another ear)\n  music        {result.told}")
