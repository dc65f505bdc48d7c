"""The atelier's composer: plan ─► key, mode, tempo, … ─ harmony.phrases, dress, lead ─► voiced
chords ─ line, play, drums ─► pretty_midi.PrettyMIDI. Valence sets mode, consonance, register,
direction of the line; arousal tempo, loudness, density, touch. All in integers. Notebook: 02.
Source: Gabrielsson & Lindström 2010, tables 14.1–14.2; Juslin & Laukka 2004, table 2."""

import json
from pathlib import Path
from types import SimpleNamespace

import pretty_midi

from lib.core.errors import KlangfarbeError
from lib.data.atelier import harmony
from lib.data.atelier.factors import Factors

_ROLE_DB = {"melody": 0, "chords": -5, "second": -4, "viola": -4, "bass": -1, "arpeggio": -6,
            "pulse": -7, "organ": -7, "bright": -8, "dark": -4, "drums": -13}
_MODE_ABOVE = {"ionian": 0.25, "mixolydian": 0.0, "dorian": -0.25, "aeolian": -0.7,
               "phrygian": -9.0}    # valence, bright to dark
_TARGET_DB = -40    # below the weakest program's level, so that every role can be turned down
DYNAMICS = ((44, "pp"), (56, "p"), (68, "mp"), (80, "mf"), (92, "f"), (128, "ff"))


def _bar(pattern: str) -> str:
    return pattern.replace("_", "-" * 16)[:16]


