"""Evaluation: the forest beside chance level and ceiling, its permutation importance, and tables on
real collections.

    nested predictions ──► scores (CCC, R², RMSE) · losses ──► importance, margin            notebook 31
    real collections ────► emotify_forest · picture_regressor · released · transfer ──► results/reference/real/

``python -m lib reference`` makes the second kind. Every row has n, a 95 % interval over groups, the
null (97.5 % quantile of permuted predictions) and, where ratings allow it, another panel of
listeners as the ceiling. Collections that are not there are named and left out.

Source: Zhang §3; Breiman (2001), §10, in groups as in Gregorutti, Michel & Saint-Pierre (2015).
Notebook: 31, 35.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError
from lib.data import splits
from lib.data.collections import emomusic, emotify, oasis, wikiart_emotions
from lib.metrics import affect as agreements
from lib.metrics import evaluation_table as tables
from lib.metrics import picture_regressor, stats
from lib.signal import affect, feature_cache, features, images
from lib.systems.music2image import original_code, train_diffusion, train_forest
from lib.systems.music2image.config import ForestConfig
from lib.systems.music2image.data import AXES, Table, labelled_files

RUN = "real"
SEED = 0
# Columns permuted together: the families, and loudness under both its names (mfcc_00 is the mean
# level in decibels).
GROUPS = {family: tuple(i for i, of in enumerate(features.FAMILY_OF) if of == family)
          for family in features.FAMILIES}
GROUPS["loudness"] = (*GROUPS["rms"], features.NAMES.index("mfcc_00_mean"),
                      features.NAMES.index("mfcc_00_std"))


# ---------------------------------------------------------------- the forest on the atelier

def scores(data: Table, result: train_forest.Nested, config: ForestConfig, *,
           published: Mapping[str, float] | None = None, seed: int = 0) -> pd.DataFrame:
    """The evaluation table of the nested predictions: CCC, R² and RMSE of each axis.

    Rows beside ``forest``: ``true point``, the ceiling, where it is known; ``mean predictor`` of
    the other folds; ``shuffled condition``; and each R² in `published`.
    """
    mean = np.empty_like(result.predicted)
    for fold in np.unique(result.part):
        mean[result.part == fold] = data.va[result.part != fold].mean(axis=0)
    outputs = {"forest": result.predicted, "true point": data.truth, tables.MEAN: mean}
    if not np.isfinite(data.truth).all():
        del outputs["true point"]
    measures = []
    for name, metric in (("CCC", agreements.ccc), ("R²", agreements.r2), ("RMSE", agreements.rmse)):
        for k, axis in enumerate(AXES):
            measures.append(tables.Measure(f"{name} {axis}", metric, data.va[:, k], tables.ROWS,
                                           lambda points, k=k: points[:, k],
                                           published=published or {} if name == "R²" else {}))
    return tables.evaluate_table(outputs, measures, groups=data.groups, seed=seed,
                        n_resamples=config.n_resamples)


def losses(data: Table, result: train_forest.Nested, config: ForestConfig, *,
           seed: int = 0) -> dict[str, np.ndarray]:
    """R² lost on each unseen excerpt when a group of features is permuted: group → [N, 2].

    The columns of a group are permuted together, or a correlated one would stand in. The mean over
    excerpts is the group's permutation importance.
    """
    rng = np.random.default_rng(seed)
    error = np.square(result.predicted - data.va)
    lost = {}
    for family, columns in GROUPS.items():
        permuted_error = np.zeros_like(error)
        for fold, model in enumerate(result.models):
            unseen = np.flatnonzero(result.part == fold)
            for _ in range(config.n_repeats):
                permuted = data.features[unseen]
                permuted[:, columns] = permuted[rng.permutation(len(unseen))][:, columns]
                predicted = train_forest.predict(model, permuted)
                permuted_error[unseen] += np.square(predicted - data.va[unseen]) / config.n_repeats
        lost[family] = (permuted_error - error) / data.va.var(axis=0)
    return lost


def importance(lost: dict[str, np.ndarray], groups: np.ndarray, config: ForestConfig, *,
               seed: int = 0) -> pd.DataFrame:
    """The means of :func:`losses` with intervals: ``family, axis, loss, low, high``."""
    rows = []
    for family, loss in lost.items():
        for axis, own in zip(AXES, loss.T, strict=True):
            low, high = stats.bootstrap(np.mean, own, groups=groups, seed=seed,
                                        n_resamples=config.n_resamples)
            rows.append({"family": family, "axis": axis, "loss": float(own.mean()), "low": low,
                         "high": high})
    return pd.DataFrame(rows).sort_values(["axis", "loss"], ascending=[False, False],
                                          ignore_index=True)


def margin(lost: dict[str, np.ndarray], groups: np.ndarray, config: ForestConfig,
           family: str = "rms", *, seed: int = 0) -> pd.DataFrame:
    """By how much R² a group leads the strongest other family: ``family, axis, margin, low, high,
    rival``. The rival is found anew in every resample.
    """
    rivals = [name for name in features.FAMILIES if name != family]

    def lead(own: np.ndarray, others: np.ndarray) -> float:
        return float(own.mean() - others.mean(axis=0).max())

    rows = []
    for column, axis in enumerate(AXES):
        own = lost[family][:, column]
        others = np.stack([lost[name][:, column] for name in rivals], axis=1)
        low, high = stats.bootstrap(lead, own, others, groups=groups, seed=seed,
                                    n_resamples=config.n_resamples)
        rows.append({"family": family, "axis": axis, "margin": lead(own, others), "low": low,
                     "high": high, "rival": rivals[int(others.mean(axis=0).argmax())]})
    return pd.DataFrame(rows)


# ---------------------------------------------------------------- real collections

def run() -> None:
    """``python -m lib reference``: makes every table whose collection is there."""
    made = 0
    for make in (picture_judge, emotify_forest, released, transfer):
        try:
            table = make()
        except KlangfarbeError as error:
            print(f"{make.__name__}: passed over ({error})")
            continue
        print(f"\n{make.__name__}\n{table.round(3).to_string(index=False)}")
        made += 1
    if not made:
        raise KlangfarbeError("at least one real collection", "none",
                              f"set {paths.REAL_DATA_VARIABLE} (see data/README.md)")


def evidence() -> list[dict]:
    """Rows for :func:`lib.workbook.ledger.evidence`, as keyword arguments, from the stored
    tables.
    """
    found = []
    for name, predictor, origin in (
            ("emotify_forest", "forest", "Emotify (real music)"),
            ("transfer", "atelier forest", "Emotify, forest from the atelier")):
        path = paths.REFERENCE / RUN / f"{name}.csv"
        if path.is_file():
            table = artefacts.read(path)
            table = table[(table["predictor"] == predictor)
                          & table["collection"].str.startswith("Emotify")]
            found += [{"claim": "S3-1", "quantity": f"r2_{row.axis}", "value": row.r2,
                       "low": row.r2_low, "high": row.r2_high, "n": row.n, "data": origin}
                      for row in table.itertuples()]
    return found


def emotify_forest() -> pd.DataFrame:
    """The forest trained and tested on Emotify, beside what the genre tells and another panel.

    Half the listeners are compared with the other half, stepped up to full panels by Spearman and
    Brown: 2c / (1 + c). ``emotify_emotions.csv``: the same for the share of listeners who ticked
    each of nine emotions, before any point of the plane is assigned.
    """
    tracks, rows, truth, groups = _features_of("emotify", emotify)
    predicted = splits.cross_validated(_forest(ForestConfig()), rows, truth, groups)
    genre = splits.cross_validated(_class_mean, tracks["genre"].to_numpy(), truth, groups)
    table = [_scores("forest", truth, predicted, groups),
             _scores("genre mean", truth, genre, groups),
             _scores("mean", truth, splits.cross_validated(_mean, rows, truth, groups), groups)]
    folder = paths.real_data("emotify")
    panel = _scores("another panel", *emotify.panels(folder), groups)
    for column in ("ccc", "low", "high"):
        panel[column] = 2 * panel[column] / (1 + panel[column])
    panel[["r2", "r2_low", "r2_high", "rmse", "null", "correlation"]] = np.nan  # of half panels
    _emotions(rows, emotify.shares(folder), tracks, groups)
    return _write("emotify_forest", [("Emotify, 15 s excerpts", [*table, panel])], rows, truth)


def _emotions(rows: np.ndarray, shares: pd.DataFrame, tracks: pd.DataFrame,
              groups: np.ndarray) -> None:
    config = replace(ForestConfig(), n_trees=200, max_features=0.33)
    ids = tracks["item_id"].str[-3:].astype(int)
    ticked = shares.set_index("track id").loc[ids, list(affect.GEMS_POINTS)].to_numpy()
    predicted = splits.cross_validated(
        lambda x, y, unseen: train_forest.build(config, SEED).fit(x, y).predict(unseen), rows,
        ticked, groups)
    table = []
    for column, (emotion, (valence, arousal)) in enumerate(affect.GEMS_POINTS.items()):
        truth, own = ticked[:, column], predicted[:, column]
        low, high = stats.bootstrap(agreements.correlation, truth, own, groups=groups, seed=SEED)
        table.append({"emotion": emotion, "valence": valence, "arousal": arousal,
                      "correlation": agreements.correlation(truth, own), "low": low, "high": high,
                      "r2": agreements.r2(truth, own), "n": len(truth)})
    _store("emotify_emotions", pd.DataFrame(table), rows, ticked)


def picture_judge() -> pd.DataFrame:
    """The picture regressor on OASIS' photographs and on paintings of WikiArt Emotions.

    ``judge``: fitted on the other folds · ``atelier judge``: the bundled one · ``class mean``: what
    the photograph's category or the painting's style tells · ``image alone``: people who were not
    told the title.
    """
    found, hashed = [], []
    for collection, name, adapter, settings in (
            ("OASIS photographs", "oasis", oasis, {}),
            ("WikiArt Emotions paintings", "wikiart_paintings", wikiart_emotions,
             {"paintings_only": True})):
        folder, table = paths.real_data(name), labelled_files(name, adapter, **settings)
        pictures = np.stack([images.load(folder / path, size=128) for path in table["path"]])
        truth, groups = table[list(AXES)].to_numpy(float), table["group_id"].to_numpy()

        def crossed(predictor: Callable, inputs: np.ndarray, cut_by: np.ndarray,
                    truth: np.ndarray = truth) -> np.ndarray:
            return splits.cross_validated(predictor, inputs, truth, cut_by)

        bundled = picture_regressor.load_picture_regressor().predict(pictures)
        classes = table["genre"].to_numpy()
        rows = [_scores("judge", truth, crossed(_judge, pictures, groups), groups),
                _scores("atelier judge", truth, bundled, groups),
                _scores("class mean", truth, crossed(_class_mean, classes, groups), groups),
                _scores("mean", truth, crossed(_mean, pictures, groups), groups)]
        if adapter is oasis:
            reliability = oasis.reliability(folder)
            rows.append(pd.DataFrame([{"predictor": "another panel", "axis": axis,
                                       "ccc": reliability[axis], "n": len(table),
                                       "n_groups": len(table)} for axis in AXES]))
        else:
            artists = table["caption"].str.rsplit(" by ", n=1).str[-1].to_numpy()
            rows.append(_scores("judge, unseen artists", truth,
                                crossed(_judge, pictures, artists), artists))
            alone = adapter.manifest(folder, seen="image", **settings).set_index("item_id")
            rows.append(_scores("image alone", truth,
                                alone.loc[table["item_id"], list(AXES)].to_numpy(float), groups))
        found.append((collection, rows))
        hashed += [pictures, truth]
    return _write("picture_judge", found, *hashed)


def released() -> pd.DataFrame:
    """The released experiment beside the corrected one, on DEAM's and PMEmo's real labels."""
    table = original_code.real_labels(paths.real_data("mer_annotations"))
    return _store("released", table, table.to_csv().encode())


def transfer() -> pd.DataFrame:
    """The bundled forest on real music: ten clips of emoMusic and all of Emotify.

    ``ten_clips.csv`` has its predictions beside the ratings, ``ten_clips.png`` the pictures.
    """
    clips, clip_rows, truth, _ = _features_of("deam_audio_sample", emomusic)
    forest = train_forest.load(artefacts.BUNDLED)
    predicted = train_forest.predict(forest, clip_rows)
    _, rows, points, _ = _features_of("emotify", emotify)
    from_emotify = _forest(ForestConfig())(rows, points, clip_rows)
    quadrants = [affect.QUADRANTS[i] for i in affect.quadrant(*predicted.T)]
    _store("ten_clips", pd.DataFrame({
        "clip": clips["path"].str.rsplit("/", n=1).str[-1], "song": clips["description"],
        "valence": truth[:, 0], "arousal": truth[:, 1], "heard_valence": predicted[:, 0],
        "heard_arousal": predicted[:, 1], "quadrant": quadrants}), clip_rows)
    models, config = train_diffusion.load(artefacts.BUNDLED)
    painted = train_diffusion.generate(models, predicted, config, SEED)
    artefacts.write(paths.REFERENCE / RUN / "ten_clips.png",
                    images.sheet(painted, columns=5, scale=max(1, 96 // painted.shape[1])))
    elsewhere = _scores("atelier forest", points, train_forest.predict(forest, rows), None)
    return _write("transfer", [
        ("emoMusic, ten clips", [_scores("atelier forest", truth, predicted, None)]),
        ("Emotify, 15 s excerpts", [elsewhere]),
        ("emoMusic, ten clips", [_scores("Emotify forest", truth, from_emotify, None)]),
    ], clip_rows, truth, rows, points)


def _features_of(name: str, adapter) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, features [N, 135], points [N, 2] and groups [N] of a collection of music."""
    tracks = labelled_files(name, adapter)
    rows = feature_cache.of_files([paths.real_data(name) / path for path in tracks["path"]])
    return tracks, rows, tracks[list(AXES)].to_numpy(float), tracks["group_id"].to_numpy()


