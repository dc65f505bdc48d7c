"""Styles without objects: colour field, geometric, gestural."""

from PIL import Image, ImageDraw, ImageFilter

from lib.data.atelier.brush import COSINE, SIDE, SINE, Scene, around


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
