"""The atelier's composer: a score from an item's factors alone, with valence and arousal written into its structure.

::

    Factors ──plan──► key, mode, tempo, metre, level, registers, instruments      (what a musician decides first)
               │
               ├─ harmony.phrases ─► a roman numeral a slot ─ dress, lead ─► voiced chords
               ├─ melody.line ────► motif, sequence, cadence
               └─ genres.TEMPLATES ► textures and grooves ──────────────────► pretty_midi.PrettyMIDI

Valence sets mode, consonance, register, colour of the instruments and direction of the line; arousal sets tempo, loudness,
density, articulation and brightness. Genre is drawn independently of both. All decisions are integers drawn from the item's
own generator: the same score on every machine.

Source: Gabrielsson & Lindström 2010, tables 14.1–14.2; Juslin & Laukka 2004, table 2.
Notebook: 02.
"""

import hashlib
from dataclasses import dataclass

from lib.data.atelier import harmony, melody
from lib.data.atelier.factors import GENRES, Factors
from lib.data.atelier.genres import BRIGHT_COLOUR, DARK_COLOUR, LEVEL_DB, TEMPLATES
from lib.errors import KlangfarbeError

TICKS_PER_BEAT = 480
_STRAIGHT, _SWUNG = (0, 120, 240, 360), (0, 160, 320, 400)
_ROLE_DB = {"melody": 0, "chords": -8, "bass": -2, "arpeggio": -6, "pulse": -8, "organ": -9, "colour": -7, "drums": -4}
_TARGET_DB = -36  # the weakest program's level; stronger ones are turned down to it
_VELOCITY_ACCENT = {"X": 14, "x": 0, "o": -16}


@dataclass(frozen=True)
class Plan:
    """What is decided before the first note. Registers are MIDI pitches, tempo in quarter notes a minute, loudness a MIDI velocity."""

    genre: str
    tonic: int
    scale: str
    tempo_bpm: int
    metre: tuple[int, int]
    level: int
    density_x10: int
    velocity: int
    gate_percent: int
    tension: int
    register: int
    chord_register: int
    bass_register: int
    rise: int
    colour: int
    programs: tuple[tuple[str, int], ...]
    kit: int | None


def _between(low: int, high: int, x: float) -> int:
    """`x` in [−1, 1] onto the integers [low, high]."""
    return int(round(low + (high - low) * (min(max(x, -1.0), 1.0) + 1) / 2))


def plan(factors: Factors) -> Plan:
    """Turns valence, arousal and genre into musical decisions, each with a little freedom of its own."""
    if factors.genre not in TEMPLATES:
        raise KlangfarbeError(f"a genre out of {', '.join(GENRES)}", repr(factors.genre), "use one of these")
    genre = TEMPLATES[factors.genre]
    rng = factors.rng("compose-plan")

    def near(x: float, spread: int = 120) -> float:
        return x + int(rng.integers(-spread, spread + 1)) / 1000

    v, a = factors.valence, factors.arousal
    tonic = int(rng.integers(12))
    mood = near(v)
    scale = "ionian" if mood > 0.25 else "mixolydian" if mood > 0 else "dorian" if mood > -0.25 else "aeolian" if mood > -0.7 else "phrygian"
    column = 2 * (0 if near(v) < -0.33 else 1 if near(v) < 0.33 else 2) + (near(a) > 0)
    level = min(max(int((near(a) + 1) * 2), 0), 3)
    colour = _between(-3, 3, near(v)) // 2 if abs(v) > 0.2 else 0
    programs = {role: palette[column] for role, palette in genre.palettes.items()}
    programs = {role: program for role, program in programs.items() if role == "melody" or role in genre.textures[level]}
    if colour:
        programs["colour"] = (BRIGHT_COLOUR if colour > 0 else DARK_COLOUR)[factors.genre][int(near(a) > 0)]
    return Plan(
        genre=factors.genre, tonic=tonic, scale=scale, tempo_bpm=_between(58, 152, near(a, 90)) + genre.tempo_offset,
        metre=genre.metres[int(rng.integers(len(genre.metres)))], level=level, density_x10=_between(6, 28, near(a, 150)),
        velocity=_between(40, 108, near(a, 60)), gate_percent=_between(100, 62, (2 * near(a) + near(v)) / 3),
        tension=_between(-1, 5, near(-v, 100)) if v < 0.5 else 0, register=_between(64, 80, (2 * near(v) + near(a)) / 3),
        chord_register=_between(52, 66, near(v)), bass_register=_between(30, 42, near(v)), rise=_between(-90, 90, near(v)),
        colour=colour, programs=tuple(sorted(programs.items())), kit=genre.kit if genre.grooves[level] else None)


