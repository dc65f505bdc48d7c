"""What a process that runs beside others gives to those it starts: a folder of compiled functions
of its own, and memory that is kept.

numba keeps what it compiles beside librosa, in numbered files and an index. Two processes that
compile at once overwrite each other's numbers, and whoever reads them later calls the wrong
function and crashes, for as long as the folder stands. So each runs with a folder
that nobody else writes to while it lives: ``data/processed/compiled/<k>``, the first that is free.

glibc returns every large block to the system when a tensor dies, and asks for it again for the next
one; the system clears each page anew. Told to keep up to :data:`KEPT_BYTES`, it spends no time on
that: a forward pass of notebook 33's U-Net takes .83 of the time.
"""

import os

from filelock import FileLock, Timeout

from lib.core import paths

VARIABLE = "NUMBA_CACHE_DIR"
KEPT_BYTES = 2**30
# glibc's; read when a process begins
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(KEPT_BYTES), "MALLOC_TRIM_THRESHOLD_": str(KEPT_BYTES)}
_HELD = []  # locks are let go when the process ends, however it ends


def own_folder() -> str:
    """Takes the first free folder for this process and those it starts, by numba's own variable; a
    folder set by the user stays.

    Must come before numba is imported, which is when it reads the variable.
    """
    if VARIABLE in os.environ:
        return os.environ[VARIABLE]
    for k in range(1_000):
        folder = paths.PROCESSED / "compiled" / str(k)
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / ".lock", timeout=0)
        try:
            lock.acquire()
        except Timeout:
            continue
        _HELD.append(lock)
        os.environ[VARIABLE] = str(folder)
        break
    return os.environ[VARIABLE]


def keep_memory() -> None:
    """Has the processes that are started from here keep the memory they free; settings of the
    user's stay.
    """
    for name, value in MEMORY.items():
        os.environ.setdefault(name, value)


def pytest_configure(config) -> None:
    """As a plugin of pytest: a folder for each worker of pytest-xdist, and for the notebooks'
    kernels it starts.
    """
    keep_memory()
    if "PYTEST_XDIST_WORKER" in os.environ:
        own_folder()
