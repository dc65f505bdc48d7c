"""System 2, what each step of training is given, what each epoch is measured by, and where a killed
run goes on. Notebook: 22, 23.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from lib.systems.mapping import train_projection
from lib.training import loop


def epochs(material, targets: np.ndarray, config, models,
           seed: int = 0) -> Callable[[int], Iterator]:
    """``epochs(…)(epoch)`` → that epoch's batches, the same whether training was resumed or not.

    Each time another stored view of each picture is drawn, and another window of the items that are
    heard.
    """
    rows = np.flatnonzero(material.table["split"] == "train")
    codec, device = models.generator.codec, models.generator.device
    n_steps = min(max(1, round(config.window_seconds * codec.frame_rate_hz)),
                  material.codes.shape[2])
    n_samples = min(n_steps * codec.samples_per_step, material.sounds.shape[1])

    def of(epoch: int) -> Iterator:
        rng = np.random.default_rng([seed, epoch])
        torch.manual_seed(seed * 1_000_003 + epoch)  # dropout's
        size = min(config.batch_size, len(rows))
        order = rng.permutation(rows)
        for at in range(0, len(order) - size + 1, size):
            some = order[at : at + size]
            view = rng.integers(material.vectors.shape[1], size=size)
            codes = sounds = None
            if config.is_heard:
                heard = some[: config.audible]
                first = rng.integers(material.codes.shape[2] - n_steps + 1, size=len(heard))
                codes = torch.from_numpy(np.stack([material.codes[row, :, f : f + n_steps] for row,
                                                   f in zip(heard, first,
                                                            strict=True)]) .astype(np.int64)).to(
                    device)
                starts = np.minimum(first * codec.samples_per_step,
                                    material.sounds.shape[1] - n_samples)
                sounds = torch.from_numpy(np.stack([material.sounds[row, s : s + n_samples] for row,
                                                    s in zip(heard, starts,
                                                             strict=True)]) .astype(np.float32)).to(
                    device)
            yield train_projection.Batch(torch.from_numpy(material.vectors[some, view]).to(device),
                                         torch.from_numpy(targets[some]).to(device), codes, sounds)

    return of


def validated(models, material, targets: np.ndarray, config) -> dict[str, float]:
    """``validation`` (the latent loss) and ``cosine`` on the validation pairs, their pictures as
    they are.
    """
    rows = np.flatnonzero(material.table["split"] == "validation")
    made = train_projection.predict(models, material.vectors[rows, 0])
    error = made - targets[rows]
    value = np.abs(error).mean() if config.latent == "mae" else np.square(error).mean()
    return {"validation": float(value), "cosine": float(cosines(made, targets[rows]).mean())}


def cosines(made: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Cosine of each vector with its target, averaged over an item's tokens: [N, n, D] twice →
    float64 [N].
    """
    made, targets = np.asarray(made, np.float64), np.asarray(targets, np.float64)
    norms = np.linalg.norm(made, axis=-1) * np.linalg.norm(targets, axis=-1)
    return ((made * targets).sum(-1) / np.maximum(norms, 1e-12)).mean(-1)


def keep(checkpoint: Path | None, models, best: dict, curve: list[dict], key: str) -> None:
    """Writes an epoch's checkpoint: networks, optimisers' moments, the best weights so far."""
    if checkpoint is None:
        return
    tensors = {f"now.{name}": tensor for name, tensor in models.projection.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best["weights"].items()}
    tensors |= loop.flat_optimizer(models.optimiser)
    if models.critic is not None:
        tensors |= {f"critic.{name}": tensor for name, tensor in models.critic.state_dict().items()}
        tensors |= loop.flat_optimizer(models.critic_optimiser, "judge")
    state = {"step": len(curve), "curve": curve, "key": key,
             "best": {name: best[name] for name in ("epoch", "validation")}}
    loop.save_checkpoint(checkpoint, tensors, state)


def resumed(checkpoint: Path | None, models, key: str) -> tuple[dict, list[dict]]:
    """(best, curve) of a checkpoint of the same key, its tensors put back; else a fresh start."""
    fresh = {"epoch": 0, "validation": np.inf,
             "weights": {n: t.detach().clone() for n, t in models.projection.state_dict().items()}}
    found = None if checkpoint is None else loop.load_checkpoint(checkpoint)
    if found is None or found[1]["key"] != key:
        return fresh, []
    tensors, state = found

    def under(prefix: str) -> dict:
        return {name[len(prefix):]: tensor for name,
                tensor in tensors.items() if name.startswith(prefix)}

    models.projection.load_state_dict(under("now."))
    loop.restore_optimizer(models.optimiser, tensors)
    if models.critic is not None:
        models.critic.load_state_dict(under("critic."))
        loop.restore_optimizer(models.critic_optimiser, tensors, "judge")
    return state["best"] | {"weights": under("best.")}, state["curve"]
