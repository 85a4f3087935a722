"""Tea and coffee ware. Each is drawn around its middle, standing on `floor`."""

from siyu.app.demo_goods.objects import COFFEE, INK, PAPER, STEEL, Palette, bean, steam
from siyu.app.demo_goods.paint import (
    Canvas,
    Colour,
    Frame,
    Point,
    darker,
    lighter,
    mix,
    oval,
    rgb,
    round_body,
    sheen,
)

GLASS = rgb("#dfe9e6")
WOOD = rgb("#a9764a")
WHITE = (255, 255, 255)


def _ring(canvas: Canvas, points: list[Point], width: float, colour: Colour) -> None:
    canvas.line(points, width, darker(colour, 0.22))
    inner = [(x - width * 0.12, y - width * 0.12) for x, y in points]
    canvas.line(inner, width * 0.62, lighter(colour, 0.12))


def _mouth(
    canvas: Canvas, f: Frame, v: float, half: float, colour: Colour, brew: Colour | None
) -> None:
    """The opening of a vessel, with what is in it."""
    canvas.shape(f.oval(0, v, half, 0.22), lighter(colour, 0.32))
    inner = f.oval(0, v + 0.01, half * 0.93, 0.21)
    canvas.shape(inner, sheen(darker(colour, 0.4), darker(colour, 0.12)))
    if brew:
        x, y = f.at(0, v)
        wide = half * f.half
        level = oval(x, y + wide * 0.09, wide * 0.9, wide * 0.18)
        canvas.shape(level, sheen(darker(brew, 0.12), lighter(brew, 0.25)), within=inner)
        gleam = oval(x + wide * 0.3, y + wide * 0.066, wide * 0.28, wide * 0.044)
        canvas.shape(gleam, lighter(brew, 0.5), within=inner, opacity=0.5, blur=2)


def _saucer(canvas: Canvas, f: Frame, half: float, colour: Colour) -> None:
    canvas.shape(f.oval(0, 1.04, half, 0.2), darker(colour, 0.2))
    canvas.shape(f.oval(0, 0.97, half, 0.2), sheen(lighter(colour, 0.3), darker(colour, 0.08)))
    canvas.shape(f.oval(0, 0.96, half * 0.62, 0.17), darker(colour, 0.16))


def cup(
    canvas: Canvas,
    cx: float,
    floor: float,
    colour: Colour,
    brew: Colour,
    size: float = 1,
    *,
    handle: bool = False,
    hot: bool = False,
    saucer: bool = False,
) -> None:
    """A cup: with a handle a mug, without one a tea cup."""
    f = Frame.on(cx, floor, 86 * size, (150 if handle else 98) * size)
    canvas.shadow(cx, floor + 2, f.half * (1.5 if saucer else 0.95), 20 * size)
    if saucer:
        _saucer(canvas, f, 1.5, colour)
    if handle:
        ear = f.path((0.86, 0.2), (1.75, 0.08, 1.7, 0.82, 0.84, 0.74))
        _ring(canvas, ear, 20 * size, colour)
        body = f.turned((1, 0), (0.98, 0.5), (0.86, 0.96))
    else:
        body = f.turned((1, 0), (0.94, 0.4), (0.62, 0.84), (0.46, 0.97))
    canvas.shape(body, round_body(colour))
    foot = mix(colour, rgb("#7a5a44"), 0.55)
    canvas.shape(f.box(-1, 0.7, 1, 1.2), foot, within=body, opacity=0.22, blur=8)
    _mouth(canvas, f, 0, 1, colour, brew)
    if hot:
        steam(canvas, f.at(0, -0.06), 110 * size)


