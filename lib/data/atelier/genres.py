"""The ten genres: instruments, metres, textures and drum grooves, chosen independently of affect.
*Programs* are General-MIDI numbers of a role: six for (dark calm, dark aroused, plain calm, plain
aroused, bright calm, bright aroused), two for (calm, aroused), or one for all. *Textures* and
*grooves* have four levels, calm to aroused, divided by ``/``; a level may hold several patterns to
draw from, or none. A pattern is a bar of sixteenths, or what a bar repeats: ``c`` the whole chord,
``h`` its upper two voices, ``l`` the ones below, ``1``–``9`` one voice from below (past the top an
octave higher), ``b`` the bass note, ``o`` an octave above it, ``f`` the fifth above it, ``w`` a
walking bass note, ``p`` the tonic whatever the chord, ``-`` the sounding note is held, ``_`` to the
bar's end, ``.`` rest.
Grooves are by General-MIDI percussion key: ``X`` accent, ``x`` plain, ``o`` soft. Notebook: 02."""

from types import SimpleNamespace


def _bar(pattern: str) -> str:
    return pattern.replace("_", "-" * 16)[:16]


def _genre(programs: dict, textures: dict[str, str], grooves: dict[int, str] | None = None,
           **settings) -> SimpleNamespace:
    # textures, grooves: four levels of role → patterns, of percussion key → pattern; palettes:
    # role → six programs
    def levels(rows: dict) -> list[dict]:
        split = {key: [tuple(map(_bar, level.split())) for level in row.split("/")]
                 for key, row in rows.items()}
        return [{key: of[k] for key, of in split.items() if of[k]} for k in range(4)]

    # tempo in beats a minute beside arousal's; cells: harmony.py; mix in decibels, equally loud
    defaults = {"metres": ((4, 4),), "tempo_offset": 0, "kit": 0, "melody_cells": (),
                "max_density_x10": 40, "sevenths": False, "swing": False, "mix_db": {}}
    palettes = {role: of if isinstance(of, tuple) else (of,) for role, of in programs.items()}
    return SimpleNamespace(
        palettes={role: of * (6 // len(of)) for role, of in palettes.items()},
        grooves=[{key: of[0] for key, of in level.items()} for level in levels(grooves or {})],
        textures=levels(textures), **(defaults | settings))


_ANY = ((4, 4), (3, 4), (6, 8))
# Patterns of the bright and the dark voice, calm to aroused.
BRIGHT = [_bar(p) for p in ("....6_", "..6---....5_", "6-..5-..4-..5-..", "6.5.4.5.")]
DARK = [_bar(p) for p in ("p_", "p-------", "p---", "p-")]

TEMPLATES = {
    "ambient": _genre(
        {"melody": (54, 95, 88, 98, 88, 98), "chords": (89, 95, 91, 94, 92, 91), "dark": (89, 95),
         "bass": (89, 95, 39, 39, 39, 39), "arpeggio": (92, 99, 99, 99, 8, 99), "bright": 8},
        {"chords": "c_ / c_ / c------- / c--c--c-", "bass": "b_ / b_ / b------- / b-",
         "arpeggio": "1-------3_ ....2-------4--- / 1---2---3---4--- 1---3---2---3--- / "
                     "1.2.3.4.3.2.3.4. 1.3.2.4. / 1234 1324"},
        tempo_offset=-8, max_density_x10=20),
    "classical_piano": _genre(
        dict.fromkeys(("melody", "chords", "bass", "bright", "dark"), 0),
        {"chords": "....c_ ..1-2-3_ / ..1-2-3- 1-2-3-2- / 1-3-2-3- ..c- / 1323 1232 c-",
         "bass": "b_ / b_ / b-------f_ / b---o--- b-o-"},
        metres=_ANY, melody_cells=((0, 2), (0, 3), (0, 2, 3)), mix_db={"all": 1}),
    "string_quartet": _genre(
        {"melody": (41, 40, 40, 40, 40, 40), "second": (40, 40, 40, 40, 40, 45), "bright": 45,
         "viola": (41, 41, 41, 41, 41, 45), "bass": 42, "dark": (43, 44)},
        {"second": "h_ / h------- / h--- / h- hhh.", "viola": "l_ / ..l----- / ..l- / l- l.ll",
         "bass": "b_ / b-------f_ / b---b---f---b--- / b- b---o---f---o---"},
        metres=((4, 4), (3, 4)), melody_cells=((0, 2), (0, 3)), mix_db={"all": -1}),
    "jazz_trio": _genre(
        {"melody": (26, 0, 0, 0, 11, 0), "chords": 0, "bass": 32},
        {"chords": "c-------........ ....c_ / c-....c-----.... ......c-....c-.. / "
                   "c-....c-........ ..c-.... / c-c-..c-..c-..c- ..c-..c-c-..c-..",
         "bass": "b-------f_ / b---w---f---w--- b-------f---w--- / b---w---w---w--- / "
                 "b-w-w-w-f-w-w-w- b---w---w---w-w-"},
        {44: "....o... / ....o... / ....x... / ....x...", 51: "/ x...o... / x...x.o. / x.o.X.o.",
         36: "/ / o............... / x.......x.....o.", 38: "/ / / ......x."},
        tempo_offset=4, kit=32, melody_cells=((2,), (0, 2), (0, 3)), sevenths=True, swing=True),
    "folk": _genre(
        {"melody": (69, 110, 73, 110, 74, 72), "chords": (24, 25, 24, 25, 25, 105), "bass": 32,
         "bright": 15, "dark": 20},
        {"chords": "1---2---3---2--- c-------2---3_ / 1-2-3-2- ..2-3--- / ..c- 1-c-2-c- / "
                   "c-cc 1232", "bass": "b_ / b-------f_ / b---f--- / b---f--- b-b-f-f-"},
        metres=_ANY, tempo_offset=4, mix_db={"all": 2},
        melody_cells=((0, 2, 3), (0, 1, 2), (0, 2), (0, 4), (0, 2, 4))),
    "electronic": _genre(
        {"melody": (87, 81, 80, 81, 88, 80), "chords": (89, 95, 90, 50, 91, 90), "dark": (95, 87),
         "bass": (39, 39, 38, 38, 38, 38), "arpeggio": (90, 81, 80, 81, 98, 80), "bright": 98},
        {"chords": "c_ / c_ / ..c- c--c--c- / ..c- c--c--c--c--c-c-",
         "bass": "b_ b-------..b-.... / b--.b-.. / ..b- / .bbo bo",
         "arpeggio": "/ 1...2...3...2... / 1.2.3.2. / 1232 13132323"},
        {36: "x............... / x....... / x... / X...", 42: "/ ....o... / ..x. / xo",
         39: "/ / ....x... / ....X.......X..x", 46: "/ / / ..x."},
        tempo_offset=6, kit=25, melody_cells=((0, 3), (2,), (0, 2))),
    "march": _genre(
        {"melody": (57, 57, 71, 56, 73, 72), "chords": (60, 57, 60, 61, 60, 61), "bass": 58,
         "bright": 9, "dark": (70, 57)},
        {"chords": "....c--- / ....c-.. / ..c- / ..c-..c-..cc..c- c.cc",
         "bass": "b-------f_ / b---....f---.... / b-..f-.. / b-..f-.. b-b-f-f-"},
        {36: "o....... / o....... / x... / X...x...", 49: "/ / / X...............",
         38: "/ ....o.......o.o. / x.oox.x. / X.oox.x.X.oox.xx"},
        metres=((2, 4), (4, 4)), tempo_offset=4, kit=48, melody_cells=((0, 3), (0, 2), (0, 2, 3)),
        mix_db={"all": 3, "drums": -3}),
    "waltz": _genre(
        {"melody": (23, 40, 21, 40, 73, 40), "chords": (49, 48, 24, 48, 24, 48), "pulse": 46,
         "bass": (43, 43, 43, 43, 32, 32), "bright": (8, 72), "dark": (70, 44)},
        {"chords": "....c---c--- / ....c-..c-.. / ....c-..c-.. ....c-c-c-c- / "
                   "..c-c-c-c-c- ....c.c.c.cc",
         "bass": "b_ / b-------.... / b---....f--- / b---f-..f-.. b-b-f-f-f-f-",
         "pulse": "/ 1---2---3--- / 1-2-3-4-3-2- / 1-2-3-4-3-2-"},
        metres=((3, 4),), tempo_offset=14, melody_cells=((), (0,), (0, 2)), mix_db={"all": 1}),
    "chorale": _genre(
        {"melody": (53, 52, 52, 52, 52, 52), "chords": (53, 52), "bass": (53, 52), "organ": 19,
         "bright": (52, 56), "dark": 19},
        {"chords": "c------- c_ / c---c---c_ / c--- / c---c-c-",
         "bass": "b------- / b---f---b_ / b---w---f---w--- / b-w-w-w-f-w-w-w-",
         "organ": "/ / c------- / c---"}, tempo_offset=-6, melody_cells=((0,), (0, 2)),
        max_density_x10=18, mix_db={"all": 1, "organ": 3}),
    "rock": _genre(
        {"melody": (27, 30, 27, 29, 25, 29), "chords": (27, 30, 27, 29, 25, 25), "bass": (33, 34),
         "bright": 16, "dark": (29, 30)},
        {"chords": "1---2---3---2--- c_ / 1-2-3-2- c---..c- / c- c---c-c-..c-c-c- / c c-cc",
         "bass": "b_ / b-----b-b_ / b- / b b-bbb-bbb-bbo-bb"},
        {42: "o... / o. / x.o. /", 36: "/ x....... / x.......x.x..... / X.x...x.",
         37: "/ ....x... / /", 38: "/ / ....X... / ....X..o....X.xx", 46: "/ / / X.x.",
         49: "/ / / X..............."}, tempo_offset=6, kit=16, melody_cells=((0, 3), (2,), (0, 2)),
        mix_db={"all": 1, "drums": -1})}

# A-weighted level in decibels of each program at velocity 80; the mixer evens these out.
LEVEL_DB = {0: -37, 8: -32, 9: -32, 11: -23, 15: -35, 16: -24, 19: -30, 20: -30, 21: -28, 23: -29,
    24: -28, 25: -32, 26: -26, 27: -30, 29: -26, 30: -26, 32: -30, 33: -23, 34: -27, 38: -28,
    39: -22, 40: -23, 41: -27, 42: -31, 43: -31, 44: -29, 45: -33, 46: -24, 48: -31, 49: -33,
    50: -36, 52: -22, 53: -36, 54: -29, 56: -17, 57: -25, 58: -26, 60: -19, 61: -28, 69: -23,
    70: -30, 71: -22, 72: -22, 73: -18, 74: -22, 80: -29, 81: -29, 87: -24, 88: -20, 89: -29,
    90: -30, 91: -26, 92: -25, 94: -28, 95: -32, 98: -21, 99: -23, 105: -22, 110: -22}
