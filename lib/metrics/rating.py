"""Do raters agree? Notebook: 26."""

import numpy as np

from lib.core.errors import KlangfarbeError


def krippendorff_alpha(ratings: np.ndarray, level: str = "ordinal") -> float:
    """Krippendorff's α = 1 − D_observed / D_expected: the disagreement of pairs of ratings of one
    item, over that of any two ratings, [raters, items].
    Card: estimates: reliability of ratings · direction: ↑ · range: (−1, 1]; 1 full agreement, 0
        chance, below 0 systematic disagreement · unit: none · input: ratings, NaN where somebody
        did not rate; the level (ordinal for Likert scales) · aggregation: over all pairs of ratings
        of an item, all items together · blind to: whether raters are right; a habit that all
        share · minimum n: 20 (items rated by two or more) · source: Krippendorff (2011)
    """
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
