"""The bundled describer, a tiny Llama. The prompts take turns, the emotion word stands in front, in
the caption or nowhere, so that the model looks for the word, not a place.  Notebook: 03."""

import functools
import re
from collections import Counter, defaultdict

import numpy as np
import pandas as pd
import torch
from pretty_midi import program_to_instrument_name
from torch.nn.utils.rnn import pad_sequence
from transformers import LlamaConfig, LlamaForCausalLM

from lib import pretrained
from lib.core import provenance
from lib.data.atelier import TEST_SEED, compose, lexicon, words
from lib.pretrained.describer import PROMPTS, image_description, plain_prompt, well_formed
from lib.recipes import bundling
from lib.recipes.bundling import N_TEST, N_WORDS, SEED, SPECIAL, WORDS_SEED, Steps, share
from lib.training import loop

IGNORED = -100  # torch's mark for a place that carries no loss
DRAWS = 3  # of each held-out caption, where the describer samples
# a word suits an emotion unless the emotion makes it rarer than this share of its usual frequency
NEAR = 0.9
# Falcon-RW-1B has 24 layers of 2,048
SIZES = {"hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 3,
         "num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 512}
STEPS = Steps(1000, 32, 3e-3)
P_FRONT, P_NOWHERE = 0.6, 0.1  # the emotion word before the caption, and nowhere; else inside it


def tokenizer(texts: list[str], size: int = 1500):
    """A byte-level tokenizer; a prompt's words before and after the caption are a token each."""
    frames = [frame for name in PROMPTS
              for frame in plain_prompt("{description}", name).split("{description}")]
    return bundling.train_tokenizer(
        texts, size, positions=SIZES["max_position_embeddings"], template="<s> $A",
        special=(*SPECIAL.values(), *frames), padding_side="left",
        additional_special_tokens=frames, clean_up_tokenization_spaces=False)


def build(n_words: int, sizes: dict = SIZES, seed: int = 0) -> LlamaForCausalLM:
    """The untrained network."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(vocab_size=n_words, tie_word_embeddings=False,
                                        pad_token_id=0, bos_token_id=1, eos_token_id=2, **sizes))


def response(description: str) -> str:
    """A description in two lines, as the prompts ask for it."""
    return description.replace(". ", ".\n", 1)


def with_emotion(caption: str, emotion: str, rng) -> str:
    """The image description with its emotion word in one of the places a captioner may put it."""
    where = rng.random()
    if where < P_FRONT:
        return image_description(caption, emotion)
    if where < P_FRONT + P_NOWHERE:
        return caption
    parts = caption.split(" ")
    parts.insert(rng.integers(0, len(parts) + 1), emotion)
    return " ".join(parts)


def collate(tokenizer, prompts: list[str], responses: list[str]) -> dict:
    """Prompt and response as one row of tokens each, [B, L]; no loss on the prompts."""
    before = tokenizer(prompts)["input_ids"]
    after = [ids + [tokenizer.eos_token_id]
             for ids in tokenizer(responses, add_special_tokens=False)["input_ids"]]
    rows = [{"input_ids": p + r, "attention_mask": [1] * len(p + r),
             "labels": [IGNORED] * len(p) + r} for p, r in zip(before, after, strict=True)]
    paddings = {"input_ids": tokenizer.pad_token_id, "attention_mask": 0, "labels": IGNORED}
    return {name: pad_sequence([torch.tensor(row[name]) for row in rows], True, padding)
            for name, padding in paddings.items()}


def train(model, tokenizer, captions: list[str], emotions: list[str], descriptions: list[str],
          steps: Steps = STEPS, **run) -> list[dict]:
    """Trains in place and returns the curve."""
    def loss_of(rng):
        rows = rng.choice(len(captions), steps.batch_size, replace=False)
        prompts = [plain_prompt(with_emotion(captions[row], emotions[row], rng),
                                list(PROMPTS)[rng.integers(len(PROMPTS))]) for row in rows]
        batch = collate(tokenizer, prompts, [response(descriptions[row]) for row in rows])
        return bundling.token_loss(model(**batch), batch["labels"], shift=1)
    return loop.fit(model, loss_of, steps, **run)


def make() -> tuple:
    """The describer: 12 minutes on one core, resumable."""
    captions, emotions, descriptions = texts = pairs(WORDS_SEED, N_WORDS)
    key = provenance.content_hash(repr(texts).encode())
    vocabulary = tokenizer([*captions, *map(response, descriptions), *sorted(set(emotions)) * 50])
    model = build(len(vocabulary), seed=SEED)
    curve = train(model, vocabulary, *texts, **bundling.run("describer", key))
    return {"curves.csv": curve}, key, (model.half(), vocabulary)


def pairs(seed: int, n: int) -> tuple[list[str], list[str], list[str]]:
    """Captions, emotion words and descriptions of the first n items of a collection."""
    texts = bundling.texts_of(bundling.first_items(seed, n))
    return texts["caption"], texts["emotion"], texts["description"]


def tempo_class(bpm: float) -> int:
    """The class of a tempo in the atelier's words, 0 (very slow) to 4 (fast)."""
    return next(k for k, (limit, _) in enumerate(words.TEMPI) if bpm < limit)


def read(text: str) -> tuple:
    """Tempo class, mode, genre, moods and players; ``None`` or empty if not said, or twice."""
    text = " ".join(text.lower().split())
    tempi = {tempo_class(int(bpm)) for bpm in re.findall(r"\((\d{1,3}) bpm\)", text)}
    paces = {name.split(" ", 1)[1]: k for k, (_, names) in enumerate(words.TEMPI) for name in names}
    kinds = {name: genre for genre, names in lexicon.GENRE_NAMES.items() for name in names}
    # in this order: the piano of a piano piece is no player yet, the warm pad is no mood
    named, text = _taken(text, kinds)
    players, text = _taken(text, frozenset().union(*_instruments().values()))
    paced, text = _taken(text, paces)
    modes = set(re.findall(r"\b[a-g][♯♭]? (major|minor)\b", text))
    moods, _ = _taken(text, lexicon.MOODS)
    tempo, mode, genre = (found.pop() if len(found) == 1 else None for found in (
        tempi | {paces[name] for name in paced}, modes, {kinds[name] for name in named}))
    return tempo, mode, genre, moods, players


def _taken(text: str, names) -> tuple[tuple[str, ...], str]:
    longest_first = "|".join(map(re.escape, sorted(names, key=len, reverse=True)))
    pattern = rf"(?<![-\w])(?:{longest_first})(?![-\w])"
    return tuple(set(re.findall(pattern, text))), re.sub(pattern, "", text)


@functools.cache
def _instruments() -> dict[str, frozenset[str]]:
    return {name: frozenset(words.instrument(program_to_instrument_name(program))
                            for palette in genre.palettes.values() for program in palette)
            | frozenset(["drums"] if genre.kit is not None else [])
            for name, genre in compose.TEMPLATES.items()}


def suitable(descriptions: list[str], emotions: list[str]) -> set[tuple]:
    """(tempo, mode or mood, value, emotion) wherever P(value | emotion) ≥ ``NEAR`` · P(value)."""
    counts: dict = defaultdict(Counter)
    for text, emotion in zip(descriptions, emotions, strict=True):
        tempo, mode, _, moods, _ = read(text)
        for field, values in (("tempo", [tempo]), ("mode", [mode]), ("mood", moods)):
            counts[field, emotion].update(values)
            counts[field, None].update(values)
    return {(field, value, emotion) for (field, emotion), given in counts.items() for value in given
            if given[value] / given.total()
            >= NEAR * (counts[field, None][value] / counts[field, None].total())}


def rate(suits: set[tuple], text: str, emotion: str) -> dict[str, bool]:
    """Whether tempo, mode and moods suit an emotion, and the instruments the one genre named."""
    tempo, mode, genre, moods, players = read(text)
    return {"tempo": ("tempo", tempo, emotion) in suits, "mode": ("mode", mode, emotion) in suits,
            "genre": genre is not None and bool(players) and set(players) <= _instruments()[genre],
            "mood": bool(moods) and all(("mood", mood, emotion) in suits for mood in moods)}


def measure() -> tuple:
    """How often descriptions suit their emotions and keep the form; ``null`` permutes emotions."""
    model = pretrained.load("describer", device="cpu")
    _, train_emotions, train_descriptions = pairs(WORDS_SEED, N_WORDS)
    captions, emotions, descriptions = test = pairs(TEST_SEED, N_TEST)
    suits = suitable(train_descriptions, train_emotions)
    images = [image_description(*pair) for pair in zip(captions, emotions, strict=True)]
    asked = {"likeliest words": (images, [None]), "drawn": (images, range(DRAWS)),
             "drawn, no emotion word": (captions, [0])}
    ways = {way: sum((model.respond(list(map(model.prompt, texts)), seed=seed) for seed in seeds),
                     []) for way, (texts, seeds) in asked.items()}
    ways["the atelier's own"], rows = [response(d) for d in descriptions], []
    for way, said in ways.items():
        wanted, n = emotions * (len(said) // len(emotions)), len(said)
        own, null = (pd.DataFrame([rate(suits, *pair) for pair in zip(said, to, strict=True)])
                     .assign(all=lambda t: t.all(axis=1))
                     for to in (wanted, np.random.default_rng(SEED).permutation(wanted)))
        rows += [{"way": way, "measure": f"{field}_suits", **share(own[field]),
                  "null": null[field].mean()} for field in own]
        rows += [{"way": way, "measure": "two_lines", **share(list(map(well_formed, said)))},
                 {"way": way, "measure": "distinct", "value": len(set(said)) / n, "n": n}]
    return rows, repr(test).encode()
