"""What every training of MusicGen shares; audiocraft's engine: tests/test_musicgen_engines.py.
    states [B, L, D] ─► projection ─► condition ─┐
    codes [B, K, S] ─► delayed line [B, K, S+K] ─► decoder ─► cross-entropy with the next column
Codebook k stands in the line from column k + 1 on, so that a code is predicted when the coarser
codes of its moment are past.  Source: Copet et al. (2023), "MusicGen", §2.2.  Notebook: 03, 13."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence


def delayed_columns(n_codebooks: int, n_steps: int, device=None) -> Tensor:
    """Where code (k, s) stands in the delayed line, column s + k + 1: int64 [K, S]."""
    late = torch.arange(n_codebooks, device=device)[:, None]
    return torch.arange(n_steps, device=device) + late + 1


def delay(codes: Tensor, special: int, lengths: Tensor | None = None) -> Tensor:
    """Codes int64 [B, K, S], real up to `lengths` → line int64 [B, K, S+K]; `special` is V."""
    batch, n_codebooks, n_steps = codes.shape
    if lengths is not None:
        real = torch.arange(n_steps, device=codes.device) < lengths[:, None]  # [B, S]
        codes = codes.masked_fill(~real[:, None], special)
    line = codes.new_full((batch, n_codebooks, n_steps + n_codebooks), special)
    at = delayed_columns(n_codebooks, n_steps, codes.device)
    return line.scatter_(2, at.expand(batch, -1, -1), codes)


def undelay(line: Tensor) -> Tensor:
    """The inverse of :func:`delay`: delayed line [B, K, S+K] → codes [B, K, S]."""
    batch, n_codebooks, width = line.shape
    at = delayed_columns(n_codebooks, width - n_codebooks, line.device)
    return line.gather(2, at.expand(batch, -1, -1))


def cross_entropy(logits: Tensor, targets: Tensor, special: int) -> tuple[Tensor, Tensor]:
    """Logits [B, K, L, V], targets int64 [B, K, L] → mean over codebooks (nats), and each, [K]."""
    each = F.cross_entropy(logits.flatten(0, 2).float(), targets.flatten(), ignore_index=special,
                           reduction="none").view(targets.shape)
    per_codebook = each.sum((0, 2)) / (targets != special).sum((0, 2))  # [K]
    return per_codebook.mean(), per_codebook.detach()


@dataclass
class Batch:
    """Stored tensors of B items."""
    codes: Tensor    # int64 [B, K, S], anything beyond an item's length
    lengths: Tensor  # int64 [B]
    states: Tensor   # the text encoder's, float [B, L, D]
    mask: Tensor     # int64 [B, L], 1: a token


def collate(codes: list, states: list, device: str = "cpu") -> Batch:
    """Items of any length, codes [K, S] and states [L, D] each, padded with zeros to a batch."""
    lengths = torch.tensor([c.shape[1] for c in codes])
    n_tokens = torch.tensor([len(s) for s in states])
    padded_codes = pad_sequence([torch.as_tensor(c).long().T for c in codes], True).mT.contiguous()
    padded_states = pad_sequence([torch.as_tensor(s).float() for s in states], True)
    mask = (torch.arange(int(n_tokens.max())) < n_tokens[:, None]).long()
    return Batch(*(t.to(device) for t in (padded_codes, lengths, padded_states, mask)))


def drop_conditions(states: Tensor, mask: Tensor, share: float,
                    generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Zeros, mask 0 for a random `share` of items.  Source: Ho & Salimans (2022), algorithm 1."""
    if share == 0:
        return states, mask
    kept = (torch.rand(len(states), generator=generator) >= share).to(states.device)
    return states * kept[:, None, None], mask * kept[:, None]


def condition(model, states: Tensor, mask: Tensor) -> Tensor:
    """The text encoder's states, projected to the decoder's width where it has a projection."""
    project = getattr(model, "enc_to_dec_proj", None)
    return (states if project is None else project(states)) * mask[..., None]


def predict(model, tokens: Tensor, states: Tensor, mask: Tensor) -> Tensor:
    """Logits float [B, K, L, V] of transformers' MusicGen for a delayed line int64 [B, K, L]."""
    conditions = condition(model, states, mask)
    # where no token is real, all keys and values are 0, whichever it attends to
    attended = mask.bool() | ~mask.bool().any(1, keepdim=True)
    decoder = getattr(model, "decoder", model)
    logits = decoder(tokens.flatten(0, 1), encoder_hidden_states=conditions,
                     encoder_attention_mask=attended.long(), use_cache=False).logits
    return logits.view(*tokens.shape, -1)


def loss(model, batch: Batch, predict=predict) -> tuple[Tensor, Tensor]:
    """Mean over codebooks of a batch's cross-entropy, and each one's: (scalar, [K]), nats."""
    special = vocabulary(model)
    line = delay(batch.codes, special, batch.lengths)
    logits = predict(model, line[..., :-1], batch.states, batch.mask)
    return cross_entropy(logits, line[..., 1:], special)


def vocabulary(model) -> int:
    """V, which is also the special token's number, of either engine's model."""
    return (model.card if hasattr(model, "card")  # audiocraft's LMModel
            else getattr(model, "decoder", model).config.vocab_size)


def lora(model, *, rank: int):
    """peft's LoRA around the decoder's projections.  Source: Hu et al. (2022), "LoRA", §4."""
    import peft  # slow, and needed by this function alone
    inside = r"decoder\." if hasattr(model, "decoder") else ""  # not the text encoder
    wanted = rf".*{inside}.*\.(q_proj|k_proj|v_proj|out_proj|fc1|fc2)"
    return peft.get_peft_model(model, peft.LoraConfig(r=rank, lora_alpha=16, bias="none",
                                                      target_modules=wanted))
