"""The first decoder: a WGAN-GP that paints from valence and arousal.

    critic's loss     score(fake) − score(real) + λ·(‖∇score‖ − 1)² (+ drift·score(real)²)
    generator's loss  −score(fake) + w·(mean|v_fake − v_real| + mean|a_fake − a_real|)
Ours, where the paper is silent: one ERU for all stages; the affect as two more channels and a
projection in the critic; w = 1.  Source: Zhang §2.5, §3; Gulrajani et al. (2017), algorithm 1;
Karras et al. (2018) for growing.  Notebook: 32_music2image_gan"""

from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.optim import Adam

from lib.models.wgan_gp import Critic, Generator, Growth, at_growth, gradient_penalty
from lib.signal import images
from lib.systems.music2image.config import GanConfig
from lib.training import loop


class Models(NamedTuple):
    """The generator, the critic that reads its affective maps, and the generator's average."""
    generator: Generator
    critic: Critic
    average: Any  # or None

    @property
    def sampling_network(self) -> torch.nn.Module:
        return self.generator if self.average is None else self.average.module


def build(config: GanConfig, seed: int = 0, device: str = "cpu") -> tuple:
    """New networks (on ``"meta"`` their shapes alone), optimisers of generator and critic."""
    with torch.random.fork_rng(devices=[]), torch.device(device):
        torch.manual_seed(seed)
        generator = Generator(config.channels, config.n_noise, config.depth,
                              equalised=config.equalised, pixel_norm=config.pixel_norm)
        critic = Critic(config.channels, generator.unit.maps, config.depth,
                        equalised=config.equalised, batch_deviation=config.batch_deviation)
    average = loop.moving_average(generator, config.ema_decay) if config.ema_decay else None
    optimisers = (Adam(generator.parameters(), config.lr_generator, config.betas),
                  Adam(critic.parameters(), config.lr_critic, config.betas))
    return Models(generator, critic, average), optimisers


def growth_at(config: GanConfig, step: int) -> Growth:
    """Stage and α at the middle of a step (0 …); after the last step: full size."""
    for stage, n_steps in enumerate(config.steps):
        if step < n_steps:
            fading = round(config.fade * n_steps) if stage else 0
            return Growth(stage, min(1.0, (step + 0.5) / fading) if fading else 1.0)
        step -= n_steps
    return Growth(len(config.steps) - 1, 1.0)


def train_step(models: Models, optimisers: tuple[Adam, Adam], real: torch.Tensor,
               affect: torch.Tensor, config: GanConfig, rng: torch.Generator, step: int) -> dict:
    """Critic's steps, one of the generator, on pictures [B, 3, H, W], affect [B, 2]: the losses."""
    generator, critic, average = models
    step_generator, step_critic = optimisers
    growth, device = growth_at(config, step), next(generator.parameters()).device
    real, affect = at_growth(real.to(device), growth), affect.to(device)

    def noise() -> torch.Tensor:
        return torch.randn(len(real), config.n_noise, generator=rng).to(device)

    for _ in range(config.n_critic):
        with torch.no_grad():
            fake = generator(noise(), affect, growth).picture
        score_real, score_fake = critic(real, affect, growth), critic(fake, affect, growth)
        mix = torch.rand(len(real), generator=rng).to(device)
        penalty = gradient_penalty(lambda picture: critic(picture, affect, growth), real, fake, mix)
        distance = score_real.mean() - score_fake.mean()
        loss_critic = (-distance + config.w_penalty * penalty
                       + config.drift * score_real.square().mean())
        step_critic.zero_grad()
        loss_critic.backward()
        step_critic.step()

    painted = generator(noise(), affect, growth)
    frozen = not config.matching_moves_maps
    v_fake, a_fake = critic.affective_maps(painted.map, affect, frozen=frozen)
    v_real, a_real = critic.affective_maps(real, affect, frozen=frozen)
    matching = (v_fake - v_real).abs().mean() + (a_fake - a_real).abs().mean()
    loss_generator = (-critic(painted.picture, affect, growth).mean()
                      + config.w_matching * matching)
    step_generator.zero_grad()
    # without the critic's own gradients, which nobody would use: 3 % of the step
    loss_generator.backward(inputs=list(generator.parameters()))
    step_generator.step()
    if average is not None:
        average.update_parameters(generator)
    losses = {"critic": loss_critic, "distance": distance, "penalty": penalty,
              "generator": loss_generator, "matching": matching}
    return {name: float(loss.detach()) for name, loss in losses.items()}


def generate(models: Models, affect: np.ndarray, config: GanConfig, seed: int = 0) -> np.ndarray:
    """Pictures for affects [N, 2]: uint8 [N, H, W, 3]; the same seed gives the same noise."""
    generator, growth = models.sampling_network, growth_at(config, sum(config.steps))
    device = next(generator.parameters()).device
    points = torch.as_tensor(np.asarray(affect), dtype=torch.float32)
    noise = torch.randn(len(affect), config.n_noise, generator=torch.Generator().manual_seed(seed))
    with torch.no_grad():
        parts = [generator(z.to(device), va.to(device), growth).picture.cpu()
                 for z, va in zip(noise.split(256), points.split(256), strict=True)]
    return images.from_tensor(torch.cat(parts))


def checkpoint(path: Path, key: str, models: Models, optimisers: tuple[Adam, Adam],
               rng: torch.Generator) -> loop.Checkpoint:
    """What a run needs to go on after an interruption; `key`: a hash of config, seed and data."""
    return loop.Checkpoint(path, key, **models._asdict(), adam_generator=optimisers[0],
                           adam_critic=optimisers[1], rng=rng)
