"""A painting becomes music: all stages, loaded and run. Begin reading here.

    painting [H, W, 3] ──A──► emotion word ──B──► caption ──C──► description ──T5──► states [L, D]
                                                  ──D──► codes [K, S] ──codec──► music [N]
A is trained in train_classifier.py, D in train_musicgen.py on data.py's pairs; B and C (prompts.py)
are not trained. Model M1 reads the word, M2 the caption, M3 and M4 the description.
Source: Hisariya & Liang §IV. Notebook: 10."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from lib import pretrained
from lib.core import artefacts
from lib.pretrained.loading import MINIATURE
from lib.signal import affect, images
from lib.systems import interface, weights
from lib.systems.bridging import checkpoints, prompts, train_classifier, train_musicgen
from lib.systems.bridging.config import TEXT_COLUMNS, Config, get_config
from lib.systems.real_world import Felt


class Models(NamedTuple):
    """The networks of the chain."""
    classifier: Any
    temperature: float
    captioner: Any
    describer: Any
    generator: Any
    config: Config  # its music is the loaded generator's
    tuned: bool  # whether the generator was fine-tuned


@dataclass(frozen=True)
class Result(interface.Sound):
    """The music, the two likeliest emotions with their probabilities, and the two texts; of a real
    painting the word that lies nearest to what is felt in it, and no probabilities."""
    emotion: str
    probability: float | None
    second: str
    second_probability: float | None
    caption: str
    description: str


def load(profile: str = artefacts.BUNDLED, sources=None) -> Models:
    """The chain of a profile; what was not trained there is bundled if ``config.bundled``, but for
    the parts in `sources` (part → folder or hub name), which play with paper's settings."""
    config = weights.with_sources(get_config("paper" if sources else profile), "bridging", sources)
    classifier, temperature = checkpoints.load_classifier(profile)
    start = pretrained.load("musicgen", config.music.start) if sources else None
    generator, music, tuned = checkpoints.load_musicgen(profile, config.model, start)
    captioner, describer = prompts.load(config.prompts)
    return Models(classifier, temperature, captioner, describer, generator,
                  replace(config, music=music), tuned)


def generate(painting: np.ndarray, models: Models, *, seed: int = 0, seconds=None,
             felt: Felt | None = None) -> Result:
    """A painting uint8 [H, W, 3] becomes music, by default as long as the generator learned; of a
    real one `felt` is what lib.systems.real_world sees in it."""
    return generate_batch([painting], models, seed=seed, seconds=seconds,
                          felt=[felt] if felt else ())[0]


def generate_batch(paintings: Sequence[np.ndarray], models: Models, *, seed: int = 0,
                   seconds=None, felt: Sequence[Felt] = ()) -> list[Result]:
    """Paintings uint8 [H, W, 3], all the atelier's or each with what is `felt` in it, become music
    together, each as it does alone, but a caption that came before in the batch is described in
    other words."""
    config = models.config
    interface.check_several(paintings, "paintings uint8 [H, W, 3]")
    interface.check_seconds(config.music.clip_seconds if seconds is None else seconds)
    pictures = images.squares(paintings, config.side)  # [N, side, side, 3]
    captions = None
    if felt:  # the atelier's classifier and captioner have never seen such a picture
        order = [affect.nearest_words(*its.point) for its in felt]
        probabilities = [dict.fromkeys(prompts.EMOTIONS)] * len(felt)
        if config.prompts.captioner == MINIATURE:
            captions = [f"a {its.genre}" for its in felt]
    else:
        sure = train_classifier.predict(models.classifier, pictures, models.temperature)
        probabilities = [dict(zip(prompts.EMOTIONS, map(float, row))) for row in sure]  # [N] of 5
        order = [sorted(row, key=row.__getitem__, reverse=True) for row in probabilities]
    texts = prompts.generate_texts(pictures, [words[0] for words in order], models.captioner,
                                   models.describer, describe_from=config.prompts.describe_from,
                                   seed=config.prompts.seed, captions=captions)
    given = texts[TEXT_COLUMNS[config.music.model]].tolist()
    seeds = [interface.own_seed(seed, *its) for its in zip(pictures, given, strict=True)]
    sounds = train_musicgen.generate(models.generator, given, config.music, seeds, seconds=seconds)
    rate = models.generator.sample_rate_hz
    return [Result(interface.finish(sound, rate), rate, emotion=first,
                   probability=sure[first], second=second,
                   second_probability=sure[second], caption=text["caption"],
                   description=text["description"])
            for sound, text, sure, (first, second, *_) in zip(
                sounds, texts.to_dict("records"), probabilities, order, strict=True)]


def summary(result: Result) -> str:
    """Emotion, texts and loudness, four lines."""
    sure = ("(the word nearest to what is felt)" if result.probability is None else
            f"{result.probability:.0%}, then {result.second} {result.second_probability:.0%}")
    return (f"  emotion      {result.emotion} {sure}\n"
            f"  caption      {' '.join(result.caption.split())}\n"
            f"  description  {' '.join(result.description.split())}\n"
            f"  music        {result.told}")
