"""Splits that no group crosses: all excerpts of a piece lie on one side. Notebook: 31."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from numbers import Integral
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from lib.core.errors import KlangfarbeError

FOLDS = 5


def by_group(groups: Iterable, fractions: Mapping[str, float], seed: int = 0) -> np.ndarray:
    """The split of each row, str [N], of `fractions`, e.g. ``{"train": .9, "test": .1}``, by whole
    groups [N]: in order of a hash of (seed, name), each to the split furthest below its share."""
    if not fractions or min(fractions.values()) <= 0 or abs(sum(fractions.values()) - 1) > 1e-9:
        raise KlangfarbeError("positive fractions that sum to 1", str(fractions), "scale them")
    return np.array(list(fractions))[_assign(groups, np.array(list(fractions.values())), seed)]


def folds(groups: Iterable, k: int, seed: int = 0) -> np.ndarray:
    """Assigns whole groups to `k` folds of nearly equal size: int64 [N], 0 … k−1, none empty."""
    if k < 2:
        raise KlangfarbeError("at least 2 folds", str(k), "give k = 5, say")
    return _assign(groups, np.full(k, 1 / k), seed)


def cross_validated(fit_predict: Callable, inputs: np.ndarray, truth: np.ndarray, groups, *,
                    k: int = FOLDS, seed: int = 0) -> np.ndarray:
    """Held-out predictions [N, 2] of `inputs` [N, …], each fold's groups by a model that has seen
    none of them: `fit_predict` takes inputs to learn from, their points, and inputs to predict."""
    part, predicted = folds(groups, k, seed), np.empty_like(truth, dtype=np.float64)
    for fold in range(k):
        test = part == fold
        predicted[test] = fit_predict(inputs[~test], truth[~test], inputs[test])
    return predicted


def linked_groups(left: Iterable, right: Iterable) -> np.ndarray:
    """The connected component, int [N], of each pair (left[i], right[i]): what shares either end,
    directly or by way of others, is one group."""
    left_at, right_at = (pd.factorize(_named(ends))[0] for ends in (left, right))
    n = len(left_at)  # nodes: left ends from 0 on, right ones from n on
    graph = coo_array((np.ones(n), (left_at, n + right_at)), shape=(2 * n, 2 * n))
    return connected_components(graph, directed=False)[1][left_at]


def _named(groups: Iterable) -> pd.Series:
    """Each row's group, all text or all whole numbers: 1 and "1" would become one."""
    rows = pd.Series(list(groups), dtype=object)
    kinds = rows.map(lambda of: 1 if isinstance(of, str) else 2 if isinstance(of, Integral) else 0)
    wrong: Any = rows[(kinds == 0) | (kinds != kinds.max())]
    if len(wrong):
        raise KlangfarbeError("a group in each row, all text or all whole numbers",
                              f"{wrong.iloc[0]!r} in row {wrong.index[0]}, {len(wrong)} such rows",
                              "name the groups of these rows, or leave them out")
    return rows


def _assign(groups: Iterable, shares: np.ndarray, seed: int) -> np.ndarray:
    names, member, counts = np.unique(_named(groups).astype(str), return_inverse=True,
                                      return_counts=True)
    if len(names) < len(shares):
        raise KlangfarbeError(f"at least {len(shares)} groups", f"{len(names)}", "ask for fewer")
    order = sorted(range(len(names)),
                   key=lambda i: hashlib.sha256(f"{seed}:{names[i]}".encode()).digest())
    filled, bin_of = np.zeros(len(shares)), np.empty(len(names), np.int64)
    for place, i in enumerate(order):
        empty = np.flatnonzero(filled == 0)
        # when only as many groups are left as bins are empty, the empty ones come first
        open_bins = empty if len(empty) >= len(order) - place else np.arange(len(shares))
        bin_of[i] = open_bins[np.argmin((filled / shares)[open_bins])]
        filled[bin_of[i]] += counts[i]
    return bin_of[member.reshape(-1)]
