"""What DuckDB finds, as answers."""

from array import array
from bisect import bisect_right
from collections import defaultdict
from datetime import datetime
from typing import Any

import msgspec

from siyu.warehouse.engines import rules
from siyu.warehouse.engines.contracts import (
    WAIT_EDGES_S,
    Cohort,
    EventRow,
    Features,
    Funnel,
    Heat,
    HeatCell,
    Link,
    Live,
    Part,
    Paths,
    Persons,
    Place,
    Retention,
    Series,
    Share,
    Spread,
    Trial,
    TrialCell,
    TrialSums,
    Wait,
)
from siyu.warehouse.engines.rules import Ground
from siyu.warehouse.engines.service import kernels
from siyu.warehouse.engines.service.duck import Question
from siyu.warehouse.query.contracts import (
    FeatureSpec,
    FunnelSpec,
    HeatSpec,
    LastSpec,
    ListSpec,
    LiveSpec,
    PathSpec,
    PersonsOf,
    RetentionSpec,
    SeriesSpec,
    ShareSpec,
    SpreadSpec,
    TrialSpec,
    ValuesSpec,
)


def funnel(question: Question, spec: FunnelSpec, ground: Ground) -> Funnel:
    """How many went how far."""
    size = len(spec.steps)
    persons = [0] * size
    by: dict[str, list[int]] = defaultdict(lambda: [0] * size)
    texts: dict[str, str] = {}
    if spec.by in ("channel", "page"):
        texts = {str(number): text for text, number in ground.codes[spec.by].items()}
    if kernels.can_answer(spec):
        rows, waits = kernels.funnel(question, spec, ground)
    else:
        rows = question.rows(rules.funnel_sql(spec, ground))
        waits = _waits(question, spec, ground) if spec.times else []
    for value, far, count in rows:
        for step in range(far):
            persons[step] += count
            if spec.by is not None:
                by[texts.get(value, value)][step] += count
    return Funnel(persons, dict(by), waits)


def _waits(question: Question, spec: FunnelSpec, ground: Ground) -> list[Wait]:
    waits = [Wait(None, [0] * (len(WAIT_EDGES_S) + 1)) for _ in spec.steps[1:]]
    for far, median, *counts in question.rows(rules.waits_sql(spec, ground)):
        waits[far - 2] = Wait(median, counts)
    return waits


def retention(question: Question, spec: RetentionSpec, ground: Ground) -> Retention:
    """Who came back."""
    if kernels.can_answer(spec):
        rows = kernels.retention(question, spec, ground)
    else:
        rows = question.rows(rules.retention_sql(spec, ground))
    return Retention(
        [Cohort(rules.cell_start(cell, spec.grain), size, list(back)) for cell, size, *back in rows]
    )


def series(question: Question, spec: SeriesSpec, ground: Ground) -> list[Series]:
    """Figures over days."""
    found = [_empty(since, until, spec) for since, until in spec.spans]
    firsts = [rules.day_number(series.days[0]) for series in found]
    hard = kernels.hard_measures(spec)
    groups: dict[Any, list[int]] = defaultdict(list)
    for n, measure in enumerate(spec.measures):
        if measure not in hard:
            groups["kernel"].append(n)
            continue
        plain, ordinal = measure.count in rules.PLAIN, measure.count in rules.ORDINAL
        groups["plain" if plain else (ordinal, measure.step)].append(n)
    for kind, numbers in groups.items():
        measures = [spec.measures[n] for n in numbers]
        if kind == "kernel":
            rows = kernels.series(question, spec, measures, ground)
        else:
            lower = rules.plain_sql if kind == "plain" else rules.special_sql
            rows = question.rows(lower(spec, measures, ground))
        for span, day, *values in rows:
            for n, value in zip(numbers, values, strict=True):
                if day is None:
                    found[span].totals[n] = int(value)
                else:
                    found[span].values[n][day - firsts[span]] = int(value)
    return found


def _empty(since: datetime, until: datetime, spec: SeriesSpec) -> Series:
    first, last = rules.days_of(since, until, spec.time_zone)
    days = [rules.day_of(day) for day in range(first, last + 1)]
    return Series(days, [[0] * len(days) for _ in spec.measures], [0] * len(spec.measures))


def last(question: Question, spec: LastSpec, ground: Ground) -> int | None:
    """When the last event was."""
    [[at_us]] = question.rows(rules.last_sql(spec, ground))
    found: int | None = at_us
    return found


def trial(question: Question, spec: TrialSpec, ground: Ground) -> Trial:
    """What the arms did."""
    cells, crossed = [], 0
    size = len(TrialSums.__struct_fields__)
    for arm, day, persons, done, w, *sums in question.rows(rules.trial_sql(spec, ground)):
        if arm is None:
            crossed = persons
            continue
        whole = [int(value or 0) for value in sums]
        outcomes = [TrialSums(*whole[at : at + size]) for at in range(0, len(whole), size)]
        cells.append(TrialCell(arm, rules.day_of(day), persons, done, int(w or 0), outcomes))
    return Trial(cells, crossed)


