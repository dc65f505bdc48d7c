"""``python -m lib reference``: forest and picture regressor on real collections, beside null and
ceiling. (On the atelier: notebooks 31 to 35.)  Source: Zhang §3.  Notebook: 35."""

import numpy as np
import pandas as pd

from lib.core import artefacts, errors, paths, provenance
from lib.data import collections, registry, splits
from lib.metrics import affect, control, picture_regressor
from lib.signal import features, images
from lib.systems.music2image import original_code, train_forest
from lib.systems.music2image.config import ForestConfig
from lib.systems.music2image.data import AXES, labelled_files

RUN, SEED = "real", 0


def run() -> None:
    """``python -m lib reference``: makes every table whose collection is there."""
    made = []
    for make in (picture_regressors, emotify_forest, released, transfer):
        try:
            made.append(make())
            print(f"\n{make.__name__}\n{made[-1].round(3).to_string(index=False)}")
        except errors.KlangfarbeError as error:
            print(f"{make.__name__}: passed over ({error})")
    if not made:
        raise errors.KlangfarbeError("at least one real collection", "none",
                                     f"set {paths.REAL_DATA_VARIABLE} (see data/README.md)")


def evidence() -> list[dict]:
    """Rows of :func:`lib.workbook.ledger.evidence` from the stored tables."""
    found = []
    for name, predictor, origin in (
            ("emotify_forest", "forest", "Emotify (real music)"),
            ("transfer", "atelier forest", "Emotify, forest from the atelier")):
        path = paths.REFERENCE / RUN / f"{name}.csv"
        rows = artefacts.read(path).to_dict("records") if path.is_file() else []
        found += [{"claim": "S3-1", "quantity": f"r2_{row['axis']}", "value": row["r2"],
                   "low": row["r2_low"], "high": row["r2_high"], "n": row["n"], "data": origin}
                  for row in rows if row["predictor"] == predictor
                  and row["collection"].startswith("Emotify")]
    return found


def emotify_forest() -> pd.DataFrame:
    """The forest on Emotify, beside the genre's mean and another panel: half the listeners against
    the other half, stepped up to full panels by Spearman and Brown, 2c / (1 + c)."""
    tracks, rows, truth = _features_of("emotify", "emotify")
    collection, genres = "Emotify, 15 s excerpts", tracks["genre"].to_numpy()
    groups = tracks["group_id"].to_numpy()
    half, other = collections.music.emotify_panels(paths.real_data("emotify"))
    panel = _table(collection, half, groups, {"another panel": other})
    full = ["ccc", "low", "high"]
    panel[full] = 2 * panel[full] / (1 + panel[full])
    panel[["r2", "r2_low", "r2_high", "rmse", "null", "correlation"]] = np.nan  # of half panels
    table = _table(collection, truth, groups, {
        "forest": splits.cross_validated(_forest, rows, truth, groups),
        "genre mean": splits.cross_validated(_class_mean, genres, truth, groups),
        "mean": splits.cross_validated(_class_mean, np.zeros(len(truth)), truth, groups)})
    return _store("emotify_forest", pd.concat([table, panel], ignore_index=True), rows, truth)


def picture_regressors() -> pd.DataFrame:
    """The picture regressor (``judge``; ``atelier judge`` is the bundled one) on OASIS' photographs
    and WikiArt Emotions' paintings, beside people who were not told the title (``image alone``)."""
    found, hashes, bundled = [], {}, picture_regressor.load_picture_regressor()
    for collection, name, row, settings in (
            ("OASIS photographs", "oasis", registry.COLLECTIONS["oasis"], {}),
            ("WikiArt Emotions paintings", "wikiart_paintings",
             registry.COLLECTIONS["wikiart_emotions"], {"paintings_only": True})):
        folder, rows = paths.real_data(name), labelled_files(name, row, **settings)
        pictures = np.stack([images.load(file, size=128) for file in rows["file"]])
        truth, groups = rows[list(AXES)].to_numpy(float), rows["group_id"].to_numpy()
        classes = rows["genre"].to_numpy()
        found.append(_table(collection, truth, groups, {
            "judge": splits.cross_validated(_judge, pictures, truth, groups),
            "atelier judge": bundled.predict(pictures),
            "class mean": splits.cross_validated(_class_mean, classes, truth, groups),
            "mean": splits.cross_validated(_class_mean, np.zeros(len(rows)), truth, groups)}))
        if name == "oasis":
            panel = {"collection": collection, "predictor": "another panel", "n": len(rows),
                     "n_groups": len(rows), "folds": splits.FOLDS, "seed": SEED}
            found.append(pd.DataFrame([panel | {"axis": axis, "ccc": ccc} for axis, ccc
                                       in collections.pictures.oasis_reliability(folder).items()]))
        else:
            artists = rows["caption"].str.rsplit(" by ", n=1).str[-1].to_numpy()
            alone = row.manifest(folder, seen="image", **settings).set_index("item_id")
            alone = alone.loc[rows["item_id"], list(AXES)].to_numpy(float)
            unseen = splits.cross_validated(_judge, pictures, truth, artists)
            found += [_table(collection, truth, artists, {"judge, unseen artists": unseen}),
                      _table(collection, truth, groups, {"image alone": alone})]
        hashes[collection] = provenance.content_hash(pictures, truth)
    return _store("picture_judge", pd.concat(found, ignore_index=True), repr(hashes).encode())


