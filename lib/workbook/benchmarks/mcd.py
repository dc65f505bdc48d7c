"""``bench mcd``: mel-cepstral distortion of 100 pairs of clips against dynamic time warping written
as Python loops.
"""

import math
import time

import numpy as np
import threadpoolctl

from lib.metrics import spectral

N_PAIRS, N_PLAIN, SECONDS = 100, 3, 5.0


def bench() -> dict:
    """Process time on one core, from sounds to decibels.

    The clips are synthetic: gliding tones with overtones and some noise, the second of a pair bent
    in time. The baseline takes the same cepstra, then measures every pair of frames and fills the
    table in Python loops, as a textbook writes it; it is timed on a few pairs and scaled to all.

    Returns:
        ``ours, baseline`` (s for all pairs), ``ratio`` = baseline / ours;
        ``…_with_compiled_distance``: the table in Python loops, the distances by ``math.dist``,
        which is C; ``warping_ratio``: without the cepstra, which both share;
        ``max_relative_difference`` between both values on the pairs that were timed.
    """
    with threadpoolctl.threadpool_limits(1):
        pairs = [_pair(seed) for seed in range(N_PAIRS)]
        spectral.mcd(*pairs[0], 22_050)  # librosa's loops are compiled, the filters made
        start = time.process_time()
        values = spectral.mcd_many(*zip(*pairs, strict=True), 22_050)
        ours = time.process_time() - start
        start = time.process_time()
        frames = [(spectral.mel_cepstra(a, 22_050), spectral.mel_cepstra(b, 22_050)) for a,
                  b in pairs]
        cepstra = time.process_time() - start
        warping = {}
        for distance in (_by_hand, math.dist):
            start = time.process_time()
            plain = [_plain(a.tolist(), b.tolist(), distance) for a, b in frames[:N_PLAIN]]
            warping[distance] = (time.process_time() - start) / N_PLAIN * N_PAIRS
    difference = np.max(np.abs(np.array(plain) / values[:N_PLAIN] - 1))
    whole = cepstra + warping[_by_hand]
    return {"what": f"MCD of {N_PAIRS} pairs of {SECONDS:g}-s clips, one core; baseline: DTW in Python loops on {N_PLAIN} of them, scaled",
            "ours": round(ours, 3), "baseline": round(whole, 2), "ratio": round(whole / ours, 1), "unit": "s", "n": N_PAIRS,
            "ratio_with_compiled_distance": round((cepstra + warping[math.dist]) / ours, 1),
            "warping_ratio": round(warping[_by_hand] / (ours - cepstra), 1),
            "warping_ratio_with_compiled_distance": round(warping[math.dist] / (ours - cepstra), 1),
            "seconds_a_clip": SECONDS, "n_plain": N_PLAIN, "max_relative_difference": float(f"{difference:.2g}")}


def _pair(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    time_s = np.arange(int(SECONDS * 22_050)) / 22_050
    bent = time_s + 0.15 * np.sin(2 * np.pi * time_s / SECONDS)
    pitch, glide = rng.uniform(110, 440), rng.uniform(5, 60)
    sounds = []
    for clock in (time_s, bent):
        phase = 2 * np.pi * (pitch * clock + glide * np.sin(2 * clock))
        sounds.append(0.1 * sum(np.sin(h * phase) / h for h in (1, 2, 3, 5)) + 0.003
                      * rng.normal(size=len(clock)))
    return sounds[0].astype(np.float32), sounds[1].astype(np.float32)


def _by_hand(x: list, y: list) -> float:
    squared = 0.0
    for p, q in zip(x, y):
        squared += (p - q) ** 2
    return math.sqrt(squared)


def _plain(a: list, b: list, distance) -> float:
    """The distortion of two lists of cepstra, every cell in turn: dB."""
    cost = [[distance(x, y) for y in b] for x in a]
    table = [[math.inf] * len(b) for _ in a]
    for i in range(len(a)):
        for j in range(len(b)):
            before = 0.0 if i == j == 0 else min(table[i - 1][j - 1] if i and j else math.inf,
                                                 table[i][j - 1] if j else math.inf,
                                                 table[i - 1][j] if i else math.inf)
            table[i][j] = cost[i][j] + before
    i, j, along = len(a) - 1, len(b) - 1, []
    while True:
        along.append(cost[i][j])
        if i == j == 0:
            return 10 * math.sqrt(2) / math.log(10) * sum(along) / len(along)
        steps = [(p, q) for p, q in ((i - 1, j - 1), (i, j - 1), (i - 1, j)) if p >= 0 and q >= 0]
        i, j = min(steps, key=lambda cell: table[cell[0]][cell[1]])
