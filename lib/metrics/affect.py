"""Does the result carry the affect that was asked for? Concordance, R², RMSE and the table that
states them honestly.
"""

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.metrics import stats
from lib.signal import affect as plane


def ccc(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Concordance correlation coefficient of two series [N]: how near the points lie to the line
    predicted = truth.

    CCC = 2·cov / (σ_x² + σ_y² + (μ_x − μ_y)²): 1 on the line, 0 for a constant predictor. Unlike
    Pearson's r it falls when the predictions are shifted or squeezed.

    Card:
        estimates: agreement of intended with measured affect, one axis at a time
        direction: ↑ · range: [−1, 1] · unit: none
        input: two series on one scale; the measured one from a judge that conditioned nothing
        aggregation: over all rows at once
        blind to: where on the plane the error lies; a judge that is wrong in the same way
            everywhere
        minimum n: 30
        source: Lin (1989), Biometrics 45
    """
    truth, predicted = _pair(truth, predicted)
    middle, centre = truth.mean(), predicted.mean()
    truth, predicted = truth - middle, predicted - centre
    spread = truth @ truth + predicted @ predicted + len(truth) * (middle - centre) ** 2
    return float(2 * (truth @ predicted) / spread) if spread > 0 else 0.0


def r2(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Coefficient of determination of two series [N]: 1 − Σ(t−p)² / Σ(t−t̄)²; 0 for the mean,
    negative below it.

    Card:
        estimates: share of the truth's variance that the predictions explain
        direction: ↑ · range: (−∞, 1] · unit: none
        input: two series on one scale
        aggregation: over all rows at once
        blind to: whether the truth varies for a reason worth predicting (two scales joined in one
            column give a high one)
        minimum n: 30
        source: Wright (1921), Journal of Agricultural Research 20
    """
    truth, predicted = _pair(truth, predicted)
    total = np.sum((truth - truth.mean()) ** 2)
    return float(1 - np.sum((truth - predicted) ** 2) / total) if total > 0 else 0.0


def rmse(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Root mean square error of two series [N].

    Card:
        estimates: size of a typical error
        direction: ↓ · range: [0, ∞) · unit: the unit of the inputs
        input: two series on one scale
        aggregation: over all rows at once
        blind to: the spread of the truth: a scale half as wide halves it
        minimum n: 30
        source: Gauss (1823), Theoria combinationis
    """
    truth, predicted = _pair(truth, predicted)
    return float(np.sqrt(np.mean((truth - predicted) ** 2)))


def quadrant_accuracy(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Whether each prediction lies in the truth's quadrant of the plane: [N, 2], [N, 2] → float64
    [N], 1 or 0; its mean is the accuracy.

    Card:
        estimates: share of outputs whose mood is right as a word would say it (excited, tense,
            gloomy, calm)
        direction: ↑ · range: [0, 1] · unit: none
        input: valence and arousal on a scale whose middle is 0; the measured ones from a judge that
            conditioned nothing
        aggregation: mean over rows
        blind to: how far off a point is; near an axis a hair decides (a quarter is luck only where
            quadrants are equally common)
        minimum n: 50
        source: Russell (1980), J. Personality and Social Psychology 39 (the plane); METRICS
    """
    truth, predicted = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if truth.ndim != 2 or truth.shape != predicted.shape or truth.shape[1] != 2 or not len(truth):
        raise KlangfarbeError("two arrays [N, 2]", f"{truth.shape} and {predicted.shape}",
                              "give valence and arousal as columns")
    if not (np.isfinite(truth).all() and np.isfinite(predicted).all()):
        raise KlangfarbeError("finite values", "NaN or infinity",
                              "drop unlabelled rows before measuring")
    return (plane.quadrant(*truth.T) == plane.quadrant(*predicted.T)).astype(np.float64)


def correlation(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Pearson's r, [−1, 1] ↑: agreement that forgives a wrong mean and a wrong spread; 0 where one
    side does not vary.
    """
    truth, predicted = _pair(truth, predicted)
    return (float(np.corrcoef(truth, predicted)[0, 1])
            if truth.std() > 1e-12 and predicted.std() > 1e-12 else 0.0)


def agreement(truth: np.ndarray, predicted: np.ndarray, groups: np.ndarray | None = None, *,
              seed: int = 0, n_resamples: int = 1000):
    """The table of intended against measured affect.

    Args:
        truth: [N, 2] valence and arousal asked for, in [−1, 1].
        predicted: [N, 2] what a judge reads from the output; the judge must not have conditioned
            it.
        groups: [N] piece or painting of each row (the unit of resampling).

    Returns:
        DataFrame, a row per axis: ``axis, ccc, low, high`` (95 % group bootstrap), ``null`` (97.5 %
            quantile of the CCC
        with the predictions shuffled: above it is more than chance), ``r2, r2_low, r2_high, rmse,
            n``.

    Source: METRICS "affect agreement".
    """
    truth, predicted = np.asarray(truth, float), np.asarray(predicted, float)
    if truth.ndim != 2 or truth.shape[1] != 2 or truth.shape != predicted.shape:
        raise KlangfarbeError("two arrays [N, 2]", f"{truth.shape} and {predicted.shape}",
                              "give valence and arousal as columns")
    rows = []
    for column, axis in enumerate(("valence", "arousal")):
        t, p = truth[:, column], predicted[:, column]
        low, high = stats.bootstrap(ccc, t, p, groups=groups, seed=seed, n_resamples=n_resamples)
        null = float(np.quantile(stats.permutation_null(ccc, t, p, seed=seed), 0.975))
        r2_low, r2_high = stats.bootstrap(r2, t, p, groups=groups, seed=seed,
                                          n_resamples=n_resamples)
        rows.append({"axis": axis, "ccc": ccc(t, p), "low": low, "high": high, "null": null,
                     "r2": r2(t, p), "r2_low": r2_low, "r2_high": r2_high, "rmse": rmse(t, p),
                     "n": len(t)})
    return pd.DataFrame(rows)


def _pair(truth, predicted) -> tuple[np.ndarray, np.ndarray]:
    truth, predicted = np.asarray(truth, np.float64), np.asarray(predicted, np.float64)
    if truth.ndim != 1 or truth.shape != predicted.shape or len(truth) < 2:
        raise KlangfarbeError("two series of one length ≥ 2",
                              f"{truth.shape} and {predicted.shape}", "measure one axis at a time")
    if not (np.isfinite(truth).all() and np.isfinite(predicted).all()):
        raise KlangfarbeError("finite values", "NaN or infinity",
                              "drop unlabelled rows before measuring")
    return truth, predicted
