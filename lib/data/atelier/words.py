"""The atelier's words, all from the known factors: what is seen, what is felt, what it sounds like.

The caption never speaks of feeling and the comment of little else: a model that reads valence from
captions has found a leak. Notebook: 02_start_atelier.
"""

from lib.data.atelier.compose import describe
from lib.data.atelier.factors import Factors
from lib.data.atelier.lexicon import FEELINGS, GENRE_NAMES, IMAGES, LOOKS, MOODS, SEEN, STYLE_NAMES
from lib.signal import affect

CAPTIONS = (
    "{Style} of {seen}.", "{Style} showing {seen}.", "{Seen}, in {style}.", "{Style}: {seen}.",
    "{Style} with {stuff}: {seen}.", "A painting of {seen}.", "An oil painting of {seen}.",
    "{Seen}, painted with a visible brush.", "A canvas with {seen}.", "{Seen} on canvas.",
    "We see {seen}.", "The painter shows {seen}.", "{Style} in oil, with {seen}.",
    "A square canvas, {style}, with {seen}.", "{Seen}: {style} in oil.",
    "A picture of {seen}, with {stuff}.", "{Style} on a square canvas; it shows {seen}.",
    "{Seen}, as {style}.")
STUFF = {"landscape": ("grass", "land"), "seascape": ("water", "waves"),
         "still_life": ("a table", "a wall behind"), "colour_field": ("paint", "colour"),
         "geometric": ("shapes", "lines"), "gestural": ("brush marks", "paint"),
         "night_scene": ("lights", "a moon"), "portrait": ("a plain ground", "a face")}
COMMENTS = (
    "This makes me feel {feel} and {also}; {look}.",
    "I feel {feel} when I look at {thing}, {image}.", "{Look}, and it leaves me {feel}.",
    "Something about {thing} makes me {feel}, almost {also}.",
    "{Thing}: {look}. I am {feel}, {image}.",
    "At first I was {feel}. Then I saw that {look}, and now I am {also} as well.",
    "It is {image}. I feel {feel}.",
    "Looking at {thing} for a while I become {feel}, because {look}.",
    "I would say I am {feel} and {also}, {image}.",
    "{Look}; standing here I feel {feel} rather than {not}.",
    "You might expect to be {not}, but the sight of {thing} makes me {feel}: {look}.",
    "{Thing} could be anywhere. What stays is that I feel {feel}, {image}.",
    "This is how the world looks when one is {feel}: {look}.",
    "I feel {also}, then {feel}, {image}.", "The painter must have been {feel}; {look}.",
    "Whoever sees {thing} like this is {feel}, I think, and {also}.",
    "For me it is about being {feel}. It is {image}, and {look}.",
    "{Image}: that is how {feel} I feel in front of {thing}.",
    "I keep looking at {thing}. It makes me {feel}, {image}, since {look}.",
    "Not {not} at all. I am {feel} here, and a little {also}.")
DESCRIPTIONS = (
    "{Mood} and {mood2} {genre} in {key} at {tempo}, with {instruments}. {Melody}.",
    "A {mood} {genre}. {Tempo}, {loud}, in {key}; {instruments} play. {Melody}.",
    "At {tempo}, a {genre} in {key}: {instruments}, {loud}, {mood} throughout. {Melody}.",
    "A {genre} that stays {mood} and turns {mood2}. {Melody}; {instruments}, {loud}, "
    "{key}, {tempo}.",
    "{Instruments} in a {mood}, {mood2} {genre} at {tempo}. {Melody}; the key is {key}.",
    "This {genre} in {key} is {mood} and {loud}. {Melody}, played by {instruments} at {tempo}.",
    "{Melody}. {Instruments} share a {mood} {genre}, {loud}, in {key}, at {tempo}.")
TEMPI = ((62, ("a very slow tempo", "a hardly moving tempo")),
         (84, ("a slow tempo", "an unhurried tempo")),
         (108, ("a moderate tempo", "a walking tempo")), (136, ("a brisk tempo", "a lively tempo")),
         (999, ("a fast tempo", "a racing tempo")))
LOUD = {"pp": ("very soft", "hardly audible"), "p": ("soft", "quiet"),
        "mp": ("fairly soft", "restrained"), "mf": ("moderately loud", "of medium volume"),
        "f": ("loud", "strong"), "ff": ("very loud", "at full volume")}
