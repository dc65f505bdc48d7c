"""How the bundled sentence encoder was made and what it finds alike: ``python -m lib miniature
sentences``.

It reads the describer's collection of words.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from lib import pretrained
from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier import words
from lib.data.atelier.factors import draw
from lib.metrics import retrieval
from lib.pretrained import sentences
from lib.recipes.bundling import N_TEST, SEED, first_items, save, share
from lib.recipes.describer import N_TRAIN, WORDS_SEED
from lib.training import loop


def make() -> None:
    """The sentence encoder (a tiny BERT): about 5 minutes on one shared core, resumable."""
    loop.set_threads()
    columns = _columns(first_items(WORDS_SEED, N_TRAIN))
    key = provenance.content_hash(repr(columns).encode())
    tokenizer = sentences.tokenizer([text for column in columns for text in column])
    model = sentences.build(len(tokenizer), seed=SEED)
    comment, description, comment2, description2 = columns
    sides = [(comment, description), (comment, description), (comment, comment2),
             (description, description2)]
    curve = sentences.train(model, tokenizer, sides,
                            paths.PROCESSED / "words" / "sentences.safetensors", seed=SEED, key=key)
    sentences.save(paths.MINIATURES / "sentences", model.half(), tokenizer)
    save("sentences", (), curve, key)


def measure():
    """What the bundled encoder, and an untrained one, find among texts they never read: (table,
    hash of the held-out items).
    """
    loaded = pretrained.load("sentences", device="cpu")
    chance = sentences.SentenceEncoder(loaded,
                                       sentences.build(len(loaded.tokenizer), seed=SEED).eval(),
                                       loaded.tokenizer, "mean", "cpu")
    fresh = first_items(atelier.TEST_SEED, N_TEST)
    return table({"trained": loaded.embed_text, "untrained": chance.embed_text},
                 fresh), provenance.content_hash(repr(fresh).encode())


def table(networks: dict, fresh: Sequence, among: int = 100):
    """What a text finds among `among` others: its partner, and, where it finds another, whether
    that one feels alike.

    ``polarity`` and ``arousal_sign``: the share of first finds whose valence (arousal) has the sign
    of the text's own;
    ``affect_r``: correlation of cosine with nearness on the plane, over all pairs of different
    items.
    """
    comment, description, comment2, description2 = _columns(fresh)
    asked = {"comment → description": (comment, description),
             "comment → comment": (comment, comment2),
             "description → description": (description, description2)}
    felt, rows = np.array([(f.valence, f.arousal) for f in fresh]), []
    for network, embed in networks.items():
        for way, (left, right) in asked.items():
            a, b = embed(left), embed(right)
            parts = [slice(i, i + among) for i in range(0, len(fresh) - among + 1, among)]
            ranks = pd.concat([retrieval.ranks(a[p], b[p]) for p in parts])
            alike = np.concatenate([np.sign(felt[p]) == np.sign(felt[p][(a[p] @ b[p].T).argmax(1)])
                                    for p in parts])
            signs = np.sign(felt)
            luck = [np.mean(signs[:, None, k] == signs[None, :, k]) for k in (0, 1)]
            apart = np.triu_indices(len(fresh), 1)
            near = -np.linalg.norm(felt[:, None] - felt[None], axis=-1)[apart]
            say = {"network": network, "way": way}
            rows += [{**say, "measure": f"r_at_1_of_{among}", **share(ranks["r_at_1"] > 0.5),
                      "null": 1 / among}, {**say, "measure": f"r_at_10_of_{among}",
                                           **share(ranks["r_at_10"] > 0.5), "null": 10 / among},
                     {**say, "measure": "polarity", **share(alike[:, 0]), "null": luck[0]},
                     {**say, "measure": "arousal_sign", **share(alike[:, 1]), "null": luck[1]},
                     {**say, "measure": "affect_r",
                      "value": np.corrcoef((a @ b.T)[apart], near)[0, 1], "null": 0.0,
                      "n": len(near)}]
    return pd.DataFrame(rows)


def _columns(items: Sequence) -> list[list[str]]:
    """Comments and descriptions of items, and those of other items of the very same feeling."""
    twins = [draw(f.seed, f.index + 1_000_000, valence=f.valence, arousal=f.arousal) for f in items]
    return [[say(f) for f in group] for group in (items, twins)
            for say in (words.comment, words.description)]
