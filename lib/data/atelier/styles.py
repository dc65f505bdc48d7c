"""The eight styles. Hour and weather give variety, not affect. Arousal moves how jagged the lines
are, how many things there are, how far from the middle they lie."""

from PIL import Image, ImageDraw, ImageFilter

from lib.data.atelier.brush import COSINE, SIDE, SINE, Scene, around

# hues that things have by themselves
SKY, SEA, NIGHT, GRASS, LEAF, GREEN, FRUIT = 152, 138, 166, 72, 84, 82, (2, 20, 42, 62, 240, 84)
EARTH, SUN, LAMP, ROOF, STONE, SKIN, HAIR, WOOD, LIP, CLAY = 24, 40, 36, 10, 32, 22, 18, 26, 4, 20


def _off_centre(s: Scene, low=-SIDE, high=2 * SIDE) -> int:  # to one side when aroused
    return min(high, max(low, 128 + s.sign() * (s.pick(0, 20) + s.pick(30, 70) * s.busy // 100)))


def _sky(s: Scene, horizon: int) -> None:
    hour, weather = s.pick(0, 3), s.pick(0, 3)  # morning, noon, evening, grey day
    top, low, chroma, pull = ((10, 75, 45, 25), (35, 95, 45, 25), (-25, 85, 75, 60),
                              (30, 60, 45, 25))[hour]
    s.gradient(0, horizon + 30, (1, top, 95, SKY, 60), (2, low, chroma, SUN, pull), 0)
    if hour in (0, 2):
        x, y = _off_centre(s), horizon - s.pick(8, 50)
        s.glow(x, y, s.pick(60, 110), (4, 115, 80, SUN, 75), 80)
        s.ellipse(x, y, 9, 9, (4, 140, 90, SUN, 80), 0)
    stormy = s.busy > 55 and weather == 3
    for k in range(2 if weather else 0):
        top, foot = -10 + 26 * k, horizon - 24 + 20 * k
        if foot - top > 16:
            share, across = 34 + 7 * weather, 2 + s.busy // 30 + k
            s.drift(top + 9, foot + 9, across, 3, share, (1, -40 if stormy else 5, 60, SKY), 170)
            s.drift(top, foot, across, 3, share, (2, 20 if stormy else 105, 30, SUN, 30), 215)


def _tree(s: Scene, x: int, y: int, size: int, slot: int, kind: int, dim: int = 0) -> None:
    # kind 0 round, 1 poplar, 2 fir; dim: how far it stands in the dark
    s.lathe(x, [(size // 14, y - size), (size // 9, y)], (3, -85, 70, EARTH))
    shades = s.tones(slot, [level - dim for level in (75, 40, 5, -30, -65)], 115, LEAF, 55)
    if kind == 2:
        for k in range(4):
            wide, top = size * (3 + k) // 14, y - size * (15 - 3 * k) // 10
            s.lathe(x, [(wide, top + size * 6 // 10), (0, top)], shades[4 - k], 100)
        return
    rx, ry, high = (size // 4, size * 8 // 10, 9) if kind else (size * 6 // 10, size // 2, 11)
    middle = y - size * high // 10
    s.ellipse(x, middle, rx * 9 // 10, ry * 9 // 10, shades[3], 150)
    s.scatter(10 + size // 3, (x - rx, middle - ry, x + rx, middle + ry), 128 if kind else 40, 40,
              max(3, size // 7), max(2, size // 12), shades, round_box=True, lit=True)


def _house(s: Scene, x: int, y: int, wide: int) -> None:
    high, deep, side = wide * 3 // 4, wide * 2 // 3, wide // 3
    eaves, right = y - high, x + deep
    s.box(x, eaves, right, y, (2, 85, 55, SUN, 40))
    s.figure(right, 0, (0, y, 0, eaves, side, eaves - wide // 8, side, y - wide // 10),
             (1, 0, 70, NIGHT, 30))
    gable = [x - 3, eaves, x + deep // 2, eaves - wide // 2]
    s.polygon([*gable, right + side, eaves - wide // 2, right + side + 2, eaves - wide // 8, right,
               eaves], (3, 5, 125, ROOF, 60), 230)
    s.polygon([*gable, right, eaves], (2, 70, 60, SUN, 40))
    for k in (2, 6):
        s.box(x + deep * k // 9, y - high * 7 // 10, x + deep * (k + 2) // 9, y - high * 3 // 10,
              (1, -75, 70))


def landscape(s: Scene, subject: str) -> dict:
    """Hills in the distance's order: pale and cool far off, dark and full of colour in front."""
    horizon = s.pick(86, 136)
    _sky(s, horizon)
    many = s.pick(3, 4)
    for k in range(many):
        base = horizon + (SIDE - horizon) * k // many - 6
        natural, pull = (SKY, 55 - 25 * k) if k < 2 else (GRASS, 50)
        s.polygon(s.ridge(base, (16 if k else 10) + s.busy // 6, s.pick(2, 3) + k),
                  (k % 3, 15 - 80 * k // many, 60 + 60 * k // many, natural, pull), s.pick(-12, 12))
        if k == 0:          # mist at the foot of the far hills
            s.drift(base - 4, base + 30, 3, 2, 45, (2, 80, 35, SKY), 80)
            continue
        shades = s.tones(k % 3, [level - 85 * k // many for level in (60, 25, -5, 45)],
                         75 + 45 * k // many, GRASS, 45)
        shades.append((3 + k % 2, 35, 90, SUN, 35))
        s.scatter(10 + s.busy // 8, (0, base + 8, SIDE, base + 70), s.pick(-10, 10),
                  8 + s.busy // 6, 30 + 8 * k, 4 + k, shades, grow=True)
    if subject == "river":
        x, banks, turn = _off_centre(s), [], s.pick(-14, 14)
        for y in range(horizon + 16, SIDE + 12, 12):
            banks.append((x, y, 3 + (y - horizon) * (y - horizon) // 260))
            x += turn + s.pick(-3, 3)
            turn = turn * 6 // 10 + s.pick(-22, 22)
        outline = [(x - w, y) for x, y, w in banks] + [(x + w, y) for x, y, w in reversed(banks)]
        s.polygon(outline, (1, 70, 65, SEA, 55), 0)
        for x, y, w in banks:
            s.scatter(5, (x - w, y - 6, x + w, y + 6), 0, 6, 4 + w // 3, 2,
                      [(2, 120, 30), (1, 25, 80, SEA, 60)], on_top=True)
    if subject == "village":
        x = _off_centre(s, 50, 190)
        spots = sorted((horizon + 26 + s.pick(0, 44), x + s.pick(-64, 60))
                       for _ in range(6 + s.busy // 16))
        s.box(x - 6, horizon - 26, x + 8, horizon + 40, (2, 60, 60, STONE, 40))
        s.lathe(x + 1, [(0, horizon - 66), (10, horizon - 26)], (3, -25, 110, ROOF, 50), 110)
        for y, left in spots:
            _house(s, left, y, 13 + (y - horizon) // 4)
    kinds = s.pick(0, 2), s.pick(0, 2)
    count, deep, part = {"hills": (5, 90, 3), "forest": (26, 112, 2), "village": (5, 90, 3),
                         "river": (9, 90, 3)}[subject]
    places = sorted((horizon + s.pick(12, deep), s.pick(-6, 262))
                    for _ in range(count + s.busy // 14))
    for k, (y, x) in enumerate(places):
        _tree(s, x, y, 7 + (y - horizon) // part, k % 3, kinds[k % 2])
    ground = [(k, level, 115, LEAF, 45) for k, level
              in ((0, -70), (1, -45), (2, -20), (0, 10), (4, 40))]
    s.scatter(26 + s.busy // 4, (0, 196, SIDE, SIDE), 128, 40, 9, 2, ground, grow=True, on_top=True)
    return {"loose": 16 + s.busy // 3, "jitter": 12 + s.busy // 10, "coarse": (19, 22, 8)}


def _boat(s: Scene, x: int, y: int, size: int, sail: bool) -> None:
    hull = (3, -70, 100)
    if sail:
        s.box(x - 1, y - 2 * size, x + 1, y, (0, -90, 60))
        s.polygon([x + 2, y - 4, x + 2, y - 2 * size, x + size * 9 // 10, y - 5],
                  (s.pick(2, 4), 105, 70, SUN, 30), 110)
        s.polygon([x - 3, y - 5, x - 3, y - size * 17 // 10, x - size * 7 // 10, y - 5],
                  (2, 55, 70), 150)
    foot, keel, bow = y + size // 3, size * 7 // 10, size * 11 // 10
    s.polygon([x - size, y - 3, x + bow, y - 4, x + keel, foot, x - keel, foot], hull, 0)
    s.scatter(6, (x - size, foot, x + size, y + size), 0, 4, 6, 2,
              [(3, -45, 80), (2, 60, 50)], on_top=True)


def _headland(s: Scene, k: int, horizon: int, mirror: bool) -> None:  # a cliff, k-th from afar
    out = 196 - 54 * k + s.pick(-12, 12)
    top, foot = max(6, horizon - 30 - 36 * k + s.pick(-8, 8)), horizon + 4 + 26 * k
    outline = (-4, top, out - 40, top + s.pick(-4, 10), out - 16,
               top + (foot - top) * s.pick(25, 55) // 100, out, foot - s.pick(4, 12), out + 4, foot,
               out - 40, foot + 6, -4, foot + 10 + 8 * k)
    slot, level = (2, 3, 3)[k], 50 - 55 * k
    s.figure(SIDE if mirror else 0, 0, outline, (slot, level, 60 + 20 * k, STONE, 55), 118,
             side=-1 if mirror else 1)
    left, right = (SIDE - out + 14, SIDE) if mirror else (0, out - 14)
    s.scatter(10 + s.busy // 10, (left, top + 14, right, foot - 4), 128, 14 + s.busy // 5, 12, 3,
              [(slot, level - 45, 75, STONE, 45), (2, level + 45, 60, STONE, 45)])
    s.scatter(8, (left, top, right, top + 9), 0, 10, 14, 4,
              [(0, level + 10, 110, GRASS, 60), (0, level + 45, 100, GRASS, 60)])
    s.scatter(10 + s.busy // 10, (left - 18, foot, right + 18, foot + 9 + 5 * k), 0, 12, 9, 2,
              [(2, 125, 20)])


def seascape(s: Scene, subject: str) -> dict:
    """Water to the horizon; its waves steepen with arousal."""
    horizon = s.pick(84, 138)
    _sky(s, horizon)
    centre, harbour = _off_centre(s, 56, 200), subject == "harbour"
    for k in range(9 + s.busy // 12 if harbour else 0):
        x, roof = s.pick(-10, 250), horizon - s.pick(10, 30)
        s.box(x, roof, x + s.pick(12, 26), horizon + 2, (k % 3, s.pick(5, 80), 60, STONE, 35))
        s.lathe(x + 9, [(0, roof - 10), (11, roof)], (3, 0, 100, ROOF, 50), 30)
    s.gradient(horizon, SIDE, (1, 35, 85, SEA, 60), (0, -65, 120, SEA, 60), 0)
    if harbour:
        s.reflect(horizon, 34, (1, 10, 90, SEA, 60), 55)
    waves = [*s.tones(0, (-75, -35, 15), 105, SEA, 55), (1, 55, 80, SEA, 50), (2, 100, 35)]
    s.scatter(60 + s.busy, (-8, horizon + 3, SIDE + 8, SIDE), 0, 4 + s.busy * s.busy // 260,
              26 - s.busy // 12, 4 + s.busy // 40, waves, grow=True)
    for k in range(3 + s.busy // 22):   # crests
        y = horizon + 14 + (SIDE - horizon - 20) * k * k // 49 + s.pick(0, 10)
        x, long = s.pick(-20, 240), 20 + (y - horizon) // 2
        for j in range(0, long, 8):
            s.dab(x + j, y - s.busy * j * (long - j) // (long * 90),
                  (j - long // 2) * s.busy // (4 * long), 7, 1 + (y - horizon) // 45, (2, 120, 25))
    s.scatter(18, (centre - 22, horizon + 3, centre + 22, SIDE - 20), 0, 3, 12, 2,
              [(4, 125, 60, SUN, 70), (2, 95, 40)], grow=True)
    if subject == "cliffs":
        mirror = s.chance(50)
        for k in range(3):
            _headland(s, k, horizon, mirror)
    elif subject == "lighthouse":
        x, foot = centre, horizon + 24
        s.polygon([x - 76, SIDE, x - 50, foot + 20, x - 22, foot - 4, x + 26, foot - 6, x + 62,
                   foot + 28, x + 96, SIDE], (3, -70, 60, EARTH, 50), 100)
        s.scatter(22, (x - 50, horizon + 30, x + 60, SIDE), 90, 50, 13, 4,
                  [(3, 10, 60, STONE), (1, -95, 60), (2, 50, 50)])
        top, red = horizon - min(horizon - 26, s.pick(58, 78)), (150, 2, 75)
        s.glow(x, top + 4, 58, (4, 130, 80, LAMP, 80), 75)
        s.lathe(x, [(7, top + 12), (11, foot)], (2, 115, 25))
        s.polygon([x + 1, foot, x + 1, top + 12, x + 7, top + 12, x + 11, foot], (1, 15, 50))
        for y in (top + 26, top + 56):
            s.box(x - 9, y, x + 9, y + 13, (4, -5, *red), 0)
        s.box(x - 9, top + 8, x + 9, top + 12, (0, -100, 50), 0)
        s.box(x - 5, top - 5, x + 5, top + 8, (4, 145, 110, LAMP, 80))
        s.lathe(x, [(0, top - 17), (8, top - 5)], (4, -40, *red), 0)
    else:
        sails = harbour or s.chance(70)
        for k in range(4 + s.busy // 20 if harbour else 1 + s.busy // 35):
            y = horizon + s.pick(14, 90)
            _boat(s, s.pick(24, 232) if harbour else centre + s.pick(-70, 70), y,
                  9 + (y - horizon) // 4, sails or k % 2 == 0)
    return {"loose": 8 + s.busy // 3, "jitter": 12 + s.busy // 10, "coarse": (20, 26, 7),
            "fine": (10, 13, 4)}


def night_scene(s: Scene, subject: str) -> dict:
    """Moon and stars above, lights below; bright or dark as the palette says, not the hour."""
    horizon = s.pick(128, 168)
    s.gradient(0, horizon + 20, (1, -70, 120, NIGHT, 60), (0, 15, 105, NIGHT, 45), 12)
    s.drift(-6, horizon - 10, 2 + s.busy // 25, 4, 42, (2, -5, 100, NIGHT, 40), 150)
    mx, my, r = _off_centre(s, 40, 216), s.pick(26, 62), s.pick(11, 19)
    s.glow(mx, my, 5 * r, (2, 70, 90, SUN, 55), 85)
    for q in (4 * r, 3 * r, 2 * r):     # rings about the moon, as the brush goes round
        s.flow.ellipse((mx - q, my - q, mx + q, my + q), fill=64)
    s.ellipse(mx, my, r, r, (4, 165, 55, SUN, 80), 64)
    for _ in range(12 + s.busy // 4):
        x, y, size = s.pick(0, 256), s.pick(0, horizon - 44), s.pick(1, 3)
        if s.busy > 55:
            s.glow(x, y, 7 + 2 * size, (2, 80, 90, SUN, 60), 80)
        s.mark(x, y, s.pick(0, 255), 1 + size, 1 + size // 2, (4, 150, 60, SUN, 75))
    lamp, ground = (4, 125, 140, LAMP, 80), horizon + (60 if subject == "rooftops" else 10)
    wall = [(k % 3, level, 80, NIGHT, 60) for k, level in enumerate((-105, -85, -65, -95))]
    if subject != "moonlit lake":       # a row of houses
        s.box(0, horizon, SIDE, SIDE, wall[0])
        x = -s.pick(0, 20)
        while x < SIDE:
            wide, high = s.pick(22, 46), s.pick(26, 60) if subject == "bridge" else s.pick(44, 98)
            high += abs(x + wide // 2 - mx) // 3 if subject == "street" else 0
            top = horizon - high
            s.box(x, top, x + wide, ground, s.one(wall))
            if s.chance(60):
                s.polygon([x - 2, top, x + wide // 2, top - s.pick(10, 24), x + wide + 2, top],
                          s.one(wall[:3]), 40)
            else:
                s.box(x + 5, top - 14, x + 11, top, wall[0])
            for wy in range(top + 9, ground - 12, 17):
                for wx in range(x + 6, x + wide - 8, 12):
                    if s.chance(24 + s.busy // 4):
                        s.box(wx, wy, wx + 5, wy + 8, lamp)
            x += wide + s.pick(0, 3)
    if subject == "rooftops":
        s.box(0, ground, SIDE, SIDE, wall[0], 0)
        for k in range(2 + s.busy // 60):
            y = ground - 24 + 40 * k
            for x in range(-s.pick(0, 60), SIDE, 82):
                y += s.pick(-9, 9)
                s.box(x, y + 34, x + 72, SIDE, wall[(k + 2) % 4])
                s.figure(x, y, (-4, 36, 22, 0, 92, 0, 74, 36), (k, -30, 90, NIGHT, 40), 40)
                for row in range(3):
                    s.dab(x + 46 - 6 * row, y + 6 + 11 * row, 0, 32, 2,
                          (2, -5 - 18 * row, 80, SUN, 25))
                s.box(x + 58, y - 18, x + 68, y + 6, wall[1])
                s.dab(x + 60, y - 17, 128, 4, 1, (2, 40, 70, SUN, 40))
                for wx in (x + 12, x + 44):
                    if s.chance(45):
                        s.box(wx, y + 42, wx + 9, y + 54, lamp)
    elif subject == "street":
        s.lathe(128, [(128, ground), (128, SIDE)], (0, -45, 80, NIGHT, 45), 0)
        s.lathe(mx, [(14, ground), (100, SIDE)], (1, 5, 60, NIGHT, 55), 0)
        for k in range(3):
            for side in (-1, 1):
                x, y = mx + side * (26 + 34 * k), ground + 8 + 26 * k
                s.box(x - 1, y - 40 - 16 * k, x + 1, y, wall[0])
                s.glow(x, y - 40 - 16 * k, 22 + 5 * k, lamp, 90)
                s.mark(x, y - 40 - 16 * k, 0, 3 + k, 3 + k, (4, 150, 100, LAMP, 80))
                s.scatter(7, (x - 8, y, x + 8, y + 30), 0, 4, 8, 2, [lamp], on_top=True)
    else:
        if subject == "moonlit lake":
            s.polygon(s.ridge(horizon - 10, 14 + s.busy // 8, 3), wall[1], 20)
            s.polygon(s.ridge(horizon + 4, 8 + s.busy // 10, 4), wall[0], 0)
            for _ in range(5):
                _tree(s, s.pick(0, 256), ground, s.pick(16, 40), 0, 2, 75)
        else:
            s.box(0, horizon - 16, SIDE, horizon - 6, wall[2], 0)
            for x in range(s.pick(-20, 0), SIDE, 58):
                s.box(x - 6, horizon - 8, x + 6, ground + 4, wall[2])
                s.polygon(around(x + 29, ground + 6, 31, [*range(128, 256, 16), 0])
                          + around(x + 29, ground + 6, 23, [0, *range(240, 112, -16)]), wall[2], 0)
                s.glow(x, horizon - 24, 15, lamp, 95)
                s.mark(x, horizon - 24, 0, 3, 3, (4, 150, 100, LAMP, 80))
        s.reflect(ground, SIDE - ground, (0, -40, 100, NIGHT, 50), 45)
        s.scatter(40, (0, ground, SIDE, SIDE), 0, 4, 14, 2,
                  [(1, -75, 100, NIGHT, 50), (0, 0, 100, NIGHT, 45)], grow=True)
        s.scatter(24 + s.busy // 4, (mx - 26, ground + 2, mx + 26, SIDE), 0, 4, 11, 2,
                  [(4, 135, 70, SUN, 75), (2, 80, 80, SUN, 50)], on_top=True)
    return {"loose": 14 + s.busy // 3, "jitter": 10 + s.busy // 10, "glaze": 30}


def _fruit(s: Scene, x: int, y: int, r: int, natural: int) -> None:
    s.ellipse(x + r // 2, y + r - 2, r * 11 // 10, r // 3, (1, -80, 70), 0)
    ry, slot = r * s.pick(85, 105) // 100, s.pick(0, 4)
    for k in range(5):
        s.ellipse(x - r * k // 12, y - ry * k // 10, r - r * k // 6, ry - ry * k // 6,
                  (slot, 30 * k - 65, 135, natural, 65), 32 + 24 * k)
    s.mark(x - r // 3, y - r // 2, 200, max(2, r // 6), 2, (2, 150, 20))
    s.mark(x + 1, y - r, 110, 4, 1, (3, -90, 70, WOOD))


def _bottle(s: Scene, x: int, foot: int, wide: int, high: int, slot: int) -> None:
    dark, middle, light = s.tones(slot, (-80, -30, 45), 115, GREEN, 15)
    shoulder, neck, top = foot - high * 6 // 10, wide // 3, foot - high
    s.ellipse(x + wide, foot - 2, wide * 2, 6, (1, -80, 70), 0)
    s.lathe(x, [(neck, top), (neck, shoulder - 12), (wide, shoulder + 10), (wide, foot)], middle)
    s.figure(x, 0, (wide // 4, foot, wide // 4, shoulder, wide, shoulder + 10, wide, foot), dark)
    s.box(x - wide * 7 // 10, shoulder + 12, x - wide * 4 // 10, foot - 8, light)
    s.box(x - neck, top, x + neck, top + 7, ((slot + 2) % 5, 10, 120), 0)
    s.mark(x - wide * 5 // 10, shoulder + 16, 128, 7, 1, (2, 155, 15))
    if s.chance(50):
        s.box(x - wide, shoulder + 22, x + wide, shoulder + 22 + high // 6, (2, 95, 40), 0)


def still_life(s: Scene, subject: str) -> dict:
    """Things on a table, gathered in the middle when calm, spread and heaped when aroused."""
    edge = s.pick(172, 196)
    s.gradient(0, edge, (1, -45, 80), (1, 15, 75), 100)
    s.glow(60, 60, 120, (2, 55, 60), 60)
    for k in range(s.pick(1, 3)):       # hangings on the wall
        x = s.pick(150, 250) if k % 2 else s.pick(0, 90)
        s.wash([x, 0, x + s.pick(20, 60), 0, x + s.pick(10, 40), edge, x - s.pick(0, 20), edge],
               (3, -50, 90), 55, 128)
    s.box(0, edge - 34, SIDE, SIDE, (0, 5, 95, WOOD, 55), 0)
    s.box(0, edge + 30, SIDE, SIDE, (0, -60, 90, WOOD, 55), 0)
    lean = s.sign() * s.pick(10, 44) * s.busy // 100
    if s.chance(60):                    # a cloth hanging over the edge, with folds
        left, right = s.pick(20, 70) + lean, s.pick(180, 230) + lean
        s.polygon([left, edge, right, edge, right + 8, SIDE, left - 8, SIDE], (2, 90, 35), 0)
        for x in range(left, right, 18):
            fold = s.pick(-6, 6)
            s.polygon([x, edge + 26 + s.pick(-6, 10), x + 7, edge + 26, x + 9 + fold, SIDE,
                       x - 4 + fold, SIDE], (1, s.pick(-5, 40), 50))
    middle, spread, foot = 128 + lean, 46 + s.busy // 3, edge + 14
    if subject == "fruit":
        rim = edge - 18
        s.ellipse(middle + 8, edge + 12, 76, 11, (1, -75, 70), 0)
        s.lathe(middle, [(66, rim), (34, foot)], (2, 70, 70), 20)
        s.figure(middle, rim, (20, 0, 66, 0, 34, 32, 12, 32), (1, 0, 70), 40)
        for k in range(6 + s.busy // 16):
            row = k // 5
            _fruit(s, middle - 48 + 24 * (k % 5) + 10 * row + s.pick(-5, 5), rim - 8 - 24 * row,
                   s.pick(15, 21), s.one(FRUIT))
        s.lathe(middle, [(66, rim - 3), (60, rim + 7)], (2, 95, 60), 0)
        for _ in range(2 + s.busy // 30):
            _fruit(s, middle + s.sign() * s.pick(60, 96), edge + s.pick(2, 24), s.pick(14, 19),
                   s.one(FRUIT))
    elif subject == "flowers":
        top = edge - 62
        s.ellipse(middle + 22, foot - 3, 50, 9, (1, -80, 70), 0)
        s.lathe(middle, [(17, top), (28, foot - 28), (18, foot)], (3, -5, 110))
        s.figure(middle, top, (4, 0, 17, 0, 28, 48, 18, 76, 6, 76), (3, -60, 100))
        s.box(middle - 16, top + 12, middle - 11, foot - 22, (3, 85, 60))
        s.scatter(60, (middle - 66, top - 84, middle + 66, top + 22), 128, 60, 15, 4,
                  s.tones(0, (35, -10, -50, -80), 115, GREEN, 65), round_box=True)
        for k in range(11 + s.busy // 8):
            x, y, r = middle + s.pick(-spread, spread), top - 6 - s.pick(0, 84), s.pick(10, 17)
            petals = s.tones(s.pick(0, 4), (95, 55, 10, -35), 140, s.one(FRUIT[:5]), 45)
            s.ellipse(x, y, r * 8 // 10, r * 7 // 10, petals[2], 64)
            s.scatter(12 + s.busy // 12, (x - r, y - r, x + r, y + r), s.pick(0, 255), 128, 7, 3,
                      petals, round_box=True, lit=True, on_top=k > 5)
            s.mark(x, y, 0, 2, 2, (4, -40 + 150 * (k % 2), 120, 40, 60))
        s.scatter(6, (middle - 70, edge + 8, middle + 70, edge + 34), 30, 60, 5, 3,
                  [(4, 60, 130), (0, 30, 120)], on_top=True)
    elif subject == "bottles":
        many = 4 + s.busy // 25
        places = sorted((edge + s.pick(-14, 22), middle + (2 * k - many + 1) * spread // many
                         + s.pick(-8, 8)) for k in range(many))
        for k, (y, x) in enumerate(places):
            _bottle(s, x, y, s.pick(11, 18), s.pick(78, 132), k % 5)
        for y in (edge + 22, edge + 26):
            _fruit(s, middle + s.pick(-80, 80), y, s.pick(12, 17), s.one(FRUIT))
    else:
        y = edge + 22
        for _ in range(3 + s.busy // 30):
            thick, shift = s.pick(13, 20), s.pick(-16, 16) * (30 + s.busy) // 80
            left, top, slot = middle - 58 + shift, y - thick, s.pick(0, 4)
            s.box(left, top, left + 102, y, (slot, s.pick(-60, 40), 125), 0)
            s.box(left + 4, top + 3, left + 106, y - 3, (2, 90, 35), 0)
            s.box(left, top, left + 84, y, (slot, s.pick(-60, 30), 125), 0)
            for band in (left + 12, left + 60):
                s.box(band, top, band + 5, y, (4, 85, 90, 40, 50))
            y = top
        for k in range(3 + s.busy // 30):   # books leaning beside the pile
            x, high, tilt = middle + 58 + 13 * k, s.pick(72, 104), s.pick(0, 10) * s.busy // 50
            s.figure(x, edge + 22, (0, 0, -tilt, -high, 11 - tilt, -high - 2, 12, 0),
                     (k % 5, s.pick(-70, 50), 125))
            s.mark(x + 4 - tilt // 2, edge + 10 - high // 2, 128, 9, 1, (4, 100, 80, 40, 50))
        s.box(middle - 12, y - 42, middle - 4, y, (2, 110, 30))      # a candle on it
        s.glow(middle - 8, y - 52, 44, (4, 125, 90, 38, 75), 85)
        s.mark(middle - 8, y - 50, 128, 8, 3, (4, 150, 110, 38, 80))
    return {"loose": 18 + s.busy // 3, "jitter": 10 + s.busy // 10, "coarse": (19, 18, 9),
            "glaze": 30, "warp": 1}


def _face(s: Scene, x: int, y: int, u: int, turned: int) -> None:   # half width 4u
    light, middle, shade = s.tones(0, (80, 35, -25), 85, SKIN, 75)
    hair, dark = (3, -85, 85, HAIR, 50), (1, -110, 60)
    s.ellipse(x - turned * u // 2, y - 2 * u, 5 * u, 5 * u, hair)
    s.box(x - 14 * u // 10, y + 2 * u, x + 14 * u // 10, y + 7 * u, shade)
    s.ellipse(x, y, 4 * u, 53 * u // 10, middle, 120)
    s.ellipse(x - 12 * u // 10, y - u // 2, 24 * u // 10, 4 * u, light, 120)
    s.figure(x, y, (20, -40, 38, -20, 36, 20, 10, 50, 16, 0), shade, 120, unit=u)
    nose = x + turned * 6 * u // 10
    s.polygon([nose, y - 14 * u // 10, nose + turned * u, y + 12 * u // 10, nose - turned * u // 4,
               y + 13 * u // 10], shade)
    middle, smile, lips = x + turned * u // 2, s.sweet - 50, (4, -25, 130, LIP, 75)
    mouth = smile * u // 160
    for side in (-1, 1):
        eye, corner = middle + side * 17 * u // 10, middle + side * 7 * u // 10
        s.mark(eye, y - 9 * u // 10, 0, 8 * u // 10, max(1, u // 4), dark)
        s.mark(eye, y - 19 * u // 10, -side * smile // 4, 11 * u // 10, max(1, u // 5), hair)
        s.mark(corner, y + 29 * u // 10 - mouth // 2, -3 * side * mouth, 7 * u // 10,
               max(1, u // 4), lips)
    s.figure(x, y, (-40, -20, -30, -55, 20, -60, 42, -20, 20, -40, -20, -38), hair, 40, unit=u)


def _coat(s: Scene, x: int, neck: int, u: int, slot: int, foot: int = SIDE) -> None:
    collar, shoulder, hem = (2 * u, neck + u), (66 * u // 10, neck + 4 * u), (8 * u, foot)
    s.lathe(x, [collar, shoulder, hem], (slot, -25, 115), 100)
    s.polygon([(x + wide, y) for wide, y in (collar, shoulder, hem, (2 * u, foot))],
              (slot, -75, 105), 150)
    s.figure(x, neck, (-20, 10, 0, 50, 20, 10), (2, 85, 50), 100, unit=u)
    s.scatter(12 + s.busy // 6, (x - 6 * u, neck + 4 * u, x + 6 * u, foot), 120, 30, 2 * u,
              max(2, u // 3), [(slot, 30, 115), (slot, -95, 100), (slot, 0, 125)])


def portrait(s: Scene, subject: str) -> dict:
    """A person before a plain ground: upright when calm, off centre and in strokes when aroused."""
    s.gradient(0, SIDE, (1, -5, 95), (2, -60, 90), 60)
    x = 128 + (d := s.sign()) * s.pick(6, 34) * s.busy // 100
    s.glow(128 - d * 50, 70, 125, (2, 50, 80), 70)
    shades = [(k, level, 95) for k, level in ((1, 25), (2, 0), (1, -30), (3, -15))]
    s.scatter(24 + s.busy // 2, (0, 0, SIDE, SIDE), 40 * d, 20 + s.busy, 22, 6, shades)
    if subject == "two figures":
        for k, (left, u, slot) in enumerate(((x - 50, 8, 3), (x + 42, 9, 0))):
            _coat(s, left, 146 - 10 * k, u, slot)
            _face(s, left + 4 - 8 * k, 104 - 10 * k, u, 1 - 2 * k)
    elif subject == "profile":
        y, skin = 108, s.tones(0, (-5, 45), 85, SKIN, 75)
        _coat(s, x - d * 11, 174, 11, 3)
        for colour, direction, outline in (
                (skin[0], 128, (-33, 22, -22, 88, 15 if d > 0 else 16, 88, 11, 33)),    # neck
                (skin[1], 120, (-30, -50, 10, -56, 34, -34, 36, -18, 52, 8, 37, 14, 42, 24, 36, 30,
                                40, 38, 26, 50, 0, 40, -30, 20)),
                ((0, -5, 90, SKIN, 75), 110, (0, -20, 14, 6, 20, 30, 26, 50, 0, 40, -26, 20)),
                ((3, -80, 90, HAIR, 50), 110, (20, -58, -20, -66, -58, -34, -60, 10, -44, 44, -20,
                                               40, -12, 0, 4, -26, 32, -36))):
            s.figure(x, y, outline, colour, direction, side=d)
        s.scatter(16, (x - 50, y - 60, x + 20, y + 20), 110, 30, 12, 2,
                  [(3, -50, 90, HAIR, 50), (3, -105, 80, HAIR, 50)], round_box=True)
        s.mark(x + d * 24, y - 11, 0, 6, 2, (1, -110, 60))
        s.mark(x + d * 26, y - 20, -d * 12, 9, 1, (3, -85, 85, HAIR, 50))
        s.mark(x + d * 34, y + 30, d * (50 - s.sweet) // 4, 7, 2, (4, -25, 130, LIP, 75))
    elif subject == "bust":
        s.box(0, 222, SIDE, SIDE, (0, -50, 90), 0)
        s.box(x - 36, 208, x + 36, 232, (2, 10, 40, CLAY), 0)
        stone = s.tones(2, (105, 65, 20, -30), 30, CLAY, 40)
        s.lathe(x, [(20, 150), (62, 178), (46, 210)], stone[1], 20)
        s.figure(x, 0, (12, 150, 62, 178, 46, 210, 8, 210), stone[3], 150)
        s.box(x - 15, 132, x + 15, 160, stone[2])
        s.ellipse(x, 98, 40, 52, stone[1], 120)
        s.ellipse(x - 12, 92, 25, 42, stone[0], 120)
        s.figure(x, 0, (16, 56, 38, 80, 37, 116, 12, 146, 18, 98), stone[3], 120)
        s.scatter(26, (x - 44, 40, x + 44, 84), 20, 90, 9, 4, stone, round_box=True, lit=True)
        s.figure(x, 0, (2, 84, 12, 112, -3, 113), stone[3])
        for dx, y, long in ((-17, 90, 8), (17, 90, 8), (3, 126, 10)):       # eyes, mouth
            s.mark(x + dx, y, 0, long, 2, stone[3])
    else:
        s.box(x - 54, 96, x + 54, 210, (3, -45, 110, WOOD, 40))          # the chair
        s.box(x - 46, 104, x + 46, 200, (4, -15, 110), 100)
        _coat(s, x, 106, 7, 0, 206)
        s.lathe(x, [(50, 200), (66, SIDE)], (1, -55, 110), 110)
        s.scatter(14, (x - 54, 204, x + 54, SIDE), 115, 30, 18, 4, [(1, -20, 110), (1, -90, 100)])
        for side in (-1, 1):
            s.figure(x, 0, (46, 132, 58, 150, 44, 196, 6, 204, 6, 190, 34, 178), (0, -10, 115), 60,
                     side=side)
        s.ellipse(x, 196, 12, 8, (0, 50, 85, SKIN, 75), 0)
        _face(s, x, 70, 7, d)
    return {"loose": 14 + s.busy // 3, "jitter": 9 + s.busy // 10, "fine": (9, 9, 4),
            "glaze": 35, "warp": 1, "edge": 90}


def _cloud_box(s: Scene, left: int, top: int, right: int, bottom: int, colour) -> None:
    # soft edges when calm, hard ones when aroused, and an uneven depth of paint
    mask = Image.new("L", (SIDE // 2, SIDE // 2))
    box = (left // 2, top // 2, right // 2, max(top, bottom) // 2)  # a line of too narrow a band
    ImageDraw.Draw(mask).rectangle(box, fill=255)
    for hardness in (16, 20):
        mask = mask.filter(ImageFilter.BoxBlur(1 + (100 - s.busy) // hardness))
    depth = s.noise(5, 5).point([200 + k * 55 // 255 for k in range(256)])
    mask = Image.composite(mask, Image.new("L", mask.size), depth)
    s.image.paste(s.tone(*colour), (0, 0), mask.resize((SIDE, SIDE), Image.Resampling.BILINEAR))


def colour_field(s: Scene, subject: str) -> dict:
    """A few large areas of colour that float on a ground."""
    s.gradient(0, SIDE, (0, -10, 90), (0, -45, 95), 0)
    s.drift(0, SIDE, 3, 3, 60, (1, -20, 100), 120)
    many, order = s.pick(2, 3) + s.busy // 40, s.pick(0, 4)
    levels = [s.pick(*of) for of in ((45, 95), (-90, -40), (0, 60), (-60, 20), (60, 110), (-80, 0))]
    fields = [((k + order) % 5, levels[k % 6], 115) for k in range(14)]
    if subject == "bands":
        inner = sorted(14 + 228 * k // many + s.pick(-22, 22) for k in range(1, many))
        edges, inset = [14, *inner, 242], s.pick(8, 24)
        for k in range(many):
            _cloud_box(s, inset, edges[k] + 4, SIDE - inset, edges[k + 1] - 4,
                       ((k + order) % 5, levels[k], 110))
    elif subject == "windows":
        for k in range(many + 1):
            wide, high = s.pick(60, 120), s.pick(70, 150)
            x, y = s.pick(12, 244 - wide), s.pick(12, 244 - high)
            _cloud_box(s, x - 7, y - 7, x + wide + 7, y + high + 7,
                       ((k + order + 2) % 5, levels[(k + 1) % 6], 100))
            _cloud_box(s, x, y, x + wide, y + high, fields[k])
    elif subject == "veils":
        for k in range(5 + s.busy // 14):
            x, wide, lean = s.pick(-20, 230), s.pick(26, 70), s.pick(-50, 50) * (20 + s.busy) // 100
            right, waist = x + wide, s.pick(-16, 16)
            s.wash([x, 0, right, 0, right + waist, 128, right + lean, SIDE, x + lean, SIDE,
                    x - waist, 128], fields[k], 60, 128)
    else:
        step, drift = 100 // (many + 1), s.pick(-9, 9) * s.busy // 100
        for k in range(many + 1):
            a, off = 10 + k * step, k * drift
            _cloud_box(s, a + off, a + abs(off), SIDE - a + off, SIDE - a, fields[k])
    for _ in range(s.busy // 12):       # scratches that break the calm
        s.mark(s.pick(0, 256), s.pick(0, 256), s.pick(-30, 30) + 128 * s.pick(0, 1), s.pick(14, 50),
               s.pick(1, 3), (s.pick(2, 4), s.pick(-90, 110), 130))
    return {"coarse": (24, 26, 13), "fine": (13, 15, 7), "loose": 8 + s.busy // 3,
            "jitter": 7 + s.busy // 12, "relief": 45, "glaze": 50, "edge": 0, "warp": 3}


def _bar(s: Scene, x: int, y: int, long: int, wide: int, turn: int, colour) -> None:
    cosine, sine = COSINE[turn % 256], SINE[turn % 256]
    dx, dy, ex, ey = long * cosine >> 10, long * sine >> 10, wide * sine >> 10, wide * cosine >> 10
    s.polygon([x - dx + ex, y - dy - ey, x + dx + ex, y + dy - ey, x + dx - ex, y + dy + ey,
               x - dx - ex, y - dy + ey], colour, 2 * turn)


def geometric(s: Scene, subject: str) -> dict:
    """Rule and compass: flat shapes, edges clean, weights balanced about the middle or not."""
    s.box(0, 0, SIDE, SIDE, (2, 60, 45), 24)
    s.drift(0, SIDE, 2, 2, 55, (1, 30, 60), 130)
    black, tilt = (1, -130, 40), s.pick(-12, 12) * s.busy // 50
    shades = [(k % 5, level, 135)
              for k, level in enumerate((20, 70, -40, 0, 50, -75, 95, -20, 30, -60))]
    if subject == "grid":
        xs, ys = [0], [0]
        for lines in (xs, ys):
            while lines[-1] < SIDE:
                lines.append(lines[-1] + s.pick(26, 84 - s.busy // 3))
        thick = s.pick(2, 4)
        for i, (left, right) in enumerate(zip(xs, xs[1:])):
            for j, (top, foot) in enumerate(zip(ys, ys[1:])):
                coloured, up = s.chance(45 + s.busy // 3), tilt * (j - 2)
                fill = s.one(shades) if coloured else (2, s.pick(60, 105), 25)
                s.polygon([left + up, top, right + up, top, right + up + tilt, foot,
                           left + up + tilt, foot], fill, 128 * ((i + j) % 2))
        for x in xs:
            up, down = x - 2 * tilt, x + 3 * tilt
            s.polygon([up - thick, 0, up + thick, 0, down + thick, SIDE, down - thick, SIDE], black)
        for y in ys:
            s.box(0, y - thick, SIDE, y + thick, black, 0)
    elif subject == "triangles":
        cells = 3 + s.busy // 30
        step, shake = SIDE // cells + 1, 6 + s.busy // 4
        dots = [[(step * i + (s.pick(-shake, shake) if 0 < i < cells else 0),
                  step * j + (s.pick(-shake, shake) if 0 < j < cells else 0))
                 for i in range(cells + 1)] for j in range(cells + 1)]
        for row, below in zip(dots, dots[1:]):
            for a, b, c, d in zip(row, row[1:], below, below[1:]):
                for half in ((a, b, c), (b, d, c)) if s.chance(50) else ((a, b, d), (a, d, c)):
                    s.polygon(half, s.one(shades), s.pick(0, 255))
        for _ in range(2):
            x, y, r, turn = s.pick(40, 216), s.pick(40, 216), s.pick(50, 100), s.pick(0, 80)
            s.wash(around(x, y, r, (turn, 100, 190)), (4, 80, 130), 55, 60)
    elif subject == "circles":
        for k in range(5 + s.busy // 9):
            x, y, r = s.pick(8, 248), s.pick(8, 248), s.pick(14, 70 - s.busy // 5)
            rim = s.tone(*(shades[(k + 3) % 10] if k % 3 else black))
            s.ink.ellipse((x - r - 2, y - r - 2, x + r + 2, y + r + 2), fill=rim)
            for ring in range(s.pick(1, 4)):
                q = r * (5 - ring) // 5
                s.ellipse(x, y, q, q, s.one(shades), 40 * ring)
            if s.chance(60):
                turn = s.pick(0, 255)
                s.wash(around(x, y, r, range(turn, turn + 129, 16)), s.one(shades), 75, turn)
        for _ in range(2 + s.busy // 25):
            x, y, turn, long = s.pick(30, 226), s.pick(30, 226), s.pick(0, 255), s.pick(50, 120)
            _bar(s, x, y, long, s.pick(1, 2), turn, black)
    else:
        base = s.pick(0, 60) * s.busy // 60
        for k in range(8 + s.busy // 7):
            turn = base + (0, 64)[k % 2] + s.pick(-10, 10) * s.busy // 50
            _bar(s, s.pick(10, 246), s.pick(10, 246), s.pick(30, 120), s.pick(3, 18), turn,
                 black if k % 5 == 4 else s.one(shades))
        x, y, r = s.pick(60, 196), s.pick(60, 196), s.pick(18, 40)
        s.ellipse(x, y, r, r, s.one(shades), 0)
    return {"coarse": (22, 20, 10), "fine": (11, 12, 5), "loose": 8, "jitter": 6, "relief": 40,
            "glaze": 70, "edge": 40, "warp": 1}


def _sweep(s: Scene, x: int, y: int, turn: int, curl: int, steps: int, width: int, colour) -> None:
    # bristles along a curve, broken at its end
    bundle = 3 + width // 4
    shades = [tuple(min(255, max(0, c + d)) for c in s.tone(*colour)) for d in (-16, -6, 0, 8, 18)]
    for step in range(steps):
        cosine, sine = COSINE[turn % 256], SINE[turn % 256]
        for k in range(bundle):
            if step > steps * 6 // 10 and s.chance(45 * step // steps):
                continue
            off = (2 * k - bundle + 1) * width // bundle
            s.marks.append((x - (off * sine >> 10), y + (off * cosine >> 10), 2 * turn, 12,
                            1 + width // bundle, 0, *shades[(k * 3 + step) % 5]))
        x, y, turn = x + (14 * cosine >> 10), y + (14 * sine >> 10), turn + curl


def gestural(s: Scene, subject: str) -> dict:
    """The brush's own movement: few long curves when calm, many short broken ones when aroused."""
    s.gradient(0, SIDE, (2, 60, 50), (1, 10, 65), s.pick(0, 255))
    for k in range(3):
        s.drift(s.pick(-60, 60), s.pick(190, 320), 2 + k, 2, 42, (k, s.pick(-60, 80), 85), 190)
    base, calm = s.pick(0, 255), 100 - s.busy
    shades = [(k % 5, level, 125)
              for k, level in enumerate((-110, 30, -40, 85, 0, -130, 60, -70, 100))]
    if subject == "strokes":
        for _ in range(7 + s.busy // 7):
            turn = s.one((0, 64)) * s.busy // 100 + base // 8 + s.pick(-30, 30) * s.busy // 80
            _sweep(s, s.pick(-10, 210), s.pick(10, 246), turn, s.pick(-1, 1),
                   6 + calm // 10 + s.pick(0, 5), s.pick(5, 15), s.one(shades))
    elif subject == "arcs":
        for _ in range(6 + s.busy // 10):
            _sweep(s, s.pick(20, 236), s.pick(20, 236), s.pick(0, 255), s.pick(5, 14) * s.sign(),
                   s.pick(11, 22), s.pick(3, 11), s.one(shades))
    elif subject == "drips":
        for k in range(6 + s.busy // 8):
            x, y, colour = s.pick(4, 252), s.pick(0, 150), s.one(shades)
            s.scatter(5 + s.busy // 14, (x - 22, y - 14, x + 22, y + 14), s.pick(0, 255), 128, 7, 5,
                      [colour], round_box=True, on_top=True)
            for _ in range(s.pick(1, 4)):
                dx, long = x + s.pick(-16, 16), s.pick(20, 100)
                s.mark(dx, y + long // 2, 128 + s.pick(-2, 2), long // 2, s.pick(1, 2), colour)
                s.mark(dx, y + long, 128, 4, 3, colour)
            if k % 2:
                _sweep(s, x, y, s.pick(0, 255), s.pick(-14, 14), s.pick(8, 18), 2, s.one(shades))
    else:
        for k in range(16 + s.busy // 4):
            x, y, colour = s.pick(8, 248), s.pick(8, 248), s.one(shades)
            turn = base // 4 + s.pick(-60, 60) * s.busy // 60
            _sweep(s, x, y, turn, 0, s.pick(1, 3), s.pick(4, 10), colour)
            if k % 3 == 0:
                _sweep(s, x - 4, y + 6, turn + 64, 0, 2, s.pick(3, 6), s.one(shades))
    s.scatter(6 + s.busy // 2, (0, 0, SIDE, SIDE), 0, 128, 3, 2, shades, on_top=True)
    return {"coarse": (22, 30, 11), "fine": (14, 16, 5), "loose": 20 + s.busy // 3,
            "jitter": 8 + s.busy // 10, "relief": 60 + s.busy // 2, "glaze": 0, "edge": 0}
