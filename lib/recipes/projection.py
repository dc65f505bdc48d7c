"""The bundled projection of the mapping thesis: ``python -m lib miniature projection``.

Study II at notebook 23's mini settings, on the same pairs, led by the bundled classifier's words.
Measured on the test pairs, of which no picture and no sound is linked to another split.
"""

import pandas as pd

from lib import pretrained
from lib.core import artefacts, paths, provenance
from lib.recipes import bundling
from lib.recipes.bundling import SEED
from lib.systems.bridging import train_classifier
from lib.systems.bridging.checkpoints import load_classifier
from lib.systems.mapping import checkpoints, data, evaluate, train_projection
from lib.systems.mapping.config import get_config

FOLDER = "23_mapping_study_two"  # where lib.core.artefacts looks when notebook 23 was not run


def pairs() -> tuple:
    """What the projection is trained on: (material, targets float32 [N, 1, D], generator, clip)."""
    generator, clip = pretrained.load("musicgen"), pretrained.load("image_text")
    network, temperature = load_classifier(artefacts.BUNDLED)

    def words(pictures):
        return [train_classifier.EMOTIONS[k]
                for k in train_classifier.predict(network, pictures, temperature).argmax(1)]

    material = data.prepare_atelier(get_config("mini").data, generator, clip, words, seed=SEED)
    texts = data.write_texts(material, "enriched", pretrained.load("captioner"),
                             pretrained.load("describer"))
    return material, data.text_targets(texts, generator), generator, clip


def make() -> None:
    """The projection: about two minutes on one core, one of them for the pairs; resumable."""
    material, wanted, generator, clip = pairs()
    config = get_config("mini").study_two
    models = train_projection.build(config, generator, clip.width, SEED)
    curve = train_projection.train(models, material, wanted, config,
                                   paths.PROCESSED / "mapping" / "projection.safetensors",
                                   seed=SEED)
    bundling.write(FOLDER, {
        "study_two.json": checkpoints.settings(models, config, clip.width, clip),
        "study_two.safetensors": checkpoints.weights(models),
        "curves.csv": pd.DataFrame(curve)}, provenance.content_hash(wanted))


def measure() -> tuple[pd.DataFrame, str]:
    """What the bundled projection reaches on the test pairs: (table, hash of the targets)."""
    material, wanted, generator, clip = pairs()
    models, _ = checkpoints.load(artefacts.BUNDLED, "two", generator, clip)
    vectors = material.vectors[:, 0]
    rows = {"Study II": train_projection.predict(models, vectors),
            "ridge": evaluate.ridge_baseline(material.table, vectors, wanted)}
    return (evaluate.score_table(material.table, rows, wanted, seed=SEED),
            provenance.content_hash(wanted))
