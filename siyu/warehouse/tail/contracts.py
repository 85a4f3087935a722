"""Nouns of the tail: an event as it arrives, and the batch it arrives in."""

from typing import Any
from uuid import UUID

import msgspec

OUTBOX_SOURCE = 0
"""`Batch.source` of domain events; what a shop's customers send has the shop's id as its source."""


SYSTEMS = ("domain", "own")
"""Channels of what systems tell: of the domains, and of the merchant's own. What comes through any
other channel was told by a page, and is kept by the consent to statistics."""

PERSON_JOINED = "members.person_joined"
"""Its `person_no` is who `props.joined_person_no` turned out to be."""


class TailEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One event. `at_us`: UTC microseconds since 1970. 0 and "" stand for "none".

    Of props, `zone` (text) and `dwell_ms` (integer) become columns of their own.
    """

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
    """An event that was not taken.

    reason: one of a closed list, at most 40 characters. sample: what it looked like, without
    anybody's data, at most 2,000 characters. name: "" when it is none that the warehouse knows.
    """

    shop_id: int
    reason: str
    sample: str
    name: str = ""
