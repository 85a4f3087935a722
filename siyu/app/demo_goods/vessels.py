"""Tea and coffee ware. Each is drawn around its middle, standing on `floor`."""

from siyu.app.demo_goods.objects import COFFEE, PAPER, STEEL, Palette, bean, steam
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
    rgb,
    round_body,
    turned,
)

GLASS = rgb("#dfe9e6")
WOOD = rgb("#a9764a")


def _ring(canvas: Canvas, points: list[Point], width: float, colour: Colour) -> None:
    canvas.line(points, width, darker(colour, 0.22))
    canvas.line([(x - width * 0.12, y - width * 0.12) for x, y in points], width * 0.62, lighter(colour, 0.12))


def _opening(canvas: Canvas, cx: float, y: float, half: float, colour: Colour, brew: Colour | None, flat: float = 0.22) -> None:
    """The mouth of a vessel, with what is in it."""
    canvas.shape(oval(cx, y, half, half * flat), lighter(colour, 0.32))
    inner = oval(cx, y + half * 0.015, half * 0.93, half * flat * 0.88)
    canvas.shape(inner, ((0, darker(colour, 0.4)), (1, darker(colour, 0.12))))
    if brew:
        level = oval(cx, y + half * flat * 0.42, half * 0.9, half * flat * 0.82)
        canvas.shape(level, ((0, darker(brew, 0.12)), (0.6, brew), (1, lighter(brew, 0.25))), within=inner)
        gleam = oval(cx + half * 0.3, y + half * flat * 0.3, half * 0.28, half * flat * 0.2)
        canvas.shape(gleam, lighter(brew, 0.5), within=inner, opacity=0.5, blur=2)


def cup(canvas: Canvas, cx: float, floor: float, colour: Colour, brew: Colour, size: float = 1, *, handle: bool = False, hot: bool = False, saucer: bool = False) -> None:
    """A cup: with a handle a mug, without one a tea cup."""
    half, tall = 86 * size, (150 if handle else 98) * size
    top = floor - tall
    canvas.shadow(cx, floor + 2, half * (1.5 if saucer else 0.95), 20 * size)
    if saucer:
        canvas.shape(oval(cx, floor + 4, half * 1.5, 26 * size), darker(colour, 0.2))
        canvas.shape(oval(cx, floor - 2, half * 1.5, 26 * size), ((0, lighter(colour, 0.3)), (1, darker(colour, 0.08))))
        canvas.shape(oval(cx, floor - 3, half * 0.95, 14 * size), darker(colour, 0.16))
    if handle:
        ear = path((cx + half * 0.86, top + tall * 0.2), (cx + half * 1.75, top + tall * 0.08, cx + half * 1.7, top + tall * 0.82, cx + half * 0.84, top + tall * 0.74))
        _ring(canvas, ear, 20 * size, colour)
        profile = [(half, top), (half * 0.98, top + tall * 0.5), (half * 0.86, floor - 6 * size)]
    else:
        profile = [(half, top), (half * 0.94, top + tall * 0.4), (half * 0.62, top + tall * 0.84), (half * 0.46, floor - 3 * size)]
    body = turned(cx, profile)
    canvas.shape(body, round_body(colour))
    canvas.shape(box(cx - half, floor - tall * 0.3, cx + half, floor + 20), mix(colour, rgb("#7a5a44"), 0.55), within=body, opacity=0.22, blur=8)
    _opening(canvas, cx, top, half, colour, brew)
    if hot:
        steam(canvas, (cx, top - 6), 110 * size)


def bowl(canvas: Canvas, cx: float, floor: float, colour: Colour, brew: Colour, size: float = 1) -> None:
    """A 盖碗 on its saucer, the lid leaning."""
    half, tall = 122 * size, 132 * size
    top = floor - tall
    canvas.shadow(cx, floor + 4, half * 1.3, 28 * size)
    canvas.shape(oval(cx, floor + 3, half * 1.22, 30 * size), darker(colour, 0.2))
    canvas.shape(oval(cx, floor - 5, half * 1.22, 30 * size), ((0, lighter(colour, 0.3)), (1, darker(colour, 0.08))))
    canvas.shape(oval(cx, floor - 6, half * 0.62, 14 * size), darker(colour, 0.18))
    body = turned(cx, [(half * 1.06, top), (half * 0.94, top + tall * 0.22), (half * 0.72, top + tall * 0.7), (half * 0.42, floor - 9 * size)])
    canvas.shape(body, round_body(colour, 0.26))
    _opening(canvas, cx, top, half * 1.06, colour, brew)
    lid = turned(cx + half * 0.12, [(half * 0.2, top - 74 * size), (half * 0.62, top - 52 * size), (half * 0.92, top - 12 * size)], 0.2)
    canvas.shape(oval(cx + half * 0.16, top + 8 * size, half * 0.86, 22 * size), (48, 34, 28), opacity=0.25, blur=6)
    canvas.shape(lid, round_body(colour, 0.26))
    canvas.shape(turned(cx + half * 0.12, [(half * 0.24, top - 98 * size), (half * 0.15, top - 84 * size), (half * 0.2, top - 70 * size)]), round_body(darker(colour, 0.05), 0.26))
    canvas.shape(oval(cx + half * 0.12, top - 98 * size, half * 0.24, 9 * size), lighter(colour, 0.35))


