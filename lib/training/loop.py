"""What training loops share, and the loop that every bundled checkpoint is trained with."""

import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from lib.core import provenance
from lib.core.errors import KlangfarbeError
from lib.training.checkpoint import Checkpoint


def batches(n_items: int, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Endless index batches [B]: a fresh shuffle each epoch, its last short batch dropped."""
    batch_size = min(batch_size, n_items)
    while True:
        order = rng.permutation(n_items)
        for start in range(0, n_items - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


def progress(n_steps: int, label: str, start: int = 0):
    """A plain text progress bar over ``range(start, n_steps)`` on standard error."""
    return tqdm(range(start, n_steps), desc=label, initial=start, total=n_steps, file=sys.stderr,
                mininterval=2.0, ascii=True)


def clipped_step(optimiser, loss: torch.Tensor, max_norm: float) -> float:
    """One step on a finite scalar loss, its gradients clipped; returns their norm before."""
    if not bool(loss.isfinite()):
        raise KlangfarbeError("a finite loss", f"{loss.item()}",
                              "lower the learning rate, or look for broken inputs")
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    parameters = [p for group in optimiser.param_groups for p in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    optimiser.step()
    return norm.item()


def warmup_cosine(step: int, warm_up: int, n_steps: int) -> float:
    """Share of the learning rate at a step (0 …): a linear rise, then a half cosine down to 0."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm_up) / max(1, n_steps - warm_up))


def moving_average(module: torch.nn.Module, decay: float) -> AveragedModel:
    """A moving average of parameters and buffers; at step t with min(decay, (1+t)/(10+t))."""
    def update(averaged, current, n_updates) -> None:
        share = 1 - min(decay, (1 + int(n_updates)) / (10 + int(n_updates)))
        for mean, now in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(now.to(mean.dtype), share)
            else:
                mean.copy_(now)
    average = AveragedModel(module, multi_avg_fn=update, use_buffers=True)
    average.n_averaged += 1  # the copy counts as the first, so that torch does not copy again
    return average.eval().requires_grad_(False)


def fit(model: torch.nn.Module, loss_of: Callable, config, checkpoint: Path, *, seed: int = 0,
        key: str = "", weight_decay: float = 0.01, every: int = 250) -> list[dict]:
    """Trains in place; returns the curve, a dict a step. ``loss_of(rng)`` → loss, its entries."""
    optimiser = torch.optim.AdamW(model.parameters(), config.learning_rate,
                                  weight_decay=weight_decay)
    key = provenance.content_hash(repr((asdict(config), seed, key)).encode())
    saved = Checkpoint(checkpoint, key, model=model, optimiser=optimiser)
    state = saved.load()
    curve = state["curve"]
    model.train()
    for step in progress(config.n_steps, checkpoint.stem, state["step"]):
        torch.manual_seed(seed * 1_000_003 + step)  # a run taken up again gives the same weights
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * warmup_cosine(step, 100, config.n_steps)
        loss, reported = loss_of(np.random.default_rng([seed, step]))
        clipped_step(optimiser, loss, 1.0)
        curve.append({"step": step + 1, **reported})
        if (step + 1) % every == 0 or step + 1 == config.n_steps:
            saved.save(step + 1, curve)
    model.eval()
    return curve


def autocast(device: str, wanted: bool = True):
    """A forward pass in bfloat16 if `wanted`; a CPU without AVX-512 only imitates it, slowly."""
    kind = torch.device(device).type
    has = kind != "cpu" or torch.backends.cpu.get_cpu_capability() == "AVX512"
    return torch.autocast(kind, torch.bfloat16, enabled=wanted and has)


def set_threads(n_threads: int | None = None) -> None:
    """Limits torch to `n_threads` (default: ``KLANGFARBE_THREADS``, else all cores)."""
    torch.set_num_threads(n_threads or int(os.environ.get("KLANGFARBE_THREADS", "0"))
                          or os.cpu_count() or 1)
