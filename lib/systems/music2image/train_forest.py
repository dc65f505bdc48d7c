"""The forest: from the features of a piece of music to its valence and arousal.

    sound [N] ──lib.signal.features──► [135] ──600 trees, each a question game──► their mean f̂ = 1/B Σ f_b ──► (valence, arousal) [2]

Source: text 002, §2.4 and its table of hyperparameters (600 trees, depth 20, split 2, leaf 3, max
features 1.0).

Known deviations: labels on one scale, [−1, 1] (published: 1–9 beside 0–1) · rows joined by song,
never by position · Optuna sees inner folds only, and folds are cut by piece, so the score is one of
music it has never met · the number of
trees is not searched: more are never worse · the forest that is kept hears every excerpt at three
volumes, since how loud a file is says how it was mastered. ``released.py`` shows what the first
three change. Notebook: 31_music2image_forest
"""

import dataclasses
import functools
import importlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
from sklearn.ensemble import RandomForestRegressor

from lib.core import paths, provenance
from lib.core.errors import KlangfarbeError
from lib.data import atelier, manifest, splits
from lib.data.atelier import compose, factors, genres, harmony, melody, render, textures
from lib.metrics import affect
from lib.signal import feature_cache, features
from lib.training import loop

NOTEBOOK = "31_music2image_forest"
AXES = ("valence", "arousal")
RATERS = 10  # simulated listeners a piece, about as many as rated a song of DEAM


@dataclass(frozen=True)
class Config:
    """The published forest, and how it is searched and measured. Defaults are the text's values
    where it states them.

    Attributes:
        n_trees, max_depth, min_split, min_leaf, max_features: scikit-learn's ``n_estimators,
            max_depth, min_samples_split, min_samples_leaf, max_features`` (a share of all features
            tried at each question).
        gain_db: where it is not 0, every row is learned at :data:`VOLUMES` volumes, its own and
            others drawn with this standard deviation.
        collections: real collections to learn from (modules of ``lib.data.collections``); empty:
            the atelier.
        n_pieces, excerpts, piece_seconds: atelier pieces, each cut into `excerpts` of equal length,
            which share the group.
        disagreement: standard deviation of one simulated listener about the true point (DEAM's is
            .37 on this scale).
        outer_folds, inner_folds: of the nested search. n_trials: Optuna's trials per outer fold.
            search_trees: trees in a trial.
        n_repeats: shuffles per family for the permutation importance. n_resamples: of every
            bootstrap.
    """

    n_trees: int = 600
    max_depth: int = 20
    min_split: int = 2
    min_leaf: int = 3
    max_features: float = 1.0
    gain_db: float = 0.0
    collections: tuple[str, ...] = ()
    n_pieces: int = 2569
    excerpts: int = 1
    piece_seconds: float = 45.0
    disagreement: float = 0.37
    outer_folds: int = 5
    inner_folds: int = 5
    n_trials: int = 100
    search_trees: int = 200
    n_repeats: int = 20
    n_resamples: int = 1000


PROFILES = {
    "smoke": Config(n_trees=12, n_pieces=80, excerpts=2, piece_seconds=4.0, outer_folds=2,
                    inner_folds=2, n_trials=2, search_trees=4, n_repeats=1, n_resamples=50),
    "mini": Config(n_trees=100, n_pieces=240, excerpts=2, piece_seconds=10.0, outer_folds=4,
                   inner_folds=3, n_trials=5, search_trees=15, n_repeats=3, n_resamples=300),
    "gpu": Config(n_pieces=2569, excerpts=2, piece_seconds=45.0, n_trials=40, search_trees=100),
    "paper": Config(collections=("deam", "pmemo")),
}
# The forest that ships with the repository: more pieces than `mini`, fewer and shallower trees than
# published, for its size.
MINIATURE = Config(n_trees=100, max_depth=12, min_leaf=12, max_features=0.35, gain_db=4.0,
                   n_pieces=1500, excerpts=2, piece_seconds=15.0)
VOLUMES = 3
SEARCH_SPACE = {"max_depth": (4, 30), "min_split": (2, 12), "min_leaf": (1, 12),
                "max_features": (0.05, 1.0)}


@dataclass(frozen=True)
class Table:
    """What a forest learns from: `features` [N, 135], rated `va` [N, 2], the `truth` behind it [N,
    2] (NaN where nobody knows it), `groups` [N] (piece or artist), `kinds` [N] (genre).
    """

    features: np.ndarray
    va: np.ndarray
    truth: np.ndarray
    groups: np.ndarray
    kinds: np.ndarray

    def rows(self, chosen: np.ndarray) -> "Table":
        return Table(*(getattr(self, field.name)[chosen] for field in dataclasses.fields(self)))


@functools.lru_cache(maxsize=2)
def _piece(seed: int, index: int, seconds: float) -> np.ndarray:
    return render.sounds(seed, [index], seconds)[0][0]


