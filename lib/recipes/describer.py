"""The bundled describer, a tiny Llama: ``python -m lib miniature describer``.

It learns (prompt → musical description) from the atelier's pairs; the loss falls on the response
alone. The three prompts take turns, and the emotion word stands in front, somewhere in the caption,
or (rarely) nowhere, so that the model looks for the word and not for a place. The atelier's
descriptions are made of known words, so a description can be read back (:func:`read`) and compared
with what it should say.

Notebook: 03.
"""

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from pretty_midi import program_to_instrument_name
from transformers import LlamaConfig, LlamaForCausalLM

from lib import pretrained
from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier import genres, lexicon, words
from lib.pretrained.describer import PROMPTS, image_description, plain_prompt, well_formed
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

IGNORED = -100  # torch's mark for a place that carries no loss
DRAWS = 3  # of each held-out caption, where the describer samples
# a word suits an emotion unless the emotion makes it rarer than this share of its usual frequency
NEAR = 0.9


@dataclass(frozen=True)
class Config:
    """The tiny network and its training; ours (Falcon-RW-1B has 24 layers of 2,048)."""

    hidden: int = 128
    layers: int = 3
    heads: int = 4
    inner: int = 352
    vocabulary: int = 1500
    positions: int = 512
    n_steps: int = 1000
    batch_size: int = 32
    learning_rate: float = 3e-3
    p_front: float = 0.6    # the emotion word before the caption
    p_nowhere: float = 0.1  # no emotion word; else it stands between two words of the caption


def tokenizer(texts: Sequence[str], config: Config = Config()):
    """A byte-level tokenizer; a prompt's fixed words before and after the caption are a token each,
    so that training takes half the time.
    """
    frames = [frame for name in PROMPTS
              for frame in plain_prompt("{description}", name).split("{description}")]
    return train_tokenizer(texts, config.vocabulary, config.positions, "<s> $A",
                           (*SPECIAL.values(), *frames), additional_special_tokens=frames,
                           padding_side="left", clean_up_tokenization_spaces=False)


def build(n_words: int, config: Config = Config(), seed: int = 0) -> LlamaForCausalLM:
    """The untrained network."""
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(
        vocab_size=n_words, hidden_size=config.hidden, intermediate_size=config.inner,
        num_hidden_layers=config.layers, num_attention_heads=config.heads,
        num_key_value_heads=config.heads, max_position_embeddings=config.positions,
        tie_word_embeddings=False, pad_token_id=0, bos_token_id=1, eos_token_id=2))


def response(description: str) -> str:
    """A description as the prompts ask for it: its first sentence on one line, the rest on the
    next.
    """
    return description.replace(". ", ".\n", 1)


def with_emotion(caption: str, emotion: str, rng, config: Config = Config()) -> str:
    """The image description with its emotion word in one of the places a captioner may put it."""
    where = rng.random()
    if where < config.p_front:
        return image_description(caption, emotion)
    if where < config.p_front + config.p_nowhere:
        return caption
    words = caption.split(" ")
    at = rng.integers(0, len(words) + 1)
    return " ".join([*words[:at], emotion, *words[at:]])


