import itertools
from datetime import UTC, date, datetime, timedelta
from zoneinfo import available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.kernel import clock
from siyu.kernel.ids import new_id, new_ids

zones = sorted(available_timezones() - {"Factory", "localtime"})


def test_a_turned_clock_turns_ids_and_turns_back() -> None:
    there = datetime(2031, 5, 6, 7, 8, 9, tzinfo=UTC)
    with clock.turned(there):
        assert timedelta(0) <= clock.now() - there < timedelta(seconds=5)
        milliseconds = new_id().int >> 80
        assert abs(milliseconds - there.timestamp() * 1000) < 5000
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)


def test_ids_of_one_process_keep_their_order() -> None:
    made = [new_id() for _ in range(5000)]
    assert made == sorted(made)
    assert len(set(made)) == 5000


def test_many_ids_at_once_are_as_if_made_one_by_one() -> None:
    with clock.turned(datetime(2026, 11, 11, tzinfo=UTC)):
        before, many, more, after = new_id(), new_ids(256), new_ids(400), new_id()
    assert [before, *many, *more, after] == sorted({before, *many, *more, after})
    assert {made.int >> 76 & 15 for made in more} == {7} and {
        made.int >> 62 & 3 for made in more
    } == {2}
    stamps = {made.int >> 80 for made in many}
    assert all(stamp - (before.int >> 80) in range(1000) for stamp in stamps)
    with clock.turned(datetime(2020, 1, 1, tzinfo=UTC)):
        apart = new_ids(256)
    assert max(apart) < before, "ids go by the clock, also when it is turned back"
    assert len({b.int - a.int for a, b in itertools.pairwise(apart)}) == 255, "apart by chance"
    assert new_ids(0) == []


@given(st.sampled_from(zones), st.dates(date(1975, 1, 2), date(2040, 12, 30)))
def test_F075_business_days_are_half_open_and_follow_each_other(zone: str, on: date) -> None:
    start = clock.day_start(on, zone)
    following = clock.day_start(on + timedelta(days=1), zone)
    if clock.business_day(start, zone) == on:  # days that a zone skipped do not exist (Samoa 2011)
        assert start < following
        assert clock.business_day(following - timedelta(microseconds=1), zone) == on
    assert clock.business_day(start - timedelta(microseconds=1), zone) < on


@pytest.mark.parametrize(
    ("on", "zone", "expected"),
    [
        (date(2026, 11, 11), "Asia/Shanghai", datetime(2026, 11, 10, 16, tzinfo=UTC)),
        (date(2028, 2, 29), "Asia/Shanghai", datetime(2028, 2, 28, 16, tzinfo=UTC)),
        (date(2038, 1, 20), "UTC", datetime(2038, 1, 20, tzinfo=UTC)),
        (date(2026, 3, 29), "Europe/London", datetime(2026, 3, 29, tzinfo=UTC)),
        (date(2026, 3, 30), "Europe/London", datetime(2026, 3, 29, 23, tzinfo=UTC)),
        # Midnight does not exist on this day in Santiago: it begins at one o'clock.
        (date(2026, 9, 6), "America/Santiago", datetime(2026, 9, 6, 4, tzinfo=UTC)),
    ],
)
def test_F075_a_day_begins(on: date, zone: str, expected: datetime) -> None:
    assert clock.day_start(on, zone) == expected
