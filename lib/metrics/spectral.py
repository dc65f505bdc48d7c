"""Distances between two sounds, frame by frame: MCD, LSD, SNR; and THD. All but THD compare a sound
with the one it should have been: music as good but different scores badly.  Notebook: 05."""

import functools

import librosa
import numpy as np
from scipy.signal import get_window
from scipy.spatial.distance import cdist

from lib.core.errors import KlangfarbeError
from lib.signal.audio import MEL, SAMPLE_RATE_HZ, sounding

N_COEFFICIENTS = 13                     # c1 … c13; c0, the loudness, is left out
MEL_FLOOR = 1e-5                        # amplitude of a silent mel band, as in HiFi-GAN's ln-mel
N_HARMONICS = 10                        # of THD, the fundamental among them
DECIBEL = 10 * np.sqrt(2) / np.log(10)  # of the cepstral distance


def mcd(reference: np.ndarray, generated: np.ndarray, sample_rate_hz: int = SAMPLE_RATE_HZ, *,
        n_coefficients: int = N_COEFFICIENTS) -> float | np.ndarray:
    """Mel-cepstral distortion of two sounds [N] and [M] (dB), or B pairs of any lengths ([B] dB):
    (10√2 / ln 10) · mean of ‖c_1 … c_K − c'_1 … c'_K‖ along the path of dynamic time warping.
    Card: estimates: how far the spectral envelopes of two renderings of one piece lie apart ·
        direction: ↓ · range: [0, ∞), grows as √n_mels · unit: dB · input: two mono sounds at one
        rate; 80 mel bands of amplitude, FFT 1024, hop 256, floor 1e-5, ln, K = 13, DCT-II
        orthonormal · aggregation: mean over the DTW path, then clips · blind to: loudness (c0),
        tempo within what DTW bends, pitch finer than a mel band; prefers an average · minimum n: 30
        pairs · source: Kubichek (1993), eq. 1; DTW: Battenberg et al. (2020)"""
    if len(reference) and np.ndim(reference[0]) == 1:
        return np.array([mcd(*pair, sample_rate_hz, n_coefficients=n_coefficients)
                         for pair in zip(reference, generated, strict=True)])
    return cepstral_distortion(*(mel_cepstra(sound, sample_rate_hz, n_coefficients)
                                 for sound in (reference, generated)))


def mel_cepstra(sound: np.ndarray, sample_rate_hz: int,
                n_coefficients: int = N_COEFFICIENTS) -> np.ndarray:
    """Mel cepstra c_1 … c_K of a mono sound [N]: float64 [T, K]."""
    sound = sounding(sound, MEL["n_fft"])
    if sound.ndim != 1:
        raise KlangfarbeError("a mono sound [N]", str(sound.shape), "give one sound at a time")
    amplitude = np.abs(librosa.stft(sound.astype(np.float32), n_fft=MEL["n_fft"],
                                    hop_length=MEL["hop_length"]))  # [F, T]
    mel = mel_filters(sample_rate_hz, MEL["n_fft"], MEL["n_mels"]) @ amplitude
    ln_mel = np.log(np.maximum(mel, MEL_FLOOR)).astype(np.float64)
    return librosa.feature.mfcc(S=ln_mel, n_mfcc=n_coefficients + 1)[1:].T  # orthonormal DCT-II


@functools.cache
def mel_filters(sample_rate_hz: int, n_fft: int, n_mels: int) -> np.ndarray:
    """librosa's (Slaney's) mel filters, float32 [n_mels, 1 + n_fft / 2], made once a setting."""
    return librosa.filters.mel(sr=sample_rate_hz, n_fft=n_fft, n_mels=n_mels)


def cepstral_distortion(reference: np.ndarray, generated: np.ndarray) -> float:
    """:func:`mcd` from cepstra [T1, K] and [T2, K], for whoever predicts a mel-spectrogram: dB."""
    cost = cdist(reference, generated)
    _, path = librosa.sequence.dtw(C=cost)  # steps of 1 in either or both
    return float(DECIBEL * cost[tuple(path.T)].mean())


def lsd(reference: np.ndarray, generated: np.ndarray, *,
        floor_db: float | None = -80.0) -> float | np.ndarray:
    """Log-spectral distance of aligned sounds [N] (dB), or of batches [B, N] ([B] dB): mean_t √(
    mean_f (10 log10 P_ref / P_gen)² ), P not below `floor_db` under the reference's largest.
    Card: estimates: size of the difference of two spectra in decibels, all frequencies alike ·
        direction: ↓ · range: [0, ∞) · unit: dB · input: two mono sounds [N] (or batches [B, N])
        aligned sample by sample; FFT 2048, hop 512, floor −80 dB below the peak · aggregation: root
        mean square over bins, then mean over frames · blind to: phase; a delay of one beat or
        another take is error · minimum n: 30 pairs · source: Gray & Markel (1976), IEEE ASSP 24"""
    reference, generated = map(log_spectra, _alike(reference, generated, 2048))
    return spectral_distance(reference, generated, floor_db)


