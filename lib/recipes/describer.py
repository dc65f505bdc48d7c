"""The bundled describer, a tiny Llama: ``python -m lib miniature describer``.

It learns (prompt → musical description) from the atelier's pairs. The three prompts take turns, and
the emotion word stands in front, somewhere in the caption or (rarely) nowhere, so that the model
looks for the word and not for a place.  Notebook: 03.
"""

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pretty_midi import program_to_instrument_name
from torch.nn.utils.rnn import pad_sequence
from transformers import LlamaConfig, LlamaForCausalLM

from lib import pretrained
from lib.core import provenance
from lib.data.atelier import TEST_SEED, genres, lexicon, words
from lib.pretrained.describer import PROMPTS, image_description, plain_prompt, well_formed
from lib.recipes import bundling
from lib.recipes.bundling import N_TEST, N_WORDS, SEED, SPECIAL, WORDS_SEED, share
from lib.training import loop

IGNORED = -100  # torch's mark for a place that carries no loss
DRAWS = 3  # of each held-out caption, where the describer samples
# a word suits an emotion unless the emotion makes it rarer than this share of its usual frequency
NEAR = 0.9


SIZES = {"hidden_size": 128, "intermediate_size": 352, "num_hidden_layers": 3,
         "num_attention_heads": 4, "num_key_value_heads": 4, "max_position_embeddings": 512}


@dataclass(frozen=True)
class Config:
    """How it was trained; ours (Falcon-RW-1B has 24 layers of 2,048)."""
    n_steps: int = 1000
    batch_size: int = 32
    learning_rate: float = 3e-3
    p_front: float = 0.6    # the emotion word before the caption
    p_nowhere: float = 0.1  # no emotion word; else it stands between two words of the caption


def tokenizer(texts: list[str], vocabulary: int = 1500):
    """A byte-level tokenizer; a prompt's words before and after the caption are a token each."""
    frames = [frame for name in PROMPTS
              for frame in plain_prompt("{description}", name).split("{description}")]
    return bundling.train_tokenizer(texts, vocabulary, SIZES["max_position_embeddings"], "<s> $A",
                                    (*SPECIAL.values(), *frames), padding_side="left",
                                    additional_special_tokens=frames,
                                    clean_up_tokenization_spaces=False)


def build(n_words: int, sizes: dict = SIZES, seed: int = 0) -> LlamaForCausalLM:
    """The untrained network."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(vocab_size=n_words, tie_word_embeddings=False,
                                        pad_token_id=0, bos_token_id=1, eos_token_id=2, **sizes))


def response(description: str) -> str:
    """A description in two lines, as the prompts ask for it."""
    return description.replace(". ", ".\n", 1)


def with_emotion(caption: str, emotion: str, rng, config: Config = Config()) -> str:
    """The image description with its emotion word in one of the places a captioner may put it."""
    where = rng.random()
    if where < config.p_front:
        return image_description(caption, emotion)
    if where < config.p_front + config.p_nowhere:
        return caption
    parts = caption.split(" ")
    parts.insert(rng.integers(0, len(parts) + 1), emotion)
    return " ".join(parts)


def collate(tokenizer, prompts: list[str], responses: list[str]) -> dict:
    """Prompt and response as one row of tokens each, [B, L]; no loss on the prompts."""
    before = tokenizer(prompts)["input_ids"]
    after = [ids + [tokenizer.eos_token_id]
             for ids in tokenizer(responses, add_special_tokens=False)["input_ids"]]
    rows = {"input_ids": ([p + r for p, r in zip(before, after, strict=True)],
                          tokenizer.pad_token_id),
            "attention_mask": ([[1] * len(p + r) for p, r in zip(before, after, strict=True)], 0),
            "labels": ([[IGNORED] * len(p) + r for p, r in zip(before, after, strict=True)],
                       IGNORED)}
    return {name: pad_sequence([torch.tensor(row) for row in some], True, padding)
            for name, (some, padding) in rows.items()}


def train(model: LlamaForCausalLM, tokenizer, captions: list[str], emotions: list[str],
          descriptions: list[str], checkpoint: Path, config: Config = Config(),
          **run) -> list[dict]:
    """Trains in place and returns the curve; `run`: seed and key."""
    names = list(PROMPTS)

    def loss_of(rng):
        rows = bundling.draw_rows(rng, len(captions), config.batch_size)
        prompts = [plain_prompt(with_emotion(captions[row], emotions[row], rng, config),
                                names[rng.integers(len(names))]) for row in rows]
        batch = collate(tokenizer, prompts, [response(descriptions[row]) for row in rows])
        return bundling.token_loss(model(**batch), batch["labels"], shift=1)

    return loop.fit(model, loss_of, config, checkpoint, **run)


def make() -> None:
    """The describer: 12 minutes on one core, resumable."""
    captions, emotions, descriptions = texts = pairs(WORDS_SEED, N_WORDS)
    key = provenance.content_hash(repr(texts).encode())
    vocabulary = tokenizer([*captions, *map(response, descriptions), *sorted(set(emotions)) * 50])
    model = build(len(vocabulary), seed=SEED)
    curve = train(model, vocabulary, *texts, bundling.checkpoint("describer"), seed=SEED, key=key)
    bundling.write("describer", {"curves.csv": curve}, key, (model.half(), vocabulary))


def pairs(seed: int, n: int) -> tuple[list[str], list[str], list[str]]:
    """Captions, emotion words and descriptions of the first n items of a collection."""
    texts = bundling.texts_of(bundling.first_items(seed, n))
    return texts["caption"], texts["emotion"], texts["description"]


def tempo_class(bpm: float) -> int:
    """The class of a tempo in the atelier's words, 0 (very slow) to 4 (fast)."""
    return next(k for k, (limit, _) in enumerate(words.TEMPI) if bpm < limit)


