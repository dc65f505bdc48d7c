"""The trained stages as files: what notebooks 42 and 43 write, and what everything else loads.

    <stage>.json, <stage>.safetensors       settings and CLIP's hash; weights in half precision
    generator.json, generator.safetensors   of the vocoder

Stages: ``decoder``, trained on the comment alone; ``decoder_with_keywords``, as published, with the
target clip's keywords in the text; ``flow``. The flow and the vocoder are bundled. The released
code does not save the projector.
Notebook: 42, 43.
"""

import copy
import functools
from dataclasses import asdict, fields

from torch import nn

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.models import hifigan
from lib.systems.art2music import config as configs
from lib.systems.art2music import data, train_decoder, train_flow

NOTEBOOK, VOCODER_NOTEBOOK = "42_art2music_decoder", "43_art2music_vocoder"
STAGES = {"decoder": (train_decoder, configs.DecoderConfig),
          "decoder_with_keywords": (train_decoder, configs.DecoderConfig),
          "flow": (train_flow, configs.FlowConfig)}
DECODERS = {"comment_only": "decoder", "with_audio_keywords": "decoder_with_keywords"}


def files(stage: str, models, config, clip, setting: str) -> dict:
    """File name → content of a trained stage; `setting` is out of ``data.SETTINGS``."""
    settings = {"config": asdict(config), "setting": setting, "width_in": clip.width,
                "sees": clip.name, "sees_sha256": clip.sha256}
    return {f"{stage}.json": settings, f"{stage}.safetensors": _half(_networks(models))}


def load(profile: str, stage: str = "flow", clip=None) -> tuple:
    """A trained stage of a profile, else (the flow) the bundled one; prints which: (models, config,
    setting). `clip` is the image-text model in use, whose hash is compared.
    """
    if stage not in STAGES:
        raise KlangfarbeError(f"a stage out of {', '.join(STAGES)}", repr(stage),
                              "name one of them")
    module, config_class = STAGES[stage]
    settings = artefacts.load(NOTEBOOK, profile, f"{stage}.json")
    if clip is not None and clip.sha256 != settings["sees_sha256"]:
        raise KlangfarbeError(
            f"the CLIP it was trained with ({settings['sees']}, {settings['sees_sha256'][:12]}…)",
            f"{clip.name} ({clip.sha256[:12]}…)", "run notebook 42 at this profile")
    config = _config(config_class, settings["config"])
    models = module.build(config, settings["width_in"])._replace(optimiser=None)
    _restore(_networks(models), NOTEBOOK, profile, f"{stage}.safetensors")
    return models, config, settings["setting"]


def load_or_train(profile: str, dataset: data.Dataset, clip, setting: str = "comment_only",
                  seed: int = 0) -> tuple:
    """A decoder and its config: notebook 42's where it ran, else one that is trained now."""
    try:
        return load(profile, DECODERS[setting], clip)[:2]
    except KlangfarbeError as absent:
        print(f"the decoder is trained now ({absent.do})")
    config = configs.get_config(profile).decoder
    models = train_decoder.build(config, clip.width, seed)
    train_decoder.train(models, dataset.vectors, dataset.texts[setting], dataset.mels_of,
                        dataset.pairs["split"], config, seed=seed)
    return models, config


def vocoder_files(generator: nn.Module, config: configs.VocoderConfig) -> dict:
    """File name → content of a trained vocoder, its weight normalisation folded in."""
    plain = hifigan.fold_weight_norm(copy.deepcopy(generator))
    return {"generator.json": {"config": asdict(config)}, "generator.safetensors": _half(plain)}


@functools.cache
def load_vocoder(profile: str = artefacts.BUNDLED, device: str = "cpu") -> tuple:
    """The vocoder of a profile, else the bundled one; prints which: (generator, config)."""
    settings = artefacts.load(VOCODER_NOTEBOOK, profile, "generator.json")
    config = _config(configs.VocoderConfig, settings["config"])
    generator = hifigan.fold_weight_norm(hifigan.generator(hifigan.SIZES[config.size]))
    _restore(generator, VOCODER_NOTEBOOK, profile, "generator.safetensors")
    return generator.to(device).eval(), config


def _networks(models) -> nn.ModuleDict:
    return nn.ModuleDict({name: part for name, part in models._asdict().items()
                          if isinstance(part, nn.Module)})


def _half(network: nn.Module) -> dict:
    return {name: tensor.detach().half().contiguous().cpu()
            for name, tensor in network.state_dict().items()}


def _config(config_class: type, stored: dict):
    known = {field.name for field in fields(config_class)}
    return config_class(**{name: tuple(value) if isinstance(value, list) else value
                           for name, value in stored.items() if name in known})


def _restore(network: nn.Module, notebook: str, profile: str, name: str) -> None:
    tensors = artefacts.load(notebook, profile, name)
    try:
        network.load_state_dict({key: tensor.float() for key, tensor in tensors.items()})
    except RuntimeError as error:
        raise KlangfarbeError("weights that fit their settings",
                              str(error).splitlines()[1].strip()[:120],
                              f"run notebook {notebook[:2]} again") from error
    network.eval()
