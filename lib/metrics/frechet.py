"""Fréchet distance between two clouds of embeddings, and what is left of it once its sample-size
bias is taken out.
"""

from typing import NamedTuple

import numpy as np
from scipy.stats import t

from lib.core.errors import KlangfarbeError

# of the largest eigenvalue or of the trace: more than that below zero is no rounding
ROUND_OFF = 1e-6
CHUNK = 4096      # rows centred at a time


class FadInfinity(NamedTuple):
    """What :func:`fad_infinity` returns.

    Attributes:
        value: the line's height at 1/n = 0.
        low, high: 95 % interval of ``value``, by leaving tenths of the clips out (see
            :func:`fad_infinity`).
        slope: the line's slope: the bias at n clips is about ``slope / n``.
        sizes: [S] numbers of generated clips (or groups) the line was fitted at.
        fads: [S] mean FAD at those sizes.
    """

    value: float
    low: float
    high: float
    slope: float
    sizes: np.ndarray
    fads: np.ndarray


def gaussian(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and unbiased covariance of embeddings [N ≥ 2, D], in float64: (μ [D], Σ [D, D])."""
    x = np.asarray(x)
    if x.ndim != 2 or len(x) < 2:
        raise KlangfarbeError("embeddings [N ≥ 2, D]", str(x.shape), "give one row per clip")
    mean = x.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():
        raise KlangfarbeError("finite embeddings", "NaN or infinite values",
                              "look for silent or broken clips among them")
    cov = np.zeros((x.shape[1], x.shape[1]))
    # centred first: x'x − nμμ' loses digits where the mean is far from 0
    for start in range(0, len(x), CHUNK):
        centred = x[start : start + CHUNK] - mean
        cov += centred.T @ centred
    return mean, cov / (len(x) - 1)


def frechet(mu1: np.ndarray, cov1: np.ndarray, mu2: np.ndarray, cov2: np.ndarray) -> float:
    """Squared Fréchet (2-Wasserstein) distance between two Gaussians of known mean and covariance.

    ‖μ1 − μ2‖² + tr Σ1 + tr Σ2 − 2 tr (Σ1^½ Σ2 Σ1^½)^½. The last root is of a symmetric matrix
    without negative eigenvalues, so it
    is the sum of their square roots: real, whatever the rounding.

    Card:
        estimates: how far one Gaussian must be carried to become the other, squared
        direction: ↓
        range: [0, ∞)
        unit: the embedding's unit, squared
        input: two means [D] and two covariances [D, D]
        aggregation: none, the parameters are given
        blind to: everything beyond mean and covariance
        minimum n: 1 (the parameters are taken as known)
        source: Dowson & Landau (1982), Journal of Multivariate Analysis 12, eq. 4

    Raises:
        KlangfarbeError: shapes that do not fit, values that are not finite, or a matrix that is no
            covariance.

    Notebook: 05.
    """
    mu1, cov1, mu2, cov2 = (np.asarray(a, np.float64) for a in (mu1, cov1, mu2, cov2))
    if mu1.ndim != 1 or mu1.shape != mu2.shape or not cov1.shape == cov2.shape == 2 * mu1.shape:
        raise KlangfarbeError("two means [D] and two covariances [D, D]",
                              f"{mu1.shape}, {cov1.shape}, {mu2.shape}, {cov2.shape}",
                              "embed both sets with one encoder")
    if not all(np.isfinite(a).all() for a in (mu1, cov1, mu2, cov2)):
        raise KlangfarbeError("finite means and covariances", "NaN or infinite values",
                              "look for silent or broken clips")
    values, vectors = np.linalg.eigh(cov1)
    # [D, D], root' root = Σ1; it may stand for Σ1^½: same eigenvalues
    root = np.sqrt(_positive(values))[:, None] * vectors.T
    crossed = np.sqrt(_positive(np.linalg.eigvalsh(root @ cov2 @ root.T))).sum()
    traces = np.trace(cov1) + np.trace(cov2)
    # √λ turns a rounding of 1e-16 in an empty direction into 1e-8, so the sum may end a little
    # below zero: that is 0.
    distance = np.square(mu1 - mu2).sum() + traces - 2 * crossed
    if not np.isfinite(distance) or distance < -ROUND_OFF * max(traces, np.finfo(float).tiny):
        raise KlangfarbeError("a distance of at least 0", f"{distance:g}",
                              "check that the matrices are symmetric covariances")
    return float(max(distance, 0.0))


def fad(reference: np.ndarray, generated: np.ndarray) -> float:
    """Fréchet audio distance: :func:`frechet` between Gaussians fitted to two sets of embeddings.

    ‖μr − μg‖² + tr(Σr + Σg − 2(Σr Σg)^½), in float64. Biased: it grows as n falls, also between two
    sets of one distribution (identical 128-d Gaussians against a large reference: about 33 at n =
    150, 7.5 at 600). Compare at one n only, and print :func:`fad_infinity` beside it.

    Card:
        estimates: distance between the distributions of reference and generated clips, each taken
            for one Gaussian
        direction: ↓
        range: [0, ∞)
        unit: the embedding's unit, squared
        input: embeddings of the encoder named in the table
        aggregation: one row a clip (or a window of it) → mean and covariance of the set
        blind to: which clip answers which condition; a pair and its shuffle score alike; everything
            beyond two moments
        minimum n: 500 (below about four rows a dimension the bias outweighs most differences)
        source: Kilgour et al. (2019), Interspeech, eq. 1

    Args:
        reference: [N ≥ 2, D] embeddings of reference clips.
        generated: [M ≥ 2, D] embeddings of generated ones.

    Returns:
        The distance, ≥ 0.

    Raises:
        KlangfarbeError: shapes that do not fit, or values that are not finite. It never returns −1.

    Notebook: 05.
    """
    reference, generated = _two_sets(reference, generated)
    return frechet(*gaussian(reference), *gaussian(generated))


def fad_infinity(reference: np.ndarray, generated: np.ndarray, *, groups: np.ndarray | None = None,
                 seed: int = 0, sizes: tuple[int, ...] | None = None, n_draws: int = 5,
                 n_folds: int = 10) -> FadInfinity:
    """FAD as the number of clips goes to infinity: a straight line in 1/n through FADs of subsets,
    read off at 1/n = 0.

    FAD(n) ≈ FAD∞ + slope / n. Subsets are drawn **without** replacement (a clip drawn twice has no
    variance of its own and would bias the covariance); the reference is thinned in the same
    proportion, so that its bias goes to 0 with the other's.

    Card:
        estimates: the FAD that infinitely many clips would give
        direction: ↓
        range: (−∞, ∞), about 0 or a little below for one distribution
        unit: the embedding's unit, squared
        input: embeddings of the encoder named in the table
        aggregation: mean FAD of n_draws subsets a size, then least squares in 1/n; interval by a
            jackknife over tenths of the clips (or groups), left out of both sets in turn
        blind to: what fad is blind to; the bias in 1/n², which pulls it below 0 where n is under
            about four times D
        minimum n: 200 (and more than 2·D, or the covariances of the halves are not of full rank)
        source: Chong & Forsyth (2020), CVPR, sec. 4, for images; Gui et al. (2024), ICASSP, for
            music

    Args:
        reference: [N, D] embeddings. generated: [M, D].
        groups: [M] the piece or painting of each generated row; whole groups are drawn. ``None``:
            each row is its own.
        seed: of the draws.
        sizes: numbers of generated clips (groups, if given); ``None``: six, evenly spaced in 1/n
            from all of them to half.
        n_draws: subsets a size.
        n_folds: parts left out in turn for the interval.

    Returns:
        :class:`FadInfinity`.

    Raises:
        KlangfarbeError: fewer than two sizes, a size that cannot be drawn, or whatever :func:`fad`
            refuses.

    Notebook: 05.
    """
    reference, generated = _two_sets(reference, generated)
    names, member = np.unique(np.arange(len(generated)) if groups is None else np.asarray(groups),
                              return_inverse=True)
    if len(member) != len(generated):
        raise KlangfarbeError(f"one group for each of {len(generated)} rows", str(len(member)),
                              "align them")
    count = len(names)
    wanted = np.asarray(np.rint(count / np.linspace(1, 2, 6)) if sizes is None else sizes, int)
    if len(np.unique(wanted)) < 2 or wanted.max() > count or wanted.min() < 2 or count < 2 * n_folds or n_folds < 2:
        raise KlangfarbeError(f"two or more sizes between 2 and {count} clips or groups, and {n_folds} folds of at least 2",
                              f"sizes {wanted.tolist()}", "draw more clips, or name other sizes")
    shares = wanted / count
    rng = np.random.default_rng(seed)
    fold, fold_of_reference = rng.permutation(count) % n_folds, rng.permutation(
        len(reference)) % n_folds
    fads = _ladder(reference, generated, member, fold >= 0, fold_of_reference >= 0, shares, n_draws,
                   seed)
    slope, value = np.polyfit(1 / wanted, fads, 1)
    without = []
    for left_out in range(n_folds):
        kept = fold != left_out
        ladder = _ladder(reference, generated, member, kept, fold_of_reference != left_out, shares,
                         n_draws, seed)
        without.append(np.polyfit(1 / (shares * kept.sum()), ladder, 1)[1])
    error = np.sqrt((n_folds - 1) * np.var(without))
    half = float(t.ppf(0.975, n_folds - 1) * error)
    return FadInfinity(float(value), float(value) - half, float(value) + half, float(slope), wanted,
                       fads)


def _ladder(reference, generated, member, kept, kept_reference, shares, n_draws: int,
            seed: int) -> np.ndarray:
    """Mean FAD at each share of the groups and of the reference rows that are kept (bool [G], [N]):
    [S].

    The orders are drawn over everything and what is not kept is struck out: two folds then differ
    by what they leave out, not by their draws.
    """
    rng = np.random.default_rng(seed)
    n_groups, n_reference = kept.sum(), kept_reference.sum()
    fads = []
    for share in shares:
        values = []
        for _ in range(n_draws if share < 1 else 1):
            order, order_of_reference = rng.permutation(len(kept)), rng.permutation(len(reference))
            chosen = order[kept[order]][: round(share * n_groups)]
            rows = order_of_reference[kept_reference[order_of_reference]][: round(share
                                                                                  * n_reference)]
            values.append(fad(reference[rows], generated[np.isin(member, chosen)]))
        fads.append(np.mean(values))
    return np.array(fads)


def _two_sets(reference: np.ndarray, generated: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    reference, generated = np.asarray(reference), np.asarray(generated)
    if reference.ndim != 2 or generated.ndim != 2 or reference.shape[1:] != generated.shape[
        1:] or min(len(reference), len(generated)) < 2:
        raise KlangfarbeError("two sets of embeddings [N ≥ 2, D] of one width",
                              f"{reference.shape} and {generated.shape}",
                              "embed both with one encoder")
    return reference, generated


def _positive(eigenvalues: np.ndarray) -> np.ndarray:
    """Eigenvalues of a covariance, rounding below zero clipped; more than rounding is refused."""
    if eigenvalues.min() < -ROUND_OFF * max(eigenvalues.max(), np.finfo(float).tiny):
        raise KlangfarbeError("a covariance (no negative eigenvalue)",
                              f"an eigenvalue of {eigenvalues.min():.3g}", "give Σ itself")
    return np.maximum(eigenvalues, 0)
