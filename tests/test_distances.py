"""FAD, FAD∞, KAD and the divergences: closed forms, other people's code, and what each must not
see.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.core.errors import KlangfarbeError
from lib.metrics import cards, distances

RNG = np.random.default_rng(0)


def cloud(n, width, seed=0, scale=1.0, shift=0.0):
    rng = np.random.default_rng(seed)
    return scale * rng.normal(size=(n, width)) @ (rng.normal(size=(width, width))
                                                  / np.sqrt(width)) + shift


# --- Fréchet --------------------------------------------------------------------------------------


def test_two_gaussians_by_hand():
    # Diagonal: Σ (μ1−μ2)² + Σ (σ1−σ2)² = (9 + 16) + (2−1)² + (3−5)² = 30.
    assert distances.frechet(np.zeros(2), np.diag([4.0, 9.0]), np.array([3.0, 4.0]),
                           np.diag([1.0, 25.0])) == pytest.approx(30)
    # Two that do not commute: tr(Σ1Σ2)^½ of 2×2 is √(tr Σ1Σ2 + 2 √det Σ1Σ2).
    a, b = np.array([[2.0, 1.0], [1.0, 2.0]]), np.array([[3.0, 0.0], [0.0, 1.0]])
    root = np.sqrt(np.trace(a @ b) + 2 * np.sqrt(np.linalg.det(a @ b)))
    assert distances.frechet(np.zeros(2), a, np.zeros(2),
                           b) == pytest.approx(np.trace(a + b) - 2 * root)
    assert distances.frechet(np.zeros(1), np.zeros((1, 1)), np.ones(1),
                           np.array([[4.0]])) == pytest.approx(5)


def test_agrees_with_scipys_matrix_root_and_with_torchmetrics():
    import torch
    from scipy.linalg import sqrtm
    from torchmetrics.image.fid import FrechetInceptionDistance

    real, fake = cloud(400, 24, 1), cloud(300, 24, 2, 1.3, 0.2)
    (m1, c1), (m2, c2) = distances.gaussian(real), distances.gaussian(fake)
    by_scipy = np.sum((m1 - m2) ** 2) + np.trace(c1 + c2 - 2 * sqrtm(c1 @ c2).real)
    assert distances.fad(real, fake) == pytest.approx(by_scipy, rel=1e-9)

    rows = torch.nn.Identity()  # "pictures" that are their own features
    rows.num_features = 24
    metric = FrechetInceptionDistance(feature=rows)
    for embeddings, is_real in ((real, True), (fake, False)):
        metric.update(torch.from_numpy(embeddings), real=is_real)
    assert distances.fad(real, fake) == pytest.approx(float(metric.compute()), rel=1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(2, 9), st.integers(3, 40), st.floats(-50, 50))
def test_symmetric_invariant_to_turns_and_quadratic_in_a_shift(seed, width, n, shift):
    rng = np.random.default_rng(seed)
    # n < width too: covariances not of full rank
    a, b = rng.normal(size=(n, width)), 2 * rng.normal(size=(n + 3, width)) + 1
    value = distances.fad(a, b)
    assert value >= 0 and distances.fad(b, a) == pytest.approx(value, rel=1e-6, abs=1e-6)
    turn, _ = np.linalg.qr(rng.normal(size=(width, width)))
    assert distances.fad(a @ turn, b @ turn) == pytest.approx(value, rel=1e-6, abs=1e-6)
    assert distances.fad(a + 7, b + 7) == pytest.approx(value, rel=1e-6, abs=1e-5)
    assert distances.fad(a, a + shift) == pytest.approx(width * shift**2, rel=1e-6, abs=1e-6)


def test_never_negative_never_imaginary_where_rounding_is_at_its_worst():
    one = np.repeat(RNG.normal(size=(1, 60)), 50, axis=0)
    few = RNG.normal(size=(20, 60)) * np.logspace(-8, 3, 60)
    for a, b in ((one, one), (few, few), (few, few + 1e-9), (one, few)):
        assert 0 <= distances.fad(a, b) < np.inf
    far = 1e6 + RNG.normal(size=(5000, 4))
    # x'x − nμμ' would have lost this
    assert distances.gaussian(far)[1] == pytest.approx(np.cov(far.T), rel=1e-7)


@pytest.mark.parametrize("bad", [np.zeros((1, 3)), np.zeros(5), np.full((5, 3), np.nan),
                                 np.array([[0, 0, np.inf]] * 4), np.zeros((5, 4))])
def test_faults_raise_and_never_return_minus_one(bad):
    for metric in (distances.fad, distances.kad):
        with pytest.raises(KlangfarbeError):
            metric(RNG.normal(size=(5, 3)), bad)


def test_a_matrix_that_is_no_covariance_is_refused():
    with pytest.raises(KlangfarbeError, match="negative eigenvalue"):
        distances.frechet(np.zeros(2), np.diag([1.0, -0.5]), np.zeros(2), np.eye(2))


def test_few_clips_of_many_dimensions_have_the_distance_of_their_covariances():
    few, other = RNG.normal(size=(12, 60)), 2 + 3 * RNG.normal(size=(40, 60))
    whole = distances.frechet(*distances.gaussian(few), *distances.gaussian(other))
    assert distances.fad(few, other) == pytest.approx(whole, rel=1e-6)


def test_bias_of_identical_gaussians_and_what_fad_infinity_leaves_of_it():
    rng = np.random.default_rng(4)
    reference = rng.normal(size=(20_000, 128))
    means = {n: np.mean([distances.fad(reference, rng.normal(size=(n, 128))) for _ in range(4)])
             for n in (150, 600)}
    assert 31 < means[150] < 35 and 7.0 < means[600] < 8.0
    corrected = distances.fad_infinity(reference[:2000], rng.normal(size=(600, 128)), n_draws=2,
                                     n_folds=3)
    assert abs(corrected.value) < 1 and corrected.fads[0] > 7
    assert corrected.fads[0] == pytest.approx(corrected.value + corrected.slope / 600, abs=0.5)


def test_the_interval_of_fad_infinity_holds_the_truth_as_often_as_it_says():
    width, hits, values = 8, 0, []
    truth = width * (0.3**2 + 0.2**2)  # shift .3, scale 1.2
    for seed in range(40):
        rng = np.random.default_rng(seed)
        found = distances.fad_infinity(rng.normal(size=(250, width)),
                                     1.2 * rng.normal(size=(200, width)) + 0.3, seed=seed,
                                     n_draws=3)
        hits += found.low <= truth <= found.high
        values.append(found.value)
    assert np.mean(values) == pytest.approx(truth, abs=0.08)
    assert hits >= 34  # 95 % of 40 are 38; fewer than 34 has a chance of 1 in 300
    assert found.low < found.value < found.high


def test_fad_infinity_draws_whole_groups():
    rng = np.random.default_rng(5)
    reference = rng.normal(size=(600, 4))
    pieces = np.repeat(np.arange(40), 10)
    generated = np.repeat(rng.normal(size=(40, 4)), 10, axis=0) + 0.01 * rng.normal(size=(400, 4))
    alone, grouped = distances.fad_infinity(reference,
                                          generated), distances.fad_infinity(reference, generated,
                                                                           groups=pieces)
    assert grouped.sizes.max() == 40 and alone.sizes.max() == 400
    # 400 rows that say only 40 things: as rows the bias stays, and the interval is far too sure of
    # itself.
    assert grouped.value < alone.value and grouped.high - grouped.low > 1.5 * (alone.high
                                                                               - alone.low)
    for wrong in ({"groups": pieces[:-1]}, {"n_folds": 1}):
        with pytest.raises(KlangfarbeError):
            distances.fad_infinity(reference, generated, **wrong)


# --- kernel ---------------------------------------------------------------------------------------


def naive_mmd(x, y, h):
    def k(a, b):
        return np.exp(-np.sum((a - b) ** 2) / (2 * h * h))

    within = [np.mean([k(a, b) for i, a in enumerate(z) for j, b in enumerate(z) if i != j])
              for z in (x, y)]
    return sum(within) - 2 * np.mean([k(a, b) for a in x for b in y])


def test_kad_is_the_naive_double_loop(monkeypatch):
    monkeypatch.setattr(distances, "KERNEL_ROWS", 7)  # several chunks, the last one short
    x, y = 100 + cloud(23, 5, 1), 100 + cloud(17, 5, 2, 1.5, 0.3)
    h = np.median([np.linalg.norm(a - b) for i, a in enumerate(x) for b in x[:i]])
    assert distances.median_distance(x) == pytest.approx(h)
    assert distances.kad(x, y) == pytest.approx(naive_mmd(x, y, h), abs=1e-12)
    assert distances.kad(x, y, bandwidth=0.7) == pytest.approx(naive_mmd(x, y, 0.7), abs=1e-12)


def test_kad_of_two_points_in_closed_form():
    # All rows of each set alike but for one unit step: within means exp(−1/2h²)…, here h = 1.
    x, y = np.array([[0.0], [1.0]]), np.array([[2.0], [3.0]])
    e = [np.exp(-d * d / 2) for d in range(4)]
    assert distances.kad(x, y, bandwidth=1) == pytest.approx(2 * e[1] - 2 * (2 * e[2] + e[1] + e[3])
                                                          / 4)


@pytest.mark.parametrize("n", [4, 12, 60])
def test_kad_has_mean_zero_for_one_distribution_at_any_n(n):
    rng = np.random.default_rng(n)
    values = np.array([distances.kad(rng.normal(size=(n, 16)), rng.normal(size=(n, 16)),
                                     bandwidth=5.0) for _ in range(600)])
    assert abs(values.mean()) < 3.5 * values.std() / np.sqrt(len(values))
    assert (values < 0).mean() > 0.3  # not clipped
    fads = [distances.fad(rng.normal(size=(n, 16)), rng.normal(size=(n, 16))) for _ in range(5)]
    assert min(fads) > 0.5  # where FAD is biased


def test_kad_sees_what_fad_cannot_and_refuses_a_bandwidth_of_zero():
    rng = np.random.default_rng(6)
    # the same two moments
    coin, bell = rng.choice([-1.0, 1.0], size=(1500, 2)), rng.normal(size=(1500, 2))
    assert distances.fad(bell, coin) < 0.02 and distances.kad(bell, coin) > 0.003
    assert abs(distances.kad(bell, rng.normal(size=(1500, 2)))) < 0.001
    with pytest.raises(KlangfarbeError, match="bandwidth"):
        distances.kad(np.zeros((10, 2)), bell)


@pytest.mark.parametrize("shuffle_seed", range(3))
def test_neither_sees_which_clip_answers_which_condition(shuffle_seed):
    a, b = cloud(80, 6, 1), cloud(80, 6, 2)
    shuffled = b[np.random.default_rng(shuffle_seed).permutation(80)]
    assert (distances.fad(a, shuffled) == pytest.approx(distances.fad(a, b))
            and distances.kad(a, shuffled) == pytest.approx(distances.kad(a, b)))


# --- divergences ----------------------------------------------------------------------------------


def test_paired_kl_by_hand_and_blind_to_a_constant():
    p, q = np.array([0.5, 0.25, 0.25]), np.array([0.25, 0.5, 0.25])
    by_hand = 0.5 * np.log(2) + 0.25 * np.log(0.5)  # = 0.25 ln 2
    logits = np.log([p, p, q]), np.log([q, p, p])
    assert distances.paired_kl(*logits) == pytest.approx([by_hand, 0, by_hand])
    assert distances.paired_kl(logits[0] + 1000,
                                logits[1] - 300) == pytest.approx([by_hand, 0, by_hand])
    # The direction matters: a tag the reference has and the other lacks costs more than the
    # reverse.
    sure, unsure = np.array([[4.0, 0, 0]]), np.array([[0.0, 0, 0]])
    assert distances.paired_kl(sure, unsure) != pytest.approx(distances.paired_kl(unsure, sure),
                                                               rel=0.1)
    assert distances.paired_kl(np.array([[1e4, 0.0]]), np.array([[1e4, 0.0]])) == 0


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 10_000))
def test_paired_kl_agrees_with_scipys_entropy(seed):
    from scipy.special import softmax
    from scipy.stats import entropy

    rng = np.random.default_rng(seed)
    a, b = 3 * rng.normal(size=(5, 7)), 3 * rng.normal(size=(5, 7))
    assert distances.paired_kl(a, b) == pytest.approx(entropy(softmax(a, 1), softmax(b, 1),
                                                               axis=1), rel=1e-9)


def test_paired_kl_refuses_what_does_not_pair():
    for a, b in ((np.zeros((3, 2)), np.zeros((2, 2))), (np.zeros(3), np.zeros(3)),
                 (np.array([[0, -np.inf]]), np.zeros((1, 2)))):
        with pytest.raises(KlangfarbeError):
            distances.paired_kl(a, b)


@pytest.mark.parametrize("change", [lambda b: b + 10, lambda b: 4 * b, lambda b: 0.25 * b - 2])
def test_the_released_histogram_kl_cannot_see_a_shift_nor_a_stretch(change):
    a, b = RNG.normal(size=20_000), RNG.exponential(size=20_000).round(3)
    told = distances.original_histogram_kl(a, b)
    assert told > 0.5  # it does see another shape
    # edges fall anew on rounded values
    assert distances.original_histogram_kl(a, change(b)) == pytest.approx(told, rel=0.02)
    # and takes the changed for the unchanged
    assert distances.original_histogram_kl(b, change(b)) < 0.01
    shared = np.histogram_bin_edges(np.concatenate([b, change(b)]), 100)
    p, q = (np.histogram(x, shared)[0] + 1e-10 for x in (b, change(b)))
    from scipy.stats import entropy

    assert entropy(p, q) > 0.5  # what one shared binning says


def test_released_histogram_kl_is_zero_for_itself_and_refuses_constants():
    assert distances.original_histogram_kl(RNG.normal(size=99).reshape(9, 11), np.arange(5.0)) > 0
    assert distances.original_histogram_kl(np.arange(50.0),
                                            np.arange(50.0) + 9) == pytest.approx(0, abs=1e-12)


# --- memory, time, cards


def test_kad_holds_a_chunk_of_the_kernel_not_the_whole():
    import tracemalloc

    x, y = RNG.normal(size=(6000, 8)), RNG.normal(size=(6000, 8))
    tracemalloc.start()
    distances.kad(x, y)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6000 * 6000 * 8 / 2  # 288 MB is the whole matrix; a chunk of 1,024 rows is 49 MB


@pytest.mark.parametrize("metric", [distances.frechet, distances.fad, distances.fad_infinity,
                                    distances.kad, distances.paired_kl, distances.mel_energy_kld,
                                    distances.original_histogram_kl], ids=lambda f: f.__name__)
def test_every_metric_carries_a_card(metric):
    assert cards.card(metric).sign == (0 if metric is distances.original_histogram_kl else -1)
