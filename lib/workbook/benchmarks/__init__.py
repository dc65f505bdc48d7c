"""Benchmarks: ratios against a baseline measured in the same run, by process time on one core
(``python -m lib bench NAME``). One file a benchmark, each with a function ``bench``.
"""

import time
from collections.abc import Callable


def seconds(call: Callable) -> float:
    """Process time of one call: a machine that is busy with something else does not count."""
    start = time.process_time()
    call()
    return time.process_time() - start


def best_seconds(calls: list[Callable], repeats: int) -> list[float]:
    """The best of `repeats` turns of each call, taken in turn."""
    turns = [[seconds(call) for call in calls] for _ in range(repeats)]
    return [min(times) for times in zip(*turns, strict=True)]


def result(what: str, ours: float, baseline: float, unit: str, n: int, *, more_is_better: bool,
           **more) -> dict:
    """A benchmark's result, rounded to four digits; ``ratio``: how many times better than the
    baseline.
    """
    ratio = ours / baseline if more_is_better else baseline / ours
    found = {"what": what, "ours": ours, "baseline": baseline, "ratio": ratio, "unit": unit, "n": n}
    return {key: float(f"{value:.4g}") if isinstance(value, float) else value
            for key, value in (found | more).items()}
