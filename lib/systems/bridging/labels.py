"""Real paintings' labels: what annotators named of twenty emotions, as one of system 1's five
words.

    shares of annotators [N, 20] ──► the most-named emotion of each word's group [N, 5] ──► the word that leads, where
                                                          at least 40 % named it and no other word
                                                          ties; else none

Which emotion goes to which word (:data:`GROUPS`): each to the word nearest to its point
(``affect.WIKIART_POINTS``, ``affect.EMOTION_POINTS``), with two exceptions. *Happiness* lies nearer
to fun (it is excited there) and goes to happy, whose name it is. *Humility* is as far from happy as
from neutral and goes to neutral, which else would have nothing but the paintings that bring
nobody anything: five of 4,105. *Fear* goes to angry with what else is tense: the five words have no
place for it.

Source: text 000, §V.A ("manually analyzed datasets for particular 5 emotions", no rule given);
Mohammad & Kiritchenko (2018) for the ratings and for 40 % as the middle one of their three
thresholds.

Known deviations: published is one person's choice of 1,200 works; this is a rule, and its classes
are as unequal as the ratings are.
Notebook: 11.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data import splits
from lib.data.collections import layout, wikiart_emotions
from lib.signal import affect
from lib.systems.bridging import train_classifier

GROUPS = {
    "happy": ("happiness", "love", "gratitude", "optimism", "trust", "agreeableness"),
    "fun": ("surprise", "anticipation"),
    "angry": ("anger", "disgust", "disagreeableness", "arrogance", "fear"),
    "sad": ("sadness", "pessimism", "regret", "shame", "shyness"),
    "neutral": ("neutral", "humility"),
}
AGREEMENT = 0.4
RATINGS = ("WikiArt-Emotions-All.tsv", "WikiArt-Emotions/WikiArt-Emotions-All.tsv",
           "emotion_labelled.csv")


def five(shares, agreement: float = AGREEMENT):
    """One word out of five for each painting.

    Args:
        shares: [N, 20], of annotators in [0, 1], several per painting allowed, columns in the order
            of ``affect.WIKIART_POINTS``.
        agreement: the least share that must have named the leading emotion.

    Returns:
        DataFrame: a column for each of the five words (the largest share among its emotions), and
            ``emotion``, the word that leads,
        or ``None`` where fewer agree or two words tie.

    Raises:
        KlangfarbeError: another number of columns, or shares outside [0, 1].
    """
    shares, names = np.asarray(shares, np.float64), list(affect.WIKIART_POINTS)
    if shares.ndim != 2 or shares.shape[1] != len(names):
        raise KlangfarbeError(f"shares [N, {len(names)}]", str(shares.shape),
                              "give a column for each emotion, in the map's order")
    if not ((shares >= 0) & (shares <= 1)).all():  # NaN is not
        raise KlangfarbeError("shares of annotators in [0, 1]", "others, or gaps",
                              "divide counts by the number of annotators")
    # [N, 5]
    led = np.stack([shares[:, [names.index(name) for name in GROUPS[word]]].max(1)
                    for word in affect.EMOTION_POINTS], axis=1)
    ranked = np.sort(led, axis=1)
    sure = (ranked[:, -1] >= agreement) & (ranked[:, -1] > ranked[:, -2])
    table = pd.DataFrame(led, columns=list(affect.EMOTION_POINTS))
    words = np.array(list(affect.EMOTION_POINTS), dtype=object)[led.argmax(1)]
    return table.assign(emotion=pd.Series(np.where(sure, words, None), dtype=object))


def wikiart(folder: Path | str, *, agreement: float = AGREEMENT, seen: str = "image and title",
            pictures_only: bool = False):
    """WikiArt-Emotions' paintings with one of the five words each; works that are no paintings are
    left out.

    Args:
        folder: as :func:`lib.data.collections.wikiart_emotions.manifest` takes it. seen: what
            annotators saw, see there.
        pictures_only: leave out paintings whose file is not there.

    Returns:
        The manifest's rows with ``emotion`` out of five or null, ``artist`` (what a split should
        keep together: up to 13 works of one hand) and the five words' shares.

    Raises:
        KlangfarbeError: the ratings are missing, or lack an emotion.
    """
    rows = wikiart_emotions.manifest(folder, paintings_only=True, seen=seen)
    file = layout.find_file(folder, RATINGS, "WikiArt Emotions' table of shares",
                          wikiart_emotions.WHERE)
    joined = file.suffix == ".csv"
    columns = [wikiart_emotions.SEEN[seen] + emotion for emotion in affect.WIKIART_POINTS]
    identity, artist = ("wikiart_emotions_id", "artist") if joined else ("ID", "Artist")
    rated = layout.read_table(file, [identity, artist, *columns], separator="," if joined else "\t")
    rated.index = "wikiart-" + rated[identity].astype(str)
    # in the manifest's order; a work without a rating would raise here
    rated = rated.loc[rows["item_id"]]
    found = five(rated[columns], agreement).set_index(rows.index)
    rows = rows.assign(artist=rated[artist].fillna("").to_numpy(object), **found)
    rows["artist"] = rows["artist"].where(rows["artist"] != "", rows["item_id"])
    return rows[rows["path"].notna()].reset_index(drop=True) if pictures_only else rows


def counts(rows) -> dict[str, int]:
    """How many rows have each of the five words, and under ``"none"`` how many have none."""
    given = rows["emotion"].value_counts()
    return {word: int(given.get(word, 0))
            for word in affect.EMOTION_POINTS} | {"none": int(rows["emotion"].isna().sum())}


def dealt(rows, fractions: dict[str, float] | None = None, seed: int = 0):
    """Rows that have a word, with ``split`` by artist: no hand on two sides."""
    rows = rows[rows["emotion"].notna()].reset_index(drop=True)
    return rows.assign(split=splits.by_group(rows["artist"],
                                             fractions or {"train": 0.8, "validation": 0.1,
                                                           "test": 0.1}, seed))


def predicted(config, pictures, rows, *, k: int = 5, seed: int = 0) -> np.ndarray:
    """Probabilities of every row by a classifier that saw nothing of its artist: float32 [N, 5].

    Each of `k` folds is told by a network trained on the others; the next fold serves as its
    validation set, of which nothing is chosen.

    Args:
        config: a classifier's; ``balanced`` is worth while here. pictures: uint8 [N, side, side,
            3]. rows: with ``emotion, artist``.
    """
    fold, found = splits.folds(rows["artist"], k,
                               seed), np.zeros((len(rows), len(affect.EMOTION_POINTS)), np.float32)
    for i in range(k):
        split = np.select([fold == i, fold == (i + 1) % k], ["test", "validation"], "train")
        model = train_classifier.build(config, seed)
        train_classifier.train(model, config, pictures, rows.assign(split=split), seed=seed)
        found[fold == i] = train_classifier.predict(model, pictures[fold == i])
    return found
