"""How the bundled flow of system 4 was made and how much of a painting is heard in it: ``python -m lib miniature flow``.

Notebook 42's flow on more triplets and for longer, told the comment alone; measured on paintings and clips of ``TEST_SEED``, played by the
bundled vocoder, heard by the bundled tagger.
"""

from lib.miniatures.bundling import SEED, means, write

FOLDER = "42_art2music_decoder"  # where lib.artefacts looks when notebook 42 was not run
SETTING = "comment_only"
N_STEPS, N_PAINTINGS, N_CLIPS = 2_500, 800, 600
HELD_FROM = 880_000


def make() -> None:
    """The flow: about three minutes on one core."""
    from lib import foundations, repro, training
    from lib.systems.art2music import articaps, flow, stage_one, supply

    training.set_threads()
    sees, matcher = foundations.load("image_text"), foundations.load("sentences")
    known = supply.atelier(articaps.of("mini", n_paintings=N_PAINTINGS, n_clips=N_CLIPS), sees, matcher, seed=SEED)
    config = flow.of("mini", n_steps=N_STEPS, decay=0.998)
    models, rows = flow.build(config, sees.width, SEED), (known.pairs["split"] == "train").to_numpy().nonzero()[0]
    flow.fit_basis(models, known.mels[known.pairs["clip_row"].to_numpy()[rows]][::4])
    models, curve = flow.train(models, known.vectors, known.texts[SETTING], known.mels_of, rows, config, seed=SEED)
    write(FOLDER, {"flow.json": stage_one.settings("flow", config, sees, SETTING), "flow.safetensors": stage_one.weights(models),
                   "curves.csv": means(curve, 100)}, repro.content_hash(known.vectors[:8]))


def measure():
    """What another ear hears of the paintings in the flow's music and in a matched clip: (table, hash of the held-out vectors)."""
    import numpy as np
    import pandas as pd

    from lib import artefacts, foundations, repro
    from lib.metrics import affect, stats
    from lib.systems.art2music import exam, flow, mel, stage_one, vocoder
    from lib.systems.mapping.exam import heard_affect

    sees, tagger = foundations.load("image_text"), foundations.load("tagger")
    models, config, setting = stage_one.load(artefacts.BUNDLED, "flow", sees)
    room = exam.material(exam.PROFILES["mini"], sees, foundations.load("sentences"), first=HELD_FROM)
    generator, truth, rows = vocoder.load()[0], room.comments[["valence", "arousal"]].to_numpy(), []
    given = exam.inputs(room, setting, SEED)
    rows_of = {"flow": "full", "noise for both": "noise"}
    made = {name: flow.generate(models, *given[which], config, seed=SEED) for name, which in rows_of.items()}
    sounds = {name: vocoder.vocode(generator, mel.to_ln(some)) for name, some in made.items()} | {"the matched clip": room.reference}
    for name, some in sounds.items():
        heard = heard_affect(tagger, some, mel.RATE_HZ)
        for at, axis in enumerate(("valence", "arousal")):
            low, high = stats.bootstrap(affect.ccc, truth[:, at], heard[:, at], seed=SEED)
            rows.append({"row": name, "measure": f"ccc_{axis}", "value": affect.ccc(truth[:, at], heard[:, at]), "low": low, "high": high,
                         "n": len(truth)})
    unlike = [np.abs(a - b).mean() for a, b in zip(made["flow"], flow.generate(models, *given["full"], config, seed=SEED + 1), strict=True)]
    true = [np.abs(room.mels[k] - room.mels[k - 1]).mean() for k in range(len(room.mels))]
    low, high = stats.bootstrap(lambda a, b: a.mean() / b.mean(), np.array(unlike), np.array(true), seed=SEED)
    rows.append({"row": "flow", "measure": "two_seeds_apart_of_two_clips", "value": np.mean(unlike) / np.mean(true), "low": low,
                 "high": high, "n": len(unlike)})
    return pd.DataFrame(rows), repro.content_hash(room.vectors)
