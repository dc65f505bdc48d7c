"""How the bundled emotion classifier of system 1 was made and how often it is right: ``python -m
lib miniature emotion_cnn``.
"""

from dataclasses import replace

import pandas as pd

from lib.core import artefacts, paths, provenance
from lib.data.atelier import TEST_SEED, paint, words
from lib.metrics import calibration
from lib.recipes.bundling import SEED, curve_means, first_items, share, write
from lib.systems.bridging import checkpoints, train_classifier
from lib.systems.bridging.config import get_config

FOLDER = "11_bridging_classifier"  # where lib.core.artefacts looks when notebook 11 was not run
# its own paintings of TRAIN_SEED: notebook 11's begin at 200,000, the pairs' at 0
PAINTINGS_FROM = 320_000
N_PAINTINGS, N_STEPS = 6000, 1200  # three times notebook 11's
N_TEST = 1000


def config():
    """Notebook 11's mini, on more paintings for more steps."""
    return replace(get_config("mini").classifier, n_paintings=N_PAINTINGS, n_steps=N_STEPS,
                   every=200)


def make() -> None:
    """The classifier: about 3 minutes on one core, resumable."""
    settings = config()
    pictures, table = train_classifier.atelier_paintings(settings, start=PAINTINGS_FROM)
    model, key = train_classifier.build(settings, SEED), provenance.content_hash(pictures)
    curve = train_classifier.train(model, settings, pictures, table,
                                   paths.PROCESSED / "bridging" / "emotion_cnn.safetensors", SEED)
    temperature = train_classifier.fit_temperature(model, pictures, table)
    write(FOLDER, {"classifier.json": checkpoints.classifier_settings(settings, temperature),
                   "classifier.safetensors": checkpoints.classifier_weights(model),
                   "curves.csv": curve_means(curve)}, key)


def measure():
    """What the bundled classifier reaches on paintings that nothing was trained on: (table, hash of
    the paintings).
    """
    model, temperature = checkpoints.load_classifier(artefacts.BUNDLED)
    pictures = paint.pictures(TEST_SEED, range(N_TEST), model.side)[0]
    truth = calibration.encode_labels(words.emotion_word(item)
                                      for item in first_items(TEST_SEED, N_TEST))
    said = train_classifier.predict(model, pictures, temperature)
    table = calibration.evaluate(said, truth, seed=SEED).drop(columns=["direction", "seed"])
    table["measure"] = table["measure"].str.replace("[- ]", "_", regex=True).str.lower()
    table = table.rename(columns={"shuffled": "null",
                                  "shuffled_high": "null_high"}).drop(columns="shuffled_low")
    by_word = [{"word": word, "measure": "recall", **share(said[truth == k].argmax(1) == k)} for k,
               word in enumerate(calibration.EMOTIONS)]
    return pd.concat([table.assign(word="all"), pd.DataFrame(by_word)],
                     ignore_index=True)[["word", "measure", "value", "low", "high", "null",
                                         "null_high", "majority",
                                         "n"]], provenance.content_hash(pictures)
