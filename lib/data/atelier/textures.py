"""Plays the token patterns of genres.py: a bar of tokens becomes notes over the current chords, in
integer ticks. Notebook: 02.
"""

from lib.data.atelier import melody

TICKS_PER_BEAT, SHORTEST_TICKS = 480, 60
# Where the four sixteenths of a beat fall: even, or with jazz's late second eighth.
STRAIGHT, SWUNG = (0, 120, 240, 360), (0, 160, 320, 400)
_ACCENT = {"X": 14, "x": 0, "o": -16}
_WALK = (0, 4, 7, 9, 12, 9, 7, 4)


def tick(step: int, feel: tuple[int, ...]) -> int:
    """Sixteenth number `step` in ticks."""
    return step // 4 * TICKS_PER_BEAT + feel[step % 4]


def clamp_velocity(value: int) -> int:
    """A velocity inside 12–127: softer notes vanish in the mix."""
    return min(max(value, 12), 127)


def play(piece, pattern: str, octave: int) -> list[tuple[int, int, int, int]]:
    """One voice of a harmonised plan (compose.py), as (start tick, end tick, pitch, velocity) a
    note; a held token is struck again when the chord changes under it. `octave`: semitones added.
    """
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
        return (melody.nearest(wanted, slot["scale"], bass, bass + 14),)
    fifth = bass + (slot["fifth"] - bass) % 12
    return ({"b": bass, "o": bass + 12, "f": fifth, "p": pedal}[token],)


def drums(piece, groove: dict[int, str]) -> list[tuple[int, int, int, int]]:
    """A groove's hits, as :func:`play` returns notes."""
    hits = []
    for key, row in groove.items():
        for step in range(piece.total_steps):
            letter, start = row[step % piece.bar_steps % len(row)], tick(step, piece.feel)
            if letter != ".":
                hits.append((start, start + SHORTEST_TICKS, key,
                             clamp_velocity(piece.velocity + _ACCENT[letter])))
    return sorted(hits)