def pot(canvas: Canvas, cx: float, floor: float, colour: Colour, size: float = 1) -> None:
    """A small round clay tea pot."""
    half, tall = 140 * size, 175 * size
    top = floor - tall
    canvas.shadow(cx, floor + 3, half * 1.1, 30 * size)
    ear = path((cx + half * 0.8, top + tall * 0.2), (cx + half * 1.72, top - tall * 0.1, cx + half * 1.78, top + tall * 0.92, cx + half * 0.84, top + tall * 0.76))
    _ring(canvas, ear, 23 * size, colour)
    spout = path((cx - half * 0.72, top + tall * 0.72), (cx - half * 1.25, top + tall * 0.7, cx - half * 1.2, top + tall * 0.25, cx - half * 1.56, top + tall * 0.02), (cx - half * 1.36, top - tall * 0.02), (cx - half * 1.05, top + tall * 0.1, cx - half * 0.98, top + tall * 0.28, cx - half * 0.7, top + tall * 0.34))
    canvas.shape(spout, ((0, lighter(colour, 0.22)), (0.5, colour), (1, darker(colour, 0.25))), upright=True)
    canvas.shape(oval(cx - half * 1.46, top, half * 0.105, half * 0.045), darker(colour, 0.5))
    body = turned(cx, [(half * 0.58, top + 2), (half * 0.86, top + tall * 0.16), (half, top + tall * 0.5), (half * 0.86, top + tall * 0.84), (half * 0.56, floor - 4 * size)], 0.12)
    canvas.shape(body, round_body(colour))
    canvas.shape(oval(cx - half * 0.36, top + tall * 0.36, half * 0.2, tall * 0.13), lighter(colour, 0.55), opacity=0.45, blur=9)
    canvas.shape(oval(cx, top + 5 * size, half * 0.62, 15 * size), darker(colour, 0.3))
    canvas.shape(turned(cx, [(half * 0.2, top - 27 * size), (half * 0.5, top - 16 * size), (half * 0.6, top + 2 * size)], 0.14), round_body(lighter(colour, 0.05)))
    canvas.shape(turned(cx, [(half * 0.1, top - 52 * size), (half * 0.16, top - 42 * size), (half * 0.08, top - 24 * size)], 0.3), round_body(colour))


def kettle(canvas: Canvas, cx: float, floor: float, colour: Colour, size: float = 1) -> None:
    """A goose-neck kettle for pour-over."""
    half, tall = 118 * size, 190 * size
    top = floor - tall
    canvas.shadow(cx, floor + 3, half * 1.2, 30 * size)
    neck = path((cx - half * 0.8, floor - 40 * size), (cx - half * 2.0, floor - 20 * size, cx - half * 1.1, top - 10 * size, cx - half * 1.95, top - 8 * size))
    _ring(canvas, neck, 19 * size, colour)
    grip = path((cx + half * 0.72, top + 18 * size), (cx + half * 1.5, top - 40 * size, cx + half * 1.95, top + 8 * size, cx + half * 1.62, top + tall * 0.72))
    _ring(canvas, grip, 25 * size, WOOD)
    body = turned(cx, [(half * 0.66, top), (half * 0.82, top + tall * 0.3), (half, top + tall * 0.82), (half * 0.98, floor - 4 * size)], 0.15)
    canvas.shape(body, round_body(colour, 0.42))
    canvas.shape(path((cx - half * 0.5, top + 20 * size), (cx - half * 0.62, top + tall * 0.5, cx - half * 0.7, top + tall * 0.7, cx - half * 0.66, floor - 30 * size), (cx - half * 0.48, floor - 26 * size), (cx - half * 0.5, top + tall * 0.6, cx - half * 0.42, top + tall * 0.4, cx - half * 0.36, top + 20 * size)), (255, 255, 255), opacity=0.4, blur=4)
    canvas.shape(oval(cx, top, half * 0.68, half * 0.13), darker(colour, 0.25))
    canvas.shape(turned(cx, [(half * 0.3, top - 22 * size), (half * 0.6, top - 3 * size)], 0.18), round_body(lighter(colour, 0.1), 0.42))
    canvas.shape(cylinder(cx, top - 48 * size, top - 20 * size, half * 0.13, 0.3), round_body(WOOD))
    canvas.shape(oval(cx, top - 48 * size, half * 0.16, half * 0.07), lighter(WOOD, 0.2))


