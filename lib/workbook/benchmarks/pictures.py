"""Benches of pictures: how fast the atelier paints (and plays), how fast diffusion samples."""

from dataclasses import replace

import numpy as np
from PIL import Image, ImageDraw

from lib.data.atelier import TRAIN_SEED, brush, paint, render
from lib.data.atelier.factors import draw
from lib.systems.music2image import train_diffusion
from lib.systems.music2image.config import get_config
from lib.workbook import benchmarks


def bench_atelier(n_pictures: int = 160, n_plain: int = 24, n_clips: int = 24,
                  clip_seconds: float = 10.0) -> dict:
    """Whole paintings at 128² in all styles (40 a second required), against the same strokes with
    every bristle drawn as a line of its own, and whole clips (100 times real time required)."""
    paint.pictures(TRAIN_SEED, range(4))  # fills tables and caches
    render.sounds(TRAIN_SEED, range(1), clip_seconds)  # reads the SoundFont
    ours = benchmarks.seconds(lambda: paint.pictures(TRAIN_SEED, range(n_pictures)))
    plain = benchmarks.seconds(lambda: [_plain_painting(index) for index in range(n_plain)])
    clips = benchmarks.seconds(lambda: render.sounds(TRAIN_SEED, range(n_clips), clip_seconds))
    return benchmarks.result(
        "whole paintings at 128²; baseline: each bristle a line of its own", n_pictures / ours,
        n_plain / plain, "pictures/s", n_pictures, more_is_better=True, pictures_required_per_s=40,
        realtime_factor=n_clips * clip_seconds / clips, realtime_required=100, n_clips=n_clips,
        clip_seconds=clip_seconds)


def _plain_painting(index: int) -> np.ndarray:
    """One painting with every bristle drawn: uint8 [128, 128, 3]."""
    scene, brushwork = paint.compose_scene(draw(TRAIN_SEED, index))
    relief, glaze = brushwork.pop("relief", 80), brushwork.pop("glaze", 20)
    placed = paint.place(scene, **brushwork)
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


def bench_sampler() -> dict:
    """Pictures a second: DPM-Solver++ in 20 steps against ancestral DDPM in 1000, unguided, the
    network of notebook 33 at mini (its weights do not change the time), same batch and core."""
    config = replace(get_config("mini").diffusion, start="scratch", ema_decay=0.0)
    models, _ = train_diffusion.build(config)
    points = np.zeros((8, 2))

    def sample(sampler: str, n_sampling: int) -> None:
        train_diffusion.generate(models, points, config, 0, guidance=1.0, sampler=sampler,
                                 n_sampling=n_sampling)

    sample("dpm_solver", 2)  # loads what is loaded once
    ours, = benchmarks.best_seconds([lambda: sample("dpm_solver", 20)], 8)
    baseline = benchmarks.seconds(lambda: sample("ancestral", config.n_diffusion))
    return benchmarks.result(
        "pictures a second, DPM-Solver++ 20 steps against 1000-step DDPM", len(points) / ours,
        len(points) / baseline, "pictures/s", 8 * len(points), more_is_better=True,
        size=config.size, parameters=sum(p.numel() for p in models.network.parameters()))
