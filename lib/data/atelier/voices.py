"""A piece's voices in integer ticks: melody (a motif, its repetition and sequence, question and
answer), the patterns of genres.py over the current chords, drums. A note: (start tick, end tick,
MIDI pitch, velocity). Notebook: 02.
"""

from bisect import bisect
from itertools import accumulate

TICKS_PER_BEAT, SHORTEST_TICKS = 480, 60
# Where the four sixteenths of a beat fall: even, or with jazz's late second eighth.
STRAIGHT, SWUNG = (0, 120, 240, 360), (0, 160, 320, 400)
_ACCENT = {"X": 14, "x": 0, "o": -16}
_WALK = (0, 4, 7, 9, 12, 9, 7, 4)
# Onsets inside one beat, in sixteenths; a beat of compound metre (6/8) has six of them.
_CELLS = {
    4: ((), (0,), (0, 2), (0, 3), (2,), (0, 2, 3), (0, 1, 2), (0, 1, 2, 3)),
    6: ((), (0,), (0, 4), (0, 2, 4), (0, 2, 3, 4), (0, 1, 2, 4), (0, 2, 4, 5), (0, 1, 2, 3, 4, 5))}


def rhythm(slot_steps: int, beat_steps: int, density_x10: int, favourites, rng) -> tuple[int, ...]:
    """Onsets of one slot, [0, …]: each beat draws a cell whose count is near the wanted density, a
    genre's favourites three times as often."""
    onsets, cells = {0}, _CELLS[beat_steps]
    away = [abs(10 * len(cell) - density_x10 * beat_steps // 4) for cell in cells]
    weights = [(40 if d <= 5 else 12 if d <= 10 else 2 if d <= 15 else 0)
               * (3 if c in favourites else 1) for d, c in zip(away, cells)]
    ends = list(accumulate(weights if any(weights) else [int(d == min(away)) for d in away]))
    for beat in range(0, slot_steps, beat_steps):
        cell = cells[bisect(ends, int(rng.integers(ends[-1])))]
        onsets.update(beat + step for step in cell if beat + step < slot_steps)
    return tuple(sorted(onsets))


def _contour(n: int, rise: int, leap: int, rng) -> tuple[int, ...]:
    """Moves of a motif in scale steps, [n − 1]: mostly by step, leaps up to `leap`; `rise` in
    −100…100 leans it up or down."""
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
    return min((p for p in range(low, high + 1) if p % 12 in classes),
               key=lambda p: (abs(p - pitch), p))


def line(piece, rng) -> list[tuple[int, int, int, bool]]:
    """The whole melody of a harmonised plan (compose.py): (step, length, pitch, on a beat) a note.
    The motif fills a phrase's first slots, a freer bar leads to the cadence, a closing phrase
    repeats its opening; when tense, strong beats lean on the semitone above a chord tone."""
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
        ends = [*onsets[1:], end - start]
        notes += [(start + a, b - a, p, a % piece.beat_steps == 0)
                  for a, b, p in zip(onsets, ends, pitches, strict=True)]
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
    """One voice's notes by its pattern; a held token is struck again when the chord changes under
    it. `octave`: semitones added."""
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
    """The MIDI pitches a token stands for at a step."""
    voices, low = slot["voices"], piece.bass_register
    if token.isdigit():
        turns, voice = divmod(int(token) - 1, len(voices))
        return (voices[voice] + 12 * turns + octave,)
    if token in ".chl":
        part = {".": (), "c": voices, "h": voices[-2:], "l": voices[:-2]}[token]
        return tuple(v + octave for v in part)
    bass, pedal = (low + (c - low) % 12 for c in (slot["root"], piece.tonic))
    if token == "w":
        wanted = bass + _WALK[step // 2 % len(_WALK)]
        return (nearest(wanted, slot["scale"], bass, bass + 14),)
    fifth = bass + (slot["fifth"] - bass) % 12
    return ({"b": bass, "o": bass + 12, "f": fifth, "p": pedal}[token],)


def drums(piece, groove: dict[int, str]) -> list[tuple[int, int, int, int]]:
    """A groove's hits, as notes."""
    hits = [(tick(step, piece.feel), row[step % piece.bar_steps % len(row)], key)
            for key, row in groove.items() for step in range(piece.total_steps)]
    return sorted((start, start + SHORTEST_TICKS, key,
                   clamp_velocity(piece.velocity + _ACCENT[letter]))
                  for start, letter, key in hits if letter != ".")
