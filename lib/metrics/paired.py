"""Is a difference more than luck? A paired permutation test and Holm's correction: what a claim
needs before it is made.
"""

from collections.abc import Callable

import numpy as np

from lib.core.errors import KlangfarbeError


def sign_flip(differences: np.ndarray, groups: np.ndarray | None = None, *, n_flips: int = 4999,
              seed: int = 0) -> float:
    """Two-sided p-value of "the mean of these paired differences is 0", in (0, 1], ↓ is stronger.

    If the two sides were exchangeable, every difference could as well have had the other sign; the
    p-value is the share of random sign patterns whose mean is at least as far from 0. With G groups
    it cannot fall below about 2^(1−G).

    Args:
        differences: [N], one for each matched pair.
        groups: [N] pairs that share a painting, a piece or a training run flip together; ``None``:
            each on its own.

    Source: Fisher (1935), The Design of Experiments, §21.  Notebook: 34.
    """
    differences = np.asarray(differences, np.float64)
    if differences.ndim != 1 or len(differences) < 2 or not np.isfinite(differences).all():
        raise KlangfarbeError("at least two finite paired differences [N]", str(differences.shape),
                              "measure on more pairs")
    _, member = np.unique(np.arange(len(differences)) if groups is None else np.asarray(groups),
                          return_inverse=True)
    sums = np.bincount(member, differences)                                              # [G]
    signs = np.random.default_rng(seed).choice([-1.0, 1.0], (n_flips, len(sums)))
    as_far = np.abs(signs @ sums) >= np.abs(sums.sum()) * (1 - 1e-12)
    return float((1 + as_far.sum()) / (1 + n_flips))


def swap(statistic: Callable[[np.ndarray], float], ours: np.ndarray, theirs: np.ndarray,
         groups: np.ndarray | None = None, *, n_swaps: int = 999, seed: int = 0) -> float:
    """Two-sided p-value of "these two systems are exchangeable", for a statistic that is no mean
    over rows, in (0, 1].

    Whole groups of outputs trade sides at random; the p-value is the share of random trades whose
    difference |statistic(ours) − statistic(theirs)| is at least the one observed.

    Args:
        statistic: takes one system's outputs [N, …], returns a number (its reference is held).
        ours, theirs: [N, …] outputs of both systems for the same N conditions.
        groups: [N] rows that share a painting or a piece trade together; ``None``: each on its own.

    Source: Noreen (1989), Computer-Intensive Methods, approximate randomisation.  Notebook: 05.
    """
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    if ours.shape != theirs.shape or len(ours) < 2:
        raise KlangfarbeError("two systems' outputs of one shape, at least two rows",
                              f"{ours.shape} and {theirs.shape}",
                              "measure both on the same conditions")
    _, member = np.unique(np.arange(len(ours)) if groups is None else np.asarray(groups),
                          return_inverse=True)
    rng = np.random.default_rng(seed)
    observed = abs(statistic(ours) - statistic(theirs))
    as_far = 0
    for _ in range(n_swaps):
        trade = (rng.random(member.max() + 1) < 0.5)[member].reshape(-1, *[1] * (ours.ndim - 1))
        as_far += abs(statistic(np.where(trade, theirs, ours))
                      - statistic(np.where(trade, ours, theirs))) >= observed * (1 - 1e-12)
    return float((1 + as_far) / (1 + n_swaps))


def holm(p_values: np.ndarray) -> np.ndarray:
    """Holm's step-down correction: adjusted p-values [K] in the given order; reject where they are
    below α.

    Source: Holm (1979), Scandinavian Journal of Statistics 6.  Notebook: 34.
    """
    p_values = np.asarray(p_values, np.float64)
    order = np.argsort(p_values)
    stepped = np.maximum.accumulate(p_values[order] * np.arange(len(p_values), 0, -1))
    adjusted = np.empty_like(p_values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted
