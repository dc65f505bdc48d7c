"""Pictures a second: DPM-Solver++ in 20 steps against ancestral DDPM in 1000, the same network,
batch and core.
"""

import time
from dataclasses import replace

import numpy as np

from lib.systems.music2image import train_diffusion
from lib.systems.music2image.config import get_config
from lib.training import loop


def bench() -> dict:
    """Unguided pictures of notebook 33's mini network (its weights do not change the time): 8 at
    once, process time.
    """
    loop.set_threads(1)
    config = replace(get_config("mini").diffusion, start="scratch", ema_decay=0.0)
    models, _ = train_diffusion.build(config)
    points, settings = np.zeros((8, 2)), {"guidance": 1.0}
    # loads what is loaded once
    train_diffusion.generate(models, points, config, **settings, sampler="dpm_solver", n_sampling=2)

    def pictures_a_second(sampler: str, n_sampling: int, repeats: int) -> float:
        start = time.process_time()
        for seed in range(repeats):
            train_diffusion.generate(models, points, config, seed, **settings, sampler=sampler,
                                     n_sampling=n_sampling)
        return repeats * len(points) / (time.process_time() - start)

    ours, baseline = pictures_a_second("dpm_solver", 20,
                                       8), pictures_a_second("ancestral", config.n_diffusion, 1)
    return {"what": "pictures a second, DPM-Solver++ 20 steps against 1000-step DDPM",
            "ours": round(ours, 2), "baseline": round(baseline, 3),
            "ratio": round(ours / baseline, 1), "unit": "pictures/s", "n": 8 * len(points),
            "size": config.size, "parameters": sum(p.numel() for p in models.network.parameters())}
