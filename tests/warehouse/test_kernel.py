"""The compiled kernels give the integers of the plain reference and trust no file (W7, W8)."""

from datetime import date, timedelta
from pathlib import Path

import duckdb
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.warehouse.engines.service import _kernel, kernels
from siyu.warehouse.query.contracts import PERSON_JOINED, FunnelSpec, RetentionSpec, Step
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
    since_days,
    snapshot_of,
    wheres,
)
from tests.warehouse.reference import Seen


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("kernel")


joins = st.sampled_from([{}, {1: 2}, {1: 3, 2: 3}, {4: 1, 3: 1}])
"""Visitors and the members they turned out to be."""


def with_joins(events: list[Seen], joined: dict[int, int]) -> list[Seen]:
    rest = {"channel": "h5", "page": "", "item_no": 0, "amount_fen": 0, "zone": "", "dwell_ms": 0}
    return events + [
        Seen(
            person=member,
            at_us=BEGIN_US,
            number=len(events) + visitor,
            name=PERSON_JOINED,
            props={"joined_person_no": visitor},
            **rest,
        )
        for visitor, member in joined.items()
    ]


def as_members(events: list[Seen], joined: dict[int, int]) -> list[Seen]:
    return [
        msgspec.structs.replace(event, person=joined.get(event.person, event.person))
        for event in events
    ]


def everybody(events: list[Seen], joined: dict[int, int]) -> list[Seen]:
    """What there is of members; that a visitor became one is an event of theirs, too."""
    return as_members(with_joins(events, joined), joined)


def known(spec, joined: dict[int, int]):
    """Fixed people under the numbers that they have by now."""
    if not isinstance(spec.people, frozenset):
        return spec
    people = frozenset(joined.get(person, person) for person in spec.people)
    return msgspec.structs.replace(spec, people=people)


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


_kept: list[duckdb.DuckDBPyConnection] = []


def stream(*rows: tuple[int, int, int, int], columns: str = "bigint bigint bigint utinyint"):
    a, b, c, d = columns.split()
    listed = ", ".join(map(str, rows))
    own = duckdb.connect()  # a stream that is refused is never read to its end
    _kept.append(own)
    return own.sql(
        f"select p::{a}, t::{b}, n::{c}, 0::bigint, m::{d} from (values {listed}) v(p, t, n, m)"
    ).__arrow_c_stream__()


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([(2, 5, 1, 1), (1, 5, 2, 1)], "not in order"),
        ([(1, 5, 1, 1), (1, 4, 2, 1)], "not in order"),
        ([(1, 5, 2, 1), (1, 5, 1, 1)], "not in order"),
        ([(0, 5, 1, 1)], "out of range"),
        ([(-(2**63), 5, 1, 1)], "out of range"),
        ([(2**63 - 1, 5, 1, 1)], "out of range"),
    ],
)
def test_W8_what_a_file_says_is_checked(rows, why):
    kernel = _kernel.funnel(2, 0, 10, 5, False)
    with pytest.raises(RuntimeError, match=why):
        _kernel.feed(kernel, stream(*rows), True)


@pytest.mark.parametrize(
    "columns", ["integer bigint bigint utinyint", "bigint bigint bigint smallint"]
)
def test_W8_columns_of_another_type_are_refused(columns):
    with pytest.raises(RuntimeError, match="expected"):
        _kernel.feed(
            _kernel.funnel(2, 0, 10, 5, False), stream((1, 1, 1, 1), columns=columns), True
        )


def test_W8_a_missing_value_is_refused():
    rows = duckdb.sql("select 1::bigint, null::bigint, 1::bigint, 0::bigint, 1::utinyint")
    with pytest.raises(RuntimeError, match="not what it should be"):
        _kernel.feed(_kernel.funnel(2, 0, 10, 5, False), rows.__arrow_c_stream__(), True)


@pytest.mark.parametrize(
    "make",
    [
        lambda: _kernel.funnel(9, 0, 1, 1, False),
        lambda: _kernel.funnel(2, 0, 1, -1, False),
        lambda: _kernel.retention(0, 1, [1], False, [0, 0], 3),
        lambda: _kernel.retention(1, 0, [1], False, [0, 0], 0),
        lambda: _kernel.retention(0, 1, [1] * 65, False, [0, 0], 0),
        lambda: _kernel.retention(0, 1, [1], False, [0], 0),
        lambda: _kernel.join(_kernel.funnel(2, 0, 1, 1, False), [1, 2], [3]),
        lambda: _kernel.join(_kernel.funnel(2, 0, 1, 1, False), [-1], [3]),
        lambda: _kernel.only(_kernel.funnel(2, 0, 1, 1, False), [0]),
        lambda: _kernel.waits(_kernel.funnel(2, 0, 1, 1, False), [1]),
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
