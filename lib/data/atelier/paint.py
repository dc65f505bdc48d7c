"""The atelier's paintings: from an item's factors to a picture whose affect is known. Strokes are
drawn as *numbers* into an integer image; tables then give each number its colour.
Source: palette by Valdez & Mehrabian (1994); strokes after Haeberli, Paint by Numbers (SIGGRAPH
1990), and Hertzmann (SIGGRAPH 1998): coarse layers first, fine ones at edges. Notebook: 02."""

import math
from collections import namedtuple

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from lib.core.errors import KlangfarbeError
from lib.data.atelier import abstract, brush, indoors, outdoors
from lib.data.atelier.brush import COLUMNS, COSINES, MASTER, ROWS, SIDE, SINES, Scene
from lib.data.atelier.factors import Factors, draw
from lib.data.atelier.palette import Palette

STYLES = {"landscape": outdoors.landscape, "seascape": outdoors.seascape,
          "still_life": indoors.still_life, "night_scene": outdoors.night_scene,
          "portrait": indoors.portrait, "colour_field": abstract.colour_field,
          "geometric": abstract.geometric, "gestural": abstract.gestural}
LUMA = np.array([77, 150, 29], np.int32)    # of red, green, blue in 1/256
# Tone curves 255·(x/255)^γ for γ from 1/3 to 3, rounded once: the same on every machine.
CURVES = np.array([[round(255 * (x / 255) ** (3 ** (k / 24))) for x in range(256)]
                   for k in range(-24, 25)], np.int64)
# Strokes in the order they are laid (int32 [n], on 256²; tint [n, 3]), the underpainting they came
# from (int32 [128, 128, 3]) and its brightness differences down and to the right.
Placed = namedtuple("Placed", "x y direction length width bend tint under slopes")


def paint(factors: Factors, size: int = MASTER) -> np.ndarray:
    """Paints one item: uint8 [size, size, 3], `size` at most 128."""
    if not 1 <= size <= MASTER:
        raise KlangfarbeError(f"a size from 1 to {MASTER}", str(size), "enlarge the picture")
    drawn, brushwork = compose_scene(factors)
    picture = finish(strokes(drawn, **brushwork), drawn)
    return picture if size == MASTER else np.asarray(
        Image.fromarray(picture).resize((size, size), Image.Resampling.BOX))


def compose_scene(factors: Factors) -> tuple[Scene, dict]:
    """The underpainting of an item, and how it is to be brushed (arguments of :func:`strokes`)."""
    rng = factors.rng("paint")
    palette = Palette(factors.valence, factors.arousal, rng.integers(0, 65536, 8).tolist())
    scene = Scene(palette, round(50 + 50 * factors.arousal), round(50 + 50 * factors.valence), rng)
    return scene, STYLES[factors.style](scene, factors.subject)


