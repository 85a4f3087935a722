"""Nouns of the tail: an event as it arrives, and the batch it arrives in."""

from typing import Any
from uuid import UUID

import msgspec

OUTBOX_SOURCE = 0
"""`Batch.source` of domain events; what a shop's customers send has the shop's id as its source."""


class TailEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `at_us`: UTC microseconds since 1970. 0 and "" stand for "none"."""

    shop_id: int
    person_no: int
    at_us: int
    name: str
    channel: str
    item_no: int = 0
    amount_fen: int = 0
    page: str = ""
    props: dict[str, Any] | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """Events that are accepted together or not at all, and only once under their key."""

    source: int
    batch_key: UUID
    events: list[TailEvent]


class Reject(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was not taken, why, and what it looked like (cut to 2,000 characters)."""

    shop_id: int
    reason: str
    sample: str
