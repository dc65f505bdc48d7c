"""The bundled sentence encoder, a tiny BERT, contrastive between comments and musical descriptions
that speak of one feeling.  Source: Reimers & Gurevych (2019), §3; CLIP's loss.  Notebook: 03."""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from transformers import BertConfig, BertModel

from lib import pretrained
from lib.core import provenance
from lib.data.atelier import TEST_SEED
from lib.data.atelier.factors import draw
from lib.pretrained.texts import POOLING, vectors
from lib.recipes import bundling
from lib.recipes.bundling import AMONG, N_TEST, N_WORDS, SEED, WORDS_SEED
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
    encoder = pretrained.load("sentences", device="cpu")
    items = bundling.first_items(TEST_SEED, N_TEST)
    a, b = (encoder.embed_text(texts) for texts in _columns(items)[:2])
    positive = np.array([f.valence > 0 for f in items]).reshape(-1, AMONG)
    near = a.reshape(*positive.shape, -1) @ b.reshape(*positive.shape, -1).swapaxes(1, 2)
    alike = positive == np.take_along_axis(positive, near.argmax(2), axis=1)
    null = np.mean(positive.reshape(-1, 1) == positive.ravel())
    rows = [*bundling.retrieved(a, b),
            {"measure": "polarity", **bundling.share(alike.ravel()), "null": null}]
    way = {"network": "trained", "way": "comment → description"}
    return [way | row for row in rows], repr(items).encode()


def _columns(items: list) -> list[list[str]]:
    # comments and descriptions, then those of other items of the very same feeling
    twins = [draw(f.seed, f.index + 1_000_000, valence=f.valence, arousal=f.arousal) for f in items]
    return [texts[kind] for texts in map(bundling.texts_of, (items, twins))
            for kind in ("comment", "description")]
