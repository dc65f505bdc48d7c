"""The atelier's composer: a score from an item's factors, with valence and arousal in its
structure.

    Factors ─ plan ─► key, mode, tempo, metre, level, registers, instruments
               ├─ harmony.phrases ─► a roman numeral a slot ─ dress, lead ─► voiced chords
               ├─ melody.line ─────► motif, sequence, cadence
               └─ textures.play ───► accompaniment, bass, drums ──► pretty_midi.PrettyMIDI

Valence sets mode, consonance, register, colour of the instruments and direction of the line;
arousal sets tempo, loudness, density, articulation and brightness. All decisions are integers drawn
from the item's own generator: the same score on every machine.

Source: Gabrielsson & Lindström 2010, tables 14.1–14.2; Juslin & Laukka 2004, table 2.
Notebook: 02.
"""

import hashlib
from dataclasses import dataclass

import pretty_midi
from pretty_midi import program_to_instrument_name

from lib.core.errors import KlangfarbeError
from lib.data.atelier import harmony, melody, textures
from lib.data.atelier.factors import GENRES, Factors
from lib.data.atelier.genres import BRIGHT, DARK, LEVEL_DB, TEMPLATES

_ROLE_DB = {"melody": 0, "chords": -5, "second": -4, "viola": -4, "bass": -1, "arpeggio": -6,
            "pulse": -7, "organ": -7, "bright": -8, "dark": -4, "drums": -13}
# valence, bright to dark
_MODE_ABOVE = {"ionian": 0.25, "mixolydian": 0.0, "dorian": -0.25, "aeolian": -0.7,
               "phrygian": -9.0}
# below the weakest program's level, so that every role can be turned down to its place
_TARGET_DB = -40
DYNAMICS = ((44, "pp"), (56, "p"), (68, "mp"), (80, "mf"), (92, "f"), (128, "ff"))


@dataclass(frozen=True)
class Plan:
    """What is decided before the first note.

    Attributes:
        tonic: pitch class. scale: church mode. tempo_bpm: quarter notes a minute. metre: (beats,
            unit).
        level: 0 calm to 3 aroused, the row of textures. density_x10: ten times the melody's notes a
            beat.
        velocity: MIDI velocity of the accompaniment. gate_percent: how much of its time a melody
            note sounds.
        tension_x10: ten times the chords' mean dress (harmony.dress), 0 to 42.
        register, chord_register, bass_register: MIDI pitches (centre, centre, lowest).
        rise: −100…100, the melody's lean downwards or upwards. weight_db: how heavy the bass is.
        colour: −1 a dark voice is added, 1 a bright one, colour_db how much of it.
        programs: (role, General-MIDI program), sorted. kit: drum kit or None.
    """

    genre: str
    tonic: int
    scale: str
    tempo_bpm: int
    metre: tuple[int, int]
    level: int
    density_x10: int
    velocity: int
    gate_percent: int
    tension_x10: int
    register: int
    chord_register: int
    bass_register: int
    rise: int
    weight_db: int
    colour: int
    colour_db: int
    programs: tuple[tuple[str, int], ...]
    kit: int | None

    @property
    def bar_steps(self) -> int:
        """Sixteenths in a bar."""
        return self.metre[0] * 16 // self.metre[1]


def _between(low: int, high: int, x: float) -> int:
    """`x` in [−1, 1] onto the integers [low, high]."""
    return round(low + (high - low) * (min(max(x, -1.0), 1.0) + 1) / 2)


def _velocity(arousal: float) -> int:
    """34, 60, 114 at arousal −1, 0, 1: even steps in decibels."""
    x = min(max(arousal, -1.0), 1.0)
    return round(60 + 40 * x + 14 * x * x)


