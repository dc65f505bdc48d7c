"""How a comment feels, read off its words: a sentence encoder's vector says what it speaks of,
VADER how it is meant, and a linear head makes valence and arousal of both. Source: Reimers &
Gurevych (2019); Hutto & Gilbert (2014); ratings of sentences: EmoBank, Buechel & Hahn (2017). A
head is bound to the encoder whose vectors it was fitted on. AFINN, a file of the user's, would add
.01 to the correlation of valence on EmoBank's test split: no head depends on it.  Notebook: 06."""

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler
from vaderSentiment.vaderSentiment import SentimentIntensityAnalyzer

from lib.core import artefacts
from lib.core.errors import KlangfarbeError, checked

# shares of a text's words that are negative, neutral, positive, in [0, 1]; their sum in [−1, 1]
VADER_SCORES = ("neg", "neu", "pos", "compound")
PENALTIES = tuple(10.0 ** (k / 2) for k in range(11))  # 1 … 100,000; the data choose, per axis


@functools.cache
def _vader() -> SentimentIntensityAnalyzer:
    return SentimentIntensityAnalyzer()  # it reads its lexicon: once


def vader_features(texts: Sequence[str]) -> np.ndarray:
    """:data:`VADER_SCORES` of N texts, float32 [N, 4]; without a known word a text is neutral."""
    scores = map(_vader().polarity_scores, texts)
    found = [[score[name] for name in VADER_SCORES] for score in scores]
    return np.array(found, np.float32).reshape(-1, len(VADER_SCORES))


def sentence_vectors(texts: Sequence[str], encoder: Any) -> np.ndarray:
    """``encoder.embed_text`` of N texts, float32 [N, D]; short ones first: little is padded."""
    texts = list(texts)
    order = np.argsort([len(text) for text in texts], kind="stable")
    vectors = np.empty((len(texts), encoder.width), np.float32)
    vectors[order] = encoder.embed_text([texts[row] for row in order])
    return vectors


def comment_features(texts: Sequence[str], encoder: Any) -> np.ndarray:
    """:func:`sentence_vectors` beside :func:`vader_features`: N texts → float32 [N, D + 4]."""
    return np.hstack([sentence_vectors(texts, encoder), vader_features(texts)])


class CommentRegressor:
    """(valence, arousal) = features · weight [D, 2] + bias [2], on the scale of the ratings that it
    was fitted on."""

    def __init__(self, weight: np.ndarray, bias: np.ndarray):
        self.weight, self.bias = weight, bias

    @classmethod
    def fit(cls, features: np.ndarray, affect: np.ndarray,
            penalties: Sequence[float] = PENALTIES) -> "CommentRegressor":
        """Standardised features [N, D] → ridge on points [N, 2] in [−1, 1], the penalty of each
        axis by leave-one-out; both steps folded into one map of the features as they are."""
        checked(affect, "affect", (len(features), 2), "give one (valence, arousal) a text")
        if not np.abs(affect).max() <= 1:  # NaN, too
            raise KlangfarbeError("points in [−1, 1]", f"up to {np.abs(affect).max():g}",
                                  "bring the ratings to [−1, 1] first: lib.signal.affect.to_unit")
        features = np.asarray(features, np.float64)
        scale: Any = StandardScaler().fit(features)
        line: Any = RidgeCV(penalties, alpha_per_target=True).fit(scale.transform(features), affect)
        weight = line.coef_.T / scale.scale_[:, None]
        bias = line.intercept_ - scale.mean_ @ weight
        return cls(weight.astype(np.float32), bias.astype(np.float32))

    def predict(self, features: np.ndarray) -> np.ndarray:
        """(valence, arousal) of features [N, D]: float64 [N, 2], clipped to [−1, 1]."""
        checked(features, "features", ("N", len(self.weight)),
                "embed with the encoder that the head was fitted on")
        return np.clip(np.asarray(features, np.float64) @ self.weight + self.bias, -1, 1)

    def save(self, path: Path) -> Path:
        """Writes the head as safetensors: ``affect.weight`` [D, 2], ``affect.bias`` [2]."""
        return artefacts.write(path, {f"affect.{name}": torch.from_numpy(part) for name, part
                                      in (("weight", self.weight), ("bias", self.bias))})


def load_comment_regressor(path: Path) -> CommentRegressor:
    """The head that :meth:`CommentRegressor.save` wrote."""
    tensors = artefacts.read(path)
    return CommentRegressor(*(tensors[f"affect.{name}"].numpy() for name in ("weight", "bias")))
