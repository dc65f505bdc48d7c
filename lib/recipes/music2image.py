"""The bundled parts of music2image; nothing here sees pictures of TEST_SEED, and only the picture
regressor those of JUDGE_SEED.  Notebook: 31, 33."""

from dataclasses import asdict, replace

import pandas as pd

from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier import paint
from lib.metrics import affect, picture_regressor
from lib.recipes import bundling
from lib.systems.music2image import data, train_diffusion, train_forest
from lib.systems.music2image.config import ForestConfig, get_config

# More pieces than `mini`, fewer and shallower trees than published, for the file's size.
FOREST = ForestConfig(n_trees=100, max_depth=12, min_leaf=12, max_features=0.35, gain_db=4.0,
                      n_pieces=1500, excerpts=2, piece_seconds=15.0)
# p_null = 1 shows every picture with the null alone: this network never sees a label.
NEUTRAL = replace(get_config("mini").diffusion, start="scratch", p_null=1.0, n_pictures=6_000,
                  batch_size=32, n_steps=6_000, learning_rate=1e-3, warm_up=100, decay=0.0,
                  ema_decay=0.999)
# Notebook 33's fine-tuning of the neutral network, for longer.
TUNED = replace(get_config("mini").diffusion, n_pictures=6_000, n_steps=1_200, ema_decay=0.995)


def make_picture_judge() -> tuple:
    """The picture regressor: kernel ridge over colour and texture of 1,000 atelier pictures."""
    pictures, truth = paint.pictures(atelier.JUDGE_SEED, range(1000), size=32)
    fitted = picture_regressor.PictureRegressor().fit(pictures, truth)
    fresh, fresh_truth = paint.pictures(atelier.TEST_SEED, range(400), size=32)
    scores = affect.agreement(fresh_truth, fitted.predict(fresh))
    return {"picture_judge.skops": fitted.estimator,
            "picture_judge.csv": scores}, provenance.content_hash(pictures)


def make_forest() -> tuple:
    """The forest, and its scores on new pieces (about five minutes)."""
    learned = data.atelier_table(FOREST, atelier.TRAIN_SEED)
    model = train_forest.fit(learned.features, learned.va, FOREST)
    fresh = data.atelier_table(replace(FOREST, n_pieces=300, excerpts=1), atelier.TEST_SEED)
    scores = affect.agreement(fresh.truth, train_forest.predict(model, fresh.features),
                              fresh.groups)
    return {"forest.skops": model, "scores.csv": scores}, provenance.content_hash(
        learned.features, learned.va)


def make_unet() -> tuple:
    """The neutral and the emotional diffusion model (about 50 minutes on one core, resumable)."""
    pictures, affects = paint.pictures(atelier.TRAIN_SEED, range(NEUTRAL.n_pictures), NEUTRAL.size)
    key, folder, files, rows = provenance.content_hash(pictures), train_diffusion.NOTEBOOK, {}, []
    for name, config in (("unet_neutral", NEUTRAL), ("unet", TUNED)):
        models, curve = train_diffusion.train(config, pictures, affects, bundling.SEED,
                                              paths.PROCESSED / folder / f"{name}.safetensors")
        weights = models.sampling_network.state_dict()
        files |= {f"{name}.json": asdict(config), f"{name}.safetensors": {
            part: tensor.half() for part, tensor in weights.items()}}
        rows += [{"network": name, "step": start + 100,
                  "loss": sum(curve[start : start + 100]) / 100}
                 for start in range(0, len(curve) - 99, 100)]
    return {**files, "curves.csv": pd.DataFrame(rows)}, key
