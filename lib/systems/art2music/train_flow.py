"""System 4, beyond the paper: the same two vectors and a throw of dice become a mel, so that one
painting has many musics.

    mel [B, M, T] ──patches of r frames──► [B, M·r, S] ──k principal components──► z [B, k, S]     (and back: a basis, kept beside them)

    training     x_t = (1 − t)·noise + t·z,   t in (0, 1);   the network is asked for z − noise, given x_t, t and h
    playing      noise ── x ← x + v(x, t, h)/n, n times ──► z ──► mel

The decoder of :mod:`decoder` answers with the mean of all clips that could go with a painting; a
flow answers with one of them. Working on principal components of patches leaves out what a mean
over nothing can predict and makes the path short enough for a CPU.

Source: ours. The loss is Liu, Gong & Liu (2023), "Flow straight and fast", equation 1; the times
are drawn as in Esser et al. (2024), §3.1.
Notebook: 42, 44.
"""

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch

from lib.core.errors import KlangfarbeError
from lib.models.fusion import Flow, GatedResidualProjector
from lib.systems.art2music import mel, train_decoder
from lib.training import loop


@dataclass(frozen=True)
class Config:
    """Settings of one flow; ours, so there are no published ones.

    Attributes:
        hidden: H of the projector. channels, blocks: of the network. at_once: r; components: k.
        seconds: of a clip in training; any length can be played.
        learning_rate, warm_up, batch_size, n_steps: AdamW, half a cosine down. decay: of the
            average that plays. max_norm: gradients.
        n_euler: steps from noise to mel.
    """

    hidden: int = 512
    channels: int = 384
    blocks: int = 10
    at_once: int = 8
    components: int = 128
    seconds: float = 10.4
    learning_rate: float = 1e-3
    warm_up: int = 100
    batch_size: int = 32
    n_steps: int = 20_000
    decay: float = 0.999
    max_norm: float = 1.0
    n_euler: int = 32


_SMALL = {"hidden": 64, "channels": 64, "blocks": 6, "components": 48, "learning_rate": 3e-3,
          "warm_up": 30, "decay": 0.99, "n_euler": 16}
PROFILES = {
    "smoke": Config(**_SMALL | {"channels": 16, "components": 8, "n_euler": 4}, seconds=1.0,
                    n_steps=6),
    "mini": Config(**_SMALL, seconds=5.0, n_steps=800),
    "gpu": Config(),
    "paper": Config(),
}


class Models(NamedTuple):
    """``projector`` and ``network`` (lib.models.fusion), their ``optimiser`` or ``None``."""

    projector: object
    network: object
    optimiser: object


def of(profile: str, **changes) -> Config:
    """A profile's settings with your own changes on top."""
    if profile not in PROFILES:
        raise KlangfarbeError(f"a profile out of {', '.join(PROFILES)}", repr(profile),
                              "name one of them")
    return replace(PROFILES[profile], **changes)


