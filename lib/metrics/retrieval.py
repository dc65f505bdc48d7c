"""Does the right answer come first? Recall at k, median rank, mean reciprocal rank; over groups."""

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.metrics import stats

KS = (1, 5, 10)
SAME = 1e-9   # cosines this close are a tie: less than that is the order of the additions
BLOCK = 1024  # queries at a time: 1024 × N float64


def ranks(queries: np.ndarray, items: np.ndarray,
          groups: np.ndarray | None = None) -> pd.DataFrame:
    """Where each query's nearest right item (item i, or any of its group [N]) stands among all
    items [N, D] by cosine: ``rank``, ``r_at_1, r_at_5, r_at_10, reciprocal``, in *expectation* over
    the orders of ties: an encoder that says the same of everything scores what guessing scores.
    """
    queries, items = unit(queries), unit(items)
    member = stats.group_index(groups, len(queries))
    if queries.shape != items.shape or len(items) < 2 or len(member) != len(items):
        raise KlangfarbeError("queries, items and groups of one length and width",
                              f"{queries.shape}, {items.shape} and {len(member)} groups",
                              "give a query for each item")
    better, tied, right = (np.empty(len(items), np.int64) for _ in range(3))
    for start in range(0, len(items), BLOCK):
        rows = slice(start, start + BLOCK)
        cosine, ours = queries[rows] @ items.T, member[rows, None] == member  # [≤ 1024, N]
        best = np.where(ours, cosine, -np.inf).max(axis=1, keepdims=True)
        level = np.abs(cosine - best) <= SAME
        better[rows] = (cosine > best + SAME).sum(axis=1)  # none of ours is
        tied[rows] = (level & ~ours).sum(axis=1)
        right[rows] = (level & ours).sum(axis=1)
    found = {"rank": better + (tied + right + 1) / (right + 1)}
    found |= {f"r_at_{k}": (better < k).astype(float) for k in KS}
    found["reciprocal"] = 1.0 / (better + 1)
    for row in np.flatnonzero(tied):
        # P(the first right one is the j-th of the tied), j = 1 … tied + 1
        before = np.arange(tied[row] + 1)  # wrong ones before it
        left = tied[row] + right[row] - before
        still_wrong = np.cumprod((tied[row] - before[:-1]) / left[:-1])
        first = np.concatenate([[1.0], still_wrong]) * right[row] / left
        places = better[row] + 1 + before
        found["reciprocal"][row] = np.sum(first / places)
        for k in KS:
            found[f"r_at_{k}"][row] = first[places <= k].sum()
    return pd.DataFrame(found)


def retrieval(queries: np.ndarray, items: np.ndarray,
              groups: np.ndarray | None = None) -> dict[str, float]:
    """Means of :func:`ranks`: ``r_at_1, r_at_5, r_at_10, median_rank, mrr, n``.
    Card: estimates: whether a painting and the music made for it find one another among all
        others · direction: ↑ · range: R@k and MRR in [0, 1]; median rank in [1, N], where lower is
        better · unit: none · input: embeddings of an encoder that did not build the pairs ·
        aggregation: mean over queries (median for the rank) · blind to: whether the items are good;
        depends on N (guessing gives k/N without groups): compare at one N only · minimum n: 50 ·
        source: Karpathy & Fei-Fei (2015), CVPR, §4.1; ties as McSherry & Najork (2008), ECIR
    """
    found = ranks(queries, items, groups)
    return {**{f"r_at_{k}": float(np.mean(found[f"r_at_{k}"])) for k in KS},
            "median_rank": float(np.median(found["rank"])),
            "mrr": float(np.mean(found["reciprocal"])), "n": len(found)}


def unit(vectors: np.ndarray) -> np.ndarray:
    """Rows [N, D] divided by their lengths, float64; zeros or NaN are refused."""
    vectors = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not ((lengths > 0) & np.isfinite(lengths)).all():
        raise KlangfarbeError("finite vectors with a direction", "zeros, NaN or infinity",
                              "look for blank inputs; load the encoder's weights again")
    return vectors / lengths
