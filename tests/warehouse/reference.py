"""The meaning of the specs in plain Python, event by event: what every engine must give."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from siyu.kernel.clock import business_day
from siyu.warehouse.engines.contracts import (
    WAIT_EDGES_S,
    Cohort,
    Features,
    Funnel,
    Retention,
    Series,
    Wait,
)
from siyu.warehouse.engines.rules import from_us, to_us
from siyu.warehouse.engines.rules.conditions import facts_of
from siyu.warehouse.query.contracts import (
    Absent,
    All,
    AnyOf,
    Count,
    Feature,
    FeatureSpec,
    FunnelSpec,
    Measure,
    Not,
    RetentionSpec,
    Rule,
    SegmentSpec,
    SeriesSpec,
    Step,
    Sum,
    Times,
    Top,
    Walked,
    Where,
)

PAUSE_US = 30 * 60 * 1_000_000


class Seen(msgspec.Struct, frozen=True, order=True):
    """An event as a question sees it."""

    person: int
    at_us: int
    number: int
    name: str
    channel: str
    page: str
    item_no: int
    amount_fen: int
    zone: str
    dwell_ms: int
    props: dict[str, Any] | None


def value_of(event: Seen, prop: str) -> Any:
    if prop in ("channel", "page", "item_no", "amount_fen"):
        return getattr(event, prop)
    if prop in ("zone", "dwell_ms"):
        return getattr(event, prop) or None
    return (event.props or {}).get(prop)


def fulfils(event: Seen, where: Where) -> bool:
    value = value_of(event, where.prop)
    if value is None or isinstance(value, int) != isinstance(where.values[0], int):
        return False
    match where.op:
        case "eq":
            return value == where.value
        case "ne":
            return value != where.value
        case "in":
            return value in where.values
        case "ge":
            return value >= where.value
        case "le":
            return value <= where.value
    return where.values[0] <= value <= where.values[1]


def scope(spec: Any, events: list[Seen]) -> list[Seen]:
    """The events that a spec may look at, by its `where` and its people."""
    people = spec.people
    if isinstance(people, SegmentSpec):
        people = segment(people, events)
    return [
        event
        for event in events
        if all(fulfils(event, where) for where in spec.where)
        and (people is None or (event.person > 0 and event.person in people))
    ]


def matches(event: Seen, step: Step) -> bool:
    return event.name in step.names and all(fulfils(event, where) for where in step.where)


def by_person(events: Iterable[Seen]) -> dict[int, list[Seen]]:
    found: dict[int, list[Seen]] = defaultdict(list)
    for event in sorted(events, key=lambda event: (event.at_us, event.number)):
        if event.person > 0:
            found[event.person].append(event)
    return found


class Walk(msgspec.Struct):
    """How far a person went: under which chain, and how long each step of the funnel took."""

    far: int = 0
    chain: Seen | None = None
    waits: dict[int, int] = {}


def walk(spec: FunnelSpec, own: list[Seen]) -> Walk:
    size, since, until = len(spec.steps), to_us(spec.since), to_us(spec.until)
    window = spec.window // timedelta(microseconds=1)
    # Per step: the newest start, and when its chain first came here.
    starts: list[tuple[Seen, int] | None] = [None] * size
    found = Walk()
    for event in own:
        for k in reversed(range(size)):
            if not matches(event, spec.steps[k]):
                continue
            if k == 0:
                before = (event, event.at_us) if since <= event.at_us < until else None
            else:
                before = starts[k - 1]
                if before is not None and event.at_us - before[0].at_us > window:
                    before = None
            if before is None:
                continue
            start, came = before
            kept = starts[k]
            if kept is None or kept[0] is not start:
                starts[k] = (start, event.at_us)
            found.waits.setdefault(k + 1, event.at_us - came)
            if k + 1 > found.far:
                found.far, found.chain = k + 1, start
    return found


def funnel(spec: FunnelSpec, events: list[Seen]) -> Funnel:
    size = len(spec.steps)
    persons, by = [0] * size, defaultdict(lambda: [0] * size)
    waits: dict[int, list[int]] = defaultdict(list)
    for own in by_person(scope(spec, events)).values():
        found = walk(spec, own)
        for k in range(found.far):
            persons[k] += 1
            if spec.by is not None:
                value = value_of(found.chain, spec.by)
                by["" if value is None else str(value)][k] += 1
        for k, wait in found.waits.items():
            waits[k].append(wait)
    told = [_wait(waits[k]) for k in range(2, size + 1)] if spec.times else []
    return Funnel(persons, dict(by), told)


def median(values: list[int]) -> int | None:
    return sorted(values)[(len(values) - 1) // 2] if values else None


def _wait(waits: list[int]) -> Wait:
    counts = [0] * (len(WAIT_EDGES_S) + 1)
    for wait in waits:
        counts[sum(wait >= edge * 1_000_000 for edge in WAIT_EDGES_S)] += 1
    return Wait(median(waits), counts)


def segment(spec: SegmentSpec, events: list[Seen]) -> set[int]:
    as_of = to_us(spec.as_of)
    people = by_person(events)

    def inside(own: list[Seen], step: Step, days: int | None) -> list[Seen]:
        since = 0 if days is None else as_of - days * 86_400_000_000
        return [e for e in own if since <= e.at_us < as_of and matches(e, step)]

    def total(person: int, rule: Sum | Top) -> int:
        kept = inside(people[person], rule.step, rule.days)
        found = [value_of(event, rule.prop) for event in kept]
        return sum(value for value in found if isinstance(value, int))

    def compare(op: str, one: int, other: int) -> bool:
        return {"eq": one == other, "ge": one >= other, "le": one <= other}[op]

    def fits(person: int, rule: Rule) -> bool:
        match rule:
            case All():
                return all(fits(person, part) for part in rule.rules)
            case AnyOf():
                return any(fits(person, part) for part in rule.rules)
            case Not():
                return not fits(person, rule.rule)
            case Times():
                kept = inside(people[person], rule.step, rule.days)
                return compare(rule.op, len(kept), rule.n)
            case Absent():
                return not inside(people[person], rule.step, rule.days)
            case Sum():
                return compare(rule.op, total(person, rule), rule.value)
            case Walked():
                own = by_person(scope(rule.funnel, people[person])).get(person, [])
                if rule.funnel.people is not None:
                    own = by_person(scope(rule.funnel, events)).get(person, [])
                far = walk(rule.funnel, own).far
                return far == rule.step if rule.dropped else far >= rule.step
        sums = [total(other, rule) for other in people]
        positive = [value for value in sums if value > 0]
        mine = total(person, rule)
        more = sum(value > mine for value in positive)
        return mine > 0 and more * 100 < rule.percent * len(positive)

    def counts(person: int) -> bool:
        """Before as_of there was something; a funnel that was walked may be later."""
        return any(event.at_us < as_of for event in people[person]) or any(
            walk(fact.funnel, by_person(scope(fact.funnel, events)).get(person, [])).far
            for fact in facts_of(spec.rule)
            if isinstance(fact, Walked)
        )

    return {person for person in people if counts(person) and fits(person, spec.rule)}


def features(spec: FeatureSpec, events: list[Seen]) -> Features:
    as_of = to_us(spec.as_of)
    rows: dict[int, list[int | None]] = {}
    for person, own in by_person(scope(spec, events)).items():
        kept = [
            [
                event
                for event in own
                if matches(event, feature.step)
                and (0 if feature.days is None else as_of - feature.days * 86_400_000_000)
                <= event.at_us
                < as_of
            ]
            for feature in spec.features
        ]
        if any(kept) and person > spec.after:
            rows[person] = [
                _feature(feature, some, spec.time_zone)
                for feature, some in zip(spec.features, kept, strict=True)
            ]
    persons = sorted(rows)[: spec.limit]
    columns = [[rows[person][n] for person in persons] for n in range(len(spec.features))]
    return Features(persons, columns)


def _feature(feature: Feature, kept: list[Seen], time_zone: str) -> int | None:
    match feature.kind:
        case "count":
            return len(kept)
        case "sum":
            found = [value_of(event, feature.prop) for event in kept]
            return sum(value for value in found if isinstance(value, int))
        case "days":
            return len({business_day(from_us(event.at_us), time_zone) for event in kept})
    if not kept:
        return None
    return kept[0].at_us if feature.kind == "first" else kept[-1].at_us


def first_of(day: date, grain: str) -> date:
    """The first day of the day, week or month."""
    if grain == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday() if grain == "week" else 0)


def cell_of(day: date, grain: str) -> int:
    if grain == "month":
        return day.year * 12 + day.month
    return first_of(day, grain).toordinal() // (7 if grain == "week" else 1)


def retention(spec: RetentionSpec, events: list[Seen]) -> Retention:
    cohorts: dict[date, list[list[int]]] = defaultdict(list)
    for own in by_person(scope(spec, events)).values():
        births = [event for event in own if matches(event, spec.birth)]
        if not births:
            continue
        born = business_day(from_us(births[0].at_us), spec.time_zone)
        if not spec.first_day <= born <= spec.last_day:
            continue
        cell = cell_of(born, spec.grain)
        cells = {
            cell_of(business_day(from_us(event.at_us), spec.time_zone), spec.grain) - cell
            for event in own
            if matches(event, spec.back)
        }
        cohorts[first_of(born, spec.grain)].append(
            [
                int(any(1 <= after <= n for after in cells) if spec.within else n in cells)
                for n in spec.periods
            ]
        )
    return Retention(
        [Cohort(on, len(rows), [sum(cell) for cell in zip(*rows, strict=True)])
         for on, rows in sorted(cohorts.items())]
    )  # fmt: skip


def _kept(measure: Measure, own: list[Seen]) -> list[Seen]:
    """The events of one person that a special measure counts."""
    own = [event for event in own if matches(event, measure.step)]
    if measure.count == Count.NEWCOMERS:
        return own[:1]
    if measure.count == Count.REPEATERS:
        return own[1:]
    starts = []
    for n, event in enumerate(own):
        begins = n == 0 or event.at_us - own[n - 1].at_us > PAUSE_US
        ends = n == len(own) - 1 or own[n + 1].at_us - event.at_us > PAUSE_US
        if begins and (ends or measure.count == Count.VISITS):
            starts.append(event)
    return starts


def series(spec: SeriesSpec, events: list[Seen]) -> list[Series]:
    kept = scope(spec, events)
    return [_span(spec, since, until, kept) for since, until in spec.spans]


def _span(spec: SeriesSpec, since: datetime, until: datetime, events: list[Seen]) -> Series:
    first = business_day(since, spec.time_zone)
    last = business_day(until - timedelta(microseconds=1), spec.time_zone)
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]

    def day_of(event: Seen) -> date:
        return business_day(from_us(event.at_us), spec.time_zone)

    def inside(of: list[Seen]) -> list[Seen]:
        return [event for event in of if to_us(since) <= event.at_us < to_us(until)]

    values, totals = [], []
    for measure in spec.measures:
        if measure.count in (Count.EVENTS, Count.PERSONS, Count.AMOUNT):
            kept = [event for event in events if matches(event, measure.step)]
        else:
            kept = [e for own in by_person(events).values() for e in _kept(measure, own)]
        kept = inside(kept)
        also = inside([e for e in events if measure.also and matches(e, measure.also)])
        values.append(
            [
                _worth(
                    measure,
                    [event for event in kept if day_of(event) == day],
                    [event for event in also if day_of(event) == day],
                )
                for day in days
            ]
        )
        totals.append(_worth(measure, kept, also))
    return Series(days, values, totals)


def _worth(measure: Measure, kept: list[Seen], also: list[Seen]) -> int:
    if measure.count == Count.AMOUNT:
        return sum(event.amount_fen for event in kept)
    if measure.count not in (Count.PERSONS, Count.REPEATERS):
        return len(kept)
    persons = {event.person for event in kept if event.person > 0}
    if measure.also is not None:
        persons &= {event.person for event in also}
    return len(persons)
