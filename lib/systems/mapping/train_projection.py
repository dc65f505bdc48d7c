"""Trains the projections (``lib.models.projections``) from a picture's vector to what conditions
MusicGen; three of the four losses go through its decoder (:func:`decode`).

    v [B, D_in] ─projection─► m̂ [B, n, D] ─┬─ latent: |m̂ − m|  or  (m̂ − m)²
                                           ├─ mel: ln-mel of m̂'s sound against the true sound's
                                           ├─ adversarial: a critic takes it for a real one
                                           └─ features: the decoder's layers under m̂ and m
Source: Deepika §4.2.2, §4.2.3 (Study I), §4.3.3 to §4.3.5 (Study II), Table 5.1. Ours: how
Mel(Gen(m̂)) is differentiated; the adversary's form; mels in units of 80 dB. Notebook: 22, 23."""

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from lib.core import errors, provenance
from lib.models import projections, spectral_codec
from lib.systems.evaluation import cosine_similarity
from lib.systems.mapping.config import ProjectionConfig
from lib.systems.mapping.data import PairedData
from lib.training import loop, musicgen

N_MELS, N_FFT, HOP = 128, 1024, 256
DISTANCES = {"mae": F.l1_loss, "mse": F.mse_loss}


class Models(NamedTuple):
    """Networks and optimisers; the first two alone where they were loaded."""
    projection: nn.Module
    generator: Any
    optimiser: Any = None
    critic: Any = None  # where there is an adversarial loss
    critic_optimiser: Any = None
    mel: Any = None  # sound [B, N] → ln-mel [B, T, M]


class Batch(NamedTuple):
    """A batch; the last two where a loss needs them, of its first b items."""
    vectors: Tensor  # [B, D_in]
    targets: Tensor  # [B, n, D]
    codes: Any = None  # [b, K, S]
    sounds: Any = None  # [b, N]


def build_projection(config: ProjectionConfig, width_in: int, width_out: int) -> nn.Module:
    """A study's untrained projection, [B, D_in] → [B, n, D_out]."""
    sizes = width_in, width_out, config.n_tokens, config.hidden
    if config.study == "two":
        return projections.StudyTwo(*sizes, config.dropout)
    network: Any = projections.StudyOne(*sizes, config.heads, config.dropout)
    network.leave[1].weight.data.fill_(config.gain)
    return network


def build(config: ProjectionConfig, generator, width_in: int, seed: int = 0) -> Models:
    """Networks and optimisers; the generator's weights get no gradient, its inputs still do."""
    device = generator.device
    generator.network.requires_grad_(False).eval()
    for part in generator.network.modules():
        if isinstance(part, nn.LSTM):  # EnCodec's, without dropout: in evaluation mode cuDNN has
            part.train()  # no gradient of it
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        projection = build_projection(config, width_in, generator.width).to(device)
        critic = projections.VectorCritic(generator.width) if config.study == "one" \
            else projections.SoundCritic(N_MELS)
    critic = critic.to(device) if config.w_adversarial else None
    optimiser = torch.optim.AdamW(projection.parameters(), config.learning_rate,
                                  weight_decay=config.weight_decay)
    critic_optimiser = None if critic is None else torch.optim.AdamW(
        critic.parameters(), config.critic_rate, betas=(0.5, 0.9), weight_decay=0.0)
    mel = spectral_codec.Mel(generator.sample_rate_hz, N_FFT, HOP, N_MELS).to(device)
    return Models(projection, generator, optimiser, critic, critic_optimiser, mel)


def decode(generator, conditions: Tensor, codes: Tensor, *, with_sound=True) -> tuple:
    """Conditions [B, n, D], true codes int [B, K, S] → sound [B, N] with a gradient, and features
    [B, L, D] of each layer. Sampling has no gradient, so the decoder reads the true codes up to
    each step (teacher forcing), and the codec decodes the codebooks' mean by its probabilities."""
    decoder = generator.network.decoder
    errors.checked(conditions, "conditions", (len(codes), "n", generator.width),
                   "one for each row of codes")
    batch, n_codebooks, n_steps = codes.shape
    inputs = musicgen.delay(codes.long(), decoder.config.vocab_size)[..., :-1]
    mask = torch.ones(conditions.shape[:2], dtype=torch.long, device=conditions.device)
    out = decoder(inputs.flatten(0, 1), encoder_hidden_states=conditions,
                  encoder_attention_mask=mask, use_cache=False, output_hidden_states=True)
    logits = out.logits.view(batch, n_codebooks, inputs.shape[2], -1)
    # column s + k + 1 is predicted one column earlier
    columns = musicgen.delayed_columns(n_codebooks, n_steps, codes.device) - 1
    index = columns[None, :, :, None].expand(batch, -1, -1, logits.shape[-1])
    probabilities = logits.gather(2, index).float().softmax(-1)
    sound = generator.codec.soft_decode(probabilities)[:, 0] if with_sound else probabilities
    return sound, tuple(out.hidden_states)