def persons(question: Question, spec: PersonsOf, ground: Ground) -> Persons:
    """Who fits."""
    if kernels.can_answer(spec):
        found = array("q")
        found.frombytes(ground.people[spec.segment])
        begin = bisect_right(found, spec.after)
        return Persons(len(found), list(found[begin : begin + spec.limit]))
    table = ground.tables[spec.segment]
    [[size]] = question.rows(f"select count(*) from {table}")
    later = f"select person_no from {table} where person_no > {spec.after}"
    numbers = question.rows(f"{later} order by 1 limit {spec.limit}")
    return Persons(size, [number for (number,) in numbers])


def features(question: Question, spec: FeatureSpec, ground: Ground) -> Features:
    """Figures per person."""
    if kernels.can_answer(spec):
        return kernels.features(question, spec, ground)
    rows = question.rows(rules.feature_sql(spec, ground))
    values = [
        [None if value is None else int(value) for value in column]
        for column in zip(*(row[1:] for row in rows), strict=True)
    ]
    return Features([row[0] for row in rows], values or [[] for _ in spec.features])


def paths(question: Question, spec: PathSpec, ground: Ground) -> Paths:
    """Where visits went."""
    levels: list[dict[str | None, int]] = [defaultdict(int) for _ in range(spec.length + 1)]
    known: dict[tuple[int, str | None, str | None], int] = defaultdict(int)
    if kernels.can_answer(spec):
        rows = kernels.paths(question, spec, ground)
    else:
        rows = question.rows(rules.path_sql(spec, ground))
    for level, source, leads, target, visits in rows:
        levels[level][source] += visits
        if leads:
            known[level, source, target] += visits
    links = [Link(*place, visits) for place, visits in known.items()]
    return Paths(
        [[Place(*item) for item in sorted(level.items(), key=_rank)] for level in levels],
        sorted(
            links,
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


def _rank(item: tuple[str | None, int]) -> tuple[bool, int, str]:
    return item[0] is None, -item[1], item[0] or ""


def spread(question: Question, spec: SpreadSpec, ground: Ground) -> Spread:
    """How a quantity is spread."""
    [[size, total, least, median, most, *counts]] = question.rows(rules.spread_sql(spec, ground))
    return Spread(counts, size, int(total), least, median, most)


def share(question: Question, spec: ShareSpec, ground: Ground) -> Share:
    """What a figure is made of."""
    first, last = rules.days_of(spec.since, spec.until, spec.time_zone)
    days = [rules.day_of(day) for day in range(first, last + 1)]
    places = {
        cell: n for n, cell in enumerate(sorted({rules.cell_of(d, spec.grain) for d in days}))
    }
    periods = [rules.cell_start(cell, spec.grain) for cell in places]
    totals: dict[str | None, int] = defaultdict(int)
    values: dict[str | None, list[int]] = defaultdict(lambda: [0] * len(periods))
    for value, period, figure in question.rows(rules.share_sql(spec, ground)):
        if period is None:
            totals[value] = int(figure)
        else:
            values[value][places[period]] = int(figure)
    ranked = sorted(totals.items(), key=_rank)
    return Share(periods, [Part(value, total, values[value]) for value, total in ranked])


def heat(question: Question, spec: HeatSpec, ground: Ground) -> Heat:
    """Clicks and dwell by zone."""
    rows = question.rows(rules.heat_sql(spec, ground))
    return Heat([HeatCell(page, zone, *map(int, more)) for page, zone, *more in rows])


def live(question: Question, spec: LiveSpec, ground: Ground) -> Live:
    """The last minutes."""
    events, visitors = [0] * spec.minutes, [0] * spec.minutes
    everybody = 0
    tops: dict[str, list[tuple[str, int]]] = {"page": [], "name": []}
    for kind, key, figure, count in question.rows(rules.live_sql(spec, ground)):
        if kind == "minute":
            events[int(key)], visitors[int(key)] = figure, count
        elif kind == "all":
            everybody = count
        else:
            tops[kind].append((key, figure))
    for top in tops.values():
        top.sort(key=_rank)
    return Live(events, visitors, everybody, tops["page"], tops["name"])


def listed(question: Question, spec: ListSpec, ground: Ground) -> list[EventRow]:
    """Single events."""
    found = []
    names = EventRow.__struct_fields__
    for *fields, zone, dwell_ms, text in question.rows(rules.list_sql(spec, ground)):
        props: dict[str, Any] = msgspec.json.decode(text) if text else {}
        props |= {"zone": zone} if zone else {}
        props |= {"dwell_ms": dwell_ms} if dwell_ms else {}
        found.append(EventRow(**dict(zip(names, [*fields, props], strict=True))))
    return found


def values(question: Question, spec: ValuesSpec, ground: Ground) -> list[tuple[str, int]]:
    """What values there are."""
    return [(value, count) for value, count in question.rows(rules.values_sql(spec, ground))]
