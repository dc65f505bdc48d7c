"""Training of stage 2: HiFi-GAN (``lib.models.hifigan``), true and predicted mels become sound.
Source: Hong et al. §III-B.3, §IV-A.1; Kong, Kim & Bae (2020), §2.3 and §3. Known deviations on a
CPU: a small generator, spectral losses, late and narrow critics. Notebook: 43."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from lib.core import provenance
from lib.core.errors import readable
from lib.models import hifigan, spectral_codec
from lib.systems.art2music import mel
from lib.systems.art2music.config import VocoderConfig
from lib.training import loop

CONTEXT, PIECE = 96, 2048  # frames: a long mel is vocoded in pieces with context on either side
AT_ONCE = 64  # mels


class Models(NamedTuple):
    """Networks and optimisers; ``spectral`` is ``None`` where `w_spectral` is 0."""
    generator: nn.Module
    critics: hifigan.Discriminators
    optimiser: torch.optim.Optimizer
    critic_optimiser: torch.optim.Optimizer
    spectral: spectral_codec.SpectralLosses | None


def make_generator(config: VocoderConfig) -> nn.Module:
    """An untrained generator of the config's size."""
    own = {"channels": config.channels} if config.channels else {}
    return hifigan.SIZES[config.size](**own)


def build(config: VocoderConfig, seed: int = 0, device: str = "", weights=None) -> Models:
    """Networks and optimisers; the generator may continue from `weights`, its state, the
    discriminators begin anew: ``checkpoints.initial_weights(config)``."""
    device = device or provenance.device()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = make_generator(config).to(device)
        critics = hifigan.Discriminators(config.critic_width, config.periods,
                                         config.scales).to(device)
    if weights is not None:
        with readable(f"weights of a generator of size {config.size!r}", "those given",
                      "start from others, or change the size"):
            generator.load_state_dict(weights)
    ours, theirs = (torch.optim.AdamW(part.parameters(), config.learning_rate, betas=config.betas)
                    for part in (generator, critics))
    return Models(generator, critics, ours, theirs, spectral_codec.SpectralLosses(
        mel.RATE_HZ).to(device) if config.w_spectral else None)


def train_step(models: Models, batch: tuple, config: VocoderConfig, *, adversarial=True) -> dict:
    """One step, critics first: ``mel`` (nats), ``loss``, if `adversarial` its other parts."""
    mels, sounds = batch  # ln-mels [B, M, T], their targets [B, T·hop]
    generated, row = models.generator(mels), {}
    if adversarial:
        real = models.critics(sounds)[0]
        fake = models.critics(generated.detach())[0]
        error = hifigan.discriminator_loss(real, fake)               # Kong et al., equation 1
        loop.clipped_step(models.critic_optimiser, error, config.max_norm)
        row["critics"] = error.item()
    mel_l1 = (mel.ln_mel(generated) - mel.ln_mel(sounds)).abs().mean()      # equation 3
    loss = config.w_mel * mel_l1
    if models.spectral is not None:
        distance, convergence = models.spectral(generated, sounds)
        loss = loss + config.w_spectral * (distance + 0.5 * convergence)
    if adversarial:
        (scores, ours), (_, theirs) = models.critics(generated), models.critics(sounds)
        fooling = hifigan.generator_loss(scores)                     # equation 2
        features = hifigan.feature_loss(theirs, ours)                # equation 4
        loss = loss + fooling + config.w_feature * features          # equation 7
        row |= {"fooling": fooling.item(), "features": features.item()}
    loop.clipped_step(models.optimiser, loss, config.max_norm)
    return {"mel": mel_l1.item(), "loss": loss.item()} | row


def draw_batch(sounds: np.ndarray, config: VocoderConfig, seed: int, step: int,
               predicted: np.ndarray | None = None, device: str = "") -> tuple:
    """A step's windows of sounds [C, N], of seed and step alone; `predicted`: ln-mels [C, M, T]."""
    device = device or provenance.device()
    rng, n_frames = np.random.default_rng([seed, step]), config.segment // mel.HOP
    rows = rng.integers(len(sounds), size=config.batch_size)
    first = rng.integers(sounds.shape[1] // mel.HOP - n_frames + 1, size=len(rows))
    windows = np.stack([sounds[row, at * mel.HOP : at * mel.HOP + config.segment]
                        for row, at in zip(rows, first, strict=True)])
    true = torch.from_numpy(windows.astype(np.float32)).to(device)
    mels = mel.ln_mel(true)
    if predicted is not None:
        for k in np.flatnonzero(rng.random(len(rows)) < config.predicted_share):
            window = predicted[rows[k], :, first[k] : first[k] + n_frames]
            mels[k] = torch.from_numpy(window.astype(np.float32))
    return mels, true


def train(models: Models, sounds: np.ndarray, config: VocoderConfig, path: Path | None = None, *,
          predicted: np.ndarray | None = None, seed: int = 0) -> list[dict]:
    """Trains in place (resumed from `path`, written every 500 steps): the curve, a dict a step."""
    device = str(next(models.generator.parameters()).device)
    some = slice(None, None, max(1, len(sounds) // 8))
    start = next(models.generator.parameters()).detach().cpu().numpy()
    key = provenance.content_hash(repr((config, seed, sounds.shape)).encode(), sounds[some],
                                  start, *([] if predicted is None else [predicted[some]]))
    checkpoint = loop.Checkpoint(path, key, generator=models.generator, critics=models.critics,
                            optimiser=models.optimiser, critic_optimiser=models.critic_optimiser)
    curve = checkpoint.load()["curve"]
    for step in loop.progress(config.n_steps, "vocoder", len(curve)):
        share = loop.warmup_cosine(step, config.warm_up, config.n_steps) if config.cosine \
            else config.decay ** (step / 1000)
        for group in (*models.optimiser.param_groups, *models.critic_optimiser.param_groups):
            group["lr"] = config.learning_rate * share
        batch = draw_batch(sounds, config, seed, step, predicted, device)
        row = train_step(models, batch, config, adversarial=step >= config.critics_from)
        curve.append({"step": step + 1, **row})
        if (step + 1) % 500 == 0 or step + 1 == config.n_steps:
            checkpoint.save(step + 1, curve)
    models.generator.eval()
    return curve


def vocode(generator: nn.Module, ln_mel: np.ndarray | torch.Tensor) -> np.ndarray:
    """ln-mel [B, M, T] → sound float32 [B, T·256] in [−1, 1], piece by piece without seams."""
    device = next(generator.parameters()).device
    mels, pieces = torch.as_tensor(np.asarray(ln_mel), dtype=torch.float32), []
    if len(mels) > AT_ONCE:
        return np.concatenate([vocode(generator, part) for part in mels.split(AT_ONCE)])
    with torch.inference_mode():
        for start in range(0, mels.shape[2], PIECE):
            before = min(start, CONTEXT)
            sound = generator(mels[:, :, start - before : start + PIECE + CONTEXT].to(device))
            sound = sound[:, before * mel.HOP : (before + PIECE) * mel.HOP]
            pieces.append(sound.float().cpu().numpy())
    return np.concatenate(pieces, axis=1)[:, : mels.shape[2] * mel.HOP]
