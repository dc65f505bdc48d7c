"""The trained stages as files: ``<stage>.json, <stage>.safetensors`` of notebook 42, and the
vocoder, ``generator.json, generator.safetensors``, of 43.

Stages: ``decoder``, trained on the comment alone; ``decoder_with_keywords``, as published, with the
target clip's keywords in the text; ``flow``. The flow and the vocoder are bundled. The released
code does not save the projector.
Notebook: 42, 43.
"""

import copy
import functools
from dataclasses import asdict

from torch import nn

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.models import hifigan
from lib.systems import stored
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
    return {f"{stage}.json": settings, f"{stage}.safetensors": stored.half(_networks(models))}


def load(profile: str, stage: str = "flow", clip=None) -> tuple:
    """A trained stage of a profile, else (the flow) the bundled one: (models, config, setting).
    `clip`: the image-text model in use, whose hash is compared."""
    if stage not in STAGES:
        raise KlangfarbeError(f"a stage out of {', '.join(STAGES)}", repr(stage),
                              "name one of them")
    module, config_class = STAGES[stage]
    settings = artefacts.load(NOTEBOOK, profile, f"{stage}.json")
    stored.check_network(clip, settings, "sees", "the CLIP", NOTEBOOK)
    config = stored.make_config(config_class, settings["config"])
    models = module.build(config, settings["width_in"])._replace(optimiser=None)
    stored.restore(_networks(models), NOTEBOOK, profile, f"{stage}.safetensors")
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
    return {"generator.json": {"config": asdict(config)},
            "generator.safetensors": stored.half(plain)}


@functools.cache
def load_vocoder(profile: str = artefacts.BUNDLED) -> tuple:
    """The vocoder of a profile, else the bundled one; prints which: (generator, config)."""
    settings = artefacts.load(VOCODER_NOTEBOOK, profile, "generator.json")
    config = stored.make_config(configs.VocoderConfig, settings["config"])
    generator = hifigan.fold_weight_norm(hifigan.SIZES[config.size]())
    return stored.restore(generator, VOCODER_NOTEBOOK, profile, "generator.safetensors"), config


def _networks(models) -> nn.ModuleDict:
    return nn.ModuleDict({name: part for name, part in models._asdict().items()
                          if isinstance(part, nn.Module)})
