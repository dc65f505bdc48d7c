"""How near predicted vectors lie to their targets, and what the music of a painting is worth. All
conditions point roughly where their mean points; the *centred* cosine takes the training mean off
both.  Source: Deepika chapters 5 and 6, Tables 6.1 to 6.4.  Notebook: 20, 22, 23, 24, 27."""

import hashlib
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
from scipy.special import rel_entr
from scipy.stats import t as student
from sklearn.linear_model import Ridge
from torch.nn import functional as F

from lib.core.errors import KlangfarbeError
from lib.data.atelier import TEST_SEED, factors, lexicon, paint, render, words
from lib.metrics import affect as affect_metrics
from lib.metrics import distances, embedders, stats, text_audio
from lib.metrics.evaluation_table import Measure
from lib.models import spectral_codec
from lib.signal import affect, images
from lib.systems import evaluation
from lib.systems.mapping import data
from lib.systems.mapping.config import RANGE_80_DB, DataConfig
from lib.systems.mapping.train_projection import HOP, N_FFT, N_MELS

MEASURES = ("cosine", "mae", "centred cosine")
EMOTIONS = tuple(affect.EMOTION_POINTS)
ABSTRACT_STYLES = ("colour_field", "geometric", "gestural", "abstract")  # the last: a guess
RATE_HZ = render.SAMPLE_RATE_HZ
PICTURES_FROM, PIECES_FROM = 700_000, 800_000  # indices in TEST_SEED


def row_scores(predicted: np.ndarray, targets: np.ndarray, mean: np.ndarray) -> dict:
    """The three :data:`MEASURES` of each row, float64 [N]; `mean`, [1, n, D], is taken off."""
    return {"cosine": evaluation.cosine_similarity(predicted, targets),
            "mae": np.abs(predicted - targets).mean((1, 2)),
            "centred cosine": evaluation.cosine_similarity(predicted - mean, targets - mean)}


def score_table(table: pd.DataFrame, predictions: dict[str, np.ndarray], targets: np.ndarray, *,
                seed: int = 0, n_shuffles: int = 200) -> pd.DataFrame:
    """The test pairs' mean scores, the mean vector's below, 95 % over linked groups; ``null,
    null_high``: targets permuted between groups, mean and 97.5 % end (MAE: 2.5 %)."""
    test, mean = (table["split"] == "test").to_numpy(), \
        targets[table["split"] == "train"].mean(0, keepdims=True)
    groups, rows = table["linked"].to_numpy()[test], []
    predictions = {**predictions, "mean vector": np.repeat(mean, len(table), axis=0)}
    for row, predicted in predictions.items():
        for name, values in row_scores(predicted[test], targets[test], mean).items():
            if row == "mean vector" and name == "centred cosine":
                continue  # 0 by construction
            null = stats.permutation_null(
                lambda truth, guess, name=name: float(row_scores(guess, truth, mean)[name].mean()),
                targets[test], predicted[test], groups=groups, n_shuffles=n_shuffles, seed=seed)
            low, high = stats.bootstrap(np.mean, values, groups=groups, seed=seed)
            rows.append({"row": row, "measure": name, "value": values.mean(), "low": low,
                         "high": high, "null": null.mean(), "null_high": np.quantile(
                             null, 0.025 if name == "mae" else 0.975), "n": len(values)})
    return pd.DataFrame(rows)


def mean_over_trainings(values: np.ndarray) -> tuple[float, float, float]:
    """The mean of a number [S] of S ≥ 2 trainings with its 95 % interval, by Student's t."""
    values = np.asarray(values, np.float64)
    reach = student.ppf(0.975, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean()), float(values.mean() - reach), float(values.mean() + reach)


