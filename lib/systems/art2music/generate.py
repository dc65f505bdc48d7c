"""Art2Music as a whole: painting and comment (else a captioner's) ──CLIP──► v, u ──projector──► h
──flow──► mel ──HiFi-GAN──► sound. Source: Hong et al., "Art2Music". Known deviations: the text is
the comment alone, a visitor has no clip; the flow generates, of any length, where the published
decoder has one answer: what a feeling leaves open (key, melody, beat) is drawn by the seed and what
was given, so that no two paintings share a melody. Notebook: 40 (the tour), 41–45."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch

from lib import pretrained
from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.metrics import audio_quality
from lib.signal import images
from lib.systems import interface, real_world, weights
from lib.systems.art2music import checkpoints, data, mel, train_decoder, train_flow, train_vocoder
from lib.systems.art2music.config import FlowConfig, get_config
from lib.systems.real_world import Felt

LONGEST_COMMENT = 2_000  # characters; CLIP reads the first 77 tokens


class Models(NamedTuple):
    """The networks of the chain, and two settings of the system's config."""
    clip: Any
    stage: train_flow.Models
    config: FlowConfig
    vocoder: torch.nn.Module
    tagger: Any
    captioner: str
    side: int
    lexicon: Mapping[str, int]
    knows_atelier: bool  # alone: its CLIP is the bundled one


@dataclass(frozen=True)
class Result(interface.Sound):
    """The sound with everything on the way."""
    comment: str
    said_by: str  # "you" or "the captioner"
    keywords: str
    gate: float  # mean of g in (0, 1), the share of painting and text together in h
    mel: np.ndarray  # float32 [M, T] in [−1, 1]
    valence: float  # in [−1, 1], as arousal and emotion the tagger's
    arousal: float
    emotion: str


def load(profile: str = artefacts.BUNDLED, sources=None) -> Models:
    """The system of a profile, or its bundled miniature; each part prints which it is. `sources`:
    part → folder or hub name, in place of the config's."""
    config = weights.with_sources(get_config(profile), "art2music", sources)
    clip = pretrained.load("image_text", config.image_text)
    models, flow_config, _ = checkpoints.load(profile, "flow", clip)
    return Models(clip, models, flow_config, checkpoints.load_vocoder(profile)[0],
                  pretrained.load("tagger"), config.captioner, config.side,
                  data.load_lexicon(config.data), config.image_text == pretrained.MINIATURE)


def generate(painting: np.ndarray, models: Models, *, comment: str = "", seed: int = 0,
             seconds: float | None = None, felt: Felt | None = None) -> Result:
    """Music for a painting uint8 [H, W, 3]; by default as long as in training. Of a real one
    `felt` is what lib.systems.real_world sees in it."""
    return generate_batch([painting], models, [comment], seed=seed, seconds=seconds,
                          felt=[felt] if felt else ())[0]


def generate_batch(paintings: Sequence[np.ndarray], models: Models,
                   comments: Sequence[str] = (), *, seed: int = 0,
                   seconds: float | None = None, felt: Sequence[Felt] = ()) -> list[Result]:
    """Music for paintings uint8 [H, W, 3], all the atelier's or each with what is `felt` in it,
    together. Where a comment is empty, or none is given, the captioner speaks, and of a real
    painting nobody."""
    seconds = models.config.seconds if seconds is None else seconds
    interface.check_several(paintings, "paintings uint8 [H, W, 3]")
    interface.check_seconds(seconds)
    texts = [check_comment(comment) for comment in comments or [""] * len(paintings)]
    if isinstance(comments, str) or len(texts) != len(paintings):
        raise KlangfarbeError(f"{len(paintings)} comments, one a painting", repr(comments)[:60],
                              'write "" where there is none')
    pictures = images.squares(paintings, models.side)  # [N, side, side, 3]
    real = felt and models.knows_atelier
    silent = [k for k, text in enumerate(texts) if not text]
    if silent and not real:
        captioner = pretrained.load("captioner", models.captioner)
        for k, caption in zip(silent, captioner.caption(pictures[silent]), strict=True):
            texts[k] = caption
    words = [", ".join(data.extract_keywords(text, models.lexicon)) for text in texts]
    if real:  # a comment is felt by its own words, and none as the painting
        points = np.stack([its.point for its in felt])
        said = [k for k, text in enumerate(texts) if text]
        spoken = points.copy()
        spoken[said] = real_world.read([texts[k] for k in said])
        v, u = (real_world.clip_vectors(*some) for some in (("image", points), ("text", spoken)))
    else:
        v, u = data.embed_inputs(pictures, texts, words, models.clip)  # [N, D] twice
    _, gates = train_decoder.project(models.stage, v, u)
    seeds = [interface.own_seed(seed, *given) for given in zip(pictures, texts, strict=True)]
    mels = train_flow.generate(models.stage, v, u, models.config, seeds=seeds, seconds=seconds)
    sounds = [interface.finish(sound, mel.RATE_HZ)
              for sound in train_vocoder.vocode(models.vocoder, mel.to_ln(mels))]
    predicted = audio_quality.predict_emotions(models.tagger, [
        interface.pad_to(sound, mel.RATE_HZ) for sound in sounds], mel.RATE_HZ)
    return [Result(sounds[k], mel.RATE_HZ, comment=texts[k],
                   said_by="you" if k not in silent else "nobody" if real else "the captioner",
                   keywords=words[k],
                   gate=float(gates[k].mean()), mel=mels[k], valence=float(affect["valence"]),
                   arousal=float(affect["arousal"]), emotion=affect["word"])
            for k, affect in enumerate(predicted.to_dict("records"))]


def check_comment(comment: str) -> str:
    """A comment in one line, empty for none; refused without a letter or too long."""
    text = " ".join(comment.split()) if isinstance(comment, str) else f"{type(comment)}"
    if (not isinstance(comment, str) or text and not any(map(str.isalpha, text))
            or len(text) > LONGEST_COMMENT):
        raise KlangfarbeError(f"a comment in words, {LONGEST_COMMENT:,} characters at most",
                              f"{text[:40]!r}, {len(text):,} characters",
                              'for instance --comment "it makes me feel calm", or leave it out')
    return text


def summary(result: Result) -> str:
    """What happened on the way, four lines."""
    return (f"  comment      {result.comment or 'none'} (said by {result.said_by}; "
            f"keywords: {result.keywords or 'none'})\n"
            f"  fused        {result.gate:.0%} of painting and comment together, "
            f"the rest of the comment alone\n"
            f"  heard as     {result.emotion}, valence {result.valence:+.2f}, "
            f"arousal {result.arousal:+.2f} (by another ear)\n"
            f"  music        {result.told}")
