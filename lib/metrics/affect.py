"""Does the result carry the affect that was asked for? Concordance, R², RMSE and their table."""

import numpy as np
import pandas as pd

from lib.metrics import stats


def ccc(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Concordance correlation coefficient of two series [N], 2·cov / (σ_x² + σ_y² + (μ_x − μ_y)²).
    Card: estimates: agreement of intended with measured affect, one axis at a time · direction: ↑ ·
        range: [−1, 1]; a constant has 0, a shift or a squeeze lowers it, unlike r · unit: none ·
        input: two series on one scale · aggregation: over all rows · blind to: where on the plane
        the error lies; an error the judge always makes · minimum n: 30 · source: Lin (1989)"""
    truth, predicted = stats.aligned(truth, predicted)
    middle, centre = truth.mean(), predicted.mean()
    truth, predicted = truth - middle, predicted - centre
    spread = truth @ truth + predicted @ predicted + len(truth) * (middle - centre) ** 2
    return float(2 * (truth @ predicted) / spread) if spread > 0 else 0.0


def r2(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Coefficient of determination of two series [N]: 1 − Σ(t−p)² / Σ(t−t̄)²; 0 for the mean.
    Card: estimates: share of the truth's variance that the predictions explain · direction: ↑ ·
        range: (−∞, 1] · unit: none · input: two series on one scale · aggregation: over all rows ·
        blind to: whether the truth varies for a reason worth predicting (two scales joined in one
        column give a high one) · minimum n: 30 · source: Wright (1921)"""
    truth, predicted = stats.aligned(truth, predicted)
    total = np.sum((truth - truth.mean()) ** 2)
    return float(1 - np.sum((truth - predicted) ** 2) / total) if total > 0 else 0.0


def rmse(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Root mean square error of two series [N].
    Card: estimates: size of a typical error · direction: ↓ · range: [0, ∞) · unit: the unit of the
        inputs · input: two series on one scale · aggregation: over all rows · blind to: the spread
        of the truth: a scale half as wide halves it · minimum n: 30 · source: Gauss (1823)"""
    truth, predicted = stats.aligned(truth, predicted)
    return float(np.sqrt(np.mean((truth - predicted) ** 2)))


def agreement(truth: np.ndarray, predicted: np.ndarray, groups: np.ndarray | None = None, *,
              seed: int = 0, n_resamples: int = 1000) -> pd.DataFrame:
    """Intended against measured (valence, arousal), [N, 2] in [−1, 1], by axis: ``axis, ccc, low,
    high`` (95 %, bootstrap), ``null`` (97.5 % of permuted), ``r2, r2_low, r2_high, rmse, n``."""
    truth, predicted = stats.aligned(truth, predicted, ndim=2)
    rows, settings = [], {"groups": groups, "seed": seed, "n_resamples": n_resamples}
    for axis, t, p in zip(("valence", "arousal"), truth.T, predicted.T, strict=True):
        null = np.quantile(stats.permutation_null(ccc, t, p, seed=seed), 0.975)
        rows.append((axis, ccc(t, p), *stats.bootstrap(ccc, t, p, **settings), null, r2(t, p),
                     *stats.bootstrap(r2, t, p, **settings), rmse(t, p), len(t)))
    return pd.DataFrame(rows, columns=["axis", "ccc", "low", "high", "null", "r2", "r2_low",
                                       "r2_high", "rmse", "n"])
