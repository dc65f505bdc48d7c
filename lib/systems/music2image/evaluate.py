"""Evaluation of the forest (pictures: notebooks 32 to 35): beside chance level and ceiling, its
permutation importance, and tables on real collections.

``python -m lib reference`` writes the tables of real collections to ``results/reference/real/``:
n, a 95 % interval over groups, the null (97.5 % quantile of permuted predictions) and, where
ratings allow it, another panel of listeners as the ceiling.

Source: Zhang §3; Breiman (2001), §10, in groups as in Gregorutti, Michel & Saint-Pierre (2015).
Notebook: 31, 35.
"""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError
from lib.data import collections, splits
from lib.data.registry import COLLECTIONS
from lib.metrics import affect as agreements
from lib.metrics import control, picture_regressor, stats
from lib.metrics import evaluation_table as tables
from lib.signal import features, images
from lib.systems.music2image import original_code, train_forest
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


def scores(data: Table, result: train_forest.Nested, config: ForestConfig, *,
           published: Mapping[str, float] | None = None, seed: int = 0) -> pd.DataFrame:
    """The evaluation table of the nested predictions: CCC, R² and RMSE of each axis, beside the
    ``true point`` (the ceiling, where it is known), the ``mean predictor`` of the other folds, the
    ``shuffled condition`` and each R² in `published`.
    """
    mean = np.empty_like(result.predicted)
    for fold in np.unique(result.part):
        mean[result.part == fold] = data.va[result.part != fold].mean(axis=0)
    outputs = {"forest": result.predicted, "true point": data.truth, tables.MEAN: mean}
    if not np.isfinite(data.truth).all():
        del outputs["true point"]
    metrics = {"CCC": agreements.ccc, "R²": agreements.r2, "RMSE": agreements.rmse}
    measures = [tables.Measure(f"{name} {axis}", metric, data.va[:, k], tables.ROWS,
                               lambda points, k=k: points[:, k],
                               published=published or {} if name == "R²" else {})
                for name, metric in metrics.items() for k, axis in enumerate(AXES)]
    return tables.evaluate_table(outputs, measures, groups=data.groups, seed=seed,
                                 n_resamples=config.n_resamples)