def collate(tokenizer, prompts: Sequence[str], responses: Sequence[str]) -> dict:
    """Prompt and response as one row of tokens each: ``input_ids``, ``attention_mask`` and
    ``labels`` [B, L], padded on the right; no loss on the prompts.
    """
    prompts = tokenizer(list(prompts))["input_ids"]
    responses = [ids + [tokenizer.eos_token_id]
                 for ids in tokenizer(list(responses), add_special_tokens=False)["input_ids"]]
    length = max(len(p) + len(r) for p, r in zip(prompts, responses, strict=True))
    ids = torch.full((len(prompts), length), tokenizer.pad_token_id)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    for row, (p, r) in enumerate(zip(prompts, responses, strict=True)):
        ids[row, : len(p) + len(r)] = torch.tensor(p + r)
        mask[row, : len(p) + len(r)] = 1
        labels[row, len(p) : len(p) + len(r)] = torch.tensor(r)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def train(model: LlamaForCausalLM, tokenizer, captions: Sequence[str], emotions: Sequence[str],
          descriptions: Sequence[str], checkpoint: Path, config: Config = Config(), *,
          seed: int = 0, key: str = "") -> list[dict]:
    """Trains in place and returns the curve: cross-entropy and share of right next tokens."""
    names = list(PROMPTS)

    def loss_of(rng):
        rows = rng.choice(len(captions), min(config.batch_size, len(captions)), replace=False)
        prompts = [plain_prompt(with_emotion(captions[row], emotions[row], rng, config),
                                names[rng.integers(len(names))]) for row in rows]
        batch = collate(tokenizer, prompts, [response(descriptions[row]) for row in rows])
        out, labels = model(**batch), batch["labels"][:, 1:]
        right = (out.logits[:, :-1].argmax(-1) == labels)[labels != IGNORED].float().mean().item()
        return out.loss, {"loss": out.loss.item(), "right": right}

    return loop.fit(model, loss_of, config, checkpoint, seed=seed, key=key)


def make() -> None:
    """The describer: 12 minutes on one core, resumable."""
    captions, emotions, descriptions = pairs(WORDS_SEED, N_WORDS)
    key = provenance.content_hash(repr((captions, emotions, descriptions)).encode())
    words = tokenizer([*captions, *map(response, descriptions), *sorted(set(emotions)) * 50])
    model = build(len(words), seed=SEED)
    curve = train(model, words, captions, emotions, descriptions,
                  paths.PROCESSED / "words" / "describer.safetensors", seed=SEED, key=key)
    write("describer", {"curves.csv": curve_means(curve)}, key, (model.half(), words))


def pairs(seed: int, n: int) -> tuple[list[str], list[str], list[str]]:
    """Captions, emotion words and descriptions of the first n items of a collection."""
    texts = texts_of(first_items(seed, n))
    return texts["caption"], texts["emotion"], texts["description"]


@dataclass(frozen=True)
class Reading:
    """What a description says; ``None`` or empty where it does not say it or contradicts itself.

    Attributes:
        tempo: class 0 (very slow) to 4 (fast), of its words and its BPM together. mode: ``"major"``
            or ``"minor"``.
        genre: of the atelier. moods, players: the lexicon's moods and the instruments it names.
    """

    tempo: int | None
    mode: str | None
    genre: str | None
    moods: tuple[str, ...]
    players: tuple[str, ...]


def read(text: str) -> Reading:
    """Reads a description's words; whatever is named twice in two ways counts as not named."""
    text = " ".join(text.lower().split())
    tempi = {next(k for k, (limit, _) in enumerate(words.TEMPI) if int(bpm) < limit)
             for bpm in re.findall(r"\((\d{1,3}) bpm\)", text)}
    paces = {name.split(" ", 1)[1]: k for k, (_, names) in enumerate(words.TEMPI) for name in names}
    kinds = {name: genre for genre, names in lexicon.GENRE_NAMES.items() for name in names}
    # in this order: the piano of a piano piece is no player yet, the warm pad is no mood
    named, text = _taken(text, kinds)
    players, text = _taken(text, frozenset().union(*_instruments().values()))
    paced, text = _taken(text, paces)
    modes = set(re.findall(r"\b[a-g][♯♭]? (major|minor)\b", text))
    moods, _ = _taken(text, lexicon.MOODS)
    return Reading(_only(tempi | {paces[name] for name in paced}), _only(modes),
                   _only({kinds[name] for name in named}), moods, players)


def _taken(text: str, names: Iterable[str]) -> tuple[tuple[str, ...], str]:
    """The names a text holds, the longest first, and what is left of the text: a choir pad is no
    choir, and very slow is not slow.
    """
    found = []
    for name in sorted(names, key=len, reverse=True):
        left = re.sub(rf"(?<![-\w]){re.escape(name)}(?![-\w])", "", text)
        if left != text:
            found.append(name)
        text = left
    return tuple(found), text


