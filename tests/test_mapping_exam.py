"""System 2's examination: fresh paintings in every style, measures as defined, differences with
two kinds of luck.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from lib import pretrained
from lib.core.errors import KlangfarbeError
from lib.data.atelier import factors
from lib.metrics import distances, divergence
from lib.signal import affect
from lib.systems import evaluation
from lib.systems.mapping import (
    ablations,
    data,
    differentiable_decoding,
    evaluate,
    targets,
    train_projection,
)

CONFIG = evaluate.Config(n_pictures=16, seconds=0.8, n_played=8, n_seeds=2, side=32)
RATE = 16_000


@pytest.fixture(scope="module")
def known():
    """A small training table of the atelier's, without pictures or sounds."""
    return data.merged(*data.atelier(data.Config(n_pairs=60, clip_seconds=1.0)))


@pytest.fixture(scope="module")
def room(known):
    return evaluate.material(CONFIG, RATE, known)


# --- material -------------------------------------------------------------------------------------
# ----------------------


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
    table = evaluate.material(replace(CONFIG, n_pictures=40, seconds=0.5), RATE, known).table
    assert len(table[["style", "emotion"]].drop_duplicates()) == 40


def test_a_picture_or_piece_of_the_training_table_is_refused(room, known):
    evaluate.unseen(room.table, known)
    for column, side in (("image", "image"), ("audio", "audio"), ("real", "audio")):
        planted = known.copy()
        planted.loc[3, [side, f"{side}_group"]] = room.table[column].iloc[5]
        with pytest.raises(KlangfarbeError, match="never saw"):
            evaluate.unseen(room.table, planted)


@pytest.mark.parametrize("change", [{"n_pictures": 20}, {"n_played": 4}, {"n_played": 24},
                                    {"n_seeds": 1}])
def test_sizes_that_make_no_examination_are_refused(change):
    with pytest.raises(KlangfarbeError, match="multiple of eight"):
        evaluate.Config(**{"n_pictures": 16, "n_played": 8} | change)


def test_retrieval_plays_what_the_nearest_training_picture_was_paired_with(known):
    n = len(known)
    vectors = np.random.default_rng(0).standard_normal((n, 2, 6)).astype(np.float32)
    sounds = np.repeat(np.arange(n, dtype=np.float16)[:, None] / 100, 10, axis=1)
    material = targets.Material(known, None, vectors, sounds, None, (), None)
    train = np.flatnonzero(known["split"] == "train")
    held_out = np.flatnonzero(known["split"] != "train")
    found = evaluate.retrieved(3 * vectors[train[[4, 2]], 0], material, 10)
    assert np.allclose(found, sounds[train[[4, 2]]])
    # itself is not among what may be retrieved; short music is repeated
    found = evaluate.retrieved(vectors[held_out, 0], material, 15)
    assert found.shape == (len(held_out), 15) and not np.isin(np.round(found[:, 0] * 100),
                                                              held_out).any()


# --- measures -------------------------------------------------------------------------------------
# ----------------------


def test_shares_of_power_give_the_metrics_own_divergence(room):
    ours = evaluate.divergences(evaluate.shares(room.reference[:4], RATE),
                                evaluate.shares(room.real[:4], RATE))
    theirs = divergence.mel_energy_kld(room.reference[:4], room.real[:4], RATE)
    assert np.allclose(ours, theirs, rtol=1e-4)
    louder = evaluate.shares(3 * room.real, RATE)
    assert np.allclose(evaluate.divergences(evaluate.shares(room.real, RATE), louder), 0,
                       atol=1e-6), "loudness is not timbre"


def test_cosines_row_by_row():
    assert np.allclose(evaluation.cosines(np.array([[1.0, 0], [3, 4]]), np.array([[0.0, 2], [6, 8]])),
                       [0, 1])


def test_a_row_is_heard_as_the_networks_hear_it(room):
    tagger, ear = pretrained.load("tagger",
                                  device="cpu"), pretrained.load("text_audio", device="cpu")
    rows = evaluate.hear(room.real[:3], tagger, ear, RATE)
    assert rows["anchors"].shape == (3, ear.width) and rows["shares"].shape == (3, 128)
    assert rows["word"].tolist() == [affect.emotion_word(*point) for point in rows["affect"]]
    louder = evaluate.hear(2 * room.real[:3], tagger, ear, RATE)
    assert np.allclose(louder["embedding"], rows["embedding"],
                       atol=1e-3), "sets are compared at one loudness"
    assert not np.allclose(louder["affect"], rows["affect"],
                           atol=1e-3), "the judge of affect hears it as played"


