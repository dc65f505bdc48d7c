"""System 2's ablations change what they say and nothing else; a space of sentences for pictures and
sounds.
"""

from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from lib import pretrained
from lib.core.errors import KlangfarbeError
from lib.data.atelier import TEST_SEED, paint, render, words
from lib.data.atelier.factors import draw
from lib.metrics import text_audio
from lib.systems.mapping import (
    ablations,
    checkpoints,
    data,
    differentiable_decoding,
    generate,
    joint_space,
    train_projection,
)
from lib.systems.mapping.config import get_config


@pytest.fixture(scope="module")
def generator():
    return differentiable_decoding.freeze(pretrained.load("musicgen", device="cpu"))


@pytest.fixture(scope="module")
def material(generator):
    """Thirty pairs of random vectors, with descriptions of atelier pieces; half of the genres are
    known.
    """
    rng, n = np.random.default_rng(0), 30
    items = [draw(TEST_SEED, k) for k in range(n)]
    table = pd.DataFrame({"pair": [item.item_id for item in items],
                          "split": ["train"] * 22 + ["validation"] * 4 + ["test"] * 4,
                          "genre": [item.genre if k % 2 else "unknown" for k,
                                    item in enumerate(items)],
                          "text": [words.description(item) if k % 2 else None for k,
                                   item in enumerate(items)]})
    sounds = (0.1 * rng.standard_normal((n, generator.sample_rate_hz))).astype(np.float16)
    codes = rng.integers(0, generator.codec.codebook_size,
                         (n, generator.n_codebooks, 25)).astype(np.int16)
    vectors = rng.standard_normal((n, 2, 6)).astype(np.float32)
    return data.PairedData(table, np.zeros((n, 8, 8, 3), np.uint8), vectors, sounds, codes,
                            ("sad",) * n, None)


@pytest.fixture(scope="module")
def said(material):
    return [words.description(draw(TEST_SEED, k)) for k in range(len(material.table))]


QUICK = {"epochs": 1, "batch_size": 11, "audible": 2, "window_seconds": 0.2}


def test_every_ablation_differs_from_the_full_study_in_what_it_says_and_has_settings_that_hold():
    full = asdict(get_config("paper").study_two)
    for name, chosen in ablations.ABLATIONS.items():
        changed = {key for key,
                   value in asdict(replace(get_config("paper").study_two, **chosen.changes)).items()
                   if value != full[key]}
        assert changed == set(chosen.changes)
        assert name == ablations.FULL or changed or chosen.text != "enriched" or chosen.genre
        assert chosen.text in data.TEXTS
    assert {chosen.claim for chosen in ablations.ABLATIONS.values()} == {"", "S2-4", "S2-5", "S2-6",
                                                                         "S2-7"}


def test_losses_that_are_left_out_are_not_computed_and_the_others_are(material, said, generator):
    rows = {}
    for name in ("full", "no_adversarial", "no_matching", "latent_only"):
        targets = ablations.build_targets(name, material, said, generator)
        _, curve = ablations.train_ablation(name, material, targets, generator, 6, "smoke", **QUICK)
        rows[name] = {key for key in curve[0]
                      if key in ("latent", "mel", "adversarial", "features")}
        assert targets[0].shape == (30, 1, generator.width) and targets[1].all()
    assert rows == {"full": {"latent", "mel", "adversarial", "features"},
                    "no_adversarial": {"latent", "mel", "features"},
                    "no_matching": {"latent", "mel", "adversarial"}, "latent_only": {"latent"}}


def test_pairs_without_a_text_of_their_own_take_no_part(material, generator):
    own = list(material.table["text"].fillna(""))
    values, has = ablations.build_targets("own_text", material, own, generator)
    models, curve = ablations.train_ablation("own_text", material, (values, has), generator, 6,
                                             "smoke", **QUICK)
    assert has.sum() == 15 and (values[~has] == 0).all() and np.isfinite(curve[0]["loss"])
    assert train_projection.predict(models,
                                    material.vectors[:, 0]).shape == (30, 1, generator.width)


def test_the_genre_is_appended_predicted_better_than_by_luck_and_not_heard(material, said,
                                                                           generator):
    made, has = ablations.build_targets("genre", material, said, generator)
    plain, _ = ablations.build_targets("full", material, said, generator)
    n_genres = material.table.loc[material.table["split"] == "train",
                                  "genre"].drop(index=0).nunique() - 1
    assert made.shape[2] == generator.width + n_genres and np.allclose(made[..., : generator.width],
                                                                       plain)
    assert np.allclose(made[..., generator.width :].sum(-1), 1, atol=1e-5)
    models, _ = ablations.train_ablation("genre", material, (made, has), generator, 6, "smoke",
                                         **QUICK)
    conditions = train_projection.predict(models, material.vectors[:2, 0])
    assert conditions.shape[2] == generator.width + n_genres
    config = get_config("smoke").study_two
    heard = generate.generate_music(generator, conditions, config, seconds=0.2)
    assert np.array_equal(heard, generate.generate_music(generator,
                                                           conditions[..., : generator.width],
                                                           config, seconds=0.2))
    few = replace(material, table=material.table.assign(genre="unknown"))
    with pytest.raises(KlangfarbeError, match="three genres"):
        ablations.build_targets("genre", few, said, generator)


