"""Recordings as recorders make them, a few frames each: built by hand, byte by byte."""

import struct

# --- frames -----------------------------------------------------------------------------------


def aac(frames: int = 40, rate_index: int = 8, size: int = 24) -> bytes:
    """ADTS; 16 kHz unless told."""
    head = struct.pack(
        ">7B",
        0xFF,
        0xF1,
        1 << 6 | rate_index << 2,
        1 << 6 | size >> 11,
        size >> 3 & 0xFF,
        (size & 7) << 5 | 0x1F,
        0xFC,
    )
    return (head + bytes(size - 7)) * frames


def mp3(frames: int = 40, version: int = 3, tag: bytes = b"", tail: bytes = b"") -> bytes:
    """Layer III, 32 kbit/s and 44.1 kHz (version 1), or 16 kbit/s and 16 kHz (version 2)."""
    second = 0xE2 | version << 3 | 1
    third = 1 << 4 if version == 3 else 2 << 4 | 2 << 2
    length = 104 if version == 3 else 72
    return tag + (bytes([0xFF, second, third, 0xC0]) + bytes(length - 4)) * frames + tail


ID3 = b"ID3\x04\x00\x00\x00\x00\x00\x0a" + bytes(10)
OLD_TAG = b"TAG" + bytes(125)


# --- Ogg --------------------------------------------------------------------------------------


def _page(granule: int, body: bytes) -> bytes:
    return b"OggS\0\0" + struct.pack("<qIIIB", granule, 1, 0, 0, 1) + bytes([len(body)]) + body


def opus(seconds: float = 3) -> bytes:
    head = b"OpusHead\x01\x01" + struct.pack("<HIHB", 312, 48000, 0, 0)
    return _page(0, head) + _page(int(seconds * 48000) + 312, b"\x01\x02")


def vorbis(seconds: float = 3) -> bytes:
    head = b"\x01vorbis" + struct.pack("<IBIIII", 0, 1, 22050, 0, 0, 0) + b"\xb8\x01"
    return _page(0, head) + _page(int(seconds * 22050), b"\x01\x02")


def theora() -> bytes:
    return _page(0, b"\x80theora" + bytes(30))


# --- M4A --------------------------------------------------------------------------------------


def _box(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(body), name) + body


FTYP = _box(b"ftyp", b"M4A \0\0\0\0")


def _mdhd(scale: int, length: int, *, is_wide: bool = False) -> bytes:
    if is_wide:
        return _box(b"mdhd", b"\x01\0\0\0" + struct.pack(">QQIQI", 0, 0, scale, length, 0))
    return _box(b"mdhd", bytes(4) + struct.pack(">IIIII", 0, 0, scale, length, 0))


def m4a(seconds: float = 3, *, is_wide: bool = False, handler: bytes = b"soun") -> bytes:
    """A finished file."""
    mdhd = _mdhd(1000, int(seconds * 1000), is_wide=is_wide)
    hdlr = _box(b"hdlr", bytes(8) + handler + bytes(12))
    return FTYP + _box(b"moov", _box(b"trak", _box(b"mdia", mdhd + hdlr)))


def live_m4a(pieces: int = 3, own: bool = False, named: bool = False) -> bytes:
    """Written while recording: fragments of ten samples of 1024 at 16 kHz. own: every sample says
    its length; named: the fragment does."""
    moov = _box(
        b"moov",
        _box(b"trak", _box(b"mdia", _mdhd(16000, 0)))
        + _box(b"mvex", _box(b"trex", bytes(4) + struct.pack(">IIIII", 1, 1, 1024, 0, 0))),
    )
    tfhd = _box(b"tfhd", struct.pack(">II", 0, 1))
    if named:
        tfhd = _box(b"tfhd", struct.pack(">IIQII", 0x1 | 0x2 | 0x8, 1, 0, 1, 1024))
    trun = _box(b"trun", struct.pack(">II", 0, 10))
    if own:
        body = struct.pack(">IIII", 0x301 | 0x4, 10, 0, 0)
        trun = _box(b"trun", body + struct.pack(">II", 1024, 99) * 10)
    return FTYP + moov + _box(b"moof", _box(b"traf", tfhd + trun)) * pieces


# --- WebM -------------------------------------------------------------------------------------


def _element(name: str, body: bytes, size: bytes | None = None) -> bytes:
    return bytes.fromhex(name) + (size or (0x10000000 | len(body)).to_bytes(4, "big")) + body


UNKNOWN = b"\x01\xff\xff\xff\xff\xff\xff\xff"
EBML = _element("1a45dfa3", _element("4282", b"webm"))


def webm(seconds: float = 3, *, told: str | None = None, video: bool = False) -> bytes:
    """As MediaRecorder writes it: no length in the head (unless told: f or d), open ends."""
    info = _element("2ad7b1", (1_000_000).to_bytes(3, "big"))
    if told:
        info += _element("4489", struct.pack(f">{told}", seconds * 1000))
    track = _element("d7", b"\x01") + (_element("e0", b"\xb0\x81\x01") if video else b"")
    block = struct.pack(">BhB", 0x81, int(seconds * 1000) - 1001, 0x80) + b"\x01"
    blocks = b"" if told else _element("a3", block) + _element("a0", _element("a1", block))
    cluster = _element("e7", (1000).to_bytes(2, "big")) + blocks
    inside = (
        _element("1549a966", info)
        + _element("1654ae6b", _element("ae", track))
        + _element("1f43b675", cluster, UNKNOWN)
    )
    return EBML + _element("18538067", inside, UNKNOWN)
