"""What a spectrogram shows of generated clips, repetition of their codes, the emotion in them.
Source: Hisariya & Liang §VI ("more blank space and noise"), Fig. 5.  Notebook: 14."""

from collections.abc import Sequence

import librosa
import numpy as np
import pandas as pd

from lib.metrics import embedders, spectral, stats
from lib.signal import affect, audio

SILENT_DB = -50.0  # a frame this far below the clip's loudest one
BLANK_DB = -70.0   # a cell of the mel spectrogram this far below its largest, drawn black
FULL_SCALE = 0.999
LOOP_S = 4.0


def measure_quality(sounds: Sequence[np.ndarray], sample_rate_hz: int) -> pd.DataFrame:
    """Of N mono clips, a row each: shares of ``silent`` frames and ``blank`` mel cells;
    ``flatness`` of the frames that sound (Johnston 1988): 0 for a tone, e^−γ = .56 for white noise,
    NaN for silence; ``loudness_db``, RMS re full scale; the share of samples ``clipped``."""
    mel = spectral.mel_filters(sample_rate_hz, audio.MEL["n_fft"], audio.MEL["n_mels"])
    rows = []
    for sound in sounds:
        power = np.abs(librosa.stft(np.asarray(sound, np.float32), n_fft=audio.MEL["n_fft"],
                                    hop_length=audio.MEL["hop_length"])) ** 2
        level, cells = power.mean(0), mel @ power  # [T], [M, T]
        silent = level <= level.max() * 10 ** (SILENT_DB / 10)
        heard = np.maximum(power[:, ~silent], 1e-12)
        flat = np.exp(np.log(heard).mean(0)) / heard.mean(0)
        mean = np.mean(np.square(sound, dtype=np.float64))
        rows.append({"silent": silent.mean(),
                     "blank": (cells <= cells.max() * 10 ** (BLANK_DB / 10)).mean(),
                     "flatness": flat.mean() if len(flat) else np.nan,
                     "loudness_db": 10 * np.log10(max(mean, 1e-12)),
                     "clipped": (np.abs(sound) >= FULL_SCALE).mean()})
    return pd.DataFrame(rows)


def repetition(codes: np.ndarray, frame_rate_hz: float, shortest_s: float = 0.0) -> float:
    """The largest share of steps of codes [K, S] that equal, in all codebooks, the one a lag ≤ 4 s
    before: 1 for codes that stand still or go in a circle."""
    longest = min(round(LOOP_S * frame_rate_hz), codes.shape[1] // 2)
    return max(float((codes[:, lag:] == codes[:, :-lag]).all(axis=0).mean())
               for lag in range(max(1, round(shortest_s * frame_rate_hz)), longest + 1))


def predict_emotions(tagger, sounds: Sequence[np.ndarray], sample_rate_hz: int) -> pd.DataFrame:
    """``valence, arousal`` in [−1, 1] and the nearest ``word`` of the five, a row a clip."""
    points = embedders.predict_affect(tagger, sounds, sample_rate_hz)
    return pd.DataFrame(points, columns=["valence", "arousal"]).assign(
        word=[affect.emotion_word(*point) for point in points])


def group_means(table, by: Sequence[str], column: str, *, seed: int = 0) -> pd.DataFrame:
    """Means of a column, gaps left out, over groups of two or more clips named by the columns `by`:
    `by`, ``value, low, high`` (95 %: bootstrap, or Wilson's of booleans), ``n``."""
    rows = []
    for names, group in table.groupby(list(by), sort=False):
        values = group[column].dropna().to_numpy()
        interval = (stats.proportion(values)[1:] if values.dtype == bool else
                    stats.bootstrap(np.mean, values, seed=seed, n_resamples=400))
        rows.append((*names, float(values.mean()), *interval, len(values)))
    return pd.DataFrame(rows, columns=[*by, "value", "low", "high", "n"])
