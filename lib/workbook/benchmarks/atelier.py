"""How fast the atelier makes pictures and music on one core, against the plain way and against what
the workbook needs.
"""

import time

import numpy as np
from PIL import Image, ImageDraw

from lib.data.atelier import TRAIN_SEED, brush, paint, render
from lib.data.atelier.factors import draw
from lib.data.atelier.palette import SINE
from lib.data.atelier.strokes import place

PICTURES_REQUIRED_PER_S, REALTIME_REQUIRED = 40, 100
N_PICTURES, N_PLAIN, N_CLIPS, CLIP_SECONDS = 160, 24, 24, 10.0


def bench() -> dict:
    """Times whole paintings at 128² (all styles, from factors to pixels) and whole 10-second clips
    (from factors to samples).

    The baseline paints the same strokes the plain way: every bristle of every stroke is drawn as a
    line of its own, and the relief comes of their different shades. It is a stand-in for a painter
    without number image and look-up tables, written for this comparison; nobody published it.
    Process time, so that a loaded machine does not count.
    """
    # tables and caches filled
    paint.pictures(TRAIN_SEED, range(4))
    pictures_per_s = _rate(lambda: paint.pictures(TRAIN_SEED, range(N_PICTURES)), N_PICTURES)
    plain_per_s = _rate(lambda: [_plain(index) for index in range(N_PLAIN)], N_PLAIN)
    # the SoundFont is read once
    render.sounds(TRAIN_SEED, range(1), CLIP_SECONDS)
    clips_per_s = _rate(lambda: render.sounds(TRAIN_SEED, range(N_CLIPS), CLIP_SECONDS), N_CLIPS)
    return {
        "what": "whole paintings at 128² on one core, from factors to pixels; baseline: the same strokes, each bristle a line of its own",
        "ours": round(pictures_per_s, 1), "baseline": round(plain_per_s, 1), "ratio": round(pictures_per_s / plain_per_s, 2),
        "unit": "pictures/s", "n": N_PICTURES, "pictures_per_s": round(pictures_per_s, 1),
        "pictures_required_per_s": PICTURES_REQUIRED_PER_S,
        "realtime_factor": round(clips_per_s * CLIP_SECONDS, 1), "realtime_required": REALTIME_REQUIRED, "n_clips": N_CLIPS,
        "clip_seconds": CLIP_SECONDS}


def _rate(make, count: int) -> float:
    """Items a second of process time."""
    start = time.process_time()
    make()
    return count / (time.process_time() - start)


def _plain(index: int):
    """One painting with every bristle drawn: uint8 [128, 128, 3]."""
    scene, brushwork = paint.compose_scene(draw(TRAIN_SEED, index))
    relief, glaze = brushwork.pop("relief", 80), brushwork.pop("glaze", 20)
    placed = place(scene, **brushwork)
    picture = Image.fromarray(placed.under.astype(np.uint8)).resize((brush.SIDE, brush.SIDE))
    ink = ImageDraw.Draw(picture)
    columns = (placed.x, placed.y, placed.direction, placed.length, placed.width, placed.tint)
    for number, (x, y, direction, length, width,
                 tint) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        cosine, sine = brush.COSINE[direction // 2], SINE[direction // 2]
        for across in range(-width, width + 1):
            shade = int(brush.BRISTLES[number & 63, across & 63]) * relief // 640
            long = length - abs(across) * length // (2 * width + 1)
            dx, dy, ox, oy = long * cosine >> 10, long * sine >> 10, -(across * sine >> 10), across * cosine >> 10
            ink.line((x + ox - dx, y + oy - dy, x + ox + dx, y + oy + dy),
                     fill=tuple(c + shade for c in tint))
    painted = (np.asarray(picture.reduce(2)).astype(np.int32) * (100 - glaze) + placed.under
               * glaze) // 100
    return paint.finish(painted.astype(np.int16), scene)
