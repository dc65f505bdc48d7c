"""The twelve features from shared transforms against librosa's twelve functions, per core."""

import numpy as np

from lib.data.atelier import TEST_SEED, render
from lib.signal import constant_q, features
from lib.workbook import benchmarks


def bench(n_clips: int = 6, clip_seconds: float = 45.0) -> dict:
    """Atelier pieces at 22 050 Hz; ``max_relative_difference`` of all features."""
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
        max_relative_difference=float(away.max()))
