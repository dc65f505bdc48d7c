"""How many seconds of sound a second of one core makes of mel-spectrograms, against Griffin–Lim.

HiFi-GAN's own table gives its smallest generator, V3, 13.44 times real time on a CPU (Kong, Kim &
Bae 2020, table 1); that one is timed beside ours, its weights random.
"""

import torch

from lib.data.atelier import TEST_SEED, render
from lib.models import hifigan
from lib.systems.art2music import checkpoints, evaluate, mel, train_vocoder
from lib.workbook import benchmarks

N_CLIPS, CLIP_SECONDS, PUBLISHED = 4, 10.0, 13.44


def bench() -> dict:
    """Times real time: ``ours`` for four clips at once, ``one_clip``, ``v3``: the published small
    generator."""
    mels = mel.ln_mel(render.sounds(TEST_SEED, range(N_CLIPS), CLIP_SECONDS)[0]).numpy()
    ours, _ = checkpoints.load_vocoder()
    torch.manual_seed(0)
    v3 = hifigan.fold_weight_norm(hifigan.SIZES["v3"]())
    clip_s = mels.shape[2] * mel.HOP / mel.RATE_HZ
    whole, one, small, griffin_lim = benchmarks.best_seconds(
        [lambda: train_vocoder.vocode(ours, mels), lambda: train_vocoder.vocode(ours, mels[:1]),
         lambda: train_vocoder.vocode(v3, mels), lambda: evaluate.griffin_lim(mels[:1])], 3)
    return benchmarks.result(
        f"{N_CLIPS} mels of {CLIP_SECONDS:g} s; baseline: Griffin–Lim, 32 turns",
        N_CLIPS * clip_s / whole, clip_s / griffin_lim, "times real time", N_CLIPS,
        more_is_better=True, one_clip=clip_s / one, v3=N_CLIPS * clip_s / small,
        published=PUBLISHED)
