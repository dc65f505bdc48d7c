"""The test set and the metrics of Table 2 (FAD, CLAP, KL, THD, SNR) and of the emotion heard, for
rows of clips. Sets are compared at one loudness, for the tagger's embedding depends on loudness;
valence and arousal are predicted from clips as generated.
Source: Hisariya & Liang §V.B. The published test set is a tenth of the pairs, cut from pieces that
training knew; of the atelier it is new, of its ``TEST_SEED``. Notebook: 14, 15."""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lib import pretrained
from lib.core.errors import KlangfarbeError
from lib.data.atelier import TEST_SEED, lexicon, paint, render, words
from lib.metrics import audio_quality, distances, embedders, spectral, stats, text_audio
from lib.metrics.evaluation_table import Measure
from lib.signal import affect
from lib.systems import evaluation
from lib.systems.bridging import data
from lib.systems.bridging.config import EvaluationConfig

EMOTIONS = tuple(affect.EMOTION_POINTS)
PAINTINGS_FROM, PIECES_FROM = 500_000, 600_000  # first indices in TEST_SEED
MODELS = ("M1", "M2", "M3", "M4")


class Encoders(NamedTuple):
    """The networks that measure."""
    tagger: Any  # predicts valence and arousal
    embedder: Any  # of FAD and KAD
    classes: Any  # of the paired KL
    clap: text_audio.VerifiedEncoder


def load_encoders(config: EvaluationConfig, real: np.ndarray, descriptions: Sequence[str],
                  sample_rate_hz: int) -> Encoders:
    """The encoders that a config names; real pieces [N, samples] must find their descriptions."""
    tagger = pretrained.load("tagger")
    named = {name: tagger if name == "tagger" else embedders.load(name)
             for name in {config.embedder, config.classes}}
    clap = text_audio.verify_encoder(pretrained.load("text_audio", config.text_audio), list(real),
                                     sample_rate_hz, list(descriptions))
    return Encoders(tagger, named[config.embedder], named[config.classes], clap)


