"""The grey experiment: paired tests against closed forms, and effects found where they were planted
and nowhere else.
"""

import itertools
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core.errors import KlangfarbeError
from lib.metrics import diversity, stats
from lib.systems.music2image import grey
from lib.systems.music2image.config import DiffusionConfig


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


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_is_monotone_and_never_below_p(p_values):
    adjusted = stats.holm(p_values)
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
    with pytest.raises(KlangfarbeError, match="divisible by 8"):
        diversity.saturation(noise[:, :60, :60])


def test_settings_differ_in_two_things_only():
    configs = {name: asdict(replace(grey.PROFILES["mini"], **grey.SETTINGS[name]))
               for name in grey.SETTINGS}
    changed = {key for key in configs["as released"]
               if len({str(c[key]) for c in configs.values()}) > 1}
    assert changed == {"null", "schedule", "prediction"}
    for before, after in (pair for pairs in grey.FACTORS.values() for pair in pairs):
        assert configs[before] != configs[after]
    assert replace(DiffusionConfig(), **grey.SETTINGS["as released"]) == DiffusionConfig()


def test_affect_grid_covers_the_plane():
    asked = grey.affect_grid(50)
    assert asked.shape == (50, 2) and len(np.unique(asked,
                                                    axis=0)) == 25 and np.allclose(asked.mean(0), 0)
    assert tuple(asked[0]) == (-0.9, 0.9) and tuple(asked[12]) == (0.0, 0.0)


def planted(effect, n_seeds=2, n=60, noise=0.05):
    """A table in which the learned null adds `effect` to the saturation and nothing else differs
    but noise.
    """
    rng, tables = np.random.default_rng(1), []
    asked, same = grey.affect_grid(n), np.full((n, 8, 8, 3), 90, np.uint8)
    for seed in range(n_seeds):
        for setting in grey.SETTINGS:
            table = grey.measure(setting, asked, same, np.full(n, 0.5),
                                  asked + 0.1 * rng.standard_normal((n, 2)), seed)
            shift = effect if grey.SETTINGS[setting]["null"] == "learned" else 0.0
            tables.append(table.assign(saturation=0.4 + shift + noise * rng.standard_normal(n)))
    return pd.concat(tables)


def test_effects_are_found_where_they_were_planted():
    found = grey.effects(planted(0.1)).set_index(["factor", "measure"])
    row = found.loc["learned null", "saturation"]
    assert (row.verdict == "raises" and row.low < 0.1 < row.high and row.same_sign == row.seeds == 2
            and row.n == 120)
    assert (found.drop(("learned null", "saturation")).verdict == "inconclusive").all()
    greyer = grey.effects(planted(-0.1)).set_index(["factor",
                                                    "measure"]).loc["learned null", "saturation"]
    assert greyer.verdict == "lowers"


def test_no_effect_no_claim_and_trainings_must_agree():
    assert (grey.effects(planted(0.0)).verdict == "inconclusive").all()
    table = planted(0.1)
    against = (table.seed == 1) & table.setting.isin(["null learned", "both corrected"])
    table.loc[against, "saturation"] -= 0.12  # the second training says the opposite
    row = grey.effects(table).set_index(["factor", "measure"]).loc["learned null", "saturation"]
    assert row.p_holm < 0.05 and row.same_sign == 1 and row.verdict == "inconclusive"


