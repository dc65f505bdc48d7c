"""How the bundled emotion classifier of system 1 was made and how often it is right: ``python -m lib miniature emotion_cnn``."""

from lib.miniatures.bundling import SEED, means, share, write

FOLDER = "11_bridging_classifier"  # where lib.artefacts looks when notebook 11 was not run
PAINTINGS_FROM = 320_000  # its own paintings of TRAIN_SEED: notebook 11's begin at 200,000, the pairs' at 0
N_PAINTINGS, N_STEPS = 6000, 1200  # three times notebook 11's
N_TEST = 1000


def config():
    """Notebook 11's mini, on more paintings for more steps."""
    from dataclasses import replace

    from lib.systems.bridging import classifier

    return replace(classifier.PROFILES["mini"], n_paintings=N_PAINTINGS, n_steps=N_STEPS, every=200)


def make() -> None:
    """The classifier: about 3 minutes on one core, resumable."""
    from lib import paths, repro, training
    from lib.systems.bridging import classifier

    training.set_threads()
    settings = config()
    pictures, table = classifier.atelier(settings, start=PAINTINGS_FROM)
    model, key = classifier.build(settings, SEED), repro.content_hash(pictures)
    curve = classifier.train(model, settings, pictures, table, paths.PROCESSED / "bridging" / "emotion_cnn.safetensors", SEED)
    temperature = classifier.fit_temperature(model, pictures, table)
    write(FOLDER, {"classifier.json": classifier.settings(settings, temperature), "classifier.safetensors": classifier.weights(model),
                   "curves.csv": means(curve)}, key)


def measure():
    """What the bundled classifier reaches on paintings that nothing was trained on: (table, hash of the paintings)."""
    import pandas as pd

    from lib import artefacts, repro
    from lib.data.atelier import TEST_SEED, paint, words
    from lib.miniatures.bundling import first_items
    from lib.systems.bridging import calibration, classifier

    model, _, temperature = classifier.load(artefacts.BUNDLED)
    pictures = paint.pictures(TEST_SEED, range(N_TEST), model.side)[0]
    truth = calibration.codes(words.emotion_word(item) for item in first_items(TEST_SEED, N_TEST))
    said = classifier.predict(model, pictures, temperature)
    table = calibration.evaluate(said, truth, seed=SEED).drop(columns=["direction", "seed"])
    table["measure"] = table["measure"].str.replace("[- ]", "_", regex=True).str.lower()
    table = table.rename(columns={"shuffled": "null", "shuffled_high": "null_high"}).drop(columns="shuffled_low")
    by_word = [{"word": word, "measure": "recall", **share(said[truth == k].argmax(1) == k)} for k, word in enumerate(calibration.EMOTIONS)]
    return pd.concat([table.assign(word="all"), pd.DataFrame(by_word)], ignore_index=True)[
        ["word", "measure", "value", "low", "high", "null", "null_high", "majority", "n"]], repro.content_hash(pictures)
