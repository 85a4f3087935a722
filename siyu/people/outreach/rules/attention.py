"""When a message may go out: quiet hours, days and months of the shop."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from siyu.people.outreach.contracts import AttentionPolicy as Policy

WEEK = timedelta(days=7)
REMEMBERED = timedelta(days=90)
"""What is older makes nobody tired: six half-lives at least leave a sixty-fourth."""


def is_quiet(policy: Policy, at: datetime, zone: str) -> bool:
    """Whether no advertising goes out at this moment in the shop's time zone."""
    return quiet_until(policy, at, zone) is not None


def quiet_until(policy: Policy, at: datetime, zone: str) -> datetime | None:
    """The end of the quiet hours that `at` falls in, UTC; None: it is not quiet."""
    start, end = policy.quiet_from, policy.quiet_to
    local = at.astimezone(ZoneInfo(zone))
    minute = local.hour * 60 + local.minute
    inside = start <= minute < end if start <= end else minute >= start or minute < end
    if not inside:
        return None
    on = local.date() + timedelta(days=1 if minute >= end else 0)
    # By the clock on the wall: a night in which the clocks change ends when they say so.
    wall = datetime(on.year, on.month, on.day, end // 60, end % 60, tzinfo=ZoneInfo(zone))
    return wall.astimezone(UTC)


def month_of(on: date) -> tuple[date, int]:
    """The first day of the month, and its days: WeCom's cap of messages to one customer (§7)."""
    first = on.replace(day=1)
    following = (first + timedelta(days=32)).replace(day=1)
    return first, (following - first).days
