"""Event management in the console: what comes in, what it means, what is refused."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar.params import Parameter
from msgspec import Meta

from siyu.kernel import clock
from siyu.kernel.http import Request, StaffIdentity, get, post, put, staff
from siyu.kernel.i18n import Language, language_of
from siyu.warehouse.registry import service
from siyu.warehouse.registry.contracts import (
    CUSTOM,
    MAX_NAMES,
    MAX_PROPS,
    EventType,
    Kind,
    Property,
    Reason,
    RejectCount,
    RejectSample,
)
from siyu.warehouse.tail import service as tail
from siyu.warehouse.tail.contracts import Batch, Reject, TailEvent

READ, WRITE = staff("insight.read"), staff("shop.write")
DAYS = 7
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
Title = Annotated[str, Meta(max_length=60)]
Name = Annotated[str, Parameter(max_length=100)]


class EventView(msgspec.Struct, frozen=True):
    """An event. title: in the language asked for; title_*: the merchant's own words, "" for none.

    daily: events per UTC day for 7 days up to today; can_block: not of an event figures stand on.
    """

    name: str
    title: str
    title_zh: str
    title_en: str
    is_custom: bool
    is_hidden: bool
    is_blocked: bool
    can_block: bool
    properties: int
    first_at: datetime
    last_at: datetime | None
    events_7d: int
    daily: list[int]


class EventsView(msgspec.Struct, frozen=True):
    """All events of a shop, most frequent first, and how much room is left.

    rejects_7d: events refused in the last 7 UTC days.
    """

    items: list[EventView]
    custom_names: int
    max_names: int
    max_props: int
    rejects_7d: int


class PropertyView(msgspec.Struct, frozen=True):
    """A property. kinds: what its values were; declared: other values are refused.

    samples: values that three persons or more had in common.
    """

    prop: str
    title: str
    title_zh: str
    title_en: str
    kinds: list[str]
    declared: Kind | None
    is_hidden: bool
    samples: list[str]
    distinct_values: int
    first_at: datetime


class PropertiesView(msgspec.Struct, frozen=True):
    """Properties of an event."""

    items: list[PropertyView]


class RejectsView(msgspec.Struct, frozen=True):
    """Refused events: counts per UTC day, reason and name; the newest samples."""

    counts: list[RejectCount]
    samples: list[RejectSample]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class EventBody(_Body, frozen=True):
    """What a shop says of an event; "" takes the catalogue's words."""

    title_zh: Title
    title_en: Title
    is_hidden: bool
    is_blocked: bool


class PropertyBody(_Body, frozen=True):
    """What a shop says of a property. declared: null takes any value."""

    title_zh: Title
    title_en: Title
    is_hidden: bool
    declared: Kind | None


class OwnEvent(_Body, frozen=True):
    """An event of the merchant's own system. at: not after now, at most 30 days ago.

    person_no: 0 for nobody; whoever sends another has that person's consent.
    """

    name: Annotated[str, Meta(pattern=r"^custom\.[a-z][a-z0-9_]{0,59}$")]
    at: Annotated[datetime, Meta(tz=True)]
    person_no: Annotated[int, Meta(ge=0, le=2**40)] = 0
    item_no: Annotated[int, Meta(ge=0, le=2**40)] = 0
    amount_fen: Annotated[int, Meta(ge=-(10**10), le=10**10)] = 0
    props: dict[str, str | int | float | bool | None] = {}


class OwnEventsBody(_Body, frozen=True):
    """Up to 500 events; sent again under the same key they count once."""

    batch_key: UUID
    events: Annotated[list[OwnEvent], Meta(min_length=1, max_length=500)]


class Taken(msgspec.Struct, frozen=True):
    """How many events were taken (also when they had been before), and how many refused."""

    accepted: int
    rejected: int


async def _events(staff: StaffIdentity, language: Language) -> EventsView:
    types = await service.list_types(staff.shop_id, DAYS)
    counts = await service.list_reject_counts(staff.shop_id, DAYS)
    return EventsView(
        [_event(one, language) for one in types],
        sum(one.name.startswith(CUSTOM) for one in types),
        MAX_NAMES,
        MAX_PROPS,
        sum(one.events for one in counts),
    )


def _event(one: EventType, language: Language) -> EventView:
    return EventView(
        name=one.name,
        title=_title(service.CATALOGUE, one.name, one, language),
        title_zh=one.title_zh,
        title_en=one.title_en,
        is_custom=one.name.startswith(CUSTOM),
        is_hidden=one.is_hidden,
        is_blocked=one.is_blocked,
        can_block=service.can_block(one.name),
        properties=one.properties,
        first_at=one.first_at,
        last_at=one.last_at,
        events_7d=sum(one.events),
        daily=one.events,
    )


