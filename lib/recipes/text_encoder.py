"""The bundled text encoder, of a tiny T5: ``python -m lib miniature text_encoder``.

Trained as a whole T5 on the describer's collection of words, to fill gaps and to give a
description's tags; only its encoder is kept.

Source: Raffel et al. (2020), §3.1.4 (span corruption).  Notebook: 03.
"""

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import T5Config, T5EncoderModel, T5ForConditionalGeneration

from lib import pretrained
from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier import words
from lib.data.atelier.compose import describe
from lib.pretrained.text_encoder import MAX_TOKENS, TextEncoder
from lib.recipes.bundling import (
    N_TEST,
    N_WORDS,
    SEED,
    SPECIAL,
    WORDS_SEED,
    curve_means,
    first_items,
    share,
    texts_of,
    train_tokenizer,
    write,
)
from lib.training import loop

GAPS = tuple(f"<extra_id_{k}>" for k in range(20))
N_PROBE = 400  # items of the next seed, to fit a linear probe on


@dataclass(frozen=True)
class Config:
    """The tiny T5 and its training; ours (t5-base has 12 layers of 768)."""

    width: int = 128
    layers: int = 3
    heads: int = 4
    inner: int = 384
    vocabulary: int = 2000
    n_steps: int = 500
    batch_size: int = 48
    learning_rate: float = 1e-3
    p_tags: float = 0.5      # description → tags; else gaps are filled
    p_gap: float = 0.15      # of a text's words
    gap_words: float = 2.0   # mean length of a gap


def tokenizer(texts: Sequence[str], config: Config = Config()):
    """A byte-level tokenizer with T5's closing mark and gaps (``<extra_id_0>`` …)."""
    return train_tokenizer(texts, config.vocabulary, MAX_TOKENS, "$A </s>",
                           (*SPECIAL.values(), *GAPS), additional_special_tokens=list(GAPS),
                           clean_up_tokenization_spaces=False)


def build(n_words: int, config: Config = Config(), seed: int = 0) -> T5ForConditionalGeneration:
    """The untrained network, with a decoder of one layer; encoder, decoder and head keep a table of
    words each, for the decoder is thrown away.
    """
    torch.manual_seed(seed)
    model = T5ForConditionalGeneration(T5Config(
        vocab_size=n_words, d_model=config.width, d_kv=config.width // config.heads,
        d_ff=config.inner, num_layers=config.layers, num_decoder_layers=1, num_heads=config.heads,
        dropout_rate=0.0, tie_word_embeddings=False, pad_token_id=0, eos_token_id=2,
        decoder_start_token_id=0))
    for stack in (model.encoder, model.decoder):
        stack.embed_tokens = copy.deepcopy(model.shared)
    model.lm_head = torch.nn.Linear(config.width, n_words, bias=False)
    return model


def encoder_of(model: T5ForConditionalGeneration) -> T5EncoderModel:
    """The encoder of a whole T5, as it is bundled."""
    encoder = T5EncoderModel(copy.deepcopy(model.config))  # it writes into its configuration
    encoder.encoder.load_state_dict(model.encoder.state_dict())
    return encoder.eval()


def with_gaps(text: str, rng: np.random.Generator, config: Config = Config()) -> tuple[str, str]:
    """Span corruption: the text with some runs of words replaced by gap marks, and what stood in
    each.

    ``("a <extra_id_0> march in <extra_id_1>", "<extra_id_0> slow solemn <extra_id_1> D minor")``
    """
    words, given, gaps, at = text.split(" "), [], [], 0
    # how often a gap opens, so that p_gap of the words fall into one
    p_open = config.p_gap / config.gap_words / (1 - config.p_gap)
    while at < len(words):
        if len(gaps) < len(GAPS) and rng.random() < p_open:
            length = int(rng.geometric(1 / config.gap_words))
            given.append(GAPS[len(gaps)])
            gaps.append(f"{GAPS[len(gaps)]} {' '.join(words[at : at + length])}")
            at += length
        else:
            given.append(words[at])
            at += 1
    return " ".join(given), " ".join(gaps)


