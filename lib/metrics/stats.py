"""Intervals, chance levels and paired tests that resample whole groups (pieces, paintings), never
frames or chunks of one piece.  Notebook: 05, 34.
"""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from lib.core.errors import KlangfarbeError

TIE = 1e-12  # relative difference below which two statistics count as equal


def bootstrap(statistic: Callable[..., float], *arrays: np.ndarray,
              groups: np.ndarray | None = None, n_resamples: int = 1000, confidence: float = 0.95,
              seed: int = 0) -> tuple[float, float]:
    """BCa bootstrap interval (low, high) of ``statistic(*arrays)``, whole groups drawn with
    replacement.

    A statistic of two *sets* is not for it: a clip drawn twice lies at distance 0 from itself
    (:func:`jackknife` leaves out instead).

    Args:
        statistic: takes the arrays, resampled alike along axis 0, and returns a number.
        arrays: each [N, …], aligned.
        groups: [N] the piece or painting each row belongs to; ``None``: each row is its own group.

    Source: Efron (1987), J. Am. Stat. Assoc. 82; groups as in Cameron, Gelbach & Miller (2008).
    """
    arrays = tuple(np.asarray(a) for a in arrays)
    rows_of = _rows_of_groups(groups, *arrays)

    def of_groups(drawn: np.ndarray) -> float:
        rows = np.concatenate([rows_of[g] for g in drawn])
        return _finite(statistic(*(a[rows] for a in arrays)))

    with warnings.catch_warnings():
        # scipy warns of data that do not vary and returns NaN: answered below
        warnings.simplefilter("ignore")
        result = scipy_stats.bootstrap((np.arange(len(rows_of)),), of_groups, vectorized=False,
                                       n_resamples=n_resamples, confidence_level=confidence,
                                       method="BCa", rng=np.random.default_rng(seed))
    low, high = result.confidence_interval
    if not np.isfinite([low, high]).all():  # all resamples on one side of the estimate
        tail = (1 - confidence) / 2
        low, high = np.quantile(result.bootstrap_distribution, [tail, 1 - tail])
    return float(low), float(high)


def jackknife(statistic: Callable[[np.ndarray], float], array: np.ndarray, *,
              groups: np.ndarray | None = None, n_blocks: int = 20, confidence: float = 0.95,
              seed: int = 0) -> tuple[float, float]:
    """Interval of a statistic of a whole set (a Fréchet distance, say), by leaving out one block of
    groups at a time: estimate ± t·s with s² = (B−1)/B · Σ(θ_b − θ̄)².

    It says how much the outputs at hand matter; a bias that depends on N it cannot see.

    Args:
        statistic: takes [n, …] rows, returns a number; whatever it is compared with is held.
        array: [N, …]. groups: as in :func:`bootstrap`. n_blocks: at most this many blocks.

    Source: Shao & Tu (1995), The Jackknife and Bootstrap, §2.3.
    """
    array = np.asarray(array)
    rows_of = _rows_of_groups(groups, array)
    order = np.random.default_rng(seed).permutation(len(rows_of))
    blocks = [np.concatenate([rows_of[g] for g in block])
              for block in np.array_split(order, min(n_blocks, len(rows_of)))]
    values = np.array([_finite(statistic(np.delete(array, rows, axis=0))) for rows in blocks])
    error = np.sqrt((len(blocks) - 1) / len(blocks) * np.sum((values - values.mean()) ** 2))
    reach = float(scipy_stats.t.ppf((1 + confidence) / 2, len(blocks) - 1) * error)
    estimate = _finite(statistic(array))
    return estimate - reach, estimate + reach


