"""What the music of a painting is worth: the test set, what is computed of each clip, the measures.

    paintings ─┬─ CLIP ─► projections (Studies I, II, ablations × seeds) ─┐
    (fresh)    ├─ caption (─► directive), written at run time ────────────┼─► music ─► clip_features
               └─ nearest training picture ─► its music (retrieval) ──────┘             ─► scores
    fresh pieces of the same emotion: one is the reference, one more is real music

Source: Deepika chapters 5 and 6, Tables 6.1 to 6.4; research question 4 (abstract pictures).

Known deviations: the published test set is a tenth of the pairs; here paintings and pieces are the
atelier's ``TEST_SEED``, which nothing trains on, as many as decide the question · clips are brought
to one loudness before sets are compared · differences between ablations are taken over seeds and
paintings at once; the paper does not say how often each was trained.
Notebook: 20, 22, 23, 24, 27.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple

import librosa
import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data import registry
from lib.data.atelier import TEST_SEED, factors, paint, render, words
from lib.metrics import affect as affect_metrics
from lib.metrics import (
    divergence,
    embedders,
    picture_regressor,
    retrieval,
    stats,
    text_audio,
)
from lib.metrics.evaluation_table import Measure
from lib.signal import affect, images
from lib.systems import evaluation
from lib.systems.mapping import data
from lib.systems.mapping.config import DataConfig, EvaluationConfig

EMOTIONS = tuple(affect.EMOTION_POINTS)
ABSTRACT_STYLES = ("colour_field", "geometric", "gestural")
PICTURES_FROM, PIECES_FROM = 700_000, 800_000  # indices in TEST_SEED


class TestSet(NamedTuple):
    """N fresh paintings and two real pieces of each one's emotion.

    Attributes:
        table: ``pair, image, emotion, style, valence, arousal`` of the painting, ``audio`` (the
            reference), ``real``.
        pictures: uint8 [N, H, W, 3]. reference, real: float32 [N, samples] at `rate_hz`.
    """

    table: pd.DataFrame
    pictures: np.ndarray
    reference: np.ndarray
    real: np.ndarray
    rate_hz: int


class Paintings(NamedTuple):
    """N fresh paintings: ``pictures`` uint8 [N, H, W, 3], ``emotions`` [N], ``affect`` [N, 2] in
    [−1, 1], ``indices`` in ``TEST_SEED``.
    """

    pictures: np.ndarray
    emotions: np.ndarray
    affect: np.ndarray
    indices: tuple[int, ...] = ()


def build_test_set(config: EvaluationConfig, rate_hz: int,
                   training_table: pd.DataFrame) -> TestSet:
    """Paintings in all styles and emotions by turns (any 40 in a row hold every emotion in every
    style), and two real pieces of the same emotion for each.

    Raises:
        KlangfarbeError: one of these is in the training table.
    """
    index, items = PICTURES_FROM, []
    for k in range(config.n_pictures):
        turn, column = divmod(k, len(factors.STYLES))
        emotion = EMOTIONS[(turn + column) % len(EMOTIONS)]
        item = factors.draw(TEST_SEED, index, style=factors.STYLES[column])
        while words.emotion_word(item) != emotion:
            index += 1
            item = factors.draw(TEST_SEED, index, style=factors.STYLES[column])
        items.append(item)
        index += 1
    emotions = [words.emotion_word(item) for item in items]
    pieces = evaluation.draw_by_emotion(
        TEST_SEED, {emotion: 2 * emotions.count(emotion) for emotion in EMOTIONS}, PIECES_FROM)
    reference, real = ([pieces[emotion].pop(0) for emotion in emotions] for _ in range(2))
    table = pd.DataFrame({
        "pair": [f"{a.item_id}+{b.item_id}" for a, b in zip(items, reference, strict=True)],
        "image": [item.item_id for item in items], "emotion": emotions,
        **{name: [getattr(item, name) for item in items]
           for name in ("style", "valence", "arousal")},
        "audio": [item.item_id for item in reference], "real": [item.item_id for item in real]})
    data.assert_unseen(table, training_table)
    pictures = np.stack([paint.paint(item, config.side) for item in items])
    return TestSet(table, pictures, *(render.render_items(some, config.seconds, rate_hz)
                                      for some in (reference, real)), rate_hz)


def draw_paintings(n: int, side: int, start: int = PICTURES_FROM) -> Paintings:
    """Fresh paintings, as many of each of the five emotions.

    Raises:
        KlangfarbeError: `n` is no multiple of five.
    """
    if n < 5 or n % len(EMOTIONS):
        raise KlangfarbeError("five paintings or a multiple of it", str(n), "change the number")
    remaining, items, index = dict.fromkeys(EMOTIONS, n // len(EMOTIONS)), [], start
    while any(remaining.values()):
        item = factors.draw(TEST_SEED, index)
        index += 1
        if remaining[words.emotion_word(item)]:
            remaining[words.emotion_word(item)] -= 1
            items.append(item)
    return Paintings(np.stack([images.square(paint.paint(item), side) for item in items]),
                     np.array([words.emotion_word(item) for item in items]),
                     np.array([[item.valence, item.arousal] for item in items]),
                     tuple(item.index for item in items))


def draw_pairs(n: int, config: DataConfig, training_table: pd.DataFrame, generator, clip,
               predict_emotions=None) -> data.PairedData:
    """`n` test pairs of the atelier's ``TEST_SEED``, prepared and stored as those that train.

    Raises:
        KlangfarbeError: one of them is in the training table.
    """
    pairs = data.prepare_atelier(replace(config, n_pairs=n, n_views=1), generator, clip,
                                 predict_emotions, collection=TEST_SEED)
    data.assert_unseen(pairs.table, training_table)
    return replace(pairs, table=pairs.table.assign(split="test"))


def real_paintings(collection: str, n: int, side: int) -> np.ndarray:
    """Real paintings, evenly out of a collection's files: uint8 [n, side, side, 3], black bars cut
    off.

    Args:
        collection: ``monet_jpg`` or ``wikiart_paintings``, below ``KLANGFARBE_REAL_DATA`` or
            ``data/raw``.
    """
    folder = registry.find_folder((collection,))
    files = sorted(folder.glob("*.jpg")) or sorted((folder / "emotion_labelled").glob("*.jpg"))
    if not files:
        raise KlangfarbeError(f"pictures in {collection}", "none",
                              "see data/README.md for where to get it and where to put it")
    chosen = [files[k * len(files) // n] for k in range(min(n, len(files)))]
    return np.stack([images.square(images.crop_bars(images.load(file)), side) for file in chosen])


def retrieve_music(vectors: np.ndarray, pairs: data.PairedData, n_samples: int) -> np.ndarray:
    """The music of the training pair whose picture is nearest (cosine) to each vector [N, D_in]:
    float32 [N, n_samples].
    """
    rows = pairs.rows("train")
    nearest = rows[evaluation.nearest(vectors, np.asarray(pairs.vectors[rows, 0]))]
    return np.stack([np.resize(pairs.sounds[row].astype(np.float32), n_samples)
                     for row in nearest])


def clip_features(sounds: np.ndarray, tagger, space, rate_hz: int) -> np.ndarray:
    """What the measures need of clips [N, samples]: a structured array [N].

    ``affect`` [2] and ``word`` by the tagger, of the clips as played; ``embedding`` of clips at one
    loudness; ``anchors`` [P], the place in the joint space; ``shares`` [128] (:func:`mel_shares`).
    """
    points = embedders.predict_affect(tagger, sounds, rate_hz)
    return evaluation.structured({
        "affect": points, "word": evaluation.nearest_emotions(points),
        "embedding": embedders.embed_clips(tagger, list(evaluation.match_loudness(sounds)),
                                           rate_hz),
        "anchors": embedders.embed_clips(space, list(sounds), rate_hz),
        "shares": mel_shares(sounds, rate_hz)})


def mel_shares(sounds: np.ndarray, rate_hz: int, floor: float = 1e-8) -> np.ndarray:
    """A sound's power spread over 128 mel bands, rows of sum 1: [N, samples] → [N, 128], as in
    ``divergence.mel_energy_kld``.
    """
    spectrogram = librosa.feature.melspectrogram(
        y=np.asarray(sounds, np.float32), sr=rate_hz, n_fft=1024, hop_length=256, n_mels=128,
        power=2.0, center=False)
    power = spectrogram.sum(axis=-1).astype(np.float64)
    shares = power / np.maximum(power.sum(axis=1, keepdims=True), 1e-30) + floor
    return shares / shares.sum(axis=1, keepdims=True)


def kl_divergence(reference: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """KL of :func:`mel_shares`, row by row, nats: [N, 128] twice → [N]."""
    return np.maximum((reference * np.log(reference / shares)).sum(1), 0)


def measures(test_set: TestSet, reference: np.ndarray, places: np.ndarray, tagger,
             checked) -> list[Measure]:
    """Table 6.4's measures and the emotion's, for ``evaluation_table`` on :func:`clip_features`.

    Args:
        reference: :func:`clip_features` of the reference pieces.
        places: of the pictures in the joint space [N, P]; `checked`: its check, for its card.
    """
    card = embedders.card(tagger)
    return [
        Measure("IMSM", evaluation.with_card(text_audio.imsm, evaluation.cosines), places,
                view=lambda rows: rows["anchors"], encoder=checked.card()),
        Measure("KLD", evaluation.with_card(divergence.mel_energy_kld, kl_divergence),
                reference["shares"], view=lambda rows: rows["shares"]),
        *evaluation.affect_measures(test_set.table, card),
        evaluation.kad_measure(reference["embedding"], card),
    ]


def affect_scores(paintings: Paintings, predictions: Mapping[str, pd.DataFrame], *,
                  seed: int = 0) -> pd.DataFrame:
    """Does the music have its painting's emotion? ``music, measure, value, low, high, null, n``,
    three measures a row of music.

    *word heard*: share whose own emotion is predicted (Wilson's interval; null: one in five). *CCC*
    of valence and arousal (bootstrap; null: the 97.5 % end with the music permuted).

    Args:
        predictions: name → ``valence, arousal, word`` of each piece, by the tagger.
    """
    rows, n = [], len(paintings.emotions)
    for name, predicted in predictions.items():
        right = predicted["word"].to_numpy() == paintings.emotions
        rows.append((name, "word heard", *stats.proportion(right), 1 / len(EMOTIONS), n))
        for axis, column in enumerate(("valence", "arousal")):
            pair = paintings.affect[:, axis], predicted[column].to_numpy()
            null = stats.permutation_null(affect_metrics.ccc, *pair, seed=seed)
            rows.append((name, f"CCC {column}", affect_metrics.ccc(*pair),
                         *stats.bootstrap(affect_metrics.ccc, *pair, seed=seed),
                         np.quantile(null, 0.975), n))
    return pd.DataFrame(rows, columns=["music", "measure", "value", "low", "high", "null", "n"])


def affect_places(pictures: np.ndarray, predicted: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Pictures and pieces [N, 3] as the two valence–arousal regressors place them
    (:func:`to_sphere`).
    """
    return (to_sphere(picture_regressor.load_picture_regressor().predict(pictures)),
            to_sphere(predicted[["valence", "arousal"]].to_numpy()))


def to_sphere(plane: np.ndarray) -> np.ndarray:
    """Points [N, 2] of the plane on the unit sphere [N, 3] (stereographic), where near means a high
    cosine; 0 is the pole.
    """
    square = np.square(plane).sum(1, keepdims=True)
    return np.hstack([2 * plane, 1 - square]) / (1 + square)


def emotion_retrieval(places: Mapping[str, tuple[np.ndarray, np.ndarray]], emotions: np.ndarray, *,
                      n_shuffles: int = 999, seed: int = 0) -> pd.DataFrame:
    """Has the picture nearest to a piece the piece's emotion? ``space, value, low, high, null,
    null_high, p, n``; Wilson's interval, p by permutation.

    Args:
        places: space → (pictures [N, P], pieces [N, P]).
    """
    def score(pictures, music) -> np.ndarray:
        return retrieval.ranks(music, pictures, groups=emotions)["r_at_1"].to_numpy()

    rows = []
    for name, (pictures, music) in places.items():
        found = score(pictures, music)
        value, null = float(found.mean()), stats.permutation_null(
            lambda *pair: float(score(*pair).mean()), pictures, music, n_shuffles=n_shuffles,
            seed=seed)
        p = (1 + np.sum(null >= value - 1e-12)) / (1 + n_shuffles)
        rows.append((name, value, *stats.proportion(found > 0.5)[1:], null.mean(),
                     np.quantile(null, 0.975), p, len(emotions)))
    return pd.DataFrame(rows, columns=["space", "value", "low", "high", "null", "null_high", "p",
                                       "n"])


def select_by_style(pairs: data.PairedData, n: int) -> pd.DataFrame:
    """The first `n` pictures in abstract styles and the first `n` others, indexed by the pair's
    row: columns of ``data.atelier_labels`` and ``image, group`` (*abstract* or *the rest*).

    Raises:
        KlangfarbeError: there are fewer.
    """
    labels = data.atelier_labels(pairs.table).assign(image=pairs.table["image"].to_numpy())
    abstract = labels["style"].isin(ABSTRACT_STYLES)
    labels = labels.assign(group=np.where(abstract, "abstract", "the rest"))
    labels = labels.drop_duplicates("image")
    parts = [labels[labels["group"] == name].head(n) for name in ("abstract", "the rest")]
    if any(len(part) < n for part in parts):
        raise KlangfarbeError(f"{n} pictures of either group",
                              " and ".join(str(len(part)) for part in parts),
                              "draw more pairs, or play to fewer")
    return pd.concat(parts)


def group_scores(pictures: pd.DataFrame, places: np.ndarray, features: np.ndarray, *,
                 seed: int = 0, n_shuffles: int = 999) -> pd.DataFrame:
    """Does the music fit its picture in each group? ``group, measure, value, low, high, luck_low,
    luck_high, p, n``.

    *IMSM*: mean cosine of a picture's place and its music's; *agreement*: mean CCC of predicted and
    true valence and arousal. ``luck_…``: 95 % with the music permuted within the group.

    Args:
        pictures: of :func:`select_by_style`, N rows. places: theirs in the joint space [N, P].
        features: :func:`clip_features` of their music.
    """
    def imsm(pictures_at, music_at) -> float:
        return float(evaluation.cosines(pictures_at, music_at).mean())

    found = []
    for group in pictures["group"].unique():
        rows = np.flatnonzero(pictures["group"] == group)
        truth = pictures[["valence", "arousal"]].to_numpy()[rows]
        for name, score, *pair in (
                ("IMSM", imsm, places[rows], features["anchors"][rows]),
                ("agreement", evaluation.agreement, truth, features["affect"][rows])):
            null = stats.permutation_null(score, *pair, n_shuffles=n_shuffles, seed=seed)
            value, (low, high) = score(*pair), stats.bootstrap(score, *pair, seed=seed)
            found.append({"group": group, "measure": name, "value": value, "low": low,
                          "high": high, "luck_low": np.quantile(null, 0.025),
                          "luck_high": np.quantile(null, 0.975),
                          "p": (1 + np.sum(null >= value)) / (1 + n_shuffles), "n": len(rows)})
    return pd.DataFrame(found)


def exclude_styles(pairs: data.PairedData, styles=ABSTRACT_STYLES,
                   seed: int = 0) -> dict[str, np.ndarray]:
    """Two choices of equally many training pairs, bool [N]: ``without`` these styles, and ``with``
    them, a random share of all. Pairs of the other splits stay in both.
    """
    is_train = (pairs.table["split"] == "train").to_numpy()
    excluded = data.atelier_labels(pairs.table)["style"].isin(styles).to_numpy()
    rows = pairs.rows("train")
    share = np.random.default_rng(seed).permutation(rows)[: int((~excluded[rows]).sum())]
    return {"without": ~(is_train & excluded),
            "with": np.isin(np.arange(len(is_train)), share) | ~is_train}
