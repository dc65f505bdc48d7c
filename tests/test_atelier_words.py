"""The atelier's words: many, grammatical, true to the factors; comments feel, captions do not."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib.data import manifest
from lib.data.atelier import JUDGE_SEED, lexicon, words
from lib.data.atelier.compose import describe
from lib.data.atelier.factors import GENRES, STYLES, SUBJECTS, draw
from lib.signal import affect

N_ITEMS, N_TRAIN = 1200, 800
unit = st.floats(-1, 1)


@pytest.fixture(scope="module")
def items():
    return [draw(JUDGE_SEED, i) for i in range(N_ITEMS)]


def held_out_r2(texts, truth):
    """R² of ridge regression on a bag of words, on items it has not seen."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.linear_model import RidgeCV
    from sklearn.metrics import r2_score

    bags = CountVectorizer(binary=True).fit_transform(texts).toarray().astype(np.float32)
    model = RidgeCV(np.logspace(0, 4, 9)).fit(bags[:N_TRAIN], truth[:N_TRAIN])
    return r2_score(truth[N_TRAIN:], model.predict(bags[N_TRAIN:]), multioutput="raw_values")


def truth(items):
    return np.array([[f.valence, f.arousal] for f in items])


def test_comments_carry_affect(items):
    assert held_out_r2([words.comment(f) for f in items], truth(items)).min() >= 0.5


def test_captions_carry_none(items):
    assert held_out_r2([words.caption(f) for f in items], truth(items)).max() < 0.05


def test_the_check_finds_captions_that_leak(items):
    leaky = [words.caption(f) + (" It is bright." if f.valence > 0.3 else "") for f in items]
    found = held_out_r2(leaky, truth(items))
    assert found[0] > 0.3 and found[1] < 0.05


def test_captions_tell_the_subject(items):
    """Every caption holds one of its own subject's phrases, and no phrase belongs to two
    subjects.
    """
    for f in items[:300]:
        assert any(phrase.lower() in words.caption(f).lower()
                   for phrase in lexicon.SEEN[f.subject][1])
    phrases = [phrase for _, seen in lexicon.SEEN.values() for phrase in seen]
    assert len(set(phrases)) == len(phrases)


def test_no_feeling_stands_in_a_caption(items):
    feelings = set(lexicon.FEELINGS) | set(lexicon.MOODS)
    for f in items:
        assert not feelings & set(re.findall(r"[a-z-]+", words.caption(f).lower()))


def test_there_are_many_ways_of_saying(items):
    assert len({words.caption(f) for f in items}) > 800
    assert len({words.comment(f) for f in items}) > 1100
    few = items[:60]
    assert len({words.description(f) for f in few}) == len(few)
    # the same factors, other draws
    one = [dataclasses.replace(items[0], index=i) for i in range(40)]
    assert len({words.comment(f) for f in one}) >= 36 and len({words.caption(f) for f in one}) >= 25


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 2**32), unit, unit)
def test_sentences_are_whole_and_the_same_twice(seed, index, valence, arousal):
    f = draw(seed, index, valence=valence, arousal=arousal)
    for say in (words.caption, words.comment):
        text = say(f)
        assert text == say(f)
        well_formed(text)


def well_formed(text):
    assert not re.search(r"[{}]|  |\.\.|,,| [.,;:]", text), text
    assert not re.search(r"\b[Aa] (?!eu|one)[aeio]\w+|\b[Aa]n [bcdfgjklmnpqrstvwxz]", text), text
    assert text[0].isupper()


@pytest.mark.parametrize("genre", GENRES)
def test_descriptions_say_what_the_score_holds(genre):
    for index in range(6):
        f = draw(JUDGE_SEED, index, genre=genre)
        text, heard = words.description(f), describe(f)
        well_formed(text)
        assert heard["key"] in text
        assert any(name in text for name in lexicon.GENRE_NAMES[genre])
        assert any(words.instrument(name) in text.lower() for name in heard["instruments"])
        for tempo in re.findall(r"\((\d+) BPM\)", text):
            assert int(tempo) == heard["tempo_bpm"]


def test_slow_music_is_not_called_fast():
    said = {}
    for index in range(60):
        f = draw(JUDGE_SEED, index)
        tempo = describe(f)["tempo_bpm"]
        for word in ("slow", "fast"):
            if f"a {word} tempo" in words.description(f).lower():
                said.setdefault(word, []).append(tempo)
    assert max(said["slow"]) < min(said["fast"])


def test_tags_name_genre_mode_and_instruments():
    for index in range(20):
        f = draw(JUDGE_SEED, index)
        tags, heard = words.tags(f), describe(f)
        assert f.genre.replace("_", " ") in tags and heard["mode"] in tags
        assert {words.instrument(name) for name in heard["instruments"]} <= set(tags)
        assert len(set(tags)) == len(tags) and all(tag and tag == tag.lower() for tag in tags)


@given(unit, unit)
def test_the_emotion_word_is_one_of_five(valence, arousal):
    f = draw(1, 0, valence=valence, arousal=arousal)
    assert words.emotion_word(f) == affect.emotion_word(valence,
                                                        arousal) and words.emotion_word(
        f) in affect.EMOTION_POINTS


@pytest.mark.parametrize(("name", "said"),
                         [("Pad 2 (warm)", "warm pad"), ("Lead 1 (square)", "square lead"),
                          ("Electric Bass (pick)", "electric bass"),
                          ("Acoustic Guitar (nylon)", "nylon-string guitar"),
                          ("Synth Strings 1", "synth strings"),
                          ("FX 3 (crystal)", "crystal sounds"), ("Violin", "violin"),
                          ("Electric Guitar (jazz)", "jazz electric guitar")])
def test_instruments_are_named_as_musicians_do(name, said):
    assert words.instrument(name) == said


def test_the_lexicon_covers_every_subject_genre_and_quadrant():
    assert set(lexicon.SEEN) == {s for subjects in SUBJECTS.values() for s in subjects}
    assert set(lexicon.STYLE_NAMES) == set(STYLES) == set(lexicon.STUFF) and set(
        lexicon.GENRE_NAMES) == set(GENRES)
    for places in (lexicon.FEELINGS, lexicon.IMAGES, lexicon.LOOKS, lexicon.MOODS):
        points = np.array(list(places.values()))
        assert np.abs(points).max() <= 10
        assert np.bincount(affect.quadrant(points[:, 0], points[:, 1]), minlength=4).min() >= 3


def test_picture_and_piece_of_one_item_share_their_group_and_split():
    rows = words.rows(11, 40)
    by_group = {}
    for row in rows:
        by_group.setdefault(row["group_id"],
                            set()).add((row["split"], row["valence"], row["arousal"]))
    assert (all(len(sides) == 1 for sides in by_group.values())
            and {next(iter(s))[0] for s in by_group.values()} == set(manifest.SPLITS))
    noisy = words.rows(11, 40, disagreement=0.3)
    assert np.std([a["valence"] - b["valence"] for a,
                   b in zip(rows, noisy, strict=True)]) == pytest.approx(0.3 / np.sqrt(10), rel=0.5)
