"""The twelve features from shared transforms against librosa's twelve functions, per core and on
two.
"""

import os
import time

import numpy as np
import psutil
import threadpoolctl

from lib.data.atelier import TEST_SEED, render
from lib.signal import constant_q, features
from lib.workbook import benchmarks


def bench(n_clips: int = 6, clip_seconds: float = 45.0) -> dict:
    """Atelier pieces at 22 050 Hz; ``max_relative_difference`` of all features between both ways,
    and what a second process gains.
    """
    warm, *clips = render.sounds(TEST_SEED, range(n_clips + 1), clip_seconds)[0]
    # environment variables come too late once numpy is loaded
    with threadpoolctl.threadpool_limits(1):
        features.extract(warm), features.extract_naive(warm)  # librosa's compiled loops
        # the filters of each clip's tuning are part of the work
        constant_q.octave_basis.cache_clear()
        ours = benchmarks.seconds(lambda: [features.extract(clip) for clip in clips]) / n_clips
        baseline = benchmarks.seconds(
            lambda: [features.extract_naive(clip) for clip in clips]) / n_clips
        difference = max(float(np.max(np.abs(features.extract(clip) - reference)
                                      / np.maximum(np.abs(reference), 1e-5)))
                         for clip in clips for reference in [features.extract_naive(clip)])
        return benchmarks.result(
            f"twelve features of a {clip_seconds:g}-second clip at 22 050 Hz", ours, baseline,
            "s a clip", n_clips, more_is_better=False, max_relative_difference=difference,
            **_scaling(clips))


def _scaling(clips: list[np.ndarray], copies: int = 4) -> dict:
    """One process against two, both warm, on `copies` × the clips, the best of three turns.

    ``scaling_2_cores`` is wall time. A busy machine has no second core to give; the processor time
    of two processes over that of one does not depend on others (1 is linear scaling).
    """
    if (os.cpu_count() or 1) < 2:
        return {"scaling_2_cores": None, "cpu_two_processes_over_one": None}
    features.extract_many(clips[:4], n_jobs=2)  # starts the processes

    def spent() -> float:
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        return sum(sum(process.cpu_times()[:2]) for process in family)

    wall, cpu = {1: [], 2: []}, {1: [], 2: []}
    for _ in range(3):
        for n_jobs in (1, 2):
            started, before = time.perf_counter(), spent()
            features.extract_many(clips * copies, n_jobs=n_jobs)
            wall[n_jobs].append(time.perf_counter() - started)
            cpu[n_jobs].append(spent() - before)
    return {"scaling_2_cores": min(wall[1]) / min(wall[2]),
            "cpu_two_processes_over_one": min(cpu[2]) / min(cpu[1])}
