"""Training of stage 1: two vectors of a painting and a text become a mel-spectrogram. The networks,
``GatedResidualProjector`` and ``MelDecoder``, are in ``lib.models.fusion``.

    v [B, D], u [B, D] ──gated residual projector──► h [B, H] ──BiLSTM──► m̂ [B, M, T]
    loss: Σ w_f |m̂ − m| to the mel m of the matched clip

                    text                 projector               split                  w_f
    as published    with audio keywords  trained                 by triplet             1 … 1.5
    as released     with audio keywords  neither trained, nor saved
    corrected       comment alone        trained and saved       by painting and clip   1 … 1.5

Source: Hong et al. §III-B.1 and 2, §IV-A.2; the released code. Known deviations: W_r, which brings
the text to H numbers, is ours · on a CPU one step of the LSTM gives several frames (`at_once`) ·
gradients are clipped at norm 1. Notebook: 42.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from lib.core import provenance
from lib.core.errors import KlangfarbeError
from lib.models.fusion import GatedResidualProjector, MelDecoder
from lib.systems.art2music import mel
from lib.systems.art2music.config import DecoderConfig
from lib.training import loop
from lib.training.checkpoint import Checkpoint


class Models(NamedTuple):
    """The two networks, their optimiser (``None`` once loaded) and the loss weights [M, 1]."""

    projector: GatedResidualProjector
    decoder: MelDecoder
    optimiser: Any
    weights: torch.Tensor


class Batch(NamedTuple):
    """CLIP vectors of pictures and texts, [B, D] each, and mels [B, M, T] in [−1, 1]."""

    pictures: torch.Tensor
    texts: torch.Tensor
    mels: torch.Tensor


def band_weights(high_weight: float) -> np.ndarray:
    """w_f = 1 + (w_F − 1)(f − 1)/(F − 1), float32 [M]: Hong et al., equation 2."""
    return np.linspace(1.0, high_weight, mel.N_MELS, dtype=np.float32)


def build(config: DecoderConfig, width: int, seed: int = 0, device: str = "cpu") -> Models:
    """Untrained networks and optimiser; `width` is D of CLIP's vectors."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        projector = GatedResidualProjector(width, config.hidden).to(device)
        decoder = MelDecoder(config.hidden, mel.n_frames(config.seconds), mel.N_MELS, config.lstm,
                             config.layers, config.at_once).to(device)
    trained = [*decoder.parameters(), *(projector.parameters() if config.trains_projector else ())]
    weights = torch.from_numpy(band_weights(config.high_weight))[:, None].to(device)
    return Models(projector, decoder, torch.optim.Adam(trained, config.learning_rate), weights)


def train_step(models: Models, batch: Batch, config: DecoderConfig) -> dict:
    """One step on the frequency-weighted L1: ``loss``, plain ``l1``, ``gradient`` (norm before
    clipping)."""
    h = models.projector(batch.pictures, batch.texts)                      # [B, H]
    error = (models.decoder(h) - batch.mels).abs()                         # [B, M, T]
    loss = (models.weights * error).mean()                                 # equation 2
    norm = loop.clipped_step(models.optimiser, loss, config.max_norm)
    return {"loss": loss.item(), "l1": error.mean().item(), "gradient": norm}


def make_batch(pictures: np.ndarray, texts: np.ndarray, mels_of: Callable, rows: np.ndarray,
               device) -> Batch:
    """Some rows as tensors; `mels_of`: row numbers → mels [b, M, T]."""
    return Batch(*(torch.as_tensor(np.asarray(part, np.float32)).to(device)
                   for part in (pictures[rows], texts[rows], mels_of(rows))))


def batches(pictures, texts, mels_of: Callable, rows: np.ndarray, config: DecoderConfig, seed: int,
            epoch: int, device: Any = "cpu") -> Iterator[Batch]:
    """The batches of an epoch; the order depends on seed and epoch alone."""
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    size = min(config.batch_size, len(order))
    for start in range(0, len(order) - size + 1, size):
        yield make_batch(pictures, texts, mels_of, order[start : start + size], device)


def train(models: Models, pictures: np.ndarray, texts: np.ndarray, mels_of: Callable,
          splits: Sequence[str] | Any, config: DecoderConfig, path: Path | None = None, *,
          seed: int = 0) -> list[dict]:
    """Trains in place on CLIP vectors [N, D] twice and :func:`make_batch`'s mels, and keeps the
    epoch of the lowest validation loss, as published: the curve, ``epoch, loss, l1, gradient,
    validation``. A killed run goes on from `path`."""
    train_rows, val_rows = (np.flatnonzero(np.asarray(splits) == name)
                            for name in ("train", "validation"))
    if not (len(train_rows) and len(val_rows)):
        raise KlangfarbeError("pairs to train on and pairs to choose by",
                              f"{len(train_rows)} and {len(val_rows)}", "draw more pairs")
    networks = nn.ModuleDict({"projector": models.projector, "decoder": models.decoder})
    best = {name: tensor.detach().clone() for name, tensor in networks.state_dict().items()}
    key = provenance.content_hash(repr((config, seed, len(splits))).encode(),
                                  np.ascontiguousarray(pictures[train_rows]),
                                  np.ascontiguousarray(texts[train_rows]))
    checkpoint = Checkpoint(path, key, networks=networks, optimiser=models.optimiser, best=best)
    state = checkpoint.load()
    curve, lowest = state["curve"], state.get("validation", np.inf)
    for epoch in loop.progress(config.epochs, "mel decoder", state["step"]):
        rows = [train_step(models, batch, config)
                for batch in batches(pictures, texts, mels_of, train_rows, config, seed, epoch,
                                     models.weights.device)]
        error = np.abs(predict(models, pictures[val_rows], texts[val_rows], clipped=False)
                       - np.asarray(mels_of(val_rows), np.float32))
        validation = float((models.weights.cpu().numpy() * error).mean())
        curve.append({"epoch": epoch + 1,
                      **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]},
                      "validation": validation})
        if validation < lowest:
            lowest = validation
            for name, tensor in networks.state_dict().items():
                best[name].copy_(tensor)
        checkpoint.save(epoch + 1, curve, validation=lowest)
    networks.load_state_dict(best)
    return curve


def predict(models: Models, pictures: np.ndarray, texts: np.ndarray, *,
            clipped: bool = True) -> np.ndarray:
    """Vectors [N, D] twice → mels float32 [N, M, T] in [−1, 1], without any noise."""
    outputs = []
    with torch.inference_mode():
        for start in range(0, len(pictures), 64):
            v, u = (torch.as_tensor(np.asarray(part[start : start + 64],
                                               np.float32)).to(models.weights.device)
                    for part in (pictures, texts))
            outputs.append(models.decoder(models.projector(v, u)).float().cpu())
    mels = torch.cat(outputs).numpy()
    return mels.clip(-1, 1) if clipped else mels
