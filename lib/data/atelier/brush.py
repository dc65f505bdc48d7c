"""A scene's underpainting: flat shapes drawn twice, as colour and as a brush's direction, on 256²;
directions are 0–255 for 0–180° (0 along a row, 128 upright). paint.py sets the strokes."""

import numpy as np
from PIL import Image, ImageDraw

from lib.data.atelier.palette import SINE, Palette

SIDE, MASTER = 256, 128     # shapes and strokes are drawn at 256², averaged to the master's 128²
COSINE = SINE[64:] + SINE[:64]
SINES, COSINES = np.array(SINE, np.int32), np.array(COSINE, np.int32)
# A stroke's outline in 1/64 of its half length and half width: round ends, widest past the middle.
_ALONG = np.array((-64, -44, 10, 50, 64, 46, -6, -52), np.int32)
_ACROSS = np.array((-22, -56, -64, -48, 12, 54, 64, 44), np.int32)
ROWS, COLUMNS = np.indices((MASTER, MASTER), dtype=np.int32)
_rng = np.random.Generator(np.random.PCG64(1994))
_bristles = _rng.integers(-64, 65, (64, 64), dtype=np.int32)
BRISTLES = (_bristles + np.roll(_bristles, 1, axis=1)) // 2     # 64 brushes, 64 places across each
_weave = (np.where((ROWS + COLUMNS) % 2, 3, -3) + np.where(ROWS % 4 == 0, -2, 1)
          + np.where(COLUMNS % 4 == 0, -2, 1))