def _forest(config: ForestConfig) -> Callable:
    return lambda rows, truth, unseen: train_forest.predict(
        train_forest.fit(rows, truth, config, seed=SEED), unseen)


def _judge(inputs: np.ndarray, truth: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    return picture_regressor.PictureRegressor().fit(inputs, truth).predict(unseen)


def _mean(inputs: np.ndarray, truth: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    return np.repeat(truth.mean(axis=0, keepdims=True), len(unseen), axis=0)


def _class_mean(classes: np.ndarray, truth: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """The mean of each class; a class not seen in training gets the mean of all."""
    of_class = {name: truth[classes == name].mean(axis=0) for name in set(classes)}
    return np.array([of_class.get(name, truth.mean(axis=0)) for name in unseen])


def _scores(predictor: str, truth: np.ndarray, predicted: np.ndarray,
            groups: np.ndarray | None) -> pd.DataFrame:
    """The agreement table, with the correlation and the number of groups."""
    table = agreements.agreement(truth, predicted, groups, seed=SEED)
    table.insert(0, "predictor", predictor)
    table.insert(table.columns.get_loc("r2"), "correlation",
                 [agreements.correlation(truth[:, i], predicted[:, i]) for i in range(2)])
    table["n_groups"] = len(truth) if groups is None else len(set(groups))
    return table


def _write(name: str, collections: list[tuple[str, list[pd.DataFrame]]],
           *hashed: np.ndarray) -> pd.DataFrame:
    parts = []
    for collection, rows in collections:
        table = pd.concat(rows, ignore_index=True)
        table.insert(0, "collection", collection)
        parts.append(table)
    table = pd.concat(parts, ignore_index=True).assign(folds=splits.FOLDS, seed=SEED)
    return _store(name, table, *hashed)


def _store(name: str, table: pd.DataFrame, *hashed) -> pd.DataFrame:
    """Writes a reference table and its provenance."""
    path = artefacts.write(paths.REFERENCE / RUN / f"{name}.csv", table)
    stamp = provenance.provenance("reference", SEED, provenance.content_hash(*hashed))
    artefacts.write(path.with_name(path.name + artefacts.PROVENANCE_SUFFIX), stamp)
    return table
