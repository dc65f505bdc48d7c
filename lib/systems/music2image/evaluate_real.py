"""System 3 on real input: what its parts can do with recorded music, photographs and paintings, in
tables that are kept.

    Emotify ──features──► forest, grouped folds ──────────────► emotify_forest.csv, …_emotions.csv, …_forest.png
    DEAM, PMEmo labels ──► as released beside corrected ──────► released.csv
    OASIS, paintings ────► picture judge, grouped folds ──────► picture_judge.csv
    ten clips, Emotify ──► forest made on the atelier, paint ─► transfer.csv, ten_clips.csv, ten_clips.png

One function a table; :func:`run` (``python -m lib reference``) makes them all below
``results/reference/real/``. Every table has n, a 95 % interval over groups, the null (97.5 %
quantile with the predictions dealt out at random), the mean predictor and, where ratings allow it,
another panel of listeners as the ceiling. Collections that are not there are named and passed over.
Notebook: 35.
"""

import dataclasses
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError
from lib.data import manifest, splits
from lib.data.collections import emomusic, emotify, oasis, wikiart_emotions
from lib.metrics import affect as agreements
from lib.metrics import picture_regressor, stats
from lib.signal import affect, feature_cache, images
from lib.systems import music2image
from lib.systems.music2image import original_code as experiment
from lib.systems.music2image import train_forest

RUN = "real"
FOLDS = splits.FOLDS
SEED = 0
AXES = ["valence", "arousal"]


def run() -> None:
    """Makes every table and figure whose collection is there.

    Raises:
        KlangfarbeError: no collection at all is there.
    """
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
    """What these tables say to the ledger: rows of :func:`lib.workbook.ledger.evidence` as keyword
    arguments; none where a table is not there.
    """
    wanted = {"emotify_forest": ("S3-1", "forest", "r2", "r2_low", "r2_high",
                                 "Emotify (real music)"),
              "transfer": ("S3-1", "atelier forest", "r2", "r2_low", "r2_high",
                           "Emotify, forest from the atelier")}
    found = []
    for name, (claim, predictor, column, low, high, data) in wanted.items():
        path = paths.REFERENCE / RUN / f"{name}.csv"
        table = artefacts.read(path) if path.is_file() else None
        if table is not None:
            of = table[(table["predictor"] == predictor)
                       & table["collection"].str.startswith("Emotify")]
            found += [{"claim": claim, "quantity": f"{column}_{row['axis']}", "value": row[column],
                       "low": row[low], "high": row[high], "n": row["n"], "data": data} for _,
                      row in of.iterrows()]
    return found


def emotify_forest():
    """The forest on Emotify's excerpts: trained and tested on real music, grouped folds, GEMS
    placed on the plane.

    Rows, per axis: ``forest`` · ``genre mean`` (what the genre alone tells) · ``mean`` · ``another
    panel`` (one half of the
    listeners against the other, stepped up to full panels by Spearman and Brown: 2c / (1 + c)).
    Beside it, ``emotify_emotions.csv``: how well the share of listeners who ticked each of the nine
    emotions is predicted, before any
    point is placed: what is lost in the placing shows there.
    """
    folder, tracks = _collection("emotify", emotify)
    features = _features(folder, tracks)
    truth, groups = tracks[AXES].to_numpy(float), tracks["group_id"].to_numpy()
    predicted = splits.cross_validated(_forest, features, truth, groups)
    rows = [_rows("forest", truth, predicted, groups),
            _rows("genre mean", truth, splits.cross_validated(_class_mean,
                                                              tracks["genre"].to_numpy(), truth,
                                                              groups), groups),
            _rows("mean", truth, splits.cross_validated(_mean, features, truth, groups), groups)]
    panel = _rows("another panel", *emotify.panels(folder), groups)
    for column in ("ccc", "low", "high"):
        panel[column] = 2 * panel[column] / (1 + panel[column])
    # of half panels: no measure of full ones
    panel[["r2", "r2_low", "r2_high", "rmse", "null", "correlation"]] = np.nan
    table = _write("emotify_forest.csv",
                   [_labelled([*rows, panel], "Emotify, 15 s excerpts", features, truth)])
    _emotions(features, emotify.shares(folder), tracks, groups)
    _save_figure("emotify_forest.png",
                 _scatter(truth, predicted, "Emotify: forest, held-out tracks"))
    return table


