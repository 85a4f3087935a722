"""The compiled kernels give the integers of the plain reference and trust no file (W7, W8)."""

from array import array
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.warehouse.engines.rules import to_us
from siyu.warehouse.engines.service import _kernel, kernels
from siyu.warehouse.query.contracts import (
    Count,
    FunnelSpec,
    Measure,
    RetentionSpec,
    SeriesSpec,
    Step,
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
    everybody,
    histories,
    joins,
    known,
    peoples,
    relaxed,
    since_days,
    snapshot_of,
    wheres,
    with_joins,
)
from tests.warehouse.reference import Seen


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kernel")


@relaxed
@given(
    events=histories,
    cut=st.integers(0, 3),
    parts=st.sampled_from([1, 1, 3]),
    joined=joins,
    steps=st.lists(any_step, min_size=2, max_size=5),
    window=st.sampled_from([timedelta(minutes=1), DAY, 8 * DAY]),
    since=since_days,
    days=st.integers(1, 20),
    by=st.sampled_from([None, "zone", "kind", "dwell_ms", "page", "channel", "item_no"]),
    times=st.booleans(),
    where=wheres,
    people=peoples,
)
def test_W7_W10_compiled_funnel_equals_the_reference(
    folder, events, cut, parts, joined, steps, window, since, days, by, times, where, people
):
    spec = FunnelSpec(
        shop_id=SHOP,
        steps=tuple(steps),
        window=window,
        since=since,
        until=since + days * DAY,
        by=by,
        times=times,
        where=where,
        people=people,
    )
    assert kernels.can_answer(spec)
    [found] = answer(snapshot_of(with_joins(events, joined), folder, cut, parts), funnels=spec)
    assert found == reference.funnel(known(spec, joined), everybody(events, joined))


@pytest.mark.parametrize(("names", "persons"), [(("see", "tap"), [1, 1]), (("tap", "see"), [1, 0])])
def test_W7_what_a_visitor_and_the_member_did_at_one_moment_keeps_its_order(folder, names, persons):
    rest = {"channel": "h5", "page": "", "item_no": 0, "amount_fen": 0, "zone": "", "dwell_ms": 0}
    events = [
        Seen(person=person, at_us=BEGIN_US, number=number, name=name, props=None, **rest)
        for number, (person, name) in enumerate(zip((2, 1), names, strict=True))
    ]
    spec = FunnelSpec(
        shop_id=SHOP,
        steps=(Step("see"), Step("tap")),
        window=DAY,
        since=BEGIN,
        until=BEGIN + DAY,
    )
    joined = snapshot_of(with_joins(events, {1: 2}), folder, cut=0, parts=1)
    assert answer(joined, funnels=spec)[0].persons == persons


