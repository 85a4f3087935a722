"""Picture files as people, and attackers, upload them."""

import io
import struct
import zlib

from PIL import Image


def png(width: int, height: int, colour: str = "#7a9") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(out, "PNG")
    return out.getvalue()


def photo(width: int, height: int, orientation: int = 6) -> bytes:
    """A JPEG with EXIF: place, owner, and a turned camera."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x013B] = "张三的相机"
    exif.get_ifd(0x8825)[1] = "N"
    out = io.BytesIO()
    Image.effect_noise((width, height), 40).convert("RGB").save(out, "JPEG", exif=exif)
    return out.getvalue()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that says it is this large."""
    head = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    row = b"\0" * (width // 8 + 1)
    data = zlib.compress(row * min(height, 200), 9)
    return (
        b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", data) + _chunk(b"IEND", b"")
    )


SVG = b"""<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>"""
