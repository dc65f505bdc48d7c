"""The bundled networks of the four systems, trained by the systems' own code, mostly on more than
their notebooks have; nothing here is trained on items of TEST_SEED, and only the picture regressor
on pictures of JUDGE_SEED.  Notebook: 11, 23, 31, 33, 42, 43."""

import re
from dataclasses import asdict, replace

import numpy as np
import pandas as pd
import torch
from scipy.spatial.distance import cdist

from lib import pretrained
from lib.core import artefacts, paths, provenance
from lib.data.atelier import JUDGE_SEED, TEST_SEED, TRAIN_SEED, paint, render, words
from lib.metrics import affect, calibration, distances, diversity, embedders, picture_regressor
from lib.models import hifigan
from lib.recipes import bundling
from lib.recipes.bundling import SEED
from lib.signal import images
from lib.systems import art2music, bridging, mapping, music2image, stored
from lib.systems.art2music import train_flow, train_vocoder
from lib.systems.bridging import train_classifier
from lib.systems.mapping import train_projection
from lib.systems.music2image import train_diffusion, train_forest

# its own paintings of TRAIN_SEED: notebook 11's begin at 200,000, the pairs' at 0
PAINTINGS_FROM, N_TEST_PAINTINGS = 320_000, 1000
VOCODER_PIECES, SECONDS = range(20_000, 20_800), 5.0
TEST_PIECES, TRIPLETS_FROM = range(860_000, 860_048), 880_000
SETTING = "comment_only"  # of notebook 42's flow
# More pieces than `mini`, fewer and shallower trees than published, for the file's size.
FOREST = music2image.config.ForestConfig(n_trees=100, max_depth=12, min_leaf=12, max_features=0.35,
                                         gain_db=4.0, n_pieces=1500, excerpts=2, piece_seconds=15.0)
# p_null = 1 shows every picture with the null alone: this network never sees a label.
DIFFUSION = replace(music2image.config.get_config("mini").diffusion, n_pictures=6_000)
NEUTRAL = replace(DIFFUSION, start="scratch", p_null=1.0, batch_size=32, n_steps=8_000,
                  learning_rate=1e-3, warm_up=100, ema_decay=0.999)
# Notebook 33's fine-tuning of the neutral network, for longer.
TUNED = replace(DIFFUSION, n_steps=1_200, ema_decay=0.995)


def make_emotion_cnn() -> tuple:
    """The classifier: about 3 minutes on one core, resumable."""
    settings = replace(bridging.config.get_config("mini").classifier, n_paintings=6000,
                       n_steps=1200, every=200)
    pictures, table = train_classifier.atelier_paintings(settings, start=PAINTINGS_FROM)
    model = train_classifier.build(settings, SEED)
    path = paths.PROCESSED / "bridging" / "emotion_cnn.safetensors"
    curve = train_classifier.train(model, settings, pictures, table, path, SEED)
    held = table["split"] == "validation"
    temperature = calibration.fit_temperature(train_classifier.logits(model, pictures[held]),
                                              calibration.encode_labels(table["emotion"][held]))
    return {"classifier.json": asdict(settings) | {"temperature": temperature},
            "classifier.safetensors": stored.half(model),
            "curves.csv": bundling.curve_means(curve)}, provenance.content_hash(pictures)


def measure_emotion_cnn() -> tuple:
    """What it reaches on paintings nothing was trained on, and of each word alone."""
    model, temperature = bridging.checkpoints.load_classifier(artefacts.BUNDLED)
    pictures = paint.pictures(TEST_SEED, range(N_TEST_PAINTINGS), model.side)[0]
    truth = calibration.encode_labels(words.emotion_word(item)
                                      for item in bundling.first_items(TEST_SEED, N_TEST_PAINTINGS))
    predicted = train_classifier.predict(model, pictures, temperature)
    table, said = calibration.evaluate(predicted, truth, seed=SEED), predicted.argmax(1)
    rows = [{"word": "all", **row, "measure": re.sub("[- ]", "_", row["measure"]).lower(),
             "null": row["shuffled"]} for row in table.to_dict("records")]
    rows += [{"word": word, "measure": "recall", **bundling.share(said[truth == k] == k)}
             for k, word in enumerate(calibration.EMOTIONS)]
    columns = ["word", "measure", "value", "low", "high", "null", "majority", "n"]
    return pd.DataFrame(rows)[columns], pictures


def pairs() -> tuple:
    """What the projection is trained on: (material, targets float32 [N, 1, D], generator, clip)."""
    generator, clip = pretrained.load("musicgen"), pretrained.load("image_text")
    network, temperature = bridging.checkpoints.load_classifier(artefacts.BUNDLED)
    def words_of(pictures):
        return [train_classifier.EMOTIONS[k]
                for k in train_classifier.predict(network, pictures, temperature).argmax(1)]
    config = mapping.config.get_config("mini").data
    material = mapping.data.prepare(mapping.data.open_atelier(config, seed=SEED), config, generator,
                                    clip, words_of, seed=SEED)
    texts = mapping.data.write_texts(material, "enriched", pretrained.load("captioner"),
                                     pretrained.load("describer"))
    return material, mapping.data.text_targets(texts, generator), generator, clip


