"""The twelve features of a clip that Zhang's forest sees, each by its mean and standard deviation
over time: librosa's numbers from shared transforms, its constant-Q filters designed once a tuning.
Source: Zhang §2.3; Schörkhuber & Klapuri (2010) for constant-Q; librosa 0.11.  Notebook: 31."""

import functools
import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
import librosa
import numpy as np
import scipy.fft
import soxr
import threadpoolctl
from librosa import feature
from tqdm import tqdm

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError
from lib.signal import audio

FAMILIES = {"mfcc": 13, "chroma_stft": 12, "contrast": 7, "zcr": 1, "tempo": 1, "rms": 1,
    "centroid": 1, "bandwidth": 1, "rolloff": 1, "tonnetz": 6, "chroma_cqt": 12, "chroma_cens": 12}
COLUMNS = tuple((family, row, statistic) for family, size in FAMILIES.items() for row in range(size)
                for statistic in (("value",) if family == "tempo" else ("mean", "std")))
NAMES = tuple(family if family == "tempo" else f"{family}_{statistic}" if FAMILIES[family] == 1
              else f"{family}_{row:02d}_{statistic}" for family, row, statistic in COLUMNS)
FAMILY_OF = tuple(family for family, _, _ in COLUMNS)
RATE, N_MELS, N_FFT, HOP = 22_050, 128, 2048, 512
OCTAVES, BINS_PER_OCTAVE = 7, 36
QUIET = 1e-3  # −60 dB under the clip's loudest frame
CHUNK = 40  # sounds a file of the cache: what a kill can cost
PEAK_BINS = slice(13, 373)  # 150–4000 Hz of the STFT, and one bin more on either side


def extract(sound: np.ndarray, sample_rate_hz: int = RATE) -> np.ndarray:
    """The features float32 [135], named by :data:`NAMES`, of a mono sound [N] of at least 0.5 s."""
    return summary(frames(sound, sample_rate_hz))


def summary(rows: dict[str, np.ndarray]) -> np.ndarray:
    """Mean and standard deviation over time of each row: {family: [D, T]} → float32 [135]."""
    blocks = {family: np.asarray(rows[family], dtype=np.float64) for family in FAMILIES}
    return np.concatenate([
        block.ravel() if family == "tempo" else np.stack([block.mean(1), block.std(1)], 1).ravel()
        for family, block in blocks.items()]).astype(np.float32)


def frames(sound: np.ndarray, sample_rate_hz: int = RATE) -> dict[str, np.ndarray]:
    """The features: {family of :data:`FAMILIES`: [D, 1 + N // 512]}; ``tempo`` [1, 1], a minute."""
    audio.check_sound(np.asarray(sound), sample_rate_hz, "this sound")
    y = np.ascontiguousarray(sound, dtype=np.float32)
    if sample_rate_hz != RATE:
        y = soxr.resample(y, sample_rate_hz, RATE)
    # One thread: the products are small, sounds are many, and waiting threads burn a core.
    with threadpoolctl.threadpool_limits(limits=1):
        magnitude = np.abs(librosa.stft(y))
        power = np.square(magnitude)
        tuning_of_power, tuning = tunings(magnitude)
        decibels = librosa.power_to_db(feature.melspectrogram(S=power, sr=RATE, n_mels=N_MELS))
        onsets = librosa.onset.onset_strength(S=decibels, sr=RATE)
        centroid = feature.spectral_centroid(S=magnitude, sr=RATE)
        bins = {"C": constant_q(y, tuning), "sr": RATE, "bins_per_octave": BINS_PER_OCTAVE}
        chroma_cqt = feature.chroma_cqt(**bins)
        return {"mfcc": feature.mfcc(S=decibels, n_mfcc=FAMILIES["mfcc"]),
            "chroma_stft": feature.chroma_stft(S=power, sr=RATE, tuning=tuning_of_power),
            "contrast": feature.spectral_contrast(S=magnitude, sr=RATE),
            "zcr": feature.zero_crossing_rate(y),
            "tempo": feature.tempo(onset_envelope=onsets, sr=RATE)[None],
            "rms": feature.rms(y=y), "centroid": centroid,
            "bandwidth": feature.spectral_bandwidth(S=magnitude, sr=RATE, centroid=centroid),
            "rolloff": feature.spectral_rolloff(S=magnitude, sr=RATE),
            "tonnetz": feature.tonnetz(chroma=chroma_cqt, sr=RATE), "chroma_cqt": chroma_cqt,
            "chroma_cens": feature.chroma_cens(**bins)}


