"""Arrays too large for memory, computed chunk by chunk: ``<name>.npy``, a memory map, and
``<name>.done.npy``, a mark for each computed row. Source: Deepika §5.4 (offline). Notebook: 21."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from filelock import FileLock

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError
from lib.training import loop


def cache_folder(*depends_on) -> Path:
    """``data/processed/rows/<hash of all that the rows depend on>``: pictures, settings."""
    return paths.PROCESSED / "rows" / provenance.content_hash(repr(depends_on).encode())


def cached_rows(where: Path, name: str, n: int, shape: tuple[int, ...], dtype, compute: Callable, *,
                chunk: int = 32, workers: int = 1) -> np.ndarray:
    """An array [n, …shape] from its memory map in the folder `where`; missing rows are computed
    first: row numbers [b] → finite [b, …shape]. More `workers` than one only without any state."""
    path, marks = where / f"{name}.npy", where / f"{name}.done.npy"
    where.mkdir(parents=True, exist_ok=True)
    with FileLock(where / f"{name}.lock"):
        done = artefacts.read(marks) if marks.is_file() and path.is_file() else np.zeros(n, bool)
        if len(done) != n:
            raise KlangfarbeError(f"{n} rows of {name} in {where}", str(len(done)),
                                  "delete that folder, or name what changed in its key")
        if not done.all():
            kept = np.lib.format.open_memmap(path, mode="r+" if done.any() else "w+", dtype=dtype,
                                             shape=(n, *shape))
            missing = np.flatnonzero(~done)
            parts = [missing[start : start + chunk] for start in range(0, len(missing), chunk)]
            steps = loop.progress(len(parts), name) if len(parts) > 7 else range(len(parts))
            with ThreadPoolExecutor(workers) as pool:
                for step in steps:
                    # as many at a time as there are workers, so that an error stops the rest
                    if step % workers == 0:
                        results = pool.map(compute, parts[step : step + workers])
                    rows, result = parts[step], np.asarray(next(results))
                    if result.shape != (len(rows), *shape) or not np.isfinite(result).all():
                        raise KlangfarbeError(
                            f"finite {name} {(len(rows), *shape)}", f"{result.shape}, finite "
                            f"{bool(np.isfinite(result).all())}", "look at what computes them")
                    kept[rows] = result
                    kept.flush()
                    done[rows] = True
                    artefacts.write(marks, done)
    return np.load(path, mmap_mode="r", allow_pickle=False)
