"""MusicGen's delay pattern: K codebooks as one line of steps, codebook k from column k + 1 on, so
that a code is predicted when the coarser codes of its moment already stand in the past. Source:
Copet et al. (2023), "Simple and Controllable Music Generation", §2.2.  Notebook: 03."""

import torch
from torch import Tensor
from torch.nn import functional as F


def columns(n_codebooks: int, n_steps: int, device=None) -> Tensor:
    """Where code (k, s) stands in the delayed line, column s + k + 1: int64 [K, S]."""
    late = torch.arange(n_codebooks, device=device)[:, None]
    return torch.arange(n_steps, device=device) + late + 1


def build(codes: Tensor, special: int, lengths: Tensor | None = None) -> Tensor:
    """Codes int64 [B, K, S], real up to `lengths` → line int64 [B, K, S+K]; `special` is V."""
    batch, n_codebooks, n_steps = codes.shape
    if lengths is not None:
        real = torch.arange(n_steps, device=codes.device) < lengths[:, None]  # [B, S]
        codes = codes.masked_fill(~real[:, None], special)
    line = codes.new_full((batch, n_codebooks, n_steps + n_codebooks), special)
    at = columns(n_codebooks, n_steps, codes.device)
    return line.scatter_(2, at.expand(batch, -1, -1), codes)


def revert(line: Tensor) -> Tensor:
    """The inverse of :func:`build`: delayed line [B, K, S+K] → codes [B, K, S]."""
    batch, n_codebooks, width = line.shape
    at = columns(n_codebooks, width - n_codebooks, line.device)
    return line.gather(2, at.expand(batch, -1, -1))


def cross_entropy(logits: Tensor, targets: Tensor, special: int) -> tuple[Tensor, Tensor]:
    """Logits [B, K, L, V], targets int64 [B, K, L] → mean over codebooks (nats), and each, [K]."""
    each = F.cross_entropy(logits.flatten(0, 2).float(), targets.flatten(), ignore_index=special,
                           reduction="none").view(targets.shape)
    per_codebook = each.sum((0, 2)) / (targets != special).sum((0, 2))  # [K]
    return per_codebook.mean(), per_codebook.detach()
