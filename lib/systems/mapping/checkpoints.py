"""Trained projections as files, with the hashes of the networks around them.  Notebook: 22, 23."""

from dataclasses import asdict, replace

from lib import pretrained
from lib.core import artefacts, errors, paths
from lib.systems import stored
from lib.systems.mapping import data, train_projection
from lib.systems.mapping.config import ProjectionConfig, get_config

NOTEBOOKS = {"one": "22_mapping_study_one", "two": "23_mapping_study_two"}


def files(models: train_projection.Models, config: ProjectionConfig, clip) -> dict:
    """File name → content of a trained projection; `clip`: whose vectors it was trained on."""
    generator, name = models.generator, f"study_{config.study}"
    settings = {"width_in": clip.width, "width_out": generator.width, "generator": generator.name,
                "generator_sha256": generator.sha256, "config": asdict(config),
                "sees": clip.name, "sees_sha256": clip.sha256}
    return {f"{name}.json": settings, f"{name}.safetensors": stored.half(models.projection)}


@stored.whole(NOTEBOOKS["two"], "study_two.json")
def load(profile: str, study: str = "two", generator=None, clip=None) -> tuple:
    """A study's projection of a profile, else (Study II) the bundled one, and its config."""
    notebook = NOTEBOOKS[study]
    said = artefacts.load(notebook, profile, f"study_{study}.json")
    if generator is None:
        generator = pretrained.load("musicgen", get_config(profile).generator)
    stored.check_network(generator, said, "generator", "the music model", notebook)
    stored.check_network(clip, said, "sees", "the encoder", notebook)
    config = stored.make_config(ProjectionConfig, said["config"])
    network = stored.restore(lambda: train_projection.build_projection(
        config, said["width_in"], said["width_out"]), notebook, profile,
        f"study_{study}.safetensors")
    return train_projection.Models(network.to(generator.device), generator), config


def load_or_train_study_one(profile: str, pairs: data.PairedData, generator, clip) -> tuple:
    """Study I: notebook 22's where it ran, else trained now by its latent loss alone."""
    try:
        return load(profile, "one", generator, clip)
    except errors.KlangfarbeError as missing:
        print("Study I is trained now, by its latent loss alone and shorter than published "
              f"({missing.do})")
    config = replace(get_config(profile).study_one, w_mel=0.0, w_adversarial=0.0)
    models = train_projection.build(config, generator, clip.width)
    kept = paths.results_dir(profile, NOTEBOOKS["one"]) / "training_alone.safetensors"
    train_projection.train(models, pairs, data.audio_targets(pairs.codes, generator), config, kept)
    return models, config
