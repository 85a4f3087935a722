"""Every engine gives the integers of the plain reference (W7, W10)."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import available_timezones

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siyu.kernel.clock import business_day
from siyu.warehouse.engines import rules
from siyu.warehouse.engines.service import kernels
from siyu.warehouse.query.contracts import (
    PERSON_JOINED,
    BadSpec,
    Count,
    FunnelSpec,
    LastSpec,
    Measure,
    PersonsOf,
    RetentionSpec,
    SegmentSpec,
    SeriesSpec,
    Step,
    Times,
    Where,
)
from tests.warehouse import reference
from tests.warehouse.histories import (
    BEGIN,
    BEGIN_US,
    DAY,
    SHOP,
    ZONES,
    answer,
    any_step,
    histories,
    peoples,
    relaxed,
    snapshot_of,
    wheres,
)
from tests.warehouse.reference import Seen


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("engine")


@pytest.fixture(autouse=True, scope="module")
def by_duckdb():
    """The lowering to SQL is meant here; test_kernel asks the compiled kernels."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "COMPILED", False)
        yield


@relaxed
@given(
    events=histories,
    cut=st.integers(0, 3),
    steps=st.lists(any_step, min_size=2, max_size=4),
    window=st.sampled_from([timedelta(minutes=1), DAY, 8 * DAY]),
    days=st.tuples(st.integers(0, 20), st.integers(1, 20)),
    times=st.booleans(),
    where=wheres,
    people=peoples,
    by=st.sampled_from([None, "zone", "kind", "dwell", "page", "channel", "item_no"]),
)
def test_W7_W10_funnel_equals_the_reference(
    folder, events, cut, steps, window, days, by, times, where, people
):
    since = BEGIN + days[0] * DAY
    spec = FunnelSpec(
        shop_id=SHOP,
        steps=tuple(steps),
        window=window,
        since=since,
        until=since + days[1] * DAY,
        by=by,
        times=times,
        where=where,
        people=people,
    )
    [found] = answer(snapshot_of(events, folder, cut), funnels=spec)
    assert found == reference.funnel(spec, events)


@relaxed
@given(
    events=histories,
    cut=st.integers(0, 3),
    birth=any_step,
    back=any_step,
    days=st.tuples(st.integers(-2, 20), st.integers(0, 20)),
    periods=st.lists(st.integers(1, 30), min_size=1, max_size=3, unique=True),
    time_zone=st.sampled_from(ZONES),
    within=st.booleans(),
    grain=st.sampled_from(["day", "week", "month"]),
    where=wheres,
    people=peoples,
)
def test_W7_W10_retention_equals_the_reference(
    folder, events, cut, birth, back, days, periods, time_zone, within, grain, where, people
):
    first = date(2024, 3, 1) + days[0] * DAY
    spec = RetentionSpec(
        shop_id=SHOP,
        birth=birth,
        back=back,
        first_day=first,
        last_day=first + days[1] * DAY,
        periods=tuple(periods),
        time_zone=time_zone,
        within=within,
        grain=grain,
        where=where,
        people=people,
    )
    [found] = answer(snapshot_of(events, folder, cut), retentions=spec)
    assert found == reference.retention(spec, events)


@relaxed
@given(
    events=histories,
    cut=st.integers(0, 3),
    measures=st.lists(st.builds(Measure, st.sampled_from(Count), any_step), min_size=1, max_size=4),
    hours=st.lists(st.integers(0, 960), min_size=2, max_size=6, unique=True),
    time_zone=st.sampled_from(ZONES),
    where=wheres,
    people=peoples,
)
def test_W7_W10_series_equals_the_reference(
    folder, events, cut, measures, hours, time_zone, where, people
):
    edges = [BEGIN + timedelta(hours=hour) for hour in sorted(hours)]
    spec = SeriesSpec(
        shop_id=SHOP,
        measures=tuple(measures),
        spans=tuple(zip(edges[::2], edges[1::2], strict=False))[::-1],
        time_zone=time_zone,
        where=where,
        people=people,
    )
    [found] = answer(snapshot_of(events, folder, cut), series=spec)
    assert found == reference.series(spec, events)


def seen(person: int, day: float, name: str, number: int, **more) -> Seen:
    fields = {"channel": "h5", "page": "", "item_no": 0, "amount_fen": 0}
    fields |= {"zone": "", "dwell_ms": 0, "props": None} | more
    at_us = BEGIN_US + int(day * 86_400_000_000)
    return Seen(person=person, at_us=at_us, number=number, name=name, **fields)


