"""System 4, stage one: two vectors of a painting and a text become a mel-spectrogram.

    v [B, D], u [B, D] ──gated residual projector──► h [B, H] ──BiLSTM──► mel [B, M, T] ◄── Σ w_f |m̂ − m| ──  the matched clip's

                    text                 projector               split                  w_f
    as published    with audio keywords  trained                 by sample              1 … 1.5
    as released     with audio keywords  neither trained, nor saved
    corrected       comment alone        trained and saved       by painting and clip   1 … 1.5

Source: text 003, §III-B.1 and 2 (equations 1 and 2), §IV-A.2; the released code for *as released*.

Known deviations: W_r, which brings the text to H numbers, is ours (``models.feeling``) · where a
second of one core has to do, one step of the LSTM gives several frames (`at_once`) · gradients are
cut at norm 1.
Notebook: 42.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lib.core import provenance
from lib.core.errors import KlangfarbeError
from lib.models.fusion import GatedResidualProjector, MelDecoder
from lib.systems.art2music import mel
from lib.training import loop


@dataclass(frozen=True)
class Config:
    """Settings of one decoder; the defaults are the published ones.

    Attributes:
        hidden: H of the projector. lstm: hidden units each way; layers: of it; at_once: frames a
            step gives.
        seconds: of a clip; 10.4 s are the published 896 frames.
        high_weight: w of the highest band, 1.5 as published; 1 is plain L1.
        trains_projector: ``False``: the optimiser holds the decoder alone, as released.
        learning_rate, batch_size, epochs: Adam, of training. max_norm: gradients are cut there.
    """

    hidden: int = 512
    lstm: int = 512
    layers: int = 4
    at_once: int = 1
    seconds: float = 10.4
    high_weight: float = 1.5
    trains_projector: bool = True
    learning_rate: float = 1e-4
    batch_size: int = 32
    epochs: int = 10
    max_norm: float = 1.0

    def __post_init__(self):
        if self.high_weight < 1 or self.epochs < 1 or self.batch_size < 1:
            raise KlangfarbeError("a weight of 1 or more, an epoch, a batch",
                                  f"{self.high_weight}, {self.epochs}, {self.batch_size}",
                                  "high_weight=1.0 is plain L1")

    @property
    def n_frames(self) -> int:
        """T."""
        return mel.n_frames(self.seconds)


_SMALL = {"hidden": 64, "lstm": 48, "at_once": 8, "learning_rate": 2e-3}
PROFILES = {
    "smoke": Config(**_SMALL | {"lstm": 16}, seconds=1.0, epochs=2),
    "mini": Config(**_SMALL, seconds=5.0),
    "gpu": Config(),
    "paper": Config(),
}


class Models(NamedTuple):
    """``projector`` and ``decoder`` (lib.models.fusion), their ``optimiser`` or ``None``,
    ``weights`` [M, 1] of the loss.
    """

    projector: object
    decoder: object
    optimiser: object
    weights: object


class Batch(NamedTuple):
    """``pictures`` [B, D], ``texts`` [B, D], ``mels`` [B, M, T] in [−1, 1]."""

    pictures: object
    texts: object
    mels: object


def of(profile: str, **changes) -> Config:
    """A profile's settings with your own changes on top."""
    if profile not in PROFILES:
        raise KlangfarbeError(f"a profile out of {', '.join(PROFILES)}", repr(profile),
                              "name one of them")
    return replace(PROFILES[profile], **changes)


def band_weights(high_weight: float, n_mels: int = mel.N_MELS) -> np.ndarray:
    """w_f = 1 + (w_F − 1)(f − 1)/(F − 1): float32 [M], 1 for the lowest band. Source: text 003,
    equation 2.
    """
    return np.linspace(1.0, high_weight, n_mels, dtype=np.float32)


