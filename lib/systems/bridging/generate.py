"""System 1, Bridging Paintings and Music: a painting becomes music by way of an emotion word, a
caption and a musical description.

    painting [H, W, 3] ──A──► emotion word ──B──► caption ──C──► description ──T5──► states [L, D] ──D──► codes [K, S] ──codec──► music [N]
                       classifier.py   words.py (BLIP)   words.py (Falcon)                players.py, music.py (MusicGen)
                       labels.py, calibration.py                            pairs.py, supply.py: what D is fine-tuned on
                       what M1 is told: the word · M2: the caption · M3 and M4: the description

Source: text 000, "Bridging Paintings and Music". Stages A and D have a file each in one order:
Config and PROFILES, build, train_step, predict or generate; ``released.py`` holds the *as released*
experiments; this file joins the stages.

Known deviations: a painting is heard one at a time, so that its music does not hang on what is
played beside it · the emotion comes
with its probability, and each text is returned: published is the sound alone · what would clip is
turned down as a whole.
Notebook: 10 (the tour), 11–15.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib.core import artefacts
from lib.signal import images
from lib.systems import interface
from lib.systems.bridging import checkpoints, prompts, train_classifier, train_musicgen

PEAK = interface.PEAK


@dataclass(frozen=True)
class Config:
    """The whole chain. Each stage has its own config beside this.

    Attributes:
        model: which of the four fine-tuned decoders plays. side: a painting is cut square and
            resized to this before anyone looks at it.
    """

    model: str = "m4"
    side: int = 384  # what BLIP-large sees; ResNet50 sees 224


_ATELIER = Config(side=128)  # the atelier's paintings are as large
PROFILES = {"smoke": _ATELIER, "mini": _ATELIER, "gpu": Config(), "paper": Config()}


class Models(NamedTuple):
    """The networks of the chain, loaded. ``tuned``: whether the player was fine-tuned, or plays as
    it was before notebook 13.
    """

    classifier: object
    temperature: float
    captioner: object
    describer: object
    player: object
    music: object
    words: object
    side: int
    tuned: bool


@dataclass(frozen=True)
class Result(interface.Sound):
    """A painting's way to music.

    Attributes:
        emotion, probability: the leading word and how sure the classifier is of it. second,
            second_probability: the runner-up.
        caption, description: the two texts.
    """

    emotion: str
    probability: float
    second: str
    second_probability: float
    caption: str
    description: str


def load(profile: str = artefacts.BUNDLED, model: str | None = None) -> Models:
    """Loads the chain of a profile; what was not made there is a bundled miniature, and each part
    says which it is.

    Args:
        model: ``m1`` to ``m4``; ``None``: the profile's.

    Raises:
        KlangfarbeError: no such profile or model, or weights that cannot be had.
    """
    config, name = get_config(profile), "mini" if profile == artefacts.BUNDLED else profile
    network, _, temperature = train_classifier.load(profile)
    captioner, describer = prompts.build(prompts.PROFILES[name])
    player, settings, tuned = checkpoints.load(profile, model or config.model)
    return Models(network, temperature, captioner, describer, player, settings,
                  prompts.PROFILES[name], config.side, tuned)


def get_config(profile: str) -> Config:
    """The chain's config at a profile; ``bundled`` has mini's.

    Raises:
        KlangfarbeError: no such profile.
    """
    return interface.get_config(PROFILES, profile)


def generate(painting: np.ndarray, models: Models, *, seed: int = 0,
         seconds: float | None = None) -> Result:
    """A painting becomes music. The same painting, models and seed give the same music on one
    machine.

    Args:
        painting: uint8 [H, W, 3]. models: of :func:`load`. seed: of the sampling. seconds:
            ``None``: the player's config's.

    Raises:
        KlangfarbeError: no picture, or a duration that the player was never trained on.

    Notebook: 10.
    """
    interface.check_seconds(models.music.clip_seconds if seconds is None else seconds)
    # [1, side, side, 3]
    picture = images.squares([painting], models.side)
    # [5]
    sure = train_classifier.predict(models.classifier, picture, models.temperature)[0]
    first, second = np.argsort(-sure, kind="stable")[:2]
    said = prompts.texts(picture, [train_classifier.EMOTIONS[first]], models.captioner,
                         models.describer, told=models.words.told, seed=models.words.seed).iloc[0]
    told = said[train_musicgen.COLUMNS[models.music.model]]
    sound = train_musicgen.generate(models.player, [told], models.music, seed, seconds=seconds)[0]
    return Result(interface.limit_peak(sound), models.player.sample_rate_hz,
                 emotion=train_classifier.EMOTIONS[first], probability=float(sure[first]),
                 second=train_classifier.EMOTIONS[second], second_probability=float(sure[second]),
                 caption=said["caption"], description=said["description"])


def generate_files(paintings: Sequence[Path], output: Path, *, profile: str = artefacts.BUNDLED,
               seed: int = 0, seconds: float = 8.0) -> int:
    """``python -m lib hear``: hears each painting, writes the music, says what was seen; returns
    the exit code.

    Args:
        paintings, output, seed, seconds: as :func:`lib.systems.interface.files`, which also says
            what is refused.
    """
    return interface.generate_files(paintings, output, side=get_config(profile).side,
                           load=lambda: load(profile), told=summary, seed=seed, seconds=seconds,
                           hear=functools.partial(generate, seed=seed, seconds=seconds))


def summary(heard: Result) -> str:
    """What was seen and heard, four lines."""
    return "\n".join((f"  emotion      {heard.emotion} {heard.probability:.0%}, "
                      f"then {heard.second} {heard.second_probability:.0%}",
                      f"  caption      {' '.join(heard.caption.split())}",
                      f"  description  {' '.join(heard.description.split())}",
                      f"  music        {heard.told}"))
