"""A study that needs nothing but the atelier: each painting with its own music, with another's, and
with its own heard through a telephone.

Three "systems" whose order is known beforehand: the shuffled one sounds as good and fits worse, the
telephone fits as well and sounds worse. Listeners who do not find that have not been asked well.
"""

from pathlib import Path

import numpy as np
from scipy.signal import butter, sosfiltfilt

from lib.data import atelier
from lib.data.atelier import compose, factors, paint, render
from lib.signal import audio
from lib.studies.listening import study

OWN, OTHERS, TELEPHONE = "own music", "another's music", "own, by telephone"
BAND_HZ = (300.0, 3400.0)


def telephone(sound: np.ndarray, rate_hz: int = audio.SAMPLE_RATE_HZ) -> np.ndarray:
    """A sound [N] as an old telephone line carries it: 300 to 3400 Hz, eight bits by μ-law."""
    narrow = sosfiltfilt(butter(4, BAND_HZ, "bandpass", fs=rate_hz, output="sos"), sound)
    narrow = narrow / max(np.abs(narrow).max(), 1e-9)
    squeezed = np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)
    stepped = np.round(squeezed * 127) / 127
    return (0.5 * np.sign(stepped) * np.expm1(np.abs(stepped) * np.log(256))
            / 255).astype(np.float32)


def clips(n_items: int = 24, seconds: float = 8.0, *, seed: int = atelier.TEST_SEED,
          size: int = 128) -> list[study.Clip]:
    """Three clips for each of `n_items` paintings; "another's" is dealt round, so every piece is
    heard once with a stranger.
    """
    pictures, affect = paint.pictures(seed, range(n_items), size)
    sounds, _ = render.sounds(seed, range(n_items), seconds)
    # around the plane: half a turn away lies the opposite mood
    order = np.argsort(np.arctan2(affect[:, 1], affect[:, 0]))
    stranger = np.empty(n_items, int)
    stranger[order] = np.roll(order, n_items // 2)
    found = []
    for i in range(n_items):
        item = factors.draw(seed, i).item_id
        for system, sound in ((OWN, sounds[i]), (OTHERS, sounds[stranger[i]]),
                              (TELEPHONE, telephone(sounds[i]))):
            found.append(study.Clip(system, item, pictures[i], sound))
    return found


def wrong_pairs(n: int = 4, seconds: float = 8.0, *, seed: int = atelier.TEST_SEED,
                first: int = 10_000) -> list[tuple[np.ndarray, np.ndarray]]:
    """(picture, sound) that plainly disagree, from items no clip uses: corners of the plane, played
    what belongs to the opposite one.
    """
    corners = [(0.9, 0.9), (-0.9, 0.9), (-0.9, -0.9), (0.9, -0.9)]
    found = []
    for k in range(n):
        valence, arousal = corners[k % 4]
        shown = factors.draw(seed, first + k, valence=valence, arousal=arousal)
        heard = factors.draw(seed, first + n + k, valence=-valence, arousal=-arousal)
        found.append((paint.paint(shown), render.render(compose.compose(heard, seconds), seconds)))
    return found


def lay_out(folder: Path | str, *, n_items: int = 24, seconds: float = 8.0, n_raters: int = 30,
            per_rater: int = 20, n_pairs: int = 6, seed: int = 0) -> study.Study:
    """The pilot in a folder, ready for listeners: see
    :func:`lib.studies.listening.study.lay_out`.
    """
    return study.lay_out(folder, clips(n_items, seconds), n_raters=n_raters, per_rater=per_rater,
                         n_pairs=n_pairs, wrong=wrong_pairs(4, seconds), seed=seed)
