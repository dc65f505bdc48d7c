"""What notebook 34 measures greyness with: paired tests and colour against closed forms."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from lib.core.errors import KlangfarbeError
from lib.metrics import diversity, stats


def test_sign_flip_against_all_patterns():
    differences = np.array([0.5, 1.2, -0.3, 0.9, 0.4, 0.8])
    signs = np.array(list(itertools.product([-1, 1], repeat=6)))
    exact = np.mean(np.abs(signs @ differences) >= differences.sum() - 1e-12)
    assert stats.sign_flip_test(differences, n_flips=20_000) == pytest.approx(exact, abs=0.01)
    assert stats.sign_flip_test(np.ones(40)) < 0.001 and stats.sign_flip_test(np.tile([1.0, -1.0],
                                                                              20)) == 1.0


def test_sign_flip_groups_flip_together():
    differences = np.repeat([1.0, 0.9, 1.1], 50)  # 150 pairs, but three trainings
    assert stats.sign_flip_test(differences) < 0.001
    assert stats.sign_flip_test(differences,
                                np.repeat([0, 1, 2], 50)) == pytest.approx(2 / 8, abs=0.02)
    with pytest.raises(KlangfarbeError, match="two finite"):
        stats.sign_flip_test(np.array([1.0, np.nan]))


def test_holm_by_hand():
    np.testing.assert_allclose(stats.holm([0.01, 0.04, 0.03, 0.005]), [0.03, 0.06, 0.06, 0.02])


@settings(max_examples=5, deadline=None)  # statsmodels collects garbage at each call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_monotone_never_below_p_and_as_statsmodels_has_it(p_values):
    adjusted = stats.holm(p_values)
    np.testing.assert_allclose(adjusted, multipletests(p_values, method="holm")[1], rtol=1e-12)
    assert (adjusted >= np.array(p_values)).all() and (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p_values, kind="stable")]) >= 0).all()


def test_saturation_and_brightness_of_known_colours():
    known = np.array([[255, 0, 0], [128, 128, 128], [200, 100, 100], [0, 0, 0], [255, 255, 255]],
                     np.uint8)
    pictures = np.broadcast_to(known[:, None, None], (5, 8, 8, 3))
    np.testing.assert_allclose(diversity.saturation(pictures), [1, 0, 0.5, 0, 0])
    np.testing.assert_allclose(diversity.brightness(pictures),
                               [0.299, 128 / 255, (0.299 * 200 + 0.701 * 100) / 255, 0, 1],
                               atol=1e-6)
    noise = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), dtype=np.uint8)
    # noise is grey from two steps away
    assert diversity.saturation(noise, side=64) > 0.6 and diversity.saturation(noise) < 0.15
    with pytest.raises(ValueError):
        diversity.saturation(noise[:, :60, :60])
