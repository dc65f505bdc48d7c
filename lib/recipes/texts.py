"""The bundled encoders of text: a tiny T5, trained whole to fill gaps and give a description's tags
(only its encoder is kept), and a tiny BERT, contrastive between comments and musical descriptions
that speak of one feeling. Source: Raffel et al. (2020), §3.1.4; Reimers & Gurevych (2019), §3;
CLIP's loss.  Notebook: 03."""

import copy
from functools import partial

import numpy as np
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from transformers import BertConfig, BertModel, T5Config, T5EncoderModel, T5ForConditionalGeneration

from lib import pretrained
from lib.core import provenance
from lib.data.atelier import TEST_SEED
from lib.data.atelier.compose import describe
from lib.data.atelier.factors import draw
from lib.pretrained.encoders import MAX_TOKENS, POOLING, vectors
from lib.recipes import bundling
from lib.recipes.bundling import AMONG, N_TEST, N_WORDS, SEED, SPECIAL, WORDS_SEED, Steps
from lib.recipes.describer import tempo_class
from lib.training import loop

# t5-base has 12 layers of 768, MiniLM-L6 has 6 of 384
T5_SIZES = {"d_model": 128, "d_kv": 32, "d_ff": 384, "num_layers": 3, "num_heads": 4}
BERT_SIZES = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
              "intermediate_size": 256, "max_position_embeddings": 130}
T5_STEPS, BERT_STEPS = Steps(500, 48, 1e-3), Steps(400, 64, 1e-3)
P_TAGS = 0.5                  # description → tags; else gaps are filled
P_GAP, GAP_WORDS = 0.15, 2.0  # of a text's words, and a gap's mean length
TEMPERATURE = 0.07
MEAN_POOLING = {"word_embedding_dimension": 128, "pooling_mode_cls_token": False,
                "pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": False}
GAPS = tuple(f"<extra_id_{k}>" for k in range(20))
t5_tokenizer = partial(bundling.train_tokenizer, positions=MAX_TOKENS, template="$A </s>",
                       special=(*SPECIAL.values(), *GAPS), clean_up_tokenization_spaces=False,
                       additional_special_tokens=list(GAPS))
bert_tokenizer = partial(bundling.train_tokenizer, positions=BERT_SIZES["max_position_embeddings"],
                         template="<s> $A </s>", cls_token="<s>", sep_token="</s>",
                         clean_up_tokenization_spaces=False)


def build_t5(n_words: int, sizes: dict = T5_SIZES, seed: int = 0) -> T5ForConditionalGeneration:
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


def with_gaps(text: str, rng: np.random.Generator) -> tuple[str, str]:
    """Span corruption: ``("a <extra_id_0> march", "<extra_id_0> slow solemn")``."""
    words, given, gaps, at = text.split(" "), [], [], 0
    p_open = P_GAP / GAP_WORDS / (1 - P_GAP)  # so that P_GAP of the words fall into a gap
    while at < len(words):
        if len(gaps) < len(GAPS) and rng.random() < p_open:
            length = int(rng.geometric(1 / GAP_WORDS))
            given.append(GAPS[len(gaps)])
            gaps.append(f"{GAPS[len(gaps)]} {' '.join(words[at : at + length])}")
            at += length
        else:
            given.append(words[at])
            at += 1
    return " ".join(given), " ".join(gaps)


def train_t5(model, tokenizer, descriptions: list[str], tags: list[list[str]],
             further: list[str], steps: Steps = T5_STEPS, **run) -> list[dict]:
    """Trains in place and returns the curve; `further`: other texts, met in gaps only."""
    def pair(rng):
        row = rng.integers(len(descriptions))
        if rng.random() < P_TAGS:
            return descriptions[row], ", ".join(tags[row])
        texts = (descriptions[row], ", ".join(rng.permutation(tags[row])),
                 further[rng.integers(len(further))])
        return with_gaps(texts[rng.integers(len(texts))], rng)
    def loss_of(rng):
        inputs, wanted = zip(*[pair(rng) for _ in range(steps.batch_size)], strict=True)
        tokens, labels = (tokenizer(list(texts), padding=True, return_tensors="pt",
                                    return_token_type_ids=False) for texts in (inputs, wanted))
        labels = labels["input_ids"].masked_fill(labels["attention_mask"] == 0, -100)
        return bundling.token_loss(model(**tokens, labels=labels), labels)
    return loop.fit(model, loss_of, steps, **run)


def make_text_encoder() -> tuple:
    """The text encoder: about 4 minutes on one core, resumable."""
    texts = bundling.texts_of(bundling.first_items(WORDS_SEED, N_WORDS))
    descriptions, tags = texts["description"], texts["tags"]
    further = [text for row in zip(*(texts[kind] for kind in ("caption", "comment", "emotion")),
                                   strict=True) for text in row]
    key = provenance.content_hash(repr((descriptions, tags, further)).encode())
    words = t5_tokenizer([*descriptions, *further, *(", ".join(t) for t in tags)], 2000)
    model = build_t5(len(words), seed=SEED)
    curve = train_t5(model, words, descriptions, tags, further, **bundling.run("text_encoder", key))
    return {"curves.csv": curve}, key, (encoder_of(model).half(), words)


def measure_text_encoder() -> tuple:
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


def build_bert(n_words: int, sizes: dict = BERT_SIZES, seed: int = 0) -> BertModel:
    """The untrained network; its own pooler is not used, as in the published ones."""
    torch.manual_seed(seed)
    return BertModel(BertConfig(vocab_size=n_words, pad_token_id=0, **sizes))


def train_bert(model: BertModel, tokenizer, sides: list[tuple[list[str], list[str]]],
               steps: Steps = BERT_STEPS, **run) -> list[dict]:
    """Trains in place on `sides`, pairs of columns of texts whose rows belong together; a curve."""
    def loss_of(rng):
        left, right = sides[rng.integers(len(sides))]
        rows = rng.choice(len(left), steps.batch_size, replace=False)
        a, b = (vectors(model, tokenizer, [side[row] for row in rows]) for side in (left, right))
        return bundling.contrastive_loss(a @ b.T / TEMPERATURE)
    return loop.fit(model, loss_of, steps, **run)


def make_sentences() -> tuple:
    """The sentence encoder: about 5 minutes on one core, resumable."""
    columns = _columns(bundling.first_items(WORDS_SEED, N_WORDS))
    key = provenance.content_hash(repr(columns).encode())
    words = bert_tokenizer([text for column in columns for text in column], 2000)
    model = build_bert(len(words), seed=SEED)
    sides = [(columns[a], columns[b]) for a, b in ((0, 1), (0, 1), (0, 2), (1, 3))]
    curve = train_bert(model, words, sides, **bundling.run("sentences", key))
    return {POOLING: MEAN_POOLING, "curves.csv": curve}, key, (model.half(), words)


def measure_sentences() -> tuple:
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