def permutation_null(statistic: Callable[[np.ndarray, np.ndarray], float], truth: np.ndarray,
                     predicted: np.ndarray, *, groups: np.ndarray | None = None,
                     n_shuffles: int = 200, seed: int = 0) -> np.ndarray:
    """Chance level: `statistic` of the truth and permuted predictions, [n_shuffles] values.

    Args:
        groups: [N] each group's truth meets another group's predictions; ``None``: any row any row.
    """
    rng = np.random.default_rng(seed)
    if groups is None:
        return np.array([statistic(truth, predicted[rng.permutation(len(predicted))])
                         for _ in range(n_shuffles)])
    rows_of = _rows_of_groups(groups, truth, predicted)
    values = []
    for _ in range(n_shuffles):
        order, permuted = rng.permutation(len(rows_of)), np.empty(len(truth), np.int64)
        # a cycle: no group meets itself
        for group, other in zip(order, np.roll(order, 1), strict=True):
            permuted[rows_of[group]] = np.resize(rng.permutation(rows_of[other]),
                                                 len(rows_of[group]))
        values.append(statistic(truth, predicted[permuted]))
    return np.array(values)


def sign_flip_test(differences: np.ndarray, groups: np.ndarray | None = None, *,
                   n_flips: int = 4999, seed: int = 0) -> float:
    """Two-sided p-value, in (0, 1], of "the mean of these paired differences [N] is 0": the share
    of random sign patterns whose mean is at least as far from 0. All pairs of one group flip
    together.

    Source: Fisher (1935), The Design of Experiments, §21.
    """
    differences = np.asarray(differences, np.float64)
    if differences.ndim != 1 or len(differences) < 2 or not np.isfinite(differences).all():
        raise KlangfarbeError("at least two finite paired differences [N]", str(differences.shape),
                              "measure on more pairs")
    sums = np.bincount(_group_index(groups, len(differences)), differences)  # [G]
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (n_flips, len(sums)))
    as_far = np.abs(signs @ sums) >= np.abs(sums.sum()) * (1 - TIE)
    return float((1 + as_far.sum()) / (1 + n_flips))


def swap_test(statistic: Callable[[np.ndarray], float], ours: np.ndarray, theirs: np.ndarray,
              groups: np.ndarray | None = None, *, n_swaps: int = 999, seed: int = 0) -> float:
    """Two-sided p-value, in (0, 1], of "two systems are exchangeable", for a statistic that is no
    mean over rows: the share of random swaps of whole groups of outputs whose difference
    |statistic(ours) − statistic(theirs)| is at least the observed one.

    Args:
        statistic: takes one system's outputs [N, …], returns a number (its reference is held).
        ours, theirs: [N, …] outputs for the same N conditions. groups: [N] rows swapped together.

    Source: Noreen (1989), Computer-Intensive Methods, approximate randomisation.
    """
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.shape != theirs.shape or len(ours) < 2:
        raise KlangfarbeError("two systems' outputs of one shape, at least two rows",
                              f"{ours.shape} and {theirs.shape}",
                              "measure both on the same conditions")
    member, rng = _group_index(groups, len(ours)), np.random.default_rng(seed)
    observed = abs(statistic(ours) - statistic(theirs))
    as_far = 0
    for _ in range(n_swaps):
        swap = (rng.random(member.max() + 1) < 0.5)[member].reshape(-1, *[1] * (ours.ndim - 1))
        as_far += abs(statistic(np.where(swap, theirs, ours))
                      - statistic(np.where(swap, ours, theirs))) >= observed * (1 - TIE)
    return float((1 + as_far) / (1 + n_swaps))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's (1979) step-down correction: adjusted p-values [K] in the given order."""
    p_values = np.asarray(p_values, np.float64)
    return multipletests(p_values, method="holm")[1] if len(p_values) else p_values


def proportion(successes: np.ndarray) -> tuple[float, float, float]:
    """Share of ones among 0 and 1 [N], with Wilson's 95 % interval: (value, low, high)."""
    successes = np.asarray(successes, bool)
    interval = scipy_stats.binomtest(int(successes.sum()),
                                     len(successes)).proportion_ci(method="wilson")
    return float(successes.mean()), float(interval.low), float(interval.high)


