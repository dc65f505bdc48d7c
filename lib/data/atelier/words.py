"""The atelier's words, all from the known factors. The caption never speaks of feeling and the
comment of little else: a model that reads valence from captions has found a leak. Notebook: 02."""

from lib.data import splits
from lib.data.atelier import lexicon
from lib.data.atelier.compose import describe
from lib.data.atelier.factors import Factors, draw, ratings
from lib.signal import affect

FRACTIONS = {"train": 0.8, "validation": 0.1, "test": 0.1}
TEMPI = ((62, ("a very slow tempo", "a hardly moving tempo")),
         (84, ("a slow tempo", "an unhurried tempo")),
         (108, ("a moderate tempo", "a walking tempo")), (136, ("a brisk tempo", "a lively tempo")),
         (999, ("a fast tempo", "a racing tempo")))  # beats a minute below which they are said
# Of the melody's pitch, its notes' share of their time, and onsets a second: two bounds, and words
# for what lies below, between and above them.
_HEARD = (("register", 64, 76, "low deep", "middle-range medium-high", "high bright"),
          ("articulation", 0.7, 0.85, "detached clipped", "even plain", "smooth connected"),
          ("density", 2, 5, "sparse spacious", "flowing steady", "busy dense"))
_INSTRUMENTS = {"voice oohs": "voices", "choir aahs": "choir", "string ensemble": "strings",
    "acoustic grand piano": "piano", "acoustic bass": "double bass", "orchestral harp": "harp",
    "electric guitar": "{} electric guitar", "acoustic guitar": "{}-string guitar", "pad": "{} pad",
    "lead": "{} lead", "fx": "{} sounds"}


class _Voice:   # draws from lists with one item's own randomness
    def __init__(self, factors: Factors, stream: str):
        self.point = 10 * factors.valence, 10 * factors.arousal
        self._draws = factors.rng(stream).integers(0, 65536, 24).tolist()

    def one(self, options):
        return options[self._draws.pop() % len(options)]

    def near(self, words: dict, among: int, *, side: int = 1, taken: str = "") -> str:
        """One of the `among` entries nearest to the item's point (`side` −1: to its opposite)."""
        v, a = self.point
        ranked = sorted((entry for entry in words if entry != taken), key=lambda entry: (
            words[entry][0] - side * v) ** 2 + (words[entry][1] - side * a) ** 2)
        return self.one(ranked[:among])

    def tempo(self, tempo_bpm: float) -> str:
        return self.one(next(words for limit, words in TEMPI if tempo_bpm < limit))


def _fill(template: str, **words: str) -> str:  # {Name}: capitalised; articles agree
    capital = {name.capitalize(): word[:1].upper() + word[1:] for name, word in words.items()}
    tokens = template.format(**words, **capital).split(" ")
    for k, following in enumerate(tokens[1:]):
        opens = following.lower().startswith
        if tokens[k] in ("a", "A") and opens(tuple("aeiou")) and not opens(("eu", "uni", "one")):
            tokens[k] += "n"
    return " ".join(tokens)


def caption(factors: Factors) -> str:
    """What is seen, without feeling: style and subject only."""
    voice = _Voice(factors, "caption")
    return _fill(voice.one(lexicon.CAPTIONS), style=voice.one(lexicon.STYLE_NAMES[factors.style]),
                 seen=voice.one(lexicon.SEEN[factors.subject][1]),
                 stuff=voice.one(lexicon.STUFF[factors.style]))


def comment(factors: Factors) -> str:
    """What a viewer feels, as in ArtEmis: feelings near the item's point, an image, a reason."""
    voice, feelings = _Voice(factors, "comment"), lexicon.FEELINGS
    feel = voice.near(feelings, 7)
    return _fill(voice.one(lexicon.COMMENTS), feel=feel, also=voice.near(feelings, 7, taken=feel),
                 image=voice.near(lexicon.IMAGES, 4), look=voice.near(lexicon.LOOKS, 4),
                 thing=lexicon.SEEN[factors.subject][0],
                 **{"not": voice.near(feelings, 7, side=-1, taken=feel)})


def emotion_word(factors: Factors) -> str:
    """The nearest of S1's five words: happy, fun, angry, sad, neutral."""
    return affect.emotion_word(factors.valence, factors.arousal)


def instrument(name: str) -> str:
    """A General-MIDI name as a musician says it: ``"Pad 2 (warm)"`` → ``"warm pad"``."""
    base, _, kind = name.rstrip(")").partition(" (")
    base = base.rstrip(" 0123456789").lower()
    return _INSTRUMENTS.get(base, base).format(kind)


def description(factors: Factors) -> str:
    """What the item's music is like: mood, genre, tempo, melody, instruments."""
    voice, heard = _Voice(factors, "description"), describe(factors)
    players = list(dict.fromkeys(instrument(name) for name in heard["instruments"]))[:4]
    mood, tempo = voice.near(lexicon.MOODS, 4), voice.tempo(heard["tempo_bpm"])
    if voice.one((True, False)):
        tempo += f" ({heard['tempo_bpm']} BPM)"
    template, mood2 = voice.one(lexicon.DESCRIPTIONS), voice.near(lexicon.MOODS, 4, taken=mood)
    genre = voice.one(lexicon.GENRE_NAMES[factors.genre])
    loud = voice.one(lexicon.LOUD[heard["dynamics"]])
    height, touch, pace = (voice.one(words[(heard[what] >= below) + (heard[what] > above)].split())
        for what, below, above, *words in _HEARD)
    melody = voice.one((f"the melody is {height} and {touch}, the texture {pace}",
                        f"a {height}, {touch} melody moves through a {pace} texture",
                        f"the tune lies {height}, {touch} in touch, above a {pace} accompaniment"))
    return _fill(template, mood=mood, mood2=mood2, genre=genre, key=heard["key"], tempo=tempo,
                 loud=loud, melody=melody,
                 instruments=" and ".join(filter(None, (", ".join(players[:-1]), players[-1]))))


def tags(factors: Factors) -> tuple[str, ...]:
    """Tags as music collections carry them: mood, genre, tempo, mode, instruments."""
    voice, heard = _Voice(factors, "tags"), describe(factors)
    mood, speed = voice.near(lexicon.MOODS, 4), voice.tempo(heard["tempo_bpm"])
    return tuple(dict.fromkeys([mood, voice.near(lexicon.MOODS, 4, taken=mood),
        factors.genre.replace("_", " "), speed.removesuffix(" tempo").split(" ", 1)[1],
        heard["mode"], *map(instrument, heard["instruments"])]))


def rows(seed: int, n_items: int, disagreement: float = 0.0) -> list[dict]:
    """Manifest rows of items 0 … n−1: picture and piece in one group, labels as :func:`ratings`."""
    items = [draw(seed, index) for index in range(n_items)]
    points = ratings(items, disagreement=disagreement).tolist()
    parts = (splits.by_group([f.item_id for f in items], FRACTIONS, seed)
             if n_items >= len(FRACTIONS) else ["train"] * n_items)
    return [{"split": split, "group_id": f.item_id, "source": "atelier",
             "licence": "CC0 (made here)", "valence": valence, "arousal": arousal,
             "caption": caption(f), "comment": comment(f), "description": description(f),
             "emotion": emotion_word(f), "item_id": f"{f.item_id}-{modality}",
             "modality": modality, "path": f"{modality}/{f.item_id}.{suffix}", "genre": kind}
            for f, (valence, arousal), split in zip(items, points, parts, strict=True)
            for modality, suffix, kind in (("image", "png", f.style), ("audio", "flac", f.genre))]
