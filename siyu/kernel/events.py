"""Events: what happened, in the past tense, written in the same transaction as what changed.

An event class is a noun of its domain's `contracts.py`; `name` is `domain.what_happened` and never
changes once released. The relay delivers it to the reactions of `app/event_map.py`; the warehouse
reads the same outbox. Conventions the readers rely on: a person is `person_no`, money `amount_fen`.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import ClassVar
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.db import Tx


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all events: plain frozen values."""

    name: ClassVar[str] = ""


def emit(tx: Tx, event: Event, at: datetime | None = None) -> UUID:
    """Keep an event for the outbox of this transaction; returns its id.

    at: business time when it differs from now (imported history).
    """
    assert event.name, f"{type(event).__name__} has no name"
    return tx.add_event(event.name, event, at or clock.now())


def emit_many(tx: Tx, events: Sequence[Event], moments: Sequence[datetime]) -> None:
    """The same for up to 400 events of one kind; moments: when each happened."""
    tx.add_events(events[0].name, events, moments)