def plan(factors: Factors) -> Plan:
    """Turns valence, arousal and genre into musical decisions, each with some freedom of its
    own.
    """
    if factors.genre not in TEMPLATES:
        raise KlangfarbeError(f"a genre out of {', '.join(GENRES)}", repr(factors.genre),
                              "use one of these")
    if not (abs(factors.valence) <= 1 and abs(factors.arousal) <= 1):
        raise KlangfarbeError("valence and arousal in [−1, 1]",
                              f"{factors.valence}, {factors.arousal}", "bring them onto that scale")
    genre = TEMPLATES[factors.genre]
    rng = factors.rng("compose-plan")

    def near(x: float, spread: int = 120) -> float:
        return x + int(rng.integers(-spread, spread + 1)) / 1000

    v, a = factors.valence, factors.arousal
    # as many draws in every genre
    tonic, metre = int(rng.integers(12)), genre.metres[int(rng.integers(60)) % len(genre.metres)]
    mood, warmth, drive = near(v), near(v), near(a)
    scale = next(name for name, above in _MODE_ABOVE.items() if mood > above)
    level = min(max(int((drive + 1) * 2), 0), 3)
    colour = (1 if warmth > 0.35 and "bright" in genre.palettes else -1
              if warmth < -0.35 and "dark" in genre.palettes else 0)
    column = 2 * (0 if warmth < -0.33 else 1 if warmth < 0.33 else 2) + (drive > 0)
    roles = {"melody", *genre.textures[level], *({0: (), 1: ("bright",), -1: ("dark",)}[colour])}
    return Plan(
        genre=factors.genre, tonic=tonic, scale=scale, metre=metre, level=level, colour=colour,
        tempo_bpm=_between(58, 152, near(a, 90)) + genre.tempo_offset,
        density_x10=min(_between(6, 28, near(a, 150)), genre.max_density_x10),
        velocity=_velocity(near(a, 60)),
        gate_percent=_between(100, 56, (near(a) + near(v)) / 2),
        tension_x10=_between(0, 42, near(-v)),
        register=_between(61, 79, (2 * near(v) + near(a)) / 3),
        chord_register=_between(49, 65, near(v)),
        bass_register=_between(32, 43, near(v)),
        rise=_between(-90, 90, near(v)),
        weight_db=_between(4, -4, near(v)),
        colour_db=_between(-6, 4, 2 * abs(warmth) - 1),
        programs=tuple((role, genre.palettes[role][column]) for role in sorted(roles)),
        kit=genre.kit if genre.grooves[level] else None)


