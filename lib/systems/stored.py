"""Trained networks as files: weights in half precision beside settings and hashes."""

from collections.abc import Mapping
from dataclasses import fields

import torch

from lib.core import artefacts
from lib.core.errors import KlangfarbeError


def half(network: torch.nn.Module) -> dict[str, torch.Tensor]:
    """A network's tensors in half precision, for a ``.safetensors`` file."""
    return {name: (tensor.half() if tensor.is_floating_point() else tensor).contiguous().cpu()
            for name, tensor in network.state_dict().items()}


def restore(network: torch.nn.Module, notebook: str, profile: str, name: str) -> torch.nn.Module:
    """The network with the weights of a notebook's file, widened, for evaluation."""
    tensors = artefacts.load(notebook, profile, name)
    try:
        network.load_state_dict({str(key): tensor.float() for key, tensor in tensors.items()})
    except RuntimeError as error:
        raise KlangfarbeError("weights that fit their settings", str(
            error).splitlines()[1].strip()[:120], f"run notebook {notebook[:2]} again") from error
    return network.eval()


def make_config(kind: type, settings: Mapping):
    """A config of what it knows among stored settings; lists become tuples."""
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value
                   in settings.items() if name in {field.name for field in fields(kind)}})


def check_network(network, settings: Mapping, role: str, what: str, notebook: str) -> None:
    """Refuses a network other than that of ``<role>_sha256`` in stored settings."""
    trained_with = settings.get(f"{role}_sha256")
    if network is not None and trained_with not in (None, network.sha256):
        raise KlangfarbeError(f"{what} it was trained with ({settings[role]}, "
                              f"{trained_with[:12]}…)", f"{network.name} ({network.sha256[:12]}…)",
                              f"run notebook {notebook[:2]} at this profile")
