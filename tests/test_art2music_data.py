"""ArtiCaps: exact matching that goes on where it was killed, the two splits, the prompt with and
without the leak, keywords.
"""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import pretrained
from lib.data import leakage
from lib.systems.art2music import data
from lib.systems.art2music.config import get_config

CONFIG = get_config("smoke").data


@pytest.fixture(scope="module")
def encoder():
    return pretrained.load("sentences", device="cpu")


@pytest.fixture(scope="module")
def both():
    return data.atelier_texts(CONFIG)


# --- matching


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 40), st.integers(1, 30), st.integers(1, 12), st.integers(1, 50),
       st.integers(0, 10))
def test_it_is_brute_force(n, m, width, chunk, seed):
    rng = np.random.default_rng(seed)
    left, right = rng.standard_normal((n, width)), rng.standard_normal((m, width))
    which, cosine = data.nearest(left, right, chunk=chunk)
    table = ((left / np.linalg.norm(left, axis=1)[:, None])
             @ (right / np.linalg.norm(right, axis=1)[:, None]).T)
    np.testing.assert_allclose(table[np.arange(n), which], table.max(1), atol=1e-6)
    np.testing.assert_allclose(cosine, table.max(1), atol=1e-5)


def test_of_equals_the_first_and_lengths_do_not_matter():
    right = np.array([[0.0, 1], [2, 0], [5, 0]])
    which, cosine = data.nearest(np.array([[3.0, 0], [0, 9]]), right)
    assert which.tolist() == [1, 0] and np.allclose(cosine, 1)


# --- the data set


def test_viewers_of_one_painting_speak_of_it_in_other_words(both):
    comments, clips = both
    assert len(comments) == CONFIG.n_paintings * CONFIG.comments_each and len(
        clips) == CONFIG.n_clips
    first = comments.groupby("painting")
    assert (first["comment"].nunique() == CONFIG.comments_each).mean() > 0.9
    assert (first[["valence", "emotion"]].nunique() == 1).all(axis=None)
    assert not set(comments["index"]) & set(clips["index"])


@pytest.mark.parametrize("split", data.SPLITS)
def test_both_splits_by_one_function(both, encoder, split):
    pairs = data.match_pairs(*both, encoder, split, seed=3)
    comments, clips = both
    said, sounding = encoder.embed_text(list(comments["comment"])), encoder.embed_text(
        list(clips["caption"]))
    allowed = np.ones((len(comments), len(clips)), bool)
    if split == "corrected":
        part = dict(pairs[["audio_id", "split"]].itertuples(index=False))
        assert pairs.groupby("audio_id")["split"].nunique().max() == pairs.groupby("image_id")[
            "split"].nunique().max() == 1
        sides_of = np.array([part.get(clip, "") for clip in clips["clip"]])
        # clips nobody chose lie somewhere too: a lower bound
        allowed = pairs["split"].to_numpy()[:, None] == sides_of
    cosines = said @ sounding.T
    chosen = cosines[np.arange(len(pairs)), pairs["clip_row"]]
    assert (chosen >= np.where(allowed, cosines, -2).max(1) - 1e-5).all()
    np.testing.assert_allclose(pairs["score"], chosen, atol=1e-5)
    assert set(pairs["split"]) == {"train", "validation", "test"}
    assert pairs.equals(data.match_pairs(*both, encoder, split, seed=3))


def test_the_linter_finds_what_the_published_way_leaks_and_nothing_in_the_corrected(encoder):
    both = data.atelier_texts(replace(CONFIG, n_paintings=60, n_clips=40))
    found = {(split, setting): {f.name
                                for f in data.check_leakage(data.match_pairs(*both, encoder, split),
                                                            *both, setting).findings}
             for split in data.SPLITS for setting in data.SETTINGS}
    crossing = {"group_in_two_splits", "clip_reused_across_splits"}
    assert found["published", "with_audio_keywords"] == crossing | {"target_in_condition"}
    assert found["published", "comment_only"] == crossing
    assert found["corrected", "with_audio_keywords"] == {"target_in_condition"}
    assert not found["corrected", "comment_only"]
    assert found["published", "comment_only"] <= set(leakage.NAMES)


def test_the_prompt_is_the_papers_word_for_word():
    comment = {"comment": "Looks like a painting of some smug weirdo", "keywords": "smug"}
    clip = {"labels": "Music, Electronic music, House music, Trance music",
            "keywords": "classical music, contemporary, theremin"}
    assert data.prompt(comment,
                       clip) == (
        "Art Commentary: Looks like a painting of some smug weirdo. Painting Emotion: smug. "
        "Audio: Music, Electronic music, House music, Trance music. Audio keywords: "
        "classical music, contemporary, theremin.")
    alone = data.prompt(comment, clip, "comment_only")
    assert (alone
            == "Art Commentary: Looks like a painting of some smug weirdo. Painting Emotion: smug.")


# --- keywords


def test_keywords_keep_order_once_each_and_the_label_first():
    lexicon = {"happy": 3, "calm": 2, "sad": -2, "like": 2}
    assert data.extract_keywords("Happy, so HAPPY; calm like a sad lake", lexicon,
                                 "awe") == ("awe", "happy", "calm", "like", "sad")
    assert data.extract_keywords("happy", lexicon, data.ELSE) == ("happy",)


def test_quotation_marks_belong_to_no_word():
    lexicon = {"happy": 3, "sad": -2, "don't": -1, "light-hearted": 2}
    assert data.extract_keywords("['happy', 'sad piano']", lexicon) == ("happy", "sad")
    assert data.extract_keywords("I don't, it is light-hearted - 'sad' -",
                       lexicon) == ("don't", "light-hearted", "sad")


def test_labels_lie_where_their_points_do():
    assert all(data.emotion_label(v / 10, a / 10) == name for name,
               (v, a) in data.ARTEMIS.items())
    assert data.emotion_label(0.05, -0.05) == data.ELSE
