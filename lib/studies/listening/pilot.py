"""A study of the atelier alone, to try the page and the analysis with.
Each painting has its own music, another's, and its own heard through a telephone: the second sounds
as good and fits worse, the third the other way round.  Notebook: 26."""

import numpy as np
from scipy.signal import butter, sosfiltfilt

from lib.data import atelier
from lib.data.atelier import compose, factors, paint, render
from lib.signal import audio
from lib.studies.listening import study

OWN, OTHERS, TELEPHONE = "own music", "another's music", "own, by telephone"


def telephone(sound: np.ndarray) -> np.ndarray:
    """A sound [N] as an old telephone line carries it: 300 to 3400 Hz, eight bits by μ-law."""
    narrow = sosfiltfilt(butter(4, (300.0, 3400.0), "bandpass", fs=audio.SAMPLE_RATE_HZ,
                                output="sos"), sound)
    narrow = narrow / max(np.abs(narrow).max(), 1e-9)
    squeezed = np.sign(narrow) * np.log1p(255 * np.abs(narrow)) / np.log(256)
    stepped = np.round(squeezed * 127) / 127
    return (0.5 * np.sign(stepped) * np.expm1(np.abs(stepped) * np.log(256))
            / 255).astype(np.float32)


def clips(n_items: int = 24, seconds: float = 8.0) -> list[study.Clip]:
    """Three clips for each of `n_items` paintings; every piece is heard once with a stranger."""
    pictures, affect = paint.pictures(atelier.TEST_SEED, range(n_items), 128)
    sounds, _ = render.sounds(atelier.TEST_SEED, range(n_items), seconds)
    # around the plane: half a turn away lies the opposite mood
    order = np.argsort(np.arctan2(affect[:, 1], affect[:, 0]))
    stranger = np.empty(n_items, int)
    stranger[order] = np.roll(order, n_items // 2)
    return [study.Clip(system, factors.draw(atelier.TEST_SEED, i).item_id, pictures[i], sound)
            for i in range(n_items)
            for system, sound in ((OWN, sounds[i]), (OTHERS, sounds[stranger[i]]),
                                  (TELEPHONE, telephone(sounds[i])))]


def wrong_pairs(n: int = 4, seconds: float = 8.0) -> list[tuple[np.ndarray, np.ndarray]]:
    """(picture, sound) from opposite corners of the affect plane, of items that no clip uses."""
    found = []
    for k in range(n):
        valence, arousal = ((0.9, 0.9), (-0.9, 0.9), (-0.9, -0.9), (0.9, -0.9))[k % 4]
        shown = factors.draw(atelier.TEST_SEED, 10_000 + k, valence=valence, arousal=arousal)
        heard = factors.draw(atelier.TEST_SEED, 10_000 + n + k, valence=-valence, arousal=-arousal)
        found.append((paint.paint(shown), render.render(compose.compose(heard, seconds), seconds)))
    return found