def build(config: Config, width: int, seed: int = 0, device: str = "cpu") -> Models:
    """Networks and optimiser, the same for the same seed; :func:`fit_basis` comes before the first
    step.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        projector = GatedResidualProjector(width, config.hidden).to(device)
        network = Flow(config.hidden, mel.N_MELS, config.at_once, config.components,
                       config.channels, config.blocks).to(device)
    optimiser = torch.optim.AdamW([*projector.parameters(), *network.parameters()],
                                  config.learning_rate, weight_decay=0.01)
    return Models(projector, network, optimiser)


def fit_basis(models: Models, mels: np.ndarray) -> float:
    """Principal components of the patches of some mels [C, M, T], put into the network; returns the
    share of variance they keep.

    Components are brought nearer to one size by the square root of their own deviation: the flow
    then cares for the small ones too.
    """
    network = models.network
    patches = (network.patches(torch.as_tensor(np.asarray(mels, np.float32))).transpose(1,
                                                                                        2).flatten(
            0, 1).numpy().astype(np.float64))
    mean, k = patches.mean(0), network.components
    values, vectors = np.linalg.eigh(np.cov((patches - mean).T))
    values, vectors = values[::-1][:k].clip(1e-9), vectors[:, ::-1][:, :k]
    scale = values**0.25
    scale *= np.sqrt((values / scale**2).mean())  # z has a variance of 1 on average
    for name, found in {"mean": mean, "basis": vectors.T, "scale": scale}.items():
        getattr(network, name).copy_(torch.from_numpy(np.ascontiguousarray(found)).float())
    return float(values.sum() / np.trace(np.cov((patches - mean).T)))


def train_step(models: Models, batch: train_decoder.Batch, config: Config, generator) -> dict:
    """One step: the network is asked where a point between noise and mel is going.

    Args:
        generator: torch's, of noise and times.

    Returns:
        ``loss`` (squared error a number, about 2 untrained) and ``gradient`` (norm before cutting).
    """
    z = models.network.encode(batch.mels)                                  # [B, k, S]
    noise = torch.randn(z.shape, generator=generator, device=z.device)
    t = torch.sigmoid(torch.randn(len(z), generator=generator, device=z.device))
    x = (1 - t)[:, None, None] * noise + t[:, None, None] * z
    loss = (models.network(x, t, models.projector(batch.pictures, batch.texts))
            - (z - noise)).square().mean()
    if not bool(loss.isfinite()):
        raise KlangfarbeError("a finite loss", f"{loss.item()}",
                              "lower the learning rate, or look for broken mels")
    models.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    learnt = [p for group in models.optimiser.param_groups for p in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(learnt, config.max_norm)
    models.optimiser.step()
    return {"loss": loss.item(), "gradient": norm.item()}


def train(models: Models, pictures, texts, mels, rows: np.ndarray, config: Config, *,
          seed: int = 0) -> tuple[Models, list[dict]]:
    """Trains on some pairs; returns the averaged networks, which play, and the curve (a dict a
    step).

    Args:
        pictures, texts: float32 [N, D]. mels: [N, M, T], or a function of row numbers that gives
            them. rows: those to train on.
    """
    device = next(models.network.parameters()).device
    dice = torch.Generator(device).manual_seed(seed)
    both = torch.nn.ModuleList([models.projector, models.network])
    average = loop.MovingAverage(both, config.decay)
    order, curve = loop.batches(len(rows), config.batch_size, np.random.default_rng(seed)), []
    for step in loop.progress(config.n_steps, "flow"):
        some = rows[next(order)]
        target = mels(some) if callable(mels) else mels[some]
        batch = train_decoder.Batch(*(torch.as_tensor(np.asarray(part, np.float32)).to(device)
                                      for part in (pictures[some], texts[some], target)))
        for group in models.optimiser.param_groups:
            group["lr"] = config.learning_rate * loop.warmup_cosine(step, config.warm_up,
                                                                    config.n_steps)
        curve.append({"step": step + 1, **train_step(models, batch, config, dice)})
        average.update(both)
    return Models(average.module[0], average.module[1], None), curve


def generate(models: Models, pictures, texts, config: Config, *, seed: int = 0,
             seconds: float | None = None, batch: int = 32) -> np.ndarray:
    """Vectors [N, D] twice → mels float32 [N, M, T] in [−1, 1]; another seed, another mel.

    Item n's noise depends on the seed and n alone, not on what is played beside it. seconds:
    ``None``: those of training.
    """
    return sample(models, fuse(models, pictures, texts), config, seed=seed, seconds=seconds,
                batch=batch)


def fuse(models: Models, pictures, texts) -> np.ndarray:
    """The projector's answer: vectors [N, D] twice → h float32 [N, H], all that the network is
    told.
    """
    device = next(models.network.parameters()).device
    with torch.inference_mode():
        return models.projector(*(torch.as_tensor(np.asarray(some, np.float32)).to(device)
                                  for some in (pictures, texts))).cpu().numpy()


def sample(models: Models, h: np.ndarray, config: Config, *, seed: int = 0,
         seconds: float | None = None, batch: int = 32) -> np.ndarray:
    """As :func:`generate`, from h [N, H], wherever that is from."""
    device, network = next(models.network.parameters()).device, models.network
    n_frames = mel.n_frames(config.seconds if seconds is None else seconds)
    n_patches, made = -(-n_frames // config.at_once), []
    with torch.inference_mode():
        for at in range(0, len(h), batch):
            some = torch.as_tensor(np.asarray(h[at : at + batch], np.float32)).to(device)
            noise = [np.random.default_rng([seed,
                                            at + k]).standard_normal((config.components, n_patches))
                     for k in range(len(some))]
            x = torch.from_numpy(np.stack(noise).astype(np.float32)).to(device)
            for step in range(config.n_euler):
                x = x + network(x, torch.full((len(some),), step / config.n_euler, device=device),
                                some) / config.n_euler
            made.append(network.decode(x).float().cpu().numpy()[:, :, :n_frames])
    return np.concatenate(made).clip(-1, 1)