def place(scene: Scene, *, loose: int, jitter: int, coarse=(19, 20, 8), fine=(10, 11, 4),
          edge: int = 60, warp: int = 2) -> Placed:
    """Where every stroke goes: directions stray by `loose` (0–128), colours by `jitter` (0–40);
    `coarse`, `fine`: (spacing, half length, half width) of the two full layers; `edge`: percent of
    the fine edge strokes; `warp`: how far lines waver, in pixels."""
    swirl = np.asarray(scene.noise(4, 4)).astype(np.int32) - 128
    under = np.asarray(scene.image.reduce(2)).astype(np.int32)
    flow = np.asarray(scene.direction)[::2, ::2].astype(np.int32)
    if warp:
        warp = warp * (50 + scene.busy) // 2                                      # in 1/50
        tremor = np.asarray(scene.noise(14, 14)).astype(np.int32) - 128
        rows = np.clip(ROWS + ((tremor + swirl // 2) * warp // 6400), 0, MASTER - 1)
        columns = np.clip(COLUMNS + ((tremor.T - swirl.T // 2) * warp // 6400), 0, MASTER - 1)
        under, flow = under[rows, columns], flow[rows, columns]
    level = (under @ LUMA) >> 8
    down, right = np.zeros_like(level), np.zeros_like(level)
    down[1:-1], right[:, 1:-1] = level[2:] - level[:-2], level[:, 2:] - level[:, :-2]
    parts = [_layer(scene.rng, under, flow, swirl, coarse, loose, jitter),
             _layer(scene.rng, under, flow, swirl, fine, loose, jitter),
             _edges(scene.rng, under, down, right, edge, jitter // 2)]
    if scene.marks:
        marks = np.array(scene.marks, np.int32)
        marks[:, 2] %= 256
        parts.append((*marks[:, :6].T, marks[:, 6:]))
    columns = [np.concatenate(column) for column in zip(*parts, strict=True)]
    return Placed._make([*columns, under, (down, right)])


def _layer(rng, colours, flow, swirl, sizes, loose: int, jitter: int) -> tuple:
    spacing, length, width = sizes  # one full layer on a jittered grid, in random order
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


def _edges(rng, colours, down, right, percent: int, jitter: int) -> tuple:  # fine, along edges
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


def strokes(scene: Scene, *, relief: int = 80, glaze: int = 20, **brushwork) -> np.ndarray:
    """Paints the scene, int16 [128, 128, 3]; `relief` 0–120; `glaze`: percent of underpainting."""
    p = place(scene, **brushwork)
    bare = len(p.x)                                 # the number of pixels no stroke covers
    numbers = Image.new("I", (SIDE, SIDE), bare)
    draw_stroke = ImageDraw.Draw(numbers).polygon
    for number, outline in enumerate(brush.outlines(*p[:6]).tolist()):
        draw_stroke(outline, fill=number)
    which = np.asarray(numbers)                                                   # int32 [256, 256]
    packed = np.zeros((bare + 1, 4), np.uint8)
    packed[:bare, :3] = p.tint
    pixels = packed.view(np.uint32)[:, 0][which].view(np.uint8).reshape(SIDE, SIDE, 4)
    rows, columns = np.nonzero(which == bare)
    pixels[rows, columns, :3] = p.under[rows // 2, columns // 2]
    painted = Image.frombuffer("RGBX", (SIDE, SIDE), pixels.tobytes(), "raw", "RGBX", 0, 1)
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


def finish(painted: np.ndarray, scene: Scene) -> np.ndarray:
    """Brings brightness, contrast, colourfulness to the palette's: int16 [128, 128, 3] → uint8."""
    palette, painted = scene.palette, np.clip(painted, 0, 255).astype(np.int32)
    level = (painted @ LUMA) >> 8                                                 # [128, 128]
    chroma, counts = painted - level[..., None], np.bincount(level.ravel(), minlength=256)
    curve = CURVES[np.abs(CURVES @ counts // level.size - palette.level).argmin()]
    mean = int(curve @ counts) // level.size
    spread = math.isqrt(int((curve - mean) ** 2 @ counts) // level.size)
    stretch = min(400, max(190, 256 * palette.contrast * 60 // (100 * max(1, spread))))  # in 1/256
    curve = np.clip(palette.level + ((curve - mean) * stretch >> 8), 0, 255).astype(np.int32)
    strength = int(np.abs(chroma).max(axis=2).sum()) // level.size
    gain = min(440, max(90, 218 * palette.chroma // max(1, strength)))
    canvas = np.roll(brush.CANVAS, scene.rng.integers(0, MASTER, 2).tolist(), axis=(0, 1))
    final = curve[level][..., None] + (chroma * gain >> 8) + canvas[..., None]
    return np.clip(final, 0, 255).astype(np.uint8)


def pictures(seed: int, indices, size=MASTER, style=None) -> tuple[np.ndarray, np.ndarray]:
    """Items, all in `style` where given: uint8 [n, size, size, 3], float32 [n, 2] points."""
    items = [draw(seed, int(index), style=style) for index in indices]
    return (np.array([paint(item, size) for item in items], np.uint8).reshape(-1, size, size, 3),
            np.array([(f.valence, f.arousal) for f in items], np.float32).reshape(-1, 2))
