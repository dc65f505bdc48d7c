"""Closed forms and independent implementations for the measures system 3 uses."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import r2_score

from lib.core.errors import KlangfarbeError
from lib.metrics import affect, diversity, picture_regressor, stats

series = arrays(np.float64, st.integers(5, 40), elements=st.floats(-1, 1, width=32))


def test_ccc_closed_forms():
    x = np.linspace(-1, 1, 50)
    assert affect.ccc(x, x) == pytest.approx(1)
    assert affect.ccc(x, -x) == pytest.approx(-1)
    assert affect.ccc(x, np.zeros(50)) == 0
    # A shift by one standard deviation: 2σ² / (2σ² + σ²) = 2/3.
    assert affect.ccc(x, x + x.std()) == pytest.approx(2 / 3)
    # Squeezed to half: 2·(σ²/2) / (σ² + σ²/4) = 4/5, where Pearson's r would still say 1.
    assert affect.ccc(x, x / 2) == pytest.approx(4 / 5)


@given(series)
def test_ccc_never_exceeds_pearson(x):
    rng = np.random.default_rng(0)
    y = x + rng.normal(0, 0.3, len(x))
    if x.std() > 1e-3 and y.std() > 1e-3:
        assert abs(affect.ccc(x, y)) <= abs(np.corrcoef(x, y)[0, 1]) + 1e-9


def test_r2_agrees_with_scikit_learn_and_rmse_with_the_formula():
    rng = np.random.default_rng(1)
    t, p = rng.normal(size=80), rng.normal(size=80)
    assert affect.r2(t, p) == pytest.approx(r2_score(t, p))
    assert affect.rmse(np.zeros(4), np.array([3.0, 4.0, 0.0, 0.0])) == pytest.approx(2.5)
    assert affect.r2(t, np.full(80, t.mean())) == pytest.approx(0)


@pytest.mark.parametrize("bad", [(np.zeros(3), np.zeros(4)), (np.zeros((3, 2)), np.zeros((3, 2))),
                                 (np.array([0, np.nan]), np.zeros(2))])
def test_series_that_cannot_be_compared_are_refused(bad):
    with pytest.raises(KlangfarbeError):
        affect.ccc(*bad)


def test_bootstrap_covers_the_mean_as_often_as_it_says():
    rng = np.random.default_rng(2)
    hits = 0
    for trial in range(200):
        low, high = stats.bootstrap(lambda a: a.mean(), rng.normal(size=40), n_resamples=200,
                                    seed=trial)
        hits += low <= 0 <= high
    # 95 % nominal; the percentile interval is a little short at n = 40
    assert 0.87 <= hits / 200 <= 0.99


def test_bootstrap_over_groups_is_wider_than_over_rows_of_one_piece():
    rng = np.random.default_rng(3)
    pieces = np.repeat(np.arange(20), 10)
    # chunks of a piece are nearly copies
    values = rng.normal(size=20)[pieces] + 0.1 * rng.normal(size=200)
    low, high = stats.bootstrap(lambda a: a.mean(), values)
    grouped_low, grouped_high = stats.bootstrap(lambda a: a.mean(), values, groups=pieces)
    assert (grouped_high - grouped_low) > 2 * (high - low)


def test_agreement_table_tells_signal_from_chance():
    rng = np.random.default_rng(4)
    truth = rng.uniform(-1, 1, (150, 2))
    predicted = np.stack([truth[:, 0] + rng.normal(0, 0.2, 150), rng.uniform(-1, 1, 150)], axis=1)
    table = affect.agreement(truth, predicted, n_resamples=200).set_index("axis")
    assert table.loc["valence", "low"] > table.loc["valence", "null"]
    assert table.loc["arousal", "low"] < table.loc["arousal", "null"]
    assert (table["n"] == 150).all()


def test_diversity_falls_to_zero_on_collapse():
    rng = np.random.default_rng(5)
    real, other = rng.normal(size=(200, 4)), rng.normal(size=(200, 4))
    collapsed = np.repeat(real[:1], 200, axis=0) + 1e-6 * rng.normal(size=(200, 4))
    assert diversity.pairwise_distance(np.array([[0.0, 0], [3, 4]])) == pytest.approx(5)
    assert diversity.pairwise_distance(collapsed) < 1e-4
    assert diversity.precision_recall(real, real) == (1.0, 1.0)
    precision, recall = diversity.precision_recall(real, collapsed)
    assert precision == 1.0 and recall <= 0.01  # inside one real ball, covering nothing else
    assert diversity.precision_recall(real, other)[1] > 0.7
    assert diversity.precision_recall(real, real + 100) == (0.0, 0.0)


def test_picture_features_see_what_they_name():
    grey = np.full((1, 64, 64, 3), 128, np.uint8)
    red = grey.copy()
    red[..., 0], red[..., 1:] = 255, 0
    stripes = grey.copy()
    stripes[:, :, ::8], stripes[:, :, 4::8] = 0, 255
    features = picture_regressor.picture_features(np.concatenate([grey, red, stripes]))
    assert np.isfinite(features).all()
    saturation = 10  # channels of five statistics each: grey, value, saturation …
    assert (features[0, saturation] == pytest.approx(0, abs=1e-6) and features[1, saturation]
            == pytest.approx(1, abs=1e-3))
    edge = 36
    assert features[2, edge] > features[0, edge] + 0.02


def test_picture_features_hardly_depend_on_size():
    rng = np.random.default_rng(6)
    small = rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    large = small.repeat(4, axis=1).repeat(4, axis=2)
    np.testing.assert_allclose(picture_regressor.picture_features(small),
                               picture_regressor.picture_features(large), atol=1e-5)


def test_judge_learns_brightness():
    rng = np.random.default_rng(7)
    affect_points = rng.uniform(-1, 1, (120, 2))
    levels = ((affect_points + 1) * 120).astype(np.uint8)
    pictures = np.zeros((120, 32, 32, 3), np.uint8)
    pictures[..., 0], pictures[..., 2] = levels[:, :1, None], levels[:, 1:, None]
    fitted = picture_regressor.PictureRegressor().fit(pictures[:80], affect_points[:80])
    assert affect.ccc(affect_points[80:, 0], fitted.predict(pictures[80:])[:, 0]) > 0.9
