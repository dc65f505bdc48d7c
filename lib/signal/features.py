"""The twelve features of system 3's text, exactly librosa's numbers, computed once from shared
transforms.

::

    sound [N] ──┬─ STFT ─ |X| [T, 1025] ─┬─ contrast, centroid, bandwidth, rolloff
                │                        ├─ |X|² ─┬─ chroma STFT
                │                        │        └─ mel ─ dB ─┬─ MFCC(13)
                │                        └─ tuning             └─ onsets ─ tempo
                ├─ constant-Q [T, 252] ─ chroma ─┬─ chroma CQT ─ tonnetz
                │                                └─ chroma CENS
                └─ RMS, zero crossings

Called one by one, librosa makes eight STFTs, three constant-Q transforms and four tuning estimates
of the same sound (:func:`extract_naive`). Each frame-wise feature is summed up by its mean and
standard deviation; tempo is one number.

Source: the text's §2.3 and its table of features; librosa 0.11 for every definition. Notebook:
31_music2image_forest
"""

import functools
import os
from collections.abc import Sequence

import joblib
import librosa
import numpy as np
import soxr
import threadpoolctl
from librosa import feature

from lib.core.errors import KlangfarbeError
from lib.signal import audio, features_cqt, features_rows

FAMILIES = {"mfcc": 13, "chroma_stft": 12, "contrast": 7, "zcr": 1, "tempo": 1, "rms": 1,
            "centroid": 1, "bandwidth": 1, "rolloff": 1, "tonnetz": 6, "chroma_cqt": 12,
            "chroma_cens": 12}
COLUMNS = tuple((family, row, statistic) for family, size in FAMILIES.items() for row in range(size)
                for statistic in (("value",) if family == "tempo" else ("mean", "std")))
NAMES = tuple(family if family == "tempo" else f"{family}_{statistic}" if FAMILIES[family] == 1
              else f"{family}_{row:02d}_{statistic}" for family, row, statistic in COLUMNS)
FAMILY_OF = tuple(family for family, _, _ in COLUMNS)
RATE = features_rows.RATE


def extract(sound: np.ndarray, sample_rate_hz: int = RATE) -> np.ndarray:
    """The features of one sound.

    Args:
        sound: mono [N], finite, at least 0.5 s, not silent.
        sample_rate_hz: its rate; anything but 22 050 Hz is resampled first, as ``librosa.load``
            would.

    Returns:
        float32 [135], named by :data:`NAMES`.

    Raises:
        KlangfarbeError: not mono, not finite, too short, or silent.
    """
    return summary(frames(sound, sample_rate_hz))


def summary(rows: dict[str, np.ndarray]) -> np.ndarray:
    """Mean and standard deviation over time of each row: {family: [D, T]} → float32 [135] in the
    order of :data:`NAMES`.
    """
    values = []
    for family in FAMILIES:
        block = np.asarray(rows[family], dtype=np.float64)
        values.append(block.ravel() if family == "tempo"
                      else np.stack([block.mean(axis=1), block.std(axis=1)], axis=1).ravel())
    return np.concatenate(values).astype(np.float32)


def frames(sound: np.ndarray, sample_rate_hz: int = RATE) -> dict[str, np.ndarray]:
    """The features frame by frame, before they are summed up.

    Returns:
        {family: [D, T]} with D of :data:`FAMILIES` and T = 1 + N // 512 frames of 23 ms; ``tempo``
        is [1, 1], in beats a minute.
    """
    sound = _checked(sound, sample_rate_hz)
    # One thread: the products are small, sounds are many, and threads that wait for the next
    # product burn a core.
    with _thread_pools().limit(limits=1):
        return _frames(sound)


@functools.cache
def _thread_pools():
    return threadpoolctl.ThreadpoolController()


