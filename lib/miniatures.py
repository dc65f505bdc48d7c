"""How each bundled miniature was made: ``python -m lib miniature NAME`` makes it again from its seed."""

from collections.abc import Callable
from dataclasses import dataclass

from lib import artefacts, paths, repro

SEED = 0


@dataclass(frozen=True)
class Recipe:
    """A miniature's recipe: what it is for, the files it makes below ``data/miniatures/``, and the function that makes them."""

    what: str
    files: tuple[str, ...]
    make: Callable[[], None]


def make_picture_judge() -> None:
    """The independent judge: kernel ridge over colour and texture of 1,000 atelier pictures of ``JUDGE_SEED``."""
    from lib.data import atelier
    from lib.data.atelier import paint
    from lib.metrics import affect, judge

    pictures, truth = paint.pictures(atelier.JUDGE_SEED, range(1000), size=32)
    fitted = judge.PictureJudge().fit(pictures, truth)
    bundle("judge/picture_judge.skops", fitted.estimator, repro.content_hash(pictures))
    fresh, fresh_truth = paint.pictures(atelier.TEST_SEED, range(400), size=32)
    table = affect.agreement(fresh_truth, fitted.predict(fresh))
    artefacts.write(paths.MINIATURES / "judge" / "picture_judge.csv", table)
    print(table.round(3).to_string(index=False))


def make_forest() -> None:
    """The forest behind ``hear`` and ``paint MUSIC`` in a fresh clone, and its score on fresh pieces."""
    from lib.systems.music2image import forest

    model, score, data_hash = forest.make_miniature()
    bundle(f"{forest.NOTEBOOK}/forest.skops", model, data_hash)
    artefacts.write(paths.MINIATURES / forest.NOTEBOOK / "scores.csv", score)
    print(score.round(3).to_string(index=False))


def make_unet() -> None:
    """The neutral and the emotional diffusion model (about 50 minutes on one core, resumable)."""
    from lib.systems.music2image import pretraining

    pretraining.make()


def bundle(file: str, content, data_hash: str) -> None:
    """Writes a miniature with its provenance beside it."""
    path = artefacts.write(paths.MINIATURES / file, content)
    artefacts.write(path.with_name(path.name + artefacts.PROVENANCE_SUFFIX), repro.provenance("mini", SEED, data_hash))
    print(f"{file}: {path.stat().st_size / 1e6:.2f} MB")


RECIPES = {
    "picture_judge": Recipe("reads valence and arousal from a picture", ("judge/picture_judge.skops",), make_picture_judge),
    "forest": Recipe("hears valence and arousal in music", ("31_music2image_forest/forest.skops",), make_forest),
    "unet": Recipe("paints from valence and arousal", ("33_music2image_diffusion/unet_neutral.safetensors",
                                                       "33_music2image_diffusion/unet.safetensors"), make_unet),
}
