"""Settings of every stage; the defaults are the published ones, or the released code's.
Source: Zhang §2.4 and its table (forest), §2.5 (GAN), §2.6 (diffusion)."""

import functools
from dataclasses import dataclass, replace

from lib.core.errors import KlangfarbeError
from lib.systems import interface

CLIP_SECONDS = 45.0  # DEAM's clips are this long; the middle of a longer file is taken
CHOICES = {"schedule": ("published", "zero_terminal_snr"), "prediction": ("epsilon", "v"),
           "null": ("zero", "learned"), "start": ("scratch", "neutral"),
           "sampler": ("ancestral", "dpm_solver")}


@dataclass(frozen=True)
class ForestConfig:
    """The random forest, its search and its evaluation."""
    n_trees: int = 600
    max_depth: int = 20
    min_split: int = 2
    min_leaf: int = 3
    max_features: float = 1.0
    gain_db: float = 0.0  # where not 0, each row is also learned at other volumes
    collections: tuple[str, ...] = ()  # modules of lib.data.collections; none: the atelier
    n_pieces: int = 2569
    excerpts: int = 1  # of equal length that an atelier piece is cut into
    piece_seconds: float = CLIP_SECONDS
    disagreement: float = 0.37  # of one simulated listener with the true point, as in DEAM
    outer_folds: int = 5
    inner_folds: int = 5
    n_trials: int = 100  # Optuna's, in each outer fold
    search_trees: int = 200
    n_repeats: int = 20  # of each permutation
    n_resamples: int = 1000


@dataclass(frozen=True)
class PictureConfig:
    """The pictures that a painter learns from; the paper keeps 1,311 photographs, landscapes."""
    collections: tuple[str, ...] = ()  # as the forest's
    style: str = "landscape"  # of the atelier's paintings, or the photographs; "": all kinds
    clip: str = "openai/clip-vit-base-patch32"  # which tells landscapes from other photographs
    size: int = 128
    n_pictures: int = 1311
    n_held: int = 640  # photographs that nobody learns from, landscapes as well


@dataclass(frozen=True)
class GanConfig(PictureConfig):
    """The WGAN-GP; widths, noise, batch size, λ and β are Gulrajani's; the paper has none."""
    channels: tuple[int, ...] = (256, 256, 256, 128, 64, 32)  # of each stage from 4² up
    depth: int = 2
    n_noise: int = 128
    batch_size: int = 16
    steps: tuple[int, ...] = (10_000, 10_000, 10_000, 10_000, 15_000, 25_000)  # of each stage
    fade: float = 0.5  # share of them in which the stage is faded in
    n_critic: int = 5
    lr_generator: float = 5e-4
    lr_critic: float = 5e-9
    betas: tuple[float, float] = (0.0, 0.9)
    w_penalty: float = 10.0  # λ
    drift: float = 0.0  # weight of score(real)²
    w_matching: float = 1.0
    matching_moves_maps: bool = True  # whether that loss changes the convolutions it measures with
    equalised: bool = False  # this and the next two: of lib.models.wgan_gp
    pixel_norm: bool = False
    batch_deviation: bool = False
    ema_decay: float = 0.0  # 0: no average
    n_judged: int = 2000  # pictures for each measurement


@dataclass(frozen=True)
class DiffusionConfig(PictureConfig):
    """The diffusion model; widths, batch size, rates and guidance are ours; the paper has none."""
    channels: tuple[int, ...] = (64, 128, 256, 256)  # to patch: of lib.models.emotion_unet
    layers: int = 2
    attention_levels: int = 2
    embedding: int = 256
    patch: int = 1
    codec: str = ""  # source of the picture_codec in whose latents it paints; "": in pixels
    batch_size: int = 16
    n_steps: int = 123_000  # 1,500 epochs of 1,311 pictures
    learning_rate: float = 2e-4
    warm_up: int = 0  # steps
    decay: float = 0.0  # share of the steps, at the end, in which the rate falls to 0
    n_diffusion: int = 1000  # T
    schedule: str = "published"
    prediction: str = "epsilon"
    null: str = "zero"  # the point (0, 0)
    p_null: float = 0.1  # share of labels dropped
    ema_decay: float = 0.0  # 0: no average
    start: str = "scratch"  # "neutral": the bundled network that never saw a label
    guidance: float = 3.0  # s
    guidance_rescale: float = 0.0  # φ of Lin et al.
    sampler: str = "ancestral"
    n_sampling: int = 1000
    n_at_once: int = 256  # pictures the network sees at once while it paints
    n_slow: int = 1000  # steps of the ancestral sampler where the two are compared
    n_judged: int = 512  # pictures for one measurement

    def __post_init__(self):
        for name, allowed in CHOICES.items():
            if getattr(self, name) not in allowed:
                raise KlangfarbeError(f"{name} out of {allowed}", getattr(self, name), "name one")
        if self.schedule == "zero_terminal_snr" and self.prediction == "epsilon":
            raise KlangfarbeError("prediction 'v' under zero_terminal_snr", "'epsilon'",
                                  "at t = T, x_0 = (x_T − ε)/0: ε alone gives no picture")


