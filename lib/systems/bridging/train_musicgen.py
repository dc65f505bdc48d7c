"""Fine-tuning of the decoder: MusicGen (``lib/pretrained/musicgen.py``) four ways on one code path.

    text column ──T5──► states [B, L, D_text] ──(some dropped)──► projection ─┐
    segment [N] ──codec──► codes [B, K, S] ──delay──► line [B, K, S+K] ──► decoder ──► cross-entropy
    M1 emotion word · M2 caption · M3 description · M4 description, states and codes stored
Source: Hisariya & Liang §IV.D and §V.C (the learning rate 1e-4 is printed as "10e-5"); Copet et al.
(2023). Where the paper is silent: decoder and projection train, text encoder and codec are frozen;
M1 to M3 drop words (.3) and conditions (.1), M4 none; M4 alone freezes the projection (§IV.D).
Notebook: 13, 14."""

import copy
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from lib.core import errors, paths, provenance
from lib.pretrained.musicgen import seeds_of, sound_codes, text_states
from lib.systems.bridging import original_code
from lib.systems.bridging.config import MusicGenConfig
from lib.training import loop
from lib.training import musicgen as steps

NOTEBOOK = "13_bridging_music"


class Models(NamedTuple):
    """What trains, and the MusicGenerator that it is a copy of."""
    network: Any  # decoder and projection, in a LoRA where asked for
    optimiser: torch.optim.Optimizer
    start: Any


def build(config: MusicGenConfig, start, seed: int = 0) -> Models:
    """A copy of a MusicGenerator's decoder and projection, to train; `seed`: of LoRA's matrices."""
    network: Any = torch.nn.Module()
    for name in ("decoder", "enc_to_dec_proj"):
        if getattr(start.network, name, None) is not None:
            setattr(network, name, copy.deepcopy(getattr(start.network, name)).requires_grad_(True))
    if torch.device(start.device).type == "cpu":
        network.decoder.set_attn_implementation("eager")  # a sixth faster than the fused kernel
    for part in config.frozen:
        if getattr(network, part, None) is None:
            raise errors.KlangfarbeError(f"a part to freeze, {part}, in {start.name}", "none",
                                         "MusicGenConfig(frozen=()) trains every part")
        getattr(network, part).requires_grad_(False)
    if config.lora:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = steps.lora(network, rank=config.lora)
    optimiser = torch.optim.AdamW(trainable_parameters(network), config.learning_rate, fused=True)
    return Models(network, optimiser, start)


def trainable_parameters(network) -> list:
    """The parameters that ask for a gradient, in their order."""
    return [p for p in network.parameters() if p.requires_grad]


def learning_rate(config: MusicGenConfig, step: int, n_steps: int, last_loss: float = 0.0) -> float:
    """The rate at a step, counted from 0, or, as released, at the last step's loss."""
    number = last_loss if "schedule_by_loss" in config.faults else step
    return config.learning_rate * original_code.share_of_rate(number, config.warm_up, n_steps)


def make_batches(start, clips: Sequence, texts: list[str], config: MusicGenConfig, *, seed: int = 0,
                 store: Path | None = None, encoded: dict | None = None, shuffled=True) -> Callable:
    """Batches, step → ``lib.training.musicgen.Batch``, of clips [N] at the codec's rate; one seed
    gives every model the same rows and chunks. Where ``config.stored``, T5 and codec run once, here
    (kept in the folder `store`); else at each step (codes in `encoded`, (row, first sample) →)."""
    n_samples, rows_met = round(config.clip_seconds * start.sample_rate_hz), []
    order = loop.batches(len(texts), config.batch_size, np.random.default_rng(seed)) if shuffled \
        else iter(np.arange(len(texts))[:, None])

    def rows_of(step: int) -> np.ndarray:
        rows_met.extend(itertools.islice(order, max(0, step + 1 - len(rows_met))))
        return rows_met[step]

    def chunk(row: int, place: float = 0.0) -> tuple[int, np.ndarray]:
        clip = np.asarray(clips[row], np.float32)
        first = int(place * (len(clip) - n_samples + 1))
        return first, clip[first : first + n_samples]

    if config.stored:
        folder, codes = store or paths.PROCESSED / "bridging", []
        for at in range(0, len(texts), 64):  # not all sounds in memory at once
            sounds = [chunk(row)[1] for row in range(at, min(at + 64, len(texts)))]
            codes += sound_codes(folder, sounds, start.codec.encode, start.codec.sha256)
        states = text_states(folder, texts, start.text.states, start.text.sha256)
        return lambda step: steps.collate([codes[row] for row in rows_of(step)],
                                          [states[row] for row in rows_of(step)], start.device)

    known = {} if encoded is None else encoded

    def batch_at(step: int) -> steps.Batch:
        rng, rows = np.random.default_rng([seed, step, 1]), rows_of(step)
        words = [_drop_words(texts[row], config.word_dropout, rng) for row in rows]
        states, mask = start.text.states([text or " " for text in words])
        places = np.random.default_rng([seed, step, 2]).random(len(rows)) \
            if config.chunk == "random" else np.zeros(len(rows))  # 0 … 1: beginning … end
        chunks = [chunk(row, place) for row, place in zip(rows, places, strict=True)]
        keys = [(int(row), first) for row, (first, _) in zip(rows, chunks, strict=True)]
        if new := [i for i, key in enumerate(keys) if key not in known]:
            codes = start.codec.encode(np.stack([chunks[i][1] for i in new])[:, None]).cpu()
            known.update(zip((keys[i] for i in new), codes, strict=True))
        batch = steps.collate([known[key] for key in keys],
                              [s[m] for s, m in zip(states, mask, strict=True)], start.device)
        for row, text in enumerate(words):
            batch.mask[row] *= bool(text)  # a text without words is the null condition
        return batch

    return batch_at


