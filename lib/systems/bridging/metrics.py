"""The metrics of Table 2 (Hisariya & Liang §V.B: FAD, CLAP, KL, THD, SNR) and of the emotion heard,
for rows of clips.

Sets are compared at one loudness, for the tagger's embedding depends on loudness; valence and
arousal are predicted from clips as generated, for loudness is part of what makes music excited.
Notebook: 14, 15.
"""

import functools
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import torch

from lib.data.atelier.lexicon import MOODS
from lib.metrics import divergence, embedders, spectral, text_audio
from lib.metrics.evaluation_table import Measure
from lib.signal import affect as plane
from lib.systems import evaluation

PUBLISHED_CAPTION = "{} song"  # the text of Figure 4, one for all models
N_BINS = 100  # of the original code's histograms
MODELS = ("M1", "M2", "M3", "M4")


def score_clips(sounds: np.ndarray, reference: np.ndarray, own: Sequence[str],
                common: Sequence[str], tagger, clap, sample_rate_hz: int) -> np.ndarray:
    """One row of the table as its measures need it, a structured array [N], of sounds float32 [N,
    samples], real pieces of the same words, the texts that the sounds are of and the `common` ones;
    `clap` is of :func:`lib.metrics.text_audio.verify_encoder`.

    Returns:
        ``affect`` [2] and the nearest ``word``; ``logits`` and ``embedding`` at one loudness;
        ``loud``, the embedding as generated; ``thd``; and against every painting, its own on the
        diagonal: ``own``, ``common`` (cosines), ``snr`` (dB), ``histogram`` (nats), [N] a row.
    """
    length = min(sounds.shape[1], reference.shape[1])
    sounds, reference = sounds[:, :length], reference[:, :length]
    _, points, loud = _tagger_outputs(tagger, sounds, sample_rate_hz)
    logits, _, embedding = _tagger_outputs(tagger, evaluation.match_loudness(sounds),
                                           sample_rate_hz)
    clips = evaluation.unit(embedders.embed_clips(clap.encoder, sounds, sample_rate_hz))
    texts = sorted({*own, *common})
    vectors = evaluation.unit(embedders.check_vectors(clap.encoder, clap.encoder.embed_text(texts),
                                                      len(texts), clap.encoder.width))
    return evaluation.structured({
        "affect": points, "logits": logits, "embedding": embedding, "loud": loud,
        "own": clips @ vectors[[texts.index(text) for text in own]].T,
        "common": clips @ vectors[[texts.index(text) for text in common]].T,
        "snr": _snr(sounds, reference), "histogram": _histogram_kl(sounds, reference),
        "thd": np.array([_thd(sound, sample_rate_hz) for sound in sounds]),
        "word": evaluation.nearest_emotions(points)})


@functools.cache
def common_caption(word: str) -> str:
    """One text for all models in the bundled text–audio encoder's vocabulary: the two moods nearest
    to the emotion's point. (The encoder was not trained on :data:`PUBLISHED_CAPTION`.)
    """
    point = np.array(plane.EMOTION_POINTS[word])
    first, second = sorted(MOODS, key=lambda mood: float(np.square(np.array(MOODS[mood]) / 10
                                                                   - point).sum()))[:2]
    return f"A {first} and {second} piece."


def caption_recognised(clap, texts: Mapping[str, str], emotions: Sequence[str], sounds: np.ndarray,
                       sample_rate_hz: int) -> np.ndarray:
    """Whether, of K texts (emotion → text), a sound's own has the highest cosine, each text's mean
    over all sounds taken off first: float64 [N], 1 or 0.
    """
    cosines = evaluation.unit(embedders.embed_clips(clap.encoder, sounds, sample_rate_hz)) \
        @ evaluation.unit(clap.encoder.embed_text(list(texts.values()))).T
    nearest = np.array(list(texts))[(cosines - cosines.mean(0)).argmax(1)]
    return evaluation.emotion_recognised(np.array(emotions), nearest)


