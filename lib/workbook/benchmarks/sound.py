"""Benches of sound: the twelve features, mel-cepstral distortion, the vocoder."""

import math

import numpy as np
import torch

from lib.data.atelier import TEST_SEED, render
from lib.metrics import spectral
from lib.models import hifigan
from lib.signal import features
from lib.systems.art2music import checkpoints, evaluate, mel, train_vocoder
from lib.workbook import benchmarks

STEPS = ((1, 1), (1, 0), (0, 1))  # of dynamic time warping
V3_ON_CPU = 13.44  # times real time of HiFi-GAN's smallest: Kong, Kim & Bae 2020, table 1


def bench_features(n_clips: int = 6, clip_seconds: float = 45.0) -> dict:
    """The twelve features from shared transforms against librosa's twelve functions, per core.

    Atelier pieces at 22 050 Hz; ``max_relative_difference`` of all features."""
    warm, *clips = render.sounds(TEST_SEED, range(n_clips + 1), clip_seconds)[0]
    features.extract(warm), features.extract_naive(warm)  # librosa's compiled loops
    features.octave_basis.cache_clear()  # the filters of each clip's tuning are part of the work
    found, reference = [], []
    ours = benchmarks.seconds(lambda: found.extend(map(features.extract, clips)))
    baseline = benchmarks.seconds(lambda: reference.extend(map(features.extract_naive, clips)))
    away = np.abs(np.array(found) - reference) / np.maximum(np.abs(reference), 1e-5)
    return benchmarks.result(
        f"twelve features of a {clip_seconds:g}-second clip at 22 050 Hz", ours / n_clips,
        baseline / n_clips, "s a clip", n_clips, more_is_better=False,
        max_relative_difference=float(away.max()))


def bench_mcd(n_pairs: int = 100, n_plain: int = 3, clip_seconds: float = 5.0) -> dict:
    """Mel-cepstral distortion, from sounds to decibels, against warping in Python loops as a
    textbook has it, on the same cepstra, timed on a few pairs and scaled. ``warping_ratio``:
    without the cepstra; ``max_relative_difference`` of both on the pairs that were timed."""
    clips, rate_hz = list(render.sounds(TEST_SEED, range(n_pairs + 1), clip_seconds)[0]), 22_050
    pairs = list(zip(clips, clips[1:]))
    spectral.mcd(*pairs[0], rate_hz)  # librosa's loops are compiled, the filters made
    clock = benchmarks.Clock()
    with clock("ours"):
        values = spectral.mcd_many(clips[:-1], clips[1:], rate_hz)
    with clock("cepstra"):
        frames = [[spectral.mel_cepstra(sound, rate_hz) for sound in pair] for pair in pairs]
    with clock("warping"):
        plain = [_plain_mcd(a.tolist(), b.tolist()) for a, b in frames[:n_plain]]
    ours, cepstra, warping = clock.parts.values()
    warping *= n_pairs / n_plain
    difference = float(np.max(np.abs(np.array(plain) / values[:n_plain] - 1)))
    return benchmarks.result(
        f"MCD of {n_pairs} pairs of {clip_seconds:g}-s clips; baseline: DTW in Python loops on "
        f"{n_plain} of them, scaled", ours, cepstra + warping, "s", n_pairs, more_is_better=False,
        warping_ratio=warping / (ours - cepstra), max_relative_difference=difference)


def _plain_mcd(a: list, b: list) -> float:
    """The distortion of two lists of cepstra, every cell in turn: dB."""
    cost = [[math.sqrt(sum((p - q) ** 2 for p, q in zip(x, y))) for y in b] for x in a]
    table = [[math.inf] * len(b) for _ in a]
    for i in range(len(a)):
        for j in range(len(b)):
            before = [table[i - k][j - m] for k, m in STEPS if i >= k and j >= m]
            table[i][j] = cost[i][j] + min(before, default=0.0)
    i, j = len(a) - 1, len(b) - 1
    along = [cost[i][j]]
    while i or j:
        i, j = min(((i - k, j - m) for k, m in STEPS if i >= k and j >= m),
                   key=lambda cell: table[cell[0]][cell[1]])
        along.append(cost[i][j])
    return 10 * math.sqrt(2) / math.log(10) * sum(along) / len(along)


def bench_vocoder(n_clips: int = 4, clip_seconds: float = 10.0) -> dict:
    """Sound from mel-spectrograms against Griffin–Lim, times real time: ``ours`` for all clips at
    once, ``one_clip``, ``v3``: HiFi-GAN's smallest generator with random weights."""
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
