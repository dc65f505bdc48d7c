"""The delay pattern: K codebooks written as one line of steps, each codebook one step later than
the one before.

Residual codes depend on each other: codebook 2 corrects what codebook 1 left over. Predicting all K
at one step would let none see the others. Delayed by k steps, codebook k is predicted when the
coarser codes of the same moment already stand in the past:

    codes [K=3, S=4]      1  2  3  4           delayed [K, S+K]     P  1  2  3  4  P  P
                          5  6  7  8                                P  P  5  6  7  8  P
                          9 10 11 12                                P  P  P  9 10 11 12

P is the special token, whose number is the codebook's size V. A network reads the line without its
last column and answers with the line without its first. Column 0 is the start; audiocraft and
transformers agree on all of this, and the tests compare with both.

Source: Copet et al. (2023), "Simple and Controllable Music Generation", §2.2 and figure 1 (delay
pattern).
Notebook: 03.
"""

import torch
from torch.nn import functional as F

from lib.core.errors import KlangfarbeError


def columns(n_codebooks: int, n_steps: int, device=None) -> torch.Tensor:
    """Where code (k, s) stands in the delayed line: column s + k + 1; int64 [K, S]."""
    return torch.arange(n_steps, device=device) + torch.arange(n_codebooks,
                                                               device=device)[:, None] + 1


def is_code(n_codebooks: int, n_steps: int, device=None) -> torch.Tensor:
    """Which places of the delayed line hold a code (the others hold the special token); bool [K,
    S+K].
    """
    late = torch.arange(n_steps + n_codebooks,
                        device=device) - torch.arange(n_codebooks, device=device)[:, None] - 1
    return (late >= 0) & (late < n_steps)


def padding(lengths: torch.Tensor, n_steps: int) -> torch.Tensor:
    """Which steps of a padded batch are real: lengths [B] → bool [B, S]."""
    return torch.arange(n_steps, device=lengths.device) < lengths[:, None]


def build(codes: torch.Tensor, special: int, lengths: torch.Tensor | None = None) -> torch.Tensor:
    """Codes int64 [B, K, S] → delayed line int64 [B, K, S+K].

    Args:
        special: the special token, V. lengths: real steps of each item [B]; what lies beyond
            becomes the special token.

    Raises:
        KlangfarbeError: codes that are not [B, K, S], or outside [0, V) where they are real.
    """
    if codes.ndim != 3 or codes.is_floating_point():
        raise KlangfarbeError("codes int64 [B, K, S]", f"{codes.dtype} {tuple(codes.shape)}",
                              "give the codec's own codes")
    batch, n_codebooks, n_steps = codes.shape
    if lengths is not None:
        codes = codes.masked_fill(~padding(lengths, n_steps)[:, None], special)
    if codes.numel() and (int(codes.min()) < 0 or int(codes.max()) > special
                          or (lengths is None and int(codes.max()) == special)):
        raise KlangfarbeError(f"codes in [0, {special})",
                              f"{int(codes.min())} … {int(codes.max())}",
                              "take codec and model of one size")
    line = codes.new_full((batch, n_codebooks, n_steps + n_codebooks), special)
    return line.scatter_(2, columns(n_codebooks, n_steps, codes.device).expand(batch, -1, -1),
                         codes)


def revert(line: torch.Tensor) -> torch.Tensor:
    """The inverse of :func:`build`: delayed line [B, K, S+K] → codes [B, K, S]; whatever stands
    outside the codes is not looked at.
    """
    batch, n_codebooks, width = line.shape
    if width < n_codebooks:
        raise KlangfarbeError(f"a delayed line of at least K = {n_codebooks} columns", f"{width}",
                              "give [B, K, S+K]")
    return line.gather(2, columns(n_codebooks, width - n_codebooks,
                                  line.device).expand(batch, -1, -1))


def cross_entropy(logits: torch.Tensor, targets: torch.Tensor,
                  special: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Cross-entropy of each codebook over its real codes, and the mean of these K: what MusicGen is
    trained with.

    Each codebook weighs the same, each real code of a codebook weighs the same, whatever item of a
    padded batch it lies in.

    Args:
        logits: [B, K, L, V]. targets: int64 [B, K, L], the special token where there is nothing to
            predict.

    Returns:
        The mean over codebooks (scalar), and the K it is the mean of (nats).

    Raises:
        KlangfarbeError: a codebook without one real target (its mean would be 0/0).

    Source: Copet et al. (2023), §3.1; the mean over codebooks is audiocraft's.
    """
    each = F.cross_entropy(logits.flatten(0, 2).float(), targets.flatten(), ignore_index=special,
                           reduction="none").view(targets.shape)
    count = (targets != special).sum((0, 2))  # [K]
    if not bool(count.all()):
        raise KlangfarbeError("at least one real code in every codebook",
                              f"{count.tolist()} of them", "give longer clips")
    per_codebook = each.sum((0, 2)) / count
    return per_codebook.mean(), per_codebook.detach()
