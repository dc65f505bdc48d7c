"""The ten genres: instruments, metres, textures and drum grooves. Chosen independently of affect, and each able to carry all of it.

A *palette* names General-MIDI programs of a role as (dark calm, dark aroused, plain calm, plain aroused, bright calm, bright
aroused): valence picks the pair, arousal the half. A *texture* is one bar on a grid of sixteenths, tiled to the bar's length:

====  =====================================  ====  ==============================
``c``  the whole chord                       ``b``  the bass note
``1``–``5``  one voice of it, from below     ``f``  the fifth under or over the bass
``-``  what sounds, goes on                  ``o``  the bass an octave up
``.``  rest                                  ``w``  a walking bass note
====  =====================================  ====  ==============================

Grooves name General-MIDI percussion keys; their letters are velocities: ``X`` accent, ``x`` plain, ``o`` soft.

Notebook: 02.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Genre:
    """One genre's template.

    Attributes:
        metres: (beats, unit) to draw from. tempo_offset: beats a minute added to what arousal asks.
        palettes: role → six programs. textures: four levels of role → patterns to draw from, calm to aroused.
        grooves: four levels of percussion key → pattern; empty where the genre has no drums. kit: GM2 drum-kit program.
        sevenths: whether plain chords are four-part. swing: whether the second eighth comes late.
    """

    metres: tuple[tuple[int, int], ...]
    palettes: dict[str, tuple[int, ...]]
    textures: tuple[dict[str, tuple[str, ...]], ...]
    tempo_offset: int = 0
    grooves: tuple[dict[int, str], ...] = ({}, {}, {}, {})
    kit: int = 0
    sevenths: bool = False
    swing: bool = False
    roles_db: dict[str, int] = field(default_factory=dict)


_HOLD = "c---------------"
_FOUR = ((4, 4),)

TEMPLATES = {
    "ambient": Genre(
        _FOUR, tempo_offset=-8,
        palettes={"melody": (54, 95, 88, 98, 10, 98), "chords": (89, 95, 91, 94, 92, 100), "bass": (89, 89, 39, 39, 39, 39), "arpeggio": (92, 99, 99, 98, 8, 96)},
        textures=(
            {"chords": (_HOLD,), "bass": ("b---------------",), "arpeggio": ("1.......3.......", "....2.......4...")},
            {"chords": (_HOLD,), "bass": ("b---------------",), "arpeggio": ("1...2...3...4...", "1...3...2...3...")},
            {"chords": ("c-------c-------",), "bass": ("b-------b-------",), "arpeggio": ("1.2.3.4.3.2.3.4.", "1.3.2.4.1.3.2.4.")},
            {"chords": ("c-c-c-c-c-c-c-c-", "c--c--c--c--c-c-"), "bass": ("b-b-b-b-b-b-b-b-",), "arpeggio": ("1234123412341234", "1324132413241324")},
        )),
    "classical_piano": Genre(
        ((4, 4), (3, 4), (6, 8)),
        palettes={"melody": (0, 0, 0, 1, 1, 1), "chords": (0, 0, 0, 1, 1, 1), "bass": (0, 0, 0, 1, 1, 1)},
        textures=(
            {"chords": (_HOLD, "....c-----------"), "bass": ("b---------------",)},
            {"chords": ("1---2---3---2---", "..1-2-3-..1-2-3-"), "bass": ("b-------b-------",)},
            {"chords": ("1-3-2-3-1-3-2-3-", "..c-..c-..c-..c-"), "bass": ("b-------f-------",)},
            {"chords": ("1323132313231323", "c-c-c-c-c-c-c-c-", "1232123212321232"), "bass": ("b-o-b-o-b-o-b-o-", "b---o---b---o---")},
        )),
    "string_quartet": Genre(
        ((4, 4), (3, 4)),
        palettes={"melody": (41, 40, 40, 40, 40, 40), "chords": (48, 44, 48, 48, 48, 45), "bass": (42, 42, 42, 42, 42, 45), "pulse": (42, 42, 41, 41, 45, 45)},
        textures=(
            {"chords": (_HOLD,), "bass": ("b---------------",)},
            {"chords": ("c-------c-------",), "bass": ("b-------f-------",), "pulse": ("..2.....3.......",)},
            {"chords": ("c---c---c---c---",), "bass": ("b---b---f---b---",), "pulse": ("1.2.3.2.1.2.3.2.", "..2...3...2...3.")},
            {"chords": ("c-c-c-c-c-c-c-c-", "c-cc"), "bass": ("b-b-b-b-b-b-b-b-",), "pulse": ("1121312111213121", "1213121312131213")},
        )),
    "jazz_trio": Genre(
        _FOUR, tempo_offset=4, sevenths=True, swing=True, kit=32,
        palettes={"melody": (26, 0, 26, 0, 11, 0), "chords": (0, 0, 0, 0, 4, 0), "bass": (32,) * 6},
        textures=(
            {"chords": ("c-------........", "....c-----------"), "bass": ("b-------f-------",)},
            {"chords": ("c-....c-........", "......c-....c-.."), "bass": ("b---w---f---w---", "b-------f---w---")},
            {"chords": ("c-....c-........", "..c-......c-...."), "bass": ("b---w---w---w---",)},
            {"chords": ("c-c-..c-..c-..c-", "..c-..c-c-..c-.."), "bass": ("b-w-w-w-f-w-w-w-", "b---w---w---w-w-")},
        ),
        grooves=({44: "....o.......o..."}, {51: "x...o...x...o...", 44: "....o.......o..."}, {51: "x...x.o.x...x.o.", 44: "....x.......x...", 36: "o..............."},
                 {51: "x.o.X.o.x.o.X.o.", 44: "....x.......x...", 36: "x.......x.....o.", 38: "......x.......x.", 49: "x..............."})),
    "folk": Genre(
        ((4, 4), (3, 4), (6, 8)), tempo_offset=4,
        palettes={"melody": (69, 110, 73, 110, 74, 78), "chords": (24, 25, 24, 25, 25, 105), "bass": (32, 32, 32, 32, 32, 32)},
        textures=(
            {"chords": ("1-------3-------", "c-------2---3---"), "bass": ("b---------------",)},
            {"chords": ("1-2-3-2-1-2-3-2-", "..2-3---..2-3---"), "bass": ("b-------f-------",)},
            {"chords": ("..c-..c-..c-..c-", "1-c-2-c-1-c-2-c-"), "bass": ("b---f---b---f---",)},
            {"chords": ("c-ccc-ccc-ccc-cc", "1232123212321232"), "bass": ("b---f---b---f---", "b-b-f-f-b-b-f-f-")},
        )),
    "electronic": Genre(
        _FOUR, tempo_offset=6, kit=25,
        palettes={"melody": (80, 81, 80, 81, 80, 84), "chords": (89, 95, 90, 50, 90, 62), "bass": (39, 38, 38, 38, 38, 38), "arpeggio": (90, 81, 80, 81, 98, 80)},
        textures=(
            {"chords": (_HOLD,), "bass": ("b---------------", "b-------..b-....")},
            {"chords": (_HOLD,), "bass": ("b--.b-..b--.b-..",), "arpeggio": ("1...2...3...2...",)},
            {"chords": ("..c-..c-..c-..c-", "c--c--c-c--c--c-"), "bass": ("..b-..b-..b-..b-",), "arpeggio": ("1.2.3.2.1.2.3.2.",)},
            {"chords": ("..c-..c-..c-..c-", "c--c--c--c--c-c-"), "bass": (".bbo.bbo.bbo.bbo", "bobobobobobobobo"), "arpeggio": ("1232123212321232", "1313232313132323")},
        ),
        grooves=({36: "x..............."}, {36: "x.......x.......", 42: "....o.......o..."}, {36: "x...x...x...x...", 42: "..x...x...x...x.", 39: "....x.......x..."},
                 {36: "X...X...X...X...", 46: "..x...x...x...x.", 42: "xoxoxoxoxoxoxoxo", 39: "....X.......X..x"})),
    "march": Genre(
        ((2, 4), (4, 4)), tempo_offset=4, kit=48,
        palettes={"melody": (57, 56, 71, 56, 73, 72), "chords": (60, 57, 60, 61, 60, 61), "bass": (58, 58, 58, 58, 58, 58)},
        textures=(
            {"chords": ("....c---....c---",), "bass": ("b-------f-------",)},
            {"chords": ("....c-......c-..",), "bass": ("b---....f---....",)},
            {"chords": ("..c-..c-..c-..c-",), "bass": ("b-..f-..b-..f-..",)},
            {"chords": ("..c-..c-..cc..c-", "c.ccc.ccc.ccc.cc"), "bass": ("b-..f-..b-..f-..", "b-b-f-f-b-b-f-f-")},
        ),
        grooves=({36: "o.......o......."}, {36: "o.......o.......", 38: "....o.......o.o."}, {36: "x...x...x...x...", 38: "x.oox.x.x.oox.x."},
                 {36: "X...x...X...x...", 38: "XoxoXoxoXoxoXxxx", 57: "X...............", 49: "....x.......x..."})),
    "waltz": Genre(
        ((3, 4),), tempo_offset=14,
        palettes={"melody": (23, 40, 21, 40, 73, 40), "chords": (49, 48, 24, 48, 24, 48), "bass": (43, 43, 43, 43, 32, 32), "pulse": (46, 46, 46, 46, 46, 46)},
        textures=(
            {"chords": ("....c---c---",), "bass": ("b-----------",)},
            {"chords": ("....c-..c-..",), "bass": ("b-------....",), "pulse": ("1...2...3...",)},
            {"chords": ("....c-..c-..", "....c-c-c-c-"), "bass": ("b---....f---",), "pulse": ("1.2.3.4.3.2.",)},
            {"chords": ("c...c-c-c-c-", "..c-c.c.c.c."), "bass": ("b---f-..f-..", "b-b-f-f-f-f-"), "pulse": ("123432123432",)},
        )),
    "chorale": Genre(
        _FOUR, tempo_offset=-6,
        palettes={"melody": (53, 52, 52, 52, 52, 56), "chords": (53, 19, 53, 52, 52, 19), "bass": (53, 19, 19, 19, 19, 19), "organ": (20, 19, 16, 19, 16, 19)},
        textures=(
            {"chords": ("c-------c-------", _HOLD), "bass": ("b-------b-------",)},
            {"chords": ("c---c---c-------",), "bass": ("b---f---b-------",)},
            {"chords": ("c---c---c---c---",), "bass": ("b---w---f---w---",), "organ": ("c-------c-------",)},
            {"chords": ("c---c-c-c---c-c-",), "bass": ("b-w-w-w-f-w-w-w-",), "organ": ("c---c---c---c---",)},
        )),
    "rock": Genre(
        _FOUR, tempo_offset=6, kit=16,
        palettes={"melody": (27, 29, 27, 29, 27, 29), "chords": (27, 30, 25, 29, 25, 29), "bass": (33, 34, 33, 34, 33, 34)},
        textures=(
            {"chords": ("1---2---3---2---", _HOLD), "bass": ("b---------------",)},
            {"chords": ("1-2-3-2-1-2-3-2-", "c---..c-c---..c-"), "bass": ("b-----b-b-------",)},
            {"chords": ("c-c-c-c-c-c-c-c-", "c---c-c-..c-c-c-"), "bass": ("b-b-b-b-b-b-b-b-",)},
            {"chords": ("cccccccccccccccc", "c-ccc-ccc-ccc-cc"), "bass": ("bbbbbbbbbbbbbbbb", "b-bbb-bbb-bbo-bb")},
        ),
        grooves=({42: "o...o...o...o..."}, {36: "x.......x.......", 42: "o.o.o.o.o.o.o.o.", 37: "....x.......x..."},
                 {36: "x.......x.x.....", 38: "....X.......X...", 42: "x.o.x.o.x.o.x.o."},
                 {36: "X.x...x.X.x...x.", 38: "....X..o....X.xx", 46: "X.x.X.x.X.x.X.x.", 49: "X..............."})),
}

# What valence adds to any genre: a light voice high above, or a dark one far below (calm, aroused).
BRIGHT_COLOUR = {"ambient": (8, 98), "classical_piano": (1, 1), "string_quartet": (45, 45), "jazz_trio": (11, 11), "folk": (15, 72),
                 "electronic": (98, 96), "march": (9, 9), "waltz": (9, 9), "chorale": (8, 14), "rock": (9, 9)}
DARK_COLOUR = {"ambient": (95, 95), "classical_piano": (0, 0), "string_quartet": (43, 44), "jazz_trio": (66, 66), "folk": (70, 109),
               "electronic": (95, 87), "march": (70, 57), "waltz": (70, 44), "chorale": (19, 19), "rock": (95, 30)}

# A-weighted level of each program at velocity 80 in its usual register (decibels, measured on the SoundFont): the mixer evens these out.
LEVEL_DB = {
    0: -38, 1: -38, 4: -37, 8: -37, 9: -28, 10: -29, 11: -25, 14: -21, 15: -38, 16: -30, 19: -28, 20: -25, 21: -29, 23: -29, 24: -28,
    25: -34, 26: -26, 27: -32, 29: -27, 30: -25, 32: -31, 33: -23, 34: -27, 38: -31, 39: -23, 40: -21, 41: -24, 42: -26, 43: -30,
    44: -23, 45: -36, 46: -23, 48: -29, 49: -30, 50: -37, 52: -21, 53: -33, 54: -31, 56: -20, 57: -25, 58: -26, 60: -18, 61: -28,
    62: -28, 66: -26, 69: -24, 70: -26, 71: -24, 72: -24, 73: -21, 74: -25, 78: -24, 80: -32, 81: -30, 84: -30, 87: -23, 88: -24,
    89: -25, 90: -31, 91: -28, 92: -29, 94: -27, 95: -31, 96: -23, 98: -26, 99: -28, 100: -25, 105: -23, 109: -22, 110: -23,
}
