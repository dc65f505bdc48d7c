"""The forest: from the features of a piece of music to its valence and arousal.

Known deviations: Optuna sees inner folds only, and folds are cut by piece, so the score is one of
music that was never met · the number of trees is not searched · the forest that is kept learns
every excerpt at three volumes, since a file's loudness tells how it was mastered.

Source: Zhang §2.4 and its table of hyperparameters. Notebook: 31_music2image_forest
"""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optuna
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

from lib.core import artefacts, provenance
from lib.core.errors import KlangfarbeError
from lib.data import splits
from lib.signal import features
from lib.systems.music2image.config import ForestConfig
from lib.systems.music2image.data import Table
from lib.training import loop

NOTEBOOK = "31_music2image_forest"
VOLUMES = 3
SEARCH_SPACE = {"max_depth": (4, 30), "min_split": (2, 12), "min_leaf": (1, 12),
                "max_features": (0.05, 1.0)}


def build(config: ForestConfig, seed: int = 0) -> RandomForestRegressor:
    """An untrained forest with the config's settings."""
    return RandomForestRegressor(n_estimators=config.n_trees, max_depth=config.max_depth,
                                 min_samples_split=config.min_split,
                                 min_samples_leaf=config.min_leaf, max_features=config.max_features,
                                 random_state=seed)


def fit(rows: np.ndarray, va: np.ndarray, config: ForestConfig,
        seed: int = 0) -> RandomForestRegressor:
    """Grows the forest on features [N, F] and ratings [N, 2] in [−1, 1]."""
    rows, va = np.asarray(rows, np.float32), np.asarray(va, np.float64)
    if va.shape != (len(rows), 2) or not (np.abs(va) <= 1 + 1e-6).all():  # NaN is not
        raise KlangfarbeError("features [N, F] and ratings [N, 2], all in [−1, 1]",
                              f"{rows.shape} and {va.shape}, {np.min(va):g} to {np.max(va):g}",
                              "join by song, drop unlabelled ones, convert with affect.to_unit")
    if config.gain_db:
        more = VOLUMES - 1
        gains = config.gain_db * np.random.default_rng(seed).standard_normal(more * len(rows))
        rows = np.concatenate([rows, features.at_volume(np.tile(rows, (more, 1)), gains)])
        va = np.tile(va, (VOLUMES, 1))
    return build(config, seed).fit(rows, va)


def predict(model: RandomForestRegressor, rows: np.ndarray) -> np.ndarray:
    """Valence and arousal of features [N, F]: float64 [N, 2] in [−1, 1]."""
    rows = np.asarray(rows, np.float32)
    if rows.ndim != 2 or rows.shape[1] != model.n_features_in_:
        raise KlangfarbeError(f"features [N, {model.n_features_in_}]", str(rows.shape),
                              "take them from lib.signal.features.extract")
    return np.clip(model.predict(rows), -1, 1)


def load(profile: str) -> RandomForestRegressor:
    """A profile's forest, else the bundled one."""
    return artefacts.load(NOTEBOOK, profile, "forest.skops")


def rmse(model: RandomForestRegressor, unseen: Table) -> float:
    """Error over both axes."""
    return float(np.sqrt(np.mean((predict(model, unseen.features) - unseen.va) ** 2)))


def suggest(trial: optuna.Trial) -> dict:
    """A trial's settings, drawn by Optuna from :data:`SEARCH_SPACE`."""
    return {name: trial.suggest_int(name, low, high) if isinstance(low, int)
            else trial.suggest_float(name, low, high)
            for name, (low, high) in SEARCH_SPACE.items()}


def search(data: Table, config: ForestConfig, database: Path, *, seed: int = 0,
           name: str = "all") -> tuple[ForestConfig, float]:
    """Optuna's best settings for `data` and their mean RMSE over inner folds of it; the first trial
    is the config's own. Each trial has its own seed, so that a search that was killed goes on in
    `database` (sqlite) and ends where an unbroken one does.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    key = provenance.content_hash(data.features, data.va, "".join(map(str, data.groups)).encode(),
                                  repr((config, seed)).encode())
    database.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(study_name=f"{name}-{key}", storage=f"sqlite:///{database}",
                                load_if_exists=True)
    states = [trial.state.name for trial in study.get_trials(deepcopy=False)]
    finished = states.count("COMPLETE")  # a trial that was killed stays RUNNING
    if finished == 0 and "WAITING" not in states:
        study.enqueue_trial({setting: getattr(config, setting) for setting in SEARCH_SPACE})
    part = splits.folds(data.groups, config.inner_folds, seed)

    def error(trial) -> float:
        tried = replace(config, n_trees=config.search_trees, **suggest(trial))
        errors = []
        for fold in range(config.inner_folds):
            seen, unseen = data.rows(part != fold), data.rows(part == fold)
            errors.append(rmse(fit(seen.features, seen.va, tried, seed), unseen))
        return float(np.mean(errors))

    for number in loop.progress(config.n_trials, f"search {name}", start=finished):
        study.sampler = optuna.samplers.TPESampler(seed=10_000 * seed + number,
                                                   n_startup_trials=max(3, config.n_trials // 4),
                                                   constant_liar=False)
        study.optimize(error, n_trials=1)
    return replace(config, **study.best_params), float(study.best_value)


class Nested(NamedTuple):
    """A nested search: every row's prediction is by a forest that never met its piece."""

    predicted: np.ndarray  # [N, 2]
    part: np.ndarray  # [N], the outer fold
    models: list  # a forest per fold
    folds: pd.DataFrame  # what each fold's search chose, and its errors


def nested(data: Table, config: ForestConfig, database: Path, *, seed: int = 0) -> Nested:
    """For each outer fold: search on the others alone, grow a forest on them, predict the fold."""
    part = splits.folds(data.groups, config.outer_folds, seed)
    predicted, models, rows = np.empty_like(data.va, dtype=np.float64), [], []
    for fold in range(config.outer_folds):
        seen, unseen = data.rows(part != fold), data.rows(part == fold)
        best, inner = search(seen, config, database, seed=seed, name=f"outer-{fold}")
        model = fit(seen.features, seen.va, best, seed)
        predicted[part == fold] = predict(model, unseen.features)
        models.append(model)
        rows.append({"fold": fold, "inner_rmse": inner, "outer_rmse": rmse(model, unseen),
                     **{setting: getattr(best, setting) for setting in SEARCH_SPACE}})
    return Nested(predicted, part, models, pd.DataFrame(rows))
