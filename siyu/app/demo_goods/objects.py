"""Packages, leaves and beans. Each is drawn around its middle, standing on `floor`."""

import random
from typing import NamedTuple

from siyu.app.demo_goods.paint import (
    Canvas,
    Colour,
    Frame,
    Point,
    box,
    darker,
    lighter,
    mix,
    oval,
    path,
    placed,
    rgb,
    round_body,
    sheen,
)

PAPER = rgb("#f6efe0")
INK = rgb("#33302b")
SEAL = rgb("#b5402f")
GOLD = rgb("#c9a35c")
COFFEE = rgb("#4a2f23")
STEEL = rgb("#b9b8b4")


class Palette(NamedTuple):
    """Colours of a picture: behind, beneath, the thing itself and what goes with it."""

    wall: Colour
    table: Colour
    main: Colour
    accent: Colour
    brew: Colour
    leaf: Colour


def seal(canvas: Canvas, at: Point, size: float = 30) -> None:
    """The shop's red seal."""
    x, y = at
    canvas.shape(box(x - size / 2, y - size / 2, x + size / 2, y + size / 2, size * 0.16), SEAL)
    canvas.letters("山", (x, y - size * 0.21), round(size * 0.4), PAPER, gap=0)
    canvas.letters("房", (x, y + size * 0.21), round(size * 0.4), PAPER, gap=0)


def hills(canvas: Canvas, within: list[Point], f: Frame, colour: Colour, seed: int) -> None:
    """Three ranges of hills that fill a frame, the farthest the palest, inside an outline."""
    dice = random.Random(seed)
    steps = 7
    for i in range(3):
        heights = [0.25 + 0.24 * i + dice.uniform(-0.16, 0.12) for _ in range(steps + 1)]
        ridge: list[tuple[float, ...]] = []
        for n in range(steps):
            u = 2 * (n + 1) / steps - 1
            middle = u - 1 / steps
            ridge.append((middle, heights[n], middle, heights[n + 1], u, heights[n + 1]))
        outline = f.path((-1, 1.3), (-1, heights[0]), *ridge, (1, 1.3))
        canvas.shape(outline, mix(PAPER, colour, 0.22 + 0.24 * i), within=within)


def leaf(canvas: Canvas, at: Point, length: float, angle: float, colour: Colour) -> None:
    """One leaf with its vein; it points to where it grows."""
    f = Frame(0, 0, length, length)
    lower = ((0.75, 0.24, 0.25, 0.27, 0, 0),)
    whole = f.path((0, 0), (0.25, -0.3, 0.75, -0.3, 1, 0), *lower)
    canvas.shape(placed(whole, at, angle), colour)
    shade = f.path((0, 0), (1, 0), *lower)
    canvas.shape(placed(shade, at, angle), darker(colour, 0.16))
    vein = placed([f.at(-0.12, 0), f.at(0.9, 0)], at, angle)
    canvas.line(vein, length * 0.022, lighter(colour, 0.28))


def twig(
    canvas: Canvas, at: Point, length: float, angle: float, colour: Colour, pairs: int = 3
) -> None:
    """A twig with leaves on both sides and a bud."""
    f = Frame(0, 0, length, length)
    stem = placed(f.path((0, 0), (0.3, -0.06, 0.7, 0.02, 1, 0)), at, angle)
    canvas.line(stem, length * 0.02, darker(colour, 0.3))
    for i in range(pairs):
        where = stem[round((i + 0.7) / (pairs + 0.4) * (len(stem) - 1))]
        size = length * (0.46 - 0.06 * i)
        leaf(canvas, where, size, angle - 46 + 4 * i, mix(colour, lighter(colour, 0.3), i / 4))
        leaf(canvas, where, size * 0.94, angle + 42 - 3 * i, darker(colour, 0.1))
    leaf(canvas, stem[-1], length * 0.34, angle - 4, lighter(colour, 0.22))