def dripper(canvas: Canvas, cx: float, floor: float, colour: Colour, size: float = 1) -> None:
    """A ceramic dripper on a glass server with coffee."""
    half, tall = 120 * size, 170 * size
    top = floor - tall
    canvas.shadow(cx, floor + 3, half * 1.1, 28 * size)
    ear = path((cx + half * 0.82, top + tall * 0.2), (cx + half * 1.6, top + tall * 0.1, cx + half * 1.6, top + tall * 0.8, cx + half * 0.9, top + tall * 0.72))
    canvas.line(ear, 13 * size, mix(GLASS, rgb("#8fa39e"), 0.45))
    body = turned(cx, [(half * 0.62, top), (half * 0.8, top + tall * 0.3), (half, top + tall * 0.68), (half * 0.9, floor - 4 * size)], 0.15)
    canvas.shape(body, round_body(GLASS, 0.18), opacity=0.92)
    canvas.shape(box(cx - half * 1.1, top + tall * 0.42, cx + half * 1.1, floor + 40), ((0, darker(COFFEE, 0.3)), (0.35, rgb("#7b4a2c")), (1, darker(COFFEE, 0.35))), within=body, opacity=0.95)
    canvas.shape(oval(cx, top + tall * 0.42, half * 0.87, half * 0.14), rgb("#8f5c38"), within=body)
    canvas.shape(path((cx - half * 0.55, top + 26 * size), (cx - half * 0.8, top + tall * 0.5, cx - half * 0.82, top + tall * 0.6, cx - half * 0.74, floor - 26 * size), (cx - half * 0.6, floor - 24 * size), (cx - half * 0.66, top + tall * 0.5, cx - half * 0.52, top + tall * 0.3, cx - half * 0.42, top + 26 * size)), (255, 255, 255), opacity=0.4, blur=3)
    plate = top - 6 * size
    canvas.shape(oval(cx, plate, half * 1.08, 19 * size), darker(colour, 0.18))
    canvas.shape(oval(cx, plate - 7 * size, half * 1.08, 19 * size), ((0, lighter(colour, 0.25)), (1, darker(colour, 0.05))))
    mouth = plate - 128 * size
    ear = path((cx + half * 0.84, mouth + 26 * size), (cx + half * 1.5, mouth + 8 * size, cx + half * 1.36, mouth + 92 * size, cx + half * 0.58, mouth + 84 * size))
    _ring(canvas, ear, 16 * size, colour)
    canvas.shape(turned(cx, [(half * 1.02, mouth), (half * 0.66, mouth + 76 * size), (half * 0.36, plate - 8 * size)], 0.2), round_body(colour, 0.28))
    canvas.shape(path((cx - half * 0.9, mouth + 2), (cx - half * 0.6, mouth - 26 * size, cx - half * 0.3, mouth - 8 * size, cx, mouth - 24 * size), (cx + half * 0.4, mouth - 10 * size, cx + half * 0.7, mouth - 26 * size, cx + half * 0.9, mouth + 2)), lighter(PAPER, 0.5))
    _opening(canvas, cx, mouth, half * 1.02, colour, rgb("#5a3826"))


