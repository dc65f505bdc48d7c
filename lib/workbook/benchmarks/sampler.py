"""Pictures a second: DPM-Solver++ in 20 steps against ancestral DDPM in 1000, the same network,
batch and core.
"""

from dataclasses import replace

import numpy as np

from lib.systems.music2image import train_diffusion
from lib.systems.music2image.config import get_config
from lib.workbook import benchmarks


def bench() -> dict:
    """Unguided pictures of notebook 33's mini network (its weights do not change the time)."""
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