def _form(plan: Plan, seconds: float) -> tuple[int, int, list[int]]:
    """Sixteenths in the piece and in a harmonic slot (one to three seconds), slots of each
    phrase.
    """
    total = max(int(seconds * plan.tempo_bpm * 4 / 60 + 1e-6), 4)
    slot = plan.bar_steps
    while slot * 15 < 1.2 * plan.tempo_bpm:
        slot *= 2
    if slot * 15 > 2.8 * plan.tempo_bpm and plan.metre != (3, 4) and slot == plan.bar_steps:
        slot //= 2
    n_slots = max((total + slot // 2) // slot, 1)
    n_phrases = max(round(n_slots / 4), 2 if n_slots > 3 else 1)
    return total, slot, [n_slots * (k + 1) // n_phrases - n_slots * k // n_phrases
                         for k in range(n_phrases)]


def _harmonise(plan: Plan, sizes: list[int], rng) -> list[dict]:
    """The chords, a dict a slot: numeral, place in the phrase, classes, voices, scale, swell."""
    genre = TEMPLATES[plan.genre]
    scale = tuple(sorted((plan.tonic + s) % 12
                         for s in harmony.tune_scale(plan.scale, plan.tension_x10)))
    low, voices, slots = plan.chord_register - 7, None, []
    symbols = iter(harmony.phrases(plan.scale, sizes, rng))
    for phrase, size in enumerate(sizes):
        closes = (len(sizes) - 1 - phrase) % 2 == 0
        for place in range(size):
            symbol = next(symbols)
            root, intervals = harmony.chord(symbol)
            tension = (plan.tension_x10 + int(rng.integers(10))) // 10
            tension -= closes and place == size - 1
            intervals = harmony.dress(root, intervals, min(max(tension, 0), 4), rng,
                                      sevenths=genre.sevenths, scale=plan.scale)
            classes = tuple(dict.fromkeys((plan.tonic + root + i) % 12 for i in intervals))
            voices = harmony.lead(voices, classes, low, low + 16, max(3, len(classes)))
            slots.append({"symbol": symbol, "place": place, "size": size, "closes": closes,
                          "voices": voices, "chord": frozenset(classes), "root": classes[0],
                          "fifth": (classes[0] + next((i for i in (7, 6, 8) if i in intervals), 7))
                          % 12, "scale": harmony.scale_for(scale, frozenset(classes)),
                          "swell": 3 - abs(2 * place - size + 1)})
    return slots


def _parts(plan: Plan, rng, seconds: float) -> list[tuple[str, int, list[tuple]]]:
    """(role, program, [(start tick, end tick, pitch, velocity)]) a voice, melody first, drums
    last.
    """
    genre = TEMPLATES[plan.genre]
    feel = textures.SWUNG if genre.swing else textures.STRAIGHT
    total, slot_steps, sizes = _form(plan, seconds)
    slots = _harmonise(plan, sizes, rng)
    tune = melody.line(slots, slot_steps=slot_steps, total_steps=total,
                       beat_steps=6 if plan.metre[1] == 8 else 4, density_x10=plan.density_x10,
                       centre=plan.register, rise=plan.rise, leap=3 + plan.level,
                       clash_percent=max(0, 2 * plan.tension_x10 - 20), tonic=plan.tonic,
                       favourites=genre.melody_cells, rng=rng)
    programs, notes = dict(plan.programs), []
    for n in tune:
        start, end = textures.tick(n.step, feel), textures.tick(n.step + n.length, feel)
        swell = slots[min(n.step // slot_steps, len(slots) - 1)]["swell"]
        velocity = plan.velocity + 8 + swell + 5 * n.strong + 3 * (n.step % plan.bar_steps == 0)
        sounds_for = max((end - start) * plan.gate_percent // 100, textures.SHORTEST_TICKS)
        notes.append((start, start + sounds_for, n.pitch, textures.clamp_velocity(velocity)))
    parts = [("melody", programs["melody"], notes)]
    patterns = {role: choices[int(rng.integers(len(choices)))] for role,
                choices in genre.textures[plan.level].items()}
    if plan.colour:
        patterns |= {"bright": BRIGHT[plan.level]} if plan.colour > 0 else {
            "dark": DARK[plan.level]}
    for role, pattern in patterns.items():
        parts.append((role, programs[role],
                      textures.play(pattern, slots, slot_steps=slot_steps, bar_steps=plan.bar_steps,
                                    total_steps=total, feel=feel, tonic=plan.tonic,
                                    octave=12 if role in ("arpeggio", "bright") else 0,
                                    velocity=plan.velocity - 2, bass_register=plan.bass_register)))
    if plan.kit is not None:
        hits = textures.drums(genre.grooves[plan.level], bar_steps=plan.bar_steps,
                              total_steps=total, feel=feel, velocity=plan.velocity)
        parts.append(("drums", plan.kit, hits))
    return parts


def compose(factors: Factors, seconds: float = 10.0):
    """Writes the piece of an item, of 0.5 to 3600 seconds.

    Returns:
        pretty_midi.PrettyMIDI with one instrument a role, channel volume (controller 7) as the mix,
        one tempo, one metre, 480 ticks a beat and every time on a tick.
    """
    if not 0.5 <= seconds <= 3600:
        raise KlangfarbeError("0.5 to 3600 seconds of music", f"{seconds}",
                              "choose a length in between")
    the_plan = plan(factors)
    mix = TEMPLATES[the_plan.genre].mix_db
    midi = pretty_midi.PrettyMIDI(resolution=textures.TICKS_PER_BEAT,
                                  initial_tempo=the_plan.tempo_bpm)
    midi.time_signature_changes.append(pretty_midi.TimeSignature(*the_plan.metre, 0.0))
    ticks_per_second = the_plan.tempo_bpm * textures.TICKS_PER_BEAT / 60
    last_tick = int(seconds * ticks_per_second)
    for role, program, notes in _parts(the_plan, factors.rng("compose"), seconds):
        instrument = pretty_midi.Instrument(program=program, is_drum=role == "drums", name=role)
        gain_db = _ROLE_DB[role] + mix.get(role, 0) + mix.get("all", 0)
        if role != "drums":
            gain_db += _TARGET_DB - LEVEL_DB[program]
        gain_db += {"bass": the_plan.weight_db, "bright": the_plan.colour_db,
                    "dark": the_plan.colour_db}.get(role, 0)
        volume = min(127, round(127 * 10 ** (gain_db / 60)))
        instrument.control_changes.append(pretty_midi.ControlChange(7, volume, 0.0))
        for start, end, pitch, velocity in notes:
            if start < last_tick:
                instrument.notes.append(pretty_midi.Note(velocity, pitch, start / ticks_per_second,
                                                         min(end, last_tick) / ticks_per_second))
        midi.instruments.append(instrument)
    return midi


def score_table(midi) -> list[tuple[int, int, int, int, int, int]]:
    """The score as sorted integers: (program, is drum, start, end, pitch, velocity) a note."""
    ticks_per_second = midi.resolution * midi.get_tempo_changes()[1][0] / 60
    return sorted((i.program, int(i.is_drum), round(n.start * ticks_per_second),
                   round(n.end * ticks_per_second), n.pitch, n.velocity) for i in midi.instruments
                  for n in i.notes)


def score_hash(midi) -> str:
    """SHA-256 of :func:`score_table`, the same on every machine."""
    return hashlib.sha256(repr(score_table(midi)).encode()).hexdigest()


def describe(factors: Factors, seconds: float = 10.0) -> dict:
    """The known factors of an item's score: what the plan fixed, and what is counted in the notes.

    Returns:
        ``tension`` (0 bare triads, 4 clusters) · ``articulation`` (share of a melody note's time
        that sounds) · ``instruments`` (General-MIDI names, melody first, ``"Drums"`` last) and
        ``programs`` (without drums) · ``density`` (onsets a second, drums apart) · ``loudness``
        (mean MIDI velocity) and ``dynamics`` (pp … ff) · ``register`` (mean pitch of the melody) ·
        ``genre, tempo_bpm, metre, mode, scale, tonic, key``.
    """
    the_plan, midi = plan(factors), compose(factors, seconds)
    pitched = [i for i in midi.instruments if not i.is_drum]
    velocities = [n.velocity for i in midi.instruments for n in i.notes]
    loudness = sum(velocities) / len(velocities)
    tune = [n.pitch for n in midi.instruments[0].notes]
    mode = harmony.FAMILY[the_plan.scale]
    names = [program_to_instrument_name(i.program) for i in pitched]
    return {
        "genre": factors.genre,
        "tempo_bpm": the_plan.tempo_bpm,
        "metre": f"{the_plan.metre[0]}/{the_plan.metre[1]}",
        "mode": mode,
        "scale": the_plan.scale,
        "tonic": the_plan.tonic,
        "key": f"{harmony.KEY_NAMES[the_plan.tonic]} {mode}",
        "tension": the_plan.tension_x10 / 10,
        "articulation": the_plan.gate_percent / 100,
        "instruments": list(dict.fromkeys(names)) + ["Drums"] * (the_plan.kit is not None),
        "programs": [i.program for i in pitched],
        "density": len({n.start for i in pitched for n in i.notes}) / seconds,
        "loudness": loudness,
        "dynamics": next(name for limit, name in DYNAMICS if loudness < limit),
        "register": sum(tune) / len(tune),
    }
