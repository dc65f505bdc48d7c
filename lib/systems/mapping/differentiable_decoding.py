"""System 2's long way round: from a predicted condition to sound and back, with a gradient.

    m̂ [B, n, D] ─┐                                            ┌─► features of each layer [B, L, D]     feature matching
                  ├─► decoder (frozen, its past is the true codes) ─► logits ─softmax─► shares [B, K, S, V]
    codes [B, K, S] ┘                                                                      │ expected codebook vectors
                                                                  ln-mel ◄── sound ◄── the codec's decoder (frozen)

Sampling has no gradient. So nothing is sampled: the decoder reads the true codes up to each step
(teacher forcing), its probabilities weigh the codebooks' vectors, and the codec turns the mean into
sound. The gradient of anything that is measured on that sound, or inside the decoder, then reaches
m̂ through the cross-attention, and nothing else moves.

Known deviation: the text writes Mel(Gen(m̂)) and says nothing of how Gen is differentiated; this is
the shortest way we know. Because the past is true, m̂ decides only what the past leaves open: these
losses are blunter than they look, and notebook 24 measures them.

Source: text 001, §4.2.3 and §4.3.4.  Notebook: 23.
"""

from typing import NamedTuple

import torch

from lib.core.errors import KlangfarbeError
from lib.models import delay_pattern


class Heard(NamedTuple):
    """``sound`` [B, N], ``shares`` [B, K, S, V] (the decoder's probabilities), ``features``: a
    tensor [B, L, D] for each layer.
    """

    sound: "torch.Tensor"
    shares: "torch.Tensor"
    features: tuple


def frozen(generator):
    """The generator with all its weights' gradients switched off; what it is given still gets
    one.
    """
    generator.network.requires_grad_(False).eval()
    return generator


def hear(generator, conditions, codes, *, with_sound: bool = True) -> Heard:
    """What a condition sounds like along true codes, differentiable in the condition.

    Args:
        generator: a MusicGenerator (:func:`frozen`). conditions: float [B, n, D], of the decoder's
            width. codes: int [B, K, S].
        with_sound: leave the codec out where features alone are asked for; ``sound`` is then empty.

    Raises:
        KlangfarbeError: conditions of another width or number.
    """
    decoder = generator.network.decoder
    if conditions.ndim != 3 or conditions.shape[-1] != generator.width or len(conditions) != len(
        codes):
        raise KlangfarbeError(f"conditions [{len(codes)}, n, {generator.width}]",
                              str(tuple(conditions.shape)),
                              "one for each row of codes, of the decoder's width")
    batch, n_codebooks, n_steps = codes.shape
    line = delay_pattern.build(codes.long(), decoder.config.vocab_size)[..., :-1]
    mask = torch.ones(conditions.shape[:2], dtype=torch.long, device=conditions.device)
    out = decoder(line.flatten(0, 1), encoder_hidden_states=conditions, encoder_attention_mask=mask,
                  use_cache=False, output_hidden_states=True)
    logits = out.logits.view(batch, n_codebooks, line.shape[2], -1)
    at = (delay_pattern.columns(n_codebooks, n_steps, codes.device)
          - 1)[None, :, :, None].expand(batch, -1, -1, logits.shape[-1])
    # column s + k + 1 is predicted one column earlier
    shares = logits.gather(2, at).float().softmax(-1)
    sound = generator.codec.soft_decode(shares)[:, 0] if with_sound else shares.new_zeros(batch, 0)
    return Heard(sound, shares, tuple(out.hidden_states))
