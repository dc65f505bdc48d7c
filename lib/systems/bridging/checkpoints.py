"""System 1, the four fine-tuned decoders as files: what notebook 13 writes, and what ``hear``,
notebooks 10, 14 and 15 play.

    <model>.safetensors   decoder and projection, LoRA merged      music.json   what they were made of: start, its hash, config of each

Notebook: 13.
"""

import copy
from dataclasses import asdict, fields

from lib import pretrained
from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.systems.bridging import train_musicgen

SETTINGS = "music.json"


def weights(models: train_musicgen.Models) -> dict:
    """Tensors for ``artefacts.save(…, "m4.safetensors")``: the tuned decoder and projection, half
    precision; :func:`load` widens them.
    """
    return {name: tensor.detach().half().contiguous().cpu() for name,
            tensor in train_musicgen.tuned(models).network.state_dict().items()
            if name.startswith(("decoder.", "enc_to_dec_proj."))}


def settings(start, configs: dict[str, train_musicgen.Config]) -> dict:
    """What stands in ``music.json``: the start's name and hash, and each model's config."""
    return {"start": start.name, "sha256": start.sha256,
            "models": {name: asdict(config) for name, config in configs.items()}}


def load(profile: str, model: str = "m4", start=None) -> tuple:
    """A fine-tuned model of a profile, or, where notebook 13 was not run, the start it would be
    tuned from.

    Args:
        model: ``m1`` to ``m4``. start: the MusicGenerator to put the weights in; ``None``: loaded
            by the config's name.

    Returns:
        (MusicGenerator, music.Config, whether it is fine-tuned). A line says which files were read.

    Raises:
        KlangfarbeError: a model that is none of the four, or weights tuned from another start than
            the one at hand.
    """
    config = train_musicgen.of(model, train_musicgen.PROFILES["mini" if profile == artefacts.BUNDLED
                                                              else profile])
    try:
        artefacts.find(train_musicgen.NOTEBOOK, profile, SETTINGS)
    except KlangfarbeError:
        print(f"{model}: not fine-tuned yet at {profile} (notebook {train_musicgen.NOTEBOOK[:2]}), "
              f"the {config.start} music model plays as it is")
        return (pretrained.load("musicgen", config.start) if start is None
                else start), config, False
    said = artefacts.load(train_musicgen.NOTEBOOK, profile, SETTINGS)
    if model not in said["models"]:
        raise KlangfarbeError(f"a model out of {', '.join(said['models'])}", model,
                              f"run notebook {train_musicgen.NOTEBOOK[:2]} with it")
    known = {field.name for field in fields(train_musicgen.Config)}
    config = train_musicgen.Config(**{name: tuple(value) if isinstance(value, list) else value
                             for name, value in said["models"][model].items() if name in known})
    start = pretrained.load("musicgen", config.start) if start is None else start
    if start.sha256 != said["sha256"]:
        raise KlangfarbeError(f"the music model it was tuned from ({said['sha256'][:12]}…)",
                              f"{start.name} ({start.sha256[:12]}…)",
                              f"run notebook {train_musicgen.NOTEBOOK[:2]} again")
    made = copy.copy(start)
    made.network = copy.deepcopy(start.network)
    found = artefacts.load(train_musicgen.NOTEBOOK, profile, f"{model}.safetensors")
    lacking = made.network.load_state_dict(found, strict=False)
    if lacking.unexpected_keys or [name for name in lacking.missing_keys
                                   if name.startswith(("decoder.", "enc_to_dec_proj."))]:
        raise KlangfarbeError("weights that fit the start", f"{len(lacking.missing_keys)} missing, {len(lacking.unexpected_keys)} unknown",
                              f"run notebook {train_musicgen.NOTEBOOK[:2]} again")
    made.network.eval()
    return made, config, True