def _drop_words(text: str, share: float, rng: np.random.Generator) -> str:
    return "".join(word for word in re.findall(r"\S+\s*", text) if rng.random() >= share).rstrip()


def train_step(models: Models, batch, config: MusicGenConfig, rate: float, seed: int = 0) -> dict:
    """One step at `rate`: ``loss`` (nats), ``gradient`` (norm before cutting), ``rate``."""
    torch.manual_seed(seed)
    states, mask = steps.drop_conditions(batch.states, batch.mask, config.dropped,
                                         torch.Generator().manual_seed(seed))
    models.optimiser.zero_grad(set_to_none=True)
    losses, device = [], batch.codes.device
    for rows in torch.arange(len(batch.codes), device=device).chunk(config.accumulate):
        if "zero_grad_each" in config.faults:
            models.optimiser.zero_grad(set_to_none=True)
        part = steps.Batch(batch.codes[rows], batch.lengths[rows], states[rows], mask[rows])
        if "first_item_loss" in config.faults:
            part = original_code.first_item(part)
        with loop.autocast(device.type, config.bfloat16):
            loss, _ = steps.loss(models.network, part)
        if not bool(loss.isfinite()):
            raise errors.KlangfarbeError("a finite loss", str(loss.item()),
                                         "lower the learning rate; look for NaN in the tensors")
        (loss * len(rows) / len(batch.codes)).backward()  # micro-batches weigh as their items do
        losses.append(loss.item())
    norm = torch.nn.utils.clip_grad_norm_(trainable_parameters(models.network), config.max_norm)
    for group in models.optimiser.param_groups:
        group["lr"] = rate
    models.optimiser.step()
    return {"loss": sum(losses) / len(losses), "gradient": norm.item(), "rate": rate}


def checkpoint(path: Path | None, models: Models, clips, texts, config: MusicGenConfig,
               seed: int = 0) -> loop.Checkpoint:
    """What a training resumes from; another start, seed, setting, text or clip is another one."""
    # clips that are read when asked for are known by their files and beginnings
    sounds = clips if isinstance(clips, list) else [repr(clips).encode()]
    known = repr((config, seed, models.start.sha256, list(texts))).encode()
    trained = {name: p for name, p in models.network.named_parameters() if p.requires_grad}
    return loop.Checkpoint(path, provenance.content_hash(known, *sounds), network=trained,
                           optimiser=models.optimiser)


def train(models: Models, clips, texts, config: MusicGenConfig, path: Path | None = None, *,
          seed: int = 0, store: Path | None = None, encoded=None) -> list[dict]:
    """Fine-tunes in place, from the checkpoint at `path` on: a dict a step, ``train_step``'s."""
    total = config.epochs * (len(texts) // min(config.batch_size, len(texts)))
    saved = checkpoint(path, models, clips, texts, config, seed)
    curve = saved.load()["curve"]
    batch_at = make_batches(models.start, clips, texts, config, seed=seed, store=store,
                            encoded=encoded)
    models.network.train()
    for step in loop.progress(total, f"fine-tuning {config.model}", len(curve)):
        rate = learning_rate(config, step, total, curve[-1]["loss"] if curve else 0.0)
        curve.append({"step": step + 1, **train_step(models, batch_at(step), config, rate,
                                                     seed=seed * 1_000_003 + step)})
        if (step + 1) % config.every == 0 or step + 1 == total:
            saved.save(step + 1, curve)
    models.network.eval()
    return curve


def held_out_loss(models: Models, clips, texts, config: MusicGenConfig, *,
                  store: Path | None = None, silent: bool = False) -> np.ndarray:
    """Each pair's loss, nats [N]: whole texts (`silent`: none), fixed chunks, no faults."""
    plain = replace(config.for_model("m4"), faults=(), batch_size=1, accumulate=1)
    batch_at = make_batches(models.start, clips, texts, plain, store=store, shuffled=False)
    keep = 0 if silent else 1
    models.network.eval()
    with torch.inference_mode(), loop.autocast(models.start.device, config.bfloat16):
        return np.array([steps.loss(models.network, replace(batch, states=keep * batch.states,
                                                            mask=keep * batch.mask))[0].item()
                         for batch in map(batch_at, range(len(texts)))])


def generate(generator, texts: Sequence[str], config: MusicGenConfig,
             seed: int | Sequence[int] = 0, *, seconds: float | None = None,
             **sampling) -> np.ndarray:
    """Texts → music [N, samples], text i by `seed` + i or its own; `seconds`,
    `sampling` in place of the config's ``top_k, …``."""
    sampling = {"top_k": config.top_k, "temperature": config.temperature,
                "guidance": config.guidance} | sampling
    seconds, n = config.clip_seconds if seconds is None else seconds, config.n_at_once
    seeds = seeds_of(seed, len(texts))
    return np.concatenate([generator.generate(list(texts[at : at + n]), seconds,
                                              seed=seeds[at : at + n], **sampling)
                           for at in range(0, len(texts), n)])