def losses(models: Models, batch: Batch, config: ProjectionConfig) -> tuple[dict, tuple]:
    """The unweighted losses (Deepika §4.2.3, §4.3.4); the critic's inputs, real and generated."""
    predicted = models.projection(batch.vectors)
    with loop.autocast(models.generator.device, config.bfloat16):
        return _losses_of(models, predicted, batch, config)


def _losses_of(models: Models, predicted: Tensor, batch: Batch, config) -> tuple[dict, tuple]:
    terms = {"latent": DISTANCES[config.latent](predicted, batch.targets)}
    critic_inputs: tuple = ()
    if config.w_adversarial and config.study == "one":
        critic_inputs = (batch.targets, predicted)
    if config.uses_decoder:
        n = len(batch.codes)
        sound, features = decode(models.generator, predicted[:n], batch.codes,
                                 with_sound=bool(config.w_mel or config.w_adversarial))
        if config.w_mel or (config.w_adversarial and config.study == "two"):
            real = models.mel(batch.sounds)
            generated = models.mel(sound[:, : batch.sounds.shape[1]])
            terms["mel"] = DISTANCES[config.mel](generated / config.mel_unit,
                                                 real / config.mel_unit)
            critic_inputs = critic_inputs or (real, generated)
        if config.w_features:
            with torch.no_grad():
                _, expected = decode(models.generator, batch.targets[:n], batch.codes,
                                     with_sound=False)
            terms["features"] = torch.stack([
                F.l1_loss(a, b) for a, b in zip(features, expected, strict=True)]).mean()
    if config.w_adversarial:
        terms["adversarial"] = F.softplus(-models.critic(critic_inputs[1])).mean()
    return terms, critic_inputs


def weighted(terms: dict, config: ProjectionConfig) -> Any:
    """The sum of the losses, each times its weight λ."""
    return sum(getattr(config, f"w_{name}") * value for name, value in terms.items())


def accumulated_losses(models: Models, batch: Batch, config: ProjectionConfig) -> tuple:
    """:func:`losses` and a scalar with the gradient of their weighted sum. Parts of the batch go
    through the decoder one after the other: their gradients at m̂ [B, n, D] add up to the batch's,
    in one part's memory."""
    if batch.codes is None or min(config.accumulate, len(batch.codes)) == 1:
        terms, critic_inputs = losses(models, batch, config)
        return terms, critic_inputs, weighted(terms, config)
    predicted, n, n_decoded = models.projection(batch.vectors), len(batch.vectors), len(batch.codes)
    n_parts = min(config.accumulate, n_decoded)
    leaf, summed, inputs = predicted.detach().requires_grad_(), {}, []
    for rows in zip(torch.arange(n_decoded).tensor_split(n_parts),
                    torch.arange(n_decoded, n).tensor_split(n_parts), strict=True):
        decoded, every = rows[0], torch.cat(rows)
        part = Batch(batch.vectors[every], batch.targets[every], batch.codes[decoded],
                     batch.sounds[decoded])
        with loop.autocast(models.generator.device, config.bfloat16):
            terms, critic_inputs = _losses_of(models, leaf[every], part, config)
        # each loss is a mean over items: over all of them, or over those that are decoded
        of_all = {"latent"} | ({"adversarial"} if config.study == "one" else set())
        terms = {name: value * (len(every) / n if name in of_all else len(decoded) / n_decoded)
                 for name, value in terms.items()}
        weighted(terms, config).backward()
        summed = {name: summed.get(name, 0) + value.detach() for name, value in terms.items()}
        inputs.append([rows.detach() for rows in critic_inputs])
    gathered = tuple(torch.cat(side) for side in zip(*inputs, strict=True))
    return summed, gathered, (predicted * leaf.grad).sum()


def train_step(models: Models, batch: Batch, config: ProjectionConfig) -> dict[str, float]:
    """A step of projection, then critic: unweighted losses, ``loss, gradient, critic``."""
    terms, critic_inputs, total = accumulated_losses(models, batch, config)
    norm = loop.clipped_step(models.optimiser, total, config.max_norm)
    row = {name: value.item() for name, value in terms.items()}
    row |= {"loss": weighted(terms, config).item(), "gradient": norm}
    if config.w_adversarial:
        real, generated = (rows.detach() for rows in critic_inputs)
        with loop.autocast(models.generator.device, config.bfloat16):
            error = F.softplus(-models.critic(real)).mean() + F.softplus(
                models.critic(generated)).mean()
        loop.clipped_step(models.critic_optimiser, error, np.inf)
        row["critic"] = error.item()
    return row