# --- differences ----------------------------------------------------------------------------------
# ----------------------


def test_a_difference_of_means_over_seeds_by_hand():
    ours, theirs = [np.array([1.0, 2, 3, 4]), np.array([2.0, 3, 4, 5])], [np.zeros(4), np.zeros(4)]
    value, low, high = ablations.minus(np.mean, ours, theirs)
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
        _, low, high = ablations.minus(np.mean, a, b)
        wrong += low > 0 or high < 0
    assert wrong <= 22


def test_a_planted_difference_is_found_in_a_mean_and_in_a_frechet_distance():
    rng = np.random.default_rng(2)
    there = rng.normal(size=(60, 4))
    near, far = ([rng.normal(size=(40, 4)) + shift for _ in range(3)] for shift in (0.0, 2.0))
    value, low, _ = ablations.minus(lambda rows: distances.fad(there, rows), far, near)
    assert low > 0 and value == pytest.approx(16, rel=0.3)
    paired = ablations.minus(np.mean, [x[:, 0] for x in far], [x[:, 0] for x in near],
                             np.repeat(np.arange(20), 2))
    assert paired[1] > 0


def test_a_difference_of_one_seed_or_of_other_paintings_is_refused():
    with pytest.raises(KlangfarbeError, match="two or more"):
        ablations.minus(np.mean, [np.ones(4)], [np.ones(4)])
    with pytest.raises(KlangfarbeError, match="same paintings"):
        ablations.minus(np.mean, [np.ones(4), np.ones(4)], [np.ones(4), np.ones(5)])


# --- training late --------------------------------------------------------------------------------
# ----------------------


@pytest.fixture(scope="module")
def generator():
    return differentiable_decoding.frozen(pretrained.load("musicgen", device="cpu"))


@pytest.fixture(scope="module")
def material(generator):
    rng, n = np.random.default_rng(0), 30
    table = pd.DataFrame({"pair": [f"p{k}" for k in range(n)],
                          "split": ["train"] * 22 + ["validation"] * 4 + ["test"] * 4})
    sounds = (0.1 * rng.standard_normal((n, generator.sample_rate_hz))).astype(np.float16)
    codes = rng.integers(0, generator.codec.codebook_size,
                         (n, generator.n_codebooks, 25)).astype(np.int16)
    vectors = rng.standard_normal((n, 2, 6)).astype(np.float32)
    return targets.Material(table, np.zeros((n, 4, 4, 3), np.uint8), vectors, sounds, codes,
                            ("sad",) * n, None)


QUICK = {"epochs": 3, "batch_size": 11, "audible": 2, "window_seconds": 0.2}


def test_the_heard_losses_come_in_late_and_the_schedule_is_the_same_for_all(material, generator):
    goal = np.random.default_rng(3).standard_normal((30, 1,
                                                     generator.width)).astype(np.float32), np.ones(
        30, bool)
    curves = {name: ablations.trained(name, material, [], generator, 6, "smoke", to=goal,
                                      heard_epochs=1, **QUICK)[1]
              for name in ("full", "latent_only", "no_matching")}
    assert all([row["epoch"] for row in curve] == [1, 2, 3] for curve in curves.values())
    heard = {name: [sorted({"mel", "adversarial", "features"} & set(row)) for row in curve]
             for name, curve in curves.items()}
    assert heard["full"] == [[], [], ["adversarial", "features",
                                      "mel"]] and heard["latent_only"] == [[], [], []]
    assert heard["no_matching"][-1] == ["adversarial", "mel"]
    for epoch in (0, 1):
        assert curves["full"][epoch]["cosine"] == curves["latent_only"][epoch][
            "cosine"], "until then it is one and the same training"
    assert curves["full"][2]["cosine"] != curves["latent_only"][2]["cosine"]


