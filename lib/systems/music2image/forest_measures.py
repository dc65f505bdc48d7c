"""What the forest is worth and what it listens to: scores beside their null and ceiling, importance with intervals."""

import numpy as np

from lib import features
from lib.metrics import affect, stats
from lib.systems.music2image import forest

# Columns shuffled together: the families, and loudness under both its names (mfcc_00 is the mean level in decibels).
GROUPS = {family: tuple(i for i, of in enumerate(features.FAMILY_OF) if of == family) for family in features.FAMILIES}
GROUPS["loudness"] = (*GROUPS["rms"], features.NAMES.index("mfcc_00_mean"), features.NAMES.index("mfcc_00_std"))


def scores(data: forest.Table, result: forest.Nested, config: forest.Config, *, seed: int = 0):
    """The forest's agreement with its listeners, held against what knows nothing and what knows everything.

    Args:
        data: the table the nested search ran on.
        result: of :func:`lib.systems.music2image.forest.nested`; its predictions are all of unseen pieces.

    Returns:
        DataFrame, a row per predictor and axis: ``predictor, axis, ccc, low, high, null, r2, rmse, n``. Predictors: ``forest``
        (nested, grouped) · ``mean`` (of the other folds) · ``true point`` (the ceiling: what a listener's panel
        would grant a model that knows the intended point exactly; only where it is known). ``null`` is the 97.5 % quantile
        of the CCC with predictions dealt out at random; intervals resample pieces.
    """
    import pandas as pd

    mean = np.empty_like(result.predicted)
    for fold in np.unique(result.part):
        mean[result.part == fold] = data.va[result.part != fold].mean(axis=0)
    predictors = {"forest": result.predicted, "mean": mean}
    if np.isfinite(data.truth).all():
        predictors["true point"] = data.truth
    tables = [affect.agreement(data.va, predicted, data.groups, seed=seed, n_resamples=config.n_resamples).assign(predictor=name)
              for name, predicted in predictors.items()]
    return pd.concat(tables, ignore_index=True)[["predictor", "axis", "ccc", "low", "high", "null", "r2", "rmse", "n"]]


def importance(data: forest.Table, result: forest.Nested, config: forest.Config, *, seed: int = 0):
    """How much R² each group of features is worth: what is lost when its columns are dealt to other pieces, together.

    A family is shuffled as one, or a neighbour would stand in for it (two chroma features know the same thing); and
    ``loudness`` is a group of its own, across two families, because RMS and the first MFCC do stand in for each other.
    Measured on unseen pieces only; the interval resamples pieces.

    Returns:
        DataFrame, a row per family and axis: ``family, axis, loss, low, high``, largest loss first; ``loss`` is in R².

    Source: Breiman (2001), §10, in groups as in Gregorutti, Michel & Saint-Pierre (2015).
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    error = np.square(result.predicted - data.va)
    variance = data.va.var(axis=0)
    rows = []
    for family, columns in GROUPS.items():
        shuffled = np.zeros_like(error)
        for fold, model in enumerate(result.models):
            unseen = np.flatnonzero(result.part == fold)
            for _ in range(config.n_repeats):
                dealt = data.features[unseen]
                dealt[:, columns] = dealt[rng.permutation(len(unseen))][:, columns]  # one deal for the whole group
                shuffled[unseen] += np.square(forest.predict(model, dealt) - data.va[unseen]) / config.n_repeats
        for column, axis in enumerate(forest.AXES):
            loss = (shuffled - error)[:, column] / variance[column]
            low, high = stats.bootstrap(np.mean, loss, groups=data.groups, seed=seed, n_resamples=config.n_resamples)
            rows.append({"family": family, "axis": axis, "loss": float(loss.mean()), "low": low, "high": high})
    return pd.DataFrame(rows).sort_values(["axis", "loss"], ascending=[False, False], ignore_index=True)
