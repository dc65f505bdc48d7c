"""Retrieval, ratings and picture distances: closed forms, published tables, and independent
implementations.
"""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import polynomial_kernel

from lib.core.errors import KlangfarbeError
from lib.metrics import cards, distances, retrieval, stats

# --- retrieval ------------------------------------------------------------------------------------
# --------------------


def test_identity_is_found_first_and_strangers_as_often_as_chance():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 32))
    assert retrieval.retrieval(x, x) == {"r_at_1": 1, "r_at_5": 1, "r_at_10": 1, "median_rank": 1,
                                         "mrr": 1, "n": 400}
    lost = retrieval.retrieval(x, rng.normal(size=(400, 32)))
    assert lost["r_at_1"] == pytest.approx(1 / 400,
                                           abs=0.01) and lost["r_at_10"] == pytest.approx(10 / 400,
                                                                                          abs=0.025)
    assert lost["median_rank"] == pytest.approx(200, abs=30)
    assert lost["mrr"] == pytest.approx(np.sum(1 / np.arange(1, 401)) / 400, abs=0.01)


def test_the_same_answer_to_everything_scores_what_guessing_scores():
    rng = np.random.default_rng(1)
    constant = np.repeat(rng.normal(size=(1, 17)), 60, axis=0)
    found = retrieval.retrieval(rng.normal(size=(60, 17)), constant)
    harmonic = np.sum(1 / np.arange(1, 61))
    assert [found[f"r_at_{k}"] for k in (1, 5,
                                         10)] == pytest.approx([1 / 60, 5 / 60, 10 / 60], abs=1e-12)
    assert found["median_rank"] == 30.5 and found["mrr"] == pytest.approx(harmonic / 60, abs=1e-12)


def test_any_item_of_the_group_is_right():
    axes = np.eye(6)
    groups = np.array(["a", "a", "a", "b", "b", "c"])
    swapped = axes[[1, 2, 0, 4, 3, 5]]  # each finds a sibling, not itself
    assert retrieval.retrieval(axes, swapped, groups)["r_at_1"] == 1
    assert retrieval.retrieval(axes, swapped)["r_at_1"] == pytest.approx(1 / 6)
    wrong = axes[[3, 4, 5, 0, 1, 2]] + 0.01 * axes
    assert retrieval.ranks(axes, wrong, groups)["rank"].tolist() == [2, 2, 2, 2, 2, 2]


@given(st.lists(st.integers(0, 3), min_size=4, max_size=7), st.integers(0, 999))
@settings(max_examples=40, deadline=None)
def test_ties_in_expectation_equal_all_orders_counted_out(levels, seed):
    """Items at a few cosines from one query, shuffled in every order: the plain average over
    permutations.
    """
    rng = np.random.default_rng(seed)
    count = len(levels)
    groups = rng.integers(0, 3, count)
    angles = np.array(levels) * 0.5
    items, query = np.stack([np.cos(angles), np.sin(angles)],
                            axis=1), np.tile([1.0, 0.0], (count, 1))
    got = retrieval.ranks(query, items, groups)
    right, scores = groups == groups[0], -np.array(levels)
    plain = []
    for order in itertools.permutations(range(count)):
        # stable: ties keep this permutation's order
        ranked = sorted(order, key=lambda i: -scores[i])
        plain.append(1 + next(place for place, i in enumerate(ranked) if right[i]))
    plain = np.array(plain)
    assert got["rank"][0] == pytest.approx(plain.mean()) and got["reciprocal"][0] == pytest.approx(
        (1 / plain).mean())
    assert [got[f"r_at_{k}"][0] for k in (1,
                                          5)] == pytest.approx([(plain <= k).mean()
                                                                for k in (1, 5)])


def test_blocks_of_queries_change_nothing(monkeypatch):
    rng = np.random.default_rng(2)
    x = rng.normal(size=(90, 8))
    y, groups = x + rng.normal(size=(90, 8)), rng.integers(0, 30, 90)
    whole = retrieval.ranks(x, y, groups)
    monkeypatch.setattr(retrieval, "BLOCK", 7)
    assert whole.equals(retrieval.ranks(x, y, groups)) and 0.1 < whole["r_at_1"].mean() < 0.9


def test_per_query_columns_make_a_group_interval():
    rng = np.random.default_rng(3)
    x = rng.normal(size=(120, 16))
    table = retrieval.ranks(x, x + 1.2 * rng.normal(size=(120, 16)))
    low, high = stats.bootstrap(np.mean, table["reciprocal"].to_numpy(), groups=np.arange(120) // 3,
                                n_resamples=200)
    assert low < table["reciprocal"].mean() < high


ONES = np.ones((3, 2))


@pytest.mark.parametrize("bad", [(0 * ONES, ONES), (ONES, np.ones((4, 2))), (ONES, np.ones((3, 4))),
                                 (np.nan * ONES, ONES),
                                 (ONES[:1], ONES[:1]), (ONES, ONES, np.arange(2))])  # fmt: skip