def test_eight_vectors_are_asked_for_and_an_unknown_ablation_is_refused(material, said, generator):
    made, _ = ablations.build_targets("eight_tokens", material, said, generator)
    assert made.shape == (30, 8, generator.width)
    # [L, D], one text, so no padding
    states = generator.condition(*generator.states(said[:1])).cpu().numpy()[0]
    first, last = states[: -(-len(states) // 8)].mean(0), states[7 * len(states) // 8 :].mean(0)
    assert np.allclose(made[0, [0, 7]], [first, last],
                       atol=1e-5) and not np.allclose(first, last, atol=1e-2)
    assert np.allclose(ablations.build_targets("full", material, said[:1], generator)[0][0, 0],
                       states.mean(0), atol=1e-5)
    with pytest.raises(KlangfarbeError, match="ablation out of"):
        ablations.build_targets("no_music", material, said, generator)


def test_the_heard_losses_come_in_late_and_the_schedule_is_the_same_for_all(material, generator):
    goal = np.random.default_rng(3).standard_normal((30, 1,
                                                     generator.width)).astype(np.float32), np.ones(
        30, bool)
    curves = {name: ablations.train_ablation(name, material, goal, generator, 6, "smoke",
                                      decoder_epochs=1, **QUICK | {"epochs": 3})[1]
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
        models, _ = ablations.train_ablation("latent_only", changed, goal, generator, 6, "smoke",
                                             rows=rows, decoder_epochs=0, **QUICK)
        return train_projection.predict(models, material.vectors[20:, 0])

    assert np.array_equal(weights(0.0), weights(5.0))


def test_without_notebook_22_study_one_is_trained_in_short_and_says_so(material, generator,
                                                                       monkeypatch, capsys):

    def absent(*_):
        raise KlangfarbeError("a file", "none", "run notebook 22")

    monkeypatch.setattr(checkpoints, "load", absent)
    models, config = checkpoints.load_or_train_study_one("smoke", material, generator,
                                                         SimpleNamespace(width=6))
    assert (config.study == "one" and not config.uses_decoder
            and "run notebook 22" in capsys.readouterr().out)
    assert train_projection.predict(models,
                                    material.vectors[:2, 0]).shape == (2, 1, generator.width)


def test_text_is_played_with_the_dice_of_the_projections(generator):
    config = get_config("smoke").study_two
    sounds = generate.generate_from_text(generator, ["A calm piece.", "A wild march."], config, 3,
                                         0.4)
    alone = generator.generate(["A calm piece.", "A wild march."], 0.4, seed=3, top_k=config.top_k,
                               temperature=config.temperature, guidance=config.guidance)
    assert sounds.shape == (2, round(0.4
                                     * generator.sample_rate_hz)) and np.array_equal(sounds, alone)


@pytest.fixture(scope="module")
def space():
    sees, hears = pretrained.load("image_text",
                                  device="cpu"), pretrained.load("text_audio", device="cpu")
    pictures, _ = paint.pictures(TEST_SEED, range(100, 150), 128)
    sounds, _ = render.sounds(TEST_SEED, range(150, 200), 5.0)
    return joint_space.JointSpace(sees, hears, pictures, list(sounds), render.SAMPLE_RATE_HZ)


def test_pictures_and_sounds_of_one_feeling_meet_among_the_anchors(space):
    pictures, _ = paint.pictures(TEST_SEED, range(40), 128)
    sounds, _ = render.sounds(TEST_SEED, range(40), 5.0)
    checked = text_audio.verify_encoder(space, list(sounds), render.SAMPLE_RATE_HZ, pictures)
    own = text_audio.imsm(checked, pictures, list(sounds), render.SAMPLE_RATE_HZ)
    others = text_audio.imsm(checked, np.roll(pictures, 7, axis=0), list(sounds),
                             render.SAMPLE_RATE_HZ)
    assert own.mean() > others.mean() + 0.15 and np.abs(own).max() <= 1


def test_anchors_are_as_many_of_either(space):
    seen, heard = joint_space.emotion_sentences()
    assert len(seen) == len(heard) == space.width == 15 and len(set(seen)) == len(set(heard)) == 15