def measures(table: pd.DataFrame, reference: np.ndarray, tagger, clap) -> list[Measure]:
    """The measures of rows of :func:`score_clips`, without FAD, which has its own table; THD, SNR
    and the histogram KL have no direction here: they rank nothing.
    """
    n, printed = np.arange(len(table))[:, None], published()
    tags, text = embedders.card(tagger), clap.card()
    at = evaluation.precomputed
    return [
        Measure("CLAP, own text", at(text_audio.clap), n, view=lambda rows: rows["own"],
                published=printed["clap"], encoder=text),
        Measure("CLAP, common text", at(text_audio.clap), n, view=lambda rows: rows["common"],
                encoder=text),
        evaluation.kad_measure(reference["embedding"], tags),
        Measure("paired KL", divergence.paired_kl, reference["logits"],
                view=lambda rows: rows["logits"], encoder=tags),
        *evaluation.affect_measures(table, tags),
        Measure("histogram KL", at(divergence.original_histogram_kl), n,
                view=lambda rows: rows["histogram"], published=printed["kl"], printed="↓"),
        Measure("SNR", at(spectral.snr, ranked=False), n, view=lambda rows: rows["snr"],
                published=printed["snr"], printed="↓"),
        Measure("THD", evaluation.with_card(spectral.thd, lambda _, values: values, ranked=False),
                n, view=lambda rows: rows["thd"], published=printed["thd"], printed="↑"),
    ]


def published() -> dict[str, dict[str, float]]:
    """Table 2 as printed: ``{"fad": {"M1": 7.02, …}, "clap": …, "kl": …, "thd": …, "snr": …}``."""
    printed = evaluation.published_values("S1-1", "S1-2")
    return {name: {model: printed[f"{name}_{model.lower()}"] for model in MODELS}
            for name in ("fad", "clap", "kl", "thd", "snr")}


def _tagger_outputs(tagger, sounds: np.ndarray, sample_rate_hz: int) -> list[np.ndarray]:
    """Logits [N, C], affect [N, 2], embedding [N, D], from one pass, averaged over windows."""
    widths = np.cumsum([len(tagger.labels), 2])

    def forward(windows: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            logits, points, embedding = (
                part.float().cpu().numpy()
                for part in tagger.model(torch.from_numpy(windows).to(tagger.device)))
        return np.concatenate([logits, np.clip(points, -1, 1), embedding], axis=1)

    return np.split(embedders.mean_over_windows(tagger, forward, widths[-1] + tagger.width, sounds,
                                                sample_rate_hz), widths, axis=1)


def _snr(sounds: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """``spectral.snr`` of every sound against every reference, dB [N, N]."""
    sounds, reference = sounds.astype(np.float64), reference.astype(np.float64)
    power = np.square(reference).sum(1)
    error = np.square(sounds).sum(1)[:, None] - 2 * sounds @ reference.T
    return 10 * np.log10(power / np.maximum(error + power, np.finfo(float).tiny))


def _histogram_kl(sounds: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """``divergence.original_histogram_kl`` of every sound against every reference, nats [N, N]."""
    counts = [np.stack([np.histogram(sound.astype(np.float64), N_BINS)[0] + 1e-10
                        for sound in some]) for some in (sounds, reference)]
    q, p = (some / some.sum(1, keepdims=True) for some in counts)
    return np.maximum((p * np.log(p)).sum(1) - np.log(q) @ p.T, 0)


def _thd(sound: np.ndarray, sample_rate_hz: int) -> float:
    """``spectral.thd``; the strongest frequency between 50 and 2,000 Hz stands for the fundamental
    that music does not have.
    """
    level = np.abs(np.fft.rfft(sound))
    hertz = np.arange(len(level)) * sample_rate_hz / len(sound)
    return spectral.thd(sound, sample_rate_hz,
                        float(hertz[np.where((hertz > 50) & (hertz < 2000), level, 0).argmax()]))
