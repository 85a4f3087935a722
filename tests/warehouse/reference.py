"""The meaning of the specs in plain Python, event by event: what every engine must give."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import msgspec

from siyu.kernel.clock import business_day
from siyu.warehouse.engines.contracts import Cohort, Funnel, Retention, Series
from siyu.warehouse.engines.rules import from_us, to_us
from siyu.warehouse.query.contracts import (
    Count,
    FunnelSpec,
    Measure,
    RetentionSpec,
    SeriesSpec,
    Step,
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
    props: dict[str, Any] | None


def value_of(event: Seen, prop: str) -> Any:
    if prop in ("channel", "page", "item_no", "amount_fen"):
        return getattr(event, prop)
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


def matches(event: Seen, step: Step) -> bool:
    return event.name in step.names and all(fulfils(event, where) for where in step.where)


def by_person(events: Iterable[Seen]) -> dict[int, list[Seen]]:
    found: dict[int, list[Seen]] = defaultdict(list)
    for event in sorted(events, key=lambda event: (event.at_us, event.number)):
        if event.person > 0:
            found[event.person].append(event)
    return found


def funnel(spec: FunnelSpec, events: list[Seen]) -> Funnel:
    size, since, until = len(spec.steps), to_us(spec.since), to_us(spec.until)
    window = spec.window // timedelta(microseconds=1)
    persons, by = [0] * size, defaultdict(lambda: [0] * size)
    for own in by_person(events).values():
        starts: list[Seen | None] = [None] * size
        far, chain = 0, None
        for event in own:
            for k in reversed(range(size)):
                if not matches(event, spec.steps[k]):
                    continue
                if k == 0:
                    start = event if since <= event.at_us < until else None
                else:
                    start = starts[k - 1]
                    if start is not None and event.at_us - start.at_us > window:
                        start = None
                if start is not None:
                    starts[k] = start
                    if k + 1 > far:
                        far, chain = k + 1, start
        for k in range(far):
            persons[k] += 1
            if spec.by is not None:
                value = value_of(chain, spec.by)
                by["" if value is None else str(value)][k] += 1
    return Funnel(persons, dict(by))


def retention(spec: RetentionSpec, events: list[Seen]) -> Retention:
    cohorts: dict[date, list[list[int]]] = defaultdict(list)
    for own in by_person(events).values():
        births = [event for event in own if matches(event, spec.birth)]
        if not births:
            continue
        born = business_day(from_us(births[0].at_us), spec.time_zone)
        if not spec.first_day <= born <= spec.last_day:
            continue
        days = {
            (business_day(from_us(event.at_us), spec.time_zone) - born).days
            for event in own
            if matches(event, spec.back)
        }
        cohorts[born].append(
            [
                int(any(1 <= day <= n for day in days) if spec.within else n in days)
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
    return [_span(spec, since, until, events) for since, until in spec.spans]


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
