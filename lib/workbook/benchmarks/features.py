"""The twelve features from shared transforms against librosa's twelve functions, per core and on
two.
"""

import os
import time

import numpy as np
import psutil

from lib.data.atelier import TEST_SEED, render
from lib.signal import constant_q, features
from lib.workbook import benchmarks


def bench(n_clips: int = 6, clip_seconds: float = 45.0) -> dict:
    """Atelier pieces at 22 050 Hz; ``max_relative_difference`` of all features between both ways,
    and what a second process gains."""
    warm, *clips = render.sounds(TEST_SEED, range(n_clips + 1), clip_seconds)[0]
    features.extract(warm), features.extract_naive(warm)  # librosa's compiled loops
    constant_q.octave_basis.cache_clear()  # the filters of each clip's tuning are part of the work
    found, reference = [], []
    ours = benchmarks.seconds(lambda: found.extend(map(features.extract, clips)))
    baseline = benchmarks.seconds(lambda: reference.extend(map(features.extract_naive, clips)))
    away = np.abs(np.array(found) - reference) / np.maximum(np.abs(reference), 1e-5)
    return benchmarks.result(
        f"twelve features of a {clip_seconds:g}-second clip at 22 050 Hz", ours / n_clips,
        baseline / n_clips, "s a clip", n_clips, more_is_better=False,
        max_relative_difference=float(away.max()), **_scaling(clips))


def _scaling(clips: list[np.ndarray], copies: int = 4) -> dict:
    """One process against two, both warm, on `copies` × the clips, the best of three turns.

    ``scaling_2_cores`` is wall time. A busy machine has no second core to give; the processor time
    of two processes over that of one does not depend on others (1 is linear scaling).
    """
    if (os.cpu_count() or 1) < 2:
        return {"scaling_2_cores": None, "cpu_two_processes_over_one": None}
    features.extract_many(clips[:4], n_jobs=2)  # starts the processes

    def now() -> np.ndarray:
        family = [psutil.Process(), *psutil.Process().children(recursive=True)]
        return np.array([time.perf_counter(), sum(sum(p.cpu_times()[:2]) for p in family)])

    spent = {1: [], 2: []}
    for _ in range(3):
        for n_jobs in (1, 2):
            before = now()
            features.extract_many(clips * copies, n_jobs=n_jobs)
            spent[n_jobs].append(now() - before)
    (wall, cpu), (wall_of_two, cpu_of_two) = (np.min(spent[n], axis=0) for n in (1, 2))
    return {"scaling_2_cores": wall / wall_of_two, "cpu_two_processes_over_one": cpu_of_two / cpu}
