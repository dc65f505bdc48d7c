"""Styles in a room: still life, portrait."""

from lib.data.atelier.brush import SIDE, Scene

SKIN, HAIR, WOOD, LEAF, LIP, CLAY = 22, 18, 26, 82, 4, 20
FRUIT = (2, 20, 42, 62, 240, 84)


def _cloth(s: Scene, left: int, right: int, edge: int) -> None:
    """A table cloth hanging over the table's edge, with folds."""
    s.polygon([left, edge - 26, right, edge - 26, right + 8, SIDE, left - 8, SIDE],
              s.tone(2, 90, 35), 0)
    for x in range(left, right, 18):
        fold = s.pick(-6, 6)
        s.polygon([x, edge + s.pick(-6, 10), x + 7, edge, x + 9 + fold, SIDE, x - 4 + fold, SIDE],
                  s.tone(1, s.pick(-5, 40), 50), 128)


def _round_fruit(s: Scene, x: int, y: int, r: int, natural: int) -> None:
    s.ellipse(x + r // 2, y + r - 2, r * 11 // 10, r // 3, s.tone(1, -80, 70), 0)
    s.ball(x, y, r, r * s.pick(85, 105) // 100, s.pick(0, 4), -5, natural, 65, 135)
    s.mark(x - r // 3, y - r // 2, 200, max(2, r // 6), 2, s.tone(2, 150, 20))
    s.mark(x + 1, y - r, 110, 4, 1, s.tone(3, -90, 70, WOOD))


def _bottle(s: Scene, x: int, foot: int, wide: int, high: int, slot: int) -> None:
    dark, middle, light = (s.tone(slot, level, 115, LEAF, 15) for level in (-80, -30, 45))
    shoulder = foot - high * 6 // 10
    s.ellipse(x + wide, foot - 2, wide * 2, 6, s.tone(1, -80, 70), 0)
    body = [x - wide, foot, x - wide, shoulder + 10, x - wide // 3, shoulder - 12, x - wide // 3,
            foot - high, x + wide // 3, foot - high, x + wide // 3, shoulder - 12, x + wide,
            shoulder + 10, x + wide, foot]
    s.polygon(body, middle, 128)
    s.polygon([x + wide // 4, foot, x + wide // 4, shoulder, x + wide, shoulder + 10, x + wide,
               foot], dark, 128)
    s.box(x - wide * 7 // 10, shoulder + 12, x - wide * 4 // 10, foot - 8, light, 128)
    s.box(x - wide // 3, foot - high, x + wide // 3, foot - high + 7,
          s.tone((slot + 2) % 5, 10, 120), 0)
    s.mark(x - wide * 5 // 10, shoulder + 16, 128, 7, 1, s.tone(2, 155, 15))
    if s.chance(50):
        s.box(x - wide, shoulder + 22, x + wide, shoulder + 22 + high // 6, s.tone(2, 95, 40), 0)


def still_life(s: Scene, subject: str) -> dict:
    """Things on a table, gathered in the middle when calm, spread and heaped when aroused."""
    edge = s.pick(172, 196)
    s.gradient(0, edge, s.tone(1, -45, 80), s.tone(1, 15, 75), 100)
    s.glow(60, 60, 120, s.tone(2, 55, 60), 60)
    # hangings on the wall
    for k in range(s.pick(1, 3)):
        x = s.pick(150, 250) if k % 2 else s.pick(0, 90)
        s.wash([x, 0, x + s.pick(20, 60), 0, x + s.pick(10, 40), edge, x - s.pick(0, 20), edge],
               s.tone(3, -50, 90), 55, 128)
    s.box(0, edge - 34, SIDE, SIDE, s.tone(0, 5, 95, WOOD, 55), 0)
    s.box(0, edge + 30, SIDE, SIDE, s.tone(0, -60, 90, WOOD, 55), 0)
    lean = (1 if s.chance(50) else -1) * s.pick(10, 44) * s.busy // 100
    if s.chance(60):
        _cloth(s, s.pick(20, 70) + lean, s.pick(180, 230) + lean, edge + 26)
    middle, spread = 128 + lean, 46 + s.busy // 3
    if subject == "fruit":
        rim = edge - 18
        s.ellipse(middle + 8, edge + 12, 76, 11, s.tone(1, -75, 70), 0)
        s.polygon([middle - 66, rim, middle + 66, rim, middle + 34, edge + 14, middle - 34,
                   edge + 14], s.tone(2, 70, 70), 20)
        s.polygon([middle + 20, rim, middle + 66, rim, middle + 34, edge + 14, middle + 12,
                   edge + 14], s.tone(1, 0, 70), 40)
        for k in range(6 + s.busy // 16):
            row = k // 5
            _round_fruit(s, middle - 48 + 24 * (k % 5) + 10 * row + s.pick(-5, 5),
                         rim - 8 - 24 * row, s.pick(15, 21), FRUIT[s.pick(0, 5)])
        s.polygon([middle - 66, rim - 3, middle + 66, rim - 3, middle + 60, rim + 7, middle - 60,
                   rim + 7], s.tone(2, 95, 60), 0)
        for _ in range(2 + s.busy // 30):
            _round_fruit(s, middle + (1 if s.chance(50) else -1) * s.pick(60, 96),
                         edge + s.pick(2, 24), s.pick(14, 19), FRUIT[s.pick(0, 5)])
    elif subject == "flowers":
        foot, top = edge + 14, edge - 62
        s.ellipse(middle + 22, foot - 3, 50, 9, s.tone(1, -80, 70), 0)
        s.polygon([middle - 17, top, middle + 17, top, middle + 28, foot - 28, middle + 18, foot,
                   middle - 18, foot, middle - 28, foot - 28], s.tone(3, -5, 110), 128)
        s.polygon([middle + 4, top, middle + 17, top, middle + 28, foot - 28, middle + 18, foot,
                   middle + 6, foot], s.tone(3, -60, 100), 128)
        s.box(middle - 16, top + 12, middle - 11, foot - 22, s.tone(3, 85, 60), 128)
        leaves = [s.tone(0, level, 115, LEAF, 65) for level in (35, -10, -50, -80)]
        s.scatter(60, (middle - 66, top - 84, middle + 66, top + 22), 128, 60, 15, 4, leaves,
                  round_box=True)
        for k in range(11 + s.busy // 8):
            x, y, r = middle + s.pick(-spread, spread), top - 6 - s.pick(0, 84), s.pick(10, 17)
            slot, natural = s.pick(0, 4), FRUIT[s.pick(0, 4)]
            petals = [s.tone(slot, level, 140, natural, 45) for level in (95, 55, 10, -35)]
            s.ellipse(x, y, r * 8 // 10, r * 7 // 10, petals[2], 64)
            s.scatter(12 + s.busy // 12, (x - r, y - r, x + r, y + r), s.pick(0, 255), 128, 7, 3,
                      petals, round_box=True, lit=True, on_top=k > 5)
            s.mark(x, y, 0, 2, 2, s.tone(4, -40 + 150 * (k % 2), 120, 40, 60))
        s.scatter(6, (middle - 70, edge + 8, middle + 70, edge + 34), 30, 60, 5, 3,
                  [s.tone(4, 60, 130), s.tone(0, 30, 120)], on_top=True)
    elif subject == "bottles":
        many = 4 + s.busy // 25
        places = sorted((edge + s.pick(-14, 22),
                         middle + (2 * k - many + 1) * spread // many + s.pick(-8, 8))
                        for k in range(many))
        for k, (foot, x) in enumerate(places):
            _bottle(s, x, foot, s.pick(11, 18), s.pick(78, 132), k % 5)
        _round_fruit(s, middle + s.pick(-80, 80), edge + 22, s.pick(12, 17), FRUIT[s.pick(0, 5)])
        _round_fruit(s, middle + s.pick(-80, 80), edge + 26, s.pick(12, 17), FRUIT[s.pick(0, 5)])
    else:
        y = edge + 22
        for _ in range(3 + s.busy // 30):
            thick, shift = s.pick(13, 20), s.pick(-16, 16) * (30 + s.busy) // 80
            left, right, slot = middle - 58 + shift, middle + 44 + shift, s.pick(0, 4)
            s.box(left, y - thick, right, y, s.tone(slot, s.pick(-60, 40), 125), 0)
            s.box(left + 4, y - thick + 3, right + 4, y - 3, s.tone(2, 90, 35), 0)
            s.box(left, y - thick, left + 84, y, s.tone(slot, s.pick(-60, 30), 125), 0)
            for band in (12, 60):
                s.box(left + band, y - thick, left + band + 5, y, s.tone(4, 85, 90, 40, 50), 128)
            y -= thick
        # books leaning beside the pile
        for k in range(3 + s.busy // 30):
            x, high = middle + 58 + 13 * k, s.pick(72, 104)
            tilt = s.pick(0, 10) * s.busy // 50
            s.polygon([x, edge + 22, x - tilt, edge + 22 - high, x + 11 - tilt, edge + 20 - high,
                       x + 12, edge + 22], s.tone(k % 5, s.pick(-70, 50), 125), 128)
            s.mark(x + 4 - tilt // 2, edge + 10 - high // 2, 128, 9, 1, s.tone(4, 100, 80, 40, 50))
        # a candle on the pile
        s.box(middle - 12, y - 42, middle - 4, y, s.tone(2, 110, 30), 128)
        s.glow(middle - 8, y - 52, 44, s.tone(4, 125, 90, 38, 75), 85)
        s.mark(middle - 8, y - 50, 128, 8, 3, s.tone(4, 150, 110, 38, 80))
    return {"loose": 18 + s.busy // 3, "jitter": 10 + s.busy // 10, "coarse": (19, 18, 9),
            "fine": (10, 11, 4), "glaze": 30, "warp": 1}


def _face(s: Scene, x: int, y: int, u: int, turned: int) -> None:
    """A face of half width 4u about (x, y): a lit and a shaded side, brow, nose, eyes, mouth.
    `turned` −1 or 1: to which side it looks.
    """
    light, middle, shade = (s.tone(0, level, 85, SKIN, 75) for level in (80, 35, -25))
    hair, dark = s.tone(3, -85, 85, HAIR, 50), s.tone(1, -110, 60)
    s.ellipse(x - turned * u // 2, y - 2 * u, 5 * u, 5 * u, hair, 128)
    s.box(x - 14 * u // 10, y + 2 * u, x + 14 * u // 10, y + 7 * u, shade, 128)
    s.ellipse(x, y, 4 * u, 53 * u // 10, middle, 120)
    s.ellipse(x - 12 * u // 10, y - u // 2, 24 * u // 10, 4 * u, light, 120)
    s.polygon([x + 2 * u, y - 4 * u, x + 38 * u // 10, y - 2 * u, x + 36 * u // 10, y + 2 * u,
               x + u, y + 5 * u, x + 16 * u // 10, y], shade, 120)
    nose = x + turned * 6 * u // 10
    s.polygon([nose, y - 14 * u // 10, nose + turned * u, y + 12 * u // 10, nose - turned * u // 4,
               y + 13 * u // 10], shade, 128)
    # corners of the mouth
    mood = (s.sweet - 50) * u // 160
    for side in (-1, 1):
        ex = x + turned * u // 2 + side * 17 * u // 10
        s.mark(ex, y - 9 * u // 10, 0, 8 * u // 10, max(1, u // 4), dark)
        s.mark(ex, y - 19 * u // 10, (-side * (s.sweet - 50) // 4) % 256, 11 * u // 10,
               max(1, u // 5), hair)
        s.mark(x + turned * u // 2 + side * 7 * u // 10, y + 29 * u // 10 - mood // 2,
               (side * -mood * 3) % 256, 7 * u // 10, max(1, u // 4), s.tone(4, -25, 130, LIP, 75))
    s.polygon([x - 4 * u, y - 2 * u, x - 3 * u, y - 55 * u // 10, x + 2 * u, y - 6 * u,
               x + 42 * u // 10, y - 2 * u, x + 2 * u, y - 4 * u, x - 2 * u, y - 38 * u // 10],
              hair, 40)


def _coat(s: Scene, x: int, neck: int, u: int, slot: int, foot: int = SIDE) -> None:
    """Shoulders and coat below the neck."""
    s.polygon([x - 8 * u, foot, x - 66 * u // 10, neck + 4 * u, x - 2 * u, neck + u, x + 2 * u,
               neck + u, x + 66 * u // 10, neck + 4 * u, x + 8 * u, foot], s.tone(slot, -25, 115),
              100)
    s.polygon([x + 2 * u, neck + u, x + 66 * u // 10, neck + 4 * u, x + 8 * u, foot, x + 2 * u,
               foot], s.tone(slot, -75, 105), 150)
    s.polygon([x - 2 * u, neck + u, x, neck + 5 * u, x + 2 * u, neck + u], s.tone(2, 85, 50), 100)
    folds = [s.tone(slot, 30, 115), s.tone(slot, -95, 100), s.tone(slot, 0, 125)]
    s.scatter(12 + s.busy // 6, (x - 6 * u, neck + 4 * u, x + 6 * u, foot), 120, 30, 2 * u,
              max(2, u // 3), folds)


def portrait(s: Scene, subject: str) -> dict:
    """A person before a plain ground, upright when calm, off centre and broken into strokes when
    aroused.
    """
    s.gradient(0, SIDE, s.tone(1, -5, 95), s.tone(2, -60, 90), 60)
    side = 1 if s.chance(50) else -1
    shift = side * s.pick(6, 34) * s.busy // 100
    s.glow(128 - side * 50, 70, 125, s.tone(2, 50, 80), 70)
    shades = [s.tone(k, level, 95) for k, level in ((1, 25), (2, 0), (1, -30), (3, -15))]
    s.scatter(24 + s.busy // 2, (0, 0, SIDE, SIDE), 40 * side, 20 + s.busy, 22, 6, shades)
    if subject == "two figures":
        for k, (x, u, slot) in enumerate(((78 + shift, 8, 3), (170 + shift, 9, 0))):
            _coat(s, x, 146 - 10 * k, u, slot)
            _face(s, x + 4 - 8 * k, 104 - 10 * k, u, 1 - 2 * k)
    elif subject == "profile":
        x, y, u, d = 128 + shift, 108, 11, side
        _coat(s, x - d * u, y + 6 * u, u, 3)
        s.polygon([x - d * 3 * u, y + 2 * u, x - d * 2 * u, y + 8 * u, x + d * 14 * u // 10,
                   y + 8 * u, x + d * u, y + 3 * u], s.tone(0, -5, 85, SKIN, 75), 128)
        line = [(-30, -50), (10, -56), (34, -34), (36, -18), (52, 8), (37, 14), (42, 24), (36, 30),
                (40, 38), (26, 50), (0, 40), (-30, 20)]
        s.polygon([(x + d * px * u // 11, y + py * u // 11) for px, py in line],
                  s.tone(0, 45, 85, SKIN, 75), 120)
        jaw = [(0, -20), (14, 6), (20, 30), (26, 50), (0, 40), (-26, 20)]
        s.polygon([(x + d * px * u // 11, y + py * u // 11) for px, py in jaw],
                  s.tone(0, -5, 90, SKIN, 75), 110)
        hair = [(20, -58), (-20, -66), (-58, -34), (-60, 10), (-44, 44), (-20, 40), (-12, 0),
                (4, -26), (32, -36)]
        s.polygon([(x + d * px * u // 11, y + py * u // 11) for px, py in hair],
                  s.tone(3, -80, 90, HAIR, 50), 110)
        s.scatter(16, (x - 50, y - 60, x + 20, y + 20), 110, 30, 12, 2,
                  [s.tone(3, -50, 90, HAIR, 50), s.tone(3, -105, 80, HAIR, 50)], round_box=True)
        s.mark(x + d * 24, y - 11, 0, 6, 2, s.tone(1, -110, 60))
        s.mark(x + d * 26, y - 20, (-d * 12) % 256, 9, 1, s.tone(3, -85, 85, HAIR, 50))
        s.mark(x + d * 34, y + 30, (d * (50 - s.sweet) // 4) % 256, 7, 2,
               s.tone(4, -25, 130, LIP, 75))
    elif subject == "bust":
        x, u = 128 + shift, 10
        s.box(0, 222, SIDE, SIDE, s.tone(0, -50, 90), 0)
        s.box(x - 36, 208, x + 36, 232, s.tone(2, 10, 40, CLAY), 0)
        stone = [s.tone(2, level, 30, CLAY, 40) for level in (105, 65, 20, -30)]
        s.polygon([x - 62, 178, x - 20, 150, x + 20, 150, x + 62, 178, x + 46, 210, x - 46, 210],
                  stone[1], 20)
        s.polygon([x + 12, 150, x + 62, 178, x + 46, 210, x + 8, 210], stone[3], 150)
        s.box(x - 15, 132, x + 15, 160, stone[2], 128)
        s.ellipse(x, 98, 40, 52, stone[1], 120)
        s.ellipse(x - 12, 92, 25, 42, stone[0], 120)
        s.polygon([x + 16, 56, x + 38, 80, x + 37, 116, x + 12, 146, x + 18, 98], stone[3], 120)
        s.scatter(26, (x - 44, 40, x + 44, 84), 20, 90, 9, 4, stone, round_box=True, lit=True)
        s.polygon([x + 2, 84, x + 12, 112, x - 3, 113], stone[3], 128)
        for d in (-1, 1):
            s.mark(x + d * 17, 90, 0, 8, 2, stone[3])
        s.mark(x + 3, 126, 0, 10, 2, stone[3])
    else:
        x, u = 128 + shift, 7
        s.box(x - 54, 96, x + 54, 210, s.tone(3, -45, 110, WOOD, 40), 128)          # the chair
        s.box(x - 46, 104, x + 46, 200, s.tone(4, -15, 110), 100)
        _coat(s, x, 106, u, 0, 206)
        s.polygon([x - 50, 200, x + 50, 200, x + 66, SIDE, x - 66, SIDE], s.tone(1, -55, 110), 110)
        s.scatter(14, (x - 54, 204, x + 54, SIDE), 115, 30, 18, 4,
                  [s.tone(1, -20, 110), s.tone(1, -90, 100)])
        for d in (-1, 1):
            s.polygon([x + d * 46, 132, x + d * 58, 150, x + d * 44, 196, x + d * 6, 204, x + d * 6,
                       190, x + d * 34, 178], s.tone(0, -10, 115), 60)
        s.ellipse(x, 196, 12, 8, s.tone(0, 50, 85, SKIN, 75), 0)
        _face(s, x, 70, u, side)
    return {"loose": 14 + s.busy // 3, "jitter": 9 + s.busy // 10, "coarse": (19, 20, 8),
            "fine": (9, 9, 4), "glaze": 35, "warp": 1, "edge": 90}
