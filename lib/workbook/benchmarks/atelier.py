"""How fast the atelier makes pictures and music, from factors to pixels and samples.

The baseline paints the same strokes with every bristle drawn as a line of its own: a stand-in for a
painter without look-up tables, written for this comparison.
"""

import numpy as np
from PIL import Image, ImageDraw

from lib.data.atelier import TRAIN_SEED, brush, paint, render
from lib.data.atelier.factors import draw
from lib.data.atelier.palette import SINE
from lib.data.atelier.strokes import place
from lib.workbook import benchmarks

PICTURES_REQUIRED_PER_S, REALTIME_REQUIRED = 40, 100
N_PICTURES, N_PLAIN, N_CLIPS, CLIP_SECONDS = 160, 24, 24, 10.0


def bench() -> dict:
    """Whole paintings at 128² in all styles, and whole clips."""
    paint.pictures(TRAIN_SEED, range(4))  # fills tables and caches
    render.sounds(TRAIN_SEED, range(1), CLIP_SECONDS)  # reads the SoundFont
    ours = N_PICTURES / benchmarks.seconds(lambda: paint.pictures(TRAIN_SEED, range(N_PICTURES)))
    plain = N_PLAIN / benchmarks.seconds(lambda: [_plain(index) for index in range(N_PLAIN)])
    clips = N_CLIPS / benchmarks.seconds(
        lambda: render.sounds(TRAIN_SEED, range(N_CLIPS), CLIP_SECONDS))
    return benchmarks.result(
        "whole paintings at 128²; baseline: each bristle a line of its own", ours, plain,
        "pictures/s", N_PICTURES, more_is_better=True,
        pictures_required_per_s=PICTURES_REQUIRED_PER_S, realtime_factor=clips * CLIP_SECONDS,
        realtime_required=REALTIME_REQUIRED, n_clips=N_CLIPS, clip_seconds=CLIP_SECONDS)


def _plain(index: int):
    """One painting with every bristle drawn: uint8 [128, 128, 3]."""
    scene, brushwork = paint.compose_scene(draw(TRAIN_SEED, index))
    relief, glaze = brushwork.pop("relief", 80), brushwork.pop("glaze", 20)
    placed = place(scene, **brushwork)
    picture = Image.fromarray(placed.under.astype(np.uint8)).resize((brush.SIDE, brush.SIDE))
    ink = ImageDraw.Draw(picture)
    columns = (placed.x, placed.y, placed.direction, placed.length, placed.width, placed.tint)
    strokes = zip(*(column.tolist() for column in columns), strict=True)
    for number, (x, y, direction, length, width, tint) in enumerate(strokes):
        cosine, sine = brush.COSINE[direction // 2], SINE[direction // 2]
        for across in range(-width, width + 1):
            shade = int(brush.BRISTLES[number & 63, across & 63]) * relief // 640
            long = length - abs(across) * length // (2 * width + 1)
            dx, dy = long * cosine >> 10, long * sine >> 10
            ox, oy = -(across * sine >> 10), across * cosine >> 10
            ink.line((x + ox - dx, y + oy - dy, x + ox + dx, y + oy + dy),
                     fill=tuple(c + shade for c in tint))
    glazed = np.asarray(picture.reduce(2)).astype(np.int32) * (100 - glaze) + placed.under * glaze
    return paint.finish((glazed // 100).astype(np.int16), scene)
