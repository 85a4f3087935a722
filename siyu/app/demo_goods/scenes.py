"""Whole pictures of goods: a backdrop, the thing, and what lies about it."""

from collections.abc import Callable

from PIL import Image

from siyu.app.demo_goods import objects, vessels
from siyu.app.demo_goods.objects import Palette, scattered_beans, scattered_leaves, twig
from siyu.app.demo_goods.paint import (
    SIDE,
    Canvas,
    Point,
    box,
    darker,
    lighter,
    mix,
    oval,
    path,
    rgb,
    sheen,
)

FLOOR = 648


def _palette(wall: str, table: str, main: str, accent: str, brew: str, leaf: str) -> Palette:
    return Palette(*(rgb(text) for text in (wall, table, main, accent, brew, leaf)))


PALETTES = {
    "green": _palette("#dfe8d8", "#c9d6bd", "#5f7f5b", "#7d9c68", "#c9cf7a", "#6f9152"),
    "jade": _palette("#d9e7e3", "#bfd5ce", "#4f837a", "#6fa394", "#cfd184", "#5f8f6a"),
    "white": _palette("#ece8df", "#d9d1c2", "#a9a58f", "#9aa585", "#e0c98a", "#8f9d72"),
    "red": _palette("#f0dfd3", "#dfc3b0", "#9c4a38", "#c27a55", "#b5562c", "#7d8a55"),
    "gold": _palette("#f3e7cd", "#e3cfa3", "#b98a3e", "#c77f3d", "#d69a3c", "#86904f"),
    "oolong": _palette("#e6e2cf", "#cfc7a5", "#7a7442", "#a08b4a", "#d0a24a", "#6f8248"),
    "dark": _palette("#e6dbd0", "#cdb9a6", "#6b4636", "#95664a", "#7a2f1c", "#7b7a4c"),
    "jasmine": _palette("#e9ebf1", "#cfd5e0", "#7d8fae", "#a9b7a0", "#d9d79a", "#7fa07a"),
    "rose": _palette("#f3e0df", "#e2c3c2", "#b36a70", "#cf9a8f", "#c8685a", "#7f9068"),
    "mocha": _palette("#e9dccd", "#d2bda6", "#7a5140", "#b8794c", "#5b3423", "#7b8455"),
    "terra": _palette("#f1dccb", "#dfbb9d", "#b5623f", "#d6955f", "#6a3b25", "#7b8455"),
    "blue": _palette("#dbe4ea", "#bccbd5", "#3f617a", "#7d9bb0", "#5b3423", "#6f8b78"),
    "night": _palette("#d6d9e3", "#b6bccd", "#343f5e", "#8a8fb5", "#4a2f23", "#6f8b78"),
    "moss": _palette("#e2e4d3", "#c6cbae", "#4f5c41", "#8d9a63", "#5b3423", "#74894f"),
    "plum": _palette("#eadfe6", "#d0bccb", "#6f4a68", "#a9829b", "#5b3423", "#7f9068"),
    "clay": _palette("#efe3d8", "#dac4b1", "#8a5a44", "#b58a6a", "#a8582f", "#7f9068"),
    "celadon": _palette("#e1ebe4", "#c5d8cc", "#9fc0ae", "#7fa891", "#cfcf86", "#6f9868"),
    "ink": _palette("#e4e4e1", "#c9c9c4", "#3d4144", "#8b9094", "#5b3423", "#78866d"),
}


# --- backdrops --------------------------------------------------------------------------------


def _ground(p: Palette) -> Canvas:
    canvas = Canvas(p.wall)
    canvas.shape(
        box(0, 0, SIDE, SIDE),
        ((0, lighter(p.wall, 0.45)), (0.7, p.wall), (1, darker(p.wall, 0.04))),
        upright=True,
    )
    return canvas


def _table(canvas: Canvas, p: Palette, y: float = 560) -> None:
    canvas.shape(
        box(0, y, SIDE, SIDE),
        sheen(lighter(p.table, 0.18), darker(p.table, 0.06)),
        upright=True,
    )
    canvas.shape(box(0, y, SIDE, y + 3), lighter(p.table, 0.5), opacity=0.7)


def moon(p: Palette) -> Canvas:
    """A large pale disc behind."""
    canvas = _ground(p)
    canvas.shape(
        oval(400, 372, 262, 262),
        sheen(lighter(p.accent, 0.72), lighter(p.accent, 0.5)),
        upright=True,
    )
    _table(canvas, p)
    return canvas