def test_a_visitor_counts_as_the_member_they_turned_out_to_be(folder):
    """1 was joined to 2, and 2 later to 3: all they did is one person's doing."""
    events = [
        seen(1, 0, "see", 0),
        seen(2, 1, "tap", 1),
        seen(3, 2, "pay", 2),
        seen(9, 2, "see", 3),
    ]
    joins = [
        _join(2, 1, 0.5, 4),
        _join(3, 2, 1.5, 5),
    ]
    snapshot = snapshot_of(events + joins, folder, 0)
    spec = FunnelSpec(
        shop_id=SHOP,
        steps=(Step("see"), Step("tap"), Step("pay")),
        window=5 * DAY,
        since=BEGIN,
        until=BEGIN + 4 * DAY,
    )
    [found] = answer(snapshot, funnels=spec)
    assert found.persons == [2, 1, 1]


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize(("last", "persons"), [(3, [2, 1]), (1, [2, 0])])
def test_the_last_word_about_a_visitor_counts(folder, monkeypatch, compiled, last, persons):
    """1 was joined to 2, and later to 3, or to itself: its own person again."""
    monkeypatch.setattr(kernels, "COMPILED", compiled)
    events = [seen(1, 0, "see", 0), seen(3, 1, "pay", 1), seen(2, 1, "see", 2)]
    snapshot = snapshot_of([*events, _join(2, 1, 2, 3), _join(last, 1, 3, 4)], folder, 0)
    spec = FunnelSpec(
        shop_id=SHOP,
        steps=(Step("see"), Step("pay")),
        window=5 * DAY,
        since=BEGIN,
        until=BEGIN + 4 * DAY,
    )
    segment = SegmentSpec(shop_id=SHOP, rule=Times(Step("see"), None, "ge", 1), as_of=spec.until)
    funnel, people = answer(snapshot, funnels=spec, persons=PersonsOf(segment=segment))
    assert (funnel.persons, people.numbers) == (persons, sorted({2, last}))


def _join(member: int, visitor: int, day: float, number: int) -> Seen:
    return seen(member, day, PERSON_JOINED, number, props={"joined_person_no": visitor})


def test_a_number_joined_to_itself_stands_alone_again(folder):
    events = [seen(1, 0, "see", 0), seen(2, 0, "see", 1), _join(2, 1, 0, 2), _join(1, 1, 1, 3)]
    segment = SegmentSpec(
        shop_id=SHOP, rule=Times(Step("see"), None, "ge", 1), as_of=BEGIN + 4 * DAY
    )
    for told, numbers in ((3, [2]), (4, [1, 2])):
        own = folder / str(told)
        own.mkdir()
        snapshot = snapshot_of(events[:told], own, 0)
        [people] = answer(snapshot, persons=PersonsOf(segment=segment))
        assert people.numbers == numbers


def test_last_event(folder):
    snapshot = snapshot_of([seen(1, 0, "see", 0), seen(1, 3, "pay", 1)], folder, 0)
    last = LastSpec(shop_id=SHOP, steps=(Step("see"), Step("pay")), until=BEGIN + 2 * DAY)
    none = LastSpec(shop_id=SHOP, steps=(Step("tap"),), until=BEGIN + 9 * DAY)
    assert answer(snapshot, lasts=last) == [BEGIN_US]
    assert answer(snapshot, lasts=none) == [None]


def test_an_empty_shop_answers_zero(folder):
    snapshot = snapshot_of([], folder, 0)
    funnel = FunnelSpec(
        shop_id=SHOP, steps=(Step("see"), Step("x")), window=DAY, since=BEGIN, until=BEGIN + DAY
    )
    series = SeriesSpec(
        shop_id=SHOP,
        measures=(Measure(Count.AMOUNT, Step("pay")), Measure(Count.VISITS, Step("see"))),
        spans=((BEGIN, BEGIN + DAY),),
        time_zone="Asia/Shanghai",
    )
    found, [figures] = answer(snapshot, funnels=funnel, series=series)
    assert found.persons == [0, 0]
    assert figures.days == [date(2024, 3, 1), date(2024, 3, 2)]
    assert (figures.values, figures.totals) == ([[0, 0], [0, 0]], [0, 0])


@settings(max_examples=50, deadline=None)
@given(
    time_zone=st.sampled_from(sorted(available_timezones() - {"localtime"})),
    at=st.datetimes(datetime(1975, 1, 1), datetime(2037, 12, 31)),
    seconds=st.lists(st.integers(0, 90 * 86_400), min_size=1, max_size=10),
)
def test_F075_business_days_in_sql_are_those_of_the_clock(time_zone, at, seconds):
    since = at.replace(tzinfo=UTC)
    until = since + timedelta(days=90)
    sql = rules.local_day_sql(rules.to_us(since), rules.to_us(until), time_zone)
    for after in seconds:
        moment = since + timedelta(seconds=after)
        row = duckdb.execute(
            f"select {sql} from (select {rules.to_us(moment)} as at_us)"
        ).fetchone()
        assert rules.day_of(row[0]) == business_day(moment, time_zone)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Where("a b", "eq", 1),
        lambda: Where("zone'", "eq", 1),
        lambda: Where("zone", "in", "x"),
        lambda: Where("zone", "ge", "x"),
        lambda: Where("zone", "between", (1, 2, 3)),
        lambda: Where("zone", "in", (1, "x")),
        lambda: Where("zone", "eq", True),
        lambda: Where("page", "eq", 1),
        lambda: Where("amount_fen", "eq", "1"),
        lambda: Step(""),
        lambda: Step(()),
        lambda: FunnelSpec(
            shop_id=1, steps=(Step("a"),), window=DAY, since=BEGIN, until=BEGIN + DAY
        ),
        lambda: FunnelSpec(shop_id=1, steps=(Step("a"),) * 2, window=DAY, since=BEGIN, until=BEGIN),
        lambda: FunnelSpec(
            shop_id=1,
            steps=(Step("a"),) * 2,
            window=DAY,
            since=datetime(2024, 1, 1),
            until=datetime(2024, 1, 2),
        ),
    ],
)
def test_a_question_without_meaning_cannot_be_made(make):
    with pytest.raises(BadSpec):
        make()
