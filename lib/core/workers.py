"""What a process that runs beside others gives to those it starts. A folder of its own for what
numba compiles, before numba is imported: two that compile at once overwrite each other's numbered
files, and who reads them crashes. And memory that glibc keeps, so that the system need not clear
each page anew: notebook 33's U-Net takes .83 of the time."""

import os

from filelock import FileLock, Timeout

from lib.core import paths

VARIABLE = "NUMBA_CACHE_DIR"
BAR_VARIABLE = "KLANGFARBE_BAR"  # names the file that holds how far a training is
KEPT_BYTES = 2**30
# glibc's; read when a process begins
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(KEPT_BYTES), "MALLOC_TRIM_THRESHOLD_": str(KEPT_BYTES)}
_HELD = []  # locks are let go when the process ends, however it ends


def own_folder() -> str:
    """Takes the first free ``data/processed/compiled/<k>``; a folder that the user set stays."""
    for k in range(1_000):
        if VARIABLE in os.environ:
            break
        folder = paths.ROOT / "data" / "processed" / "compiled" / str(k)  # of code, not of a run
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        _HELD.append(lock)
        os.environ[VARIABLE] = str(folder)
    return os.environ[VARIABLE]


def keep_memory() -> None:
    """Has processes started from here keep the memory they free; the user's settings stay."""
    for name, value in MEMORY.items():
        os.environ.setdefault(name, value)


def pytest_configure(config) -> None:
    """As a plugin of pytest: a folder and one thread for each worker and the kernels it starts."""
    keep_memory()
    if "PYTEST_XDIST_WORKER" in os.environ:
        own_folder()
        # matrix libraries whose threads wait for each other's cores take up to ten times as long
        os.environ.setdefault("OMP_NUM_THREADS", "1")
