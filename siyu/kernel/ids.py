"""Identifiers: UUIDv7 for nouns (sortable by time, 74 random bits), a small integer for shops."""

import io
import os
from collections.abc import Callable
from datetime import datetime
from typing import NewType
from uuid import UUID

from asyncpg.pgproto import pgproto

from siyu.kernel import clock

ShopId = NewType("ShopId", int)

uuid_of: Callable[[bytes], UUID] = pgproto.UUID
"""The UUID of 16 bytes. The driver's own kind, as ids come back from the database: made, written
and told in C, for a tenth of the time.
"""

_pool = io.BytesIO()


def random_bytes(count: int) -> bytes:
    """Random bytes of the system, taken in bulk: asking it costs more than they do.

    At most 4096. No two callers get the same ones: a read is one step for threads, and a forked
    process begins anew.
    """
    global _pool
    while len(drawn := _pool.read(count)) < count:
        _pool = io.BytesIO(os.urandom(4096))
    return drawn


os.register_at_fork(after_in_child=lambda: _pool.seek(0, io.SEEK_END))

_last = 0
_draw: Callable[[int], bytes] = random_bytes
_VERSION_AND_VARIANT = 7 << 76 | 2 << 62
_CHANCE = (1 << 76) - 1 & ~(3 << 62)
"""The 74 random bits; made here, for an order needs half a dozen ids (RFC 9562, 5.7)."""


def draw_from(source: Callable[[int], bytes] = random_bytes) -> None:
    """Where ids get their random bytes: a simulation's dice, so that what is sorted by id comes in
    the same order again; without an argument: the system's, as ever."""
    global _last, _draw
    _last, _draw = 0, source


def new_id() -> UUID:
    """A fresh UUIDv7 stamped with the kernel clock, so a turned clock turns ids too.

    Ids made one after the other in one process and one millisecond keep that order.
    """
    global _last
    chance = int.from_bytes(_draw(10)) & _CHANCE
    made = int(clock.now().timestamp() * 1000) << 80 | _VERSION_AND_VARIANT | chance
    if made >> 80 == _last >> 80 and made <= _last:
        made = _last + 1
    _last = made
    return uuid_of(made.to_bytes(16))


def new_ids(count: int) -> list[UUID]:
    """As many ids of one moment, as `new_id` makes them, rising; at most 400. One takes a quarter
    of the time.
    """
    global _last
    drawn = _draw(10 * count)
    stamp = int(clock.now().timestamp() * 1000) << 80 | _VERSION_AND_VARIANT
    drawn_at = range(0, 10 * count, 10)
    made = [stamp | int.from_bytes(drawn[at : at + 10]) & _CHANCE for at in drawn_at]
    made.sort()
    last = _last if stamp >> 80 == _last >> 80 else 0
    ids = []
    for one in made:
        last = one if one > last else last + 1
        ids.append(uuid_of(last.to_bytes(16)))
    _last = last or _last
    return ids


def first_id_at(moment: datetime) -> UUID:
    """The smallest id of a moment: what was made before it sorts below."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
