"""System 2's projections as files: what notebooks 22 and 23 write, and what ``hear``, notebooks 20,
24, 25 and 27 play.

    study_two.safetensors   the projection's weights      study_two.json   its config, D_in, and which networks it stands between

A projection means something between one pair of networks alone: the encoder whose vectors it was
shown, and the decoder it was trained to condition. Their hashes stand beside it, and :func:`load`
refuses others.

Notebook: 22, 23.
"""

from dataclasses import asdict, fields

from lib import pretrained
from lib.core import artefacts
from lib.core.errors import KlangfarbeError
from lib.systems.mapping import generate as mapping
from lib.systems.mapping import train_projection

NOTEBOOKS = {"one": "22_mapping_study_one", "two": "23_mapping_study_two"}


def settings(models: train_projection.Models, config: train_projection.Config, width_in: int,
             sees=None) -> dict:
    """What stands in ``study_two.json``: the config, D_in, and names and hashes of the music model
    and, where it is given, of CLIP.

    Args:
        width_in: D_in, of the picture's vector. sees: the CLIP whose vectors the projection was
            trained on.
    """
    said = {"width_in": width_in, "width_out": models.generator.width,
            "generator": models.generator.name, "generator_sha256": models.generator.sha256,
            "config": asdict(config)}
    return said if sees is None else said | {"sees": sees.name, "sees_sha256": sees.sha256}


def weights(models: train_projection.Models) -> dict:
    """Tensors for ``artefacts.save(…, "study_two.safetensors")``, half precision; :func:`load`
    widens them.
    """
    return {name: tensor.detach().half().contiguous().cpu() for name,
            tensor in models.projection.state_dict().items()}


def load(profile: str, study: str = "two", generator=None, sees=None) -> tuple:
    """A study's trained projection: the profile's own, else (Study II) the bundled one; a line says
    which.

    Args:
        study: ``one`` or ``two``. generator: the MusicGenerator it is to condition; ``None``:
            loaded by the system's config.
        sees: the CLIP that will look, whose hash is compared; ``None``: not compared.

    Returns:
        (studies.Models without optimisers and critic, ready for ``studies.predict``;
        studies.Config).

    Raises:
        KlangfarbeError: no such study, nothing trained yet, or a projection made between other
            networks than these.
    """
    if study not in NOTEBOOKS:
        raise KlangfarbeError(f"a study out of {', '.join(NOTEBOOKS)}", repr(study),
                              "name one of them")
    said = artefacts.load(NOTEBOOKS[study], profile, f"study_{study}.json")
    if generator is None:
        generator = pretrained.load("musicgen", mapping.get_config(profile).generator)
    _same("the music model", said["generator_sha256"], said["generator"], generator, study)
    if sees is not None and "sees_sha256" in said:
        _same("the encoder", said["sees_sha256"], said["sees"], sees, study)
    known = {field.name for field in fields(train_projection.Config)}
    config = train_projection.Config(**{name: value for name,
                                        value in said["config"].items() if name in known})
    network = train_projection.network(config, said["width_in"], said["width_out"])
    found = {name: tensor.float() for name,
             tensor in artefacts.load(NOTEBOOKS[study], profile,
                                      f"study_{study}.safetensors").items()}
    try:
        network.load_state_dict(found)
    except RuntimeError as error:
        raise KlangfarbeError("weights that fit their settings",
                              str(error).splitlines()[1].strip()[:120],
                              f"run notebook {NOTEBOOKS[study][:2]} again") from error
    return train_projection.Models(network.to(generator.device).eval(), None, None, None, generator,
                                   None), config


def _same(what: str, wanted: str, name: str, found, study: str) -> None:
    if found.sha256 != wanted:
        raise KlangfarbeError(f"{what} it was trained with ({name}, {wanted[:12]}…)",
                              f"{found.name} ({found.sha256[:12]}…)",
                              f"run notebook {NOTEBOOKS[study][:2]} at this profile")
