"""What an atelier item is: its affect, and what is independent of it."""

import zlib
from dataclasses import dataclass

import numpy as np

from lib.core.errors import one_of

SUBJECTS = {"landscape": ("hills", "forest", "village", "river"),
    "seascape": ("harbour", "open sea", "cliffs", "lighthouse"),
    "still_life": ("fruit", "flowers", "bottles", "books"),
    "colour_field": ("bands", "windows", "veils", "squares"),
    "geometric": ("circles", "triangles", "grid", "bars"),
    "gestural": ("strokes", "drips", "arcs", "marks"),
    "night_scene": ("street", "moonlit lake", "rooftops", "bridge"),
    "portrait": ("seated figure", "profile", "bust", "two figures")}
STYLES = tuple(SUBJECTS)
GENRES = ("ambient", "classical_piano", "string_quartet", "jazz_trio", "folk", "electronic",
          "march", "waltz", "chorale", "rock")


def _generator(*words: int | str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64([zlib.crc32(w.encode()) if isinstance(w, str) else w
                                                for w in words]))


@dataclass(frozen=True)
class Factors:
    """One item, named for ever by (seed, index): its affect, and what is independent of it."""
    seed: int
    index: int
    valence: float  # uniform in [−1, 1], as is arousal
    arousal: float
    style: str
    subject: str    # depends on style alone
    genre: str

    @property
    def item_id(self) -> str:
        return f"atelier-{self.seed}-{self.index:06d}"

    def rng(self, stream: str) -> np.random.Generator:
        """A generator for one purpose (``"paint"``, ``"compose"`` …), independent of the others."""
        return _generator(self.seed, self.index, stream)


def draw(seed: int, index: int, *, valence: float | None = None, arousal: float | None = None,
         style: str | None = None, genre: str | None = None) -> Factors:
    """Draws item `index` of collection `seed`; a factor may be set, the others stay as drawn."""
    rng = _generator(seed, index, "factors")
    # Integers, then an exact division: the same on every machine.
    point = [int(k) / 1000 for k in rng.integers(-1000, 1001, 2)]
    which_style, which_subject, which_genre = rng.integers(0, 2**31, 3)
    style, genre = style or STYLES[which_style % 8], genre or GENRES[which_genre % 10]
    one_of(STYLES, style, "a style")
    one_of(GENRES, genre, "a genre")
    return Factors(seed, index, point[0] if valence is None else float(valence),
                   point[1] if arousal is None else float(arousal), style,
                   SUBJECTS[style][which_subject % 4], genre)


def ratings(items: list[Factors], *, n_raters: int = 10, disagreement: float = 0.0) -> np.ndarray:
    """Mean ratings [N, 2]: each sees the point plus noise of deviation `disagreement`, clipped."""
    truth = np.array([[f.valence, f.arousal] for f in items])
    if disagreement == 0:
        return truth
    noise = np.stack([f.rng("ratings").standard_normal((n_raters, 2)) for f in items])  # [N, R, 2]
    return np.clip(truth[:, None] + disagreement * noise, -1, 1).mean(axis=1)
