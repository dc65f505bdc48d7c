"""Feeling in words: keywords by a sentiment lexicon and, where a tagger is installed, by part of
speech; and their polarity.

    comment ──words──► in the lexicon ──adjective, adverb, noun or verb──► keywords ──scores──► positive · neutral · negative

Source: text 003, §III-A.3 (it calls the lexicon "Opinion Lexicon" and cites AFINN: AFINN is what is
read here) and §III-A.4.

Known deviation: without spaCy's English model the part of speech is not looked at; :func:`speaker`
says so. Notebook: 41.
"""

import functools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from lib.core.errors import KlangfarbeError
from lib.data.atelier.lexicon import FEELINGS, MOODS

# ArtEmis's eight emotions on the affect plane, in tenths, after Russell (1980): a choice. Its ninth
# is "something else".
ARTEMIS = {"amusement": (6, 4), "awe": (5, 7), "contentment": (7, -5), "excitement": (7, 8),
           "anger": (-7, 7), "disgust": (-8, 2), "fear": (-6, 8), "sadness": (-7, -5)}
# tenths from the middle of the plane: nothing in particular
ELSE, ELSE_WITHIN = "something else", 2.0
KEPT = ("ADJ", "ADV", "NOUN", "VERB")
POLARITIES = ("positive", "neutral", "negative")
# an apostrophe inside a word is its own, one at its end a quotation mark
WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")


def load_afinn(path: Path | str) -> dict[str, int]:
    """AFINN as its author ships it: a word or phrase, a tab, a whole number from −5 to 5 on each
    line.

    Raises:
        KlangfarbeError: no such file, or a line of another form (the message has its number).
    """
    path = Path(path)
    if not path.is_file():
        raise KlangfarbeError("AFINN-111.txt or another AFINN list", f"{path}: no such file",
                              "its author has it in fnielsen/afinn")
    scores = {}
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        word, _, score = line.rpartition("\t")
        if not word or not re.fullmatch(r"-?[0-5]", score.strip()):
            raise KlangfarbeError("a word, a tab and a score from −5 to 5 a line",
                                  f"{path} line {number}: {line[:60]!r}",
                                  "use the list as it is published")
        scores[word.strip().lower()] = int(score)
    return scores


@functools.cache
def atelier_lexicon() -> dict[str, int]:
    """The atelier's own lexicon: each single word it feels or describes music with, scored by half
    its valence in tenths, −5 … 5.
    """
    return {word: round(valence / 2) for words in (MOODS, FEELINGS) for word,
            (valence, _) in words.items() if WORD.fullmatch(word)}


def emotion_label(valence: float, arousal: float) -> str:
    """The nearest of ArtEmis's eight emotions to a point in [−1, 1]², or "something else" near the
    middle.
    """
    v, a = 10 * valence, 10 * arousal
    if v * v + a * a < ELSE_WITHIN**2:
        return ELSE
    return min(ARTEMIS, key=lambda name: (ARTEMIS[name][0] - v) ** 2 + (ARTEMIS[name][1] - a) ** 2)


def speaker(model: str = "en_core_web_sm") -> Callable[[str], list[tuple[str, str]]] | None:
    """A function text → (word, part of speech) pairs by spaCy, or ``None``, said in a line, where
    its English model is not installed.
    """
    import spacy

    try:
        tagger = spacy.load(model, exclude=("parser", "ner", "lemmatizer"))
    except OSError:
        print(f"parts of speech: not looked at, spaCy's {model} is not installed")
        return None
    return lambda text: [(token.text.lower(), token.pos_) for token in tagger(text)]


def extract(text: str, lexicon: Mapping[str, int], speaks: Callable | None = None, *,
       emotion: str = "") -> tuple[str, ...]:
    """Keywords of a text: its words that the lexicon knows, each once, in their order; an emotion's
    label stands first.

    Args:
        speaks: of :func:`speaker`; ``None``: any part of speech will do.
    """
    words = speaks(text) if speaks else [(word, KEPT[0]) for word in WORD.findall(text.lower())]
    kept = [word for word, part in words if word in lexicon and part in KEPT]
    return tuple(dict.fromkeys([emotion, *kept] if emotion and emotion != ELSE else kept))


def polarity(words: Sequence[str], lexicon: Mapping[str, int]) -> str:
    """``positive``, ``negative`` or ``neutral``, by the sign of the sum of scores; a label counts
    by its place on the plane.
    """
    total = sum(lexicon.get(word, round(ARTEMIS[word][0] / 2) if word in ARTEMIS else 0)
                for word in words)
    return POLARITIES[0] if total > 0 else POLARITIES[2] if total < 0 else POLARITIES[1]
