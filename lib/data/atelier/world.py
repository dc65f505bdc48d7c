"""Manners with objects: landscape, seascape, still life, night scene, portrait."""

from lib.data.atelier.brush import SIDE, Scene

SKY, SEA, GRASS, SKIN, EARTH, SUN = 148, 135, 80, 18, 22, 38


def _sky(s: Scene, horizon: int) -> None:
    s.gradient(0, horizon + 40, s.tone(1, 30, 90, SKY), s.tone(2, 90, 60, SUN, 30), 0)
    for _ in range(2 + s.busy // 25):
        x, y = s.pick(0, 256), s.pick(10, max(20, horizon - 30))
        for _ in range(5):
            shade = s.tone(2, s.pick(50, 110), 40)
            s.ellipse(x + s.pick(-30, 30), y + s.pick(-6, 6), s.pick(10, 30), s.pick(4, 10), shade, s.pick(-20, 20))


def landscape(scene: Scene, subject: str) -> dict:
    s = scene
    horizon = s.pick(90, 150)
    _sky(s, horizon)
    many = 3 + s.busy // 40
    for k in range(many):
        base = horizon + (SIDE - horizon) * k // many
        s.land(s.ridge(base, 14 + s.busy // 6, 3 + k), s.tone(k % 3, 40 - 110 * k // many, 70 + 40 * k // many, GRASS, 40), 10 * k - 10)
    if subject == "river":
        x, w = s.pick(80, 170), 3
        for y in range(horizon + 14, SIDE, 6):
            x += s.pick(-9, 9)
            w += 2
            s.box(x - w, y, x + w, y + 6, s.tone(1, 80, 70, SEA), 0)
    count = {"hills": 4, "forest": 16, "village": 5, "river": 5}[subject] + s.busy // 12
    for k in range(count):
        y = horizon + 20 + (SIDE - horizon - 30) * k // count
        x, r = s.pick(0, 256), 6 + (y - horizon) // 5
        s.box(x - r // 6, y - r, x + r // 6, y + r, s.tone(3, -80, 70, EARTH), 128)
        s.ball(x, y - r, r * 7 // 10, r, 0, -30, GRASS, 50)
    if subject == "village":
        for _ in range(4 + s.busy // 20):
            x, y, w = s.pick(20, 220), horizon + s.pick(15, 60), s.pick(12, 22)
            s.box(x, y, x + w, y + w * 8 // 10, s.tone(2, 70, 70, SUN), 128)
            s.polygon([x - 3, y, x + w // 2, y - w * 7 // 10, x + w + 3, y], s.tone(3, -20, 130, 6, 50), 30)
    return {"layers": ((20, 22, 9), (11, 12, 5)), "loose": 20 + s.busy // 4, "jitter": 12 + s.busy // 10, "relief": 80, "glaze": 20}


def seascape(scene: Scene, subject: str) -> dict:
    s = scene
    horizon = s.pick(80, 140)
    _sky(s, horizon)
    s.gradient(horizon, SIDE, s.tone(1, 20, 100, SEA), s.tone(0, -60, 110, SEA), 0)
    for _ in range(14 + s.busy // 3):
        y = s.pick(horizon + 4, 255)
        shade = s.tone(s.pick(0, 2), s.pick(-60, 110), 80, SEA)
        s.mark(s.pick(0, 256), y, s.pick(-12, 12) * s.busy // 50, 6 + (y - horizon) // 4, 1 + (y - horizon) // 50, shade)
    if subject == "cliffs":
        side = s.chance(50)
        edge = [(0, horizon - 60), (60, horizon - 50), (90, horizon - 10), (80, horizon + 40), (110, 256), (0, 256)]
        s.polygon([c for x, y in edge for c in ((SIDE - x if side else x), y)], s.tone(3, -40, 70, EARTH), 110)
    elif subject == "lighthouse":
        x = s.pick(60, 200)
        s.polygon([x - 50, 256, x - 20, horizon + 20, x + 30, horizon + 18, x + 60, 256], s.tone(3, -70, 60, EARTH), 90)
        s.polygon([x - 8, horizon + 24, x - 5, horizon - 60, x + 5, horizon - 60, x + 8, horizon + 24], s.tone(2, 100, 30), 128)
        s.box(x - 7, horizon - 74, x + 7, horizon - 60, s.tone(4, 0, 140, 4, 70), 0)
    elif subject == "harbour":
        for _ in range(3 + s.busy // 25):
            x, y, w = s.pick(20, 236), s.pick(horizon + 14, 220), s.pick(16, 34)
            s.polygon([x - w, y, x + w, y, x + w * 7 // 10, y + w // 3, x - w * 7 // 10, y + w // 3], s.tone(3, -60, 100), 0)
            s.polygon([x, y - 2, x, y - 2 * w, x + w * 8 // 10, y - 2], s.tone(s.pick(0, 4), 90, 90), 110)
    return {"layers": ((20, 24, 8), (11, 14, 4)), "loose": 14 + s.busy // 4, "jitter": 12 + s.busy // 10, "relief": 80, "glaze": 20}


def still_life(scene: Scene, subject: str) -> dict:
    s = scene
    table = s.pick(140, 180)
    s.gradient(0, table, s.tone(1, -40, 70), s.tone(1, 10, 70), 100)
    s.box(0, table, SIDE, SIDE, s.tone(2, 50, 80, EARTH), 0)
    many = 3 + s.busy // 18
    for k in range(many):
        x, y, r = 40 + 176 * k // max(1, many - 1) + s.pick(-12, 12), table + s.pick(0, 30), s.pick(16, 28)
        natural = (4, 22, 38, 70, 236)[s.pick(0, 4)]
        s.ellipse(x + 6, y + r - 2, r, r // 3, s.tone(3, -70, 60), 0)
        if subject == "fruit":
            s.ball(x, y, r, r, s.pick(0, 4), 0, natural)
        elif subject == "bottles":
            h = s.pick(60, 110)
            s.box(x - 13, y + r - h, x + 13, y + r, s.tone(k % 5, -40, 110), 128)
            s.box(x - 5, y + r - h - 30, x + 5, y + r - h, s.tone(k % 5, -50, 110), 128)
            s.box(x - 10, y + r - h + 6, x - 5, y + r - 10, s.tone(k % 5, 90, 60), 128)
        elif subject == "books":
            h = s.pick(10, 18)
            for j in range(3):
                s.box(x - 34, y + 18 - j * h, x + 30 + s.pick(-8, 8), y + 16 - j * h + h, s.tone((k + j) % 5, s.pick(-70, 70), 120), 0)
        else:
            for _ in range(6):
                fx, fy = 128 + s.pick(-70, 70), s.pick(20, 120)
                s.ball(fx, fy, 12, 12, s.pick(0, 4), 20, natural, chroma=140)
    if subject == "flowers":
        s.polygon([104, 130, 152, 130, 160, 220, 96, 220], s.tone(3, -10, 100), 128)
    return {"layers": ((20, 18, 9), (10, 11, 5)), "loose": 20 + s.busy // 4, "jitter": 11 + s.busy // 10, "relief": 85, "glaze": 25}


def night_scene(scene: Scene, subject: str) -> dict:
    s = scene
    horizon = s.pick(120, 170)
    s.gradient(0, horizon + 20, s.tone(1, -60, 110, 168), s.tone(1, 10, 100, 160), 0)
    mx, my, r = s.pick(40, 216), s.pick(24, 70), s.pick(10, 20)
    s.ellipse(mx, my, r + 10, r + 10, s.tone(1, 40, 70, 40), 0)
    s.ellipse(mx, my, r, r, s.tone(4, 160, 60, SUN, 80), 0)
    for _ in range(10 + s.busy // 5):
        s.mark(s.pick(0, 256), s.pick(0, horizon - 30), 0, 3, 2, s.tone(4, 140, 60, SUN, 80))
    s.box(0, horizon, SIDE, SIDE, s.tone(0, -40, 90, 165), 0)
    if subject in ("street", "rooftops"):
        x = -10
        while x < SIDE:
            w, h = s.pick(24, 50), s.pick(40, 90)
            wall = s.tone(s.pick(0, 2), s.pick(-100, -60), 90, 170)
            s.box(x, horizon - h, x + w, SIDE if subject == "rooftops" else horizon + 40, wall, 128)
            s.polygon([x - 2, horizon - h, x + w // 2, horizon - h - 20, x + w + 2, horizon - h], s.tone(3, -90, 80), 40)
            for wy in range(horizon - h + 8, horizon + 20, 20):
                if s.chance(60):
                    s.box(x + 8, wy, x + 16, wy + 10, s.tone(4, 120, 150, SUN, 80), 128)
            x += w + 2
    elif subject == "bridge":
        s.box(0, horizon - 12, SIDE, horizon, s.tone(2, -90, 70), 0)
        for x in range(20, 256, 60):
            s.ellipse(x, horizon + 4, 22, 16, s.tone(0, -20, 90, 165), 0)
    for _ in range(12 + s.busy // 6):
        s.mark(mx + s.pick(-24, 24), s.pick(horizon + 6, 250), 0, s.pick(5, 16), 2, s.tone(4, 120, 70, SUN, 70))
    return {"layers": ((20, 20, 8), (11, 12, 4)), "loose": 20 + s.busy // 4, "jitter": 10 + s.busy // 12, "relief": 80, "glaze": 25}


def portrait(scene: Scene, subject: str) -> dict:
    s = scene
    s.gradient(0, SIDE, s.tone(1, -20, 90), s.tone(2, -50, 90), 60)
    for x in ((84, 176) if subject == "two figures" else (128 + s.busy * s.pick(-30, 30) // 100,)):
        scale = 7 if subject == "two figures" else 10
        hy = 100 if subject != "seated figure" else 84
        coat = s.pick(0, 4)
        low, top = hy + 7 * scale, hy + 5 * scale
        s.polygon([x - 7 * scale, 256, x - 6 * scale, low, x, top, x + 6 * scale, low, x + 7 * scale, 256], s.tone(coat, -50, 120), 140)
        s.box(x - 2 * scale, hy + 2 * scale, x + 2 * scale, hy + 6 * scale, s.tone(0, 20, 90, SKIN, 70), 128)
        s.ellipse(x, hy - scale, 5 * scale, 6 * scale, s.tone(3, -90, 80, EARTH), 110)
        s.ball(x, hy, 4 * scale, 5 * scale, 0, 40, SKIN, 70, 100)
        for side in (-1, 1):
            s.mark(x + side * 16 * scale // 10, hy - scale // 2, 0, scale // 2, 2, s.tone(3, -120, 60))
        s.mark(x, hy + scale, 128, scale, 2, s.tone(0, -20, 90, SKIN))
        s.mark(x, hy + 3 * scale, 0, scale, 2, s.tone(4, -50, 130, 4, 70))
    return {"layers": ((20, 20, 9), (10, 11, 4)), "loose": 20 + s.busy // 4, "jitter": 11 + s.busy // 10, "relief": 85, "glaze": 30}
