"""Every engine gives the integers of the plain reference (W7, W10)."""

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import available_timezones

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siyu.kernel.clock import business_day
from siyu.warehouse.compaction.contracts import FILE_COLUMNS
from siyu.warehouse.engines import rules
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.query.contracts import (
    PERSON_JOINED,
    BadSpec,
    Count,
    FunnelSpec,
    LastSpec,
    Measure,
    RetentionSpec,
    SeriesSpec,
    Snapshot,
    Step,
    Where,
)
from tests.warehouse import reference
from tests.warehouse.reference import Seen

SHOP = 3
NAMES = {"see": 1, "tap": 2, "pay": 3, PERSON_JOINED: 4}
CODES = {"event_name": NAMES, "channel": {"h5": 1, "mp": 2}, "page": {"": 1, "/a": 3, "/b": 4}}
BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
BEGIN_US = rules.to_us(BEGIN)
DAY = timedelta(days=1)
ZONES = ["Asia/Shanghai", "UTC", "America/New_York", "Europe/London", "Asia/Kolkata"]

steps = st.builds(
    Step,
    st.sampled_from(["see", "tap", "pay", ("see", "tap"), "never"]),
    st.lists(
        st.sampled_from(
            [
                Where("zone", "eq", "n'ew"),
                Where("zone", "ne", "old"),
                Where("dwell", "ge", 5),
                Where("dwell", "in", (1, 7)),
                Where("dwell", "between", (2, 8)),
                Where("page", "eq", "/a"),
                Where("page", "in", ("/b", "/nowhere")),
                Where("channel", "ne", "h5"),
                Where("amount_fen", "ge", 100),
                Where("amount_fen", "le", 200),
                Where("item_no", "in", (0, 2)),
            ]
        ),
        max_size=2,
    ).map(tuple),
)
plain_steps = st.builds(Step, st.sampled_from(["see", "tap", "pay", ("see", "pay")]))
any_step = plain_steps | steps

# Moments meet often (ties), and lie a visit's pause, hours or days apart.
moments = st.builds(
    lambda day, minute, second: ((day * 24 * 60 + minute) * 60 + second) * 1_000_000,
    st.integers(0, 40),
    st.sampled_from([0, 1, 29, 30, 31, 60, 700, 1439]),
    st.sampled_from([0, 0, 1]),
)
histories = st.lists(
    st.builds(
        Seen,
        person=st.integers(0, 4),
        at_us=moments.map(lambda us: BEGIN_US + us),
        number=st.just(0),
        name=st.sampled_from(["see", "tap", "pay"]),
        channel=st.sampled_from(["h5", "mp"]),
        page=st.sampled_from(["", "/a", "/b"]),
        item_no=st.integers(0, 3),
        amount_fen=st.sampled_from([0, 100, 150, 200, -100]),
        props=st.sampled_from(
            [None, {}, {"zone": "n'ew"}, {"zone": "old", "dwell": 7}, {"dwell": 3}, {"dwell": -1}]
        ),
    ),
    max_size=40,
).map(lambda events: [_numbered(event, number) for number, event in enumerate(events)])


def _numbered(event: Seen, number: int) -> Seen:
    fields = {name: getattr(event, name) for name in Seen.__struct_fields__}
    return Seen(**{**fields, "number": number})


def snapshot_of(events: list[Seen], folder: Path, cut: int) -> Snapshot:
    """The events spread over three files and the tail, with another shop's events between."""
    duck = duckdb.connect()
    columns = ", ".join(f"{name} {kind}" for name, kind in FILE_COLUMNS.items())
    duck.execute(f"create table rows ({columns})")
    lines = [
        (
            shop,
            event.person,
            event.at_us,
            event.number,
            NAMES[event.name],
            CODES["channel"][event.channel],
            event.item_no,
            event.amount_fen,
            CODES["page"][event.page],
            None if event.props is None else json.dumps(event.props),
        )
        for shop in (SHOP, SHOP + 16)
        for event in events
    ]
    if lines:
        duck.executemany(f"insert into rows values ({','.join('?' * len(FILE_COLUMNS))})", lines)
    files = []
    for part in range(3):
        path = folder / f"{part}.parquet"
        duck.execute(
            f"""copy (select * from rows where event_no % 4 = {(part + cut) % 4}
                order by shop_id, person_no, at_us, event_no) to '{path}' (format parquet)"""
        )
        files.append(path)
    tail = folder / "tail.csv"
    duck.execute(
        f"copy (select * from rows where event_no % 4 = {(3 + cut) % 4}) to '{tail}' (header false)"
    )
    duck.close()
    return Snapshot(shop_id=SHOP, files=files, tail=tail, codes=CODES)


def answer(snapshot: Snapshot, **questions):
    asked = Questions(**{kind: (spec,) for kind, spec in questions.items()})
    specs = questions.values()
    needs = [need for spec in specs for need in rules.needs_of(spec)]
    answers = engines._answer(asked, needs, snapshot)
    return [getattr(answers, kind)[0] for kind in questions]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("engine")


relaxed = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@relaxed
@given(
    events=histories,
    cut=st.integers(0, 3),
    steps=st.lists(any_step, min_size=2, max_size=4),
    window=st.sampled_from([timedelta(minutes=1), DAY, 8 * DAY]),
    days=st.tuples(st.integers(0, 20), st.integers(1, 20)),
    by=st.sampled_from([None, "zone", "dwell", "page", "channel", "item_no"]),
)
def test_W7_W10_funnel_equals_the_reference(folder, events, cut, steps, window, days, by):
    since = BEGIN + days[0] * DAY
    spec = FunnelSpec(
        shop_id=SHOP,
        steps=tuple(steps),
        window=window,
        since=since,
        until=since + days[1] * DAY,
        by=by,
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
)
def test_W7_W10_retention_equals_the_reference(
    folder, events, cut, birth, back, days, periods, time_zone, within
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
)
def test_W7_W10_series_equals_the_reference(folder, events, cut, measures, hours, time_zone):
    edges = [BEGIN + timedelta(hours=hour) for hour in sorted(hours)]
    spec = SeriesSpec(
        shop_id=SHOP,
        measures=tuple(measures),
        spans=tuple(zip(edges[::2], edges[1::2], strict=False))[::-1],
        time_zone=time_zone,
    )
    [found] = answer(snapshot_of(events, folder, cut), series=spec)
    assert found == reference.series(spec, events)


def seen(person: int, day: float, name: str, number: int, **more) -> Seen:
    fields = {"channel": "h5", "page": "", "item_no": 0, "amount_fen": 0, "props": None} | more
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


def _join(member: int, visitor: int, day: float, number: int) -> Seen:
    return seen(member, day, PERSON_JOINED, number, props={"joined_person_no": visitor})


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
