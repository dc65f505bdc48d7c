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


def play(pattern: str, slots: list[dict], *, slot_steps: int, bar_steps: int, total_steps: int,
         feel, octave: int, velocity: int, bass_register: int,
         tonic: int) -> list[tuple[int, int, int, int]]:
    """One voice, as (start tick, end tick, pitch, velocity) a note; a held token is struck again
    when the chord changes under it. `slots`: the chords (``compose``). `octave`: semitones added.
    """
    notes, sounding, since, token = [], (), 0, "."
    for step in range(total_steps + 1):
        number = min(step // slot_steps, len(slots) - 1)
        written = pattern[step % bar_steps % len(pattern)]
        new_chord = step % slot_steps == 0 and step // slot_steps == number
        if written == "-" and not new_chord and step < total_steps:
            continue
        start, swell = tick(since, feel), slots[min(since // slot_steps, len(slots) - 1)]["swell"]
        loud = clamp_velocity(velocity + swell + 5 * (since % bar_steps == 0))
        end = max(tick(step, feel), start + SHORTEST_TICKS)
        notes += [(start, end, pitch, loud) for pitch in sounding]
        token = token if written == "-" else written
        sounding, since = _pitches(token, slots[number], step, octave, bass_register, tonic), step
    return notes


def _pitches(token: str, slot: dict, step: int, octave: int, bass_register: int,
             tonic: int) -> tuple[int, ...]:
    """The MIDI pitches a token stands for at a step."""
    voices = slot["voices"]
    if token.isdigit():
        turns, voice = divmod(int(token) - 1, len(voices))
        return (voices[voice] + 12 * turns + octave,)
    if token in ".chl":
        part = {".": (), "c": voices, "h": voices[-2:], "l": voices[:-2]}[token]
        return tuple(v + octave for v in part)
    bass, pedal = (bass_register + (c - bass_register) % 12 for c in (slot["root"], tonic))
    if token == "w":
        wanted = bass + _WALK[step // 2 % len(_WALK)]
        return (melody.nearest(wanted, slot["scale"], bass, bass + 14),)
    fifth = bass + (slot["fifth"] - bass) % 12
    return ({"b": bass, "o": bass + 12, "f": fifth, "p": pedal}[token],)


def drums(groove: dict[int, str], *, bar_steps: int, total_steps: int, feel,
          velocity: int) -> list[tuple[int, int, int, int]]:
    """A groove's hits, as :func:`play` returns notes."""
    hits = []
    for key, row in groove.items():
        for step in range(total_steps):
            letter, start = row[step % bar_steps % len(row)], tick(step, feel)
            if letter != ".":
                hits.append((start, start + SHORTEST_TICKS, key,
                             clamp_velocity(velocity + _ACCENT[letter])))
    return sorted(hits)
