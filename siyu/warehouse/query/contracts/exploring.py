"""What is there: paths, distributions, compositions, heat, the last minutes, single events."""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from siyu.warehouse.query.contracts.conditions import (
    Step,
    Where,
    demand,
    demand_prop,
    demand_sum,
    demand_times,
)
from siyu.warehouse.query.contracts.counting import Count, Grain
from siyu.warehouse.query.contracts.people import People, demand_people


class PathSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Where visits go from a start, or where they come from.

    A visit: a person's events of `along` in [since, until) with no pause above `pause`. Its places
    are the pages (or the names) of its events in order; equal neighbours are one place. The first
    event that matches `start` (direction "previous": the last one) is level 0; `length` further
    places are followed, forward or backward. Events of `start` belong to `along`, too. A visit
    without a start does not count. On each level the `top` places with the most visits stand by
    themselves (ties: by text), all others together.
    """

    shop_id: int
    start: Step
    along: Step
    of: Literal["page", "name"]
    since: datetime
    until: datetime
    direction: Literal["next", "previous"] = "next"
    length: int = 4
    top: int = 6
    pause: timedelta = timedelta(minutes=30)
    where: tuple[Where, ...] = ()
    people: People | None = None

    def __post_init__(self) -> None:
        demand_times(self.since, self.until)
        demand(1 <= self.length <= 10 and 1 <= self.top <= 50, "1 to 10 levels, 1 to 50 places")
        demand(self.pause > timedelta(0), "a pause above zero")
        demand(self.of in ("page", "name"), "pages or names")
        demand(self.direction in ("next", "previous"), "next or previous")
        demand_people(self.shop_id, self.people)


class SpreadSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How a quantity is spread. per "person": each person's count of matching events, or with
    `prop` the sum of that integer property over them; persons without an event do not count.
    per "event": the property of each event that has it (nobody's events too).

    edges, growing: the buckets are below edges[0], [edges[0], edges[1]), …, edges[-1] and above.
    """

    shop_id: int
    step: Step
    per: Literal["person", "event"]
    since: datetime
    until: datetime
    edges: tuple[int, ...]
    prop: str | None = None
    where: tuple[Where, ...] = ()
    people: People | None = None

    def __post_init__(self) -> None:
        demand_times(self.since, self.until)
        demand(1 <= len(self.edges) <= 100, "1 to 100 edges")
        demand(all(one < other for one, other in pairwise(self.edges)), "growing edges")
        demand(self.per in ("person", "event"), "per person or event")
        demand(self.per == "person" or self.prop is not None, "a property per event")
        demand_sum(self.prop)
        demand_people(self.shop_id, self.people)


class ShareSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What a figure is made of: events, persons or amount by the value of a property, over days,
    weeks (from Monday) or months in the shop's time zone.

    The `top` values by the figure over the whole span (ties: by text) stand by themselves, all
    others together. A person with several values counts once under each, and once in each period.
    Events without the property have the value "".
    """

    shop_id: int
    step: Step
    prop: str
    since: datetime
    until: datetime
    time_zone: str
    count: Count = Count.EVENTS
    grain: Grain = "day"
    top: int = 8
    where: tuple[Where, ...] = ()
    people: People | None = None

    def __post_init__(self) -> None:
        demand_times(self.since, self.until)
        demand(self.until - self.since <= timedelta(days=3_700), "at most ten years")
        demand_prop(self.prop)
        demand(1 <= self.top <= 100, "1 to 100 values")
        demand(self.count in (Count.EVENTS, Count.PERSONS, Count.AMOUNT), "a plain count")
        demand(self.grain in ("day", "week", "month"), "day, week or month")
        ZoneInfo(self.time_zone)
        demand_people(self.shop_id, self.people)


class HeatSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Clicks and dwell per page and zone (text property `zone`; without one: "").

    clicks: what counts as a click. dwell: events whose integer property `dwell_prop` is the time
    spent; those without it add nothing. pages: only these; empty: all. The `limit` cells with the
    most clicks, then the most dwell (ties: by page, zone).
    """

    shop_id: int
    clicks: Step
    dwell: Step
    since: datetime
    until: datetime
    zone: str = "zone"
    dwell_prop: str = "dwell_ms"
    pages: tuple[str, ...] = ()
    limit: int = 500
    where: tuple[Where, ...] = ()
    people: People | None = None

    def __post_init__(self) -> None:
        demand_times(self.since, self.until)
        demand_prop(self.zone)
        demand_sum(self.dwell_prop)
        demand(1 <= self.limit <= 10_000, "1 to 10000 cells")
        demand_people(self.shop_id, self.people)


class LiveSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The last `minutes` whole minutes before `until`, [until - minutes, until), minute by minute:
    events and persons; and the `top` pages by persons and names by events (ties: by text).
    """

    shop_id: int
    step: Step
    until: datetime
    minutes: int = 30
    top: int = 10
    where: tuple[Where, ...] = ()
    people: People | None = None

    def __post_init__(self) -> None:
        demand(self.until.tzinfo is not None, "aware times")
        demand(1 <= self.minutes <= 1_440 and 1 <= self.top <= 100, "minutes and top")
        demand_people(self.shop_id, self.people)


class ListSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Single events in [since, until), newest first by (at_us, event_no), at most `limit`.

    step: None for events of every name. before: (at_us, event_no) of the last event of the page
    before; only older ones follow.
    """

    shop_id: int
    since: datetime
    until: datetime
    step: Step | None = None
    before: tuple[int, int] | None = None
    limit: int = 50
    where: tuple[Where, ...] = ()
    people: People | None = None

    def __post_init__(self) -> None:
        demand_times(self.since, self.until)
        demand(1 <= self.limit <= 1_000, "1 to 1000 events")
        demand_people(self.shop_id, self.people)


class ValuesSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The values that a property has on matching events in [since, until), as texts, the most
    frequent first (ties: by text), at most `limit`. contains: only values with this text inside,
    upper and lower case alike. step: None for events of every name.
    """

    shop_id: int
    prop: str
    since: datetime
    until: datetime
    step: Step | None = None
    contains: str = ""
    limit: int = 50
    where: tuple[Where, ...] = ()
    people: People | None = None

    def __post_init__(self) -> None:
        demand_times(self.since, self.until)
        demand_prop(self.prop)
        demand(1 <= self.limit <= 1_000, "1 to 1000 values")
        demand_people(self.shop_id, self.people)
