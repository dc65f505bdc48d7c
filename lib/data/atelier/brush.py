"""Brush and canvas: a scene's underpainting, and the strokes that turn it into paint.

A scene draws flat shapes twice: their colour, and the direction a brush would take over them. Layers of strokes then
sample both, large strokes first. Strokes are drawn as *numbers* into an integer image; a table then gives each number its
colour and each pixel its place across the bristles, so that hundreds of textured strokes cost a few table look-ups.
"""

import numpy as np
from PIL import Image, ImageDraw

from lib.data.atelier.palette import SINE, Palette

SIDE, MASTER = 256, 128     # shapes and strokes are drawn at 256², averaged to the master's 128²
COSINE = SINE[64:] + SINE[:64]
_SIN, _COS = np.array(SINE, np.int32), np.array(COSINE, np.int32)
# A stroke's outline: eight points (along, across) in 1/64 of its half length and half width: round ends, widest past the middle.
_OUTLINE = np.array([(-64, -22), (-44, -56), (10, -64), (50, -48), (64, 12), (46, 54), (-6, 64), (-52, 44)], np.int32)


def _tables():
    rng = np.random.Generator(np.random.PCG64(1994))
    bristles = rng.integers(-64, 65, (64, 64), dtype=np.int32)
    bristles = (bristles + np.roll(bristles, 1, axis=1)) // 2                       # 64 brushes, 64 places across each
    rows, columns = np.indices((MASTER, MASTER), dtype=np.int32)
    weave = np.where((rows + columns) % 2, 3, -3) + np.where(rows % 4 == 0, -3, 1) + np.where(columns % 4 == 0, -3, 1)
    grain = rng.integers(-5, 6, (MASTER, MASTER), dtype=np.int32)
    return bristles, (weave + grain).astype(np.int16)


BRISTLES, CANVAS = _tables()


class Scene:
    """One picture while it is made: its palette, its randomness, and two images, colour and brush direction.

    Attributes:
        busy: arousal as 0–100. sweet: valence as 0–100.
        ink, flow: drawing surfaces 256² for colour (RGB) and brush direction (0–255 for 0–180°).
        marks: strokes to set last: (x, y, direction, half length, half width, colour).
    """

    def __init__(self, palette: Palette, busy: int, sweet: int, rng: np.random.Generator):
        self.palette, self.busy, self.sweet, self.rng = palette, busy, sweet, rng
        self._draws = rng.integers(0, 65536, 1500).tolist()
        self.image, self.direction = Image.new("RGB", (SIDE, SIDE)), Image.new("L", (SIDE, SIDE))
        self.ink, self.flow = ImageDraw.Draw(self.image), ImageDraw.Draw(self.direction)
        self.marks: list[tuple] = []

    def pick(self, low: int, high: int) -> int:
        """A random integer, both ends included."""
        return low + self._draws.pop() % (high - low + 1)

    def chance(self, percent: int) -> bool:
        return self._draws.pop() % 100 < percent

    def tone(self, slot: int, level: int, chroma: int = 100, natural: int = -1, pull: int = 45):
        return self.palette.tone(slot, level, chroma, natural, pull)

    def polygon(self, points, colour, direction: int) -> None:
        """Fills a polygon (flat list of coordinates on 256²)."""
        self.ink.polygon(points, fill=colour)
        self.flow.polygon(points, fill=direction % 256)

    def ellipse(self, x: int, y: int, rx: int, ry: int, colour, direction: int) -> None:
        box = (x - rx, y - ry, x + rx, y + ry)
        self.ink.ellipse(box, fill=colour)
        self.flow.ellipse(box, fill=direction % 256)

    def box(self, left: int, top: int, right: int, bottom: int, colour, direction: int) -> None:
        if right > left and bottom > top:
            self.ink.rectangle((left, top, right, bottom), fill=colour)
            self.flow.rectangle((left, top, right, bottom), fill=direction % 256)

    def gradient(self, top: int, bottom: int, above, below, direction: int) -> None:
        """A vertical gradient between two colours over all columns from row `top` to row `bottom`."""
        rows = max(1, bottom - top)
        steps = np.arange(rows, dtype=np.int32)[:, None]
        a, b = np.array(above, np.int32), np.array(below, np.int32)
        column = (a + (b - a) * steps // rows).astype(np.uint8)[:, None]
        self.image.paste(Image.fromarray(column).resize((SIDE, rows), Image.Resampling.NEAREST), (0, top))
        self.flow.rectangle((0, top, SIDE, bottom), fill=direction % 256)

    def noise(self, cells: int, size: int = MASTER) -> np.ndarray:
        """Smooth noise uint8 [size, size] with about `cells` hills a side."""
        grid = self.rng.integers(0, 256, (cells + 1, cells + 1), dtype=np.uint8)
        return np.asarray(Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC))

    def ridge(self, base: int, height: int, cells: int) -> list[int]:
        """A skyline: flat coordinates from the left edge to the right; smooth when calm, jagged when aroused."""
        step = SIDE // cells
        peaks = [self.pick(-height, height) for _ in range(cells + 3)]
        points = []
        for x in range(0, SIDE + 9, 8):
            cell, rest = divmod(x, step)
            eased = rest * rest * (3 * step - 2 * rest) // (step * step)        # smoothstep
            place = (rest * self.busy + eased * (100 - self.busy)) // 100
            y = base + peaks[cell] + (peaks[cell + 1] - peaks[cell]) * place // step + self.pick(-1, 1) * self.busy * height // 400
            points += [x, y]
        return points

    def land(self, skyline: list[int], colour, direction: int) -> None:
        """Fills everything below a skyline."""
        self.polygon([*skyline, SIDE, SIDE, 0, SIDE], colour, direction)

    def ball(self, x: int, y: int, rx: int, ry: int, slot: int, level: int, natural: int = -1, pull: int = 45, chroma: int = 115) -> None:
        """A round thing lit from the upper left."""
        for k in range(5):
            self.ellipse(x - rx * k // 12, y - ry * k // 10, rx - rx * k // 6, ry - ry * k // 6,
                         self.tone(slot, level - 60 + 32 * k, chroma, natural, pull), 32 + 24 * k)

    def mark(self, x: int, y: int, direction: int, length: int, width: int, colour) -> None:
        self.marks.append((x, y, direction, length, width, *colour))


