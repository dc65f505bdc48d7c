"""Styles in a room: still life, portrait."""

from lib.data.atelier.brush import SIDE, Scene

GREEN, SKIN, HAIR, WOOD, LIP, CLAY = 82, 22, 18, 26, 4, 20
FRUIT = (2, 20, 42, 62, 240, 84)


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
