"""A sentence encoder: a text as one unit vector, the mean of its tokens' states; cosines say how
near two texts are.

Art2Music pairs every comment on a painting with the music caption nearest to it (TinyBERT), and
measures the consistency of keywords with ``sentence-transformers/all-MiniLM-L6-v2``; both load here
from the layout sentence-transformers writes. The bundled one is a tiny BERT that learned which
comments and musical descriptions speak of one feeling.

Source: Reimers & Gurevych (2019), §3. Notebook: 03.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from transformers import MODEL_MAPPING, AutoConfig, AutoTokenizer, BertConfig, BertModel

from lib.core import artefacts, provenance
from lib.core.errors import KlangfarbeError
from lib.pretrained import tokenizer as vocabulary
from lib.pretrained.loading import readable, whole_model
from lib.pretrained.sources import Source
from lib.training import fit

POOLING = "1_Pooling/config.json"


class SentenceEncoder:
    """A BERT-like network with its tokenizer, pooling and card.

    Attributes:
        name, sha256, licence, revision: of the checkpoint. model, tokenizer: transformers' own.
            width: D of its vectors.
    """

    def __init__(self, source: Source, model, tokenizer, pooling: str, device: str):
        self.name, self.sha256, self.licence, self.revision = source.name, source.sha256, source.licence, source.revision
        self.model, self.tokenizer, self.pooling, self.device = model, tokenizer, pooling, device
        self.width = model.config.hidden_size

    def embed_text(self, texts: Sequence[str], batch: int = 64) -> np.ndarray:
        """N texts → unit vectors float32 [N, D]; what goes beyond the network's positions is cut
        off.
        """
        made = [np.zeros((0, self.width), np.float32)]
        for at in range(0, len(texts), batch):
            with torch.inference_mode():
                made.append(vectors(self.model, self.tokenizer, texts[at : at + batch],
                                    self.pooling).float().cpu().numpy())
        found = np.concatenate(made)
        if not np.isfinite(found).all():
            raise KlangfarbeError("finite vectors", f"{self.name} overflows in {self.model.dtype}",
                                  "load it in float32")
        return found


def vectors(model, tokenizer, texts: Sequence[str], pooling: str = "mean"):
    """Texts → unit vectors [N, D], a torch tensor with its gradient: ``"mean"`` over a text's own
    tokens, or its first (``"cls"``).
    """
    room = model.config.max_position_embeddings - (2
                                                   if "roberta" in model.config.model_type
                                                   or model.config.model_type == "mpnet" else 0)
    tokens = tokenizer(list(texts), padding=True, truncation=True, max_length=room,
                       return_tensors="pt").to(model.device)
    states = model(**tokens).last_hidden_state                    # [N, L, D]
    if pooling == "cls":
        return F.normalize(states[:, 0], dim=-1)
    mask = tokens["attention_mask"][..., None].to(states.dtype)   # [N, L, 1]
    return F.normalize((states * mask).sum(1) / mask.sum(1).clamp(min=1), dim=-1)


def encoder(source: Source, device: str, dtype=None) -> SentenceEncoder:
    """Loads network, tokenizer and pooling from a folder as sentence-transformers lays it out,
    without the network or unpickling.

    Raises:
        KlangfarbeError: the folder holds no such encoder, weights that do not fit, or a pooling
            other than mean and first token.
    """
    with readable(source, f"a sentence encoder's config.json, {POOLING} and tokenizer"):
        told = json.loads((source.folder / POOLING).read_text(encoding="utf-8"))
        kind = type(AutoConfig.from_pretrained(source.folder, local_files_only=True))
        tokenizer = AutoTokenizer.from_pretrained(source.folder, local_files_only=True)
    ways = sorted(name.removeprefix("pooling_mode_").removesuffix("_tokens").removesuffix("_token")
                  for name, on in told.items() if name.startswith("pooling_mode_") and on is True)
    if ways not in (["mean"], ["cls"]):
        raise KlangfarbeError("a pooling by mean or by the first token (cls)",
                              f"{source.folder / POOLING}: {', '.join(ways) or 'none'}",
                              "choose a checkpoint that pools so")
    model = whole_model(MODEL_MAPPING.get(kind, BertModel), source, dtype or torch.float32)
    return SentenceEncoder(source, model.to(device).eval(), tokenizer, ways[0], device)


@dataclass(frozen=True)
class Config:
    """The tiny BERT and how it was trained; ours, so there are no published values (MiniLM-L6 has 6
    layers of 384).
    """

    hidden: int = 128
    layers: int = 2
    heads: int = 4
    inner: int = 256
    vocabulary: int = 2000
    positions: int = 130
    n_steps: int = 400
    batch_size: int = 64
    learning_rate: float = 1e-3
    temperature: float = 0.07


def tokenizer(texts: Sequence[str], config: Config = Config()):
    """A byte-level tokenizer trained on `texts`, with a mark before and after each."""
    return vocabulary.trained(texts, config.vocabulary, config.positions, "<s> $A </s>",
                              cls_token="<s>", sep_token="</s>")


def build(n_words: int, config: Config = Config(), seed: int = 0):
    """The untrained network: BertModel; its own pooler stays idle, as in the published ones."""
    torch.manual_seed(seed)
    return BertModel(BertConfig(vocab_size=n_words, hidden_size=config.hidden,
                                num_hidden_layers=config.layers, num_attention_heads=config.heads,
                                intermediate_size=config.inner,
                                max_position_embeddings=config.positions, pad_token_id=0))


def save(folder: Path, model, words) -> None:
    """Writes network, tokenizer and pooling as sentence-transformers lays them out."""
    for part in (model, words):
        part.save_pretrained(folder)
    artefacts.write(folder / POOLING, {"word_embedding_dimension": model.config.hidden_size,
                                       "pooling_mode_cls_token": False,
                                       "pooling_mode_mean_tokens": True,
                                       "pooling_mode_max_tokens": False})


def train(model, words, sides: Sequence[tuple[Sequence[str], Sequence[str]]], checkpoint: Path,
          config: Config = Config(), *, seed: int = 0, key: str = "") -> list[dict]:
    """Trains in place and returns the curve: symmetric contrastive loss within a batch, and the
    share of partners found in it.

    Args:
        model, words: BertModel and tokenizer. sides: pairs of columns of N texts whose rows belong
            together; each step takes one pair of columns, in turn. key: hash of the data.

    Source: the loss is Radford et al. (2021), figure 3, here between texts.
    """
    def loss_of(rng):
        left, right = sides[rng.integers(len(sides))]
        rows = rng.choice(len(left), min(config.batch_size, len(left)), replace=False)
        a, b = (vectors(model, words, [side[r] for r in rows]) for side in (left, right))
        logits, partner = a @ b.T / config.temperature, torch.arange(len(rows))
        loss = (F.cross_entropy(logits, partner) + F.cross_entropy(logits.T, partner)) / 2
        return loss, {"loss": loss.item(),
                      "found": (logits.argmax(1) == partner).float().mean().item()}

    key = provenance.content_hash(repr((asdict(config), seed, key)).encode())
    return fit.fit(model, loss_of, config.n_steps, learning_rate=config.learning_rate,
                   checkpoint=checkpoint, key=key, seed=seed)
