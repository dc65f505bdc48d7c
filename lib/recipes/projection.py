"""The bundled projection of the mapping thesis: Study II at notebook 23's mini settings and pairs,
led by the bundled classifier's words."""

import pandas as pd

from lib import pretrained
from lib.core import artefacts, paths, provenance
from lib.recipes.bundling import SEED
from lib.systems.bridging import train_classifier
from lib.systems.bridging.checkpoints import load_classifier
from lib.systems.mapping import checkpoints, data, evaluate, train_projection
from lib.systems.mapping.config import get_config


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


def make() -> tuple:
    """The projection: about two minutes on one core, one of them for the pairs; resumable."""
    material, wanted, generator, clip = pairs()
    config = get_config("mini").study_two
    models = train_projection.build(config, generator, clip.width, SEED)
    curve = train_projection.train(models, material, wanted, config, paths.PROCESSED / "mapping"
                                   / "projection.safetensors", seed=SEED)
    return (checkpoints.files(models, config, clip) | {"curves.csv": pd.DataFrame(curve)},
            provenance.content_hash(wanted))


def measure() -> tuple:
    """What the bundled projection reaches on the test pairs, and a ridge regression."""
    material, wanted, generator, clip = pairs()
    models, _ = checkpoints.load(artefacts.BUNDLED, "two", generator, clip)
    vectors = material.vectors[:, 0]
    rows = {"Study II": train_projection.predict(models, vectors),
            "ridge": evaluate.ridge_baseline(material.table, vectors, wanted)}
    return evaluate.score_table(material.table, rows, wanted, seed=SEED), wanted
