"""Kernel audio distance: do two sets of embeddings come from one distribution? Without a Gaussian,
and without bias.
"""

import numpy as np
from scipy.spatial.distance import pdist

from lib.core.errors import KlangfarbeError

CHUNK = 1024       # rows of a kernel matrix in memory at a time: 1024 × N float64
N_BANDWIDTH = 2000  # rows of the reference the median is taken over


def median_distance(x: np.ndarray) -> float:
    """Median Euclidean distance between pairs of rows of [N, D]; over 2,000 rows, evenly spaced,
    where there are more.
    """
    rows = np.unique(np.linspace(0, len(x) - 1, min(len(x), N_BANDWIDTH)).astype(int))
    return float(np.median(pdist(np.asarray(x, np.float64)[rows])))


def kad(reference: np.ndarray, generated: np.ndarray, *, bandwidth: float | None = None) -> float:
    """Kernel audio distance: the unbiased squared maximum mean discrepancy with a Gaussian kernel.

    mean_{i≠j} k(r_i, r_j) + mean_{i≠j} k(g_i, g_j) − 2 mean_{i,j} k(r_i, g_j), with k(x, y) =
    exp(−‖x − y‖² / 2h²) and h the median distance between reference rows. No factor: the value is
    the MMD² itself (the authors' toolkit prints it times 100).
    Its mean is 0 for one distribution at any n, so single values fall below 0 half of the time:
    they are not clipped.

    Card:
        estimates: squared distance between the mean kernel images of both distributions
        direction: ↓
        range: [−2, 2], about 0 for one distribution
        unit: none
        input: embeddings of the encoder named in the table; the bandwidth is the reference's own
        aggregation: over all pairs of rows, a row with itself left out
        blind to: which clip answers which condition; differences much finer or much wider than the
            bandwidth
        minimum n: 50 (no bias, but the interval is wide)
        source: Chung et al. (2025), KAD; Gretton et al. (2012), JMLR 13, eq. 3

    Args:
        reference: [N ≥ 2, D] embeddings of reference clips.
        generated: [M ≥ 2, D] embeddings of generated ones.
        bandwidth: h, in the embedding's unit; ``None``: :func:`median_distance` of the reference.
            Give one number where several sets are compared with several references.

    Returns:
        MMD², memory bounded by 1,024 rows of the kernel matrix.

    Raises:
        KlangfarbeError: shapes that do not fit, values that are not finite, or a bandwidth of 0
            (more than half of the reference is one and the same row).

    Notebook: 05.
    """
    reference, generated = np.asarray(reference, np.float64), np.asarray(generated, np.float64)
    if reference.ndim != 2 or generated.ndim != 2 or reference.shape[1:] != generated.shape[
        1:] or min(len(reference), len(generated)) < 2:
        raise KlangfarbeError("two sets of embeddings [N ≥ 2, D] of one width",
                              f"{reference.shape} and {generated.shape}",
                              "embed both with one encoder")
    if not (np.isfinite(reference).all() and np.isfinite(generated).all()):
        raise KlangfarbeError("finite embeddings", "NaN or infinite values",
                              "look for silent or broken clips among them")
    bandwidth = median_distance(reference) if bandwidth is None else float(bandwidth)
    if not (np.isfinite(bandwidth) and bandwidth > 0):
        raise KlangfarbeError("a bandwidth above 0", f"{bandwidth:g}",
                              "look for repeated clips in the reference, or give one")
    # ‖x‖² + ‖y‖² − 2xy keeps its digits when the clouds lie around 0
    centre = reference.mean(axis=0)
    reference, generated = (reference - centre) / bandwidth, (generated - centre) / bandwidth
    n, m = len(reference), len(generated)
    within_r = (_kernel_sum(reference) - n) / (n * (n - 1))  # k(x, x) = 1 is left out
    within_g = (_kernel_sum(generated) - m) / (m * (m - 1))
    return float(within_r + within_g - 2 * _kernel_sum(reference, generated) / (n * m))


def _kernel_sum(x: np.ndarray, y: np.ndarray | None = None) -> float:
    """Σ_ij exp(−‖x_i − y_j‖²/2), rows of x in chunks; without y over all pairs of x, each computed
    once.
    """
    others = x if y is None else y
    half_x, half_y = (np.einsum("nd,nd->n", a, a) / 2 for a in (x, others))
    total = 0.0
    for start in range(0, len(x), CHUNK):
        # the kernel is symmetric: what lies left of the diagonal is known
        first = start if y is None else 0
        block = x[start : start + CHUNK] @ others[first:].T
        block -= half_x[start : start + CHUNK, None]
        block -= half_y[first:]
        np.exp(np.minimum(block, 0, out=block), out=block)
        total += block.sum() if y is not None else 2 * block.sum() - block[:, : len(block)].sum()
    return total
