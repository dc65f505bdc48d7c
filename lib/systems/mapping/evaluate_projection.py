"""How near the predicted vectors lie to their targets, and how much of a target a picture can know.

    predictions, targets [N, n, D] ──test pairs──► cosine, MAE, centred cosine
        ──bootstrap over linked groups──► value [low, high]
    beside: mean of the training targets · permuted targets · ridge regression

A cosine between two conditions is high for all of them: all point roughly where their mean points.
The *centred* cosine takes the training targets' mean off both: 0 for a constant prediction.

A target is m = μ + g + r: the mean of all, what depends on the picture, the rest, which no network
can predict. With S = E|m − μ|² and the share ρ = E|g|² / S the best prediction is μ + g, and its
cosine with m is close to √((|μ|² + ρS) / (|μ|² + S)): :func:`expected_cosine`.

Source: Deepika §6.2.1, Table 6.1; the baselines and the ceiling are ours.
Notebook: 21, 22, 23, 27.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import soxr
from sklearn.linear_model import Ridge

from lib.core.errors import KlangfarbeError
from lib.data import memmaps
from lib.data.atelier import render, words
from lib.data.atelier.compose import compose
from lib.data.atelier.factors import draw
from lib.metrics import stats
from lib.signal.audio import SAMPLE_RATE_HZ
from lib.systems.mapping import data
from lib.systems.mapping.train_projection import cosine_similarity

MEASURES = ("cosine", "mae", "centred cosine")
SECOND_PIECES_FROM = 360_000  # the atelier's items that are other pieces to the same pictures


def row_scores(predicted: np.ndarray, targets: np.ndarray, mean: np.ndarray) -> dict:
    """The three :data:`MEASURES` of each row, float64 [N]; the centred cosine takes `mean`
    [1, n, D] off.
    """
    return {"cosine": cosine_similarity(predicted, targets),
            "mae": np.abs(predicted - targets).mean((1, 2)),
            "centred cosine": cosine_similarity(predicted - mean, targets - mean)}


def pair_scores(table: pd.DataFrame, predicted: np.ndarray, targets: np.ndarray,
                mean: np.ndarray | None = None) -> pd.DataFrame:
    """The test pairs' scores: columns ``pair, linked, cosine, mae, centred cosine, cosine_mean,
    mae_mean`` (the last two: of the mean vector).

    Args:
        mean: [1, n, D], of the training targets; ``None``: of this table's training pairs.
    """
    rows = np.flatnonzero(table["split"] == "test")
    mean = _training_mean(table, targets) if mean is None else mean
    baseline = row_scores(np.repeat(mean, len(rows), axis=0), targets[rows], mean)
    return pd.DataFrame({**table.iloc[rows].reset_index(drop=True)[["pair", "linked"]],
                         **row_scores(predicted[rows], targets[rows], mean),
                         "cosine_mean": baseline["cosine"], "mae_mean": baseline["mae"]})


def score_table(table: pd.DataFrame, predictions: dict[str, np.ndarray], targets: np.ndarray, *,
                seed: int = 0, n_shuffles: int = 200) -> pd.DataFrame:
    """The test pairs' mean scores: ``row, measure, value, low, high, null, null_high, n``;
    intervals are 95 %, over linked groups.

    ``null, null_high``: mean and 97.5 % end (of MAE: 2.5 %) with the targets permuted between
    linked groups. A row *mean vector* is added; its centred cosine, 0 by construction, is left out.
    """
    test, mean = np.flatnonzero(table["split"] == "test"), _training_mean(table, targets)
    groups = table["linked"].to_numpy()[test]
    predictions = {**predictions, "mean vector": np.repeat(mean, len(table), axis=0)}
    rows = []
    for row, predicted in predictions.items():
        for name, values in row_scores(predicted[test], targets[test], mean).items():
            if row == "mean vector" and name == "centred cosine":
                continue
            null = stats.permutation_null(
                lambda truth, guess, name=name: float(row_scores(guess, truth, mean)[name].mean()),
                targets[test], predicted[test], groups=groups, n_shuffles=n_shuffles, seed=seed)
            low, high = stats.bootstrap(np.mean, values, groups=groups, seed=seed)
            rows.append({"row": row, "measure": name, "value": values.mean(), "low": low,
                         "high": high, "null": null.mean(),
                         "null_high": np.quantile(null, 0.025 if name == "mae" else 0.975),
                         "n": len(test)})
    return pd.DataFrame(rows)


def ridge_baseline(table: pd.DataFrame, vectors: np.ndarray, targets: np.ndarray,
                   alphas=(0.03, 0.1, 0.3, 1.0, 3.0, 10.0)) -> np.ndarray:
    """Predictions [N, n, D] of a ridge regression from vectors [N, D_in], fitted on the training
    pairs; the penalty is chosen by the validation pairs' cosine.
    """
    train, validation = (np.flatnonzero(table["split"] == name) for name in ("train", "validation"))
    flat = targets.reshape(len(targets), -1)

    def validation_cosine(model) -> float:
        predicted = model.predict(vectors[validation]).reshape(targets[validation].shape)
        return cosine_similarity(predicted, targets[validation]).mean()

    best = max((Ridge(alpha=alpha).fit(vectors[train], flat[train]) for alpha in alphas),
               key=validation_cosine)
    return best.predict(vectors).reshape(targets.shape).astype(np.float32)


def permuted_cosine(table: pd.DataFrame, predicted: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Each prediction's mean cosine with the targets of all other linked groups, [N]: the expected
    value under permutation.
    """
    predicted, targets = (x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)
                          for x in (np.asarray(predicted, np.float64), targets))
    linked = table["linked"].to_numpy()
    others = linked[:, None] != linked[None]
    cosines = np.einsum("and,bnd->ab", predicted, targets) / predicted.shape[1]
    return (cosines * others).sum(1) / others.sum(1)


