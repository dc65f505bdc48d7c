"""How good a classifier of five words is, and whether it knows it: accuracy, macro-F1, calibration, confusion, each beside its nulls.

Source: Guo et al. (2017), On Calibration of Modern Neural Networks, §2 (expected calibration error) and §4.2 (temperature).
Notebook: 11.
"""

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
    """F1 of each class that occurs among the labels, averaged: [0, 1] ↑. A class that is never said has F1 0; blind to confidence."""
    said, scores = probabilities.argmax(1), []
    for k in np.unique(labels):
        right = np.sum((said == k) & (labels == k))
        scores.append(2 * right / (np.sum(said == k) + np.sum(labels == k)))
    return float(np.mean(scores))


def calibration_error(labels: np.ndarray, probabilities: np.ndarray) -> float:
    """Expected calibration error: Σ_bins n_b/N · |accuracy_b − confidence_b| over 10 bins of the likeliest class's probability: [0, 1] ↓.

    0 where of the rows that say 70 % seven in ten are right. It leans upward at small N (a bin of one row is never calibrated), and
    it does not ask whether the answers are any good: one who always says the class shares is calibrated.

    Source: Guo et al. (2017), equation 3.
    """
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    place = np.minimum((confidence * N_BINS).astype(int), N_BINS - 1)
    gap = np.bincount(place, right - confidence.astype(np.float64), N_BINS)  # N_b · (accuracy_b − confidence_b)
    return float(np.abs(gap).sum() / len(labels))


MEASURES = {"accuracy": (accuracy, "↑"), "macro-F1": (macro_f1, "↑"), "calibration error": (calibration_error, "↓")}


def evaluate(probabilities: np.ndarray, labels: np.ndarray, *, groups=None, common: int | None = None, seed: int = 0,
             n_resamples: int = 1000, n_shuffles: int = 200):
    """The classifier's table.

    Args:
        probabilities: [N, 5], rows summing to 1. labels: int64 [N], or words.
        groups: [N] painting or artist of each row, the unit of every resampling; ``None``: each row its own.
        common: the class that is most common in *training*; ``None``: in `labels`, which flatters that null a little.

    Returns:
        DataFrame ``measure, direction, value, low, high`` (95 %, bootstrap over groups), ``shuffled`` with ``shuffled_low`` and
        ``shuffled_high`` (each label met by another group's answer: mean and central 95 %), ``majority`` (always the most common
        class, with certainty), ``n, seed``.

    Raises:
        KlangfarbeError: shapes that do not fit, or rows that are no probabilities.

    Notebook: 11.
    """
    probabilities, labels = _pair(probabilities, labels)
    common = int(np.bincount(labels).argmax()) if common is None else common
    always = np.eye(probabilities.shape[1])[np.full(len(labels), common)]
    rows = []
    for name, (measure, direction) in MEASURES.items():
        low, high = stats.bootstrap(measure, labels, probabilities, groups=groups, seed=seed, n_resamples=n_resamples)
        luck = stats.permutation_null(measure, labels, probabilities, groups=groups, seed=seed, n_shuffles=n_shuffles)
        rows.append({"measure": name, "direction": direction, "value": measure(labels, probabilities), "low": low, "high": high,
                     "shuffled": luck.mean(), "shuffled_low": np.quantile(luck, 0.025), "shuffled_high": np.quantile(luck, 0.975),
                     "majority": measure(labels, always), "n": len(labels), "seed": seed})
    return pd.DataFrame(rows)


def confusion(probabilities: np.ndarray, labels: np.ndarray):
    """How often each word (row) is taken for each (column): DataFrame of counts [5, 5]; its sum is N, its trace the right answers."""
    probabilities, labels = _pair(probabilities, labels)
    counts = np.zeros((len(EMOTIONS), len(EMOTIONS)), np.int64)
    np.add.at(counts, (labels, probabilities.argmax(1)), 1)
    return pd.DataFrame(counts, pd.Index(EMOTIONS, name="is"), pd.Index(EMOTIONS, name="said"))


def reliability(probabilities: np.ndarray, labels: np.ndarray):
    """The bins behind :func:`calibration_error`: DataFrame ``confidence, accuracy, n`` of those that hold any row, for a diagram."""
    probabilities, labels = _pair(probabilities, labels)
    rows = pd.DataFrame({"confidence": probabilities.max(1), "accuracy": probabilities.argmax(1) == labels})
    place = np.minimum((rows["confidence"] * N_BINS).astype(int), N_BINS - 1)
    return rows.groupby(place).agg(confidence=("confidence", "mean"), accuracy=("accuracy", "mean"), n=("accuracy", "size")) \
        .reset_index(drop=True)


def fit_temperature(said: np.ndarray, labels: np.ndarray) -> float:
    """The T in [0.05, 20] under which labels [N] are likeliest given softmax(said / T), said [N, 5] logits. It moves no answer.

    Source: Guo et al. (2017), §4.2.
    """
    said = np.asarray(said, np.float64)
    found = minimize_scalar(lambda log_t: cross_entropy(said / math.exp(log_t), labels), bounds=(math.log(0.05), math.log(20)), method="bounded")
    return math.exp(found.x)


def cross_entropy(said: np.ndarray, labels: np.ndarray) -> float:
    """Mean negative log-likelihood of labels [N] under logits [N, 5], in nats."""
    return float(-log_softmax(said, axis=1)[np.arange(len(labels)), labels].mean())


def encode_labels(words) -> np.ndarray:
    """Emotion words → int64 places in :data:`EMOTIONS`.

    Raises:
        KlangfarbeError: a word that is none of the five, or none at all.
    """
    words = list(words)
    if strange := sorted({str(word) for word in words if not isinstance(word, str) or word not in EMOTIONS}):
        raise KlangfarbeError(f"emotions out of {', '.join(EMOTIONS)}", ", ".join(strange)[:80], "map them first, drop rows without one")
    return np.array([EMOTIONS.index(word) for word in words], np.int64)


def _pair(probabilities, labels) -> tuple[np.ndarray, np.ndarray]:
    """Checked probabilities float64 [N, 5] and labels int64 [N]."""
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels)
    labels = labels.astype(np.int64) if np.issubdtype(labels.dtype, np.integer) else encode_labels(labels)
    if probabilities.shape != (len(labels), len(EMOTIONS)) or not len(labels):
        raise KlangfarbeError(f"probabilities [N, {len(EMOTIONS)}] and N labels", f"{probabilities.shape} and {labels.shape}", "align them")
    if not (np.isfinite(probabilities).all() and (probabilities >= 0).all() and np.allclose(probabilities.sum(1), 1, atol=1e-4)):
        raise KlangfarbeError("rows of probabilities that sum to 1", "others", "give what classifier.predict returns, not its logits")
    if labels.min() < 0 or labels.max() >= len(EMOTIONS):
        raise KlangfarbeError(f"labels 0 … {len(EMOTIONS) - 1}", f"{labels.min()} … {labels.max()}",
                              "use calibration.encode_labels")
    return probabilities, labels
