"""System 4, stage two: HiFi-GAN makes sound from mel-spectrograms, real ones and those that stage
one predicts.

    ln-mel [B, M, T] ──generator──► sound [B, N] ──┬─ its own ln-mel against the true sound's: |·| × 45
                                                   ├─ multi-period and multi-scale critics: is it real?
                                                   └─ the critics' layers on it and on the true sound: |·| × 2

Source: text 003, §III-B.3 and §IV-A.1 ("using both synthesized and real Mel-spectrograms"); Kong,
Kim & Bae (2020), "HiFi-GAN", §2.3 and §3, whose settings the text takes over.

Known deviations: where seconds of a CPU have to do, the generator is the small one
(``models.hifigan``), helped by spectral losses at several windows (`w_spectral`, those of the
codec's training), and the critics are narrow and come in late (`critics_from`).
Notebook: 43.
"""

import copy
import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lib.core import artefacts, provenance
from lib.core.errors import KlangfarbeError
from lib.models import hifigan
from lib.recipes.train_codec import spectral_losses
from lib.systems.art2music import mel
from lib.training import loop

NOTEBOOK = "43_art2music_vocoder"
CONTEXT, PIECE = 96, 2048  # frames: what a piece hears on either side, and how long it is


@dataclass(frozen=True)
class Config:
    """Settings of one vocoder; the defaults are HiFi-GAN V1's.

    Attributes:
        size: out of ``models.hifigan.SIZES``. segment: samples of a training window, a multiple of
            256.
        learning_rate, betas: AdamW's, of both sides. decay: the rate's, a thousand steps; cosine:
            instead, a warm-up of `warm_up` steps and half a cosine over all steps. batch_size,
            n_steps: of training. max_norm: the generator's gradients are cut there.
        w_mel, w_feature: of the losses. w_spectral: of the spectral losses, 0 as published.
        critics_from: step at which the critics come in. critic_width: of the multi-period ones, 32
            as published. periods, scales: which.
        predicted_share: how many windows are given the predicted mel in place of the true one.
    """

    size: str = "v1"
    segment: int = 8192
    learning_rate: float = 2e-4
    betas: tuple[float, float] = (0.8, 0.99)
    decay: float = 0.999
    cosine: bool = False
    warm_up: int = 0
    batch_size: int = 16
    n_steps: int = 500_000
    max_norm: float = 1e3
    w_mel: float = 45.0
    w_feature: float = 2.0
    w_spectral: float = 0.0
    critics_from: int = 0
    critic_width: int = 32
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    scales: int = 3
    predicted_share: float = 0.5

    def __post_init__(self):
        if self.segment < 1024 or self.segment % mel.HOP or not 0 <= self.predicted_share <= 1:
            raise KlangfarbeError(f"a segment of 1,024 samples or more, a multiple of {mel.HOP}, "
                                  f"and a share in [0, 1]",
                                  f"{self.segment}, {self.predicted_share}",
                                  "segment=8192 is the published one")


_SMALL = {"size": "small", "segment": 12_288, "cosine": True, "w_spectral": 45.0, "critic_width": 4,
          "periods": (2, 5, 11), "scales": 2, "max_norm": 100.0, "batch_size": 8}
PROFILES = {
    "smoke": Config(**_SMALL | {"segment": 4096, "batch_size": 2}, n_steps=3, learning_rate=2e-4,
                    critics_from=1),
    "mini": Config(**_SMALL, n_steps=24, learning_rate=2e-4, warm_up=3),
    "gpu": Config(n_steps=20_000),
    "paper": Config(),
}
MINIATURE = Config(**_SMALL, n_steps=4500, learning_rate=2e-3, warm_up=100, critics_from=3500,
                   predicted_share=0.0)


class Models(NamedTuple):
    """``generator`` and ``critics`` (lib.models.hifigan), their optimisers, ``spectral`` (sounds
    [B, N] twice → two losses) or ``None``.
    """

    generator: object
    critics: object
    optimiser: object
    critic_optimiser: object
    spectral: object


class Batch(NamedTuple):
    """``mels`` ln-mel [B, M, T], what the generator is given; ``sounds`` [B, T·hop], what it should
    say.
    """

    mels: object
    sounds: object


def of(profile: str, **changes) -> Config:
    """A profile's settings with your own changes on top."""
    if profile not in PROFILES:
        raise KlangfarbeError(f"a profile out of {', '.join(PROFILES)}", repr(profile),
                              "name one of them")
    return replace(PROFILES[profile], **changes)


