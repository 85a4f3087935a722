"""What a recording is and how long it lasts, read from its own bytes: names and types that come
with an upload say nothing.

Understood is what recorders make: MP3 and AAC (mini-program), M4A (Safari), WebM (Chromium) and Ogg
(Firefox). Only headers are read; what follows is never executed, only played by a browser that is
told the type.
"""

import struct
from collections.abc import Iterator
from typing import Final

import msgspec

from siyu.growth.gifting.contracts import (
    MAX_VOICE_BYTES,
    MAX_VOICE_SECONDS,
    BadVoice,
    VoiceTooLarge,
)


class Recording(msgspec.Struct, frozen=True):
    """A recording of a known type."""

    media_type: str
    duration_ms: int


class _Broken(Exception):
    """Begins like one of the formats, and is not."""


def read_recording(raw: bytes) -> Recording:
    """The type and length of a recording. Raises VoiceTooLarge, BadVoice."""
    if len(raw) > MAX_VOICE_BYTES:
        raise VoiceTooLarge(limit_bytes=MAX_VOICE_BYTES)
    try:
        media_type, seconds = _read(raw)
    except (_Broken, struct.error, IndexError, ZeroDivisionError):
        raise BadVoice(why="format") from None
    # Encoders pad the end; a second more than a minute is still the minute they were asked for.
    if seconds >= MAX_VOICE_SECONDS + 1:
        raise BadVoice(why="too_long", limit_seconds=MAX_VOICE_SECONDS)
    if seconds <= 0:
        raise BadVoice(why="empty")
    return Recording(media_type, min(max(1, int(seconds * 1000)), MAX_VOICE_SECONDS * 1000))


def _read(raw: bytes) -> tuple[str, float]:
    if raw[:4] == b"OggS":
        return "audio/ogg", _ogg(raw)
    if raw[:4] == b"\x1a\x45\xdf\xa3":
        return "audio/webm", _webm(raw)
    if raw[4:8] == b"ftyp":
        return "audio/mp4", _mp4(raw)
    start = 0
    if raw[:3] == b"ID3":
        start = 10 + sum(
            (byte & 0x7F) << shift for byte, shift in zip(raw[6:10], _SYNCSAFE, strict=True)
        )
    if raw[start] == 0xFF and raw[start + 1] & 0xF6 == 0xF0:
        return "audio/aac", _aac(raw, start)
    return "audio/mpeg", _mp3(raw, start)


_SYNCSAFE: Final = (21, 14, 7, 0)

# --- frames one behind the other: AAC in ADTS, MP3 ----------------------------------------------

