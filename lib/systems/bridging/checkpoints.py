"""The fine-tuned networks as files: ``classifier.safetensors, classifier.json`` of notebook 11;
``m1`` … ``m4.safetensors``, of later trainings ``m1_1`` …, ``music.json`` (start and settings of
each) of notebook 13."""

import copy
from typing import Any

from lib import pretrained
from lib.core import artefacts, errors, paths
from lib.systems import stored
from lib.systems.bridging import train_classifier, train_musicgen
from lib.systems.bridging.config import ClassifierConfig, MusicGenConfig, get_config


@stored.whole(train_classifier.NOTEBOOK, "classifier.json", "classifier.safetensors")
def load_classifier(profile: str) -> tuple:
    """A profile's classifier, else, if allowed, the bundled one: (model, its temperature)."""
    notebook = train_classifier.NOTEBOOK
    assert_trained(profile, notebook, "classifier.json", "classifier.safetensors")
    settings = artefacts.load(notebook, profile, "classifier.json")
    config = stored.make_config(ClassifierConfig, settings | {"initial": ""})
    return stored.restore(lambda: train_classifier.build(config), notebook, profile,
                          "classifier.safetensors"), float(settings["temperature"])


def musicgen_weights(models: train_musicgen.Models) -> dict:
    """The tuned decoder and projection, LoRA merged, half precision, for ``m4.safetensors``."""
    network: Any = models.network
    if hasattr(network, "merge_and_unload"):
        network = copy.deepcopy(network).merge_and_unload()
    return stored.half(network)


def weights_file(model: str, training: int = 0) -> str:
    """The name of ``m1`` … ``m4``, of the first or a later one of ``Config.seeds``."""
    return f"{model}_{training}.safetensors" if training else f"{model}.safetensors"


@stored.whole(train_musicgen.NOTEBOOK, "music.json")
def load_musicgen(profile: str, model: str = "m4", start=None, training: int = 0) -> tuple:
    """A tuned ``m1`` … ``m4`` in a copy of `start`, else the start: (generator, config, tuned)."""
    notebook, config = train_musicgen.NOTEBOOK, get_config(profile).music.for_model(model)
    file = weights_file(model, training)
    assert_trained(profile, notebook, "music.json", file)
    try:
        for name in ("music.json", file):
            artefacts.find(notebook, profile, name)
    except errors.KlangfarbeError:
        print(f"{file}: not trained yet at {profile} (notebook {notebook[:2]}), "
              f"{start.name if start else config.start} plays as it is")
        return start or pretrained.load("musicgen", config.start), config, False
    settings = artefacts.load(notebook, profile, "music.json")
    config = stored.make_config(MusicGenConfig, settings["models"][model])
    start = start or pretrained.load("musicgen", config.start)
    stored.check_network(start, {"start": config.start, "start_sha256": settings["sha256"]},
                         "start", "the music model", notebook)
    generator = copy.copy(start)
    generator.network = copy.deepcopy(start.network).eval()
    weights = artefacts.load(notebook, profile, file)
    generator.network.load_state_dict(start.network.state_dict() | weights)
    return generator, config, True


def assert_trained(profile: str, notebook: str, *names: str) -> None:
    """Refuses a profile that wants its own networks (``Config.bundled`` off) and lacks a file."""
    folder = paths.RESULTS / profile / notebook
    missing = [name for name in names if not (folder / name).is_file()]
    if missing and not get_config(profile).bundled:
        raise errors.KlangfarbeError(
            f"{', '.join(missing)}, trained at profile {profile}", "nothing trained there",
            f'make run PROFILE={profile} NOTEBOOKS="{notebook[:2]}"; bundled: --profile bundled')
