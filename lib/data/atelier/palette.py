"""From a point of the affect plane to colours: brightness and saturation by a published relation,
hue by tendency.

All arithmetic is in integers or in tables rounded once, so that a picture is the same on every
machine.

Source: Valdez, P. & Mehrabian, A. (1994), Effects of color on emotions, J. Exp. Psychol.: General
123(4), regression equations for pleasure and arousal on brightness B and saturation S, in standard
scores. Notebook: 02_start_atelier.
"""

import math

import numpy as np

# Pleasure = .69 B + .22 S,  Arousal = −.31 B + .60 S  (Valdez & Mehrabian 1994), all in standard
# scores.
PLEASURE_AROUSAL = np.array([[0.69, 0.22], [-0.31, 0.60]])
# luma 0–255: mean of the collection, and luma per standard score
BRIGHTNESS_MEAN, BRIGHTNESS_SPREAD = 127, 44
# percent of a pigment's own colourfulness: mean, and percent per standard score
CHROMA_MEAN, CHROMA_SPREAD = 47, 20

RED_WEIGHT, GREEN_WEIGHT, BLUE_WEIGHT = 77, 150, 29     # luma weights × 256 (Rec. 601)
HUES = 256
SINE = [round(1024 * math.sin(2 * math.pi * k / 256)) for k in range(256)]
# A painter's circle instead of a screen's: twelve pigments, evenly spaced, with the steps between
# them mixed.
PIGMENTS = ((202, 52, 42), (224, 118, 40), (236, 188, 66), (166, 172, 62), (92, 146, 72),
            (48, 138, 108), (48, 148, 160), (58, 128, 190), (62, 84, 182), (108, 72, 164),
            (160, 66, 138), (196, 56, 94))
NAMES = ("red", "orange", "yellow", "olive", "green", "viridian", "turquoise", "sky blue",
         "ultramarine", "violet", "purple", "rose")


def solve(valence: float, arousal: float) -> tuple[float, float]:
    """Brightness and saturation (standard scores) whose predicted pleasure and arousal are the
    given point.

    The inverse of the 2 × 2 system above: B = (.60 V − .22 A) / .4822, S = (.31 V + .69 A) / .4822.

    Args:
        valence, arousal: in [−1, 1].

    Returns:
        (brightness, saturation), |brightness| ≤ 1.71, |saturation| ≤ 2.08.
    """
    (a, b), (c, d) = PLEASURE_AROUSAL.tolist()
    determinant = a * d - b * c
    return (d * valence - b * arousal) / determinant, (a * arousal - c * valence) / determinant


def luma(red: int, green: int, blue: int) -> int:
    """Brightness 0–255 of a colour."""
    return (RED_WEIGHT * red + GREEN_WEIGHT * green + BLUE_WEIGHT * blue) >> 8


def _mixed(hue: int) -> tuple[int, int, int]:
    place, rest = divmod(hue * len(PIGMENTS), HUES)
    return tuple(p + (q - p) * rest // HUES for p,
                 q in zip(PIGMENTS[place], PIGMENTS[(place + 1) % len(PIGMENTS)], strict=True))


OWN_LUMA = [luma(*_mixed(h)) for h in range(HUES)]
# The direction of each hue with no brightness in it.
CHROMA = [[c - OWN_LUMA[h] for c in _mixed(h)] for h in range(HUES)]


def colour(hue: int, level: int, chroma: int) -> tuple[int, int, int]:
    """The RGB of a hue at a brightness; colourfulness gives way at the gamut's edge.

    Args:
        hue: 0–255, wraps: 0 red, 43 yellow, 85 green, 128 turquoise, 170 ultramarine, 213 purple.
        level: luma 0–255 (clipped to 6 … 250).
        chroma: percent of the pigment's own colourfulness.
    """
    level = min(250, max(6, level))
    direction = CHROMA[hue % HUES]
    for part in direction:      # the longest step that stays inside the cube
        room = 255 - level if part > 0 else level
        if part and chroma * abs(part) > room * 100:
            chroma = room * 100 // abs(part)
    return tuple(min(255, max(0, level + chroma * part // 100)) for part in direction)


def between(hue: int, other: int, weight: int) -> int:
    """The hue `weight` percent of the way from `hue` to `other` along the shorter arc."""
    arc = (other - hue + 128) % 256 - 128
    return (hue + arc * weight // 100) % 256


# Base hue at arousal −1, −.5, 0, .5, 1: pleasant pictures go from turquoise through green and
# yellow to orange, unpleasant ones from slate blue through violet to red. Warm means aroused on
# both roads.
PLEASANT_ROAD, UNPLEASANT_ROAD = (140, 118, 72, 40, 20), (156, 170, 198, 234, 260)


class Palette:
    """The colours of one picture.

    Attributes:
        level: intended mean luma (0–255). chroma: intended mean colourfulness (percent of pigment).
        contrast: luma distance of level ±100.
        hues: main, two neighbours, opposite, accent; close together when calm, far apart when
            aroused.
    """

    def __init__(self, valence: float, arousal: float, draws: list[int]):
        """Args: draws: at least eight integers in [0, 65536), the item's own randomness."""
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
        apart = 12 + draws[5] % 12 + place // 40
        away = 70 + place // 8 + draws[6] % 21                  # the opposite: 70–140 steps off
        side = 1 if draws[7] % 2 else -1
        self.hues = [main % 256, (main + apart) % 256, (main - apart) % 256,
                     (main + side * away) % 256, (main - side * (away * 2 // 3)) % 256]

    def tone(self, slot: int, level: int, chroma: int = 100, natural: int = -1,
             pull: int = 45) -> tuple[int, int, int]:
        """A colour of this palette.

        Args:
            slot: which hue, 0–4. level: −100 (shadow) … 100 (light) about the picture's brightness.
            chroma: percent of the picture's own colourfulness.
            natural: hue of the thing itself (grass 80, sky 150, skin 20), −1 for none; pull:
                percent of the way from the palette's hue to it.
        """
        hue = self.hues[slot]
        if natural >= 0:
            hue = between(hue, natural, pull)
        # warm light, cool shadow
        hue = between(hue, 38 if level > 0 else 172, min(25, abs(level) // 5))
        bright = self.level + self.contrast * level // 100
        bright += (OWN_LUMA[hue] - 120) * self.chroma // 300
        return colour(hue, bright, self.chroma * chroma // 100)