def bowl(
    canvas: Canvas, cx: float, floor: float, colour: Colour, brew: Colour, size: float = 1
) -> None:
    """A 盖碗 on its saucer, the lid leaning."""
    f = Frame.on(cx, floor, 122 * size, 132 * size)
    canvas.shadow(cx, floor + 4, f.half * 1.3, 28 * size)
    _saucer(canvas, f, 1.22, colour)
    shades = round_body(colour, 0.26)
    canvas.shape(f.turned((1.06, 0), (0.94, 0.22), (0.72, 0.7), (0.42, 0.93)), shades)
    _mouth(canvas, f, 0, 1.06, colour, brew)
    canvas.shape(f.oval(0.16, 0.06, 0.86, 0.21), INK, opacity=0.25, blur=6)
    canvas.shape(f.turned((0.2, -0.56), (0.62, -0.39), (0.92, -0.09), u=0.12, foot=0.2), shades)
    knob = f.turned((0.24, -0.74), (0.15, -0.63), (0.2, -0.53), u=0.12)
    canvas.shape(knob, round_body(darker(colour, 0.05), 0.26))
    canvas.shape(f.oval(0.12, -0.74, 0.24, 0.3), lighter(colour, 0.35))


def pot(canvas: Canvas, cx: float, floor: float, colour: Colour, size: float = 1) -> None:
    """A small round clay tea pot."""
    f = Frame.on(cx, floor, 140 * size, 175 * size)
    canvas.shadow(cx, floor + 3, f.half * 1.1, 30 * size)
    ear = f.path((0.8, 0.2), (1.72, -0.1, 1.78, 0.92, 0.84, 0.76))
    _ring(canvas, ear, 23 * size, colour)
    spout = f.path(
        (-0.72, 0.72),
        (-1.25, 0.7, -1.2, 0.25, -1.56, 0.02),
        (-1.36, -0.02),
        (-1.05, 0.1, -0.98, 0.28, -0.7, 0.34),
    )
    shades = ((0, lighter(colour, 0.22)), (0.5, colour), (1, darker(colour, 0.25)))
    canvas.shape(spout, shades, upright=True)
    canvas.shape(f.oval(-1.46, 0, 0.105, 0.43), darker(colour, 0.5))
    body = f.turned((0.58, 0.01), (0.86, 0.16), (1, 0.5), (0.86, 0.84), (0.56, 0.97), foot=0.12)
    canvas.shape(body, round_body(colour))
    canvas.shape(f.oval(-0.36, 0.36, 0.2, 0.8), lighter(colour, 0.55), opacity=0.45, blur=9)
    canvas.shape(f.oval(0, 0.03, 0.62, 0.17), darker(colour, 0.3))
    lid = f.turned((0.2, -0.15), (0.5, -0.09), (0.6, 0.01), foot=0.14)
    canvas.shape(lid, round_body(lighter(colour, 0.05)))
    canvas.shape(f.turned((0.1, -0.3), (0.16, -0.24), (0.08, -0.14), foot=0.3), round_body(colour))


def kettle(canvas: Canvas, cx: float, floor: float, colour: Colour, size: float = 1) -> None:
    """A goose-neck kettle for pour-over."""
    f = Frame.on(cx, floor, 118 * size, 190 * size)
    canvas.shadow(cx, floor + 3, f.half * 1.2, 30 * size)
    neck = f.path((-0.8, 0.79), (-2.0, 0.9, -1.1, -0.05, -1.95, -0.04))
    _ring(canvas, neck, 19 * size, colour)
    grip = f.path((0.72, 0.1), (1.5, -0.21, 1.95, 0.04, 1.62, 0.72))
    _ring(canvas, grip, 25 * size, WOOD)
    body = f.turned((0.66, 0), (0.82, 0.3), (1, 0.82), (0.98, 0.98), foot=0.15)
    canvas.shape(body, round_body(colour, 0.42))
    gleam = f.path(
        (-0.5, 0.1),
        (-0.62, 0.5, -0.7, 0.7, -0.66, 0.84),
        (-0.48, 0.86),
        (-0.5, 0.6, -0.42, 0.4, -0.36, 0.1),
    )
    canvas.shape(gleam, WHITE, opacity=0.4, blur=4)
    canvas.shape(f.oval(0, 0, 0.68, 0.19), darker(colour, 0.25))
    lid = f.turned((0.3, -0.12), (0.6, -0.02), foot=0.18)
    canvas.shape(lid, round_body(lighter(colour, 0.1), 0.42))
    canvas.shape(f.turned((0.13, -0.25), (0.13, -0.1), foot=0.3), round_body(WOOD))
    canvas.shape(f.oval(0, -0.25, 0.16, 0.43), lighter(WOOD, 0.2))