@relaxed
@given(
    events=histories,
    cut=st.integers(0, 3),
    parts=st.sampled_from([1, 1, 3]),
    joined=joins,
    birth=any_step,
    back=any_step,
    days=st.tuples(st.integers(-2, 20), st.integers(0, 20)),
    periods=st.lists(st.integers(1, 30), min_size=1, max_size=4, unique=True),
    time_zone=st.sampled_from(ZONES),
    within=st.booleans(),
    grain=st.sampled_from(["day", "week", "month"]),
    where=wheres,
    people=peoples,
)
def test_W7_W10_compiled_retention_equals_the_reference(
    folder,
    events,
    cut,
    parts,
    joined,
    birth,
    back,
    days,
    periods,
    time_zone,
    within,
    grain,
    where,
    people,
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
    assert kernels.can_answer(spec)
    [found] = answer(snapshot_of(with_joins(events, joined), folder, cut, parts), retentions=spec)
    assert found == reference.retention(known(spec, joined), everybody(events, joined))


measures = st.one_of(
    st.builds(Measure, st.sampled_from(Count), any_step),
    st.builds(Measure, st.just(Count.PERSONS), any_step, any_step),
)


@relaxed
@given(
    events=histories,
    cut=st.integers(0, 3),
    parts=st.sampled_from([1, 1, 3]),
    joined=joins,
    measured=st.lists(measures, min_size=1, max_size=5),
    hours=st.lists(st.integers(0, 960), min_size=2, max_size=6, unique=True),
    time_zone=st.sampled_from(ZONES),
    where=wheres,
    people=peoples,
)
def test_W7_W10_compiled_series_equals_the_reference(
    folder, events, cut, parts, joined, measured, hours, time_zone, where, people
):
    edges = [BEGIN + timedelta(hours=hour) for hour in sorted(hours)]
    spec = SeriesSpec(
        shop_id=SHOP,
        measures=tuple(measured),
        spans=tuple(zip(edges[::2], edges[1::2], strict=False))[::-1],
        time_zone=time_zone,
        where=where,
        people=people,
    )
    [found] = answer(snapshot_of(with_joins(events, joined), folder, cut, parts), series=spec)
    assert found == reference.series(known(spec, joined), everybody(events, joined))


@pytest.mark.parametrize(
    ("time_zone", "hours"), [("Asia/Shanghai", (-7, 1)), ("America/New_York", (-4, 3))]
)
def test_W10_a_business_day_that_reaches_into_the_next_month_counts_a_person_once(
    folder, time_zone, hours
):
    april = datetime(2024, 4, 1, tzinfo=UTC)
    rest = {"channel": "h5", "page": "", "item_no": 0, "amount_fen": 0, "zone": "", "dwell_ms": 0}
    events = [
        Seen(1, to_us(april + timedelta(hours=hour)), n, "see", props=None, **rest)
        for n, hour in enumerate(hours)
    ]
    spec = SeriesSpec(
        shop_id=SHOP,
        measures=(Measure(Count.PERSONS, Step("see")), Measure(Count.EVENTS, Step("see"))),
        spans=((april - 2 * DAY, april + 2 * DAY),),
        time_zone=time_zone,
    )
    [[found]] = answer(snapshot_of(events, folder, cut=0, parts=1), series=spec)
    assert found == reference.series(spec, events)[0]
    assert [max(values) for values in found.values] == [1, 2]


def test_spans_that_share_a_business_day_are_left_to_sql():
    noon = BEGIN + timedelta(hours=12)
    measures = (Measure(Count.PERSONS, Step("see")), Measure(Count.VISITS, Step("see")))
    days = {"shop_id": SHOP, "measures": measures, "time_zone": "UTC"}
    whole = SeriesSpec(**days, spans=((BEGIN, noon), (BEGIN + DAY, BEGIN + 2 * DAY)))
    assert kernels.hard_measures(whole) == [measures[1]]
    shared = SeriesSpec(**days, spans=((BEGIN, noon), (noon, BEGIN + DAY)))
    assert kernels.hard_measures(shared) == list(measures)


_kept: list[duckdb.DuckDBPyConnection] = []


def stream(*rows: tuple[int, int, int, int], columns: str = "bigint bigint integer bigint"):
    """Events (person, moment, name, number)."""
    a, b, c, d = columns.split()
    listed = ", ".join(map(str, rows))
    own = duckdb.connect()  # a stream that is refused is never read to its end
    _kept.append(own)
    return own.sql(
        f"""select p::{a} as person_no, t::{b} as at_us, m::{c} as name_id, n::{d} as event_no
            from (values {listed}) v(p, t, m, n)"""
    ).__arrow_c_stream__()


ANY = [0, 100, 0]
"""A test of nothing but the moment."""


def two_steps():
    """Name 1, then name 2."""
    kernel = _kernel.funnel(2, 5, False, -1)
    _kernel.read(kernel, 0, [1, 1, 2, 2], 0, [ANY, ANY])
    return kernel


def counted(*kinds: int):
    kernel = _kernel.figures(list(kinds), [0] * len(kinds), [0, 0])
    _kernel.read(kernel, 0, [], 2 ** len(kinds) - 1, [ANY] * len(kinds))
    return kernel


_DAY_US = 86_400_000_000
ALL_DAYS = [0, 200 * _DAY_US, 0, 199]


def by_day(*measures: int, spans=ALL_DAYS, extras: int = 0):
    kernel = _kernel.series(spans, list(measures), [0, 0])
    tests = len(measures) // 2
    _kernel.read(kernel, extras, [], 2**tests - 1, [[0, 200 * _DAY_US, 0]] * tests)
    return kernel


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([(2, 5, 1, 1), (1, 5, 1, 2)], "not in order"),
        ([(1, 5, 1, 1), (1, 4, 1, 1)], "not in order"),
        ([(1, 5, 1, 2), (1, 5, 1, 1)], "not in order"),
        ([(-1, 5, 1, 1)], "out of range"),
        ([(-(2**63), 5, 1, 1)], "out of range"),
        ([(2**63 - 1, 5, 1, 1)], "out of range"),
    ],
)
def test_W8_what_a_file_says_is_checked(rows, why):
    with pytest.raises(RuntimeError, match=why):
        _kernel.feed(two_steps(), stream(*rows), True)


def test_W8_figures_of_a_person_out_of_range_are_refused():
    with pytest.raises(RuntimeError, match="out of range"):
        _kernel.feed(counted(0), stream((2**40, 5, 1, 1)), False)


