"""Mapping's evaluation: the test set, the measures, predicted vectors, generalisation."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy.special import rel_entr

from lib import pretrained
from lib.core.errors import KlangfarbeError
from lib.data.atelier import TEST_SEED, factors, paint, render
from lib.metrics import distances, stats, text_audio
from lib.signal import affect
from lib.systems.mapping import data, evaluate, train_projection
from lib.systems.mapping.config import DataConfig, get_config

RATE = 16_000


ATELIER = DataConfig("atelier", n_pairs=60, clip_seconds=1.0)


@pytest.fixture(scope="module")
def known():
    """A small training table of the atelier's, without pictures or sounds."""
    return data.merge_collections(*data.atelier_collections(ATELIER))


@pytest.fixture(scope="module")
def room(known):
    return evaluate.build_test_set(16, 0.8, RATE, known, ATELIER, 32)


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
    table = evaluate.build_test_set(40, 0.5, RATE, known, ATELIER, 32).table
    assert len(table[["style", "emotion"]].drop_duplicates()) == 40


def test_a_picture_or_piece_of_the_training_table_is_refused(room, known):
    data.assert_unseen(room.table, known)
    for column, side in (("image", "image"), ("audio", "audio"), ("real", "audio")):
        planted = known.copy()
        planted.loc[3, [side, f"{side}_group"]] = room.table[column].iloc[5]
        with pytest.raises(KlangfarbeError, match="never saw"):
            data.assert_unseen(room.table, planted)


# --- measures


def test_shares_of_power_give_the_metrics_own_divergence(room):
    def kl(ours, theirs):
        return rel_entr(*(distances.mel_shares(some, RATE) for some in (ours, theirs))).sum(1)

    theirs = distances.mel_energy_kld(room.reference[:4], room.real[:4], RATE)
    assert np.allclose(kl(room.reference[:4], room.real[:4]), theirs, rtol=1e-4)
    assert np.allclose(kl(room.real, 3 * room.real), 0, atol=1e-6), "loudness is not timbre"


def test_cosines_row_by_row():
    assert np.allclose(train_projection.cosine_similarity(np.array([[1.0, 0], [3, 4]]),
                                                          np.array([[0.0, 2], [6, 8]])), [0, 1])


def test_a_row_is_heard_as_the_networks_hear_it(room):
    tagger, ear = pretrained.load("tagger",
                                  device="cpu"), pretrained.load("text_audio", device="cpu")
    rows = evaluate.clip_features(room.real[:3], tagger, tagger, ear, RATE)
    assert rows["anchors"].shape == (3, ear.width) and rows["shares"].shape == (3, 128)
    assert rows["word"].tolist() == [affect.emotion_word(*point) for point in rows["affect"]]
    louder = evaluate.clip_features(2 * room.real[:3], tagger, tagger, ear, RATE)
    assert np.allclose(louder["embedding"], rows["embedding"],
                       atol=1e-3), "sets are compared at one loudness"
    assert not np.allclose(louder["affect"], rows["affect"],
                           atol=1e-3), "the judge of affect hears it as played"
    other = evaluate.clip_features(room.real[:3], tagger, ear, ear, RATE)
    assert other["embedding"].shape == (3, ear.width) and np.array_equal(other["word"],
                                                                         rows["word"])


def test_a_mel_error_is_counted_in_units_of_80_db(room):
    assert np.allclose(evaluate.mel_error(room.real[:3], room.real[:3], RATE), 0)
    noise = np.random.default_rng(0).standard_normal((2, RATE)).astype(np.float32)
    # ten times the amplitude: ln 10 nats in every band
    assert np.allclose(evaluate.mel_error(10 * noise, noise, RATE), np.log(10) / 9.21, atol=1e-4)
    halfway = 10**0.5 * noise
    value, low, high = evaluate.mel_error_ratio(halfway, 10 * noise, noise, RATE)
    assert (value, low, high) == pytest.approx((0.5, 0.5, 0.5), abs=1e-3)


def test_own_pieces_come_with_the_point_of_their_word():
    pictures, sounds, own, points = evaluate.own_pieces(700_000, 4, 0.5, ATELIER)
    assert len(pictures) == len(sounds) == 4 and points.shape == (4, 2)
    assert own.tolist() == [affect.emotion_word(*point) for point in points]


# --- trainings