# Of the melody's pitch, its notes' share of their time, and onsets a second: two bounds, and words
# for what lies below, between and above them.
_HEARD = (
    ("register", 64, 76, "low deep", "middle-range medium-high", "high bright"),
    ("articulation", 0.7, 0.85, "detached clipped", "even plain", "smooth connected"),
    ("density", 2, 5, "sparse spacious", "flowing steady", "busy dense"))
_INSTRUMENTS = {"voice oohs": "voices", "choir aahs": "choir", "string ensemble": "strings",
                "acoustic grand piano": "piano", "acoustic bass": "double bass",
                "orchestral harp": "harp", "electric guitar": "{} electric guitar",
                "acoustic guitar": "{}-string guitar", "pad": "{} pad", "lead": "{} lead",
                "fx": "{} sounds"}


class _Voice:
    """Draws from lists with one item's own randomness."""

    def __init__(self, factors: Factors, stream: str):
        self.point = 10 * factors.valence, 10 * factors.arousal
        self._draws = factors.rng(stream).integers(0, 65536, 24).tolist()

    def one(self, options):
        return options[self._draws.pop() % len(options)]

    def near(self, lexicon: dict, among: int, *, side: int = 1, taken: str = "") -> str:
        """One of the `among` entries nearest to the item's point (`side` −1: to its opposite)."""
        v, a = self.point
        ranked = sorted((entry for entry in lexicon if entry != taken),
                        key=lambda entry: (lexicon[entry][0] - side * v) ** 2
                        + (lexicon[entry][1] - side * a) ** 2)
        return self.one(ranked[:among])


def _fill(template: str, **words: str) -> str:
    """Fills a template; ``{Name}`` is ``{name}`` capitalised; articles agree with what follows."""
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
    return _fill(voice.one(CAPTIONS), style=voice.one(STYLE_NAMES[factors.style]),
                 seen=voice.one(SEEN[factors.subject][1]), stuff=voice.one(STUFF[factors.style]))


def comment(factors: Factors) -> str:
    """What a viewer feels, as in ArtEmis: feelings near the item's point, an image, a reason."""
    voice = _Voice(factors, "comment")
    feel = voice.near(FEELINGS, 7)
    return _fill(voice.one(COMMENTS), feel=feel, also=voice.near(FEELINGS, 7, taken=feel),
                 image=voice.near(IMAGES, 4), look=voice.near(LOOKS, 4),
                 thing=SEEN[factors.subject][0],
                 **{"not": voice.near(FEELINGS, 7, side=-1, taken=feel)})


def emotion_word(factors: Factors) -> str:
    """The nearest of S1's five words: happy, fun, angry, sad, neutral."""
    return affect.emotion_word(factors.valence, factors.arousal)


def instrument(name: str) -> str:
    """A General-MIDI name as a musician says it: ``"Pad 2 (warm)"`` → ``"warm pad"``."""
    base, _, kind = name.rstrip(")").partition(" (")
    base = base.rstrip(" 0123456789").lower()
    return _INSTRUMENTS.get(base, base).format(kind)


def _tempo(voice: _Voice, tempo_bpm: float) -> str:
    return voice.one(next(words for limit, words in TEMPI if tempo_bpm < limit))


def description(factors: Factors) -> str:
    """What the item's music is like: mood, genre, tempo, melody, instruments."""
    voice, heard = _Voice(factors, "description"), describe(factors)
    players = list(dict.fromkeys(instrument(name) for name in heard["instruments"]))[:4]
    mood, tempo = voice.near(MOODS, 4), _tempo(voice, heard["tempo_bpm"])
    if voice.one((True, False)):
        tempo += f" ({heard['tempo_bpm']} BPM)"
    template, mood2 = voice.one(DESCRIPTIONS), voice.near(MOODS, 4, taken=mood)
    genre, loud = voice.one(GENRE_NAMES[factors.genre]), voice.one(LOUD[heard["dynamics"]])
    height, touch, pace = (
        voice.one(words[(heard[what] >= below) + (heard[what] > above)].split())
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
    mood, speed = voice.near(MOODS, 4), _tempo(voice, heard["tempo_bpm"])
    names = [mood, voice.near(MOODS, 4, taken=mood), factors.genre.replace("_", " "),
             speed.removesuffix(" tempo").split(" ", 1)[1], heard["mode"],
             *map(instrument, heard["instruments"])]
    return tuple(dict.fromkeys(names))
