"""Segments, features and the exploring specs give the integers of the plain reference (W10)."""

from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Persons, Questions
from siyu.warehouse.engines.service import kernels
from siyu.warehouse.query.contracts import (
    Count,
    Feature,
    FeatureSpec,
    HeatSpec,
    ListSpec,
    LiveSpec,
    PathSpec,
    PersonsOf,
    ShareSpec,
    SpreadSpec,
    ValuesSpec,
)
from tests.warehouse import reference, reference_exploring
from tests.warehouse.histories import (
    BEGIN_US,
    DAY,
    SHOP,
    ZONES,
    answer,
    any_step,
    days_or_ever,
    everybody,
    histories,
    joins,
    known,
    peoples,
    relaxed,
    segments,
    since_days,
    snapshot_of,
    sums,
    wheres,
    with_joins,
)

cuts = st.integers(0, 3)
lengths = st.integers(1, 20).map(lambda days: days * DAY)
limits = st.sampled_from([1, 2, 1000])
props = st.sampled_from(["page", "channel", "zone", "dwell_ms", "item_no", "kind", "dwell"])
common = {"shop_id": st.just(SHOP), "where": wheres, "people": peoples}


def spans(make, **fields):
    """A spec with since and until from a start and a length."""
    return st.builds(
        lambda span, **more: make(since=span[0], until=sum(span[1:], span[0]), **more),
        span=st.tuples(since_days, lengths),
        **common,
        **fields,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("engine")


@relaxed
@given(
    events=histories,
    cut=cuts,
    joined=joins,
    some=st.lists(segments, min_size=1, max_size=3),
    after=st.integers(0, 2),
    limit=limits,
    compiled=st.booleans(),
)
def test_W10_segments_equal_the_reference(
    folder, events, cut, joined, some, after, limit, compiled
):
    specs = tuple(PersonsOf(segment=segment, after=after, limit=limit) for segment in some)
    snapshot = snapshot_of(with_joins(events, joined), folder, cut)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "COMPILED", compiled and kernels.COMPILED)
        answers = engines.answer(Questions(persons=specs), snapshot)
    for segment, found in zip(some, answers.persons, strict=True):
        people = sorted(reference.segment(segment, everybody(events, joined)))
        assert found == Persons(len(people), [n for n in people if n > after][:limit])


@relaxed
@given(
    events=histories,
    cut=cuts,
    spec=st.builds(
        FeatureSpec,
        features=st.lists(
            st.builds(
                Feature,
                name=st.just("f"),
                kind=st.sampled_from(["count", "sum", "days", "first", "last"]),
                step=any_step,
                days=days_or_ever,
                prop=sums,
            ),
            min_size=1,
            max_size=4,
        ).map(tuple),
        as_of=since_days.map(lambda since: since + 10 * DAY),
        time_zone=st.sampled_from(ZONES),
        after=st.integers(0, 2),
        limit=limits,
        **common,
    ),
    joined=joins,
    parts=st.sampled_from([1, 3]),
    compiled=st.booleans(),
)
def test_W10_features_equal_the_reference(folder, events, cut, spec, joined, parts, compiled):
    snapshot = snapshot_of(with_joins(events, joined), folder, cut, parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "COMPILED", compiled and kernels.COMPILED)
        [found] = answer(snapshot, features=spec)
    assert found == reference.features(known(spec, joined), everybody(events, joined))


@relaxed
@given(
    events=histories,
    cut=cuts,
    spec=spans(
        PathSpec,
        start=any_step,
        along=any_step,
        of=st.sampled_from(["page", "name"]),
        direction=st.sampled_from(["next", "previous"]),
        length=st.integers(1, 4),
        top=st.integers(1, 3),
        pause=st.sampled_from([timedelta(minutes=30), DAY, 9 * DAY]),
    ),
    joined=joins,
    parts=st.sampled_from([1, 3]),
    compiled=st.booleans(),
)
def test_W10_paths_equal_the_reference(folder, events, cut, spec, joined, parts, compiled):
    snapshot = snapshot_of(with_joins(events, joined), folder, cut, parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "COMPILED", compiled and kernels.COMPILED)
        [found] = answer(snapshot, paths=spec)
    assert found == reference_exploring.paths(known(spec, joined), everybody(events, joined))


@relaxed
@given(
    events=histories,
    cut=cuts,
    spec=st.one_of(
        spans(
            SpreadSpec,
            step=any_step,
            per=st.just("person"),
            prop=st.none() | sums,
            edges=st.just((1, 2, 8, 150)),
        ),
        spans(
            SpreadSpec, step=any_step, per=st.just("event"), prop=sums, edges=st.just((0, 7, 200))
        ),
    ),
)
def test_spread_equals_the_reference(folder, events, cut, spec):
    [found] = answer(snapshot_of(events, folder, cut), spreads=spec)
    assert found == reference_exploring.spread(spec, events)


@relaxed
@given(
    events=histories,
    cut=cuts,
    spec=spans(
        ShareSpec,
        step=any_step,
        prop=props,
        time_zone=st.sampled_from(ZONES),
        count=st.sampled_from([Count.EVENTS, Count.PERSONS, Count.AMOUNT]),
        grain=st.sampled_from(["day", "week", "month"]),
        top=st.integers(1, 3),
    ),
)
def test_share_equals_the_reference(folder, events, cut, spec):
    [found] = answer(snapshot_of(events, folder, cut), shares=spec)
    assert found == reference_exploring.share(spec, events)


@relaxed
@given(
    events=histories,
    cut=cuts,
    spec=spans(
        HeatSpec,
        clicks=any_step,
        dwell=any_step,
        zone=st.sampled_from(["zone", "kind"]),
        dwell_prop=st.sampled_from(["dwell", "dwell_ms"]),
        pages=st.sampled_from([(), ("/a", "/nowhere")]),
        limit=limits,
    ),
)
def test_heat_equals_the_reference(folder, events, cut, spec):
    [found] = answer(snapshot_of(events, folder, cut), heats=spec)
    assert found == reference_exploring.heat(spec, events)


@relaxed
@given(
    events=histories,
    cut=cuts,
    spec=st.builds(
        LiveSpec,
        step=any_step,
        until=st.tuples(since_days, st.sampled_from([1, 61, 1_500])).map(
            lambda at: at[0] + timedelta(seconds=at[1])
        ),
        minutes=st.sampled_from([1, 30, 1_440]),
        top=st.integers(1, 3),
        **common,
    ),
)
def test_live_equals_the_reference(folder, events, cut, spec):
    [found] = answer(snapshot_of(events, folder, cut), lives=spec)
    assert found == reference_exploring.live(spec, events)


@relaxed
@given(
    events=histories,
    cut=cuts,
    spec=spans(
        ListSpec,
        step=st.none() | any_step,
        before=st.none() | st.tuples(st.just(BEGIN_US + 10 * 86_400_000_000), st.integers(0, 40)),
        limit=limits,
    ),
)
def test_list_equals_the_reference(folder, events, cut, spec):
    [found] = answer(snapshot_of(events, folder, cut), lists=spec)
    assert found == reference_exploring.listed(spec, events)


@relaxed
@given(
    events=histories,
    cut=cuts,
    spec=spans(
        ValuesSpec,
        prop=props,
        step=st.none() | any_step,
        contains=st.sampled_from(["", "E", "'"]),
        limit=limits,
    ),
)
def test_values_equal_the_reference(folder, events, cut, spec):
    [found] = answer(snapshot_of(events, folder, cut), values=spec)
    assert found == reference_exploring.values(spec, events)
