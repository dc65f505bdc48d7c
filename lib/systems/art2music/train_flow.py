"""The flow, ours: the decoder answers with the median of all clips that could go with a painting,
the flow draws one. Source: Liu, Gong & Liu (2023), eq. 1; Esser et al. (2024); Ho & Salimans (2021)
for guidance, without which it plays nearly the same to every painting. Notebook: 42, 44."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from lib.core import provenance
from lib.models.fusion import Flow, GatedResidualProjector
from lib.systems.art2music import mel
from lib.systems.art2music.config import FlowConfig
from lib.systems.art2music.train_decoder import make_batch, project
from lib.training import loop


class Models(NamedTuple):
    """The two networks and their optimiser (``None`` once trained or loaded)."""
    projector: GatedResidualProjector
    network: Flow
    optimiser: Any


def build(config: FlowConfig, width: int, seed: int = 0, device: str = "") -> Models:
    """Untrained networks and optimiser; :func:`fit_basis` comes before the first step."""
    device = device or provenance.device()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        projector = GatedResidualProjector(width, config.hidden).to(device)
        network = Flow(config.hidden, mel.N_MELS, config.at_once, config.components,
                       config.channels, config.blocks).to(device)
    optimiser = torch.optim.AdamW([*projector.parameters(), *network.parameters()],
                                  config.learning_rate, weight_decay=0.01)
    return Models(projector, network, optimiser)


def fit_basis(models: Models, mels: np.ndarray) -> float:
    """Fits principal components to the patches of mels [C, M, T]: the share of variance kept."""
    network = models.network
    patches = network.patches(torch.as_tensor(np.asarray(mels, np.float32)))  # [C, M·r, S]
    patches = patches.transpose(1, 2).flatten(0, 1).numpy().astype(np.float64)
    mean, k = patches.mean(0), network.components
    covariance = np.cov((patches - mean).T)
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1][:k].clip(1e-9), vectors[:, ::-1][:, :k]
    scale = values**0.25  # the root of their standard deviation: small ones count too
    scale *= np.sqrt((values / scale**2).mean())  # z has a variance of 1 on average
    for name, value in {"mean": mean, "basis": vectors.T, "scale": scale}.items():
        getattr(network, name).copy_(torch.from_numpy(np.ascontiguousarray(value)).float())
    return float(values.sum() / np.trace(covariance))


def train_step(models: Models, batch: tuple, config: FlowConfig, generator) -> dict:
    """One step: ``loss``, about 2 untrained, and ``gradient``, its norm before clipping."""
    pictures, texts, mels = batch
    z = models.network.encode(mels)                                        # [B, k, S]
    noise = torch.randn(z.shape, generator=generator, device=z.device)
    t = torch.sigmoid(torch.randn(len(z), generator=generator, device=z.device))
    x = (1 - t)[:, None, None] * noise + t[:, None, None] * z
    shown = torch.rand((len(z), 1), generator=generator, device=z.device) >= config.p_null
    velocity = models.network(x, t, models.projector(pictures, texts) * shown)
    loss = (velocity - (z - noise)).square().mean()
    norm = loop.clipped_step(models.optimiser, loss, config.max_norm)
    return {"loss": loss.item(), "gradient": norm}


def train(models: Models, pictures: np.ndarray, texts: np.ndarray, mels_of: Callable,
          rows: np.ndarray, config: FlowConfig, path: Path | None = None, *,
          seed: int = 0) -> tuple[Models, list[dict]]:
    """Trains on some rows (resumed from `path`, written every 500 steps): the averaged networks,
    which generate, and the curve, a dict a step."""
    device = next(models.network.parameters()).device
    generator = torch.Generator(device).manual_seed(seed)
    both = torch.nn.ModuleList([models.projector, models.network])
    average = loop.moving_average(both, config.decay)
    key = provenance.content_hash(repr((config, seed)).encode(), pictures[rows], texts[rows],
                                  models.network.basis.cpu().numpy())
    checkpoint = loop.Checkpoint(path, key, networks=both, average=average,
                                 optimiser=models.optimiser, generator=generator)
    curve = checkpoint.load()["curve"]
    order = loop.batches(len(rows), config.batch_size, np.random.default_rng(seed))
    for _ in curve:  # the batches that were seen
        next(order)
    for step in loop.progress(config.n_steps, "flow", len(curve)):
        batch = make_batch(pictures, texts, mels_of, rows[next(order)], device)
        for group in models.optimiser.param_groups:
            group["lr"] = config.learning_rate * loop.warmup_cosine(step, config.warm_up,
                                                                    config.n_steps)
        curve.append({"step": step + 1, **train_step(models, batch, config, generator)})
        average.update_parameters(both)
        if (step + 1) % 500 == 0 or step + 1 == config.n_steps:
            checkpoint.save(step + 1, curve)
    averaged: Any = average.module
    return Models(averaged[0], averaged[1], None), curve


def generate(models: Models, pictures: np.ndarray, texts: np.ndarray, config: FlowConfig,
             **how) -> np.ndarray:
    """Vectors [N, D] twice → mels float32 [N, M, T] in [−1, 1]; `how` is :func:`sample`'s."""
    return sample(models, fuse(models, pictures, texts), config, **how)


def fuse(models: Models, pictures: np.ndarray, texts: np.ndarray) -> np.ndarray:
    """The projector's output: vectors [N, D] twice → h float32 [N, H]."""
    return project(models, pictures, texts)[0]


def sample(models: Models, h: np.ndarray, config: FlowConfig, *, seed: int = 0,
           seconds: float | None = None, guidance: float | None = None,
           seeds: Sequence[int] = ()) -> np.ndarray:
    """:func:`generate` from h [N, H]: Euler's method from noise (t = 0) to mel (t = 1), along
    v(0) + s·(v(h) − v(0)). A row's noise is drawn by its own of `seeds`, else by its place."""
    network, device = models.network, next(models.network.parameters()).device
    guidance = config.guidance if guidance is None else guidance
    dice: Sequence = seeds or [[seed, row] for row in range(len(h))]
    n_frames = mel.n_frames(config.seconds if seconds is None else seconds)
    shape, outputs = (config.components, -(-n_frames // config.at_once)), []
    with torch.inference_mode():
        for start in range(0, len(h), 32):
            part = torch.as_tensor(np.asarray(h[start : start + 32], np.float32)).to(device)
            noise = np.stack([np.random.default_rng(own).standard_normal(shape)
                              for own in dice[start : start + 32]])
            x = torch.from_numpy(noise.astype(np.float32)).to(device)
            for step in range(config.n_euler):
                t = torch.full((len(part),), step / config.n_euler, device=device)
                velocity = network(x, t, part)
                if guidance != 1:
                    null = network(x, t, torch.zeros_like(part))
                    velocity = null + guidance * (velocity - null)
                x = x + velocity / config.n_euler
            outputs.append(network.decode(x).float().cpu().numpy()[:, :, :n_frames])
    return np.concatenate(outputs).clip(-1, 1)