def make_projection() -> tuple:
    """The projection: about two minutes on one core, one of them for the pairs; resumable."""
    material, wanted, generator, clip = pairs()
    config = mapping.config.get_config("mini").study_two
    models = train_projection.build(config, generator, clip.width, SEED)
    path = paths.PROCESSED / "mapping" / "projection.safetensors"
    curve = train_projection.train(models, material, wanted, config, path, seed=SEED)
    return (mapping.checkpoints.files(models, config, clip) | {"curves.csv": pd.DataFrame(curve)},
            provenance.content_hash(wanted))


def measure_projection() -> tuple:
    """What the bundled projection reaches on the test pairs, and a ridge regression."""
    material, wanted, generator, clip = pairs()
    models, _ = mapping.checkpoints.load(artefacts.BUNDLED, "two", generator, clip)
    vectors = material.vectors[:, 0]
    rows = {"Study II": train_projection.predict(models, vectors),
            "ridge": mapping.evaluate.ridge_baseline(material.table, vectors, wanted)}
    return mapping.evaluate.score_table(material.table, rows, wanted, seed=SEED), wanted


def make_picture_judge() -> tuple:
    """The picture regressor: kernel ridge over colour and texture of 1,000 atelier pictures."""
    pictures, truth = paint.pictures(JUDGE_SEED, range(1000), size=32)
    fitted = picture_regressor.PictureRegressor().fit(pictures, truth)
    fresh, fresh_truth = paint.pictures(TEST_SEED, range(400), size=32)
    scores = affect.agreement(fresh_truth, fitted.predict(fresh))
    return {"picture_judge.skops": fitted.estimator,
            "picture_judge.csv": scores}, provenance.content_hash(pictures)


def make_forest() -> tuple:
    """The forest, and its scores on new pieces (about five minutes)."""
    learned = music2image.data.atelier_table(FOREST, TRAIN_SEED)
    model = train_forest.fit(learned.features, learned.va, FOREST)
    fresh = music2image.data.atelier_table(replace(FOREST, n_pieces=300, excerpts=1), TEST_SEED)
    scores = affect.agreement(fresh.truth, train_forest.predict(model, fresh.features),
                              fresh.groups)
    return {"forest.skops": model, "scores.csv": scores}, provenance.content_hash(
        learned.features, learned.va)


def make_unet() -> tuple:
    """The neutral and the emotional diffusion model (about 50 minutes on one core, resumable)."""
    pictures, affects = paint.pictures(TRAIN_SEED, range(NEUTRAL.n_pictures), NEUTRAL.size)
    files, rows = {}, []
    for name, config in (("unet_neutral", NEUTRAL), ("unet", TUNED)):
        path = paths.PROCESSED / train_diffusion.NOTEBOOK / f"{name}.safetensors"
        models, curve = train_diffusion.train(config, pictures, affects, SEED, path)
        files |= {f"{name}.json": asdict(config),
                  f"{name}.safetensors": stored.half(models.sampling_network)}
        # the second starts from the first
        artefacts.write(paths.MINIATURES / train_diffusion.NOTEBOOK / f"{name}.safetensors",
                        files[f"{name}.safetensors"])
        rows += [{"network": name, "step": at + 100, "loss": sum(curve[at : at + 100]) / 100}
                 for at in range(0, len(curve) - 99, 100)]
    return {**files, "curves.csv": pd.DataFrame(rows)}, provenance.content_hash(pictures)


def measure_unet() -> tuple:
    """What it paints for 60 wishes, four pictures each, by the judge of pictures and by a packaged
    network's features, beside real paintings, whole and as sharp as 32² pixels can be."""
    models, config = train_diffusion.load(artefacts.BUNDLED)
    wished = np.random.default_rng(SEED).uniform(-1, 1, (60, 2)).repeat(4, axis=0)
    real, fresh = (music2image.data.real_pictures(config, wished, first) for first in (0, 240))
    learned = paint.pictures(TRAIN_SEED, range(2000), config.size)[0]
    blurred = np.stack([images.square(images.square(one, 32), config.size) for one in real])
    made = {"painted": train_diffusion.generate(models, wished, config, SEED), "real": real,
            "real, of 32²": blurred}
    judge, sees = music2image.data.judge(config), pretrained.load(
        "picture_features", pretrained.PACKAGE, device="cpu")
    def features(pictures) -> np.ndarray:
        return sees.embed_pictures(list(pictures))[:, : sees.n_pooled]
    known, others = features(learned), features(fresh)
    def nearest(vectors) -> np.ndarray:  # distance to the nearest painting learned from
        return cdist(vectors, known).min(1)
    rows = []
    for name, pictures in made.items():
        read, vectors = judge.predict(pictures), features(pictures)
        rows += [{"row": name, "measure": f"ccc_{axis}",
                  **bundling.estimate(affect.ccc, wished[:, at], read[:, at])}
                 for at, axis in enumerate(("valence", "arousal"))]
        apart = [diversity.pairwise_distance(four) for four in vectors.reshape(60, 4, -1)]
        values = {"kid": distances.kid(others, vectors), "variety": np.mean(apart),
                  "nearest_of_fresh": np.median(nearest(vectors)) / np.median(nearest(others))}
        rows += [{"row": name, "measure": measure, "value": value, "n": len(wished)}
                 for measure, value in values.items()]
    return rows, real


