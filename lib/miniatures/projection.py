"""How the bundled projection of system 2 was made and what it reaches: ``python -m lib miniature projection``.

Study II at notebook 23's mini settings, on the same pairs with the same split, led by the bundled classifier's words; with results of
notebooks 11 and 21 at hand, 23 trains its own. Measured on the test pairs, of which no picture and no sound is linked to another split.
"""

from lib.miniatures.bundling import SEED, write

FOLDER = "23_mapping_study_two"  # where lib.artefacts looks when notebook 23 was not run


def pairs() -> tuple:
    """What the projection is trained on: (material, targets float32 [N, 1, D], generator, clip)."""
    from lib import artefacts, foundations
    from lib.systems.bridging import classifier
    from lib.systems.mapping import aimus, targets

    generator, clip = foundations.load("musicgen"), foundations.load("image_text")
    network, _, temperature = classifier.load(artefacts.BUNDLED)

    def words(pictures):
        return [classifier.EMOTIONS[k] for k in classifier.predict(network, pictures, temperature).argmax(1)]

    material = targets.atelier(aimus.PROFILES["mini"], generator, clip, words, seed=SEED)
    said = targets.texts(material, "enriched", foundations.load("captioner"), foundations.load("describer"))
    return material, targets.text_targets(said, generator), generator, clip


def make() -> None:
    """The projection: about two minutes on one core, one of them for the pairs; resumable."""
    import pandas as pd

    from lib import paths, repro, training
    from lib.systems.mapping import projections, studies

    training.set_threads()
    material, wanted, generator, clip = pairs()
    config = studies.of("two", "mini")
    models = studies.build(config, generator, clip.width, SEED)
    curve = studies.train(models, material, wanted, config, paths.PROCESSED / "mapping" / "projection.safetensors", seed=SEED)
    said = projections.settings(models, config, clip.width, clip)
    write(FOLDER, {"study_two.json": said, "study_two.safetensors": projections.weights(models), "curves.csv": pd.DataFrame(curve)},
          repro.content_hash(wanted))


def measure():
    """What the bundled projection reaches on the test pairs: (table, hash of the targets)."""
    from lib import artefacts, repro
    from lib.systems.mapping import alignment, projections, studies

    material, wanted, generator, clip = pairs()
    models, _ = projections.load(artefacts.BUNDLED, "two", generator, clip)
    vectors = material.vectors[:, 0]
    rows = {"Study II": studies.predict(models, vectors), "ridge": alignment.ridge(material.table, vectors, wanted)}
    return alignment.scores(material.table, rows, wanted, seed=SEED), repro.content_hash(wanted)
