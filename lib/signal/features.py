"""The twelve features of a clip that Zhang's forest sees: librosa's numbers from shared transforms.

    sound [N] ──┬─ STFT ─ |X| [1025, T] ─┬─ contrast, centroid, bandwidth, rolloff
                │                        ├─ |X|² ─┬─ chroma STFT
                │                        │        └─ mel ─ dB ─┬─ MFCC(13)
                │                        └─ tuning             └─ onsets ─ tempo
                ├─ constant-Q [252, T] ─┬─ chroma CQT ─ tonnetz
                │                       └─ chroma CENS
                └─ RMS, zero crossings

Called one by one (:func:`extract_naive`), librosa makes eight STFTs, three constant-Q transforms
and four tuning estimates. Each feature is summed up by its mean and standard deviation over time.

Source: Zhang §2.3 and its table of features; librosa 0.11 for every definition.  Notebook: 31.
"""

import functools
import os
from collections.abc import Callable, Sequence

import joblib
import librosa
import numpy as np
import soxr
import threadpoolctl
from librosa import feature

from lib.core.errors import KlangfarbeError
from lib.signal import audio, constant_q

FAMILIES = {"mfcc": 13, "chroma_stft": 12, "contrast": 7, "zcr": 1, "tempo": 1, "rms": 1,
            "centroid": 1, "bandwidth": 1, "rolloff": 1, "tonnetz": 6, "chroma_cqt": 12,
            "chroma_cens": 12}
COLUMNS = tuple((family, row, statistic) for family, size in FAMILIES.items() for row in range(size)
                for statistic in (("value",) if family == "tempo" else ("mean", "std")))
NAMES = tuple(family if family == "tempo" else f"{family}_{statistic}" if FAMILIES[family] == 1
              else f"{family}_{row:02d}_{statistic}" for family, row, statistic in COLUMNS)
FAMILY_OF = tuple(family for family, _, _ in COLUMNS)
RATE = constant_q.SAMPLE_RATE_HZ
N_MELS = 128


def extract(sound: np.ndarray, sample_rate_hz: int = RATE) -> np.ndarray:
    """The features float32 [135], named by :data:`NAMES`, of a mono sound [N] of at least 0.5 s."""
    return summary(frames(sound, sample_rate_hz))


def summary(rows: dict[str, np.ndarray]) -> np.ndarray:
    """Mean and standard deviation over time of each row: {family: [D, T]} → float32 [135]."""
    values = []
    for family in FAMILIES:
        block = np.asarray(rows[family], dtype=np.float64)
        values.append(block.ravel() if family == "tempo"
                      else np.stack([block.mean(axis=1), block.std(axis=1)], axis=1).ravel())
    return np.concatenate(values).astype(np.float32)


def frames(sound: np.ndarray, sample_rate_hz: int = RATE) -> dict[str, np.ndarray]:
    """The features: {family of :data:`FAMILIES`: [D, 1 + N // 512]}; ``tempo`` [1, 1], a minute."""
    y = np.asarray(sound)
    if y.ndim != 1:
        raise KlangfarbeError("a mono sound [N]", f"an array of shape {y.shape}",
                              "average its channels: sound.mean(axis=channel_axis)")
    if broken := int((~np.isfinite(y)).sum()):
        raise KlangfarbeError("finite samples", f"{broken} NaN or infinite ones",
                              "export the sound again")
    audio.check_sound(y, sample_rate_hz, "this sound")
    y = np.ascontiguousarray(y, dtype=np.float32)
    if sample_rate_hz != RATE:
        y = soxr.resample(y, sample_rate_hz, RATE)
    # One thread: the products are small, sounds are many, and waiting threads burn a core.
    with _thread_pools().limit(limits=1):
        magnitude = np.abs(librosa.stft(y))
        power = np.square(magnitude)
        tuning_of_power, tuning = constant_q.tunings(magnitude)
        decibels = librosa.power_to_db(feature.melspectrogram(S=power, sr=RATE, n_mels=N_MELS))
        onsets = librosa.onset.onset_strength(S=decibels, sr=RATE)
        centroid = feature.spectral_centroid(S=magnitude, sr=RATE)
        bins = {"C": constant_q.constant_q(y, tuning), "sr": RATE,
                "bins_per_octave": constant_q.BINS_PER_OCTAVE}
        chroma_cqt = feature.chroma_cqt(**bins)
        return {
            "mfcc": feature.mfcc(S=decibels, n_mfcc=FAMILIES["mfcc"]),
            "chroma_stft": feature.chroma_stft(S=power, sr=RATE, tuning=tuning_of_power),
            "contrast": feature.spectral_contrast(S=magnitude, sr=RATE),
            "zcr": feature.zero_crossing_rate(y),
            "tempo": feature.tempo(onset_envelope=onsets, sr=RATE)[None],
            "rms": feature.rms(y=y),
            "centroid": centroid,
            "bandwidth": feature.spectral_bandwidth(S=magnitude, sr=RATE, centroid=centroid),
            "rolloff": feature.spectral_rolloff(S=magnitude, sr=RATE),
            "tonnetz": feature.tonnetz(chroma=chroma_cqt, sr=RATE),
            "chroma_cqt": chroma_cqt,
            "chroma_cens": feature.chroma_cens(**bins)}


