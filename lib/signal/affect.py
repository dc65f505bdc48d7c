"""Valence (how pleasant) and arousal (how excited; Russell 1980): in [−1, 1] inside the code, 0 is
neutral; conversions at each collection's edge, and words for regions of the plane."""

import numpy as np

from lib.core.errors import KlangfarbeError, checked

# Scale of each collection as its publisher ships it: (lowest, highest).
SCALES = {"deam": (1.0, 9.0), "emomusic": (1.0, 9.0), "pmemo": (0.0, 1.0),
          "pmemo_rescaled": (1.0, 9.0), "oasis": (1.0, 7.0), "cgna10766": (1.0, 9.0),
          "vgmidi": (-0.5, 1.5),  # 0 and 1 are sides: they become the middles of their halves
          "imemnet": (0.0, 1.0), "emobank": (1.0, 5.0), "atelier": (-1.0, 1.0)}
# Emotions as points (valence, arousal): our placement in all five tables, rated by nobody.
# Emotify's nine of the Geneva scale (Zentner, Grandjean & Scherer 2008):
GEMS_POINTS = {"amazement": (0.5, 0.4), "solemnity": (0.1, -0.2), "tenderness": (0.5, -0.5),
               "nostalgia": (0.0, -0.4), "calmness": (0.5, -0.8), "power": (0.3, 0.8),
               "joyful_activation": (0.8, 0.7), "tension": (-0.7, 0.6), "sadness": (-0.7, -0.5)}
# WikiArt Emotions' twenty categories:
WIKIART_POINTS = {"agreeableness": (0.6, -0.3), "anger": (-0.7, 0.8), "anticipation": (0.3, 0.4),
    "arrogance": (-0.4, 0.3), "disagreeableness": (-0.6, 0.2), "disgust": (-0.8, 0.3),
    "fear": (-0.8, 0.7), "gratitude": (0.7, 0.0), "happiness": (0.9, 0.5), "humility": (0.3, -0.4),
    "love": (0.9, 0.3), "optimism": (0.7, 0.3), "pessimism": (-0.6, -0.3), "regret": (-0.6, -0.2),
    "sadness": (-0.8, -0.5), "shame": (-0.7, 0.0), "shyness": (-0.2, -0.4), "surprise": (0.3, 0.8),
    "trust": (0.6, -0.2), "neutral": (0.0, 0.0)}
# The 29 adjectives of MIREX's five mood clusters (Hu et al. 2008):
MIREX_POINTS = {"passionate": (0.5, 0.6), "rousing": (0.5, 0.8), "confident": (0.5, 0.2),
    "boisterous": (0.4, 0.8), "rowdy": (0.1, 0.8), "rollicking": (0.7, 0.7), "cheerful": (0.8, 0.2),
    "fun": (0.7, 0.6), "sweet": (0.7, -0.2), "amiable/good natured": (0.6, -0.1),
    "literate": (0.1, -0.2), "poignant": (-0.4, -0.2), "wistful": (-0.3, -0.4),
    "bittersweet": (-0.2, -0.2), "autumnal": (-0.2, -0.4), "brooding": (-0.6, -0.2),
    "humorous": (0.6, 0.4), "silly": (0.5, 0.6), "campy": (0.4, 0.5), "quirky": (0.3, 0.4),
    "whimsical": (0.5, 0.2), "witty": (0.5, 0.3), "wry": (0.0, 0.1), "aggressive": (-0.7, 0.8),
    "fiery": (-0.3, 0.9), "tense/anxious": (-0.7, 0.6), "intense": (-0.2, 0.8),
    "volatile": (-0.5, 0.7), "visceral": (-0.4, 0.6)}
# ArtEmis' eight, after Russell (1980):
ARTEMIS_POINTS = {"amusement": (0.6, 0.4), "awe": (0.5, 0.7), "contentment": (0.7, -0.5),
    "excitement": (0.7, 0.8), "anger": (-0.7, 0.7), "disgust": (-0.8, 0.2), "fear": (-0.6, 0.8),
    "sadness": (-0.7, -0.5)}
# S1's five words (Bridging Paintings and Music, §V.A); the nearest one names a point of the plane:
EMOTION_POINTS = {"happy": (0.7, -0.1), "fun": (0.6, 0.7), "angry": (-0.6, 0.6),
                  "sad": (-0.6, -0.5), "neutral": (0.0, 0.0)}
QUADRANTS = ("excited", "tense", "gloomy", "calm")  # counter-clockwise from (+, +)
# as music psychology numbers them; a quadrant says which sides, not how far: its middle
QUADRANT_POINTS = {"Q1": (0.5, 0.5), "Q2": (-0.5, 0.5), "Q3": (-0.5, -0.5), "Q4": (0.5, -0.5)}


def to_unit(values, scale: str) -> np.ndarray:
    """Ratings on a collection's own scale (of :data:`SCALES`) → [−1, 1]; raises outside of it."""
    low, high = SCALES[scale]
    values = np.asarray(values, dtype=np.float64)
    finite = values[np.isfinite(values)]
    if finite.size and (finite.min() < low - 1e-6 or finite.max() > high + 1e-6):
        raise KlangfarbeError(f"{scale} ratings in [{low:g}, {high:g}]",
                              f"[{finite.min():g}, {finite.max():g}]", "check which collection "
                              "these labels come from: they stand on another scale")
    return 2 * (values - low) / (high - low) - 1


def from_unit(values, scale: str) -> np.ndarray:
    """The inverse of :func:`to_unit`: [−1, 1] → the collection's own scale."""
    low, high = SCALES[scale]
    return low + (np.asarray(values, dtype=np.float64) + 1) * (high - low) / 2


def from_emotions(weights, points: dict[str, tuple[float, float]]) -> np.ndarray:
    """Mean of `points` weighted by `weights` [N, E] ≥ 0: float64 [N, 2]; (0, 0) where all are 0."""
    weights = checked(np.asarray(weights, dtype=np.float64), "weights", ("N", len(points)),
                      "give one column per emotion, in the map's order")
    total = weights.sum(axis=1, keepdims=True)
    return weights @ np.array(list(points.values())) / np.where(total > 0, total, 1)


def nearest_words(valence: float, arousal: float) -> list[str]:
    """S1's five emotion words, the nearest first."""
    return sorted(EMOTION_POINTS, key=lambda word: (EMOTION_POINTS[word][0] - valence) ** 2
                  + (EMOTION_POINTS[word][1] - arousal) ** 2)


def emotion_word(valence: float, arousal: float) -> str:
    """The nearest of S1's five emotion words."""
    return nearest_words(valence, arousal)[0]


def quadrant(valence, arousal) -> np.ndarray:
    """Index into :data:`QUADRANTS` of points of the plane."""
    valence, arousal = np.asarray(valence), np.asarray(arousal)
    return np.where(arousal >= 0, np.where(valence >= 0, 0, 1), np.where(valence < 0, 2, 3))
