"""System 2, Table 6.1: how near the predicted conditions lie to their targets, beside what they
have to beat.

    made, wanted [N, n, D] ──test pairs──► cosine, MAE, centred cosine of each pair ──bootstrap over linked groups──► value [low, high]
                             mean vector of the training targets · targets dealt to other groups ·
                             ridge regression

A cosine between two conditions is high for all of them, for all point roughly where their mean
points. The *centred* cosine takes the training targets' mean off both: 0 for whoever says the same
of every picture.

Source: text 001, §6.2.1, Table 6.1; the rows beneath the system's are ours.  Notebook: 22, 23, 24,
27.
"""

import numpy as np
import pandas as pd
from sklearn.linear_model import Ridge

from lib.metrics import stats
from lib.systems.mapping import batches

MEASURES = ("cosine", "mae", "centred cosine")


def per_pair(table, made: np.ndarray, wanted: np.ndarray, split: str = "test",
             mean: np.ndarray | None = None):
    """One row for each pair of a split: DataFrame ``pair, linked, cosine, mae, centred cosine,
    cosine_mean, mae_mean``.

    Args:
        table: of ``aimus.merged``, N pairs. made, wanted: [N, n, D], in its order; `made` may hold
            anything where it is not of `split`.
        mean: [1, n, D], of the targets that were trained on; ``None``: of this table's own training
            pairs.
    """
    rows, mean = np.flatnonzero(table["split"] == split), _mean(table,
                                                                wanted) if mean is None else mean
    some = table.iloc[rows].reset_index(drop=True)
    found = {f"{name}{which}": values for which,
             guess in (("", made[rows]), ("_mean", np.repeat(mean, len(rows), axis=0))) for name,
             values in measured(guess, wanted[rows], mean).items()
             if not which or name != "centred cosine"}
    return pd.DataFrame({"pair": some["pair"], "linked": some["linked"], **found})


def measured(made: np.ndarray, wanted: np.ndarray, mean: np.ndarray) -> dict[str, np.ndarray]:
    """The three :data:`MEASURES` of each row, float64 [N]; `mean` [1, n, D] is what the centred
    cosine takes off.
    """
    return {"cosine": batches.cosines(made, wanted), "mae": np.abs(made - wanted).mean((1, 2)),
            "centred cosine": batches.cosines(made - mean, wanted - mean)}


def ridge(table, vectors: np.ndarray, wanted: np.ndarray,
          alphas=(0.03, 0.1, 0.3, 1.0, 3.0, 10.0)) -> np.ndarray:
    """Predictions [N, n, D] of a ridge regression on the training pairs; its one setting is chosen
    by the validation pairs' cosine.

    Args:
        vectors: float32 [N, D_in] of the pictures as they are.
    """
    train, held = (np.flatnonzero(table["split"] == name) for name in ("train", "validation"))
    flat = wanted.reshape(len(wanted), -1)
    fits = [Ridge(alpha=alpha).fit(vectors[train], flat[train]) for alpha in alphas]
    best = max(fits,
               key=lambda fit: batches.cosines(
            fit.predict(vectors[held]).reshape(wanted[held].shape), wanted[held]).mean())
    return best.predict(vectors).reshape(wanted.shape).astype(np.float32)


def scores(table, rows: dict[str, np.ndarray], wanted: np.ndarray, *, split: str = "test",
           seed: int = 0, n_shuffles: int = 200):
    """The table: DataFrame ``row, measure, value, low, high, null, null_high, n``; intervals are 95
    %, over linked groups.

    ``null`` and ``null_high`` are the mean and the 97.5 % end (of MAE: the 2.5 % end) with the
    targets dealt to other linked groups. A row *mean vector* is added; its centred cosine is 0 by
    construction and left out.

    Args:
        rows: name → predictions [N, n, D].
    """
    at, mean = np.flatnonzero(table["split"] == split), _mean(table, wanted)
    groups, made = table["linked"].to_numpy()[at], {**rows,
                                                    "mean vector": np.repeat(mean, len(table),
                                                                             axis=0)}
    found = []
    for row, guess in made.items():
        for name, values in measured(guess[at], wanted[at], mean).items():
            if row == "mean vector" and name == "centred cosine":
                continue
            luck = stats.permutation_null(lambda right, said,
                                  name=name: float(measured(said, right, mean)[name].mean()),
                                  wanted[at], guess[at], groups=groups, n_shuffles=n_shuffles,
                                  seed=seed)
            low, high = stats.bootstrap(np.mean, values, groups=groups, seed=seed)
            found.append({"row": row, "measure": name, "value": values.mean(), "low": low,
                          "high": high, "null": luck.mean(),
                          "null_high": np.quantile(luck, 0.025 if name == "mae" else 0.975),
                          "n": len(at)})
    return pd.DataFrame(found)


def dealt(table, made: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Each prediction's mean cosine with the targets of all other linked groups: [N]. What dealing
    the targets leaves, without dice.

    Args:
        table: N pairs with ``linked``, more than one group. made, wanted: [N, n, D].
    """
    made, wanted = (x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
                    for x in (np.asarray(made, np.float64), wanted))
    linked = table["linked"].to_numpy()
    others = linked[:, None] != linked[None]
    return (np.einsum("and,bnd->ab", made, wanted) / made.shape[1] * others).sum(1) / others.sum(1)


def lift(ours, theirs, *, bare: bool = False, seed: int = 0) -> tuple[float, float, float, int]:
    """Claim S2-1: our cosine over our own mean vector's, minus theirs over their own, on the same
    pairs: (value, low, high, n).

    The two studies have different targets, and a mean vector reaches a different cosine in each:
    only what goes beyond it compares.

    Args:
        ours, theirs: of :func:`per_pair`; pairs of both take part. Interval: 95 %, over linked
            groups.
        bare: leave the mean vectors out: one cosine minus the other, which the published table
            does.
    """
    both = ours.merge(theirs, on="pair", suffixes=("", "_theirs"))
    difference = both["cosine"] - both["cosine_theirs"]
    difference = (difference if bare else difference
                  - (both["cosine_mean"] - both["cosine_mean_theirs"])).to_numpy()
    return float(difference.mean()), *stats.bootstrap(np.mean, difference,
                                                      groups=both["linked"].to_numpy(),
                                                      seed=seed), len(both)


def _mean(table, wanted: np.ndarray) -> np.ndarray:
    """The training targets' mean, [1, n, D]."""
    return wanted[np.flatnonzero(table["split"] == "train")].mean(0, keepdims=True)