def bean(canvas: Canvas, at: Point, size: float, angle: float, colour: Colour = COFFEE) -> None:
    """A roasted bean with its crease."""
    beneath = (at[0] + size * 0.1, at[1] + size * 0.22)
    shape = oval(0, 0, size, size * 0.68)
    canvas.shape(placed(shape, beneath, angle), darker(colour, 0.6), opacity=0.35, blur=3)
    canvas.shape(placed(shape, at, angle), sheen(lighter(colour, 0.2), darker(colour, 0.25)))
    crease = Frame(0, 0, size, size).path((-0.92, 0), (-0.3, -0.34, 0.3, 0.34, 0.92, 0))
    canvas.line(placed(crease, at, angle), size * 0.13, darker(colour, 0.55))


def scattered_beans(canvas: Canvas, around: Point, count: int, seed: int) -> None:
    """Beans lying about."""
    dice = random.Random(seed)
    for _ in range(count):
        at = (around[0] + dice.gauss(0, 1) * 62, around[1] + dice.uniform(-12, 26))
        roast = mix(COFFEE, rgb("#6d4632"), dice.random())
        bean(canvas, at, dice.uniform(13, 18), dice.uniform(0, 180), roast)


def scattered_leaves(canvas: Canvas, around: Point, count: int, colour: Colour, seed: int) -> None:
    """Dry leaves lying about: thin, twisted strokes."""
    dice = random.Random(seed)
    for _ in range(count):
        at = (around[0] + dice.gauss(0, 1) * 58, around[1] + dice.uniform(-12, 24))
        long, bend = dice.uniform(16, 30), dice.uniform(-9, 9)
        stroke = path((-long / 2, 0), (-long / 4, bend, long / 4, -bend, long / 2, 0))
        shade = mix(darker(colour, 0.35), colour, dice.random())
        canvas.line(placed(stroke, at, dice.uniform(0, 180)), dice.uniform(4, 6.5), shade)


def steam(canvas: Canvas, at: Point, height: float = 120) -> None:
    """Two curls of steam."""
    for dx, tall in ((-16, height), (20, height * 0.8)):
        f = Frame(at[0] + dx, at[1], 27, -tall)
        curl = f.path((0, 0), (-1, 0.33, 1, 0.55, -0.15, 1))
        thin = [5 * (1 - i / 30) for i in range(len(curl))]
        edge = [(x - w, y) for (x, y), w in zip(curl, thin, strict=True)]
        back = [(x + w, y) for (x, y), w in zip(curl, thin, strict=True)]
        canvas.shape(edge + back[::-1], (255, 255, 252), opacity=0.55, blur=3.5)


# --- packages ---------------------------------------------------------------------------------


def tin(canvas: Canvas, cx: float, floor: float, p: Palette, label: str, size: float = 1) -> None:
    """A round tea tin with a paper label."""
    flat = 0.17
    f = Frame.on(cx, floor, 112 * size, 330 * size)
    canvas.shadow(cx, floor + 4, f.half * 1.15, 30 * size)
    canvas.shape(f.turned((1, 0), (1, 1), foot=flat), round_body(p.main))
    band = f.band(0.3, 0.9, flat)
    canvas.shape(band, round_body(PAPER, 0.2))
    ground = Frame(*f.at(0, 0.58), f.half, f.tall * 0.4)
    hills(canvas, band, ground, p.accent, len(label) + round(cx))
    canvas.shape(band, ((0, INK), (0.28, PAPER), (0.6, PAPER), (1, INK)), opacity=0.1)
    letter = round(min(46, 148 / max(3, len(label))) * size)
    canvas.letters(label, f.at(0, 0.615), letter, INK, upright=True)
    seal(canvas, f.at(0.52, 0.84), 30 * size)
    lid = f.turned((1.03, 0), (1.03, 0.17), foot=flat)
    canvas.shape(lid, round_body(darker(p.main, 0.12)))
    canvas.shape(f.turned((1.03, 0.155), (1.03, 0.17), foot=flat), round_body(GOLD))
    top = sheen(lighter(p.main, 0.34), lighter(p.main, 0.1))
    canvas.shape(f.oval(0, 0, 1.03, flat), top)
    canvas.shape(f.oval(0, 0, 0.8, flat), sheen(p.main, lighter(p.main, 0.25)))


