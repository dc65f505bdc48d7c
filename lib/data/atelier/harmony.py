"""The atelier's harmony: modes, chords by roman numeral, progressions with cadences, voice leading.
Valence enters as the mode, from dark to bright, and as *tension*, how far chords are from triads.

Source: Gabrielsson & Lindström 2010, tables 14.1–14.2. Notebook: 02.
"""

from functools import cache, lru_cache
from itertools import product

SCALES = {"phrygian": (0, 1, 3, 5, 7, 8, 10), "aeolian": (0, 2, 3, 5, 7, 8, 10),
          "dorian": (0, 2, 3, 5, 7, 9, 10), "mixolydian": (0, 2, 4, 5, 7, 9, 10),
          "ionian": (0, 2, 4, 5, 7, 9, 11)}
FAMILY = {name: "minor" if 3 in scale else "major" for name, scale in SCALES.items()}
KEY_NAMES = ("C", "D♭", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")
_NUMERALS = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}
_MAJOR, _MINOR, _DIMINISHED = (0, 4, 7), (0, 3, 7), (0, 3, 6)
_SUFFIXES = {"": _MAJOR, "6": (0, 4, 7, 9), "7": (0, 4, 7, 10), "♭9": (0, 4, 10, 13),
             "°": _DIMINISHED, "°7": (0, 3, 6, 9), "ø": (0, 3, 6, 10)}
# per mode: antecedents that stop on an open chord, and consequents that come home
PROGRESSIONS = {
    "ionian": (("I vi IV V", "I IV ii V", "I iii IV V", "I IV I V", "I V vi V"),
               ("I IV V7 I", "I vi V7 I", "I ii V7 I", "vi IV V I", "I IV iv6 I")),
    "mixolydian": (("I bVII IV V", "I v IV bVII", "I IV bVII IV", "I ii bVII IV"),
                   ("I bVII IV I", "I IV v I", "I ii bVII I", "IV v bVII I")),
    "dorian": (("i IV i v", "i bVII IV v", "i ii bIII IV", "i bIII bVII IV"),
               ("i IV v i", "i bVII IV i", "i ii v i", "bIII bVII IV i")),
    "aeolian": (("i bVI iv V", "i iv bVI V", "i bVII bVI V", "i v bVI V", "i bIII iiø V"),
                ("i iv V7 i", "i iiø V7 i", "bVI iv V7 i", "i bVI vii°7 i")),
    "phrygian": (("i bII i bvii", "i bII bVI V", "i v° bII V", "i bvii bII vii°"),
                 ("i bII V♭9 i", "iv bII vii°7 i", "i v° bII i", "bVI bII vii°7 i"))}
# a triad's dresses at tension 0 to 4: sweet, with sevenths and ninths, rubbing semitones
_DRESSES: dict[tuple[int, ...], tuple] = {
    _MAJOR: ((_MAJOR,), (_MAJOR, (0, 4, 7, 14)), ((0, 4, 7, 11), (0, 5, 7)),
             ((0, 4, 7, 13), (0, 4, 8), (0, 4, 6, 11)),
             ((0, 1, 4, 7, 10), (0, 4, 6, 13), (0, 4, 8, 11))),
    _MINOR: ((_MINOR,), (_MINOR, (0, 3, 7, 10)), ((0, 3, 7, 10), (0, 3, 7, 14)),
             ((0, 3, 7, 11), (0, 3, 7, 13), (0, 3, 6, 10)),
             ((0, 1, 3, 7), (0, 3, 6, 11), (0, 3, 7, 8, 11))),
    _DIMINISHED: ((_DIMINISHED,), (_DIMINISHED,), ((0, 3, 6, 10),), ((0, 3, 6, 9),),
                  ((0, 3, 6, 9, 11), (0, 1, 3, 6, 9)))}


@cache
def chord(symbol: str) -> tuple[int, tuple[int, ...]]:
    """Root above the tonic and intervals above the root: ``chord("bVI") == (8, (0, 4, 7))``."""
    body = symbol.lstrip("b")
    suffix = body.lstrip("IViv")
    numeral = body[: len(body) - len(suffix)]
    third = 3 if numeral.islower() else 4
    root = (_NUMERALS[numeral.upper()] - (len(symbol) - len(body))) % 12
    return root, tuple(third if i == 4 else i for i in _SUFFIXES[suffix])


def dress(root: int, intervals: tuple[int, ...], tension: int, rng, *, sevenths: bool,
          scale: str) -> tuple[int, ...]:
    """The chord's intervals at a tension of 0 (bare triad) to 4 (cluster); with `sevenths` a calm
    chord has the seventh and ninth that `scale` holds."""
    triad = intervals[:3]
    if triad not in _DRESSES or (len(intervals) > 3 and tension < 3):
        return intervals
    if sevenths and tension < 3:
        extra = [i for i in (10, 11, 14) if (root + i) % 12 in SCALES[scale]]
        return (*(triad[:2] if triad == _MAJOR else triad), *extra[:2])
    choices = _DRESSES[triad][tension]
    return choices[int(rng.integers(len(choices)))]


def phrases(scale: str, sizes: list[int], rng) -> list[str]:
    """One roman numeral a slot; the last phrase ends on the tonic, those before alternate."""
    half, full = (options[int(rng.integers(len(options)))].split()
                  for options in PROGRESSIONS[scale])
    symbols = []
    for which, size in enumerate(sizes):
        closes = (len(sizes) - 1 - which) % 2 == 0
        template = [half[0], *full[1:]] if closes and which else full if closes else half
        places = {1: (3,), 2: (2 if closes else 0, 3), 3: (0, 2, 3)}
        symbols += [template[p] for p in places.get(size, [0] * (size - 4) + [0, 1, 2, 3])]
    return symbols


def tune_scale(scale: str, tension_x10: int) -> set[int]:
    """What a melody may use, above the tonic: pentatonic when calm, chromatic at high tension."""
    degrees = set(SCALES[scale])
    if tension_x10 < 10:
        return degrees - ({1, 5, 6, 11} if 4 in degrees else {1, 2, 8, 9})
    return degrees | {6, 11} if tension_x10 >= 30 else degrees


@lru_cache(maxsize=65536)
def _voicings(classes: tuple[int, ...], low: int, high: int, size: int) -> list[tuple[int, ...]]:
    # gaps above ten semitones only where nothing closer exists
    wanted = (classes + classes)[:size]
    ladders = [range(low + (c - low) % 12, high + 1, 12) for c in wanted]
    found = {tuple(sorted(v)) for v in product(*ladders) if len(set(v)) == len(wanted)}
    tight = {v for v in found if all(b - a <= 10 for a, b in zip(v, v[1:]))}
    return sorted(tight or found)


@lru_cache(maxsize=65536)
def lead(previous: tuple[int, ...] | None, classes: tuple[int, ...], low: int, high: int,
         size: int) -> tuple[int, ...]:
    """The next voicing, MIDI pitches ascending: least movement, no parallel octaves and fifths."""
    centre = (low + high) * size

    def cost(voicing):
        away = abs(2 * sum(voicing) - centre)
        if previous is None or len(previous) != size:
            return away, voicing
        movement = sum(abs(a - b) for a, b in zip(voicing, previous))
        outer, before = voicing[-1] - voicing[0], previous[-1] - previous[0]
        parallel = outer % 12 == before % 12 and outer % 12 in (0, 7) and voicing[0] != previous[0]
        return 4 * movement + 12 * parallel + away // size, voicing

    return min(_voicings(classes, low, high, size), key=cost)
