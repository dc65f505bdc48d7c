"""Why were the pictures grey? Four painters that differ in two things and are trained alike in
everything else.

                                    null = the point (0, 0)     null = a learned vector
    ε, clipped schedule             as released                 null learned
    v, zero terminal SNR            schedule corrected          both corrected

    25 moods on a 5×5 grid × n noises ──each painter──► pictures ──► saturation, and valence and arousal read by the judge
    the atelier itself, asked for the same 25 moods ────► real paintings ──► how colourful they should be

Source: text 002, §4, "a strong bias towards desaturated, grey-toned images … only vivid when V/A
are extremely high", blamed there on the data; the two settings under suspicion are the released
code's. Lin et al. (2024) for what a schedule with signal left does.

Known deviations: small networks at 16², minutes instead of days; so this measures what the two
settings do, not how grey the published pictures were.
Notebook: 34.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from lib.core.errors import KlangfarbeError
from lib.data.atelier import factors, paint
from lib.metrics import colour, paired, stats
from lib.systems.music2image import schedule, train_diffusion

NOTEBOOK = "34_music2image_grey"
_PUBLISHED, _CORRECTED = {"schedule": "published",
                          "prediction": "epsilon"}, {"schedule": "zero_terminal_snr",
                                                     "prediction": "v"}
SETTINGS = {"as released": {"null": "zero", **_PUBLISHED},
            "null learned": {"null": "learned", **_PUBLISHED},
            "schedule corrected": {"null": "zero", **_CORRECTED},
            "both corrected": {"null": "learned", **_CORRECTED}}
# Each factor's two pairs: (without, with) the correction, everything else equal.
FACTORS = {"learned null": (("as released", "null learned"),
                            ("schedule corrected", "both corrected")),
           "corrected schedule": (("as released", "schedule corrected"),
                                  ("null learned", "both corrected"))}
MEASURES = ("saturation", "valence_error", "arousal_error")

_SMALL = train_diffusion.Config(size=16, channels=(64, 64), layers=1, attention_levels=1, patch=2,
                                warm_up=20, decay=0.5, learning_rate=3e-3, ema_decay=0.98,
                                sampler="dpm_solver", n_sampling=20, guidance=2.0)
PROFILES = {
    "smoke": replace(_SMALL, channels=(16, 16), embedding=32, n_pictures=64, batch_size=8,
                     n_steps=10, n_sampling=4, n_judged=25),
    "mini": replace(_SMALL, n_pictures=600, batch_size=32, n_steps=240, n_judged=100),
    "gpu": replace(train_diffusion.PROFILES["gpu"], start="scratch", n_steps=20_000, n_judged=400),
    "paper": replace(train_diffusion.PROFILES["paper"], n_judged=400),
}


def with_setting(config: train_diffusion.Config, setting: str) -> train_diffusion.Config:
    """A profile's config under one of :data:`SETTINGS`.

    Raises:
        KlangfarbeError: no such setting.
    """
    if setting not in SETTINGS:
        raise KlangfarbeError(f"a setting out of {', '.join(SETTINGS)}", repr(setting),
                              "name one of them")
    return replace(config, **SETTINGS[setting])


def wishes(n_pictures: int, side: int = 5) -> np.ndarray:
    """The moods asked for: a side×side grid over [−.9, .9]², row by row from the top left (calm is
    below), repeated to [n, 2].
    """
    line = np.linspace(-0.9, 0.9, side)
    grid = np.array([[valence, arousal] for arousal in line[::-1] for valence in line])
    return np.tile(grid, (-(-n_pictures // len(grid)), 1))[:n_pictures]


def real_paintings(asked: np.ndarray, seed: int, size: int) -> np.ndarray:
    """What the atelier itself paints for these moods: uint8 [n, size, size, 3], item i of
    collection `seed` with its affect set.
    """
    return np.stack([paint.paint(factors.draw(seed, i, valence=v, arousal=a), size) for i,
                     (v, a) in enumerate(asked)])


def colour_left(size: int, name: str = "published", contrast: float = 0.5,
                n_diffusion: int = 1000) -> float:
    """How many standard deviations a picture's mean colour stands out of the noise at t = T:
    contrast·√(SNR_T)·side.

    The noise of a mean over size² pixels is 1/size of one pixel's. Above about 2 the network can
    read the mean colour off x_T while it learns; when it paints, x_T is pure noise and says: medium
    grey. It grows with the side of the picture.

    Args:
        contrast: how far the mean colour is from medium grey, in [0, 1]. name, n_diffusion: the
            schedule.

    Notebook: 34.
    """
    return float(contrast * np.sqrt(schedule.snr(name, n_diffusion)[-1]) * size)


def measured(setting: str, asked: np.ndarray, pictures: np.ndarray, real_saturation: np.ndarray,
             read: np.ndarray, seed: int = 0):
    """One row a picture: setting, training seed, what was asked, saturation (and the atelier's own
    there), what the judge read.

    Args:
        asked, read: [n, 2]. pictures: uint8 [n, H, W, 3]. real_saturation: [n], of real paintings
            of the same moods.
    """
    error = np.abs(np.asarray(read) - asked)
    return pd.DataFrame({"setting": setting, "seed": seed, "picture": np.arange(len(asked)),
                         "valence": asked[:, 0], "arousal": asked[:, 1],
                         "saturation": colour.saturation(pictures),
                         "real_saturation": real_saturation,
                         "brightness": colour.brightness(pictures), "read_valence": read[:, 0],
                         "read_arousal": read[:, 1], "valence_error": error[:, 0],
                         "arousal_error": error[:, 1]})


def effects(table, *, seed: int = 0):
    """What each factor does to each measure, averaged over the other factor, picture against
    picture of the same noise and mood.

    Returns:
        DataFrame: ``factor, measure, effect, low, high`` (95 % bootstrap over pictures), ``p``
            (paired sign flips), ``p_holm, n``,
        ``seeds`` and ``same_sign`` (trainings, and how many of them show the effect's sign),
        ``verdict``: *raises* or *lowers* where p_holm < .05 and every training agrees, else
        *inconclusive*. One training says nothing about the next: with ``seeds`` 1 the interval
        speaks of these four networks only.
    """
    wide = table.pivot(index=["seed", "picture"], columns="setting", values=list(MEASURES))
    rows = []
    for factor, pairs in FACTORS.items():
        for measure in MEASURES:
            # [seeds · pictures]
            change = sum(wide[measure][after] - wide[measure][before] for before,
                         after in pairs) / len(pairs)
            low, high = stats.bootstrap(np.mean, change.to_numpy(), seed=seed)
            by_training = change.groupby(level="seed").mean()
            rows.append({"factor": factor, "measure": measure, "effect": change.mean(), "low": low,
                         "high": high, "p": paired.sign_flip(change.to_numpy(), seed=seed),
                         "n": len(change), "seeds": len(by_training),
                         "same_sign": int((np.sign(by_training) == np.sign(change.mean())).sum())})
    found = pd.DataFrame(rows)
    found.insert(6, "p_holm", paired.holm(found.p))
    sure = (found.p_holm < 0.05) & (found.same_sign == found.seeds)
    found["verdict"] = np.where(sure, np.where(found.effect > 0, "raises", "lowers"),
                                "inconclusive")
    return found


def verdict(found) -> list[str]:
    """The answer in words, from :func:`effects`' own numbers: one sentence a factor."""
    does = {"raises": "makes pictures more colourful", "lowers": "makes pictures greyer",
            "inconclusive": "shows no effect on colour beyond luck"}
    words = []
    for factor, rows in found.groupby("factor", sort=False):
        row = rows.set_index("measure").loc["saturation"]
        words.append(f"the {factor} {does[row.verdict]}: saturation {row.effect:+.3f} [{row.low:+.3f}, {row.high:+.3f}],"
                     f" p {row.p_holm:.3f}, {row.same_sign} of {row.seeds} trainings")
    return words
