"""Melody of the atelier in sixteenth steps and MIDI pitches: a motif, its repetition and sequence,
question and answer. Notebook: 02.
"""

from bisect import bisect
from itertools import accumulate

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


def contour(n: int, rise: int, leap: int, rng) -> tuple[int, ...]:
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


def step_in_scale(pitch: int, move: int, scale, low: int, high: int) -> int:
    """`move` scale degrees away from `pitch`, turned back at the range's ends."""
    ladder = [p for p in range(low, high + 1) if p % 12 in scale]
    here = ladder.index(nearest(pitch, scale, low, high))
    there = here + move if 0 <= here + move < len(ladder) else here - move
    return ladder[min(max(there, 0), len(ladder) - 1)]


def line(piece, rng) -> list[tuple[int, int, int, bool]]:
    """The whole melody of a harmonised plan (compose.py): (step, length, pitch, on a beat) a note.

    The motif fills a phrase's first slots (in sequence on the new chord), a freer bar leads to the
    cadence, a closing phrase repeats its opening; when tense, strong beats lean on the semitone
    above a chord tone before falling to it."""
    slots, slot_steps = piece.slots, piece.slot_steps
    low, high = piece.register - 9, piece.register + 9
    densities = piece.density_x10, piece.density_x10, min(piece.density_x10, 10)
    motif, free, cadence = (rhythm(slot_steps, piece.beat_steps, density, piece.melody_cells, rng)
                            for density in densities)
    moves = {onsets: contour(len(onsets), piece.rise, 3 + piece.level, rng)
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
            pitches = remembered[key] = _pitches(piece, onsets, moves[pattern], slot, pitch, rng)
            if last and slot["closes"]:
                pitches[-1] = nearest(pitches[-1], {piece.tonic}, low, high)
        ends = [*onsets[1:], end - start]
        notes += [(start + a, b - a, p, a % piece.beat_steps == 0)
                  for a, b, p in zip(onsets, ends, pitches, strict=True)]
        pitch = pitches[-1]
    return notes


def _pitches(piece, onsets, moves, slot: dict, before: int, rng) -> list[int]:
    low, high = piece.register - 9, piece.register + 9
    pitch = nearest((2 * before + piece.register) // 3, slot["chord"], low, high)
    pitches, clash_percent = [pitch], max(0, 2 * piece.tension_x10 - 20)
    for onset, move in zip(onsets[1:], moves):
        pitch = step_in_scale(pitch, move, slot["scale"], low, high)
        if onset % piece.beat_steps == 0:
            pitch = nearest(pitch, slot["chord"], low, high)
        pitches.append(pitch)
    for i, onset in enumerate(onsets[:-1]):
        strong = onset % piece.beat_steps == 0
        if strong and rng.integers(100) < clash_percent and pitches[i] < high:
            pitches[i], pitches[i + 1] = pitches[i] + 1, pitches[i]     # the appoggiatura
    return pitches