def excerpt(seed: int, piece_seconds: float, excerpts: int, index: int) -> np.ndarray:
    """Excerpt `index` of an atelier collection, float32 [N]: part ``index % excerpts`` of piece
    ``index // excerpts``.
    """
    sound = _piece(seed, index // excerpts, piece_seconds)
    length = len(sound) // excerpts
    part = index % excerpts
    return sound[part * length : (part + 1) * length]


def atelier_table(config: Config, seed: int) -> Table:
    """Features and ratings of an atelier collection, kept under ``data/processed`` and resumed
    after a kill.

    Args:
        config: how many pieces, how long, how many excerpts each, and how much listeners disagree.
        seed: which collection (``TRAIN_SEED``, ``TEST_SEED`` …).
    """
    modules = (compose, factors, genres, harmony, melody, render, textures)
    settings = repr((seed, config.piece_seconds, config.excerpts))
    recipe = b"".join(Path(module.__file__).read_bytes() for module in modules) + settings.encode()
    items = [factors.draw(seed, i) for i in range(config.n_pieces)]
    sound_of = functools.partial(excerpt, seed, config.piece_seconds, config.excerpts)
    rows = feature_cache.table(recipe, range(config.n_pieces * config.excerpts), sound_of,
                               label="features")
    rated = factors.ratings(items, n_raters=RATERS, disagreement=config.disagreement)
    truth = np.array([[item.valence, item.arousal] for item in items])
    piece = np.repeat(np.arange(config.n_pieces), config.excerpts)
    return Table(rows, rated[piece], truth[piece],
                 np.array([item.item_id for item in items])[piece],
                 np.array([item.genre for item in items])[piece])


def real_table(config: Config) -> Table:
    """Features and ratings of the real collections named in ``config.collections``, joined by song.

    Raises:
        KlangfarbeError: the collections' folder is not set, or a collection has no sound with a
            label.
    """
    parts = []
    for name in config.collections:
        folder = paths.real_data(name)
        adapter = importlib.import_module(f"lib.data.collections.{name}")
        built = manifest.build(adapter.manifest(folder), paths.PROCESSED / "manifests" / name,
                               root=folder).manifest
        songs = built[built["path"].notna() & built["valence"].notna()]
        if not len(songs):
            raise KlangfarbeError(f"sounds with labels in {folder}", "none",
                                  f"check the folder against the card of {name}")
        parts.append(songs.assign(file=[folder / path for path in songs["path"]],
                                  genre=songs["genre"].fillna(name)))
    songs = pd.concat(parts, ignore_index=True)
    va = songs[list(AXES)].to_numpy(float)
    rows = feature_cache.of_files(list(songs["file"]), seconds=config.piece_seconds)
    return Table(rows, va, np.full_like(va, np.nan), songs["group_id"].to_numpy(str),
                 songs["genre"].to_numpy(str))


def table(config: Config, seed: int) -> Table:
    """The profile's table: real collections where the config names them, else the atelier's
    training collection.
    """
    return real_table(config) if config.collections else atelier_table(config, seed)


def build(config: Config, seed: int = 0):
    """An untrained scikit-learn forest with the config's settings, one thread."""
    return RandomForestRegressor(n_estimators=config.n_trees, max_depth=config.max_depth,
                                 min_samples_split=config.min_split,
                                 min_samples_leaf=config.min_leaf, max_features=config.max_features,
                                 random_state=seed)


def fit(rows: np.ndarray, va: np.ndarray, config: Config, seed: int = 0):
    """Grows the forest.

    Args:
        rows: features [N, F]. va: ratings [N, 2] in [−1, 1]. config: its size and settings. seed:
            of every tree's draw.

    Returns:
        the fitted forest; ``artefacts.save`` writes it with skops.

    Raises:
        KlangfarbeError: ratings outside [−1, 1] (the mark of two scales), or features and ratings
            that do not match.
    """
    rows, va = np.asarray(rows, np.float32), np.asarray(va, np.float64)
    if va.ndim != 2 or va.shape[1] != 2 or len(rows) != len(va):
        raise KlangfarbeError("features [N, F] and ratings [N, 2]", f"{rows.shape} and {va.shape}",
                              "join them by song first")
    known = va[np.isfinite(va)]
    if len(known) < va.size or np.abs(known).max(initial=0) > 1 + 1e-6:
        found = f"{known.min(initial=1):g} to {known.max(initial=-1):g}, {va.size - len(known)} missing"
        raise KlangfarbeError("ratings in [−1, 1]", found, "convert each collection with affect.to_unit and drop unlabelled songs")
    if config.gain_db:
        gain_db = config.gain_db * np.random.default_rng(seed).standard_normal((VOLUMES - 1)
                                                                               * len(rows))
        others = features.at_volume(np.tile(rows, (VOLUMES - 1, 1)), gain_db)
        rows, va = np.concatenate([rows, others]), np.tile(va, (VOLUMES, 1))
    return build(config, seed).fit(rows, va)


def predict(model, rows: np.ndarray) -> np.ndarray:
    """Valence and arousal the forest hears: features [N, F] → float64 [N, 2] in [−1, 1]. Equation
    of §2.4: the trees' mean.

    Raises:
        KlangfarbeError: not the features it was grown on.
    """
    rows = np.asarray(rows, np.float32)
    if rows.ndim != 2 or rows.shape[1] != model.n_features_in_:
        raise KlangfarbeError(f"features [N, {model.n_features_in_}]", str(rows.shape),
                              "take them from lib.signal.features.extract")
    return np.clip(model.predict(rows), -1, 1)


def search(data: Table, config: Config, database: Path, *, seed: int = 0,
           name: str = "all") -> tuple[Config, float]:
    """Optuna's best settings for `data`, judged on folds inside it. A killed search goes on where
    it stopped.

    Every trial draws from its own seed and the finished trials before it, so a resumed search ends
    where an unbroken one does. The config's own settings are the first trial.

    Args:
        data: what may be seen; nothing else is.
        config: ``n_trials``, ``inner_folds`` and ``search_trees``; its settings are the first
            guess.
        database: sqlite file, made if absent. A study in it is known by `name` and a hash of data
            and config.
        seed: of the trials.

    Returns:
        the config with the best settings, and their mean inner RMSE.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    key = provenance.content_hash(data.features, data.va, "".join(map(str, data.groups)).encode(),
                                  repr((config, seed)).encode())
    database.parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(study_name=f"{name}-{key}", storage=f"sqlite:///{database}",
                                load_if_exists=True)
    # a killed trial stays RUNNING and does not count
    states = [trial.state.name for trial in study.get_trials(deepcopy=False)]
    finished = states.count("COMPLETE")
    if finished == 0 and "WAITING" not in states:
        study.enqueue_trial({setting: getattr(config, setting) for setting in SEARCH_SPACE})
    part = splits.folds(data.groups, config.inner_folds, seed)

    def error(trial) -> float:
        tried = dataclasses.replace(config, n_trees=config.search_trees, **suggested(trial))
        folds = [(data.rows(part != k), data.rows(part == k)) for k in range(config.inner_folds)]
        return float(np.mean([_rmse(fit(seen.features, seen.va, tried, seed), unseen) for seen,
                              unseen in folds]))

    at_random = max(3, config.n_trials // 4)
    for number in loop.progress(config.n_trials, f"search {name}", start=finished):
        study.sampler = optuna.samplers.TPESampler(seed=10_000 * seed + number,
                                                   n_startup_trials=at_random, constant_liar=False)
        study.optimize(error, n_trials=1)
    return dataclasses.replace(config, **study.best_params), float(study.best_value)


def suggested(trial) -> dict:
    """A trial's settings, drawn by Optuna from :data:`SEARCH_SPACE`."""
    return {setting: trial.suggest_int(setting, low, high) if isinstance(low, int)
            else trial.suggest_float(setting, low, high) for setting,
            (low, high) in SEARCH_SPACE.items()}


def _rmse(model, unseen: Table) -> float:
    return float(np.sqrt(np.mean((predict(model, unseen.features) - unseen.va) ** 2)))


@dataclass(frozen=True)
class Nested:
    """A nested search: `predicted` [N, 2], each row by a forest that never met its piece; the fold
    [N] of each row; a forest per fold; and `folds`, a table of what each fold's search chose and
    how it fared.
    """

    predicted: np.ndarray
    part: np.ndarray
    models: list
    folds: "pandas.DataFrame"  # noqa: F821


def nested(data: Table, config: Config, database: Path, *, seed: int = 0) -> Nested:
    """Scores the whole recipe, search and all, on pieces that neither the search nor the forest has
    met.

    For each outer fold: search on the other folds alone, grow a forest on them, predict the fold.
    """
    part = splits.folds(data.groups, config.outer_folds, seed)
    predicted, models, rows = np.empty_like(data.va, dtype=np.float64), [], []
    for fold in range(config.outer_folds):
        seen, unseen = data.rows(part != fold), data.rows(part == fold)
        best, inner = search(seen, config, database, seed=seed, name=f"outer-{fold}")
        model = fit(seen.features, seen.va, best, seed)
        predicted[part == fold] = predict(model, unseen.features)
        models.append(model)
        rows.append({"fold": fold, "n": len(unseen.va), "inner_rmse": inner,
                     "outer_rmse": _rmse(model, unseen),
                     **{setting: getattr(best, setting) for setting in SEARCH_SPACE}})
    return Nested(predicted, part, models, pd.DataFrame(rows))


def make_miniature() -> tuple:
    """The bundled forest and its score on fresh pieces: (forest, agreement table, data hash). About
    five minutes.
    """
    data = atelier_table(MINIATURE, atelier.TRAIN_SEED)
    model = fit(data.features, data.va, MINIATURE)
    fresh = atelier_table(dataclasses.replace(MINIATURE, n_pieces=300, excerpts=1),
                          atelier.TEST_SEED)
    score = affect.agreement(fresh.truth, predict(model, fresh.features), fresh.groups)
    return model, score, provenance.content_hash(data.features, data.va)


