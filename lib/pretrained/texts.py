"""Encoders of text: T5's states, a token each, which MusicGen is conditioned on; and a sentence
encoder, one unit vector a text, by which Art2Music pairs comments with captions.

Source: Copet et al. (2023), §2.3; Reimers & Gurevych (2019), §3.  Notebook: 03."""

import json
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F
from transformers import BertModel, T5EncoderModel

from lib.core.errors import KlangfarbeError
from lib.pretrained.loading import Pretrained, Source, load_model, readable, tokenizer_of, tokens_of

MAX_TOKENS = 512
POOLING = "1_Pooling/config.json"


class TextEncoder(Pretrained):
    """A T5EncoderModel with its tokenizer; its states are `width` wide."""
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
        return states, mask

    def pooled(self, texts: Sequence[str]) -> np.ndarray:
        """N texts → float32 [N, D], each the mean of its own tokens' states."""
        states, mask = self.states(texts)
        return states.sum(axis=1) / mask.sum(axis=1, keepdims=True)


def load_text_encoder(source: Source, device: str, dtype=None) -> TextEncoder:
    """A T5's encoder, of which a whole T5's folder serves, and its tokenizer."""
    model = load_model(T5EncoderModel, source, device, dtype)
    return TextEncoder(source, model, device, tokenizer_of(source), width=model.config.d_model)


class SentenceEncoder(Pretrained):
    """A BERT with its tokenizer, `width` wide."""
    def embed_text(self, texts: Sequence[str], batch: int = 64) -> np.ndarray:
        """N texts → unit vectors float32 [N, D]; cut off at the network's positions."""
        parts = [np.zeros((0, self.width), np.float32)]
        for at in range(0, len(texts), batch):
            with torch.inference_mode():
                parts.append(vectors(self.model, self.tokenizer,
                                     texts[at : at + batch]).float().cpu().numpy())
        return np.concatenate(parts)


def vectors(model, tokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Texts → unit vectors [N, D] with a gradient: the means over tokens."""
    tokens = tokens_of(tokenizer, texts, model.config.max_position_embeddings).to(model.device)
    states = model(**tokens).last_hidden_state                    # [N, L, D]
    mask = tokens["attention_mask"][..., None].to(states.dtype)   # [N, L, 1]
    return F.normalize((states * mask).sum(1) / mask.sum(1).clamp(min=1), dim=-1)


def load_sentences(source: Source, device: str, dtype=None) -> SentenceEncoder:
    """A folder's network and tokenizer, as sentence-transformers lays them out."""
    with readable(source, f"a sentence encoder's {POOLING}"):
        config = json.loads((source.folder / POOLING).read_text(encoding="utf-8"))
        on = [name for name, value in config.items()
              if name.startswith("pooling_mode_") and value is True]
    if on != ["pooling_mode_mean_tokens"]:
        raise KlangfarbeError("a pooling by the mean over tokens", f"{source.folder / POOLING}: "
                              f"{', '.join(on) or 'none'}", "choose a checkpoint that pools so")
    model = load_model(BertModel, source, device, dtype)
    return SentenceEncoder(source, model, device, tokenizer_of(source),
                           width=model.config.hidden_size)
