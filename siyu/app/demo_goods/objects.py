"""Things that stand on the table. Each is drawn around its middle, standing on `floor`."""

import random
from typing import NamedTuple

from siyu.app.demo_goods.paint import (
    Canvas,
    Colour,
    Point,
    box,
    cylinder,
    darker,
    lighter,
    mix,
    oval,
    path,
    placed,
    rgb,
    round_body,
    turned,
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


def hills(
    canvas: Canvas, within: list[Point], area: tuple[float, float, float, float], colour: Colour, seed: int
) -> None:
    """Three ranges of hills, the farthest the palest, inside an outline."""
    dice = random.Random(seed)
    x0, y0, x1, y1 = area
    for i in range(3):
        base = y0 + (y1 - y0) * (0.25 + 0.24 * i)
        points: list[Point] = [(x0, y1 + 30)]
        steps = 7
        heights = [base + dice.uniform(-0.16, 0.12) * (y1 - y0) for _ in range(steps + 1)]
        outline = path((x0, heights[0]))
        for n in range(steps):
            xa, xb = x0 + (x1 - x0) * n / steps, x0 + (x1 - x0) * (n + 1) / steps
            mid = (xa + xb) / 2
            outline = path(outline[0]) if n == 0 else outline
            outline += path((xa, heights[n]), (mid, heights[n], mid, heights[n + 1], xb, heights[n + 1]))[1:]
        canvas.shape(
            [*points, *outline, (x1, y1 + 30)],
            mix(PAPER, colour, 0.22 + 0.24 * i),
            within=within,
        )


def leaf(canvas: Canvas, at: Point, length: float, angle: float, colour: Colour) -> None:
    """One leaf with its vein; it points to where it grows."""
    wide = length * 0.3
    upper = path((0, 0), (length * 0.25, -wide, length * 0.75, -wide, length, 0))
    lower = path((length, 0), (length * 0.75, wide * 0.8, length * 0.25, wide * 0.9, 0, 0))
    canvas.shape(placed(upper + lower, at, angle), colour)
    canvas.shape(placed(path(upper[0], (length, 0)) + lower, at, angle), darker(colour, 0.16))
    canvas.line(placed([(length * -0.12, 0), (length * 0.9, 0)], at, angle), length * 0.022, lighter(colour, 0.28))


def twig(canvas: Canvas, at: Point, length: float, angle: float, colour: Colour, pairs: int = 3) -> None:
    """A twig with leaves on both sides and a bud."""
    stem = placed(path((0, 0), (length * 0.3, -length * 0.06, length * 0.7, length * 0.02, length, 0)), at, angle)
    canvas.line(stem, length * 0.02, darker(colour, 0.3))
    for i in range(pairs):
        x, y = stem[round((i + 0.7) / (pairs + 0.4) * (len(stem) - 1))]
        size = length * (0.46 - 0.06 * i)
        leaf(canvas, (x, y), size, angle - 46 + 4 * i, mix(colour, lighter(colour, 0.3), i / 4))
        leaf(canvas, (x, y), size * 0.94, angle + 42 - 3 * i, darker(colour, 0.1))
    leaf(canvas, stem[-1], length * 0.34, angle - 4, lighter(colour, 0.22))


def bean(canvas: Canvas, at: Point, size: float, angle: float, colour: Colour = COFFEE) -> None:
    """A roasted bean with its crease."""
    canvas.shape(placed(oval(0, 0, size, size * 0.68), (at[0] + size * 0.1, at[1] + size * 0.22), angle), darker(colour, 0.6), opacity=0.35, blur=3)
    canvas.shape(placed(oval(0, 0, size, size * 0.68), at, angle), ((0, lighter(colour, 0.2)), (1, darker(colour, 0.25))))
    crease = path((-size * 0.92, 0), (-size * 0.3, -size * 0.34, size * 0.3, size * 0.34, size * 0.92, 0))
    canvas.line(placed(crease, at, angle), size * 0.13, darker(colour, 0.55))


def scattered_beans(canvas: Canvas, around: Point, count: int, seed: int) -> None:
    """Beans lying about."""
    dice = random.Random(seed)
    for _ in range(count):
        at = (around[0] + dice.gauss(0, 1) * 62, around[1] + dice.uniform(-12, 26))
        bean(canvas, at, dice.uniform(13, 18), dice.uniform(0, 180), mix(COFFEE, rgb("#6d4632"), dice.random()))


def scattered_leaves(canvas: Canvas, around: Point, count: int, colour: Colour, seed: int) -> None:
    """Dry leaves lying about: thin, twisted strokes."""
    dice = random.Random(seed)
    for _ in range(count):
        at = (around[0] + dice.gauss(0, 1) * 58, around[1] + dice.uniform(-12, 24))
        long, bend = dice.uniform(16, 30), dice.uniform(-9, 9)
        stroke = path((-long / 2, 0), (-long / 4, bend, long / 4, -bend, long / 2, 0))
        canvas.line(
            placed(stroke, at, dice.uniform(0, 180)),
            dice.uniform(4, 6.5),
            mix(darker(colour, 0.35), colour, dice.random()),
        )


def steam(canvas: Canvas, at: Point, height: float = 120) -> None:
    """Two curls of steam."""
    for dx, tall in ((-16, 1.0), (20, 0.8)):
        x, y = at[0] + dx, at[1]
        h = height * tall
        curl = path((x, y), (x - 26, y - h * 0.33, x + 28, y - h * 0.55, x - 4, y - h))
        canvas.shape(
            [(px - 5 * (1 - i / 30), py) for i, (px, py) in enumerate(curl)]
            + [(px + 5 * (1 - i / 30), py) for i, (px, py) in reversed(list(enumerate(curl)))],
            (255, 255, 252),
            opacity=0.55,
            blur=3.5,
        )


# --- packages ---------------------------------------------------------------------------------


def tin(canvas: Canvas, cx: float, floor: float, p: Palette, label: str, size: float = 1) -> None:
    """A round tea tin with a paper label."""
    half, tall, flat = 112 * size, 330 * size, 0.17
    top = floor - tall
    canvas.shadow(cx, floor + 4, half * 1.15, 30 * size)
    canvas.shape(cylinder(cx, top, floor, half, flat), round_body(p.main))
    band = [
        *oval(cx, top + tall * 0.3, half, half * flat, 180, 0),
        *oval(cx, top + tall * 0.9, half, half * flat, 0, 180),
    ]
    canvas.shape(band, round_body(PAPER, 0.2))
    hills(canvas, band, (cx - half, top + tall * 0.58, cx + half, top + tall * 0.98), p.accent, len(label) + round(cx))
    canvas.shape(band, ((0, INK), (0.28, PAPER), (0.6, PAPER), (1, INK)), opacity=0.1)
    letter = round(min(46, 148 / max(3, len(label))) * size)
    canvas.letters(label, (cx, top + tall * 0.615), letter, INK, upright=True)
    seal(canvas, (cx + half * 0.52, top + tall * 0.84), 30 * size)
    lid = top + tall * 0.17
    canvas.shape(cylinder(cx, top, lid, half * 1.03, flat), round_body(darker(p.main, 0.12)))
    canvas.shape(cylinder(cx, lid - 5, lid, half * 1.03, flat), round_body(GOLD))
    canvas.shape(oval(cx, top, half * 1.03, half * flat * 1.03), ((0, lighter(p.main, 0.34)), (1, lighter(p.main, 0.1))))
    canvas.shape(oval(cx, top, half * 0.8, half * flat * 0.78), ((0, p.main), (1, lighter(p.main, 0.25))))


def pouch(canvas: Canvas, cx: float, floor: float, p: Palette, label: str, size: float = 1, valve: bool = True) -> None:
    """A stand-up bag, its top rolled and pressed."""
    half, tall = 135 * size, 380 * size
    top = floor - tall
    canvas.shadow(cx, floor + 2, half * 1.08, 28 * size)
    body = path(
        (cx - half * 0.92, top),
        (cx + half * 0.92, top),
        (cx + half * 0.98, top + tall * 0.3, cx + half * 1.06, top + tall * 0.7, cx + half, floor - 6),
        (cx + half * 0.5, floor + 15 * size, cx - half * 0.5, floor + 15 * size, cx - half, floor - 6),
        (cx - half * 1.06, top + tall * 0.7, cx - half * 0.98, top + tall * 0.3, cx - half * 0.92, top),
    )
    canvas.shape(body, round_body(p.main, 0.3))
    crest = box(cx - half * 0.92, top, cx + half * 0.92, top + tall * 0.095)
    canvas.shape(crest, round_body(darker(p.main, 0.16), 0.3))
    canvas.line([(cx - half * 0.92, top + tall * 0.098), (cx + half * 0.92, top + tall * 0.098)], 2.5, darker(p.main, 0.4), opacity=0.5)
    plate = box(cx - half * 0.66, top + tall * 0.25, cx + half * 0.66, top + tall * 0.84, 10 * size)
    canvas.shape(plate, round_body(PAPER, 0.12))
    sun = oval(cx + half * 0.24, top + tall * 0.4, half * 0.27, half * 0.27)
    canvas.shape(sun, p.accent, within=plate)
    hills(canvas, plate, (cx - half * 0.66, top + tall * 0.34, cx + half * 0.66, top + tall * 0.6), p.accent, round(cx + tall))
    foot = box(cx - half * 0.66, top + tall * 0.58, cx + half * 0.66, top + tall * 0.84, 10 * size)
    canvas.shape(foot, PAPER, within=plate)
    letter = round(min(42, 158 / max(3, len(label))) * size)
    canvas.letters(label, (cx, top + tall * 0.675), letter, INK)
    canvas.letters("山房茶咖", (cx, top + tall * 0.775), round(15 * size), darker(p.accent, 0.2), kind="sans", gap=0.4)
    if valve:
        canvas.shape(oval(cx, top + tall * 0.175, 11 * size, 11 * size), darker(p.main, 0.3))
        canvas.shape(oval(cx, top + tall * 0.175, 4 * size, 4 * size), lighter(p.main, 0.2))


def carton(canvas: Canvas, cx: float, floor: float, p: Palette, label: str, size: float = 1, ribbon: bool = False) -> None:
    """A box seen a little from the side, with a lid; a gift when it has a ribbon."""
    half, tall, deep = 150 * size, 250 * size, 62 * size
    top, left = floor - tall, cx - half - deep * 0.25
    right, edge = left + half * 2, left + half * 2 + deep
    canvas.shadow(cx + deep * 0.3, floor + 2, half * 1.25, 30 * size)
    canvas.shape([(right, top), (edge, top - deep * 0.5), (edge, floor - deep * 0.5), (right, floor)], ((0, darker(p.main, 0.3)), (1, darker(p.main, 0.42))))
    canvas.shape([(left, top), (left + deep, top - deep * 0.5), (edge, top - deep * 0.5), (right, top)], ((0, lighter(p.main, 0.26)), (1, lighter(p.main, 0.08))))
    front = box(left, top, right, floor)
    canvas.shape(front, ((0, lighter(p.main, 0.08)), (1, darker(p.main, 0.1))))
    hills(canvas, front, (left, top + tall * 0.5, right, floor), mix(p.main, p.accent, 0.7), round(half + tall))
    canvas.line([(left, top + tall * 0.2), (right, top + tall * 0.2)], 2, darker(p.main, 0.35), opacity=0.45)
    canvas.line([(right, top + tall * 0.2), (edge, top + tall * 0.2 - deep * 0.5)], 2, darker(p.main, 0.55), opacity=0.45)
    wide = max(2, len(label))
    letter = round(min(50, 190 / wide) * size)
    plate = box(cx - deep * 0.25 - letter * wide * 0.66, top + tall * 0.3, cx - deep * 0.25 + letter * wide * 0.66, top + tall * 0.3 + letter * 1.9, 6)
    if ribbon:
        bx = left + half * 2 * 0.2
        canvas.shape(box(bx - 13 * size, top, bx + 13 * size, floor), ((0, lighter(GOLD, 0.25)), (1, darker(GOLD, 0.15))))
        canvas.shape([(bx - 13 * size, top), (bx - 13 * size + deep, top - deep * 0.5), (bx + 13 * size + deep, top - deep * 0.5), (bx + 13 * size, top)], lighter(GOLD, 0.35))
        plate = [(x + half * 0.2, y) for x, y in plate]
    canvas.shape(plate, PAPER)
    middle = sum(x for x, _ in plate) / len(plate)
    canvas.letters(label, (middle, top + tall * 0.3 + letter * 0.95), letter, INK)
    seal(canvas, (right - 34 * size, floor - 34 * size), 30 * size)
    if ribbon:
        bow(canvas, (left + half * 0.4 + deep * 0.5, top - deep * 0.25), 56 * size)


def bow(canvas: Canvas, at: Point, size: float) -> None:
    """A golden bow."""
    x, y = at
    for side in (-1, 1):
        loop = path((x, y), (x + side * size * 0.4, y - size * 0.95, x + side * size * 1.35, y - size * 0.75, x + side * size * 1.15, y - size * 0.1), (x + side * size * 0.9, y + size * 0.3, x + side * size * 0.3, y + size * 0.15, x, y))
        canvas.shape(loop, ((0, lighter(GOLD, 0.25)), (1, darker(GOLD, 0.18))))
        hole = placed(loop, (x + side * size * 0.22, y - size * 0.12), 0, 0) if False else [(x + (px - x) * 0.55 + side * size * 0.18, y + (py - y) * 0.5 - size * 0.1) for px, py in loop]
        canvas.shape(hole, darker(GOLD, 0.3))
    canvas.shape(oval(x, y - size * 0.08, size * 0.2, size * 0.2), lighter(GOLD, 0.15))


def cake(canvas: Canvas, cx: float, floor: float, p: Palette, label: str, size: float = 1) -> None:
    """A pressed tea cake in its paper, leaning, seen from the front."""
    r = 172 * size
    cy = floor - r
    canvas.shadow(cx + 6, floor, r * 0.86, 30 * size)
    canvas.shape(oval(cx + 17 * size, cy + 4 * size, r, r), ((0, darker(PAPER, 0.3)), (1, darker(PAPER, 0.45))))
    canvas.shape(oval(cx, cy, r, r), ((0, lighter(PAPER, 0.4)), (0.5, PAPER), (1, darker(PAPER, 0.14))))
    canvas.shape(oval(cx, cy, r * 0.86, r * 0.86), p.main, opacity=0.92)
    canvas.shape(oval(cx, cy, r * 0.825, r * 0.825), PAPER)
    inner = oval(cx, cy, r * 0.79, r * 0.79)
    hills(canvas, inner, (cx - r, cy - r * 0.1, cx + r, cy + r * 0.8), p.accent, 7)
    canvas.shape(oval(cx, cy - r * 0.2, r * 0.45, r * 0.34), PAPER, opacity=0.85, blur=18)
    letter = round(min(64, 210 / max(2, len(label))) * size)
    canvas.letters(label, (cx, cy - r * 0.2), letter, INK)
    seal(canvas, (cx + r * 0.42, cy + r * 0.2), 34 * size)
    canvas.line(path((cx - r * 0.7, cy - r * 0.62), (cx - r * 0.3, cy - r * 0.94, cx + r * 0.3, cy - r * 0.94, cx + r * 0.7, cy - r * 0.62)), 2, darker(PAPER, 0.3), opacity=0.3)


def card(canvas: Canvas, cx: float, cy: float, p: Palette, label: str, small: str) -> None:
    """A gift card lying before its envelope."""
    canvas.shape(placed(box(-215, -130, 215, 150, 18), (cx + 18, cy + 40), 3), (48, 34, 28), opacity=0.3, blur=22)
    canvas.shape(placed(box(-205, -150, 205, 120, 10), (cx + 16, cy - 38), 7), ((0, PAPER), (1, darker(PAPER, 0.12))))
    canvas.shape(placed(path((-205, -150), (0, 10), (205, -150)), (cx + 16, cy - 38), 7), darker(PAPER, 0.08))
    front = placed(box(-215, -135, 215, 135, 18), (cx, cy), -4)
    canvas.shape(front, ((0, lighter(p.main, 0.12)), (1, darker(p.main, 0.2))))
    hills(canvas, front, (cx - 240, cy - 10, cx + 240, cy + 170), mix(p.main, p.accent, 0.6), 11)
    canvas.shape(placed(oval(120, -62, 38, 38), (cx, cy), -4), lighter(GOLD, 0.2), opacity=0.95)
    canvas.letters(label, (cx - 48, cy - 66), 44, PAPER)
    canvas.letters(small, (cx - 52, cy - 12), 19, lighter(GOLD, 0.4), kind="sans", gap=0.22)
    seal(canvas, (cx + 160, cy + 76), 38)
