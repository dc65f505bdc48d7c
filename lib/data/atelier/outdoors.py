"""Styles under the sky. Hour and weather give variety, not affect. Arousal moves how jagged the
lines are, how many things there are, how far from the middle they lie."""

from lib.data.atelier.brush import SIDE, Scene, around

# hues that things have by themselves
SKY, SEA, NIGHT, GRASS, LEAF = 152, 138, 166, 72, 84
EARTH, SUN, LAMP, ROOF, STONE = 24, 40, 36, 10, 32


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