def pouch(canvas: Canvas, cx: float, floor: float, p: Palette, label: str, size: float = 1) -> None:
    """A stand-up bag, its top pressed, with the valve of coffee bags."""
    f = Frame.on(cx, floor, 135 * size, 380 * size)
    canvas.shadow(cx, floor + 2, f.half * 1.08, 28 * size)
    body = f.path(
        (-0.92, 0),
        (0.92, 0),
        (0.98, 0.3, 1.06, 0.7, 1, 0.985),
        (0.5, 1.04, -0.5, 1.04, -1, 0.985),
        (-1.06, 0.7, -0.98, 0.3, -0.92, 0),
    )
    canvas.shape(body, round_body(p.main, 0.3))
    canvas.shape(f.box(-0.92, 0, 0.92, 0.095), round_body(darker(p.main, 0.16), 0.3))
    fold = [f.at(-0.92, 0.098), f.at(0.92, 0.098)]
    canvas.line(fold, 2.5, darker(p.main, 0.4), opacity=0.5)
    plate = f.box(-0.66, 0.25, 0.66, 0.84, 0.075)
    canvas.shape(plate, round_body(PAPER, 0.12))
    canvas.shape(f.oval(0.24, 0.4, 0.27), p.accent, within=plate)
    ground = Frame(*f.at(0, 0.34), f.half * 0.66, f.tall * 0.26)
    hills(canvas, plate, ground, p.accent, round(cx + f.tall))
    canvas.shape(f.box(-0.66, 0.58, 0.66, 0.84, 0.075), PAPER, within=plate)
    letter = round(min(40, 136 / max(3, len(label))) * size)
    canvas.letters(label, f.at(0, 0.675), letter, INK)
    small = darker(p.accent, 0.2)
    canvas.letters("山房茶咖", f.at(0, 0.775), round(15 * size), small, kind="sans", gap=0.4)
    canvas.shape(f.oval(0, 0.175, 0.08), darker(p.main, 0.3))
    canvas.shape(f.oval(0, 0.175, 0.03), lighter(p.main, 0.2))


def carton(
    canvas: Canvas,
    cx: float,
    floor: float,
    p: Palette,
    label: str,
    size: float = 1,
    *,
    ribbon: bool = False,
) -> None:
    """A box seen a little from the side, with a lid; a gift when it has a ribbon."""
    f = Frame.on(cx - 15 * size, floor, 150 * size, 250 * size)
    side, back = 1.41, -0.124  # how far the box goes to the right, and up, into the picture
    canvas.shadow(cx + 19 * size, floor + 2, f.half * 1.25, 30 * size)
    right = f.path((1, 0), (side, back), (side, 1 + back), (1, 1))
    canvas.shape(right, sheen(darker(p.main, 0.3), darker(p.main, 0.42)))
    top = f.path((-1, 0), (side - 2, back), (side, back), (1, 0))
    canvas.shape(top, sheen(lighter(p.main, 0.26), lighter(p.main, 0.08)))
    front = f.box(-1, 0, 1, 1)
    canvas.shape(front, sheen(lighter(p.main, 0.08), darker(p.main, 0.1)))
    ground = Frame(*f.at(0, 0.5), f.half, f.tall * 0.5)
    hills(canvas, front, ground, mix(p.main, p.accent, 0.7), round(f.half + f.tall))
    edge = [f.at(-1, 0.2), f.at(1, 0.2)]
    canvas.line(edge, 2, darker(p.main, 0.35), opacity=0.45)
    canvas.line([f.at(1, 0.2), f.at(side, 0.2 + back)], 2, darker(p.main, 0.55), opacity=0.45)
    start, end = -0.88, 0.88
    if ribbon:
        _ribbon(canvas, f, side, back)
        start = -0.4
    letter = min(50 * size, (end - start) * f.half / max(2, len(label)) / 1.3)
    middle = (start + end) / 2
    reach, high = letter * max(2, len(label)) * 0.66 / f.half, letter * 1.9 / f.tall
    canvas.shape(f.box(middle - reach, 0.3, middle + reach, 0.3 + high, 0.04), PAPER)
    canvas.letters(label, f.at(middle, 0.3 + high / 2), round(letter), INK)
    seal(canvas, f.at(0.77, 0.86), 30 * size)


