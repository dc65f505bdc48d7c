"""The second decoder: a denoising diffusion model that paints from valence and arousal.

    x_0 ──► x_t = √ᾱ_t·x_0 + √(1−ᾱ_t)·ε ──► U-Net(x_t, t, E) ──► ε̂ or v̂
    (V, A) [B, 2] ──MLP──► E [B, 256]; with probability p_null the null instead
x_0 is a picture's pixels, as published, or its latents in an autoencoder's space, where a laptop
paints 128². Source: Zhang §2.6, §4; Ho et al. (2020), algorithms 1, 2; Ho & Salimans (2021) for
guidance; Nichol & Dhariwal (2021), eq. 17; Salimans & Ho (2022) for v; Lin et al. (2024), algorithm
1, eq. 15–16; Rombach et al. (2022) for latents.  Notebook: 33_music2image_diffusion, 34."""

import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from lib import pretrained
from lib.core import artefacts, paths, provenance
from lib.models.diffusers_parts import DDPMScheduler, DPMSolverMultistepScheduler, randn_tensor
from lib.models.emotion_unet import EmotionUNet
from lib.pretrained import picture_codec
from lib.signal import images
from lib.systems import stored
from lib.systems.music2image import data
from lib.systems.music2image.config import DiffusionConfig, get_config
from lib.training import loop

NOTEBOOK = "33_music2image_diffusion"


def alphas_bar(name: str, n_steps: int = 1000) -> np.ndarray:
    """ᾱ_t, float64 [T], the share of the picture's variance left after t + 1 steps. ``published``:
    β_t = 1 − f(t+1)/f(t), f(t) = cos²(π/2·(t/T + .008)/1.008), clipped to [.001, .02] as released;
    ``zero_terminal_snr``: its √ᾱ, shifted and scaled so that it ends at 0."""
    f = np.cos((np.arange(n_steps + 1) / n_steps + 0.008) / 1.008 * math.pi / 2) ** 2
    root = np.sqrt(np.cumprod(1 - np.clip(1 - f[1:] / f[:-1], 0.001, 0.02)))
    if name == "zero_terminal_snr":
        root = (root - root[-1]) * root[0] / (root[0] - root[-1])
    return root**2


def scheduler(kind: str, n_sampling: int, name: str, prediction: str, n_steps: int = 1000, *,
              clipped: bool = True) -> Any:
    """diffusers' DDPM (``ancestral``) or DPM-Solver++ (``dpm_solver``); x_0 `clipped`: within
    [−1, 1], where pixels are and latents are not."""
    left = alphas_bar(name, n_steps)
    shared = {"num_train_timesteps": n_steps, "timestep_spacing": "trailing",
              "trained_betas": 1 - left / np.concatenate([[1.0], left[:-1]]),
              "prediction_type": "epsilon" if prediction == "epsilon" else "v_prediction"}
    if kind == "ancestral":
        chosen = DDPMScheduler(**shared, clip_sample=clipped)
    else:  # it divides by √ᾱ: ᾱ_T = 2⁻²⁴ for 0; thresholding at a maximum of 1 is its clipping
        chosen = DPMSolverMultistepScheduler(
            **shared, algorithm_type="dpmsolver++", solver_order=2, final_sigmas_type="zero",
            rescale_betas_zero_snr=name == "zero_terminal_snr", thresholding=clipped,
            dynamic_thresholding_ratio=1.0, sample_max_value=1.0)
    chosen.set_timesteps(n_sampling)
    return chosen


def shape(config: DiffusionConfig) -> tuple[int, int, int]:
    """(C, h, w) of what is diffused."""
    if not config.codec:
        return 3, config.size, config.size
    side = config.size // picture_codec.FACTOR
    return picture_codec.CHANNELS, side, side


def encode(config: DiffusionConfig, pictures: np.ndarray) -> torch.Tensor:
    """Pictures uint8 [N, H, W, 3] → x_0, float32 [N, C, h, w]."""
    if not config.codec:
        return images.to_tensor(pictures)
    return pretrained.load("picture_codec", config.codec).encode(pictures)


def decode(config: DiffusionConfig, x_0: torch.Tensor) -> np.ndarray:
    """x_0 [N, C, h, w] → pictures uint8 [N, H, W, 3]."""
    if not config.codec:
        return images.from_tensor(x_0)
    return pretrained.load("picture_codec", config.codec).decode(x_0)


