"""Intervals by resampling groups (pieces, paintings), never frames or chunks of one piece."""

from collections.abc import Callable

import numpy as np

from lib.errors import KlangfarbeError


def bootstrap(statistic: Callable[..., float], *arrays: np.ndarray, groups: np.ndarray | None = None,
              n_resamples: int = 1000, confidence: float = 0.95, seed: int = 0) -> tuple[float, float]:
    """Percentile bootstrap interval of ``statistic(*arrays)``, drawing whole groups with replacement.

    Args:
        statistic: takes the arrays, resampled alike along axis 0, and returns a number.
        arrays: each [N, …], aligned.
        groups: [N] the piece or painting each row belongs to; ``None``: each row is its own group.
        n_resamples: how many resamples.
        confidence: mass of the interval.

    Returns:
        (low, high).

    Raises:
        KlangfarbeError: arrays of different lengths, or fewer than two groups.

    Source: Efron & Tibshirani (1993), ch. 13; groups as in Cameron, Gelbach & Miller (2008).
    """
    count = len(arrays[0])
    if any(len(a) != count for a in arrays):
        raise KlangfarbeError("arrays of one length", str([len(a) for a in arrays]), "align them")
    arrays = tuple(np.asarray(a) for a in arrays)
    names, member = np.unique(np.arange(count) if groups is None else np.asarray(groups), return_inverse=True)
    if len(names) < 2:
        raise KlangfarbeError("at least two groups to resample", str(len(names)), "measure on more pieces or paintings")
    rows_of = np.split(np.argsort(member, kind="stable"), np.cumsum(np.bincount(member))[:-1])
    rng = np.random.default_rng(seed)
    values = np.empty(n_resamples)
    for i in range(n_resamples):
        rows = np.concatenate([rows_of[g] for g in rng.integers(0, len(names), len(names))])
        values[i] = statistic(*(a[rows] for a in arrays))
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high)


def shuffled(statistic: Callable[[np.ndarray, np.ndarray], float], truth: np.ndarray, predicted: np.ndarray, *,
             n_shuffles: int = 200, seed: int = 0) -> np.ndarray:
    """The null: `statistic` with the predictions dealt out at random, [n_shuffles] values."""
    rng = np.random.default_rng(seed)
    return np.array([statistic(truth, predicted[rng.permutation(len(predicted))]) for _ in range(n_shuffles)])
