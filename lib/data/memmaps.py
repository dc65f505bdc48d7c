"""Arrays too large for memory, computed once, chunk by chunk: a memory map on disk and a mark for
every row that stands.

    rows(folder, "vectors", n, shape, dtype, compute) ─► <folder>/vectors.npy         what was computed
                                                         <folder>/vectors.done.npy    bool [n], written after the rows themselves

A killed run goes on with the rows that lack. Whatever the rows depend on (pictures, networks by
their hashes, settings) belongs into the folder's name: :func:`folder`.

Source: text 001, §5.4 speaks of targets computed offline; memory maps are ours.  Notebook: 21.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from filelock import FileLock

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError
from lib.training import loop

WORTH_A_BAR = 8  # chunks


def cache_folder(*depends_on) -> Path:
    """``data/processed/mapping/<hash of all that the rows depend on>``."""
    return paths.PROCESSED / "mapping" / provenance.content_hash(repr(depends_on).encode())[:16]


def cached_rows(where: Path, name: str, n: int, shape: tuple[int, ...], dtype,
         compute: Callable[[np.ndarray], np.ndarray], *, chunk: int = 32,
         workers: int = 1) -> np.ndarray:
    """An array [n, *shape], read from its memory map, of which what lacks is computed first. Two at
    once wait for each other.

    Args:
        where: folder, made where absent. compute: row numbers [b] → [b, *shape]. chunk: rows a
            call; a kill costs `workers` of them.
        workers: threads that compute chunks side by side; more than one only where `compute` draws
            no numbers and keeps nothing.

    Raises:
        KlangfarbeError: `compute` gave another shape, or numbers that are not finite.
    """
    path, marks = where / f"{name}.npy", where / f"{name}.done.npy"
    where.mkdir(parents=True, exist_ok=True)
    with FileLock(where / f"{name}.lock"):
        done = artefacts.read(marks) if marks.is_file() and path.is_file() else np.zeros(n, bool)
        if len(done) != n:
            raise KlangfarbeError(f"{n} rows of {name} in {where}", str(len(done)),
                                  "delete that folder, or name what changed in its key")
        if done.all():
            return np.load(path, mmap_mode="r", allow_pickle=False)
        kept = np.lib.format.open_memmap(path, mode="r+" if done.any() else "w+", dtype=dtype,
                                         shape=(n, *shape))
        lacking = np.flatnonzero(~done)
        parts = [lacking[start : start + chunk] for start in range(0, len(lacking), chunk)]
        with ThreadPoolExecutor(workers) as pool:
            for step in loop.progress(len(parts),
                                      name) if len(parts) >= WORTH_A_BAR else range(len(parts)):
                # as many as there are workers, so that a fault stops the rest
                if step % workers == 0:
                    ahead = pool.map(compute, parts[step : step + workers])
                some, made = parts[step], np.asarray(next(ahead))
                if made.shape != (len(some), *shape) or not np.isfinite(made).all():
                    raise KlangfarbeError(f"finite {name} {(len(some), *shape)}",
                                          f"{made.shape}, finite {bool(np.isfinite(made).all())}",
                                          "look at what computes them")
                kept[some] = made
                kept.flush()
                done[some] = True
                artefacts.write(marks, done)
    return np.load(path, mmap_mode="r", allow_pickle=False)
