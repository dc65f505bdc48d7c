"""Harmony of the atelier: modes, chords by roman numeral, progressions with cadences, and voice
leading.

Everything is integers: pitch classes 0–11 above C, MIDI pitches, semitones above the tonic. Valence
enters twice: as the mode, ordered from dark to bright (phrygian, aeolian, dorian, mixolydian,
ionian), and as *tension*, how far chords depart from consonant triads.

Source: Gabrielsson & Lindström 2010, The role of structure in the musical expression of emotions,
tables 14.1–14.2.
Notebook: 02.
"""

from functools import cache, lru_cache

SCALES = {
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "aeolian": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "ionian": (0, 2, 4, 5, 7, 9, 11),
}
FAMILY = {"phrygian": "minor", "aeolian": "minor", "dorian": "minor", "mixolydian": "major",
          "ionian": "major"}
KEY_NAMES = ("C", "D♭", "D", "E♭", "E", "F", "F♯", "G", "A♭", "A", "B♭", "B")

_NUMERALS = {"I": 0, "II": 2, "III": 4, "IV": 5, "V": 7, "VI": 9, "VII": 11}
_SUFFIXES = {
    "": None,
    "°": (0, 3, 6),
    "°7": (0, 3, 6, 9),
    "ø": (0, 3, 6, 10),
    "+": (0, 4, 8),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "Δ": (0, 4, 7, 11),
    "6": (0, 4, 7, 9),
    "add9": (0, 4, 7, 14),
    "sus": (0, 5, 7),
    "mΔ": (0, 3, 7, 11),
    "m9": (0, 3, 7, 14),
    "♭9": (0, 4, 10, 13),
    "m♭9": (0, 3, 7, 13),
}

# Per mode: antecedents that stop on an open chord, and consequents that come home. Four chords
# each; the composer trims or stretches them to the number of slots there is time for.
PROGRESSIONS = {
    "ionian": (
        ("I vi IV V", "I IV ii V", "I iii IV V", "I IV I V", "I V vi V"),
        ("I IV V7 I", "I vi V7 I", "I ii V7 I", "vi IV V I", "I IV iv6 I")),
    "mixolydian": (
        ("I bVII IV V", "I v IV bVII", "I IV bVII IV", "I ii bVII IV"),
        ("I bVII IV I", "I IV v I", "I ii bVII I", "IV v bVII I")),
    "dorian": (
        ("i IV i v", "i bVII IV v", "i ii bIII IV", "i bIII bVII IV"),
        ("i IV v i", "i bVII IV i", "i ii v i", "bIII bVII IV i")),
    "aeolian": (
        ("i bVI iv V", "i iv bVI V", "i bVII bVI V", "i v bVI V", "i bIII iiø V"),
        ("i iv V7 i", "i iiø V7 i", "bVI iv V7 i", "i bVI vii°7 i")),
    "phrygian": (
        ("i bII i bvii", "i bII bVI V", "i v° bII V", "i bvii bII vii°"),
        ("i bII V♭9 i", "iv bII vii°7 i", "i v° bII i", "bVI bII vii°7 i")),
}
# A triad's dresses at tension 0 to 4: first sweet, then with sevenths and ninths, then rubbing
# semitones and tritones.
_MAJOR, _MINOR, _DIMINISHED = (0, 4, 7), (0, 3, 7), (0, 3, 6)
_DRESSES = {
    _MAJOR: (
        ((0, 4, 7),),
        ((0, 4, 7), (0, 4, 7, 14)),
        ((0, 4, 7, 11), (0, 5, 7)),
        ((0, 4, 7, 13), (0, 4, 8), (0, 4, 6, 11)),
        ((0, 1, 4, 7, 10), (0, 4, 6, 13), (0, 4, 8, 11))),
    _MINOR: (
        ((0, 3, 7),),
        ((0, 3, 7), (0, 3, 7, 10)),
        ((0, 3, 7, 10), (0, 3, 7, 14)),
        ((0, 3, 7, 11), (0, 3, 7, 13), (0, 3, 6, 10)),
        ((0, 1, 3, 7), (0, 3, 6, 11), (0, 3, 7, 8, 11))),
    _DIMINISHED: (
        ((0, 3, 6),),
        ((0, 3, 6),),
        ((0, 3, 6, 10),),
        ((0, 3, 6, 9),),
        ((0, 3, 6, 9, 11), (0, 1, 3, 6, 9))),
}


@cache
def chord(symbol: str) -> tuple[int, tuple[int, ...]]:
    """Root above the tonic and intervals above the root: ``chord("bVI") == (8, (0, 4, 7))``."""
    flats = len(symbol) - len(symbol.lstrip("b"))
    body = symbol[flats:]
    numeral = body[: len(body) - len(body.lstrip("IViv"))]
    suffix = body[len(numeral):]
    root = (_NUMERALS[numeral.upper()] - flats) % 12
    minor = numeral.islower()
    if suffix in ("", "6", "7", "add9") and minor:
        return root, {"": (0, 3, 7), "6": (0, 3, 7, 9), "7": (0, 3, 7, 10),
                      "add9": (0, 3, 7, 14)}[suffix]
    return root, _SUFFIXES[suffix] or (0, 4, 7)


