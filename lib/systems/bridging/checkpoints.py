"""The fine-tuned networks as files: what notebooks 11 and 13 write, and who loads them.

    classifier.safetensors, classifier.json   network; its settings and temperature
    m1 … m4.safetensors, music.json           decoder and projection, LoRA merged; the start they
                                              were tuned from, and the settings of each
Notebook: 11, 13.
"""

import copy
from dataclasses import asdict, fields

from lib import pretrained
from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.systems.bridging import train_classifier, train_musicgen
from lib.systems.bridging.config import ClassifierConfig, MusicGenConfig, get_config

SETTINGS = "music.json"
TUNED = ("decoder.", "enc_to_dec_proj.")


def classifier_weights(model) -> dict:
    """The classifier's tensors, half precision, for ``classifier.safetensors``."""
    return {name: t.half() if t.is_floating_point() else t
            for name, t in model.state_dict().items()}


def classifier_settings(config: ClassifierConfig, temperature: float = 1.0) -> dict:
    """For ``classifier.json``."""
    return asdict(config) | {"temperature": temperature}


def load_classifier(profile: str) -> tuple:
    """The classifier of a profile, else the bundled one: (model, its temperature)."""
    notebook = train_classifier.NOTEBOOK
    settings = artefacts.load(notebook, profile, "classifier.json")
    model = train_classifier.build(_config(ClassifierConfig, settings | {"initial": ""}))
    model.load_state_dict(artefacts.load(notebook, profile, "classifier.safetensors"))
    return model.eval(), settings["temperature"]


def musicgen_weights(models: train_musicgen.Models) -> dict:
    """The tuned decoder and projection, half precision, for ``m4.safetensors``."""
    network = train_musicgen.tuned_generator(models).network
    return {name: tensor.detach().half().contiguous().cpu()
            for name, tensor in network.state_dict().items() if name.startswith(TUNED)}


def musicgen_settings(start, configs: dict[str, MusicGenConfig]) -> dict:
    """For ``music.json``: the start's name and hash, and each model's settings."""
    return {"start": start.name, "sha256": start.sha256,
            "models": {name: asdict(config) for name, config in configs.items()}}


def load_musicgen(profile: str, model: str = "m4", start=None) -> tuple:
    """A fine-tuned model ``m1`` … ``m4`` of a profile or, where notebook 13 was not run, its start:
    (MusicGenerator, MusicGenConfig, whether it is fine-tuned). The weights go into a copy of
    `start`, a MusicGenerator, which is loaded where none is given.
    """
    notebook, again = train_musicgen.NOTEBOOK, f"run notebook {train_musicgen.NOTEBOOK[:2]} again"
    config = get_config(profile).music.for_model(model)
    try:
        artefacts.find(notebook, profile, SETTINGS)
    except KlangfarbeError:
        print(f"{model}: not fine-tuned yet at {profile} (notebook {notebook[:2]}), "
              f"the {config.start} music model plays as it is")
        return start or pretrained.load("musicgen", config.start), config, False
    settings = artefacts.load(notebook, profile, SETTINGS)
    if model not in settings["models"]:
        raise KlangfarbeError(f"a model out of {', '.join(settings['models'])}", model, again)
    config = _config(MusicGenConfig, settings["models"][model])
    start = start or pretrained.load("musicgen", config.start)
    if start.sha256 != settings["sha256"]:
        raise KlangfarbeError(f"the music model it was tuned from ({settings['sha256'][:12]}…)",
                              f"{start.name} ({start.sha256[:12]}…)", again)
    generator = copy.copy(start)
    generator.network = copy.deepcopy(start.network)
    weights = artefacts.load(notebook, profile, f"{model}.safetensors")
    keys = generator.network.load_state_dict(weights, strict=False)
    missing = [name for name in keys.missing_keys if name.startswith(TUNED)]
    if keys.unexpected_keys or missing:
        raise KlangfarbeError("weights that fit the start", f"{len(missing)} missing, "
                              f"{len(keys.unexpected_keys)} unknown", again)
    generator.network.eval()
    return generator, config, True


def _config(kind: type, settings: dict):
    """A config of what it knows among `settings`; lists become tuples."""
    known = {field.name for field in fields(kind)}
    return kind(**{name: tuple(value) if isinstance(value, list) else value
                   for name, value in settings.items() if name in known})
