"""System 1, the decoder: MusicGen fine-tuned four ways, on one code path.

    painting's text column ──T5──► states [B, L, D_text] ──(some dropped)──► projection ─┐
    segment [N] ──codec──► codes [B, K, S] ──delay──► line [B, K, S+K] ─────────────► decoder ──► cross-entropy of each codebook, mean of K

    M1 emotion word · M2 caption · M3 description · M4 description, states and codes computed once
    and stored, chunk fixed, no word dropped

Source: text 000, §IV.D and §V.C: AdamW, learning rate 1e-4 (the text prints "10e-5"), cosine with
100 warm-up steps, batches of 16, 40 epochs, 30 s; sampling top-k 250, temperature 1. Copet et al.
(2023) for MusicGen itself.

Known deviations and choices where the text is silent: all of the decoder and the projection are
trained, text encoder and codec are frozen (MusicGen's own way) · words are dropped from M1–M3's
texts at audiocraft's rate (.3), conditions at .1 (audiocraft: .3), none in M4 · segments of 30 s
have one chunk of 30 s, so M4's fixed chunk changes nothing at the published sizes: it does where
segments are longer · gradients are cut at norm 1 · the corrected loss (all items, each codebook's
mean) is the default; ``released`` names the faults.
Notebook: 13, 14.
"""

import copy
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from lib import pretrained
from lib.core import provenance
from lib.core.errors import KlangfarbeError
from lib.systems.bridging import batches as supply
from lib.systems.bridging import original_code as faults
from lib.training import loop
from lib.training import musicgen as steps

NOTEBOOK = "13_bridging_music"
COLUMNS = {"m1": "emotion", "m2": "caption", "m3": "description", "m4": "description"}
_AS_MUSICGEN = {"stored": False, "chunk": "random", "word_dropout": 0.3, "dropped": 0.1}
PUBLISHED = {"m1": _AS_MUSICGEN, "m2": _AS_MUSICGEN, "m3": _AS_MUSICGEN,
             "m4": {"stored": True, "chunk": "fixed", "word_dropout": 0.0, "dropped": 0.0}}


@dataclass(frozen=True)
class Config:
    """Settings of one fine-tuning; the defaults are the published ones of Model 4. :func:`of` gives
    the other three.

    Attributes:
        model: ``m1`` to ``m4``, which names the text column. start: what is fine-tuned, a source of
            ``foundations.load("musicgen", …)``.
        stored: text states and codes are computed once and kept. chunk: ``fixed``, a segment's
            first ``clip_seconds``, or ``random``.
        word_dropout: share of a text's words left out, each time anew. dropped: share of conditions
            replaced by the null one.
        released: names out of ``released.FAULTS``. accumulate: micro-batches a step.
        lora: rank of low-rank additions, which alone train; 0: every weight trains. bfloat16:
            forward pass in it, where it is had.
        epochs, batch_size, learning_rate, warm_up, max_norm: of training. clip_seconds: of what is
            learned and played.
        top_k, temperature, guidance: of sampling; guidance 1 switches it off. n_at_once: texts
            sampled in one batch.
    """

    model: str = "m4"
    start: str = "facebook/musicgen-small"
    stored: bool = True
    chunk: str = "fixed"
    word_dropout: float = 0.0
    dropped: float = 0.0
    released: tuple[str, ...] = ()
    accumulate: int = 1
    lora: int = 0
    bfloat16: bool = False
    epochs: int = 40
    batch_size: int = 16
    learning_rate: float = 1e-4
    warm_up: int = 100
    max_norm: float = 1.0
    clip_seconds: float = 30.0
    top_k: int = 250
    temperature: float = 1.0
    guidance: float = 3.0
    n_at_once: int = 16

    def __post_init__(self):
        for name, allowed in {"model": tuple(COLUMNS), "chunk": ("fixed", "random")}.items():
            if getattr(self, name) not in allowed:
                raise KlangfarbeError(f"{name} out of {', '.join(allowed)}",
                                      repr(getattr(self, name)), "name one of them")
        if self.stored and (self.word_dropout or self.chunk == "random"):
            raise KlangfarbeError("stored tensors of whole texts and fixed chunks", f"word_dropout {self.word_dropout}, chunk {self.chunk}",
                                  "stored=False computes them anew each time; of(model, config) sets what belongs together")
        if self.accumulate < 1 or self.batch_size % self.accumulate:
            raise KlangfarbeError("a batch_size that accumulate divides",
                                  f"{self.batch_size} and {self.accumulate}", "4 × 4, say")
        faults.check(self.released, self.accumulate, self.batch_size)


# 15 validation pairs' loss by 2 epochs, M1 and M4: 1e-4 −.053, −.108; 3e-4 −.055, −.112; 6e-4
# −.018, −.055; by 4 at 3e-4, M4: −.110.
_SMALL = {"start": "miniature", "bfloat16": True, "learning_rate": 3e-4}
PROFILES = {
    "smoke": Config(**_SMALL, epochs=1, batch_size=8, warm_up=2, clip_seconds=2.0),
    "mini": Config(**_SMALL, epochs=2, batch_size=8, warm_up=4, clip_seconds=8.0),  # 8 s: what the miniature was trained on
    "gpu": Config(bfloat16=True, epochs=10),
    "paper": Config(),
}