def _emotions(features: np.ndarray, shares, tracks, groups: np.ndarray) -> None:
    config = dataclasses.replace(train_forest.Config(), n_trees=200, max_features=0.33)
    ticked = shares.set_index("track id").loc[tracks["item_id"].str[-3:].astype(int),
                                              list(affect.GEMS_POINTS)].to_numpy()
    predicted = splits.cross_validated(lambda x, y,
                                       unseen: train_forest.build(config, SEED).fit(x,
                                                                                    y).predict(
            unseen), features, ticked, groups)
    rows = []
    for (emotion, point), truth, found in zip(affect.GEMS_POINTS.items(), ticked.T, predicted.T,
                                              strict=True):
        low, high = stats.bootstrap(agreements.correlation, truth, found, groups=groups, seed=SEED)
        rows.append({"emotion": emotion, "valence": point[0], "arousal": point[1],
                     "correlation": agreements.correlation(truth, found), "low": low, "high": high,
                     "r2": agreements.r2(truth, found), "n": len(truth)})
    _write("emotify_emotions.csv",
           [pd.DataFrame(rows).assign(data_hash=provenance.content_hash(features, ticked))])


def picture_judge():
    """The picture judge on real pictures: OASIS' photographs (themes kept together) and paintings
    with WikiArt Emotions' ratings.

    Rows, per collection and axis: ``judge`` (fitted on the other folds) · ``atelier judge`` (the
    bundled one, which has seen no real picture) · ``class mean`` (what the photograph's category or
    the painting's style alone tells) · ``mean`` ·
    photographs: ``another panel`` (from the ratings' spread) · paintings: ``judge, unseen artists``
    and ``image alone`` (people who were not told the title).
    """
    found = []
    for name, adapter, settings in (("oasis", oasis, {}),
                                    ("wikiart_paintings", wikiart_emotions,
                                     {"paintings_only": True})):
        folder, table = _collection(name, adapter, **settings)
        pictures = np.stack([images.load(folder / path, size=128) for path in table["path"]])
        truth, groups = table[AXES].to_numpy(float), table["group_id"].to_numpy()
        rows = [_rows("judge", truth, splits.cross_validated(_judge, pictures, truth, groups),
                      groups), _rows("atelier judge", truth,
                                     picture_regressor.load_judge().predict(pictures), groups),
                _rows("class mean", truth,
                      splits.cross_validated(_class_mean, table["genre"].to_numpy(), truth, groups),
                      groups), _rows("mean", truth,
                                     splits.cross_validated(_mean, pictures, truth, groups),
                                     groups)]
        if adapter is oasis:
            rows.append(_panel(oasis.reliability(folder), len(table)))
        else:
            artists = table["caption"].str.rsplit(" by ", n=1).str[-1].to_numpy()
            rows.append(_rows("judge, unseen artists", truth,
                              splits.cross_validated(_judge, pictures, truth, artists), artists))
            alone = adapter.manifest(folder, seen="image",
                                     **settings).set_index("item_id").loc[table["item_id"],
                                                                          AXES].to_numpy(float)
            rows.append(_rows("image alone", truth, alone, groups))
        found.append(_labelled(rows,
                               {"oasis": "OASIS photographs"}.get(name,
                                                                  "WikiArt Emotions paintings"),
                               pictures, truth))
    return _write("picture_judge.csv", found)


def released():
    """The *as released* experiment beside the corrected one, on DEAM's and PMEmo's real labels."""
    return _write("released.csv", [experiment.real_labels(paths.real_data("mer_annotations"))])


