"""A T5 encoder: a text as one state a token, what MusicGen is conditioned on.

The published one, ``google-t5/t5-base`` (768 wide), MusicGen keeps frozen; the bundled one is the
encoder of a tiny T5 (lib.recipes.text_encoder).  Notebook: 03.
"""

from collections.abc import Sequence

import numpy as np
import torch
from transformers import T5EncoderModel

from lib.core.errors import KlangfarbeError
from lib.pretrained.loading import Pretrained, load_model, tokenizer_of, tokens_of
from lib.pretrained.sources import Source

MAX_TOKENS = 512


class TextEncoder(Pretrained):
    """A T5EncoderModel with its tokenizer; its states are `width` wide."""

    def __init__(self, source: Source, model: T5EncoderModel, tokenizer, device: str):
        super().__init__(source, model, device, tokenizer)
        self.width = model.config.d_model

    def states(self, texts: Sequence[str], batch: int = 64) -> tuple[np.ndarray, np.ndarray]:
        """N texts → states float32 [N, L, D], 0 where padded, and mask bool [N, L]."""
        each = []
        for at in range(0, len(texts), batch):
            tokens = tokens_of(self.tokenizer, texts[at : at + batch], MAX_TOKENS).to(self.device)
            with torch.inference_mode():
                output = self.model(**tokens).last_hidden_state.float().cpu().numpy()
            masks = tokens["attention_mask"].bool().cpu().numpy()
            each += [states[mask] for states, mask in zip(output, masks, strict=True)]
        length = max(map(len, each), default=0)
        states = np.zeros((len(each), length, self.width), np.float32)
        mask = np.zeros((len(each), length), bool)
        for row, own in enumerate(each):
            states[row, : len(own)], mask[row, : len(own)] = own, True
        if not np.isfinite(states).all():
            raise KlangfarbeError("finite states", f"{self.name} overflows in {self.model.dtype}",
                                  "load T5 in float32 or bfloat16")
        return states, mask

    def pooled(self, texts: Sequence[str]) -> np.ndarray:
        """N texts → float32 [N, D], each the mean of its own tokens' states."""
        states, mask = self.states(texts)
        return states.sum(axis=1) / mask.sum(axis=1, keepdims=True)


def encoder(source: Source, device: str, dtype=None) -> TextEncoder:
    """Loads a T5's encoder and its tokenizer."""
    model = load_model(T5EncoderModel, source, device, dtype)  # a whole T5's folder serves
    return TextEncoder(source, model, tokenizer_of(source), device)
