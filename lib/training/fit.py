"""The loop every bundled miniature is trained with: seeded step by step, so that a killed run goes
on exactly where it stood.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from lib.training import loop


def fit(model, loss_of: Callable, n_steps: int, *, learning_rate: float, checkpoint: Path, key: str,
        seed: int = 0, weight_decay: float = 0.01, warm_up: int = 100,
        every: int = 250) -> list[dict]:
    """Trains `model` with AdamW: a linear warm-up, then a cosine fall to 0.

    Every step draws from generators seeded by (seed, step) alone: a run that was killed and taken
    up again gives the same weights.

    Args:
        model: torch module, trained in place and left in evaluation mode.
        loss_of: ``loss_of(rng)`` → (scalar tensor, dict of floats for the curve), rng a NumPy
            generator.
        checkpoint: ``….safetensors``, written every `every` steps. key: hash of data and settings;
            another key's checkpoint is left alone.

    Returns:
        The curve, a dict a step: ``step`` and what `loss_of` reported.
    """
    optimiser = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=weight_decay)
    checkpoint = checkpoint.with_name(f"{checkpoint.stem}-{key}{checkpoint.suffix}")
    start, curve = 0, []
    if (kept := loop.load_checkpoint(checkpoint)) is not None:
        tensors, state = kept
        model.load_state_dict({name[6:]: t for name,
                               t in tensors.items() if name.startswith("model.")})
        loop.restore_optimizer(optimiser, tensors)
        start, curve = state["step"], state["curve"]
    model.train()
    for step in loop.progress(n_steps, checkpoint.stem, start):
        torch.manual_seed(seed * 1_000_003 + step)
        share = loop.warmup_cosine(step, warm_up, n_steps)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate * share
        loss, told = loss_of(np.random.default_rng([seed, step]))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        curve.append({"step": step + 1, **told})
        if (step + 1) % every == 0 or step + 1 == n_steps:
            tensors = {f"model.{name}": t for name,
                       t in model.state_dict().items()} | loop.flat_optimizer(optimiser)
            loop.save_checkpoint(checkpoint, tensors, {"step": step + 1, "curve": curve})
    model.eval()
    return curve
