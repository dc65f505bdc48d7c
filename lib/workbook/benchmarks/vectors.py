"""Benches of embeddings, against the bare arithmetic: Fréchet distance, ArtiCaps' matching."""

import numpy as np
from scipy.linalg import sqrtm

from lib.metrics import distances
from lib.systems import evaluation
from lib.systems.art2music import data
from lib.workbook import benchmarks


def bench_frechet(n_vectors: int = 10_000, width: int = 512, repeats: int = 5) -> dict:
    """FAD against the least that float64 has to do: X'X twice, one eigen-decomposition, two
    products for Σ1^½ Σ2 Σ1^½, its eigenvalues. ``times_of_its_products`` = ours / baseline (wanted:
    at most 1.2); ``relative_error`` against scipy's matrix square root."""
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


def bench_matching(n_comments: int = 443_662, n_captions: int = 5_521, width: int = 384) -> dict:
    """Matching at ArtiCaps' published size against the bare matrix product, both in twelve parts by
    turns. ``times_the_product`` = ours / baseline (wanted: at most 1.5); ``extra_mb``: held beyond
    both tables (at most 1,000); ``exact``: agreement with double precision on 500 rows."""
    rng = np.random.default_rng(0)
    comments, captions = (evaluation.unit(rng.standard_normal((n, width), dtype=np.float32))
                          for n in (n_comments, n_captions))
    across = np.ascontiguousarray(captions.T)
    buffer = np.empty((data.CHUNK, n_captions), np.float32)
    before, clock, found = benchmarks.peak_mb(), benchmarks.Clock(), []
    for part in np.array_split(comments, 12):
        with clock("ours"):
            found.append(data.nearest(part, captions)[0])
        with clock("product"):
            for start in range(0, len(part), data.CHUNK):
                rows = part[start : start + data.CHUNK]
                np.matmul(rows, across, out=buffer[: len(rows)])
    extra, ours, bare = benchmarks.peak_mb() - before, *clock.parts.values()
    few = rng.choice(n_comments, 500, replace=False)
    exact = comments[few].astype(np.float64) @ captions.T.astype(np.float64)
    return benchmarks.result(
        f"top-1 of {n_comments:,} × {n_captions:,} × {width}; baseline: the matrix product alone",
        ours, bare, "s", n_comments, more_is_better=False, times_the_product=ours / bare,
        extra_mb=round(extra), exact=float(np.mean(exact.argmax(1) == np.concatenate(found)[few])))
