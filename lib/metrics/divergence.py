"""KL divergences: of a tagger's verdicts, of mel energy, and a published one blind to a shift."""

import librosa
import numpy as np
from scipy.special import log_softmax, rel_entr

from lib.core.errors import KlangfarbeError
from lib.metrics import stats
from lib.signal.audio import SAMPLE_RATE_HZ, sounding

FLOOR = 1e-8  # added to each band's share: an empty one would cost infinitely much, now −ln FLOOR


def paired_kl(reference_logits: np.ndarray, generated_logits: np.ndarray) -> np.ndarray:
    """Σ_c p_ref · ln(p_ref / p_gen) of each pair of clips, p the softmax of logits [N, C]: [N]
    nats.
    Card: estimates: how differently a tagger judges a generated clip and its own reference ·
        direction: ↓ · range: [0, ∞) · unit: nat · input: logits [N, C] of one tagger for N pairs,
        before any softmax · aggregation: one value a pair; a table takes the mean · blind to: what
        the tagger has no tag for; tags spoken of with equal certainty in both · minimum n: 100
        pairs · source: Kreuk et al. (2023), AudioGen, sec. 4.1
    """
    logits = stats.aligned(reference_logits, generated_logits, ndim=2, fewest=1)
    log_p, log_q = (log_softmax(some, axis=1) for some in logits)
    return np.maximum((np.exp(log_p) * (log_p - log_q)).sum(axis=1), 0)  # rounding may leave −1e-17


def mel_energy_kld(reference: np.ndarray, generated: np.ndarray,
                   sample_rate_hz: int = SAMPLE_RATE_HZ) -> float | np.ndarray:
    """KL of the shares of **power** in mel bands, summed over time, of two sounds [N] and [M], or
    batches [B, N] and [B, M]: nats, a float or [B].
    Card: estimates: difference of the average timbre and register of two sounds · direction: ↓ ·
        range: [0, ∞) · unit: nat · input: two mono sounds [N] (or batches [B, N]) at one rate;
        power, 128 mel bands (Slaney), FFT 1024, hop 256, floor 1e-8 added to each share ·
        aggregation: one value a pair; a table takes the mean · blind to: time: the same notes in
        another order, or backwards, give 0; loudness · minimum n: 30 pairs · source: the mapping
        thesis, its KLD ("over mel bins"); the floor is ours
    """
    shares = []
    for sound in (reference, generated):
        energy = librosa.feature.melspectrogram(y=sounding(sound, 1024), sr=sample_rate_hz,
                                                n_mels=128, n_fft=1024, hop_length=256, power=2.0,
                                                center=False).sum(axis=-1)
        share = energy / energy.sum(axis=-1, keepdims=True) + FLOOR
        shares.append(share / share.sum(axis=-1, keepdims=True))
    if shares[0].shape != shares[1].shape:
        raise KlangfarbeError("as many references as generated sounds", f"{np.shape(reference)} "
                              f"and {np.shape(generated)}", "align them")
    value = np.maximum(rel_entr(*shares).sum(axis=-1), 0)
    return float(value) if value.ndim == 0 else value


def original_histogram_kl(a: np.ndarray, b: np.ndarray) -> float:
    """KL between two histograms, **each with its own bin edges**: a fault of S1's released code.
    Card: estimates: difference of the shapes of two histograms once place and width are thrown
        away · direction: – · range: [0, ∞) · unit: nat · input: two arrays of any numbers, 100 bins
        (ours) · aggregation: all values at once · blind to: any shift a + c and any stretch c · a
        with c > 0 · minimum n: 1000 values · source: the released code of S1, not its text
    """
    shares = []
    for values in (np.ravel(np.asarray(a, np.float64)), np.ravel(np.asarray(b, np.float64))):
        if not values.size or not np.isfinite(values).all() or values.min() == values.max():
            raise KlangfarbeError("finite values that are not all equal", f"{values.size} values",
                                  "give a sound, not silence")
        counts = np.histogram(values, bins=100)[0] + 1e-10
        shares.append(counts / counts.sum())
    return float(rel_entr(*shares).sum())