def server(canvas: Canvas, f: Frame) -> None:
    """A glass server, half full of coffee."""
    ear = f.path((0.82, 0.2), (1.6, 0.1, 1.6, 0.8, 0.9, 0.72))
    canvas.line(ear, f.half * 0.11, mix(GLASS, rgb("#8fa39e"), 0.45))
    body = f.turned((0.62, 0), (0.8, 0.3), (1, 0.68), (0.9, 0.98), foot=0.15)
    canvas.shape(body, round_body(GLASS, 0.18), opacity=0.92)
    dark = darker(COFFEE, 0.35)
    canvas.shape(
        f.box(-1.1, 0.42, 1.1, 1.3),
        ((0, dark), (0.35, rgb("#7b4a2c")), (1, dark)),
        within=body,
        opacity=0.95,
    )
    canvas.shape(f.oval(0, 0.42, 0.87, 0.16), rgb("#8f5c38"), within=body)
    gleam = f.path(
        (-0.55, 0.15),
        (-0.8, 0.5, -0.82, 0.6, -0.74, 0.85),
        (-0.6, 0.86),
        (-0.66, 0.5, -0.52, 0.3, -0.42, 0.15),
    )
    canvas.shape(gleam, WHITE, opacity=0.4, blur=3)


def dripper(canvas: Canvas, cx: float, floor: float, colour: Colour, size: float = 1) -> None:
    """A ceramic dripper on a glass server."""
    f = Frame.on(cx, floor, 120 * size, 170 * size)
    canvas.shadow(cx, floor + 3, f.half * 1.1, 28 * size)
    server(canvas, f)
    canvas.shape(f.oval(0, -0.035, 1.08, 0.147), darker(colour, 0.18))
    plate = sheen(lighter(colour, 0.25), darker(colour, 0.05))
    canvas.shape(f.oval(0, -0.076, 1.08, 0.147), plate)
    ear = f.path((0.84, -0.63), (1.5, -0.74, 1.36, -0.25, 0.58, -0.29))
    _ring(canvas, ear, 16 * size, colour)
    cone = f.turned((1.02, -0.79), (0.66, -0.34), (0.36, -0.08), foot=0.2)
    canvas.shape(cone, round_body(colour, 0.28))
    paper = f.path(
        (-0.9, -0.78), (-0.6, -0.94, -0.3, -0.84, 0, -0.93), (0.4, -0.85, 0.7, -0.94, 0.9, -0.78)
    )
    canvas.shape(paper, lighter(PAPER, 0.5))
    _mouth(canvas, f, -0.79, 1.02, colour, rgb("#5a3826"))


