"""Trained projections as files: ``study_two.safetensors`` (weights) and ``study_two.json`` (config,
D_in, and the hashes of the two networks that it was trained between; others are refused).

Notebook: 22 and 23 write them; 20, 24, 25 and 27 read them.
"""

from dataclasses import asdict, fields, replace

from lib import pretrained
from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.systems.mapping import data, train_projection
from lib.systems.mapping.config import ProjectionConfig, get_config

NOTEBOOKS = {"one": "22_mapping_study_one", "two": "23_mapping_study_two"}


def settings(models: train_projection.Models, config: ProjectionConfig, width_in: int,
             clip=None) -> dict:
    """What stands in ``study_two.json``; `clip`: whose vectors the projection was trained on."""
    stored = {"width_in": width_in, "width_out": models.generator.width,
              "generator": models.generator.name, "generator_sha256": models.generator.sha256,
              "config": asdict(config)}
    return stored if clip is None else stored | {"sees": clip.name, "sees_sha256": clip.sha256}


def weights(models: train_projection.Models) -> dict:
    """Tensors for ``study_two.safetensors``, half precision; :func:`load` widens them."""
    return {name: tensor.detach().half().contiguous().cpu()
            for name, tensor in models.projection.state_dict().items()}


def load(profile: str, study: str = "two", generator=None,
         clip=None) -> tuple[train_projection.Models, ProjectionConfig]:
    """A study's trained projection: the profile's own, else (Study II) the bundled one.

    Args:
        generator: the MusicGenerator that it conditions; ``None``: loaded as the config says.
        clip: whose hash is compared; ``None``: not compared.

    Returns:
        Models without optimisers and critic, and the projection's config.

    Raises:
        KlangfarbeError: no such study, nothing trained yet, or a projection that was trained
            between other networks.
    """
    if study not in NOTEBOOKS:
        raise KlangfarbeError(f"a study out of {', '.join(NOTEBOOKS)}", repr(study),
                              "name one of them")
    notebook = NOTEBOOKS[study]
    stored = artefacts.load(notebook, profile, f"study_{study}.json")
    if generator is None:
        generator = pretrained.load("musicgen", get_config(profile).generator)
    for what, name, network in (("the music model", "generator", generator),
                                ("the encoder", "sees", clip)):
        trained_with = stored.get(f"{name}_sha256")
        if network is not None and trained_with not in (None, network.sha256):
            raise KlangfarbeError(
                f"{what} it was trained with ({stored[name]}, {trained_with[:12]}…)",
                f"{network.name} ({network.sha256[:12]}…)",
                f"run notebook {notebook[:2]} at this profile")
    known = {field.name for field in fields(ProjectionConfig)}
    config = ProjectionConfig(**{name: value for name, value in stored["config"].items()
                                 if name in known})
    network = train_projection.build_projection(config, stored["width_in"], stored["width_out"])
    tensors = artefacts.load(notebook, profile, f"study_{study}.safetensors")
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in tensors.items()})
    except RuntimeError as error:
        raise KlangfarbeError("weights that fit their settings",
                              str(error).splitlines()[1].strip()[:120],
                              f"run notebook {notebook[:2]} again") from error
    return train_projection.Models(network.to(generator.device).eval(), generator), config


def load_or_train_study_one(profile: str, pairs: data.PairedData, generator, clip,
                            seed: int = 0) -> tuple[train_projection.Models, ProjectionConfig]:
    """Study I: notebook 22's where it ran, else trained now by its latent loss alone."""
    try:
        return load(profile, "one", generator, clip)
    except KlangfarbeError as missing:
        print("Study I is trained now, by its latent loss alone and shorter than published "
              f"({missing.do})")
    config = replace(get_config(profile).study_one, w_mel=0.0, w_adversarial=0.0)
    models = train_projection.build(config, generator, clip.width, seed)
    train_projection.train(models, pairs, data.audio_targets(pairs.codes, generator), config,
                           seed=seed)
    return models, config