@dataclass(frozen=True)
class Config:
    """All stages, and the pieces the whole chain is measured on."""
    forest: ForestConfig = ForestConfig()
    gan: GanConfig = GanConfig()  # with settings that train
    published_gan: GanConfig = GanConfig()
    diffusion: DiffusionConfig = DiffusionConfig()
    grey: DiffusionConfig = DiffusionConfig(n_judged=400)  # notebook 34's, but for what it compares
    n_pieces: int = 1802
    clip_seconds: float = CLIP_SECONDS


# Settings with which the GAN trains; short runs need larger rates than Karras et al.'s 1e-3.
_TRAINS = {"betas": (0.0, 0.99), "drift": 1e-3, "w_matching": 0.1, "matching_moves_maps": False,
           "equalised": True, "pixel_norm": True, "batch_deviation": True}
_SHORT = _TRAINS | {"lr_generator": 5e-3, "lr_critic": 8e-3, "ema_decay": 0.99}
_LONG = _TRAINS | {"lr_generator": 1e-3, "lr_critic": 2e-3, "ema_decay": 0.999}
_GAN_8 = GanConfig(size=8, channels=(16, 8), depth=1, n_noise=16, n_pictures=96, steps=(8, 16),
                   n_critic=1, n_judged=40)
_GAN_16 = GanConfig(size=16, channels=(64, 32, 16), depth=1, n_noise=32, n_pictures=1000,
                    steps=(75, 190, 235), n_critic=1, n_judged=300)
_GAN_64 = GanConfig(size=64, channels=(256, 256, 128, 64, 32), n_pictures=20_000, batch_size=64,
                    steps=(4_000, 6_000, 10_000, 15_000, 25_000), n_critic=1)
_CORRECTED = {"schedule": "zero_terminal_snr", "prediction": "v", "null": "learned",
              "sampler": "dpm_solver", "n_sampling": 20, "guidance": 2.0}
_SMALL = DiffusionConfig(style="", channels=(48, 64, 64), layers=1, attention_levels=1,
                         codec="miniature", start="neutral", ema_decay=0.99, learning_rate=5e-4,
                         **_CORRECTED)
_LARGE = DiffusionConfig(style="", channels=(128, 256, 256), codec="miniature", n_pictures=20_000,
                         batch_size=128, n_steps=60_000, warm_up=1000, ema_decay=0.9995,
                         **_CORRECTED)
_GREY = DiffusionConfig(style="", size=16, channels=(64, 64), layers=1, attention_levels=1, patch=2,
                        warm_up=20, decay=0.5, learning_rate=3e-3, ema_decay=0.98,
                        sampler="dpm_solver", n_sampling=20, guidance=2.0)

_GAN_128 = GanConfig(collections=("cgna10766",), n_judged=256)
# 256 pictures of 128² at once, each with and without its mood, take tens of GB
_DIFFUSION_128 = DiffusionConfig(collections=("cgna10766",), n_at_once=64)

PROFILES = {
    "smoke": Config(
        ForestConfig(n_trees=12, n_pieces=80, excerpts=2, piece_seconds=4.0, outer_folds=2,
                     inner_folds=2, n_trials=2, search_trees=4, n_repeats=1, n_resamples=50),
        replace(_GAN_8, **_SHORT), _GAN_8,
        replace(_SMALL, n_pictures=64, batch_size=8, n_steps=12, n_sampling=8, n_slow=40,
                n_judged=24),
        replace(_GREY, channels=(16, 16), embedding=32, n_pictures=64, batch_size=8, n_steps=10,
                n_sampling=4, n_judged=75), n_pieces=16, clip_seconds=4.0),
    "mini": Config(
        ForestConfig(n_trees=100, n_pieces=240, excerpts=2, piece_seconds=10.0, outer_folds=4,
                     inner_folds=3, n_trials=5, search_trees=15, n_repeats=3, n_resamples=300),
        replace(_GAN_16, **_SHORT), _GAN_16,
        replace(_SMALL, n_pictures=600, n_steps=360, warm_up=50, decay=0.5, n_judged=64),
        replace(_GREY, n_pictures=600, batch_size=32, n_steps=180, n_judged=100),
        n_pieces=120, clip_seconds=10.0),
    "gpu": Config(
        ForestConfig(excerpts=2, n_trials=40, search_trees=100), replace(_GAN_64, **_LONG), _GAN_64,
        _LARGE, replace(_LARGE, size=64, channels=(128, 256, 256, 512), codec="", n_steps=20_000,
                        n_judged=400), n_pieces=1000),
    "paper": Config(ForestConfig(collections=("deam", "pmemo")), replace(_GAN_128, **_LONG),
                    _GAN_128, _DIFFUSION_128, replace(_DIFFUSION_128, n_judged=400))}
get_config = functools.partial(interface.get_config, PROFILES)  # of a profile's name
