"""The real-data tables: held-out means held-out, planted signal is found, absent collections are
named.
"""

import functools
import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.data import registry, splits
from lib.data.collections import pictures
from lib.metrics import picture_regressor
from lib.systems.music2image import evaluate


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """An empty shelf of collections, and results that stay in the test's own folder."""
    monkeypatch.setenv(paths.REAL_DATA_VARIABLE, str(tmp_path / "shelf"))
    monkeypatch.setattr(paths, "RESULTS", tmp_path)
    monkeypatch.setattr(paths, "REFERENCE", tmp_path / "reference")
    monkeypatch.setattr(paths, "PROCESSED", tmp_path / "processed")
    (tmp_path / "shelf").mkdir()
    return tmp_path / "shelf"


def photographs(folder, n_themes=20, n_each=3):
    """A small OASIS whose valence is its brightness and whose arousal is its redness."""
    rng = np.random.default_rng(0)
    (folder / "images").mkdir(parents=True)
    rows = []
    for theme in range(n_themes):
        for i in range(n_each):
            light, red = rng.uniform(0.1, 0.9, 2)
            picture = rng.normal(0, 6, (40, 50, 3)) + 160 * light + np.array([90 * red, 0, 0])
            name = f"{'ABCDEFGHIJKLMNOPQRST'[theme]} {i + 1}"
            Image.fromarray(picture.clip(0,
                                         255).astype(np.uint8)).save(folder / "images"
                                                                     / f"{name}.jpg", quality=95)
            rows.append([f"I{len(rows)}", name, "Scenery", "x", 1 + 6 * light, 1.0, 100,
                         1 + 6 * red, 1.0, 100])
    columns = ["", "Theme", "Category", "Source", "Valence_mean", "Valence_SD", "Valence_N",
               "Arousal_mean", "Arousal_SD", "Arousal_N"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "OASIS.csv", index=False)


def test_no_prediction_has_seen_its_own_group():
    groups = np.repeat(np.arange(12), 4)
    truth = np.random.default_rng(0).uniform(-1, 1, (48, 2))
    calls = []

    def fit_predict(inputs, points, unseen):
        calls.append((set(groups[inputs]), set(groups[unseen])))
        assert np.array_equal(points, truth[inputs])
        return truth[unseen]

    assert np.array_equal(splits.cross_validated(fit_predict, np.arange(48), truth, groups), truth)
    assert len(calls) == splits.FOLDS and all(not seen & unseen for seen, unseen in calls)
    assert sorted(g for _, unseen in calls for g in unseen) == list(range(12))


def test_a_class_never_met_gets_the_mean_of_all():
    truth = np.array([[0.0, 0.2], [1.0, 0.4], [0.5, 0.9]])
    found = evaluate._class_mean(np.array(["a", "a", "b"]), truth, np.array(["b", "a", "c"]))
    assert np.allclose(found, [[0.5, 0.9], [0.5, 0.3], [0.5, 0.5]])


def test_planted_affect_is_found_in_photographs_and_the_nulls_find_none(shelf, monkeypatch):
    photographs(shelf / "oasis")
    noise = np.random.default_rng(0).integers(0, 255, (30, 32, 32, 3), dtype=np.uint8)
    untaught = picture_regressor.PictureRegressor().fit(noise, np.zeros((30, 2)))
    monkeypatch.setattr(picture_regressor, "load_picture_regressor", lambda: untaught)
    # the second collection is the first again
    again = replace(registry.COLLECTIONS["oasis"], read=lambda folder, **_: pictures.oasis(folder))
    monkeypatch.setitem(registry.COLLECTIONS, "wikiart_emotions", again)
    (shelf / "wikiart_paintings").symlink_to(shelf / "oasis")
    table = evaluate.picture_regressors()
    ccc = table[table["collection"] == "OASIS photographs"].set_index(["predictor", "axis"])["ccc"]
    assert ccc["judge"].min() > 0.9 and ccc["mean"].abs().max() < 0.1 and ccc[
        "class mean"].abs().max() < 0.1
    assert 0.98 < ccc["another panel"].min() < 1
    judged = table[table["predictor"] == "judge"]
    assert (judged["low"] <= judged["ccc"]).all() and (judged["null"]
                                                       < judged["low"]).all() and (
        judged["n_groups"] == 20).all()
    kept = paths.REFERENCE / evaluate.RUN / "picture_judge.csv"
    assert len(artefacts.read(kept)) == len(table)
    stamp = json.loads(kept.with_name(kept.name + ".provenance.json").read_text())
    assert stamp["profile"] == "reference" and len(stamp["data_hash"]) == 16


def test_collections_that_are_not_there_are_named_and_passed_over(shelf, capsys):
    with pytest.raises(KlangfarbeError, match="at least one real collection"):
        evaluate.run()
    said = capsys.readouterr().out
    assert all(f"{name}: passed over" in said
               for name in ("picture_regressors", "emotify_forest", "released", "transfer"))
    assert not paths.REFERENCE.exists()


@pytest.mark.real_data
def test_the_kept_tables_are_those_of_the_real_collections(real_data):
    """The judge's table is cheap to make again: what is kept under results/reference must be what
    the code gives.
    """
    real_data("oasis")
    real_data("wikiart_paintings")
    kept = paths.REFERENCE / evaluate.RUN / "picture_judge.csv"
    if not kept.is_file():
        pytest.skip("no reference table is kept yet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate, "_store", lambda name, table, *hashed: table)
        patch.setattr(evaluate.affect, "agreement",
                      functools.partial(evaluate.affect.agreement, n_resamples=2))
        again = evaluate.picture_regressors()
    before = artefacts.read(kept)
    assert np.allclose(before["ccc"], again["ccc"], atol=0.02,
                       equal_nan=True) and (before["n"] == again["n"]).all()
