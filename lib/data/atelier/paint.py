"""The atelier's paintings: from an item's factors to a picture whose affect is known.

Source: palette by Valdez & Mehrabian (1994). Notebook: 02_start_atelier.
"""

import math
from collections.abc import Iterable

import numpy as np
from PIL import Image

from lib.core.errors import KlangfarbeError
from lib.data.atelier import abstract, indoors, outdoors
from lib.data.atelier.brush import CANVAS, MASTER, Scene
from lib.data.atelier.factors import Factors, draw
from lib.data.atelier.palette import Palette
from lib.data.atelier.strokes import strokes

STYLES = {"landscape": outdoors.landscape, "seascape": outdoors.seascape,
          "still_life": indoors.still_life, "night_scene": outdoors.night_scene,
          "portrait": indoors.portrait, "colour_field": abstract.colour_field,
          "geometric": abstract.geometric, "gestural": abstract.gestural}
# Tone curves 255·(x/255)^γ for γ from 1/3 to 3, rounded once: the same on every machine.
CURVES = np.array([[round(255 * (x / 255) ** (3 ** (k / 24))) for x in range(256)]
                   for k in range(-24, 25)], np.int64)


def paint(factors: Factors, size: int = MASTER) -> np.ndarray:
    """Paints one item: uint8 [size, size, 3], `size` at most 128."""
    if not 1 <= size <= MASTER:
        raise KlangfarbeError(f"a picture size from 1 to {MASTER}", str(size),
                              f"paint at {MASTER} and enlarge the picture")
    drawn, brushwork = compose_scene(factors)
    picture = finish(strokes(drawn, **brushwork), drawn)
    if size == MASTER:
        return picture
    return np.asarray(Image.fromarray(picture).resize((size, size), Image.Resampling.BOX))


def compose_scene(factors: Factors) -> tuple[Scene, dict]:
    """The underpainting of an item, and how it is to be brushed (arguments of ``strokes``)."""
    rng = factors.rng("paint")
    palette = Palette(factors.valence, factors.arousal, rng.integers(0, 65536, 8).tolist())
    scene = Scene(palette, round(50 + 50 * factors.arousal), round(50 + 50 * factors.valence), rng)
    return scene, STYLES[factors.style](scene, factors.subject)


def finish(painted: np.ndarray, scene: Scene) -> np.ndarray:
    """Brings mean brightness, contrast and colourfulness to the palette's, whatever the subject,
    and adds the weave of the canvas: int16 [128, 128, 3] → uint8."""
    palette = scene.palette
    painted = np.clip(painted, 0, 255).astype(np.int32)
    level = (painted @ np.array([77, 150, 29], np.int32)) >> 8                     # [128, 128]
    chroma = painted - level[..., None]
    counts = np.bincount(level.ravel(), minlength=256)
    curve = CURVES[np.abs(CURVES @ counts // level.size - palette.level).argmin()]
    mean = int(curve @ counts) // level.size
    spread = math.isqrt(int((curve - mean) ** 2 @ counts) // level.size)
    stretch = min(400, max(190, 256 * palette.contrast * 60 // (100 * max(1, spread))))  # in 1/256
    curve = np.clip(palette.level + ((curve - mean) * stretch >> 8), 0, 255).astype(np.int32)
    strength = int(np.abs(chroma).max(axis=2).sum()) // level.size
    gain = min(440, max(90, 218 * palette.chroma // max(1, strength)))
    canvas = np.roll(CANVAS, scene.rng.integers(0, MASTER, 2).tolist(), axis=(0, 1))
    final = curve[level][..., None] + (chroma * gain >> 8) + canvas[..., None]
    return np.clip(final, 0, 255).astype(np.uint8)


def pictures(seed: int, indices: Iterable[int], size: int = MASTER,
             style: str | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Paints items of a collection, all in one `style` where it is given: uint8 [n, size, size, 3]
    and float32 [n, 2], the true (valence, arousal)."""
    items = [draw(seed, int(index), style=style) for index in indices]
    painted = np.array([paint(item, size) for item in items], np.uint8)
    return (painted.reshape(-1, size, size, 3),
            np.array([(f.valence, f.arousal) for f in items], np.float32).reshape(-1, 2))
