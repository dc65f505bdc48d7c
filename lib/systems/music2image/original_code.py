"""Faults of the released code behind the published R² of .609: two scales in one column; ratings
without gaps beside features with gaps; a search on the very test set that is reported.
Source: Zhang §3 and its released notebook.  Notebook: 31_music2image_forest"""

from dataclasses import replace
from typing import Any

import numpy as np
import optuna
import pandas as pd

from lib.metrics import affect as agreement
from lib.signal import affect
from lib.systems.music2image import train_forest
from lib.systems.music2image.config import ForestConfig
from lib.systems.music2image.data import AXES

# scale in ``lib.signal.affect`` → features [n, F], ratings [n, 2] in [−1, 1], NaN where unrated
Parts = dict[str, tuple[np.ndarray, np.ndarray]]
STEPS = {"as released": (False, False, True),  # one scale, rows by song, a search on the test set
         "… without the search": (False, False, False),
         "… scales mended": (True, False, False),
         "… rows mended": (False, True, False),
         "both mended": (True, True, False)}


def joined(parts: Parts, *, one_scale: bool, by_song: bool) -> tuple:
    """Features, ratings, collections [N]; as released, only ratings lose the unrated songs."""
    ratings = [own if one_scale else affect.from_unit(own, name)
               for name, (_, own) in parts.items()]
    rated = [np.isfinite(own).all(axis=1) for own in ratings]
    labels = np.concatenate([own[there] for own, there in zip(ratings, rated, strict=True)])
    collection = np.repeat(np.arange(len(parts)), [there.sum() for there in rated])
    rows = np.concatenate([features for features, _ in parts.values()])
    rows = rows[np.concatenate(rated)] if by_song else rows[: len(labels)]
    there = np.isfinite(rows).all(axis=1)
    return rows[there], labels[there], collection[there]


def r2_of_collection(labels: np.ndarray, collection: np.ndarray) -> np.ndarray:
    """R² [2] of predicting each collection's own mean."""
    _, member = np.unique(collection, return_inverse=True)
    mean = np.stack([labels[member == k].mean(axis=0) for k in range(member.max() + 1)])[member]
    return np.array([agreement.r2(labels[:, column], mean[:, column]) for column in (0, 1)])


def search_on_test(rows: np.ndarray, labels: np.ndarray, test: np.ndarray, config: ForestConfig, *,
                   seed: int = 0) -> np.ndarray:
    """As released: predictions [n, 2] of the trial with the least error on the rows `test` [N]."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    predictions, study = [], optuna.create_study(sampler=optuna.samplers.TPESampler(
        seed=seed, n_startup_trials=max(3, config.n_trials // 4)))
    study.enqueue_trial({name: getattr(config, name) for name in train_forest.SEARCH_SPACE})
    for _ in range(config.n_trials):
        trial = study.ask(train_forest.distributions())
        forest = train_forest.build(replace(config, **trial.params), seed)
        predictions.append(forest.fit(rows[~test], labels[~test]).predict(rows[test]))
        study.tell(trial, float(np.mean((predictions[-1] - labels[test]) ** 2)))
    return predictions[study.best_trial.number]


def compare(parts: Parts, config: ForestConfig, *, n_splits=1, seed: int = 0) -> pd.DataFrame:
    """Each of :data:`STEPS` on `n_splits` random fifths of the rows: ``step, axis, r2, mse``,
    ``r2_<collection>`` (within each), ``which`` (R² of the collection alone), ``n``."""
    found = []
    for step, (one_scale, by_song, search) in STEPS.items():
        rows, labels, collection = joined(parts, one_scale=one_scale, by_song=by_song)
        tried = config if search else replace(config, n_trials=1)
        for split in range(seed, seed + n_splits):
            order = np.random.default_rng(split).permutation(len(rows))
            test = np.isin(np.arange(len(rows)), order[: round(0.2 * len(rows))])
            predicted = search_on_test(rows, labels, test, tried, seed=split)
            of, which = collection[test], r2_of_collection(labels[test], collection[test])
            for k, axis in enumerate(AXES):
                t, p = labels[test, k], predicted[:, k]
                within = {f"r2_{name}": agreement.r2(t[of == i], p[of == i])
                          if np.sum(of == i) > 1 else np.nan for i, name in enumerate(parts)}
                found.append({"step": step, "axis": axis, "r2": agreement.r2(t, p),
                              "mse": agreement.rmse(t, p) ** 2, **within, "which": which[k],
                              "n": len(t)})
    means: Any = pd.DataFrame(found).groupby(["step", "axis"], sort=False, as_index=False).mean()
    return means.assign(n=n_splits * means["n"].astype(int))
