"""The bundled networks of Art2Music: HiFi-GAN over the small generator, and notebook 42's flow on
more triplets, on the comment alone, played by the bundled vocoder and heard by the bundled tagger.
"""

from dataclasses import replace

import numpy as np
import torch

from lib import pretrained
from lib.core import artefacts, paths, provenance
from lib.data.atelier import TEST_SEED, TRAIN_SEED, render
from lib.metrics import affect, embedders
from lib.models import hifigan
from lib.recipes import bundling
from lib.recipes.bundling import SEED
from lib.systems.art2music import checkpoints, data, evaluate, mel, train_flow, train_vocoder
from lib.systems.art2music.config import MINIATURE_VOCODER, get_config

N_TRAIN, TRAIN_FROM, SECONDS = 800, 20_000, 5.0
N_HELD, PIECES_FROM, TRIPLETS_FROM = 48, 860_000, 880_000
SETTING = "comment_only"
N_STEPS, N_PAINTINGS, N_CLIPS = 2_500, 800, 600


def make_vocoder() -> tuple:
    """The vocoder: about 35 minutes on one core; resumable."""
    sounds = render.sounds(TRAIN_SEED, range(TRAIN_FROM, TRAIN_FROM + N_TRAIN),
                           SECONDS)[0].astype(np.float16)
    models = train_vocoder.build(MINIATURE_VOCODER, SEED)
    curve = train_vocoder.train(models, sounds, MINIATURE_VOCODER,
                                paths.PROCESSED / "art2music" / "vocoder.safetensors", seed=SEED)
    return (checkpoints.vocoder_files(models.generator, MINIATURE_VOCODER)
            | {"curves.csv": bundling.curve_means(curve, 100)}), provenance.content_hash(sounds[:8])


def measure_vocoder() -> tuple:
    """What the bundled vocoder, an untrained one and Griffin–Lim make of true mels."""
    sounds = render.sounds(TEST_SEED, range(PIECES_FROM, PIECES_FROM + N_HELD), SECONDS)[0]
    generator, config = checkpoints.load_vocoder()
    torch.manual_seed(SEED)
    untrained, given = hifigan.SIZES[config.size](), mel.ln_mel(sounds).numpy()
    made = {"vocoder": train_vocoder.vocode(generator, given),
            "untrained": train_vocoder.vocode(untrained, given),
            "Griffin–Lim": evaluate.griffin_lim(given)}
    return [{"row": name, "measure": measure, **bundling.estimate(np.mean, values)}
            for name, some in made.items()
            for measure, values in evaluate.round_trip_errors(sounds, some).items()], sounds


def make_flow() -> tuple:
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
    return (checkpoints.files("flow", models, config, sees, SETTING)
            | {"curves.csv": bundling.curve_means(curve, 100)},
            provenance.content_hash(known.vectors[:8]))


def measure_flow() -> tuple:
    """What the tagger hears of the paintings in the flow's music and in a matched clip."""
    sees, tagger = pretrained.load("image_text"), pretrained.load("tagger")
    models, config, setting = checkpoints.load(artefacts.BUNDLED, "flow", sees)
    test = evaluate.load_test_set(get_config("mini"), sees, pretrained.load("sentences"),
                                  first=TRIPLETS_FROM)
    generator, given = checkpoints.load_vocoder()[0], evaluate.ablated_inputs(test, setting, SEED)
    made = {name: train_flow.generate(models, *given[which], config=config, seed=SEED)
            for name, which in (("flow", "full"), ("noise for both", "noise"))}
    again = train_flow.generate(models, *given["full"], config=config, seed=SEED + 1)
    sounds = {name: train_vocoder.vocode(generator, mel.to_ln(mels))
              for name, mels in made.items()} | {"the matched clip": test.reference}
    truth, rows = test.comments[["valence", "arousal"]].to_numpy(), []
    for name, clips in sounds.items():
        heard = embedders.predict_affect(tagger, list(clips), mel.RATE_HZ)
        rows += [{"row": name, "measure": f"ccc_{axis}",
                  **bundling.estimate(affect.ccc, truth[:, at], heard[:, at])}
                 for at, axis in enumerate(("valence", "arousal"))]
    pairs = ((made["flow"], again), (test.mels, np.roll(test.mels, 1, axis=0)))
    apart = [np.array([np.abs(a - b).mean() for a, b in zip(*pair, strict=True)]) for pair in pairs]
    rows.append({"row": "flow", "measure": "two_seeds_apart_of_two_clips",
                 **bundling.estimate(lambda a, b: a.mean() / b.mean(), *apart)})
    return rows, test.vectors
