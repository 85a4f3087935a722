"""Questions asked together, and their answers; all integers."""

from datetime import date

import msgspec

from siyu.warehouse.query.contracts import FunnelSpec, LastSpec, RetentionSpec, SeriesSpec


class WarehouseIncomplete(Exception):
    """Files that count are not on disk, three snapshots in a row: restore them from the backup."""


class Questions(msgspec.Struct, frozen=True, kw_only=True):
    """Specs of one shop, answered out of one snapshot so that their figures fit together."""

    funnels: tuple[FunnelSpec, ...] = ()
    retentions: tuple[RetentionSpec, ...] = ()
    series: tuple[SeriesSpec, ...] = ()
    lasts: tuple[LastSpec, ...] = ()


class Funnel(msgspec.Struct, frozen=True):
    """persons[k]: how many came to step k or further. by: the same per value at the first step.

    In `by` events without the property stand under "".
    """

    persons: list[int]
    by: dict[str, list[int]]


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


class Answers(msgspec.Struct, frozen=True):
    """In the order of the questions.

    series: a Series per span. lasts: UTC microseconds, None when there is no such event.
    """

    funnels: list[Funnel]
    retentions: list[Retention]
    series: list[list[Series]]
    lasts: list[int | None]