@functools.cache
def _thread_pools():
    return threadpoolctl.ThreadpoolController()


def extract_naive(sound: np.ndarray, sample_rate_hz: int = RATE) -> np.ndarray:
    """:func:`extract` by twelve calls of librosa: the yardstick of tests and ``bench features``."""
    return summary(frames_naive(sound, sample_rate_hz))


def frames_naive(sound: np.ndarray, sample_rate_hz: int = RATE) -> dict[str, np.ndarray]:
    """:func:`frames` by librosa's twelve functions, called one by one."""
    y, sr = np.asarray(sound, dtype=np.float32), sample_rate_hz
    return {
        "mfcc": feature.mfcc(y=y, sr=sr, n_mfcc=13),
        "chroma_stft": feature.chroma_stft(y=y, sr=sr),
        "contrast": feature.spectral_contrast(y=y, sr=sr),
        "zcr": feature.zero_crossing_rate(y),
        "tempo": feature.tempo(y=y, sr=sr)[None],
        "rms": feature.rms(y=y),
        "centroid": feature.spectral_centroid(y=y, sr=sr),
        "bandwidth": feature.spectral_bandwidth(y=y, sr=sr),
        "rolloff": feature.spectral_rolloff(y=y, sr=sr),
        "tonnetz": feature.tonnetz(y=y, sr=sr),
        "chroma_cqt": feature.chroma_cqt(y=y, sr=sr),
        "chroma_cens": feature.chroma_cens(y=y, sr=sr)}


def at_volume(rows: np.ndarray, gain_db: np.ndarray) -> np.ndarray:
    """The features [n, 135] of the same sounds turned up or down by `gain_db` [n]; exact while no
    band meets the floor of −100 dB.
    """
    turned, gain_db = np.array(rows, dtype=np.float32), np.asarray(gain_db, dtype=np.float64)
    turned[:, NAMES.index("mfcc_00_mean")] += gain_db * np.sqrt(N_MELS)
    is_rms = [family == "rms" for family in FAMILY_OF]
    turned[:, is_rms] *= 10 ** (gain_db[:, None] / 20)
    return turned


def extract_many(sounds: Sequence[np.ndarray], n_jobs: int = 0,
                 sample_rate_hz: int = RATE) -> np.ndarray:
    """:func:`extract` over many sounds: float32 [n, 135], in the order given."""
    function = functools.partial(extract, sample_rate_hz=sample_rate_hz)
    rows = in_processes(function, sounds, n_jobs)
    return np.stack(rows) if rows else np.zeros((0, len(NAMES)), np.float32)


def in_processes(function: Callable, items: Sequence, n_jobs: int = 0) -> list:
    """``[function(item) for item in items]`` in :func:`jobs` processes with one thread each."""
    n_jobs = min(jobs(n_jobs), len(items))
    if n_jobs <= 1:
        return [function(item) for item in items]
    # The first one here: what numba has to compile must not be compiled by several at once
    # (lib.core.workers). One item a message, through the pipe: mapping it to disk takes longer.
    first = function(items[0])
    calls = (joblib.delayed(function)(item) for item in items[1:])
    return [first, *joblib.Parallel(n_jobs=n_jobs, batch_size=1, max_nbytes=None)(calls)]


def jobs(n_jobs: int = 0) -> int:
    """`n_jobs` where it is given, else ``KLANGFARBE_THREADS``, else the number of cores."""
    return n_jobs or int(os.environ.get("KLANGFARBE_THREADS", "0")) or os.cpu_count() or 1
