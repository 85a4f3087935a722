"""Nouns of behaviour: a batch as a client sends it, and one event of it."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from msgspec import Meta

EventName = Literal["expose", "click", "view", "cart", "share", "dwell"]
MAX_EVENTS = 100
MAX_BODY_BYTES = 65_536


class ClientEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One thing a customer did. at: by the client's clock. dwell_ms: time spent, at most a day."""

    name: EventName
    at: datetime
    page: Annotated[str, Meta(min_length=1, max_length=256)]
    product_id: UUID | None = None
    zone: Annotated[str, Meta(max_length=64)] | None = None
    dwell_ms: Annotated[int, Meta(ge=0, le=86_400_000)] | None = None
    props: dict[str, Any] = {}


class CollectBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Up to 100 events, at most 64 KiB.

    batch_key: made by the client before sending and sent again unchanged when it hears no answer.
    visitor: the client's own random key. consent_version: the text a visitor without account agreed
    to. events: each checked by itself as ClientEvent.
    """

    batch_key: UUID
    visitor: UUID
    consent_version: Annotated[str, Meta(max_length=64)] | None
    events: Annotated[list[dict[str, Any]], Meta(max_length=MAX_EVENTS)]


class Collected(msgspec.Struct, frozen=True):
    """How many events were taken (also when they had been before), and how many refused."""

    accepted: int
    rejected: int
