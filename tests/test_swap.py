"""Swapped parts: an interpreter passes on what two bridges share and no more; every couple is made,
in its decoder's own language.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core.errors import KlangfarbeError
from lib.metrics import stats
from lib.systems import compare, evaluation, real_world, recombine


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


def spoken(rng, n, line):
    said = {"words": rng.standard_normal((n, 3))}
    return said | {name: said["words"] @ line[name] for name in ("vector", "fused", "numbers")}


def test_an_own_bridge_is_left_alone_and_every_other_speaks_the_decoders_language():
    rng = np.random.default_rng(1)
    line = {"vector": rng.standard_normal((3, 5)), "fused": rng.standard_normal((3, 4)),
            "numbers": rng.standard_normal((3, 2))}
    known, here = spoken(rng, 200, line), spoken(rng, 20, line)
    told = recombine.map_to_decoders(here, known)
    assert set(told) == {(bridge, decoder) for bridge in here for decoder in recombine.DECODERS}
    for (bridge, decoder), inputs in told.items():
        own = recombine.LEARNT_FROM[decoder]
        if bridge in recombine.DECODERS[decoder]:
            assert inputs is here[bridge]
        elif bridge != "numbers":  # two numbers hold less than three
            np.testing.assert_allclose(inputs, here[own], atol=0.05)
        assert inputs.shape == here[bridge if bridge in recombine.DECODERS[decoder] else own].shape


def error(truth, found):
    return float(np.abs(truth - found).mean())


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=4),
       st.lists(st.floats(-1, 1), min_size=2, max_size=4))
@settings(max_examples=40, deadline=None)
def test_spreads_tell_rows_from_columns(rows, columns):
    truth = np.full((5, 2), -9.0)
    found = np.broadcast_to(np.add.outer(rows, columns)[None, :, :, None],
                            (5, len(rows), len(columns), 2))
    who = recombine.variance_components(truth, found, error)
    assert who["bridges"] == pytest.approx(np.std(rows),
                                           abs=1e-9) and who["decoders"] == pytest.approx(
        np.std(columns), abs=1e-9)
    assert who["rest"] == pytest.approx(0, abs=1e-9)
    diagonal = np.broadcast_to(np.eye(2)[None, :, :, None], (5, 2, 2, 2))
    assert recombine.variance_components(truth, diagonal,
                             error) == pytest.approx({"bridges": 0, "decoders": 0, "rest": 0.5})


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
    with pytest.raises(KlangfarbeError, match="a comment and a piece to each"):
        recombine.encode(parts, room.pictures, room.comments[:2], room.sounds, room.rate_hz)


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


def test_three_systems_play_without_a_comment_and_two_of_them_as_their_own_parts_do(room, parts,
                                                                                    said):
    played, descriptions = real_world.generate_music(parts, room.pictures[:2], None, seconds=1.0,
                                             rate_hz=22_050)
    assert list(played) == ["bridging", "mapping", "art2music"] and descriptions == said[1][:2]
    assert all(sounds.shape == (2, 22_050) and np.abs(sounds).max(1).min() > 1e-3
               for sounds in played.values())
    alone, rate = recombine.decode(parts, "MusicGen", said[0]["vector"][:2], seconds=1.0)
    np.testing.assert_allclose(compare.resample_to_length(list(alone), [rate] * 2, 22_050, 1.0),
                               played["mapping"], atol=1e-3)
    with_comment, _ = real_world.generate_music(parts, room.pictures[:2], room.comments[:2],
                                                seconds=1.0)
    assert not np.allclose(with_comment["art2music"], played["art2music"])
    np.testing.assert_allclose(with_comment["mapping"], played["mapping"], atol=1e-3)


def test_the_diffusion_models_couple_is_closer_to_the_truth_than_luck(parts):
    from lib.metrics import picture_regressor

    truth = np.random.default_rng(0).uniform(-0.8, 0.8, (24, 2))
    seen = picture_regressor.load_picture_regressor().predict(recombine.decode(parts, "diffusion",
                                                                               truth)[0])
    assert evaluation.agreement(truth,
                                seen) > np.quantile(stats.permutation_null(evaluation.agreement,
                                                                           truth, seen,
                                                                           n_shuffles=100), 0.975)


@pytest.mark.parametrize("sizes", [(3, 10), (10, 3)])
def test_too_few_items_are_refused(sizes):
    with pytest.raises(KlangfarbeError, match="four items"):
        recombine.Config(*sizes)
