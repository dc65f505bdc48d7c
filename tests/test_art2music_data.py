"""ArtiCaps: exact matching that goes on where it was killed, the two splits, the prompt with and
without the leak, keywords; and the same of the published collections, in their own layouts.
"""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import leaves
from hypothesis import given, settings
from hypothesis import strategies as st
from rehearsal import collections, sizes

from lib import pretrained
from lib.core import paths
from lib.core.errors import KlangfarbeError
from lib.data import leakage
from lib.data.atelier import factors
from lib.signal import affect, audio, images
from lib.systems import art2music
from lib.systems.art2music import data, evaluate, mel
from lib.systems.art2music.config import PROFILES, get_config

CONFIG = get_config("smoke").data
PUBLISHED = replace(get_config("paper").data, seconds=1.0, side=16, n_triplets=30)


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
    assert all(data.emotion_label(*point) == name for name, point in affect.ARTEMIS_POINTS.items())
    assert data.emotion_label(0.05, -0.05) == data.ELSE


# --- the published collections


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """ArtEmis and MusicCaps as they are published, 24 items of each, and AFINN."""
    root = tmp_path_factory.mktemp("collections")
    items = [factors.draw(5, index) for index in range(24)]
    collections.artemis(root / "artemis", items)
    collections.musiccaps(root / "musiccaps", items)
    return root


@pytest.fixture
def published(folders, monkeypatch):
    monkeypatch.setenv(paths.REAL_DATA_VARIABLE, str(folders))
    return folders


@pytest.fixture(scope="module")
def clip():
    """Vectors by hand: a picture's mean colours, a text's length and its letters a and e."""
    return SimpleNamespace(
        embed_pictures=lambda some: np.asarray(some, np.float32).mean((1, 2)),
        embed_text=lambda some: np.array([[len(text), text.count("a"), text.count("e")]
                                          for text in some], np.float32))


def test_published_texts_are_the_collections_own_with_words_for_labels(published):
    comments, clips = data.published_texts(PUBLISHED)
    assert len(comments) == 48 and comments["painting"].nunique() == len(clips) == 24
    assert set(clips["labels"]) == {"Music, Piano"} and clips[["valence", "arousal"]].isna().all(
        axis=None)
    first = comments[comments["emotion"] != data.ELSE].iloc[0]
    assert first["keywords"].split(", ")[0] == first["emotion"]
    assert (first["valence"], first["arousal"]) == affect.ARTEMIS_POINTS[first["emotion"]]
    scores = data.load_lexicon(PUBLISHED)
    said = {word for words, emotion in zip(comments["keywords"], comments["emotion"], strict=True)
            for word in words.split(", ") if word not in ("", emotion)}
    assert said and said <= set(scores) and all(-5 <= score <= 5 for score in scores.values())
    text = data.prompt(first, clips.iloc[0])
    assert "Audio: Music, Piano. Audio keywords: " in text and "/m/" not in text


def test_what_is_missing_is_named_with_where_to_get_it(published, tmp_path, monkeypatch):
    with pytest.raises(KlangfarbeError, match=r"research.google.com/audioset"):
        data.label_names(tmp_path, ["/m/04rlf"])
    with pytest.raises(KlangfarbeError, match="/m/0xyz"):
        data.label_names(published / "musiccaps", ["/m/04rlf,/m/0xyz"])
    for name in ("artemis", "musiccaps"):
        (tmp_path / name).symlink_to(published / name)
    monkeypatch.setenv(paths.REAL_DATA_VARIABLE, str(tmp_path))
    with pytest.raises(KlangfarbeError, match="AFINN"):
        data.published_texts(PUBLISHED)


def test_the_published_subset_leaves_the_corrected_test_fresh(published, encoder):
    comments, clips, pairs = data.triplets(PUBLISHED, encoder, "published", seed=2)
    assert len(comments) == len(pairs) == PUBLISHED.n_triplets
    assert (comments["comment_id"] == pairs["comment_id"]).all()
    everyone = data.match_pairs(*data.published_texts(PUBLISHED), encoder, "published", seed=2)
    assert pairs.merge(everyone).shape == pairs.shape, "matched among all, then chosen"
    config = replace(get_config("paper"), data=PUBLISHED)
    for split, fresh in (("corrected", True), ("published", False)):
        asked, sounding = evaluate._test_texts(config, encoder, 0, split, 2)
        seen = (set(asked["painting"]) & set(comments["painting"]),
                set(sounding["clip"]) & set(pairs["audio_id"]))
        assert len(asked) and all(not some for some in seen) is fresh


def test_the_published_split_runs_with_its_findings_accepted_by_name(published, encoder, capsys):
    comments, clips, pairs = data.triplets(PUBLISHED, encoder, "published")
    found = data.check_leakage(pairs, comments, clips, "comment_only")
    with pytest.raises(KlangfarbeError, match="without leaks"):
        leakage.assert_no_leakage(found)
    leakage.assert_no_leakage(found, PUBLISHED.accepted)
    out = capsys.readouterr().out
    assert all(f"accepted: {finding.name}" in out for finding in found.findings)
    own = data.triplets(PUBLISHED, encoder, "corrected")
    leakage.assert_no_leakage(data.check_leakage(own[2], *own[:2], "comment_only"))


def test_one_load_reads_pictures_and_sounds_of_either_collection(published, encoder, clip,
                                                                 own_results):
    known = data.load(PUBLISHED, clip, encoder)
    for row in (0, 7):
        shown = images.load(known.comments["path"][row], size=PUBLISHED.side)
        np.testing.assert_allclose(known.vectors[row], shown.mean((0, 1)), rtol=1e-4)
        own = known.clips.iloc[known.pairs["clip_row"][row]]
        sound = audio.load(own["path"], seconds=PUBLISHED.seconds)
        np.testing.assert_allclose(known.mels_of(np.array([row]))[0],
                                   mel.padded_mel(sound[None], mel.n_frames(1.0))[0], atol=1e-3)
        text = data.prompt(known.comments.iloc[row], own)
        assert known.texts["with_audio_keywords"][row].tolist() == [
            len(text), text.count("a"), text.count("e")]
    longer = data.read_sounds(replace(PUBLISHED, seconds=4.0), known.clips[:2])
    assert longer.shape == (2, 4 * mel.RATE_HZ) and not longer[:, 3 * mel.RATE_HZ :].any()
    assert np.abs(longer[:, : 3 * mel.RATE_HZ]).max() > 0.01


def test_a_rehearsal_has_papers_settings_but_for_sizes():
    paper, rehearsal = map(leaves, (PROFILES["paper"], sizes.of(art2music)))
    for name, value in paper.items():
        if isinstance(value, str | bool | None) or (
                isinstance(value, tuple) and all(isinstance(part, str) for part in value)):
            assert rehearsal[name] == value, name
    assert rehearsal["data.n_triplets"] < paper["data.n_triplets"]