def jar(
    canvas: Canvas, cx: float, floor: float, p: Palette, size: float = 1, *, beans: bool = True
) -> None:
    """A glass jar with a wooden lid, more than half full."""
    f = Frame.on(cx, floor, 100 * size, 230 * size)
    canvas.shadow(cx, floor + 3, f.half * 1.15, 26 * size)
    body = f.turned((1, 0), (1, 1))
    canvas.shape(body, round_body(GLASS, 0.16))
    stuff = COFFEE if beans else darker(p.leaf, 0.25)
    canvas.shape(f.box(-1, 0.36, 1, 1.13), round_body(stuff, 0.3), within=body)
    canvas.shape(f.oval(0, 0.36, 1, 0.15), lighter(stuff, 0.14), within=body)
    for i in range(44):
        # The two steps of a quasi-random sequence: spread evenly, without a pattern.
        x, y = f.at(0.82 * ((i * 0.7549) % 1 * 2 - 1), 0.44 + 0.5 * ((i * 0.5698) % 1))
        if beans:
            bean(canvas, (x, y), 12 * size, i * 47 % 180, mix(COFFEE, rgb("#6d4632"), i % 5 / 5))
        else:
            shade = mix(p.leaf, lighter(p.leaf, 0.3), i % 5 / 5)
            canvas.line([(x - 9, y - 3), (x, y + (i % 3) - 1), (x + 9, y + 3)], 4, shade)
    canvas.shape(f.box(-0.78, 0.08, -0.6, 0.93, 0.08), WHITE, opacity=0.4, blur=3)
    canvas.shape(f.turned((1.04, -0.15), (1.04, 0.03), foot=0.15), round_body(WOOD))
    canvas.shape(f.oval(0, -0.15, 1.04, 0.15), sheen(lighter(WOOD, 0.3), lighter(WOOD, 0.08)))


def bottle(
    canvas: Canvas, cx: float, floor: float, p: Palette, label: str, size: float = 1
) -> None:
    """A bottle of cold brew."""
    f = Frame.on(cx, floor, 74 * size, 340 * size)
    canvas.shadow(cx, floor + 3, f.half * 1.15, 22 * size)
    body = f.turned((0.42, 0.12), (0.44, 0.2), (1, 0.38), (1, 0.99))
    canvas.shape(body, round_body(p.brew, 0.45))
    canvas.shape(f.box(-0.74, 0.42, -0.52, 0.94, 0.1), WHITE, opacity=0.32, blur=3)
    canvas.shape(f.band(0.5, 0.86), round_body(PAPER, 0.2))
    letter = round(min(28, 84 / max(2, len(label))) * size)
    canvas.letters(label, f.at(0, 0.7), letter, INK, upright=True)
    canvas.shape(f.turned((0.47, 0), (0.47, 0.13), foot=0.2), round_body(p.accent))
    canvas.shape(f.oval(0, 0, 0.47, 0.19), lighter(p.accent, 0.3))


def tray(canvas: Canvas, cx: float, floor: float, half: float) -> None:
    """A low wooden tray for what stands on it."""
    f = Frame(cx, floor - 26, half, 56)
    canvas.shadow(cx, floor + 30, half * 1.05, 34)
    front = sheen(lighter(WOOD, 0.1), darker(WOOD, 0.3))
    canvas.shape(f.box(-1, 0.2, 1, 1, 0.045), front, upright=True)
    top = f.path((-0.93, 0), (0.93, 0), (1, 0.36), (-1, 0.36))
    canvas.shape(top, sheen(lighter(WOOD, 0.25), lighter(WOOD, 0.05)))
    canvas.shape(f.box(-1, 0.3, 1, 0.39, 0.006), lighter(WOOD, 0.35))


def mill(canvas: Canvas, cx: float, floor: float, colour: Colour, size: float = 1) -> None:
    """A hand grinder."""
    f = Frame.on(cx, floor, 66 * size, 290 * size)
    canvas.shadow(cx, floor + 3, f.half * 1.25, 22 * size)
    canvas.shape(f.turned((0.94, 0.55), (0.94, 1)), round_body(WOOD, 0.36))
    canvas.shape(f.turned((1, 0.03), (1, 0.58)), round_body(colour, 0.45))
    for v in (0.2, 0.5):
        canvas.shape(f.band(v, v + 0.012), darker(colour, 0.35), opacity=0.6)
    canvas.shape(f.oval(0, 0.03, 1, 0.16), lighter(colour, 0.25))
    canvas.line([f.at(0, 0.03), f.at(0, -0.055), f.at(1.7, -0.1)], 12 * size, STEEL)
    knob = f.turned((0.2, -0.26), (0.29, -0.19), (0.14, -0.1), u=1.74, foot=0.3)
    canvas.shape(knob, round_body(WOOD))