def build(config: Config, width: int, seed: int = 0, device: str = "cpu") -> Models:
    """Networks and optimiser, the same for the same seed.

    Args:
        width: D of the encoder's vectors.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        projector = GatedResidualProjector(width, config.hidden).to(device)
        decoder = MelDecoder(config.hidden, config.n_frames, mel.N_MELS, config.lstm, config.layers,
                             config.at_once).to(device)
    learnt = [*decoder.parameters(), *(projector.parameters() if config.trains_projector else ())]
    weights = torch.from_numpy(band_weights(config.high_weight))[:, None].to(device)
    return Models(projector, decoder, torch.optim.Adam(learnt, config.learning_rate), weights)


def train_step(models: Models, batch: Batch, config: Config) -> dict:
    """One step of the frequency-weighted L1.

    Returns:
        ``loss`` (weighted) and ``l1`` (plain), both in units of the [−1, 1] scale, and ``gradient``
        (norm before cutting).

    Raises:
        KlangfarbeError: a loss that is not finite; the weights are then as they were.
    """
    h = models.projector(batch.pictures, batch.texts)                      # [B, H]
    error = (models.decoder(h) - batch.mels).abs()                         # [B, M, T]
    loss = (models.weights * error).mean()                                 # equation 2
    if not bool(loss.isfinite()):
        raise KlangfarbeError("a finite loss", f"{loss.item()}",
                              "lower the learning rate, or look for broken mels")
    models.optimiser.zero_grad(set_to_none=True)
    loss.backward()
    learnt = [p for group in models.optimiser.param_groups for p in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(learnt, config.max_norm)
    models.optimiser.step()
    return {"loss": loss.item(), "l1": error.mean().item(), "gradient": norm.item()}


def batches(pictures, texts, mels, rows: np.ndarray, config: Config, seed: int, epoch: int,
            device: str = "cpu") -> Iterator[Batch]:
    """An epoch's batches, the same whether training was resumed or not.

    Args:
        pictures, texts: float32 [N, D]. mels: [N, M, T], or a function of row numbers that gives
            them. rows: those to train on.
    """
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    size = min(config.batch_size, len(order))
    for at in range(0, len(order) - size + 1, size):
        some = order[at : at + size]
        target = mels(some) if callable(mels) else mels[some]
        yield Batch(*(torch.as_tensor(np.asarray(part, np.float32)).to(device)
                      for part in (pictures[some], texts[some], target)))


def train(models: Models, pictures, texts, mels, splits: Sequence[str], config: Config,
          checkpoint: Path | None = None, *, seed: int = 0) -> list[dict]:
    """Trains in place; the epoch of the lowest validation loss stays, as published. A killed run
    ends with the same weights.

    Args:
        pictures, texts, mels: as :func:`batches`, N pairs. splits: N words; ``train`` is learnt,
            ``validation`` chooses the epoch.
        checkpoint: ``….safetensors``, or ``None``.

    Returns:
        The curve, a dict an epoch: ``epoch, loss, l1, gradient``, and ``validation`` (weighted loss
            there).
    """
    splits = np.asarray(splits)
    learnt, chosen = np.flatnonzero(splits == "train"), np.flatnonzero(splits == "validation")
    if not (len(learnt) and len(chosen)):
        raise KlangfarbeError("pairs to train on and pairs to choose by",
                              f"{len(learnt)} and {len(chosen)}", "draw more pairs")
    device = next(models.decoder.parameters()).device
    key = provenance.content_hash(repr((config, seed, len(splits))).encode(),
                                  np.ascontiguousarray(pictures[learnt]),
                                  np.ascontiguousarray(texts[learnt]))
    best, curve = _resumed(checkpoint, models, key)
    for epoch in loop.progress(config.epochs, "mel decoder", len(curve)):
        rows = [train_step(models, batch, config)
                for batch in batches(pictures, texts, mels, learnt, config, seed, epoch, device)]
        curve.append({"epoch": epoch + 1,
                      **{name: float(np.mean([row[name] for row in rows])) for name in rows[0]},
                      "validation": validation_loss(models, pictures, texts, mels, chosen)})
        if curve[-1]["validation"] < best["validation"]:
            best = {"validation": curve[-1]["validation"], "weights": _copy(models)}
        _keep(checkpoint, models, best, curve, key)
    _put(models, best["weights"])
    return curve


def validation_loss(models: Models, pictures, texts, mels, rows: np.ndarray) -> float:
    """The weighted loss over some pairs."""
    target = np.asarray(mels(rows) if callable(mels) else mels[rows], np.float32)
    error = np.abs(predict(models, pictures[rows], texts[rows], clipped=False) - target)
    return float((models.weights.cpu().numpy() * error).mean())


def predict(models: Models, pictures, texts, *, batch: int = 64,
            clipped: bool = True) -> np.ndarray:
    """Vectors [N, D] twice → mels float32 [N, M, T] in [−1, 1]. One answer for one input: no noise
    comes in.
    """
    device = next(models.decoder.parameters()).device
    with torch.inference_mode():
        parts = [models.decoder(models.projector(
                    *(torch.as_tensor(np.asarray(some[at : at + batch], np.float32)).to(device)
                      for some in (pictures, texts)))).float().cpu()
                 for at in range(0, len(pictures), batch)]
    made = torch.cat(parts).numpy()
    return made.clip(-1, 1) if clipped else made


def _copy(models: Models) -> dict:
    return {f"{part}.{name}": tensor.detach().clone() for part in ("projector", "decoder")
            for name, tensor in getattr(models, part).state_dict().items()}


def _put(models: Models, tensors: dict) -> None:
    for part in ("projector", "decoder"):
        getattr(models, part).load_state_dict({name.removeprefix(f"{part}."): tensor for name,
                                               tensor in tensors.items()
                                               if name.startswith(f"{part}.")})


def _keep(checkpoint: Path | None, models: Models, best: dict, curve: list[dict], key: str) -> None:
    if checkpoint is None:
        return
    tensors = {f"now.{name}": tensor for name, tensor in _copy(models).items()}
    tensors |= {f"best.{name}": tensor for name,
                tensor in best["weights"].items()} | loop.flat_optimizer(models.optimiser)
    loop.save_checkpoint(checkpoint, tensors,
                         {"step": len(curve), "curve": curve, "key": key,
                          "validation": best["validation"]})


def _resumed(checkpoint: Path | None, models: Models, key: str) -> tuple[dict, list[dict]]:
    found = None if checkpoint is None else loop.load_checkpoint(checkpoint)
    if found is None or found[1]["key"] != key:
        return {"validation": np.inf, "weights": _copy(models)}, []
    tensors, state = found
    under = {prefix: {name[len(prefix):]: tensor for name,
                      tensor in tensors.items() if name.startswith(prefix)}
             for prefix in ("now.", "best.")}
    _put(models, under["now."])
    loop.restore_optimizer(models.optimiser, tensors)
    return {"validation": state["validation"], "weights": under["best."]}, state["curve"]
