"""The meaning of the exploring specs in plain Python, event by event."""

from collections import Counter, defaultdict
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

from siyu.kernel.clock import business_day
from siyu.warehouse.engines.contracts import (
    EventRow,
    Heat,
    HeatCell,
    Link,
    Live,
    Part,
    Paths,
    Place,
    Share,
    Spread,
)
from siyu.warehouse.engines.rules import from_us, to_us
from siyu.warehouse.query.contracts import (
    Count,
    HeatSpec,
    ListSpec,
    LiveSpec,
    PathSpec,
    ShareSpec,
    SpreadSpec,
    ValuesSpec,
)
from tests.warehouse.reference import Seen, by_person, first_of, matches, median, scope, value_of


def inside(spec: Any, events: list[Seen]) -> list[Seen]:
    since, until = to_us(spec.since), to_us(spec.until)
    return [event for event in scope(spec, events) if since <= event.at_us < until]


def text_of(event: Seen, prop: str) -> str:
    value = value_of(event, prop)
    return "" if value is None else str(value)


def _visits(spec: PathSpec, own: list[Seen]) -> list[list[Seen]]:
    visits: list[list[Seen]] = []
    for event in own:
        pause = spec.pause // timedelta(microseconds=1)
        if not visits or event.at_us - visits[-1][-1].at_us > pause:
            visits.append([])
        visits[-1].append(event)
    return visits


def _walk(spec: PathSpec, visit: list[Seen]) -> list[str]:
    """The places of a visit from its start on; empty without a start."""
    if spec.direction == "previous":
        visit = visit[::-1]
    first = next((n for n, event in enumerate(visit) if matches(event, spec.start)), None)
    if first is None:
        return []
    places: list[str] = []
    for event in visit[first:]:
        place = getattr(event, spec.of)
        if not places or places[-1] != place:
            places.append(place)
    return places[: spec.length + 1]


def paths(spec: PathSpec, events: list[Seen]) -> Paths:
    kept = [e for e in inside(spec, events) if matches(e, spec.start) or matches(e, spec.along)]
    walks = [_walk(spec, visit) for own in by_person(kept).values() for visit in _visits(spec, own)]
    levels, shown = [], []
    for level in range(spec.length + 1):
        visits = Counter(walk[level] for walk in walks if len(walk) > level)
        ranked = sorted(visits.items(), key=lambda item: (-item[1], item[0]))
        known = [Place(*item) for item in ranked[: spec.top]]
        others = sum(count for _, count in ranked[spec.top :])
        levels.append(known + ([Place(None, others)] if others else []))
        shown.append({place.text for place in known})
    links: Counter[tuple[int, str | None, str | None]] = Counter()
    for walk in walks:
        named = [place if place in shown[n] else None for n, place in enumerate(walk)]
        links.update((n, one, other) for n, (one, other) in enumerate(pairwise(named)))
    return Paths(
        levels,
        sorted(
            (Link(*place, visits) for place, visits in links.items()),
            key=lambda link: (
                link.level,
                -link.visits,
                link.source is None,
                link.source or "",
                link.target is None,
                link.target or "",
            ),
        ),
    )


def spread(spec: SpreadSpec, events: list[Seen]) -> Spread:
    kept = [event for event in inside(spec, events) if matches(event, spec.step)]
    if spec.per == "event":
        values = [value_of(event, spec.prop) for event in kept]
    elif spec.prop is None:
        values = [len(own) for own in by_person(kept).values()]
    else:
        values = [
            sum(value_of(event, spec.prop) or 0 for event in own)
            for own in by_person(kept).values()
        ]
    values = [value for value in values if value is not None]
    counts = [0] * (len(spec.edges) + 1)
    for value in values:
        counts[sum(value >= edge for edge in spec.edges)] += 1
    least, most = (min(values), max(values)) if values else (None, None)
    return Spread(counts, len(values), sum(values), least, median(values), most)


def _figure(count: Count, kept: list[Seen]) -> int:
    match count:
        case Count.EVENTS:
            return len(kept)
        case Count.PERSONS:
            return len({event.person for event in kept if event.person > 0})
    return sum(event.amount_fen for event in kept)


