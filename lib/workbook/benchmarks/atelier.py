"""How fast the atelier makes pictures and music, from factors to pixels and samples.

The baseline paints the same strokes with every bristle drawn as a line of its own: a stand-in for a
painter without look-up tables, written for this comparison.
"""

import numpy as np
from PIL import Image, ImageDraw

from lib.data.atelier import TRAIN_SEED, brush, paint, render, strokes
from lib.data.atelier.factors import draw
from lib.workbook import benchmarks

N_PICTURES, N_PLAIN, N_CLIPS, CLIP_SECONDS = 160, 24, 24, 10.0


def bench() -> dict:
    """Whole paintings at 128² in all styles (40 a second required), and whole clips (100 times real
    time required)."""
    paint.pictures(TRAIN_SEED, range(4))  # fills tables and caches
    render.sounds(TRAIN_SEED, range(1), CLIP_SECONDS)  # reads the SoundFont
    ours = benchmarks.seconds(lambda: paint.pictures(TRAIN_SEED, range(N_PICTURES)))
    plain = benchmarks.seconds(lambda: [_plain(index) for index in range(N_PLAIN)])
    clips = benchmarks.seconds(lambda: render.sounds(TRAIN_SEED, range(N_CLIPS), CLIP_SECONDS))
    return benchmarks.result(
        "whole paintings at 128²; baseline: each bristle a line of its own", N_PICTURES / ours,
        N_PLAIN / plain, "pictures/s", N_PICTURES, more_is_better=True, pictures_required_per_s=40,
        realtime_factor=N_CLIPS * CLIP_SECONDS / clips, realtime_required=100, n_clips=N_CLIPS,
        clip_seconds=CLIP_SECONDS)


def _plain(index: int) -> np.ndarray:
    """One painting with every bristle drawn: uint8 [128, 128, 3]."""
    scene, brushwork = paint.compose_scene(draw(TRAIN_SEED, index))
    relief, glaze = brushwork.pop("relief", 80), brushwork.pop("glaze", 20)
    placed = strokes.place(scene, **brushwork)
    picture = Image.fromarray(placed.under.astype(np.uint8)).resize((brush.SIDE, brush.SIDE))
    ink = ImageDraw.Draw(picture)
    columns = (column.tolist() for column in (*placed[:5], placed.tint))
    for number, (x, y, direction, length, width, tint) in enumerate(zip(*columns, strict=True)):
        cosine, sine = brush.COSINE[direction // 2], brush.SINE[direction // 2]
        for across in range(-width, width + 1):
            shade = int(brush.BRISTLES[number & 63, across & 63]) * relief // 640
            long = length - abs(across) * length // (2 * width + 1)
            dx, dy = long * cosine >> 10, long * sine >> 10
            ox, oy = -(across * sine >> 10), across * cosine >> 10
            ink.line((x + ox - dx, y + oy - dy, x + ox + dx, y + oy + dy),
                     fill=tuple(c + shade for c in tint))
    glazed = np.asarray(picture.reduce(2)).astype(np.int32) * (100 - glaze) + placed.under * glaze
    return paint.finish((glazed // 100).astype(np.int16), scene)
