"""What the forest is worth and what it listens to: scores beside their null and ceiling, importance
with intervals.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.metrics import affect, stats
from lib.metrics import evaluation_table as tables
from lib.signal import features
from lib.systems.music2image import train_forest

# Columns shuffled together: the families, and loudness under both its names (mfcc_00 is the mean
# level in decibels).
GROUPS = {family: tuple(i for i, of in enumerate(features.FAMILY_OF) if of == family)
          for family in features.FAMILIES}
GROUPS["loudness"] = (*GROUPS["rms"], features.NAMES.index("mfcc_00_mean"),
                      features.NAMES.index("mfcc_00_std"))


def scores(data: train_forest.Table, result: train_forest.Nested, config: train_forest.Config, *,
           published: Mapping[str, float] | None = None, seed: int = 0):
    """The forest's agreement with its listeners, beside what knows nothing and what knows
    everything.

    Args:
        data: the table the nested search ran on.
        result: of :func:`lib.systems.music2image.train_forest.nested`; its predictions are all of
            unseen pieces.
        published: what was published as R², to be shown beside ours: label → number.

    Returns:
        the table of :func:`lib.metrics.evaluation_table.whole`: measures ``CCC …``, ``R² …``,
        ``RMSE …`` of each axis; rows ``forest`` (nested, grouped) · ``true point`` (the ceiling:
        what a panel of listeners would grant a model that knows the intended point exactly; only
        where it is known) · ``mean predictor`` (of the other folds) · ``shuffled condition``.
        Intervals and tests resample pieces.

    Source: METRICS, first paragraph.  Notebook: 31.
    """
    mean = np.empty_like(result.predicted)
    for fold in np.unique(result.part):
        mean[result.part == fold] = data.va[result.part != fold].mean(axis=0)
    outputs = {"forest": result.predicted, "true point": data.truth, tables.MEAN: mean}
    if not np.isfinite(data.truth).all():
        del outputs["true point"]
    measures = [tables.Measure(f"{name} {axis}", metric, data.va[:, k], tables.ROWS, lambda points,
                               k=k: points[:, k], published=printed) for name, metric,
                printed in (("CCC", affect.ccc, {}), ("R²", affect.r2, published or {}),
                            ("RMSE", affect.rmse, {})) for k, axis in enumerate(train_forest.AXES)]
    return tables.whole(outputs, measures, groups=data.groups, seed=seed,
                        n_resamples=config.n_resamples)


def r2_of_both(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean R² of the two axes, [N, 2] each: what the text's single R² is (scikit-learn's uniform
    average over outputs).
    """
    return float(np.mean([affect.r2(truth[:, k], predicted[:, k]) for k in range(2)]))


def losses(data: train_forest.Table, result: train_forest.Nested, config: train_forest.Config, *,
           seed: int = 0) -> dict[str, np.ndarray]:
    """R² lost on each excerpt when a group of features is dealt to other pieces, its columns
    together: group → [N, 2].

    A family is shuffled as one, or a neighbour would stand in for it (two chroma features know the
    same thing); and ``loudness`` is a group of its own, across two families, because RMS and the
    first MFCC do stand in for each other. Measured on unseen pieces only. The mean over excerpts is
    the group's permutation importance.

    Source: Breiman (2001), §10, in groups as in Gregorutti, Michel & Saint-Pierre (2015).
    """
    rng = np.random.default_rng(seed)
    error = np.square(result.predicted - data.va)
    found = {}
    for family, columns in GROUPS.items():
        shuffled = np.zeros_like(error)
        for fold, model in enumerate(result.models):
            unseen = np.flatnonzero(result.part == fold)
            for _ in range(config.n_repeats):
                dealt = data.features[unseen]
                # one deal for the whole group
                dealt[:, columns] = dealt[rng.permutation(len(unseen))][:, columns]
                shuffled[unseen] += np.square(train_forest.predict(model, dealt)
                                              - data.va[unseen]) / config.n_repeats
        found[family] = (shuffled - error) / data.va.var(axis=0)
    return found


def importance(lost: dict[str, np.ndarray], groups: np.ndarray, config: train_forest.Config, *,
               seed: int = 0):
    """Permutation importance with intervals.

    Args:
        lost: of :func:`losses`. groups: [N] the piece of each excerpt, the unit of resampling.

    Returns:
        DataFrame, a row per family and axis: ``family, axis, loss, low, high``, largest loss first;
            ``loss`` is in R².
    """
    rows = []
    for family, loss in lost.items():
        for axis, own in zip(train_forest.AXES, loss.T, strict=True):
            low, high = stats.bootstrap(np.mean, own, groups=groups, seed=seed,
                                        n_resamples=config.n_resamples)
            rows.append({"family": family, "axis": axis, "loss": float(own.mean()), "low": low,
                         "high": high})
    return pd.DataFrame(rows).sort_values(["axis", "loss"], ascending=[False, False],
                                          ignore_index=True)


def margin(lost: dict[str, np.ndarray], groups: np.ndarray, config: train_forest.Config,
           family: str = "rms", *, seed: int = 0):
    """By how much R² a group of features leads the strongest other family; negative where it does
    not lead.

    The strongest rival is found anew in every resample of pieces: an interval above 0 says that no
    family may be as important.

    Args:
        lost: of :func:`losses`. family: the one that is claimed to lead; a rival is any of the
            twelve families other than it.

    Returns:
        DataFrame, a row per axis: ``family, axis, margin, low, high, rival``.
    """
    rivals = [name for name in features.FAMILIES if name != family]
    rows = []
    for column, axis in enumerate(train_forest.AXES):
        own, others = lost[family][:, column], np.stack([lost[name][:, column] for name in rivals],
                                                        axis=1)

        def lead(mine: np.ndarray, theirs: np.ndarray) -> float:
            return float(mine.mean() - theirs.mean(axis=0).max())

        low, high = stats.bootstrap(lead, own, others, groups=groups, seed=seed,
                                    n_resamples=config.n_resamples)
        rows.append({"family": family, "axis": axis, "margin": lead(own, others), "low": low,
                     "high": high, "rival": rivals[int(others.mean(axis=0).argmax())]})
    return pd.DataFrame(rows)
