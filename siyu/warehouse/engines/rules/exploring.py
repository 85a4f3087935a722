"""Paths, distributions, compositions, heat, the last minutes and single events as SQL."""

from siyu.warehouse.compaction.service import quoted
from siyu.warehouse.engines.rules.conditions import (
    Ground,
    column_sql,
    condition_sql,
    integer_sql,
    named_sql,
    source_sql,
    step_sql,
    text_sql,
)
from siyu.warehouse.engines.rules.moments import cell_sql, local_day_sql, span_us, to_us
from siyu.warehouse.query.contracts import (
    Count,
    HeatSpec,
    ListSpec,
    LiveSpec,
    PathSpec,
    ShareSpec,
    SpreadSpec,
    Step,
    ValuesSpec,
    Where,
)

MINUTE_US = 60_000_000


def _between(since: int, until: int) -> str:
    return f"at_us >= {since} and at_us < {until}"


def _inside(spec: HeatSpec | ListSpec | PathSpec | ShareSpec | SpreadSpec | ValuesSpec) -> str:
    return _between(to_us(spec.since), to_us(spec.until))


def _step(step: Step | None, ground: Ground) -> str:
    return "true" if step is None else step_sql(step, ground)


def path_sql(spec: PathSpec, ground: Ground) -> str:
    """Rows (level, place, next place, visits); text null: the others. Next place "" with a null
    `leads`: where visits ended. Columns: level, known, text, leads, next known, next text, visits.
    """
    starts, along = step_sql(spec.start, ground), step_sql(spec.along, ground)
    own = "partition by person_no order by at_us, event_no"
    forward = spec.direction == "next"
    level = "run - origin" if forward else "origin - run"
    return f"""
      with seen as (
        select person_no, at_us, event_no, {column_sql(spec.of)} as place, {starts} as starts
        from {source_sql(spec, ground)}
        where person_no > 0 and {_inside(spec)} and ({starts} or {along})),
      marked as (
        select *, coalesce(at_us - lag(at_us) over own > {span_us(spec.pause)}, true) as begins,
          lag(place) over own is distinct from place as moves
        from seen window own as ({own})),
      numbered as (
        select person_no, place, starts,
          sum(begins::int) over steady as visit, sum((begins or moves)::int) over steady as run
        from marked window steady as ({own} rows unbounded preceding)),
      runs as (
        select person_no, visit, run, any_value(place) as place, bool_or(starts) as starts
        from numbered group by all),
      found as (
        select person_no, visit, run, place,
          {"min" if forward else "max"}(run) filter (starts)
            over (partition by person_no, visit) as origin
        from runs),
      steps as (
        select person_no, visit, {level} as level, place from found
        where {level} between 0 and {spec.length}),
      sizes as (select level, place, count(*) as visits from steps group by all),
      ranked as (
        select level, place, row_number() over (
          partition by level order by visits desc, {named_sql(spec.of, "place")}) as rank
        from sizes),
      shown as (
        select s.person_no, s.visit, s.level, r.rank <= {spec.top} as known,
          case when r.rank <= {spec.top} then s.place end as place
        from steps s join ranked r on r.level = s.level and r.place = s.place),
      led as (
        select level, known, place, lead(known) over later as next_known,
          lead(place) over later as next_place
        from shown window later as (partition by person_no, visit order by level)),
      counted as (
        select level, known, place, next_known, next_place, count(*) as visits
        from led group by all)
      select level, case when known then {named_sql(spec.of, "place")} end,
        next_known is not null, case when next_known then {named_sql(spec.of, "next_place")} end,
        visits
      from counted"""


def spread_sql(spec: SpreadSpec, ground: Ground) -> str:
    """One row: size, sum, least, median, most, then the count of each bucket."""
    matches = f"{_inside(spec)} and {step_sql(spec.step, ground)}"
    value = "count(*)" if spec.prop is None else integer_sql(spec.prop)
    if spec.per == "person":
        worth = value if spec.prop is None else f"coalesce(sum({value}), 0)::bigint"
        rows = f"""select {worth} as v from {source_sql(spec, ground)}
                   where person_no > 0 and {matches} group by person_no"""
    else:
        rows = f"""select {value} as v from {source_sql(spec, ground)}
                   where {matches} and {value} is not null"""
    buckets = [
        f"count(*) filter ({' and '.join(filter(None, (low, high)))})"
        for low, high in zip(
            ["", *(f"v >= {edge}" for edge in spec.edges)],
            [*(f"v < {edge}" for edge in spec.edges), ""],
            strict=True,
        )
    ]
    return f"""
      select count(*), coalesce(sum(v), 0), min(v), quantile_disc(v, 0.5), max(v),
        {", ".join(buckets)} from ({rows})"""


