"""How the bundled text encoder and sentence encoder were made, and what they reach on words they never read.

``python -m lib miniature text_encoder``, ``python -m lib miniature sentences``. They read the describer's collection of words.
"""

from collections import Counter
from collections.abc import Sequence

from lib.miniatures_words import N_TEST, N_TRAIN, SEED, WORDS_SEED, finish, first_items, save, share

N_PROBE = 400  # items of the next seed, to fit a linear probe on


def make_text_encoder() -> None:
    """The text encoder (the encoder of a tiny T5): about 4 minutes on one core, resumable."""
    from lib import foundations, paths, repro, training
    from lib.data import atelier
    from lib.data.atelier import words
    from lib.foundations import text_encoder

    training.set_threads()
    items = first_items(WORDS_SEED, N_TRAIN)
    descriptions, tags = [words.description(f) for f in items], [words.tags(f) for f in items]
    further = [text for f in items for text in (words.caption(f), words.comment(f), words.emotion_word(f))]
    key = repro.content_hash(repr((descriptions, tags, further)).encode())
    tokenizer = text_encoder.tokenizer([*descriptions, *further, *(", ".join(t) for t in tags)])
    untrained, model = (text_encoder.build(len(tokenizer), seed=SEED) for _ in range(2))
    curve = text_encoder.train(model, tokenizer, descriptions, tags, further, paths.PROCESSED / "words" / "text_encoder.safetensors",
                               seed=SEED, key=key)
    save("text_encoder", (text_encoder.encoder_of(model).half(), tokenizer), curve, key)
    loaded = foundations.load("text_encoder", device="cpu")
    chance = text_encoder.TextEncoder(loaded, text_encoder.encoder_of(untrained), tokenizer, "cpu")
    fresh = first_items(atelier.TEST_SEED, N_TEST)
    table = probe_table({"trained": loaded.pooled, "untrained": chance.pooled}, first_items(WORDS_SEED + 1, N_PROBE), fresh)
    finish("text_encoder", table, repro.content_hash(repr(fresh).encode()))


def probe_table(networks: dict, items: Sequence, fresh: Sequence):
    """How often a linear probe reads a factor from a text's pooled state, fitted on `items` and asked about `fresh` ones.

    Args:
        networks: name → function of texts to vectors [N, D].

    Returns:
        DataFrame: network, text, measure, value with interval, ``null`` (the commonest class of the fresh items), n.
    """
    import pandas as pd
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    from lib.data.atelier import words

    asked = {"description": (words.description, ("tempo", "mode", "genre", "polarity")), "caption": (words.caption, ("manner",)),
             "comment": (words.comment, ("emotion", "polarity"))}
    truth, fresh_truth = ([_truth(f) for f in group] for group in (items, fresh))
    rows = []
    for text, (say, measures) in asked.items():
        for network, embed in networks.items():
            vectors, fresh_vectors = embed([say(f) for f in items]), embed([say(f) for f in fresh])
            for measure in measures:
                labels, right = ([t[measure] for t in group] for group in (truth, fresh_truth))
                probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500)).fit(vectors, labels)
                rows.append({"network": network, "text": text, "measure": f"{measure}_accuracy",
                             **share(probe.predict(fresh_vectors) == right), "null": max(Counter(right).values()) / len(right)})
    return pd.DataFrame(rows)


def _truth(item) -> dict[str, str]:
    """An item's factors as classes."""
    from lib.data.atelier import words
    from lib.data.atelier.compose import describe

    heard = describe(item)
    return {"tempo": str(next(k for k, (limit, _) in enumerate(words.TEMPI) if heard["tempo_bpm"] < limit)), "mode": heard["mode"],
            "genre": item.genre, "manner": item.manner, "emotion": words.emotion_word(item), "polarity": str(item.valence > 0)}


def make_sentences() -> None:
    """The sentence encoder (a tiny BERT): about 5 minutes on one shared core, resumable."""
    from lib import foundations, paths, repro, training
    from lib.data import atelier
    from lib.foundations import sentences

    training.set_threads()
    columns = _columns(first_items(WORDS_SEED, N_TRAIN))
    key = repro.content_hash(repr(columns).encode())
    tokenizer = sentences.tokenizer([text for column in columns for text in column])
    untrained, model = (sentences.build(len(tokenizer), seed=SEED) for _ in range(2))
    comment, description, comment2, description2 = columns
    sides = [(comment, description), (comment, description), (comment, comment2), (description, description2)]
    curve = sentences.train(model, tokenizer, sides, paths.PROCESSED / "words" / "sentences.safetensors", seed=SEED, key=key)
    sentences.save(paths.MINIATURES / "sentences", model.half(), tokenizer)
    save("sentences", (), curve, key)
    loaded = foundations.load("sentences", device="cpu")
    chance = sentences.SentenceEncoder(loaded, untrained.eval(), tokenizer, "mean", "cpu")
    fresh = first_items(atelier.TEST_SEED, N_TEST)
    table = sentence_table({"trained": loaded.embed_text, "untrained": chance.embed_text}, fresh)
    finish("sentences", table, repro.content_hash(repr(fresh).encode()))


def sentence_table(networks: dict, fresh: Sequence, among: int = 100):
    """What a text finds among `among` others: its partner, and, where it finds another, whether that one feels alike.

    ``polarity`` and ``arousal_sign``: the share of first finds whose valence (arousal) has the sign of the text's own;
    ``affect_r``: correlation of cosine with nearness on the plane, over all pairs of different items.
    """
    import numpy as np
    import pandas as pd

    from lib.metrics import retrieval

    comment, description, comment2, description2 = _columns(fresh)
    asked = {"comment → description": (comment, description), "comment → comment": (comment, comment2),
             "description → description": (description, description2)}
    felt, rows = np.array([(f.valence, f.arousal) for f in fresh]), []
    for network, embed in networks.items():
        for way, (left, right) in asked.items():
            a, b = embed(left), embed(right)
            parts = [slice(i, i + among) for i in range(0, len(fresh) - among + 1, among)]
            ranks = pd.concat([retrieval.ranks(a[p], b[p]) for p in parts])
            alike = np.concatenate([np.sign(felt[p]) == np.sign(felt[p][(a[p] @ b[p].T).argmax(1)]) for p in parts])
            signs = np.sign(felt)
            luck = [np.mean(signs[:, None, k] == signs[None, :, k]) for k in (0, 1)]
            apart = np.triu_indices(len(fresh), 1)
            near = -np.linalg.norm(felt[:, None] - felt[None], axis=-1)[apart]
            say = {"network": network, "way": way}
            rows += [{**say, "measure": f"r_at_1_of_{among}", **share(ranks["r_at_1"] > 0.5), "null": 1 / among},
                     {**say, "measure": f"r_at_10_of_{among}", **share(ranks["r_at_10"] > 0.5), "null": 10 / among},
                     {**say, "measure": "polarity", **share(alike[:, 0]), "null": luck[0]},
                     {**say, "measure": "arousal_sign", **share(alike[:, 1]), "null": luck[1]},
                     {**say, "measure": "affect_r", "value": np.corrcoef((a @ b.T)[apart], near)[0, 1], "null": 0.0, "n": len(near)}]
    return pd.DataFrame(rows)


def _columns(items: Sequence) -> list[list[str]]:
    """Comments and descriptions of items, and those of other items of the very same feeling."""
    from lib.data.atelier import words
    from lib.data.atelier.factors import draw

    twins = [draw(f.seed, f.index + 1_000_000, valence=f.valence, arousal=f.arousal) for f in items]
    return [[say(f) for f in group] for group in (items, twins) for say in (words.comment, words.description)]
