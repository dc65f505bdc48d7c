"""Checkpoints: a killed training goes on where it stood and ends with the same weights. Two files,
``<stem>.<step>.safetensors`` and ``….json``, written last.
"""

from pathlib import Path

import torch

from lib.core import artefacts


class Checkpoint:
    """Networks, optimisers, generators and dicts of tensors, saved at `path` (``None``: not) and
    restored in place where `key`, a hash of settings, seed and data, is the same.
    """
    def __init__(self, path: Path | None, key: str, **parts):
        self.path, self.key = path, key
        self.parts = {name: part for name, part in parts.items() if part is not None}

    def load(self) -> dict:
        """Restores the newest checkpoint: ``step``, ``curve`` and what else was saved with it."""
        found = None if self.path is None else read(self.path)
        if found is None or found[1]["key"] != self.key:
            return {"step": 0, "curve": []}
        tensors, state = found
        for name, part in self.parts.items():
            _restore(part, {key.removeprefix(f"{name}."): tensor for key, tensor in tensors.items()
                            if key.startswith(f"{name}.")})
        return state

    def save(self, step: int, curve: list, **state) -> None:
        """Writes a checkpoint after `step` steps (or epochs) and removes the older ones."""
        if self.path is None:
            return
        new = self.path.with_name(f"{self.path.stem}.{step:07d}.safetensors")
        artefacts.write(new, {f"{name}.{key}": tensor for name, part in self.parts.items()
                              for key, tensor in _tensors(part).items()})
        artefacts.write(new.with_suffix(".json"),
                        {**state, "step": step, "curve": curve, "key": self.key})
        for old in self.path.parent.glob(f"{self.path.stem}.[0-9]*.*"):
            if old.stem != new.stem:
                old.unlink()


def read(path: Path) -> tuple[dict, dict] | None:
    """The newest whole checkpoint saved under `path`: (tensors, state), or ``None``."""
    for state in sorted(path.parent.glob(f"{path.stem}.[0-9]*.json"), reverse=True):
        if (tensors := state.with_suffix(".safetensors")).is_file():
            return artefacts.read(tensors), artefacts.read(state)
    return None


def _tensors(part) -> dict[str, torch.Tensor]:
    if isinstance(part, torch.Generator):
        return {"state": part.get_state()}
    if isinstance(part, torch.optim.Optimizer):
        return {f"{index}.{name}": value for index, moments in part.state_dict()["state"].items()
                for name, value in moments.items()}
    return part if isinstance(part, dict) else part.state_dict()


def _restore(part, tensors: dict[str, torch.Tensor]) -> None:
    if isinstance(part, dict):
        with torch.no_grad():
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