def arch(p: Palette) -> Canvas:
    """A niche with a round top."""
    canvas = _ground(p)
    inside = [*oval(400, 340, 212, 236, 180, 360), (612, 562), (188, 562)]
    canvas.shape(
        inside,
        ((0, darker(p.wall, 0.12)), (0.14, mix(p.wall, p.accent, 0.2)), (1, lighter(p.wall, 0.25))),
    )
    _table(canvas, p)
    return canvas


def ranges(p: Palette, sun: Point = (590, 190)) -> Canvas:
    """Far hills in haze."""
    canvas = _ground(p)
    canvas.shape(oval(*sun, 62, 62), lighter(p.accent, 0.5))
    for i, (base, share) in enumerate(((330, 0.18), (400, 0.32), (470, 0.48))):
        ridge = path(
            (-20, base + 30),
            (120, base - 90 - 20 * i, 190, base + 10, 300, base + 20),
            (410, base + 30 - 70 * i, 470, base - 110, 590, base - 20),
            (680, base + 40, 740, base - 60, 820, base - 30),
        )
        canvas.shape([*ridge, (820, 600), (-20, 600)], mix(p.wall, p.accent, share))
    canvas.shape(box(-20, 430, 820, 600), p.wall, opacity=0.5, blur=40)
    _table(canvas, p)
    return canvas


def window(p: Palette) -> Canvas:
    """Light through a window, with the shadow of leaves."""
    canvas = _ground(p)
    light = lighter(p.wall, 0.75)
    for x in (120, 330):
        for y in (40, 270):
            canvas.shape(
                [(x, y + 60), (x + 185, y), (x + 185, y + 205), (x, y + 265)],
                light,
                opacity=0.75,
                blur=5,
            )
    shade = mix(p.wall, p.leaf, 0.32)
    for at, angle in (((90, 60), 38), ((70, 250), 12), ((250, 20), 62)):
        twig(canvas, at, 210, angle, shade, pairs=3)
    canvas.image = Image.blend(canvas.image, _ground(p).image, 0.35)
    _table(canvas, p)
    return canvas


BACKDROPS = (moon, arch, ranges, window)


# --- pictures ---------------------------------------------------------------------------------

Scene = Callable[[Canvas, Palette, str, int], None]


def _tin(c: Canvas, p: Palette, label: str, seed: int) -> None:
    twig(c, (176, 640), 190, -64, p.leaf)
    objects.tin(c, 408, FLOOR, p, label)
    vessels.cup(c, 612, 676, mix(objects.PAPER, p.accent, 0.12), p.brew, 0.82)
    scattered_leaves(c, (220, 700), 26, p.leaf, seed)


def _tin_two(c: Canvas, p: Palette, label: str, seed: int) -> None:
    objects.tin(c, 530, FLOOR - 14, p._replace(main=p.accent), label, 0.84)
    objects.tin(c, 318, FLOOR + 14, p, label)
    scattered_leaves(c, (585, 706), 30, p.leaf, seed)
    twig(c, (640, 690), 120, -18, p.leaf, 2)


def _pouch_tea(c: Canvas, p: Palette, label: str, seed: int) -> None:
    objects.pouch(c, 386, FLOOR, p, label)
    twig(c, (560, 668), 190, -50, p.leaf)
    scattered_leaves(c, (560, 706), 30, p.leaf, seed)


def _pouch_coffee(c: Canvas, p: Palette, label: str, seed: int) -> None:
    objects.pouch(c, 372, FLOOR - 6, p, label)
    vessels.cup(c, 606, 672, mix(objects.PAPER, p.main, 0.06), p.brew, 0.86, handle=True, hot=True)
    scattered_beans(c, (230, 712), 11, seed)


def _pouch_pair(c: Canvas, p: Palette, label: str, seed: int) -> None:
    objects.pouch(c, 520, FLOOR - 26, p._replace(main=p.accent, accent=p.main), label, 0.88)
    objects.pouch(c, 300, FLOOR + 8, p, label, 0.94)
    scattered_beans(c, (560, 706), 13, seed)


def _cake(c: Canvas, p: Palette, label: str, seed: int) -> None:
    objects.cake(c, 376, FLOOR + 6, p, label)
    vessels.cup(c, 618, 682, darker(p.main, 0.1), p.brew, 0.72)
    scattered_leaves(c, (200, 706), 22, darker(p.leaf, 0.4), seed)


def _carton(c: Canvas, p: Palette, label: str, seed: int) -> None:
    objects.carton(c, 386, FLOOR, p, label)
    scattered_leaves(c, (610, 706), 24, p.leaf, seed)
    twig(c, (620, 690), 130, -34, p.leaf, 2)