class Models(NamedTuple):
    """The network that trains and its moving average (or ``None``)."""
    network: EmotionUNet
    average: Any

    @property
    def sampling_network(self) -> torch.nn.Module:
        return self.network if self.average is None else self.average.module


def build(config: DiffusionConfig, seed: int = 0, device: str = "cpu") -> tuple:
    """A new network (or the neutral one), its average, its optimiser; ``"meta"``: shapes alone."""
    models = build_network(config, seed, device)
    return models, torch.optim.AdamW(models.network.parameters(), config.learning_rate,
                                     weight_decay=1e-4)


def build_network(config: DiffusionConfig, seed: int = 0, device: str = "cpu") -> Models:
    """What :func:`build` gives without the optimiser, whose class loads torch's compiler: 2 s."""
    with torch.random.fork_rng(devices=[]), torch.device("meta" if device == "meta" else "cpu"):
        torch.manual_seed(seed)
        depth, side, _ = shape(config)
        network = EmotionUNet(side, config.channels, layers=config.layers,
                              attention_levels=config.attention_levels, embedding=config.embedding,
                              null=config.null, patch=config.patch, depth=depth)
    if config.start == "neutral":
        neutral = artefacts.find(NOTEBOOK, "any", "unet_neutral.safetensors")
        network.load_state_dict(artefacts.read(neutral))
        network.emotion_from_null()
    network = network.to(device)
    average = loop.moving_average(network, config.ema_decay) if config.ema_decay else None
    return Models(network, average)


def learning_rate(config: DiffusionConfig, step: int) -> float:
    """The rate at a step: a linear rise over ``warm_up``, flat, a linear fall over ``decay``."""
    rise = min(1.0, (step + 1) / config.warm_up) if config.warm_up else 1.0
    falling = config.decay * config.n_steps
    fall = min(1.0, (config.n_steps - step) / falling) if falling else 1.0
    return config.learning_rate * rise * fall


def train_step(models: Models, optimiser: torch.optim.Optimizer, x_0: torch.Tensor,
               affect: torch.Tensor, config: DiffusionConfig, rng: torch.Generator, step: int = 0,
               rows: slice = slice(None)) -> float:
    """One step on x_0 [B, C, h, w], affect [B, 2]; this process learns from `rows`: the loss."""
    device = rng.device
    x_0, affect = x_0.to(device), affect.to(device)
    left = torch.tensor(alphas_bar(config.schedule, config.n_diffusion), dtype=torch.float32,
                        device=device)  # [T]
    t = torch.randint(0, config.n_diffusion, (len(x_0),), generator=rng, device=device)
    noise = torch.randn(x_0.shape, generator=rng, device=device)
    dropped = torch.rand(len(x_0), generator=rng, device=device) < config.p_null  # shown the null
    signal, spread = left.sqrt()[t].view(-1, 1, 1, 1), (1 - left).sqrt()[t].view(-1, 1, 1, 1)
    x_t = signal * x_0 + spread * noise  # q(x_t | x_0)
    target = noise if config.prediction == "epsilon" else signal * noise - spread * x_0
    predicted = models.network(x_t[rows], t[rows], affect[rows], dropped[rows])
    loss = (target[rows] - predicted).square().mean()
    for group in optimiser.param_groups:
        group["lr"] = learning_rate(config, step)
    loop.clipped_step(optimiser, loss, max_norm=1.0)
    if models.average is not None:
        models.average.update_parameters(models.network)
    return float(loss.detach())


def guided(network, x_t: torch.Tensor, t: torch.Tensor, affect: torch.Tensor, guidance: float,
           rescale: float = 0.0) -> torch.Tensor:
    """null + s·(emotion − null), [B, C, h, w]; φ = `rescale` restores the emotion's deviation."""
    is_null = torch.ones(len(x_t), dtype=torch.bool, device=x_t.device)
    if guidance in (0.0, 1.0):
        return network(x_t, t, affect, is_null if guidance == 0 else None)
    emotion, null = network(torch.cat([x_t, x_t]), torch.cat([t, t]), torch.cat([affect, affect]),
                            torch.cat([~is_null, is_null])).chunk(2)
    mixed = null + guidance * (emotion - null)
    if rescale:
        ratio = emotion.std((1, 2, 3), keepdim=True) / mixed.std((1, 2, 3), keepdim=True)
        mixed = mixed * (rescale * ratio + 1 - rescale)
    return mixed


