"""The bundled emotion classifier of Bridging Paintings and Music: notebook 11's, on three times its
paintings and steps."""

import re
from dataclasses import asdict, replace

import pandas as pd

from lib.core import artefacts, paths, provenance
from lib.data.atelier import TEST_SEED, paint, words
from lib.metrics import calibration
from lib.recipes import bundling
from lib.systems import stored
from lib.systems.bridging import checkpoints, train_classifier
from lib.systems.bridging.config import get_config

# its own paintings of TRAIN_SEED: notebook 11's begin at 200,000, the pairs' at 0
PAINTINGS_FROM, N_PAINTINGS, N_STEPS = 320_000, 6000, 1200
N_TEST = 1000


def make() -> tuple:
    """The classifier: about 3 minutes on one core, resumable."""
    settings = replace(get_config("mini").classifier, n_paintings=N_PAINTINGS, n_steps=N_STEPS,
                       every=200)
    pictures, table = train_classifier.atelier_paintings(settings, start=PAINTINGS_FROM)
    model = train_classifier.build(settings, bundling.SEED)
    curve = train_classifier.train(model, settings, pictures, table,
                                   paths.PROCESSED / "bridging" / "emotion_cnn.safetensors",
                                   bundling.SEED)
    held = table["split"] == "validation"
    temperature = calibration.fit_temperature(train_classifier.logits(model, pictures[held]),
                                              calibration.encode_labels(table["emotion"][held]))
    return {"classifier.json": asdict(settings) | {"temperature": temperature},
            "classifier.safetensors": stored.half(model),
            "curves.csv": bundling.curve_means(curve)}, provenance.content_hash(pictures)


def measure() -> tuple:
    """What it reaches on paintings nothing was trained on, and of each word alone."""
    model, temperature = checkpoints.load_classifier(artefacts.BUNDLED)
    pictures = paint.pictures(TEST_SEED, range(N_TEST), model.side)[0]
    truth = calibration.encode_labels(words.emotion_word(item)
                                      for item in bundling.first_items(TEST_SEED, N_TEST))
    predicted = train_classifier.predict(model, pictures, temperature)
    table = calibration.evaluate(predicted, truth, seed=bundling.SEED)
    rows = [{"word": "all", **row, "measure": re.sub("[- ]", "_", row["measure"]).lower(),
             "null": row["shuffled"]} for row in table.to_dict("records")]
    rows += [{"word": word, "measure": "recall",
              **bundling.share(predicted[truth == k].argmax(1) == k)}
             for k, word in enumerate(calibration.EMOTIONS)]
    columns = ["word", "measure", "value", "low", "high", "null", "majority", "n"]
    return pd.DataFrame(rows)[columns], pictures
