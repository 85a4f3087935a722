"""Pictures made here: portraits and shop icons as SVG, mini-program codes as bitmaps."""

import hashlib
import io
import math
from functools import lru_cache
from html import escape

from PIL import Image, ImageDraw, ImageFont

_SKINS = ("#f6d3b8", "#eec1a0", "#e2aa84", "#dcae88", "#f9dcc8")
_HAIRS = ("#2b2320", "#3b2a22", "#5a3d2b", "#1f1d24", "#7a5238")
_CLOTHES = ("#2f7d6b", "#c8553d", "#33598c", "#d99a2b", "#7c5a99", "#4d6b3c")
_WALLS = ("#cfe6dd", "#f6dccb", "#d5e1f2", "#f7ead0", "#e5dcf0", "#dbe7cf")
_CJK_FONTS = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Bold.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/System/Library/Fonts/PingFang.ttc",
)


def draw_portrait(look: int) -> str:
    """A person's face as SVG, the same for the same number."""
    skin, hair = _SKINS[look * 3 % 5], _HAIRS[look * 2 % 5]
    clothes, wall = _CLOTHES[look % 6], _WALLS[look * 5 % 6]
    back = {
        0: f'<path d="M27 52c-3-26 8-38 23-38s26 12 23 38l4 22H23z" fill="{hair}"/>',
        1: f'<path d="M30 50c-2-22 6-33 20-33s22 11 20 33z" fill="{hair}"/>',
        2: f'<circle cx="50" cy="17" r="9" fill="{hair}"/>'
        f'<path d="M29 50c-2-23 7-34 21-34s23 11 21 34z" fill="{hair}"/>',
    }[look % 3]
    fringe = {
        0: "M30 45c1-16 9-23 20-23s19 7 20 23c-6-3-9-8-11-13-6 8-18 11-29 13z",
        1: "M31 42c0-14 8-21 19-21 12 0 20 7 19 21-3-7-7-10-11-11-8 3-20 1-27 11z",
        2: "M31 44c1-15 9-22 19-22s18 7 19 22c-4-8-10-12-19-12s-15 4-19 12z",
    }[look % 3]
    glasses = (
        '<g fill="none" stroke="#39424a" stroke-width="1.6"><circle cx="42" cy="49" r="5.6"/>'
        '<circle cx="58" cy="49" r="5.6"/><path d="M47.6 48.5c1.6-1 3.2-1 4.8 0"/></g>'
        if look % 4 == 0
        else ""
    )
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" role="img">
<rect width="100" height="100" fill="{wall}"/>{back}
<path d="M14 100c2-18 16-26 36-26s34 8 36 26z" fill="{clothes}"/>
<path d="M42 64h16v12c0 6-16 6-16 0z" fill="{skin}"/>
<path d="M42 68c4 4 12 4 16 0v4c-4 4-12 4-16 0z" fill="#000" opacity=".08"/>
<ellipse cx="50" cy="49" rx="18.5" ry="21" fill="{skin}"/><path d="{fringe}" fill="{hair}"/>
<ellipse cx="42" cy="49.5" rx="1.9" ry="2.3" fill="#2c2622"/>
<ellipse cx="58" cy="49.5" rx="1.9" ry="2.3" fill="#2c2622"/>
<circle cx="38" cy="57" r="3.6" fill="#f08a74" opacity=".28"/>
<circle cx="62" cy="57" r="3.6" fill="#f08a74" opacity=".28"/>
<path d="M44 60c3.4 3.6 8.6 3.6 12 0" fill="none" stroke="#a9503f" stroke-width="1.8"
 stroke-linecap="round"/>{glasses}</svg>"""


def draw_icon(name: str) -> str:
    """A shop without a logo gets its first character on a quiet ground, as SVG."""
    hue = hashlib.sha256(name.encode()).digest()[0] * 360 // 256
    return f"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100" role="img">
<defs><linearGradient id="g" x2="1" y2="1"><stop stop-color="hsl({hue} 38% 46%)"/>
<stop offset="1" stop-color="hsl({(hue + 24) % 360} 44% 33%)"/></linearGradient></defs>
<rect width="100" height="100" fill="url(#g)"/>
<circle cx="82" cy="16" r="34" fill="#fff" opacity=".08"/>
<text x="50" y="67" font-size="50" text-anchor="middle" fill="#fff" font-weight="600"
 font-family="PingFang SC,Noto Sans CJK SC,Microsoft YaHei,sans-serif">{escape(name[:1])}</text>
</svg>"""