def _only(found: set):
    return next(iter(found)) if len(found) == 1 else None


@functools.cache
def _instruments() -> dict[str, frozenset[str]]:
    """Genre → its instruments, as a musician calls them."""
    return {name: frozenset(words.instrument(program_to_instrument_name(program))
                            for palette in genre.palettes.values() for program in palette)
            | frozenset(["drums"] if genre.kit is not None else [])
            for name, genre in genres.TEMPLATES.items()}


class Suitability:
    """What each emotion word makes likelier, counted over descriptions and their emotions.

    Attributes:
        counts: ``tempo, mode, mood`` → emotion → value → how often.
    """

    def __init__(self, descriptions: Sequence[str], emotions: Sequence[str]):
        self.counts = {field: defaultdict(Counter) for field in ("tempo", "mode", "mood")}
        for text, emotion in zip(descriptions, emotions, strict=True):
            reading = read(text)
            self.counts["tempo"][emotion][reading.tempo] += 1
            self.counts["mode"][emotion][reading.mode] += 1
            self.counts["mood"][emotion].update(reading.moods)

    def suits(self, field: str, value, emotion: str) -> bool:
        """Whether P(value | emotion) ≥ ``NEAR`` · P(value)."""
        counts = self.counts[field]
        usual = (sum(counter[value] for counter in counts.values())
                 / sum(counter.total() for counter in counts.values()))
        given = counts[emotion][value] / max(1, counts[emotion].total())
        return usual > 0 and given >= NEAR * usual

    def rate(self, text: str, emotion: str) -> dict[str, bool]:
        """Whether a description suits an emotion: tempo, mode and mood (every mood it names, at
        least one), and a whole genre.

        Genre is independent of emotion in the atelier; asked of it is that one genre is named and
        plays its own instruments only.
        """
        said = read(text)
        return {"tempo": self.suits("tempo", said.tempo, emotion),
                "mode": self.suits("mode", said.mode, emotion),
                "genre": said.genre is not None and bool(said.players)
                and set(said.players) <= _instruments()[said.genre],
                "mood": bool(said.moods) and all(self.suits("mood", mood, emotion)
                                                 for mood in said.moods)}


def measure() -> tuple[pd.DataFrame, str]:
    """How often each part of the bundled describer's descriptions suits its emotion, and how often
    a raw response has the form that was asked for: (table, hash of the captions).

    Rows of a `way`: likeliest words, drawn words, each other prompt, no emotion word, and the
    atelier's own descriptions (the ceiling). ``null`` permutes the emotions. ``all``: tempo, mode,
    genre and mood at once; ``copied``: the share that stands word for word among the descriptions
    it was trained on; ``distinct``: the share of different texts.
    """
    model = pretrained.load("describer", device="cpu")
    _, train_emotions, train_descriptions = pairs(WORDS_SEED, N_WORDS)
    captions, emotions, descriptions = test = pairs(atelier.TEST_SEED, N_TEST)
    rule, known = Suitability(train_descriptions, train_emotions), set(train_descriptions)
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
        own, null = (pd.DataFrame([rule.rate(*pair) for pair in zip(responses, to, strict=True)])
                     for to in (wanted, permuted))
        found = [{"measure": f"{field}_suits", **share(own[field]), "null": null[field].mean()}
                 for field in own.columns]
        found += [{"measure": "all_suits", **share(own.all(axis=1)),
                   "null": null.all(axis=1).mean()},
                  {"measure": "two_lines", **share([well_formed(text) for text in responses])},
                  {"measure": "copied", "n": len(responses), "value": np.mean(
                      [" ".join(text.split("\n")) in known for text in responses])},
                  {"measure": "distinct", "n": len(responses),
                   "value": len(set(responses)) / len(responses)}]
        rows += [{"way": way, **row} for row in found]
    return pd.DataFrame(rows), provenance.content_hash(repr(test).encode())
