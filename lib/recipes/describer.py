"""How the bundled describer was made and what it reaches on captions it never read: ``python -m lib
miniature describer``.

The atelier's descriptions are made of known words, so a description can be read back (:func:`read`)
and held against what it should say.
"""

import functools
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pretty_midi import program_to_instrument_name

from lib import pretrained
from lib.core import paths, provenance
from lib.data import atelier
from lib.data.atelier import genres, lexicon, words
from lib.pretrained.describer import PROMPTS, image_description, well_formed
from lib.recipes import train_describer
from lib.recipes.bundling import N_TEST, SEED, first_items, save, share
from lib.recipes.train_describer import response
from lib.training import loop

# the language networks' own collection: no other network was trained or tested on it
WORDS_SEED = 8
N_TRAIN = 6000
DRAWS = 3  # of each held-out caption, where the describer draws
# a word suits an emotion unless the emotion makes it rarer than this share of its usual frequency
NEAR = 0.9


@dataclass(frozen=True)
class Reading:
    """What a description says, read back from its words; ``None`` or empty where it does not say it
    or contradicts itself.

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
    players, text = _taken(text, _players())
    paced, text = _taken(text, paces)
    modes = set(re.findall(r"\b[a-g][♯♭]? (major|minor)\b", text))
    moods, _ = _taken(text, lexicon.MOODS)
    return Reading(_only(tempi | {paces[name] for name in paced}), _only(modes),
                   _only({kinds[name] for name in named}), moods, players)


def _taken(text: str, names) -> tuple[tuple[str, ...], str]:
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
def _players() -> frozenset[str]:
    """Every instrument the atelier plays, as a musician says it."""
    return frozenset().union(*_players_of_genres().values())


@functools.cache
def _players_of_genres() -> dict[str, frozenset[str]]:
    """Genre → its instruments as words."""
    return {name: frozenset(words.instrument(program_to_instrument_name(program))
                            for palette in genre.palettes.values() for program in palette)
            | frozenset(["drums"] if genre.kit is not None else []) for name,
            genre in genres.TEMPLATES.items()}


@dataclass(frozen=True)
class Suits:
    """What each emotion word makes likelier, counted over many of the atelier's own descriptions.

    Attributes:
        counts: field → emotion → value → how often. The fields are tempo, mode and mood.
    """

    counts: dict[str, dict[str, Counter]]

    def ok(self, field: str, value, emotion: str) -> bool:
        """Whether P(value | emotion) ≥ ``NEAR`` · P(value)."""
        of = self.counts[field]
        usual = sum(counter[value] for counter in of.values()) / sum(counter.total()
                                                                     for counter in of.values())
        return usual > 0 and of[emotion][value] / max(1, of[emotion].total()) >= NEAR * usual

    def judge(self, text: str, emotion: str) -> dict[str, bool]:
        """Whether a description suits an emotion: tempo, mode and mood (every mood it names, at
        least one), and a whole genre.

        Genre is independent of emotion in the atelier; asked of it is that one genre is named and
        plays its own instruments only.
        """
        said = read(text)
        return {"tempo": self.ok("tempo", said.tempo, emotion),
                "mode": self.ok("mode", said.mode, emotion),
                "genre": said.genre is not None and bool(said.players) and set(said.players)
                <= _players_of_genres()[said.genre],
                "mood": bool(said.moods) and all(self.ok("mood", mood, emotion)
                                                 for mood in said.moods)}


def suits(descriptions: Sequence[str], emotions: Sequence[str]) -> Suits:
    """Counts tempo, mode and mood of descriptions under their emotions."""
    counts = {field: defaultdict(Counter) for field in ("tempo", "mode", "mood")}
    for text, emotion in zip(descriptions, emotions, strict=True):
        said = read(text)
        counts["tempo"][emotion][said.tempo] += 1
        counts["mode"][emotion][said.mode] += 1
        counts["mood"][emotion].update(said.moods)
    return Suits(counts)


def make() -> None:
    """The describer (a tiny Llama): 12 minutes on one shared core, resumable."""
    loop.set_threads()
    captions, emotions, descriptions, key = material()
    words = train_describer.tokenizer([*captions, *map(train_describer.response, descriptions),
                                       *sorted(set(emotions)) * 50])
    model = train_describer.build(len(words), seed=SEED)
    curve = train_describer.train(model, words, captions, emotions, descriptions,
                                  paths.PROCESSED / "words" / "describer.safetensors", seed=SEED,
                                  key=key)
    save("describer", (model.half(), words), curve, key)


def material():
    """What it was trained on: (captions, emotion words, descriptions, key)."""
    pairs = _pairs(WORDS_SEED, N_TRAIN)
    return *pairs, provenance.content_hash(repr(pairs).encode())


def measure():
    """What the bundled describer says of held-out captions: (table, hash of the captions)."""
    _, emotions, descriptions, _ = material()
    fresh = _pairs(atelier.TEST_SEED, N_TEST)
    rule = suits(descriptions, emotions)
    return table(pretrained.load("describer", device="cpu"), *fresh, rule,
                 set(descriptions)), provenance.content_hash(repr(fresh).encode())


def table(model, captions: Sequence[str], emotions: Sequence[str], descriptions: Sequence[str],
          rule: Suits, known: set[str]):
    """How often each part of a description suits its emotion, and how often a raw response has the
    form that was asked for.

    Rows of a `way`: likeliest words, drawn words, each other prompt, no emotion word, and the
    atelier's own descriptions (the ceiling). ``null`` deals the same descriptions to other
    captions. ``all`` is tempo, mode, genre and mood at once; ``copied`` the share that stands word
    for word among the descriptions it was trained on; ``distinct`` the share of different texts.
    """
    seen = [image_description(*pair) for pair in zip(captions, emotions, strict=True)]
    asked = {"likeliest words": (seen, "bridging", [None]),
             "drawn": (seen, "bridging", range(DRAWS)),
             **{f"drawn, prompt {name}": (seen, name, [0]) for name in PROMPTS
                if name != "bridging"}, "drawn, no emotion word": (list(captions), "bridging", [0])}
    ways = {way: [text for seed in seeds
                  for text in model.respond([model.asked(s, name) for s in given], seed=seed)]
            for way,
            (given, name, seeds) in asked.items()} | {"the atelier's own": [response(d)
                                                                            for d in descriptions]}
    rows = []
    for way, said in ways.items():
        felt = list(emotions) * (len(said) // len(emotions))
        dealt = np.random.default_rng(SEED).permutation(felt)
        own, null = (pd.DataFrame([rule.judge(*pair) for pair in zip(said, to, strict=True)])
                     for to in (felt, dealt))
        for field in [*own.columns, "all"]:
            right, luck = (t.all(axis=1) if field == "all" else t[field] for t in (own, null))
            rows.append({"way": way, "measure": f"{field}_suits", **share(right),
                         "null": luck.mean()})
        rows.append({"way": way, "measure": "two_lines",
                     **share([well_formed(text) for text in said])})
        rows.append({"way": way, "measure": "copied",
                     "value": np.mean([" ".join(text.split("\n")) in known for text in said]),
                     "n": len(said)})
        rows.append({"way": way, "measure": "distinct", "value": len(set(said)) / len(said),
                     "n": len(said)})
    return pd.DataFrame(rows)


def _pairs(seed: int, n: int) -> tuple[list[str], list[str], list[str]]:
    """Captions, emotion words and descriptions of the first n items of a collection."""
    items = first_items(seed, n)
    return [words.caption(f) for f in items], [words.emotion_word(f)
                                               for f in items], [words.description(f)
                                                                 for f in items]
