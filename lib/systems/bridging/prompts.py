"""The two texts between painting and music: BLIP's caption, led by the emotion word, and Falcon's
description by Table 1's prompt. How BLIP is "given the emotion" is not said: here the caption
begins with "a sad painting". The networks: ``lib/pretrained/captioner.py`` and ``describer.py``.
Source: Hisariya & Liang §IV.B, equation 5, §IV.C, equation 6 and Table 1. Notebook: 12."""

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib import pretrained
from lib.data.atelier.lexicon import MOODS
from lib.pretrained.captioner import unled
from lib.signal import affect
from lib.systems.bridging.config import PromptConfig

EMOTIONS = tuple(affect.EMOTION_POINTS)
_INSTRUMENTS = r"\b[\w-]+ (?:pad|lead|sounds)\b"  # a warm pad is no warm mood


def load(config: PromptConfig) -> tuple:
    """(captioner, describer)."""
    return (pretrained.load("captioner", config.captioner),
            pretrained.load("describer", config.describer))


def generate_texts(pictures: np.ndarray, emotions: Sequence[str], captioner, describer, *,
                   describe_from: str = "caption", seed: int | None = None,
                   captions: Sequence[str] | None = None) -> pd.DataFrame:
    """Texts of paintings uint8 [N, H, W, 3] and their words: ``emotion, caption, description``;
    `captions`, where there are some, in place of the captioner's."""
    emotions = list(emotions)
    captions = captions or captioner.caption(pictures, emotions)
    seen, given = captions, None
    if describe_from == "word":
        seen, given = list(map(unled, captions, emotions)), emotions
    told = describer.describe(seen, given, seed=seed)
    if silent := sum(not text.strip() for text in told):
        print(f"{silent} of {len(told)} descriptions are empty: there the caption stands in")
        told = [text if text.strip() else caption
                for text, caption in zip(told, captions, strict=True)]
    return pd.DataFrame({"emotion": emotions, "caption": captions, "description": told},
                        dtype=object)


def read_emotion(text: str, lexicon: dict = MOODS) -> str | None:
    """The word nearest to the mean of the moods (or feelings) that a text names, or ``None``."""
    points = lexicon_points(text, lexicon)
    return affect.emotion_word(*(np.mean(points, axis=0) / 10)) if points else None


def lexicon_points(text: str, lexicon: dict[str, tuple[int, int]]) -> list[tuple[int, int]]:
    """Points of a lexicon's entries in a text, each once, the longest first."""
    text, points = re.sub(_INSTRUMENTS, " ", text.lower()), []
    for entry in sorted(lexicon, key=len, reverse=True):
        left = re.sub(rf"(?<![-\w]){re.escape(entry)}(?![-\w])", " ", text)
        if left != text:
            points.append(lexicon[entry])
        text = left
    return points