def train(model: T5ForConditionalGeneration, tokenizer, descriptions: Sequence[str],
          tags: Sequence[Sequence[str]], further: Sequence[str], checkpoint: Path,
          config: Config = Config(), *, seed: int = 0, key: str = "") -> list[dict]:
    """Trains in place and returns the curve.

    Args:
        further: other texts (captions, comments, emotion words), met in gaps only.
    """
    def pair(rng):
        row = rng.integers(len(descriptions))
        if rng.random() < config.p_tags:
            return descriptions[row], ", ".join(tags[row])
        texts = (descriptions[row], ", ".join(rng.permutation(tags[row])),
                 further[rng.integers(len(further))])
        return with_gaps(texts[rng.integers(len(texts))], rng, config)

    def loss_of(rng):
        inputs, wanted = zip(*[pair(rng) for _ in range(config.batch_size)], strict=True)
        tokens = tokenizer(list(inputs), padding=True, return_tensors="pt",
                           return_token_type_ids=False)
        labels = tokenizer(list(wanted), padding=True, return_tensors="pt")
        labels = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)
        out = model(**tokens, labels=labels)
        right = (out.logits.argmax(-1) == labels)[labels != -100].float().mean().item()
        return out.loss, {"loss": out.loss.item(), "right": right}

    return loop.fit(model, loss_of, config, checkpoint, seed=seed, key=key)


def make() -> None:
    """The text encoder: about 4 minutes on one core, resumable."""
    texts = texts_of(first_items(WORDS_SEED, N_WORDS))
    descriptions, tags = texts["description"], texts["tags"]
    further = [text for row in zip(texts["caption"], texts["comment"], texts["emotion"],
                                   strict=True) for text in row]
    key = provenance.content_hash(repr((descriptions, tags, further)).encode())
    words = tokenizer([*descriptions, *further, *(", ".join(t) for t in tags)])
    model = build(len(words), seed=SEED)
    curve = train(model, words, descriptions, tags, further,
                  paths.PROCESSED / "words" / "text_encoder.safetensors", seed=SEED, key=key)
    write("text_encoder", {"curves.csv": curve_means(curve)}, key,
          (encoder_of(model).half(), words))


def measure() -> tuple[pd.DataFrame, str]:
    """What a linear probe reads from the bundled encoder's states, and from an untrained one's:
    (table, hash of the held-out items).
    """
    bundled = pretrained.load("text_encoder", device="cpu")
    untrained = TextEncoder(bundled, encoder_of(build(len(bundled.tokenizer), seed=SEED)),
                            bundled.tokenizer, "cpu")
    test = first_items(atelier.TEST_SEED, N_TEST)
    networks = {"trained": bundled.pooled, "untrained": untrained.pooled}
    return (probe_table(networks, first_items(WORDS_SEED + 1, N_PROBE), test),
            provenance.content_hash(repr(test).encode()))


def probe_table(networks: dict, items: Sequence, test: Sequence) -> pd.DataFrame:
    """How often a linear probe reads a factor from a text's pooled state, fitted on `items` and
    tested on `test`; ``null`` is the commonest class of the test items.

    Args:
        networks: name → function of texts to vectors [N, D].
    """
    asked = {"description": ("tempo", "mode", "genre", "polarity"), "caption": ("manner",),
             "comment": ("emotion", "polarity")}
    texts, test_texts = texts_of(items), texts_of(test)
    truth, test_truth = (pd.DataFrame([_classes(f) for f in group]) for group in (items, test))
    rows = []
    for text, factors in asked.items():
        for network, embed in networks.items():
            vectors, test_vectors = embed(texts[text]), embed(test_texts[text])
            for factor in factors:
                probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
                probe.fit(vectors, truth[factor].tolist())
                right = test_truth[factor].tolist()
                rows.append({"network": network, "text": text, "measure": f"{factor}_accuracy",
                             **share(probe.predict(test_vectors) == right),
                             "null": max(Counter(right).values()) / len(right)})
    return pd.DataFrame(rows)


def _classes(item) -> dict[str, str]:
    """An item's factors as classes."""
    plan = describe(item)
    tempo = next(k for k, (limit, _) in enumerate(words.TEMPI) if plan["tempo_bpm"] < limit)
    return {"tempo": str(tempo), "mode": plan["mode"], "genre": item.genre, "manner": item.style,
            "emotion": words.emotion_word(item), "polarity": str(item.valence > 0)}
