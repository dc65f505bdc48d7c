"""The ten genres: instruments, metres, textures and drum grooves. Chosen independently of affect,
and each able to carry all of it.

A *palette* names General-MIDI programs of a role as (dark calm, dark aroused, plain calm, plain
aroused, bright calm, bright aroused): valence picks the pair, arousal the half. A *texture* is one
bar on a grid of sixteenths, tiled to the bar's length:

=========  =====================================  ====  ===============================
``c``      the whole chord                        ``b``  the bass note
``h l``    its upper two voices, the ones below   ``o``  the bass an octave up
``1``–``9``  one voice, from below; past the top  ``f``  the fifth above the bass
           it goes on an octave higher            ``w``  a walking bass note
``-``      what sounds, goes on                   ``p``  the tonic, whatever the chord
``.``      rest                                   ``q``  the tonic an octave up
=========  =====================================  ====  ===============================

Grooves name General-MIDI percussion keys; their letters are velocities: ``X`` accent, ``x`` plain,
``o`` soft.

Notebook: 02.
"""

from dataclasses import dataclass, field

EMPTY = ({}, {}, {}, {})


@dataclass(frozen=True)
class Genre:
    """One genre's template.

    Attributes:
        palettes: role → six programs; ``melody`` is always there, ``bright`` and ``dark`` are what
            valence adds.
        textures: four levels, calm to aroused, of role → patterns to draw from.
        metres: (beats, unit) to draw from.
        tempo_offset: beats a minute added to what arousal asks.
        grooves: four levels of percussion key → pattern; empty where the genre has no drums.
        kit: program of the drum kit.
        melody_cells: rhythm cells (see melody.py) this genre is fond of; max_density_x10: ten times
            the most notes a beat of its melody.
        sevenths: whether plain chords have four parts. swing: whether the second eighth comes late.
        mix_db: corrections of the mix, role → decibels; ``all`` for the whole genre, so that genres
            are equally loud.
    """

    palettes: dict[str, tuple[int, ...]]
    textures: tuple[dict[str, tuple[str, ...]], ...]
    metres: tuple[tuple[int, int], ...] = ((4, 4),)
    tempo_offset: int = 0
    grooves: tuple[dict[int, str], ...] = EMPTY
    kit: int = 0
    melody_cells: tuple[tuple[int, ...], ...] = ()
    max_density_x10: int = 40
    sevenths: bool = False
    swing: bool = False
    mix_db: dict[str, int] = field(default_factory=dict)


# What a bright or dark voice plays, calm to aroused.
BRIGHT = ("....6-----------", "..6---....5-----", "6-..5-..4-..5-..", "6.5.4.5.6.5.4.5.")
DARK = ("p---------------", "p-------p-------", "p---p---p---p---", "p-p-p-p-p-p-p-p-")

