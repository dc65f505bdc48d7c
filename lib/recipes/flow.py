"""The bundled flow of Art2Music: ``python -m lib miniature flow``.

Notebook 42's flow on more triplets and for longer, on the comment alone; measured on paintings
and clips of ``TEST_SEED``, played by the bundled vocoder, heard by the bundled tagger.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from lib import pretrained
from lib.core import artefacts, provenance
from lib.metrics import affect, embedders
from lib.recipes import bundling
from lib.recipes.bundling import SEED
from lib.systems.art2music import checkpoints, data, evaluate, mel, train_flow, train_vocoder
from lib.systems.art2music.config import get_config

FOLDER = "42_art2music_decoder"  # where lib.core.artefacts looks when notebook 42 was not run
SETTING = "comment_only"
N_STEPS, N_PAINTINGS, N_CLIPS = 2_500, 800, 600
HELD_FROM = 880_000


def make() -> None:
    """The flow: about three minutes on one core."""
    sees, matcher = pretrained.load("image_text"), pretrained.load("sentences")
    sizes = replace(get_config("mini").data, n_paintings=N_PAINTINGS, n_clips=N_CLIPS)
    known = data.load_atelier(sizes, sees, matcher, seed=SEED)
    config = replace(get_config("mini").flow, n_steps=N_STEPS, decay=0.998)
    models = train_flow.build(config, sees.width, SEED)
    rows = (known.pairs["split"] == "train").to_numpy().nonzero()[0]
    train_flow.fit_basis(models, known.mels[known.pairs["clip_row"].to_numpy()[rows]][::4])
    models, curve = train_flow.train(models, known.vectors, known.texts[SETTING], known.mels_of,
                                     rows, config, seed=SEED)
    bundling.write(FOLDER, checkpoints.files("flow", models, config, sees, SETTING)
                   | {"curves.csv": bundling.curve_means(curve, 100)},
                   provenance.content_hash(known.vectors[:8]))


def measure() -> tuple[pd.DataFrame, str]:
    """What the tagger hears of the paintings in the flow's music and in a matched clip: (table,
    hash of the held-out vectors).
    """
    sees, tagger = pretrained.load("image_text"), pretrained.load("tagger")
    models, config, setting = checkpoints.load(artefacts.BUNDLED, "flow", sees)
    test = evaluate.load_test_set(get_config("mini"), sees, pretrained.load("sentences"),
                                  first=HELD_FROM)
    generator, given = checkpoints.load_vocoder()[0], evaluate.ablated_inputs(test, setting, SEED)
    made = {name: train_flow.generate(models, *given[which], config, seed=SEED)
            for name, which in (("flow", "full"), ("noise for both", "noise"))}
    again = train_flow.generate(models, *given["full"], config, seed=SEED + 1)
    sounds = {name: train_vocoder.vocode(generator, mel.to_ln(mels))
              for name, mels in made.items()} | {"the matched clip": test.reference}
    truth, rows = test.comments[["valence", "arousal"]].to_numpy(), []
    for name, clips in sounds.items():
        heard = embedders.predict_affect(tagger, clips, mel.RATE_HZ)
        rows += [{"row": name, "measure": f"ccc_{axis}",
                  **bundling.estimate(affect.ccc, truth[:, at], heard[:, at])}
                 for at, axis in enumerate(("valence", "arousal"))]
    pairs = ((made["flow"], again), (test.mels, np.roll(test.mels, 1, axis=0)))
    apart = [np.array([np.abs(a - b).mean() for a, b in zip(*pair, strict=True)]) for pair in pairs]
    rows.append({"row": "flow", "measure": "two_seeds_apart_of_two_clips",
                 **bundling.estimate(lambda a, b: a.mean() / b.mean(), *apart)})
    return pd.DataFrame(rows), provenance.content_hash(test.vectors)
