"""System 2 at its door: projections as files, a picture heard by way of its vector, and what
arrives, measured.
"""

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

from lib.cli import main
from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.signal import affect, audio, images
from lib.systems import interface
from lib.systems.mapping import alignment, batches, checkpoints, information, train_projection
from lib.systems.mapping import generate as mapping

RAMP = np.stack(np.broadcast_arrays(np.linspace(0, 255, 128)[None],
                                    np.linspace(255, 0, 128)[:, None], 90.0), 2).astype(np.uint8)


@pytest.fixture(scope="module")
def chain():
    """The bundled chain, loaded once."""
    return mapping.load()


@pytest.fixture
def painting(tmp_path):
    return artefacts.write(tmp_path / "painting.png", RAMP)


# --- projections as files
# ---------------------------------------------------------------------------------------------


@pytest.fixture
def saved(chain, own_results):
    """A small untrained projection, saved as notebook 23 saves its own."""
    def save(study="two", **changes):
        config = train_projection.of(study, "smoke", w_mel=0.0, w_adversarial=0.0, w_features=0.0)
        models = train_projection.build(config, chain.player, chain.sees.width, seed=3)
        said = checkpoints.settings(models, config, chain.sees.width, chain.sees) | changes
        artefacts.save(said, checkpoints.NOTEBOOKS[study], "smoke", f"study_{study}.json", seed=0)
        artefacts.save(checkpoints.weights(models), checkpoints.NOTEBOOKS[study], "smoke",
                       f"study_{study}.safetensors", seed=0)
        return models, config

    return save


@pytest.mark.parametrize("study", ["one", "two"])
def test_a_projection_comes_back_as_it_was_saved(study, saved, chain, capsys):
    models, config = saved(study)
    again, its = checkpoints.load("smoke", study, chain.player, chain.sees)
    assert (its == config
            and f"made by notebook {checkpoints.NOTEBOOKS[study][:2]}" in capsys.readouterr().out)
    assert {p.dtype
            for p in again.projection.parameters()} == {
        torch.float32} and not again.projection.training
    vectors = np.random.default_rng(0).standard_normal((5, chain.sees.width))
    there, here = train_projection.predict(models,
                                           vectors), train_projection.predict(again, vectors)
    assert here.shape == (5, 1, chain.player.width) and here.dtype == np.float32
    assert np.abs(here
                  - there).max() < 0.01 * np.abs(there).max(), "half precision keeps three digits"


@pytest.mark.parametrize(("changes", "told"), [
    ({"generator_sha256": "0" * 64}, "music model it was trained with"),
    ({"sees_sha256": "0" * 64}, "encoder it was trained with"),
    ({"width_in": 7}, "weights that fit"),
])
def test_a_projection_between_other_networks_is_refused(changes, told, saved, chain):
    saved(**changes)
    with pytest.raises(KlangfarbeError, match=told):
        checkpoints.load("smoke", "two", chain.player, chain.sees)


def test_what_was_not_trained_is_named_and_study_two_is_bundled(own_results, chain, capsys):
    with pytest.raises(KlangfarbeError, match='NOTEBOOKS="22"'):
        checkpoints.load("smoke", "one", chain.player)
    with pytest.raises(KlangfarbeError, match="one, two"):
        checkpoints.load("smoke", "three", chain.player)
    models, config = checkpoints.load("smoke", "two", chain.player, chain.sees)
    assert capsys.readouterr().out.count("bundled miniature") == 2
    assert config == train_projection.of("two", "mini") and models.generator is chain.player
    folder = paths.MINIATURES / checkpoints.NOTEBOOKS["two"]
    assert sum(file.stat().st_size for file in folder.iterdir()) < 1e6
    assert artefacts.read(folder / "study_two.safetensors")["second.weight"].dtype == torch.float16


# --- the chain ------------------------------------------------------------------------------------
# --------------------


def test_a_picture_is_heard_by_way_of_its_vector(chain):
    heard = mapping.generate(RAMP, chain, seed=1, seconds=0.6)
    assert len(heard.sound) == round(0.6
                                     * heard.sample_rate_hz) and np.abs(
        heard.sound).max() <= interface.PEAK + 1e-6
    assert np.allclose(heard.vector, chain.sees.embed_pictures(RAMP[None])[0], atol=1e-5)
    assert np.allclose(heard.condition,
                       train_projection.predict(chain.projection, heard.vector[None])[0], atol=1e-5)
    by_hand = interface.limit_peak(train_projection.generate(chain.player, heard.condition[None],
                                                              chain.config, 1, seconds=0.6)[0])
    assert (np.array_equal(by_hand, heard.sound) and -1 <= heard.valence <= 1
            and heard.emotion in affect.EMOTION_POINTS)


