"""From a predicted condition to sound and to the decoder's features, with a gradient.

    m̂ [B, n, D] ────┐
                    ├─► decoder (frozen; past: the true codes) ─┬─► features of each layer [B, L, D]
    codes [B, K, S] ┘                                           └─► logits ─softmax─┐
                    ┌───────────────── probabilities [B, K, S, V] ◄─────────────────┘
                    └─ expected codebook vectors ─► the codec's decoder (frozen) ─► sound ─► ln-mel

Sampling has no gradient, so the decoder reads the true codes up to each step (teacher forcing), its
probabilities weigh the codebooks' vectors, and the codec decodes the mean.

Source: Deepika §4.2.3, §4.3.4. Known deviation: how Mel(Gen(m̂)) is differentiated is not said;
here m̂ decides only what the true past leaves open; 24 measures how much. Notebook: 23.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from lib.core.errors import KlangfarbeError
from lib.models import delay_pattern


class Decoded(NamedTuple):
    """``sound`` [B, N], ``probabilities`` [B, K, S, V], ``features``: [B, L, D] of each layer."""

    sound: Tensor
    probabilities: Tensor
    features: tuple[Tensor, ...]


def freeze(generator):
    """The generator with its weights' gradients switched off; its inputs still get one."""
    generator.network.requires_grad_(False).eval()
    return generator


def decode(generator, conditions: Tensor, codes: Tensor, *, with_sound: bool = True) -> Decoded:
    """Conditions [B, n, D] along true codes int [B, K, S] → what a frozen MusicGenerator makes of
    them, differentiable in the conditions; without `with_sound` the sound is empty."""
    decoder = generator.network.decoder
    if conditions.ndim != 3 or conditions.shape[-1] != generator.width \
            or len(conditions) != len(codes):
        raise KlangfarbeError(f"conditions [{len(codes)}, n, {generator.width}]",
                              str(tuple(conditions.shape)), "one for each row of codes")
    batch, n_codebooks, n_steps = codes.shape
    inputs = delay_pattern.build(codes.long(), decoder.config.vocab_size)[..., :-1]
    mask = torch.ones(conditions.shape[:2], dtype=torch.long, device=conditions.device)
    out = decoder(inputs.flatten(0, 1), encoder_hidden_states=conditions,
                  encoder_attention_mask=mask, use_cache=False, output_hidden_states=True)
    logits = out.logits.view(batch, n_codebooks, inputs.shape[2], -1)
    # column s + k + 1 is predicted one column earlier
    columns = delay_pattern.columns(n_codebooks, n_steps, codes.device) - 1
    index = columns[None, :, :, None].expand(batch, -1, -1, logits.shape[-1])
    probabilities = logits.gather(2, index).float().softmax(-1)
    sound = generator.codec.soft_decode(probabilities)[:, 0] if with_sound \
        else probabilities.new_zeros(batch, 0)
    return Decoded(sound, probabilities, tuple(out.hidden_states))
