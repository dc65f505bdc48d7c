"""librosa's constant-Q transform and tuning in a fraction of its time.

A constant-Q filter one octave lower is the same filter on a sound of half the rate. librosa designs
the 36 filters anew for each of seven octaves; here they are designed once per tuning, which librosa
rounds to hundredths of a bin (at most 101 sets), and kept.

Source: Schörkhuber & Klapuri (2010), constant-Q toolbox; librosa 0.11 ``cqt``, ``piptrack``,
``pitch_tuning``.  Notebook: 31.
"""

import functools
import warnings

import librosa
import numpy as np
import scipy.fft
import soxr

SAMPLE_RATE_HZ, N_FFT, HOP = 22_050, 2048, 512
OCTAVES, BINS_PER_OCTAVE = 7, 36
QUIET = 1e-3  # −60 dB under the clip's loudest frame
PEAK_BINS = slice(13, 373)  # 150–4000 Hz of the STFT, and one bin more on either side


@functools.lru_cache(maxsize=101)
def octave_basis(tuning: float) -> tuple[int, slice, np.ndarray]:
    """The highest octave's filters at a `tuning` (deviation from A440 in fractions of a bin): FFT
    length, the slice of FFT bins in which any filter is not zero [b], and their spectra complex64
    [b, 36].
    """
    fmin = librosa.note_to_hz("C1") * 2.0 ** (tuning / BINS_PER_OCTAVE)
    frequencies = librosa.interval_frequencies(OCTAVES * BINS_PER_OCTAVE, fmin=fmin,
                                               intervals="equal", bins_per_octave=BINS_PER_OCTAVE)
    filters, lengths = librosa.filters.wavelet(freqs=frequencies[-BINS_PER_OCTAVE:],
                                               sr=SAMPLE_RATE_HZ)
    n_fft = filters.shape[1]
    filters *= lengths[:, None] / n_fft
    spectrum = scipy.fft.fft(filters, axis=1)[:, : n_fft // 2 + 1]  # [36, F]
    # librosa drops the smallest values of each row, up to 1 % of its sum of magnitudes.
    magnitude = np.abs(spectrum)
    order = np.sort(magnitude, axis=1)
    share = np.cumsum(order / magnitude.sum(axis=1, keepdims=True), axis=1)
    threshold = np.take_along_axis(order, np.argmin(share < 0.01, axis=1)[:, None], axis=1)
    spectrum = np.where(magnitude >= threshold, spectrum, 0).astype(np.complex64)
    # Octave i is scaled by √2^i for its lower rate and by 1/√(length·2^i) for its longer filter:
    # what is left is 1/√length.
    spectrum /= np.sqrt(lengths)[:, None].astype(np.float32)
    used = np.flatnonzero(np.abs(spectrum).any(axis=0))
    band = slice(int(used[0]), int(used[-1]) + 1)
    return n_fft, band, np.ascontiguousarray(spectrum[:, band].T)


def constant_q(sound: np.ndarray, tuning: float) -> np.ndarray:
    """``abs(librosa.cqt(sound, n_bins=252, bins_per_octave=36, tuning=tuning))`` to float32
    rounding: sound float32 [N] at 22 050 Hz → float32 [252, 1 + N // 512], from C1 upwards.
    """
    n_fft, band, basis = octave_basis(round(float(tuning), 2))
    slowed, octaves, hop = sound, [], HOP
    for octave in range(OCTAVES):
        if octave:
            half = -(-len(slowed) // 2)
            slowed = soxr.resample(slowed, 2, 1, quality="soxr_hq")[:half]
            slowed = np.pad(slowed, (0, half - len(slowed))) * np.float32(np.sqrt(2))
            hop //= 2
        padded = np.pad(slowed, n_fft // 2)
        frames = np.lib.stride_tricks.sliding_window_view(padded, n_fft)[::hop]  # [T', n_fft]
        octaves.append(np.abs(scipy.fft.rfft(frames, axis=1)[:, band] @ basis))  # [T', 36]
    n_frames = min(map(len, octaves))
    bins = np.concatenate([magnitude[:n_frames] for magnitude in reversed(octaves)], axis=1).T
    # In silence beside something loud, both transforms hold rounding noise, and chroma scales every
    # frame to 1: there it takes librosa's own order of sums. One real clip in 150 has such frames.
    quiet = bins.max(axis=0) < QUIET * bins.max()
    if quiet.any():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="n_fft=")  # shorter than the lowest filter
            own = librosa.cqt(sound, sr=SAMPLE_RATE_HZ, n_bins=OCTAVES * BINS_PER_OCTAVE,
                              bins_per_octave=BINS_PER_OCTAVE, tuning=tuning)
        bins[:, quiet] = np.abs(own)[:, :n_frames][:, quiet]
    return bins


def tunings(magnitude: np.ndarray) -> tuple[float, float]:
    """``librosa.estimate_tuning`` of an STFT's magnitude float32 [1025, T]: of its power with 12
    bins an octave (as ``chroma_stft`` has it) and of itself with 36 (as ``cqt``), each in
    [−0.5, 0.5) of a bin.
    """
    magnitude = np.ascontiguousarray(magnitude.T)
    spectrum, largest = magnitude[:, PEAK_BINS], magnitude.max(axis=1)
    middle = spectrum[:, 1:-1]
    peaks = (middle > spectrum[:, :-2]) & (middle >= spectrum[:, 2:])
    peaks &= middle > np.float32(0.1) * largest[:, None]
    rows, columns = np.nonzero(peaks)
    sides = [spectrum[rows, columns + step] for step in (0, 1, 2)]  # left, top, right of each peak
    bins = columns + PEAK_BINS.start + 1
    strong = np.square(sides[1]) > (np.float32(0.1) * np.square(largest))[rows]
    of_power = _tuning(*(np.square(side[strong]) for side in sides), bins[strong], 12)
    return of_power, _tuning(*sides, bins, BINS_PER_OCTAVE)


def _tuning(left: np.ndarray, top: np.ndarray, right: np.ndarray, bins: np.ndarray,
            bins_per_octave: int) -> float:
    """The fullest of 100 bins of the deviations of peaks [n] at least as high as their median."""
    # Precisions as in librosa's compiled loop: on noise the last digit decides the fullest bin.
    curvature, slope = (left + right) - 2 * top.astype(np.float64), (right - left) / 2
    inside = np.abs(slope) < np.abs(curvature)
    shift = np.where(inside, -slope / np.where(inside, curvature, 1), 0).astype(np.float32)
    pitch = ((bins + shift) * float(SAMPLE_RATE_HZ) / N_FFT).astype(np.float32)
    height = top + np.float32(0.5) * slope * shift
    if not len(height):
        return 0.0
    pitch = pitch[height >= np.median(height)]
    deviation = np.mod(bins_per_octave * np.log2(pitch / (440.0 / 16)), 1.0)
    deviation[deviation >= 0.5] -= 1.0
    edges = np.linspace(-0.5, 0.5, 101)
    counts, _ = np.histogram(deviation, edges)
    return float(edges[np.argmax(counts)])
