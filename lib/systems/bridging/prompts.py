"""System 1, stages B and C: a painting and its emotion word become a caption, and the caption a
musical description.

    emotion word ──leads──► caption ──Table 1's prompt──► description        (text columns of Model 1, Model 2, Models 3 and 4)
        │                     │                              │
        └──────── kept: how often a reader who made none of them hears the word again ────────┘

Source: text 000, "Bridging Paintings and Music", §III.B, equation 5 (BLIP-large, conditioned on the
emotion), §III.C, equation 6 and Table 1 (Falcon-RW-1B).

Known deviations: published, the describer reads the led caption and nothing else
(``told="caption"``); the bundled describer grew up with the word in front of what is seen, and
``told="word"``, the miniatures' setting, gives it that · how "given the emotion" reaches
BLIP is not said: here the caption begins with "a sad painting" · texts are the likeliest ones, so
that a painting has one for ever, unless a seed draws them.
Notebook: 12.
"""

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from lib import pretrained
from lib.core.errors import KlangfarbeError
from lib.data.atelier import JUDGE_SEED, TEST_SEED, words
from lib.data.atelier.factors import draw
from lib.data.atelier.lexicon import FEELINGS, MOODS
from lib.metrics import stats
from lib.pretrained.captioner import unled, without_lead
from lib.signal import affect

EMOTIONS = tuple(affect.EMOTION_POINTS)
TOLD = ("caption", "word")
CAPTION, UNLED, DESCRIPTION = "caption", "caption without its lead", "description"
N_COUNTED = 2000  # of the atelier's own texts, that the counting reader learned from
_INSTRUMENTS = r"\b[\w-]+ (?:pad|lead|sounds)\b"  # the warm pad is no warm mood


@dataclass(frozen=True)
class Config:
    """Which networks write, and what the second is told; the defaults are the published ones.

    Attributes:
        captioner, describer: sources for :func:`lib.pretrained.load`.
        told: what the describer reads: the led ``caption``, or the emotion ``word`` in front of the
            caption without lead and feelings.
        seed: of drawn descriptions; ``None``: the likeliest.
    """

    captioner: str = "Salesforce/blip-image-captioning-large"
    describer: str = "tiiuae/falcon-rw-1b"
    told: str = "caption"
    seed: int | None = None

    def __post_init__(self):
        if self.told not in TOLD:
            raise KlangfarbeError(f"what the describer is told, out of {', '.join(TOLD)}",
                                  repr(self.told), "name one of them")


_MINIATURES = Config(captioner="miniature", describer="miniature", told="word")
PROFILES = {"smoke": _MINIATURES, "mini": _MINIATURES, "gpu": _MINIATURES, "paper": Config()}


def build(config: Config, device: str | None = None) -> tuple:
    """The two networks, loaded: (captioner, describer)."""
    return pretrained.load("captioner", config.captioner,
                           device=device), pretrained.load("describer", config.describer,
                                                           device=device)


def texts(pictures: np.ndarray, emotions: Sequence[str], captioner, describer, *,
          told: str = "caption", seed: int | None = None):
    """The text columns of N paintings.

    Args:
        pictures: uint8 [N, H, W, 3]. emotions: a word out of five for each, the classifier's or the
            true one.
        captioner, describer: as :func:`build` gives them. told, seed: see :class:`Config`.

    Returns:
        DataFrame ``emotion, caption, description``, a row a painting.

    Raises:
        KlangfarbeError: an emotion that is none of the five, other numbers of them than pictures,
            or a text that came out empty.

    Notebook: 12.
    """
    config, emotions = Config(told=told, seed=seed), list(emotions)
    if strange := sorted({str(word) for word in emotions if word not in EMOTIONS}):
        raise KlangfarbeError(f"emotions out of {', '.join(EMOTIONS)}", ", ".join(strange)[:80],
                              "give classifier.EMOTIONS' words")
    if len(emotions) != len(pictures):
        raise KlangfarbeError(f"{len(pictures)} emotions, one a picture", str(len(emotions)),
                              "align them")
    captions = captioner.caption(pictures, emotions) if emotions else []
    if config.told == "caption":
        descriptions = describer.describe(captions, seed=config.seed)
    else:
        seen = [unled(caption, word) for caption, word in zip(captions, emotions, strict=True)]
        descriptions = describer.describe(seen, emotions, seed=config.seed)
    made = pd.DataFrame({"emotion": emotions, "caption": captions, "description": descriptions},
                        dtype=object)
    for column in made:
        if silent := int((made[column].str.strip() == "").sum()):
            raise KlangfarbeError(f"a {column} of every painting", f"{silent} empty",
                                  "look at the checkpoint: it says nothing to these")
    return made


# --- what is kept of the emotion
# --------------------------------------------------------------------------------------


