"""Side by side: the same items for all, retrieval that finds the nearest, sounds made alike."""

import numpy as np
import pytest

from lib.data.atelier import TEST_SEED, factors
from lib.data.atelier.words import emotion_word
from lib.systems import art2music, bridging, compare, mapping


def test_the_items_are_fresh_and_all_their_sides_agree():
    room = compare.draw_items(compare.Config(n_items=4, n_known=5, seconds=0.5, side=32))
    items = [factors.draw(TEST_SEED, compare.ITEMS_FROM + k) for k in range(4)]
    assert room.truth.tolist() == [[item.valence, item.arousal]
                                   for item in items] and room.words.tolist() == list(
        map(emotion_word, items))
    assert room.pictures.shape == (4, 32, 32,
                                   3) and room.known_pictures.shape == (5, 32, 32,
                                                                        3) and len(
        room.comments) == 4
    assert room.sounds.shape[0] == 4 and room.known_sounds.shape == (5,
                                                                     room.sounds.shape[
            1]) and np.abs(room.sounds).max(1).min() > 0.01


def test_the_nearest_is_found_whatever_the_columns_units():
    rng = np.random.default_rng(0)
    there = rng.standard_normal((50, 8)) * 10.0 ** np.arange(-3, 5) + 7
    assert compare.nearest_neighbours(there[[3, 17, 40]], there).tolist() == [3, 17, 40]
    flat = np.column_stack([there, np.ones(50)])
    assert compare.nearest_neighbours(flat[[5]],
                           flat).tolist() == [5], "a column that says nothing changes nothing"


def test_sounds_of_any_rate_and_length_become_one_array():
    def tone(rate, seconds):
        return np.sin(2 * np.pi * 200 * np.arange(round(rate * seconds)) / rate).astype(np.float32)

    made = compare.resample_to_length([tone(16_000, 1.0), tone(8_000, 1.0), tone(8_000, 0.25)],
                         [16_000, 8_000, 8_000], 8_000, 0.5)
    assert made.shape == (3, 4_000) and made.dtype == np.float32
    np.testing.assert_allclose(made[0, 200:3_800], made[1, 200:3_800], atol=1e-2)
    assert not made[2, 2_000:].any() and np.abs(made[2, :2_000]).max() > 0.9


@pytest.mark.parametrize("system", [bridging, mapping, art2music])
def test_a_painting_of_a_batch_sounds_as_it_does_alone(system):
    room = compare.draw_items(compare.Config(n_items=2, n_known=1, seconds=0.5))
    models = system.generate.load()
    together = system.generate.generate_batch(room.pictures, models, seed=7, seconds=0.5)
    for picture, heard in zip(room.pictures, together, strict=True):
        alone = system.generate.generate(picture, models, seed=7, seconds=0.5)
        np.testing.assert_allclose(heard.sound, alone.sound, atol=1e-3)
    assert np.abs(together[1].sound - together[0].sound).max() > 0.01


def test_a_comment_stays_with_its_painting_and_the_captioner_fills_in():
    room = compare.draw_items(compare.Config(n_items=2, n_known=1, seconds=0.5))
    models = art2music.generate.load()
    first, second = art2music.generate.generate_batch(room.pictures, models,
                                                      ["", room.comments[1]], seconds=0.5)
    assert (first.said_by, second.said_by) == ("the captioner", "you")
    assert second.comment == room.comments[1] and first.comment not in room.comments
