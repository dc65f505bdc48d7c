"""Controls of the music: tempo, mode, loudness, brightness and density, measured on
the sound and held against the request.
"""

from collections.abc import Mapping, Sequence

import librosa
import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.metrics import stats
from lib.signal import features

COLUMNS = ("tempo_bpm", "mode", "loudness_db", "brightness_hz", "density_per_s")
LOGARITHMIC = ("tempo_bpm", "brightness_hz")  # heard in ratios: correlated as log₂
# How well each of the twelve notes above the tonic fits a key, rated by listeners: Krumhansl &
# Kessler (1982), table 2.
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)


def measure_controls(sounds: Sequence[np.ndarray], sample_rate_hz: int):
    """What can be heard of the five controls.

    - ``tempo_bpm``: the lag at which the onset curve resembles itself, weighed towards 120
    (librosa's ``feature.tempo``); lags are
      23 ms apart, 4 to 5 % at 120 BPM. The octave is not corrected: half and double tempo are
      common answers.
    - ``mode``: best correlation with a major profile minus best with a minor one over the twelve
    tonics, of the constant-Q chroma
      averaged over frames by RMS; [−1, 1], above 0 for major.
    - ``loudness_db``: RMS in dB re full scale, no weighting by ear: a sine of amplitude 1 has
    −3.01.
    - ``brightness_hz``: spectral centroid, averaged over frames by RMS, so that silence does not
    count.
    - ``density_per_s``: onsets a second (librosa's ``onset_detect``, defaults); notes struck
    together count once.


    Source: METRICS, "control"; Krumhansl & Kessler (1982), Psychological Review 89.
    """
    if not len(sounds):
        raise KlangfarbeError("at least one sound", "none", "give a list of mono sounds")
    rows = []
    for index, sound in enumerate(sounds):
        try:
            rows.append(_one(np.asarray(sound), sample_rate_hz))
        except KlangfarbeError as error:
            raise KlangfarbeError(error.expected, f"sound {index}: {error.got}",
                                  error.do) from error
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    if not np.isfinite(table.to_numpy()).all():
        raise KlangfarbeError("finite measurements",
                              f"{table.columns[~np.isfinite(table).all()].tolist()}",
                              "listen to these sounds")
    return table


def correlation(asked: np.ndarray, heard: np.ndarray) -> float:
    """Pearson's r of what was asked for and what was measured; 0 where everything measured is the
    same.

    r = cov(asked, heard) / (σ_asked σ_heard).

    Card:
        estimates: whether turning a control turns the sound
        direction: ↑ · range: [−1, 1] · unit: none
        input: asked-for and measured values of one control [N] (:func:`measure_controls`, 22 050
            Hz, FFT 2048, hop 512); tempo and brightness as log₂
        aggregation: one pair a clip
        blind to: a constant offset or scale: twice the tempo throughout has r = 1; what else
            changes along with the control
        minimum n: 30
        source: METRICS, "control"; Pearson (1895)
    """
    asked, heard = np.asarray(asked, np.float64), np.asarray(heard, np.float64)
    if asked.ndim != 1 or asked.shape != heard.shape or len(asked) < 3 or not (
        np.isfinite(asked).all() and np.isfinite(heard).all()):
        raise KlangfarbeError("two finite series of one length ≥ 3",
                              f"{asked.shape} and {heard.shape}", "measure one control at a time")
    if np.ptp(asked) == 0:
        raise KlangfarbeError("requests that vary", f"{asked[0]:g} throughout",
                              "ask for several values: a constant cannot correlate")
    return float(np.corrcoef(asked, heard)[0,
                                           1]) if np.ptp(heard) > 1e-12 * np.abs(
        heard).max() else 0.0


def fold_octaves(asked_bpm: np.ndarray, heard_bpm: np.ndarray) -> np.ndarray:
    """Measured tempi [N] moved by whole octaves (doubled, halved …) to within half an octave of
    those asked for.

    Folding alone makes tempi agree: strangers' tempi, folded, correlate too. Compare with a null
    that is folded likewise.
    """
    asked_bpm, heard_bpm = np.asarray(asked_bpm, np.float64), np.asarray(heard_bpm, np.float64)
    if not (np.isfinite(asked_bpm).all() and np.isfinite(heard_bpm).all()
            and min(asked_bpm.min(), heard_bpm.min()) > 0):
        raise KlangfarbeError("tempi above 0", "zero, negative or missing ones",
                              "leave out pieces without a tempo")
    return heard_bpm * 2.0 ** -np.round(np.log2(heard_bpm / asked_bpm))


