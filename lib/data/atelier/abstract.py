"""Manners without objects: colour field, geometric, gestural."""

from lib.data.atelier.brush import COSINE, SIDE, Scene
from lib.data.atelier.palette import SINE


def colour_field(scene: Scene, subject: str) -> dict:
    """Large soft areas of colour, a few when calm, more when aroused."""
    s = scene
    s.box(0, 0, SIDE, SIDE, s.tone(0, -20, 80), 0)
    many = 2 + s.busy // 25
    if subject == "bands":
        y = s.pick(8, 18)
        for k in range(many + 1):
            height = (SIDE - 30) // (many + 1) + s.pick(-10, 10)
            s.box(10 + s.pick(0, 8), y, SIDE - 10 - s.pick(0, 8), y + height - 8, s.tone(k % 5, s.pick(-70, 90)), 0)
            y += height
    elif subject == "windows":
        for k in range(many):
            x, y = s.pick(20, 150), s.pick(16, 150)
            s.box(x - 6, y - 6, x + s.pick(50, 110), y + s.pick(50, 110), s.tone(k % 5, s.pick(-80, 90)), 128 * (k % 2))
    elif subject == "veils":
        for k in range(many + 2):
            x, wide = s.pick(-20, 230), s.pick(30, 90)
            lean = s.pick(-40, 40) * s.busy // 60
            s.polygon([x, 0, x + wide, 0, x + wide + lean, SIDE, x + lean, SIDE], s.tone(k % 5, s.pick(-70, 90)), 128)
    else:
        inset, step = 14, 110 // (many + 1)
        shift = s.busy * s.pick(-10, 10) // 100
        for k in range(many + 1):
            s.box(inset + k * shift, inset + k * shift // 2, SIDE - inset + k * shift, SIDE - inset,
                  s.tone(k % 5, s.pick(-70, 90)), 128 * (k % 2))
            inset += step
    return {"layers": ((22, 26, 13), (12, 18, 6)), "loose": 14, "jitter": 9, "relief": 60, "glaze": 25}


def geometric(scene: Scene, subject: str) -> dict:
    """Hard-edged shapes on a ground."""
    s = scene
    s.box(0, 0, SIDE, SIDE, s.tone(0, 45, 55), 24)
    s.polygon([0, s.pick(40, 200), SIDE, s.pick(40, 200), SIDE, SIDE, 0, SIDE], s.tone(1, 15, 60), 200)
    many = 4 + s.busy // 8
    for k in range(many):
        shade = s.tone(s.pick(0, 4), s.pick(-100, 90), 130)
        x, y, r = s.pick(10, 246), s.pick(10, 246), s.pick(10, 64 - s.busy // 4)
        turn = s.pick(0, 255)
        if subject == "circles":
            s.ellipse(x, y, r, r, shade, turn)
            if s.chance(50):
                s.ellipse(x, y, r * 6 // 10, r * 6 // 10, s.tone(s.pick(0, 4), s.pick(-80, 90), 130), turn)
        elif subject == "triangles":
            corners = []
            for j in range(3):
                a = (turn + 85 * j + s.pick(-20, 20)) % 256
                corners += [x + (r * COSINE[a] >> 9), y + (r * SINE[a] >> 9)]
            s.polygon(corners, shade, turn)
        elif subject == "grid":
            x, y = x // 32 * 32, y // 32 * 32
            s.box(x, y, x + 32 * s.pick(1, 3) - 4, y + 32 * s.pick(1, 2) - 4, shade, 128 * (k % 2))
        else:
            lean = s.pick(-60, 60) * s.busy // 100
            wide = s.pick(5, 22)
            s.polygon([x, y - 90, x + wide, y - 90, x + wide + lean, y + 90, x + lean, y + 90], shade, 128)
    return {"layers": ((18, 20, 9), (10, 12, 4)), "loose": 10, "jitter": 7, "relief": 45, "glaze": 60}


def gestural(scene: Scene, subject: str) -> dict:
    """The brush's own movement: few long strokes when calm, many broken ones when aroused."""
    s = scene
    s.box(0, 0, SIDE, SIDE, s.tone(0, 35, 50), s.pick(0, 255))
    for _ in range(24 + s.busy // 2):
        shade = s.tone(s.pick(0, 4), s.pick(-110, 100), 130)
        x, y, turn = s.pick(0, 256), s.pick(0, 256), s.pick(-30, 30) * s.busy // 40 + 20
        if subject == "strokes":
            s.mark(x, y, turn, s.pick(20, 80), s.pick(4, 14), shade)
        elif subject == "drips":
            s.mark(x, y, 128 + s.pick(-6, 6), s.pick(20, 90), s.pick(1, 5), shade)
            s.mark(x, y - 20, s.pick(0, 255), s.pick(6, 14), s.pick(5, 12), shade)
        elif subject == "arcs":
            r = s.pick(20, 90)
            start = s.pick(0, 255)
            for j in range(9):
                a = (start + 9 * j) % 256
                s.mark(x + (r * COSINE[a] >> 10), y + (r * SINE[a] >> 10), 2 * a + 128, 10 + r // 5, 3 + r // 20, shade)
        else:
            s.mark(x, y, s.pick(0, 255), s.pick(6, 26), s.pick(2, 7), shade)
    return {"layers": ((22, 30, 11),), "loose": 40, "jitter": 14, "relief": 100, "glaze": 0}
