"""System 3, first decoder: a WGAN-GP that paints from valence and arousal, as published and with
settings that train.

    noise z [B, n_noise] ─┐
    affect (V, A) [B, 2] ─┴► Generator 4² → 8² → … ─► M [B, 3, H, W] ─► ERU ─► picture E [B, 3, H, W] in (−1, 1)
                                                       │  v = σ(Conv[V, M]), a = σ(Conv[A, M])
                                                       │  B = v⊗M ⊕ a⊗M,  E = tanh(Conv[B, [V, A]])
                                                       ▼ the same two convolutions read a real
                                                       picture
                                  affective feature matching  mean|v_fake − v_real| + mean|a_fake − a_real|
    picture + affect ─► Critic ─► score [B];  loss = score(fake) − score(real) + λ·(‖∇score‖ − 1)² (+ drift·score(real)²)

Source: text 002, Generate Image from Music Emotion, §2.5 and §3; Park & Lee (2021), Emotional
Landscape Image Generation; Gulrajani et al. (2017); Karras et al. (2018) for growing, equalised
rates, pixel norm and batch deviation; Heusel et al. (2017) for two time scales.

Known deviations and choices where the text is silent: widths, noise, batch size, λ = 10 and Adam
(0, .9) follow Gulrajani et al.; the ERU is the generator's last unit, one for all stages, because
the text's M is "Generated_Image", three colours · the critic sees the affect as two more channels
and through a projection · the weight of the matching loss is not given: 1 · the corrected settings
let that loss move the picture and not the two convolutions (the generator owns both, so as
published it can make the loss small by making its own measure constant).
Notebook: 32.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lib.core.errors import KlangfarbeError
from lib.models import wgan_gp
from lib.models.wgan_gp import Growth, at_growth, gradient_penalty
from lib.signal import images
from lib.training import loop

NOTEBOOK = "32_music2image_gan"
_ADAMS = ("adam_generator", "adam_critic")


@dataclass(frozen=True)
class Config:
    """Sizes and settings; the defaults are the published ones, rates as released.

    Attributes:
        size: side of the finished pictures; channels: width of each stage from 4² up; depth:
            convolutions a stage.
        n_noise: width of z. n_pictures: how many pictures to learn from, all of one style (the
            text keeps landscapes only).
        steps: training steps of each stage; fade: share of a stage's steps in which it is faded in.
        n_critic: critic steps before each generator step.
        lr_generator, lr_critic, betas: Adam's. w_penalty: λ of the gradient penalty. drift: weight
            of score(real)².
        w_matching: weight of affective feature matching; matching_moves_maps: whether it may change
            the two convolutions it measures with.
        equalised, pixel_norm, batch_deviation: see :mod:`lib.models.wgan_gp`. ema_decay: of the
            averaged generator, 0 for none.
        n_judged: pictures painted for each measurement.
    """

    size: int = 128
    channels: tuple[int, ...] = (256, 256, 256, 128, 64, 32)
    depth: int = 2
    n_noise: int = 128
    n_pictures: int = 1311
    style: str = "landscape"
    batch_size: int = 16
    steps: tuple[int, ...] = (10_000, 10_000, 10_000, 10_000, 15_000, 25_000)
    fade: float = 0.5
    n_critic: int = 5
    lr_generator: float = 5e-4
    lr_critic: float = 5e-9
    betas: tuple[float, float] = (0.0, 0.9)
    w_penalty: float = 10.0
    drift: float = 0.0
    w_matching: float = 1.0
    matching_moves_maps: bool = True
    equalised: bool = False
    pixel_norm: bool = False
    batch_deviation: bool = False
    ema_decay: float = 0.0
    n_judged: int = 2000

    def __post_init__(self):
        if self.size != 4 * 2 ** (len(self.channels) - 1) or len(self.steps) != len(self.channels):
            raise KlangfarbeError(
                f"one width and one number of steps for each of the stages 4² … {self.size}²",
                f"{len(self.channels)} widths and {len(self.steps)} numbers of steps",
                "size is 4·2^(stages − 1)")

    @property
    def n_steps(self) -> int:
        return sum(self.steps)


PROFILES = {
    "smoke": Config(size=8, channels=(16, 8), depth=1, n_noise=16, n_pictures=96, steps=(8, 16),
                    n_critic=1, n_judged=40),
    "mini": Config(size=16, channels=(64, 32, 16), depth=1, n_noise=32, n_pictures=1000,
                   steps=(110, 280, 340), n_critic=1, n_judged=300),
    "gpu": Config(size=64, channels=(256, 256, 128, 64, 32), n_pictures=20_000, batch_size=64,
                  steps=(4_000, 6_000, 10_000, 15_000, 25_000), n_critic=1, n_judged=2000),
    "paper": Config(),
}

# The same networks and the same data, with settings that train. Short runs need the larger rates;
# 1e-3 is Karras et al.'s.
_TRAINS = {"betas": (0.0, 0.99), "drift": 1e-3, "w_matching": 0.1, "matching_moves_maps": False,
           "equalised": True, "pixel_norm": True, "batch_deviation": True}
_SHORT = {"lr_generator": 5e-3, "lr_critic": 8e-3, "ema_decay": 0.99, **_TRAINS}
_LONG = {"lr_generator": 1e-3, "lr_critic": 2e-3, "ema_decay": 0.999, **_TRAINS}
PUBLISHED = PROFILES
CORRECTED = {name: replace(PROFILES[name], **rates) for name, rates in
             {"smoke": _SHORT, "mini": _SHORT, "gpu": _LONG, "paper": _LONG}.items()}


def with_steps(config: Config, n_steps: int) -> Config:
    """The same config with `n_steps` in all, shared among the stages as before (at least one each);
    0 leaves it as it is.
    """
    stages = len(config.steps)
    if n_steps == 0:
        return config
    if n_steps < stages:
        raise KlangfarbeError(f"at least {stages} steps, one a stage", str(n_steps),
                              "give more, or 0 for the profile's own")
    first = [1 + (n_steps - stages) * n // config.n_steps for n in config.steps[:-1]]
    return replace(config, steps=(*first, n_steps - sum(first)))


class Models(NamedTuple):
    """The generator, the critic that shares its affective maps, and the generator's moving average
    (or ``None``).
    """

    generator: object
    critic: object
    average: loop.MovingAverage | None

    @property
    def painter(self):
        """The generator to paint with: the average where there is one."""
        return self.generator if self.average is None else self.average.module


def build(config: Config, seed: int = 0, device: str = "cpu") -> tuple[Models, tuple]:
    """Fresh networks and their two Adam optimisers (generator's, critic's), the same for the same
    seed.

    On device ``"meta"`` the networks have shapes and no numbers: enough to trace the largest
    config.
    """
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(seed)
        generator = wgan_gp.Generator(config.channels, config.n_noise, config.depth,
                                  equalised=config.equalised, pixel_norm=config.pixel_norm)
        critic = wgan_gp.Critic(config.channels, generator.unit.maps, config.depth,
                            equalised=config.equalised, batch_deviation=config.batch_deviation)
    average = loop.MovingAverage(generator, config.ema_decay) if config.ema_decay else None
    optimisers = (torch.optim.Adam(generator.parameters(), config.lr_generator, config.betas),
                  torch.optim.Adam(critic.parameters(), config.lr_critic, config.betas))
    return Models(generator, critic, average), optimisers


def growth_at(config: Config, step: int):
    """The :class:`lib.models.wgan_gp.Growth` at a step (0 …): each stage fades in over ``fade`` of
    its steps, then stands.

    α rises in the *middle* of steps, so that a stage's first step already has a little of it. After
    the last step: full size.
    """
    for stage, n_steps in enumerate(config.steps):
        if step < n_steps:
            fading = max(1, round(config.fade * n_steps))
            return Growth(stage, 1.0 if stage == 0 else min(1.0, (step + 0.5) / fading))
        step -= n_steps
    return Growth(len(config.steps) - 1, 1.0)


def batches(pictures, affect, config: Config, seed: int, start: int = 0,
            device: str = "cpu") -> Iterator[tuple]:
    """Endless (step, growth, real [B, 3, H, W], affect [B, 2]) from `start` on: the same at a step
    whether resumed or not.

    Args:
        pictures: uint8 [N, size, size, 3]. affect: [N, 2] in [−1, 1].

    Raises:
        KlangfarbeError: other shapes.
    """
    if len(pictures) != len(affect) or pictures.shape[1:] != (config.size, config.size, 3):
        raise KlangfarbeError(f"N pictures [{config.size}, {config.size}, 3] and N affects",
                              f"{pictures.shape} and {np.shape(affect)}",
                              "draw them with atelier.paint.pictures(seed, indices, config.size)")
    affect = torch.as_tensor(np.asarray(affect), dtype=torch.float32)
    order = loop.batches(len(pictures), config.batch_size, np.random.default_rng(seed))
    for step in itertools.count():
        rows = next(order)
        if step >= start:
            growth = growth_at(config, step)
            yield step, growth, at_growth(images.to_tensor(pictures[rows]).to(device),
                                          growth), affect[rows].to(device)


def train_step(models: Models, optimisers: tuple, real, affect, growth, config: Config,
               draw) -> dict[str, float]:
    """`n_critic` steps of the critic, one of the generator.

    Args:
        real: [B, 3, H, W] in [−1, 1] at ``growth.size``; affect: [B, 2] their labels, also asked of
            the fakes.
        draw: the ``torch.Generator`` all noise comes from.

    Returns:
        critic (its loss), distance (score of real − score of fake, the Wasserstein estimate),
        penalty, generator, matching.

    Source: Gulrajani et al. (2017), algorithm 1; text 002, §2.5, Loss_v and Loss_a.  Notebook: 32.
    """
    generator, critic, average = models
    step_generator, step_critic = optimisers
    for _ in range(config.n_critic):
        with torch.no_grad():
            fake = generator(_noise(config, real, draw), affect, growth).picture
        score_real, score_fake = critic(real, affect, growth), critic(fake, affect, growth)
        mix = torch.rand(len(real), generator=draw).to(real.device)
        penalty = gradient_penalty(lambda picture: critic(picture, affect, growth), real, fake, mix)
        distance = score_real.mean() - score_fake.mean()
        loss_critic = -distance + config.w_penalty * penalty + config.drift * score_real.square().mean()
        step_critic.zero_grad()
        loss_critic.backward()
        step_critic.step()

    painted = generator(_noise(config, real, draw), affect, growth)
    frozen = not config.matching_moves_maps
    v_fake, a_fake = critic.affective_maps(painted.map, affect, frozen=frozen)
    v_real, a_real = critic.affective_maps(real, affect, frozen=frozen)
    matching = (v_fake - v_real).abs().mean() + (a_fake - a_real).abs().mean()
    loss_generator = -critic(painted.picture, affect, growth).mean() + config.w_matching * matching
    step_generator.zero_grad()
    loss_generator.backward()
    step_generator.step()
    if average is not None:
        average.update(generator)
    losses = {"critic": loss_critic, "distance": distance, "penalty": penalty,
              "generator": loss_generator, "matching": matching}
    return {name: float(loss.detach()) for name, loss in losses.items()}


def generate(models: Models, affect, config: Config, seed: int = 0, *, growth=None,
             network=None) -> np.ndarray:
    """Pictures for affects [N, 2]: uint8 [N, H, W, 3]; the same noise for the same seed, whatever
    the affects.

    Paints with ``models.painter`` unless a `network` is given, and at full size unless `growth`
    says otherwise.
    """
    generator = models.painter if network is None else network
    where = next(generator.parameters()).device
    affect = torch.as_tensor(np.asarray(affect), dtype=torch.float32)
    noise = torch.randn(len(affect), config.n_noise, generator=torch.Generator().manual_seed(seed))
    growth = growth or growth_at(config, config.n_steps)
    with torch.no_grad():
        parts = [generator(z.to(where), va.to(where), growth).picture.cpu()
                 for z, va in zip(noise.split(256), affect.split(256), strict=True)]
    return images.from_tensor(torch.cat(parts))


def save_checkpoint(path: Path, models: Models, optimisers: tuple, draw, step: int,
                    curve: list[dict], key: str = "") -> None:
    """Everything training needs to go on after `step` steps as if it had not stopped.

    `key` says what is being trained (a hash of config, seed and data): :func:`load_checkpoint`
    passes over another key's.
    """
    tensors = {f"{name}.{key}": value for name, module in _modules(models).items() for key,
               value in module.state_dict().items()}
    for name, optimiser in zip(_ADAMS, optimisers, strict=True):
        tensors |= loop.flat_optimizer(optimiser, name)
    tensors["draw"] = draw.get_state()
    updates = models.average.updates if models.average is not None else 0
    loop.save_checkpoint(path, tensors,
                         {"step": step, "updates": updates, "curve": curve, "key": key})


def load_checkpoint(path: Path, models: Models, optimisers: tuple, draw,
                    key: str = "") -> tuple[int, list[dict]]:
    """Puts the newest checkpoint back into freshly built models: (steps done, curve); (0, []) where
    there is none of this `key`.
    """
    found = loop.load_checkpoint(path)
    if found is None or found[1]["key"] != key:
        return 0, []
    tensors, state = found
    for name, module in _modules(models).items():
        module.load_state_dict({key[len(name) + 1:]: value for key,
                                value in tensors.items() if key.startswith(name + ".")})
    for name, optimiser in zip(_ADAMS, optimisers, strict=True):
        loop.restore_optimizer(optimiser, tensors, name)
    draw.set_state(tensors["draw"].cpu())
    if models.average is not None:
        models.average.updates = state["updates"]
    return state["step"], state["curve"]


def weights(models: Models) -> dict:
    """The painting generator's weights in half precision, for ``artefacts.save(…,
    "generator.safetensors")``.
    """
    return {name: value.half() for name, value in models.painter.state_dict().items()}


def _modules(models: Models) -> dict:
    modules = {"generator": models.generator, "critic": models.critic}
    return modules if models.average is None else modules | {"average": models.average.module}


def _noise(config: Config, real, draw):
    return torch.randn(len(real), config.n_noise, generator=draw).to(real.device)