TEMPLATES = {
    "ambient": Genre(palettes={"melody": (54, 95, 88, 98, 88, 98),
                               "chords": (89, 95, 91, 94, 92, 91), "bass": (89, 95, 39, 39, 39, 39),
                               "arpeggio": (92, 99, 99, 99, 8, 99), "bright": (8, 8, 8, 8, 8, 8),
                               "dark": (89, 95, 89, 95, 89, 95)},
                     textures=({"chords": ("c---------------",), "bass": ("b---------------",),
                                "arpeggio": ("1-------3-------", "....2-------4---")},
                               {"chords": ("c---------------",), "bass": ("b---------------",),
                                "arpeggio": ("1---2---3---4---", "1---3---2---3---")},
                               {"chords": ("c-------c-------",), "bass": ("b-------b-------",),
                                "arpeggio": ("1.2.3.4.3.2.3.4.", "1.3.2.4.1.3.2.4.")},
                               {"chords": ("c--c--c-c--c--c-",), "bass": ("b-b-b-b-b-b-b-b-",),
                                "arpeggio": ("1234123412341234", "1324132413241324")},),
                     tempo_offset=-8, max_density_x10=20),
    "classical_piano": Genre(palettes=dict.fromkeys(("melody", "chords", "bass", "bright", "dark"),
                                                    (0,) * 6),
                             textures=({"chords": ("....c-----------", "..1-2-3---------"),
                                        "bass": ("b---------------",)},
                                       {"chords": ("..1-2-3-..1-2-3-", "1-2-3-2-1-2-3-2-"),
                                        "bass": ("b---------------",)},
                                       {"chords": ("1-3-2-3-1-3-2-3-", "..c-..c-..c-..c-"),
                                        "bass": ("b-------f-------",)},
                                       {"chords": ("1323132313231323", "1232123212321232",
                                                   "c-c-c-c-c-c-c-c-"),
                                        "bass": ("b---o---b---o---", "b-o-b-o-b-o-b-o-")},),
                             metres=((4, 4), (3, 4), (6, 8)),
                             melody_cells=((0, 2), (0, 3), (0, 2, 3)), mix_db={"all": 1}),
    "string_quartet": Genre(palettes={"melody": (41, 40, 40, 40, 40, 40),
                                      "second": (40, 40, 40, 40, 40, 45),
                                      "viola": (41, 41, 41, 41, 41, 45),
                                      "bass": (42, 42, 42, 42, 42, 42),
                                      "bright": (45, 45, 45, 45, 45, 45),
                                      "dark": (43, 44, 43, 44, 43, 44)},
                            textures=({"second": ("h---------------",),
                                       "viola": ("l---------------",),
                                       "bass": ("b---------------",)},
                                      {"second": ("h-------h-------",),
                                       "viola": ("..l-----..l-----",),
                                       "bass": ("b-------f-------",)},
                                      {"second": ("h---h---h---h---",),
                                       "viola": ("..l-..l-..l-..l-",),
                                       "bass": ("b---b---f---b---",)},
                                      {"second": ("h-h-h-h-h-h-h-h-", "hhh."),
                                       "viola": ("l-l-l-l-l-l-l-l-", "l.ll"),
                                       "bass": ("b-b-b-b-b-b-b-b-", "b---o---f---o---")},),
                            metres=((4, 4), (3, 4)), melody_cells=((0, 2), (0, 3)),
                            mix_db={"all": -1}),
    "jazz_trio": Genre(palettes={"melody": (26, 0, 0, 0, 11, 0), "chords": (0, 0, 0, 0, 0, 0),
                                 "bass": (32, 32, 32, 32, 32, 32)},
                       textures=({"chords": ("c-------........", "....c-----------"),
                                  "bass": ("b-------f-------",)},
                                 {"chords": ("c-....c-----....", "......c-....c-.."),
                                  "bass": ("b---w---f---w---", "b-------f---w---")},
                                 {"chords": ("c-....c-........", "..c-......c-...."),
                                  "bass": ("b---w---w---w---",)},
                                 {"chords": ("c-c-..c-..c-..c-", "..c-..c-c-..c-.."),
                                  "bass": ("b-w-w-w-f-w-w-w-", "b---w---w---w-w-")},),
                       grooves=({44: "....o.......o..."},
                                {51: "x...o...x...o...", 44: "....o.......o..."},
                                {51: "x...x.o.x...x.o.", 44: "....x.......x...",
                                 36: "o..............."},
                                {51: "x.o.X.o.x.o.X.o.", 44: "....x.......x...",
                                 36: "x.......x.....o.", 38: "......x.......x."}), tempo_offset=4,
                       kit=32, melody_cells=((2,), (0, 2), (0, 3)), sevenths=True, swing=True),
    "folk": Genre(palettes={"melody": (69, 110, 73, 110, 74, 72),
                            "chords": (24, 25, 24, 25, 25, 105), "bass": (32, 32, 32, 32, 32, 32),
                            "bright": (15, 15, 15, 15, 15, 15), "dark": (20, 20, 20, 20, 20, 20)},
                  textures=({"chords": ("1---2---3---2---", "c-------2---3---"),
                             "bass": ("b---------------",)},
                            {"chords": ("1-2-3-2-1-2-3-2-", "..2-3---..2-3---"),
                             "bass": ("b-------f-------",)},
                            {"chords": ("..c-..c-..c-..c-", "1-c-2-c-1-c-2-c-"),
                             "bass": ("b---f---b---f---",)},
                            {"chords": ("c-ccc-ccc-ccc-cc", "1232123212321232"),
                             "bass": ("b---f---b---f---", "b-b-f-f-b-b-f-f-")},),
                  metres=((4, 4), (3, 4), (6, 8)), tempo_offset=4,
                  melody_cells=((0, 2, 3), (0, 1, 2), (0, 2), (0, 4), (0, 2, 4)),
                  mix_db={"all": 2}),
    "electronic": Genre(palettes={"melody": (87, 81, 80, 81, 88, 80),
                                  "chords": (89, 95, 90, 50, 91, 90),
                                  "bass": (39, 39, 38, 38, 38, 38),
                                  "arpeggio": (90, 81, 80, 81, 98, 80),
                                  "bright": (98, 98, 98, 98, 98, 98),
                                  "dark": (95, 87, 95, 87, 95, 87)},
                        textures=({"chords": ("c---------------",),
                                   "bass": ("b---------------", "b-------..b-....")},
                                  {"chords": ("c---------------",), "bass": ("b--.b-..b--.b-..",),
                                   "arpeggio": ("1...2...3...2...",)},
                                  {"chords": ("..c-..c-..c-..c-", "c--c--c-c--c--c-"),
                                   "bass": ("..b-..b-..b-..b-",),
                                   "arpeggio": ("1.2.3.2.1.2.3.2.",)},
                                  {"chords": ("..c-..c-..c-..c-", "c--c--c--c--c-c-"),
                                   "bass": (".bbo.bbo.bbo.bbo", "bobobobobobobobo"),
                                   "arpeggio": ("1232123212321232", "1313232313132323")},),
                        grooves=({36: "x..............."},
                                 {36: "x.......x.......", 42: "....o.......o..."},
                                 {36: "x...x...x...x...", 42: "..x...x...x...x.",
                                  39: "....x.......x..."},
                                 {36: "X...X...X...X...", 46: "..x...x...x...x.",
                                  42: "xoxoxoxoxoxoxoxo", 39: "....X.......X..x"}), tempo_offset=6,
                        kit=25, melody_cells=((0, 3), (2,), (0, 2))),
    "march": Genre(palettes={"melody": (57, 57, 71, 56, 73, 72), "chords": (60, 57, 60, 61, 60, 61),
                             "bass": (58, 58, 58, 58, 58, 58), "bright": (9, 9, 9, 9, 9, 9),
                             "dark": (70, 57, 70, 57, 70, 57)},
                   textures=({"chords": ("....c---....c---",), "bass": ("b-------f-------",)},
                             {"chords": ("....c-......c-..",), "bass": ("b---....f---....",)},
                             {"chords": ("..c-..c-..c-..c-",), "bass": ("b-..f-..b-..f-..",)},
                             {"chords": ("..c-..c-..cc..c-", "c.ccc.ccc.ccc.cc"),
                              "bass": ("b-..f-..b-..f-..", "b-b-f-f-b-b-f-f-")},),
                   metres=((2, 4), (4, 4)), grooves=({36: "o.......o......."},
                                                     {36: "o.......o.......",
                                                      38: "....o.......o.o."},
                                                     {36: "x...x...x...x...",
                                                      38: "x.oox.x.x.oox.x."},
                                                     {36: "X...x...X...x...",
                                                      38: "X.oox.x.X.oox.xx",
                                                      49: "X..............."}), tempo_offset=4,
                   kit=48, melody_cells=((0, 3), (0, 2), (0, 2, 3)),
                   mix_db={"all": 3, "drums": -3}),
    "waltz": Genre(palettes={"melody": (23, 40, 21, 40, 73, 40), "chords": (49, 48, 24, 48, 24, 48),
                             "bass": (43, 43, 43, 43, 32, 32), "pulse": (46, 46, 46, 46, 46, 46),
                             "bright": (8, 72, 8, 72, 8, 72), "dark": (70, 44, 70, 44, 70, 44)},
                   textures=({"chords": ("....c---c---",), "bass": ("b-----------",)},
                             {"chords": ("....c-..c-..",), "bass": ("b-------....",),
                              "pulse": ("1---2---3---",)},
                             {"chords": ("....c-..c-..", "....c-c-c-c-"), "bass": ("b---....f---",),
                              "pulse": ("1-2-3-4-3-2-",)},
                             {"chords": ("..c-c-c-c-c-", "....c.c.c.cc"),
                              "bass": ("b---f-..f-..", "b-b-f-f-f-f-"),
                              "pulse": ("1-2-3-4-3-2-",)},), metres=((3, 4),), tempo_offset=14,
                   melody_cells=((), (0,), (0, 2)), mix_db={"all": 1}),
    "chorale": Genre(palettes={"melody": (53, 52, 52, 52, 52, 52),
                               "chords": (53, 52, 53, 52, 53, 52), "bass": (53, 52, 53, 52, 53, 52),
                               "organ": (19, 19, 19, 19, 19, 19),
                               "bright": (52, 56, 52, 56, 52, 56),
                               "dark": (19, 19, 19, 19, 19, 19)},
                     textures=({"chords": ("c-------c-------", "c---------------"),
                                "bass": ("b-------b-------",)},
                               {"chords": ("c---c---c-------",), "bass": ("b---f---b-------",)},
                               {"chords": ("c---c---c---c---",), "bass": ("b---w---f---w---",),
                                "organ": ("c-------c-------",)},
                               {"chords": ("c---c-c-c---c-c-",), "bass": ("b-w-w-w-f-w-w-w-",),
                                "organ": ("c---c---c---c---",)},), tempo_offset=-6,
                     melody_cells=((0,), (0, 2)), max_density_x10=18,
                     mix_db={"all": 1, "organ": 3}),
    "rock": Genre(palettes={"melody": (27, 30, 27, 29, 25, 29), "chords": (27, 30, 27, 29, 25, 25),
                            "bass": (33, 34, 33, 34, 33, 34), "bright": (16, 16, 16, 16, 16, 16),
                            "dark": (29, 30, 29, 30, 29, 30)},
                  textures=({"chords": ("1---2---3---2---", "c---------------"),
                             "bass": ("b---------------",)},
                            {"chords": ("1-2-3-2-1-2-3-2-", "c---..c-c---..c-"),
                             "bass": ("b-----b-b-------",)},
                            {"chords": ("c-c-c-c-c-c-c-c-", "c---c-c-..c-c-c-"),
                             "bass": ("b-b-b-b-b-b-b-b-",)},
                            {"chords": ("cccccccccccccccc", "c-ccc-ccc-ccc-cc"),
                             "bass": ("bbbbbbbbbbbbbbbb", "b-bbb-bbb-bbo-bb")},),
                  grooves=({42: "o...o...o...o..."},
                           {36: "x.......x.......", 42: "o.o.o.o.o.o.o.o.", 37: "....x.......x..."},
                           {36: "x.......x.x.....", 38: "....X.......X...", 42: "x.o.x.o.x.o.x.o."},
                           {36: "X.x...x.X.x...x.", 38: "....X..o....X.xx", 46: "X.x.X.x.X.x.X.x.",
                            49: "X..............."}), tempo_offset=6, kit=16,
                  melody_cells=((0, 3), (2,), (0, 2)), mix_db={"all": 1, "drums": -1}),
}

# A-weighted level of each program at velocity 80, the mean over the pitches the composer gives it
# (decibels, measured on the SoundFont's first second): the mixer evens these out.
LEVEL_DB = {
    0: -37,
    8: -32,
    9: -32,
    11: -23,
    15: -35,
    16: -24,
    19: -30,
    20: -30,
    21: -28,
    23: -29,
    24: -28,
    25: -32,
    26: -26,
    27: -30,
    29: -26,
    30: -26,
    32: -30,
    33: -23,
    34: -27,
    38: -28,
    39: -22,
    40: -23,
    41: -27,
    42: -31,
    43: -31,
    44: -29,
    45: -33,
    46: -24,
    48: -31,
    49: -33,
    50: -36,
    52: -22,
    53: -36,
    54: -29,
    56: -17,
    57: -25,
    58: -26,
    60: -19,
    61: -28,
    69: -23,
    70: -30,
    71: -22,
    72: -22,
    73: -18,
    74: -22,
    80: -29,
    81: -29,
    87: -24,
    88: -20,
    89: -29,
    90: -30,
    91: -26,
    92: -25,
    94: -28,
    95: -32,
    98: -21,
    99: -23,
    105: -22,
    110: -22,
}