def paired_difference(ours: np.ndarray, theirs: np.ndarray, groups: np.ndarray | None, *,
                      seed: int = 0) -> tuple[float, float, float]:
    """Mean of ours − theirs, [N] each, row by row: (value, low, high), 95 %, bootstrap over
    groups.
    """
    difference = np.asarray(ours, np.float64) - theirs
    return float(difference.mean()), *bootstrap(np.mean, difference, groups=groups, seed=seed)


def difference_over_seeds(statistic: Callable[[np.ndarray], float], ours: Sequence[np.ndarray],
                          theirs: Sequence[np.ndarray], groups=None, *, n_blocks: int = 20,
                          seed: int = 0) -> tuple[float, float, float]:
    """One variant minus another over S seeds and N paintings at once: (value, low, high), 95 %.

    The value is the mean over seeds of statistic(ours) − statistic(theirs). Two variances are
    added: that of the S differences over S, and the jackknife's, which leaves the same blocks of
    paintings out of all 2S (what both share is counted twice: a little too wide). t has
    Satterthwaite's degrees of freedom.

    Args:
        statistic: rows [n, …] → number. ours, theirs: S arrays [N, …] each, of the same seeds and
            paintings.
        groups: [N], rows that are left out together; ``None``: each by itself.

    Raises:
        KlangfarbeError: fewer than two seeds, or arrays of other sizes.
    """
    sizes = {len(rows) for rows in (*ours, *theirs)}
    if len(ours) != len(theirs) or len(ours) < 2 or len(sizes) != 1:
        raise KlangfarbeError("as many seeds of either, two or more, and the same paintings in all",
                              f"{len(ours)}, {len(theirs)}, {sizes}",
                              "train both with the same seeds")
    n = sizes.pop()
    names = np.unique(np.arange(n) if groups is None else np.asarray(groups),
                      return_inverse=True)[1]
    n_groups = names.max() + 1
    blocks = np.array_split(np.random.default_rng(seed).permutation(n_groups),
                            min(n_blocks, n_groups))

    def differences(keep: np.ndarray) -> np.ndarray:
        return np.array([statistic(a[keep]) - statistic(b[keep])
                         for a, b in zip(ours, theirs, strict=True)])

    whole = differences(np.arange(n))
    left_out = np.array([differences(np.flatnonzero(~np.isin(names, block))).mean()
                         for block in blocks])
    of_seeds = whole.var(ddof=1) / len(whole)
    of_paintings = (len(blocks) - 1) / len(blocks) * np.square(left_out - left_out.mean()).sum()
    total = of_seeds + of_paintings
    freedom = len(blocks) - 1
    if total:
        parts = of_seeds**2 / (len(whole) - 1) + of_paintings**2 / (len(blocks) - 1)
        freedom = total**2 / max(parts, 1e-300)
    reach = float(scipy_stats.t.ppf(0.975, freedom) * np.sqrt(total))
    return float(whole.mean()), float(whole.mean() - reach), float(whole.mean() + reach)


def _group_index(groups: np.ndarray | None, count: int) -> np.ndarray:
    """The index of each row's group, int [N]."""
    labels = np.arange(count) if groups is None else np.asarray(groups)
    return np.unique(labels, return_inverse=True)[1]


def _rows_of_groups(groups: np.ndarray | None, *arrays: np.ndarray) -> list[np.ndarray]:
    """The rows of each group, by group."""
    member = _group_index(groups, len(arrays[0]))
    if any(len(a) != len(member) for a in arrays):
        raise KlangfarbeError("arrays and groups of one length",
                              str([len(a) for a in (*arrays, member)]), "align them")
    if member.max(initial=0) < 1:
        raise KlangfarbeError("at least two groups to resample", str(len(np.unique(member))),
                              "measure on more pieces or paintings")
    return np.split(np.argsort(member, kind="stable"), np.cumsum(np.bincount(member))[:-1])


def _finite(value: float) -> float:
    if not np.isfinite(value):
        raise KlangfarbeError("a statistic that is finite on every resample", str(value),
                              "measure on more groups, or drop unlabelled rows")
    return float(value)