def _frames(sound: np.ndarray) -> dict[str, np.ndarray]:
    # [T, 1025]
    magnitude = np.abs(librosa.stft(sound, n_fft=features_rows.N_FFT,
                                    hop_length=features_rows.HOP).T)
    power = np.square(magnitude)
    tuning_of_power, tuning = features_cqt.tunings(magnitude)
    decibels = features_rows.decibels(features_rows.mel(power))  # [T, 128]
    centroid, bandwidth, rolloff = features_rows.shape(magnitude)
    chroma = features_rows.fold(features_cqt.constant_q(sound, tuning))  # [T, 12]
    chroma_cqt = features_rows.normalised(chroma, np.inf)
    found = {
        "mfcc": decibels @ features_rows.dct_basis(),
        "chroma_stft": features_rows.normalised(power @ features_rows.chroma_basis(tuning_of_power),
                                                np.inf),
        "contrast": features_rows.contrast(magnitude),
        "zcr": features_rows.zero_crossings(sound),
        "tempo": features_rows.tempo(features_rows.onsets(decibels)),
        "rms": features_rows.rms(sound),
        "centroid": centroid,
        "bandwidth": bandwidth,
        "rolloff": rolloff,
        "tonnetz": features_rows.normalised(chroma_cqt, 1) @ features_rows.tonnetz_basis(),
        "chroma_cqt": chroma_cqt,
        "chroma_cens": features_rows.cens(chroma),
    }
    return {family: np.reshape(values, (-1, FAMILIES[family])).T for family,
            values in found.items()}


def extract_naive(sound: np.ndarray, sample_rate_hz: int = RATE) -> np.ndarray:
    """The same features as anyone would write them: twelve calls of librosa, each from the sound,
    all defaults.

    The yardstick of the tests (parity) and of ``bench features`` (time). Arguments and result as
    :func:`extract`.
    """
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
        "chroma_cens": feature.chroma_cens(y=y, sr=sr),
    }


def at_volume(rows: np.ndarray, gain_db: np.ndarray) -> np.ndarray:
    """The features of the same sounds turned up or down, without touching the sounds.

    Of the 135, only loudness moves: the level in decibels (the first MFCC's mean, times √128)
    shifts, RMS scales. Exact as long as no band meets the floor of −100 dB.

    Args:
        rows: [n, 135]. gain_db: [n].

    Returns:
        float32 [n, 135].
    """
    turned, gain_db = np.array(rows, dtype=np.float32), np.asarray(gain_db, dtype=np.float64)
    turned[:, NAMES.index("mfcc_00_mean")] += gain_db * np.sqrt(features_rows.N_MELS)
    turned[:, [i for i, family in enumerate(FAMILY_OF)
               if family == "rms"]] *= 10 ** (gain_db[:, None] / 20)
    return turned


def extract_many(sounds: Sequence[np.ndarray], n_jobs: int = 0,
                 sample_rate_hz: int = RATE) -> np.ndarray:
    """:func:`extract` over many sounds, each in one of `n_jobs` processes with one thread.

    Args:
        sounds: mono sounds, of any lengths; an array [n, N] will do.
        n_jobs: processes; 0 means ``KLANGFARBE_THREADS``, else all cores.

    Returns:
        float32 [n, 135], in the order given.
    """
    n_jobs = min(jobs(n_jobs), max(1, len(sounds)))
    if n_jobs == 1:
        rows = [extract(sound, sample_rate_hz) for sound in sounds]
    else:
        # The first one here: what numba has to compile must not be compiled by several at once
        # (lib.core.workers). One clip a message, through the pipe: hashing and mapping it to disk
        # first, as joblib would, takes longer.
        calls = (joblib.delayed(extract)(sound, sample_rate_hz) for sound in sounds[1:])
        rows = [extract(sounds[0], sample_rate_hz),
                *joblib.Parallel(n_jobs=n_jobs, batch_size=1, max_nbytes=None)(calls)]
    return np.stack(rows) if rows else np.zeros((0, len(NAMES)), np.float32)


def jobs(n_jobs: int = 0) -> int:
    """`n_jobs` where it is given, else ``KLANGFARBE_THREADS``, else the number of cores."""
    return n_jobs or int(os.environ.get("KLANGFARBE_THREADS", "0")) or os.cpu_count() or 1


def _checked(sound: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    sound = np.asarray(sound)
    if sound.ndim != 1:
        raise KlangfarbeError("a mono sound [N]", f"an array of shape {sound.shape}",
                              "average its channels: sound.mean(axis=channel_axis)")
    if not np.isfinite(sound).all():
        raise KlangfarbeError("finite samples",
                              f"{int((~np.isfinite(sound)).sum())} NaN or infinite ones",
                              "export the sound again")
    audio.check_sound(sound, sample_rate_hz, "this sound")
    sound = np.ascontiguousarray(sound, dtype=np.float32)
    if sample_rate_hz != RATE:
        sound = soxr.resample(sound, sample_rate_hz, RATE)
    return sound


