"""How the bundled flow of system 4 was made and how much of a painting is heard in it: ``python -m
lib miniature flow``.

Notebook 42's flow on more triplets and for longer, on the comment alone; measured on paintings
and clips of ``TEST_SEED``, played by the bundled vocoder, heard by the bundled tagger.
"""

from dataclasses import replace

import numpy as np
import pandas as pd

from lib import pretrained
from lib.core import artefacts, provenance
from lib.metrics import affect, embedders, stats
from lib.recipes.bundling import SEED, curve_means, write
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
    write(FOLDER, checkpoints.files("flow", models, config, sees, SETTING)
          | {"curves.csv": curve_means(curve, 100)}, provenance.content_hash(known.vectors[:8]))


def measure():
    """What another ear hears of the paintings in the flow's music and in a matched clip: (table,
    hash of the held-out vectors).
    """
    sees, tagger = pretrained.load("image_text"), pretrained.load("tagger")
    models, config, setting = checkpoints.load(artefacts.BUNDLED, "flow", sees)
    room = evaluate.load_test_set(get_config("mini"), sees, pretrained.load("sentences"),
                                  first=HELD_FROM)
    generator, rows = checkpoints.load_vocoder()[0], []
    truth = room.comments[["valence", "arousal"]].to_numpy()
    given = evaluate.ablated_inputs(room, setting, SEED)
    rows_of = {"flow": "full", "noise for both": "noise"}
    made = {name: train_flow.generate(models, *given[which], config, seed=SEED) for name,
            which in rows_of.items()}
    sounds = {name: train_vocoder.vocode(generator, mel.to_ln(some)) for name,
              some in made.items()} | {"the matched clip": room.reference}
    for name, some in sounds.items():
        heard = embedders.predict_affect(tagger, some, mel.RATE_HZ)
        for at, axis in enumerate(("valence", "arousal")):
            low, high = stats.bootstrap(affect.ccc, truth[:, at], heard[:, at], seed=SEED)
            rows.append({"row": name, "measure": f"ccc_{axis}",
                         "value": affect.ccc(truth[:, at], heard[:, at]), "low": low, "high": high,
                         "n": len(truth)})
    unlike = [np.abs(a - b).mean() for a,
              b in zip(made["flow"], train_flow.generate(models, *given["full"], config,
                                                         seed=SEED + 1), strict=True)]
    true = [np.abs(room.mels[k] - room.mels[k - 1]).mean() for k in range(len(room.mels))]
    low, high = stats.bootstrap(lambda a, b: a.mean() / b.mean(), np.array(unlike), np.array(true),
                                seed=SEED)
    rows.append({"row": "flow", "measure": "two_seeds_apart_of_two_clips",
                 "value": np.mean(unlike) / np.mean(true), "low": low, "high": high,
                 "n": len(unlike)})
    return pd.DataFrame(rows), provenance.content_hash(room.vectors)
