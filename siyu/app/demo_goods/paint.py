"""A small flat-illustration kit over Pillow: smooth shapes with gradients, shadows, and lettering.

The canvas is 800 x 800 and that is also the unit. Every shape is a mask drawn four times larger
and reduced, so edges are smooth without drawing the whole picture larger. Seeds make it repeatable.
"""

import functools
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont

SIDE = 800
_FINE = 4
Point = tuple[float, float]
Colour = tuple[int, int, int]
Stops = Sequence[tuple[float, Colour]]

_FONT_FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/System/Library/Fonts")
_FONT_NAMES = {
    "serif": ("NotoSerifCJK-Bold.ttc", "NotoSerifCJK-Regular.ttc", "Songti.ttc"),
    "sans": ("NotoSansCJK-Regular.ttc", "NotoSansCJK-Bold.ttc", "PingFang.ttc"),
}


def rgb(text: str) -> Colour:
    """`#aabbcc` as a colour."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def mix(one: Colour, other: Colour, share: float) -> Colour:
    """`share` of the other colour in the first."""
    return tuple(round(a + (b - a) * share) for a, b in zip(one, other, strict=True))  # type: ignore[return-value]


def darker(colour: Colour, share: float) -> Colour:
    """The colour in shade: towards a warm dark, not black."""
    return mix(colour, (38, 26, 22), share)


def lighter(colour: Colour, share: float) -> Colour:
    """The colour in light: towards a warm white."""
    return mix(colour, (255, 250, 240), share)


def round_body(colour: Colour, depth: float = 0.34) -> Stops:
    """Shades from left to right of something round that is lit from the left."""
    return (
        (0.0, darker(colour, depth * 0.62)),
        (0.1, darker(colour, depth * 0.25)),
        (0.3, lighter(colour, depth * 0.55)),
        (0.52, colour),
        (0.86, darker(colour, depth * 0.7)),
        (1.0, darker(colour, depth)),
    )


def sheen(start: Colour, end: Colour) -> Stops:
    """From one colour to another."""
    return ((0, start), (1, end))


# --- outlines ---------------------------------------------------------------------------------


def path(start: Point, *segments: Sequence[float]) -> list[Point]:
    """An outline of straight (x, y) and cubic (c1x, c1y, c2x, c2y, x, y) segments."""
    points = [start]
    for segment in segments:
        if len(segment) == 2:
            points.append((segment[0], segment[1]))
            continue
        (x0, y0), (x1, y1, x2, y2, x3, y3) = points[-1], segment
        for i in range(1, 25):
            t = i / 24
            a, b, c, d = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
            points.append((a * x0 + b * x1 + c * x2 + d * x3, a * y0 + b * y1 + c * y2 + d * y3))
    return points


def oval(
    cx: float, cy: float, rx: float, ry: float, from_: float = 0, to: float = 360
) -> list[Point]:
    """An ellipse, or the part of it between two angles (degrees, clockwise from the right)."""
    steps = max(8, round(abs(to - from_) / 5))
    angles = (math.radians(from_ + (to - from_) * i / steps) for i in range(steps + 1))
    return [(cx + rx * math.cos(a), cy + ry * math.sin(a)) for a in angles]


def box(x0: float, y0: float, x1: float, y1: float, radius: float = 0) -> list[Point]:
    """A rectangle, its corners rounded."""
    if not radius:
        return [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    corners = ((x1, y1, 0), (x0, y1, 90), (x0, y0, 180), (x1, y0, 270))
    points: list[Point] = []
    for x, y, angle in corners:
        cx = x - radius if x == x1 else x + radius
        cy = y - radius if y == y1 else y + radius
        points += oval(cx, cy, radius, radius, angle, angle + 90)
    return points


def turned(cx: float, profile: Sequence[Point], foot: float = 0.16) -> list[Point]:
    """A body turned on a wheel: (half width, y) from top to bottom, smooth, with a round foot."""
    right: list[Point] = []
    ends = [profile[0], *profile, profile[-1]]
    for i in range(len(profile) - 1):
        for step in range(12):
            (w0, y0), (w1, y1), (w2, y2), (w3, y3) = ends[i : i + 4]
            t = step / 12
            right.append((_smooth(w0, w1, w2, w3, t), _smooth(y0, y1, y2, y3, t)))
    half, bottom = profile[-1]
    right.append((half, bottom))
    base = oval(cx, bottom, half, half * foot, 180, 0)
    return [(cx - w, y) for w, y in right] + base + [(cx + w, y) for w, y in reversed(right)]


def _smooth(a: float, b: float, c: float, d: float, t: float) -> float:
    """Catmull-Rom between b and c."""
    return 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t * t + (3 * b - a - 3 * c + d) * t**3
    )


def placed(points: Iterable[Point], at: Point, angle: float = 0) -> list[Point]:
    """Points drawn around (0, 0), turned (degrees, clockwise) and moved."""
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return [(at[0] + x * cos - y * sin, at[1] + x * sin + y * cos) for x, y in points]


class Frame(NamedTuple):
    """The space a thing is drawn in: u runs from -1 to 1 over its width, v from 0 (top) to 1."""

    cx: float
    top: float
    half: float
    tall: float

    @classmethod
    def on(cls, cx: float, floor: float, half: float, tall: float) -> "Frame":
        """A frame that stands on the floor."""
        return cls(cx, floor - tall, half, tall)

    def at(self, u: float, v: float) -> Point:
        """A point of the frame on the canvas."""
        return self.cx + u * self.half, self.top + v * self.tall

    def path(self, start: Point, *segments: Sequence[float]) -> list[Point]:
        """`path` in the frame."""
        moved = [
            [c for n in range(0, len(s), 2) for c in self.at(s[n], s[n + 1])] for s in segments
        ]
        return path(self.at(*start), *moved)

    def oval(self, u: float, v: float, ru: float, flat: float = 1) -> list[Point]:
        """An ellipse; `flat` is its height by its width."""
        x, y = self.at(u, v)
        return oval(x, y, ru * self.half, ru * self.half * flat)

    def box(self, u0: float, v0: float, u1: float, v1: float, radius: float = 0) -> list[Point]:
        """`box` in the frame; the radius in halves of the width."""
        return box(*self.at(u0, v0), *self.at(u1, v1), radius * self.half)

    def turned(self, *profile: Point, u: float = 0, foot: float = 0.16) -> list[Point]:
        """`turned` in the frame: (half width, v) from top to bottom."""
        x, _ = self.at(u, 0)
        return turned(x, [(w * self.half, self.at(0, v)[1]) for w, v in profile], foot)

    def band(self, v0: float, v1: float, flat: float = 0.16) -> list[Point]:
        """A strip around a round body."""
        (x, y0), (_, y1) = self.at(0, v0), self.at(0, v1)
        half = self.half
        return oval(x, y0, half, half * flat, 180, 0) + oval(x, y1, half, half * flat, 0, 180)


# --- the canvas -------------------------------------------------------------------------------


@functools.cache
def _font_file(kind: str) -> Path | None:
    return next(
        (
            file
            for name in _FONT_NAMES[kind]
            for folder in _FONT_FOLDERS
            for file in Path(folder).rglob(name)
        ),
        None,
    )


@functools.cache
def font(kind: str, size: int) -> ImageFont.FreeTypeFont | None:
    """A font with Chinese, or None where the machine has none: then there is no lettering."""
    file = _font_file(kind)
    if file is None:
        return None
    simplified = 2 if "Noto" in file.name else 0  # which face of the collection
    return ImageFont.truetype(file, size, index=simplified)


class Canvas:
    """A picture in the making."""

    def __init__(self, colour: Colour) -> None:
        self.image = Image.new("RGB", (SIDE, SIDE), colour)

    def shape(
        self,
        outline: Sequence[Point],
        paint: Colour | Stops,
        *,
        opacity: float = 1,
        upright: bool = False,
        within: Sequence[Point] | None = None,
        blur: float = 0,
    ) -> None:
        """Fill an outline with a colour or a gradient (left to right, or top to bottom).

        within: only where this other outline is, too; blur: a soft edge of so many units.
        """
        xs, ys = [x for x, _ in outline], [y for _, y in outline]
        left, top = max(0, math.floor(min(xs) - 2 * blur)), max(0, math.floor(min(ys) - 2 * blur))
        right = min(SIDE, math.ceil(max(xs) + 2 * blur) + 1)
        bottom = min(SIDE, math.ceil(max(ys) + 2 * blur) + 1)
        if right <= left or bottom <= top:
            return
        size = (right - left, bottom - top)
        mask = _mask(outline, left, top, size)
        if blur:
            mask = mask.filter(ImageFilter.GaussianBlur(blur))
        if within is not None:
            mask = ImageChops.multiply(mask, _mask(within, left, top, size))
        if opacity < 1:
            mask = mask.point(lambda value: round(value * opacity))
        if isinstance(paint[0], int):
            self.image.paste(paint, (left, top, right, bottom), mask)  # type: ignore[arg-type]
        else:
            self.image.paste(_gradient(paint, size, upright), (left, top), mask)  # type: ignore[arg-type]

    def line(
        self, points: Sequence[Point], width: float, colour: Colour, *, opacity: float = 1
    ) -> None:
        """A round-ended stroke along points."""
        edge: list[Point] = []
        back: list[Point] = []
        for i, (x, y) in enumerate(points):
            x0, y0 = points[max(0, i - 1)]
            x1, y1 = points[min(len(points) - 1, i + 1)]
            length = math.hypot(x1 - x0, y1 - y0) or 1
            nx, ny = (y0 - y1) / length * width / 2, (x1 - x0) / length * width / 2
            edge.append((x + nx, y + ny))
            back.append((x - nx, y - ny))
        self.shape(edge + back[::-1], colour, opacity=opacity)
        if opacity == 1:
            for x, y in (points[0], points[-1]):
                self.shape(oval(x, y, width / 2, width / 2), colour)

    def shadow(self, cx: float, cy: float, rx: float, ry: float, strength: float = 0.3) -> None:
        """A soft shadow on the table, falling to the right."""
        self.shape(
            oval(cx + rx * 0.18, cy, rx * 1.12, ry), (48, 34, 28), opacity=strength, blur=ry * 0.55
        )
        self.shape(
            oval(cx + rx * 0.03, cy - 2, rx * 0.98, ry * 0.5),
            (38, 26, 22),
            opacity=strength,
            blur=5,
        )

    def letters(
        self,
        text: str,
        at: Point,
        size: int,
        colour: Colour,
        *,
        kind: str = "serif",
        upright: bool = False,
        gap: float = 0.12,
    ) -> None:
        """Lettering centred on a point, in a row or, as on a label, from top to bottom."""
        face = font(kind, size * 2)
        if face is None or not text:
            return
        step = size * (1 + gap)
        for i, sign in enumerate(text):
            away = (i - (len(text) - 1) / 2) * step
            cx, cy = (at[0], at[1] + away) if upright else (at[0] + away, at[1])
            tile = Image.new("L", (size * 3, size * 3))
            ImageDraw.Draw(tile).text((size * 1.5, size * 1.5), sign, 255, face, anchor="mm")
            mask = tile.reduce(2)
            corner = (round(cx - mask.width / 2), round(cy - mask.height / 2))
            self.image.paste(
                colour, (*corner, corner[0] + mask.width, corner[1] + mask.height), mask
            )


def _mask(outline: Sequence[Point], left: int, top: int, size: tuple[int, int]) -> Image.Image:
    fine = Image.new("L", (size[0] * _FINE, size[1] * _FINE))
    points = [((x - left) * _FINE, (y - top) * _FINE) for x, y in outline]
    ImageDraw.Draw(fine).polygon(points, fill=255)
    return fine.reduce(_FINE)


def _gradient(stops: Stops, size: tuple[int, int], upright: bool) -> Image.Image:
    row = Image.new("RGB", (256, 1))
    pixels: list[Colour] = []
    for i in range(256):
        t = i / 255
        after = next((n for n, stop in enumerate(stops) if stop[0] >= t), len(stops) - 1)
        before = max(0, after - 1)
        (t0, c0), (t1, c1) = stops[before], stops[after]
        pixels.append(mix(c0, c1, (t - t0) / (t1 - t0)) if t1 > t0 else c1)
    row.putdata(pixels)
    if upright:
        row = row.transpose(Image.Transpose.ROTATE_270)
    return row.resize(size, Image.Resampling.BILINEAR)
