"""From an underpainting to paint: strokes are drawn as *numbers* into an integer image; tables then
give each number its colour and each pixel its place across the bristles.

Source: after Haeberli, Paint by Numbers (SIGGRAPH 1990), and Hertzmann (SIGGRAPH 1998): strokes
take their colour from a source picture, coarse layers first, fine ones at edges. Notebook:
02_start_atelier.
"""

from collections import namedtuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from lib.data.atelier import brush
from lib.data.atelier.brush import COLUMNS, COSINES, MASTER, ROWS, SIDE, SINES, Scene

# Strokes in the order they are laid (int32 [n], on 256²; tint [n, 3]), the underpainting they came
# from (int32 [128, 128, 3]) and its brightness differences down and to the right.
Placed = namedtuple("Placed", "x y direction length width bend tint under slopes")


def place(scene: Scene, *, loose: int, jitter: int, coarse=(19, 20, 8), fine=(10, 11, 4),
          edge: int = 60, warp: int = 2) -> Placed:
    """Decides where every stroke goes: `loose`, `jitter`: how far directions (0–128) and colours
    (0–40) stray; `coarse`, `fine`: (spacing, half length, half width) of the two full layers;
    `edge`: percent of the fine edge strokes; `warp`: how far lines waver, in pixels."""
    swirl = np.asarray(scene.noise(4, 4)).astype(np.int32) - 128
    under = np.asarray(scene.image.reduce(2)).astype(np.int32)
    flow = np.asarray(scene.direction)[::2, ::2].astype(np.int32)
    if warp:
        warp = warp * (50 + scene.busy) // 2                                      # in 1/50
        tremor = np.asarray(scene.noise(14, 14)).astype(np.int32) - 128
        rows = np.clip(ROWS + ((tremor + swirl // 2) * warp // 6400), 0, MASTER - 1)
        columns = np.clip(COLUMNS + ((tremor.T - swirl.T // 2) * warp // 6400), 0, MASTER - 1)
        under, flow = under[rows, columns], flow[rows, columns]
    level = (under @ np.array([77, 150, 29], np.int32)) >> 8
    down, right = np.zeros_like(level), np.zeros_like(level)
    down[1:-1], right[:, 1:-1] = level[2:] - level[:-2], level[:, 2:] - level[:, :-2]
    parts = [_layer(scene.rng, under, flow, swirl, sizes, loose, jitter)
             for sizes in (coarse, fine)]
    parts.append(_edges(scene.rng, under, down, right, edge, jitter // 2))
    if scene.marks:
        marks = np.array(scene.marks, np.int32)
        marks[:, 2] %= 256
        parts.append((*marks[:, :6].T, marks[:, 6:]))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Placed._make([*columns, under, (down, right)])


def strokes(scene: Scene, *, relief: int = 80, glaze: int = 20, **brushwork) -> np.ndarray:
    """Paints the scene, int16 [128, 128, 3], about 0–255, with a `relief` of 0–120 and `glaze`
    percent of the underpainting left on top; `brushwork`: see :func:`place`."""
    p = place(scene, **brushwork)
    bare = len(p.x)                                 # the number of pixels no stroke covers
    numbers = Image.new("I", (SIDE, SIDE), bare)
    draw = ImageDraw.Draw(numbers)
    for number, outline in enumerate(brush.outlines(*p[:6]).tolist()):
        draw.polygon(outline, fill=number)
    which = np.asarray(numbers)                                                   # int32 [256, 256]
    packed = np.zeros((bare + 1, 4), np.uint8)
    packed[:bare, :3] = p.tint
    paint = packed.view(np.uint32)[:, 0][which]
    rows, columns = np.nonzero(which == bare)
    pixels = paint.view(np.uint8).reshape(SIDE, SIDE, 4)
    pixels[rows, columns, :3] = p.under[rows // 2, columns // 2]
    painted = Image.frombuffer("RGBX", (SIDE, SIDE), paint.tobytes(), "raw", "RGBX", 0, 1)
    painted = np.asarray(painted.convert("RGB").reduce(2)).astype(np.int32)
    # the glaze, thinly over plain areas, thickly at edges
    steep = np.minimum(np.abs(p.slopes[0]) + np.abs(p.slopes[1]), 85).astype(np.uint8) * 3
    near = np.asarray(Image.fromarray(steep).filter(ImageFilter.BoxBlur(2))).astype(np.int32)
    weight = np.minimum(glaze * 256 // 100 + near, 200)[..., None]
    mixed = ((painted * (256 - weight) + p.under * weight) >> 8).astype(np.int16)
    # the paint's surface, lit from the upper left
    which, half = np.minimum(which[::2, ::2], bare - 1), p.direction // 2
    off_y, off_x = ROWS * 2 - p.y[which], COLUMNS * 2 - p.x[which]
    across = off_y * COSINES[half][which] - off_x * SINES[half][which]
    across //= (16 * np.maximum(p.width, 1))[which]
    height = brush.BRISTLES[which & 63, (across >> 1) & 63] + ((which * 37) & 31)
    lit = height - np.roll(height, (1, 1), axis=(0, 1))
    return mixed + (lit * relief >> 9).astype(np.int16)[..., None]


def _layer(rng, colours, flow, swirl, sizes, loose: int, jitter: int) -> tuple:
    """One full layer on a jittered grid, in random order."""
    spacing, length, width = sizes
    cells = SIDE // spacing + 1
    gy, gx = np.divmod(rng.permutation(cells * cells).astype(np.int32), cells)
    wobble = rng.integers(-spacing, spacing + 1, (2, len(gx)), dtype=np.int32) * 2 // 3
    x, y = (np.clip(grid * spacing + off, 0, SIDE - 1) for grid, off in zip((gx, gy), wobble))
    stray = rng.integers(-128, 129, (3, len(gx)), dtype=np.int32)
    here = (y // 2, x // 2)
    direction = flow[here] + (stray[0] * loose + swirl[here] * (16 + loose // 2) >> 7)
    tint = rng.integers(-jitter, jitter + 1, (len(gx), 3), dtype=np.int32) // 3
    tint += stray[1, :, None] * jitter >> 7
    return (x, y, direction % 256, length + (length * stray[2] >> 9),
            np.maximum(1, width + (width * stray[1] >> 9)), stray[0] * length >> 10,
            np.clip(colours[here] + tint, 0, 255))


def _edges(rng, colours, down, right, percent: int, jitter: int) -> tuple:
    """Fine strokes along the edges of the underpainting, across its slope."""
    ys, xs = np.nonzero(np.abs(down) + np.abs(right) > 14)
    keep = rng.permutation(len(ys))[: min(1100, len(ys) * percent // 300)]
    ys, xs = ys[keep].astype(np.int32), xs[keep].astype(np.int32)
    turns = np.arange(16, dtype=np.int32) * 8       # sixteen directions over half a circle
    steep = np.abs(right[ys, xs, None] * COSINES[turns] + down[ys, xs, None] * SINES[turns])
    direction = (steep.argmax(axis=1).astype(np.int32) * 16 + 128) % 256          # [n]
    stray = rng.integers(-128, 129, (2, len(ys)), dtype=np.int32)
    tint = np.clip(colours[ys, xs] + (stray[1, :, None] * jitter >> 7), 0, 255)
    return (xs * 2, ys * 2, direction, 8 + (stray[0] >> 5), np.full(len(ys), 2, np.int32),
            np.zeros(len(ys), np.int32), tint)
