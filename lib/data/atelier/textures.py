"""Plays the token patterns of genres.py: a bar of tokens becomes notes over the current chords, in
integer ticks.
"""

from lib.data.atelier import melody

TICKS_PER_BEAT = 480
SHORTEST_TICKS = 60
# Where the four sixteenths of a beat fall: even, or with jazz's late second eighth.
STRAIGHT, SWUNG = (0, 120, 240, 360), (0, 160, 320, 400)
_ACCENT = {"X": 14, "x": 0, "o": -16}
_WALK = (0, 4, 7, 9, 12, 9, 7, 4)


def tick(step: int, feel: tuple[int, ...] = STRAIGHT) -> int:
    """Sixteenth number `step` in ticks."""
    return step // 4 * TICKS_PER_BEAT + feel[step % 4]


def clamp_velocity(value: int) -> int:
    """A velocity inside 12–127: softer notes vanish in the mix."""
    return min(max(value, 12), 127)


def play(pattern: str, slots: list[dict], *, slot_steps: int, bar_steps: int, total_steps: int,
         feel, octave: int, velocity: int, bass_register: int,
         tonic: int) -> list[tuple[int, int, int, int]]:
    """One voice of the texture, as (start tick, end tick, pitch, velocity) a note. A held token is
    struck again when the chord changes under it.

    Args:
        pattern: one bar of tokens, tiled. slots: the chords, as compose.py makes them.
        octave: semitones added to the chord's voices. velocity: of an unaccented note.
        bass_register: lowest bass pitch. tonic: pitch class of the pedal.
    """
    notes, sounding, since, token = [], (), 0, "."

    def release(step: int) -> None:
        swell = slots[min(since // slot_steps, len(slots) - 1)]["swell"]
        for pitch in sounding:
            notes.append((tick(since, feel),
                          max(tick(step, feel), tick(since, feel) + SHORTEST_TICKS), pitch,
                          clamp_velocity(velocity + swell + 5 * (since % bar_steps == 0))))

    for step in range(total_steps):
        number = min(step // slot_steps, len(slots) - 1)
        written = pattern[step % bar_steps % len(pattern)]
        new_chord = step % slot_steps == 0 and step // slot_steps == number
        if written == "-" and not new_chord:
            continue
        release(step)
        token = token if written == "-" else written
        sounding, since = pitches(token, slots[number], step, octave, bass_register, tonic), step
    release(total_steps)
    return notes


def pitches(token: str, slot: dict, step: int, octave: int, bass_register: int,
            tonic: int) -> tuple[int, ...]:
    """The MIDI pitches a token stands for at a step."""
    voices = slot["voices"]
    bass = _above(bass_register, slot["root"])
    if token == ".":
        return ()
    if token.isdigit():
        turns, voice = divmod(int(token) - 1, len(voices))
        return (voices[voice] + 12 * turns + octave,)
    if token in "chl":
        part = {"c": voices, "h": voices[-2:], "l": voices[:-2]}[token]
        return tuple(v + octave for v in part)
    if token == "w":
        return (melody.nearest(bass + _WALK[step // 2 % len(_WALK)], slot["scale"], bass,
                               bass + 14),)
    pedal = _above(bass_register, tonic)
    return ({"b": bass, "o": bass + 12, "f": _above(bass, slot["fifth"]), "p": pedal,
             "q": pedal + 12}[token],)


def _above(low: int, pitch_class: int) -> int:
    return low + (pitch_class - low) % 12


def drums(groove: dict[int, str], *, bar_steps: int, total_steps: int, feel,
          velocity: int) -> list[tuple[int, int, int, int]]:
    """A groove's hits, as :func:`play` returns notes."""
    hits = []
    for key, row in groove.items():
        for step in range(total_steps):
            letter = row[step % bar_steps % len(row)]
            if letter != ".":
                hits.append((tick(step, feel), tick(step, feel) + SHORTEST_TICKS, key,
                             clamp_velocity(velocity + _ACCENT[letter])))
    return sorted(hits)
