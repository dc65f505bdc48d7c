"""The bundled sentence encoder, a tiny BERT, contrastive between comments and musical descriptions
that speak of one feeling.  Source: Reimers & Gurevych (2019), §3; CLIP's loss.  Notebook: 03.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
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
tokenizer = partial(bundling.train_tokenizer, positions=SIZES["max_position_embeddings"],
                    template="<s> $A </s>", cls_token="<s>", sep_token="</s>",
                    clean_up_tokenization_spaces=False)


@dataclass(frozen=True)
class Config:
    """How it was trained; ours (MiniLM-L6 has 6 layers of 384)."""
    n_steps: int = 400
    batch_size: int = 64
    learning_rate: float = 1e-3
    temperature: float = 0.07


def build(n_words: int, sizes: dict = SIZES, seed: int = 0) -> BertModel:
    """The untrained network; its own pooler is not used, as in the published ones."""
    torch.manual_seed(seed)
    return BertModel(BertConfig(vocab_size=n_words, pad_token_id=0, **sizes))


def train(model: BertModel, tokenizer, sides: list[tuple[list[str], list[str]]],
          config: Config = Config(), **run) -> list[dict]:
    """Trains in place on `sides`, pairs of columns of texts whose rows belong together; a curve."""
    def loss_of(rng):
        left, right = sides[rng.integers(len(sides))]
        rows = bundling.draw_rows(rng, len(left), config.batch_size)
        a, b = (vectors(model, tokenizer, [side[row] for row in rows]) for side in (left, right))
        return bundling.contrastive_loss(a @ b.T / config.temperature)
    return loop.fit(model, loss_of, config, **run)


def make() -> tuple:
    """The sentence encoder: about 5 minutes on one core, resumable."""
    columns = _columns(bundling.first_items(WORDS_SEED, N_WORDS))
    key = provenance.content_hash(repr(columns).encode())
    words = tokenizer([text for column in columns for text in column], 2000)
    model = build(len(words), seed=SEED)
    sides = [(columns[a], columns[b]) for a, b in ((0, 1), (0, 1), (0, 2), (1, 3))]
    curve = train(model, words, sides, **bundling.run("sentences", key))
    return {POOLING: MEAN_POOLING, "curves.csv": curve}, key, (model.half(), words)


def measure() -> tuple:
    """What comments find among descriptions; ``polarity``: one of the same sign of valence."""
    bundled = pretrained.load("sentences", device="cpu")
    untrained = SentenceEncoder(bundled, build(len(bundled.tokenizer), seed=SEED).eval(),
                                bundled.tokenizer, "cpu")
    items, rows = bundling.first_items(TEST_SEED, N_TEST), []
    comments, descriptions = _columns(items)[:2]
    positive = np.array([f.valence > 0 for f in items])
    for network, encoder in (("trained", bundled), ("untrained", untrained)):
        a, b = encoder.embed_text(comments), encoder.embed_text(descriptions)
        ranks = bundling.ranks_among(a, b)
        first = [at + (a[at : at + AMONG] @ b[at : at + AMONG].T).argmax(1)
                 for at in range(0, len(items), AMONG)]
        found = {f"r_at_{k}_of_{AMONG}": (ranks[f"r_at_{k}"] > 0.5, k / AMONG) for k in (1, 10)}
        found["polarity"] = (positive == positive[np.concatenate(first)],
                             np.mean(positive[:, None] == positive))
        rows += [{"network": network, "way": "comment → description", "measure": measure,
                  **share(right), "null": null} for measure, (right, null) in found.items()]
    return rows, repr(items).encode()


def _columns(items: list) -> list[list[str]]:
    # comments and descriptions, then those of other items of the very same feeling
    twins = [draw(f.seed, f.index + 1_000_000, valence=f.valence, arousal=f.arousal) for f in items]
    return [texts[kind] for texts in map(bundling.texts_of, (items, twins))
            for kind in ("comment", "description")]