def share(spec: ShareSpec, events: list[Seen]) -> Share:
    kept = [event for event in inside(spec, events) if matches(event, spec.step)]
    day = business_day(spec.since, spec.time_zone)
    end = business_day(spec.until - timedelta(microseconds=1), spec.time_zone)
    periods: list[date] = []
    while day <= end:
        if first_of(day, spec.grain) not in periods:
            periods.append(first_of(day, spec.grain))
        day += timedelta(days=1)
    groups: dict[str, list[Seen]] = defaultdict(list)
    for event in kept:
        groups[text_of(event, spec.prop)].append(event)
    ranked = sorted(groups, key=lambda value: (-_figure(spec.count, groups[value]), value))
    parts: list[tuple[str | None, list[Seen]]] = [
        (value, groups[value]) for value in ranked[: spec.top]
    ]
    if ranked[spec.top :]:
        parts.append((None, [event for value in ranked[spec.top :] for event in groups[value]]))

    def split(some: list[Seen]) -> list[int]:
        cells: dict[date, list[Seen]] = defaultdict(list)
        for event in some:
            on = business_day(from_us(event.at_us), spec.time_zone)
            cells[first_of(on, spec.grain)].append(event)
        return [_figure(spec.count, cells[period]) for period in periods]

    return Share(
        periods, [Part(value, _figure(spec.count, some), split(some)) for value, some in parts]
    )


def heat(spec: HeatSpec, events: list[Seen]) -> Heat:
    cells: dict[tuple[str, str], list[list[Seen]]] = defaultdict(lambda: [[], []])
    for event in inside(spec, events):
        if spec.pages and event.page not in spec.pages:
            continue
        place = event.page, text_of(event, spec.zone)
        if matches(event, spec.clicks):
            cells[place][0].append(event)
        if matches(event, spec.dwell) and value_of(event, spec.dwell_prop) is not None:
            cells[place][1].append(event)
    found = [
        HeatCell(
            *place,
            len(clicks),
            _figure(Count.PERSONS, clicks),
            sum(value_of(event, spec.dwell_prop) for event in dwells),
            _figure(Count.PERSONS, dwells),
        )
        for place, (clicks, dwells) in cells.items()
    ]
    found.sort(key=lambda cell: (-cell.clicks, -cell.dwell, cell.page, cell.zone))
    return Heat(found[: spec.limit])


def live(spec: LiveSpec, events: list[Seen]) -> Live:
    until = to_us(spec.until)
    since = until - spec.minutes * 60_000_000
    kept = [
        event
        for event in scope(spec, events)
        if since <= event.at_us < until and matches(event, spec.step)
    ]
    minutes: list[list[Seen]] = [[] for _ in range(spec.minutes)]
    for event in kept:
        minutes[(event.at_us - since) // 60_000_000].append(event)

    def top(prop: str, count: Count) -> list[tuple[str, int]]:
        groups: dict[str, list[Seen]] = defaultdict(list)
        for event in kept:
            groups[getattr(event, prop)].append(event)
        ranked = [(text, _figure(count, some)) for text, some in groups.items()]
        return sorted(ranked, key=lambda item: (-item[1], item[0]))[: spec.top]

    return Live(
        [len(some) for some in minutes],
        [_figure(Count.PERSONS, some) for some in minutes],
        _figure(Count.PERSONS, kept),
        top("page", Count.PERSONS),
        top("name", Count.EVENTS),
    )


def listed(spec: ListSpec, events: list[Seen]) -> list[EventRow]:
    kept = [
        event
        for event in inside(spec, events)
        if (spec.step is None or matches(event, spec.step))
        and (spec.before is None or (event.at_us, event.number) < spec.before)
    ]
    kept.sort(key=lambda event: (event.at_us, event.number), reverse=True)
    return [
        EventRow(
            at_us=event.at_us,
            event_no=event.number,
            person_no=event.person,
            name=event.name,
            channel=event.channel,
            page=event.page,
            item_no=event.item_no,
            amount_fen=event.amount_fen,
            props=(event.props or {})
            | ({"zone": event.zone} if event.zone else {})
            | ({"dwell_ms": event.dwell_ms} if event.dwell_ms else {}),
        )
        for event in kept[: spec.limit]
    ]


def values(spec: ValuesSpec, events: list[Seen]) -> list[tuple[str, int]]:
    found = Counter(
        str(value_of(event, spec.prop))
        for event in inside(spec, events)
        if (spec.step is None or matches(event, spec.step))
        and value_of(event, spec.prop) is not None
    )
    kept = [item for item in found.items() if spec.contains.lower() in item[0].lower()]
    return sorted(kept, key=lambda item: (-item[1], item[0]))[: spec.limit]
