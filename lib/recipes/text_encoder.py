"""How the bundled text encoder was made and what can be read from its states: ``python -m lib
miniature text_encoder``.

It reads the describer's collection of words.
"""

from collections import Counter
from collections.abc import Sequence

import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lib import pretrained
from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier import words
from lib.data.atelier.compose import describe
from lib.pretrained import text_encoder
from lib.recipes.bundling import N_TEST, SEED, first_items, save, share
from lib.recipes.describer import N_TRAIN, WORDS_SEED
from lib.training import loop

N_PROBE = 400  # items of the next seed, to fit a linear probe on


def make() -> None:
    """The text encoder (the encoder of a tiny T5): about 4 minutes on one core, resumable."""
    loop.set_threads()
    items = first_items(WORDS_SEED, N_TRAIN)
    descriptions, tags = [words.description(f) for f in items], [words.tags(f) for f in items]
    further = [text for f in items for text in (words.caption(f), words.comment(f),
                                                words.emotion_word(f))]
    key = provenance.content_hash(repr((descriptions, tags, further)).encode())
    tokenizer = text_encoder.tokenizer([*descriptions, *further, *(", ".join(t) for t in tags)])
    model = text_encoder.build(len(tokenizer), seed=SEED)
    curve = text_encoder.train(model, tokenizer, descriptions, tags, further,
                               paths.PROCESSED / "words" / "text_encoder.safetensors", seed=SEED,
                               key=key)
    save("text_encoder", (text_encoder.encoder_of(model).half(), tokenizer), curve, key)


def measure():
    """What a linear probe reads from the bundled encoder's states, and from an untrained one's:
    (table, hash of the held-out items).
    """
    loaded = pretrained.load("text_encoder", device="cpu")
    untrained = text_encoder.encoder_of(text_encoder.build(len(loaded.tokenizer), seed=SEED))
    chance = text_encoder.TextEncoder(loaded, untrained, loaded.tokenizer, "cpu")
    fresh = first_items(atelier.TEST_SEED, N_TEST)
    networks = {"trained": loaded.pooled, "untrained": chance.pooled}
    return probe_table(networks, first_items(WORDS_SEED + 1, N_PROBE),
                       fresh), provenance.content_hash(repr(fresh).encode())


def probe_table(networks: dict, items: Sequence, fresh: Sequence):
    """How often a linear probe reads a factor from a text's pooled state, fitted on `items` and
    asked about `fresh` ones.

    Args:
        networks: name → function of texts to vectors [N, D].

    Returns:
        DataFrame: network, text, measure, value with interval, ``null`` (the commonest class of the
            fresh items), n.
    """
    asked = {"description": (words.description, ("tempo", "mode", "genre", "polarity")),
             "caption": (words.caption, ("manner",)),
             "comment": (words.comment, ("emotion", "polarity"))}
    truth, fresh_truth = ([_truth(f) for f in group] for group in (items, fresh))
    rows = []
    for text, (say, measures) in asked.items():
        for network, embed in networks.items():
            vectors, fresh_vectors = embed([say(f) for f in items]), embed([say(f) for f in fresh])
            for measure in measures:
                labels, right = ([t[measure] for t in group] for group in (truth, fresh_truth))
                probe = make_pipeline(StandardScaler(),
                                      LogisticRegression(C=0.1, max_iter=500)).fit(vectors, labels)
                rows.append({"network": network, "text": text, "measure": f"{measure}_accuracy",
                             **share(probe.predict(fresh_vectors) == right),
                             "null": max(Counter(right).values()) / len(right)})
    return pd.DataFrame(rows)


def _truth(item) -> dict[str, str]:
    """An item's factors as classes."""
    heard = describe(item)
    return {"tempo": str(next(k for k,
                              (limit, _) in enumerate(words.TEMPI) if heard["tempo_bpm"] < limit)),
            "mode": heard["mode"], "genre": item.genre, "manner": item.style,
            "emotion": words.emotion_word(item), "polarity": str(item.valence > 0)}
