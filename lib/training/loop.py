"""What trainings share: batches, schedules, moving averages, checkpoints, processes side by side,
and the loop that every bundled checkpoint is trained with."""

import contextlib
import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

from lib.core import artefacts, provenance, workers
from lib.core.errors import KlangfarbeError, readable


def batches(n_items: int, batch_size: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Endless index batches [B]: a fresh shuffle each epoch, its last short batch dropped."""
    batch_size = min(batch_size, n_items)
    while True:
        order = rng.permutation(n_items)
        for start in range(0, n_items - batch_size + 1, batch_size):
            yield order[start : start + batch_size]


class Bar(tqdm):
    """A progress bar that leaves its state in the file that the environment names, if any."""
    def display(self, *words, **settings) -> None:
        super().display(*words, **settings)
        if path := os.environ.get(workers.BAR_VARIABLE):
            with contextlib.suppress(OSError):  # a full disk ends no training
                Path(path).write_text(f"{self.desc} {self.n}/{self.total}", encoding="utf-8")


def progress(n_steps: int, label: str, start: int = 0) -> Bar:
    """A plain text progress bar over ``range(start, n_steps)`` on standard error."""
    return Bar(range(start, n_steps), desc=label, initial=start, total=n_steps, file=sys.stderr,
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


def set_threads() -> None:
    """Limits torch to ``KLANGFARBE_THREADS``, else to all cores."""
    torch.set_num_threads(int(os.environ.get("KLANGFARBE_THREADS", "0")) or os.cpu_count() or 1)


class Checkpoint:
    """Networks, optimisers, generators and dicts of tensors, saved at `path` (``None``: not) and
    restored in place where `key`, a hash of settings, seed and data, is the same: a killed training
    goes on where it stood. ``<stem>.<step>.safetensors`` and ``….json``, which is written last."""
    def __init__(self, path: Path | None, key: str, **parts):
        self.path, self.key = path, key
        self.parts = {name: part for name, part in parts.items() if part is not None}

    def read(self) -> tuple[dict, dict] | None:
        """The newest whole checkpoint, of any key: (tensors, state), or ``None``."""
        states = self.path.parent.glob(f"{self.path.stem}.[0-9]*.json") if self.path else ()
        for state in sorted(states, reverse=True):
            if (tensors := state.with_suffix(".safetensors")).is_file():
                return artefacts.read(tensors), artefacts.read(state)
        return None

    def load(self) -> dict:
        """Restores the newest checkpoint: ``step``, ``curve`` and what else was saved with it."""
        with readable("a checkpoint as it was saved", self.path, "delete the files of that name "
                      "with numbers at their ends: the training begins again"):
            found = self.read()
            if found and found[1].pop("seal") != _seal(*found):
                raise ValueError("changed since")
            if found is None or found[1]["key"] != self.key:
                return {"step": 0, "curve": []}
            tensors, state = found
            for name, part in self.parts.items():
                _restore(part, {key.removeprefix(f"{name}."): tensor for key, tensor
                                in tensors.items() if key.startswith(f"{name}.")})
            return state

    def save(self, step: int, curve: list, **state) -> None:
        """Writes a checkpoint after `step` steps (or epochs) and removes the older ones."""
        if self.path is None:
            return
        new = self.path.with_name(f"{self.path.stem}.{step:07d}.safetensors")
        tensors = {f"{name}.{key}": tensor for name, part in self.parts.items()
                   for key, tensor in _tensors(part).items()}
        state |= {"step": step, "curve": curve, "key": self.key}
        artefacts.write(new, tensors)
        artefacts.write(new.with_suffix(".json"), state | {"seal": _seal(tensors, state)})
        for old in self.path.parent.glob(f"{self.path.stem}.[0-9]*.*"):
            if old.stem != new.stem:
                old.unlink()


def _seal(tensors: dict, state: dict) -> str:
    shapes = sorted((name, tuple(tensor.shape)) for name, tensor in tensors.items())
    return provenance.content_hash(f"{shapes} {json.dumps(state, default=float)}".encode())


def _tensors(part) -> dict[str, torch.Tensor]:
    if isinstance(part, torch.Generator):
        return {"state": part.get_state()}
    if isinstance(part, torch.optim.Optimizer):
        return {f"{index}.{name}": value for index, moments in part.state_dict()["state"].items()
                for name, value in moments.items()}
    return part if isinstance(part, dict) else part.state_dict()


def _restore(part, tensors: dict[str, torch.Tensor]) -> None:
    if isinstance(part, dict):
        with torch.no_grad():  # they may be a network's parameters
            for name, tensor in part.items():
                tensor.copy_(tensors[name])
    elif isinstance(part, torch.Generator):
        part.set_state(tensors["state"].cpu())
    elif isinstance(part, torch.optim.Optimizer):
        state: dict = {}
        for name, value in tensors.items():
            index, moment = name.split(".", 1)
            state.setdefault(int(index), {})[moment] = value
        part.load_state_dict({**part.state_dict(), "state": state})
    else:
        part.load_state_dict(tensors)


class Team(NamedTuple):
    """Processes that train together: each draws the whole batch and takes its share of the rows;
    their steps are those of one process, up to rounding."""
    rank: int    # of this one
    size: int    # how many
    device: str

    def rows(self, batch_size: int) -> slice:
        """This process's rows of a batch, as many as any other's."""
        if batch_size % self.size:
            raise KlangfarbeError(f"a batch that {self.size} processes can share equally",
                                  f"{batch_size} items", "start as many processes as divide it")
        share = batch_size // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def joined(self, network):
        """The network, its gradient averaged over the processes in each backward pass."""
        return network if self.size == 1 else DistributedDataParallel(network)

    def mean(self, value: float) -> float:
        """A number's mean over the processes."""
        if self.size == 1:
            return value
        total = torch.tensor(value, dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(total)
        return float(total) / self.size


ALONE = Team(0, 1, "cpu")


@contextlib.contextmanager
def team() -> Iterator[Team]:
    """The processes that ``torchrun`` started (NCCL on GPUs, else gloo), or a team of one."""
    size, rank, local = (int(os.environ.get(name, default)) for name, default
                         in (("WORLD_SIZE", 1), ("RANK", 0), ("LOCAL_RANK", 0)))
    n_gpus = torch.cuda.device_count()
    if n_gpus and local >= n_gpus:
        raise KlangfarbeError(f"at most one process for each of {n_gpus} GPUs",
                              f"process {local + 1}", f"torchrun --nproc-per-node {n_gpus}")
    if size == 1:
        yield ALONE._replace(device=provenance.device())  # where notebook 33 looks for its own, too
        return
    torch.distributed.init_process_group("nccl" if n_gpus else "gloo")
    try:
        yield Team(rank, size, f"cuda:{local}" if n_gpus else "cpu")
    finally:
        torch.distributed.destroy_process_group()
