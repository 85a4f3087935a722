"""The one place that reads a clock. It can be turned, for tests and for simulation.

Deadlines that two machines must agree on use the database's clock (`clock_timestamp()`), shifted
by the same turn through `shift()`.
"""

import calendar
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

_shift = timedelta(0)


def _machine() -> datetime:
    return datetime.now(UTC)


_wall: Callable[[], datetime] = _machine
_steady: Callable[[], float] = time.monotonic


def follow(
    wall: Callable[[], datetime] | None = None, steady: Callable[[], float] | None = None
) -> None:
    """Take the time from elsewhere: a simulation, whose database goes by the same clock, so that
    `shift` stays 0. Without arguments the machine's own again."""
    global _wall, _steady
    _wall, _steady = wall or _machine, steady or time.monotonic


def now() -> datetime:
    """The present moment, aware, UTC."""
    return _wall() + _shift


def monotonic() -> float:
    """Seconds from an arbitrary start; for measuring time-outs, never turned (F130)."""
    return _steady()


def shift() -> timedelta:
    """How far the clock is turned from the machine's own."""
    return _shift


def advance(delta: timedelta) -> None:
    """Turn the clock forward (or back) for the whole process."""
    global _shift
    _shift += delta


@contextmanager
def turned(to: datetime) -> Iterator[None]:
    """Let the clock show `to` inside the block; it goes on ticking from there."""
    global _shift
    before = _shift
    _shift = to - _wall()
    try:
        yield
    finally:
        _shift = before


def business_day(at: datetime, time_zone: str) -> date:
    """The calendar day of a moment in the shop's time zone."""
    return at.astimezone(ZoneInfo(time_zone)).date()


def day_start(on: date, time_zone: str) -> datetime:
    """The UTC moment at which a business day begins; a day is the half-open [start, next start).

    Where midnight falls into a daylight-saving gap, the day begins with its first existing moment.
    """
    local = datetime(on.year, on.month, on.day, tzinfo=ZoneInfo(time_zone))
    start = local.astimezone(UTC)
    while business_day(start, time_zone) < on:
        start += timedelta(minutes=15)
    return start


def month_end(on: date, months: int | None) -> date | None:
    """The last day of the month so many months after `on`; none after None."""
    if months is None:
        return None
    years, month = divmod(on.month - 1 + months, 12)
    year = on.year + years
    return date(year, month + 1, calendar.monthrange(year, month + 1)[1])
