"""What an atelier item is, before it is painted or composed: its affect, and what is independent of
affect.
"""

import zlib
from dataclasses import dataclass

import numpy as np

from lib.core.errors import KlangfarbeError

STYLES = ("landscape", "seascape", "still_life", "colour_field", "geometric", "gestural",
           "night_scene", "portrait")
SUBJECTS = {
    "landscape": ("hills", "forest", "village", "river"),
    "seascape": ("harbour", "open sea", "cliffs", "lighthouse"),
    "still_life": ("fruit", "flowers", "bottles", "books"),
    "colour_field": ("bands", "windows", "veils", "squares"),
    "geometric": ("circles", "triangles", "grid", "bars"),
    "gestural": ("strokes", "drips", "arcs", "marks"),
    "night_scene": ("street", "moonlit lake", "rooftops", "bridge"),
    "portrait": ("seated figure", "profile", "bust", "two figures"),
}
GENRES = ("ambient", "classical_piano", "string_quartet", "jazz_trio", "folk", "electronic",
          "march", "waltz", "chorale", "rock")


@dataclass(frozen=True)
class Factors:
    """One item of the atelier, named for ever by ``(seed, index)``.

    Attributes:
        valence, arousal: the intended affect, uniform in [−1, 1]².
        style, subject, genre: independent of affect (subject depends on style alone).
    """

    seed: int
    index: int
    valence: float
    arousal: float
    style: str
    subject: str
    genre: str

    @property
    def item_id(self) -> str:
        return f"atelier-{self.seed}-{self.index:06d}"

    def rng(self, stream: str) -> np.random.Generator:
        """A generator for one purpose (``"paint"``, ``"compose"`` …), independent of the others."""
        words = [self.seed, self.index, zlib.crc32(stream.encode())]
        return np.random.Generator(np.random.PCG64(words))


def draw(seed: int, index: int, *, valence: float | None = None, arousal: float | None = None,
         style: str | None = None, genre: str | None = None) -> Factors:
    """Draws item `index` of collection `seed`; a named factor may be set, the others stay as
    drawn.
    """
    rng = np.random.Generator(np.random.PCG64([seed, index, zlib.crc32(b"factors")]))
    # Integers, then an exact division: the same on every machine.
    drawn_valence, drawn_arousal = (int(k) / 1000 for k in rng.integers(-1000, 1001, 2))
    which_style, which_subject, which_genre = rng.integers(0, 2**31, 3)
    for given, known in ((style, STYLES), (genre, GENRES)):
        if given is not None and given not in known:
            raise KlangfarbeError(f"one of {', '.join(known)}", repr(given), "name one of them")
    style = style or STYLES[which_style % len(STYLES)]
    subjects = SUBJECTS[style]
    return Factors(seed, index, drawn_valence if valence is None else float(valence),
                   drawn_arousal if arousal is None else float(arousal), style,
                   subjects[which_subject % len(subjects)],
                   genre or GENRES[which_genre % len(GENRES)])


def ratings(items: list[Factors], *, n_raters: int = 10, disagreement: float = 0.0) -> np.ndarray:
    """Mean ratings of simulated people who disagree: [N, 2] in [−1, 1].

    Each of `n_raters` sees the true point plus Gaussian noise of standard deviation `disagreement`,
    clipped to the scale; the mean's noise is then about ``disagreement / sqrt(n_raters)``, the
    ceiling of any model trained on it.
    """
    truth = np.array([[f.valence, f.arousal] for f in items])
    if disagreement == 0:
        return truth
    # [N, raters, 2]
    noise = np.stack([f.rng("ratings").standard_normal((n_raters, 2)) for f in items])
    return np.clip(truth[:, None] + disagreement * noise, -1, 1).mean(axis=1)
