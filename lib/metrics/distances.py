"""Distances between two sets of embeddings, none of which knows what answers which condition, and
KL divergences of pairs: of a tagger's verdicts, of mel energy, a published one.  Notebook: 05."""

import warnings
from collections import namedtuple

import librosa
import numpy as np
import torch
from scipy.spatial.distance import pdist
from scipy.special import log_softmax, rel_entr
from scipy.stats import t
from sklearn.metrics.pairwise import rbf_kernel
from sklearn.utils import gen_batches

from lib.core.errors import KlangfarbeError
from lib.metrics import stats
from lib.signal.audio import SAMPLE_RATE_HZ, sounding

FLOOR = 1e-8         # added to each band's share: an empty one costs −ln FLOOR
ROUND_OFF = 1e-6     # share of the largest eigenvalue (or of the trace) that is rounding error
KERNEL_ROWS = 1024   # rows in memory at a time
N_BANDWIDTH = 2000   # rows that the median distance is taken over
KID_SUBSET, KID_SUBSETS = 1000, 100
# FAD(n) ≈ value + slope / n, fitted to mean FADs [S] at sizes [S]; low, high: 95 % of the value
FadInfinity = namedtuple("FadInfinity", "value low high slope sizes fads")


def gaussian(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [D] and unbiased covariance [D, D] of embeddings [N ≥ 2, D], float64."""
    x, _ = _two_sets(x, x)
    mean = x.mean(axis=0, dtype=np.float64)
    centred = x - mean  # first: x'x − nμμ' loses digits where the mean is far from 0
    return mean, centred.T @ centred / (len(x) - 1)


def frechet(mu1: np.ndarray, cov1: np.ndarray, mu2: np.ndarray, cov2: np.ndarray) -> float:
    """Squared Fréchet (2-Wasserstein) distance of two Gaussians, means [D], covariances [D, D]: ‖μ1
    − μ2‖² + tr Σ1 + tr Σ2 − 2 tr (Σ1^½ Σ2 Σ1^½)^½, a symmetric matrix: its roots are real.
    Card: estimates: how far one Gaussian must be carried to become the other, squared · direction:
        ↓ · range: [0, ∞) · unit: the embedding's unit, squared · input: two means [D] and two
        covariances [D, D] · aggregation: none, the parameters are given · blind to: everything
        beyond mean and covariance · minimum n: 1 (the parameters are taken as known) · source:
        Dowson & Landau (1982), Journal of Multivariate Analysis 12, eq. 4"""
    mu1, cov1, mu2, cov2 = (np.asarray(a, np.float64) for a in (mu1, cov1, mu2, cov2))
    values, vectors = np.linalg.eigh(cov1)
    # root' root = Σ1: it has the eigenvalues of Σ1^½
    root = np.sqrt(_clip_round_off(values))[:, None] * vectors.T  # [D, D]
    crossed = np.sqrt(_clip_round_off(np.linalg.eigvalsh(root @ cov2 @ root.T))).sum()
    traces = np.trace(cov1) + np.trace(cov2)
    distance = np.square(mu1 - mu2).sum() + traces - 2 * crossed
    if not np.isfinite(distance) or distance < -ROUND_OFF * max(traces, np.finfo(float).tiny):
        raise KlangfarbeError("a distance of at least 0", f"{distance:g}", "give covariances")
    return float(max(distance, 0.0))


def fad(reference: np.ndarray, generated: np.ndarray) -> float:
    """Fréchet audio distance of embeddings [N, D], [M, D]; it grows as n falls: compare at one n.
    Card: estimates: distance between the distributions of reference and generated clips, each taken
        for one Gaussian · direction: ↓ · range: [0, ∞) · unit: the embedding's unit, squared ·
        input: embeddings of one encoder · aggregation: mean and covariance of the set · blind to:
        which clip answers which condition; a pair and its shuffle score alike; everything beyond
        two moments · minimum n: 500 (below about four rows a dimension the bias outweighs most
        differences) · source: Kilgour et al. (2019), Interspeech, eq. 1"""
    reference, generated = _two_sets(reference, generated)
    if max(len(reference), len(generated)) > reference.shape[1]:
        return frechet(*gaussian(reference), *gaussian(generated))
    # few centred rows are a root of their covariance: small matrices, and no digits lost to squares
    means = [x.mean(axis=0, dtype=np.float64) for x in (reference, generated)]
    one, two = ((x - mean) / np.sqrt(len(x) - 1) for x, mean in zip((reference, generated), means))
    distance = (np.square(means[0] - means[1]).sum() + np.square(one).sum() + np.square(two).sum()
                - 2 * np.linalg.svd(one @ two.T, compute_uv=False).sum())
    return float(max(distance, 0.0))


def fad_infinity(reference: np.ndarray, generated: np.ndarray, *, groups: np.ndarray | None = None,
                 seed: int = 0, n_draws: int = 5, n_folds: int = 10) -> FadInfinity:
    """FAD for infinitely many clips: a line in 1/n through FADs of subsets of whole groups [M] of
    generated rows, drawn without replacement, the reference thinned alike, read off at 1/n = 0.
    Card: estimates: the FAD that infinitely many clips would give · direction: ↓ · range: (−∞, ∞),
        about 0 or a little below for one distribution · unit: the embedding's unit, squared ·
        input: embeddings of one encoder · aggregation: mean FAD of n_draws subsets at each of six
        sizes, from all to half, then least squares in 1/n; interval by a jackknife over n_folds
        parts of both sets · blind to: what fad is blind to; the bias in 1/n², which pulls it below
        0 where n is under about four times D · minimum n: 200 (and more than 2·D) · source: Chong &
        Forsyth (2020), CVPR, sec. 4, for images; Gui et al. (2024), ICASSP, for music"""
    reference, generated = _two_sets(reference, generated)
    member = stats.group_index(groups, len(generated))
    count = member.max() + 1
    if len(member) != len(generated) or count < 2 * n_folds or n_folds < 2:
        raise KlangfarbeError(f"two groups or more, of {len(generated)} rows, in each of two folds "
                              f"or more", f"{count} groups, {n_folds} folds", "draw more clips")
    sizes = np.asarray(np.rint(count / np.linspace(1, 2, 6)), int)
    shares, rng = sizes / count, np.random.default_rng(seed)
    fold, fold_of_reference = (rng.permutation(n) % n_folds for n in (count, len(reference)))

    def extrapolate(kept: np.ndarray, kept_reference: np.ndarray):
        # slope, value, FADs [S] of the kept groups and reference rows (bool [G], [N]); orders are
        # drawn over everything: two folds differ by what they leave out, not by their draws
        rng, fads = np.random.default_rng(seed), []
        for share in shares:
            values = []
            for _ in range(n_draws if share < 1 else 1):
                order, rows = rng.permutation(count), rng.permutation(len(reference))
                chosen = order[kept[order]][: round(share * kept.sum())]
                rows = rows[kept_reference[rows]][: round(share * kept_reference.sum())]
                values.append(fad(reference[rows], generated[np.isin(member, chosen)]))
            fads.append(np.mean(values))
        return *np.polyfit(1 / (shares * kept.sum()), fads, 1), np.array(fads)

    slope, value, fads = extrapolate(fold >= 0, fold_of_reference >= 0)
    without = [extrapolate(fold != left_out, fold_of_reference != left_out)[1]
               for left_out in range(n_folds)]
    half = float(t.ppf(0.975, n_folds - 1) * np.sqrt((n_folds - 1) * np.var(without)))
    return FadInfinity(float(value), float(value) - half, float(value) + half, float(slope), sizes,
                       fads)


def median_distance(x: np.ndarray) -> float:
    """Median Euclidean distance between rows of [N, D] (2,000 of them, evenly spaced, of more)."""
    rows = np.unique(np.linspace(0, len(x) - 1, min(len(x), N_BANDWIDTH)).astype(int))
    return float(np.median(pdist(np.asarray(x, np.float64)[rows])))


def kad(reference: np.ndarray, generated: np.ndarray, *, bandwidth: float | None = None) -> float:
    """Kernel audio distance of [N, D] and [M, D]: unbiased squared maximum mean discrepancy with
    k(x, y) = exp(−‖x − y‖² / 2h²), h the :func:`median_distance` of the reference if not given.
    Card: estimates: squared distance between the mean kernel images of both distributions ·
        direction: ↓ · range: [−2, 2], about 0 for one distribution · unit: none · input: embeddings
        of one encoder · aggregation: over all pairs of rows, a row with itself left out · blind to:
        which clip answers which condition; differences much finer or much wider than the bandwidth
        · minimum n: 50 (no bias, but the interval is wide) · source: Chung et al. (2025), KAD;
        Gretton et al. (2012), JMLR 13, eq. 3"""
    reference, generated = (x.astype(np.float64) for x in _two_sets(reference, generated))
    bandwidth = median_distance(reference) if bandwidth is None else float(bandwidth)
    if not (np.isfinite(bandwidth) and bandwidth > 0):
        raise KlangfarbeError("a bandwidth above 0", f"{bandwidth:g}",
                              "look for repeated clips in the reference, or give one")
    # ‖x‖² + ‖y‖² − 2xy keeps its digits when the clouds lie around 0
    centre = reference.mean(axis=0)
    reference, generated = (reference - centre) / bandwidth, (generated - centre) / bandwidth
    n, m = len(reference), len(generated)
    within_r = (_kernel_sum(reference, reference) - n) / (n * (n - 1))  # k(x, x) = 1 is left out
    within_g = (_kernel_sum(generated, generated) - m) / (m * (m - 1))
    return float(within_r + within_g - 2 * _kernel_sum(reference, generated) / (n * m))


def kid(reference: np.ndarray, generated: np.ndarray, *, seed: int = 0) -> float:
    """Kernel inception distance of picture features [N, D] and [M, D]: unbiased squared MMD with
    the kernel (x·y/D + 1)³, mean over subsets, by torchmetrics.
    Card: estimates: distance between the distributions of real and painted pictures · direction: ↓
        · range: about [0, ∞); single values fall below 0 where the sets are alike · unit: none;
        depends on the features' scale: comparable within one encoder only · input: features of one
        encoder, of one scale · aggregation: mean over 100 subsets of 1000 (or of the smaller set);
        one where both sets are of that size · blind to: whether a picture fits its music; a set
        compared with itself gives less than 0, not 0 · minimum n: 50 (no bias in n, but the
        interval is wide) · source: Bińkowski et al. (2018), ICLR, eq. 4 and §4"""
    reference, generated = (x.astype(np.float64) for x in _two_sets(reference, generated))
    size = min(len(reference), len(generated), KID_SUBSET)
    subsets = 1 if size == len(reference) == len(generated) else KID_SUBSETS
    from torchmetrics.image.kid import KernelInceptionDistance  # a second, and needed here alone
    with warnings.catch_warnings():  # of memory: features are small
        warnings.filterwarnings("ignore", "Metric `Kernel Inception Distance` will save")
        # what torchmetrics calls pictures are features already
        metric = KernelInceptionDistance(torch.nn.Identity(), subsets, size)
    metric.update(torch.from_numpy(reference), real=True)
    metric.update(torch.from_numpy(generated), real=False)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return float(metric.compute()[0])


def paired_kl(reference_logits: np.ndarray, generated_logits: np.ndarray) -> np.ndarray:
    """Σ_c p_ref · ln(p_ref / p_gen) of pairs of clips, p the softmax of logits [N, C]: [N] nats.
    Card: estimates: how differently a tagger judges a generated clip and its own reference ·
        direction: ↓ · range: [0, ∞) · unit: nat · input: logits [N, C] of one tagger for N pairs,
        before any softmax · aggregation: one value a pair; a table takes the mean · blind to: what
        the tagger has no tag for; tags spoken of with equal certainty in both · minimum n: 100
        pairs · source: Kreuk et al. (2023), AudioGen, sec. 4.1"""
    logits = stats.aligned(reference_logits, generated_logits, ndim=2, fewest=1)
    log_p, log_q = (log_softmax(some, axis=1) for some in logits)
    return np.maximum((np.exp(log_p) * (log_p - log_q)).sum(axis=1), 0)  # rounding may leave −1e-17


def mel_energy_kld(reference: np.ndarray, generated: np.ndarray,
                   sample_rate_hz: int = SAMPLE_RATE_HZ) -> float | np.ndarray:
    """KL of mel bands' shares of **power** over time; sounds [N], [M] or batches [B, N]: nats.
    Card: estimates: difference of the average timbre and register of two sounds · direction: ↓ ·
        range: [0, ∞) · unit: nat · input: two mono sounds [N] (or batches [B, N]) at one rate;
        power, 128 mel bands (Slaney), FFT 1024, hop 256, floor 1e-8 added to each share ·
        aggregation: one value a pair; a table takes the mean · blind to: time: the same notes in
        another order, or backwards, give 0; loudness · minimum n: 30 pairs · source: the mapping
        thesis, its KLD ("over mel bins"); the floor is ours"""
    shares = (mel_shares(sounding(some, 1024), sample_rate_hz) for some in (reference, generated))
    value = np.maximum(rel_entr(*shares).sum(axis=-1), 0)
    return float(value) if value.ndim == 0 else value


def mel_shares(sounds: np.ndarray, sample_rate_hz: int) -> np.ndarray:
    """Power of sounds [..., N] over 128 mel bands, floored, of sum 1: float64 [..., 128]."""
    energy = librosa.feature.melspectrogram(
        y=sounds, sr=sample_rate_hz, n_mels=128, n_fft=1024, hop_length=256, power=2.0,
        center=False).sum(axis=-1).astype(np.float64)
    shares = energy / np.maximum(energy.sum(axis=-1, keepdims=True), 1e-30) + FLOOR
    return shares / shares.sum(axis=-1, keepdims=True)


def original_histogram_kl(a: np.ndarray, b: np.ndarray) -> float:
    """KL between two histograms, **each with its own bin edges**: a fault of S1's released code.
    Card: estimates: difference of the shapes of two histograms once place and width are thrown away
        · direction: – · range: [0, ∞) · unit: nat · input: two arrays of any numbers, 100 bins
        (ours) · aggregation: all values at once · blind to: any shift a + c and any stretch c · a
        with c > 0 · minimum n: 1000 values · source: the released code of S1, not its text"""
    counts = [np.histogram(np.asarray(values, np.float64), bins=100)[0] + 1e-10
              for values in (a, b)]
    return float(rel_entr(*(some / some.sum() for some in counts)).sum())


def _two_sets(reference: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    reference, generated = np.asarray(reference), np.asarray(generated)
    if (reference.ndim != 2 or generated.ndim != 2 or reference.shape[1:] != generated.shape[1:]
            or min(len(reference), len(generated)) < 2
            or not (np.isfinite(reference).all() and np.isfinite(generated).all())):
        raise KlangfarbeError("two sets of finite embeddings [N ≥ 2, D] of one width",
                              f"{reference.shape} and {generated.shape}", "look for broken clips")
    return reference, generated


def _clip_round_off(eigenvalues: np.ndarray) -> np.ndarray:
    if not eigenvalues.min() >= -ROUND_OFF * max(eigenvalues.max(), np.finfo(float).tiny):
        raise KlangfarbeError("a finite covariance (no negative eigenvalue)",
                              f"an eigenvalue of {eigenvalues.min():.3g}", "give Σ itself")
    return np.maximum(eigenvalues, 0)


def _kernel_sum(x: np.ndarray, y: np.ndarray) -> float:
    # Σ_ij exp(−‖x_i − y_j‖²/2), a chunk of rows in memory at a time
    return sum(rbf_kernel(x[rows], y, gamma=0.5).sum() for rows in gen_batches(len(x), KERNEL_ROWS))