def jar(canvas: Canvas, cx: float, floor: float, p: Palette, size: float = 1, *, beans: bool = True) -> None:
    """A glass jar with a wooden lid, half full."""
    half, tall = 100 * size, 230 * size
    top = floor - tall
    canvas.shadow(cx, floor + 3, half * 1.15, 26 * size)
    body = cylinder(cx, top, floor, half, 0.16)
    canvas.shape(body, round_body(GLASS, 0.16))
    fill = box(cx - half, top + tall * 0.36, cx + half, floor + 30)
    stuff = COFFEE if beans else darker(p.leaf, 0.25)
    canvas.shape(fill, round_body(stuff, 0.3), within=body)
    canvas.shape(oval(cx, top + tall * 0.36, half, half * 0.15), lighter(stuff, 0.14), within=body)
    for i in range(44):
        x = cx + half * 0.88 * ((i * 0.7549) % 1 * 2 - 1)
        y = top + tall * 0.44 + (tall * 0.5) * ((i * 0.5698) % 1)
        if beans:
            bean(canvas, (x * 0.92 + cx * 0.08, y), 12 * size, i * 47 % 180, mix(COFFEE, rgb("#6d4632"), i % 5 / 5))
        else:
            canvas.line([(x - 9, y - 3), (x, y + (i % 3) - 1), (x + 9, y + 3)], 4, mix(p.leaf, lighter(p.leaf, 0.3), i % 5 / 5))
    canvas.shape(box(cx - half * 0.78, top + 16, cx - half * 0.6, floor - 16, 8), (255, 255, 255), opacity=0.4, blur=3)
    canvas.shape(cylinder(cx, top - 34 * size, top + 6 * size, half * 1.04, 0.15), round_body(WOOD))
    canvas.shape(oval(cx, top - 34 * size, half * 1.04, half * 0.155), ((0, lighter(WOOD, 0.3)), (1, lighter(WOOD, 0.08))))


def bottle(canvas: Canvas, cx: float, floor: float, p: Palette, label: str, size: float = 1) -> None:
    """A bottle of cold brew."""
    half, tall = 74 * size, 340 * size
    top = floor - tall
    canvas.shadow(cx, floor + 3, half * 1.15, 22 * size)
    body = turned(cx, [(half * 0.42, top + 40 * size), (half * 0.44, top + tall * 0.2), (half, top + tall * 0.38), (half, floor - 4 * size)], 0.16)
    canvas.shape(body, round_body(p.brew, 0.45))
    canvas.shape(box(cx - half * 0.74, top + tall * 0.42, cx - half * 0.52, floor - 22, 8), (255, 255, 255), opacity=0.32, blur=3)
    plate = [*oval(cx, top + tall * 0.5, half, half * 0.16, 180, 0), *oval(cx, top + tall * 0.86, half, half * 0.16, 0, 180)]
    canvas.shape(plate, round_body(PAPER, 0.2))
    canvas.letters(label, (cx, top + tall * 0.7), round(min(28, 84 / max(2, len(label))) * size), rgb("#33302b"), upright=True)
    canvas.shape(cylinder(cx, top, top + 46 * size, half * 0.47, 0.2), round_body(p.accent))
    canvas.shape(oval(cx, top, half * 0.47, half * 0.09), lighter(p.accent, 0.3))


def tray(canvas: Canvas, cx: float, floor: float, half: float) -> None:
    """A low wooden tray for what stands on it."""
    canvas.shadow(cx, floor + 30, half * 1.05, 34)
    canvas.shape(box(cx - half, floor - 14, cx + half, floor + 30, 14), ((0, lighter(WOOD, 0.1)), (1, darker(WOOD, 0.3))), upright=True)
    canvas.shape(path((cx - half * 0.93, floor - 26), (cx + half * 0.93, floor - 26), (cx + half, floor - 6), (cx - half, floor - 6)), ((0, lighter(WOOD, 0.25)), (1, lighter(WOOD, 0.05))))
    canvas.shape(box(cx - half, floor - 9, cx + half, floor - 4, 2), lighter(WOOD, 0.35))


def mill(canvas: Canvas, cx: float, floor: float, colour: Colour, size: float = 1) -> None:
    """A hand grinder."""
    half, tall = 66 * size, 290 * size
    top = floor - tall
    canvas.shadow(cx, floor + 3, half * 1.25, 22 * size)
    canvas.shape(cylinder(cx, top + tall * 0.55, floor, half * 0.94, 0.16), round_body(WOOD, 0.36))
    canvas.shape(cylinder(cx, top + 10 * size, top + tall * 0.58, half, 0.16), round_body(colour, 0.45))
    for y in (0.2, 0.5):
        canvas.shape([*oval(cx, top + tall * y, half, half * 0.16, 180, 0), *oval(cx, top + tall * (y + 0.012), half, half * 0.16, 0, 180)], darker(colour, 0.35), opacity=0.6)
    canvas.shape(oval(cx, top + 10 * size, half, half * 0.16), lighter(colour, 0.25))
    canvas.line([(cx, top + 8 * size), (cx, top - 16 * size), (cx + half * 1.7, top - 30 * size)], 12 * size, STEEL)
    canvas.shape(turned(cx + half * 1.74, [(13 * size, top - 76 * size), (19 * size, top - 56 * size), (9 * size, top - 28 * size)], 0.3), round_body(WOOD))
