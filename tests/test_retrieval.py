"""Retrieval and picture distances: closed forms and independent implementations."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics.pairwise import polynomial_kernel

from lib.core.errors import KlangfarbeError
from lib.metrics import cards, distances, embedders, stats

# --- retrieval ------------------------------------------------------------------------------------


def test_identity_is_found_first_and_strangers_as_often_as_chance():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(400, 32))
    assert (embedders.ranks(x, x) == 1).all(axis=None) and len(embedders.ranks(x, x)) == 400
    lost = embedders.ranks(x, rng.normal(size=(400, 32)))
    means = lost.mean()
    assert means["r_at_1"] == pytest.approx(1 / 400, abs=0.01)
    assert means["r_at_10"] == pytest.approx(10 / 400, abs=0.025)
    assert lost["rank"].median() == pytest.approx(200, abs=30)


def test_the_same_answer_to_everything_scores_what_guessing_scores():
    rng = np.random.default_rng(1)
    constant = np.repeat(rng.normal(size=(1, 17)), 60, axis=0)
    found = embedders.ranks(rng.normal(size=(60, 17)), constant)
    means = found.mean()
    assert means[["r_at_1", "r_at_5", "r_at_10"]].tolist() == pytest.approx(
        [1 / 60, 5 / 60, 10 / 60], abs=1e-12)
    assert found["rank"].median() == 30.5


@given(st.lists(st.integers(0, 3), min_size=4, max_size=7))
@settings(max_examples=40, deadline=None)
def test_ties_in_expectation_equal_all_orders_counted_out(levels):
    """Items at a few cosines from one query, in every order: the average over permutations."""
    angles = np.array(levels) * 0.5
    items = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    got = embedders.ranks(np.tile([1.0, 0.0], (len(levels), 1)), items)
    # stable: ties keep each permutation's order
    plain = np.array([1 + sorted(order, key=lambda i: levels[i]).index(0)
                      for order in itertools.permutations(range(len(levels)))])
    assert got["rank"][0] == pytest.approx(plain.mean())
    assert [got[f"r_at_{k}"][0] for k in (1, 5)] == pytest.approx([(plain <= k).mean()
                                                                   for k in (1, 5)])


def test_embeddings_without_a_direction_are_refused():
    for bad in (np.zeros((3, 2)), np.full((3, 2), np.nan)):
        with pytest.raises(KlangfarbeError):
            embedders.ranks(bad, np.ones((3, 2)))


# --- picture distances


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


@pytest.mark.parametrize("metric", [embedders.ranks, distances.kid])
def test_every_metric_here_has_a_whole_card(metric):
    found = cards.card(metric)
    assert found.minimum_n >= 20 and (found.direction == "↓") is (metric is distances.kid)


# the worked example of Krippendorff (2011), Computing Krippendorff's Alpha-Reliability
OBSERVERS = np.array([[1, 2, 3, 3, 2, 1, 4, 1, 2, np.nan, np.nan, np.nan],
                      [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, np.nan, 3],
                      [np.nan, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, np.nan],
                      [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, np.nan]])


@pytest.mark.parametrize(("level", "published"), [("ordinal", 0.815), ("interval", 0.849)])
def test_alpha_is_krippendorffs_own(level, published):
    assert stats.krippendorff_alpha(OBSERVERS, level) == pytest.approx(published, abs=5e-4)


def test_alpha_of_agreement_and_of_chance():
    rng = np.random.default_rng(6)
    one = rng.integers(1, 6, 200).astype(float)
    assert stats.krippendorff_alpha(np.stack([one, one, one])) == pytest.approx(1)
    assert stats.krippendorff_alpha(rng.integers(1, 6, (3, 400))) == pytest.approx(0, abs=0.07)


@pytest.mark.parametrize(("ratings", "level"), [
    (OBSERVERS, "likert"), (np.ones((3, 4)), "ordinal"),
    (np.array([[1, np.nan], [np.nan, 2]]), "ordinal")])
def test_alpha_refuses_what_it_is_not_defined_for(ratings, level):
    with pytest.raises(KlangfarbeError):
        stats.krippendorff_alpha(ratings, level)
