"""Random histories as snapshots, and random questions, for every engine."""

import atexit
import json
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import duckdb
import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from siyu.warehouse.compaction.contracts import FILE_COLUMNS
from siyu.warehouse.compaction.rules import PARQUET
from siyu.warehouse.engines import rules
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.query.contracts import (
    PERSON_JOINED,
    Absent,
    All,
    AnyOf,
    FunnelSpec,
    Not,
    SegmentSpec,
    Snapshot,
    Step,
    Sum,
    Times,
    Top,
    Walked,
    Where,
)
from tests.warehouse.reference import Seen

SHOP = 3
NAMES = {"see": 1, "tap": 2, "pay": 3, PERSON_JOINED: 4}
CODES = {"event_name": NAMES, "channel": {"h5": 1, "mp": 2}, "page": {"": 1, "/a": 3, "/b": 4}}
BEGIN = datetime(2024, 3, 1, tzinfo=UTC)
BEGIN_US = rules.to_us(BEGIN)
DAY = timedelta(days=1)
ZONES = ["Asia/Shanghai", "UTC", "America/New_York", "Europe/London", "Asia/Kolkata"]

conditions = st.sampled_from(
    [
        Where("zone", "eq", "n'ew"),
        Where("zone", "ne", "old"),
        Where("zone", "in", ("", "old")),
        Where("kind", "in", ("a'b", "c")),
        Where("kind", "ne", "c"),
        Where("dwell", "ge", 5),
        Where("dwell", "in", (1, 7)),
        Where("dwell", "between", (2, 8)),
        Where("dwell_ms", "le", 500),
        Where("page", "eq", "/a"),
        Where("page", "in", ("/b", "/nowhere")),
        Where("channel", "ne", "h5"),
        Where("amount_fen", "ge", 100),
        Where("amount_fen", "le", 200),
        Where("item_no", "in", (0, 2)),
    ]
)
steps = st.builds(
    Step,
    st.sampled_from(["see", "tap", "pay", ("see", "tap"), "never"]),
    st.lists(conditions, max_size=2).map(tuple),
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
        zone=st.sampled_from(["", "n'ew", "old"]),
        dwell_ms=st.sampled_from([0, 400, 900]),
        props=st.sampled_from(
            [None, {}, {"kind": "a'b"}, {"kind": "c", "dwell": 7}, {"dwell": 3}, {"dwell": -1}]
        ),
    ),
    max_size=40,
).map(lambda events: [_numbered(event, number) for number, event in enumerate(events)])


def _numbered(event: Seen, number: int) -> Seen:
    fields = {name: getattr(event, name) for name in Seen.__struct_fields__}
    return Seen(**{**fields, "number": number})


KINDS = list(FILE_COLUMNS.values())


@cache
def _duck() -> duckdb.DuckDBPyConnection:
    """One for all examples: to open another takes longer than an example."""
    atexit.register(_duck.cache_clear)
    return duckdb.connect(config={"threads": 1})


# A form that kernels read themselves, and one that DuckDB reads for them.
FORMS = (PARQUET, "format parquet")


def snapshot_of(
    events: list[Seen],
    folder: Path,
    cut: int,
    parts: int = 3,
    *,
    tail: bool = True,
    forms: tuple[str, ...] = FORMS,
) -> Snapshot:
    """The events spread over `parts` files per month and the tail (one part: all in files).

    forms: of the first file, the second, and so on. Another shop's events lie between.
    """
    shares = parts + 1 if tail and parts > 1 else parts
    duck = _duck().cursor()
    columns = ", ".join(f"{name} {kind}" for name, kind in FILE_COLUMNS.items())
    duck.execute(f"create temp table rows ({columns})")
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
            event.zone,
            event.dwell_ms,
            None if event.props is None else json.dumps(event.props),
        )
        for shop in (SHOP, SHOP + 16)
        for event in events
    ]
    if lines:
        listed = ", ".join(f"unnest(${n + 1}::{kind}[])" for n, kind in enumerate(KINDS))
        duck.execute(f"insert into rows select {listed}", list(map(list, zip(*lines, strict=True))))
    files = []
    month = "strftime(make_timestamp(at_us), '%Y-%m')"
    for (name,) in duck.execute(f"select distinct {month} from rows order by 1").fetchall():
        for part in range(parts):
            path = folder / name / f"{part}.2.parquet"
            path.parent.mkdir(exist_ok=True)
            form = forms[part % len(forms)]
            duck.execute(
                f"""copy (select * from rows where {month} = '{name}'
                      and event_no % {shares} = {(part + cut) % shares}
                    order by shop_id, person_no, at_us, event_no) to '{path}' ({form})"""
            )
            files.append(path)
    fresh = folder / "tail.csv"
    duck.execute(
        f"""copy (select * from rows where event_no % {shares} = {(parts + cut) % shares}
              and {shares} > {parts})
            to '{fresh}' (header false)"""
    )
    duck.close()
    return Snapshot(shop_id=SHOP, files=files, tail=fresh, codes=CODES)


def answer(snapshot: Snapshot, **questions):
    """The only answer of each kind of question."""
    asked = Questions(**{kind: (spec,) for kind, spec in questions.items()})
    answers = engines.answer(asked, snapshot)
    return [getattr(answers, kind)[0] for kind in questions]


relaxed = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
wheres = st.lists(conditions, max_size=1).map(tuple)
since_days = st.integers(0, 20).map(lambda days: BEGIN + days * DAY)
days_or_ever = st.sampled_from([None, 1, 7, 20])
compares = st.sampled_from(["eq", "ge", "le"])
sums = st.sampled_from(["amount_fen", "dwell", "dwell_ms"])
funnels = st.builds(
    lambda steps, window, since, days: FunnelSpec(
        shop_id=SHOP, steps=tuple(steps), window=window, since=since, until=since + days * DAY
    ),
    st.lists(any_step, min_size=2, max_size=3),
    st.sampled_from([timedelta(minutes=1), DAY, 8 * DAY]),
    since_days,
    st.integers(1, 20),
)
facts = st.one_of(
    st.builds(Times, any_step, days_or_ever, compares, st.integers(0, 3)),
    st.builds(Absent, any_step, days_or_ever),
    st.builds(Sum, sums, any_step, days_or_ever, compares, st.sampled_from([0, 7, 200, 250])),
    st.builds(Top, sums, any_step, days_or_ever, st.sampled_from([1, 34, 50, 100])),
    st.builds(Walked, funnels, st.integers(1, 2), st.booleans()),
)
fit = st.recursive(
    facts,
    lambda inner: st.one_of(
        st.builds(All, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(AnyOf, st.lists(inner, min_size=1, max_size=3).map(tuple)),
        st.builds(Not, inner),
    ),
    max_leaves=4,
)
segments = st.builds(
    lambda rule, since: SegmentSpec(shop_id=SHOP, rule=rule, as_of=since + 10 * DAY),
    fit,
    since_days,
)
peoples = st.one_of(st.none(), st.none(), st.frozensets(st.integers(0, 4), max_size=3), segments)

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