def epoch_batches(pairs: PairedData, targets: np.ndarray, config: ProjectionConfig,
                  models: Models, epoch: int, seed: int = 0) -> Iterator[Batch]:
    """An epoch's batches of training pairs: other views and windows each time, set by the seed."""
    rng, generator = np.random.default_rng([seed, epoch]), models.generator
    torch.manual_seed(seed * 1_000_003 + epoch)  # dropout's
    rows, per_step = pairs.rows("train"), generator.codec.samples_per_step
    size, order = min(config.batch_size, len(rows)), rng.permutation(rows)
    for at in range(0, len(order) - size + 1, size):
        batch = order[at : at + size]
        view = rng.integers(pairs.vectors.shape[1], size=size)
        arrays = [pairs.vectors[batch, view], targets[batch]]
        if config.uses_decoder:
            heard, n_stored = batch[: config.audible], pairs.codes.shape[2]
            n_steps = max(1, round(config.window_seconds * generator.codec.frame_rate_hz))
            n_steps = min(n_steps, n_stored)
            n_samples = min(n_steps * per_step, pairs.sounds.shape[1])
            first = rng.integers(n_stored - n_steps + 1, size=len(heard))
            start = np.minimum(first * per_step, pairs.sounds.shape[1] - n_samples)
            arrays += [np.stack([pairs.codes[row, :, k : k + n_steps] for row, k in zip(
                heard, first, strict=True)]).astype(np.int64),
                       np.stack([pairs.sounds[row, k : k + n_samples] for row, k in zip(
                           heard, start, strict=True)]).astype(np.float32)]
        yield Batch(*(torch.from_numpy(array).to(generator.device) for array in arrays))


def validate(models: Models, pairs: PairedData, targets: np.ndarray, config) -> dict[str, float]:
    """``validation`` (the latent loss) and ``cosine`` on the validation pairs, not augmented."""
    rows = pairs.rows("validation")
    predicted, wanted = predict(models, pairs.vectors[rows, 0]), targets[rows]
    error = (np.abs if config.latent == "mae" else np.square)(predicted - wanted)
    return {"validation": float(error.mean()),
            "cosine": float(cosine_similarity(predicted, wanted).mean())}


def checkpoint(path: Path | None, models: Models, pairs: PairedData, targets: np.ndarray,
               config: ProjectionConfig, best: dict, seed: int = 0) -> loop.Checkpoint:
    """The checkpoint of a training, `best` the weights of its best epoch so far."""
    inputs = (list(pairs.table["pair"]), list(pairs.table["split"]), models.generator.sha256,
              provenance.content_hash(pairs.vectors[:, 0], targets))
    key = provenance.content_hash(repr((config, seed, inputs)).encode())
    return loop.Checkpoint(path, key, projection=models.projection, optimiser=models.optimiser,
                           critic=models.critic, critic_optimiser=models.critic_optimiser,
                           best=best)


def best_of(curve: list[dict]) -> dict:
    """The row of the epoch with the lowest validation loss; before the first one, epoch 0."""
    return min(curve, key=lambda row: row["validation"], default={"epoch": 0, "validation": np.inf})


def train(models: Models, pairs: PairedData, targets: np.ndarray, config: ProjectionConfig,
          path: Path | None = None, *, seed: int = 0, every: int = 1) -> list[dict]:
    """Trains in place from the checkpoint at `path` on, which is saved `every` so many epochs;
    keeps the best epoch or the last; a row an epoch."""
    network = models.projection
    weights = copy.deepcopy(network.state_dict())
    saved = checkpoint(path, models, pairs, targets, config, weights, seed)
    curve, late = saved.load()["curve"], config.decoder_epochs
    for epoch in loop.progress(config.epochs, f"study {config.study}", len(curve)):
        best = best_of(curve)
        if late is None and len(curve) - best["epoch"] >= config.patience:
            break
        now = config if late is None or epoch >= config.epochs - late else \
            replace(config, w_mel=0.0, w_adversarial=0.0, w_features=0.0)
        network.train()
        steps = [train_step(models, batch, now)
                 for batch in epoch_batches(pairs, targets, now, models, epoch, seed)]
        curve.append({"epoch": epoch + 1,
                      **{name: float(np.mean([step[name] for step in steps])) for name in steps[0]},
                      **validate(models, pairs, targets, config)})
        if late is not None or curve[-1]["validation"] < best["validation"]:
            weights |= copy.deepcopy(network.state_dict())
        if len(curve) % every == 0 or len(curve) == config.epochs:
            saved.save(len(curve), curve)
    network.load_state_dict(weights)
    network.eval()
    return curve


def predict(models: Models, vectors: np.ndarray, batch: int = 256) -> np.ndarray:
    """Vectors [N, D_in] → conditions float32 [N, n, D], dropout off."""
    device, network = models.generator.device, models.projection.eval()
    rows = torch.from_numpy(np.array(vectors, np.float32)).split(batch)
    with torch.inference_mode():
        return torch.cat([network(some.to(device)).float().cpu() for some in rows]).numpy()
