"""Periods of business days, and the arithmetic of figures. All integers."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from itertools import dropwhile, pairwise

import msgspec

from siyu.insight.metrics.contracts import HealthView, State
from siyu.insight.metrics.rules.catalogue import Threshold
from siyu.kernel.clock import business_day, day_start
from siyu.kernel.i18n import Language

ENOUGH = 10
"""With fewer cases than this a ratio says nothing about health."""
WEEK_DAYS = 7
_DAY = timedelta(days=1)


class Period(msgspec.Struct, frozen=True):
    """A run of business days that ends at `until`, and the run before it, cut at the same hour."""

    since: datetime
    until: datetime
    since_before: datetime
    until_before: datetime
    last_day: date


def period_of(until: datetime, days: int, time_zone: str) -> Period:
    """The last `days` business days up to `until` (exclusive)."""
    last = business_day(until - timedelta(microseconds=1), time_zone)
    first = last - timedelta(days=days - 1)
    return Period(
        since=day_start(first, time_zone),
        until=until,
        since_before=day_start(first - timedelta(days=days), time_zone),
        until_before=until - timedelta(days=days),
        last_day=last,
    )


class Run(msgspec.Struct, frozen=True):
    """Whole business days, `first` to `last` inclusive."""

    first: date
    last: date

    def span(self, time_zone: str) -> tuple[datetime, datetime]:
        """Its moments, [since, until)."""
        return day_start(self.first, time_zone), day_start(self.last + _DAY, time_zone)


def runs(last: date, count: int, days: int = WEEK_DAYS) -> list[Run]:
    """The last `count` runs of `days` days that end on `last`, the oldest first."""
    ends = [last - (count - 1 - n) * days * _DAY for n in range(count)]
    return [Run(end - (days - 1) * _DAY, end) for end in ends]


def ratio(top: int, bottom: int, scale: int) -> int | None:
    """scale * top / bottom, rounded half away from zero; None when nothing can be divided."""
    if bottom <= 0:
        return None
    half = abs(top) * scale * 2 + bottom
    return half // (2 * bottom) * (1 if top >= 0 else -1)


def trend_bps(now: int | None, before: int | None) -> int | None:
    """The change from `before` to `now` in parts of `before`; None when that was not above zero."""
    if now is None or before is None or before <= 0:
        return None
    return ratio(now - before, before, 10_000)


def mean(values: Sequence[int | None]) -> int | None:
    """The mean from the first that is known and not zero on, rounded; None of fewer than two."""
    begun = dropwhile(lambda value: not value, values)
    known = [value for value in begun if value is not None]
    return ratio(sum(known), len(known), 1) if len(known) > 1 else None


def state_of(threshold: Threshold, value: int | None, cases: int) -> State:
    """Whether a value is healthy; `cases` is what it was divided by."""
    if value is None or cases < ENOUGH:
        return "unknown"
    distance = value - threshold.value
    return "good" if (distance >= 0 if threshold.comparison == "ge" else distance <= 0) else "bad"


def health(threshold: Threshold, value: int | None, cases: int, language: Language) -> HealthView:
    """A value against its threshold, with the action if it is bad."""
    state = state_of(threshold, value, cases)
    action = threshold.action.of(language) if state == "bad" else None
    return HealthView(threshold.value, threshold.comparison, state, action)


def rates(persons: Sequence[int]) -> list[int | None]:
    """Each step's share of the one before, in bps; the first has none."""
    return [None, *(ratio(after, before, 10_000) for before, after in pairwise(persons))]
