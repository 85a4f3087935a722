"""Which events are taken, and as what."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from siyu.insight.behaviour.contracts import ClientEvent
from siyu.warehouse.tail.contracts import TailEvent

OLDEST = timedelta(days=30)
"""A phone may have been offline; older events are refused."""
MAX_PROPS_BYTES = 2_048
SAMPLE_CHARACTERS = 2_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Refused(Exception):
    """An event that is not taken; the text is the reason, without the event's content."""


def check_event(raw: Mapping[str, Any], now: datetime) -> ClientEvent:
    """One event, its time not after `now`. Raises Refused."""
    try:
        event = msgspec.convert(raw, ClientEvent, strict=True)
    except msgspec.ValidationError as error:
        raise Refused(str(error)[:200]) from None
    if event.at.tzinfo is None:
        raise Refused("a time without offset - at `$.at`")
    if len(_encoded(event.props)) > MAX_PROPS_BYTES:
        raise Refused(f"more than {MAX_PROPS_BYTES} bytes - at `$.props`")
    try:
        # Clocks of phones go wrong: nothing happens in the future.
        at = min(event.at.astimezone(UTC), now)
    except OverflowError:
        raise Refused("outside the calendar - at `$.at`") from None
    if at < now - OLDEST:
        raise Refused("older than 30 days - at `$.at`")
    return msgspec.structs.replace(event, at=at)


def _encoded(value: Any) -> bytes:
    try:
        return msgspec.json.encode(value)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        raise Refused("not encodable - at `$.props`") from None


def sample_of(raw: Mapping[str, Any]) -> str:
    """What a refused event looked like, cut and without NUL, for the reject table."""
    text = msgspec.json.encode(raw).decode("utf-8", "replace")
    return text[:SAMPLE_CHARACTERS]


def as_tail_event(
    event: ClientEvent,
    *,
    shop_id: int,
    person_no: int,
    channel: str,
    product_numbers: Mapping[UUID, int],
) -> TailEvent:
    """An event as the warehouse keeps it; an unknown product keeps its id in props."""
    props = dict(event.props)
    if event.zone is not None:
        props["zone"] = event.zone
    if event.dwell_ms is not None:
        props["dwell_ms"] = event.dwell_ms
    item_no = 0
    if event.product_id is not None:
        item_no = product_numbers.get(event.product_id, 0)
        if not item_no:
            props["product_id"] = str(event.product_id)
    return TailEvent(
        shop_id=shop_id,
        person_no=person_no,
        at_us=(event.at - _EPOCH) // timedelta(microseconds=1),
        name=f"behaviour.{event.name}",
        channel=channel,
        item_no=item_no,
        page=event.page,
        props=props or None,
    )