def draw_code(content: str, name: str, width: int, line: tuple[int, ...], hyaline: bool) -> bytes:
    """A mini-program code of `width` px: rays that encode a hash of the content.

    JPEG on white, or PNG on nothing when `hyaline`. Only the sandbox's phone can read it (by its
    list of codes); the rays are there so that posters look as they will.
    """
    size = width * 2
    ground = (255, 255, 255, 0) if hyaline else (255, 255, 255, 255)
    image = Image.new("RGBA", (size, size), ground)
    pen = ImageDraw.Draw(image)
    ink = (*line, 255)
    centre, thick = size / 2, size * 0.0105
    bits = _bits(content)
    rays, inner, outer = 72, size * 0.235, size * 0.46
    steps = 9
    markers = [(-0.335, -0.335), (0.335, -0.335), (-0.335, 0.335)]
    for ray in range(rays):
        angle = 2 * math.pi * ray / rays
        run_from: float | None = None
        for step in range(steps + 1):
            radius = inner + (outer - inner) * step / steps
            x, y = centre + radius * math.cos(angle), centre + radius * math.sin(angle)
            near = any(
                math.hypot(x - centre - size * mx, y - centre - size * my) < size * 0.1
                for mx, my in (*markers, (0.335, 0.335))
            )
            on = step < steps and not near and next(bits)
            if on and run_from is None:
                run_from = radius
            if not on and run_from is not None:
                _ray(pen, centre, angle, run_from, radius - (outer - inner) / steps, thick, ink)
                run_from = None
    for mx, my in markers:
        _disc(pen, centre + size * mx, centre + size * my, size * 0.072, ink)
        _disc(pen, centre + size * mx, centre + size * my, size * 0.05, (255, 255, 255, 255))
        _disc(pen, centre + size * mx, centre + size * my, size * 0.028, ink)
    _mark(pen, centre + size * 0.335, centre + size * 0.335, size * 0.075)
    _logo(pen, centre, size, name)
    image = image.resize((width, width), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    if hyaline:
        image.save(out, "PNG")
    else:
        image.convert("RGB").save(out, "JPEG", quality=92)
    return out.getvalue()


class _bits:  # noqa: N801  a generator in shape
    """An endless row of bits from a hash of the content."""

    def __init__(self, content: str) -> None:
        self._content, self._round, self._left = content, 0, ""

    def __next__(self) -> bool:
        if not self._left:
            seed = f"{self._content}{self._round}".encode()
            self._left = "".join(f"{byte:08b}" for byte in hashlib.sha256(seed).digest())
            self._round += 1
        bit, self._left = self._left[0], self._left[1:]
        return bit == "1"


def _ray(
    pen: ImageDraw.ImageDraw,
    centre: float,
    angle: float,
    start: float,
    end: float,
    thick: float,
    ink: tuple[int, ...],
) -> None:
    ends = [
        (centre + radius * math.cos(angle), centre + radius * math.sin(angle))
        for radius in (start, max(start, end))
    ]
    pen.line(ends, fill=ink, width=int(thick))
    for x, y in ends:
        _disc(pen, x, y, thick / 2, ink)


def _disc(
    pen: ImageDraw.ImageDraw, x: float, y: float, radius: float, ink: tuple[int, ...]
) -> None:
    pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)


def _mark(pen: ImageDraw.ImageDraw, x: float, y: float, radius: float) -> None:
    """The small sign in the fourth corner."""
    _disc(pen, x, y, radius, (7, 193, 96, 255))
    for side in (-1, 1):
        _disc(pen, x + side * radius * 0.3, y - side * radius * 0.3, radius * 0.34, (255,) * 4)
        _disc(
            pen, x + side * radius * 0.3, y - side * radius * 0.3, radius * 0.17, (7, 193, 96, 255)
        )


def _logo(pen: ImageDraw.ImageDraw, centre: float, size: int, name: str) -> None:
    hue = hashlib.sha256(name.encode()).digest()[0] * 360 // 256
    _disc(pen, centre, centre, size * 0.195, (255, 255, 255, 255))
    red, green, blue = _rgb(hue)
    _disc(pen, centre, centre, size * 0.18, (red, green, blue, 255))
    font = _font(int(size * 0.19))
    pen.text((centre, centre), name[:1], fill=(255, 255, 255, 255), font=font, anchor="mm")


def _rgb(hue: int) -> tuple[int, int, int]:
    image = Image.new("HSV", (1, 1), (hue * 256 // 360, 110, 130)).convert("RGB")
    red, green, blue = image.getpixel((0, 0))  # type: ignore[misc]
    return int(red), int(green), int(blue)


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    for path in _CJK_FONTS:
        try:
            return ImageFont.truetype(path, size)
        except OSError:
            continue
    return ImageFont.load_default(size)