def agreement(asked: Mapping[str, np.ndarray], heard, groups: np.ndarray | None = None, *,
              seed: int = 0, n_resamples: int = 1000):
    """The table of asked-for against measured controls.

    Args:
        asked: some of :data:`COLUMNS` → [N]; the unit matters for the tempo only (MIDI velocities
            will do for the loudness, +1 and −1 for major and minor).
        heard: DataFrame of :func:`measure_controls`.
        groups: [N] piece or painting of each clip (the unit of resampling).

    Returns:
        DataFrame, a row per control: ``control, r, low, high`` (95 % group bootstrap), ``null``
            (97.5 % quantile of r with the
        sounds dealt to other requests), and for the tempo ``r_folded`` (:func:`fold_octaves`)
        beside its own ``null_folded``; ``n``.
    """
    unknown = sorted(set(asked) - set(COLUMNS))
    if unknown or not len(asked):
        raise KlangfarbeError(f"controls out of {', '.join(COLUMNS)}", ", ".join(unknown) or "none",
                              "name what was asked for")
    rows = []
    for control in [name for name in COLUMNS if name in asked]:
        wanted, found = np.asarray(asked[control], np.float64), heard[control].to_numpy(np.float64)
        r = _r_of_logs if control in LOGARITHMIC else correlation
        low, high = stats.bootstrap(r, wanted, found, groups=groups, seed=seed,
                                    n_resamples=n_resamples)
        row = {"control": control, "r": r(wanted, found), "low": low, "high": high,
               "null": _null(r, wanted, found, groups, seed)}
        if control == "tempo_bpm":
            row |= {"r_folded": _r_folded(wanted, found),
                    "null_folded": _null(_r_folded, wanted, found, groups, seed)}
        rows.append({**row, "n": len(wanted)})
    columns = ["control", "r", "low", "high", "null",
               *(["r_folded", "null_folded"] if "tempo_bpm" in asked else []), "n"]
    return pd.DataFrame(rows, columns=columns)


def _one(sound: np.ndarray, sample_rate_hz: int) -> tuple[float, ...]:
    frames = features.frames(sound, sample_rate_hz)
    level = frames["rms"][0]
    chroma = frames["chroma_cqt"] @ level
    onsets = librosa.onset.onset_detect(y=_as_float(sound), sr=sample_rate_hz, units="samples")
    power = np.mean(np.square(sound, dtype=np.float64))
    return (float(frames["tempo"][0, 0]), _mode(chroma), 10 * np.log10(power),
            float(frames["centroid"][0] @ level / level.sum()),
            len(onsets) * sample_rate_hz / len(sound))


def _mode(chroma: np.ndarray) -> float:
    """Best correlation of chroma [12] with a major profile minus best with a minor one; over all
    tonics each sums to 0: the best is ≥ 0.
    """
    best = [max(correlation(np.roll(profile, tonic), chroma) for tonic in range(12))
            for profile in (MAJOR, MINOR)]
    return best[0] - best[1]


def _r_of_logs(asked: np.ndarray, heard: np.ndarray) -> float:
    if min(np.min(asked), np.min(heard)) <= 0:
        raise KlangfarbeError("values above 0", "zero or negative ones",
                              "tempo and brightness are compared as ratios")
    return correlation(np.log2(asked), np.log2(heard))


def _r_folded(asked: np.ndarray, heard: np.ndarray) -> float:
    return _r_of_logs(asked, fold_octaves(asked, heard))


def _null(r, asked: np.ndarray, heard: np.ndarray, groups: np.ndarray | None, seed: int) -> float:
    return float(np.quantile(stats.permutation_null(r, asked, heard, groups=groups, seed=seed),
                             0.975))


def _as_float(sound: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(sound, dtype=np.float32)