def frames_naive(sound: np.ndarray) -> dict[str, np.ndarray]:
    """:func:`frames` by librosa's functions, one by one: the yardstick of tests and bench."""
    y, sr = np.asarray(sound, dtype=np.float32), RATE
    named = {name: getattr(feature, name)(y=y, sr=sr) for name in (
        "chroma_stft", "chroma_cqt", "chroma_cens", "tonnetz", "tempo", "spectral_contrast",
        "spectral_centroid", "spectral_bandwidth", "spectral_rolloff")}
    named = {name.removeprefix("spectral_"): np.atleast_2d(rows) for name, rows in named.items()}
    return named | {"mfcc": feature.mfcc(y=y, sr=sr, n_mfcc=13), "rms": feature.rms(y=y),
                    "zcr": feature.zero_crossing_rate(y)}


def at_volume(rows: np.ndarray, gain_db: np.ndarray) -> np.ndarray:
    """Features [n, 135] of the same sounds at `gain_db` [n]; exact above the floor of −100 dB."""
    turned, gain_db = np.array(rows, dtype=np.float32), np.asarray(gain_db, dtype=np.float64)
    turned[:, NAMES.index("mfcc_00_mean")] += gain_db * np.sqrt(N_MELS)
    turned[:, np.array(FAMILY_OF) == "rms"] *= 10 ** (gain_db[:, None] / 20)
    return turned


def extract_many(sounds: Sequence, n_jobs: int = 0, sample_rate_hz: int = RATE) -> np.ndarray:
    """:func:`extract` over many sounds: float32 [n, 135], in the order given."""
    rows = in_processes(lambda sound: extract(sound, sample_rate_hz), sounds, n_jobs)
    return np.stack(rows) if rows else np.zeros((0, len(NAMES)), np.float32)


def in_processes(function: Callable, items: Sequence, n_jobs: int = 0) -> list:
    """``[function(item) for item in items]`` in `n_jobs` processes; 0: as many as are allowed."""
    n_jobs = n_jobs or int(os.environ.get("KLANGFARBE_THREADS", "0")) or os.cpu_count() or 1
    if (n_jobs := min(n_jobs, len(items))) <= 1:
        return [function(item) for item in items]
    # The first one here: what numba has to compile must not be compiled by several at once
    # (lib.core.workers). One item a message, through the pipe: mapping it to disk takes longer.
    single: Any = {"batch_size": 1, "max_nbytes": None}
    return [function(items[0]), *joblib.Parallel(n_jobs=n_jobs, **single)(
        joblib.delayed(function)(item) for item in items[1:])]


def table(recipe: bytes, indices: Sequence[int], sound_of: Callable[[int], np.ndarray], *,
          n_jobs: int = 0, label: str = "features") -> np.ndarray:
    """Features of sounds, float32 [n, 135]; a chunk on disk is not computed again. `recipe`: bytes
    that say what the sounds are; `sound_of`: index → mono sound [N] at 22 050 Hz, picklable."""
    indices, code = [int(i) for i in indices], Path(__file__).read_bytes()
    folder = paths.PROCESSED / "features" / provenance.content_hash(recipe, np.array(indices), code)
    chunks = {folder / f"{start:06d}.npy": indices[start : start + CHUNK]
              for start in range(0, len(indices), CHUNK)}
    rows = [np.zeros((0, len(NAMES)), np.float32)]
    for file, chunk in tqdm(chunks.items(), label, mininterval=2.0, ascii=True,
                            disable=all(map(Path.is_file, chunks))):
        try:
            rows.append(artefacts.read(file))
        except KlangfarbeError:  # absent or damaged
            rows.append(np.stack(in_processes(lambda i: extract(sound_of(i)), chunk, n_jobs)))
            artefacts.write(file, rows[-1])
    return np.concatenate(rows)


def of_files(files: Sequence, *, seconds: float | None = 45.0, n_jobs: int = 0) -> np.ndarray:
    """Features of sound files' middle `seconds`, float32 [n, 135], kept by the files' content."""
    files = [Path(file) for file in files]
    if missing := [file for file in files if not file.is_file()]:
        raise KlangfarbeError("sound files", f"{missing[0]}: no such file", "check the path")
    hashes = (hashlib.sha256(file.read_bytes()).digest() for file in files)
    return table(repr(seconds).encode() + b"".join(hashes), range(len(files)),
                 lambda i: audio.load(files[i], seconds=seconds), n_jobs=n_jobs)


