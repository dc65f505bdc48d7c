"""What every training of MusicGen shares: batches of stored tensors, conditioning dropout, loss and
LoRA.

    stored states [B, L, D] ──dropped for some items──► projection ──► condition ─┐
    stored codes [B, K, S] ──delay──► line [B, K, S+K], without its last column ──► decoder
                                                              ──► cross-entropy with the line
                                                                  without its first column

`predict` is transformers'; audiocraft's on the same tensors: tests/test_musicgen_engines.py.
Notebook: 03.
"""

from dataclasses import dataclass

import torch

from lib.core.errors import KlangfarbeError
from lib.models import delay_pattern

LORA_LAYERS = ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2")


@dataclass
class Batch:
    """Stored tensors of B items: codes int64 [B, K, S] with anything beyond each item's length,
    lengths int64 [B], the text encoder's states float [B, L, D], mask int64 [B, L] (1: a token).
    """
    codes: torch.Tensor
    lengths: torch.Tensor
    states: torch.Tensor
    mask: torch.Tensor


def collate(codes: list, states: list, device: str = "cpu") -> Batch:
    """Items of any length, codes [K, S] and states [L, D] each, padded with zeros to a batch."""
    if len(codes) != len(states) or not codes or any(0 in array.shape
                                                     for array in (*codes, *states)):
        raise KlangfarbeError("as many codes as states, none empty",
                              f"{len(codes)} and {len(states)}", "store both for every item")
    lengths = torch.tensor([c.shape[1] for c in codes])
    n_tokens = torch.tensor([len(s) for s in states])
    padded_codes = torch.zeros(len(codes), codes[0].shape[0], int(lengths.max()), dtype=torch.long)
    padded_states = torch.zeros(len(states), int(n_tokens.max()), states[0].shape[1])
    for row, (c, s) in enumerate(zip(codes, states, strict=True)):
        padded_codes[row, :, : c.shape[1]] = torch.as_tensor(c).long()
        padded_states[row, : len(s)] = torch.as_tensor(s).float()
    mask = (torch.arange(int(n_tokens.max())) < n_tokens[:, None]).long()
    return Batch(*(t.to(device) for t in (padded_codes, lengths, padded_states, mask)))


def drop_conditions(states: torch.Tensor, mask: torch.Tensor, share: float,
                    generator: torch.Generator | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Replaces the condition of a random `share` of the items (0.1 in MusicGen's training) by the
    null one (zeros, mask 0), so that guidance has its other half: [B, L, D], [B, L].

    Source: Ho & Salimans (2022), "Classifier-Free Diffusion Guidance", algorithm 1.
    """
    if not 0 <= share <= 1:
        raise KlangfarbeError("a share in [0, 1]", str(share), "MusicGen was trained with 0.1")
    if share == 0:
        return states, mask
    kept = (torch.rand(len(states), generator=generator) >= share).to(states.device)
    return states * kept[:, None, None], mask * kept[:, None]


def with_null(states: torch.Tensor, mask: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Conditions and their null halves in one batch, [B, L, D], [B, L] → [2B, L, D], [2B, L]."""
    return torch.cat([states, torch.zeros_like(states)]), torch.cat([mask, torch.zeros_like(mask)])


def condition(model, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """States of the text encoder's width → conditions of the decoder's [B, L, D], zero where the
    mask is 0; a model without a projection takes the states as they are.
    """
    project = getattr(model, "enc_to_dec_proj", None)
    return (project(states) if project is not None else states) * mask[..., None]


def predict(model, tokens: torch.Tensor, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Logits float [B, K, L, V] of transformers' MusicgenForConditionalGeneration,
    MusicgenForCausalLM, or a LoRA around either, for a delayed line int64 [B, K, L].
    """
    conditions = condition(model, states, mask)
    # an item without one real token has zeros for its condition: whichever it attends to, every
    # key and value is 0
    attended = mask.bool() | ~mask.bool().any(1, keepdim=True)
    decoder = getattr(model, "decoder", model)
    logits = decoder(tokens.flatten(0, 1), encoder_hidden_states=conditions,
                     encoder_attention_mask=attended.long(), use_cache=False).logits
    return logits.view(*tokens.shape, -1)


def loss(model, batch: Batch, predict=predict) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean over codebooks of a batch's cross-entropy, and each codebook's: (scalar, [K]), nats;
    `predict` is the engine.
    """
    special = vocabulary(model)
    line = delay_pattern.build(batch.codes, special, batch.lengths)
    return delay_pattern.cross_entropy(predict(model, line[..., :-1], batch.states, batch.mask),
                                       line[..., 1:], special)


def vocabulary(model) -> int:
    """V, which is also the special token's number, of either engine's model."""
    if hasattr(model, "card"):  # audiocraft's LMModel
        return model.card
    return getattr(model, "decoder", model).config.vocab_size


def lora(model, *, rank: int = 8, scale: int = 16, dropout: float = 0.0):
    """peft's model around the same network: only additions of `rank` to the decoder's projections
    train, multiplied by scale / rank; ``merge_and_unload()`` makes it plain again.

    Source: Hu et al. (2022), "LoRA: Low-Rank Adaptation of Large Language Models", §4.
    """
    import peft  # slow, and needed by this function alone

    # of the whole model only the decoder, not the text encoder
    inside = r"decoder\." if hasattr(model, "decoder") else ""
    wanted = rf".*{inside}.*\.({'|'.join(LORA_LAYERS)})"
    return peft.get_peft_model(model, peft.LoraConfig(r=rank, lora_alpha=scale,
                                                      lora_dropout=dropout, target_modules=wanted,
                                                      bias="none"))