def make_vocoder() -> tuple:
    """The vocoder: about 35 minutes on one core; resumable."""
    sounds = render.sounds(TRAIN_SEED, VOCODER_PIECES, SECONDS)[0].astype(np.float16)
    config = art2music.config.MINIATURE_VOCODER
    models = train_vocoder.build(config, SEED)
    path = paths.PROCESSED / "art2music" / "vocoder.safetensors"
    curve = train_vocoder.train(models, sounds, config, path, seed=SEED)
    return (art2music.checkpoints.vocoder_files(models.generator, config)
            | {"curves.csv": bundling.curve_means(curve, 100)}), provenance.content_hash(sounds[:8])


def measure_vocoder() -> tuple:
    """What the bundled vocoder, an untrained one and Griffin–Lim make of true mels."""
    sounds = render.sounds(TEST_SEED, TEST_PIECES, SECONDS)[0]
    generator, config = art2music.checkpoints.load_vocoder()
    torch.manual_seed(SEED)
    untrained, given = hifigan.SIZES[config.size](), art2music.mel.ln_mel(sounds).numpy()
    made = {"vocoder": train_vocoder.vocode(generator, given),
            "untrained": train_vocoder.vocode(untrained, given),
            "Griffin–Lim": art2music.evaluate.griffin_lim(given)}
    errors = {name: art2music.evaluate.round_trip_errors(sounds, some)
              for name, some in made.items()}
    return [{"row": name, "measure": measure, **bundling.estimate(np.mean, values)}
            for name, each in errors.items() for measure, values in each.items()], sounds


def make_flow() -> tuple:
    """The flow: a few minutes on one core."""
    sees, matcher = pretrained.load("image_text"), pretrained.load("sentences")
    sizes = replace(art2music.config.get_config("mini").data, n_paintings=800, n_clips=600)
    known = art2music.data.load(sizes, sees, matcher, seed=SEED)
    config = replace(art2music.config.get_config("mini").flow, n_steps=4_000, decay=0.998)
    models = train_flow.build(config, sees.width, SEED)
    rows = (known.pairs["split"] == "train").to_numpy().nonzero()[0]
    train_flow.fit_basis(models, known.mels[known.pairs["clip_row"].to_numpy()[rows]][::4])
    models, curve = train_flow.train(models, known.vectors, known.texts[SETTING], known.mels_of,
                                     rows, config, seed=SEED)
    return (art2music.checkpoints.files("flow", models, config, sees, SETTING)
            | {"curves.csv": bundling.curve_means(curve, 100)},
            provenance.content_hash(known.vectors[:8]))


def measure_flow() -> tuple:
    """What the tagger hears of the paintings in the flow's music and in a matched clip."""
    sees, tagger = pretrained.load("image_text"), pretrained.load("tagger")
    models, config, setting = art2music.checkpoints.load(artefacts.BUNDLED, "flow", sees)
    test = art2music.evaluate.load_test_set(art2music.config.get_config("mini"), sees,
                                            pretrained.load("sentences"), first=TRIPLETS_FROM)
    generator, _ = art2music.checkpoints.load_vocoder()
    given = art2music.evaluate.ablated_inputs(test, setting, SEED)
    made = {name: train_flow.generate(models, *given[which], config=config, seed=SEED)
            for name, which in (("flow", "full"), ("noise for both", "noise"))}
    again = train_flow.generate(models, *given["full"], config=config, seed=SEED + 1)
    sounds = {name: train_vocoder.vocode(generator, art2music.mel.to_ln(mels))
              for name, mels in made.items()} | {"the matched clip": test.reference}
    truth, rows = test.comments[["valence", "arousal"]].to_numpy(), []
    for name, clips in sounds.items():
        heard = embedders.predict_affect(tagger, list(clips), art2music.mel.RATE_HZ)
        rows += [{"row": name, "measure": f"ccc_{axis}",
                  **bundling.estimate(affect.ccc, truth[:, at], heard[:, at])}
                 for at, axis in enumerate(("valence", "arousal"))]
    pairs = ((made["flow"], again), (test.mels, np.roll(test.mels, 1, axis=0)))
    apart = [np.array([np.abs(a - b).mean() for a, b in zip(*pair, strict=True)]) for pair in pairs]
    rows.append({"row": "flow", "measure": "two_seeds_apart_of_two_clips",
                 **bundling.estimate(lambda a, b: a.mean() / b.mean(), *apart)})
    return rows, test.vectors