def transfer():
    """The bundled chain on real music: the forest that learned on the atelier hears ten clips of
    emoMusic and all of Emotify.

    Writes ``ten_clips.csv`` (what was heard beside what listeners said) and ``ten_clips.png`` (the
    ten pictures painted).
    """
    clips_folder, clips = _collection("deam_audio_sample", emomusic)
    model = artefacts.load(train_forest.NOTEBOOK, artefacts.BUNDLED, "forest.skops")
    clip_features = _features(clips_folder, clips)
    truth, heard = clips[AXES].to_numpy(float), train_forest.predict(model, clip_features)
    rows = [_labelled([_rows("atelier forest", truth, heard, None)], "emoMusic, ten clips",
                      clip_features, truth)]
    folder, tracks = _collection("emotify", emotify)
    features, points = _features(folder, tracks), tracks[AXES].to_numpy(float)
    elsewhere = _rows("atelier forest", points, train_forest.predict(model, features), None)
    rows.append(_labelled([elsewhere], "Emotify, 15 s excerpts", features, points))
    from_emotify = _forest(features, points, clip_features)
    rows.append(_labelled([_rows("Emotify forest", truth, from_emotify, None)],
                          "emoMusic, ten clips", clip_features, truth))
    quadrants = [affect.QUADRANTS[i] for i in affect.quadrant(heard[:, 0], heard[:, 1])]
    _write("ten_clips.csv", [pd.DataFrame({
        "clip": clips["path"].str.rsplit("/", n=1).str[-1], "song": clips["description"],
        "valence": truth[:, 0], "arousal": truth[:, 1],
        "heard_valence": heard[:, 0], "heard_arousal": heard[:, 1], "quadrant": quadrants,
    }).assign(data_hash=provenance.content_hash(clip_features))])
    table = _write("transfer.csv", rows)
    try:
        painted = music2image.paint(heard, artefacts.BUNDLED, SEED)
        _save_figure("ten_clips.png", images.sheet(painted, columns=5,
                                                   scale=max(1, 96 // painted.shape[1])))
    except KlangfarbeError as error:
        print(f"ten_clips.png: passed over ({error})")
    return table


def _forest(inputs: np.ndarray, truth: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    return train_forest.predict(train_forest.fit(inputs, truth, train_forest.Config(), seed=SEED),
                                unseen)


def _judge(inputs: np.ndarray, truth: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    return picture_regressor.PictureJudge().fit(inputs, truth).predict(unseen)


def _mean(inputs: np.ndarray, truth: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    return np.repeat(truth.mean(axis=0, keepdims=True), len(unseen), axis=0)


def _class_mean(classes: np.ndarray, truth: np.ndarray, unseen: np.ndarray) -> np.ndarray:
    """The mean of each class; a class not seen in training gets the mean of all."""
    of_class = {name: truth[classes == name].mean(axis=0) for name in set(classes)}
    return np.array([of_class.get(name, truth.mean(axis=0)) for name in unseen])


def _collection(name: str, adapter, **settings) -> tuple[Path, "pandas.DataFrame"]:  # noqa: F821
    """The rows of a real collection that have a whole file and a label, with its folder."""
    folder = paths.real_data(name)
    built = manifest.build(adapter.manifest(folder, **settings),
                           paths.PROCESSED / "manifests" / name, root=folder)
    print(f"{name}: {manifest.summary(built)}")
    table = built.manifest
    return folder, table[table["path"].notna() & table["valence"].notna()].reset_index(drop=True)


def _features(folder: Path, table) -> np.ndarray:
    return feature_cache.of_files([folder / path for path in table["path"]])


def _rows(predictor: str, truth: np.ndarray, predicted: np.ndarray, groups: np.ndarray | None):
    table = agreements.agreement(truth, predicted, groups, seed=SEED)
    table.insert(0, "predictor", predictor)
    # Beside the CCC: what would be left if the predictions' mean and spread were set right.
    table.insert(table.columns.get_loc("r2"), "correlation",
                 [agreements.correlation(truth[:, i], predicted[:, i]) for i in range(2)])
    table["n_groups"] = len(truth) if groups is None else len(set(groups))
    return table


def _panel(reliability: dict[str, float], n_items: int):
    """The ceiling: what another panel of people of the same size would reach."""
    return pd.DataFrame([{"predictor": "another panel", "axis": axis, "ccc": reliability[axis],
                          "n": n_items, "n_groups": n_items} for axis in AXES])


def _labelled(rows: list, collection: str, *arrays: np.ndarray):
    table = pd.concat(rows, ignore_index=True)
    table.insert(0, "collection", collection)
    return table.assign(folds=FOLDS, seed=SEED, data_hash=provenance.content_hash(*arrays))


def _write(name: str, tables: list):
    """Writes a reference table with its provenance; the tables' own data hashes join into one."""
    table = pd.concat(tables, ignore_index=True)
    hashes = "".join(table["data_hash"].unique()) if "data_hash" in table else table.to_csv()
    table = table.drop(columns="data_hash", errors="ignore")
    path = artefacts.write(paths.REFERENCE / RUN / name, table)
    stamp = provenance.provenance("reference", SEED, provenance.content_hash(hashes.encode()))
    artefacts.write(path.with_name(path.name + artefacts.PROVENANCE_SUFFIX), stamp)
    return table


def _scatter(truth: np.ndarray, predicted: np.ndarray, title: str):
    figure, axes = plt.subplots(1, 2, figsize=(6.4, 3.2), sharex=True, sharey=True)
    for column, (axis, name) in enumerate(zip(axes, AXES, strict=True)):
        axis.plot([-1, 1], [-1, 1], color="0.8", lw=0.8, zorder=0)
        axis.scatter(truth[:, column], predicted[:, column], s=8, alpha=0.6,
                     color=("#b5374a", "#4a5f8a")[column], lw=0)
        axis.set(xlabel=f"{name}, listeners", ylabel="predicted" if column == 0 else "",
                 xlim=(-0.8, 0.8), ylim=(-0.8, 0.8), aspect="equal",
                 title=f"{name} · CCC {agreements.ccc(truth[:, column], predicted[:, column]):.2f}")
    figure.suptitle(title, fontsize=9)
    figure.tight_layout()
    return figure


def _save_figure(name: str, content) -> None:
    artefacts.write(paths.REFERENCE / RUN / name, content)
    if hasattr(content, "savefig"):
        plt.close(content)
