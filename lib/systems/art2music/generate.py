"""System 4, Art2Music: a painting and a comment become a fused vector, a mel-spectrogram and sound.

    painting ──CLIP──► v ─┐
    comment  ──CLIP──► u ─┴─► gated residual projector ─► h ─► BiLSTM, or flow ─► mel [−1, 1] ──mel.py──► ln-mel ─► HiFi-GAN ─► sound
                              models/feeling.py                                                          models/hifigan.py

Pairs that nobody made: articaps.py, matching.py, keywords.py, consistency.py · both stages and the
flow: decoder.py, flow.py, stage_one.py, vocoder.py, roundtrip.py · what they read: supply.py · the
examination: exam.py. This file joins the stages at run time.

Source: texts 003 and 004, "Art2Music".

Known deviations: whoever brings a painting has no clip, so the text is the comment and its keywords
alone (``comment_only``) · without a comment a captioner says what it sees · the flow plays, so that
another seed is another piece, and any length can be asked for; the published decoder gives one
answer of one length (:func:`load`, stage ``decoder``).
Notebook: 40 (the tour), 41–45.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lib import pretrained
from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.metrics import audio_quality
from lib.signal import images
from lib.systems import interface
from lib.systems.art2music import (
    checkpoints,
    keywords,
    mel,
    train_decoder,
    train_flow,
    train_vocoder,
)

LONGEST_COMMENT = 2_000  # characters; CLIP reads the first 77 tokens


@dataclass(frozen=True)
class Config:
    """The whole chain. Each stage has its own config beside this.

    Attributes:
        sees: source of CLIP, as ``foundations.load`` takes it. captions: of the captioner that
            speaks where nobody does.
        side: a painting is cut square and resized to this before CLIP looks at it.
    """

    sees: str = "laion/CLIP-ViT-H-14-laion2B-s32B-b79K"
    captions: str = "Salesforce/blip-image-captioning-large"
    side: int = 224


_MINIATURES = Config(sees="miniature", captions="miniature", side=128)
PROFILES = {"smoke": _MINIATURES, "mini": _MINIATURES, "gpu": Config(), "paper": Config()}


class Models(NamedTuple):
    """The networks of the chain: ``sees`` a CLIP, ``stage`` of :mod:`stage_one` with its
    ``config``, ``vocoder`` a generator, ``ear`` a tagger; ``name`` of the stage; ``captions`` and
    ``side`` of :class:`Config`.
    """

    sees: object
    stage: object
    config: object
    name: str
    vocoder: object
    ear: object
    captions: str
    side: int


@dataclass(frozen=True)
class Result(interface.Sound):
    """A painting's and a comment's way to music.

    Attributes:
        comment: what was said, by whom ``said_by`` (*you* or *the captioner*). keywords: the
            lexicon's, of the comment.
        gate: mean of g, in (0, 1): how much of h comes from painting and text together. mel:
            float32 [M, T] in [−1, 1].
        valence, arousal, emotion: what the ear hears in the sound, [−1, 1], and the nearest of five
            words.
    """

    comment: str
    said_by: str
    keywords: str
    gate: float
    mel: np.ndarray
    valence: float
    arousal: float
    emotion: str


def get_config(profile: str) -> Config:
    """The chain's config at a profile; ``bundled`` has mini's.

    Raises:
        KlangfarbeError: no such profile.
    """
    return interface.get_config(PROFILES, profile)


def load(profile: str = artefacts.BUNDLED, stage: str = "flow") -> Models:
    """Loads the chain of a profile; what was not made there is a bundled miniature, and each part
    says which it is.

    Args:
        stage: ``flow`` or ``decoder``; the decoder is not bundled.

    Raises:
        KlangfarbeError: no such profile or stage, weights that cannot be had, or a stage that grew
            up with another CLIP.
    """
    config = get_config(profile)
    sees = pretrained.load("image_text", config.sees)
    models, settings, _ = checkpoints.load(profile, stage, sees)
    return Models(sees, models, settings, stage, train_vocoder.load(profile)[0],
                  pretrained.load("tagger"), config.captions, config.side)


def generate(painting: np.ndarray, models: Models, *, comment: str = "", seed: int = 0,
         seconds: float | None = None) -> Result:
    """A painting and a comment become music. The same of both, the same models and seed give the
    same music on one machine.

    Args:
        painting: uint8 [H, W, 3]. models: of :func:`load`. comment: what somebody feels before it;
            empty: the captioner speaks.
        seed: of the flow; the decoder has no dice. seconds: ``None``: as long as in training (mini
            5, published 10.4).

    Raises:
        KlangfarbeError: no picture, a comment of no words or too long, or a length that the stage
            cannot give.

    Notebook: 40.
    """
    seconds = models.config.seconds if seconds is None else seconds
    interface.check_seconds(seconds)
    if models.name == "decoder" and seconds > models.config.seconds:
        raise KlangfarbeError(f"at most {models.config.seconds:g} s of the published decoder",
                              f"{seconds:g} s", "the flow gives any length")
    said, by = checked(comment), "you"
    # [1, side, side, 3]
    picture = images.squares([painting], models.side)
    if not said:
        said, by = pretrained.load("captioner",
                                   models.captions).caption(picture, [None])[0], "the captioner"
    words = ", ".join(keywords.extract(said, keywords.atelier_lexicon()))
    # [1, D] twice
    v, u = checkpoints.embed_inputs(picture, [said], [words], models.sees)
    with torch.inference_mode():
        gate = float(models.stage.projector.parts(torch.from_numpy(v),
                                                  torch.from_numpy(u))[1].mean())
    made = (train_decoder.predict(models.stage, v, u) if models.name == "decoder"
            else train_flow.generate(models.stage, v, u, models.config, seed=seed,
                                     seconds=seconds))[:, :, : mel.n_frames(seconds)]
    sound = interface.limit_peak(train_vocoder.vocode(models.vocoder, mel.to_ln(made))[0])
    # below half a second nobody listens
    audible = np.pad(sound, (0, max(0, mel.RATE_HZ - len(sound))))
    ear = audio_quality.predict_affect(models.ear, [audible], mel.RATE_HZ).iloc[0]
    return Result(sound, mel.RATE_HZ, comment=said, said_by=by, keywords=words, gate=gate,
                 mel=made[0], valence=float(ear.valence), arousal=float(ear.arousal),
                 emotion=ear.word)


def checked(comment: str) -> str:
    """A comment in one line; empty for none.

    Raises:
        KlangfarbeError: it has no letter, or is longer than :data:`LONGEST_COMMENT`.
    """
    said = " ".join(comment.split())
    if said and not any(character.isalpha() for character in said) or len(said) > LONGEST_COMMENT:
        raise KlangfarbeError(f"a comment in words, {LONGEST_COMMENT:,} characters at most",
                              f"{said[:40]!r}, {len(said):,} characters",
                              'for instance --comment "it makes me feel calm", or leave it out')
    return said


def generate_files(paintings: Sequence[Path], output: Path, *, comment: str = "",
               profile: str = artefacts.BUNDLED, seed: int = 0, seconds: float = 8.0) -> int:
    """``python -m lib hear --system art2music``: hears each painting with the comment, writes the
    music; returns the exit code.

    Args:
        paintings, output, seed, seconds: as :func:`lib.systems.interface.files`, which also says
            what is refused.
    """
    said = checked(comment)
    return interface.generate_files(paintings, output, side=get_config(profile).side,
                           load=lambda: load(profile), told=summary, seed=seed, seconds=seconds,
                           hear=functools.partial(generate, comment=said, seed=seed,
                                                  seconds=seconds))


def summary(heard: Result) -> str:
    """What happened on the way, four lines."""
    return "\n".join((f"  comment      {heard.comment} (said by {heard.said_by}; keywords: "
                      f"{heard.keywords or 'none'})",
                      f"  fused        {heard.gate:.0%} of painting and comment together, "
                      f"the rest of the comment alone",
                      f"  heard as     {heard.emotion}, valence {heard.valence:+.2f}, "
                      f"arousal {heard.arousal:+.2f} (by another ear)",
                      f"  music        {heard.told}"))
