"""Benches of the atelier, of sampling by diffusion, of the twelve features and the vocoder, and of
embeddings against the bare arithmetic: Fréchet distance, ArtiCaps' matching."""

from dataclasses import replace

import numpy as np
import torch
from PIL import Image, ImageDraw
from scipy.linalg import sqrtm

import benchmarks
from lib.data.atelier import TEST_SEED, TRAIN_SEED, brush, factors, paint, render
from lib.metrics import distances
from lib.models import hifigan
from lib.signal import features
from lib.systems import evaluation
from lib.systems.art2music import checkpoints, data, evaluate, mel, train_vocoder
from lib.systems.music2image import train_diffusion
from lib.systems.music2image.config import get_config

V3_ON_CPU = 13.44  # times real time of HiFi-GAN's smallest: Kong, Kim & Bae 2020, table 1


def bench_atelier() -> dict:
    """Whole paintings at 128² against the same with each bristle a line of its own; whole clips."""
    n_pictures, n_plain, n_clips, clip_seconds = 160, 24, 24, 10.0
    paint.pictures(TRAIN_SEED, range(4))  # fills tables and caches
    render.sounds(TRAIN_SEED, range(1), clip_seconds)  # reads the SoundFont
    ours = benchmarks.seconds(lambda: paint.pictures(TRAIN_SEED, range(n_pictures)))
    plain = benchmarks.seconds(lambda: [_plain_painting(index) for index in range(n_plain)])
    clips = benchmarks.seconds(lambda: render.sounds(TRAIN_SEED, range(n_clips), clip_seconds))
    return benchmarks.result(
        "whole paintings at 128²; baseline: each bristle a line of its own", n_pictures / ours,
        n_plain / plain, "pictures/s", n_pictures, more_is_better=True, pictures_required_per_s=40,
        realtime_factor=n_clips * clip_seconds / clips, realtime_required=100)


def _plain_painting(index: int) -> np.ndarray:
    """One painting with every bristle drawn: uint8 [128, 128, 3]."""
    scene, brushwork = paint.compose_scene(factors.draw(TRAIN_SEED, index))
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
    """Pictures a second, DPM-Solver++ in 20 steps against DDPM in 1000: notebook 33's network."""
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


def bench_features(n_clips: int = 6, clip_seconds: float = 45.0) -> dict:
    """The twelve features from shared transforms against librosa's twelve functions."""
    warm, *clips = render.sounds(TEST_SEED, range(n_clips + 1), clip_seconds)[0]
    features.extract(warm)
    features.frames_naive(warm)  # compiles librosa's loops
    features.octave_basis.cache_clear()  # the filters of each clip's tuning are part of the work
    found, reference = [], []
    ours = benchmarks.seconds(lambda: found.extend(map(features.extract, clips)))
    baseline = benchmarks.seconds(lambda: reference.extend(
        features.summary(features.frames_naive(clip)) for clip in clips))
    away = np.abs(np.array(found) - reference) / np.maximum(np.abs(reference), 1e-5)
    return benchmarks.result(
        f"twelve features of a {clip_seconds:g}-second clip at 22 050 Hz", ours / n_clips,
        baseline / n_clips, "s a clip", n_clips, more_is_better=False,
        max_relative_difference=float(away.max()))


def bench_vocoder(n_clips: int = 4, clip_seconds: float = 10.0) -> dict:
    """Sound from mel-spectrograms against Griffin–Lim: all clips at once, one, HiFi-GAN V3."""
    mels = mel.ln_mel(render.sounds(TEST_SEED, range(n_clips), clip_seconds)[0]).numpy()
    ours, _ = checkpoints.load_vocoder()
    torch.manual_seed(0)
    v3 = hifigan.fold_weight_norm(hifigan.SIZES["v3"]())
    clip_s = mels.shape[2] * mel.HOP / mel.RATE_HZ
    whole, one, small, griffin_lim = benchmarks.best_seconds(
        [lambda: train_vocoder.vocode(ours, mels), lambda: train_vocoder.vocode(ours, mels[:1]),
         lambda: train_vocoder.vocode(v3, mels), lambda: evaluate.griffin_lim(mels[:1])], 3)
    return benchmarks.result(
        f"{n_clips} mels of {clip_seconds:g} s; baseline: Griffin–Lim, 32 turns",
        n_clips * clip_s / whole, clip_s / griffin_lim, "times real time", n_clips,
        more_is_better=True, one_clip=clip_s / one, v3=n_clips * clip_s / small,
        published=V3_ON_CPU)


def bench_frechet(n_vectors: int = 10_000, width: int = 512, repeats: int = 5) -> dict:
    """FAD against the least that float64 has to do (wanted: ``times_of_its_products`` ≤ 1.2);
    ``relative_error`` against scipy's matrix square root."""
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(width, width)) / np.sqrt(width)
    sets = [rng.normal(size=(n_vectors, width)) @ mixing,
            1.1 * rng.normal(size=(n_vectors, width)) @ mixing + 0.1]
    x, y = (each - each.mean(axis=0) for each in sets)

    def products() -> float:
        cov, other = x.T @ x, y.T @ y
        values, vectors = np.linalg.eigh(cov)
        root = np.sqrt(np.maximum(values, 0))[:, None] * vectors.T
        return float(np.linalg.eigvalsh(root @ other @ root.T).sum())

    ours, bare = benchmarks.best_seconds([lambda: distances.fad(*sets), products], repeats)
    value = distances.fad(*sets)
    (mean, cov), (other_mean, other_cov) = (distances.gaussian(each) for each in sets)
    root = np.real(sqrtm(cov @ other_cov))
    check = np.sum((mean - other_mean) ** 2) + np.trace(cov + other_cov - 2 * root)
    return benchmarks.result(
        f"FAD between two sets of {n_vectors} × {width}; baseline: its matrix products and "
        "eigenvalues alone", ours, bare, "s", n_vectors, more_is_better=False,
        times_of_its_products=ours / bare, width=width,
        relative_error=float(abs(value - check) / check))


def bench_matching(n_comments: int = 443_662, n_captions: int = 5_521, width: int = 384) -> dict:
    """Matching at ArtiCaps' published size against the bare product, in parts by turns (wanted:
    ``times_the_product`` ≤ 1.5, ``extra_mb`` ≤ 1,000); ``exact``: agreement with float64."""
    rng = np.random.default_rng(0)
    comments, captions = (evaluation.unit(rng.standard_normal((n, width), dtype=np.float32))
                          for n in (n_comments, n_captions))
    across = np.ascontiguousarray(captions.T)
    buffer = np.empty((data.CHUNK, n_captions), np.float32)
    before, clock, found = benchmarks.peak_mb(), benchmarks.Clock(), []
    for part in np.array_split(comments, 12):
        with clock("ours"):
            found.append(data.nearest(part, captions)[0])
        with clock("product"):
            for start in range(0, len(part), data.CHUNK):
                rows = part[start : start + data.CHUNK]
                np.matmul(rows, across, out=buffer[: len(rows)])
    extra, ours, bare = benchmarks.peak_mb() - before, *clock.parts.values()
    few = rng.choice(n_comments, 500, replace=False)
    exact = comments[few].astype(np.float64) @ captions.T.astype(np.float64)
    return benchmarks.result(
        f"top-1 of {n_comments:,} × {n_captions:,} × {width}; baseline: the matrix product alone",
        ours, bare, "s", n_comments, more_is_better=False, times_the_product=ours / bare,
        extra_mb=round(extra), exact=float(np.mean(exact.argmax(1) == np.concatenate(found)[few])))
