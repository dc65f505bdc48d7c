"""Why were the pictures grey? Four diffusion models that differ in two settings alone.

Each paints the same 25 points of the plane from the same noises; saturation is compared picture by
picture.

Known deviations: small networks at 16², trained for minutes; this measures what the two settings
do, not how grey the published pictures were.

Source: Zhang §4, "a strong bias towards desaturated, grey-toned images", blamed there on the data;
Lin et al. (2024) for schedules that keep signal. Notebook: 34_music2image_grey
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from lib.metrics import diversity, stats
from lib.systems.music2image.config import DiffusionConfig, get_config

NOTEBOOK = "34_music2image_grey"
_PUBLISHED = {"schedule": "published", "prediction": "epsilon"}
_CORRECTED = {"schedule": "zero_terminal_snr", "prediction": "v"}
SETTINGS = {"as released": {"null": "zero", **_PUBLISHED},
            "null learned": {"null": "learned", **_PUBLISHED},
            "schedule corrected": {"null": "zero", **_CORRECTED},
            "both corrected": {"null": "learned", **_CORRECTED}}
# Each factor's two pairs (without, with the correction), everything else equal.
FACTORS = {"learned null": (("as released", "null learned"),
                            ("schedule corrected", "both corrected")),
           "corrected schedule": (("as released", "schedule corrected"),
                                  ("null learned", "both corrected"))}
MEASURES = ("saturation", "valence_error", "arousal_error")

_SMALL = DiffusionConfig(size=16, channels=(64, 64), layers=1, attention_levels=1, patch=2,
                         warm_up=20, decay=0.5, learning_rate=3e-3, ema_decay=0.98,
                         sampler="dpm_solver", n_sampling=20, guidance=2.0)
PROFILES = {
    "smoke": replace(_SMALL, channels=(16, 16), embedding=32, n_pictures=64, batch_size=8,
                     n_steps=10, n_sampling=4, n_judged=25),
    "mini": replace(_SMALL, n_pictures=600, batch_size=32, n_steps=240, n_judged=100),
    "gpu": replace(get_config("gpu").diffusion, n_steps=20_000, n_judged=400),
    "paper": replace(get_config("paper").diffusion, n_judged=400),
}


def affect_grid(n: int, side: int = 5) -> np.ndarray:
    """A side×side grid over [−.9, .9]², row by row from the top left, repeated to [n, 2]."""
    line = np.linspace(-0.9, 0.9, side)
    grid = np.array([[valence, arousal] for arousal in line[::-1] for valence in line])
    return np.tile(grid, (-(-n // len(grid)), 1))[:n]


def measure(setting: str, target: np.ndarray, pictures: np.ndarray, real_saturation: np.ndarray,
            predicted: np.ndarray, seed: int = 0) -> pd.DataFrame:
    """A row for each picture of the training `seed`: `target` and `predicted` [n, 2] are the affect
    asked for and the regressor's reading, `real_saturation` [n] is of paintings of that affect.
    """
    error = np.abs(np.asarray(predicted) - target)
    return pd.DataFrame({"setting": setting, "seed": seed, "picture": np.arange(len(target)),
                         "valence": target[:, 0], "arousal": target[:, 1],
                         "saturation": diversity.saturation(pictures),
                         "real_saturation": real_saturation,
                         "brightness": diversity.brightness(pictures),
                         "read_valence": predicted[:, 0], "read_arousal": predicted[:, 1],
                         "valence_error": error[:, 0], "arousal_error": error[:, 1]})


def effects(table: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """What each factor does to each measure, averaged over the other, in pictures of the same
    noise and affect; intervals are 95 % bootstrap over pictures, p of paired sign flips. The effect
    *raises* or *lowers* where p_holm < .05 and every training has its sign, else *inconclusive*.
    """
    wide = table.pivot(index=["seed", "picture"], columns="setting", values=list(MEASURES))
    rows = []
    for factor, pairs in FACTORS.items():
        for name in MEASURES:
            change = sum(wide[name][after] - wide[name][before]
                         for before, after in pairs) / len(pairs)  # [seeds · pictures]
            low, high = stats.bootstrap(np.mean, change.to_numpy(), seed=seed)
            by_training = change.groupby(level="seed").mean()
            rows.append({"factor": factor, "measure": name, "effect": change.mean(), "low": low,
                         "high": high, "p": stats.sign_flip_test(change.to_numpy(), seed=seed),
                         "n": len(change), "seeds": len(by_training),
                         "same_sign": int((np.sign(by_training) == np.sign(change.mean())).sum())})
    found = pd.DataFrame(rows)
    found.insert(6, "p_holm", stats.holm(found.p))
    sure = (found.p_holm < 0.05) & (found.same_sign == found.seeds)
    found["verdict"] = np.where(sure, np.where(found.effect > 0, "raises", "lowers"),
                                "inconclusive")
    return found
