"""Mapping's evaluation: the test set, the measures, predicted vectors, generalisation."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib import pretrained
from lib.core.errors import KlangfarbeError
from lib.data.atelier import TEST_SEED, factors
from lib.metrics import distances, divergence, stats
from lib.signal import affect
from lib.systems.mapping import (
    data,
    differentiable_decoding,
    evaluate,
    train_projection,
)
from lib.systems.mapping.config import DataConfig, EvaluationConfig, get_config

CONFIG = EvaluationConfig(n_pictures=16, seconds=0.8, n_played=8, n_seeds=2, side=32)
RATE = 16_000


@pytest.fixture(scope="module")
def known():
    """A small training table of the atelier's, without pictures or sounds."""
    return data.merge_collections(*data.atelier_collections(DataConfig(n_pairs=60,
                                                                       clip_seconds=1.0)))


@pytest.fixture(scope="module")
def room(known):
    return evaluate.build_test_set(CONFIG, RATE, known)


# --- material


def test_pictures_take_turns_in_style_and_word_and_their_pieces_share_the_word(room):
    table = room.table
    assert len(table) == len(room.pictures) == len(room.reference) == len(room.real) == 16
    assert table["style"].tolist() == 2 * list(factors.STYLES)
    assert table.groupby("style")["emotion"].nunique().eq(2).all() and table[
        "emotion"].value_counts().max() <= 4
    for row in table.itertuples():
        assert affect.emotion_word(row.valence, row.arousal) == row.emotion
        for piece in (row.audio, row.real):
            seed, index = piece.split("-")[1:]
            drawn = factors.draw(int(seed), int(index))
            assert affect.emotion_word(drawn.valence, drawn.arousal) == row.emotion
    assert not set(table["audio"]) & set(table["real"]) and table["image"].is_unique
    assert room.reference.dtype == np.float32 and abs(room.reference.shape[1] - 0.8 * RATE) <= 1


def test_every_style_meets_every_word_in_forty(known):
    table = evaluate.build_test_set(replace(CONFIG, n_pictures=40, seconds=0.5), RATE, known).table
    assert len(table[["style", "emotion"]].drop_duplicates()) == 40


def test_a_picture_or_piece_of_the_training_table_is_refused(room, known):
    data.assert_unseen(room.table, known)
    for column, side in (("image", "image"), ("audio", "audio"), ("real", "audio")):
        planted = known.copy()
        planted.loc[3, [side, f"{side}_group"]] = room.table[column].iloc[5]
        with pytest.raises(KlangfarbeError, match="never saw"):
            data.assert_unseen(room.table, planted)


@pytest.mark.parametrize("change", [{"n_pictures": 20}, {"n_played": 4}, {"n_played": 24},
                                    {"n_seeds": 1}])
def test_sizes_that_make_no_examination_are_refused(change):
    with pytest.raises(KlangfarbeError, match="multiple of eight"):
        EvaluationConfig(**{"n_pictures": 16, "n_played": 8} | change)


def test_retrieval_plays_what_the_nearest_training_picture_was_paired_with(known):
    n = len(known)
    vectors = np.random.default_rng(0).standard_normal((n, 2, 6)).astype(np.float32)
    sounds = np.repeat(np.arange(n, dtype=np.float16)[:, None] / 100, 10, axis=1)
    material = data.PairedData(known, None, vectors, sounds, None, (), None)
    train = np.flatnonzero(known["split"] == "train")
    held_out = np.flatnonzero(known["split"] != "train")
    found = evaluate.retrieve_music(3 * vectors[train[[4, 2]], 0], material, 10)
    assert np.allclose(found, sounds[train[[4, 2]]])
    # itself is not among what may be retrieved; short music is repeated
    found = evaluate.retrieve_music(vectors[held_out, 0], material, 15)
    assert found.shape == (len(held_out), 15) and not np.isin(np.round(found[:, 0] * 100),
                                                              held_out).any()


# --- measures


