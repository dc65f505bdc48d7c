"""From a point of the affect plane to colours: brightness and saturation by a published relation,
hue by tendency, in integers and tables rounded once: the same picture on every machine.
Source: Valdez & Mehrabian (1994), Effects of color on emotions. Notebook: 01, 02."""

import math

import numpy as np

PLEASURE_AROUSAL = np.array([[0.69, 0.22], [-0.31, 0.60]])  # of (B, S), all in standard scores
# Mean, and units per standard score: of luma 0–255, of percent of a pigment's own colourfulness.
BRIGHTNESS_MEAN, BRIGHTNESS_SPREAD, CHROMA_MEAN, CHROMA_SPREAD = 127, 44, 47, 20
SINE = [round(1024 * math.sin(2 * math.pi * k / 256)) for k in range(256)]
# A painter's circle, evenly spaced, from red (0) over yellow and green to rose; hues between mixed.
PIGMENTS = np.array([(202, 52, 42), (224, 118, 40), (236, 188, 66), (166, 172, 62), (92, 146, 72),
                     (48, 138, 108), (48, 148, 160), (58, 128, 190), (62, 84, 182), (108, 72, 164),
                     (160, 66, 138), (196, 56, 94)])
# Base hue at arousal −1, −.5, 0, .5, 1: from turquoise to orange, from slate blue to red.
PLEASANT_ROAD, UNPLEASANT_ROAD = (140, 118, 72, 40, 20), (156, 170, 198, 234, 260)


def solve(valence: float, arousal: float) -> tuple[float, float]:
    """Brightness and saturation (standard scores) that predict a point of [−1, 1]²."""
    (a, b), (c, d) = PLEASURE_AROUSAL.tolist()
    determinant = a * d - b * c
    return (d * valence - b * arousal) / determinant, (a * arousal - c * valence) / determinant


_place, _rest = np.divmod(np.arange(256) * len(PIGMENTS), 256)
_CIRCLE = (PIGMENTS[_place] + (np.roll(PIGMENTS, -1, 0) - PIGMENTS)[_place] * _rest[:, None] // 256)
OWN_LUMA = (_CIRCLE @ np.array([77, 150, 29]) >> 8).tolist()
CHROMA = (_CIRCLE - np.array(OWN_LUMA)[:, None]).tolist()  # each hue with no brightness in it


def colour(hue: int, level: int, chroma: int) -> tuple[int, int, int]:
    """RGB of a hue (0–255) at a luma (clipped to 6–250) and a percentage of its pigment's own."""
    level = min(250, max(6, level))
    for part in CHROMA[hue % 256]:      # the longest step that stays inside the cube
        room = 255 - level if part > 0 else level
        if part and chroma * abs(part) > room * 100:
            chroma = room * 100 // abs(part)
    red, green, blue = (min(255, max(0, level + chroma * p // 100)) for p in CHROMA[hue % 256])
    return red, green, blue


def between(hue: int, other: int, weight: int) -> int:
    """The hue `weight` percent of the way from `hue` to `other` along the shorter arc."""
    return (hue + ((other - hue + 128) % 256 - 128) * weight // 100) % 256


class Palette:
    """One picture's colours from eight `draws` in [0, 65536): `level`, mean luma; `chroma`, percent
    of pigment; `contrast`, luma of level ±100; `hues`: main, two neighbours, opposite, accent."""

    def __init__(self, valence: float, arousal: float, draws: list[int]):
        brightness, saturation = solve(valence, arousal)
        self.level = BRIGHTNESS_MEAN + round(BRIGHTNESS_SPREAD * brightness) + draws[0] % 19 - 9
        self.chroma = max(9, CHROMA_MEAN + round(CHROMA_SPREAD * saturation) + draws[1] % 13 - 6)
        self.contrast = 62 + round(20 * arousal) + draws[2] % 13 - 6
        pleasant = draws[3] % 1000 < 500 + 1000 * valence       # near 0 either road
        road = PLEASANT_ROAD if pleasant else UNPLEASANT_ROAD
        place = round((arousal + 1) * 200)                      # 0–400 along the road
        step = min(place // 100, 3)
        main = road[step] + (road[step + 1] - road[step]) * (place - 100 * step) // 100
        main += draws[4] % 49 - 24
        apart = 12 + draws[5] % 12 + place // 40                # close together when calm
        away, side = 70 + place // 8 + draws[6] % 21, 1 if draws[7] % 2 else -1
        opposite, accent = main + side * away, main - side * (away * 2 // 3)
        self.hues = [h % 256 for h in (main, main + apart, main - apart, opposite, accent)]

    def tone(self, slot: int, level: int, chroma: int = 100, natural: int = -1, pull: int = 45):
        """Hue `slot` at `level` −100 (shadow) … 100 (light) and a percentage of the picture's
        colourfulness, drawn `pull` percent to the thing's own hue `natural` (not −1)."""
        hue = self.hues[slot] if natural < 0 else between(self.hues[slot], natural, pull)
        # warm light, cool shadow
        hue = between(hue, 38 if level > 0 else 172, min(25, abs(level) // 5))
        bright = self.level + self.contrast * level // 100
        bright += (OWN_LUMA[hue] - 120) * self.chroma // 300
        return colour(hue, bright, self.chroma * chroma // 100)
