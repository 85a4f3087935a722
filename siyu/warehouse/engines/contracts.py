"""Questions asked together, and their answers; all integers."""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec

from siyu.warehouse.query.contracts import (
    FeatureSpec,
    FunnelSpec,
    HeatSpec,
    LastSpec,
    ListSpec,
    LiveSpec,
    PathSpec,
    PersonsOf,
    RetentionSpec,
    SeriesSpec,
    ShareSpec,
    SpreadSpec,
    TrialSpec,
    ValuesSpec,
)

Progress = Callable[[int], None]
"""Told the percentage done, 0 to 100, while a question is computed."""


class WarehouseIncomplete(Exception):
    """Files that count are not on disk, three snapshots in a row: restore them from the backup."""


class Questions(msgspec.Struct, frozen=True, kw_only=True):
    """Specs of one shop, answered out of one snapshot so that their figures fit together."""

    funnels: tuple[FunnelSpec, ...] = ()
    retentions: tuple[RetentionSpec, ...] = ()
    series: tuple[SeriesSpec, ...] = ()
    lasts: tuple[LastSpec, ...] = ()
    persons: tuple[PersonsOf, ...] = ()
    features: tuple[FeatureSpec, ...] = ()
    paths: tuple[PathSpec, ...] = ()
    spreads: tuple[SpreadSpec, ...] = ()
    shares: tuple[ShareSpec, ...] = ()
    heats: tuple[HeatSpec, ...] = ()
    lives: tuple[LiveSpec, ...] = ()
    lists: tuple[ListSpec, ...] = ()
    values: tuple[ValuesSpec, ...] = ()
    trials: tuple[TrialSpec, ...] = ()


_DAYS = (1, 2, 3, 7, 14, 30)
WAIT_EDGES_S = (60, 300, 900, 3_600, 10_800, 21_600, 43_200, *(n * 86_400 for n in _DAYS))
"""Waits are counted below 1 min, [1, 5), … and from 30 days on: one more bucket than edges."""


class Wait(msgspec.Struct, frozen=True):
    """How long persons took for a step. median_us: None when nobody came; counts: WAIT_EDGES_S."""

    median_us: int | None
    counts: list[int]


class Funnel(msgspec.Struct, frozen=True):
    """persons[k]: how many came to step k or further. by: the same per value at the first step.

    In `by` events without the property stand under "". waits: with `times`, of the second step and
    on; else empty.
    """

    persons: list[int]
    by: dict[str, list[int]]
    waits: list[Wait] = []


class Cohort(msgspec.Struct, frozen=True):
    """Persons born on a day, and how many of them came back in each period of the spec."""

    on: date
    persons: int
    back: list[int]


class Retention(msgspec.Struct, frozen=True):
    """Cohorts by day; days without births are missing."""

    cohorts: list[Cohort]


class Series(msgspec.Struct, frozen=True):
    """One span. values[m][d]: measure m on days[d]. totals[m]: measure m over the whole span."""

    days: list[date]
    values: list[list[int]]
    totals: list[int]


class Persons(msgspec.Struct, frozen=True):
    """size: how many fit in all. numbers: those asked for, growing."""

    size: int
    numbers: list[int]


class Features(msgspec.Struct, frozen=True):
    """persons: numbers, growing. values[f][p]: feature f of persons[p]; None: no first or last."""

    persons: list[int]
    values: list[list[int | None]]


class Place(msgspec.Struct, frozen=True):
    """A place on a level and its visits; text None: all places that are not among the top."""

    text: str | None
    visits: int


class Link(msgspec.Struct, frozen=True):
    """Visits that went from a place on `level` to one on the next; texts as in Place."""

    level: int
    source: str | None
    target: str | None
    visits: int


class Paths(msgspec.Struct, frozen=True):
    """levels[0]: where visits start. What a place has more than its links lead on ended there.

    Places with the most visits first, None last; links by level and visits.
    """

    levels: list[list[Place]]
    links: list[Link]


class Spread(msgspec.Struct, frozen=True):
    """counts: per bucket, one more than edges. size: of all; least, median, most: None of none."""

    counts: list[int]
    size: int
    sum: int
    least: int | None
    median: int | None
    most: int | None


class Part(msgspec.Struct, frozen=True):
    """A value's figure over the whole span and per period; value None: all other values."""

    value: str | None
    total: int
    values: list[int]


class Share(msgspec.Struct, frozen=True):
    """periods: their first days. parts: the largest first, the others (None), if any, last."""

    periods: list[date]
    parts: list[Part]


class HeatCell(msgspec.Struct, frozen=True):
    """A zone of a page: clicks and by how many persons; time spent and by how many persons."""

    page: str
    zone: str
    clicks: int
    clickers: int
    dwell: int
    dwellers: int


class Heat(msgspec.Struct, frozen=True):
    """Cells with the most clicks first."""

    cells: list[HeatCell]


class Live(msgspec.Struct, frozen=True):
    """events[m], visitors[m]: in minute m, the oldest first. persons: different ones in all.

    pages: (page, persons) and names: (event name, events), the most first.
    """

    events: list[int]
    visitors: list[int]
    persons: int
    pages: list[tuple[str, int]]
    names: list[tuple[str, int]]


class EventRow(msgspec.Struct, frozen=True):
    """A single event; at_us: UTC microseconds. person_no: who it was, by today's knowledge."""

    at_us: int
    event_no: int
    person_no: int
    name: str
    channel: str
    page: str
    item_no: int
    amount_fen: int
    props: dict[str, Any]


class TrialSums(msgspec.Struct, frozen=True):
    """Over the persons who are done: `hits` with an outcome y above zero; x is the same before.

    wy: y times 10^8 / probability in basis points.
    """

    hits: int
    y: int
    yy: int
    x: int
    xx: int
    xy: int
    wy: int


class TrialCell(msgspec.Struct, frozen=True):
    """Persons of an arm first exposed on a day; done: of them, whose window is over.

    w: sum of 10^8 / probability in basis points of those who are done. outcomes: as in the spec.
    """

    arm: str
    on: date
    persons: int
    done: int
    w: int
    outcomes: list[TrialSums]


class Trial(msgspec.Struct, frozen=True):
    """Cells by day. crossed: persons who were exposed to two arms."""

    cells: list[TrialCell]
    crossed: int


class Answers(msgspec.Struct, frozen=True, kw_only=True):
    """In the order of the questions.

    series: a Series per span. lasts: UTC microseconds, None when there is no such event. values:
    (value, events) pairs.
    """

    funnels: list[Funnel]
    retentions: list[Retention]
    series: list[list[Series]]
    lasts: list[int | None]
    persons: list[Persons]
    features: list[Features]
    paths: list[Paths]
    spreads: list[Spread]
    shares: list[Share]
    heats: list[Heat]
    lives: list[Live]
    lists: list[list[EventRow]]
    values: list[list[tuple[str, int]]]
    trials: list[Trial]
