"""What of a picture arrives in the music that was made from its vector: its word, its feeling, and
the way back to it.

    fresh paintings ──► music ──tagger──► word, valence, arousal ──against the painting's own──► heard
                           └──a space in which both lie──► the nearest picture: of the same word? ──► found

Two spaces: :mod:`anchors` (likeness to sentences, by CLIP and by CLAP), and valence and arousal as
two judges read them who took no part.
Notebook: 20, 23, 24.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from lib import pretrained
from lib.core.errors import KlangfarbeError
from lib.data.atelier import TEST_SEED, paint
from lib.data.atelier.factors import draw
from lib.data.atelier.words import emotion_word
from lib.metrics import embedders, picture_regressor, retrieval, stats
from lib.systems.mapping import anchors

# items of TEST_SEED: nothing trains or chooses on them; notebooks 20 to 25 ask them different
# questions
FRESH_FROM = 700_000


class Fresh(NamedTuple):
    """N paintings nobody trained on: ``pictures`` uint8 [N, H, W, 3], ``words`` [N] their own,
    ``affect`` [N, 2] in ±1, ``indices``.
    """

    pictures: np.ndarray
    words: np.ndarray
    affect: np.ndarray
    indices: tuple[int, ...] = ()


def fresh(n: int, side: int, start: int = FRESH_FROM) -> Fresh:
    """Paintings of ``TEST_SEED``, as many of each of the five words.

    Args:
        n: a multiple of five. side: pixels, as the training pictures have.

    Raises:
        KlangfarbeError: not a multiple of five.
    """
    from lib.signal import affect, images
    if n < 5 or n % len(affect.EMOTION_POINTS):
        raise KlangfarbeError("five paintings or a multiple of it", str(n), "change the number")
    wanted, items, index = dict.fromkeys(affect.EMOTION_POINTS,
                                         n // len(affect.EMOTION_POINTS)), [], start
    while any(wanted.values()):
        item = draw(TEST_SEED, index)
        index += 1
        if wanted[emotion_word(item)]:
            wanted[emotion_word(item)] -= 1
            items.append(item)
    return Fresh(np.stack([images.square(paint.paint(item), side) for item in items]),
                 np.array([emotion_word(item) for item in items]),
                 np.array([[item.valence, item.arousal] for item in items]),
                 tuple(item.index for item in items))


def heard(paintings: Fresh, ears: Mapping, *, seed: int = 0):
    """Does the feeling arrive? DataFrame ``music, measure, value, low, high, null, n``, three
    measures a row of music.

    *word heard*: share whose own word is the nearest to what is heard (Wilson's interval; null: one
    in five). *CCC* of valence and arousal (bootstrap; null: the 97.5 % end with the music dealt to
    other paintings).

    Args:
        ears: name → DataFrame ``valence, arousal, word``, of ``bridging.listening.judged``.
    """
    from lib.metrics import affect

    rows, n = [], len(paintings.words)
    for name, ear in ears.items():
        value, low, high = stats.proportion(ear["word"].to_numpy() == paintings.words)
        rows.append((name, "word heard", value, low, high, 1 / 5, n))
        for axis, of in enumerate(("valence", "arousal")):
            pair = paintings.affect[:, axis], ear[of].to_numpy()
            luck = stats.permutation_null(affect.ccc, *pair, seed=seed)
            rows.append((name, f"CCC {of}", affect.ccc(*pair),
                         *stats.bootstrap(affect.ccc, *pair, seed=seed), np.quantile(luck, 0.975),
                         n))
    return pd.DataFrame(rows, columns=["music", "measure", "value", "low", "high", "null", "n"])


def spaces(paintings: Fresh, sounds: np.ndarray, sample_rate_hz: float, ear, clip,
           others: np.ndarray, other_sounds: Sequence) -> dict:
    """Where paintings and music can be near one another: ``{"anchors": (pictures [N, P], music [N,
    P]), "two judges": …}``.

    Args:
        sounds: float32 [N, samples]. ear: DataFrame of ``listening.judged`` on them. clip: the CLIP
            that sees for the anchors.
        others, other_sounds: pictures and sounds that are none of these, whose mean likeness to a
            sentence is taken off.
    """
    space = anchors.Anchors(clip, pretrained.load("text_audio"), *anchors.of_emotions(), others,
                            list(other_sounds), sample_rate_hz)
    seen, played = picture_regressor.load_picture_regressor().predict(paintings.pictures), ear[
        ["valence", "arousal"]].to_numpy()
    return {"anchors": (space.embed_pictures(paintings.pictures),
                        embedders.embed_clips(space, list(sounds), sample_rate_hz)),
            "two judges": (on_a_sphere(seen), on_a_sphere(played))}


def on_a_sphere(plane: np.ndarray) -> np.ndarray:
    """Points [N, 2] of the plane on the unit sphere [N, 3] (stereographic), where near means a high
    cosine; 0 is the pole.
    """
    square = np.square(plane).sum(1, keepdims=True)
    return np.hstack([2 * plane, 1 - square]) / (1 + square)


def found(places: Mapping[str, tuple], words: np.ndarray, *, n_shuffles: int = 999, seed: int = 0):
    """Is the picture nearest to a piece of its own word? DataFrame ``space, value, low, high, null,
    null_high, p, n``.

    ``p``: share of deals of the pieces to other pictures that do as well, the deal at hand among
    them; ``low, high``: Wilson's.

    Args:
        places: of :func:`spaces`. words: [N].
    """
    def first(pictures, music) -> float:
        return float(retrieval.ranks(music, pictures, groups=words)["r_at_1"].mean())

    rows = []
    for name, (pictures, music) in places.items():
        value, luck = first(pictures, music), stats.permutation_null(first, pictures, music,
                                                             n_shuffles=n_shuffles, seed=seed)
        low, high = stats.proportion(retrieval.ranks(music, pictures,
                                                     groups=words)["r_at_1"].to_numpy() > 0.5)[1:]
        p = (1 + np.sum(luck >= value - 1e-12)) / (1 + n_shuffles)
        rows.append((name, value, low, high, luck.mean(), np.quantile(luck, 0.975), p, len(words)))
    return pd.DataFrame(rows, columns=["space", "value", "low", "high", "null", "null_high", "p",
                                       "n"])
