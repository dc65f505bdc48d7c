"""System 2 abroad: pairs that training never saw, two groups of pictures with a luck of their own,
styles kept away.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib import pretrained
from lib.core.errors import KlangfarbeError
from lib.systems import evaluation
from lib.systems.mapping import data, differentiable_decoding, generalisation, targets

SIZES = replace(data.PROFILES["smoke"], n_pairs=20, n_views=1, clip_seconds=1.0)


@pytest.fixture(scope="module")
def parts():
    return differentiable_decoding.frozen(pretrained.load("musicgen")), pretrained.load(
        "image_text")


def test_fresh_pairs_are_all_test_pairs_and_what_training_knows_is_refused(parts, monkeypatch):
    monkeypatch.setitem(data.PROFILES, "smoke", SIZES)
    known = data.merged(*data.atelier(SIZES))
    made = generalisation.fresh(generalisation.Config(n_pairs=12), "smoke", known, *parts)
    assert len(made.table) == 12 and set(made.table["split"]) == {"test"} and made.vectors.shape[
        1] == 1
    assert not set(made.table["image"]) & set(known["image"])
    planted = known.copy()
    planted.loc[0, ["image", "image_group"]] = made.table["image"].iloc[2]
    with pytest.raises(KlangfarbeError, match="never saw"):
        generalisation.fresh(generalisation.Config(n_pairs=12), "smoke", planted, *parts)


def material(n: int = 60) -> targets.Material:
    table = data.merged(*data.atelier(data.Config(n_pairs=n)))
    return targets.Material(table, None, None, None, None, ("sad",) * n, None)


def test_both_groups_are_as_large_and_abstract_means_the_three_styles():
    found = generalisation.played_to(material(), 6)
    assert found.groupby("group", sort=False).size().to_dict() == {"abstract": 6,
                                                                   "the rest": 6} and found[
        "image"].is_unique
    assert (found["style"].isin(generalisation.ABSTRACT) == (found["group"] == "abstract")).all()
    with pytest.raises(KlangfarbeError, match="either group"):
        generalisation.played_to(material(), 40)


def rows_of(places: np.ndarray, affect: np.ndarray) -> np.ndarray:
    heard = np.empty(len(places), [("anchors", float, places.shape[1:]), ("affect", float, (2,))])
    heard["anchors"], heard["affect"] = places, affect
    return heard


def test_music_that_suits_one_group_alone_is_told_apart():
    rng, n = np.random.default_rng(0), 24
    pictures = pd.DataFrame({"group": np.repeat(["abstract", "the rest"], n),
                             **{axis: rng.uniform(-1, 1, 2 * n)
                                for axis in ("valence", "arousal")}})
    places = rng.standard_normal((2 * n, 6))
    suits = (pictures["group"] == "abstract").to_numpy()[:, None]
    heard = rows_of(np.where(suits, places, rng.standard_normal((2 * n, 6))),
                    np.where(suits, pictures[["valence", "arousal"]],
                             rng.uniform(-1, 1, (2 * n, 2))))
    found = generalisation.suited(pictures, places, heard,
                                  n_shuffles=199).set_index(["group", "measure"])
    for measure in ("IMSM", "agreement"):
        assert found.loc[("abstract", measure),
                         "value"] == pytest.approx(1) and found.loc[("abstract", measure),
                                                                    "p"] == 1 / 200
        other = found.loc[("the rest", measure)]
        assert other["luck_low"] <= other["value"] <= other["luck_high"] and other[
            "p"] > 0.02 and other["n"] == n
    assert found.loc[("abstract", "IMSM"),
                     "value"] == pytest.approx(evaluation.cosines(places[:n], places[:n]).mean())


def test_a_kept_away_style_is_in_no_training_pair_and_both_choices_are_as_large():
    known = material(300)
    train = (known.table["split"] == "train").to_numpy()
    strange = data.truth(known.table)["style"].isin(generalisation.ABSTRACT).to_numpy()
    keep = generalisation.hidden(known, seed=1)
    assert not (keep["without"] & train & strange).any() and (keep["with"] & train & strange).any()
    assert (keep["with"] & train).sum() == (keep["without"] & train).sum() < train.sum()
    assert keep["with"][~train].all() and keep["without"][~train].all()