def outlines(x, y, direction, length, width, bend) -> np.ndarray:
    """Stroke outlines: [n] each (256² units; direction 0–255 for 0–180°) → int32 [n, 16], flat coordinates."""
    along, across = _OUTLINE[:, 0], _OUTLINE[:, 1]
    u = length[:, None] * along                                                   # [n, 8] in 1/64
    v = width[:, None] * across + (bend[:, None] * along * along >> 6)
    cosine, sine = _COS[direction // 2 % 256][:, None], _SIN[direction // 2 % 256][:, None]
    points = np.stack([x[:, None] + ((u * cosine - v * sine) >> 16), y[:, None] + ((u * sine + v * cosine) >> 16)], axis=2)
    return points.reshape(len(x), -1)


def strokes(scene: Scene, layers, loose: int, jitter: int, relief: int, glaze: int) -> np.ndarray:
    """Paints the scene with layers of strokes.

    Args:
        layers: (spacing, half length, half width) of each layer, coarse to fine, in 256² units.
        loose: how far directions stray (0–128). jitter: how far colours stray (0–40).
        relief: strength of the paint's relief (0–100). glaze: percent of the underpainting left on top.

    Returns:
        int16 [128, 128, 3], about 0–255.
    """
    rng = scene.rng
    under = scene.image.reduce(2)
    colours, flow = np.asarray(under).astype(np.int32), np.asarray(scene.direction)[::2, ::2].astype(np.int32)
    swirl = scene.noise(4).astype(np.int32) - 128
    parts = []
    for spacing, length, width in layers:
        cells = SIDE // spacing + 1
        gy, gx = np.divmod(rng.permutation(cells * cells).astype(np.int32), cells)
        wobble = rng.integers(-spacing, spacing + 1, (2, len(gx)), dtype=np.int32) * 2 // 3
        x, y = np.clip(gx * spacing + wobble[0], 0, SIDE - 1), np.clip(gy * spacing + wobble[1], 0, SIDE - 1)
        stray = rng.integers(-128, 129, (3, len(gx)), dtype=np.int32)
        direction = flow[y // 2, x // 2] + (stray[0] * loose + swirl[y // 2, x // 2] * (20 + loose // 2) >> 7)
        tint = rng.integers(-jitter, jitter + 1, (len(gx), 3), dtype=np.int32) // 3 + (stray[1, :, None] * jitter >> 7)
        parts.append((x, y, direction % 256, length + (length * stray[2] >> 9), np.maximum(1, width + (width * stray[1] >> 9)),
                      stray[0] * length >> 10, np.clip(colours[y // 2, x // 2] + tint, 0, 255)))
    if scene.marks:
        m = np.array(scene.marks, np.int32)
        parts.append((m[:, 0], m[:, 1], m[:, 2] % 256, m[:, 3], m[:, 4], np.zeros(len(m), np.int32), m[:, 5:8]))
    x, y, direction, length, width, bend, tint = (np.concatenate(column) for column in zip(*parts, strict=True))
    numbers = Image.new("I", (SIDE, SIDE), 0)
    draw = ImageDraw.Draw(numbers)
    for number, outline in enumerate(outlines(x, y, direction, length, width, bend).tolist()):
        draw.polygon(outline, fill=number)
    which = np.asarray(numbers)                                                   # int32 [256, 256]
    packed = np.zeros((len(x), 4), np.uint8)
    packed[:, :3] = tint
    paint = packed.view(np.uint32)[:, 0][which]
    painted = Image.frombuffer("RGBX", (SIDE, SIDE), paint.tobytes(), "raw", "RGBX", 0, 1).convert("RGB").reduce(2)
    painted = Image.blend(painted, under, glaze / 100) if glaze else painted
    return np.asarray(painted).astype(np.int16) + _relief(which[::2, ::2], x, y, direction, width, relief)[..., None]


def _relief(which, x, y, direction, width, strength: int) -> np.ndarray:
    """Light and shade of the paint's surface, lit from the upper left: int16 [128, 128]."""
    rows, columns = np.indices((MASTER, MASTER), dtype=np.int32)
    half = direction // 2
    off_y, off_x = rows * 2 - y[which], columns * 2 - x[which]
    across = (off_y * _COS[half][which] - off_x * _SIN[half][which]) // (16 * np.maximum(width, 1))[which]
    height = BRISTLES[which & 63, (across >> 1) & 63] + ((which * 37) & 31)
    lit = height - np.roll(height, (1, 1), axis=(0, 1))
    return (lit * strength >> 9).astype(np.int16)


