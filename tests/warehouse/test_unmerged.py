"""Several files a month, which kernels read without numbers until moments tie (W7)."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.warehouse.compaction.rules import PARQUET
from siyu.warehouse.engines.service import _kernel, kernels
from siyu.warehouse.query.contracts import FunnelSpec, PathSpec, RetentionSpec, Step
from tests.warehouse import reference, reference_exploring
from tests.warehouse.histories import (
    BEGIN,
    BEGIN_US,
    DAY,
    FORMS,
    SHOP,
    answer,
    everybody,
    histories,
    joins,
    plain_steps,
    relaxed,
    since_days,
    snapshot_of,
    with_joins,
)
from tests.warehouse.reference import Seen

SEE_TAP: dict[str, Any] = {"steps": (Step("see"), Step("tap")), "window": DAY}
SPAN: dict[str, Any] = {"shop_id": SHOP, "since": BEGIN, "until": BEGIN + 20 * DAY}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("unmerged")


@relaxed
@given(
    events=histories,
    cut=st.integers(0, 3),
    parts=st.integers(2, 4),
    forms=st.sampled_from([(PARQUET,), (PARQUET,), FORMS]),
    joined=st.one_of(st.just({}), joins),
    steps=st.lists(plain_steps, min_size=2, max_size=4),
    window=st.sampled_from([timedelta(minutes=1), DAY, 8 * DAY]),
    since=since_days,
    times=st.booleans(),
)
def test_W7_W10_files_that_are_not_merged_give_the_integers_of_the_reference(
    folder, events, cut, parts, forms, joined, steps, window, since, times
):
    snapshot = snapshot_of(with_joins(events, joined), folder, cut, parts, tail=False, forms=forms)
    assert not snapshot.tail.stat().st_size
    span: dict[str, Any] = {"shop_id": SHOP, "since": since, "until": since + 9 * DAY}
    walk = FunnelSpec(**span, steps=tuple(steps), window=window, times=times)
    paths = PathSpec(**span, start=steps[0], along=steps[1], of="page", pause=DAY)
    back = RetentionSpec(
        shop_id=SHOP,
        birth=steps[0],
        back=steps[1],
        first_day=since.date(),
        last_day=since.date() + 9 * DAY,
        periods=(1, 2, 5),
        time_zone="Asia/Shanghai",
    )
    everything = everybody(events, joined)
    found = answer(snapshot, funnels=walk, paths=paths, retentions=back)
    assert found == [
        reference.funnel(walk, everything),
        reference_exploring.paths(paths, everything),
        reference.retention(back, everything),
    ]


def seen(name: str, minute: int, number: int, person: int = 1) -> Seen:
    rest = {"channel": "h5", "page": "", "item_no": 0, "amount_fen": 0, "zone": "", "dwell_ms": 0}
    at_us = BEGIN_US + minute * 60_000_000
    return Seen(person=person, at_us=at_us, number=number, name=name, props=None, **rest)


@pytest.fixture
def columns(monkeypatch) -> list[bool]:
    """Whether each reading of a file asked for numbers."""
    asked: list[bool] = []
    scan = _kernel.scan

    def noting(kernel, file, names, *rest):
        asked.append("event_no" in names)
        return scan(kernel, file, names, *rest)

    monkeypatch.setattr(kernels._kernel, "scan", noting)
    return asked


# In files of odd and even numbers.
APART = [seen("see", 5, 0), seen("tap", 7, 1), seen("see", 9, 2), seen("see", 7, 3, person=2)]
IN_ONE_FILE = [seen("see", 5, 0), seen("tap", 5, 2), seen("tap", 6, 3)]
TAP_LAST = [seen("see", 5, 2), seen("tap", 5, 3)]
TAP_FIRST = [seen("see", 5, 2), seen("tap", 5, 1)]
NEXT_TO_EACH_OTHER = [seen("see", 5, 3, person=1), seen("see", 9, 4, 2), seen("tap", 9, 3, 2)]
LAST_AND_FIRST = [seen("tap", 9, 3, person=2), seen("see", 9, 4, person=2)]


@pytest.mark.parametrize(
    ("events", "persons", "tied"),
    [
        (APART, [2, 1], False),
        (IN_ONE_FILE, [1, 1], False),
        (TAP_LAST, [1, 1], True),
        (TAP_FIRST, [1, 0], True),
        (NEXT_TO_EACH_OTHER, [2, 0], True),
        (LAST_AND_FIRST, [1, 0], True),
    ],
)
def test_W7_numbers_are_read_where_moments_of_a_person_tie(
    tmp_path, columns, events, persons, tied
):
    later = [seen("see", 40 * 24 * 60, 8, person=3), seen("tap", 40 * 24 * 60 + 1, 9, person=3)]
    for cut in (0, 1):
        columns.clear()
        snapshot = snapshot_of(events + later, tmp_path, cut, 2, tail=False, forms=(PARQUET,))
        spec = FunnelSpec(**{**SPAN, **SEE_TAP, "until": BEGIN + 60 * DAY})
        # What was played before the tie was found does not count twice.
        assert answer(snapshot, funnels=spec)[0].persons == [n + 1 for n in persons]
        # Two files, tied; then four of two months, with numbers.
        assert columns == ([False] * 2 + [True] * 4 if tied else [False] * 4)


def test_W7_a_tie_in_a_later_month_starts_over(tmp_path, columns):
    month = 35 * 24 * 60
    events = [seen("see", 5, 0), seen("see", 6, 1), seen("tap", 7, 1)]
    events += [seen("see", month, 2, person=2), seen("tap", month, 3, person=2)]
    snapshot = snapshot_of(events, tmp_path, 0, 2, tail=False, forms=(PARQUET,))
    spec = FunnelSpec(**{**SPAN, **SEE_TAP, "until": BEGIN + 60 * DAY})
    assert answer(snapshot, funnels=spec)[0].persons == [2, 2]
    assert columns == [False] * 4 + [True] * 4


def test_retention_needs_no_numbers(tmp_path, columns):
    spec = RetentionSpec(
        shop_id=SHOP,
        birth=Step("see"),
        back=Step("tap"),
        first_day=BEGIN.date(),
        last_day=BEGIN.date(),
        periods=(1,),
        time_zone="UTC",
    )
    events = [*TAP_FIRST, seen("tap", 24 * 60, 4)]
    snapshot = snapshot_of(events, tmp_path, 0, 2, tail=False, forms=(PARQUET,))
    [found] = answer(snapshot, retentions=spec)
    assert [(cohort.persons, cohort.back) for cohort in found.cohorts] == [(1, [1])]
    assert columns and not any(columns)


def test_W7_numbers_of_some_events_only_are_refused():
    kernel = _kernel.funnel(2, 1, False, -1)
    test = [0, 2**62, 0]
    _kernel.read(kernel, 0, [], 3, [test, test])
    plain = "select 1::bigint as person_no, 5::bigint as at_us, 1::integer as name_id"
    with duckdb.connect() as duck:
        _kernel.feed(kernel, duck.sql(plain).__arrow_c_stream__(), False)
        numbered = duck.sql(f"{plain}, 1::bigint as event_no").__arrow_c_stream__()
        with pytest.raises(RuntimeError, match="numbers of some events only"):
            _kernel.feed(kernel, numbered, False)
