"""System 1's text columns: what the makers are told, and how much of the emotion readers hear
again.
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import pretrained
from lib.core.errors import KlangfarbeError
from lib.data import atelier
from lib.data.atelier import lexicon, paint, words
from lib.data.atelier.factors import draw
from lib.pretrained.captioner import unled, without_lead
from lib.systems.bridging import prompts as texts

FELT = {"happy": "glad and warm", "fun": "festive and playful", "angry": "furious and hostile",
        "sad": "lonely and gloomy",
        "neutral": "undecided and attentive"}  # fmt: skip
MOODS = {"happy": "sunny", "fun": "jubilant", "angry": "aggressive", "sad": "bleak",
         "neutral": "even-tempered"}


class Captioner:
    """Says what it was led by and what goes with it."""

    def caption(self, pictures, emotions):
        article = {word: "an" if word[0] in "aeiou" else "a" for word in emotions}
        return [f"{article[word]} {word} painting: a view of the coast. it feels {FELT[word]}."
                for word in emotions]


class Describer:
    """Keeps what it was asked, and answers with one mood."""

    def __init__(self, mood="sunny"):
        self.mood, self.asked = mood, []

    def describe(self, captions, emotions=None, *, seed=None):
        self.asked.append((list(captions), None if emotions is None else list(emotions), seed))
        return [f"A {self.mood} waltz.\nThe tune lies high." for _ in captions]


def table(emotions, moods=MOODS):
    return pd.DataFrame({"emotion": emotions, "caption": Captioner().caption(None, emotions),
                         "description": [f"A {moods[word]} piece with a warm pad."
                                         for word in emotions]})


FIFTY = [texts.EMOTIONS[k % 5] for k in range(50)]


# --- making ---------------------------------------------------------------------------------------
# --------------------


def test_the_describer_reads_the_led_caption_as_published_or_the_word_before_what_is_seen():
    pictures, asked = np.zeros((2, 8, 8, 3), np.uint8), Describer()
    made = texts.generate_texts(pictures, ["angry", "sad"], Captioner(), asked)
    assert list(made) == ["emotion", "caption",
                          "description"] and made["emotion"].tolist() == ["angry", "sad"]
    assert made["caption"][
        0] == "an angry painting: a view of the coast. it feels furious and hostile."
    assert asked.asked == [(made["caption"].tolist(), None, None)]
    other = Describer()
    again = texts.generate_texts(pictures, ["angry", "sad"], Captioner(), other,
                                 describe_from="word", seed=3)
    assert other.asked == [(["a view of the coast."] * 2, ["angry", "sad"], 3)]
    assert again["caption"].tolist() == made[
        "caption"].tolist(), "the captions' column is the same either way"


@pytest.mark.parametrize(("caption", "word", "behind", "seen"), [
    ("an angry painting: bars. it feels bitter and hurt.", "angry",
     "bars. it feels bitter and hurt.", "bars."),
    ("A sad painting of a village", "sad", "of a village", "of a village"),
    ("a village", "sad", "a village", "a village"),
    ("a fun painting", "fun", "", "a fun painting"),
    ("a sad painting: one who feels well.", "sad", "one who feels well.", "one who feels well."),
])  # fmt: skip
def test_lead_and_feelings_are_taken_off(caption, word, behind, seen):
    assert without_lead(caption, word) == behind and unled(caption, word) == seen


def test_faults_of_the_makers_are_told():
    pictures = np.zeros((2, 8, 8, 3), np.uint8)
    with pytest.raises(KlangfarbeError, match="got glad"):
        texts.generate_texts(pictures, ["glad", "sad"], Captioner(), Describer())
    with pytest.raises(KlangfarbeError, match="what the describer reads"):
        texts.generate_texts(pictures, ["sad", "sad"], Captioner(), Describer(),
                             describe_from="nothing")

    class Silent(Describer):
        def describe(self, captions, emotions=None, *, seed=None):
            return ["A waltz.", " "]

    with pytest.raises(KlangfarbeError, match="a description of every painting; got 1 empty"):
        texts.generate_texts(pictures, ["sad", "sad"], Captioner(), Silent())
    assert texts.generate_texts(pictures[:0], [], Captioner(), Describer()).shape == (0, 3)


# --- reading --------------------------------------------------------------------------------------
# --------------------


@pytest.mark.parametrize(("text", "step", "heard"), [
    ("it feels furious and hostile.", texts.UNLED, "angry"),
    ("a sad painting", texts.CAPTION, "sad"), ("a painting", texts.CAPTION, None),
    ("a view of the coast.", texts.UNLED, None),
    ("A bleak and desolate march.", texts.DESCRIPTION, "sad"),
    ("A march with a warm pad and warm lead.", texts.DESCRIPTION, None),
    ("A warm march with a warm pad.", texts.DESCRIPTION, "happy"),
    ("A good-natured tune.", texts.DESCRIPTION, "happy"),
    ("a sadly unsad tune", texts.CAPTION, None),
])  # fmt: skip
def test_the_lexicon_reader_hears_what_is_named(text, step, heard):
    assert texts.read_emotion(text, step, "lexicon") == heard


def test_the_longest_name_is_taken_first_and_each_once():
    assert texts.lexicon_points("wide awake", lexicon.FEELINGS) == [lexicon.FEELINGS["wide awake"]]
    assert texts.lexicon_points("sad, sad and sad again",
                                lexicon.FEELINGS) == [lexicon.FEELINGS["sad"]]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sampled_from(sorted(lexicon.MOODS)), min_size=1, max_size=4, unique=True),
       st.randoms(use_true_random=False))
def test_the_order_of_the_words_does_not_matter(moods, rng):
    turned = list(moods)
    rng.shuffle(turned)
    for reader in ("lexicon", "counted"):
        assert texts.read_emotion(" ".join(moods), texts.DESCRIPTION,
                          reader) == texts.read_emotion(" ".join(turned), texts.DESCRIPTION, reader)


def test_the_counting_reader_counts_the_judges_own_texts():
    items = [draw(atelier.JUDGE_SEED, index) for index in range(texts.N_COUNTED)]
    says, of = [words.comment(item).lower()
                for item in items], [words.emotion_word(item) for item in items]
    expected = [np.log((sum("lonely" in text for text,
                            label in zip(says, of, strict=True) if label == word) + 0.5)
                       / (of.count(word) + 1)) for word in texts.EMOTIONS]
    np.testing.assert_allclose(texts.word_scores(texts.CAPTION)["lonely"], expected)
    assert texts.read_emotion("lonely", texts.CAPTION,
                      "counted") == texts.EMOTIONS[int(np.argmax(expected))] == "sad"
    assert texts.read_emotion("1234 zyx", texts.CAPTION, "counted") is None


@pytest.mark.parametrize("step", [texts.CAPTION, texts.DESCRIPTION])
@pytest.mark.parametrize("reader", ["lexicon", "counted"])
def test_both_readers_hear_the_ateliers_own_texts(step, reader):
    items = [draw(atelier.TEST_SEED, index) for index in range(200)]
    write = words.description if step == texts.DESCRIPTION else words.comment
    assert np.mean([texts.read_emotion(write(item), step, reader) == words.emotion_word(item)
                    for item in items]) > 0.6


# --- what is kept ---------------------------------------------------------------------------------
# --------------------


def test_what_is_wholly_kept_is_heard_and_chance_is_known():
    found = texts.emotion_kept(table(FIFTY)).set_index(["step", "reader"])
    named = found.xs("lexicon", level="reader")
    assert (named["value"] == 1).all() and (named["high"]
                                            == 1).all() and named["low"].between(0.9, 0.95).all()
    assert named["null"].between(0.15,
                                 0.25).all() and (named["null_high"]
                                                  < named["low"]).all() and (named["silent"]
                                                                             == 0).all()
    assert set(found["n"]) == {50} and ((found["low"] <= found["value"])
                                        & (found["value"] <= found["high"])).all()


def test_a_description_that_forgets_is_found_out():
    lost = texts.emotion_kept(table(FIFTY,
                                    dict.fromkeys(FELT, "sunny"))).set_index(["step", "reader"])
    row = lost.loc[(texts.DESCRIPTION, "lexicon")]
    assert row["value"] == row["null"] == 0.2 and lost.loc[(texts.CAPTION, "lexicon"), "value"] == 1
    silent = texts.emotion_kept(table(FIFTY, dict.fromkeys(FELT,
                                                   "long"))).set_index(["step",
                                                                        "reader"]).loc[
        (texts.DESCRIPTION, "lexicon")]
    assert silent["silent"] == 1 and silent["value"] == 0


def test_the_lead_is_not_what_is_heard():
    """A captioner that repeats the word and feels nothing else keeps everything with its lead and
    nothing without.
    """
    empty = table(FIFTY).assign(caption=[
            f"{'an' if word == 'angry' else 'a'} {word} painting: a view." for word in FIFTY])
    found = texts.emotion_kept(empty).set_index(["step", "reader"])
    in_lexicon = np.mean([word in lexicon.FEELINGS for word in FIFTY])
    assert found.loc[(texts.CAPTION, "lexicon"), "value"] == in_lexicon == 0.6
    assert found.loc[(texts.UNLED, "lexicon"),
                     "value"] == 0 and found.loc[(texts.UNLED, "lexicon"), "silent"] == 1


def test_against_the_painting_the_classifiers_mistakes_count():
    own = [texts.EMOTIONS[(k + (k < 10)) % 5] for k in range(50)]
    found = texts.emotion_kept(table(FIFTY).assign(own=own),
                               against="own").set_index(["step", "reader"])
    assert found.loc[("emotion", "as told"), "value"] == 0.8
    assert found.loc[(texts.DESCRIPTION, "lexicon"),
                     "value"] == 0.8, "a chain that forgets nothing hands the mistakes on"


# --- the bundled networks
# ---------------------------------------------------------------------------------------------


def test_the_bundled_chain_keeps_the_emotion_it_is_told():
    """Words drawn without looking at the paintings: what is heard can only have come through the
    texts.
    """
    n = 40
    pictures = paint.pictures(atelier.TEST_SEED, range(2000, 2000 + n), 64)[0]
    told = [texts.EMOTIONS[k] for k in np.random.default_rng(0).integers(0, 5, n)]
    captioner, describer = (pretrained.load(part, device="cpu")
                            for part in ("captioner", "describer"))
    found = texts.emotion_kept(texts.generate_texts(pictures, told, captioner,
                                   describer)).set_index(["step", "reader"])
    for reader in ("lexicon", "counted"):
        assert found.loc[(texts.UNLED, reader),
                         "value"] > 0.85 and found.loc[(texts.DESCRIPTION, reader), "low"] > 0.5
        assert found.loc[(texts.DESCRIPTION, reader),
                         "null_high"] < found.loc[(texts.DESCRIPTION, reader), "low"]
