"""Retention, figures over days, the last event, as SQL."""

from collections.abc import Sequence
from zoneinfo import ZoneInfo

from siyu.warehouse.engines.rules.conditions import (
    PAUSE_US,
    Ground,
    reach_days,
    source_sql,
    step_sql,
)
from siyu.warehouse.engines.rules.moments import (
    DAY_US,
    cell_sql,
    day_number,
    local_day_sql,
    offset_changes,
    to_us,
)
from siyu.warehouse.query.contracts import Count, LastSpec, Measure, RetentionSpec, SeriesSpec

PLAIN = (Count.EVENTS, Count.PERSONS, Count.AMOUNT)
ORDINAL = (Count.NEWCOMERS, Count.REPEATERS)
"""Measures that ask whether an event was a person's first ever."""


def retention_offsets(spec: RetentionSpec) -> list[tuple[int, int]]:
    """How far local time is ahead of UTC, from when on; both in microseconds."""
    since = (day_number(spec.first_day) - 2) * DAY_US
    until = (day_number(spec.last_day) + reach_days(spec) + 3) * DAY_US
    return list(offset_changes(since, until, ZoneInfo(spec.time_zone)))


def retention_sql(spec: RetentionSpec, ground: Ground) -> str:
    """Rows (number of the cohort's day, week or month, persons, back in each of the periods)."""
    source = source_sql(spec, ground)
    first, last = day_number(spec.first_day), day_number(spec.last_day)
    reach = max(spec.periods)
    day = local_day_sql(
        (first - 2) * DAY_US, (last + reach_days(spec) + 3) * DAY_US, spec.time_zone
    )
    cells = ", ".join(
        f"count(*) filter (nearest <= {n})" if spec.within else f"count(*) filter (has{n})"
        for n in spec.periods
    )
    flags = ", ".join(
        f"coalesce(bool_or(d.cell - b.cell = {n}), false) as has{n}" for n in spec.periods
    )
    return f"""
      with births as (
        select person_no, {cell_sql("day", spec.grain)} as cell from (
          select person_no, {day.replace("at_us", "min(at_us)")} as day from {source}
          where person_no > 0 and {step_sql(spec.birth, ground)} group by person_no)
        where day between {first} and {last}),
      days as (
        select distinct person_no, {cell_sql("day", spec.grain)} as cell from (
          select person_no, {day} as day from {source}
          where person_no > 0 and at_us >= {(first - 2) * DAY_US}
            and {step_sql(spec.back, ground)})),
      persons as (
        select b.person_no, b.cell, min(d.cell - b.cell) filter (d.cell > b.cell) as nearest,
          {flags}
        from births b left join days d on d.person_no = b.person_no
          and d.cell > b.cell and d.cell <= b.cell + {reach}
        group by b.person_no, b.cell)
      select cell, count(*), {cells} from persons group by cell order by cell"""


def last_sql(spec: LastSpec, ground: Ground) -> str:
    """One row: the last moment, or null."""
    matches = " or ".join(step_sql(step, ground) for step in spec.steps)
    return f"select max(at_us) from events where ({matches}) and at_us < {to_us(spec.until)}"


def spans_us(spec: SeriesSpec) -> list[tuple[int, int]]:
    """The spans in microseconds."""
    return [(to_us(since), to_us(until)) for since, until in spec.spans]


def series_offsets(spec: SeriesSpec) -> list[int]:
    """From when on local time is how far ahead of UTC, after each other; in microseconds."""
    spans = spans_us(spec)
    changes = offset_changes(min(spans)[0], max(spans)[1], ZoneInfo(spec.time_zone))
    return [part for change in changes for part in change]


def _cell_sql(spec: SeriesSpec) -> tuple[str, str]:
    """SQL for the number of the span that holds `at_us` (null: none), and for the business day."""
    spans = spans_us(spec)
    cases = " ".join(
        f"when at_us >= {since} and at_us < {until} then {n}"
        for n, (since, until) in enumerate(spans)
    )
    return f"case {cases} end", local_day_sql(min(spans)[0], max(spans)[1], spec.time_zone)


def plain_sql(spec: SeriesSpec, measures: Sequence[Measure], ground: Ground) -> str:
    """Rows (span, day number or null for the whole, a column per measure): PLAIN measures.

    First per day and person, then up: a person counts once in each sum.
    """
    source = source_sql(spec, ground)
    span, day = _cell_sql(spec)
    wanted: dict[str, None] = {}
    inner, middle, outer = [], [], []
    for n, measure in enumerate(measures):
        condition = step_sql(measure.step, ground)
        wanted |= {condition: None}
        value = "sum(amount_fen)" if measure.count == Count.AMOUNT else "count(*)"
        inner.append(f"{value} filter ({condition}) as v{n}")
        middle.append(f"sum(v{n}) as v{n}")
        counted = f"v{n} > 0 and person_no > 0"
        if measure.also is not None:
            also = step_sql(measure.also, ground)
            wanted |= {also: None}
            inner.append(f"bool_or({also}) as a{n}")
            middle.append(f"bool_or(a{n}) as a{n}")
            counted += f" and a{n}"
        persons = measure.count == Count.PERSONS
        outer.append(f"count(*) filter ({counted})" if persons else f"coalesce(sum(v{n}), 0)")
    columns = ", ".join(outer)
    return f"""
      with days as (
        select span, day, person_no, {", ".join(inner)}
        from (select *, {span} as span, {day} as day from {source})
        where ({" or ".join(wanted)}) and span is not null group by span, day, person_no),
      whole as (select span, person_no, {", ".join(middle)} from days group by span, person_no)
      select span, day, {columns} from days group by span, day
      union all select span, null, {columns} from whole group by span"""


_SPECIAL = {
    Count.NEWCOMERS: "count(*) filter (n = 1)",
    Count.REPEATERS: "count(distinct person_no) filter (n > 1)",
    Count.VISITS: "count(*)",
    Count.SINGLES: "count(*) filter (alone)",
}


def special_sql(spec: SeriesSpec, measures: Sequence[Measure], ground: Ground) -> str:
    """Rows as `plain_sql`, of measures that look beyond the event: all ORDINAL, or all visits.

    The measures have one step in common.
    """
    source = source_sql(spec, ground)
    span, day = _cell_sql(spec)
    spans = spans_us(spec)
    since, until = min(spans)[0], max(spans)[1]
    matching = f"person_no > 0 and {step_sql(measures[0].step, ground)}"
    order = "partition by person_no order by at_us, event_no"
    if measures[0].count in ORDINAL:
        marked = f"""select person_no, at_us, row_number() over ({order}) as n
                     from {source} where {matching} and at_us < {until}"""
        keep = "true"
    else:
        marked = f"""select person_no, at_us,
                       coalesce(at_us - lag(at_us) over own > {PAUSE_US}, true) as begins,
                       coalesce((lead(at_us) over own) - at_us > {PAUSE_US}, true) as alone
                     from {source} where {matching} and at_us >= {since - PAUSE_US}
                       and at_us < {until + PAUSE_US} window own as ({order})"""
        keep = "begins"
    columns = ", ".join(_SPECIAL[measure.count] for measure in measures)
    return f"""
      with marked as ({marked}),
      kept as (select * from (select *, {span} as span, {day} as day from marked)
               where {keep} and span is not null)
      select span, day, {columns} from kept group by span, day
      union all select span, null, {columns} from kept group by span"""
