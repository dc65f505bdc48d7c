"""What training loops share: seeded batches, a progress bar, the learning rate's schedule, a moving
average, bfloat16, and the loop that every bundled checkpoint is trained with.
"""

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

from lib.core import artefacts, provenance
from lib.core.errors import KlangfarbeError
from lib.training.checkpoint import Checkpoint


def batches(n_items: int, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Endless index batches [B]: each epoch is a fresh shuffle; the last short batch of an epoch is
    dropped.
    """
    batch_size = min(batch_size, n_items)
    while True:
        order = rng.permutation(n_items)
        for start in range(0, n_items - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


def progress(n_steps: int, label: str, start: int = 0):
    """A plain text progress bar over ``range(start, n_steps)`` on standard error (so that stored
    outputs stay small).
    """
    return tqdm(range(start, n_steps), desc=label, initial=start, total=n_steps, file=sys.stderr,
                mininterval=2.0, ascii=True)


def clipped_step(optimiser, loss: torch.Tensor, max_norm: float) -> float:
    """One optimiser step on a scalar loss, its gradients clipped; returns their norm before.

    Raises:
        KlangfarbeError: a loss that is not finite; the weights are then as they were.
    """
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
    """Share of the nominal learning rate at a step (0 …): a linear rise over the warm-up, then a
    half cosine down towards 0.
    """
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.5 + 0.5 * math.cos(math.pi * (step - warm_up) / max(1, n_steps - warm_up))


def moving_average(module: torch.nn.Module, decay: float) -> AveragedModel:
    """An exponential moving average of a network's parameters and buffers, with warm-up.

    ``average.update_parameters(module)`` moves it one step with the decay min(decay, (1+t)/(10+t)),
    t counted from 1; ``average.module`` is the averaged network.
    """
    def update(averaged: list, current: list, n_updates: torch.Tensor) -> None:
        share = 1 - min(decay, (1 + int(n_updates)) / (10 + int(n_updates)))
        for mean, now in zip(averaged, current, strict=True):
            if mean.is_floating_point():
                mean.lerp_(now.to(mean.dtype), share)
            else:
                mean.copy_(now)

    average = AveragedModel(module, multi_avg_fn=update, use_buffers=True)
    average.n_averaged += 1  # the copy counts as the first, so that torch does not copy again
    return average.eval().requires_grad_(False)


def save_checkpoint(path: Path, tensors: dict, state: dict) -> None:
    """Writes tensors (safetensors) and, last, the small JSON state beside them: a checkpoint counts
    once its JSON stands.

    Args:
        path: ``….safetensors``; each call writes a new pair under the step in ``state["step"]``,
            then drops the older ones.
        tensors: flat dict of tensors (parameters, moments).
        state: JSON-able: step, curve, random states.
    """
    stem = path.with_suffix("")
    new = stem.with_name(f"{stem.name}.{state['step']:07d}")
    artefacts.write(new.with_name(new.name + ".safetensors"), tensors)
    artefacts.write(new.with_name(new.name + ".json"), state)
    for old in stem.parent.glob(stem.name + ".[0-9]*.*"):
        if not old.name.startswith(new.name):
            old.unlink()


def load_checkpoint(path: Path) -> tuple[dict, dict] | None:
    """The newest whole checkpoint saved under `path`, as (tensors, state), or ``None`` where there
    is none.
    """
    stem = path.with_suffix("")
    for state_file in sorted(stem.parent.glob(stem.name + ".[0-9]*.json"), reverse=True):
        tensor_file = state_file.with_suffix(".safetensors")
        if tensor_file.is_file():
            return artefacts.read(tensor_file), artefacts.read(state_file)
    return None


def flat_optimizer(optimizer, prefix: str = "optimizer") -> dict:
    """An optimiser's tensors as a flat dict ``prefix.<parameter>.<moment>``, for safetensors."""
    state = optimizer.state_dict()["state"]
    return {f"{prefix}.{index}.{name}": value for index, moments in state.items() for name,
            value in moments.items()}


def restore_optimizer(optimizer, tensors: dict, prefix: str = "optimizer") -> None:
    """Puts :func:`flat_optimizer`'s tensors back."""
    state: dict = {}
    for key, value in tensors.items():
        if key.startswith(prefix + "."):
            index, name = key[len(prefix) + 1 :].split(".", 1)
            state.setdefault(int(index), {})[name] = value
    whole = optimizer.state_dict()
    whole["state"] = state
    optimizer.load_state_dict(whole)


def fit(model: torch.nn.Module, loss_of: Callable, config, checkpoint: Path | None, *,
        seed: int = 0, key: str = "", weight_decay: float = 0.01, every: int = 250) -> list[dict]:
    """Trains `model` in place with AdamW: a linear warm-up of 100 steps, then a cosine fall to 0.

    Each step draws from generators seeded by (seed, step) alone, so that a run that was killed and
    taken up again gives the same weights.

    Args:
        loss_of: ``loss_of(rng)`` → (scalar tensor, dict of floats for the curve); `rng` is the
            step's NumPy generator.
        config: a dataclass with ``n_steps`` and ``learning_rate``. key: a hash of the data.
        every: steps between checkpoints.

    Returns:
        The curve, a dict a step: ``step`` and what `loss_of` reported.
    """
    optimiser = torch.optim.AdamW(model.parameters(), config.learning_rate,
                                  weight_decay=weight_decay)
    key = provenance.content_hash(repr((asdict(config), seed, key)).encode())
    saved = Checkpoint(checkpoint, key, model=model, optimiser=optimiser)
    state = saved.load()
    curve = state["curve"]
    model.train()
    for step in progress(config.n_steps, checkpoint.stem if checkpoint else "training",
                         state["step"]):
        torch.manual_seed(seed * 1_000_003 + step)
        for group in optimiser.param_groups:
            group["lr"] = config.learning_rate * warmup_cosine(step, 100, config.n_steps)
        loss, reported = loss_of(np.random.default_rng([seed, step]))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        curve.append({"step": step + 1, **reported})
        if (step + 1) % every == 0 or step + 1 == config.n_steps:
            saved.save(step + 1, curve)
    model.eval()
    return curve


def autocast(device: str, wanted: bool = True):
    """The context of a forward pass in bfloat16 where `wanted` and the processor computes in it;
    elsewhere the pass stays in float32.

    A CPU without AVX-512 imitates bfloat16: a step of notebook 11's network took 7 times as long.
    """
    kind = torch.device(device).type
    has = kind != "cpu" or torch.backends.cpu.get_cpu_capability() == "AVX512"
    return torch.autocast(kind, torch.bfloat16, enabled=wanted and has)


def set_threads(n_threads: int | None = None) -> int:
    """Limits torch to `n_threads` (default: ``KLANGFARBE_THREADS``, else all cores), so that
    notebooks run side by side.
    """
    count = n_threads or int(os.environ.get("KLANGFARBE_THREADS", "0")) or os.cpu_count() or 1
    torch.set_num_threads(count)
    return count
