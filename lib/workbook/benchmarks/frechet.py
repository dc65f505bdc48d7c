"""FAD between two sets of 10,000 × 512 embeddings against its own matrix products and eigenvalues.

The baseline is the least that float64 arithmetic has to do on these matrices: two products X'X of
centred embeddings, one eigen-decomposition, two products for Σ1^½ Σ2 Σ1^½, its eigenvalues.
"""

import numpy as np
from scipy.linalg import sqrtm

from lib.metrics import distances
from lib.workbook import benchmarks


def bench(n_vectors: int = 10_000, width: int = 512, repeats: int = 5) -> dict:
    """``times_of_its_products`` = ours / baseline (wanted: at most 1.2); ``relative_error`` against
    scipy's matrix square root on the same covariances."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(width, width)) / np.sqrt(width)
    sets = [rng.normal(size=(n_vectors, width)) @ mixing,
            1.1 * rng.normal(size=(n_vectors, width)) @ mixing + 0.1]
    x, y = (each - each.mean(axis=0) for each in sets)

    def products() -> float:
        cov, other = x.T @ x, y.T @ y
        values, vectors = np.linalg.eigh(cov)
        root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
        return float(np.linalg.eigvalsh(root @ other @ root.T).sum())

    ours, bare = benchmarks.best_seconds([lambda: distances.fad(*sets), products], repeats)
    value = distances.fad(*sets)
    (mean, cov), (other_mean, other_cov) = (distances.gaussian(each) for each in sets)
    root = np.real(sqrtm(cov @ other_cov))
    check = np.sum((mean - other_mean) ** 2) + np.trace(cov + other_cov - 2 * root)
    return benchmarks.result(
        f"FAD between two sets of {n_vectors} × {width}; baseline: its matrix products and "
        "eigenvalues alone", ours, bare, "s", n_vectors, more_is_better=False,
        times_of_its_products=ours / bare, width=width,
        relative_error=float(abs(value - check) / check))
