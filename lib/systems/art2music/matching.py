"""ArtiCaps' matching: for every comment the music caption that lies nearest, exactly, however many
there are.

    comments [N, D] ─┐ a chunk of rows at a time
    captions [M, D] ─┴─► cosines [chunk, M] ─► the largest of each row ─► (caption, cosine) [N]     chunk by chunk to disk; resumable

Published are 443,662 comments and 4,717 captions: two thousand million cosines, 8 GB at once and 90
MB a chunk.

Source: text 003, §III-A.2. Notebook: 41.
"""

from pathlib import Path

import numpy as np

from lib.core.errors import KlangfarbeError
from lib.data import memmaps

CHUNK = 1024


def normalise(vectors: np.ndarray) -> np.ndarray:
    """Rows brought to length 1, float32 [N, D].

    Raises:
        KlangfarbeError: not a table, a row of zeros, or what is not finite.
    """
    vectors = np.asarray(vectors, np.float32)
    length = np.linalg.norm(vectors, axis=1, keepdims=True) if vectors.ndim == 2 else np.zeros(1)
    if vectors.ndim != 2 or not len(vectors) or not np.isfinite(length).all() or not length.all():
        raise KlangfarbeError("vectors [N, D], finite, none of them 0", f"{vectors.shape}",
                              "leave empty texts out")
    return vectors / length


def nearest(left: np.ndarray, right: np.ndarray, where: Path | None = None, *,
            chunk: int = CHUNK) -> tuple[np.ndarray, np.ndarray]:
    """The nearest row of `right` for each row of `left`, by cosine; of equals the first.

    Args:
        left: [N, D]. right: [M, D]; both are brought to length 1. where: a folder that keeps what
            is done, so that a killed run goes on; its name must stand for both sides. chunk: rows
            at a time; memory is chunk · M · 4 bytes.

    Returns:
        (int64 [N], float32 [N]): which, and its cosine.

    Raises:
        KlangfarbeError: other shapes, or vectors that have no direction.
    """
    left, across = normalise(left), np.ascontiguousarray(normalise(right).T)
    if left.shape[1] != len(across):
        raise KlangfarbeError(f"vectors of one width, {len(across)}", str(left.shape),
                              "embed both sides by one encoder")
    buffer = np.empty((min(chunk, len(left)), across.shape[1]), np.float32)

    def nearest(rows: np.ndarray) -> np.ndarray:
        cosines = np.matmul(left[rows[0] : rows[-1] + 1] if rows[-1] - rows[0] + 1 == len(rows)
                            else left[rows], across, out=buffer[: len(rows)])
        best = cosines.argmax(axis=1)
        return np.stack([best, cosines[np.arange(len(rows)), best]], axis=1)

    if where is None:
        found = np.concatenate([nearest(np.arange(at, min(at + chunk, len(left))))
                                for at in range(0, len(left), chunk)])
    else:
        found = memmaps.cached_rows(where, "nearest", len(left), (2,), np.float64, nearest,
                                    chunk=chunk)
    return found[:, 0].astype(np.int64), found[:, 1].astype(np.float32)
