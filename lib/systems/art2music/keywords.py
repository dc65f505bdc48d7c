"""Emotion keywords of comments and captions, their polarity, and how far the two sides agree:
similarity of the keywords' vectors (Figures 1 and 2) and same polarity (Table III).

Texts with fixed shares of polarities agree by chance: with Table III's own shares (55, 13, 32 % and
49, 17, 33 %) unrelated pairs have the same polarity in Σ p·q = 40 % of cases, against the printed
47 %. The null is the same captions, permuted.

Source: Hong et al. §III-A.3 (it names the "Opinion Lexicon" and cites AFINN, which is read here),
§III-A.4. Known deviations: parts of speech are not looked at · several keywords share one vector,
that of the keywords joined by commas · a pair without a keyword on one side is neutral and has no
similarity. Notebook: 41.
"""

import functools
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data.atelier.lexicon import FEELINGS, MOODS
from lib.metrics import stats

# ArtEmis's eight emotions on the affect plane, in tenths, after Russell (1980): our choice. The
# ninth, near the middle of the plane, is "something else".
ARTEMIS = {"amusement": (6, 4), "awe": (5, 7), "contentment": (7, -5), "excitement": (7, 8),
           "anger": (-7, 7), "disgust": (-8, 2), "fear": (-6, 8), "sadness": (-7, -5)}
ELSE, ELSE_WITHIN = "something else", 2.0
POLARITIES = ("positive", "neutral", "negative")
LOW = 0.25  # similarities below it are counted, as in the paper
WORD = re.compile(r"[a-z]+(?:['-][a-z]+)*")


def load_afinn(path: Path | str) -> dict[str, int]:
    """AFINN as published: a word or phrase, a tab and a score from −5 to 5 on each line."""
    path, scores = Path(path), {}
    if not path.is_file():
        raise KlangfarbeError("AFINN-111.txt or another AFINN list", f"{path}: no such file",
                              "its author has it in fnielsen/afinn")
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
    """The synthetic collection's own lexicon: its single words, scored −5 … 5 by valence."""
    return {word: round(valence / 2) for words in (MOODS, FEELINGS)
            for word, (valence, _) in words.items() if WORD.fullmatch(word)}


def emotion_label(valence: float, arousal: float) -> str:
    """The nearest of ArtEmis's emotions to a point in [−1, 1]²."""
    v, a = 10 * valence, 10 * arousal
    if v * v + a * a < ELSE_WITHIN**2:
        return ELSE
    return min(ARTEMIS, key=lambda name: (ARTEMIS[name][0] - v) ** 2 + (ARTEMIS[name][1] - a) ** 2)


def extract(text: str, lexicon: Mapping[str, int], *, emotion: str = "") -> tuple[str, ...]:
    """The words of a text that the lexicon knows, once each, in order, after the emotion."""
    words = [word for word in WORD.findall(text.lower()) if word in lexicon]
    return tuple(dict.fromkeys([emotion, *words] if emotion and emotion != ELSE else words))


def polarity(words: Sequence[str], lexicon: Mapping[str, int]) -> str:
    """The sign of the sum of scores; an emotion label counts half its valence."""
    total = sum(lexicon.get(word, round(ARTEMIS[word][0] / 2) if word in ARTEMIS else 0)
                for word in words)
    return POLARITIES[0] if total > 0 else POLARITIES[2] if total < 0 else POLARITIES[1]


def compare_keywords(pairs: pd.DataFrame, comments: pd.DataFrame, clips: pd.DataFrame, encoder,
                     lexicon: Mapping[str, int]) -> pd.DataFrame:
    """A row a pair: ``comment_id, audio_id, image_group``, the keywords ``…_words``, the polarities
    ``painting, audio`` and the cosine ``similarity`` (NaN where one is empty); published:
    all-MiniLM-L6-v2."""
    if list(pairs["comment_id"]) != list(comments["comment_id"]):
        raise KlangfarbeError("a pair for each comment, in their order", f"{len(pairs)} pairs, "
                              f"{len(comments)} comments", "pass what data.match_pairs gave")
    painting = [extract(text, lexicon, emotion=emotion)
                for text, emotion in zip(comments["comment"], comments["emotion"], strict=True)]
    of_clip = [extract(caption, lexicon) for caption in clips["caption"]]
    audio = [of_clip[row] for row in pairs["clip_row"]]
    similarity = np.full(len(painting), np.nan, np.float32)
    rows = np.array([bool(left and right) for left, right in zip(painting, audio, strict=True)])
    if rows.any():
        names = sorted({words for words in (*painting, *audio) if words})
        vectors = np.asarray(encoder.embed_text([", ".join(words) for words in names]), np.float32)
        vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        place = {words: row for row, words in enumerate(names)}
        a, b = (vectors[[place[side[row]] for row in np.flatnonzero(rows)]]
                for side in (painting, audio))
        similarity[rows] = (a * b).sum(1)
    return pairs[["comment_id", "audio_id", "image_group"]].reset_index(drop=True).assign(
        painting_words=[", ".join(words) for words in painting],
        audio_words=[", ".join(words) for words in audio],
        painting=[polarity(words, lexicon) for words in painting],
        audio=[polarity(words, lexicon) for words in audio], similarity=similarity)


def polarity_shares(compared: pd.DataFrame) -> pd.DataFrame:
    """Table III: the share of each polarity, a row a side."""
    return pd.DataFrame({side: [(compared[side] == name).mean() for name in POLARITIES]
                         for side in ("painting", "audio")}, index=list(POLARITIES)).T


def chance_agreement(shares: pd.DataFrame) -> float:
    """Σ p·q of :func:`polarity_shares`: how often unrelated texts have the same polarity."""
    return float((shares.loc["painting"] * shares.loc["audio"]).to_numpy().sum())


def agreement_scores(compared: pd.DataFrame, *, seed: int = 0,
                     n_shuffles: int = 200) -> dict[str, tuple]:
    """``same_polarity, cosine_below_a_quarter`` → (value, low, high, n, null), 95 % over clips,
    since one clip belongs to many comments; null: 97.5 % over permuted captions, the second has
    none (NaN)."""
    painting, audio = (compared[side].to_numpy(str) for side in ("painting", "audio"))
    agree, clips = (painting == audio).astype(float), compared["audio_id"].to_numpy()
    permuted = stats.permutation_null(lambda a, b: float((a == b).mean()), painting, audio,
                                      groups=compared["image_group"].to_numpy(),
                                      n_shuffles=n_shuffles, seed=seed)
    similar = compared["similarity"].notna().to_numpy()
    low = (compared["similarity"].to_numpy()[similar] < LOW).astype(float)
    return {"same_polarity": (agree.mean(),
                              *stats.bootstrap(np.mean, agree, groups=clips, seed=seed), len(agree),
                              float(np.quantile(permuted, 0.975))),
            "cosine_below_a_quarter": (low.mean(),
                                       *stats.bootstrap(np.mean, low, groups=clips[similar],
                                                        seed=seed), len(low), np.nan)}