@functools.lru_cache(maxsize=101)
def octave_basis(tuning: float) -> tuple[int, slice, np.ndarray]:
    """The highest octave's filters at a `tuning` (from A440, in bins): FFT length, slice of FFT
    bins where one is not zero [b], their spectra complex64 [b, 36]; lower ones: half the rate."""
    fmin = librosa.note_to_hz("C1") * 2.0 ** (tuning / BINS_PER_OCTAVE)
    frequencies = librosa.interval_frequencies(OCTAVES * BINS_PER_OCTAVE, fmin=fmin,
                                               intervals="equal", bins_per_octave=BINS_PER_OCTAVE)
    filters, lengths = librosa.filters.wavelet(freqs=frequencies[-BINS_PER_OCTAVE:], sr=RATE)
    n_fft = filters.shape[1]
    filters *= lengths[:, None] / n_fft
    spectrum = np.asarray(scipy.fft.fft(filters, axis=1))[:, : n_fft // 2 + 1]  # [36, F]
    # librosa drops the smallest values of each row, up to 1 % of its sum of magnitudes.
    magnitude = np.abs(spectrum)
    order = np.sort(magnitude, axis=1)
    share = np.cumsum(order / magnitude.sum(axis=1, keepdims=True), axis=1)
    threshold = np.take_along_axis(order, np.argmin(share < 0.01, axis=1)[:, None], axis=1)
    spectrum = np.where(magnitude >= threshold, spectrum, 0).astype(np.complex64)
    # Octave i is scaled by √2^i for its lower rate and by 1/√(length·2^i) for its longer filter:
    # what is left is 1/√length.
    spectrum /= np.sqrt(lengths)[:, None].astype(np.float32)
    used = np.flatnonzero(spectrum.any(axis=0))
    band = slice(int(used[0]), int(used[-1]) + 1)
    return n_fft, band, np.ascontiguousarray(spectrum[:, band].T)


def constant_q(sound: np.ndarray, tuning: float) -> np.ndarray:
    """librosa's |cqt| to float32 rounding: sound [N] → float32 [252, 1 + N // 512], from C1 up."""
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
        spectrum = np.asarray(scipy.fft.rfft(frames, axis=1))[:, band]  # [T', b]
        octaves.append(np.abs(spectrum @ basis))  # [T', 36]
    n_frames = min(map(len, octaves))
    bins = np.concatenate([magnitude[:n_frames] for magnitude in reversed(octaves)], axis=1).T
    # In silence beside something loud, both transforms hold rounding noise, and chroma scales every
    # frame to 1: there it takes librosa's own order of sums. One real clip in 150 has such frames.
    quiet = bins.max(axis=0) < QUIET * bins.max()
    if quiet.any():
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="n_fft=")  # shorter than the lowest filter
            own = librosa.cqt(sound, sr=RATE, n_bins=OCTAVES * BINS_PER_OCTAVE,
                              bins_per_octave=BINS_PER_OCTAVE, tuning=tuning)
        bins[:, quiet] = np.abs(own)[:, :n_frames][:, quiet]
    return bins


def tunings(magnitude: np.ndarray) -> tuple[float, float]:
    """``librosa.estimate_tuning`` of an STFT's magnitude float32 [1025, T]: of its power with 12
    bins an octave (``chroma_stft``'s), of itself with 36 (``cqt``'s), in [−0.5, 0.5) of a bin."""
    magnitude = np.ascontiguousarray(magnitude.T)
    spectrum, largest = magnitude[:, PEAK_BINS], magnitude.max(axis=1)
    middle = spectrum[:, 1:-1]
    peaks = (middle > spectrum[:, :-2]) & (middle >= spectrum[:, 2:])
    peaks &= middle > np.float32(0.1) * largest[:, None]
    rows, columns = np.nonzero(peaks)
    sides = [spectrum[rows, columns + step] for step in (0, 1, 2)]  # left, top, right of each peak
    bins = columns + PEAK_BINS.start + 1
    strong = np.square(sides[1]) > (np.float32(0.1) * np.square(largest))[rows]
    of_power = _tuning([np.square(side[strong]) for side in sides], bins[strong], 12)
    return of_power, _tuning(sides, bins, BINS_PER_OCTAVE)


def _tuning(sides: list[np.ndarray], bins: np.ndarray, bins_per_octave: int) -> float:
    # the fullest of 100 bins of the deviations of peaks [n] at least as high as their median
    left, top, right = sides
    # Precisions as in librosa's compiled loop: on noise the last digit decides the fullest bin.
    curvature, slope = (left + right) - 2 * top.astype(np.float64), (right - left) / 2
    inside = np.abs(slope) < np.abs(curvature)
    shift = np.where(inside, -slope / np.where(inside, curvature, 1), 0).astype(np.float32)
    pitch = ((bins + shift) * float(RATE) / N_FFT).astype(np.float32)
    height = top + np.float32(0.5) * slope * shift
    if not len(height):
        return 0.0
    pitch = pitch[height >= np.median(height)]
    deviation = np.mod(bins_per_octave * np.log2(pitch / (440.0 / 16)), 1.0)
    deviation[deviation >= 0.5] -= 1.0
    counts, edges = np.histogram(deviation, np.linspace(-0.5, 0.5, 101))
    return float(edges[np.argmax(counts)])