def _ribbon(canvas: Canvas, f: Frame, side: float, back: float) -> None:
    """A golden ribbon over front and top of a carton, with its bow."""
    u, half, deep = -0.6, 0.087, side - 1
    gold = sheen(lighter(GOLD, 0.25), darker(GOLD, 0.15))
    canvas.shape(f.box(u - half, 0, u + half, 1), gold)
    over = f.path((u - half, 0), (u - half + deep, back), (u + half + deep, back), (u + half, 0))
    canvas.shape(over, lighter(GOLD, 0.35))
    x, y = f.at(u + deep / 2, back / 2)
    size = f.half * 0.37
    for way in (-1, 1):
        b = Frame(x, y, size * way, size)
        loop = b.path((0, 0), (0.4, -0.95, 1.35, -0.75, 1.15, -0.1), (0.9, 0.3, 0.3, 0.15, 0, 0))
        canvas.shape(loop, gold)
        hole = b.path(
            (0.2, -0.1), (0.4, -0.6, 0.9, -0.5, 0.82, -0.15), (0.7, 0.05, 0.4, 0, 0.2, -0.1)
        )
        canvas.shape(hole, darker(GOLD, 0.3))
    canvas.shape(oval(x, y - size * 0.08, size * 0.2, size * 0.2), lighter(GOLD, 0.15))


def cake(canvas: Canvas, cx: float, floor: float, p: Palette, label: str, size: float = 1) -> None:
    """A pressed tea cake in its paper, seen from the front."""
    r = 172 * size
    f = Frame(cx, floor - r, r, r)
    canvas.shadow(cx + 6, floor, r * 0.86, 30 * size)
    canvas.shape(f.oval(0.1, 0.02, 1), sheen(darker(PAPER, 0.3), darker(PAPER, 0.45)))
    canvas.shape(f.oval(0, 0, 1), sheen(lighter(PAPER, 0.4), darker(PAPER, 0.14)))
    canvas.shape(f.oval(0, 0, 0.86), p.main, opacity=0.92)
    canvas.shape(f.oval(0, 0, 0.825), PAPER)
    hills(canvas, f.oval(0, 0, 0.79), Frame(*f.at(0, -0.1), r, r * 0.9), p.accent, 7)
    canvas.shape(f.oval(0, -0.2, 0.45, 0.75), PAPER, opacity=0.85, blur=18)
    canvas.letters(label, f.at(0, -0.2), round(min(64, 210 / max(2, len(label))) * size), INK)
    seal(canvas, f.at(0.42, 0.2), 34 * size)
    crease = f.path((-0.7, -0.62), (-0.3, -0.94, 0.3, -0.94, 0.7, -0.62))
    canvas.line(crease, 2, darker(PAPER, 0.3), opacity=0.3)


def card(canvas: Canvas, at: Point, p: Palette, label: str, small: str) -> None:
    """A gift card lying on its envelope."""
    (cx, cy), under = at, (at[0] + 16, at[1] - 38)
    shade = placed(box(-215, -130, 215, 150, 18), (cx + 18, cy + 40), 3)
    canvas.shape(shade, INK, opacity=0.3, blur=22)
    envelope = placed(box(-205, -150, 205, 120, 10), under, 7)
    canvas.shape(envelope, sheen(PAPER, darker(PAPER, 0.12)))
    canvas.shape(placed([(-205, -150), (0, 10), (205, -150)], under, 7), darker(PAPER, 0.08))
    front = placed(box(-215, -135, 215, 135, 18), at, -4)
    canvas.shape(front, sheen(lighter(p.main, 0.12), darker(p.main, 0.2)))
    hills(canvas, front, Frame(cx, cy - 10, 240, 180), mix(p.main, p.accent, 0.6), 11)
    canvas.shape(placed(oval(120, -62, 38, 38), at, -4), lighter(GOLD, 0.2), opacity=0.95)
    canvas.letters(label, (cx - 48, cy - 66), 44, PAPER)
    canvas.letters(small, (cx - 52, cy - 12), 19, lighter(GOLD, 0.4), kind="sans", gap=0.22)
    seal(canvas, (cx + 160, cy + 76), 38)