def kept(table, *, against: str = "emotion", seed: int = 0, n_shuffles: int = 200):
    """How often each text still says the emotion, heard by readers that made none of the texts.

    Two readers. ``lexicon``: the mean point of the feelings (captions) or moods (descriptions) that
    the text names, and the nearest of the five words. ``counted``: a naive Bayes over single words,
    learned from the atelier's own comments and descriptions. Neither is a network and neither saw a
    caption or description of the table's makers; both know the atelier's vocabulary better than the
    hub's.

    Args:
        table: of :func:`texts`. against: the column that is to be heard: ``emotion`` (what the
            captioner was told), or one that you put there, such as the painting's own word; then
            the told word itself is a row too.

    Returns:
        DataFrame ``step, reader, value, low, high`` (share heard right, Wilson's 95 %), ``null,
        null_high`` (each text met by another painting's word: mean and 97.5 % of shuffles),
        ``silent`` (share in which it heard nothing, which counts as wrong), ``n``, ``own_texts``
        (:func:`own_texts` of that reader).

    Raises:
        KlangfarbeError: columns that lack, words that are none of the five, or fewer than two rows.

    Notebook: 12.
    """
    if lacking := sorted({"emotion", "caption", "description", against} - set(table)):
        raise KlangfarbeError("columns emotion, caption, description and what is to be heard",
                              f"no {', '.join(lacking)}", "use texts")
    truth = table[against].to_numpy(object)
    if len(truth) < 2 or not set(truth) <= set(EMOTIONS):
        raise KlangfarbeError(f"at least two rows of {', '.join(EMOTIONS)}",
                              f"{len(truth)} of {', '.join(map(str, set(truth)))[:60]}",
                              "map them first")
    texts_of = {CAPTION: list(table["caption"]), DESCRIPTION: list(table["description"]),
                UNLED: [without_lead(text, word) for text,
                        word in zip(table["caption"], table["emotion"], strict=True)]}
    rows = []
    if against != "emotion":
        rows.append({"step": "emotion", "reader": "as told"}
                    | _share(truth, table["emotion"].to_numpy(object), seed, n_shuffles))
    for step in (CAPTION, UNLED, DESCRIPTION):
        for reader in ("lexicon", "counted"):
            heard = np.array([read(text, step, reader) for text in texts_of[step]], dtype=object)
            rows.append({"step": step, "reader": reader} | _share(truth, heard, seed, n_shuffles)
                        | {"own_texts": own_texts(step, reader)})
    return pd.DataFrame(rows)


def read(text: str, step: str, reader: str) -> str | None:
    """The emotion word that a reader hears in a text, or ``None`` where it hears nothing.

    Args:
        step: :data:`CAPTION`, :data:`UNLED` or :data:`DESCRIPTION`. reader: ``lexicon`` or
            ``counted``.
    """
    if reader == "lexicon":
        points = named(text, MOODS if step == DESCRIPTION else FEELINGS)
        return affect.emotion_word(*(np.mean(points, axis=0) / 10)) if points else None
    weight, unknown = counted(step), np.zeros(len(EMOTIONS))
    score = sum((weight.get(word, unknown) for word in _words(text)), unknown)
    return EMOTIONS[int(score.argmax())] if np.ptp(score) > 0 else None


def named(text: str, lexicon: dict[str, tuple[int, int]]) -> list[tuple[int, int]]:
    """Points of the entries that a text names, the longest first (who is *wide awake* is not
    *awake* too); each entry counts once.
    """
    text, found = re.sub(_INSTRUMENTS, " ", text.lower()), []
    for entry in sorted(lexicon, key=len, reverse=True):
        left = re.sub(rf"(?<![-\w]){re.escape(entry)}(?![-\w])", " ", text)
        if left != text:
            found.append(lexicon[entry])
        text = left
    return found


@functools.cache
def counted(step: str) -> dict[str, np.ndarray]:
    """Word → its log-probabilities under the five emotions, [5], counted over the atelier's own
    texts of ``JUDGE_SEED``.

    A text counts a word once; every emotion starts with half a text that holds it and half a text
    that does not.
    """
    own, labels = _own(step, JUDGE_SEED, N_COUNTED)
    holds: dict[str, np.ndarray] = {}
    for text, label in zip(own, labels, strict=True):
        for word in _words(text):
            holds.setdefault(word, np.zeros(len(EMOTIONS)))[EMOTIONS.index(label)] += 1
    total = np.array([labels.count(word) for word in EMOTIONS])
    return {word: np.log((count + 0.5) / (total + 1)) for word,
            count in holds.items() if count.sum() >= 3}


@functools.cache
def own_texts(step: str, reader: str, n: int = 400) -> float:
    """Share of the atelier's own held-out texts (comments for captions) in which a reader hears the
    item's word.

    No ceiling: these were written from points, some of them on the border of two words; a text
    written from the word alone has no border.
    """
    own, labels = _own(step, TEST_SEED, n)
    return float(np.mean([read(text, step, reader) == label for text,
                          label in zip(own, labels, strict=True)]))


def richness(table):
    """What each step adds: DataFrame ``step, words`` (mean a text), ``vocabulary`` (different
    words), ``distinct`` (share of texts).
    """
    rows = [{"step": step, "words": float(table[step].str.split().str.len().mean()),
             "vocabulary": len(set().union(*(_words(text) for text in table[step]))),
             "distinct": table[step].nunique() / len(table)}
            for step in ("emotion", "caption", "description")]
    return pd.DataFrame(rows)


def _own(step: str, collection: int, n: int) -> tuple[list[str], list[str]]:
    """The atelier's own texts that speak of what `step` should, and their emotion words."""
    items = [draw(collection, index) for index in range(n)]
    say = words.description if step == DESCRIPTION else words.comment
    return [say(item) for item in items], [words.emotion_word(item) for item in items]


def _words(text: str) -> frozenset[str]:
    return frozenset(re.findall(r"[^\W\d_]+", text.lower()))


def _share(truth: np.ndarray, heard: np.ndarray, seed: int, n_shuffles: int) -> dict:
    def right(wanted, got):
        return float(np.mean([a == b for a, b in zip(wanted, got, strict=True)]))

    luck = stats.permutation_null(right, truth, heard, n_shuffles=n_shuffles, seed=seed)
    interval = binomtest(round(right(truth, heard) * len(truth)),
                         len(truth)).proportion_ci(method="wilson")
    return {"value": right(truth, heard), "low": interval.low, "high": interval.high,
            "null": float(luck.mean()), "null_high": float(np.quantile(luck, 0.975)),
            "silent": float(np.mean([word is None for word in heard])), "n": len(truth)}
