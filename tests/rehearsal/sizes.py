"""Paper's settings at toy sizes and otherwise as they are: a rehearsal has them in their place."""

from collections.abc import Callable
from dataclasses import replace
from types import ModuleType

from lib.systems import art2music, bridging, mapping, music2image

PICTURES = {"size": 16, "n_pictures": 44, "n_held": 12, "batch_size": 8}
GAN = PICTURES | {"channels": (8, 8, 8), "depth": 1, "steps": (1, 1, 2), "n_judged": 5}
DIFFUSION = PICTURES | {"channels": (16, 16), "n_steps": 2, "n_sampling": 4, "n_at_once": 16,
                        "n_slow": 4}
PROJECTION = {"hidden": 48, "heads": 4, "audible": 4, "window_seconds": 0.3, "batch_size": 8,
              "epochs": 2, "accumulate": 2, "n_at_once": 8}
# system → stage of its config → sizes; "": of the config itself
SIZES = {
    bridging: {
        "": {"side": 64, "test_paintings": 20, "test_seconds": 1.0},
        "data": {"n_paintings": 180, "n_pieces": 180, "segment_seconds": 1.0},
        "classifier": {"hidden": 8, "width": 4, "n_paintings": 60, "n_steps": 2, "batch_size": 4,
                       "warm_up": 1, "every": 1},
        "music": {"epochs": 1, "batch_size": 12, "warm_up": 1, "clip_seconds": 1.0, "every": 2}},
    mapping: {
        "": {"side": 64},
        "data": {"n_pairs": 50, "clip_seconds": 1.0, "n_views": 2, "image_side": 64},
        "study_one": PROJECTION, "study_two": PROJECTION},
    music2image: {
        "": {"n_pieces": 16, "clip_seconds": 4.0},
        "forest": {"n_trees": 12, "piece_seconds": 3.0, "outer_folds": 2, "inner_folds": 2,
                   "n_trials": 2, "search_trees": 4, "n_repeats": 1, "n_resamples": 50},
        "gan": GAN, "published_gan": GAN, "diffusion": DIFFUSION | {"n_judged": 24},
        "grey": DIFFUSION | {"n_judged": 75}},
    art2music: {
        "": {"test_paintings": 8, "n_others": 2, "side": 32},
        "data": {"n_triplets": 90, "seconds": 0.55, "side": 32},
        "decoder": {"hidden": 16, "lstm": 8, "layers": 2, "seconds": 0.55, "batch_size": 16,
                    "epochs": 2},
        "flow": {"hidden": 16, "channels": 16, "blocks": 2, "components": 8, "seconds": 0.55,
                 "batch_size": 8, "n_steps": 4, "n_euler": 2},
        "vocoder": {"channels": 32, "segment": 2048, "batch_size": 2, "n_steps": 2,
                    "critic_width": 2}}}
PAPER = {system: system.config.get_config("paper") for system in SIZES}


def of(system: ModuleType):
    """A system's config of paper at the rehearsal's sizes."""
    own, paper = dict(SIZES[system]), PAPER[system]
    whole = own.pop("")
    return replace(paper, **whole, **{stage: replace(getattr(paper, stage), **sizes)
                                      for stage, sizes in own.items()})


def install(put: Callable = dict.__setitem__) -> None:
    """Lays them in place of paper's, in this process and its forks."""
    for system in SIZES:
        put(system.config.PROFILES, "paper", of(system))