def read(text: str) -> tuple[int | None, str | None, str | None, tuple, tuple]:
    """What a description says: tempo class, mode, genre, moods and players; ``None`` or empty where
    it does not say it or contradicts itself.
    """
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


def _taken(text: str, names: Iterable[str]) -> tuple[tuple[str, ...], str]:
    """The names a text holds, the longest first, and what is left: very slow is not slow."""
    found = []
    for name in sorted(names, key=len, reverse=True):
        left = re.sub(rf"(?<![-\w]){re.escape(name)}(?![-\w])", "", text)
        if left != text:
            found.append(name)
        text = left
    return tuple(found), text


@functools.cache
def _instruments() -> dict[str, frozenset[str]]:
    """Genre → its instruments, as a musician calls them."""
    return {name: frozenset(words.instrument(program_to_instrument_name(program))
                            for palette in genre.palettes.values() for program in palette)
            | frozenset(["drums"] if genre.kit is not None else [])
            for name, genre in genres.TEMPLATES.items()}


def suitable(descriptions: list[str], emotions: list[str]) -> set[tuple]:
    """(field, value, emotion) wherever P(value | emotion) ≥ ``NEAR`` · P(value), counted over
    descriptions and their emotions; fields are tempo, mode and mood.
    """
    counts: dict = {field: defaultdict(Counter) for field in ("tempo", "mode", "mood")}
    for text, emotion in zip(descriptions, emotions, strict=True):
        tempo, mode, _, moods, _ = read(text)
        for field, values in (("tempo", [tempo]), ("mode", [mode]), ("mood", moods)):
            counts[field][emotion].update(values)
    suits = set()
    for field, of in counts.items():
        usual = sum(of.values(), Counter())
        suits |= {(field, value, emotion) for emotion, given in of.items() for value in given
                  if given[value] / given.total() >= NEAR * (usual[value] / usual.total())}
    return suits


def rate(suits: set[tuple], text: str, emotion: str) -> dict[str, bool]:
    """Whether a description's tempo, mode and moods suit an emotion. Genre is independent of it:
    asked is that one genre is named and plays its own instruments only.
    """
    tempo, mode, genre, moods, players = read(text)
    return {"tempo": ("tempo", tempo, emotion) in suits, "mode": ("mode", mode, emotion) in suits,
            "genre": genre is not None and bool(players) and set(players) <= _instruments()[genre],
            "mood": bool(moods) and all(("mood", mood, emotion) in suits for mood in moods)}


def measure() -> tuple[pd.DataFrame, str]:
    """How often the bundled describer's descriptions suit their emotions and keep the form that was
    asked for, by the way they are drawn, and the atelier's own: (table, hash of the captions).
    ``null`` permutes the emotions; ``copied``: word for word as in the training collection.
    """
    model = pretrained.load("describer", device="cpu")
    _, train_emotions, train_descriptions = pairs(WORDS_SEED, N_WORDS)
    captions, emotions, descriptions = test = pairs(TEST_SEED, N_TEST)
    suits, known = suitable(train_descriptions, train_emotions), set(train_descriptions)
    images = [image_description(*pair) for pair in zip(captions, emotions, strict=True)]
    asked = {"likeliest words": (images, "bridging", [None]),
             "drawn": (images, "bridging", range(DRAWS)),
             **{f"drawn, prompt {name}": (images, name, [0]) for name in PROMPTS
                if name != "bridging"}, "drawn, no emotion word": (captions, "bridging", [0])}
    ways = {way: [text for seed in seeds
                  for text in model.respond([model.prompt(t, name) for t in texts], seed=seed)]
            for way, (texts, name, seeds) in asked.items()}
    ways["the atelier's own"] = [response(d) for d in descriptions]
    rows = []
    for way, responses in ways.items():
        wanted = emotions * (len(responses) // len(emotions))
        permuted = np.random.default_rng(SEED).permutation(wanted)
        own, null = (pd.DataFrame([rate(suits, *pair) for pair in zip(responses, to, strict=True)])
                     .assign(all=lambda t: t.all(axis=1)) for to in (wanted, permuted))
        copied = [" ".join(text.split("\n")) in known for text in responses]
        rows += [{"way": way, "measure": f"{field}_suits", **share(own[field]),
                  "null": null[field].mean()} for field in own]
        rows += [{"way": way, "measure": "two_lines", **share(list(map(well_formed, responses)))},
                 {"way": way, "measure": "copied", "value": np.mean(copied), "n": len(responses)},
                 {"way": way, "measure": "distinct", "value": len(set(responses)) / len(responses),
                  "n": len(responses)}]
    return pd.DataFrame(rows), provenance.content_hash(repr(test).encode())
