"""System 2's ablations change what they say and nothing else; a space of sentences for pictures and
sounds.
"""

from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest

from lib import pretrained
from lib.core.errors import KlangfarbeError
from lib.data.atelier import TEST_SEED, paint, render, words
from lib.data.atelier.factors import draw
from lib.metrics import embedders, text_audio
from lib.systems.mapping import (
    ablations,
    anchors,
    differentiable_decoding,
    targets,
    train_projection,
)
from lib.workbook.benchmarks import latency


@pytest.fixture(scope="module")
def generator():
    return differentiable_decoding.frozen(pretrained.load("musicgen", device="cpu"))


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
    return targets.Material(table, np.zeros((n, 8, 8, 3), np.uint8), vectors, sounds, codes,
                            ("sad",) * n, None)


@pytest.fixture(scope="module")
def said(material):
    return [words.description(draw(TEST_SEED, k)) for k in range(len(material.table))]


QUICK = {"epochs": 1, "batch_size": 11, "audible": 2, "window_seconds": 0.2}


def test_every_ablation_differs_from_the_full_study_in_what_it_says_and_has_settings_that_hold():
    full = asdict(train_projection.of("two", "paper"))
    for name, chosen in ablations.ABLATIONS.items():
        changed = {key for key,
                   value in asdict(train_projection.of("two", "paper", **chosen.changes)).items()
                   if value != full[key]}
        assert changed == set(chosen.changes)
        assert name == ablations.FULL or changed or chosen.text != "enriched" or chosen.genre
        assert chosen.text in targets.TEXTS
    assert {chosen.claim for chosen in ablations.ABLATIONS.values()} == {"", "S2-4", "S2-5", "S2-6",
                                                                         "S2-7"}


def test_losses_that_are_left_out_are_not_computed_and_the_others_are(material, said, generator):
    rows = {}
    for name in ("full", "no_adversarial", "no_matching", "latent_only"):
        _, curve, made, has = ablations.trained(name, material, said, generator, 6, "smoke",
                                                **QUICK)
        rows[name] = {key for key in curve[0]
                      if key in ("latent", "mel", "adversarial", "features")}
        assert made.shape == (30, 1, generator.width) and has.all()
    assert rows == {"full": {"latent", "mel", "adversarial", "features"},
                    "no_adversarial": {"latent", "mel", "features"},
                    "no_matching": {"latent", "mel", "adversarial"}, "latent_only": {"latent"}}


def test_pairs_without_a_text_of_their_own_take_no_part(material, generator):
    own = list(material.table["text"].fillna(""))
    models, curve, made, has = ablations.trained("own_text", material, own, generator, 6, "smoke",
                                                 **QUICK)
    assert has.sum() == 15 and (made[~has] == 0).all() and np.isfinite(curve[0]["loss"])
    assert train_projection.predict(models,
                                    material.vectors[:, 0]).shape == (30, 1, generator.width)


def test_the_genre_is_appended_predicted_better_than_by_luck_and_not_heard(material, said,
                                                                           generator):
    made, _ = ablations.wanted("genre", material, said, generator)
    plain, _ = ablations.wanted("full", material, said, generator)
    n_genres = material.table.loc[material.table["split"] == "train",
                                  "genre"].drop(index=0).nunique() - 1
    assert made.shape[2] == generator.width + n_genres and np.allclose(made[..., : generator.width],
                                                                       plain)
    assert np.allclose(made[..., generator.width :].sum(-1), 1, atol=1e-5)
    models, *_ = ablations.trained("genre", material, said, generator, 6, "smoke", **QUICK)
    conditions = train_projection.predict(models, material.vectors[:2, 0])
    assert conditions.shape[2] == generator.width + n_genres
    config = train_projection.of("two", "smoke")
    heard = train_projection.generate(generator, conditions, config, seconds=0.2)
    assert np.array_equal(heard, train_projection.generate(generator,
                                                           conditions[..., : generator.width],
                                                           config, seconds=0.2))
    few = replace(material, table=material.table.assign(genre="unknown"))
    with pytest.raises(KlangfarbeError, match="three genres"):
        ablations.wanted("genre", few, said, generator)


def test_eight_vectors_are_asked_for_and_an_unknown_ablation_is_refused(material, said, generator):
    made, _ = ablations.wanted("eight_tokens", material, said, generator)
    assert made.shape == (30, 8, generator.width)
    # [L, D], one text, so no padding
    states = generator.condition(*generator.states(said[:1])).cpu().numpy()[0]
    first, last = states[: -(-len(states) // 8)].mean(0), states[7 * len(states) // 8 :].mean(0)
    assert np.allclose(made[0, [0, 7]], [first, last],
                       atol=1e-5) and not np.allclose(first, last, atol=1e-2)
    assert np.allclose(ablations.wanted("full", material, said[:1], generator)[0][0, 0],
                       states.mean(0), atol=1e-5)
    with pytest.raises(KlangfarbeError, match="ablation out of"):
        ablations.wanted("no_music", material, said, generator)


@pytest.fixture(scope="module")
def space():
    sees, hears = pretrained.load("image_text",
                                  device="cpu"), pretrained.load("text_audio", device="cpu")
    pictures, _ = paint.pictures(TEST_SEED, range(100, 150), 128)
    sounds, _ = render.sounds(TEST_SEED, range(150, 200), 5.0)
    return anchors.Anchors(sees, hears, *anchors.of_emotions(), pictures, list(sounds),
                           render.SAMPLE_RATE_HZ)


def test_pictures_and_sounds_of_one_feeling_meet_among_the_anchors(space):
    assert isinstance(space, embedders.ImageMusicEncoder)
    pictures, _ = paint.pictures(TEST_SEED, range(40), 128)
    sounds, _ = render.sounds(TEST_SEED, range(40), 5.0)
    checked = text_audio.verify_encoder(space, list(sounds), render.SAMPLE_RATE_HZ, pictures)
    own = text_audio.imsm(checked, pictures, list(sounds), render.SAMPLE_RATE_HZ)
    others = text_audio.imsm(checked, np.roll(pictures, 7, axis=0), list(sounds),
                             render.SAMPLE_RATE_HZ)
    assert own.mean() > others.mean() + 0.15 and np.abs(own).max() <= 1


def test_anchors_are_as_many_of_either_and_change_the_spaces_hash(space):
    seen, heard = anchors.of_emotions()
    assert len(seen) == len(heard) == space.width == 15 and len(set(seen)) == len(set(heard)) == 15
    with pytest.raises(KlangfarbeError, match="sentences"):
        anchors.Anchors(space._sees, space._hears, seen[:2], heard[:2],
                        np.zeros((2, 8, 8, 3), np.uint8), [], 22_050)


def test_the_bench_adds_up_its_parts(monkeypatch):
    monkeypatch.setattr(latency, "N_PICTURES", 2)
    monkeypatch.setattr(latency, "SECONDS", 0.4)
    found = latency.bench()
    parts = found["parts_ms"]
    assert set(parts) == {*latency.PROJECTION, *latency.PIPELINE,
                          *latency.SHARED} and min(parts.values()) > 0
    assert found["ours"] == pytest.approx(parts["clip"] + parts["projection"], abs=0.05)
    assert found["ratio"] == pytest.approx((parts["captioner"] + parts["language model"])
                                           / found["ours"], rel=0.05)
    assert found["whole_ratio"] == pytest.approx(found["whole_ms"] / found["pipeline_whole_ms"],
                                                 abs=0.01)