def test_shares_of_power_give_the_metrics_own_divergence(room):
    ours = evaluate.kl_divergence(evaluate.mel_shares(room.reference[:4], RATE),
                                evaluate.mel_shares(room.real[:4], RATE))
    theirs = divergence.mel_energy_kld(room.reference[:4], room.real[:4], RATE)
    assert np.allclose(ours, theirs, rtol=1e-4)
    louder = evaluate.mel_shares(3 * room.real, RATE)
    assert np.allclose(evaluate.kl_divergence(evaluate.mel_shares(room.real, RATE), louder), 0,
                       atol=1e-6), "loudness is not timbre"


def test_cosines_row_by_row():
    assert np.allclose(train_projection.cosine_similarity(np.array([[1.0, 0], [3, 4]]),
                                                          np.array([[0.0, 2], [6, 8]])), [0, 1])


def test_a_row_is_heard_as_the_networks_hear_it(room):
    tagger, ear = pretrained.load("tagger",
                                  device="cpu"), pretrained.load("text_audio", device="cpu")
    rows = evaluate.clip_features(room.real[:3], tagger, ear, RATE)
    assert rows["anchors"].shape == (3, ear.width) and rows["shares"].shape == (3, 128)
    assert rows["word"].tolist() == [affect.emotion_word(*point) for point in rows["affect"]]
    louder = evaluate.clip_features(2 * room.real[:3], tagger, ear, RATE)
    assert np.allclose(louder["embedding"], rows["embedding"],
                       atol=1e-3), "sets are compared at one loudness"
    assert not np.allclose(louder["affect"], rows["affect"],
                           atol=1e-3), "the judge of affect hears it as played"


# --- differences


def test_a_difference_of_means_over_seeds_by_hand():
    ours, theirs = [np.array([1.0, 2, 3, 4]), np.array([2.0, 3, 4, 5])], [np.zeros(4), np.zeros(4)]
    value, low, high = stats.difference_over_seeds(np.mean, ours, theirs)
    of_seeds = np.var([2.5, 3.5], ddof=1) / 2
    # leaving one out of a mean is the mean's own standard error
    of_paintings = np.var([2, 3, 4, 5][:4], ddof=1) / 4
    assert value == pytest.approx(3.0) and (low + high) / 2 == pytest.approx(3.0)
    from scipy.stats import t

    total = of_seeds + of_paintings
    freedom = total**2 / (of_seeds**2 / 1 + of_paintings**2 / 3)
    assert high - value == pytest.approx(t.ppf(0.975, freedom) * np.sqrt(total))


def test_equal_variants_are_told_apart_in_about_one_of_twenty():
    rng, wrong = np.random.default_rng(1), 0
    for _ in range(200):
        a, b = (list(rng.normal(size=(3, 1)) * 0.1 + rng.normal(size=(3, 40)) * 0.3)
                for _ in range(2))
        _, low, high = stats.difference_over_seeds(np.mean, a, b)
        wrong += low > 0 or high < 0
    assert wrong <= 22


def test_a_planted_difference_is_found_in_a_mean_and_in_a_frechet_distance():
    rng = np.random.default_rng(2)
    there = rng.normal(size=(60, 4))
    near, far = ([rng.normal(size=(40, 4)) + shift for _ in range(3)] for shift in (0.0, 2.0))
    value, low, _ = stats.difference_over_seeds(lambda rows: distances.fad(there, rows), far, near)
    assert low > 0 and value == pytest.approx(16, rel=0.3)
    paired = stats.difference_over_seeds(np.mean, [x[:, 0] for x in far], [x[:, 0] for x in near],
                             np.repeat(np.arange(20), 2))
    assert paired[1] > 0


def test_a_difference_of_one_seed_or_of_other_paintings_is_refused():
    with pytest.raises(KlangfarbeError, match="two or more"):
        stats.difference_over_seeds(np.mean, [np.ones(4)], [np.ones(4)])
    with pytest.raises(KlangfarbeError, match="same paintings"):
        stats.difference_over_seeds(np.mean, [np.ones(4), np.ones(4)], [np.ones(4), np.ones(5)])


# --- what stands beside
# -------------------------------------------------------------------------------------------------