def dress(root: int, intervals: tuple[int, ...], tension: int, rng, *, sevenths: bool = False,
          scale: str = "ionian") -> tuple[int, ...]:
    """The chord at a tension of 0 (bare triad) to 4 (cluster).

    Args:
        root: semitones above the tonic. sevenths: whether a calm chord has jazz's four parts, with
            the seventh and ninth that `scale` holds.
    """
    triad = intervals[:3]
    if triad not in _DRESSES or (len(intervals) > 3 and tension < 3):
        return intervals
    if sevenths and tension < 3:
        extra = [i for i in (10, 11, 14) if (root + i) % 12 in SCALES[scale]]
        return (0, triad[1], *([] if triad == _MAJOR else [triad[2]]), *extra[:2])
    choices = _DRESSES[triad][tension]
    return choices[int(rng.integers(len(choices)))]


def phrases(scale: str, sizes: list[int], rng) -> list[str]:
    """One roman numeral a slot for phrases of the given sizes; the last phrase ends on the tonic,
    those before alternate. A consequent opens as its antecedent did.
    """
    halves, fulls = PROGRESSIONS[scale]
    half = halves[int(rng.integers(len(halves)))].split()
    full = fulls[int(rng.integers(len(fulls)))].split()
    symbols = []
    for which, size in enumerate(sizes):
        closes = (len(sizes) - 1 - which) % 2 == 0
        template = [half[0], *full[1:]] if closes and which else full if closes else half
        symbols += _fit(template, size, closes)
    return symbols


def _fit(template: list[str], size: int, closes: bool) -> list[str]:
    if size <= 1:
        return template[-1:]
    if size == 2:
        return [template[2], template[3]] if closes else [template[0], template[3]]
    if size == 3:
        return [template[0], template[2], template[3]]
    return [template[0]] * (size - 4) + template


def tune_scale(scale: str, tension_x10: int) -> tuple[int, ...]:
    """What a melody may use, above the tonic: the mode's pentatonic core at low tension, chromatic
    neighbours at high tension.
    """
    degrees = set(SCALES[scale])
    if tension_x10 < 10:
        degrees -= {1, 5, 6, 11} if 4 in degrees else {1, 2, 8, 9}
    elif tension_x10 >= 30:
        degrees |= {6, 11}
    return tuple(sorted(degrees))


def scale_for(scale_classes: tuple[int, ...], chord_classes: frozenset[int]) -> tuple[int, ...]:
    """The mode's pitch classes bent to a chord: its tones replace scale tones a semitone away."""
    foreign = chord_classes - set(scale_classes)
    kept = {p for p in scale_classes if p in chord_classes or
            not any((p - f) % 12 in (1, 11) for f in foreign)}
    return tuple(sorted(kept | chord_classes))


@lru_cache(maxsize=65536)
def voicings(classes: tuple[int, ...], low: int, high: int,
             size: int) -> tuple[tuple[int, ...], ...]:
    """Every spacing of `size` voices within [low, high], ascending; gaps above ten semitones only
    where nothing closer exists.
    """
    wanted = (classes + classes)[:size]
    found = []

    def place(rest, chosen):
        if not rest:
            found.append(tuple(sorted(chosen)))
            return
        first = low + (rest[0] - low) % 12
        for pitch in range(first, high + 1, 12):
            if pitch not in chosen:
                place(rest[1:], (*chosen, pitch))

    place(wanted, ())
    tight = {v for v in found if all(b - a <= 10 for a, b in zip(v, v[1:]))}
    return tuple(sorted(tight or set(found)))


@lru_cache(maxsize=65536)
def lead(previous: tuple[int, ...] | None, classes: tuple[int, ...], low: int, high: int,
         size: int) -> tuple[int, ...]:
    """The next voicing: least total movement from `previous`, without parallel octaves and fifths
    of the outer voices.
    """
    candidates = voicings(classes, low, high, size)
    centre = (low + high) * size
    if previous is None or len(previous) != size:
        return min(candidates, key=lambda v: (abs(2 * sum(v) - centre), v))

    def cost(voicing):
        movement = sum(abs(a - b) for a, b in zip(voicing, previous))
        outer, before = voicing[-1] - voicing[0], previous[-1] - previous[0]
        parallel = outer % 12 == before % 12 and outer % 12 in (0, 7) and voicing[0] != previous[0]
        return 4 * movement + 12 * parallel + abs(2 * sum(voicing) - centre) // size, voicing

    return min(candidates, key=cost)