def test_a_mean_over_trainings_has_students_interval():
    value, low, high = evaluate.mean_over_trainings(np.array([1, 2, 6]))
    # t(2) = 4.303, standard deviation √7
    reach = 4.3027 * np.sqrt(7 / 3)
    assert (value, low, high) == pytest.approx((3, 3 - reach, 3 + reach), rel=1e-4)


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


def test_texts_of_other_pairs_are_not_taken_for_these(monkeypatch, capsys):
    from lib.core import artefacts

    known = data.PairedData(pd.DataFrame({"pair": ["a", "b"]}), None, None, None, None,
                             ("sad", "sad"))
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
    return pretrained.load("musicgen"), pretrained.load("image_text")


def test_fresh_pairs_are_new_and_what_training_knows_is_refused(networks):
    known = data.merge_collections(*data.atelier_collections(SIZES))
    sizes = replace(SIZES, n_pairs=12)
    made = data.prepare(data.open_pairs(sizes, known=known), sizes, *networks)
    data.assert_unseen(made.table, known)
    assert len(made.table) == 12 and made.vectors.shape[1] == 1
    assert not set(made.table["image"]) & set(known["image"])
    planted = known.copy()
    planted.loc[0, ["image", "image_group"]] = made.table["image"].iloc[2]
    with pytest.raises(KlangfarbeError, match="never saw"):
        data.assert_unseen(made.table, planted)


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


# --- arrival


def test_fresh_paintings_are_even_and_nobody_elses():
    some = evaluate.draw_paintings(10, 32, ATELIER)
    assert some.pictures.shape == (10, 32, 32, 3) and some.affect.shape == (10, 2)
    assert sorted(some.emotions) == sorted(list(affect.EMOTION_POINTS) * 2)
    assert some.play(0.5).shape == (10, round(0.5 * evaluate.RATE_HZ))
    with pytest.raises(KlangfarbeError, match="multiple"):
        evaluate.draw_paintings(7, 32, ATELIER)


def test_music_that_tells_its_word_is_found_and_music_that_does_not_is_not():
    words = np.repeat(list(affect.EMOTION_POINTS), 12)
    rng = np.random.default_rng(0)
    paintings = SimpleNamespace(emotions=words, affect=rng.uniform(-1, 1, (60, 2)))
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


# --- a space for pictures and sounds


@pytest.fixture(scope="module")
def space():
    sees, hears = pretrained.load("image_text",
                                  device="cpu"), pretrained.load("text_audio", device="cpu")
    pictures, _ = paint.pictures(TEST_SEED, range(100, 150), 128)
    sounds, _ = render.sounds(TEST_SEED, range(150, 200), 5.0)
    return evaluate.JointSpace(sees, hears, pictures, list(sounds), render.SAMPLE_RATE_HZ)


def test_pictures_and_sounds_of_one_feeling_meet_among_the_anchors(space):
    pictures, _ = paint.pictures(TEST_SEED, range(40), 128)
    sounds, _ = render.sounds(TEST_SEED, range(40), 5.0)
    checked = text_audio.verify_encoder(space, list(sounds), render.SAMPLE_RATE_HZ, pictures)
    own = text_audio.imsm(checked, pictures, list(sounds), render.SAMPLE_RATE_HZ)
    others = text_audio.imsm(checked, np.roll(pictures, 7, axis=0), list(sounds),
                             render.SAMPLE_RATE_HZ)
    assert own.mean() > others.mean() + 0.15 and np.abs(own).max() <= 1


def test_fifteen_sentences_and_a_space_fitted_to_training_pairs_alone(space, known):
    assert space.width == 15
    n, rate = len(known), render.SAMPLE_RATE_HZ
    pictures = np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
    sounds = (0.1 * np.random.default_rng(1).standard_normal((n, rate))).astype(np.float16)
    of_test = (known["split"] == "test").to_numpy()
    spaces = []
    for spoiled in (0, 1):
        seen = np.where(of_test[:, None, None, None] & (spoiled == 1), 0, pictures)
        sees, hears = (pretrained.load(part, device="cpu") for part in ("image_text", "text_audio"))
        spaces.append(evaluate.fit_joint_space(sees, hears, data.PairedData(
            known, seen.astype(np.uint8), sounds=sounds), rate).embed_pictures(pictures[:2]))
    assert np.array_equal(*spaces)
