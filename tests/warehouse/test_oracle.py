"""ClickHouse's own windowFunnel and retention, in process, agree with our engines."""

import atexit
import tempfile
from datetime import date, timedelta
from functools import cache
from pathlib import Path

import chdb
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.warehouse.engines import rules
from siyu.warehouse.engines.service import kernels
from siyu.warehouse.query.contracts import FunnelSpec, RetentionSpec, Step
from tests.warehouse.histories import (
    DAY,
    NAMES,
    SHOP,
    answer,
    histories,
    relaxed,
    since_days,
    snapshot_of,
)
from tests.warehouse.reference import Seen


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("oracle")


@cache
def clickhouse():
    """One for all examples: to start another takes a quarter of a second."""
    atexit.register(clickhouse.cache_clear)
    return chdb.connect(":memory:")


def asked(sql: str, files: list[Path]) -> list[list[int]]:
    listed = f"file('{files[0].parents[1]}/*/*.parquet', Parquet)"
    rows = str(clickhouse().query(sql.format(files=listed), "CSV"))
    return [[int(cell) for cell in row.split(",")] for row in rows.splitlines()]


def apart(events: list[Seen]) -> list[Seen]:
    """No two at the same moment: windowFunnel does not order them."""
    return [msgspec.structs.replace(e, at_us=e.at_us + e.number) for e in events]


@relaxed
@given(
    events=histories.map(apart),
    names=st.permutations(["see", "tap", "pay"]),
    size=st.integers(2, 3),
    window=st.sampled_from([timedelta(minutes=1), DAY, 8 * DAY]),
    since=since_days,
    days=st.integers(1, 20),
    compiled=st.booleans(),
)
def test_W10_funnel_equals_window_funnel(
    folder, events, names, size, window, since, days, compiled
):
    steps = tuple(map(Step, names[:size]))
    spec = FunnelSpec(
        shop_id=SHOP, steps=steps, window=window, since=since, until=since + days * DAY
    )
    snapshot = snapshot_of(events, Path(tempfile.mkdtemp(dir=folder)), 0, parts=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "COMPILED", compiled and kernels.COMPILED)
        [found] = answer(snapshot, funnels=spec)
    since_us, until_us = rules.to_us(spec.since), rules.to_us(spec.until)
    span = rules.span_us(window)
    first, *rest = (f"name_id = {NAMES[name]}" for name in names[:size])
    counts = ", ".join(f"countIf(level >= {n})" for n in range(1, size + 1))
    sql = f"""
      select {counts} from (
        select windowFunnel({span})(toUInt64(at_us), {first} and at_us < {until_us},
          {", ".join(rest)}) as level
        from {{files}} where shop_id = {SHOP} and person_no > 0
          and at_us >= {since_us} and at_us < {until_us + span} group by person_no)"""
    expected = asked(sql, snapshot.files) if snapshot.files else [[0] * size]
    assert found.persons == expected[0]


@relaxed
@given(
    events=histories,
    birth=st.sampled_from(["see", "tap"]),
    back=st.sampled_from(["see", "pay"]),
    day=st.integers(0, 25),
    periods=st.lists(st.integers(1, 12), min_size=1, max_size=4, unique=True),
    compiled=st.booleans(),
)
def test_W10_retention_equals_retention(folder, events, birth, back, day, periods, compiled):
    on = date(2024, 3, 1) + timedelta(day)
    spec = RetentionSpec(
        shop_id=SHOP,
        birth=Step(birth),
        back=Step(back),
        first_day=on,
        last_day=on,
        periods=tuple(periods),
        time_zone="UTC",
    )
    snapshot = snapshot_of(events, Path(tempfile.mkdtemp(dir=folder)), 0, parts=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "COMPILED", compiled and kernels.COMPILED)
        [found] = answer(snapshot, retentions=spec)
    number, days = rules.day_number(on), f"intDiv(at_us, {rules.DAY_US})"
    born = f"name_id = {NAMES[birth]}"
    backs = ", ".join(f"name_id = {NAMES[back]} and {days} = {number + n}" for n in periods)
    cells = ", ".join(f"sum(r[{n}])" for n in range(1, len(periods) + 2))
    sql = f"""
      select {cells} from (
        select retention({born} and {days} = {number}, {backs}) as r from {{files}}
        where shop_id = {SHOP} and person_no > 0
        group by person_no having countIf({born}) > 0 and minIf({days}, {born}) = {number})"""
    [expected] = asked(sql, snapshot.files) if snapshot.files else [[0]]
    assert [[c.persons, *c.back] for c in found.cohorts] == ([expected] if expected[0] else [])