def generate(models: Models, affect: np.ndarray, config: DiffusionConfig, seed: int = 0, *,
             guidance: float | None = None, sampler: str = "", n_sampling: int = 0,
             one_noise: bool = False) -> np.ndarray:
    """Pictures for affects [N, 2]: uint8 [N, H, W, 3]; the same seed gives the same noise, with
    `one_noise` to each picture of the call."""
    network = models.sampling_network
    device = next(network.parameters()).device
    points = torch.as_tensor(np.asarray(affect), dtype=torch.float32, device=device)
    guidance = config.guidance if guidance is None else guidance
    rng: Any = torch.Generator().manual_seed(seed)
    if one_noise:  # of a list, each picture draws from its own
        rng = [torch.Generator().manual_seed(seed) for _ in affect]
    x = randn_tensor((len(affect), *shape(config)), rng).to(device)
    steps = scheduler(sampler or config.sampler, n_sampling or config.n_sampling, config.schedule,
                      config.prediction, config.n_diffusion, clipped=not config.codec)
    with torch.no_grad():
        for t in steps.timesteps:  # all go step by step: whatever n_at_once, the noise is the same
            some = zip(x.split(config.n_at_once), points.split(config.n_at_once), strict=True)
            predicted = torch.cat([guided(network, own, t.to(device).expand(len(own)), moods,
                                          guidance, config.guidance_rescale)
                                   for own, moods in some])
            x = steps.step(predicted, t, x, generator=rng).prev_sample
    return decode(config, x)


def checkpoint(path: Path, config: DiffusionConfig, seed: int, pictures: np.ndarray, models: Models,
               optimiser: torch.optim.Optimizer, rng: torch.Generator) -> loop.Checkpoint:
    """What a run of these settings, data, first weights and kind of device needs to go on."""
    first = models.network.unet.conv_in.weight.detach()
    key = provenance.content_hash(pictures, first.cpu().numpy(),
                                  repr((config, seed, first.device.type)).encode())
    return loop.Checkpoint(path, key, **models._asdict(), optimiser=optimiser, rng=rng)


def train(config: DiffusionConfig, pictures: np.ndarray, affect: np.ndarray, seed: int, path: Path,
          *, every: int = 250, team: loop.Team = loop.ALONE) -> tuple[Models, list[float]]:
    """Trains from the checkpoint at `path` on, a `team` on each batch: (models, every loss)."""
    rows = team.rows(min(config.batch_size, len(pictures)))
    models, optimiser = build(config, seed, team.device)
    rng = torch.Generator(team.device).manual_seed(seed)
    saved = checkpoint(path, config, seed, pictures, models, optimiser, rng)
    state = saved.load()
    x_0 = encode(config, pictures)
    curve, steps = state["curve"], data.batches(x_0, affect, config, seed, state["step"])
    shared = models._replace(network=team.joined(models.network))
    for _ in loop.progress(config.n_steps, path.stem, state["step"]):
        step, x_0, va = next(steps)
        loss = train_step(shared, optimiser, x_0, va, config, rng, step, rows)
        curve.append(team.mean(loss))
        if team.rank == 0 and ((step + 1) % every == 0 or step + 1 == config.n_steps):
            saved.save(step + 1, curve)
    return models, curve


def train_command(profile: str, seed: int = 0) -> int:
    """``python -m lib train``: notebook 33's training and checkpoint, by torchrun's processes."""
    config = get_config(profile).diffusion
    with loop.team() as team:
        if team.size == 1:
            loop.set_threads()
        pictures, affect = data.training_pictures(config)
        path = paths.results_dir(profile, NOTEBOOK) / "training.safetensors"
        _, curve = train(config, pictures, affect, seed, path, team=team)
        if team.rank == 0:
            print(f"{NOTEBOOK}: {config.n_steps} steps, {team.size} at a time, "
                  f"loss {curve[0]:.4f} → {curve[-1]:.4f}")
    return 0


@stored.whole(NOTEBOOK, "unet.json")
def load(profile: str) -> tuple[Models, DiffusionConfig]:
    """A profile's trained network (33's, else the bundled one) on the device, and its config."""
    settings = artefacts.load(NOTEBOOK, profile, "unet.json")
    config = stored.make_config(DiffusionConfig, settings | {"start": "scratch", "ema_decay": 0.0})
    with artefacts.Bounded(artefacts.find(NOTEBOOK, profile, "unet.safetensors")):
        models = build_network(config, device=provenance.device())
    stored.restore(lambda: models.network, NOTEBOOK, profile, "unet.safetensors")
    return models, config
