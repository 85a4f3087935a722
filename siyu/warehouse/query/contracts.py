"""Specs: the questions the warehouse answers. Meaning, fixed for every engine:

- Order is (at_us, event_no). All intervals are half-open, `[since, until)`.
- A visitor who turned out to be a member (event PERSON_JOINED) counts as that member throughout.
- A condition on a property that an event does not have is not fulfilled, `ne` included.
- Business days are days in `time_zone`.
"""

from datetime import date, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

PERSON_JOINED = "members.person_joined"
"""Its `person_no` is who `props.joined_person_no` turned out to be."""

COLUMN_PROPS = frozenset({"item_no", "amount_fen", "channel", "page"})
"""Properties that are columns. Every other one is looked up in the JSON of props: slow, allowed."""

Op = Literal["eq", "ne", "in", "ge", "le", "between"]
Value = int | str
_PROP_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")


class BadSpec(ValueError):
    """A question that has no meaning: a bug of the caller, never the customer's input."""


def _demand(condition: bool, reason: str) -> None:
    if not condition:
        raise BadSpec(reason)


class Where(msgspec.Struct, frozen=True):
    """A condition on an event. value: a tuple for `in` and for `between` (two, inclusive)."""

    prop: str
    op: Op
    value: Value | tuple[Value, ...]

    def __post_init__(self) -> None:
        _demand(0 < len(self.prop) <= 64 and set(self.prop) <= _PROP_CHARACTERS, "property name")
        _demand(self.op in ("eq", "ne", "in", "ge", "le", "between"), "operator")
        values = self.values
        _demand(
            isinstance(self.value, tuple) == (self.op in ("in", "between")), "tuple for in, between"
        )
        _demand(self.op != "between" or len(values) == 2, "two values for between")
        kinds = {type(value) for value in values}
        _demand(kinds <= {int} or kinds <= {str}, "values of one kind, int or str")
        _demand(self.op in ("eq", "ne", "in") or kinds == {int}, "only integers have an order")
        if self.prop in ("channel", "page"):
            _demand(kinds <= {str}, "channel and page are texts")
        if self.prop in ("item_no", "amount_fen"):
            _demand(kinds <= {int}, "item_no and amount_fen are integers")

    @property
    def values(self) -> tuple[Value, ...]:
        """The value(s) as a tuple."""
        return self.value if isinstance(self.value, tuple) else (self.value,)


class Step(msgspec.Struct, frozen=True):
    """Events of a name (or of any of several names) that fulfil all conditions."""

    event: str | tuple[str, ...]
    where: tuple[Where, ...] = ()

    def __post_init__(self) -> None:
        _demand(bool(self.names) and all(self.names), "event name")

    @property
    def names(self) -> tuple[str, ...]:
        """The event names as a tuple."""
        return self.event if isinstance(self.event, tuple) else (self.event,)


def _demand_times(since: datetime, until: datetime) -> None:
    _demand(since.tzinfo is not None and until.tzinfo is not None, "aware times")
    _demand(since < until, "since before until")


class FunnelSpec(msgspec.Struct, frozen=True, kw_only=True):
    """How many persons go how far through 2 to 8 steps.

    One event serves one step of a chain; steps are tried from the last to the first. For each step
    the newest possible start is kept; a step counts when `at - start <= window`. The first step
    lies in [since, until), later ones up to one window after `until`.
    by: a property; its value at the first step of the chain splits the answer. A person counts
    once, under the chain that first reached their highest step.
    """

    shop_id: int
    steps: tuple[Step, ...]
    window: timedelta
    since: datetime
    until: datetime
    by: str | None = None

    def __post_init__(self) -> None:
        _demand(2 <= len(self.steps) <= 8, "2 to 8 steps")
        _demand(self.window > timedelta(0), "a window above zero")
        _demand_times(self.since, self.until)
        _demand(self.by is None or set(self.by) <= _PROP_CHARACTERS, "property name of by")


class RetentionSpec(msgspec.Struct, frozen=True, kw_only=True):
    """Who comes back. Birth: the first event ever that matches `birth`; its business day, between
    first_day and last_day inclusive, is the person's cohort.

    periods: days after the birth. A person has come back in period n when an event matching `back`
    lies on the n-th day after the birth, or, with `within`, on any of the days 1 … n. Each person
    counts once per period.
    """

    shop_id: int
    birth: Step
    back: Step
    first_day: date
    last_day: date
    periods: tuple[int, ...]
    time_zone: str
    within: bool = False

    def __post_init__(self) -> None:
        _demand(self.first_day <= self.last_day, "first day not after last day")
        _demand(bool(self.periods) and all(1 <= n <= 366 for n in self.periods), "periods 1 to 366")
        _demand(len(set(self.periods)) == len(self.periods), "each period once")
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
        _demand(self.also is None or self.count == Count.PERSONS, "`also` goes with persons")

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

    def __post_init__(self) -> None:
        _demand(bool(self.measures), "at least one measure")
        _demand(bool(self.spans), "at least one span")
        for since, until in self.spans:
            _demand_times(since, until)
        ordered = sorted(self.spans)
        _demand(
            all(one[1] <= other[0] for one, other in pairwise(ordered)), "spans that do not meet"
        )
        _demand(ordered[-1][1] - ordered[0][0] <= timedelta(days=3_700), "at most ten years")
        ZoneInfo(self.time_zone)


class LastSpec(msgspec.Struct, frozen=True, kw_only=True):
    """When the last event before `until` was that matches any of the steps."""

    shop_id: int
    steps: tuple[Step, ...]
    until: datetime

    def __post_init__(self) -> None:
        _demand(bool(self.steps), "at least one step")
        _demand(self.until.tzinfo is not None, "aware times")


Spec = FunnelSpec | RetentionSpec | SeriesSpec | LastSpec


class Need(msgspec.Struct, frozen=True):
    """What a spec reads of one shop: events of these names in [since_us, until_us).

    props: whether the JSON of props is looked into.
    """

    names: frozenset[str]
    since_us: int
    until_us: int
    props: bool


class Snapshot(msgspec.Struct, frozen=True):
    """One moment of the warehouse, copied out: live files, the tail's rows, numbers of texts.

    tail: a CSV file in the columns of a warehouse file. codes: dictionary ("event_name", "channel",
    "page") → text → number; a text that the warehouse has never seen is missing.
    """

    shop_id: int
    files: list[Path]
    tail: Path
    codes: dict[str, dict[str, int]]