def make_test_set(n: int, seconds: float, rate_hz: int,
                  training: data.Data) -> evaluation.TestSet:
    """`n` paintings by turns of their words, with two real pieces each: of the atelier unknown to
    `training`; else its test pairs (n at most), each with a held-out segment of another piece."""
    if training.config.origin == "published":
        return _published_test_set(n, seconds, rate_hz, training)
    each = max(2, n // len(EMOTIONS))  # of each word
    shown, played = (evaluation.draw_by_emotion(TEST_SEED, dict.fromkeys(EMOTIONS, k), start)
                     for k, start in ((each, PAINTINGS_FROM), (2 * each, PIECES_FROM)))
    turns = [(word, k) for k in range(each) for word in EMOTIONS]
    paintings = [shown[word][k] for word, k in turns]
    reference, real = ([played[word][k + more] for word, k in turns] for more in (0, each))
    table = pd.DataFrame([{"painting": item.item_id, "emotion": words.emotion_word(item),
                           "valence": item.valence, "arousal": item.arousal, "piece": own.item_id,
                           "real": other.item_id, "real_description": words.description(other)}
                          for item, own, other in zip(paintings, reference, real, strict=True)])
    evaluation.assert_unseen(training.table.rename(columns=data.IDS), table, "painting", "piece",
                             "real")
    return evaluation.TestSet(table, np.stack([paint.paint(item, 128) for item in paintings]), *(
        render.render_items(items, seconds, rate_hz) for items in (reference, real)))


def _published_test_set(n: int, seconds: float, rate_hz: int,
                        training: data.Data) -> evaluation.TestSet:
    data.assert_no_leakage(data.check_leakage(training.table), training.config.how)
    test, others = data.pairs_by_turns(training, ("test",)).head(n), []
    held = data.pairs_by_turns(training, ("test", "validation"))
    for row in test.itertuples():
        some = held[(held["emotion"] == row.emotion) & (held["piece"] != row.piece)]
        if not len(some):
            raise KlangfarbeError("held-out segments of two pieces of every emotion",
                                  f"one piece that is {row.emotion}", "take more pieces")
        others.append(some.iloc[row.turn % len(some)])
    real = pd.DataFrame(others).reset_index(drop=True)
    table = test.assign(real=real["piece"], real_description=real["description"])
    return evaluation.TestSet(table, training.pictures(table["painting"], training.side), *(
        data.beginnings(training, rows, seconds, rate_hz) for rows in (table, real)))


def codec_round_trip(sounds: np.ndarray, codec, batch: int = 16) -> np.ndarray:
    """Sounds [N, samples] at the codec's rate, encoded and decoded: the ceiling of its decoders."""
    parts = [codec.round_trip(sounds[at : at + batch, None])[:, 0].cpu().numpy()
             for at in range(0, len(sounds), batch)]
    return np.concatenate(parts)[:, : sounds.shape[1]].astype(np.float32)


def score_clips(sounds: Any, texts: Mapping[str, Sequence[str]], encoders: Encoders,
                sample_rate_hz: int, reference: np.ndarray | None = None) -> np.ndarray:
    """Sounds [N, samples], structured [N]: the cosine with each of N texts under the name it has in
    `texts`, [N] a row; at one loudness ``windows`` [W, D] and their mean ``embedding``; shares of
    ``blank`` mel cells, ``flatness``. With a `reference` [N, samples] also ``affect``, the nearest
    ``word``, ``logits, thd``, and against every reference ``snr`` (dB), ``histogram`` (nats)."""
    length = sounds.shape[1] if reference is None else min(sounds.shape[1], reference.shape[1])
    sounds, (tagger, embedder, classes, clap) = sounds[:, :length], encoders
    even: Any = evaluation.match_loudness(sounds)
    clips = embedders.unit(embedders.embed_clips(clap.encoder, sounds, sample_rate_hz))
    windows, _ = embedders.embed_windows(embedder, even, sample_rate_hz)
    windows = windows.reshape(len(sounds), -1, embedder.width)  # clips are of one length
    quality = audio_quality.measure_quality(sounds, sample_rate_hz)
    columns: dict[str, Any] = {
        name: clips @ embedders.unit(clap.encoder.embed_text(list(some))).T
        for name, some in texts.items()}
    columns |= {"windows": windows, "embedding": windows.mean(1),
                "blank": quality["blank"], "flatness": quality["flatness"]}
    if reference is not None:
        reference = reference[:, :length]
        columns |= {
            **evaluation.hear_affect(tagger, sounds, sample_rate_hz),
            "logits": embedders.logits_of_clips(classes, even, sample_rate_hz),
            "snr": _snr(sounds, reference), "histogram": _histogram_kl(sounds, reference),
            "thd": np.array([_thd(sound, sample_rate_hz) for sound in sounds])}
    return evaluation.structured(columns)


def over_trainings(statistic: Callable[[np.ndarray], float], ours: Sequence[np.ndarray],
                   theirs: Sequence[np.ndarray], groups: np.ndarray, *, seed: int = 0) -> tuple:
    """A statistic of rows [N], ours minus theirs, a set of rows for each of S trainings: (each
    training's difference [S], (value, low, high)), 95 % over trainings and groups of rows by
    ``stats.difference_over_seeds``; of a single training over groups alone, by the jackknife."""
    each = np.array([statistic(a) - statistic(b) for a, b in zip(ours, theirs, strict=True)])
    if len(each) > 1:
        return each, stats.difference_over_seeds(statistic, ours, theirs, groups, seed=seed)
    low, high = stats.jackknife(lambda kept: statistic(ours[0][kept]) - statistic(theirs[0][kept]),
                                np.arange(len(ours[0])), groups=groups, seed=seed)
    return each, (float(each[0]), low, high)


@functools.cache
def common_caption(word: str) -> str:
    """One text for all models: the two moods nearest to an emotion's point."""
    point, moods = np.array(affect.EMOTION_POINTS[word]), lexicon.MOODS
    first, second = sorted(moods, key=lambda mood: float(
        np.square(np.array(moods[mood]) / 10 - point).sum()))[:2]
    return f"A {first} and {second} piece."


def measures(table: pd.DataFrame, reference: np.ndarray, encoders: Encoders) -> list[Measure]:
    """The measures of :func:`score_clips`' rows but FAD; THD, SNR, histogram KL rank nothing."""
    n, printed = np.arange(len(table))[:, None], published()
    tags, embedder, classes = map(embedders.card, encoders[:3])
    text = encoders.clap.card()
    at = evaluation.precomputed
    return [
        Measure("CLAP, own text", at(text_audio.clap), n, view=lambda rows: rows["own"],
                published=printed["clap"], encoder=text),
        Measure("CLAP, common text", at(text_audio.clap), n, view=lambda rows: rows["common"],
                encoder=text),
        evaluation.kad_measure(reference["embedding"], embedder),
        Measure("paired KL", distances.paired_kl, reference["logits"],
                view=lambda rows: rows["logits"], encoder=classes),
        *evaluation.affect_measures(table, tags),
        Measure("histogram KL", at(distances.original_histogram_kl), n,
                view=lambda rows: rows["histogram"], published=printed["kl"], printed="↓"),
        Measure("SNR", at(spectral.snr, ranked=False), n, view=lambda rows: rows["snr"],
                published=printed["snr"], printed="↓"),
        Measure("THD", evaluation.with_card(spectral.thd, lambda _, values: values, ranked=False),
                n, view=lambda rows: rows["thd"], published=printed["thd"], printed="↑")]


def published() -> dict[str, dict[str, float]]:
    """Table 2 as printed: ``{"fad": {"M1": 7.02, …}, "clap": …, "kl": …, "thd": …, "snr": …}``."""
    printed = evaluation.published_values("S1-1", "S1-2")
    return {name: {model: printed[f"{name}_{model.lower()}"] for model in MODELS}
            for name in ("fad", "clap", "kl", "thd", "snr")}


def _snr(sounds: np.ndarray, reference: np.ndarray) -> np.ndarray:
    # spectral.snr of every sound against every reference, dB [N, N]
    sounds, reference = sounds.astype(np.float64), reference.astype(np.float64)
    power = np.square(reference).sum(1)
    error = np.square(sounds).sum(1)[:, None] - 2 * sounds @ reference.T
    return 10 * np.log10(power / np.maximum(error + power, np.finfo(float).tiny))


def _histogram_kl(sounds: np.ndarray, reference: np.ndarray) -> np.ndarray:
    # distances.original_histogram_kl of every sound against every reference, nats [N, N]
    counts = [np.stack([np.histogram(sound.astype(np.float64), 100)[0] + 1e-10
                        for sound in some]) for some in (sounds, reference)]
    q, p = (some / some.sum(1, keepdims=True) for some in counts)
    return np.maximum((p * np.log(p)).sum(1) - np.log(q) @ p.T, 0)


def _thd(sound: np.ndarray, sample_rate_hz: int) -> float:
    # the strongest frequency, 50 to 2,000 Hz, stands for the fundamental that music does not have
    sound = sound - sound.mean()  # beside a large constant every tone is hardly any energy
    level = np.abs(np.fft.rfft(sound))
    hertz = np.arange(len(level)) * sample_rate_hz / len(sound)
    return spectral.thd(sound, sample_rate_hz,
                        float(hertz[np.where((hertz > 50) & (hertz < 2000), level, 0).argmax()]))
