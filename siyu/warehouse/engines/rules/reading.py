"""Specs as what a compiled kernel reads: columns, and tests of events by integers."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from siyu.warehouse.engines.rules.conditions import (
    Ground,
    condition_sql,
    facts_of,
    fits_nothing,
    parts_of,
)
from siyu.warehouse.engines.rules.moments import DAY_US, to_us
from siyu.warehouse.query.contracts import (
    COLUMN_PROPS,
    Absent,
    All,
    AnyOf,
    FunnelSpec,
    Not,
    Rule,
    SegmentSpec,
    Step,
    Sum,
    Times,
    Top,
    Walked,
    Where,
)

LEAST, MOST = -(2**63), 2**63 - 1
_INTEGERS = {
    "channel": "channel_id",
    "page": "page_id",
    "item_no": "item_no",
    "amount_fen": "amount_fen",
    "dwell_ms": "dwell_ms",
}
"""Properties that a kernel compares itself; of the others it is told whether they fit."""
INTEGER_COLUMNS = frozenset(_INTEGERS.values())


class Test(msgspec.Struct, frozen=True):
    """Which events a kernel looks for. step: None for events of every name."""

    step: Step | None
    since_us: int
    until_us: int


NEVER = Test(Step("-"), 0, 0)
"""No event: the place of a figure that comes from elsewhere."""


class Reading(msgspec.Struct, frozen=True):
    """extras: SQL of the columns beyond person, moment, name and number; the rest as in
    `_kernel.read`. only: the names that matter, if those alone should be decoded."""

    extras: list[str]
    names: list[int]
    others: int
    tests: list[list[int]]
    only: list[int] | None


def reading(
    tests: Sequence[Test], where: Sequence[Where], ground: Ground, extras: Sequence[str] = ()
) -> Reading:
    """What a kernel reads for these tests. where: conditions on every event; extras: the columns
    that it needs besides, first in order."""
    columns = list(extras)
    known = ground.codes["event_name"]
    names: dict[int, int] = {}
    others, lowered = 0, []
    for n, test in enumerate(tests):
        if test.step is None:
            others |= 1 << n
        for name in () if test.step is None else test.step.names:
            if name in known:
                names[known[name]] = names.get(known[name], 0) | 1 << n
        own = [*(test.step.where if test.step else ()), *where]
        parts = [_condition(condition, ground, columns) for condition in own]
        bounds = [max(test.since_us, LEAST), min(test.until_us, MOST), len(parts)]
        lowered.append(bounds + [number for part in parts for number in part])
    # To look into JSON costs more than to let DuckDB choose the rows.
    computed = any("json_" in sql for sql in columns)
    return Reading(
        extras=columns,
        names=[part for name, bits in names.items() for part in (name, bits | others)],
        others=others,
        tests=lowered,
        only=sorted(names) if computed and not others else None,
    )


def integer_column(prop: str | None) -> str | None:
    """The column of a property that kernels read as an integer (0 for no dwell_ms)."""
    return _INTEGERS.get(prop or "")


def can_sum(prop: str) -> bool:
    """Whether a kernel adds this property up; those in JSON may grow beyond its integers."""
    return prop in COLUMN_PROPS


def conditions_in(spec: Any) -> int:
    """How many conditions there are in a spec, with those of its people."""
    return sum(isinstance(part, Where) for part in parts_of(spec))


Fact = tuple[Test, str | None]
"""Which events are counted, or of which property they are summed up."""


def facts_read(spec: SegmentSpec) -> list[Fact]:
    """What a rule has to know of everybody, beside the funnels that it speaks of."""
    facts = [_fact(fact, spec) for fact in facts_of(spec.rule) if not isinstance(fact, Walked)]
    everybody: list[Fact] = [(_anything(spec), None)] if fits_nothing(spec.rule) else []
    return list(dict.fromkeys(facts + everybody))


def funnels_in(spec: SegmentSpec) -> list[FunnelSpec]:
    """The funnels that a rule speaks of itself."""
    facts = facts_of(spec.rule)
    return list(dict.fromkeys(fact.funnel for fact in facts if isinstance(fact, Walked)))


def _anything(spec: SegmentSpec) -> Test:
    return Test(None, 0, to_us(spec.as_of))


def _fact(fact: Times | Absent | Sum | Top, spec: SegmentSpec) -> Fact:
    until = to_us(spec.as_of)
    since = 0 if fact.days is None else until - fact.days * DAY_US
    prop = fact.prop if isinstance(fact, Sum | Top) else None
    return Test(fact.step, since, until), prop


_OPS = {"eq": 0, "ge": 1, "le": 2}


def rule_words(
    spec: SegmentSpec, places: Mapping[Any, int], top: Callable[[int, int], int]
) -> list[int]:
    """A rule as `_kernel.fitting` reads it. places: of facts and funnels among the figures; top:
    the least value of a figure that is among so many percent."""
    words = _words(spec.rule, spec, places, top)
    if not fits_nothing(spec.rule):
        return words
    # Figures may be those of several segments: only who has an event before `as_of` can fit.
    there = [(_anything(spec), None), *funnels_in(spec)]
    seen = [number for key in there for number in (0, places[key], _OPS["ge"], 1)]
    return [*words, *seen, 2, len(there), 0, 0, 1, 2, 0, 0]


def _words(
    rule: Rule, spec: SegmentSpec, places: Mapping[Any, int], top: Callable[[int, int], int]
) -> list[int]:
    if isinstance(rule, All | AnyOf):
        parts = [word for part in rule.rules for word in _words(part, spec, places, top)]
        return [*parts, 1 if isinstance(rule, All) else 2, len(rule.rules), 0, 0]
    if isinstance(rule, Not):
        return [*_words(rule.rule, spec, places, top), 3, 0, 0, 0]
    if isinstance(rule, Walked):
        return [0, places[rule.funnel], _OPS["eq" if rule.dropped else "ge"], rule.step]
    figure = places[_fact(rule, spec)]
    match rule:
        case Times():
            return [0, figure, _OPS[rule.op], min(rule.n, MOST)]
        case Sum():
            return [0, figure, _OPS[rule.op], max(LEAST, min(rule.value, MOST))]
        case Top():
            return [0, figure, _OPS["ge"], top(figure, rule.percent)]
    return [0, figure, _OPS["eq"], 0]


def _condition(where: Where, ground: Ground, columns: list[str]) -> list[int]:
    column = integer_column(where.prop)
    ranges = [(1, 1)]
    if column is None:
        column = f"({condition_sql(where, ground.codes)})::utinyint"
    else:
        ranges = _ranges(where, ground)
    if column not in columns:
        columns.append(column)
    return [columns.index(column), len(ranges), *(edge for ends in ranges for edge in ends)]


def _ranges(where: Where, ground: Ground) -> list[tuple[int, int]]:
    """The integers that fulfil a condition."""
    codes = ground.codes.get(where.prop, {})
    # An unknown text gets a number no row has.
    values = [codes.get(value, -1) if isinstance(value, str) else value for value in where.values]
    match where.op:
        case "ne":
            found = [(LEAST, values[0] - 1), (values[0] + 1, MOST)]
        case "ge":
            found = [(values[0], MOST)]
        case "le":
            found = [(LEAST, values[0])]
        case "between":
            found = [(values[0], values[1])]
        case _:
            found = [(value, value) for value in values]
    if where.prop == "dwell_ms":  # 0: there is none
        found = [
            ends
            for low, high in found
            for ends in ([(low, -1), (1, high)] if low <= 0 <= high else [(low, high)])
        ]
    cut = [(max(low, LEAST), min(high, MOST)) for low, high in found]
    return [(low, high) for low, high in cut if low <= high]
