"""The trained stages as files: ``<stage>.json, <stage>.safetensors`` of notebook 42 (``decoder``;
``decoder_with_keywords``, as published; ``flow``) and ``generator`` of 43; flow and generator are
bundled. As released no file holds the projector. Notebook: 42, 43."""

import functools
import hashlib
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from lib.core import artefacts, paths, provenance
from lib.core.errors import KlangfarbeError, readable
from lib.models import hifigan
from lib.pretrained import loading
from lib.systems import stored
from lib.systems.art2music import config as configs
from lib.systems.art2music import train_decoder, train_flow, train_vocoder

NOTEBOOK, VOCODER_NOTEBOOK = "42_art2music_decoder", "43_art2music_vocoder"
CONVERT = ("convert the publisher's file once: python -c \"from lib.systems.art2music import "
           "checkpoints; checkpoints.convert_original('generator_v1', 'FOLDER')\"")


def kept_at(profile: str, name: str) -> Path:
    """Where a training of a notebook keeps its checkpoint."""
    return paths.PROCESSED / "art2music" / f"{profile} {name}.safetensors"


def files(stage: str, models, config, clip, setting: str) -> dict:
    """File name → content of a trained stage; `setting` is out of ``data.SETTINGS``."""
    settings = {"config": asdict(config), "setting": setting, "width_in": clip.width,
                "sees": clip.name, "sees_sha256": clip.sha256}
    return {f"{stage}.json": settings, f"{stage}.safetensors": stored.half(_networks(models))}


@stored.whole(NOTEBOOK, "its settings and weights")
def load(profile: str, stage: str = "flow", clip=None) -> tuple:
    """A stage of a profile, else the bundled flow: (models, config, setting); `clip` is checked."""
    module, kind = ((train_flow, configs.FlowConfig) if stage == "flow"
                    else (train_decoder, configs.DecoderConfig))
    settings = artefacts.load(NOTEBOOK, profile, f"{stage}.json")
    stored.check_network(clip, settings, "sees", "the CLIP", NOTEBOOK)
    config = stored.make_config(kind, settings["config"])
    with artefacts.Bounded(artefacts.find(NOTEBOOK, profile, f"{stage}.safetensors")):
        models = module.build(config, settings["width_in"])._replace(optimiser=None)
    stored.restore(lambda: _networks(models), NOTEBOOK, profile, f"{stage}.safetensors")
    return models, config, settings["setting"]


def vocoder_files(generator: nn.Module, config: configs.VocoderConfig) -> dict:
    """File name → content of a trained vocoder, its weight normalisation folded in."""
    # not a copy of it: copies share the class from which folding takes the weights' property
    plain = train_vocoder.make_generator(config)
    plain.load_state_dict(generator.state_dict())
    hifigan.fold_weight_norm(plain)
    return {"generator.json": {"config": asdict(config)},
            "generator.safetensors": stored.half(plain)}


@functools.cache
@stored.whole(VOCODER_NOTEBOOK, "generator.json")
def load_vocoder(profile: str = artefacts.BUNDLED) -> tuple:
    """The vocoder of a profile, else the bundled one; prints which: (generator, config)."""
    settings = artefacts.load(VOCODER_NOTEBOOK, profile, "generator.json")
    config = stored.make_config(configs.VocoderConfig, settings["config"])
    generator = stored.restore(
        lambda: hifigan.fold_weight_norm(train_vocoder.make_generator(config)), VOCODER_NOTEBOOK,
        profile, "generator.safetensors")
    return generator.to(provenance.device()), config


def initial_weights(config: configs.VocoderConfig) -> dict | None:
    """The generator's state that training starts from by ``config.initial``; from scratch none."""
    if not config.initial:
        return None
    if config.initial == loading.MINIATURE:
        return load_vocoder()[0].state_dict()
    part = loading.Part("HiFi-GAN generator", ("model.safetensors",))
    try:
        folder = loading.find("vocoder", part, config.initial).folder
    except KlangfarbeError as error:
        raise KlangfarbeError("a folder or hub name of HiFi-GAN's generator as model.safetensors",
                              f"{config.initial}: {error.got}", CONVERT) from error
    return hifigan.from_original(artefacts.read(folder / "model.safetensors"))


def initial_generator(config: configs.VocoderConfig) -> nn.Module | None:
    """The generator that training starts from, to be played; from scratch there is none."""
    if (weights := initial_weights(config)) is None:
        return None
    return hifigan.fold_weight_norm(train_vocoder.build(config, weights=weights).generator)


def convert_original(file: Path | str, folder: Path | str) -> Path:
    """The publisher's generator (a pickle, of which tensors alone are read) as
    ``folder/model.safetensors`` for ``VocoderConfig.initial``; prints the file's hash."""
    file = Path(file)
    with readable("a generator file of HiFi-GAN's authors, tensors under 'generator'", file,
                  "take generator_v1 or g_02500000, not the do_… file"):
        state = torch.load(file, map_location="cpu", weights_only=True)["generator"]
    target = artefacts.write(Path(folder) / "model.safetensors", state)
    print(f"{file.name}, sha256 {hashlib.sha256(file.read_bytes()).hexdigest()} → {target}")
    return target


def _networks(models) -> nn.ModuleDict:
    return nn.ModuleDict({name: part for name, part in models._asdict().items()
                          if isinstance(part, nn.Module)})