def log_spectra(sound: np.ndarray) -> np.ndarray:
    """10 log10 of the power of a Hann-windowed STFT of sounds [..., N]: [..., F, T] dB, or −∞."""
    with np.errstate(divide="ignore"):
        return 20 * np.log10(np.abs(librosa.stft(np.asarray(sound, np.float64), n_fft=2048,
                                                 hop_length=512)))


def spectral_distance(reference: np.ndarray, generated: np.ndarray,
                      floor_db: float | None = -80.0) -> float | np.ndarray:
    """:func:`lsd` from log spectra [..., F, T], for whoever holds one sound against many: dB."""
    if floor_db is not None:
        floor = reference.max(axis=(-2, -1), keepdims=True) + floor_db
        reference, generated = np.maximum(reference, floor), np.maximum(generated, floor)
    if np.isneginf([reference.min(), generated.min()]).any():
        raise KlangfarbeError("power above 0 in every bin", "bins of digital silence",
                              "keep the floor, floor_db=-80")
    value = np.sqrt(np.mean(np.square(reference - generated), axis=-2)).mean(axis=-1)
    return float(value) if value.ndim == 0 else value


def thd(sound: np.ndarray, sample_rate_hz: int, fundamental_hz: float | None) -> float:
    """Total harmonic distortion of **one** tone [N] of known pitch, √(A_2² + … + A_H²) / A_1, in
    ± 5 bins (or 1 %) of each harmonic. Undefined for music: a chord has several fundamentals.
    Card: estimates: how much a device that was fed one sine adds at its multiples · direction: ↓ ·
        range: [0, ∞) · unit: none (a ratio of amplitudes; 0.1 is −20 dB) · input: one mono sound of
        at least 12 periods with a known fundamental · aggregation: over the whole sound · blind to:
        anything between the harmonics: noise, and every note that is no multiple of the fundamental
        · minimum n: 1 · source: IEEE Std 1241-2010, sec. 4.4 """
    sound = sounding(sound, 2)
    if fundamental_hz is None or not 0 < fundamental_hz < np.inf:
        raise KlangfarbeError("the frequency of the one tone that sounds", f"{fundamental_hz}",
                              "do not take THD of music: it needs one known fundamental")
    harmonics = fundamental_hz * np.arange(1, N_HARMONICS + 1)
    harmonics = harmonics[harmonics < 0.49 * sample_rate_hz]
    if sound.ndim != 1 or len(harmonics) < 2 or len(sound) * fundamental_hz < 12 * sample_rate_hz:
        raise KlangfarbeError("a mono tone of 12 periods or more, its octave below half the rate",
                              f"{sound.shape} samples, {fundamental_hz:g} Hz", "make it longer")
    energy = np.abs(np.fft.rfft(sound * get_window("blackmanharris", len(sound)))) ** 2
    centre = harmonics * len(sound) / sample_rate_hz  # bins
    reach = np.maximum(5.0, 0.01 * centre[0])
    amplitude2 = [energy[max(0, int(np.ceil(c - reach))) : int(c + reach) + 1].sum()
                  for c in centre]
    if amplitude2[0] < 1e-6 * energy.sum():
        raise KlangfarbeError(f"a tone at {fundamental_hz:g} Hz", "hardly any energy there",
                              "name its real fundamental")
    return float(np.sqrt(sum(amplitude2[1:]) / amplitude2[0]))


def snr(reference: np.ndarray, generated: np.ndarray) -> float | np.ndarray:
    """Signal-to-noise ratio, 10 log10 Σ ref² / Σ (ref − gen)²: [N] → dB, or [B, N] → [B] dB.
    Card: estimates: how much louder the original is than what was added to it · direction: ↑ ·
        range: (−∞, ∞) · unit: dB · input: two mono sounds [N] (or batches [B, N]) aligned sample by
        sample, the first the clean original · aggregation: over all samples · blind to: what the
        error sounds like; a delay of a millisecond or a flipped sign counts as noise louder than
        the signal · minimum n: 1 · source: torchmetrics.audio.SignalNoiseRatio (zero_mean=False)"""
    reference, generated = _alike(reference, generated, 1, silent_ok=True)
    noise = np.square(reference - generated).sum(axis=-1)
    if np.min(noise) == 0:
        raise KlangfarbeError("a sound unlike its original", "an infinite ratio", "leave it out")
    value = 10 * np.log10(np.square(reference).sum(axis=-1) / noise)
    return float(value) if value.ndim == 0 else value


def _alike(reference: np.ndarray, generated: np.ndarray, at_least: int, *,
           silent_ok: bool = False) -> tuple[np.ndarray, np.ndarray]:
    if np.shape(reference) != np.shape(generated):
        raise KlangfarbeError("two sounds of one length",
                              f"{np.shape(reference)}, {np.shape(generated)}", "cut them alike")
    return sounding(reference, at_least), sounding(generated, at_least, silent_ok=silent_ok)
