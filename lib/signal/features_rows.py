"""What :mod:`lib.signal.features` computes from the shared transforms: one function a feature,
arrays [T, D] with time first.

Each follows librosa 0.11's definition to rounding; where the way there differs, the function says
why.
"""

import functools

import librosa
import numpy as np
import scipy.fft
import scipy.ndimage
import scipy.signal

from lib.signal import features_cqt

N_FFT, HOP, N_MELS, N_MFCC = 2048, features_cqt.HOP, 128, 13
RATE = features_cqt.SAMPLE_RATE_HZ
AC_FRAMES = 344  # 8 s: how far apart two beats may lie in the tempogram
FREQUENCY = np.arange(N_FFT // 2 + 1) * RATE / N_FFT  # [1025], Hz


def normalised(rows: np.ndarray, norm: float) -> np.ndarray:
    """Each row of [T, D] divided by its norm (1, 2 or ``np.inf``); rows of zeros stay
    (``librosa.util.normalize``).
    """
    length = np.linalg.norm(rows.astype(np.float64), norm, axis=1, keepdims=True)
    length[length < np.finfo(np.float32).tiny] = 1
    return (rows / length).astype(np.float32)


def decibels(power: np.ndarray) -> np.ndarray:
    """``librosa.power_to_db``: never below −100 dB, nor more than 80 dB under the largest value of
    the whole array.
    """
    levels = 10 * np.log10(np.maximum(power, 1e-10))
    return np.maximum(levels, levels.max() - 80)


@functools.cache
def _mel_bases() -> list[tuple[int, int, np.ndarray]]:
    """The 128 mel filters in eight groups, each with the FFT bins [start, stop) it looks at: [stop
    − start, 16].
    """
    whole = librosa.filters.mel(sr=RATE, n_fft=N_FFT, n_mels=N_MELS)
    groups = []
    for group in np.split(whole, 8):
        used = np.flatnonzero(group.any(axis=0))
        groups.append((used[0], used[-1] + 1,
                       np.ascontiguousarray(group[:, used[0] : used[-1] + 1].T)))
    return groups


def mel(power: np.ndarray) -> np.ndarray:
    """Power in 128 mel bands: [T, 1025] → [T, 128]. A group of filters is multiplied only with the
    bins it looks at.
    """
    return np.concatenate([power[:, start:stop] @ basis for start, stop, basis in _mel_bases()],
                          axis=1)


@functools.cache
def dct_basis() -> np.ndarray:
    """The first 13 vectors of the orthonormal cosine transform, [128, 13]: mel decibels @ this are
    the MFCC.
    """
    return np.ascontiguousarray(scipy.fft.dct(np.eye(N_MELS, dtype=np.float32), axis=1,
                                              norm="ortho")[:, :N_MFCC])


@functools.lru_cache(maxsize=101)
def chroma_basis(tuning: float) -> np.ndarray:
    """How much each FFT bin belongs to each of twelve pitch classes, [1025, 12]; `tuning` in
    fractions of a semitone.
    """
    # [1025, 12]
    return np.ascontiguousarray(librosa.filters.chroma(sr=RATE, n_fft=N_FFT, tuning=tuning).T)


def fold(constant_q: np.ndarray) -> np.ndarray:
    """Seven octaves of 36 bins to twelve pitch classes: [T, 252] → [T, 12]; a class is the bin on
    it and the two beside it.
    """
    octave = constant_q.reshape(len(constant_q), features_cqt.OCTAVES, -1).sum(axis=1)
    return np.roll(octave, 1, axis=1).reshape(len(octave), 12, 3).sum(axis=2)


def cens(chroma: np.ndarray) -> np.ndarray:
    """Chroma energy normalised statistics: shares of each frame, quantised to quarters, smoothed
    over 41 frames. [T, 12].
    """
    shares = normalised(chroma, 1)
    quantised = np.zeros_like(shares)
    for step in (0.4, 0.2, 0.1, 0.05):
        quantised += np.float32(0.25) * (shares > np.float32(step))
    window = scipy.signal.get_window("hann", 43, fftbins=False)
    return normalised(scipy.ndimage.convolve1d(quantised, window / window.sum(), axis=0,
                                               mode="constant"), 2)


@functools.cache
def tonnetz_basis() -> np.ndarray:
    """Six axes of Harte, Sandler & Gasser's tonal space: sine and cosine of fifths, minor and major
    thirds. [12, 6].
    """
    angle = np.multiply.outer([7 / 6, 7 / 6, 3 / 2, 3 / 2, 2 / 3, 2 / 3], np.arange(12.0))
    angle[::2] -= 0.5
    return (np.array([1, 1, 1, 1, 0.5, 0.5])[:, None] * np.cos(np.pi * angle)).T


@functools.cache
def _contrast_bands() -> list[tuple[int, int, int]]:
    """Seven bands of FFT bins [start, stop) below 200 Hz, then octaves, and how many bins make a
    peak or a valley (2 %).
    """
    edges = [0.0, *(200.0 * 2.0 ** np.arange(7))]
    bands = []
    for k in range(7):
        inside = np.flatnonzero((edges[k] <= FREQUENCY) & (edges[k + 1] >= FREQUENCY))
        start, stop = inside[0] - (k > 0), len(FREQUENCY) if k == 6 else inside[-1] + 1
        bands.append((start, stop - (k < 6), max(1, int(np.rint(0.02 * (stop - start))))))
    return bands


def contrast(magnitude: np.ndarray) -> np.ndarray:
    """Decibels between the strongest and the weakest 2 % of bins in seven bands: [T, 1025] → [T,
    7].
    """
    valley, peak = np.empty((2, len(magnitude), 7))
    for k, (start, stop, count) in enumerate(_contrast_bands()):
        band = magnitude[:, start:stop]
        if count == 1:
            valley[:, k], peak[:, k] = band.min(axis=1), band.max(axis=1)
        else:
            ordered = np.sort(band, axis=1)
            valley[:, k], peak[:, k] = ordered[:,
                                               :count].mean(axis=1), ordered[:,
                                                                             -count:].mean(axis=1)
    return decibels(peak) - decibels(valley)


def shape(magnitude: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centroid, bandwidth and 85 % roll-off of each frame, Hz: [T, 1025] → three of [T]."""
    # In double precision: a pure tone's bandwidth is the small difference of two large moments.
    moments = magnitude.astype(np.float64) @ np.stack([np.ones_like(FREQUENCY), FREQUENCY,
                                                       FREQUENCY**2], axis=1)
    total = np.where(moments[:, 0] > 0, moments[:, 0], 1)
    centroid, square = moments[:, 1] / total, moments[:, 2] / total
    bandwidth = np.sqrt(np.maximum(square - centroid**2, 0))
    # Roll-off: first the block of 32 bins in which 85 % are passed, then the bin in that block.
    blocks = magnitude[:, :-1].reshape(len(magnitude), 32, 32)
    upto = np.cumsum(blocks.sum(axis=2, dtype=np.float64), axis=1)  # [T, 32]
    threshold = 0.85 * moments[:, :1]
    block = np.minimum((upto < threshold).sum(axis=1), 31)
    rows = np.arange(len(magnitude))
    before = np.where(block > 0, upto[rows, block - 1], 0)[:, None]
    steps = (before + np.cumsum(blocks[rows, block], axis=1, dtype=np.float64)
             < threshold).sum(axis=1)
    return centroid, bandwidth, FREQUENCY[32 * block + steps]


def zero_crossings(sound: np.ndarray) -> np.ndarray:
    """Share of samples of a frame at which the sign changes: [N] → [T]. Counted once, then summed
    per frame.
    """
    negative = np.pad(sound, N_FFT // 2, mode="edge") < -1e-10
    crossed = np.concatenate([[0], np.cumsum(negative[1:] != negative[:-1], dtype=np.int32)])
    starts = np.arange(1 + len(sound) // HOP) * HOP
    return (crossed[starts + N_FFT - 1] - crossed[starts]) / N_FFT


def rms(sound: np.ndarray) -> np.ndarray:
    """Root mean square of each frame: [N] → [T]. Squares are summed once per 512 samples, then four
    blocks a frame.
    """
    n_frames, per_frame = 1 + len(sound) // HOP, N_FFT // HOP
    padded = np.pad(sound, N_FFT // 2)[: (n_frames + per_frame - 1) * HOP]
    blocks = np.square(padded).reshape(-1, HOP).sum(axis=1, dtype=np.float64)
    return np.sqrt(np.convolve(blocks, np.ones(per_frame), mode="valid") / N_FFT)


def onsets(decibels: np.ndarray) -> np.ndarray:
    """How much the mel bands grow from frame to frame, on average: [T, 128] → [T], delayed by 1 + 2
    frames as librosa does.
    """
    growth = np.maximum(np.diff(decibels, axis=0), 0).mean(axis=1)
    return np.pad(growth, (3, 0))[: len(decibels)]


def tempo(onsets: np.ndarray) -> float:
    """Beats a minute: the lag at which windows of 8 s resemble themselves, weighed by a prior
    around 120.

    librosa transforms every window's power spectrum back to an autocorrelation, scales it by its
    largest value and averages. That value is always lag 0, the window's energy, so the scaling can
    be done before, and the average
    taken in the frequency domain: one transform back instead of T.
    """
    window = scipy.signal.get_window("hann", AC_FRAMES, fftbins=True)
    padded = np.pad(onsets, AC_FRAMES // 2, mode="linear_ramp", end_values=0)
    windows = np.lib.stride_tricks.sliding_window_view(padded, AC_FRAMES)[: len(onsets)] * window
    energy = np.einsum("tl,tl->t", windows, windows)
    weight = 1 / np.where(energy < np.finfo(np.float64).tiny, 1, energy)
    n_fft = scipy.fft.next_fast_len(2 * AC_FRAMES - 1, real=True)
    spectrum = scipy.fft.rfft(windows, n=n_fft, axis=1)
    power = weight @ (np.square(spectrum.real) + np.square(spectrum.imag)) / len(windows)
    strength = scipy.fft.irfft(power, n=n_fft)[1:AC_FRAMES]
    bpm = 60 * RATE / (HOP * np.arange(1, AC_FRAMES))
    score = np.log1p(1e6 * strength) - 0.5 * np.log2(bpm / 120) ** 2
    score[bpm >= 320] = -np.inf
    return float(bpm[np.argmax(score)])
