"""Kullback–Leibler divergences: of a tagger's verdicts, of mel energy, and one that was published
and cannot see a shift.
"""

import librosa
import numpy as np
from scipy.special import log_softmax, rel_entr

from lib.core.errors import KlangfarbeError
from lib.signal.audio import SAMPLE_RATE_HZ, sounding


def paired_kl(reference_logits: np.ndarray, generated_logits: np.ndarray) -> np.ndarray:
    """KL(p_ref ‖ p_gen) of each pair of clips, p the softmax of a tagger's logits: what the tagger
    hears in both.

    Σ_c p_ref(c) · ln( p_ref(c) / p_gen(c) ), in nats, reference first: a tag that the reference has
    and the generated clip lacks costs much, one it adds costs little.

    Card:
        estimates: how differently a tagger judges a generated clip and its own reference
        direction: ↓ · range: [0, ∞) · unit: nat
        input: logits [N, C] of one tagger for N pairs, all classes, before any softmax
        aggregation: one value a pair; a table takes the mean over pairs
        blind to: what the tagger has no tag for; tags spoken of with equal certainty in both
        minimum n: 100 pairs
        source: Kreuk et al. (2023), AudioGen, sec. 4.1
    """
    reference, generated = np.asarray(reference_logits,
                                      np.float64), np.asarray(generated_logits, np.float64)
    if reference.ndim != 2 or reference.shape != generated.shape or reference.shape[1] < 2:
        raise KlangfarbeError("logits [N, C ≥ 2] of as many references as generated clips",
                              f"{reference.shape} and {generated.shape}",
                              "align the pairs and use one tagger")
    if not (np.isfinite(reference).all() and np.isfinite(generated).all()):
        raise KlangfarbeError("finite logits", "NaN or infinite values",
                              "give logits, not log-probabilities of impossible tags")
    log_p, log_q = log_softmax(reference, axis=1), log_softmax(generated, axis=1)
    return np.maximum((np.exp(log_p) * (log_p - log_q)).sum(axis=1), 0)  # rounding may leave −1e-17


def mel_energy_kld(reference: np.ndarray, generated: np.ndarray,
                   sample_rate_hz: int = SAMPLE_RATE_HZ, *, n_mels: int = 128, n_fft: int = 1024,
                   hop_length: int = 256, floor: float = 1e-8) -> float | np.ndarray:
    """KL divergence between the long-term spectra of two sounds: how energy is spread over mel
    bands.

    KL(p ‖ q) with p(b) the share of the reference's **power** in mel band b, summed over time, q
    the generated sound's: one filter bank for both. `floor` is added to every share (then both are
    normalised again), or an empty band would cost infinitely much.

    Card:
        estimates: difference of the average timbre and register of two sounds
        direction: ↓ · range: [0, ∞) · unit: nat
        input: two mono sounds [N] (or batches [B, N]) at one rate; power, 128 mel bands (Slaney),
            FFT 1024, hop 256, floor 1e-8
        aggregation: power summed over time, then one value a pair; a table takes the mean over
            pairs
        blind to: time: the same notes in another order, or backwards, give 0; loudness
        minimum n: 30 pairs
        source: the mapping thesis, its KLD ("over mel bins"); the floor is ours

    Args:
        reference: [N] or [B, N], finite, not silent. generated: [M] or [B, M].
        sample_rate_hz: rate of both.
        n_mels, n_fft, hop_length: of the mel-spectrogram.
        floor: share added to each band; the largest possible value is about −ln(floor).

    Returns:
        nats: a float, or [B] for a batch.
    """
    settings = {"sr": sample_rate_hz, "n_mels": n_mels, "n_fft": n_fft, "hop_length": hop_length}
    p, q = (_shares(sounding(sound, n_fft), floor, settings) for sound in (reference, generated))
    if p.shape != q.shape:
        raise KlangfarbeError("as many references as generated sounds",
                              f"{p.shape[:-1]} and {q.shape[:-1]}", "align them")
    value = np.maximum(rel_entr(p, q).sum(axis=-1), 0)
    return float(value) if value.ndim == 0 else value


def _shares(sound: np.ndarray, floor: float, settings: dict) -> np.ndarray:
    """Share of the power in each mel band: [..., N] → [..., n_mels], summing to 1."""
    energy = librosa.feature.melspectrogram(y=sound, power=2.0, center=False,
                                            **settings).sum(axis=-1)
    share = energy / energy.sum(axis=-1, keepdims=True) + floor
    return share / share.sum(axis=-1, keepdims=True)


def original_histogram_kl(a: np.ndarray, b: np.ndarray, *, n_bins: int = 100) -> float:
    """KL between two histograms, **each with its own bin edges**: the fault of system 1's released
    evaluation, kept to be shown.

    Each array is counted into `n_bins` bins between its own smallest and largest value, and bin i
    of one is compared with bin i of the other, whatever values they stand for. Shift or stretch one
    array: the counts, and the value, stay what they were. For a number that means something take
    :func:`paired_kl` or :func:`mel_energy_kld`. (The number of bins is ours: the fault does not
    depend on it.)

    Card:
        estimates: difference of the shapes of two histograms once place and width are thrown away
        direction: – · range: [0, ∞) · unit: nat
        input: two arrays of any numbers
        aggregation: all values at once
        blind to: any shift a + c and any stretch c · a with c > 0
        minimum n: 1000 values
        source: the released code of system 1, not its text
    """
    shares = []
    for values in (np.ravel(np.asarray(a, np.float64)), np.ravel(np.asarray(b, np.float64))):
        if not values.size or not np.isfinite(values).all() or values.min() == values.max():
            raise KlangfarbeError("finite values that are not all equal", f"{values.size} values",
                                  "give a sound, not silence")
        counts = np.histogram(values, bins=n_bins)[0] + 1e-10
        shares.append(counts / counts.sum())
    return float(rel_entr(*shares).sum())
