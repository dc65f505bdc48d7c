"""Intervals, chance levels, paired tests, agreement of raters. What resamples moves whole groups
[N] (pieces, paintings); ``None``: each row is its own.  Notebook: 05, 26, 34."""

import warnings
from collections.abc import Callable, Sequence

import numpy as np
from scipy import stats as scipy_stats

from lib.core.errors import KlangfarbeError

TIE = 1e-12    # relative difference below which two statistics count as equal
N_BLOCKS = 20  # of the jackknife, at most


def bootstrap(statistic: Callable[..., float], *arrays: np.ndarray,
              groups: np.ndarray | None = None, n_resamples: int = 1000,
              seed: int = 0) -> tuple[float, float]:
    """95 % BCa interval (low, high) of ``statistic(*arrays)``, arrays [N, …] aligned; not for two
    *sets* (a clip drawn twice lies at distance 0).  Source: Efron (1987), J. Am. Stat. Assoc."""
    arrays = tuple(map(np.asarray, arrays))
    rows_of = _rows_of_groups(groups, *arrays)
    def of_groups(drawn: np.ndarray) -> float:
        rows = np.concatenate([rows_of[g] for g in drawn])
        return _finite(statistic(*(a[rows] for a in arrays)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scipy warns of data that do not vary: NaN, answered below
        result = scipy_stats.bootstrap((np.arange(len(rows_of)),), of_groups, vectorized=False,
                                       n_resamples=n_resamples, confidence_level=0.95,
                                       method="BCa", rng=np.random.default_rng(seed))
    low, high = result.confidence_interval
    if not np.isfinite([low, high]).all():  # all resamples on one side of the estimate
        low, high = np.quantile(result.bootstrap_distribution, [(1 - 0.95) / 2, 1 - (1 - 0.95) / 2])
    return float(low), float(high)


def jackknife(statistic: Callable[[np.ndarray], float], array: np.ndarray, *,
              groups: np.ndarray | None = None, seed: int = 0) -> tuple[float, float]:
    """95 % interval of a statistic of a whole set [N, …], one block of groups left out at a time;
    blind to a bias that depends on N.  Source: Shao & Tu (1995), Jackknife and Bootstrap, §2.3."""
    array = np.asarray(array)
    values = np.array([_finite(statistic(array[rows]))
                       for rows in _without_a_block(_rows_of_groups(groups, array), seed)])
    reach = float(scipy_stats.t.ppf(0.975, len(values) - 1) * np.sqrt(_variance(values)))
    estimate = _finite(statistic(array))
    return estimate - reach, estimate + reach


def permutation_null(statistic: Callable[[np.ndarray, np.ndarray], float], truth: np.ndarray,
                     predicted: np.ndarray, *, groups: np.ndarray | None = None,
                     n_shuffles: int = 200, seed: int = 0) -> np.ndarray:
    """Chance level: `statistic` of truth and permuted (other groups') predictions, [n_shuffles]."""
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
            rows = rows_of[group]
            permuted[rows] = np.resize(rng.permutation(rows_of[other]), len(rows))
        values.append(statistic(truth, predicted[permuted]))
    return np.array(values)


def sign_flip_test(differences: np.ndarray, groups: np.ndarray | None = None, *,
                   n_flips: int = 4999, seed: int = 0) -> float:
    """Two-sided p of "paired differences [N] have mean 0", signs flipped. Source: Fisher (1935)."""
    differences, _ = aligned(differences, differences)
    sums = np.bincount(group_index(groups, len(differences)), differences)  # [G]
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (n_flips, len(sums)))
    as_far = np.abs(signs @ sums) >= np.abs(sums.sum()) * (1 - TIE)
    return float((1 + as_far.sum()) / (1 + n_flips))


def swap_test(statistic: Callable[[np.ndarray], float], ours: np.ndarray, theirs: np.ndarray,
              groups: np.ndarray | None = None, *, n_swaps: int = 999, seed: int = 0) -> float:
    """Two-sided p of "two systems are exchangeable", for a statistic that is no mean over rows: the
    share of random swaps of groups whose difference is as large.  Source: Noreen (1989)."""
    member, rng = group_index(groups, len(ours)), np.random.default_rng(seed)
    observed, as_far = abs(statistic(ours) - statistic(theirs)), 0
    for _ in range(n_swaps):
        swap = (rng.random(member.max() + 1) < 0.5)[member].reshape(-1, *[1] * (ours.ndim - 1))
        as_far += abs(statistic(np.where(swap, theirs, ours))
                      - statistic(np.where(swap, ours, theirs))) >= observed * (1 - TIE)
    return float((1 + as_far) / (1 + n_swaps))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's (1979) step-down correction: adjusted p-values [K] in the given order."""
    p_values = np.asarray(p_values, float)
    order, adjusted = np.argsort(p_values), np.empty(len(p_values))
    steps = p_values[order] * np.arange(len(p_values), 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted


def proportion(successes: np.ndarray) -> tuple[float, float, float]:
    """Share of ones among 0 and 1 [N], with Wilson's 95 % interval: (value, low, high)."""
    successes = np.asarray(successes, bool)
    test = scipy_stats.binomtest(int(successes.sum()), len(successes))
    low, high = test.proportion_ci(method="wilson")
    return float(successes.mean()), float(low), float(high)


def paired_difference(ours: np.ndarray, theirs: np.ndarray, groups: np.ndarray | None, *,
                      seed: int = 0) -> tuple[float, float, float]:
    """Mean of ours − theirs, [N] each: (value, low, high), 95 %, bootstrap over groups."""
    difference = np.asarray(ours, np.float64) - theirs
    return float(difference.mean()), *bootstrap(np.mean, difference, groups=groups, seed=seed)


def difference_over_seeds(statistic: Callable[[np.ndarray], float], ours: Sequence[np.ndarray],
                          theirs: Sequence[np.ndarray], groups: np.ndarray | None = None, *,
                          seed: int = 0) -> tuple[float, float, float]:
    """One variant minus another, [N, …] of the same S seeds and N paintings each, mean over seeds:
    (value, low, high), 95 %. The variance over seeds and the jackknife's over paintings are added
    (a little too wide); t has Satterthwaite's degrees of freedom."""
    if len(ours) < 2 or len(ours) != len(theirs) or len({len(a) for a in (*ours, *theirs)}) != 1:
        raise KlangfarbeError("two or more seeds of either, and the same paintings in all",
                              f"{len(ours)}, {len(theirs)}", "train both with the same seeds")
    def differences(keep: np.ndarray) -> np.ndarray:
        return np.array([statistic(a[keep]) - statistic(b[keep]) for a, b in zip(ours, theirs)])
    whole = differences(np.arange(len(ours[0])))
    left_out = np.array([differences(rows).mean() for rows
                         in _without_a_block(_rows_of_groups(groups, ours[0]), seed)])
    of_seeds, of_paintings = whole.var(ddof=1) / len(whole), _variance(left_out)
    total = of_seeds + of_paintings
    parts = of_seeds**2 / (len(whole) - 1) + of_paintings**2 / (len(left_out) - 1)
    freedom = total**2 / max(parts, 1e-300) if total else 1
    reach = float(scipy_stats.t.ppf(0.975, freedom) * np.sqrt(total))
    return float(whole.mean()), float(whole.mean() - reach), float(whole.mean() + reach)


def krippendorff_alpha(ratings: np.ndarray, level: str = "ordinal") -> float:
    """Krippendorff's α = 1 − D_observed / D_expected: the disagreement of pairs of ratings of one
    item, over that of any two ratings, [raters, items].
    Card: estimates: reliability of ratings · direction: ↑ · range: (−1, 1]; 1 full agreement, 0
        chance, below 0 systematic disagreement · unit: none · input: ratings, NaN where somebody
        did not rate; the level (ordinal for Likert scales) · aggregation: over all pairs of ratings
        of an item, all items together · blind to: whether raters are right; a habit that all share
        · minimum n: 20 (items rated by two or more) · source: Krippendorff (2011)"""
    paired = ratings[:, np.isfinite(ratings).sum(axis=0) >= 2]
    values = np.unique(paired[np.isfinite(paired)])
    if len(values) < 2 or level not in ("ordinal", "interval"):
        raise KlangfarbeError("items rated twice, ratings that differ, level ordinal or interval",
                              f"{len(values)} values, {level!r}", "collect more ratings")
    counts = (paired[:, :, None] == values).sum(axis=0).astype(np.float64)    # [items, V]
    weights = counts / (counts.sum(axis=1, keepdims=True) - 1)
    coincidences = weights.T @ counts - np.diag(weights.sum(axis=0))          # [V, V]
    totals = coincidences.sum(axis=0)
    expected = (np.outer(totals, totals) - np.diag(totals)) / (totals.sum() - 1)
    # ordinal: ratings between two values, each end counted half
    places = np.cumsum(totals) - totals / 2 if level == "ordinal" else values
    distance = np.square(places[:, None] - places)
    return float(1 - (coincidences * distance).sum() / (expected * distance).sum())


def aligned(first: np.ndarray, second: np.ndarray, *, ndim: int = 1,
            fewest: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Two finite arrays of one shape as float64; other ones are refused."""
    first, second = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if (first.ndim != ndim or first.shape != second.shape or len(first) < fewest
            or not (np.isfinite(first).all() and np.isfinite(second).all())):
        raise KlangfarbeError(f"two finite arrays of {ndim} axes, one shape, {fewest} rows or more",
                              f"{first.shape} and {second.shape}", "align them, drop NaN")
    return first, second


def group_index(groups: np.ndarray | None, count: int) -> np.ndarray:
    """The index of each row's group, int [N]."""
    return np.unique(np.arange(count) if groups is None else groups, return_inverse=True)[1]


def _rows_of_groups(groups: np.ndarray | None, *arrays: np.ndarray) -> list[np.ndarray]:
    member = group_index(groups, len(arrays[0]))
    if {len(a) for a in arrays} != {len(member)} or member.max(initial=0) < 1:
        raise KlangfarbeError("arrays and groups of one length, and at least two groups",
                              f"{[len(a) for a in arrays]} and {len(member)} rows", "measure more")
    return np.split(np.argsort(member, kind="stable"), np.cumsum(np.bincount(member))[:-1])


def _without_a_block(rows_of: list[np.ndarray], seed: int) -> list[np.ndarray]:
    # the rows outside each of the jackknife's blocks of groups, in random order
    order = np.random.default_rng(seed).permutation(len(rows_of))
    everyone = np.arange(sum(map(len, rows_of)))
    return [np.delete(everyone, np.concatenate([rows_of[g] for g in block]))
            for block in np.array_split(order, min(N_BLOCKS, len(order)))]


def _variance(left_out: np.ndarray) -> float:
    return (len(left_out) - 1) / len(left_out) * np.sum((left_out - left_out.mean()) ** 2)


def _finite(value: float) -> float:
    if not np.isfinite(value):
        raise KlangfarbeError("a statistic that is finite on every resample", str(value),
                              "measure on more groups, or drop unlabelled rows")
    return float(value)