def _drip(c: Canvas, p: Palette, label: str, seed: int) -> None:
    objects.carton(c, 322, FLOOR - 12, p, label, 0.92)
    vessels.cup(c, 598, 680, mix(objects.PAPER, p.main, 0.08), p.brew, 0.92, handle=True)
    sachet = [(540, 470), (656, 470), (650, 546), (546, 546)]
    c.shape([(532, 506), (664, 506), (664, 520), (532, 520)], objects.PAPER)
    c.shape(sachet, sheen(lighter(objects.PAPER, 0.4), darker(objects.PAPER, 0.1)))
    c.shape(box(560, 484, 636, 520, 4), p.accent, opacity=0.8)
    scattered_beans(c, (200, 716), 9, seed)


def _gift(c: Canvas, p: Palette, label: str, seed: int) -> None:
    objects.carton(c, 392, FLOOR + 8, p, label, 1.14, ribbon=True)
    twig(c, (176, 690), 120, -40, p.leaf, 2)


def _set_tea(c: Canvas, p: Palette, label: str, seed: int) -> None:
    objects.carton(c, 470, FLOOR - 30, p, label, 1.02)
    objects.tin(c, 250, FLOOR, p._replace(main=p.accent), label[:2], 0.74)
    vessels.cup(c, 600, 690, mix(objects.PAPER, p.accent, 0.15), p.brew, 0.76)
    scattered_leaves(c, (420, 722), 18, p.leaf, seed)


def _set_coffee(c: Canvas, p: Palette, label: str, seed: int) -> None:
    vessels.kettle(c, 560, FLOOR - 44, objects.STEEL, 0.9)
    objects.pouch(c, 286, FLOOR - 8, p, label, 0.9)
    vessels.dripper(c, 520, 692, mix(objects.PAPER, p.accent, 0.1), 0.74)
    scattered_beans(c, (280, 722), 9, seed)


def _bowl(c: Canvas, p: Palette, label: str, seed: int) -> None:
    vessels.bowl(c, 400, FLOOR, p.main, p.brew, 1.22)
    scattered_leaves(c, (610, 708), 22, p.leaf, seed)
    twig(c, (150, 676), 130, -48, p.leaf, 2)


def _cup(c: Canvas, p: Palette, label: str, seed: int) -> None:
    vessels.cup(c, 372, FLOOR, p.main, p.brew, 1.4, saucer=True, hot=True)
    vessels.cup(c, 616, 690, lighter(p.main, 0.25), p.brew, 0.76)
    scattered_leaves(c, (190, 716), 16, p.leaf, seed)


def _mug(c: Canvas, p: Palette, label: str, seed: int) -> None:
    vessels.cup(c, 366, FLOOR, p.main, p.brew, 1.55, handle=True, hot=True)
    vessels.cup(c, 640, 690, p.accent, p.brew, 0.82, handle=True)
    scattered_beans(c, (190, 720), 8, seed)


def _pot(c: Canvas, p: Palette, label: str, seed: int) -> None:
    vessels.pot(c, 420, FLOOR, p.main, 1.16)
    vessels.cup(c, 200, 692, lighter(p.main, 0.1), p.brew, 0.66)
    vessels.cup(c, 330, 714, lighter(p.main, 0.1), p.brew, 0.66)


def _pitcher(c: Canvas, p: Palette, label: str, seed: int) -> None:
    vessels.jar(c, 330, FLOOR, p, 1.24, beans=False)
    vessels.cup(c, 590, 678, objects.PAPER, p.brew, 0.9)
    twig(c, (150, 690), 110, -40, p.leaf, 2)


def _kettle(c: Canvas, p: Palette, label: str, seed: int) -> None:
    vessels.kettle(c, 420, FLOOR, p.main if sum(p.main) < 330 else objects.STEEL, 1.42)
    scattered_beans(c, (190, 716), 8, seed)


def _dripper(c: Canvas, p: Palette, label: str, seed: int) -> None:
    vessels.dripper(c, 390, FLOOR + 6, p.main, 1.28)
    scattered_beans(c, (620, 706), 10, seed)


def _jar(c: Canvas, p: Palette, label: str, seed: int) -> None:
    vessels.jar(c, 396, FLOOR, p, 1.34)
    scattered_beans(c, (612, 704), 12, seed)


def _mill(c: Canvas, p: Palette, label: str, seed: int) -> None:
    vessels.mill(c, 380, FLOOR, p.main, 1.36)
    scattered_beans(c, (570, 702), 14, seed)