def test_without_real_paintings_it_says_where_to_put_them(monkeypatch, tmp_path):
    monkeypatch.setenv("KLANGFARBE_REAL_DATA", str(tmp_path))
    with pytest.raises(KlangfarbeError, match="monet_jpg"):
        evaluate.real_paintings("monet_jpg", 4, 32)


def test_real_paintings_come_square_and_evenly_out_of_the_folder(monkeypatch, tmp_path):
    from PIL import Image

    (tmp_path / "monet_jpg").mkdir()
    for k in range(6):
        Image.fromarray(np.full((40, 60, 3), 20 + 30 * k,
                                np.uint8)).save(tmp_path / "monet_jpg" / f"{k}.jpg")
    monkeypatch.setenv("KLANGFARBE_REAL_DATA", str(tmp_path))
    found = evaluate.real_paintings("monet_jpg", 3, 16)
    assert found.shape == (3, 16, 16, 3) and np.allclose(found.mean((1, 2, 3)), [20, 80, 140],
                                                         atol=2)


def test_texts_of_other_pairs_are_not_taken_for_these(monkeypatch, capsys):
    from lib.core import artefacts

    known = data.PairedData(pd.DataFrame({"pair": ["a", "b"]}), None, None, None, None,
                             ("sad", "sad"), None)
    monkeypatch.setattr(data, "write_all_texts", lambda *_: "written now")
    monkeypatch.setattr(artefacts, "load",
                        lambda *_: pd.DataFrame({"pair": ["a", "b"], "enriched": ["x", "y"]}))
    assert data.load_texts(known, "smoke", None, None)["enriched"].tolist() == ["x", "y"]
    monkeypatch.setattr(artefacts, "load", lambda *_: pd.DataFrame({"pair": ["b", "a"]}))
    assert data.load_texts(known, "smoke", None, None) == "written now"

    def absent(*_):
        raise KlangfarbeError("a file", "none", "run notebook 21")

    monkeypatch.setattr(artefacts, "load", absent)
    assert data.load_texts(known, "smoke", None,
                            None) == "written now" and "run notebook 21" in capsys.readouterr().out


# --- generalisation

SIZES = replace(get_config("smoke").data, n_pairs=20, n_views=1, clip_seconds=1.0)


@pytest.fixture(scope="module")
def networks():
    return differentiable_decoding.freeze(pretrained.load("musicgen")), pretrained.load(
        "image_text")


def test_fresh_pairs_are_new_and_what_training_knows_is_refused(networks):
    known = data.merge_collections(*data.atelier_collections(SIZES))
    made = data.prepare_atelier(replace(SIZES, n_pairs=12), *networks, collection=TEST_SEED)
    data.assert_unseen(made.table, known)
    assert len(made.table) == 12 and made.vectors.shape[1] == 1
    assert not set(made.table["image"]) & set(known["image"])
    planted = known.copy()
    planted.loc[0, ["image", "image_group"]] = made.table["image"].iloc[2]
    with pytest.raises(KlangfarbeError, match="never saw"):
        data.assert_unseen(made.table, planted)


def atelier_pairs(n: int = 60) -> data.PairedData:
    table = data.merge_collections(*data.atelier_collections(DataConfig(n_pairs=n)))
    return data.PairedData(table, None)


def test_both_groups_are_as_large_and_abstract_means_the_three_styles():
    found = evaluate.select_by_style(atelier_pairs(), 6)
    assert found.groupby("group", sort=False).size().to_dict() == {"abstract": 6,
                                                                   "the rest": 6} and found[
        "image"].is_unique
    assert (found["style"].isin(evaluate.ABSTRACT_STYLES) == (found["group"] == "abstract")).all()
    with pytest.raises(KlangfarbeError, match="either group"):
        evaluate.select_by_style(atelier_pairs(), 40)


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
    found = evaluate.group_scores(pictures, places, heard,
                                  n_shuffles=199).set_index(["group", "measure"])
    for measure in ("IMSM", "agreement"):
        assert found.loc[("abstract", measure),
                         "value"] == pytest.approx(1) and found.loc[("abstract", measure),
                                                                    "p"] == 1 / 200
        other = found.loc[("the rest", measure)]
        assert other["luck_low"] <= other["value"] <= other["luck_high"] and other[
            "p"] > 0.02 and other["n"] == n
    assert found.loc[("abstract", "IMSM"),
                     "value"] == pytest.approx(train_projection.cosine_similarity(places[:n],
                                                                                  places[
                :n]).mean())


