"""``python -m lib bench NAME --json``: one measurement as one JSON object, as a ratio to a baseline
of the same run.
"""

import contextlib
import importlib
import os
import pkgutil
import sys

from lib.core import provenance
from lib.core.errors import KlangfarbeError
from lib.workbook import benchmarks

KEYS = ("name", "what", "ours", "baseline", "ratio", "unit", "peak_mb", "machine", "n")


def names() -> list[str]:
    """The benches there are: the modules of ``lib/workbook/benchmarks``."""
    return [module.name for module in pkgutil.iter_modules(benchmarks.__path__)]


def run(name: str) -> dict:
    """Runs one bench on one core.

    Returns:
        ``name, what, ours, baseline, ratio`` (how many times better than the baseline measured in
        the same run) ``, unit, peak_mb`` (of this process)``, machine, n`` and whatever else the
        bench measured.
    """
    if name not in names():
        raise KlangfarbeError(f"a bench out of {', '.join(names())}", repr(name),
                              "name one of them")
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                     "NUMBA_NUM_THREADS", "KLANGFARBE_THREADS"):
        os.environ[variable] = "1"  # before the libraries load: a ratio per core
    with contextlib.redirect_stdout(sys.stderr):
        measured = importlib.import_module(f"lib.workbook.benchmarks.{name}").bench()
    found = {"name": name, **measured, "peak_mb": round(peak_mb()), "machine": provenance.machine()}
    return {key: found[key] for key in KEYS} | {key: value for key,
                                                value in found.items() if key not in KEYS}


def peak_mb() -> float:
    """The largest memory this process has held, MB."""
    try:
        import resource  # not on Windows
    except ImportError:  # Windows
        import psutil

        return psutil.Process().memory_info().peak_wset / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
