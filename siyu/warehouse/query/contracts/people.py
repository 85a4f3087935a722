"""Who: funnels, segments, features of a person."""

from datetime import datetime, timedelta
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


class FunnelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How many persons go how far through 2 to 8 steps.

    One event serves one step of a chain; steps are tried from the last to the first. For each step
    the newest possible start is kept; a step counts when `at - start <= window`. The first step
    lies in [since, until), later ones up to one window after `until`.
    by: a property; its value at the first step of the chain splits the answer. A person counts
    once, under the chain that first reached their highest step.
    times: also how long they took for each step: from the event that brought the chain to the step
    before (the earliest such event of its start) to the person's first event of this step.
    """

    shop_id: int
    steps: tuple[Step, ...]
    window: timedelta
    since: datetime
    until: datetime
    by: str | None = None
    times: bool = False
    where: tuple[Where, ...] = ()
    people: "People | None" = None

    def __post_init__(self) -> None:
        demand(2 <= len(self.steps) <= 8, "2 to 8 steps")
        demand(self.window > timedelta(0), "a window above zero")
        demand_times(self.since, self.until)
        demand_prop(self.by)
        demand_people(self.shop_id, self.people)


class Times(msgspec.Struct, frozen=True, tag=True):
    """Has that many matching events in the last `days` days before `as_of` (None: ever)."""

    step: Step
    days: int | None
    op: Literal["eq", "ge", "le"]
    n: int

    def __post_init__(self) -> None:
        _demand_days(self.days)
        demand(self.op in ("eq", "ge", "le") and self.n >= 0, "eq, ge or le a count")


class Absent(msgspec.Struct, frozen=True, tag=True):
    """Has no matching event in the last `days` days before `as_of` (None: ever)."""

    step: Step
    days: int | None

    def __post_init__(self) -> None:
        _demand_days(self.days)


class Sum(msgspec.Struct, frozen=True, tag=True):
    """The sum of an integer property over matching events of these days; without any it is 0."""

    prop: str
    step: Step
    days: int | None
    op: Literal["eq", "ge", "le"]
    value: int

    def __post_init__(self) -> None:
        demand_sum(self.prop)
        _demand_days(self.days)
        demand(self.op in ("eq", "ge", "le"), "eq, ge or le")


class Top(msgspec.Struct, frozen=True, tag=True):
    """Among the top `percent` % by that sum: fewer than `percent` % of those with a sum above zero
    have strictly more. Ties are all in; a sum of zero or less is never in.
    """

    prop: str
    step: Step
    days: int | None
    percent: int

    def __post_init__(self) -> None:
        demand_sum(self.prop)
        _demand_days(self.days)
        demand(1 <= self.percent <= 100, "1 to 100 percent")


class Walked(msgspec.Struct, frozen=True, tag=True):
    """Came to step `step` (1 is the first) of a funnel or further; `dropped`: came to it and no
    further. The funnel's own times hold, not `as_of`.
    """

    funnel: FunnelSpec
    step: int
    dropped: bool = False

    def __post_init__(self) -> None:
        demand(1 <= self.step <= len(self.funnel.steps), "a step of the funnel")
        demand(self.funnel.by is None and not self.funnel.times, "a plain funnel")


class All(msgspec.Struct, frozen=True, tag=True):
    """All of these hold."""

    rules: tuple["Rule", ...]

    def __post_init__(self) -> None:
        demand(1 <= len(self.rules) <= 20, "1 to 20 rules")


class AnyOf(msgspec.Struct, frozen=True, tag=True):
    """At least one of these holds."""

    rules: tuple["Rule", ...]

    def __post_init__(self) -> None:
        demand(1 <= len(self.rules) <= 20, "1 to 20 rules")


class Not(msgspec.Struct, frozen=True, tag=True):
    """This does not hold."""

    rule: "Rule"


Rule = Times | Absent | Sum | Top | Walked | All | AnyOf | Not


def _demand_days(days: int | None) -> None:
    demand(days is None or 1 <= days <= 3_700, "1 to 3700 days, or ever")


class SegmentSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Who fits a rule: of all persons with at least one event (of any name) before `as_of`."""

    shop_id: int
    rule: Rule
    as_of: datetime

    def __post_init__(self) -> None:
        demand(self.as_of.tzinfo is not None, "aware times")


People = SegmentSpec | frozenset[int]


def demand_people(shop_id: int, people: People | None) -> None:
    """People of the same shop."""
    if isinstance(people, SegmentSpec):
        demand(people.shop_id == shop_id, "people of the same shop")


class PersonsOf(msgspec.Struct, frozen=True, kw_only=True):
    """The person numbers of a segment above `after`, smallest first, at most `limit`."""

    segment: SegmentSpec
    after: int = 0
    limit: int = 1_000_000

    def __post_init__(self) -> None:
        demand(self.limit >= 1, "a limit above zero")

    @property
    def shop_id(self) -> int:
        """Whose."""
        return self.segment.shop_id


class Feature(msgspec.Struct, frozen=True, kw_only=True):
    """A figure of a person over matching events of the last `days` days (None: ever).

    kind: count of events; sum of `prop` (0 without any); days: different business days; first and
    last: its moment in UTC microseconds, None when there is no such event.
    """

    name: str
    kind: Literal["count", "sum", "days", "first", "last"]
    step: Step
    days: int | None = None
    prop: str = "amount_fen"

    def __post_init__(self) -> None:
        _demand_days(self.days)
        demand_sum(self.prop)
        demand(self.kind in ("count", "sum", "days", "first", "last"), "kind of feature")


class FeatureSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Features of everybody who has an event that matters to any of them, by person number above
    `after`, at most `limit` persons.
    """

    shop_id: int
    features: tuple[Feature, ...]
    as_of: datetime
    time_zone: str
    after: int = 0
    limit: int = 1_000_000
    where: tuple[Where, ...] = ()
    people: People | None = None

    def __post_init__(self) -> None:
        demand(1 <= len(self.features) <= 64 and self.limit >= 1, "1 to 64 features, a limit")
        demand(self.as_of.tzinfo is not None, "aware times")
        ZoneInfo(self.time_zone)
        demand_people(self.shop_id, self.people)
