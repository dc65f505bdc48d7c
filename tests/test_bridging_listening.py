"""Listening to what was played: what each count says of sounds whose truth is known."""

import numpy as np
import pandas as pd
import pytest

from lib import pretrained
from lib.core.errors import KlangfarbeError
from lib.metrics import audio_quality

RATE = 22_050


@pytest.fixture(scope="module")
def sounds():
    rng = np.random.default_rng(0)
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(4 * RATE) / RATE)
    half = np.where(np.arange(4 * RATE) < 2 * RATE, tone, 0)
    noise, loud = 0.1 * rng.normal(size=4 * RATE), np.clip(4 * tone, -1, 1)
    return {"noise": noise, "tone": tone, "half": half, "silence": np.zeros(4 * RATE), "loud": loud}


@pytest.fixture(scope="module")
def told(sounds):
    return audio_quality.measure_quality(list(sounds.values()), RATE).set_axis(list(sounds))


def test_white_noise_has_the_flatness_of_exponential_powers_and_a_tone_has_none(told):
    assert told.flatness["noise"] == pytest.approx(np.exp(-np.euler_gamma), abs=0.01)
    assert told.flatness["tone"] < 1e-3


def test_silence_is_counted_where_it_is(told):
    assert told.silent["half"] == pytest.approx(0.5, abs=0.02) and told.blank["half"] > 0.5
    assert told.silent["noise"] == told.silent["tone"] == 0 and told.blank["noise"] == 0
    assert told.silent["silence"] == told.blank["silence"] == 1 and np.isnan(
        told.flatness["silence"])
    assert told.flatness["half"] < 1e-2, "silent frames do not count as noise"


def test_loudness_and_clipping_by_hand(told):
    assert told.loudness_db["tone"] == pytest.approx(10 * np.log10(0.125), abs=0.01)
    assert told.clipped["tone"] == 0
    # |2 sin| ≥ 1 for two thirds of a turn
    assert told.clipped["loud"] == pytest.approx(2 / 3, abs=0.01)


def test_a_gain_changes_the_loudness_alone(sounds, told):
    softer = audio_quality.measure_quality([0.1 * sounds["noise"]], RATE).iloc[0]
    assert softer.loudness_db == pytest.approx(told.loudness_db["noise"] - 20, abs=1e-3)
    shape = ["silent", "blank", "flatness"]
    assert softer[shape].to_numpy() == pytest.approx(told.loc["noise", shape].to_numpy(float),
                                                     abs=1e-4)


def test_repeats_of_known_codes():
    rng = np.random.default_rng(0)
    random = rng.integers(0, 512, (4, 200))
    assert audio_quality.repetition(random, 25.0) == 0
    assert audio_quality.repetition(np.zeros((4, 200), int), 25.0) == 1
    assert audio_quality.repetition(np.tile(random[:, :30], 5), 25.0) == 1  # a circle of 30 steps
    still = random.copy()
    still[0] = 7
    assert audio_quality.repetition(still,
                                    25.0) == 0, (
        "one codebook that stands still is a held note, no loop")
    half = np.concatenate([random[:, :101], np.repeat(random[:, 100:101], 99, axis=1)], axis=1)
    assert audio_quality.repetition(half, 25.0) == pytest.approx(99 / 199)


def test_the_judge_hears_real_pieces(sounds):
    from lib.data import atelier
    from lib.data.atelier import render, words
    from lib.data.atelier.factors import draw

    played, _ = render.sounds(atelier.TEST_SEED, range(40), 5.0)
    own = [words.emotion_word(draw(atelier.TEST_SEED, index)) for index in range(40)]
    heard = audio_quality.predict_emotions(pretrained.load("tagger", device="cpu"), played, RATE)
    assert heard[["valence", "arousal"]].abs().to_numpy().max() <= 1
    assert np.mean(heard.word == own) > 0.7 > 0.4 > np.mean(heard.word == np.roll(own, 1))


def test_means_are_means_with_intervals_that_hold_them():
    table = pd.DataFrame({"music": ["a"] * 30 + ["b"] * 30,
                          "x": np.r_[np.arange(30.0), np.full(30, 2.0)],
                          "right": [True] * 15 + [False] * 15 + [True] * 30})
    found = audio_quality.group_means(table, ["music"], "x", seed=1).set_index("music")
    assert found.value["a"] == 14.5 and found.low["a"] < 14.5 < found.high["a"] and found.n[
        "a"] == 30
    assert found.low["b"] == found.high["b"] == 2.0
    shares = audio_quality.group_means(table, ["music"], "right").set_index("music")
    assert shares.value.tolist() == [0.5, 1.0] and shares.high["b"] == pytest.approx(1.0)
    assert shares.low["b"] == pytest.approx(0.886, abs=0.001)  # Wilson's: 1 / (1 + z²/n)
    with pytest.raises(KlangfarbeError):
        audio_quality.group_means(table.iloc[:1], ["music"], "x")