class Models(NamedTuple):
    """What is being tuned (decoder and projection, in a LoRA where asked for), its optimiser, and
    the MusicGenerator it began as.
    """

    network: object
    optimiser: object
    start: object


def of(model: str, config: Config) -> Config:
    """A profile's config as one of the four published models."""
    if model not in PUBLISHED:
        raise KlangfarbeError(f"a model out of {', '.join(PUBLISHED)}", repr(model),
                              "name one of them")
    return replace(config, model=model, **PUBLISHED[model])


def build(config: Config, start=None, seed: int = 0) -> Models:
    """A copy of the start's decoder and projection, ready to train; the start itself stays as it
    is, so that four models can share it.

    Args:
        start: a MusicGenerator; ``None``: ``foundations.load("musicgen", config.start)``. seed: of
            LoRA's additions.
    """
    start = pretrained.load("musicgen", config.start) if start is None else start
    network = torch.nn.Module()
    for name in ("decoder", "enc_to_dec_proj"):
        if getattr(start.network, name, None) is not None:
            setattr(network, name, copy.deepcopy(getattr(start.network, name)).requires_grad_(True))
    if torch.device(start.device).type == "cpu":
        # a step takes a sixth less than with torch's fused kernel, on a CPU
        network.decoder.set_attn_implementation("eager")
    if config.lora:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = steps.lora(network, rank=config.lora)
    return Models(network, torch.optim.AdamW(trained(network), config.learning_rate, fused=True),
                  start)


def trained(network) -> list:
    """The parameters that ask for a gradient, in their order."""
    return [p for p in network.parameters() if p.requires_grad]


