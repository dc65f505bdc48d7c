"""The bundled sentence encoder, a tiny BERT: ``python -m lib miniature sentences``.

Contrastive between texts that speak of one feeling: comments and musical descriptions of the
describer's collection.

Source: Reimers & Gurevych (2019), §3; the loss is Radford et al. (2021), figure 3, between texts.
Notebook: 03.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import BertConfig, BertModel

from lib import pretrained
from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier.factors import draw
from lib.metrics import retrieval
from lib.pretrained.sentences import POOLING, SentenceEncoder, vectors
from lib.recipes.bundling import (
    N_TEST,
    N_WORDS,
    SEED,
    WORDS_SEED,
    contrastive_loss,
    curve_means,
    first_items,
    share,
    texts_of,
    train_tokenizer,
    write,
)
from lib.training import loop

AMONG = 100


@dataclass(frozen=True)
class Config:
    """The tiny BERT and its training; ours (MiniLM-L6 has 6 layers of 384)."""

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
    """A byte-level tokenizer with a mark before and after each text."""
    return train_tokenizer(texts, config.vocabulary, config.positions, "<s> $A </s>",
                           cls_token="<s>", sep_token="</s>", clean_up_tokenization_spaces=False)


def build(n_words: int, config: Config = Config(), seed: int = 0) -> BertModel:
    """The untrained network; its own pooler is not used, as in the published ones."""
    torch.manual_seed(seed)
    return BertModel(BertConfig(vocab_size=n_words, hidden_size=config.hidden,
                                num_hidden_layers=config.layers, num_attention_heads=config.heads,
                                intermediate_size=config.inner,
                                max_position_embeddings=config.positions, pad_token_id=0))


def save(folder: Path | str, model: BertModel, tokenizer, *, curve: dict | None = None,
         key: str = "") -> None:
    """Writes network, tokenizer and pooling as sentence-transformers lays them out."""
    pooling = {"word_embedding_dimension": model.config.hidden_size,
               "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True,
               "pooling_mode_max_tokens": False}
    write(folder, {POOLING: pooling, **(curve or {})}, key, (model, tokenizer))


def train(model: BertModel, tokenizer, sides: Sequence[tuple[Sequence[str], Sequence[str]]],
          checkpoint: Path, config: Config = Config(), *, seed: int = 0,
          key: str = "") -> list[dict]:
    """Trains in place and returns the curve.

    Args:
        sides: pairs of columns of N texts whose rows belong together; each step draws one pair.
    """
    def loss_of(rng):
        left, right = sides[rng.integers(len(sides))]
        rows = rng.choice(len(left), min(config.batch_size, len(left)), replace=False)
        a, b = (vectors(model, tokenizer, [side[row] for row in rows]) for side in (left, right))
        return contrastive_loss(a @ b.T / config.temperature)

    return loop.fit(model, loss_of, config, checkpoint, seed=seed, key=key)


def make() -> None:
    """The sentence encoder: about 5 minutes on one core, resumable."""
    columns = _columns(first_items(WORDS_SEED, N_WORDS))
    key = provenance.content_hash(repr(columns).encode())
    words = tokenizer([text for column in columns for text in column])
    model = build(len(words), seed=SEED)
    comment, description, comment2, description2 = columns
    sides = [(comment, description), (comment, description), (comment, comment2),
             (description, description2)]
    curve = train(model, words, sides, paths.PROCESSED / "words" / "sentences.safetensors",
                  seed=SEED, key=key)
    save("sentences", model.half(), words, curve={"curves.csv": curve_means(curve)}, key=key)


def measure() -> tuple[pd.DataFrame, str]:
    """What the bundled encoder, and an untrained one, find among a hundred held-out texts: (table,
    hash of the items).

    ``polarity`` and ``arousal_sign``: the share of texts found first whose valence (arousal) has
    the sign of the text's own; ``affect_r``: correlation of cosine with nearness on the plane, over
    all pairs of different items.
    """
    bundled = pretrained.load("sentences", device="cpu")
    untrained = SentenceEncoder(bundled, build(len(bundled.tokenizer), seed=SEED).eval(),
                                bundled.tokenizer, "mean", "cpu")
    items = first_items(atelier.TEST_SEED, N_TEST)
    comment, description, comment2, description2 = _columns(items)
    asked = {"comment → description": (comment, description),
             "comment → comment": (comment, comment2),
             "description → description": (description, description2)}
    felt = np.array([(f.valence, f.arousal) for f in items])
    signs, pairs = np.sign(felt), np.triu_indices(len(items), 1)
    near = -np.linalg.norm(felt[:, None] - felt[None], axis=-1)[pairs]
    null = [np.mean(signs[:, None, k] == signs[None, :, k]) for k in (0, 1)]
    hundreds = [slice(i, i + AMONG) for i in range(0, len(items), AMONG)]
    rows = []
    for network, encoder in (("trained", bundled), ("untrained", untrained)):
        for way, (left, right) in asked.items():
            a, b = encoder.embed_text(left), encoder.embed_text(right)
            ranks = pd.concat([retrieval.ranks(a[h], b[h]) for h in hundreds])
            alike = np.concatenate([signs[h] == signs[h][(a[h] @ b[h].T).argmax(1)]
                                    for h in hundreds])
            found = [*({"measure": f"r_at_{k}_of_{AMONG}", **share(ranks[f"r_at_{k}"] > 0.5),
                        "null": k / AMONG} for k in (1, 10)),
                     {"measure": "polarity", **share(alike[:, 0]), "null": null[0]},
                     {"measure": "arousal_sign", **share(alike[:, 1]), "null": null[1]},
                     {"measure": "affect_r", "value": np.corrcoef((a @ b.T)[pairs], near)[0, 1],
                      "null": 0.0, "n": len(near)}]
            rows += [{"network": network, "way": way, **row} for row in found]
    return pd.DataFrame(rows), provenance.content_hash(repr(items).encode())


def _columns(items: Sequence) -> list[list[str]]:
    """Comments and descriptions of items, and those of other items of the very same feeling."""
    twins = [draw(f.seed, f.index + 1_000_000, valence=f.valence, arousal=f.arousal) for f in items]
    return [texts_of(group)[kind] for group in (items, twins)
            for kind in ("comment", "description")]