def ridge_baseline(table: pd.DataFrame, vectors: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Vectors [N, D_in] → [N, n, D] by ridge regression, the penalty chosen on validation pairs."""
    train, validation = (np.flatnonzero(table["split"] == name) for name in ("train", "validation"))
    flat = targets.reshape(len(targets), -1)
    def validation_cosine(model) -> float:
        predicted = model.predict(vectors[validation]).reshape(targets[validation].shape)
        return evaluation.cosine_similarity(predicted, targets[validation]).mean()
    best = max((Ridge(alpha=alpha).fit(vectors[train], flat[train])
                for alpha in (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)), key=validation_cosine)
    return best.predict(vectors).reshape(targets.shape).astype(np.float32)


def build_test_set(n: int, seconds: float, rate_hz: int, training_table: Any,
                   config: DataConfig, side: int = 128, seed: int = 0) -> evaluation.TestSet:
    """Paintings in all styles and emotions by turns, two real pieces of its emotion for each; of
    the published collections IMEMNet's pictures and, after its own, another picture's clip."""
    trained = training_table[training_table["split"] != "test"]
    if config.origin == "published":
        table = data.unmet_paintings(config, seed).head(n).reset_index(drop=True)
        table = table.assign(
            pair=table["image"] + "+" + table["audio"], style=data.UNKNOWN,
            real=table.groupby("emotion")["audio"].transform(lambda clips: np.roll(clips, 1)))
        data.assert_unseen(table, trained)
        return evaluation.TestSet(table, data.read_pictures(table["image"], config.image_side), *(
            data.read_sounds(table[name], seconds, rate_hz) for name in ("audio", "real")))
    index, items = PICTURES_FROM, []
    for k in range(n):
        turn, column = divmod(k, len(factors.STYLES))
        emotion, item = EMOTIONS[(turn + column) % len(EMOTIONS)], None
        while item is None or words.emotion_word(item) != emotion:
            item = factors.draw(TEST_SEED, index, style=factors.STYLES[column])
            index += 1
        items.append(item)
    emotions = [words.emotion_word(item) for item in items]
    pieces = evaluation.draw_by_emotion(
        TEST_SEED, {emotion: 2 * emotions.count(emotion) for emotion in EMOTIONS}, PIECES_FROM)
    reference, real = ([pieces[emotion].pop(0) for emotion in emotions] for _ in range(2))
    table = pd.DataFrame([
        {"pair": f"{item.item_id}+{own.item_id}", "image": item.item_id,
         "emotion": words.emotion_word(item), "style": item.style, "valence": item.valence,
         "arousal": item.arousal, "audio": own.item_id, "real": other.item_id}
        for item, own, other in zip(items, reference, real, strict=True)])
    data.assert_unseen(table, trained)
    return evaluation.TestSet(table, np.stack([paint.paint(item, side) for item in items]),
                              render.render_items(reference, seconds, rate_hz),
                              render.render_items(real, seconds, rate_hz))


def draw_paintings(n: int, side: int, config: DataConfig, seed: int = 0) -> SimpleNamespace:
    """As many of each of five words, as far as IMEMNet has them: ``pictures, emotions, affect``
    [N, 2], and ``play``: seconds → the piece of each, float32 [N, samples] at :data:`RATE_HZ`."""
    if n < 5 or n % len(EMOTIONS):
        raise KlangfarbeError("five paintings or a multiple of it", str(n), "change the number")
    if config.origin == "published":
        table = data.unmet_paintings(config, seed).head(n)
        return SimpleNamespace(
            pictures=data.read_pictures(table["image"], side),
            emotions=table["emotion"].to_numpy(str),
            affect=table[["valence", "arousal"]].to_numpy(),
            play=lambda seconds: data.read_sounds(table["audio"], seconds, RATE_HZ))
    each = n // len(EMOTIONS)
    drawn = evaluation.draw_by_emotion(TEST_SEED, dict.fromkeys(EMOTIONS, each), PICTURES_FROM)
    items = sorted((item for some in drawn.values() for item in some[:each]),
                   key=lambda item: item.index)
    return SimpleNamespace(
        pictures=np.stack([images.square(paint.paint(item), side) for item in items]),
        emotions=np.array([words.emotion_word(item) for item in items]),
        affect=np.array([[item.valence, item.arousal] for item in items]),
        play=lambda seconds: render.render_items(items, seconds, RATE_HZ))


def own_pieces(first: int, n: int, seconds: float, config: DataConfig, seed: int = 0) -> tuple:
    """Pictures uint8 [n, H, H, 3], each one's own piece float32 [n, samples] at
    :data:`RATE_HZ`, its word, valence and arousal [n, 2]: `n` items of the atelier from index
    `first` on, or as many of IMEMNet's unmet pairs as there are of one in four, which `first`
    counts in ten thousands."""
    if config.origin == "published":
        table = data.unmet_paintings(config, seed).iloc[first // 10_000 % 4 :: 4].head(n)
        return (data.read_pictures(table["image"], config.image_side),
                data.read_sounds(table["audio"], seconds, RATE_HZ), table["emotion"].to_numpy(str),
                table[["valence", "arousal"]].to_numpy())
    items = [factors.draw(TEST_SEED, first + k) for k in range(n)]
    return (np.stack([paint.paint(item, 128) for item in items]),
            render.render_items(items, seconds, RATE_HZ),
            np.array([words.emotion_word(item) for item in items]),
            np.array([[item.valence, item.arousal] for item in items]))


def clip_features(sounds: np.ndarray, tagger, embedder, space, rate_hz: int) -> np.ndarray:
    """Clips [N, samples], structured [N]: ``affect, word, embedding, anchors, shares``."""
    return evaluation.structured({**evaluation.hear_affect(tagger, sounds, rate_hz),
                                  "embedding": embed_evenly(embedder, sounds, rate_hz),
                                  "anchors": embedders.embed_clips(space, list(sounds), rate_hz),
                                  "shares": distances.mel_shares(
                                      np.asarray(sounds, np.float32), rate_hz)})


def embed_evenly(embedder, sounds: np.ndarray, rate_hz: int) -> np.ndarray:
    """Clips [N, samples], brought to one loudness: float64 [N, D], what FAD and KAD compare."""
    return embedders.embed_clips(embedder, list(evaluation.match_loudness(sounds)), rate_hz)


def mel_error(sounds: np.ndarray, real: np.ndarray, rate_hz: int) -> np.ndarray:
    """Mean |difference| of the ln-mels of each of two rows of clips [N, samples], counted as the
    mel loss of training is: float64 [N], in units of 80 dB."""
    mel = spectral_codec.Mel(rate_hz, N_FFT, HOP, N_MELS)
    with torch.inference_mode():
        pairs = ([mel(torch.from_numpy(clip[None])) for clip in pair]
                 for pair in zip(sounds, real, strict=True))
        return np.array([F.l1_loss(*pair).item() for pair in pairs]) / RANGE_80_DB


def mel_error_ratio(ours: np.ndarray, theirs: np.ndarray, real: np.ndarray, rate_hz: int,
                    groups: np.ndarray | None = None, seed: int = 0) -> tuple[float, float, float]:
    """Mean :func:`mel_error` of ours over that of theirs: (value, low, high), 95 %, bootstrap."""
    def ratio(one, other) -> float:
        return float(one.mean() / other.mean())
    errors = [mel_error(some, real, rate_hz) for some in (ours, theirs)]
    return ratio(*errors), *stats.bootstrap(ratio, *errors, groups=groups, seed=seed)


def measures(test_set: evaluation.TestSet, reference: np.ndarray, places: np.ndarray, tagger,
             embedder, checked) -> list[Measure]:
    """Table 6.4's measures and the emotion's; `places`: the pictures' in the joint space."""
    return [Measure("IMSM", evaluation.with_card(text_audio.imsm, evaluation.cosine_similarity),
                    places, view=lambda rows: rows["anchors"], encoder=checked.card()),
            Measure("KLD", evaluation.with_card(distances.mel_energy_kld, lambda p, q: np.maximum(
                rel_entr(p, q).sum(1), 0)), reference["shares"], view=lambda rows: rows["shares"]),
            *evaluation.affect_measures(test_set.table, embedders.card(tagger)),
            evaluation.kad_measure(reference["embedding"], embedders.card(embedder))]


def affect_scores(paintings, predictions: Mapping, *, seed: int = 0) -> pd.DataFrame:
    """Music's word and CCCs against its painting's; null: 1 in 5, the 97.5 % end of permuted."""
    rows, n = [], len(paintings.emotions)
    for name, predicted in predictions.items():
        right = predicted["word"].to_numpy() == paintings.emotions
        rows.append((name, "word heard", *stats.proportion(right), 1 / len(EMOTIONS), n))
        for axis, column in enumerate(("valence", "arousal")):
            pair = paintings.affect[:, axis], predicted[column].to_numpy()
            null = stats.permutation_null(affect_metrics.ccc, *pair, seed=seed)
            rows.append((name, f"CCC {column}", affect_metrics.ccc(*pair), *stats.bootstrap(
                affect_metrics.ccc, *pair, seed=seed), np.quantile(null, 0.975), n))
    return pd.DataFrame(rows, columns=["music", "measure", "value", "low", "high", "null", "n"])


class JointSpace:
    """A space that was not trained: pictures (by CLIP) and sounds (by CLAP) as their similarity to
    P sentences of feeling, standardised over some of either, none of them a test item.
    Source: Moschella et al. (2023), "Relative representations"."""
    def __init__(self, clip, clap, pictures: np.ndarray, sounds, sample_rate_hz: float):
        def nearest(places: dict) -> list[str]:
            return [word for x, y in affect.EMOTION_POINTS.values() for word in sorted(
                places, key=lambda word: (places[word][0] / 10 - x) ** 2
                + (places[word][1] / 10 - y) ** 2)[:3]]
        texts = ([f"a painting. it feels {word}." for word in nearest(lexicon.FEELINGS)],
                 [f"a {word} piece of music." for word in nearest(lexicon.MOODS)])
        self._encoders = clip.embed_pictures, clap.embed
        self._texts = [embedders.unit(part.embed_text(some))
                       for part, some in zip((clip, clap), texts, strict=True)]
        self.name, self.width = f"anchors of {clip.name} and {clap.name}", len(texts[0])
        self.sample_rate_hz, self.window_seconds = clap.sample_rate_hz, clap.window_seconds
        self.sha256 = hashlib.sha256("\n".join([clip.sha256, clap.sha256,
                                                *sum(texts, [])]).encode()).hexdigest()
        known = (embedders.embed_pictures(clip, pictures),
                 embedders.embed_clips(clap, sounds, sample_rate_hz))
        similar = [embedders.unit(x) @ text.T for x, text in zip(known, self._texts, strict=True)]
        self._mean = [x.mean(0) for x in similar]
        self._spread = [np.maximum(x.std(0), 1e-6) for x in similar]

    def _place(self, some: np.ndarray, side: int) -> np.ndarray:
        similar = embedders.unit(self._encoders[side](some)) @ self._texts[side].T
        return embedders.unit((similar - self._mean[side]) / self._spread[side])

    def embed_pictures(self, pictures: np.ndarray) -> np.ndarray:
        """Pictures uint8 [N, H, W, 3] → float64 [N, P]."""
        return self._place(pictures, 0)

    def embed(self, windows: np.ndarray) -> np.ndarray:
        """Windows float32 [N, samples] at ``sample_rate_hz`` → float64 [N, P]."""
        return self._place(windows, 1)


def fit_joint_space(clip, clap, pairs: data.PairedData, rate_hz: int, seed: int = 0) -> JointSpace:
    """The space standardised by 150 training pairs, 5 s of sounds at `rate_hz`."""
    rows = np.sort(np.random.default_rng(seed).permutation(pairs.rows("train"))[:150])
    sounds = [np.asarray(pairs.sounds[row, : 5 * rate_hz], np.float32) for row in rows]
    return JointSpace(clip, clap, pairs.pictures[rows], sounds, rate_hz)
