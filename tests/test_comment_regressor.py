"""The regressor of comments: VADER's numbers, the order of texts, the ridge against its closed
form, the bundle's tensors, and EmoBank's own test split.
"""

import numpy as np
import pandas as pd
import pytest

from lib import pretrained
from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.metrics import comment_regressor, stats
from lib.metrics.comment_regressor import CommentRegressor


class LengthEncoder:
    """Its vector of a text: how many characters and blanks; it keeps what it was given."""

    width = 2

    def __init__(self):
        self.given = []

    def embed_text(self, texts):
        self.given += texts
        return np.array([[len(text), text.count(" ")] for text in texts], np.float32)


def made(n=60, width=5, seed=0):
    rng = np.random.default_rng(seed)
    features = rng.normal(2, 3, (n, width)).astype(np.float32)
    return features, rng.uniform(-0.9, 0.9, (n, 2))


def test_vader_hears_negation_and_degree():
    texts = ["a good song", "not a good song", "an extremely good song", "a table", ""]
    scores = comment_regressor.vader_features(texts)
    assert scores.shape == (5, 4) and scores.dtype == np.float32
    good, bad, better, *nothing = scores[:, 3]
    assert bad < 0 < good < better and nothing == [0, 0]
    assert np.allclose(scores[:4, :3].sum(1), 1, atol=2e-3)  # three shares of all words
    assert comment_regressor.vader_features([]).shape == (0, 4)


def test_texts_are_embedded_by_length_and_come_back_in_their_own_order():
    texts = ["one two three", "a", "four five", "b c"]
    encoder = LengthEncoder()
    vectors = comment_regressor.sentence_vectors(pd.Series(texts, index=[7, 5, 3, 1]), encoder)
    assert encoder.given == ["a", "b c", "four five", "one two three"]
    assert vectors.tolist() == [[len(text), text.count(" ")] for text in texts]
    both = comment_regressor.comment_features(texts, encoder)
    assert np.array_equal(both[:, :2], vectors)
    assert np.array_equal(both[:, 2:], comment_regressor.vader_features(texts))


@pytest.mark.parametrize("penalty", [0.5, 40.0])
def test_the_head_is_the_ridge_of_standardised_features(penalty):
    features, affect = made()
    head = CommentRegressor.fit(features, affect, penalties=[penalty])
    z = (features - features.mean(0)) / features.std(0)
    line = np.linalg.solve(z.T @ z + penalty * np.eye(5), z.T @ (affect - affect.mean(0)))
    assert np.allclose(head.predict(features), affect.mean(0) + z @ line, atol=1e-5)


def test_what_is_linear_is_found_and_noise_is_shrunk():
    features, noise = made(400, 20)
    true = np.zeros(20)
    true[3] = 0.05
    affect = np.column_stack([0.1 + (features - 2) @ true, noise[:, 1]])
    head = CommentRegressor.fit(features, affect)
    assert np.allclose(head.predict(features)[:, 0], affect[:, 0], atol=2e-3)
    # each axis has a penalty of its own: the second is left with next to nothing
    assert head.predict(features)[:, 1].std() < 0.2 * affect[:, 1].std()


def test_predictions_stay_on_the_plane():
    head = CommentRegressor(np.array([[1.0, -1.0]], np.float32), np.zeros(2, np.float32))
    assert head.predict(np.array([[0.5], [3.0]])).tolist() == [[0.5, -0.5], [1.0, -1.0]]


@pytest.mark.parametrize("wrong", [3.0, np.nan])
def test_ratings_off_the_plane_are_refused(wrong):
    features, affect = made()
    affect[4, 1] = wrong
    with pytest.raises(KlangfarbeError, match="to_unit"):
        CommentRegressor.fit(features, affect)


def test_another_encoders_vectors_and_other_counts_are_refused():
    features, affect = made()
    with pytest.raises(KlangfarbeError, match="one .valence, arousal. a text"):
        CommentRegressor.fit(features, affect[:-1])
    with pytest.raises(KlangfarbeError, match="the encoder that the head was fitted on"):
        CommentRegressor.fit(features, affect).predict(features[:, :4])


def test_a_saved_head_says_the_same(tmp_path):
    features, affect = made()
    head = CommentRegressor.fit(features, affect)
    path = head.save(tmp_path / "comments.safetensors")
    tensors = artefacts.read(path)
    assert {name: (tuple(some.shape), str(some.dtype)) for name, some in tensors.items()} == {
        "affect.weight": ((5, 2), "torch.float32"), "affect.bias": ((2,), "torch.float32")}
    again = comment_regressor.load_comment_regressor(path)
    assert np.array_equal(again.predict(features), head.predict(features))


def correlations(head, features, affect):
    predicted = head.predict(features)
    return [np.corrcoef(affect[:, axis], predicted[:, axis])[0, 1] for axis in (0, 1)]


@pytest.fixture
def emobank(real_data):
    """EmoBank's sentences by split, with their points in [−1, 1]."""
    file = real_data("lexicons") / "emobank" / "emobank.csv"
    if not file.is_file():
        pytest.skip(f"no {file.name} in the lexicons' folder")
    table = pd.read_csv(file, keep_default_na=False)
    return {split: (list(of.text), (of[["V", "A"]].to_numpy(float) - 3) / 2)
            for split, of in table.groupby("split")}


@pytest.mark.slow
@pytest.mark.real_data
def test_minilm_and_vader_hear_valence_in_sentences_nobody_fitted_them_on(emobank):
    try:
        encoder = pretrained.load("sentences", "package", device="cpu")
    except KlangfarbeError as absent:
        pytest.skip(str(absent))
    (texts, affect), (others, truth) = ([part[:n] for part in emobank[split]]
                                        for split, n in (("train", 800), ("test", 300)))
    words, fewer = (comment_regressor.comment_features(some, encoder) for some in (texts, others))
    both = CommentRegressor.fit(words, affect)
    alone = CommentRegressor.fit(words[:, -4:], affect)
    valence, arousal = correlations(both, fewer, truth)
    assert valence > correlations(alone, fewer[:, -4:], truth)[0]
    null = stats.permutation_null(lambda a, b: np.corrcoef(a, b)[0, 1], truth[:, 0],
                                  both.predict(fewer)[:, 0])
    assert valence > 0.5 and arousal > 0.2 and np.quantile(null, 0.975) < 0.2
