"""How the bundled parts of system 3 were made: ``python -m lib miniature picture_judge``,
``forest``, ``unet``.
"""

from lib.core import artefacts, paths, provenance
from lib.data import atelier
from lib.data.atelier import paint
from lib.metrics import affect, picture_regressor
from lib.recipes.bundling import write
from lib.systems.music2image import pretraining, train_forest


def make_picture_judge() -> None:
    """The independent judge: kernel ridge over colour and texture of 1,000 atelier pictures of
    ``JUDGE_SEED``.
    """
    pictures, truth = paint.pictures(atelier.JUDGE_SEED, range(1000), size=32)
    fitted = picture_regressor.PictureJudge().fit(pictures, truth)
    write("judge", {"picture_judge.skops": fitted.estimator}, provenance.content_hash(pictures))
    fresh, fresh_truth = paint.pictures(atelier.TEST_SEED, range(400), size=32)
    table = affect.agreement(fresh_truth, fitted.predict(fresh))
    artefacts.write(paths.MINIATURES / "judge" / "picture_judge.csv", table)
    print(table.round(3).to_string(index=False))


def make_forest() -> None:
    """The forest behind ``hear`` and ``paint MUSIC`` in a fresh clone, and its score on fresh
    pieces.
    """
    model, score, data_hash = train_forest.make_miniature()
    write(train_forest.NOTEBOOK, {"forest.skops": model}, data_hash)
    artefacts.write(paths.MINIATURES / train_forest.NOTEBOOK / "scores.csv", score)
    print(score.round(3).to_string(index=False))


def make_unet() -> None:
    """The neutral and the emotional diffusion model (about 50 minutes on one core, resumable)."""
    pretraining.make()