def test_pairs_that_may_not_take_part_change_nothing(material, generator):
    goal = np.random.default_rng(3).standard_normal((30, 1,
                                                     generator.width)).astype(np.float32), np.ones(
        30, bool)
    rows = np.arange(30) >= 11

    def weights(spoiled: float):
        vectors = material.vectors.copy()
        vectors[:11] += spoiled
        changed = replace(material, vectors=vectors)
        models, _, _, has = ablations.trained("latent_only", changed, [], generator, 6, "smoke",
                                              to=goal, rows=rows, heard_epochs=0, **QUICK)
        assert has.tolist() == rows.tolist()
        return train_projection.predict(models, material.vectors[20:, 0])

    assert np.array_equal(weights(0.0), weights(5.0))


def test_what_is_heard_of_a_condition_is_cut_and_averaged():
    conditions = np.arange(12, dtype=np.float32).reshape(1, 2, 6)
    assert np.allclose(ablations.heard_part(conditions, 4), [[[3, 4, 5, 6]]])


# --- what stands beside
# -------------------------------------------------------------------------------------------------


def test_without_real_paintings_it_says_where_to_put_them(monkeypatch, tmp_path):
    monkeypatch.setenv("KLANGFARBE_REAL_DATA", str(tmp_path))
    with pytest.raises(KlangfarbeError, match="monet_jpg"):
        evaluate.paintings("monet_jpg", 4, 32)


def test_real_paintings_come_square_and_evenly_out_of_the_folder(monkeypatch, tmp_path):
    from PIL import Image

    (tmp_path / "monet_jpg").mkdir()
    for k in range(6):
        Image.fromarray(np.full((40, 60, 3), 20 + 30 * k,
                                np.uint8)).save(tmp_path / "monet_jpg" / f"{k}.jpg")
    monkeypatch.setenv("KLANGFARBE_REAL_DATA", str(tmp_path))
    found = evaluate.paintings("monet_jpg", 3, 16)
    assert found.shape == (3, 16, 16, 3) and np.allclose(found.mean((1, 2, 3)), [20, 80, 140],
                                                         atol=2)


def test_texts_of_other_pairs_are_not_taken_for_these(monkeypatch, capsys):
    from lib.core import artefacts

    known = targets.Material(pd.DataFrame({"pair": ["a", "b"]}), None, None, None, None,
                             ("sad", "sad"), None)
    monkeypatch.setattr(targets, "written", lambda *_: "written now")
    monkeypatch.setattr(artefacts, "load",
                        lambda *_: pd.DataFrame({"pair": ["a", "b"], "enriched": ["x", "y"]}))
    assert evaluate.written(known, "smoke", None, None)["enriched"].tolist() == ["x", "y"]
    monkeypatch.setattr(artefacts, "load", lambda *_: pd.DataFrame({"pair": ["b", "a"]}))
    assert evaluate.written(known, "smoke", None, None) == "written now"

    def absent(*_):
        raise KlangfarbeError("a file", "none", "run notebook 21")

    monkeypatch.setattr(artefacts, "load", absent)
    assert evaluate.written(known, "smoke", None,
                            None) == "written now" and "run notebook 21" in capsys.readouterr().out


def test_without_notebook_22_study_one_is_trained_in_short_and_says_so(material, generator,
                                                                       monkeypatch, capsys):
    from types import SimpleNamespace

    from lib.systems.mapping import checkpoints

    def absent(*_):
        raise KlangfarbeError("a file", "none", "run notebook 22")

    monkeypatch.setattr(checkpoints, "load", absent)
    models, config = evaluate.study_one("smoke", material, generator, SimpleNamespace(width=6))
    assert (config.study == "one" and not config.is_heard
            and "run notebook 22" in capsys.readouterr().out)
    assert train_projection.predict(models,
                                    material.vectors[:2, 0]).shape == (2, 1, generator.width)


def test_text_is_played_with_the_dice_of_the_projections(generator):
    config = train_projection.of("two", "smoke")
    sounds = evaluate.told(generator, ["A calm piece.", "A wild march."], config, 3, 0.4)
    alone = generator.generate(["A calm piece.", "A wild march."], 0.4, seed=3, top_k=config.top_k,
                               temperature=config.temperature, guidance=config.guidance)
    assert sounds.shape == (2, round(0.4
                                     * generator.sample_rate_hz)) and np.array_equal(sounds, alone)
