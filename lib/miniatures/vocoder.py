"""How the bundled vocoder of system 4 was made and how well it plays a true mel: ``python -m lib miniature vocoder``.

HiFi-GAN's critics and losses over the small generator, on atelier pieces; measured on pieces of ``TEST_SEED`` that nothing trains on.
"""

from lib.miniatures.bundling import SEED, mean, means, write

FOLDER = "43_art2music_vocoder"  # where lib.artefacts looks when notebook 43 was not run
N_TRAIN, TRAIN_FROM, SECONDS = 800, 20_000, 5.0
N_HELD, HELD_FROM = 48, 860_000


def make() -> None:
    """The vocoder: about 35 minutes on one core; resumable."""
    import numpy as np

    from lib import paths, repro, training
    from lib.data.atelier import TRAIN_SEED, render
    from lib.systems.art2music import vocoder

    training.set_threads()
    sounds = render.sounds(TRAIN_SEED, range(TRAIN_FROM, TRAIN_FROM + N_TRAIN), SECONDS)[0].astype(np.float16)
    models = vocoder.build(vocoder.MINIATURE, SEED)
    curve = vocoder.train(models, sounds, vocoder.MINIATURE, paths.PROCESSED / "art2music" / "vocoder.safetensors", seed=SEED)
    write(FOLDER, {"generator.json": vocoder.settings(vocoder.MINIATURE), "generator.safetensors": vocoder.weights(models),
                   "curves.csv": means(curve, 100)}, repro.content_hash(sounds[:8]))


def measure():
    """What the bundled vocoder, an untrained one and Griffin–Lim make of true mels: (table, hash of the held-out sounds)."""
    import pandas as pd
    import torch

    from lib import repro
    from lib.data.atelier import TEST_SEED, render
    from lib.models import hifigan
    from lib.systems.art2music import mel, roundtrip, vocoder

    sounds = render.sounds(TEST_SEED, range(HELD_FROM, HELD_FROM + N_HELD), SECONDS)[0]
    generator, config = vocoder.load()
    torch.manual_seed(SEED)
    untrained = hifigan.generator(hifigan.SIZES[config.size])
    given = mel.ln_mel(sounds).numpy()                                        # [N, M, T]
    made = {"vocoder": vocoder.vocode(generator, given), "untrained": vocoder.vocode(untrained, given),
            "Griffin–Lim": roundtrip.griffin_lim(given)}
    rows = [{"row": name, "measure": measure, **mean(values)} for name, some in made.items()
            for measure, values in roundtrip.distances(sounds, some).items()]
    return pd.DataFrame(rows), repro.content_hash(sounds)
