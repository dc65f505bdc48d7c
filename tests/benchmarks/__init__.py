"""``python -m lib bench NAME --json``: one measurement as one JSON object, as a ratio to a baseline
of the same run, by process time on one core."""

import contextlib
import importlib
import os
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator

import psutil
import threadpoolctl

from lib.core import provenance
from lib.core.errors import one_of

# name of a bench → the module here that holds ``bench_<name>``
BENCHES: dict[str, str] = {
    **dict.fromkeys(("features", "vocoder", "atelier", "sampler", "frechet", "matching"), "media"),
    **dict.fromkeys(("start", "answers", "kernel"), "answers"),
    **dict.fromkeys(("epoch", "generate", "latency"), "musicgen")}
KEYS = ("name", "what", "ours", "baseline", "ratio", "unit", "peak_mb", "machine", "n")


def run(name: str) -> dict:
    """One benchmark on one core: `KEYS` (``ratio``: how many times better) and more."""
    one_of(BENCHES, name, "a bench")
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS",
                     "NUMBA_NUM_THREADS", "KLANGFARBE_THREADS"):
        os.environ[variable] = "1"  # before the libraries load; the limit is for those that have
    with contextlib.redirect_stdout(sys.stderr):
        module = importlib.import_module(f"benchmarks.{BENCHES[name]}")
        with threadpoolctl.threadpool_limits(1):
            measured = getattr(module, f"bench_{name}")()
    found = {"name": name, **measured, "peak_mb": round(peak_mb()), "machine": provenance.machine()}
    return {key: found[key] for key in KEYS} | found


def peak_mb() -> float:
    """The largest memory this process has held, MB."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**20
    import resource  # not on Windows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10


class Clock:
    """Seconds of each named part: of this process, so that a busy machine does not count."""

    def __init__(self, now: Callable[[], float] = time.process_time):
        self.now, self.parts = now, defaultdict(float)

    @property
    def total(self) -> float:
        return sum(self.parts.values())

    @contextlib.contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        start = self.now()
        yield
        self.parts[part] += self.now() - start


def seconds(call: Callable) -> float:
    """Process time of one call."""
    start = time.process_time()
    call()
    return time.process_time() - start


def best_seconds(calls: list[Callable], repeats: int) -> list[float]:
    """The best of `repeats` turns of each call, taken in turn."""
    turns = [[seconds(call) for call in calls] for _ in range(repeats)]
    return [min(times) for times in zip(*turns, strict=True)]


def result(what: str, ours: float, baseline: float, unit: str, n: int, *, more_is_better: bool,
           **more) -> dict:
    """A benchmark's result, rounded to four digits, with its ``ratio``."""
    ratio = ours / baseline if more_is_better else baseline / ours
    found = {"what": what, "ours": ours, "baseline": baseline, "ratio": ratio, "unit": unit, "n": n}
    return {key: float(f"{value:.4g}") if isinstance(value, float) else value
            for key, value in (found | more).items()}
