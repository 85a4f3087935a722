"""Identifiers: UUIDv7 for nouns (sortable by time, 74 random bits), a small integer for shops."""

from datetime import datetime
from typing import NewType
from uuid import UUID

import uuid_utils

from siyu.kernel import clock

ShopId = NewType("ShopId", int)

_last = 0


def new_id() -> UUID:
    """A fresh UUIDv7 stamped with the kernel clock, so a turned clock turns ids too.

    Ids made one after the other in one process and one millisecond keep that order.
    """
    global _last
    nanoseconds = int(clock.now().timestamp() * 1_000_000) * 1000
    made = uuid_utils.uuid7(nanoseconds=nanoseconds).int
    if made >> 80 == _last >> 80 and made <= _last:
        made = _last + 1
    _last = made
    return UUID(int=made)


def first_id_at(moment: datetime) -> UUID:
    """The smallest id of a moment: what was made before it sorts below."""
    return UUID(int=int(moment.timestamp() * 1000) << 80)
