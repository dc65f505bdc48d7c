"""What the atelier's composer writes for what is felt in a painting, with its voices: the ceiling
of all that the systems play, which a person can hear beside them. No network plays; real paintings
are looked at by lib.systems.real_world, the atelier's by the picture regressor. Guide:
notebooks/guide/hear_and_paint.md."""

import io
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from lib.core import artefacts
from lib.data.atelier import TEST_SEED, compose, factors, render
from lib.metrics import picture_regressor
from lib.signal import images
from lib.systems import interface, real_world
from lib.systems.real_world import Felt


@dataclass(frozen=True)
class Result(interface.Sound):
    """The sound, the composer's plan in words, and the score as a MIDI file."""
    plan: dict  # of lib.data.atelier.compose.describe
    valence: float  # in [−1, 1], as arousal what the piece was written for
    arousal: float
    midi: bytes

    @property
    def files(self) -> dict[str, bytes]:
        return {".mid": self.midi}


def get_config(profile: str) -> SimpleNamespace:
    """The side at which a painting is looked at, in pixels."""
    return SimpleNamespace(side=128)


def load(profile: str = artefacts.BUNDLED) -> picture_regressor.PictureRegressor:
    """What looks at the atelier's own paintings."""
    return picture_regressor.load_picture_regressor()


def generate(painting: np.ndarray, models: picture_regressor.PictureRegressor, *, seed: int = 0,
             seconds: float = 8.0, felt: Felt | None = None) -> Result:
    """A piece for a painting uint8 [H, W, 3]; genre, key and melody are drawn by the seed and the
    painting."""
    interface.check_seconds(seconds)
    painting, = images.squares([painting], get_config("").side)
    valence, arousal = felt.point if felt else models.predict(painting[None])[0]
    item = factors.draw(TEST_SEED, interface.own_seed(seed, painting), valence=float(valence),
                        arousal=float(arousal))
    midi, score = compose.compose(item, seconds), io.BytesIO()
    midi.write(score)
    sound = interface.finish(render.render(midi, seconds), render.SAMPLE_RATE_HZ)
    return Result(sound, render.SAMPLE_RATE_HZ, plan=compose.describe(item, seconds),
                  valence=item.valence, arousal=item.arousal, midi=score.getvalue())


def compose_for(painting: np.ndarray, *, seed: int = 0, seconds: float = 8.0) -> Result:
    """A piece for any painting, looked at by what knows its kind, as ``hear --as-score`` does."""
    felt, = real_world.look([images.squeezed(painting, real_world.SEEN_AT)])
    return generate(images.square(painting, get_config("").side), load(), seed=seed,
                    seconds=seconds, felt=None if felt.atelier else felt)


def summary(result: Result) -> str:
    """What was written, three lines."""
    plan = result.plan
    return (f"  written for  valence {result.valence:+.2f}, arousal {result.arousal:+.2f}\n"
            f"  score        {plan['genre'].replace('_', ' ')}, {plan['key']}, {plan['metre']}, "
            f"{plan['tempo_bpm']:.0f} BPM; a MIDI file lies beside the sound\n"
            f"  music        {result.told}")