_AAC_RATES: Final = (
    96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350,
)  # fmt: skip
_MP3_KBPS: Final = {
    True: (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    False: (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_MP3_RATES: Final = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}


def _aac(raw: bytes, at: int) -> float:
    frames, rate = 0, 0
    while at + 7 <= len(raw) and raw[at] == 0xFF and raw[at + 1] & 0xF6 == 0xF0:
        rate = _AAC_RATES[raw[at + 2] >> 2 & 15]
        length = (raw[at + 3] & 3) << 11 | raw[at + 4] << 3 | raw[at + 5] >> 5
        if length < 7:
            raise _Broken
        frames += 1
        at += length
    return _whole(frames, at, raw) * 1024 / rate


def _mp3(raw: bytes, at: int) -> float:
    frames, each = 0, 0.0
    while at + 4 <= len(raw) and raw[at] == 0xFF and raw[at + 1] & 0xE6 == 0xE2:
        version, is_padded = raw[at + 1] >> 3 & 3, raw[at + 2] >> 1 & 1
        if version not in _MP3_RATES or raw[at + 2] >> 4 in (0, 15):
            raise _Broken
        rate = _MP3_RATES[version][raw[at + 2] >> 2 & 3]
        samples = 1152 if version == 3 else 576
        kbps = _MP3_KBPS[version == 3][raw[at + 2] >> 4]
        frames, each = frames + 1, samples / rate
        at += samples // 8 * kbps * 1000 // rate + is_padded
    return _whole(frames, at, raw) * each


def _whole(frames: int, end: int, raw: bytes) -> int:
    """At least two frames, and nothing behind them but an old tag or one frame cut off."""
    if frames < 2 or len(raw) - end > 128 or (end < len(raw) and raw[end : end + 3] != b"TAG"):
        raise _Broken
    return frames


# --- Ogg: pages that count samples --------------------------------------------------------------


def _ogg(raw: bytes) -> float:
    first = 27 + raw[26]
    if raw[first : first + 8] == b"OpusHead":
        (skipped,), rate = struct.unpack_from("<H", raw, first + 10), 48000
    elif raw[first : first + 7] == b"\x01vorbis":
        skipped, (rate,) = 0, struct.unpack_from("<I", raw, first + 12)
    else:
        raise _Broken
    at, last = 0, 0
    while raw[at : at + 4] == b"OggS":
        (granule,) = struct.unpack_from("<q", raw, at + 6)
        count = raw[at + 26]
        last = max(last, granule)
        at += 27 + count + sum(raw[at + 27 : at + 27 + count])
    return float(last - skipped) / rate


# --- M4A: boxes ---------------------------------------------------------------------------------

_INSIDE: Final = (b"moov", b"trak", b"mdia", b"mvex", b"moof", b"traf")


def _boxes(raw: bytes, at: int, end: int) -> Iterator[tuple[bytes, int]]:
    """(name, where its content begins) of each box, those inside others too."""
    while at + 8 <= end:
        size, name = struct.unpack_from(">I4s", raw, at)
        if size < 8:
            raise _Broken
        yield name, at + 8
        if name in _INSIDE:
            yield from _boxes(raw, at + 8, min(at + size, end))
        at += size


def _mp4(raw: bytes) -> float:
    """Of the whole as its head says, or the sum of its fragments when it was written live."""
    scale = told = 0
    usual = each = pieces = 0
    for name, at in _boxes(raw, 0, len(raw)):
        wide = 8 if raw[at] else 0  # version 1 has longer times
        if name == b"mdhd":
            (scale,) = struct.unpack_from(">I", raw, at + 12 + wide)
            told = int.from_bytes(raw[at + 16 + wide : at + 20 + wide + wide // 2])
        elif name == b"hdlr" and raw[at + 8 : at + 12] == b"vide":
            raise _Broken
        elif name == b"trex":
            (usual,) = struct.unpack_from(">I", raw, at + 12)
        elif name == b"tfhd":
            each = _fragment_default(raw, at, usual)
        elif name == b"trun":
            pieces += _fragment_length(raw, at, each)
    return (pieces or told) / scale


def _fragment_default(raw: bytes, at: int, usual: int) -> int:
    """Length of a sample in this fragment, unless it says its own."""
    flags = int.from_bytes(raw[at + 1 : at + 4])
    if not flags & 0x8:
        return usual
    before = 8 * bool(flags & 0x1) + 4 * bool(flags & 0x2)
    (each,) = struct.unpack_from(">I", raw, at + 8 + before)
    return int(each)


def _fragment_length(raw: bytes, at: int, each: int) -> int:
    """Length of all samples of a run."""
    flags = int.from_bytes(raw[at + 1 : at + 4])
    (count,) = struct.unpack_from(">I", raw, at + 4)
    if not flags & 0x100:
        return int(count) * each
    first = at + 8 + 4 * bool(flags & 0x1) + 4 * bool(flags & 0x4)
    step = 4 * (flags >> 8 & 0xF).bit_count()
    return sum(struct.unpack_from(">I", raw, first + step * n)[0] for n in range(count))


# --- WebM: elements -----------------------------------------------------------------------------

_SEGMENT, _INFO, _CLUSTER, _GROUP = 0x18538067, 0x1549A966, 0x1F43B675, 0xA0
_SCALE, _DURATION, _CLUSTER_TIME = 0x2AD7B1, 0x4489, 0xE7
_SIMPLE_BLOCK, _BLOCK, _VIDEO = 0xA3, 0xA1, 0xE0
_TRACKS, _TRACK = 0x1654AE6B, 0xAE


def _number(raw: bytes, at: int, *, keeps_mark: bool) -> tuple[int, int, bool]:
    """(value, where it ends, whether it means "unknown") of a number of variable length."""
    length = 9 - raw[at].bit_length()
    if length > 8:
        raise _Broken
    value = int.from_bytes(raw[at : at + length])
    bare = value & (1 << 7 * length) - 1
    return (value if keeps_mark else bare), at + length, bare == (1 << 7 * length) - 1


def _elements(raw: bytes) -> Iterator[tuple[int, int, int]]:
    """(id, begin, end) of each element; those that hold others are gone into."""
    at = 0
    while at + 2 <= len(raw):
        name, at, _ = _number(raw, at, keeps_mark=True)
        size, at, is_open = _number(raw, at, keeps_mark=False)
        yield name, at, len(raw) if is_open else min(at + size, len(raw))
        if name not in (_SEGMENT, _INFO, _CLUSTER, _GROUP, _TRACKS, _TRACK):
            at += size


def _webm(raw: bytes) -> float:
    """As its head says, or up to the last block when it was written live."""
    scale, told, cluster, last = 1_000_000, 0.0, 0, 0
    for name, at, end in _elements(raw):
        if name == _SCALE:
            scale = int.from_bytes(raw[at:end])
        elif name == _DURATION:
            (told,) = struct.unpack_from(">d" if end - at == 8 else ">f", raw, at)
        elif name == _CLUSTER_TIME:
            cluster = int.from_bytes(raw[at:end])
        elif name in (_SIMPLE_BLOCK, _BLOCK):
            _, after, _ = _number(raw, at, keeps_mark=False)
            (offset,) = struct.unpack_from(">h", raw, after)
            last = max(last, cluster + offset + 1)
        elif name == _VIDEO:
            raise _Broken
    return max(told, last) * scale / 1e9