def build(config: Config, seed: int = 0, device: str = "cpu",
          weights: dict | None = None) -> Models:
    """Networks and optimisers, the same for the same seed.

    Args:
        weights: of a generator to go on from (plain ones, as :func:`load` has them); only the small
            size can be gone on with, for it has no weight normalisation that :func:`save` would
            have folded.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = hifigan.generator(hifigan.SIZES[config.size]).to(device)
        critics = hifigan.Discriminators(config.critic_width, config.periods, config.scales).to(device)
    if weights is not None:
        generator.load_state_dict(weights)
    made, judged = (torch.optim.AdamW(part.parameters(), config.learning_rate, betas=config.betas)
                    for part in (generator, critics))
    return Models(generator, critics, made, judged,
                  spectral_losses(mel.RATE_HZ).to(device) if config.w_spectral else None)


def train_step(models: Models, batch: Batch, config: Config, *, judged: bool = True) -> dict:
    """One step: the critics first, then the generator.

    Args:
        judged: whether the critics take part.

    Returns:
        ``mel`` (ln-mel L1, nats), ``loss`` (the generator's whole) and, where judged, ``critics``,
        ``fooling``, ``features``.

    Raises:
        KlangfarbeError: a loss that is not finite.
    """
    made, row = models.generator(batch.mels), {}
    if judged:
        real, fake = models.critics(batch.sounds)[0], models.critics(made.detach())[0]
        # Kong et al., equation 1
        error = hifigan.discriminator_loss(real, fake)
        _step(models.critic_optimiser, error, config.max_norm)
        row["critics"] = error.item()
    # equation 3
    mel_l1 = (mel.ln_mel(made) - mel.ln_mel(batch.sounds)).abs().mean()
    loss = config.w_mel * mel_l1
    if config.w_spectral:
        distance, convergence = models.spectral(made, batch.sounds)
        loss = loss + config.w_spectral * (distance + 0.5 * convergence)
    if judged:
        (scores, ours), (_, theirs) = models.critics(made), models.critics(batch.sounds)
        # equations 2 and 4
        fooling, features = hifigan.generator_loss(scores), hifigan.feature_loss(theirs, ours)
        # equation 7
        loss = loss + fooling + config.w_feature * features
        row |= {"fooling": fooling.item(), "features": features.item()}
    if not bool(torch.isfinite(loss)):
        raise KlangfarbeError("a finite loss", f"{loss.item()}",
                              "lower the learning rate, or look for broken sounds")
    _step(models.optimiser, loss, config.max_norm)
    return {"mel": mel_l1.item(), "loss": loss.item()} | row


def _step(optimiser, loss, max_norm: float) -> None:
    optimiser.zero_grad(set_to_none=True)
    loss.backward()
    torch.nn.utils.clip_grad_norm_([p for group in optimiser.param_groups for p in group["params"]],
                                   max_norm)
    optimiser.step()


def draw_batch(sounds: np.ndarray, config: Config, seed: int, step: int,
             predicted: np.ndarray | None = None, device: str = "cpu") -> Batch:
    """A step's windows, the same whether training was resumed or not.

    Args:
        sounds: float [C, N], 22.05 kHz, N at least a segment. predicted: ln-mels [C, M, T] of the
            same clips, or ``None``: true mels alone.
    """
    rng, n_frames = np.random.default_rng([seed, step]), config.segment // mel.HOP
    rows = rng.integers(len(sounds), size=config.batch_size)
    first = rng.integers(sounds.shape[1] // mel.HOP - n_frames + 1, size=len(rows))
    cut = np.stack([sounds[row, at * mel.HOP : at * mel.HOP + config.segment] for row,
                    at in zip(rows, first, strict=True)])
    true = torch.from_numpy(cut.astype(np.float32)).to(device)
    given = mel.ln_mel(true)
    if predicted is not None:
        for k in np.flatnonzero(rng.random(len(rows)) < config.predicted_share):
            given[k] = torch.from_numpy(predicted[rows[k], :,
                                                  first[k] : first[k]
                                                  + n_frames].astype(np.float32))
    return Batch(given, true)


def train(models: Models, sounds: np.ndarray, config: Config, checkpoint: Path | None = None, *,
          predicted: np.ndarray | None = None, seed: int = 0, every: int = 500,
          say: Callable[[dict], None] | None = None) -> list[dict]:
    """Trains in place. A killed run goes on from its last checkpoint and ends with the same
    weights.

    Args:
        sounds, predicted: as :func:`batch_of`. checkpoint: ``….safetensors``, written every `every`
            steps. say: hears every step's row.

    Returns:
        The curve, a dict a step.
    """
    device = str(next(models.generator.parameters()).device)
    key = provenance.content_hash(repr((config, seed, sounds.shape)).encode(),
                                  np.ascontiguousarray(sounds[:: max(1, len(sounds) // 8)]))
    curve = _resumed(checkpoint, models, key)
    for step in loop.progress(config.n_steps, "vocoder", len(curve)):
        share = loop.warmup_cosine(step, config.warm_up,
                                   config.n_steps) if config.cosine else config.decay ** (step
                                                                                          / 1000)
        for optimiser in (models.optimiser, models.critic_optimiser):
            for group in optimiser.param_groups:
                group["lr"] = config.learning_rate * share
        batch = draw_batch(sounds, config, seed, step, predicted, device)
        curve.append({"step": step + 1, **train_step(models, batch, config,
                                                     judged=step >= config.critics_from)})
        if say is not None:
            say(curve[-1])
        if checkpoint is not None and ((step + 1) % every == 0 or step + 1 == config.n_steps):
            _keep(checkpoint, models, curve, key)
    models.generator.eval()
    return curve


def vocode(generator, ln_mel) -> np.ndarray:
    """ln-mel [B, M, T] (array or tensor) → sound float32 [B, T·256] in [−1, 1]; long ones piece by
    piece, without seams.
    """
    device = next(generator.parameters()).device
    given = torch.as_tensor(np.asarray(ln_mel), dtype=torch.float32)
    if given.ndim != 3 or not bool(given.isfinite().all()):
        raise KlangfarbeError(f"finite ln-mels [B, {mel.N_MELS}, T]", f"{tuple(given.shape)}",
                              "mel.to_ln makes them from the decoder's")
    made = []
    with torch.inference_mode():
        for at in range(0, given.shape[2], PIECE):
            before = min(at, CONTEXT)
            sound = generator(given[:, :, at - before : at + PIECE + CONTEXT].to(device))
            made.append(sound[:, before * mel.HOP : (before + PIECE)
                              * mel.HOP].float().cpu().numpy())
    whole = np.concatenate(made, axis=1)
    return whole[:, : given.shape[2] * mel.HOP]


def settings(config: Config) -> dict:
    """What stands in ``generator.json``."""
    return {"config": asdict(config)}


def weights(models: Models) -> dict:
    """Tensors for ``artefacts.save(…, "generator.safetensors")``, plain and in half precision."""
    folded = hifigan.fold_weight_norm(copy.deepcopy(models.generator))
    return {name: tensor.detach().half().contiguous().cpu() for name,
            tensor in folded.state_dict().items()}


@functools.cache
def load(profile: str = artefacts.BUNDLED, device: str = "cpu") -> tuple:
    """The trained generator of a profile, else the bundled one; a line says which: (generator,
    Config).

    Raises:
        KlangfarbeError: nothing trained yet, or weights that do not fit their settings.
    """
    said = artefacts.load(NOTEBOOK, profile, "generator.json")
    known = {field.name for field in fields(Config)}
    config = Config(**{name: tuple(value) if isinstance(value, list) else value for name,
                       value in said["config"].items() if name in known})
    generator = hifigan.fold_weight_norm(hifigan.generator(hifigan.SIZES[config.size]))
    found = {name: tensor.float() for name,
             tensor in artefacts.load(NOTEBOOK, profile, "generator.safetensors").items()}
    try:
        generator.load_state_dict(found)
    except RuntimeError as error:
        raise KlangfarbeError("weights that fit their settings",
                              str(error).splitlines()[1].strip()[:120],
                              "run notebook 43 again") from error
    return generator.to(device).eval(), config


def _keep(checkpoint: Path, models: Models, curve: list[dict], key: str) -> None:
    tensors = {f"{part}.{name}": tensor for part in ("generator", "critics") for name,
               tensor in getattr(models, part).state_dict().items()}
    tensors |= loop.flat_optimizer(models.optimiser) | loop.flat_optimizer(models.critic_optimiser,
                                                                           "judge")
    loop.save_checkpoint(checkpoint, tensors, {"step": len(curve), "curve": curve, "key": key})


def _resumed(checkpoint: Path | None, models: Models, key: str) -> list[dict]:
    found = None if checkpoint is None else loop.load_checkpoint(checkpoint)
    if found is None or found[1]["key"] != key:
        return []
    tensors, state = found
    for part in ("generator", "critics"):
        getattr(models, part).load_state_dict({name.removeprefix(f"{part}."): tensor for name,
                                               tensor in tensors.items()
                                               if name.startswith(f"{part}.")})
    loop.restore_optimizer(models.optimiser, tensors)
    loop.restore_optimizer(models.critic_optimiser, tensors, "judge")
    return state["curve"]
