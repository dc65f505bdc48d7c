"""``bench matching``: ArtiCaps at its published size, 443,662 comments × 5,521 captions × 384
numbers, beside the bare matrix product.
"""

import time

import numpy as np

from lib.systems.art2music import data
from lib.workbook.bench import peak_mb

N_COMMENTS, N_CAPTIONS, WIDTH, PARTS = 443_662, 5_521, 384, 12


def bench() -> dict:
    """Process time on one core. Both go through the comments in twelve parts, by turns, so that a
    busy machine is busy for both.

    Returns:
        ``ours``: s to normalise and match, chunk by chunk. ``baseline``: s
            of the product alone, in chunks of the
        same size, kept nowhere. ``ratio`` = baseline / ours; ``times_the_product``: ours /
        baseline, wanted ≤ 1.5; ``extra_mb``: what the matching held beyond both tables, wanted ≤
        1,000. ``exact``: agreement with a sort in double precision on 500 rows.
    """
    rng = np.random.default_rng(0)
    comments, captions = (data.normalise(rng.standard_normal((n, WIDTH), dtype=np.float32))
                          for n in (N_COMMENTS, N_CAPTIONS))
    across, buffer = np.ascontiguousarray(captions.T), np.empty((data.CHUNK, N_CAPTIONS),
                                                                np.float32)
    before, ours, bare, found = peak_mb(), 0.0, 0.0, []
    for some in np.array_split(comments, PARTS):
        start = time.process_time()
        found.append(data.nearest(some, captions))
        ours += time.process_time() - start
        start = time.process_time()
        for at in range(0, len(some), data.CHUNK):
            rows = some[at : at + data.CHUNK]
            np.matmul(rows, across, out=buffer[: len(rows)])
        bare += time.process_time() - start
    extra = peak_mb() - before
    index = np.concatenate([which for which, _ in found])
    few = rng.choice(N_COMMENTS, 500, replace=False)
    exact = (comments[few].astype(np.float64)
             @ captions.T.astype(np.float64)).argmax(1) == index[few]
    return {
        "what": f"top-1 of {N_COMMENTS:,} × {N_CAPTIONS:,} × {WIDTH}; baseline: "
        f"the matrix product alone", "ours": round(ours, 2), "baseline": round(bare, 2),
        "ratio": round(bare / ours, 3), "unit": "s", "n": N_COMMENTS,
        "times_the_product": round(ours / bare, 3), "extra_mb": round(extra),
        "exact": float(exact.mean())}
