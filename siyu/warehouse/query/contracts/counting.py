"""How many: retention, figures over days, the last event."""

from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

from siyu.warehouse.query.contracts.conditions import Step, Where, demand, demand_times
from siyu.warehouse.query.contracts.people import People, demand_people

Grain = Literal["day", "week", "month"]


class RetentionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Who comes back. Birth: the first event ever that matches `birth`; its business day, between
    first_day and last_day inclusive, is the person's cohort.

    grain: cohorts and periods are days, weeks (from Monday) or months of the calendar.
    periods: so many after that of the birth. A person has come back in period n when an event
    matching `back` lies in the n-th one, or, with `within`, in any of 1 … n. Each person counts
    once per period.
    """

    shop_id: int
    birth: Step
    back: Step
    first_day: date
    last_day: date
    periods: tuple[int, ...]
    time_zone: str
    within: bool = False
    grain: Grain = "day"
    where: tuple[Where, ...] = ()
    people: People | None = None

    def __post_init__(self) -> None:
        demand_people(self.shop_id, self.people)
        demand(self.first_day <= self.last_day, "first day not after last day")
        demand(bool(self.periods) and all(1 <= n <= 366 for n in self.periods), "periods 1 to 366")
        demand(len(set(self.periods)) == len(self.periods), "each period once")
        demand(self.grain in ("day", "week", "month"), "day, week or month")
        ZoneInfo(self.time_zone)


class Count(StrEnum):
    """What a measure counts."""

    EVENTS = "events"
    PERSONS = "persons"
    """Different persons; over a whole span this is not the sum of the days."""
    AMOUNT = "amount"
    """The sum of amount_fen."""
    NEWCOMERS = "newcomers"
    """Persons whose first matching event ever lies here."""
    REPEATERS = "repeaters"
    """Persons with a matching event here that is not their first ever."""
    VISITS = "visits"
    """Runs of matching events with no pause above 30 minutes; counted where they begin."""
    SINGLES = "singles"
    """Visits of one event only."""


class Measure(msgspec.Struct, frozen=True):
    """A figure of a series. also (persons only): who has, in the same cell, this event too."""

    count: Count
    step: Step
    also: Step | None = None

    def __post_init__(self) -> None:
        demand(self.also is None or self.count == Count.PERSONS, "`also` goes with persons")

    @property
    def steps(self) -> tuple[Step, ...]:
        """What it speaks of."""
        return (self.step,) if self.also is None else (self.step, self.also)


class SeriesSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Measures per business day and as a whole, for each span [since, until); spans never meet."""

    shop_id: int
    measures: tuple[Measure, ...]
    spans: tuple[tuple[datetime, datetime], ...]
    time_zone: str
    where: tuple[Where, ...] = ()
    people: People | None = None

    def __post_init__(self) -> None:
        demand_people(self.shop_id, self.people)
        demand(bool(self.measures), "at least one measure")
        demand(bool(self.spans), "at least one span")
        for since, until in self.spans:
            demand_times(since, until)
        ordered = sorted(self.spans)
        demand(
            all(one[1] <= other[0] for one, other in pairwise(ordered)), "spans that do not meet"
        )
        demand(ordered[-1][1] - ordered[0][0] <= timedelta(days=3_700), "at most ten years")
        ZoneInfo(self.time_zone)


class LastSpec(msgspec.Struct, frozen=True, kw_only=True):
    """When the last event before `until` was that matches any of the steps."""

    shop_id: int
    steps: tuple[Step, ...]
    until: datetime

    def __post_init__(self) -> None:
        demand(bool(self.steps), "at least one step")
        demand(self.until.tzinfo is not None, "aware times")
