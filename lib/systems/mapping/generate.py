"""System 2, Learning cross-modal embedding mappings: a picture's vector becomes what conditions a
music model.

    picture [H, W, 3] ──CLIP──► v [D_in] ──projection──► m̂ [n, D] ──MusicGen──► codes [K, S] ──codec──► music [N]
                        frozen             the only part that is trained    frozen                frozen
                                           studies.py, supply.py, audible.py, projections.py
    for training alone, offline: picture ─► word ─► caption ─► directive ─► text encoder ─► m′ [n, D]      aimus.py, targets.py, memory.py
    baselines and ablations: ablations.py · a space for pictures and sounds: anchors.py

Source: text 001, "Learning cross-modal embedding mappings", chapters 3 to 6. This file joins the
stages at run time (§4.3.6).

Known deviations: the system says nothing in words on its way, so an ear that took no part (the
bundled tagger) says what it hears at the end; nothing of the music depends on it · a picture is
heard one at a time, so that its music does not hang on what is played beside it · what would clip
is turned down as a whole.
Notebook: 20 (the tour), 21–26.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lib import pretrained
from lib.core import artefacts
from lib.metrics import audio_quality
from lib.signal import images
from lib.systems import interface
from lib.systems.mapping import checkpoints, train_projection


@dataclass(frozen=True)
class Config:
    """The whole chain. Each study has its own config beside this.

    Attributes:
        study: whose projection plays. sees, generator: sources of CLIP and of MusicGen, as
            ``foundations.load`` takes them.
        side: a picture is cut square and resized to this before CLIP looks at it.
    """

    study: str = "two"
    sees: str = "openai/clip-vit-base-patch32"
    generator: str = "facebook/musicgen-small"
    side: int = 224


_MINIATURES = Config(sees="miniature", generator="miniature", side=128)
PROFILES = {"smoke": _MINIATURES, "mini": _MINIATURES, "gpu": Config(), "paper": Config()}


class Models(NamedTuple):
    """The networks of the chain: ``sees`` a CLIP, ``projection`` a studies.Models, ``config`` its
    studies.Config, ``ear`` a tagger.
    """

    sees: object
    projection: object
    config: object
    ear: object
    side: int

    @property
    def player(self):
        """The MusicGenerator."""
        return self.projection.generator


@dataclass(frozen=True)
class Result(interface.Sound):
    """A picture's way to music.

    Attributes:
        vector: float32 [D_in], CLIP's. condition: float32 [n, D], what the decoder attends to.
        valence, arousal, emotion: what the ear hears in the sound, [−1, 1], and the nearest of five
            words.
    """

    vector: np.ndarray
    condition: np.ndarray
    valence: float
    arousal: float
    emotion: str


def get_config(profile: str) -> Config:
    """The chain's config at a profile; ``bundled`` has mini's.

    Raises:
        KlangfarbeError: no such profile.
    """
    return interface.get_config(PROFILES, profile)


def load(profile: str = artefacts.BUNDLED, study: str | None = None) -> Models:
    """Loads the chain of a profile; what was not made there is a bundled miniature, and each part
    says which it is.

    Args:
        study: ``one`` or ``two``; ``None``: the profile's.

    Raises:
        KlangfarbeError: no such profile or study, weights that cannot be had, or a projection that
            was trained between other networks.
    """
    config = get_config(profile)
    sees, player = pretrained.load("image_text",
                                   config.sees), pretrained.load("musicgen", config.generator)
    projection, settings = checkpoints.load(profile, study or config.study, player, sees)
    return Models(sees, projection, settings, pretrained.load("tagger"), config.side)


def generate(painting: np.ndarray, models: Models, *, seed: int = 0,
         seconds: float | None = None) -> Result:
    """A picture becomes music. The same picture, models and seed give the same music on one
    machine.

    Args:
        painting: uint8 [H, W, 3]. models: of :func:`load`. seed: of the sampling. seconds:
            ``None``: 8, what the bundled player was trained on.

    Raises:
        KlangfarbeError: no picture, or a duration that no player was trained on.

    Notebook: 20.
    """
    seconds = 8.0 if seconds is None else seconds
    interface.check_seconds(seconds)
    # [1, side, side, 3]
    picture = images.squares([painting], models.side)
    # [1, D_in]
    vector = models.sees.embed_pictures(picture)
    # [1, n, D]
    condition = train_projection.predict(models.projection, vector)
    sound = interface.limit_peak(train_projection.generate(models.player, condition, models.config,
                                                            seed, seconds=seconds)[0])
    rate = models.player.sample_rate_hz
    # below half a second nobody listens
    audible = np.pad(sound, (0, max(0, rate - len(sound))))
    ear = audio_quality.predict_emotions(models.ear, [audible], rate).iloc[0]
    return Result(sound, rate, vector=vector[0], condition=condition[0], valence=float(ear.valence),
                 arousal=float(ear.arousal), emotion=ear.word)


def generate_files(paintings: Sequence[Path], output: Path, *, profile: str = artefacts.BUNDLED,
               seed: int = 0, seconds: float = 8.0) -> int:
    """``python -m lib hear --system mapping``: hears each picture, writes the music, says what it
    sounds like; returns the exit code.

    Args:
        paintings, output, seed, seconds: as :func:`lib.systems.interface.files`, which also says
            what is refused.
    """
    return interface.generate_files(paintings, output, side=get_config(profile).side,
                           load=lambda: load(profile), told=summary, seed=seed, seconds=seconds,
                           hear=functools.partial(generate, seed=seed, seconds=seconds))


def summary(heard: Result) -> str:
    """What happened on the way, four lines."""
    n_tokens, width = heard.condition.shape
    return "\n".join((f"  vector       {len(heard.vector)} numbers, CLIP's of the picture",
                      f"  condition    {n_tokens} × {width}, from the vector alone: no word on the way",
                      f"  heard as     {heard.emotion}, valence {heard.valence:+.2f}, arousal {heard.arousal:+.2f} (by another ear)",
                      f"  music        {heard.told}"))
