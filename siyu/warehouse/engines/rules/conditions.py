"""Conditions on events as SQL, and what a spec reads of a table `events` of one shop."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from siyu.warehouse.compaction.service import quoted
from siyu.warehouse.engines.rules.moments import DAY_US, LONGEST_DAYS, day_number, to_us
from siyu.warehouse.query.contracts import (
    COLUMN_PROPS,
    Absent,
    All,
    AnyOf,
    Count,
    Feature,
    FeatureSpec,
    FunnelSpec,
    HeatSpec,
    LastSpec,
    ListSpec,
    LiveSpec,
    Need,
    Not,
    PathSpec,
    PersonsOf,
    RetentionSpec,
    Rule,
    SegmentSpec,
    SeriesSpec,
    ShareSpec,
    Snapshot,
    Spec,
    SpreadSpec,
    Step,
    Sum,
    Times,
    Top,
    TrialSpec,
    ValuesSpec,
    Walked,
    Where,
)

PAUSE_US = 1_800_000_000
"""A pause longer than this ends a visit in a series."""
Codes = Mapping[str, Mapping[str, int]]
Group = SegmentSpec | FunnelSpec | frozenset[int]
TEXTS = {"name": "event_name", "channel": "channel", "page": "page"}
"""Properties that are numbers of a dictionary; also the names of the tables (id, text)."""


class Ground(msgspec.Struct, frozen=True):
    """What specs stand on.

    tables: of groups of people inside a spec, (person_no) or, of a funnel, (person_no, far).
    people: their int64 numbers, growing, where kernels found them. members: visitors, and who they
    turned out to be. fresh: months of the tail, as in 2026-01.
    """

    snapshot: Snapshot
    tables: dict[Group, str] = {}
    people: dict[Group, bytes] = {}
    members: tuple[list[int], list[int]] = ([], [])
    fresh: frozenset[str] = frozenset()

    @property
    def codes(self) -> Codes:
        """Texts as numbers."""
        return self.snapshot.codes


def parts_of(value: Any) -> Iterator[Any]:
    """All structs and sets of persons inside a value, inner ones first, the value itself last."""
    if isinstance(value, tuple):
        for item in value:
            yield from parts_of(item)
    elif isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from parts_of(getattr(value, name))
        yield value
    elif isinstance(value, frozenset):
        yield value


def groups_of(spec: Spec | Group) -> list[Group]:
    """The groups of people inside a spec in the order in which they can be found."""
    found = [
        part
        for part in parts_of(spec)
        if part is not spec and isinstance(part, SegmentSpec | FunnelSpec | frozenset)
    ]
    return list(dict.fromkeys(found))


def text_sql(prop: str) -> str:
    """A property as text, "" where it is missing; pages and channels as their number."""
    if prop in COLUMN_PROPS:
        return f"coalesce(cast({column_sql(prop)} as varchar), '')"
    return f"coalesce({column_sql(prop)}, '')"


def named_sql(prop: str, value: str) -> str:
    """The text of a value that `text_sql` gave."""
    if prop not in TEXTS:
        return value
    return f"coalesce((select text from texts_{prop} where id = cast({value} as bigint)), '')"


def column_sql(prop: str) -> str:
    """A property as SQL, null where it is missing; pages and channels as their number."""
    match prop:
        case "channel" | "page" | "name":
            return f"{prop}_id"
        case "zone":
            return "nullif(zone, '')"
        case "dwell_ms":
            return "nullif(dwell_ms, 0)"
        case _ if prop in COLUMN_PROPS:
            return prop
    return f"json_extract_string(props, '$.\"{prop}\"')"


def integer_sql(prop: str) -> str:
    """An integer property as SQL, null where it is missing."""
    column = column_sql(prop)
    return column if prop in COLUMN_PROPS else f"try_cast({column} as bigint)"


def _literal(value: int | str) -> str:
    return quoted(value) if isinstance(value, str) else str(value)


_COMPARE = {"eq": "=", "ge": ">=", "le": "<="}


def compare_sql(column: str, op: str, value: int) -> str:
    """A comparison of integers."""
    return f"{column} {_COMPARE[op]} {value}"


def condition_sql(where: Where, codes: Codes) -> str:
    """A condition as SQL; never null, false where the property is missing."""
    values = list(where.values)
    column = column_sql(where.prop)
    if where.prop == "zone" and where.op in ("eq", "ne", "in"):
        # "" is no zone. To turn it into null first would take DuckDB three times as long.
        known = [_literal(value) for value in values if value != ""]
        if where.op == "ne":
            none = ", ".join(["''", *known])
            return f"coalesce(zone not in ({none}), false)"
        return f"coalesce(zone in ({', '.join(known)}), false)" if known else "false"
    if where.prop in TEXTS:
        # An unknown text gets a number no row has.
        values = [codes[where.prop].get(str(value), -1) for value in values]
    elif values and isinstance(values[0], int):
        column = integer_sql(where.prop)
    texts = [_literal(value) for value in values]
    match where.op:
        case "in":
            sql = f"{column} in ({', '.join(texts)})" if texts else "false"
        case "between":
            sql = f"{column} between {texts[0]} and {texts[1]}"
        case "ne":
            sql = f"{column} <> {texts[0]}"
        case _:
            sql = f"{column} {_COMPARE[where.op]} {texts[0]}"
    return f"coalesce({sql}, false)"


def step_sql(step: Step, ground: Ground) -> str:
    """Whether an event matches a step."""
    names = ground.codes["event_name"]
    ids = [names[name] for name in step.names if name in names]
    if not ids:
        return "false"
    parts = [f"name_id in ({', '.join(map(str, ids))})"]
    return " and ".join(parts + [condition_sql(where, ground.codes) for where in step.where])


def source_sql(spec: Any, ground: Ground) -> str:
    """The events that a spec may look at, by its `where` and its people."""
    kept = [condition_sql(where, ground.codes) for where in spec.where]
    if spec.people is not None:
        kept.append(f"person_no in (select person_no from {ground.tables[spec.people]})")
    return f"(select * from events where {' and '.join(kept)})" if kept else "events"


def _props_of(spec: Spec | Group) -> set[str]:
    """All properties that a spec speaks of."""
    found: set[str] = set()
    for part in parts_of(spec):
        match part:
            case Where() | Sum() | Top() | Feature() | ShareSpec() | ValuesSpec():
                found.add(part.prop)
            case SpreadSpec() if part.prop is not None:
                found.add(part.prop)
            case FunnelSpec() if part.by is not None:
                found.add(part.by)
            case HeatSpec():
                found |= {part.zone, part.dwell_prop, "page"}
            case PathSpec():
                found.add(part.of)
            case LiveSpec():
                found |= {"page", "name"}
            case TrialSpec():
                found |= {part.arm, part.chance}
            case ListSpec():
                found |= {"page", "name", "channel", "zone", "dwell_ms", "props"}
    return found


def uses_texts(spec: Spec) -> bool:
    """Whether a spec speaks of pages, channels or all names by text."""
    return bool(_props_of(spec) & set(TEXTS))


def columns_of(spec: Spec | Group) -> set[str]:
    """Which columns of events a spec reads beyond person, time, number and name."""
    if isinstance(spec, ListSpec):
        return {"channel_id", "item_no", "amount_fen", "page_id", "zone", "dwell_ms", "props"}
    found = set()
    for prop in _props_of(spec) - {"name"}:
        known = prop in COLUMN_PROPS
        found.add(f"{prop}_id" if prop in TEXTS else prop if known else "props")
    if any(part == Count.AMOUNT for part in _counts_of(spec)):
        found.add("amount_fen")
    return found


def _counts_of(spec: Spec | Group) -> list[Count]:
    if isinstance(spec, SeriesSpec):
        return [measure.count for measure in spec.measures]
    if isinstance(spec, TrialSpec):
        return [outcome.count for outcome in spec.outcomes]
    return [spec.count] if isinstance(spec, ShareSpec) else []


def needs_of(spec: Spec) -> list[Need]:
    """Which events a spec reads, those for its groups of people included."""
    return [need for part in (spec, *groups_of(spec)) for need in own_needs(part)]


def own_needs(spec: Spec | Group) -> list[Need]:
    """Which events a spec reads, those for groups of people inside it left out."""
    props = bool(_props_of(spec) - COLUMN_PROPS - set(TEXTS))
    return [
        Need(
            names=None if steps is None else frozenset(n for step in steps for n in step.names),
            since_us=since,
            until_us=until,
            props=props,
        )
        for steps, since, until in _reads(spec)
    ]


Read = tuple[Sequence[Step] | None, int, int]


def reach_days(spec: RetentionSpec) -> int:
    """At most so many days after the last birth somebody can come back."""
    return (max(spec.periods) + 1) * LONGEST_DAYS[spec.grain]


def _between(steps: Sequence[Step | None], since: datetime, until: datetime) -> list[Read]:
    known = [step for step in steps if step is not None]
    return [(known if len(known) == len(steps) else None, to_us(since), to_us(until))]


def _reads(spec: Spec | Group) -> list[Read]:
    match spec:
        case FunnelSpec():
            return _between(spec.steps, spec.since, spec.until + spec.window)
        case RetentionSpec():
            # Two days of grace on each side cover every time zone; SQL cuts exactly.
            since = (day_number(spec.first_day) - 2) * DAY_US
            until = (day_number(spec.last_day) + reach_days(spec) + 3) * DAY_US
            return [([spec.birth], 0, until), ([spec.back], since, until)]
        case SeriesSpec():
            begin = to_us(min(spec.spans)[0]) - PAUSE_US
            end = to_us(max(spec.spans)[1]) + PAUSE_US
            first = (Count.NEWCOMERS, Count.REPEATERS)
            return [(m.steps, 0 if m.count in first else begin, end) for m in spec.measures]
        case LastSpec():
            return [(spec.steps, 0, to_us(spec.until))]
        case PersonsOf():
            return []
        case SegmentSpec():
            return _segment_reads(spec)
        case FeatureSpec():
            steps = [feature.step for feature in spec.features]
            days = [feature.days for feature in spec.features]
            return [(steps, _since(spec.as_of, days), to_us(spec.as_of))]
        case PathSpec():
            return _between([spec.start, spec.along], spec.since, spec.until)
        case HeatSpec():
            return _between([spec.clicks, spec.dwell], spec.since, spec.until)
        case LiveSpec():
            until = to_us(spec.until)
            return [([spec.step], until - spec.minutes * 60_000_000, until)]
        case TrialSpec():
            steps = [outcome.step for outcome in spec.outcomes]
            shown = _between([spec.exposed], spec.since, spec.until)
            return shown + _between(steps, spec.since - spec.before, spec.until)
        case SpreadSpec() | ShareSpec() | ListSpec() | ValuesSpec():
            return _between([spec.step], spec.since, spec.until)
    return []


def _since(as_of: datetime, days: Sequence[int | None]) -> int:
    known = [n for n in days if n is not None]
    return to_us(as_of) - max(known) * DAY_US if known and len(known) == len(days) else 0


def facts_of(rule: Rule) -> list[Times | Absent | Sum | Top | Walked]:
    """The rules at the leaves, each once."""
    match rule:
        case All() | AnyOf():
            return list(dict.fromkeys(fact for part in rule.rules for fact in facts_of(part)))
        case Not():
            return facts_of(rule.rule)
    return [rule]


def fits_nothing(rule: Rule) -> bool:
    """Whether somebody fits who has no matching event: then everybody must be looked at."""
    match rule:
        case All():
            return all(map(fits_nothing, rule.rules))
        case AnyOf():
            return any(map(fits_nothing, rule.rules))
        case Not():
            return not fits_nothing(rule.rule)
        case Times():
            return rule.n == 0 or rule.op == "le"
        case Sum():
            return {"eq": rule.value == 0, "ge": rule.value <= 0, "le": rule.value >= 0}[rule.op]
        case Absent():
            return True
    return False


def _segment_reads(spec: SegmentSpec) -> list[Read]:
    if fits_nothing(spec.rule):
        return [(None, 0, to_us(spec.as_of))]
    facts = [fact for fact in facts_of(spec.rule) if not isinstance(fact, Walked)]
    since = _since(spec.as_of, [fact.days for fact in facts])
    return [([fact.step for fact in facts], since, to_us(spec.as_of))] if facts else []
