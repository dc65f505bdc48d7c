"""System 1's text columns: what the makers are told, and how much of the emotion readers hear
again.
"""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import pretrained
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


def test_a_describer_that_says_nothing_is_counted_and_the_caption_stands_in(capsys):
    asked = Describer()
    asked.describe = lambda captions, emotions=None, *, seed=None: [" \n", "A sombre waltz."]
    made = texts.generate_texts(np.zeros((2, 8, 8, 3), np.uint8), ["sad", "sad"], Captioner(),
                                asked)
    assert made["description"].tolist() == [made["caption"][0], "A sombre waltz."]
    assert "1 of 2 descriptions are empty" in capsys.readouterr().out


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


# --- reading --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("text", "names", "heard"), [
    ("it feels furious and hostile.", lexicon.FEELINGS, "angry"),
    ("a sad painting", lexicon.FEELINGS, "sad"), ("a painting", lexicon.FEELINGS, None),
    ("a view of the coast.", lexicon.FEELINGS, None),
    ("A bleak and desolate march.", lexicon.MOODS, "sad"),
    ("A march with a warm pad and warm lead.", lexicon.MOODS, None),
    ("A warm march with a warm pad.", lexicon.MOODS, "happy"),
    ("A good-natured tune.", lexicon.MOODS, "happy"),
    ("a sadly unsad tune", lexicon.FEELINGS, None),
])  # fmt: skip
def test_the_lexicon_reader_hears_what_is_named(text, names, heard):
    assert texts.read_emotion(text, names) == heard


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
    assert texts.read_emotion(" ".join(moods)) == texts.read_emotion(" ".join(turned))


@pytest.mark.parametrize(("write", "names"), [(words.comment, lexicon.FEELINGS),
                                              (words.description, lexicon.MOODS)])
def test_the_reader_finds_the_emotion_of_the_ateliers_own_texts(write, names):
    items = [draw(atelier.TEST_SEED, index) for index in range(200)]
    assert np.mean([texts.read_emotion(write(item), names) == words.emotion_word(item)
                    for item in items]) > 0.6


def test_the_bundled_chain_keeps_the_emotion_it_is_told():
    """Words drawn without looking at the paintings: what is heard can only have come through the
    texts.
    """
    pictures = paint.pictures(atelier.TEST_SEED, range(2000, 2040), 64)[0]
    told = [texts.EMOTIONS[k] for k in np.random.default_rng(0).integers(0, 5, 40)]
    captioner, describer = (pretrained.load(part, device="cpu")
                            for part in ("captioner", "describer"))
    table = texts.generate_texts(pictures, told, captioner, describer)
    bare = map(without_lead, table["caption"], told)
    in_captions = [texts.read_emotion(text, lexicon.FEELINGS) for text in bare]
    in_descriptions = [texts.read_emotion(text) for text in table["description"]]
    assert np.mean([a == b for a, b in zip(in_captions, told, strict=True)]) > 0.85
    assert np.mean([a == b for a, b in zip(in_descriptions, told, strict=True)]) > 0.65
