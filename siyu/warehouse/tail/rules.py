"""Decisions of the tail: event numbers, page paths, how a domain event becomes a row."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from siyu.kernel.relay import OutboxRow
from siyu.warehouse.tail.contracts import TailEvent

BLOCK = 65_536
"""Event numbers per value of the sequence `warehouse.event_block`."""

MAX_ZONE = 64
SEAL_ROWS = 100_000
SEAL_AFTER_S = 900
"""A slot is sealed when it holds a row group, or has waited a quarter of an hour with any row."""

_NUMBER = re.compile(r"(?<=/)(?:\d+|[0-9a-fA-F]{8}-[0-9a-fA-F-]{27})(?=/|$)")
_INT64 = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def page_path(page: str) -> str:
    """A page without what differs per view: no query, no fragment, ids as `*`, 128 characters."""
    path = re.split(r"[?#]", page.strip(), maxsplit=1)[0]
    return _NUMBER.sub("*", path)[:128]


def numbers(blocks: Iterator[int]) -> Iterator[int]:
    """Event numbers out of reserved blocks, growing inside each block."""
    for block in blocks:
        yield from range(block * BLOCK, (block + 1) * BLOCK)


def should_seal(rows: int, age_s: float) -> bool:
    """Whether the open slot has become a file's worth, or old enough. Empty slots stay open."""
    return rows >= SEAL_ROWS or (rows > 0 and age_s >= SEAL_AFTER_S)


def _take(props: dict[str, Any], key: str) -> int:
    """Move an integer out of the payload; 0 when absent or not a 64-bit integer."""
    value = props.get(key)
    if type(value) is not int or not -_INT64 <= value <= _INT64:
        return 0
    del props[key]
    return value


def promoted(props: Mapping[str, Any] | None) -> tuple[dict[str, Any] | None, str, int]:
    """What becomes a column: the rest of props, the zone, dwell_ms; odd values stay in props."""
    rest, zone, dwell_ms = dict(props or {}), "", 0
    if isinstance(value := rest.get("zone"), str) and len(value) <= MAX_ZONE:
        zone = rest.pop("zone")
    if type(value := rest.get("dwell_ms")) is int and 0 <= value < 2**31:
        dwell_ms = rest.pop("dwell_ms")
    return rest or None, zone, dwell_ms


def as_tail_event(event: OutboxRow) -> TailEvent:
    """A domain event as a row: the agreed fields become columns, the rest stays in props."""
    props = dict(event.payload)
    return TailEvent(
        shop_id=event.shop_id,
        person_no=_take(props, "person_no"),
        at_us=(event.happened_at - _EPOCH) // timedelta(microseconds=1),
        name=event.name,
        channel="domain",
        item_no=_take(props, "product_no"),
        amount_fen=_take(props, "amount_fen"),
        props=props or None,
    )
