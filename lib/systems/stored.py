"""Trained networks as files: weights in half precision beside settings and hashes."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any

import pydantic
import torch

from lib.core import artefacts
from lib.core.errors import KlangfarbeError, readable


def half(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A network's tensors in half precision, for a ``.safetensors`` file."""
    return {name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous().cpu()
            for name, tensor in network.state_dict().items()}


@contextlib.contextmanager
def whole(notebook: str, *names: str) -> Iterator[None]:
    """Around what reads a notebook's files: one that is changed or unfit is told in one line."""
    with readable("settings and weights that fit, whole", f"{notebook}/{', '.join(names)}",
                  f"run notebook {notebook[:2]} again; bundled ones: git checkout data"):
        yield


def restore(build: Callable, notebook: str, profile: str, name: str) -> torch.nn.Module:
    """The network that `build` makes, with a notebook's weights, widened, for evaluation."""
    tensors = artefacts.load(notebook, profile, name)
    with artefacts.Bounded(artefacts.find(notebook, profile, name)):
        network = build()
    network.load_state_dict({str(key): tensor.float() for key, tensor in tensors.items()})
    return network.eval()


def make_config(kind: type, settings: Mapping) -> Any:
    """A config of what it knows among stored settings, each of its type; lists become tuples."""
    names = {field.name for field in fields(kind)}
    known = {name: value for name, value in settings.items() if name in names}
    artefacts.check_sizes(known)
    return pydantic.TypeAdapter(kind).validate_python(known)


def check_network(network, settings: Mapping, role: str, what: str, notebook: str) -> None:
    """Refuses a network other than that of ``<role>_sha256`` in stored settings."""
    trained_with = settings.get(f"{role}_sha256")
    if network is not None and trained_with not in (None, network.sha256):
        raise KlangfarbeError(f"{what} it was trained with ({settings[role]}, "
                              f"{trained_with[:12]}…)", f"{network.name} ({network.sha256[:12]}…)",
                              f"run notebook {notebook[:2]} at this profile")