def lift_difference(ours: pd.DataFrame, theirs: pd.DataFrame, *, bare: bool = False,
                    seed: int = 0) -> tuple[float, float, float, int]:
    """Claim S2-1: our cosine over our own mean vector's, minus theirs over their own, on the pairs
    of both: (value, low, high, n), 95 % over linked groups.

    The studies have different targets, and a mean vector reaches a different cosine in each: only
    what goes beyond it compares.

    Args:
        ours, theirs: of :func:`pair_scores`.
        bare: one cosine minus the other, without the mean vectors, as in the published table.
    """
    both = ours.merge(theirs, on="pair", suffixes=("", "_theirs"))
    difference = both["cosine"] - both["cosine_theirs"]
    if not bare:
        difference -= both["cosine_mean"] - both["cosine_mean_theirs"]
    difference = difference.to_numpy()
    interval = stats.bootstrap(np.mean, difference, groups=both["linked"].to_numpy(), seed=seed)
    return float(difference.mean()), *interval, len(both)


def explained_share(targets: np.ndarray, labels: Sequence) -> float:
    """R² of the groups' means over all dimensions of targets [N, D] together, corrected for the
    number of groups: 0 is expected where the labels say nothing.

    1 − (SSW / (N − k)) / (SST / (N − 1)), SSW within groups, SST around the common mean.
    """
    x = np.asarray(targets, np.float64)
    names, member = np.unique(np.asarray(labels).astype(str), return_inverse=True)
    if not len(names) < len(x):
        raise KlangfarbeError("fewer groups than rows", f"{len(names)} of {len(x)}",
                              "group by something that repeats")
    one_hot = np.eye(len(names))[member]  # [N, k]
    means = (one_hot.T @ x) / one_hot.sum(0)[:, None]
    within = np.square(x - means[member]).sum() / (len(x) - len(names))
    return float(1 - within / (np.square(x - x.mean(0)).sum() / (len(x) - 1)))


