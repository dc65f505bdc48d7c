"""The atelier's harmony and its voices. Valence enters as the mode, from dark to bright, and as
*tension*, how far chords are from triads; melody (a motif, its repetition and sequence, question
and answer), patterns of compose.py, drums: notes are (start tick, end tick, MIDI pitch, velocity).
Source: Gabrielsson & Lindström 2010, tables 14.1–14.2. Notebook: 02."""

from bisect import bisect
from functools import cache, lru_cache
from itertools import accumulate, product

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
PROGRESSIONS = {"ionian": (("I vi IV V", "I IV ii V", "I iii IV V", "I IV I V", "I V vi V"),
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
TICKS_PER_BEAT, SHORTEST_TICKS = 480, 60
# Where the four sixteenths of a beat fall: even, or with jazz's late second eighth.
STRAIGHT, SWUNG = (0, 120, 240, 360), (0, 160, 320, 400)
_ACCENT, _WALK = {"X": 14, "x": 0, "o": -16}, (0, 4, 7, 9, 12, 9, 7, 4)
# Onsets inside one beat, in sixteenths; a beat of compound metre (6/8) has six of them.
_CELLS = {
    4: ((), (0,), (0, 2), (0, 3), (2,), (0, 2, 3), (0, 1, 2), (0, 1, 2, 3)),
    6: ((), (0,), (0, 4), (0, 2, 4), (0, 2, 3, 4), (0, 1, 2, 4), (0, 2, 4, 5), (0, 1, 2, 3, 4, 5))}


@cache
def chord(symbol: str) -> tuple[int, tuple[int, ...]]:
    """Root above the tonic and intervals above the root: ``chord("bVI") == (8, (0, 4, 7))``."""
    body = symbol.lstrip("b")
    suffix = body.lstrip("IViv")
    numeral = body[: len(body) - len(suffix)]
    third = 3 if numeral.islower() else 4
    root = (_NUMERALS[numeral.upper()] - (len(symbol) - len(body))) % 12
    return root, tuple(third if i == 4 else i for i in _SUFFIXES[suffix])


def dress(root: int, intervals: tuple, tension: int, rng, *, sevenths: bool, scale: str) -> tuple:
    """Intervals at a tension of 0 (triad) to 4 (cluster); `sevenths`: `scale`'s, on calm chords."""
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
    half, full = (texts[int(rng.integers(len(texts)))].split() for texts in PROGRESSIONS[scale])
    symbols = []
    for which, size in enumerate(sizes):
        closes = (len(sizes) - 1 - which) % 2 == 0
        template = [half[0], *full[1:]] if closes and which else full if closes else half
        places = {1: (3,), 2: (2 if closes else 0, 3), 3: (0, 2, 3)}
        symbols += [template[p] for p in places.get(size, [0] * (size - 4) + [0, 1, 2, 3])]
    return symbols


@lru_cache(maxsize=65536)
def lead(previous: tuple | None, classes: tuple, low: int, high: int, size: int) -> tuple:
    """The next voicing, MIDI pitches ascending: least movement, no parallel octaves and fifths."""
    def cost(voicing):
        away = abs(2 * sum(voicing) - (low + high) * size)
        if previous is None or len(previous) != size:
            return away, voicing
        movement = sum(abs(a - b) for a, b in zip(voicing, previous))
        outer, before = voicing[-1] - voicing[0], previous[-1] - previous[0]
        parallel = outer % 12 == before % 12 and outer % 12 in (0, 7) and voicing[0] != previous[0]
        return 4 * movement + 12 * parallel + away // size, voicing

    ladders = [range(low + (c - low) % 12, high + 1, 12) for c in (classes + classes)[:size]]
    found = {tuple(sorted(v)) for v in product(*ladders) if len(set(v)) == len(ladders)}
    # gaps above ten semitones only where nothing closer exists
    tight = {v for v in found if all(b - a <= 10 for a, b in zip(v, v[1:]))}
    return min(tight or found, key=cost)


def rhythm(slot_steps: int, beat_steps: int, density_x10: int, favourites, rng) -> tuple[int, ...]:
    """Onsets of one slot, [0, …]: each beat draws a cell whose count is near the wanted density."""
    onsets, cells = {0}, _CELLS[beat_steps]
    away = [abs(10 * len(cell) - density_x10 * beat_steps // 4) for cell in cells]
    # a genre's favourites three times as often
    weights = [(40 if d <= 5 else 12 if d <= 10 else 2 if d <= 15 else 0)
               * (3 if c in favourites else 1) for d, c in zip(away, cells)]
    ends = list(accumulate(weights if any(weights) else [int(d == min(away)) for d in away]))
    for beat in range(0, slot_steps, beat_steps):
        cell = cells[bisect(ends, int(rng.integers(ends[-1])))]
        onsets.update(beat + step for step in cell if beat + step < slot_steps)
    return tuple(sorted(onsets))


def _contour(n: int, rise: int, leap: int, rng) -> tuple[int, ...]:
    # moves in scale steps, [n − 1], leaps up to `leap`; `rise` in −100…100 leans them up or down
    moves = []
    for _ in range(n - 1):
        size = 1 if rng.integers(100) < 70 else int(rng.integers(1, leap + 1))
        up = rng.integers(200) < 100 + rise // 2
        if moves and abs(moves[-1]) > 2:    # a leap is answered in the other direction
            up = moves[-1] < 0
        moves.append(size if up else -size)
    return tuple(moves)


def nearest(pitch: int, classes, low: int, high: int) -> int:
    """The pitch of one of the classes nearest to `pitch` within [low, high]."""
    return min((p for p in range(low, high + 1) if p % 12 in classes), key=lambda p: abs(p - pitch))


def line(piece, rng) -> list[tuple[int, int, int, bool]]:
    """The melody of a harmonised plan, (step, length, pitch, on a beat) a note: the motif fills a
    phrase's first slots, a freer bar leads to the cadence, a closing phrase repeats its opening."""
    slots, slot_steps = piece.slots, piece.slot_steps
    low, high = piece.register - 9, piece.register + 9
    densities = piece.density_x10, piece.density_x10, min(piece.density_x10, 10)
    motif, free, cadence = (rhythm(slot_steps, piece.beat_steps, density, piece.melody_cells, rng)
                            for density in densities)
    moves = {onsets: _contour(len(onsets), piece.rise, 3 + piece.level, rng)
             for onsets in (motif, free, cadence)}
    notes, remembered, pitch = [], {}, piece.register
    for number, slot in enumerate(slots):
        start = number * slot_steps
        end = piece.total_steps if number == len(slots) - 1 else start + slot_steps
        last = slot["place"] == slot["size"] - 1
        leads = slot["place"] == slot["size"] - 2 and slot["size"] > 2
        onsets = pattern = cadence if last else free if leads else motif
        if last and slot["closes"]:         # a long last note
            onsets = tuple(o for o in pattern if o <= (end - start) // 3)
        key = (slot["place"], slot["symbol"], onsets)
        pitches = None if last else remembered.get(key)
        if pitches is None:
            pitches = remembered[key] = _tune(piece, onsets, moves[pattern], slot, pitch, rng)
            if last and slot["closes"]:
                pitches[-1] = nearest(pitches[-1], {piece.tonic}, low, high)
        notes += [(start + a, b - a, p, a % piece.beat_steps == 0)
                  for a, b, p in zip(onsets, [*onsets[1:], end - start], pitches, strict=True)]
        pitch = pitches[-1]
    return notes


def _tune(piece, onsets, moves, slot: dict, before: int, rng) -> list[int]:
    low, high = piece.register - 9, piece.register + 9
    ladder = [p for p in range(low, high + 1) if p % 12 in slot["scale"]]
    pitch = nearest((2 * before + piece.register) // 3, slot["chord"], low, high)
    pitches, clash_percent = [pitch], max(0, 2 * piece.tension_x10 - 20)
    for onset, move in zip(onsets[1:], moves):
        here = ladder.index(nearest(pitch, slot["scale"], low, high))
        there = here + move if 0 <= here + move < len(ladder) else here - move  # turned back
        pitch = ladder[min(max(there, 0), len(ladder) - 1)]
        if onset % piece.beat_steps == 0:
            pitch = nearest(pitch, slot["chord"], low, high)
        pitches.append(pitch)
    for i, onset in enumerate(onsets[:-1]):
        strong = onset % piece.beat_steps == 0
        if strong and rng.integers(100) < clash_percent and pitches[i] < high:
            pitches[i], pitches[i + 1] = pitches[i] + 1, pitches[i]     # the appoggiatura
    return pitches


def tick(step: int, feel: tuple[int, ...]) -> int:
    """Sixteenth number `step` in ticks."""
    return step // 4 * TICKS_PER_BEAT + feel[step % 4]


def clamp_velocity(value: int) -> int:
    """A velocity inside 12–127: softer notes vanish in the mix."""
    return min(max(value, 12), 127)


def play(piece, pattern: str, octave: int) -> list[tuple[int, int, int, int]]:
    """One voice's notes by its pattern, `octave` semitones added; a new chord strikes again."""
    slots, slot_steps, bar_steps = piece.slots, piece.slot_steps, piece.bar_steps
    notes, sounding, since, token = [], (), 0, "."
    for step in range(piece.total_steps + 1):
        number = min(step // slot_steps, len(slots) - 1)
        written = pattern[step % bar_steps % len(pattern)]
        new_chord = step % slot_steps == 0 and step // slot_steps == number
        if written == "-" and not new_chord and step < piece.total_steps:
            continue
        start = tick(since, piece.feel)
        end = max(tick(step, piece.feel), start + SHORTEST_TICKS)
        swell = slots[min(since // slot_steps, len(slots) - 1)]["swell"]
        loud = clamp_velocity(piece.velocity - 2 + swell + 5 * (since % bar_steps == 0))
        notes += [(start, end, pitch, loud) for pitch in sounding]
        token = token if written == "-" else written
        sounding, since = _pitches(piece, token, slots[number], step, octave), step
    return notes


def _pitches(piece, token: str, slot: dict, step: int, octave: int) -> tuple[int, ...]:
    voices, low = slot["voices"], piece.bass_register
    if token.isdigit():
        turns, voice = divmod(int(token) - 1, len(voices))
        return (voices[voice] + 12 * turns + octave,)
    if token in ".chl":
        part = {".": (), "c": voices, "h": voices[-2:], "l": voices[:-2]}[token]
        return tuple(v + octave for v in part)
    bass, pedal = (low + (c - low) % 12 for c in (slot["root"], piece.tonic))
    if token == "w":
        return (nearest(bass + _WALK[step // 2 % len(_WALK)], slot["scale"], bass, bass + 14),)
    fifth = bass + (slot["fifth"] - bass) % 12
    return ({"b": bass, "o": bass + 12, "f": fifth, "p": pedal}[token],)


def drums(piece, groove: dict[int, str]) -> list[tuple[int, int, int, int]]:
    """A groove's hits, as notes."""
    return sorted((start := tick(step, piece.feel), start + SHORTEST_TICKS, key,
                   clamp_velocity(piece.velocity + _ACCENT[letter]))
                  for key, row in groove.items() for step in range(piece.total_steps)
                  if (letter := row[step % piece.bar_steps % len(row)]) != ".")