def share_sql(spec: ShareSpec, ground: Ground) -> str:
    """Rows (value, or null for all others; period or null for the whole; figure)."""
    since, until = to_us(spec.since), to_us(spec.until)
    day = local_day_sql(since, until, spec.time_zone)
    period = cell_sql(day, spec.grain)
    figure = {
        Count.EVENTS: "count(*)",
        Count.PERSONS: "count(distinct person_no) filter (person_no > 0)",
        Count.AMOUNT: "sum(amount_fen)",
    }[spec.count]
    summed = "sum(v)" if spec.count != Count.PERSONS else figure
    inner, group = (f"{figure} as v", "value, period")
    if spec.count == Count.PERSONS:
        inner, group = "person_no", "value, period, person_no"
    return f"""
      with seen as (
        select value, period, {inner} from (
          select {text_sql(spec.prop)} as value, {period} as period, person_no
            {", amount_fen" if spec.count == Count.AMOUNT else ""}
          from {source_sql(spec, ground)}
          where {_inside(spec)} and {step_sql(spec.step, ground)}) group by {group}),
      named as (
        select value, {named_sql(spec.prop, "value")} as text, row_number() over (
          order by figure desc, {named_sql(spec.prop, "value")}) as rank
        from (select value, {summed} as figure from seen group by value)),
      shown as (
        select s.*, case when rank <= {spec.top} then text end as shown
        from seen s join named n on n.value = s.value)
      select shown, period, {summed} from shown group by shown, period
      union all select shown, null, {summed} from shown group by shown"""


def heat_sql(spec: HeatSpec, ground: Ground) -> str:
    """Rows (page, zone, clicks, clickers, dwell, dwellers)."""
    clicks, dwells = step_sql(spec.clicks, ground), step_sql(spec.dwell, ground)
    time = integer_sql(spec.dwell_prop)
    pages = "true"
    if spec.pages:
        pages = condition_sql(Where("page", "in", spec.pages), ground.codes)
    return f"""
      with seen as (
        select page_id, {text_sql(spec.zone)} as zone, person_no,
          count(*) filter ({clicks}) as clicks, count({time}) filter ({dwells}) as dwells,
          coalesce(sum({time}) filter ({dwells}), 0) as dwell
        from {source_sql(spec, ground)}
        where {_inside(spec)} and ({clicks} or {dwells}) and {pages} group by all),
      cells as (
        select page_id, zone, sum(clicks) as clicks,
          count(*) filter (clicks > 0 and person_no > 0) as clickers, sum(dwell) as dwell,
          sum(dwells) as dwells,
          count(*) filter (dwells > 0 and person_no > 0) as dwellers
        from seen group by all)
      select {named_sql("page", "page_id")} as page, zone, clicks, clickers, dwell, dwellers
      from cells where clicks > 0 or dwells > 0
      order by clicks desc, dwell desc, page, zone limit {spec.limit}"""


def live_sql(spec: LiveSpec, ground: Ground) -> str:
    """Rows (kind, key, figure, persons): "minute" and its number, "all", "page", "name"."""
    until = to_us(spec.until)
    since = until - spec.minutes * MINUTE_US
    persons = "count(distinct person_no) filter (person_no > 0)"

    def top(prop: str, figure: str) -> str:
        return f"""select * from (select '{prop}', {named_sql(prop, f"{prop}_id")} as text,
          {figure} as figure, 0 from seen group by {prop}_id
          order by figure desc, text limit {spec.top})"""

    return f"""
      with seen as (
        select (at_us - {since}) // {MINUTE_US} as minute, person_no, page_id, name_id
        from {source_sql(spec, ground)}
        where {_between(since, until)} and {step_sql(spec.step, ground)})
      select 'minute', cast(minute as varchar), count(*), {persons} from seen group by minute
      union all select 'all', '', count(*), {persons} from seen
      union all {top("page", persons)} union all {top("name", "count(*)")}"""


def list_sql(spec: ListSpec, ground: Ground) -> str:
    """Rows in the fields of EventRow; zone and dwell_ms, which are columns, before props."""
    before = "true"
    if spec.before is not None:
        at_us, number = spec.before
        before = f"(at_us < {at_us} or (at_us = {at_us} and event_no < {number}))"
    return f"""
      select at_us, event_no, person_no, {named_sql("name", "name_id")},
        {named_sql("channel", "channel_id")}, {named_sql("page", "page_id")}, item_no, amount_fen,
        zone, dwell_ms, props
      from (select * from {source_sql(spec, ground)}
            where {_inside(spec)} and {_step(spec.step, ground)} and {before}
            order by at_us desc, event_no desc limit {spec.limit})
      order by at_us desc, event_no desc"""


def values_sql(spec: ValuesSpec, ground: Ground) -> str:
    """Rows (value, events)."""
    contains = ""
    if spec.contains:
        contains = f"where contains(lower(text), lower({quoted(spec.contains)}))"
    column = column_sql(spec.prop)
    return f"""
      select text, events from (
        select {named_sql(spec.prop, "value")} as text, events from (
          select cast({column} as varchar) as value, count(*) as events
          from {source_sql(spec, ground)}
          where {_inside(spec)} and {_step(spec.step, ground)} and {column} is not null
          group by value))
      {contains} order by events desc, text limit {spec.limit}"""
