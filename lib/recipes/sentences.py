"""The bundled sentence encoder, a tiny BERT: ``python -m lib miniature sentences``.

Contrastive between texts that speak of one feeling: comments and musical descriptions of the
describer's collection.  Source: Reimers & Gurevych (2019), §3; the loss is CLIP's.  Notebook: 03.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from transformers import BertConfig, BertModel

from lib import pretrained
from lib.core import provenance
from lib.data.atelier import TEST_SEED
from lib.data.atelier.factors import draw
from lib.pretrained.texts import POOLING, SentenceEncoder, vectors
from lib.recipes import bundling
from lib.recipes.bundling import AMONG, N_TEST, N_WORDS, SEED, WORDS_SEED, share
from lib.training import loop

SIZES = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
         "intermediate_size": 256, "max_position_embeddings": 130}
MEAN_POOLING = {"word_embedding_dimension": 128, "pooling_mode_cls_token": False,
                "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}


@dataclass(frozen=True)
class Config:
    """How it was trained; ours (MiniLM-L6 has 6 layers of 384)."""
    n_steps: int = 400
    batch_size: int = 64
    learning_rate: float = 1e-3
    temperature: float = 0.07


def tokenizer(texts: list[str], vocabulary: int = 2000):
    """A byte-level tokenizer with a mark before and after each text."""
    return bundling.train_tokenizer(texts, vocabulary, SIZES["max_position_embeddings"],
                                    "<s> $A </s>", cls_token="<s>", sep_token="</s>",
                                    clean_up_tokenization_spaces=False)


def build(n_words: int, sizes: dict = SIZES, seed: int = 0) -> BertModel:
    """The untrained network; its own pooler is not used, as in the published ones."""
    torch.manual_seed(seed)
    return BertModel(BertConfig(vocab_size=n_words, pad_token_id=0, **sizes))


def train(model: BertModel, tokenizer, sides: list[tuple[list[str], list[str]]],
          checkpoint: Path, config: Config = Config(), **run) -> list[dict]:
    """Trains in place and returns the curve; each step draws one of `sides`, pairs of columns of N
    texts whose rows belong together.
    """
    def loss_of(rng):
        left, right = sides[rng.integers(len(sides))]
        rows = bundling.draw_rows(rng, len(left), config.batch_size)
        a, b = (vectors(model, tokenizer, [side[row] for row in rows]) for side in (left, right))
        return bundling.contrastive_loss(a @ b.T / config.temperature)

    return loop.fit(model, loss_of, config, checkpoint, **run)


def make() -> None:
    """The sentence encoder: about 5 minutes on one core, resumable."""
    columns = _columns(bundling.first_items(WORDS_SEED, N_WORDS))
    key = provenance.content_hash(repr(columns).encode())
    words = tokenizer([text for column in columns for text in column])
    model = build(len(words), seed=SEED)
    sides = [(columns[a], columns[b]) for a, b in ((0, 1), (0, 1), (0, 2), (1, 3))]
    curve = train(model, words, sides, bundling.checkpoint("sentences"), seed=SEED, key=key)
    bundling.write("sentences", {POOLING: MEAN_POOLING, "curves.csv": curve}, key,
                   (model.half(), words))


def measure() -> tuple[pd.DataFrame, str]:
    """What the bundled encoder, and an untrained one, find among a hundred held-out texts: (table,
    hash of the items). ``polarity``, ``arousal_sign``: the text found first has the sign of the
    text's valence (arousal); ``affect_r``: correlation of cosine with nearness on the plane.
    """
    bundled = pretrained.load("sentences", device="cpu")
    untrained = SentenceEncoder(bundled, build(len(bundled.tokenizer), seed=SEED).eval(),
                                bundled.tokenizer, "mean", "cpu")
    items = bundling.first_items(TEST_SEED, N_TEST)
    columns = _columns(items)
    asked = {"comment → description": columns[:2], "comment → comment": columns[::2],
             "description → description": columns[1::2]}
    felt = np.array([(f.valence, f.arousal) for f in items])
    signs, pairs = np.sign(felt), np.triu_indices(len(items), 1)
    near = -np.linalg.norm(felt[:, None] - felt[None], axis=-1)[pairs]
    rows = []
    for network, encoder in (("trained", bundled), ("untrained", untrained)):
        for way, (left, right) in asked.items():
            a, b = encoder.embed_text(left), encoder.embed_text(right)
            ranks = bundling.ranks_among(a, b)
            first = [at + (a[at : at + AMONG] @ b[at : at + AMONG].T).argmax(1)
                     for at in range(0, len(items), AMONG)]
            alike = signs == signs[np.concatenate(first)]
            found = [*({"measure": f"r_at_{k}_of_{AMONG}", **share(ranks[f"r_at_{k}"] > 0.5),
                        "null": k / AMONG} for k in (1, 10)),
                     *({"measure": measure, **share(alike[:, k]),
                        "null": np.mean(signs[:, None, k] == signs[None, :, k])}
                       for k, measure in enumerate(("polarity", "arousal_sign"))),
                     {"measure": "affect_r", "value": np.corrcoef((a @ b.T)[pairs], near)[0, 1],
                      "null": 0.0, "n": len(near)}]
            rows += [{"network": network, "way": way, **row} for row in found]
    return pd.DataFrame(rows), provenance.content_hash(repr(items).encode())


def _columns(items: list) -> list[list[str]]:
    """Comments and descriptions of items, then those of other items of the very same feeling."""
    twins = [draw(f.seed, f.index + 1_000_000, valence=f.valence, arousal=f.arousal) for f in items]
    return [texts[kind] for texts in map(bundling.texts_of, (items, twins))
            for kind in ("comment", "description")]
