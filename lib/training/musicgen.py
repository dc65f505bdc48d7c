"""What every training of MusicGen shares; audiocraft's engine: tests/test_musicgen_engines.py.

    states [B, L, D] ─► projection ─► condition ─┐
    codes [B, K, S] ─► delayed line [B, K, S+K] ─► decoder ─► cross-entropy with the next column"""

from dataclasses import dataclass

import torch

from lib.models import delay_pattern


@dataclass
class Batch:
    """Stored tensors of B items."""
    codes: torch.Tensor    # int64 [B, K, S], anything beyond an item's length
    lengths: torch.Tensor  # int64 [B]
    states: torch.Tensor   # the text encoder's, float [B, L, D]
    mask: torch.Tensor     # int64 [B, L], 1: a token


def collate(codes: list, states: list, device: str = "cpu") -> Batch:
    """Items of any length, codes [K, S] and states [L, D] each, padded with zeros to a batch."""
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
    """Zeros, mask 0 for a random `share` of items.  Source: Ho & Salimans (2022), algorithm 1."""
    if share == 0:
        return states, mask
    kept = (torch.rand(len(states), generator=generator) >= share).to(states.device)
    return states * kept[:, None, None], mask * kept[:, None]


def condition(model, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """The text encoder's states, projected to the decoder's width where it has a projection."""
    project = getattr(model, "enc_to_dec_proj", None)
    return (states if project is None else project(states)) * mask[..., None]


def predict(model, tokens: torch.Tensor, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """Logits float [B, K, L, V] of transformers' MusicGen for a delayed line int64 [B, K, L]."""
    conditions = condition(model, states, mask)
    # where no token is real, all keys and values are 0, whichever it attends to
    attended = mask.bool() | ~mask.bool().any(1, keepdim=True)
    decoder = getattr(model, "decoder", model)
    logits = decoder(tokens.flatten(0, 1), encoder_hidden_states=conditions,
                     encoder_attention_mask=attended.long(), use_cache=False).logits
    return logits.view(*tokens.shape, -1)


def loss(model, batch: Batch, predict=predict) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean over codebooks of a batch's cross-entropy, and each one's: (scalar, [K]), nats."""
    special = vocabulary(model)
    line = delay_pattern.build(batch.codes, special, batch.lengths)
    return delay_pattern.cross_entropy(predict(model, line[..., :-1], batch.states, batch.mask),
                                       line[..., 1:], special)


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
