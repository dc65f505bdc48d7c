"""``bench frechet``: FAD between two sets of 10,000 × 512 embeddings against the time of its own
matrix products and eigenvalues.
"""

import time

import numpy as np
import threadpoolctl
from scipy.linalg import sqrtm

from lib.metrics import distances


def bench(n_vectors: int = 10_000, width: int = 512, repeats: int = 5) -> dict:
    """Process time on one core, the best of `repeats` turns of each, taken in turn.

    The baseline is the least that float64 arithmetic has to do on these matrices, in bare numpy:
    two products X'X of centred embeddings, one eigen-decomposition, two products for Σ1^½ Σ2 Σ1^½,
    its eigenvalues. Means, centring, checks are ours.

    Returns:
        ``ours, baseline`` (s), ``ratio`` = baseline / ours, ``times_of_its_products`` = ours /
        baseline (target: at most 1.2), and ``relative_error`` against scipy's matrix square root on
        the same covariances.
    """
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(width, width)) / np.sqrt(width)
    sets = [rng.normal(size=(n_vectors, width)) @ mixing,
            1.1 * rng.normal(size=(n_vectors, width)) @ mixing + 0.1]
    centred = [x - x.mean(axis=0) for x in sets]
    ours, baseline = [], []
    with threadpoolctl.threadpool_limits(1):
        for _ in range(repeats):
            start = time.process_time()
            value = distances.fad(*sets)
            middle = time.process_time()
            _products(*centred)
            ours.append(middle - start)
            baseline.append(time.process_time() - middle)
        (mean, cov), (other_mean, other_cov) = (distances.gaussian(x) for x in sets)
        check = np.sum((mean - other_mean) ** 2) + np.trace(cov + other_cov - 2
                                                            * sqrtm(cov @ other_cov).real)
    return {"what": f"FAD between two sets of {n_vectors} × {width}, one core; baseline: "
            f"its matrix products and eigenvalues alone", "ours": round(min(ours), 4),
            "baseline": round(min(baseline), 4), "ratio": round(min(baseline) / min(ours), 3),
            "unit": "s", "n": n_vectors,
            "times_of_its_products": round(min(ours) / min(baseline), 3), "width": width,
            "relative_error": float(f"{abs(value - check) / check:.2g}")}


def _products(x: np.ndarray, y: np.ndarray) -> float:
    """The bare arithmetic of the distance between two centred sets."""
    cov, other = x.T @ x, y.T @ y
    values, vectors = np.linalg.eigh(cov)
    root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
    return float(np.linalg.eigvalsh(root @ other @ root.T).sum())
