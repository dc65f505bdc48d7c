"""``bench vocoder``: how many seconds of sound a second of one core makes of mel-spectrograms,
against Griffin–Lim.

HiFi-GAN's own table gives its smallest generator, V3, 13.44 times real time on a CPU; that one is
timed beside ours, its weights random.
"""

import time

import numpy as np
import torch

from lib.data.atelier import TEST_SEED, render
from lib.models import hifigan
from lib.systems.art2music import checkpoints, evaluate, mel, train_vocoder

N_CLIPS, SECONDS, REPEATS, PUBLISHED = 4, 10.0, 5, 13.44  # Kong, Kim & Bae (2020), table 1, CPU


def bench() -> dict:
    """Process time on one core, the best of five turns (Griffin–Lim: of two) on the same mels.

    Returns:
        ``ours, baseline``: times real time; ``ratio``; ``one_clip``: ours for a single clip;
            ``v3``: of the published small generator.
    """
    torch.set_num_threads(1)
    given = mel.ln_mel(render.sounds(TEST_SEED, range(N_CLIPS), SECONDS)[0]).numpy()
    ours, _ = checkpoints.load_vocoder()
    torch.manual_seed(0)
    v3 = hifigan.fold_weight_norm(hifigan.generator(hifigan.SIZES["v3"]))

    def times_real_time(call, mels, repeats: int = REPEATS) -> float:
        best = np.inf
        for _ in range(repeats):
            start = time.process_time()
            call(mels)
            best = min(best, time.process_time() - start)
        return mels.shape[0] * mels.shape[2] * mel.HOP / mel.RATE_HZ / best

    found = {"ours": times_real_time(lambda mels: train_vocoder.vocode(ours, mels), given),
             "baseline": times_real_time(evaluate.griffin_lim, given[:1], 2),
             "one_clip": times_real_time(lambda mels: train_vocoder.vocode(ours, mels), given[:1]),
             "v3": times_real_time(lambda mels: train_vocoder.vocode(v3, mels), given[:1], 2)}
    return {"what": f"seconds of sound a second of one core, {N_CLIPS} mels of {SECONDS:g} s; "
                    "baseline: Griffin–Lim, 32 turns",
            **{name: round(value, 1) for name, value in found.items()},
            "ratio": round(found["ours"] / found["baseline"], 1),
            "unit": "times real time", "n": N_CLIPS, "published": PUBLISHED}
