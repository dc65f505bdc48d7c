"""The bundled vocoder of Art2Music: ``python -m lib miniature vocoder``.

HiFi-GAN's critics and losses over the small generator, on atelier pieces; measured on pieces of
``TEST_SEED`` that nothing trains on.
"""

import numpy as np
import pandas as pd
import torch

from lib.core import paths, provenance
from lib.data.atelier import TEST_SEED, TRAIN_SEED, render
from lib.models import hifigan
from lib.recipes import bundling
from lib.recipes.bundling import SEED
from lib.systems.art2music import checkpoints, evaluate, mel, train_vocoder
from lib.systems.art2music.config import MINIATURE_VOCODER

FOLDER = "43_art2music_vocoder"  # where lib.core.artefacts looks when notebook 43 was not run
N_TRAIN, TRAIN_FROM, SECONDS = 800, 20_000, 5.0
N_HELD, HELD_FROM = 48, 860_000


def make() -> None:
    """The vocoder: about 35 minutes on one core; resumable."""
    sounds = render.sounds(TRAIN_SEED, range(TRAIN_FROM, TRAIN_FROM + N_TRAIN),
                           SECONDS)[0].astype(np.float16)
    models = train_vocoder.build(MINIATURE_VOCODER, SEED)
    curve = train_vocoder.train(models, sounds, MINIATURE_VOCODER,
                                paths.PROCESSED / "art2music" / "vocoder.safetensors", seed=SEED)
    bundling.write(FOLDER, checkpoints.vocoder_files(models.generator, MINIATURE_VOCODER)
                   | {"curves.csv": bundling.curve_means(curve, 100)},
                   provenance.content_hash(sounds[:8]))


def measure() -> tuple[pd.DataFrame, str]:
    """What the bundled vocoder, an untrained one and Griffin–Lim make of true mels: (table, hash of
    the held-out sounds).
    """
    sounds = render.sounds(TEST_SEED, range(HELD_FROM, HELD_FROM + N_HELD), SECONDS)[0]
    generator, config = checkpoints.load_vocoder()
    torch.manual_seed(SEED)
    untrained, given = hifigan.SIZES[config.size](), mel.ln_mel(sounds).numpy()
    made = {"vocoder": train_vocoder.vocode(generator, given),
            "untrained": train_vocoder.vocode(untrained, given),
            "Griffin–Lim": evaluate.griffin_lim(given)}
    rows = [{"row": name, "measure": measure, **bundling.mean(values)}
            for name, some in made.items()
            for measure, values in evaluate.round_trip_errors(sounds, some).items()]
    return pd.DataFrame(rows), provenance.content_hash(sounds)
