"""Does the right answer come first? Recall at k, median rank and mean reciprocal rank, over groups,
with ties counted fairly.
"""

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError

KS = (1, 5, 10)
SAME = 1e-9   # cosines this close are a tie: less than that is the order of the additions
BLOCK = 1024  # queries at a time: 1024 × N float64


def ranks(queries: np.ndarray, items: np.ndarray, groups: np.ndarray | None = None):
    """Where each query's nearest right item stands among all items.

    Items that lie equally near stand in random order, and what is returned is the *expectation*
    over these orders. So an encoder that says the same of everything scores what guessing scores,
    and not 1.

    Args:
        queries: [N, D], items: [N, D]: query i asks for item i. Compared by cosine.
        groups: [N] the painting or piece of both; every item of the query's group is right.
            ``None``: item i alone.

    Returns:
        DataFrame of N rows: ``rank`` (1 is first), ``r_at_1, r_at_5, r_at_10`` (probability of
            being among the first k) and
        ``reciprocal`` (1/rank). Bootstrap its columns over groups for intervals.
    """
    queries, items = (_unit(some, name) for some, name in ((queries, "queries"), (items, "items")))
    member = np.arange(len(queries)) if groups is None else np.unique(np.asarray(groups),
                                                                      return_inverse=True)[1]
    if queries.shape != items.shape or len(member) != len(items):
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
    return pd.DataFrame(_expected(better, tied, right))


def retrieval(queries: np.ndarray, items: np.ndarray,
              groups: np.ndarray | None = None) -> dict[str, float]:
    """How often a query's own item, or one of its group, is found among the first k, and how far
    down it stands.

    R@k = mean P(rank ≤ k) · median rank · MRR = mean of 1/rank, by cosine, ties in expectation
    (:func:`ranks`).

    Card:
        estimates: whether a painting and the music made for it find one another among all others
        direction: ↑ · range: R@k and MRR in [0, 1]; median rank in [1, N], where lower is better
        unit: none
        input: embeddings of the encoder named in the table, one row a query and one an item; not
            the encoder that built the pairs
        aggregation: best-placed right item per query; mean over queries (median for the rank)
        blind to: whether the items are good; depends on N (guessing gives k/N without groups):
            compare at one N only
        minimum n: 50 (at fewer, R@10 is high by guessing)
        source: Karpathy & Fei-Fei (2015), CVPR, §4.1; ties as McSherry & Najork (2008), ECIR

    Args: as :func:`ranks`.

    Returns:
        ``r_at_1, r_at_5, r_at_10, median_rank, mrr, n``.
    """
    found = ranks(queries, items, groups)
    return {**{f"r_at_{k}": float(found[f"r_at_{k}"].mean()) for k in KS},
            "median_rank": float(found["rank"].median()), "mrr": float(found["reciprocal"].mean()),
            "n": len(found)}


def _expected(better: np.ndarray, tied: np.ndarray, right: np.ndarray) -> dict[str, np.ndarray]:
    """Expectations over random orders of `right` right and `tied` wrong items, below `better` wrong
    ones; each [N].
    """
    found = {"rank": better + (tied + right + 1) / (right + 1)}
    found |= {f"r_at_{k}": (better < k).astype(float) for k in KS}
    found["reciprocal"] = 1.0 / (better + 1)
    for row in np.flatnonzero(tied):
        # P(the first right one is the j-th of the tied), j = 1 … tied + 1
        first = _first(int(tied[row]), int(right[row]))
        places = better[row] + 1 + np.arange(len(first))
        found["reciprocal"][row] = np.sum(first / places)
        for k in KS:
            found[f"r_at_{k}"][row] = first[places <= k].sum()
    return found


def _first(wrong: int, right: int) -> np.ndarray:
    """P(place of the first right one = 1 … wrong + 1) in a random order of `right` right and
    `wrong` wrong items.
    """
    drawn = np.arange(wrong + 1)  # wrong ones before it
    still_wrong = np.concatenate([[1.0],
                                  np.cumprod((wrong - drawn[:-1]) / (wrong + right - drawn[:-1]))])
    return still_wrong * right / (wrong + right - drawn)


def _unit(vectors: np.ndarray, name: str) -> np.ndarray:
    vectors = np.asarray(vectors, np.float64)
    if vectors.ndim != 2 or len(vectors) < 2 or not np.isfinite(vectors).all():
        raise KlangfarbeError(f"finite {name} [N ≥ 2, D]", str(vectors.shape),
                              "embed them with one encoder, one row each")
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not length.all():
        raise KlangfarbeError(f"{name} that have a direction",
                              f"{int((length == 0).sum())} rows of zeros", "look for blank inputs")
    return vectors / length