def test_embeddings_that_cannot_be_compared_are_refused(bad):
    with pytest.raises(KlangfarbeError):
        retrieval.retrieval(*bad)


# --- raters ---------------------------------------------------------------------------------------
# --------------------

GAP = np.nan
# Krippendorff (2011), Computing Krippendorff's alpha-reliability, section D: 4 observers, 12 units.
OBSERVERS = np.array([[1, 2, 3, 3, 2, 1, 4, 1, 2, GAP, GAP, GAP],
                      [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, GAP, 3],
                      [GAP, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, GAP],
                      [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, GAP]])


@pytest.mark.parametrize(("level", "published"),
                         [("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_krippendorffs_own(level, published):
    assert stats.krippendorff_alpha(OBSERVERS, level) == pytest.approx(published, abs=5e-4)


def test_alpha_from_its_definition():
    """Interval level, no gaps: 1 − mean squared difference within items / between all ratings,
    pairs counted out.
    """
    ratings = np.random.default_rng(4).integers(1, 6, (3, 25)).astype(float)
    ratings[1] = np.clip(ratings[0] + np.random.default_rng(5).integers(-1, 2, 25), 1, 5)
    within = np.mean([(ratings[a, i] - ratings[b, i]) ** 2 for i in range(25) for a in range(3)
                      for b in range(3) if a != b])
    flat = ratings.reshape(-1)
    between = np.mean([(flat[a] - flat[b]) ** 2 for a in range(75) for b in range(75) if a != b])
    assert stats.krippendorff_alpha(ratings, "interval") == pytest.approx(1 - within / between)


def test_alpha_of_agreement_and_of_chance():
    rng = np.random.default_rng(6)
    one = rng.integers(1, 6, 200).astype(float)
    assert stats.krippendorff_alpha(np.stack([one, one, one])) == pytest.approx(1)
    assert stats.krippendorff_alpha(rng.integers(1, 6, (3, 400))) == pytest.approx(0, abs=0.07)
    low, high = stats.bootstrap(lambda items: stats.krippendorff_alpha(items.T),
                                OBSERVERS[:, :11].T, n_resamples=200)
    assert low < stats.krippendorff_alpha(OBSERVERS[:, :11]) < high <= 1


@pytest.mark.parametrize(("ratings", "level"), [
    (np.ones((3, 4)), "ordinal"), (np.array([[1, GAP], [GAP, 2]]), "ordinal"),
])  # fmt: skip
def test_alpha_refuses_what_it_is_not_defined_for(ratings, level):
    with pytest.raises(KlangfarbeError):
        stats.krippendorff_alpha(ratings, level)


# --- picture distances
# ------------------------------------------------------------------------------------------------


def test_kid_is_the_unbiased_mmd():
    rng = np.random.default_rng(11)
    a, b = rng.normal(size=(60, 5)), 0.3 + rng.normal(size=(60, 5))
    aa, bb, ab = (polynomial_kernel(*some, degree=3, gamma=1 / 5, coef0=1)
                  for some in ((a, a), (b, b), (a, b)))
    off = ~np.eye(60, dtype=bool)
    assert distances.kid(a, b) == pytest.approx(aa[off].mean() + bb[off].mean() - 2 * ab.mean(),
                                               rel=1e-9)
    values = [distances.kid(rng.normal(size=(60, 5)), rng.normal(size=(60, 5))) for _ in range(60)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(60) and min(values) < 0 < max(values)
    assert distances.kid(a, b) > np.quantile(values, 0.975)


def test_kid_by_subsets_is_the_same_each_time_and_leaves_torchs_luck_alone(monkeypatch):
    import torch

    rng = np.random.default_rng(12)
    a, b = rng.normal(size=(90, 5)), 1 + rng.normal(size=(70, 5))
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    first = distances.kid(a, b, seed=3)
    assert torch.equal(before, torch.random.get_rng_state())
    assert first == distances.kid(a, b, seed=3) != distances.kid(a, b, seed=4)
    monkeypatch.setattr(distances, "KID_SUBSET", 20)
    spread = []
    for n_subsets in (1, 40):
        monkeypatch.setattr(distances, "KID_SUBSETS", n_subsets)
        spread.append(np.std([distances.kid(a, b, seed=seed) for seed in range(8)]))
    assert spread[1] < 0.5 * spread[0]


@pytest.mark.parametrize("bad", [(np.ones((9, 2)), np.ones((9, 3))), (np.ones(9), np.ones(9)),
                                 (np.full((9, 2), np.inf), np.ones((9, 2)))])
def test_features_that_cannot_be_compared_are_refused(bad):
    with pytest.raises(KlangfarbeError):
        distances.kid(*bad)


@pytest.mark.parametrize("metric", [retrieval.retrieval, stats.krippendorff_alpha,
                                    distances.kid])
def test_every_metric_here_has_a_whole_card(metric):
    found = cards.card(metric)
    assert found.minimum_n >= 20 and (found.direction == "↓") is (metric is distances.kid)
