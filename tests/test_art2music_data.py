"""ArtiCaps: exact matching that goes on where it was killed, the two splits, the prompt with and
without the leak, keywords.
"""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import pretrained
from lib.core.errors import KlangfarbeError
from lib.data import leakage
from lib.systems.art2music import data, keywords
from lib.systems.art2music.config import SPLITS, get_config

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


@pytest.mark.parametrize("wrong", [np.zeros((2, 3)), np.full((2, 3), np.nan), np.ones(3),
                                   np.ones((2, 4))])
def test_what_cannot_be_matched_is_refused(wrong):
    with pytest.raises(KlangfarbeError):
        data.nearest(wrong, np.eye(3))


# --- the data set


def test_viewers_of_one_painting_speak_of_it_in_other_words(both):
    comments, clips = both
    assert len(comments) == CONFIG.n_paintings * CONFIG.comments_each and len(
        clips) == CONFIG.n_clips
    first = comments.groupby("painting")
    assert (first["comment"].nunique() == CONFIG.comments_each).mean() > 0.9
    assert (first[["valence", "emotion"]].nunique() == 1).all(axis=None)
    assert not set(comments["index"]) & set(clips["index"])


@pytest.mark.parametrize("split", SPLITS)
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
             for split in SPLITS for setting in data.SETTINGS}
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
    with pytest.raises(KlangfarbeError, match="setting"):
        data.prompt(comment, clip, "all")


# --- keywords


def test_keywords_keep_order_once_each_and_the_label_first():
    lexicon = {"happy": 3, "calm": 2, "sad": -2, "like": 2}
    assert keywords.extract("Happy, so HAPPY; calm like a sad lake", lexicon,
                       emotion="awe") == ("awe", "happy", "calm", "like", "sad")

    assert keywords.extract("happy", lexicon, emotion=keywords.ELSE) == ("happy",)


def test_quotation_marks_belong_to_no_word():
    lexicon = {"happy": 3, "sad": -2, "don't": -1, "light-hearted": 2}
    assert keywords.extract("['happy', 'sad piano']", lexicon) == ("happy", "sad")
    assert keywords.extract("I don't, it is light-hearted - 'sad' -",
                       lexicon) == ("don't", "light-hearted", "sad")


def test_polarity_is_the_sign_of_the_sum():
    lexicon = {"happy": 3, "sad": -2, "grim": -1}
    assert [keywords.polarity(words, lexicon)
            for words in (("happy", "sad"), ("happy", "sad", "grim"), (), ("sadness",),
                          ("awe",))] == ["positive", "neutral", "neutral", "negative", "positive"]


def test_labels_lie_where_their_points_do():
    assert all(keywords.emotion_label(v / 10, a / 10) == name for name,
               (v, a) in keywords.ARTEMIS.items())
    assert keywords.emotion_label(0.05, -0.05) == keywords.ELSE


def test_afinn_is_read_as_published(tmp_path):
    (tmp_path / "a.txt").write_text("abandon\t-2\ncan't stand\t-3\nwow\t4\n")
    assert keywords.load_afinn(tmp_path / "a.txt") == {"abandon": -2, "can't stand": -3, "wow": 4}
    (tmp_path / "b.txt").write_text("good\t3\nbad 3\n")
    with pytest.raises(KlangfarbeError, match="line 2"):
        keywords.load_afinn(tmp_path / "b.txt")
    with pytest.raises(KlangfarbeError, match="no such file"):
        keywords.load_afinn(tmp_path / "c.txt")


@pytest.mark.real_data
def test_the_real_afinn(real_data):
    scores = keywords.load_afinn(real_data("lexicons") / "afinn" / "AFINN-111.txt")
    assert len(scores) == 2477 and min(scores.values()) == -5 and max(scores.values()) == 5


# --- real words


def test_real_sides_go_through_matching_prompt_and_linter():
    lexicon = {"calm": 2, "sad": -2}
    comments = pd.DataFrame({"painting": ["a", "a", "b"],
                             "comment": ["So calm.", "It is sad.", "A puzzle."],
                             "emotion": ["contentment", "sadness", None]})
    captions = pd.DataFrame({"clip": ["x", "y"], "caption": ["a calm song", "a sad song"],
                             "keywords": ["calm, slow", None]})
    said, heard = data.prepare_texts(comments, captions, lexicon)
    assert said["keywords"].tolist() == ["contentment, calm", "sadness, sad",
                                         ""] and said["comment_id"].is_unique
    assert heard["keywords"].tolist() == ["calm, slow", ""] and heard["labels"].tolist() == ["", ""]

    class Encoder:
        def embed_text(self, texts):
            return np.array([[1.0, 0.1] if "calm" in text else [0.1, 1.0] for text in texts],
                            np.float32)

    pairs = data.match_pairs(said, heard, Encoder(), "published")
    assert pairs["audio_id"].tolist() == ["x", "y", "y"]
    assert data.prompts(said, heard.iloc[pairs["clip_row"]], "comment_only")[
        0] == "Art Commentary: So calm. Painting Emotion: contentment, calm."
    plain, _ = data.prepare_texts(comments[["painting", "comment"]], captions, lexicon)
    assert plain["keywords"].tolist() == ["calm", "sad", ""]


@pytest.mark.parametrize(
    ("comments", "captions", "told"),
    [({"painting": ["a"]}, {"clip": ["x"], "caption": ["c"]}, "comments with painting and comment"),
     ({"painting": ["a"], "comment": ["c"]}, {"clip": ["x"]}, "captions with clip and caption"),
     ({"painting": ["a"], "comment": [" "]}, {"clip": ["x"], "caption": ["c"]},
      "comments, each with a text"), ({"painting": ["a"], "comment": ["c"]},
                                      {"clip": [], "caption": []}, "captions, each with a text")],
)
def test_sides_without_words_are_refused(comments, captions, told):
    with pytest.raises(KlangfarbeError, match=told):
        data.prepare_texts(pd.DataFrame(comments), pd.DataFrame(captions), {})
