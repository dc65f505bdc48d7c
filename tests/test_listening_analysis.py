"""Simulated listeners of known truth: the analysis must recover it, find who does not listen, and
never let them into the ledger.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from statsmodels.stats.sandwich_covariance import cov_cluster_2groups

from lib.core.errors import KlangfarbeError
from lib.studies.listening import analysis, design, simulate, study
from lib.studies.listening.questions import FIELDS, NAMES, QUESTIONS, Row

SYSTEMS = ("plain", "clear", "fitting")
TRUTH = simulate.Truth({"plain": (50, 50), "clear": (65, 50), "fitting": (50, 65)})
WRONG = [(f"odd{k}", f"other{k}") for k in range(4)]


def plan(n_raters=30, n_items=24, per_rater=20, n_pairs=0, seed=0):
    stimuli = [design.Stimulus(f"image{i}", f"audio{s}{i}", s, f"item{i:02}")
               for i in range(n_items) for s in SYSTEMS]
    blocks = design.blocks(stimuli, n_raters, per_rater, seed, silence="hush", wrong=WRONG)
    return design.with_pairs(blocks, stimuli, n_pairs, seed) if n_pairs else blocks


@pytest.fixture(scope="module")
def planned():
    return plan(n_pairs=8)


@pytest.fixture(scope="module")
def heard(planned):
    return simulate.listen(planned, TRUTH, seed=1).answers


# --- the simulation itself


def test_every_simulated_row_is_a_whole_answer_and_says_what_it_is(planned, heard):
    assert len(heard) == len(planned.trials) and heard["simulated"].all()
    for record in heard.sample(80, random_state=0)[list(FIELDS)].to_dict("records"):
        filled = {k: (int(v) if k in NAMES else v) for k,
                  v in record.items() if v is not None and v == v}
        Row(**filled)
    assert not set(heard["what"]) - {design.PAIR, design.SILENCE, design.WRONG, design.COMPARISON}


def test_without_any_spread_the_answers_are_the_truth(planned):
    exact = replace(TRUTH, spread=simulate.Spread(0, 0, 0, 0, 0, 0))
    rated = simulate.listen(planned, exact, seed=2).answers.query("what == 'pair'")
    assert rated.groupby("system")["ovl"].agg(set).to_dict() == {"plain": {50}, "clear": {65},
                                                                 "fitting": {50}}
    # 2.5 to even, 3.25
    assert rated.groupby("system")["relationship"].agg(set).to_dict() == {"plain": {2},
                                                                          "clear": {2},
                                                                          "fitting": {3}}
    assert simulate.expected(exact, "rel") == {"plain": 50, "clear": 50, "fitting": 65}


def test_the_expected_answer_counts_the_ends_of_the_scale():
    high = simulate.Truth({"top": (100, 100)}, simulate.Spread(0, 0, 0, 0, 20, 0))
    # half a normal is cut off
    assert simulate.expected(high, "ovl")["top"] == pytest.approx(100 - 20 / np.sqrt(2 * np.pi),
                                                                  abs=0.2)


# --- who is left out


def test_those_who_do_not_listen_are_found_and_the_others_stay(planned):
    found = [simulate.listen(planned, replace(TRUTH, inattentive=0.2), seed=seed)
             for seed in range(12)]
    table = pd.concat([analysis.attention(one.answers).merge(one.raters, on="rater")
                       for one in found])
    lazy = table["habit"] != ""
    # 20 of 100 by luck on both silences, and under 80 for the wrong pair: 3 %
    assert (~table.loc[lazy, "kept"]).mean() > 0.9
    assert table.loc[~lazy, "kept"].mean() > 0.97
    kept = analysis.kept(found[0].answers)
    assert set(kept["what"]) == {design.PAIR,
                                 design.COMPARISON} and kept["rater"].nunique() == table[
        "kept"].iloc[:30].sum()


def test_the_rule_counts_failed_checks():
    rows = pd.DataFrame({"rater": ["a"] * 3 + ["b"] * 3 + ["c"] * 3,
                         "what": [design.SILENCE, design.SILENCE, design.WRONG] * 3,
                         "ovl": [0, 20, 90, 0, 21, 0, 0, 0, 0],
                         "rel": [99, 99, 80, 0, 0, 0, 0, 0, 81], "seconds": 1.0})
    table = analysis.attention(rows).set_index("rater")
    assert table["failed"].to_dict() == {"a": 0, "b": 1,
                                         "c": 1} and table["kept"].to_dict() == {"a": True,
                                                                                 "b": False,
                                                                                 "c": False}
    assert analysis.attention(rows, study.RULE | {"max_failed": 1})["kept"].all()


def test_inattentive_listeners_pull_systems_together_until_they_are_left_out(planned):
    mixed = simulate.listen(planned, replace(TRUTH, inattentive=0.4), seed=5).answers
    def gap(rows):
        means = analysis.means(rows, "ovl").set_index("system")["value"]
        return means["clear"] - means["plain"]

    truth = simulate.expected(TRUTH, "ovl")
    assert gap(mixed) < 0.8 * (truth["clear"] - truth["plain"]) < gap(analysis.kept(mixed))


# --- means, differences, intervals


def test_the_two_way_error_is_that_of_an_independent_package():
    rng = np.random.default_rng(0)
    rater, item = rng.integers(0, 12, 300), rng.integers(0, 15, 300)
    y = rng.normal(size=300) + rng.normal(size=12)[rater] + rng.normal(size=15)[item]
    ours, freedom = analysis.two_way((y - y.mean()) / len(y), rater, item)
    fit = sm.OLS(y, np.ones(300)).fit()
    both, by_rater, by_item = cov_cluster_2groups(fit, rater, item, use_correction=False)
    factor = lambda labels: len(set(labels)) / (len(set(labels)) - 1)  # noqa: E731
    cells = [f"{r},{i}" for r, i in zip(rater, item)]
    within = by_rater + by_item - both  # what the package took off: the cells
    theirs = by_rater * factor(rater) + by_item * factor(item) - within * factor(cells)
    assert ours == pytest.approx(np.sqrt(theirs.item()), rel=1e-9) and freedom == 11


def test_a_balanced_table_of_pure_listeners_has_the_textbook_error():
    rater, item = np.repeat(np.arange(6), 5), np.tile(np.arange(5), 6)
    effect = np.array([1.0, -1, 2, -2, 3, -3])
    error, _ = analysis.two_way(effect[rater] / 30, rater, item)
    assert error == pytest.approx(effect.std(ddof=1) / np.sqrt(6))
    for labels in ((np.zeros(30), item), (rater, np.zeros(30))):
        with pytest.raises(KlangfarbeError, match="two listeners and two pictures"):
            analysis.two_way(effect[rater] / 30, *labels)


def test_intervals_cover_the_truth_where_the_naive_ones_do_not():
    small, truth = plan(n_raters=20, per_rater=15), simulate.expected(TRUTH, "ovl")
    inside, naive, differences = [], [], []
    for seed in range(60):
        rows = simulate.listen(small, TRUTH, seed=seed).answers.query("what == 'pair'")
        found = analysis.means(rows, "ovl").set_index("system")
        true = found.index.map(truth).to_numpy()
        inside.append((found["low"] <= true) & (true <= found["high"]))
        naive.append((found["naive_low"] <= true) & (true <= found["naive_high"]))
        y, is_a = rows.query("system != 'fitting'"), None
        is_a = (y["system"] == "clear").to_numpy()
        gap, _, freedom, error, _ = analysis.contrast(y["ovl"].to_numpy(float)[None], is_a,
                                                      y["rater"].to_numpy(), y["item"].to_numpy())
        differences.append(abs(gap[0] - truth["clear"] + truth["plain"]) <= 2.14 * error[0])
    assert 0.90 <= np.mean(inside) <= 0.99 and np.mean(naive) < 0.8  # 95 % is promised
    assert 0.90 <= np.mean(differences) <= 1.0


def test_differences_that_are_there_are_found_and_the_others_are_not(heard):
    quality = analysis.contrasts(heard, "ovl").set_index(["a", "b"])
    relevance = analysis.contrasts(heard, "rel").set_index(["a", "b"])
    # whether intervals cover is a matter of many studies: the test above
    for table in (quality, relevance):
        assert (table["low"] < table["difference"]).all() and (table["p"]
                                                               <= table["p_holm"]).all() and table[
            "p_holm"].le(1).all()
    assert quality.loc[("clear", "plain"),
                       "p_holm"] < 0.01 < 0.05 < quality.loc[("fitting", "plain"), "p_holm"]
    assert relevance.loc[("fitting", "plain"),
                         "p_holm"] < 0.01 < 0.05 < relevance.loc[("clear", "plain"), "p_holm"]
    assert quality["raters"].eq(30).all() and quality["n"].eq(400).all()


def test_equals_are_told_apart_one_time_in_twenty():
    same = simulate.Truth(dict.fromkeys(SYSTEMS, (60, 60)), simulate.Spread(item_system=14))
    small = plan(n_raters=16, n_items=12, per_rater=12)
    table = pd.concat([analysis.contrasts(simulate.listen(small, same, seed=seed).answers, "ovl")
                       for seed in range(24)])
    assert (table["p"] < 0.05).mean() <= 0.10 and 0.4 < table["p"].mean() < 0.65
    # the interval and the test say the same
    assert ((table["p"] < 0.05) == ((table["low"] > 0) | (table["high"] < 0))).all()


# --- power ----------------------------------------------------------------------------------------


def test_power_agrees_with_the_textbook_where_answers_are_independent():
    """Only noise: a two-sample comparison; smallest difference found in 80 % is (1.96 + 0.84) · σ ·
    sqrt(2/n).
    """
    only = simulate.Spread(0, 0, 0, 0, 15, 0)
    found = simulate.power(40, 20, n_items=100, spread=only, n_repeats=1500,
                        differences=np.arange(0, 8, 0.05))
    assert found.n == 800 and found.smallest == pytest.approx(2.8 * 15 * np.sqrt(2 / 400), rel=0.12)
    assert 0.02 <= found.false_alarms <= 0.07 and found.found[0] == found.false_alarms


def test_power_grows_with_listeners_until_the_pictures_are_what_lacks():
    smallest = [simulate.power(n, 20, n_items=40, n_repeats=300).smallest for n in (8, 30, 120)]
    assert smallest[0] > smallest[1] > smallest[2]
    few = simulate.power(120, 6, n_items=6, n_repeats=300, spread=simulate.Spread(item_system=10))
    many = simulate.power(120, 6, n_items=120, n_repeats=300,
                          spread=simulate.Spread(item_system=10))
    assert few.n == many.n and few.half_width > 2 * many.half_width
    shared = simulate.power(30, 20, n_systems=8, n_repeats=300)
    assert shared.n == 150 and not shared.smallest < smallest[1]
    assert np.isnan(simulate.power(8, 20, differences=np.array([0, 0.5]), n_repeats=100).smallest)


# --- the ledger -----------------------------------------------------------------------------------


def test_simulated_answers_never_become_evidence(heard):
    with pytest.raises(KlangfarbeError, match="simulated ones"):
        analysis.ratings_for_ledger(heard)
    one = heard.copy()
    one["simulated"] = [True] + [False] * (len(one) - 1)
    for call in (analysis.ratings_for_ledger, analysis.table):
        with pytest.raises(KlangfarbeError, match="simulated ones"):
            call(one)
    unmarked = heard.assign(simulated=None)
    with pytest.raises(KlangfarbeError, match="simulated ones"):
        analysis.ratings_for_ledger(unmarked)


def test_without_listeners_the_table_says_so(heard):
    nobody = heard.iloc[:0]
    assert len(analysis.ratings_for_ledger(nobody)) == 0
    told = analysis.table(nobody)
    assert told["result"].eq(analysis.NO_LISTENER).all() and len(told) == len(QUESTIONS)
    # as if a person had been the only one
    single = heard[heard["rater"] == "simulated-000"].assign(simulated=False)
    assert "too few" in analysis.table(single)["result"].iloc[0]
    for call in (analysis.means, analysis.contrasts):
        with pytest.raises(KlangfarbeError, match="no listener yet"):
            call(nobody, "ovl")


def test_peoples_answers_give_a_table(heard):
    given = analysis.table(heard.assign(simulated=False))
    assert len(given) == len(QUESTIONS) * len(SYSTEMS) and (given["low"]
                                                            < given["value"]).all() and (
        given["value"] < given["high"]).all()