def test_W8_a_sum_beyond_64_bits_is_refused():
    kernel = _kernel.figures([1], [0], [0, 0])
    _kernel.read(kernel, 1, [], 1, [ANY])
    own = duckdb.connect()
    _kept.append(own)
    rows = own.sql(
        f"""select 1::bigint as person_no, 1::bigint as at_us, 1::integer as name_id, {2**62} as x
            from range(2)"""
    )
    with pytest.raises(RuntimeError, match="a sum"):
        _kernel.feed(kernel, rows.__arrow_c_stream__(), False)


def test_W7_days_of_a_month_long_gone_are_refused():
    kernel = _kernel.figures([4], [0], [0, 0])
    day = 86_400_000_000
    _kernel.read(kernel, 0, [], 1, [[0, 1_000 * day, 0]])
    with pytest.raises(RuntimeError, match="not in order"):
        _kernel.feed(kernel, stream((1, 100 * day, 1, 1), (1, 36 * day, 1, 2)), False)


@pytest.mark.parametrize("days", [(100, 36), (36, 100)])
def test_W7_a_series_is_fed_month_by_month(days):
    rows = [(1, day * _DAY_US, 1, n) for n, day in enumerate(days)]
    with pytest.raises(RuntimeError, match="not in order"):
        _kernel.feed(by_day(6, -1), stream(*rows), False)


def test_W7_months_of_a_series_come_in_order():
    kernel = by_day(6, -1)
    _kernel.feed(kernel, stream((1, 100 * _DAY_US, 1, 1)), False)
    _kernel.end_month(kernel)
    with pytest.raises(RuntimeError, match="months that are not in order"):
        _kernel.feed(kernel, stream((1, 36 * _DAY_US, 1, 2)), False)


def test_W8_a_series_checks_persons_and_days():
    with pytest.raises(RuntimeError, match="a person out of range"):
        _kernel.feed(by_day(0, -1), stream((-1, 5, 1, 1)), False)
    # A clock that does not belong to the days.
    with pytest.raises(RuntimeError, match="a day out of range"):
        _kernel.feed(by_day(0, -1, spans=[0, _DAY_US, 3, 3]), stream((1, 5, 1, 1)), False)


def test_W8_names_that_nobody_knows_are_nobodys_step():
    kernel = two_steps()
    _kernel.feed(kernel, stream((1, 1, -5, 1), (1, 2, 2**31 - 1, 2), (0, 3, 1, 3)), True)
    assert set(_kernel.tally(kernel)[16::24]) == {0}


@pytest.mark.parametrize(
    "columns",
    ["integer bigint integer bigint", "bigint bigint bigint bigint", "bigint bigint integer int"],
)
def test_W8_columns_of_another_type_are_refused(columns):
    with pytest.raises(RuntimeError, match="expected"):
        _kernel.feed(two_steps(), stream((1, 1, 1, 1), columns=columns), True)


def test_W8_a_missing_value_is_refused():
    own = duckdb.connect()
    _kept.append(own)
    rows = own.sql("select 1::bigint as person_no, null::bigint as at_us, 1::integer as name_id")
    with pytest.raises(RuntimeError, match="not what it should be"):
        _kernel.feed(two_steps(), rows.__arrow_c_stream__(), True)


def fresh():
    return _kernel.funnel(2, 1, False, -1)


def numbers(*some: int) -> bytes:
    return array("q", some).tobytes()


