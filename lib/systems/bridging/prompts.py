"""The two texts between painting and music: BLIP's caption, led by the emotion word, and Falcon's
musical description. The networks are in ``lib/pretrained/captioner.py`` and ``describer.py``.

    emotion word ──leads──► caption ──Table 1's prompt──► description

Source: Hisariya & Liang §IV.B, equation 5 (caption), §IV.C, equation 6 and Table 1 (description).
Notebook: 12.

Known deviations: published, the describer reads the led caption and nothing else; the bundled one
was trained with the emotion word in front of what is seen (``describe_from="word"``) · how BLIP is
"given the emotion" is not said: here the caption begins with "a sad painting" · texts are the
likeliest ones unless a seed draws them.
"""

import functools
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib import pretrained
from lib.core.errors import KlangfarbeError
from lib.data.atelier import JUDGE_SEED, words
from lib.data.atelier.factors import draw
from lib.data.atelier.lexicon import FEELINGS, MOODS
from lib.metrics import stats
from lib.pretrained.captioner import unled, without_lead
from lib.signal import affect
from lib.systems.bridging.config import DESCRIBE_FROM, PromptConfig

EMOTIONS = tuple(affect.EMOTION_POINTS)
CAPTION, UNLED, DESCRIPTION = "caption", "caption without its lead", "description"
N_COUNTED = 2000  # atelier texts that the counting reader learns from
_INSTRUMENTS = r"\b[\w-]+ (?:pad|lead|sounds)\b"  # a warm pad is no warm mood
_WORD = r"[^\W\d_]+"


def load(config: PromptConfig, device: str | None = None) -> tuple:
    """(captioner, describer)."""
    return (pretrained.load("captioner", config.captioner, device=device),
            pretrained.load("describer", config.describer, device=device))


def generate_texts(pictures: np.ndarray, emotions: Sequence[str], captioner, describer, *,
                   describe_from: str = "caption", seed: int | None = None) -> pd.DataFrame:
    """The texts of paintings uint8 [N, H, W, 3], each led by a word out of five: ``emotion,
    caption, description``, a row a painting; `describe_from`, `seed` as in :class:`PromptConfig`.
    """
    emotions = list(emotions)
    if describe_from not in DESCRIBE_FROM:
        raise KlangfarbeError(f"what the describer reads, out of {', '.join(DESCRIBE_FROM)}",
                              repr(describe_from), "name one of them")
    if strange := sorted({str(word) for word in emotions if word not in EMOTIONS}):
        raise KlangfarbeError(f"emotions out of {', '.join(EMOTIONS)}", ", ".join(strange)[:80],
                              "give the five words of calibration.EMOTIONS")
    captions = captioner.caption(pictures, emotions) if emotions else []
    seen, told = captions, None
    if describe_from == "word":
        seen, told = list(map(unled, captions, emotions)), emotions
    descriptions = describer.describe(seen, told, seed=seed) if emotions else []
    table = pd.DataFrame({"emotion": emotions, "caption": captions, "description": descriptions},
                         dtype=object)
    for column in table:
        if empty := int((table[column].str.strip() == "").sum()):
            raise KlangfarbeError(f"a {column} of every painting", f"{empty} empty",
                                  "look at the checkpoint: it says nothing to these")
    return table


def emotion_kept(table: pd.DataFrame, *, against: str = "emotion", seed: int = 0,
                 n_shuffles: int = 200) -> pd.DataFrame:
    """How often two readers that wrote none of the texts of a table of :func:`generate_texts` find
    the emotion of the column `against` in them again, beside the word that led if it is another.

    Returns:
        ``step, reader, value, low, high`` (share right, Wilson's 95 %), ``null, null_high`` (words
        permuted over paintings), ``silent`` (share without an answer, counted as wrong), ``n``.
    """
    truth = table[against].to_numpy(object)
    texts = {CAPTION: table["caption"], DESCRIPTION: table["description"],
             UNLED: [without_lead(text, word)
                     for text, word in zip(table["caption"], table["emotion"], strict=True)]}
    answers = {} if against == "emotion" else {("emotion", "as told"): table["emotion"]}
    answers |= {(step, reader): [read_emotion(text, step, reader) for text in texts[step]]
                for step in (CAPTION, UNLED, DESCRIPTION) for reader in ("lexicon", "counted")}
    rows = []
    for (step, reader), given in answers.items():
        given = np.array(given, dtype=object)
        chance = stats.permutation_null(lambda wanted, got: float(np.mean(wanted == got)), truth,
                                        given, n_shuffles=n_shuffles, seed=seed)
        value, low, high = stats.proportion(truth == given)
        rows.append({"step": step, "reader": reader, "value": value, "low": low, "high": high,
                     "null": float(chance.mean()), "null_high": float(np.quantile(chance, 0.975)),
                     "silent": float(np.mean([word is None for word in given])), "n": len(truth)})
    return pd.DataFrame(rows)


def read_emotion(text: str, step: str, reader: str) -> str | None:
    """The word that a reader finds in a text of a step, or ``None``: ``lexicon`` takes the one
    nearest to the mean point of the feelings or moods named, ``counted`` is a naive Bayes over
    single words of the atelier's own texts.
    """
    if reader == "lexicon":
        points = lexicon_points(text, MOODS if step == DESCRIPTION else FEELINGS)
        return affect.emotion_word(*(np.mean(points, axis=0) / 10)) if points else None
    scores, known = word_scores(step), sorted(set(re.findall(_WORD, text.lower())))
    score = sum((scores[word] for word in known if word in scores), np.zeros(len(EMOTIONS)))
    return EMOTIONS[int(score.argmax())] if np.ptp(score) > 0 else None


def lexicon_points(text: str, lexicon: dict[str, tuple[int, int]]) -> list[tuple[int, int]]:
    """Points of the lexicon's entries in a text, each once, the longest first: *wide awake* is not
    *awake* too.
    """
    text, points = re.sub(_INSTRUMENTS, " ", text.lower()), []
    for entry in sorted(lexicon, key=len, reverse=True):
        left = re.sub(rf"(?<![-\w]){re.escape(entry)}(?![-\w])", " ", text)
        if left != text:
            points.append(lexicon[entry])
        text = left
    return points


@functools.cache
def word_scores(step: str) -> dict[str, np.ndarray]:
    """Word → log-probabilities under the five emotions, [5], from the atelier's texts of
    ``JUDGE_SEED``: texts that hold the word, plus a half, over all texts, plus one.
    """
    items = [draw(JUDGE_SEED, index) for index in range(N_COUNTED)]
    write = words.description if step == DESCRIPTION else words.comment
    labels, holds = [words.emotion_word(item) for item in items], {}
    for item, label in zip(items, labels, strict=True):
        for word in set(re.findall(_WORD, write(item).lower())):
            holds.setdefault(word, np.zeros(len(EMOTIONS)))[EMOTIONS.index(label)] += 1
    total = np.array([labels.count(word) for word in EMOTIONS])
    return {word: np.log((count + 0.5) / (total + 1)) for word, count in holds.items()
            if count.sum() >= 3}
