"""The bundled text encoder, trained as a whole tiny T5 to fill gaps and give a description's tags;
only its encoder is kept.  Source: Raffel et al. (2020), §3.1.4.  Notebook: 03."""

import copy
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import T5Config, T5EncoderModel, T5ForConditionalGeneration

from lib import pretrained
from lib.core import provenance
from lib.data.atelier import TEST_SEED
from lib.data.atelier.compose import describe
from lib.pretrained.texts import MAX_TOKENS
from lib.recipes import bundling
from lib.recipes.bundling import N_TEST, N_WORDS, SEED, SPECIAL, WORDS_SEED
from lib.recipes.describer import tempo_class
from lib.training import loop

GAPS = tuple(f"<extra_id_{k}>" for k in range(20))
SIZES = {"d_model": 128, "d_kv": 32, "d_ff": 384, "num_layers": 3, "num_heads": 4}
tokenizer = partial(bundling.train_tokenizer, positions=MAX_TOKENS, template="$A </s>",
                    special=(*SPECIAL.values(), *GAPS), clean_up_tokenization_spaces=False,
                    additional_special_tokens=list(GAPS))


@dataclass(frozen=True)
class Config:
    """How it was trained; ours (t5-base has 12 layers of 768)."""
    n_steps: int = 500
    batch_size: int = 48
    learning_rate: float = 1e-3
    p_tags: float = 0.5      # description → tags; else gaps are filled
    p_gap: float = 0.15      # of a text's words
    gap_words: float = 2.0   # mean length of a gap


def build(n_words: int, sizes: dict = SIZES, seed: int = 0) -> T5ForConditionalGeneration:
    """The untrained network; encoder, decoder (one layer) and head keep a table of words each."""
    torch.manual_seed(seed)
    model = T5ForConditionalGeneration(T5Config(**{
        "vocab_size": n_words, "num_decoder_layers": 1, "dropout_rate": 0.0, "pad_token_id": 0,
        "tie_word_embeddings": False, "eos_token_id": 2, "decoder_start_token_id": 0, **sizes}))
    for stack in (model.encoder, model.decoder):
        stack.embed_tokens = copy.deepcopy(model.shared)
    model.lm_head = torch.nn.Linear(model.config.d_model, n_words, bias=False)
    return model


def encoder_of(model: T5ForConditionalGeneration) -> T5EncoderModel:
    """The encoder of a whole T5, as it is bundled."""
    encoder = T5EncoderModel(copy.deepcopy(model.config))  # it writes into its configuration
    encoder.encoder.load_state_dict(model.encoder.state_dict())
    return encoder.eval()


def with_gaps(text: str, rng: np.random.Generator, config: Config = Config()) -> tuple[str, str]:
    """Span corruption: ``("a <extra_id_0> march", "<extra_id_0> slow solemn")``."""
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


def train(model, tokenizer, descriptions: list[str], tags: list[list[str]], further: list[str],
          config: Config = Config(), **run) -> list[dict]:
    """Trains in place and returns the curve; `further`: other texts, met in gaps only."""
    def pair(rng):
        row = rng.integers(len(descriptions))
        if rng.random() < config.p_tags:
            return descriptions[row], ", ".join(tags[row])
        texts = (descriptions[row], ", ".join(rng.permutation(tags[row])),
                 further[rng.integers(len(further))])
        return with_gaps(texts[rng.integers(len(texts))], rng, config)
    def loss_of(rng):
        inputs, wanted = zip(*[pair(rng) for _ in range(config.batch_size)], strict=True)
        tokens, labels = (tokenizer(list(texts), padding=True, return_tensors="pt",
                                    return_token_type_ids=False) for texts in (inputs, wanted))
        labels = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)
        return bundling.token_loss(model(**tokens, labels=labels), labels)
    return loop.fit(model, loss_of, config, **run)


def make() -> tuple:
    """The text encoder: about 4 minutes on one core, resumable."""
    texts = bundling.texts_of(bundling.first_items(WORDS_SEED, N_WORDS))
    descriptions, tags = texts["description"], texts["tags"]
    further = [text for row in zip(*(texts[kind] for kind in ("caption", "comment", "emotion")),
                                   strict=True) for text in row]
    key = provenance.content_hash(repr((descriptions, tags, further)).encode())
    words = tokenizer([*descriptions, *further, *(", ".join(t) for t in tags)], 2000)
    model = build(len(words), seed=SEED)
    curve = train(model, words, descriptions, tags, further, **bundling.run("text_encoder", key))
    return {"curves.csv": curve}, key, (encoder_of(model).half(), words)


def measure() -> tuple:
    """How often a linear probe, fitted on items of the next seed, reads the tempo from states."""
    encoder = pretrained.load("text_encoder", device="cpu")
    items, test = (bundling.first_items(seed, N_TEST) for seed in (WORDS_SEED + 1, TEST_SEED))
    (states, tempi), (test_states, test_tempi) = (
        (encoder.pooled(bundling.texts_of(group)["description"]),
         [tempo_class(describe(item)["tempo_bpm"]) for item in group]) for group in (items, test))
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=500))
    right = probe.fit(states, tempi).predict(test_states) == test_tempi
    row = {"network": "trained", "text": "description", "measure": "tempo_accuracy",
           **bundling.share(right), "null": max(map(test_tempi.count, test_tempi)) / N_TEST}
    return [row], repr(test).encode()