def n_steps(config: Config, n_pairs: int) -> int:
    """How many steps ``epochs`` are; an epoch's last short batch is left out."""
    return config.epochs * (n_pairs // min(config.batch_size, n_pairs))


def learning_rate(config: Config, step: int, n_steps: int, last_loss: float = 0.0) -> float:
    """The rate at a step, counted from 0 and ruled by the step's number, or, as released, by the
    last step's loss.
    """
    number = last_loss if "schedule_by_loss" in config.released else step
    return config.learning_rate * faults.share_of_rate(number, config.warm_up, n_steps)


def train_step(models: Models, batch, config: Config, rate: float, seed: int = 0) -> dict:
    """One step of fine-tuning; the weights that ask for a gradient change.

    Args:
        batch: tensors of B items (lib.training.musicgen.Batch). rate: of this step. seed: of
            dropout and dropped conditions.

    Returns:
        ``loss`` (nats, mean over codebooks and micro-batches), ``gradient`` (norm before cutting),
        ``rate``.

    Raises:
        KlangfarbeError: a loss that is not finite; the weights are then as they were.

    Source: text 000, §IV.D; Copet et al. (2023), §3.1.  Notebook: 13.
    """
    torch.manual_seed(seed)
    losses = _backward(models, batch, config, torch.Generator().manual_seed(seed))
    norm = torch.nn.utils.clip_grad_norm_(trained(models.network), config.max_norm)
    for group in models.optimiser.param_groups:
        group["lr"] = rate
    models.optimiser.step()
    return {"loss": sum(losses) / len(losses), "gradient": norm.item(), "rate": rate}


def _backward(models: Models, batch, config: Config, generator) -> list[float]:
    """Gradients of a batch, micro-batch by micro-batch, and the loss of each."""
    states, mask = steps.drop_conditions(batch.states, batch.mask, config.dropped, generator)
    models.optimiser.zero_grad(set_to_none=True)
    losses, device = [], batch.codes.device.type
    for rows in torch.arange(len(batch.codes), device=batch.codes.device).chunk(config.accumulate):
        if "zero_grad_each" in config.released:
            models.optimiser.zero_grad(set_to_none=True)
        part = steps.Batch(batch.codes[rows], batch.lengths[rows], states[rows], mask[rows])
        if "first_item_loss" in config.released:
            part = faults.first_item(part)
        with loop.autocast(device, config.bfloat16):
            value, _ = steps.loss(models.network, part)
        if not bool(value.isfinite()):
            raise KlangfarbeError("a finite loss", str(value.item()),
                                  "lower the learning rate; look for NaN in the tensors")
        (value * len(rows) / len(batch.codes)).backward()  # micro-batches weigh as their items do
        losses.append(value.item())
    return losses


def gradient(models: Models, batch, config: Config, seed: int = 0):
    """The gradient of a batch as one vector [P], cut at nothing; the weights stay as they are."""
    torch.manual_seed(seed)
    _backward(models, batch, config, torch.Generator().manual_seed(seed))
    found = torch.cat([torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten()
                       for p in trained(models.network)])
    models.optimiser.zero_grad(set_to_none=True)
    return found


def train(models: Models, clips, texts, config: Config, checkpoint: Path | None = None, *,
          seed: int = 0, store: Path | None = None, key: str = "", every: int = 20,
          encoded: dict | None = None) -> list[dict]:
    """Fine-tunes in place; a killed run goes on where its last checkpoint stood and ends with the
    same weights.

    Args:
        clips, texts, store, encoded: as in ``supply.batches``. checkpoint: ``….safetensors``, or
            ``None``. every: steps between them.
        key: hash of the clips, where they may change.

    Returns:
        The curve, a dict a step: ``step, loss, gradient, rate``.
    """
    total = n_steps(config, len(texts))
    key = provenance.content_hash(repr((config, seed, key, models.start.sha256,
                                        list(texts))).encode())
    curve = [] if checkpoint is None else _resume(checkpoint, models, key)
    batches = supply.batches(models.start, clips, texts, config, seed=seed, store=store,
                             encoded=encoded)
    models.network.train()
    for step in loop.progress(total, f"fine-tuning {config.model}", len(curve)):
        rate = learning_rate(config, step, total, curve[-1]["loss"] if curve else 0.0)
        curve.append({"step": step + 1, **train_step(models, batches(step), config, rate,
                                                     seed=seed * 1_000_003 + step)})
        if checkpoint is not None and ((step + 1) % every == 0 or step + 1 == total):
            tensors = {f"network.{name}": p for name,
                       p in models.network.named_parameters() if p.requires_grad}
            tensors |= loop.flat_optimizer(models.optimiser)
            loop.save_checkpoint(checkpoint, tensors,
                                 {"step": step + 1, "curve": curve, "key": key})
    models.network.eval()
    return curve


def _resume(checkpoint: Path, models: Models, key: str) -> list[dict]:
    found = loop.load_checkpoint(checkpoint)
    if found is None or found[1]["key"] != key:
        return []
    with torch.no_grad():
        for name, parameter in models.network.named_parameters():
            if parameter.requires_grad:
                parameter.copy_(found[0][f"network.{name}"])
    loop.restore_optimizer(models.optimiser, found[0])
    return found[1]["curve"]


def spread(curve: list[dict]) -> float:
    """How unsteady the steps' losses are, nats: √(mean of squared differences of neighbours / 2),
    which a slow fall does not widen.

    Source: von Neumann (1941), the mean square successive difference. Claim S1-4.
    """
    losses = np.array([row["loss"] for row in curve])
    if len(losses) < 2 or not np.isfinite(losses).all():
        raise KlangfarbeError("at least 2 finite losses", f"{len(losses)}", "train for more steps")
    return math.sqrt(float(np.mean(np.diff(losses) ** 2)) / 2)


def held_out(models: Models, clips, texts, config: Config, *, store: Path | None = None,
             silent: bool = False) -> np.ndarray:
    """Each pair's loss, nats [N], in the pairs' order: whole texts (``silent``: no text, the null
    condition), fixed chunks, no faults.
    """
    plain = replace(config, **PUBLISHED["m4"], model=config.model, released=(), batch_size=1,
                    accumulate=1)
    batches, said = supply.batches(models.start, clips, texts, plain, store=store,
                                   shuffled=False), 0 if silent else 1
    models.network.eval()
    with torch.inference_mode(), loop.autocast(models.start.device, config.bfloat16):
        return np.array([steps.loss(models.network,
                                    replace(batch, states=said * batch.states,
                                            mask=said * batch.mask))[0].item()
                         for batch in map(batches, range(len(texts)))])


def tuned(models: Models):
    """The MusicGenerator that was made of the start: LoRA merged, in evaluation mode;
    ``musicgen.save`` writes it.
    """
    made = copy.copy(models.start)
    made.network = (steps.merge_lora(copy.deepcopy(models.network))
                    if hasattr(models.network, "merge_and_unload") else models.network).eval()
    return made


def generate(generator, texts: Sequence[str], config: Config, seed: int = 0, *,
             seconds: float | None = None, **settings) -> np.ndarray:
    """Texts → music, float32 [N, samples] at the generator's rate; the same seed and texts give the
    same sounds on one machine.

    Args:
        generator: :func:`tuned`'s, or any MusicGenerator. seconds: ``None``: the config's.
            settings: in place of the config's ``top_k, temperature, guidance``.

    Source: text 000, §V.C (top-k 250, temperature 1).  Notebook: 14.
    """
    settings = {"top_k": config.top_k, "temperature": config.temperature,
                "guidance": config.guidance} | settings
    starts = range(0, len(texts), config.n_at_once)
    parts = [list(texts[at : at + config.n_at_once]) for at in starts]
    seconds = config.clip_seconds if seconds is None else seconds
    return np.concatenate([generator.generate(some, seconds, seed=seed + at, **settings) for at,
                           some in zip(starts, parts, strict=True)])
