"""System 4's stage one as files: what notebook 42 writes, and what ``hear``, notebooks 40, 43 and
44 play.

    <stage>.json          settings, the encoder whose vectors it reads, the text it was told
    <stage>.safetensors   projector and decoder (or flow) in half precision; the projector too, which the released code does not save

Stages: ``decoder``, one mel for one painting; ``told``, the same with the clip's own keywords in
its text, as published; ``flow``, another mel for another seed. The flow alone is bundled. Notebook:
42.
"""

from dataclasses import asdict, fields

import numpy as np

from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.systems.art2music import data, train_decoder, train_flow

NOTEBOOK = "42_art2music_decoder"
STAGES = {"decoder": train_decoder, "told": train_decoder, "flow": train_flow}
TOLD = {"comment_only": "decoder", "with_audio_keywords": "told"}  # setting → stage


def settings(stage: str, config, sees, setting: str) -> dict:
    """What stands in ``<stage>.json``.

    Args:
        config: a ``decoder.Config`` or ``flow.Config``. sees: the CLIP whose vectors were read.
            setting: out of ``articaps.SETTINGS``.
    """
    if stage not in STAGES or setting not in data.SETTINGS:
        raise KlangfarbeError(
            f"a stage out of {', '.join(STAGES)} told {' or '.join(data.SETTINGS)}",
            f"{stage}, {setting}", "name one of them")
    return {"config": asdict(config), "setting": setting, "width_in": sees.width, "sees": sees.name,
            "sees_sha256": sees.sha256}


def weights(models) -> dict:
    """Tensors of a ``decoder.Models`` or ``flow.Models`` for ``artefacts.save``, half precision;
    :func:`load` widens them.
    """
    return {f"{part}.{name}": tensor.detach().half().contiguous().cpu() for part in _parts(models)
            for name, tensor in getattr(models, part).state_dict().items()}


def load(profile: str, stage: str = "flow", sees=None) -> tuple:
    """A trained stage of a profile, else (the flow) the bundled one; a line says which.

    Args:
        sees: the CLIP that will look, whose hash is compared; ``None``: not compared.

    Returns:
        (models without an optimiser, config, setting).

    Raises:
        KlangfarbeError: no such stage, nothing trained yet, another CLIP than it grew up with, or
            weights that do not fit their settings.
    """
    if stage not in STAGES:
        raise KlangfarbeError(f"a stage out of {', '.join(STAGES)}", repr(stage),
                              "name one of them")
    module, said = STAGES[stage], artefacts.load(NOTEBOOK, profile, f"{stage}.json")
    if sees is not None and sees.sha256 != said["sees_sha256"]:
        raise KlangfarbeError(
            f"the CLIP it was trained with ({said['sees']}, {said['sees_sha256'][:12]}…)",
            f"{sees.name} ({sees.sha256[:12]}…)", "run notebook 42 at this profile")
    known = {field.name for field in fields(module.Config)}
    config = module.Config(**{name: value for name,
                              value in said["config"].items() if name in known})
    models = module.build(config, said["width_in"])._replace(optimiser=None)
    found = artefacts.load(NOTEBOOK, profile, f"{stage}.safetensors")
    try:
        for part in _parts(models):
            under = {name.removeprefix(f"{part}."): tensor.float() for name,
                     tensor in found.items() if name.startswith(f"{part}.")}
            getattr(models, part).load_state_dict(under)
            getattr(models, part).eval()
    except RuntimeError as error:
        raise KlangfarbeError("weights that fit their settings",
                              str(error).splitlines()[1].strip()[:120],
                              "run notebook 42 again") from error
    return models, config, said["setting"]


def load_or_train(profile: str, known, sees, setting: str = "comment_only", seed: int = 0) -> tuple:
    """A decoder, (decoder.Models, decoder.Config): notebook 42's where it ran, else one trained
    now.

    Args:
        known: a ``supply.Material``; its training pairs are learnt where nothing is at hand.
            setting: out of ``articaps.SETTINGS``.
    """
    try:
        return load(profile, TOLD[setting], sees)[:2]
    except KlangfarbeError as absent:
        print(f"the decoder is trained now ({absent.do})")
    config = train_decoder.of(profile)
    models = train_decoder.build(config, sees.width, seed)
    train_decoder.train(models, known.vectors, known.texts[setting], known.mels_of,
                        known.pairs["split"], config, seed=seed)
    return models, config


def embed_inputs(pictures: np.ndarray, comments: list[str], emotions: list[str],
               sees) -> tuple[np.ndarray, np.ndarray]:
    """What a visitor brings, as vectors: (v [N, D], u [N, D]); the text is ``articaps.prompt``'s
    without the clip's own fields.
    """
    said = [data.prompt({"comment": comment, "keywords": emotion}, {}, "comment_only")
            for comment, emotion in zip(comments, emotions, strict=True)]
    return sees.embed_pictures(pictures), sees.embed_text(said)


def _parts(models) -> tuple[str, ...]:
    return tuple(name for name in ("projector", "decoder", "network") if name in models._fields)