def test_another_picture_is_another_condition_and_the_same_again_the_same(chain):
    one, again, other = (mapping.generate(some, chain, seconds=0.5)
                         for some in (RAMP, RAMP, 255 - RAMP))
    assert np.array_equal(one.sound, again.sound)
    assert not np.allclose(one.condition, other.condition,
                           atol=1e-2) and not np.array_equal(one.sound, other.sound)


def test_a_tall_picture_is_cut_square_first_and_no_picture_is_refused(chain):
    tall = np.concatenate([np.zeros((64, 128, 3), np.uint8), RAMP,
                           np.full((64, 128, 3), 255, np.uint8)])
    whole, square = (mapping.generate(some, chain, seconds=0.5)
                     for some in (tall, images.square(tall, 128)))
    assert np.allclose(whole.vector, square.vector, atol=1e-5)
    with pytest.raises(KlangfarbeError, match="uint8"):
        mapping.generate(RAMP[..., 0], chain)
    with pytest.raises(KlangfarbeError, match="from 0.5 to 30"):
        mapping.generate(RAMP, chain, seconds=31)


def test_the_command_writes_music_and_says_what_happened(chain, painting, tmp_path, monkeypatch,
                                                         capsys):
    monkeypatch.setattr(mapping, "load", lambda profile: chain)
    target = tmp_path / "music.flac"
    assert main(["hear", str(painting), "--system", "mapping", "-o", str(target), "--seconds",
                 "1.5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["painting.png", "vector", "condition", "heard",
                                                   "music"]
    sound, rate = soundfile.read(target)
    assert (len(sound), rate) == (round(1.5 * rate),
                                  chain.player.sample_rate_hz) and 1e-4 < np.abs(
        sound).max() < 0.995
    first = target.read_bytes()
    assert main(["hear", str(painting), "--system", "mapping", "-o", str(target), "--seconds",
                 "1.5", "--seed", "2"]) == 0
    assert target.read_bytes() != first


@pytest.mark.parametrize(
    ("line", "told"),
    [("absent.jpg -o x.wav", "no such file"), ("{painting} -o x.ogg", ".wav, .flac, .mp3"),
     ("{painting} -o x.wav --seconds 0", "from 0.5"), ("{painting} -o x.wav --seed -1", "a seed"),
     ("{painting} -o x.wav --profile tiny", "bundled, smoke, mini"),
     ("{painting} {painting} -o music", "different names")],
)
def test_it_refuses_what_the_other_system_refuses_before_anything_is_loaded(line, told, painting,
                                                                            tmp_path, monkeypatch,
                                                                            capsys):
    def early(*_):
        raise AssertionError("a model was loaded for what could have been refused")

    monkeypatch.setattr(mapping, "load", early)
    monkeypatch.chdir(tmp_path)
    assert main(["hear", *line.format(painting=painting).split(), "--system", "mapping"]) == 2
    error = capsys.readouterr().err
    assert told in error and error.count("\n") == 1


def test_real_paintings_become_music(real_data, chain, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(mapping, "load", lambda profile: chain)
    paintings = sorted(real_data("wikiart_paintings").rglob("*.jpg"))[:2]
    assert main(["hear", *map(str, paintings), "--system", "mapping", "-o", str(tmp_path / "music"),
                 "--seconds", "1"]) == 0
    made = [audio.load(path) for path in sorted((tmp_path / "music").iterdir())]
    assert len(made) == len(paintings) == 2 and all(np.isfinite(sound).all() and np.abs(sound).max()
                                                    > 1e-3 for sound in made)


# --- alignment ------------------------------------------------------------------------------------
# --------------------


def table_of(n=60):
    split = np.array(["train"] * (n // 3) + ["validation"] * (n // 3) + ["test"]
                     * (n - 2 * (n // 3)))
    return pd.DataFrame({"pair": [f"p{k}" for k in range(n)], "linked": np.arange(n) // 2,
                         "split": split})


def test_a_perfect_answer_a_mean_and_a_shuffle():
    table, rng = table_of(), np.random.default_rng(0)
    wanted = (3 + rng.standard_normal((60, 1, 16))).astype(np.float32)
    mean = wanted[:20].mean(0, keepdims=True)
    rows = alignment.scores(table, {"exact": wanted, "half": mean + (wanted - mean) / 2,
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
    found = alignment.scores(table, {"ridge": alignment.ridge(table, vectors, wanted)}, wanted,
                             n_shuffles=20).set_index(["row", "measure"])
    assert found.loc[("ridge", "cosine"),
                     "value"] > 0.99 > found.loc[("mean vector", "cosine"), "value"]


def test_the_lift_compares_each_with_its_own_mean_on_pairs_of_both():
    table, rng = table_of(), np.random.default_rng(2)
    near, far = (rng.standard_normal((60, 1, 8)).astype(np.float32) + shift for shift in (0, 5))
    good, poor = alignment.per_pair(table, near,
                                    near), alignment.per_pair(table, np.roll(far, 1, axis=0), far)
    assert list(good.columns)[:2] == ["pair", "linked"] and {"cosine", "mae", "cosine_mean",
                                                             "mae_mean"} <= set(good.columns)
    assert set(good["pair"]) == set(table["pair"][table["split"] == "test"])
    value, low, high, n = alignment.lift(good, poor.iloc[3:])
    by_hand = (good["cosine"] - good["cosine_mean"])[3:].mean() - (poor["cosine"]
                                                                   - poor["cosine_mean"])[3:].mean()
    assert n == 17 and value == pytest.approx(by_hand) and 0 < low <= value <= high
    assert alignment.lift(good, poor, bare=True)[0] == pytest.approx(good["cosine"].mean()
                                                                     - poor["cosine"].mean())
    assert alignment.lift(poor,
                          good)[0] < 0 < poor[
        "cosine"].mean(), "a high cosine that is all mean is no lift"


def test_dealt_is_the_mean_cosine_with_every_other_group_and_never_its_own():
    table, rng = table_of(12), np.random.default_rng(3)
    made, wanted = (rng.standard_normal((12, 2, 5)).astype(np.float32) for _ in range(2))
    found = alignment.dealt(table, made, wanted)
    for row in range(12):
        others = [k for k in range(12) if table["linked"][k] != table["linked"][row]]
        by_hand = np.mean([batches.cosines(made[row : row + 1], wanted[k : k + 1])[0]
                           for k in others])
        assert len(others) == 10 and found[row] == pytest.approx(by_hand, abs=1e-6)


def test_a_mean_from_elsewhere_takes_the_place_of_the_tables_own():
    table, rng = table_of(), np.random.default_rng(4)
    wanted = (1 + rng.standard_normal((60, 1, 8))).astype(np.float32)
    mean = np.ones((1, 1, 8), np.float32)
    found = alignment.per_pair(table.assign(split="test"), wanted, wanted, mean=mean)
    assert len(found) == 60 and np.allclose(found["cosine_mean"],
                                            batches.cosines(np.repeat(mean, 60, axis=0), wanted))


# --- arrival --------------------------------------------------------------------------------------
# --------------------


def test_fresh_paintings_are_even_and_nobody_elses():
    some = information.fresh(10, 32)
    assert some.pictures.shape == (10, 32, 32, 3) and some.affect.shape == (10, 2)
    assert sorted(some.words) == sorted(list(affect.EMOTION_POINTS) * 2)
    with pytest.raises(KlangfarbeError, match="multiple"):
        information.fresh(7, 32)


def test_music_that_tells_its_word_is_found_and_music_that_does_not_is_not():
    words = np.repeat(list(affect.EMOTION_POINTS), 12)
    rng, places = np.random.default_rng(0), np.repeat(np.eye(5), 12, axis=0)
    pictures, music = (places + 0.1 * rng.standard_normal((60, 5)) for _ in range(2))
    deaf = pictures, rng.standard_normal((60, 5))
    found = information.found({"clear": (pictures, music), "deaf": deaf}, words,
                              n_shuffles=199).set_index("space")
    assert found.loc["clear", "value"] == 1 and found.loc["clear",
                                                          "p"] == 1 / 200 and found.loc["deaf",
                                                                                        "p"] > 0.05
    assert np.allclose(found["null"], 0.2, atol=0.05)
    paintings = information.Fresh(np.zeros((60, 1, 1, 3), np.uint8), words,
                                  rng.uniform(-1, 1, (60, 2)))
    ears = {"right": pd.DataFrame(paintings.affect,
                                  columns=["valence", "arousal"]).assign(word=words),
            "wrong": pd.DataFrame(paintings.affect[::-1],
                                  columns=["valence", "arousal"]).assign(word=np.roll(words, 12))}
    heard = information.heard(paintings, ears).set_index(["music", "measure"])
    assert heard.loc[("right", "word heard"),
                     "value"] == 1 and heard.loc[("right", "CCC valence"),
                                                 "value"] == pytest.approx(1)
    assert heard.loc[("wrong", "word heard"),
                     "value"] == 0 and heard.loc[("wrong", "CCC arousal"), "value"] < 0.3


def test_near_on_the_plane_is_near_on_the_sphere():
    plane = np.array([[0.0, 0.0], [0.1, 0.0], [-0.6, 0.5]])
    sphere = information.on_a_sphere(plane)
    assert np.allclose(np.linalg.norm(sphere, axis=1), 1) and np.allclose(sphere[0], [0, 0, 1])
    assert sphere[0] @ sphere[1] > sphere[0] @ sphere[2]
