"""Moments and business days as integers."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from siyu.kernel.clock import business_day

DAY_US = 86_400_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = date(1970, 1, 1)


def to_us(at: datetime) -> int:
    """UTC microseconds since 1970, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def from_us(at_us: int) -> datetime:
    """The moment of UTC microseconds."""
    return _EPOCH + timedelta(microseconds=at_us)


def day_number(on: date) -> int:
    """Days since 1970-01-01."""
    return (on - _FIRST_DAY).days


def days_of(since: datetime, until: datetime, time_zone: str) -> tuple[int, int]:
    """Numbers of the business days in which [since, until) begins and ends."""
    last = until - timedelta(microseconds=1)
    return (
        day_number(business_day(since, time_zone)),
        day_number(business_day(last, time_zone)),
    )


def day_of(number: int) -> date:
    """The date of a day number."""
    return _FIRST_DAY + timedelta(days=number)


def offset_us(at_us: int, zone: ZoneInfo) -> int:
    """How far local time is ahead of UTC at a moment."""
    offset = from_us(at_us).astimezone(zone).utcoffset()
    assert offset is not None
    return offset // timedelta(microseconds=1)


def offset_changes(since_us: int, until_us: int, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """(from when, offset) for every stretch of constant offset in [since, until], in order."""
    at, offset = since_us, offset_us(since_us, zone)
    yield at, offset
    while at < until_us:
        step = min(at + DAY_US // 4, until_us)
        if offset_us(step, zone) != offset:
            low, high = at, step
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_us(middle, zone) == offset else (low, middle)
            offset = offset_us(high, zone)
            yield high, offset
            step = high
        at = step


def local_day_sql(since_us: int, until_us: int, time_zone: str) -> str:
    """SQL for the business day number of `at_us`, integers only; right in [since, until]."""
    changes = list(offset_changes(since_us, until_us, ZoneInfo(time_zone)))
    if len(changes) == 1:
        return f"((at_us + {changes[0][1]}) // {DAY_US})"
    later = " ".join(f"when at_us >= {at} then {offset}" for at, offset in reversed(changes[1:]))
    return f"((at_us + case {later} else {changes[0][1]} end) // {DAY_US})"


def span_us(span: timedelta) -> int:
    """A length of time in microseconds, exactly."""
    return span // timedelta(microseconds=1)


def cell_sql(day: str, grain: str) -> str:
    """SQL for the number of the day, week (from Monday) or month that holds a day number."""
    match grain:
        case "week":
            # Day 0 was a Thursday.
            return f"(({day}) + 3) // 7"
        case "month":
            on = f"(date '1970-01-01' + ({day})::int)"
            return f"(12 * (year({on}) - 1970) + month({on}) - 1)"
    return day


def cell_of(on: date, grain: str) -> int:
    """The same number of a date."""
    if grain == "month":
        return 12 * (on.year - 1970) + on.month - 1
    return (day_number(on) + 3) // 7 if grain == "week" else day_number(on)


def cell_start(cell: int, grain: str) -> date:
    """The first day of a day, week or month."""
    if grain == "month":
        return date(1970 + cell // 12, 1 + cell % 12, 1)
    return day_of(7 * cell - 3 if grain == "week" else cell)


LONGEST_DAYS = {"day": 1, "week": 7, "month": 31}
