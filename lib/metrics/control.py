"""Controls of the music, measured on the sound and held against the request.
Source: Krumhansl & Kessler (1982), Psychological Review 89, for the mode."""

from collections.abc import Mapping, Sequence

import librosa
import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.metrics import stats
from lib.signal import features

COLUMNS = ("tempo_bpm", "mode", "loudness_db", "brightness_hz", "density_per_s")
LOGARITHMIC = ("tempo_bpm", "brightness_hz")  # heard in ratios: correlated as log₂
# How well each of the twelve notes above the tonic fits a key, rated by listeners (table 2).
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


def measure_controls(sounds: Sequence[np.ndarray], sample_rate_hz: int) -> pd.DataFrame:
    """The five controls as heard in N mono sounds, a row each: ``tempo_bpm``; ``mode``, best fit of
    the chroma with a major key minus best with a minor one; ``loudness_db``, RMS re full scale;
    ``brightness_hz``, centroid weighed by RMS; ``density_per_s``, onsets."""
    rows = []
    for sound in map(np.asarray, sounds):
        frames = features.frames(sound, sample_rate_hz)
        level, chroma = frames["rms"][0], frames["chroma_cqt"] @ frames["rms"][0]
        onsets = librosa.onset.onset_detect(y=np.ascontiguousarray(sound, dtype=np.float32),
                                            sr=sample_rate_hz, units="samples")
        # over all tonics each sums to 0: the best is ≥ 0
        major, minor = (max(correlation(np.roll(profile, tonic), chroma) for tonic in range(12))
                        for profile in (MAJOR, MINOR))
        power = np.mean(np.square(sound, dtype=np.float64))
        rows.append((float(frames["tempo"][0, 0]), major - minor, 10 * np.log10(power),
                     float(frames["centroid"][0] @ level / level.sum()),
                     len(onsets) * sample_rate_hz / len(sound)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def correlation(asked: np.ndarray, heard: np.ndarray) -> float:
    """Pearson's r of what was asked for and what was measured, [N ≥ 3] each; 0 for a constant.
    Card: estimates: whether turning a control turns the sound · direction: ↑ · range: [−1, 1] ·
        unit: none · input: asked-for and measured values of one control (:func:`measure_controls`,
        22 050 Hz, FFT 2048, hop 512), tempo and brightness as log₂ · aggregation: one pair a clip ·
        blind to: a constant offset or scale: twice the tempo throughout has r = 1; what else
        changes along with the control · minimum n: 30 · source: Pearson (1895)"""
    asked, heard = stats.aligned(asked, heard, fewest=3)
    if np.ptp(asked) == 0:
        raise KlangfarbeError("requests that vary", f"{asked[0]:g} throughout", "ask for several")
    if np.ptp(heard) <= 1e-12 * np.abs(heard).max():
        return 0.0
    return float(np.corrcoef(asked, heard)[0, 1])


def agreement(asked: Mapping[str, np.ndarray], heard: pd.DataFrame, *, seed: int = 0,
              n_resamples: int = 1000) -> pd.DataFrame:
    """Asked-for controls, some of :data:`COLUMNS` → [N], against :func:`measure_controls`' of the
    outputs: ``control, r, low, high`` (95 %, bootstrap), ``null`` (97.5 % of permuted), ``n``."""
    rows = []
    for control in [name for name in COLUMNS if name in asked]:
        pair = [np.asarray(values[control], np.float64) for values in (asked, heard)]
        if control in LOGARITHMIC:
            pair = [np.log2(values) for values in pair]
        interval = stats.bootstrap(correlation, *pair, seed=seed, n_resamples=n_resamples)
        null = np.quantile(stats.permutation_null(correlation, *pair, seed=seed), 0.975)
        rows.append((control, correlation(*pair), *interval, null, len(pair[0])))
    return pd.DataFrame(rows, columns=["control", "r", "low", "high", "null", "n"])