@pytest.mark.parametrize(
    "make",
    [
        lambda: _kernel.funnel(9, 1, False, -1),
        lambda: _kernel.funnel(2, -1, False, -1),
        lambda: _kernel.funnel(2, 1, False, -2),
        lambda: _kernel.retention(0, 1, [1], False, [0, 0], 3),
        lambda: _kernel.retention(1, 0, [1], False, [0, 0], 0),
        lambda: _kernel.retention(0, 1, [1] * 65, False, [0, 0], 0),
        lambda: _kernel.retention(0, 1, [1], False, [0], 0),
        lambda: _kernel.figures([], [], [0, 0]),
        lambda: _kernel.figures([6], [0], [0, 0]),
        lambda: _kernel.figures([0] * 63, [0] * 63, [0, 0]),
        lambda: _kernel.figures([0], [64], [0, 0]),
        lambda: _kernel.series([], [0, -1], [0, 0]),
        lambda: _kernel.series([0, 1, 0], [0, -1], [0, 0]),
        lambda: _kernel.series([0, 1, 1, 0], [0, -1], [0, 0]),
        lambda: _kernel.series([0, 1, 0, 2**40], [0, -1], [0, 0]),
        lambda: _kernel.series([0, 1, 0, 0, 1, 2, 0, 1], [0, -1], [0, 0]),
        lambda: _kernel.series(ALL_DAYS, [], [0, 0]),
        lambda: _kernel.series(ALL_DAYS, [2, -1], [0, 0]),
        lambda: _kernel.series(ALL_DAYS, [1, -1], [0, 0]),
        lambda: _kernel.series(ALL_DAYS, [6, 1], [0, 0]),
        lambda: _kernel.series(ALL_DAYS, [6, 1, 0, -1], [0, 0]),
        lambda: _kernel.series(ALL_DAYS, [6, -1], [0]),
        lambda: _kernel.read(_kernel.series(ALL_DAYS, [1, 1], [0, 0]), 1, [], 0, [ANY]),
        lambda: _kernel.read(_kernel.series(ALL_DAYS, [0, -1], [0, 0]), 0, [], 0, [ANY, ANY]),
        lambda: _kernel.table(by_day(0, -1), 0, 1),
        lambda: _kernel.read(two_steps(), 0, [], 0, [ANY, ANY]),
        lambda: _kernel.read(fresh(), 0, [], 0, [ANY]),
        lambda: _kernel.read(fresh(), 65, [], 0, [ANY, ANY]),
        lambda: _kernel.read(fresh(), 0, [1], 0, [ANY, ANY]),
        lambda: _kernel.read(fresh(), 0, [-1, 1], 0, [ANY, ANY]),
        lambda: _kernel.read(fresh(), 0, [2**40, 1], 0, [ANY, ANY]),
        lambda: _kernel.read(fresh(), 0, [1, 4], 0, [ANY, ANY]),
        lambda: _kernel.read(fresh(), 0, [], 4, [ANY, ANY]),
        lambda: _kernel.read(fresh(), 0, [], 0, [ANY, [0, 1]]),
        lambda: _kernel.read(fresh(), 0, [], 0, [ANY, [0, 1, 1]]),
        lambda: _kernel.read(fresh(), 0, [], 0, [ANY, [0, 1, 1, 0, 0]]),
        lambda: _kernel.read(fresh(), 1, [], 0, [ANY, [0, 1, 1, 0, 2**62, 1, 1]]),
        lambda: _kernel.read(fresh(), 1, [], 0, [ANY, [0, 1, 1, 0, 1, 1, 1, 1]]),
        lambda: _kernel.read(_kernel.funnel(2, 1, False, 0), 0, [], 0, [ANY, ANY]),
        lambda: _kernel.read(_kernel.figures([1], [1], [0, 0]), 1, [], 0, [ANY]),
        lambda: _kernel.feed(fresh(), stream((1, 1, 1, 1)), True),
        lambda: _kernel.join(fresh(), [1, 2], [3]),
        lambda: _kernel.join(fresh(), [-1], [3]),
        lambda: _kernel.only(fresh(), numbers(0)),
        lambda: _kernel.only(fresh(), b"1"),
        lambda: _kernel.waits(fresh(), [1]),
        lambda: _kernel.paths(-1, 4, False),
        lambda: _kernel.paths(1, 11, False),
        lambda: _kernel.tally(counted(0)),
        lambda: _kernel.table(fresh(), 0, 1),
        lambda: _kernel.table(counted(0), -1, 1),
        lambda: _kernel.top(counted(0), 1, 5),
        lambda: _kernel.walked(counted(0), 0, fresh()),
        lambda: _kernel.walked(counted(5), 0, counted(0)),
        lambda: _kernel.fitting(counted(0), []),
        lambda: _kernel.fitting(counted(0), [0, 1, 0, 0]),
        lambda: _kernel.fitting(counted(0), [0, 0, 3, 0]),
        lambda: _kernel.fitting(counted(0), [1, 1, 0, 0]),
        lambda: _kernel.fitting(counted(0), [0, 0, 0, 0, 0, 0, 0, 0]),
        lambda: _kernel.fitting(counted(0), [0, 0, 0, 0, 1, 2, 0, 0]),
        lambda: _kernel.fitting(counted(0), [3, 0, 0, 0]),
        lambda: _kernel.fitting(counted(0), [0, 0, 0]),
    ],
)
def test_a_kernel_of_nonsense_cannot_be_made(make):
    with pytest.raises(ValueError):
        make()


def test_without_a_compiler_duckdb_answers(folder, monkeypatch):
    spec = FunnelSpec(
        shop_id=SHOP,
        steps=(Step("see"), Step("pay")),
        window=DAY,
        since=BEGIN,
        until=BEGIN + DAY,
    )
    monkeypatch.setattr(kernels, "COMPILED", False)
    assert not kernels.can_answer(spec)
    [found] = answer(snapshot_of([], folder, 0), funnels=spec)
    assert found.persons == [0, 0]