def losses(data: Table, result: train_forest.Nested, config: ForestConfig, *,
           seed: int = 0) -> dict[str, np.ndarray]:
    """R² lost on each unseen excerpt when a group of features is permuted, its columns together (or
    a correlated one would stand in): group → [N, 2], whose mean is the permutation importance.
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
    rows = [(family, axis, float(own.mean()),
             *stats.bootstrap(np.mean, own, groups=groups, seed=seed,
                              n_resamples=config.n_resamples))
            for family, loss in lost.items() for axis, own in zip(AXES, loss.T, strict=True)]
    table = pd.DataFrame(rows, columns=["family", "axis", "loss", "low", "high"])
    return table.sort_values(["axis", "loss"], ascending=[False, False], ignore_index=True)


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


def run() -> None:
    """``python -m lib reference``: makes every table whose collection is there."""
    made = 0
    for make in (picture_regressors, emotify_forest, released, transfer):
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
    """Rows of :func:`lib.workbook.ledger.evidence` from the stored tables."""
    found = []
    for name, predictor, origin in (
            ("emotify_forest", "forest", "Emotify (real music)"),
            ("transfer", "atelier forest", "Emotify, forest from the atelier")):
        path = paths.REFERENCE / RUN / f"{name}.csv"
        table = artefacts.read(path) if path.is_file() else pd.DataFrame()
        found += [{"claim": "S3-1", "quantity": f"r2_{row.axis}", "value": row.r2,
                   "low": row.r2_low, "high": row.r2_high, "n": row.n, "data": origin}
                  for row in table.itertuples()
                  if row.predictor == predictor and row.collection.startswith("Emotify")]
    return found


def emotify_forest() -> pd.DataFrame:
    """The forest trained and tested on Emotify, beside the genre's mean and another panel: half the
    listeners against the other half, stepped up to full panels by Spearman and Brown, 2c / (1 + c).
    """
    tracks, rows, truth, groups = _features_of("emotify", "emotify")
    genres, collection = tracks["genre"].to_numpy(), "Emotify, 15 s excerpts"
    half, other = collections.music.emotify_panels(paths.real_data("emotify"))
    panel = _table(collection, half, groups, {"another panel": other})
    for column in ("ccc", "low", "high"):
        panel[column] = 2 * panel[column] / (1 + panel[column])
    panel[["r2", "r2_low", "r2_high", "rmse", "null", "correlation"]] = np.nan  # of half panels
    table = _table(collection, truth, groups, {
        "forest": splits.cross_validated(_forest, rows, truth, groups),
        "genre mean": splits.cross_validated(_class_mean, genres, truth, groups),
        "mean": splits.cross_validated(_class_mean, np.zeros(len(truth)), truth, groups)})
    return _store("emotify_forest", pd.concat([table, panel], ignore_index=True), rows, truth)


def picture_regressors() -> pd.DataFrame:
    """The picture regressor (``judge``; ``atelier judge`` is the bundled one) on OASIS' photographs
    and WikiArt Emotions' paintings, beside people who were not told the title (``image alone``).
    """
    found, hashes, bundled = [], {}, picture_regressor.load_picture_regressor()
    for collection, name, row, settings in (
            ("OASIS photographs", "oasis", COLLECTIONS["oasis"], {}),
            ("WikiArt Emotions paintings", "wikiart_paintings", COLLECTIONS["wikiart_emotions"],
             {"paintings_only": True})):
        folder, rows = paths.real_data(name), labelled_files(name, row, **settings)
        pictures = np.stack([images.load(folder / path, size=128) for path in rows["path"]])
        truth, groups = rows[list(AXES)].to_numpy(float), rows["group_id"].to_numpy()
        classes, one = rows["genre"].to_numpy(), np.zeros(len(rows))
        found.append(_table(collection, truth, groups, {
            "judge": splits.cross_validated(_judge, pictures, truth, groups),
            "atelier judge": bundled.predict(pictures),
            "class mean": splits.cross_validated(_class_mean, classes, truth, groups),
            "mean": splits.cross_validated(_class_mean, one, truth, groups)}))
        if name == "oasis":
            reliability = collections.pictures.oasis_reliability(folder)
            found.append(pd.DataFrame([{"collection": collection, "predictor": "another panel",
                                        "axis": axis, "ccc": reliability[axis], "n": len(rows),
                                        "n_groups": len(rows), "folds": splits.FOLDS, "seed": SEED}
                                       for axis in AXES]))
        else:
            artists = rows["caption"].str.rsplit(" by ", n=1).str[-1].to_numpy()
            alone = row.manifest(folder, seen="image", **settings).set_index("item_id")
            alone = alone.loc[rows["item_id"], list(AXES)].to_numpy(float)
            found += [_table(collection, truth, artists, {"judge, unseen artists": (
                          splits.cross_validated(_judge, pictures, truth, artists))}),
                      _table(collection, truth, groups, {"image alone": alone})]
        hashes[collection] = provenance.content_hash(pictures, truth)
    return _store("picture_judge", pd.concat(found, ignore_index=True), repr(hashes).encode())


def released() -> pd.DataFrame:
    """The released experiment beside the corrected one, on DEAM's and PMEmo's real labels."""
    table = original_code.real_labels(paths.real_data("mer_annotations"))
    return _store("released", table, table.to_csv().encode())


def transfer() -> pd.DataFrame:
    """The bundled forest on ten clips of emoMusic and all of Emotify."""
    _, clip_rows, truth, _ = _features_of("deam_audio_sample", "emomusic")
    _, rows, points, _ = _features_of("emotify", "emotify")
    forest, clips = train_forest.load(artefacts.BUNDLED), "emoMusic, ten clips"
    on_clips, on_emotify = (train_forest.predict(forest, some) for some in (clip_rows, rows))
    from_emotify = _forest(rows, points, clip_rows)
    table = pd.concat([_table(clips, truth, None, {"atelier forest": on_clips}),
                       _table("Emotify, 15 s excerpts", points, None,
                              {"atelier forest": on_emotify}),
                       _table(clips, truth, None, {"Emotify forest": from_emotify})],
                      ignore_index=True)
    return _store("transfer", table, clip_rows, truth, rows, points)


def _features_of(name: str, collection: str) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    """Rows, features [N, 135], points [N, 2] and groups [N] of a collection of music."""
    tracks = labelled_files(name, COLLECTIONS[collection])
    rows = features.of_files([paths.real_data(name) / path for path in tracks["path"]])
    return tracks, rows, tracks[list(AXES)].to_numpy(float), tracks["group_id"].to_numpy()


def _forest(inputs: np.ndarray, truth: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    return train_forest.predict(train_forest.fit(inputs, truth, ForestConfig(), SEED), unseen)


def _judge(inputs: np.ndarray, truth: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    return picture_regressor.PictureRegressor().fit(inputs, truth).predict(unseen)


def _class_mean(classes: np.ndarray, truth: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """The mean of each class; a class not seen in training gets the mean of all."""
    of_class = {name: truth[classes == name].mean(axis=0) for name in set(classes)}
    return np.array([of_class.get(name, truth.mean(axis=0)) for name in unseen])


def _table(collection: str, truth: np.ndarray, groups: np.ndarray | None,
           predictions: Mapping[str, np.ndarray]) -> pd.DataFrame:
    """How well each predictor's points agree with the truth, [N, 2]: a row a predictor and axis."""
    parts = []
    for predictor, predicted in predictions.items():
        table = agreements.agreement(truth, predicted, groups, seed=SEED)
        table.insert(0, "collection", collection)
        table.insert(1, "predictor", predictor)
        table.insert(table.columns.get_loc("r2"), "correlation",
                     [control.correlation(truth[:, i], predicted[:, i]) for i in range(2)])
        parts.append(table.assign(n_groups=len(truth) if groups is None else len(set(groups)),
                                  folds=splits.FOLDS, seed=SEED))
    return pd.concat(parts, ignore_index=True)


def _store(name: str, table: pd.DataFrame, *hashed) -> pd.DataFrame:
    """Writes a reference table and its provenance."""
    path = artefacts.write(paths.REFERENCE / RUN / f"{name}.csv", table)
    stamp = provenance.provenance("reference", SEED, provenance.content_hash(*hashed))
    artefacts.write(path.with_name(path.name + artefacts.PROVENANCE_SUFFIX), stamp)
    return table
