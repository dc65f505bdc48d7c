"""Mel-cepstral distortion of 100 pairs of atelier clips against dynamic time warping in Python
loops. The baseline takes the same cepstra, then fills the table cell by cell, as a textbook has it;
it is timed on a few pairs and scaled to all.
"""

import math

import numpy as np

from lib.data.atelier import TEST_SEED, render
from lib.metrics import spectral
from lib.workbook import benchmarks

N_PAIRS, N_PLAIN, CLIP_SECONDS, RATE_HZ = 100, 3, 5.0, 22_050
STEPS = ((1, 1), (1, 0), (0, 1))


def bench() -> dict:
    """From sounds to decibels. ``warping_ratio``: without the cepstra, which both share;
    ``max_relative_difference`` between both values on the pairs that were timed."""
    clips = list(render.sounds(TEST_SEED, range(N_PAIRS + 1), CLIP_SECONDS)[0])
    pairs = list(zip(clips, clips[1:]))
    spectral.mcd(*pairs[0], RATE_HZ)  # librosa's loops are compiled, the filters made
    clock = benchmarks.Clock()
    with clock("ours"):
        values = spectral.mcd_many(clips[:-1], clips[1:], RATE_HZ)
    with clock("cepstra"):
        frames = [[spectral.mel_cepstra(sound, RATE_HZ) for sound in pair] for pair in pairs]
    with clock("warping"):
        plain = [_plain(a.tolist(), b.tolist()) for a, b in frames[:N_PLAIN]]
    ours, cepstra, warping = clock.parts.values()
    warping *= N_PAIRS / N_PLAIN
    difference = float(np.max(np.abs(np.array(plain) / values[:N_PLAIN] - 1)))
    return benchmarks.result(
        f"MCD of {N_PAIRS} pairs of {CLIP_SECONDS:g}-s clips; baseline: DTW in Python loops on "
        f"{N_PLAIN} of them, scaled", ours, cepstra + warping, "s", N_PAIRS, more_is_better=False,
        warping_ratio=warping / (ours - cepstra), max_relative_difference=difference)


def _plain(a: list, b: list) -> float:
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
