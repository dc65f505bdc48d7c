"""``bench features``: the twelve features from shared transforms against librosa's twelve
functions, per core and on two.
"""

import os
import time

import joblib
import numpy as np
import psutil
import threadpoolctl

from lib.data.atelier import TEST_SEED, render
from lib.signal import constant_q, features


def bench(n_clips: int = 6, seconds: float = 45.0) -> dict:
    """Process time a clip on one core, and wall time on one and two processes.

    Args:
        n_clips: atelier pieces measured. seconds: length of each, at 22 050 Hz.

    Returns:
        ``ours, baseline`` (seconds of processor time a clip), ``ratio`` = baseline / ours,
        ``max_relative_difference``
        of all features between both, ``scaling_2_cores``: how many times shorter the wall time is
            with two processes, and what
        qualifies it (``None`` on a machine with one core; see :func:`_scaling`).
    """
    # By the library's own switch: environment variables come too late once numpy is loaded, and
    # idle threads that spin are counted.
    with threadpoolctl.threadpool_limits(1):
        return _measure(render.sounds(TEST_SEED, range(n_clips + 1), seconds)[0], seconds)


def _measure(clips: np.ndarray, seconds: float) -> dict:
    warm, clips = clips[0], clips[1:]
    features.extract(warm), features.extract_naive(warm)  # imports and librosa's compiled loops
    # the filters of each clip's tuning are part of the work
    constant_q.octave_basis.cache_clear()
    ours, baseline, difference = [], [], 0.0
    for clip in clips:
        start = time.process_time()
        row = features.extract(clip)
        middle = time.process_time()
        reference = features.extract_naive(clip)
        ours.append(middle - start)
        baseline.append(time.process_time() - middle)
        difference = max(difference,
                         float(np.max(np.abs(row - reference)
                                      / np.maximum(np.abs(reference), 1e-5))))
    per_clip, per_clip_naive = float(np.mean(ours)), float(np.mean(baseline))
    return {"what": f"twelve features of a {seconds:g}-second clip at 22 050 Hz, one core",
            "ours": round(per_clip, 4), "baseline": round(per_clip_naive, 4),
            "ratio": round(per_clip_naive / per_clip, 2), "unit": "s a clip", "n": len(clips),
            "max_relative_difference": float(f"{difference:.2g}"), **_scaling(clips)}


def _scaling(clips: np.ndarray, copies: int = 4) -> dict:
    """One process against two, both warm, on `copies` × the clips, the best of three turns.

    Wall time says what a user waits, but a machine that is busy with something else has no second
    core to give. So two more
    figures: what this machine grants two processes that only count (``scaling_of_the_machine``),
    and the processor time that two processes spend over what one spends, which does not depend on
    others (1 is linear scaling).
    """
    many = [clip for _ in range(copies) for clip in clips]
    if (os.cpu_count() or 1) < 2:
        return {"scaling_2_cores": None, "scaling_of_the_machine": None,
                "cpu_two_processes_over_one": None}
    features.extract_many(many[:4], n_jobs=2)  # starts the processes

    def spent() -> float:
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        return sum(sum(process.cpu_times()[:2]) for process in family)

    def count(n_jobs: int) -> float:
        started = time.perf_counter()
        # the same processes
        joblib.Parallel(n_jobs=n_jobs, max_nbytes=None)(joblib.delayed(_count)() for _ in range(4))
        return time.perf_counter() - started

    wall, cpu, machine = {1: [], 2: []}, {1: [], 2: []}, []
    for _ in range(3):
        machine.append(count(1) / count(2))
        for n_jobs in (1, 2):
            started, before = time.perf_counter(), spent()
            features.extract_many(many, n_jobs=n_jobs)
            wall[n_jobs].append(time.perf_counter() - started)
            cpu[n_jobs].append(spent() - before)
    return {"scaling_2_cores": round(min(wall[1]) / min(wall[2]), 2),
            "scaling_of_the_machine": round(max(machine), 2),
            "cpu_two_processes_over_one": round(min(cpu[2]) / min(cpu[1]), 2)}


def _count() -> int:
    return sum(range(4_000_000))
