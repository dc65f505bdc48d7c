"""Benches of sound: the twelve features, the vocoder."""

import numpy as np
import torch

from lib.data.atelier import TEST_SEED, render
from lib.models import hifigan
from lib.signal import features
from lib.systems.art2music import checkpoints, evaluate, mel, train_vocoder
from lib.workbook import benchmarks

V3_ON_CPU = 13.44  # times real time of HiFi-GAN's smallest: Kong, Kim & Bae 2020, table 1


def bench_features(n_clips: int = 6, clip_seconds: float = 45.0) -> dict:
    """The twelve features from shared transforms against librosa's twelve functions, per core.

    Atelier pieces at 22 050 Hz; ``max_relative_difference`` of all features."""
    warm, *clips = render.sounds(TEST_SEED, range(n_clips + 1), clip_seconds)[0]
    features.extract(warm), features.frames_naive(warm)  # librosa's compiled loops
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