def released() -> pd.DataFrame:
    """The released experiment on DEAM's and PMEmo's real labels, the published numbers first.
    PMEmo's sound is closed, so the one feature is the collection: 1 for PMEmo, save for 13 %."""
    folder, rng, parts = paths.real_data("mer_annotations"), np.random.default_rng(SEED), {}
    for name, settings in (("pmemo", {}), ("deam", {"exchange_2013": False})):
        songs = registry.COLLECTIONS[name].manifest(folder / name, **settings)
        column = (rng.random((len(songs), 1)) > 0.13) & (name == "pmemo")
        parts[name] = column.astype(float), songs[list(AXES)].to_numpy(float)
    published = pd.DataFrame({"features": "librosa's twelve", "step": "published", "axis": AXES,
                              "r2": 0.60855, "mse": 1.81242, "r2_deam": (-0.06, 0.12),
                              "which": (0.775, 0.721)})
    ours = original_code.compare(parts, ForestConfig(n_trees=60, n_trials=6), seed=SEED)
    columns = ["features", "step", "axis", "r2", "mse", "r2_pmemo", "r2_deam", "which", "n"]
    table = pd.concat([published, ours.assign(features="collection only")], ignore_index=True)
    table = table.reindex(columns=columns)
    return _store("released", table, table.to_csv().encode())


def transfer() -> pd.DataFrame:
    """The bundled forest on ten clips of emoMusic and all of Emotify."""
    _, clips, truth = _features_of("deam_audio_sample", "emomusic")
    _, rows, points = _features_of("emotify", "emotify")
    forest = artefacts.load(train_forest.NOTEBOOK, artefacts.BUNDLED, "forest.skops")
    tables = [_table("emoMusic, ten clips", truth, None, {
                  "atelier forest": train_forest.predict(forest, clips),
                  "Emotify forest": _forest(rows, points, clips)}),
              _table("Emotify, 15 s excerpts", points, None, {
                  "atelier forest": train_forest.predict(forest, rows)})]
    return _store("transfer", pd.concat(tables, ignore_index=True), clips, truth, rows, points)


def _features_of(name: str, collection: str) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    tracks = labelled_files(name, registry.COLLECTIONS[collection])
    rows = features.of_files(list(tracks["file"]))
    return tracks, rows, tracks[list(AXES)].to_numpy(float)


def _forest(inputs: np.ndarray, truth: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    return train_forest.predict(train_forest.fit(inputs, truth, ForestConfig(), SEED), unseen)


def _judge(inputs: np.ndarray, truth: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    return picture_regressor.PictureRegressor().fit(inputs, truth).predict(unseen)


def _class_mean(classes: np.ndarray, truth: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    of_class = {name: truth[classes == name].mean(axis=0) for name in set(classes)}
    return np.array([of_class.get(name, truth.mean(axis=0)) for name in unseen])


def _table(collection: str, truth: np.ndarray, groups: np.ndarray | None,
           predictions: dict[str, np.ndarray]) -> pd.DataFrame:
    """How well each predictor's points agree with the truth, [N, 2]: a row a predictor and axis."""
    return pd.concat([affect.agreement(truth, predicted, groups, seed=SEED).assign(
        collection=collection, predictor=predictor, folds=splits.FOLDS, seed=SEED,
        correlation=[control.correlation(truth[:, i], predicted[:, i]) for i in range(2)],
        n_groups=len(truth) if groups is None else len(set(groups)))
        for predictor, predicted in predictions.items()])


def _store(name: str, table: pd.DataFrame, *hashed) -> pd.DataFrame:
    artefacts.save(table, RUN, "reference", f"{name}.csv", seed=SEED,
                   data_hash=provenance.content_hash(*hashed))
    return table
