"""Swapped parts: an interpreter passes on what two bridges share and no more; every couple is made,
in its decoder's own language.
"""

import numpy as np
import pytest

from lib.core.errors import KlangfarbeError
from lib.data import splits
from lib.metrics import stats
from lib.systems import compare, evaluation, recombine


def test_an_interpreter_passes_on_what_is_shared_and_nothing_else():
    rng = np.random.default_rng(0)
    first, common, last = rng.standard_normal((3, 400))
    said, wanted = np.column_stack([first + common, first - common,
                                    1e4 * common]), np.column_stack([common + 7, last])
    passed = recombine.fit_linear_map(said[:200], wanted[:200]).predict(said[200:])
    np.testing.assert_allclose(passed[:, 0], common[200:] + 7, atol=0.05)
    assert abs(np.corrcoef(passed[:, 1], last[200:])[0,
                                                     1]) < 0.2 and passed[:,
                                                                          1].std() < 0.2, (
        "what was never said is not made up")


@pytest.fixture(scope="module")
def room():
    return compare.draw_items(compare.Config(n_items=4, n_known=6, seconds=1.0))


@pytest.fixture(scope="module")
def parts():
    return recombine.load("bundled")


@pytest.fixture(scope="module")
def said(room, parts):
    return recombine.encode(parts, room.pictures, room.comments, room.sounds, room.rate_hz)


def test_each_bridge_says_of_an_item_what_it_says_of_it_alone(room, parts, said):
    here, descriptions = said
    assert (list(here) == list(recombine.BRIDGES) and len(descriptions) == 4
            and all(isinstance(text, str) and text for text in descriptions))
    assert here["words"].shape == here["vector"].shape and here["numbers"].shape == (4,
                                                                                     2) and all(
        len(some) == 4 for some in here.values())
    alone, _ = recombine.encode(parts, room.pictures[2:3], room.comments[2:3], room.sounds[2:3],
                                 room.rate_hz)
    for name in ("vector", "fused", "numbers"):
        np.testing.assert_allclose(alone[name][0], here[name][2], atol=1e-3)
        assert np.ptp(here[name], axis=0).max() > 1e-3, "different items, different things said"


def test_each_decoder_plays_or_paints_what_it_is_told(room, parts, said):
    here, _ = said
    for decoder, own in recombine.DECODERS.items():
        for bridge in own:
            made, rate = recombine.decode(parts, decoder, here[bridge][:2], seconds=1.0)
            if decoder == "diffusion":
                assert rate == 0 and made.dtype == np.uint8 and made.shape == (2, parts.sizes.size,
                                                                               parts.sizes.size, 3)
            else:
                assert abs(made.shape[1] / rate
                           - 1.0) < 0.1 and np.isfinite(made).all() and np.abs(made).max(
                    1).min() > 1e-3
            again, _ = recombine.decode(parts, decoder, here[bridge][:2], seconds=1.0)
            np.testing.assert_array_equal(made, again)
            assert not np.array_equal(made[0],
                                      made[
                    1]), "it listens to what it is told, or at least to its dice"
    with pytest.raises(KlangfarbeError, match="a decoder out of MusicGen"):
        recombine.decode(parts, "organ", here["numbers"])


def test_the_diffusion_models_couple_is_closer_to_the_truth_than_luck(parts):
    from lib.metrics import picture_regressor

    truth = np.random.default_rng(0).uniform(-0.8, 0.8, (24, 2))
    seen = picture_regressor.load_picture_regressor().predict(recombine.decode(parts, "diffusion",
                                                                               truth)[0])
    assert evaluation.agreement(truth,
                                seen) > np.quantile(stats.permutation_null(evaluation.agreement,
                                                                           truth, seen,
                                                                           n_shuffles=100), 0.975)


def test_a_line_that_never_saw_a_group_does_not_know_it():
    def held_out(inputs, truth, groups):  # as in notebook 93
        return splits.cross_validated(
            lambda known, felt, unseen: recombine.fit_linear_map(known, felt).predict(unseen),
            inputs, truth, groups)

    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(20), 6)
    known = rng.standard_normal((120, 4))
    truth = np.column_stack([known @ [1, 0, 2, 0], known @ [0, 1, 0, -1]])
    assert evaluation.agreement(truth, held_out(known, truth, groups)) > 0.99
    own = rng.standard_normal((20, 2))[groups]  # a group's mood, told by nothing but who it is
    who = np.eye(20)[groups]
    assert evaluation.agreement(own, held_out(who, own, groups)) < 0.05
    mixed = rng.permutation(120)  # with its members on both sides the same line tells nearly all
    assert evaluation.agreement(own, held_out(who, own, mixed)) > 0.9