def explained_by(targets: np.ndarray, labels: Sequence, *, n_shuffles: int = 200,
                 seed: int = 0) -> dict:
    """:func:`explained_share` as ``value, low, high`` (95 %, jackknife), ``null`` (97.5 % end with
    permuted labels), ``groups`` and ``n``.

    Args:
        targets: [N, D], independent rows: one of each linked group.
    """
    targets, labels = np.asarray(targets, np.float64), np.asarray(labels).astype(str)
    rng = np.random.default_rng(seed)
    null = [explained_share(targets, labels[rng.permutation(len(labels))])
            for _ in range(n_shuffles)]
    low, high = stats.jackknife(lambda rows: explained_share(targets[rows], labels[rows]),
                                np.arange(len(labels)), seed=seed)
    return {"value": explained_share(targets, labels), "low": low, "high": high,
            "null": float(np.quantile(null, 0.975)), "groups": len(set(labels)), "n": len(labels)}


def shared_variance(targets: np.ndarray, second: np.ndarray, mean: np.ndarray) -> float:
    """ρ from two targets [N, D] of each picture, whose rests are independent: ⟨m − μ, m′ − μ⟩ over
    the mean of |m − μ|² and |m′ − μ|². `mean`: μ [D], of other rows.
    """
    a, b = (np.asarray(rows, np.float64) - np.asarray(mean, np.float64)
            for rows in (targets, second))
    return float((a * b).sum() / (0.5 * (np.square(a).sum() + np.square(b).sum())))


def expected_cosine(targets: np.ndarray, rho: float | np.ndarray = 0.0):
    """The cosine that a prediction of the share ρ of targets [N, D] can expect; ρ = 0 for the mean
    vector.
    """
    x = np.asarray(targets, np.float64)
    mean = np.square(x.mean(0)).sum()
    spread = np.square(x - x.mean(0)).sum(1).mean()
    return np.sqrt((mean + np.clip(rho, 0, 1) * spread) / (mean + spread))


def second_pieces(pairs: data.PairedData, rows: np.ndarray, generator,
                  seconds: float) -> np.ndarray:
    """Codes int16 [n, K, S] of another piece to each of these pictures of the atelier, by the rule
    that paired the first (:func:`draw_second_pieces`); stored like the pairs' own.

    Args:
        seconds: ``clip_seconds`` of the pairs' config.
    """
    codec, pieces = generator.codec, draw_second_pieces(pairs.table.iloc[rows])

    def encode(batch: np.ndarray) -> np.ndarray:
        sounds = [soxr.resample(render.render(compose(pieces[k], seconds), seconds),
                                SAMPLE_RATE_HZ, codec.sample_rate_hz) for k in batch]
        n_samples = round(seconds * codec.sample_rate_hz)
        return codec.encode(np.stack([sound[:n_samples]
                                      for sound in sounds])[:, None]).cpu().numpy()

    folder = memmaps.cache_folder("second pieces", pairs.folder.name, [int(row) for row in rows])
    return memmaps.cached_rows(folder, "codes", len(rows), pairs.codes.shape[1:], np.int16, encode)


def draw_second_pieces(table: pd.DataFrame) -> list:
    """For a genre-tagged pair a piece of the picture's valence and arousal; for an emotion-tagged
    pair one of its emotion.
    """
    pieces, index = [], SECOND_PIECES_FROM
    for source, item in zip(table["source"], data.atelier_items(table["image"]), strict=True):
        exact = {} if source == "emotion-tagged" else {"valence": item.valence,
                                                       "arousal": item.arousal}
        while True:
            piece = draw(item.seed, index, **exact)
            index += 1
            if exact or words.emotion_word(piece) == words.emotion_word(item):
                pieces.append(piece)
                break
    return pieces


def _training_mean(table: pd.DataFrame, targets: np.ndarray) -> np.ndarray:
    return targets[np.flatnonzero(table["split"] == "train")].mean(0, keepdims=True)
