"""Statistics, metric cards, and the table that puts a system beside its null and its ceiling."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from lib.core.errors import KlangfarbeError
from lib.metrics import affect, cards, evaluation_table, stats

# --- intervals ------------------------------------------------------------------------------------


def test_bootstrap_is_scipys_bca_when_each_row_is_its_own_group():
    x = np.random.default_rng(0).exponential(size=60)
    expected = scipy_stats.bootstrap((x,), np.mean, method="BCa", n_resamples=500,
                                     rng=np.random.default_rng(4)).confidence_interval
    assert stats.bootstrap(np.mean, x, n_resamples=500, seed=4) == pytest.approx(tuple(expected))


def test_bca_leans_with_a_skewed_statistic():
    """The variance of an exponential sample: the upper end lies further out than the lower one,
    more than percentiles would say.
    """
    x = np.random.default_rng(1).exponential(size=80)
    low, high = stats.bootstrap(np.var, x, n_resamples=800)
    rng = np.random.default_rng(0)
    plain = np.quantile([np.var(rng.choice(x, 80)) for _ in range(800)], [0.025, 0.975])
    assert low > plain[0] and high > plain[1]


def test_bootstrap_moves_whole_groups():
    """Rows of a group never part: a statistic that looks for a broken pair never finds one."""
    groups = np.repeat(np.arange(12), 2)

    def broken(values):
        return float(any(np.sum(values == g) % 2 for g in range(12)))

    assert stats.bootstrap(broken, groups, groups=groups, n_resamples=100) == (0, 0)


def test_a_statistic_that_is_not_finite_is_refused():
    with pytest.raises(KlangfarbeError, match="finite"):
        stats.bootstrap(lambda a: float("nan"), np.arange(9.0))
    with pytest.raises(KlangfarbeError, match="finite"):
        stats.jackknife(lambda a: np.inf, np.arange(9.0))
    with pytest.raises(KlangfarbeError, match="two groups"):
        stats.bootstrap(np.mean, np.arange(9.0), groups=np.zeros(9))


def test_jackknife_of_the_mean_is_the_textbook_interval():
    x = np.random.default_rng(2).normal(size=stats.N_BLOCKS)
    low, high = stats.jackknife(np.mean, x)
    expected = scipy_stats.t.interval(0.95, stats.N_BLOCKS - 1, x.mean(), scipy_stats.sem(x))
    assert (low, high) == pytest.approx(expected)


def test_jackknife_covers_as_often_as_it_says():
    rng = np.random.default_rng(3)
    hits = sum(low <= 1 <= high for low,
               high in (stats.jackknife(np.var, rng.normal(size=400), seed=i) for i in range(200)))
    assert 0.88 <= hits / 200 <= 0.99


def test_shuffled_groups_never_meet_themselves():
    groups = np.repeat(np.arange(8), [1, 2, 3, 1, 2, 3, 1, 2])
    values = stats.permutation_null(lambda a, b: float(np.mean(a == b)), groups, groups,
                                    groups=groups, n_shuffles=50)
    assert (values == 0).all()


# --- paired tests ---------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**31))
def test_swap_agrees_with_sign_flip_on_a_mean(seed):
    rng = np.random.default_rng(seed)
    ours, theirs = rng.normal(0.3, 1, 25), rng.normal(0, 1, 25)
    assert stats.swap_test(np.mean, ours, theirs,
                       n_swaps=1500) == pytest.approx(stats.sign_flip_test(ours - theirs), abs=0.06)


def test_swap_is_level_under_the_null_and_sharp_under_a_difference():
    rng = np.random.default_rng(5)
    truth = rng.normal(size=40)
    p = [stats.swap_test(lambda a: affect.ccc(truth, a), truth + rng.normal(size=40),
                     truth + rng.normal(size=40), n_swaps=99, seed=i) for i in range(100)]
    assert np.mean(np.array(p) < 0.05) <= 0.12
    assert stats.swap_test(lambda a: affect.ccc(truth, a), truth,
                           truth + rng.normal(size=40)) < 0.01


def test_swap_moves_groups_together():
    groups = np.repeat([0, 1], 20)
    # two groups: 2 of 4 patterns are as far
    assert stats.swap_test(np.mean, np.ones(40), np.zeros(40), groups, n_swaps=400) > 0.3


# --- cards ----------------------------------------------------------------------------------------


def test_every_metric_has_a_whole_card():
    shown = pd.DataFrame(cards.every()).set_index("name")
    wanted = """affect.ccc affect.r2 affect.rmse  control.correlation
        distances.mel_energy_kld distances.paired_kl diversity.precision_recall distances.fad
        distances.fad_infinity distances.kad distances.kid
        embedders.ranks spectral.lsd spectral.mcd spectral.snr
        spectral.thd text_audio.clap text_audio.imsm"""
    assert set(wanted.split()) <= set(shown.index), "a metric of the design without a card"
    assert (shown["minimum_n"] >= 1).all() and set(shown["direction"]) <= set(cards.DIRECTIONS)


@pytest.mark.parametrize("fault", ["direction: ↑", "blind to:", "minimum n: 30"])
def test_a_card_with_a_field_missing_is_refused(fault):
    def metric():
        pass

    assert fault in affect.ccc.__doc__
    metric.__doc__ = affect.ccc.__doc__.replace(fault, "")
    with pytest.raises(KlangfarbeError, match="fields"):
        cards.card(metric)


def test_a_card_with_a_wrong_direction_or_no_card_is_refused():
    def metric():
        pass

    metric.__doc__ = affect.ccc.__doc__.replace("direction: ↑", "direction: up")
    with pytest.raises(KlangfarbeError, match="direction"):
        cards.card(metric)
    with pytest.raises(KlangfarbeError, match="card"):
        cards.card(len)


# --- the table ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def example():
    rng = np.random.default_rng(7)
    target = rng.uniform(-1, 1, (60, 2))
    outputs = {"ours": target + rng.normal(0, 0.2, target.shape),
               "worse": target + rng.normal(0, 1.2, target.shape),
               "twin": target + rng.normal(0, 0.2, target.shape),
               evaluation_table.ROUND_TRIP: target + rng.normal(0, 0.02, target.shape)}
    measures = [evaluation_table.Measure(f"CCC {name}", affect.ccc, target[:, i],
                                         evaluation_table.ROWS, lambda rows, i=i: rows[:, i],
                                         published={"M1": 0.5}) for i,
                name in enumerate(("valence", "arousal"))]
    return evaluation_table.evaluate_table(outputs, measures, groups=np.arange(60) // 2,
                                           n_resamples=300, n_swaps=399)


def row(found, name, measure="CCC valence"):
    return found[(found["measure"] == measure) & (found["row"] == name)].iloc[0]


def test_the_table_has_every_row_in_order(example):
    assert list(example["row"])[:7] == ["ours", "worse", "twin", evaluation_table.ROUND_TRIP,
                                        evaluation_table.MEAN, evaluation_table.SHUFFLED,
                                        "published: M1"]
    assert list(example.columns) == list(evaluation_table.COLUMNS) and len(example) == 14


def test_intervals_null_and_ceiling_are_where_they_belong(example):
    ours, null = row(example, "ours"), row(example, evaluation_table.SHUFFLED)
    assert ours["low"] < ours["value"] < ours["high"] and ours["n"] == 60
    assert null["low"] < 0 < null["high"] < ours["low"]
    assert row(example, evaluation_table.ROUND_TRIP)["value"] > 0.99 and row(example,
                                                                             evaluation_table.MEAN)[
        "value"] == 0


def test_verdicts_follow_the_tests(example):
    assert row(example, "worse")["system_is"] == "better" and row(example,
                                                                  evaluation_table.ROUND_TRIP)[
        "system_is"] == "worse"
    assert row(example, "twin")["system_is"] == "inconclusive" and row(example,
                                                                       "ours")["system_is"] == ""
    assert row(example, "published: M1")["value"] == 0.5 and row(example,
                                                                 "published: M1")["system_is"] == ""


def test_direction_turns_the_verdict():
    rng = np.random.default_rng(8)
    target = rng.normal(size=50)
    outputs = {"near": target + 0.1, "far": target + rng.normal(0, 2, 50)}
    measure = evaluation_table.Measure("RMSE", affect.rmse, target, evaluation_table.ROWS,
                                       published={"M1": 1.0}, printed="↑")
    found = evaluation_table.evaluate_table(outputs, [measure], n_resamples=100)
    assert row(found, "far", "RMSE")["system_is"] == "better" and row(found, "far",
                                                                      "RMSE")["direction"] == "↓"
    assert row(found, "published: M1",
               "RMSE")["direction"] == "↑", "copied as printed, and nowhere else"


def test_sets_have_a_ceiling_and_no_shuffled_row():
    def distance(reference, rows):
        return float(np.sum((reference.mean(0) - rows.mean(0)) ** 2))

    distance.__doc__ = affect.rmse.__doc__
    rng = np.random.default_rng(9)
    real = rng.normal(size=(200, 3))
    outputs = {"ours": rng.normal(0.1, 1, (40, 3)), "far": rng.normal(3, 1, (40, 3))}
    measure = evaluation_table.Measure("distance", distance, real, evaluation_table.SETS)
    found = evaluation_table.evaluate_table(outputs, [measure], n_swaps=199)
    assert np.isnan(row(found, evaluation_table.SHUFFLED,
                        "distance")["value"]) and "condition" in row(found,
                                                                     evaluation_table.SHUFFLED,
                                                                     "distance")["note"]
    assert row(found, evaluation_table.REAL,
               "distance")["value"] < 0.2 and row(found, evaluation_table.REAL,
                                                  "distance")["n"] == 100
    assert row(found, "far", "distance")["system_is"] == "better"


def test_the_network_behind_a_number_is_named_by_its_content():
    target = np.linspace(-1, 1, 40)
    card = {"name": "tagger", "sha256": "0123456789abcdef"}
    found = evaluation_table.evaluate_table({"ours": target},
                                   [evaluation_table.Measure("CCC", affect.ccc, target,
                                                             evaluation_table.ROWS, encoder=card)],
                                   n_resamples=50, seed=5)
    assert set(found["encoder"]) == {"tagger 0123456789ab"} and set(found["seed"]) == {5}


def test_few_rows_are_said_and_wrong_shapes_refused():
    target = np.linspace(-1, 1, 10)
    found = evaluation_table.evaluate_table({"ours": target},
                                   [evaluation_table.Measure("CCC", affect.ccc, target,
                                                             evaluation_table.ROWS)],
                                   n_resamples=50)
    assert "minimum of 30" in found["note"][0]
    for outputs, measure in (({"a": target, "b": target[:5]},
                              evaluation_table.Measure("CCC", affect.ccc, target,
                                                       evaluation_table.ROWS)),
                             ({"a": target},
                              evaluation_table.Measure("CCC", affect.ccc, target[:5],
                                                       evaluation_table.ROWS)),
                             ({}, evaluation_table.Measure("CCC", affect.ccc, target))):
        with pytest.raises(KlangfarbeError):
            evaluation_table.evaluate_table(outputs, [measure])