def test_a_kept_away_style_is_in_no_training_pair_and_both_choices_are_as_large():
    known = atelier_pairs(300)
    train = (known.table["split"] == "train").to_numpy()
    strange = data.atelier_labels(known.table)["style"].isin(evaluate.ABSTRACT_STYLES).to_numpy()
    keep = evaluate.exclude_styles(known, seed=1)
    assert not (keep["without"] & train & strange).any() and (keep["with"] & train & strange).any()
    assert (keep["with"] & train).sum() == (keep["without"] & train).sum() < train.sum()
    assert keep["with"][~train].all() and keep["without"][~train].all()


# --- alignment


def table_of(n=60):
    split = np.array(["train"] * (n // 3) + ["validation"] * (n // 3) + ["test"]
                     * (n - 2 * (n // 3)))
    return pd.DataFrame({"pair": [f"p{k}" for k in range(n)], "linked": np.arange(n) // 2,
                         "split": split})


def test_a_perfect_answer_a_mean_and_a_shuffle():
    table, rng = table_of(), np.random.default_rng(0)
    wanted = (3 + rng.standard_normal((60, 1, 16))).astype(np.float32)
    mean = wanted[:20].mean(0, keepdims=True)
    rows = evaluate.score_table(table,
                                           {"exact": wanted, "half": mean + (wanted - mean) / 2,
                                            "mean": np.repeat(mean, 60, axis=0)}, wanted)
    rows = rows.set_index(["row", "measure"])
    assert rows.loc[("exact", "cosine"),
                    "value"] == pytest.approx(1) and rows.loc[("exact", "mae"),
                                                              "value"] == pytest.approx(0, abs=1e-6)
    assert rows.loc[("half", "centred cosine"),
                    "value"] == pytest.approx(1), "half the way there points the right way"
    assert rows.loc[("half", "mae"), "value"] == pytest.approx(rows.loc[("mean", "mae"), "value"]
                                                               / 2, rel=1e-4)
    for measure in ("cosine", "mae"):
        assert rows.loc[("mean", measure)].tolist() == rows.loc[("mean vector", measure)].tolist()
        assert rows.loc[("mean", measure),
                        "null"] == pytest.approx(rows.loc[("mean", measure), "value"],
                                                 rel=1e-3), "a mean loses nothing"
    assert rows.loc[("exact", "cosine"),
                    "null"] < 0.95 and abs(rows.loc[("exact", "centred cosine"), "null"]) < 0.1
    assert (rows["low"] <= rows["value"]).all() and (rows["value"] <= rows["high"]).all()
    assert ("mean vector", "centred cosine") not in rows.index


def test_ridge_finds_a_straight_line():
    table, rng = table_of(), np.random.default_rng(1)
    vectors = rng.standard_normal((60, 4)).astype(np.float32)
    wanted = (vectors @ rng.standard_normal((4, 12)) + 1).astype(np.float32)[:, None]
    found = evaluate.score_table(table,
                                            {"ridge": evaluate.ridge_baseline(table,
                                                                                         vectors,
                                                                                         wanted)},
                                            wanted, n_shuffles=20).set_index(["row", "measure"])
    assert found.loc[("ridge", "cosine"),
                     "value"] > 0.99 > found.loc[("mean vector", "cosine"), "value"]


def test_the_lift_compares_each_with_its_own_mean_on_pairs_of_both():
    table, rng = table_of(), np.random.default_rng(2)
    near, far = (rng.standard_normal((60, 1, 8)).astype(np.float32) + shift for shift in (0, 5))
    good, poor = (evaluate.pair_scores(table, near, near),
                  evaluate.pair_scores(table, np.roll(far, 1, axis=0), far))
    assert list(good.columns)[:2] == ["pair", "linked"] and {"cosine", "mae", "cosine_mean",
                                                             "mae_mean"} <= set(good.columns)
    assert set(good["pair"]) == set(table["pair"][table["split"] == "test"])
    value, low, high, n = evaluate.lift_difference(good, poor.iloc[3:])
    by_hand = (good["cosine"] - good["cosine_mean"])[3:].mean() - (poor["cosine"]
                                                                   - poor["cosine_mean"])[3:].mean()
    assert n == 17 and value == pytest.approx(by_hand) and 0 < low <= value <= high
    assert evaluate.lift_difference(good, poor,
                                               bare=True)[0] == pytest.approx(good["cosine"].mean()
                                                                              - poor[
            "cosine"].mean())
    assert evaluate.lift_difference(poor,
                          good)[0] < 0 < poor[
        "cosine"].mean(), "a high cosine that is all mean is no lift"


def test_a_mean_from_elsewhere_takes_the_place_of_the_tables_own():
    table, rng = table_of(), np.random.default_rng(4)
    wanted = (1 + rng.standard_normal((60, 1, 8))).astype(np.float32)
    mean = np.ones((1, 1, 8), np.float32)
    found = evaluate.pair_scores(table.assign(split="test"), wanted, wanted, mean=mean)
    assert len(found) == 60 and np.allclose(found["cosine_mean"],
                                            train_projection.cosine_similarity(np.repeat(mean, 60,
                                                                                         axis=0),
                                                                               wanted))


# --- arrival


def test_fresh_paintings_are_even_and_nobody_elses():
    some = evaluate.draw_paintings(10, 32)
    assert some.pictures.shape == (10, 32, 32, 3) and some.affect.shape == (10, 2)
    assert sorted(some.emotions) == sorted(list(affect.EMOTION_POINTS) * 2)
    with pytest.raises(KlangfarbeError, match="multiple"):
        evaluate.draw_paintings(7, 32)


def test_music_that_tells_its_word_is_found_and_music_that_does_not_is_not():
    words = np.repeat(list(affect.EMOTION_POINTS), 12)
    rng, places = np.random.default_rng(0), np.repeat(np.eye(5), 12, axis=0)
    pictures, music = (places + 0.1 * rng.standard_normal((60, 5)) for _ in range(2))
    deaf = pictures, rng.standard_normal((60, 5))
    found = evaluate.emotion_retrieval({"clear": (pictures, music), "deaf": deaf}, words,
                              n_shuffles=199).set_index("space")
    assert found.loc["clear", "value"] == 1 and found.loc["clear",
                                                          "p"] == 1 / 200 and found.loc["deaf",
                                                                                        "p"] > 0.05
    assert np.allclose(found["null"], 0.2, atol=0.05)
    paintings = evaluate.Paintings(np.zeros((60, 1, 1, 3), np.uint8), words,
                                  rng.uniform(-1, 1, (60, 2)))
    ears = {"right": pd.DataFrame(paintings.affect,
                                  columns=["valence", "arousal"]).assign(word=words),
            "wrong": pd.DataFrame(paintings.affect[::-1],
                                  columns=["valence", "arousal"]).assign(word=np.roll(words, 12))}
    heard = evaluate.affect_scores(paintings, ears).set_index(["music", "measure"])
    assert heard.loc[("right", "word heard"),
                     "value"] == 1 and heard.loc[("right", "CCC valence"),
                                                 "value"] == pytest.approx(1)
    assert heard.loc[("wrong", "word heard"),
                     "value"] == 0 and heard.loc[("wrong", "CCC arousal"), "value"] < 0.3


def test_near_on_the_plane_is_near_on_the_sphere():
    plane = np.array([[0.0, 0.0], [0.1, 0.0], [-0.6, 0.5]])
    sphere = evaluate.to_sphere(plane)
    assert np.allclose(np.linalg.norm(sphere, axis=1), 1) and np.allclose(sphere[0], [0, 0, 1])
    assert sphere[0] @ sphere[1] > sphere[0] @ sphere[2]
