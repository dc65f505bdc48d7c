"""Training of stage 1 (``lib.models.fusion``): v, u [B, D] ──gated residual projector──► h [B, H]
──BiLSTM──► mel [B, M, T]. Source: Hong et al. §III-B.1 and 2, §IV-A.2; as released the projector is
not trained. Known deviations: W_r is ours; on a CPU a step of the LSTM gives several frames
(`at_once`); gradients are clipped at norm 1. Notebook: 42."""

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from lib.core import provenance
from lib.models.fusion import GatedResidualProjector, MelDecoder
from lib.systems.art2music import mel
from lib.systems.art2music.config import DecoderConfig
from lib.training import loop


class Models(NamedTuple):
    """The two networks, their optimiser (``None`` once loaded) and the loss weights [M, 1]."""
    projector: GatedResidualProjector
    decoder: MelDecoder
    optimiser: Any
    weights: torch.Tensor


def band_weights(high_weight: float) -> np.ndarray:
    """w_f = 1 + (w_F − 1)(f − 1)/(F − 1), float32 [M]: Hong et al., equation 2."""
    return np.linspace(1.0, high_weight, mel.N_MELS, dtype=np.float32)


def build(config: DecoderConfig, width: int, seed: int = 0, device: str = "") -> Models:
    """Untrained networks and optimiser; `width` is D of CLIP's vectors, `device` the best one."""
    device = device or provenance.device()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        projector = GatedResidualProjector(width, config.hidden).to(device)
        decoder = MelDecoder(config.hidden, mel.n_frames(config.seconds), mel.N_MELS, config.lstm,
                             config.layers, config.at_once).to(device)
    trained = [*decoder.parameters(), *(projector.parameters() if config.trains_projector else ())]
    weights = torch.from_numpy(band_weights(config.high_weight))[:, None].to(device)
    return Models(projector, decoder, torch.optim.Adam(trained, config.learning_rate), weights)


def train_step(models: Models, batch: tuple, config: DecoderConfig) -> dict:
    """One step on the weighted L1: ``loss``, plain ``l1``, ``gradient`` (norm before clipping)."""
    pictures, texts, mels = batch
    h = models.projector(pictures, texts)                                  # [B, H]
    error = (models.decoder(h) - mels).abs()                               # [B, M, T]
    loss = (models.weights * error).mean()                                 # equation 2
    norm = loop.clipped_step(models.optimiser, loss, config.max_norm)
    return {"loss": loss.item(), "l1": error.mean().item(), "gradient": norm}


def make_batch(pictures, texts, mels_of: Callable, rows: np.ndarray, device) -> tuple:
    """Rows as tensors: CLIP vectors [B, D] twice, mels [B, M, T]; `mels_of`: row numbers → mels."""
    return tuple(torch.as_tensor(np.asarray(part, np.float32)).to(device)
                 for part in (pictures[rows], texts[rows], mels_of(rows)))


def batches(pictures, texts, mels_of: Callable, rows: np.ndarray, config: DecoderConfig, seed: int,
            epoch: int, device: Any = "") -> Iterator[tuple]:
    """The batches of an epoch; the order depends on seed and epoch alone."""
    device = device or provenance.device()
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    size = min(config.batch_size, len(order))
    for start in range(0, len(order) - size + 1, size):
        yield make_batch(pictures, texts, mels_of, order[start : start + size], device)


def checkpoint(path: Path | None, models: Models, pictures: np.ndarray, texts: np.ndarray,
               splits: Any, config: DecoderConfig, best: dict, seed: int = 0) -> loop.Checkpoint:
    """The checkpoint of a training, `best` the weights of its best epoch so far."""
    key = provenance.content_hash(repr((config, seed, list(splits))).encode(), pictures, texts)
    return loop.Checkpoint(path, key, projector=models.projector, decoder=models.decoder,
                           optimiser=models.optimiser, best=best)


def train(models: Models, pictures: np.ndarray, texts: np.ndarray, mels_of: Callable, splits: Any,
          config: DecoderConfig, path: Path | None = None, *, seed: int = 0) -> list[dict]:
    """Trains in place (resumed from `path`), keeps the epoch of lowest validation: the curve."""
    train_rows, val_rows = (np.flatnonzero(np.asarray(splits) == name)
                            for name in ("train", "validation"))
    networks = nn.ModuleDict({"projector": models.projector, "decoder": models.decoder})
    best = copy.deepcopy(networks.state_dict())
    saved = checkpoint(path, models, pictures, texts, splits, config, best, seed)
    curve = saved.load()["curve"]
    for epoch in loop.progress(config.epochs, "mel decoder", len(curve)):
        rows = [train_step(models, batch, config) for batch in batches(
            pictures, texts, mels_of, train_rows, config, seed, epoch, models.weights.device)]
        error = np.abs(predict(models, pictures[val_rows], texts[val_rows], clipped=False)
                       - np.asarray(mels_of(val_rows), np.float32))
        validation = float((models.weights.cpu().numpy() * error).mean())
        if all(validation < row["validation"] for row in curve):
            best |= copy.deepcopy(networks.state_dict())
        curve.append({"epoch": epoch + 1, **{name: float(np.mean([row[name] for row in rows]))
                                             for name in rows[0]}, "validation": validation,
                      "losses": [row["loss"] for row in rows]})  # of each step
        saved.save(epoch + 1, curve)
    networks.load_state_dict(best)
    return curve


def project(models, pictures: np.ndarray, texts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The projector's h and gate g, float32 [N, H], of vectors [N, D] twice; of a flow's, too."""
    device = next(models.projector.parameters()).device
    with torch.inference_mode():
        h, g = models.projector.parts(*(torch.as_tensor(np.asarray(part, np.float32)).to(device)
                                        for part in (pictures, texts)))
    return h.cpu().numpy(), g.cpu().numpy()


def predict(models: Models, pictures: np.ndarray, texts: np.ndarray, *, clipped=True) -> np.ndarray:
    """Vectors [N, D] twice → mels float32 [N, M, T] in [−1, 1], without any noise."""
    outputs = []
    with torch.inference_mode():
        for start in range(0, len(pictures), 64):
            v, u = (torch.as_tensor(np.asarray(part[start : start + 64], np.float32))
                    .to(models.weights.device) for part in (pictures, texts))
            outputs.append(models.decoder(models.projector(v, u)).float().cpu())
    mels = torch.cat(outputs).numpy()
    return mels.clip(-1, 1) if clipped else mels
