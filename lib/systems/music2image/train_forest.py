"""The forest: from the features of a piece of music to its valence and arousal. Ours: the search
sees inner folds only, cut by piece. Source: Zhang §2.4 and its table.  Notebook: 31."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from sklearn.ensemble import RandomForestRegressor

from lib.core import provenance
from lib.core.errors import KlangfarbeError
from lib.data import splits
from lib.signal import features
from lib.systems.music2image.config import ForestConfig
from lib.systems.music2image.data import Table
from lib.training import loop

NOTEBOOK = "31_music2image_forest"
SEARCH_SPACE = {"max_depth": (4, 30), "min_split": (2, 12), "min_leaf": (1, 12),
                "max_features": (0.05, 1.0)}


def build(config: ForestConfig, seed: int = 0) -> RandomForestRegressor:
    """An untrained forest with the config's settings."""
    return RandomForestRegressor(
        n_estimators=config.n_trees, max_depth=config.max_depth, min_samples_split=config.min_split,
        min_samples_leaf=config.min_leaf, max_features=config.max_features, random_state=seed)


def fit(rows: np.ndarray, va: np.ndarray, config: ForestConfig, seed: int = 0):
    """Grows the forest on features [N, F] and ratings [N, 2] in [−1, 1]."""
    rows, va = np.asarray(rows, np.float32), np.asarray(va, np.float64)
    if va.shape != (len(rows), 2) or not (np.abs(va) <= 1 + 1e-6).all():  # NaN is not
        raise KlangfarbeError("features [N, F] and ratings [N, 2], all in [−1, 1]",
                              f"{rows.shape} and {va.shape}, {np.min(va):g} to {np.max(va):g}",
                              "join by song, drop unlabelled ones, convert with affect.to_unit")
    if config.gain_db:
        gains = config.gain_db * np.random.default_rng(seed).standard_normal(2 * len(rows))
        rows = np.concatenate([rows, features.at_volume(np.tile(rows, (2, 1)), gains)])
        va = np.tile(va, (3, 1))
    return build(config, seed).fit(rows, va)


def predict(model: RandomForestRegressor, rows: np.ndarray) -> np.ndarray:
    """Valence and arousal of features [N, F]: float64 [N, 2] in [−1, 1]."""
    return np.clip(model.predict(np.asarray(rows, np.float32)), -1, 1)


def distributions() -> dict:
    """The settings of the search as Optuna draws them."""
    # slow: a forest that is loaded needs no search
    from optuna.distributions import FloatDistribution, IntDistribution
    return {name: (IntDistribution if isinstance(low, int) else FloatDistribution)(low, high)
            for name, (low, high) in SEARCH_SPACE.items()}


def search(data: Table, config: ForestConfig, database: Path, *, seed: int = 0,
           name: str = "all") -> tuple[ForestConfig, float]:
    """Optuna's best settings, their mean RMSE over inner folds; the first trial is the config's."""
    import optuna  # slow: a forest that is loaded needs no search

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
    for number in loop.progress(config.n_trials, f"search {name}", start=finished):
        # a seed for each trial: a search that was killed ends where an unbroken one does
        study.sampler = optuna.samplers.TPESampler(seed=10_000 * seed + number,
                                                   n_startup_trials=max(3, config.n_trials // 4),
                                                   constant_liar=False)
        trial, errors = study.ask(distributions()), []
        tried = replace(config, n_trees=config.search_trees, **trial.params)
        for fold in range(config.inner_folds):
            seen, unseen = data.rows(part != fold), data.rows(part == fold)
            predicted = predict(fit(seen.features, seen.va, tried, seed), unseen.features)
            errors.append(np.sqrt(np.mean((predicted - unseen.va) ** 2)))
        study.tell(trial, float(np.mean(errors)))
    return replace(config, **study.best_params), float(study.best_value)
