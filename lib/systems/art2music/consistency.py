"""ArtiCaps' consistency: do a comment and the music its words were matched with feel the same?

    comment ──keywords──► polarity, vector ─┐
                                            ├─► similarity of the two (Fig. 1), by pair of polarities (Fig. 2), same polarity (Table III)
    caption ──keywords──► polarity, vector ─┘      null: the very same captions, dealt to other paintings

Two sides that lean one way agree by luck: with Table III's own shares (55, 13, 32 % and 49, 17, 33
%) unrelated pairs have the same polarity in Σ p·q = 40 % of cases. The 47 % printed there want that
beside them.

Source: text 003, §III-A.4, Figures 1 and 2, Tables II and III.

Known deviation: which vector stands for several keywords is not said; here it is the encoder's of
the keywords joined by commas · a pair with no keyword on one side has a polarity (neutral) and no
similarity.
Notebook: 41.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.metrics import stats
from lib.systems.art2music import keywords, matching

LOW = 0.25  # similarities below it are counted, as in the text


def compare_keywords(pairs, comments, clips, encoder, lexicon: Mapping[str, int], speaks=None):
    """One row a matched pair: DataFrame ``comment_id, audio_id, image_group, painting_words,
    audio_words, painting, audio, similarity``.

    ``painting`` and ``audio`` are polarities; ``similarity`` is the cosine of the two keyword sets,
    NaN where one is empty.

    Args:
        pairs: of ``articaps.paired``. comments: its rows, with ``comment`` and ``emotion``. clips:
            with ``caption``.
        encoder: has ``embed_text``; published: all-MiniLM-L6-v2. lexicon, speaks: as
            ``keywords.of``.

    Raises:
        KlangfarbeError: pairs that are not the comments' own.
    """
    if list(pairs["comment_id"]) != list(comments["comment_id"]):
        raise KlangfarbeError("a pair for each comment, in their order",
                              f"{len(pairs)} pairs, {len(comments)} comments",
                              "hand over what articaps.paired gave for these comments")
    rows = pairs["clip_row"].to_numpy()
    said = [keywords.extract(text, lexicon, speaks, emotion=emotion)
            for text, emotion in zip(comments["comment"], comments["emotion"], strict=True)]
    heard = [keywords.extract(caption, lexicon, speaks) for caption in clips["caption"]]
    heard_here = [heard[row] for row in rows]
    polar = {words: keywords.polarity(words, lexicon) for words in {*said, *heard}}
    return pd.DataFrame({**{name: pairs[name].to_numpy()
                            for name in ("comment_id", "audio_id", "image_group")},
                         "painting_words": [", ".join(words) for words in said],
                         "audio_words": [", ".join(words) for words in heard_here],
                         "painting": [polar[words] for words in said],
                         "audio": [polar[words] for words in heard_here],
                         "similarity": similarities(said, heard_here, encoder)})


def similarities(said: Sequence[tuple[str, ...]], heard: Sequence[tuple[str, ...]],
                 encoder) -> np.ndarray:
    """Cosine of keyword sets, row by row, float32 [N]; NaN where one of the two is empty. Equal
    sets are embedded once.
    """
    names = sorted({words for words in (*said, *heard) if words})
    made = np.full(len(said), np.nan, np.float32)
    if not names:
        return made
    vectors, place = matching.normalise(encoder.embed_text([", ".join(words)
                                                       for words in names])), {words: k for k,
                                                                               words in enumerate(
            names)}
    both = np.array([bool(a) and bool(b) for a, b in zip(said, heard, strict=True)])
    left, right = (vectors[[place[words] for words, full in zip(some, both, strict=True) if full]]
                   for some in (said, heard))
    made[both] = (left * right).sum(1)
    return made


def polarity_shares(found):
    """Table III: the share of each polarity, DataFrame with a row a side and the columns of
    ``keywords.POLARITIES``.
    """
    return pd.DataFrame({side: [float((found[side] == name).mean()) for name in keywords.POLARITIES]
                         for side in ("painting", "audio")}, index=list(keywords.POLARITIES)).T


def similarity_by_polarity(found):
    """Figure 2: mean similarity for each pair of polarities, DataFrame painting × audio; NaN where
    no pair has one.
    """
    order = list(keywords.POLARITIES)
    return found.pivot_table(index="painting", columns="audio", values="similarity",
                             aggfunc="mean").reindex(index=order, columns=order)


def chance_agreement(table) -> float:
    """Σ p·q of :func:`shares`: how often two unrelated texts with these shares have the same
    polarity.
    """
    return float((table.loc["painting"] * table.loc["audio"]).sum())


def agreement_scores(found, *, seed: int = 0, n_shuffles: int = 200) -> dict[str, tuple]:
    """What claim S4-4 asks: quantity → (value, low, high, n, null), for ``same_polarity`` and
    ``cosine_below_a_quarter``.

    Intervals are 95 %, over clips, for one clip goes with many comments. The null of the first is
    the 97.5 % end of what the same captions have when they are dealt to other paintings; the second
    has none (NaN).
    """
    code = {name: k for k, name in enumerate(keywords.POLARITIES)}
    painting, audio = (found[side].map(code).to_numpy() for side in ("painting", "audio"))
    agree, clips = (painting == audio).astype(float), found["audio_id"].to_numpy()
    dealt = stats.permutation_null(lambda a, b: float((a == b).mean()), painting, audio,
                           groups=found["image_group"].to_numpy(), n_shuffles=n_shuffles, seed=seed)
    similar = found["similarity"].notna().to_numpy()
    low = (found["similarity"].to_numpy()[similar] < LOW).astype(float)
    return {"same_polarity": (agree.mean(),
                              *stats.bootstrap(np.mean, agree, groups=clips, seed=seed), len(agree),
                              float(np.quantile(dealt, 0.975))),
            "cosine_below_a_quarter": (low.mean(),
                                       *stats.bootstrap(np.mean, low, groups=clips[similar],
                                                        seed=seed), len(low), np.nan)}


def example_pairs(found, comments, clips, each: int = 2):
    """Table II: pairs of the highest and of the lowest similarity, among either no clip twice.

    Returns:
        Rows of `found` with ``comment, caption`` beside them, the most similar first.
    """
    caption = found["audio_id"].map(clips.drop_duplicates("clip").set_index("clip")["caption"])
    told = found.assign(comment=comments["comment"].to_numpy(),
                        caption=caption.to_numpy()).dropna(subset="similarity")
    ranked = told.sort_values("similarity", ascending=False, kind="stable")
    best, worst = (some.drop_duplicates("audio_id").head(each)
                   for some in (ranked, ranked.iloc[::-1]))
    return pd.concat([best, worst.iloc[::-1]]).drop_duplicates("comment_id").reset_index(drop=True)