def _title(
    words: dict[str, tuple[str, str]], key: str, one: EventType | Property, language: Language
) -> str:
    chinese, english = service.title_of(words, key, (one.title_zh, one.title_en))
    return chinese if language == "zh-CN" else english


async def _properties(staff: StaffIdentity, name: str, language: Language) -> PropertiesView:
    return PropertiesView(
        [
            PropertyView(
                prop=one.prop,
                title=_title(service.PROPERTIES, one.prop, one, language),
                title_zh=one.title_zh,
                title_en=one.title_en,
                kinds=one.kinds,
                declared=one.declared,
                is_hidden=one.is_hidden,
                samples=one.samples,
                distinct_values=one.distinct_values,
                first_at=one.first_at,
            )
            for one in await service.list_properties(staff.shop_id, name)
        ]
    )


def _language(request: Request[Any, Any, Any]) -> Language:
    return language_of(request.headers.get("accept-language"))


@get("/events", access=READ)
async def list_event_types(staff: StaffIdentity, request: Request[Any, Any, Any]) -> EventsView:
    """Every event of the shop with volume, last arrival and what was decided about it."""
    return await _events(staff, _language(request))


@get("/events/{event_name:str}/properties", access=READ)
async def list_event_properties(
    event_name: Name, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> PropertiesView:
    """Properties of an event with the kinds of their values and values many had in common."""
    return await _properties(staff, event_name, _language(request))


@put("/events/{event_name:str}", access=WRITE)
async def change_event_type(
    event_name: Name, data: EventBody, staff: StaffIdentity, request: Request[Any, Any, Any]
) -> EventsView:
    """Describe, hide or block an event; in force everywhere within five seconds. Audited."""
    await service.change_type(
        staff.shop_id,
        event_name,
        staff,
        titles=(data.title_zh, data.title_en),
        is_hidden=data.is_hidden,
        is_blocked=data.is_blocked,
    )
    return await _events(staff, _language(request))


@put("/events/{event_name:str}/properties/{prop_name:str}", access=WRITE)
async def change_event_property(
    event_name: Name,
    prop_name: Name,
    data: PropertyBody,
    staff: StaffIdentity,
    request: Request[Any, Any, Any],
) -> PropertiesView:
    """Describe, hide or type a property; events that break the type are refused. Audited."""
    await service.change_property(
        staff.shop_id,
        event_name,
        prop_name,
        staff,
        titles=(data.title_zh, data.title_en),
        is_hidden=data.is_hidden,
        declared=data.declared,
    )
    return await _properties(staff, event_name, _language(request))


@get("/event-rejects", access=READ)
async def list_event_rejects(
    staff: StaffIdentity,
    days: Annotated[int, Parameter(ge=1, le=90)] = DAYS,
    reason: Annotated[str, Parameter(pattern=r"^[a-z_]{1,40}$")] | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> RejectsView:
    """What was refused and why: counts by day, and samples without anybody's data."""
    return RejectsView(
        await service.list_reject_counts(staff.shop_id, days),
        await service.list_reject_samples(staff.shop_id, reason, limit),
    )


@post("/events", access=WRITE, status_code=202)
async def send_own_events(data: OwnEventsBody, staff: StaffIdentity) -> Taken:
    """Take events of the merchant's own systems (`custom.…`): a till, a booking, a game.

    202 with {accepted, rejected}; rejected ones are listed with their reason.
    """
    rows = [_row(event, staff) for event in data.events]
    reasons: list[str | None] = [
        reason or _age(event.at)
        for event, reason in zip(data.events, await service.check(staff.shop_id, rows), strict=True)
    ]
    taken = [row for row, reason in zip(rows, reasons, strict=True) if reason is None]
    if taken:
        await tail.collect(Batch(source=staff.shop_id, batch_key=data.batch_key, events=taken))
    await tail.reject(
        [
            Reject(
                shop_id=staff.shop_id,
                reason=reason,
                sample=service.sample_of(msgspec.to_builtins(event)),
                name="" if reason == Reason.TOO_MANY_NAMES else event.name,
            )
            for event, reason in zip(data.events, reasons, strict=True)
            if reason
        ]
    )
    return Taken(len(taken), len(rows) - len(taken))


def _age(at: datetime) -> str | None:
    """Nothing happens in the future, and what is older than 30 days is refused."""
    if at > clock.now():
        return "clock"
    return "too_old" if at < clock.now() - timedelta(days=30) else None


def _row(event: OwnEvent, staff: StaffIdentity) -> TailEvent:
    return TailEvent(
        shop_id=staff.shop_id,
        person_no=event.person_no,
        at_us=(event.at - _EPOCH) // timedelta(microseconds=1),
        name=event.name,
        channel="own",
        item_no=event.item_no,
        amount_fen=event.amount_fen,
        props=dict(event.props) or None,
    )


routes = [
    list_event_types,
    list_event_properties,
    change_event_type,
    change_event_property,
    list_event_rejects,
    send_own_events,
]
