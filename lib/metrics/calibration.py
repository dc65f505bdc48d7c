"""A classifier of the five emotion words: accuracy, macro-F1, calibration error; null, majority.
Source: Guo et al. (2017), On Calibration of Modern Neural Networks, §2 and §4.2.  Notebook: 11."""

import math

import numpy as np
import pandas as pd
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from lib.core.errors import KlangfarbeError
from lib.metrics import stats
from lib.signal import affect

EMOTIONS = tuple(affect.EMOTION_POINTS)
N_BINS = 10  # of confidence, equally wide


def accuracy(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Share of rows whose likeliest class is the label: int64 [N], [N, K] → [0, 1] ↑."""
    return float(np.mean(probabilities.argmax(1) == labels))


def macro_f1(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """F1 of each class among the labels, averaged: [0, 1] ↑; a class never predicted has F1 0."""
    predicted, scores = probabilities.argmax(1), []
    for k in np.unique(labels):  # sklearn's f1_score takes 30 times as long on every resample
        right = np.sum((predicted == k) & (labels == k))
        scores.append(2 * right / (np.sum(predicted == k) + np.sum(labels == k)))
    return float(np.mean(scores))


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error (eq. 3): Σ_b n_b/N · |accuracy_b − confidence_b|, [0, 1] ↓."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    bins = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    gap = np.bincount(bins, right - confidence.astype(np.float64), N_BINS)
    return float(np.abs(gap).sum() / len(labels))


MEASURES = {"accuracy": (accuracy, "↑"), "macro-F1": (macro_f1, "↑"),
            "calibration error": (calibration_error, "↓")}


def evaluate(probabilities: np.ndarray, labels, *, groups: np.ndarray | None = None,
             common: int | None = None, seed: int = 0) -> pd.DataFrame:
    """The table of probabilities [N, 5] and labels, int64 [N] or words: ``value, low, high`` (95 %,
    bootstrap over groups), ``shuffled, shuffled_low, shuffled_high`` (chance level), ``majority``
    (always the most common class of training, `common`, else of `labels`), ``n, seed``."""
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels)
    labels = (labels.astype(np.int64) if np.issubdtype(labels.dtype, np.integer)
              else encode_labels(labels))
    common = int(np.bincount(labels).argmax()) if common is None else common
    always = np.eye(len(EMOTIONS))[np.full(len(labels), common)]
    rows, settings = [], {"groups": groups, "seed": seed}
    for name, (measure, direction) in MEASURES.items():
        low, high = stats.bootstrap(measure, labels, probabilities, **settings)
        null = stats.permutation_null(measure, labels, probabilities, **settings)
        rows.append({"measure": name, "direction": direction,
                     "value": measure(labels, probabilities), "low": low, "high": high,
                     "shuffled": null.mean(), "shuffled_low": np.quantile(null, 0.025),
                     "shuffled_high": np.quantile(null, 0.975),
                     "majority": measure(labels, always), "n": len(labels), "seed": seed})
    return pd.DataFrame(rows)


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The T in [0.05, 20] of the greatest likelihood of labels [N], softmax(logits [N, 5] / T)."""
    logits, rows = np.asarray(logits, np.float64), np.arange(len(labels))
    result = minimize_scalar(
        lambda log_t: float(-log_softmax(logits / math.exp(log_t), axis=1)[rows, labels].mean()),
        bounds=(math.log(0.05), math.log(20)), method="bounded")
    return math.exp(result.x)


def encode_labels(words) -> np.ndarray:
    """Emotion words → int64 places in :data:`EMOTIONS`; another word is refused."""
    words = list(words)
    if unknown := {str(word) for word in words} - set(EMOTIONS):
        raise KlangfarbeError(f"emotions out of {', '.join(EMOTIONS)}",
                              ", ".join(sorted(unknown))[:80], "map them first, drop the others")
    return np.array([EMOTIONS.index(word) for word in words], np.int64)