# The ten genres of genres.json, independent of affect. Programs: General-MIDI numbers, six for
# (dark calm, dark aroused, plain calm, plain aroused, bright calm, bright aroused), two for (calm,
# aroused), or one. Textures and grooves: four levels, calm to aroused, divided by "/"; a level may
# hold several patterns to draw from, or none. A pattern is a bar of sixteenths, or what it repeats:
# c the whole chord, h its upper two voices, l those below, 1–9 one voice from below (past the top
# an octave higher), b the bass note, o an octave, f a fifth above it, w a walking bass note, p the
# tonic whatever the chord, - the sounding note is held, _ to the bar's end, . rest. Grooves are by
# General-MIDI percussion key: X accent, x plain, o soft.
def _genre(programs: dict, textures: dict, grooves: dict | None = None, melody_cells=(),
           metres=((4, 4),), **settings):
    # textures, grooves: four levels of role → patterns, of percussion key → pattern; palettes:
    # role → six programs
    def levels(rows: dict) -> list[dict]:
        split = {key: [tuple(map(_bar, level.split())) for level in row.split("/")]
                 for key, row in rows.items()}
        return [{key: of[k] for key, of in split.items() if of[k]} for k in range(4)]

    # tempo in beats a minute beside arousal's; cells: harmony.py; mix in decibels, equally loud
    defaults = {"tempo_offset": 0, "kit": 0, "max_density_x10": 40, "sevenths": False,
                "swing": False, "mix_db": {}}
    palettes = {role: of if isinstance(of, list) else [of] for role, of in programs.items()}
    return SimpleNamespace(palettes={role: of * (6 // len(of)) for role, of in palettes.items()},
        grooves=[{int(key): of[0] for key, of in level.items()} for level in levels(grooves or {})],
        textures=levels(textures), melody_cells=[tuple(cell) for cell in melody_cells],
        metres=[tuple(metre) for metre in metres], **(defaults | settings))


# Patterns of the bright and the dark voice, calm to aroused.
_BRIGHT = [_bar(p) for p in ("....6_", "..6---....5_", "6-..5-..4-..5-..", "6.5.4.5.")]
_DARK = [_bar(p) for p in ("p_", "p-------", "p---", "p-")]
_GENRES = json.loads(Path(__file__).with_name("genres.json").read_text(encoding="utf-8"))
TEMPLATES = {name: _genre(**genre) for name, genre in _GENRES["genres"].items()}
# A-weighted level in decibels of each program at velocity 80; the mixer evens these out.
LEVEL_DB = {int(program): level for program, level in _GENRES["level_db"].items()}


def _between(low: int, high: int, x: float) -> int:
    return round(low + (high - low) * (min(max(x, -1.0), 1.0) + 1) / 2)


def plan(factors: Factors) -> SimpleNamespace:
    """Valence, arousal and genre as musical decisions, each with some freedom of its own."""
    v, a = factors.valence, factors.arousal
    if not (abs(v) <= 1 and abs(a) <= 1):
        raise KlangfarbeError("valence, arousal in [−1, 1]", f"{v}, {a}", "bring them to scale")
    genre, rng = TEMPLATES[factors.genre], factors.rng("compose-plan")

    def near(x: float, spread: int = 120) -> float:
        return x + int(rng.integers(-spread, spread + 1)) / 1000

    # as many draws in every genre
    tonic, metre = int(rng.integers(12)), genre.metres[int(rng.integers(60)) % len(genre.metres)]
    mood, warmth, drive = near(v), near(v), near(a)
    level = min(max(int((drive + 1) * 2), 0), 3)
    colour = (1 if warmth > 0.35 and "bright" in genre.palettes else -1
              if warmth < -0.35 and "dark" in genre.palettes else 0)
    column = 2 * (0 if warmth < -0.33 else 1 if warmth < 0.33 else 2) + (drive > 0)
    roles = ["melody", *genre.textures[level], *{0: (), 1: ("bright",), -1: ("dark",)}[colour]]
    tempo, density = near(a, 90), near(a, 150)
    force = min(max(near(a, 60), -1.0), 1.0)    # velocities 34, 60, 114: even steps in decibels
    return SimpleNamespace(
        tonic=tonic, scale=next(name for name, above in _MODE_ABOVE.items() if mood > above),
        metre=metre,                                # (beats, unit); below: a bar in sixteenths
        bar_steps=metre[0] * 16 // metre[1], beat_steps=6 if metre[1] == 8 else 4,
        feel=harmony.SWUNG if genre.swing else harmony.STRAIGHT, melody_cells=genre.melody_cells,
        level=level, colour=colour,                 # 0 calm … 3 aroused; −1 dark, 1 a bright voice
        tempo_bpm=_between(58, 152, tempo) + genre.tempo_offset,
        density_x10=min(_between(6, 28, density), genre.max_density_x10),   # 10 · notes a beat
        velocity=round(60 + 40 * force + 14 * force * force),
        gate_percent=_between(100, 56, (near(a) + near(v)) / 2),    # of its time a note sounds
        tension_x10=_between(0, 42, near(-v)),                      # 10 · mean dress of the chords
        register=_between(61, 79, (2 * near(v) + near(a)) / 3),     # MIDI pitch, the centre
        chord_register=_between(49, 65, near(v)), bass_register=_between(32, 43, near(v)),
        rise=_between(-90, 90, near(v)), weight_db=_between(4, -4, near(v)),
        colour_db=_between(-6, 4, 2 * abs(warmth) - 1),
        programs={role: genre.palettes[role][column] for role in roles},
        kit=genre.kit if genre.grooves[level] else None)


def _harmonise(piece, genre, seconds: float, rng) -> None:  # adds steps and slots of 1–3 s
    tempo, slot = piece.tempo_bpm, piece.bar_steps
    total, degrees = max(int(seconds * tempo * 4 / 60 + 1e-6), 4), {*harmony.SCALES[piece.scale]}
    while slot * 15 < 1.2 * tempo:
        slot *= 2
    if slot * 15 > 2.8 * tempo and piece.metre != (3, 4) and slot == piece.bar_steps:
        slot //= 2
    n_slots = max((total + slot // 2) // slot, 1)
    n_phrases = max(round(n_slots / 4), 2 if n_slots > 3 else 1)
    sizes = [n_slots * (k + 1) // n_phrases - n_slots * k // n_phrases for k in range(n_phrases)]
    tonic, low, voices = piece.tonic, piece.chord_register - 7, None
    piece.total_steps, piece.slot_steps, piece.slots = total, slot, []
    if piece.tension_x10 < 10:      # the tune: pentatonic when calm, chromatic at high tension
        degrees -= {1, 5, 6, 11} if 4 in degrees else {1, 2, 8, 9}
    scale = {(tonic + s) % 12 for s in degrees | ({6, 11} if piece.tension_x10 >= 30 else set())}
    symbols = iter(harmony.phrases(piece.scale, sizes, rng))
    for phrase, size in enumerate(sizes):
        closes = (len(sizes) - 1 - phrase) % 2 == 0
        for place in range(size):
            symbol = next(symbols)
            root, intervals = harmony.chord(symbol)
            tension = (piece.tension_x10 + int(rng.integers(10))) // 10
            tension -= closes and place == size - 1
            intervals = harmony.dress(root, intervals, min(max(tension, 0), 4), rng,
                                      sevenths=genre.sevenths, scale=piece.scale)
            classes = tuple(dict.fromkeys((tonic + root + i) % 12 for i in intervals))
            # chord tones replace scale tones a semitone away
            bent = {(c + step) % 12 for c in {*classes} - scale for step in (1, -1)}
            voices = harmony.lead(voices, classes, low, low + 16, max(3, len(classes)))
            fifth = classes[0] + next((i for i in (7, 6, 8) if i in intervals), 7)
            piece.slots.append({"symbol": symbol, "place": place, "size": size, "closes": closes,
                "voices": voices, "chord": frozenset(classes), "root": classes[0],
                "fifth": fifth % 12, "swell": 3 - abs(2 * place - size + 1),
                "scale": tuple(sorted((scale - bent) | {*classes}))})


def _parts(piece, genre, rng) -> list[tuple]:  # (role, program, notes) a voice, drums last
    notes = []
    for step, length, pitch, strong in harmony.line(piece, rng):
        start, end = (harmony.tick(s, piece.feel) for s in (step, step + length))
        swell = piece.slots[min(step // piece.slot_steps, len(piece.slots) - 1)]["swell"]
        velocity = piece.velocity + 8 + swell + 5 * strong + 3 * (step % piece.bar_steps == 0)
        sounds_for = max((end - start) * piece.gate_percent // 100, harmony.SHORTEST_TICKS)
        notes.append((start, start + sounds_for, pitch, harmony.clamp_velocity(velocity)))
    parts = [("melody", piece.programs["melody"], notes)]
    patterns = {role: choices[int(rng.integers(len(choices)))]
                for role, choices in genre.textures[piece.level].items()}
    if piece.colour:
        role, voice = ("bright", _BRIGHT) if piece.colour > 0 else ("dark", _DARK)
        patterns[role] = voice[piece.level]
    parts += [(role, piece.programs[role], harmony.play(piece, pattern,
               12 if role in ("arpeggio", "bright") else 0)) for role, pattern in patterns.items()]
    if piece.kit is not None:
        parts.append(("drums", piece.kit, harmony.drums(piece, genre.grooves[piece.level])))
    return parts


def compose(factors: Factors, seconds: float = 10.0) -> pretty_midi.PrettyMIDI:
    """The piece of an item, 0.5 to 3600 seconds: an instrument a role, controller 7 as the mix."""
    if not 0.5 <= seconds <= 3600:
        raise KlangfarbeError("0.5 to 3600 seconds", f"{seconds}", "choose a length in between")
    piece = plan(factors)
    genre, rng = TEMPLATES[factors.genre], factors.rng("compose")
    _harmonise(piece, genre, seconds, rng)
    midi = pretty_midi.PrettyMIDI(None, harmony.TICKS_PER_BEAT, piece.tempo_bpm)
    beats, unit = piece.metre
    midi.time_signature_changes.append(pretty_midi.TimeSignature(beats, unit, 0.0))
    ticks_per_second = piece.tempo_bpm * harmony.TICKS_PER_BEAT / 60
    last_tick = int(seconds * ticks_per_second)
    own_db = {"bass": piece.weight_db, "bright": piece.colour_db, "dark": piece.colour_db}
    for role, program, notes in _parts(piece, genre, rng):
        instrument = pretty_midi.Instrument(program=program, is_drum=role == "drums", name=role)
        gain_db = _ROLE_DB[role] + genre.mix_db.get(role, 0) + genre.mix_db.get("all", 0)
        gain_db += own_db.get(role, 0) + (role != "drums" and _TARGET_DB - LEVEL_DB[program])
        volume = min(127, round(127 * 10 ** (gain_db / 60)))
        instrument.control_changes.append(pretty_midi.ControlChange(7, volume, 0.0))
        instrument.notes += [pretty_midi.Note(velocity, pitch, start / ticks_per_second,
                                              min(end, last_tick) / ticks_per_second)
                             for start, end, pitch, velocity in notes if start < last_tick]
        midi.instruments.append(instrument)
    return midi


def describe(factors: Factors, seconds: float = 10.0) -> dict:
    """The known factors of an item's score: what the plan fixed (``tension``: 0 bare triads, 4
    clusters), and what is counted: ``density`` (onsets a second), ``loudness`` (velocity) …"""
    piece, midi = plan(factors), compose(factors, seconds)
    pitched, mode = [i for i in midi.instruments if not i.is_drum], harmony.FAMILY[piece.scale]
    velocities = [n.velocity for i in midi.instruments for n in i.notes]
    loudness, tune = sum(velocities) / len(velocities), [n.pitch for n in midi.instruments[0].notes]
    names = [pretty_midi.program_to_instrument_name(i.program) for i in pitched]
    return {"genre": factors.genre, "tempo_bpm": piece.tempo_bpm,
        "metre": f"{piece.metre[0]}/{piece.metre[1]}", "mode": mode, "scale": piece.scale,
        "tonic": piece.tonic, "key": f"{harmony.KEY_NAMES[piece.tonic]} {mode}",
        "tension": piece.tension_x10 / 10, "articulation": piece.gate_percent / 100,
        "instruments": list(dict.fromkeys(names)) + ["Drums"] * (piece.kit is not None),
        "programs": [i.program for i in pitched],
        "density": len({n.start for i in pitched for n in i.notes}) / seconds, "loudness": loudness,
        "register": sum(tune) / len(tune), "dynamics": next(name for limit,
        name in DYNAMICS if loudness < limit)}
