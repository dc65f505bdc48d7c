"""Splits that no group crosses: every excerpt of a piece, every photo of a theme, lies on one
side.
"""

import hashlib
from collections.abc import Callable, Iterable, Mapping

import numpy as np

from lib.core.errors import KlangfarbeError

FOLDS = 5


def by_group(groups: Iterable, fractions: Mapping[str, float], seed: int = 0) -> np.ndarray:
    """Deals whole groups out to named splits.

    The order of the rows does not matter: groups are ordered by a hash of (seed, name), then each
    goes to the split that is furthest below its share of the rows. Every split of a positive
    fraction gets at least one group.

    Args:
        groups: [N] the piece, painting or artist of each row.
        fractions: split → share of the rows, in (0, 1], summing to 1, e.g. ``{"train": .8,
            "validation": .1, "test": .1}``.
        seed: another seed, another deal.

    Returns:
        array of str [N], the split of each row.

    Raises:
        KlangfarbeError: the fractions do not sum to 1, one is not positive, or there are fewer
            groups than splits.

    Source: DATA, "splits".  Notebook: 31.
    """
    if not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-9:
        raise KlangfarbeError("positive fractions that sum to 1", str(dict(fractions)),
                              'give e.g. {"train": .8, "validation": .1, "test": .1}')
    names = list(fractions)
    shares = np.array([fractions[name] for name in names])
    return np.array(names, dtype=object)[_deal(groups, shares, seed)].astype(str)


def folds(groups: Iterable, k: int, seed: int = 0) -> np.ndarray:
    """Deals whole groups out to `k` folds of nearly equal size.

    Returns:
        int64 [N], the fold 0 … k−1 of each row; none is empty.

    Raises:
        KlangfarbeError: k < 2, or fewer groups than folds.
    """
    if k < 2:
        raise KlangfarbeError("at least 2 folds", str(k), "give k = 5, say")
    return _deal(groups, np.full(k, 1 / k), seed)


def cross_validated(fit_predict: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
                    inputs: np.ndarray, truth: np.ndarray, groups: np.ndarray, *, k: int = FOLDS,
                    seed: int = 0) -> np.ndarray:
    """Held-out predictions [N, 2]: each fold's groups are predicted by a model that has seen none
    of them.

    Args:
        fit_predict: (inputs to learn from, their points, inputs to predict) → points.
        inputs: [N, …]; truth: [N, 2]; groups: [N].
    """
    part = folds(groups, k, seed)
    predicted = np.empty_like(truth, dtype=np.float64)
    for fold in range(k):
        test = part == fold
        predicted[test] = fit_predict(inputs[~test], truth[~test], inputs[test])
    return predicted


def _deal(groups: Iterable, shares: np.ndarray, seed: int) -> np.ndarray:
    """The bin [N] of each row: groups in hash order, each to the bin with the smallest filled
    share; int64.
    """
    labels = np.array([str(g) for g in groups], dtype=object)
    names, member, counts = np.unique(labels, return_inverse=True,
                                      return_counts=True) if len(labels) else ((), labels, ())
    if len(names) < len(shares):
        raise KlangfarbeError(f"at least {len(shares)} groups", f"{len(names)}",
                              "give more pieces, or ask for fewer splits")
    order = sorted(range(len(names)),
                   key=lambda i: hashlib.sha256(f"{seed}:{names[i]}".encode()).digest())
    filled = np.zeros(len(shares))
    bin_of = np.empty(len(names), np.int64)
    for place, i in enumerate(order):
        left = len(order) - place
        empty = np.flatnonzero(filled == 0)
        # Emptiest first, relative to its share; when only as many groups are left as bins are
        # empty, these come first.
        open_bins = empty if len(empty) >= left else np.arange(len(shares))
        bin_of[i] = open_bins[np.argmin((filled / shares)[open_bins])]
        filled[bin_of[i]] += counts[i]
    return bin_of[member.reshape(-1)]