def _bottle(c: Canvas, p: Palette, label: str, seed: int) -> None:
    vessels.bottle(c, 470, FLOOR - 18, p, label, 1.14)
    vessels.bottle(c, 314, FLOOR + 12, p, label, 1.2)
    scattered_beans(c, (600, 712), 9, seed)


def _card(c: Canvas, p: Palette, label: str, seed: int) -> None:
    objects.card(c, (400, 440), p, label, "山房茶咖 · 礼品卡")
    twig(c, (180, 706), 150, -30, p.leaf)


def _tasting(c: Canvas, p: Palette, label: str, seed: int) -> None:
    vessels.tray(c, 400, FLOOR, 318)
    vessels.pot(c, 470, FLOOR - 14, p.main, 0.86)
    for i, x in enumerate((176, 276)):
        vessels.cup(
            c, x, FLOOR - 12 + 8 * i, mix(objects.PAPER, p.accent, 0.2), p.brew, 0.62, hot=i == 0
        )
    twig(c, (600, 640), 140, -58, p.leaf)
    plate = box(300, 716, 500, 768, 26)
    c.shape(plate, objects.PAPER)
    c.letters(label, (400, 742), 27, objects.INK)


def _cupping(c: Canvas, p: Palette, label: str, seed: int) -> None:
    vessels.tray(c, 400, FLOOR, 318)
    vessels.dripper(c, 520, FLOOR - 16, objects.PAPER, 0.84)
    for i, x in enumerate((166, 274, 372)):
        vessels.cup(c, x, FLOOR - 12, mix(objects.PAPER, p.main, 0.1 * i), p.brew, 0.58, hot=i == 1)
    scattered_beans(c, (330, 712), 9, seed)
    c.shape(box(480, 716, 680, 768, 26), objects.PAPER)
    c.letters(label, (580, 742), 27, objects.INK)


SCENES: dict[str, Scene] = {
    "tin": _tin,
    "tins": _tin_two,
    "tea-bag": _pouch_tea,
    "bag": _pouch_coffee,
    "bags": _pouch_pair,
    "cake": _cake,
    "box": _carton,
    "drip": _drip,
    "gift": _gift,
    "tea-set": _set_tea,
    "coffee-set": _set_coffee,
    "bowl": _bowl,
    "cup": _cup,
    "mug": _mug,
    "pot": _pot,
    "pitcher": _pitcher,
    "kettle": _kettle,
    "dripper": _dripper,
    "jar": _jar,
    "mill": _mill,
    "bottle": _bottle,
    "card": _card,
    "tasting": _tasting,
    "cupping": _cupping,
}


def draw(scene: str, label: str, palette: str, seed: int) -> Image.Image:
    """The picture of a scene, 800 x 800; the seed chooses the backdrop and scatters."""
    p = PALETTES[palette]
    canvas = BACKDROPS[seed % len(BACKDROPS)](p)
    SCENES[scene](canvas, p, label, seed)
    return canvas.image


def _banner_tea(c: Canvas, p: Palette, label: str, seed: int) -> None:
    twig(c, (446, 596), 120, -60, p.leaf)
    objects.tin(c, 560, 566, p, label, 0.66)
    vessels.cup(c, 694, 578, mix(objects.PAPER, p.accent, 0.15), p.brew, 0.62, hot=True)
    scattered_leaves(c, (450, 600), 12, p.leaf, seed)


def _banner_coffee(c: Canvas, p: Palette, label: str, seed: int) -> None:
    vessels.dripper(c, 660, 570, mix(objects.PAPER, p.main, 0.12), 0.72)
    objects.pouch(c, 520, 574, p, label, 0.62)
    scattered_beans(c, (470, 596), 9, seed)


def _banner_pot(c: Canvas, p: Palette, label: str, seed: int) -> None:
    twig(c, (742, 590), 120, -106, p.leaf)
    vessels.pot(c, 610, 572, p.main, 0.82)
    for x in (440, 506):
        vessels.cup(c, x, 590, mix(objects.PAPER, p.accent, 0.15), p.brew, 0.46, hot=x == 440)


BANNERS: dict[str, Scene] = {"tea": _banner_tea, "coffee": _banner_coffee, "pot": _banner_pot}


def banner(scene: str, label: str, palette: str, seed: int) -> Image.Image:
    """A wide picture, 800 x 400, its left half free for the words that the page sets over it."""
    p = PALETTES[palette]
    canvas = ranges(p, sun=(430, 330))
    BANNERS[scene](canvas, p, label, seed)
    return canvas.image.crop((0, 232, SIDE, 632))