def _form(plan: Plan, seconds: float) -> tuple[int, int, int, list[int]]:
    """Sixteenths in the piece, in a harmonic slot and in a bar, and the number of slots of each phrase."""
    total = max(int(seconds * plan.tempo_bpm * 4 / 60 + 1e-6), 4)
    bar = plan.metre[0] * 16 // plan.metre[1]
    slot = bar
    while slot * 15 < 1.2 * plan.tempo_bpm:
        slot *= 2
    if slot * 15 > 2.8 * plan.tempo_bpm and bar in (16, 12) and plan.metre != (3, 4):
        slot = bar // 2
    n_slots = max((total + slot // 2) // slot, 1)
    n_phrases = max(round(n_slots / 4), 2 if n_slots > 3 else 1)
    sizes = [n_slots * (k + 1) // n_phrases - n_slots * k // n_phrases for k in range(n_phrases)]
    return total, slot, bar, sizes


def compose(factors: Factors, seconds: float = 10.0):
    """Writes the piece of an item.

    Args:
        factors: what to express, and in which genre.
        seconds: length; the last notes end there.

    Returns:
        pretty_midi.PrettyMIDI with one instrument a role, channel volume (controller 7) as the mix, one tempo, one metre,
        480 ticks a beat and every time on a tick.

    Raises:
        KlangfarbeError: an unknown genre, or a length under half a second.
    """
    import pretty_midi

    if not 0.5 <= seconds <= 3600:
        raise KlangfarbeError("0.5 to 3600 seconds of music", f"{seconds}", "choose a length in between")
    the_plan = plan(factors)
    midi = pretty_midi.PrettyMIDI(resolution=TICKS_PER_BEAT, initial_tempo=the_plan.tempo_bpm)
    midi.time_signature_changes.append(pretty_midi.TimeSignature(*the_plan.metre, 0.0))
    seconds_per_tick = 60.0 / (the_plan.tempo_bpm * TICKS_PER_BEAT)
    last_tick = int(seconds / seconds_per_tick)
    for role, program, notes in _parts(the_plan, factors.rng("compose"), seconds):
        instrument = pretty_midi.Instrument(program=program, is_drum=role == "drums", name=role)
        gain_db = _ROLE_DB[role] + (0 if role == "drums" else _TARGET_DB - LEVEL_DB[program] + 2)
        instrument.control_changes.append(pretty_midi.ControlChange(7, min(127, int(round(127 * 10 ** (gain_db / 60)))), 0.0))
        for start, end, pitch, velocity in notes:
            end = min(end, last_tick)
            if start < end:
                instrument.notes.append(pretty_midi.Note(velocity, pitch, start * seconds_per_tick, end * seconds_per_tick))
        midi.instruments.append(instrument)
    return midi


def _parts(plan: Plan, rng, seconds: float) -> list[tuple[str, int, list[tuple[int, int, int, int]]]]:
    """(role, program, [(start tick, end tick, pitch, velocity)]) for every voice."""
    genre = TEMPLATES[plan.genre]
    total, slot, bar, sizes = _form(plan, seconds)
    beat = 6 if plan.metre[1] == 8 else 4
    scale = tuple(sorted((plan.tonic + s) % 12 for s in harmony.SCALES[plan.scale]))
    slots, voiced, chord_low = [], None, plan.chord_register - 7
    symbols = harmony.phrases(plan.scale, sizes, rng)
    places = [(i, size, (len(sizes) - 1 - k) % 2 == 0) for k, size in enumerate(sizes) for i in range(size)]
    for symbol, (place, size, closes) in zip(symbols, places):
        root, intervals = harmony.chord(symbol)
        home = place == size - 1 and closes
        tension = int(rng.integers(max(plan.tension - 1, 0), plan.tension + 1)) if plan.tension > 0 else 0
        intervals = harmony.dress(intervals, min(max(tension - home, 0), 4), rng, sevenths=genre.sevenths)
        classes = tuple((plan.tonic + root + i) % 12 for i in intervals)
        voiced = harmony.lead(voiced, classes, chord_low, chord_low + 16, max(3, len(classes)))
        slots.append({"symbol": symbol, "place": place, "size": size, "closes": closes, "root": classes[0], "fifth": classes[2], "chord": frozenset(classes),
                      "scale": harmony.scale_for(scale, frozenset(classes)), "voices": voiced})
    tune = melody.line(slots, slot_steps=slot, total_steps=total, beat_steps=beat, density_x10=plan.density_x10, centre=plan.register, rise=plan.rise,
                       leap=3 + plan.level, clash_percent=max(0, 14 * plan.tension - 10), tonic=plan.tonic, rng=rng)
    at = _ticks(_SWUNG if genre.swing else _STRAIGHT)
    programs = dict(plan.programs)
    parts = [("melody", programs["melody"], [
        (at(n.step), at(n.step) + max((at(n.step + n.length) - at(n.step)) * plan.gate_percent // 100, 60), n.pitch,
         _velocity(plan.velocity + 8 + 6 * n.strong + 4 * (n.step % bar == 0))) for n in tune])]
    for role, patterns in sorted(genre.textures[plan.level].items()):
        pattern = patterns[int(rng.integers(len(patterns)))]
        octave = 12 if role == "arpeggio" else 0
        parts.append((role, programs[role], _texture(pattern, plan, slots, slot, bar, total, at, octave, plan.velocity - 4)))
    if plan.colour:
        pattern = ("4.......3.......", "5...4...3...4...", "5.4.3.4.5.4.3.4.", "5.435.435.434.34")[plan.level] if plan.colour > 0 else \
            ("b---------------", "b-------b-------", "b---b---b---b---", "b-b-b-b-b-b-b-b-")[plan.level]
        parts.append(("colour", programs["colour"], _texture(pattern, plan, slots, slot, bar, total, at, 12 if plan.colour > 0 else -12, plan.velocity - 6)))
    if plan.kit is not None:
        hits = [(at(s), at(s) + 60, key, _velocity(plan.velocity + _VELOCITY_ACCENT[row[s % bar % len(row)]]))
                for key, row in genre.grooves[plan.level].items() for s in range(total) if row[s % bar % len(row)] != "."]
        parts.append(("drums", plan.kit, sorted(hits)))
    return parts


def _ticks(swing: tuple[int, ...]):
    return lambda step: step // 4 * TICKS_PER_BEAT + swing[step % 4]


def _velocity(value: int) -> int:
    return min(max(value, 12), 127)


def _texture(pattern, plan: Plan, slots, slot, bar, total, at, octave, velocity) -> list[tuple[int, int, int, int]]:
    """Plays a texture's pattern over the slots: one note or chord a token, held through ``-``."""
    notes, sounding, since = [], (), 0

    def stop(step):
        for pitch in sounding:
            length = (at(step) - at(since)) * (100 if len(pattern) > 1 and "-" in pattern else plan.gate_percent) // 100
            notes.append((at(since), at(since) + max(length, 60), pitch, _velocity(velocity + 5 * (since % bar == 0))))

    previous = None
    for step in range(total):
        index = min(step // slot, len(slots) - 1)
        token = pattern[step % bar % len(pattern)]
        if token == "-" and (step % slot or index == len(slots) - 1 and step >= len(slots) * slot) and step % bar:
            continue
        if token == "-":
            token = previous or "c"
        stop(step)
        sounding, since = _pitches(token, slots[index], plan, step, octave), step
        previous = token if token != "." else previous
    stop(total)
    return [n for n in notes if n[0] < n[1]]


def _pitches(token: str, slot: dict, plan: Plan, step: int, octave: int) -> tuple[int, ...]:
    voices = slot["voices"]
    low = plan.bass_register + (octave if octave < 0 else 0)
    bass = max(low, 24) + (slot["root"] - max(low, 24)) % 12
    if token == ".":
        return ()
    if token == "c":
        return tuple(v + octave for v in voices)
    if token.isdigit():
        i = int(token) - 1
        return (voices[i % len(voices)] + 12 * (i // len(voices)) + octave,)
    if token == "b":
        return (bass,)
    if token == "o":
        return (bass + 12,)
    if token == "f":
        return (bass + (slot["fifth"] - bass) % 12,)
    steps = (0, 4, 7, 9, 12)
    return (melody.nearest(bass + steps[step // 2 % 5], slot["scale"], bass, bass + 14),)


def score_table(midi) -> list[tuple[int, int, int, int, int, int]]:
    """The score as integers, sorted: (program, is drum, start tick, end tick, pitch, velocity) a note."""
    return sorted((i.program, int(i.is_drum), midi.time_to_tick(n.start), midi.time_to_tick(n.end), n.pitch, n.velocity) for i in midi.instruments for n in i.notes)


def score_hash(midi) -> str:
    """SHA-256 of :func:`score_table`, the same on every machine."""
    return hashlib.sha256(repr(score_table(midi)).encode()).hexdigest()


def describe(factors: Factors, seconds: float = 10.0) -> dict:
    """The known factors of an item's score.

    Returns:
        dict: ``tempo_bpm`` · ``mode`` (``"major"`` or ``"minor"``, by the third) and ``scale`` (its church mode) · ``key``
        (``"E♭ minor"``) and ``tonic`` (0–11) · ``metre`` (``"3/4"``) · ``genre`` · ``instruments`` (General-MIDI names, melody
        first, drums last as ``"Drums"``) and ``programs`` · ``density`` (pitched onsets a second) · ``loudness`` (mean MIDI
        velocity) · ``register`` (mean MIDI pitch of the melody) · ``articulation`` (share of a melody note's time that sounds) · ``tension`` (0 consonant to 5).
    """
    from pretty_midi import program_to_instrument_name

    the_plan, midi = plan(factors), compose(factors, seconds)
    pitched = [i for i in midi.instruments if not i.is_drum]
    onsets = {(n.start, i.name) for i in pitched for n in i.notes}
    velocities = [n.velocity for i in midi.instruments for n in i.notes]
    tune = [n.pitch for n in midi.instruments[0].notes]
    mode = harmony.FAMILY[the_plan.scale]
    names = list(dict.fromkeys(program_to_instrument_name(i.program) for i in pitched)) + (["Drums"] if the_plan.kit is not None else [])
    return {"genre": factors.genre, "tempo_bpm": the_plan.tempo_bpm, "mode": mode, "scale": the_plan.scale, "tonic": the_plan.tonic,
            "key": f"{harmony.KEY_NAMES[the_plan.tonic]} {mode}", "metre": f"{the_plan.metre[0]}/{the_plan.metre[1]}",
            "instruments": names, "programs": [i.program for i in pitched], "density": len(onsets) / seconds,
            "loudness": sum(velocities) / len(velocities), "register": sum(tune) / len(tune),
            "articulation": the_plan.gate_percent / 100, "tension": max(the_plan.tension, 0)}
