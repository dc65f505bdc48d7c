"""A sentence encoder: a text as one unit vector, the mean of its tokens' states.

Art2Music pairs comments on paintings with music captions (TinyBERT) and measures how consistent
keywords are (all-MiniLM-L6-v2); both load from the layout sentence-transformers writes.

Source: Reimers & Gurevych (2019), §3.  Notebook: 03.
"""

import json
from collections.abc import Sequence

import numpy as np
import torch
from torch.nn import functional as F
from transformers import MODEL_MAPPING, BertModel

from lib.core.errors import KlangfarbeError
from lib.pretrained.loading import Pretrained, load_model, readable, tokenizer_of, tokens_of
from lib.pretrained.sources import Source

POOLING = "1_Pooling/config.json"


class SentenceEncoder(Pretrained):
    """A BERT-like network with tokenizer and pooling (``"mean"`` or ``"cls"``), `width` wide."""

    def __init__(self, source: Source, model, tokenizer, pooling: str, device: str):
        super().__init__(source, model, device, tokenizer)
        self.pooling, self.width = pooling, model.config.hidden_size

    def embed_text(self, texts: Sequence[str], batch: int = 64) -> np.ndarray:
        """N texts → unit vectors float32 [N, D]; cut off at the network's positions."""
        parts = [np.zeros((0, self.width), np.float32)]
        for at in range(0, len(texts), batch):
            with torch.inference_mode():
                parts.append(vectors(self.model, self.tokenizer, texts[at : at + batch],
                                     self.pooling).float().cpu().numpy())
        embedded = np.concatenate(parts)
        if not np.isfinite(embedded).all():
            raise KlangfarbeError("finite vectors", f"{self.name} overflows in {self.model.dtype}",
                                  "load it in float32")
        return embedded


def vectors(model, tokenizer, texts: Sequence[str], pooling: str = "mean") -> torch.Tensor:
    """Texts → unit vectors [N, D] with a gradient: the mean over tokens, or the first."""
    kind, positions = model.config.model_type, model.config.max_position_embeddings
    reserved = 2 if "roberta" in kind or kind == "mpnet" else 0
    tokens = tokens_of(tokenizer, texts, positions - reserved).to(model.device)
    states = model(**tokens).last_hidden_state                    # [N, L, D]
    if pooling == "cls":
        return F.normalize(states[:, 0], dim=-1)
    mask = tokens["attention_mask"][..., None].to(states.dtype)   # [N, L, 1]
    return F.normalize((states * mask).sum(1) / mask.sum(1).clamp(min=1), dim=-1)


def encoder(source: Source, device: str, dtype=None) -> SentenceEncoder:
    """Loads network, tokenizer and pooling."""
    with readable(source, f"a sentence encoder's {POOLING}"):
        config = json.loads((source.folder / POOLING).read_text(encoding="utf-8"))
    ways = sorted(name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
                  for name, on in config.items()
                  if name.startswith("pooling_mode_") and on is True)
    if ways not in (["mean"], ["cls"]):
        raise KlangfarbeError("a pooling by mean or by the first token (cls)",
                              f"{source.folder / POOLING}: {', '.join(ways) or 'none'}",
                              "choose a checkpoint that pools so")
    model = load_model(BertModel, source, device, dtype, MODEL_MAPPING)
    return SentenceEncoder(source, model, tokenizer_of(source), ways[0], device)
