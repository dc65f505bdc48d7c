"""Intervals by resampling groups (pieces, paintings), never frames or chunks of one piece."""

import warnings
from collections.abc import Callable

import numpy as np
from scipy.stats import bootstrap as resample
from scipy.stats import t

from lib.core.errors import KlangfarbeError


def bootstrap(statistic: Callable[..., float], *arrays: np.ndarray,
              groups: np.ndarray | None = None, n_resamples: int = 1000, confidence: float = 0.95,
              seed: int = 0) -> tuple[float, float]:
    """Bootstrap interval of ``statistic(*arrays)``, drawing whole groups with replacement.

    The ends are bias-corrected and accelerated (BCa): where the resamples lean to one side of the
    estimate, or their spread changes with it, the two quantiles move accordingly. A statistic of
    two *sets* is not for it: a clip drawn twice lies at distance 0 from itself (:func:`jackknife`
    leaves out instead).

    Args:
        statistic: takes the arrays, resampled alike along axis 0, and returns a number.
        arrays: each [N, …], aligned.
        groups: [N] the piece or painting each row belongs to; ``None``: each row is its own group.
        n_resamples: how many resamples.
        confidence: mass of the interval.

    Returns:
        (low, high); both the estimate itself where no resample differs from it.

    Raises:
        KlangfarbeError: arrays of different lengths, fewer than two groups, or a resample whose
            statistic is not finite.

    Source: Efron (1987), J. Am. Stat. Assoc. 82; groups as in Cameron, Gelbach & Miller (2008).
    Notebook: 05.
    """
    arrays = tuple(np.asarray(a) for a in arrays)
    rows_of = _rows_of(arrays, groups)

    def of_groups(drawn: np.ndarray) -> float:
        rows = np.concatenate([rows_of[g] for g in drawn])
        return _finite(statistic(*(a[rows] for a in arrays)))

    with warnings.catch_warnings():
        # scipy warns of data that do not vary and returns NaN: answered below
        warnings.simplefilter("ignore")
        found = resample((np.arange(len(rows_of)),), of_groups, vectorized=False,
                         n_resamples=n_resamples, confidence_level=confidence, method="BCa",
                         rng=np.random.default_rng(seed))
    low, high = found.confidence_interval
    if np.isfinite([low, high]).all():
        return float(low), float(high)
    tail = (1 - confidence) / 2  # every resample on one side of the estimate: no bias to correct by
    low, high = np.quantile(found.bootstrap_distribution, [tail, 1 - tail])
    return float(low), float(high)


def jackknife(statistic: Callable[[np.ndarray], float], array: np.ndarray, *,
              groups: np.ndarray | None = None, n_blocks: int = 20, confidence: float = 0.95,
              seed: int = 0) -> tuple[float, float]:
    """Interval of a statistic of a whole set (a Fréchet distance, say), by leaving out one block of
    groups at a time.

    No row is ever drawn twice. The interval is symmetric, estimate ± t·s with s² = (B−1)/B · Σ(θ_b
    − θ̄)², and says how much the outputs at hand matter; a bias that depends on N it cannot see.

    Args:
        statistic: takes [n, …] rows, returns a number; whatever it is compared with is held.
        array: [N, …].
        groups: [N] as in :func:`bootstrap`.
        n_blocks: how many blocks the groups are dealt into (fewer where there are fewer groups).

    Source: Shao & Tu (1995), The Jackknife and Bootstrap, §2.3.  Notebook: 05.
    """
    array = np.asarray(array)
    rows_of = _rows_of((array,), groups)
    order = np.random.default_rng(seed).permutation(len(rows_of))
    blocks = np.array_split(order, min(n_blocks, len(rows_of)))
    values = np.array([_finite(statistic(np.delete(array,
                                                   np.concatenate([rows_of[g] for g in block]),
                                                   axis=0))) for block in blocks])
    error = np.sqrt((len(blocks) - 1) / len(blocks) * np.sum((values - values.mean()) ** 2))
    reach = float(t.ppf((1 + confidence) / 2, len(blocks) - 1) * error)
    estimate = _finite(statistic(array))
    return estimate - reach, estimate + reach


def shuffled(statistic: Callable[[np.ndarray, np.ndarray], float], truth: np.ndarray,
             predicted: np.ndarray, *, groups: np.ndarray | None = None, n_shuffles: int = 200,
             seed: int = 0) -> np.ndarray:
    """The null: `statistic` with each truth met by another group's predictions, [n_shuffles]
    values.

    Args:
        groups: [N] rows of one piece or painting are not dealt to one another; ``None``: any row to
            any row.
    """
    rng = np.random.default_rng(seed)
    if groups is None:
        return np.array([statistic(truth, predicted[rng.permutation(len(predicted))])
                         for _ in range(n_shuffles)])
    rows_of = _rows_of((np.asarray(truth), np.asarray(predicted)), groups)
    values = []
    for _ in range(n_shuffles):
        order, dealt = rng.permutation(len(rows_of)), np.empty(len(truth), np.int64)
        # a cycle: no group meets itself
        for group, other in zip(order, np.roll(order, 1), strict=True):
            dealt[rows_of[group]] = np.resize(rng.permutation(rows_of[other]), len(rows_of[group]))
        values.append(statistic(truth, predicted[dealt]))
    return np.array(values)


def _rows_of(arrays: tuple[np.ndarray, ...], groups: np.ndarray | None) -> list[np.ndarray]:
    """The rows of each group, by group."""
    count = len(arrays[0])
    labels = np.arange(count) if groups is None else np.asarray(groups)
    if any(len(a) != count for a in (*arrays, labels)):
        raise KlangfarbeError("arrays and groups of one length",
                              str([len(a) for a in (*arrays, labels)]), "align them")
    names, member = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        raise KlangfarbeError("at least two groups to resample", str(len(names)),
                              "measure on more pieces or paintings")
    return np.split(np.argsort(member, kind="stable"), np.cumsum(np.bincount(member))[:-1])


def _finite(value: float) -> float:
    if not np.isfinite(value):
        raise KlangfarbeError("a statistic that is finite on every resample", str(value),
                              "measure on more groups, or drop unlabelled rows")
    return float(value)