CANVAS = (_weave + _rng.integers(-4, 5, (MASTER, MASTER))).astype(np.int16)
_halo = np.clip(255 - ((ROWS * 2 - 127) ** 2 + (COLUMNS * 2 - 127) ** 2) * 255 // 127**2, 0, 255)
HALO = Image.fromarray((_halo * _halo // 255).astype(np.uint8))


def outlines(x, y, direction, length, width, bend) -> np.ndarray:
    """Stroke outlines: int32 [n] each → int32 [n, 16], flat coordinates of eight points."""
    u = length[:, None] * _ALONG                                                # [n, 8] in 1/64
    v = width[:, None] * _ACROSS + (bend[:, None] * _ALONG * _ALONG >> 6)
    half = direction // 2 % 256
    cosine, sine = COSINES[half][:, None], SINES[half][:, None]
    return np.stack([x[:, None] + ((u * cosine - v * sine) >> 16),
                     y[:, None] + ((u * sine + v * cosine) >> 16)], axis=2).reshape(len(x), -1)


def around(x: int, y: int, r: int, angles) -> list[int]:
    """Points on a circle, flat (256 a full turn)."""
    return [c for a in angles for c in (x + (r * COSINE[a % 256] >> 10),
                                        y + (r * SINE[a % 256] >> 10))]


class Scene:
    """One picture while it is made: arousal and valence as 0–100 (`busy`, `sweet`), two images on
    which `ink` and `flow` draw, and `marks`, strokes to set last: (x, y, direction, half length,
    half width, bend, red, green, blue). Colours are arguments of the palette's `tone`."""

    def __init__(self, palette: Palette, busy: int, sweet: int, rng: np.random.Generator):
        self.palette, self.busy, self.sweet, self.rng = palette, busy, sweet, rng
        self._draws = rng.integers(0, 65536, 1200).tolist()
        self.image, self.direction = Image.new("RGB", (SIDE, SIDE)), Image.new("L", (SIDE, SIDE))
        self.ink, self.flow = ImageDraw.Draw(self.image), ImageDraw.Draw(self.direction)
        self.marks: list[tuple] = []
        self.tone = palette.tone

    @staticmethod
    def tones(slot: int, levels, *settings) -> list[tuple]:
        """One colour a level."""
        return [(slot, level, *settings) for level in levels]

    def pick(self, low: int, high: int) -> int:
        """A random integer, both ends included."""
        if not self._draws:
            self._draws = self.rng.integers(0, 65536, 1200).tolist()
        return low + self._draws.pop() % (high - low + 1)

    def one(self, options):
        return options[self.pick(0, len(options) - 1)]

    def chance(self, percent: int) -> bool:
        return self.pick(0, 99) < percent

    def sign(self) -> int:
        return 1 if self.chance(50) else -1

    def _draw(self, shape: str, points, colour, direction: int) -> None:
        getattr(self.ink, shape)(points, fill=self.tone(*colour))
        getattr(self.flow, shape)(points, fill=direction % 256)

    def polygon(self, points, colour, direction: int = 128) -> None:
        self._draw("polygon", points, colour, direction)

    def figure(self, x: int, y: int, offsets, colour, direction=128, *, unit=10, side=1) -> None:
        """A polygon by flat offsets from (x, y) in tenths of `unit`; `side` −1 mirrors it."""
        around = [int(offset * unit / 10) for offset in offsets]
        corners = [y + o if k % 2 else x + side * o for k, o in enumerate(around)]
        self.polygon(corners, colour, direction)

    def lathe(self, x: int, profile, colour, direction: int = 128) -> None:
        """A symmetric polygon about column x: (half width, row) in turn, down one side."""
        right = [(x + wide, y) for wide, y in profile]
        self.polygon(right + [(x - wide, y) for wide, y in reversed(profile)], colour, direction)

    def ellipse(self, x: int, y: int, rx: int, ry: int, colour, direction: int = 128) -> None:
        if rx > 0 and ry > 0:
            self._draw("ellipse", (x - rx, y - ry, x + rx, y + ry), colour, direction)

    def box(self, left: int, top: int, right: int, bottom: int, colour, direction=128) -> None:
        if right > left and bottom > top:
            self._draw("rectangle", (left, top, right, bottom), colour, direction)

    def gradient(self, top: int, bottom: int, above, below, direction: int) -> None:
        """A vertical gradient between two colours over all columns, rows `top` to `bottom`."""
        rows = max(1, bottom - top)
        a, b = (np.array(self.tone(*colour), np.int32) for colour in (above, below))
        column = (a + (b - a) * np.arange(rows, dtype=np.int32)[:, None] // rows).astype(np.uint8)
        painted = Image.fromarray(column[:, None]).resize((SIDE, rows), Image.Resampling.NEAREST)
        self.image.paste(painted, (0, top))
        self.flow.rectangle((0, top, SIDE, bottom), fill=direction % 256)

    def noise(self, across: int, down: int, width=MASTER, height=MASTER) -> Image.Image:
        """Smooth noise (L) with about `across` × `down` hills."""
        grid = self.rng.integers(0, 256, (down + 1, across + 1), dtype=np.uint8)
        return Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)

    def drift(self, top: int, bottom: int, across: int, down: int, share: int, colour,
              strength: int) -> None:
        """Clouds, mist, stains where smooth noise is high, about `share` percent of the rows."""
        floor = 255 - 255 * share // 100
        table = [min(strength, max(0, (k - floor) * strength // 60)) for k in range(256)]
        mask = self.noise(across, down, SIDE, max(8, bottom - top)).point(table)
        self.image.paste(self.tone(*colour), (0, top), mask)

    def glow(self, x: int, y: int, radius: int, colour, strength: int) -> None:
        """A halo of light, `strength` percent at its middle."""
        fade = [k * strength // 100 for k in range(256)]
        mask = HALO.resize((2 * radius, 2 * radius)).point(fade)
        self.image.paste(self.tone(*colour), (x - radius, y - radius), mask)

    def wash(self, points, colour, strength: int, direction: int) -> None:
        """A transparent polygon, `strength` percent opaque."""
        mask = Image.new("L", (SIDE, SIDE))
        ImageDraw.Draw(mask).polygon(points, fill=255 * strength // 100)
        self.image.paste(self.tone(*colour), (0, 0), mask)
        self.flow.polygon(points, fill=direction % 256)

    def reflect(self, waterline: int, depth: int, colour, strength: int) -> None:
        """Mirrors what stands above the waterline into the `depth` rows below it, tinted."""
        depth = min(depth, waterline, SIDE - waterline)
        above = self.image.crop((0, waterline - depth, SIDE, waterline))
        self.image.paste(above.transpose(Image.Transpose.FLIP_TOP_BOTTOM), (0, waterline))
        tint = Image.new("L", (SIDE, depth), 255 * strength // 100)
        self.image.paste(self.tone(*colour), (0, waterline), tint)
        self.flow.rectangle((0, waterline, SIDE, waterline + depth), fill=0)

    def ridge(self, base: int, height: int, cells: int) -> list[int]:
        """The land below a skyline, as a polygon: smooth when calm, jagged when aroused."""
        step, points = SIDE // cells, []
        peaks = [self.pick(-height, height) for _ in range(cells + 3)]
        for x in range(0, SIDE + 9, 8):
            cell, rest = divmod(x, step)
            eased = rest * rest * (3 * step - 2 * rest) // (step * step)        # smoothstep
            place = (rest * self.busy + eased * (100 - self.busy)) // 100
            points += [x, base + peaks[cell] + (peaks[cell + 1] - peaks[cell]) * place // step
                       + self.pick(-2, 2) * self.busy * height // 800]
        return [*points, SIDE, SIDE, 0, SIDE]

    def scatter(self, count: int, box, direction: int, stray: int, length: int, width: int,
                shades, *, round_box=False, grow=False, lit=False, on_top=False) -> None:
        """Strokes in a box, or its ellipse (`round_box`): directions differ by `stray`; `shades` at
        random, or by the light (`lit`); `grow`: larger below; `on_top`: as final marks."""
        left, top, right, bottom = box
        shades = [self.tone(*shade) for shade in shades]
        wide, high = max(1, right - left), max(1, bottom - top)
        draws = self.rng.integers(0, 65536, (5, count), dtype=np.int32)
        x, y = draws[0] % wide, draws[1] % high
        turn = (direction + (draws[2] % (2 * stray + 1)) - stray) % 256
        size = 40 + 60 * y // high if grow else np.full(count, 100, np.int32)
        long = length * size * (70 + draws[3] % 61) // 10000
        broad = np.maximum(1, width * size * (70 + draws[4] % 61) // 10000)
        place = draws[4] % 256
        if lit:     # from the upper left to the lower right
            place = (x * 256 // wide + y * 512 // high) // 3 + draws[3] % 97 - 48
        which = np.clip(place * len(shades) // 256, 0, len(shades) - 1)
        if round_box:
            across, down = (2 * x - wide) * 128 // wide, (2 * y - high) * 128 // high
            inside = across**2 + down**2 < 128**2
            x, y, turn, long, broad, which = (c[inside] for c in (x, y, turn, long, broad, which))
        columns = (x + left, y + top, turn, long, broad, draws[2][: len(x)] % 5 - 2)
        if on_top:
            self.marks += [(*stroke, *shades[k]) for *stroke, k
                           in zip(*(c.tolist() for c in columns), which.tolist(), strict=True)]
            return
        for outline, k, way in zip(outlines(*columns).tolist(), which, turn.tolist(), strict=True):
            self.ink.polygon(outline, fill=shades[k])
            self.flow.polygon(outline, fill=way)

    def dab(self, x: int, y: int, direction: int, length: int, width: int, colour) -> None:
        """One stroke in the underpainting, where later shapes can cover it."""
        columns = (np.array([k], np.int32) for k in (x, y, direction % 256, length, width, 0))
        self.polygon(outlines(*columns)[0].tolist(), colour, direction)

    def mark(self, x: int, y: int, direction: int, length: int, width: int, colour) -> None:
        """One stroke set last, over everything."""
        self.marks.append((x, y, direction, length, width, 0, *self.tone(*colour)))
