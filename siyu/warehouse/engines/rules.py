"""Specs as portable SQL over a table `events` of one shop (person_no, at_us, event_no, name_id,
channel_id, item_no, amount_fen, page_id, props); all values come from validated specs.
"""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from siyu.warehouse.compaction.service import quoted
from siyu.warehouse.query.contracts import (
    COLUMN_PROPS,
    Count,
    FunnelSpec,
    LastSpec,
    Measure,
    Need,
    RetentionSpec,
    SeriesSpec,
    Spec,
    Step,
    Where,
)

Codes = dict[str, dict[str, int]]
DAY_US = 86_400_000_000
PAUSE_US = 1_800_000_000
"""A pause longer than this ends a visit."""
PLAIN = (Count.EVENTS, Count.PERSONS, Count.AMOUNT)
ORDINAL = (Count.NEWCOMERS, Count.REPEATERS)
"""Measures that ask whether an event was a person's first ever."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY = date(1970, 1, 1)
_COLUMNS = {
    "channel": "channel_id",
    "page": "page_id",
    "item_no": "item_no",
    "amount_fen": "amount_fen",
}
_COMPARE = {"eq": "=", "ge": ">=", "le": "<="}


def to_us(at: datetime) -> int:
    """UTC microseconds since 1970, exactly."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def from_us(at_us: int) -> datetime:
    """The moment of UTC microseconds."""
    return _EPOCH + timedelta(microseconds=at_us)


def day_number(on: date) -> int:
    """Days since 1970-01-01."""
    return (on - _FIRST_DAY).days


def day_of(number: int) -> date:
    """The date of a day number."""
    return _FIRST_DAY + timedelta(days=number)


def offset_us(at_us: int, zone: ZoneInfo) -> int:
    """How far local time is ahead of UTC at a moment."""
    offset = from_us(at_us).astimezone(zone).utcoffset()
    assert offset is not None
    return offset // timedelta(microseconds=1)


def offset_changes(since_us: int, until_us: int, zone: ZoneInfo) -> Iterator[tuple[int, int]]:
    """(from when, offset) for every stretch of constant offset in [since, until], in order."""
    at, offset = since_us, offset_us(since_us, zone)
    yield at, offset
    while at < until_us:
        step = min(at + DAY_US // 4, until_us)
        if offset_us(step, zone) != offset:
            low, high = at, step
            while high - low > 1:
                middle = (low + high) // 2
                low, high = (middle, high) if offset_us(middle, zone) == offset else (low, middle)
            offset = offset_us(high, zone)
            yield high, offset
            step = high
        at = step


def local_day_sql(since_us: int, until_us: int, time_zone: str) -> str:
    """SQL for the business day number of `at_us`, integers only; right in [since, until]."""
    changes = list(offset_changes(since_us, until_us, ZoneInfo(time_zone)))
    if len(changes) == 1:
        return f"((at_us + {changes[0][1]}) // {DAY_US})"
    later = " ".join(f"when at_us >= {at} then {offset}" for at, offset in reversed(changes[1:]))
    return f"((at_us + case {later} else {changes[0][1]} end) // {DAY_US})"


def _literal(value: int | str) -> str:
    return quoted(value) if isinstance(value, str) else str(value)


def condition_sql(where: Where, codes: Codes) -> str:
    """A condition as SQL; never null, false where the property is missing."""
    values = list(where.values)
    if where.prop in ("channel", "page"):
        column = f"{where.prop}_id"
        # An unknown text gets a number no row has.
        values = [codes[where.prop].get(str(value), -1) for value in values]
    elif where.prop in COLUMN_PROPS:
        column = where.prop
    else:
        column = f"json_extract_string(props, '$.\"{where.prop}\"')"
        if values and isinstance(values[0], int):
            column = f"try_cast({column} as bigint)"
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


def step_sql(step: Step, codes: Codes) -> str:
    """Whether an event matches a step."""
    ids = [codes["event_name"][name] for name in step.names if name in codes["event_name"]]
    if not ids:
        return "false"
    parts = [f"name_id in ({', '.join(map(str, ids))})"]
    return " and ".join(parts + [condition_sql(where, codes) for where in step.where])


def steps_of(spec: Spec) -> tuple[Step, ...]:
    """All steps a spec speaks of."""
    match spec:
        case FunnelSpec() | LastSpec():
            return spec.steps
        case RetentionSpec():
            return (spec.birth, spec.back)
        case SeriesSpec():
            return tuple(step for measure in spec.measures for step in measure.steps)


def columns_of(spec: Spec) -> set[str]:
    """Which columns of events a spec reads beyond person, time, number and name."""
    props = {where.prop for step in steps_of(spec) for where in step.where}
    if isinstance(spec, FunnelSpec) and spec.by is not None:
        props.add(spec.by)
    columns = {_COLUMNS.get(prop, "props") for prop in props}
    if isinstance(spec, SeriesSpec) and any(m.count == Count.AMOUNT for m in spec.measures):
        columns.add("amount_fen")
    return columns


def uses_texts(spec: Spec) -> bool:
    """Whether a spec speaks of pages or channels by text."""
    texts = ("page", "channel")
    by = isinstance(spec, FunnelSpec) and spec.by in texts
    return by or any(where.prop in texts for step in steps_of(spec) for where in step.where)


def needs_of(spec: Spec) -> list[Need]:
    """Which events a spec reads."""

    def need(steps: Sequence[Step], since_us: int, until_us: int, props: bool = False) -> Need:
        wheres = [where for step in steps for where in step.where]
        return Need(
            names=frozenset(name for step in steps for name in step.names),
            since_us=since_us,
            until_us=until_us,
            props=props or any(where.prop not in COLUMN_PROPS for where in wheres),
        )

    match spec:
        case FunnelSpec():
            by = spec.by is not None and spec.by not in COLUMN_PROPS
            return [need(spec.steps, to_us(spec.since), to_us(spec.until + spec.window), by)]
        case RetentionSpec():
            # Two days of grace on each side cover every time zone; SQL cuts exactly.
            since = (day_number(spec.first_day) - 2) * DAY_US
            until = (day_number(spec.last_day) + max(spec.periods) + 3) * DAY_US
            return [need([spec.birth], 0, until), need([spec.back], since, until)]
        case SeriesSpec():
            spans = spans_us(spec)
            since, until = min(spans)[0] - PAUSE_US, max(spans)[1] + PAUSE_US
            return [need(m.steps, 0 if m.count in ORDINAL else since, until) for m in spec.measures]
        case LastSpec():
            return [need(spec.steps, 0, to_us(spec.until))]


def funnel_sql(spec: FunnelSpec, codes: Codes) -> str:
    """Rows (by, step reached, persons). The running-maximum form of the funnel.

    c{k} of an event is the newest start whose chain this event completes to step k; p{k} is the
    newest such start before the event. A start is a moment, or, split by a property, (moment,
    number, value), whose order is the same. What cannot matter any more is left out as early as
    possible: persons without an event of the next step, and events of steps that are done.
    """
    since, until = to_us(spec.since), to_us(spec.until)
    window = spec.window // timedelta(microseconds=1)
    matches = [step_sql(step, codes) for step in spec.steps]
    last = len(matches)
    marks = ", ".join(f"{sql} as m{k}" for k, sql in enumerate(matches[1:], 2))
    start = "at_us" if spec.by is None else f"row(at_us, event_no, {_by_sql(spec.by)})"
    start_at = "" if spec.by is None else "[1]"
    value = "''" if spec.by is None else "arg_min(c{k}, row(at_us, event_no))[3]"
    before = """over (partition by person_no order by at_us, event_no
                  rows between unbounded preceding and 1 preceding)"""
    parts = [
        f"""c1 as (select person_no, at_us, event_no, {marks},
              case when {matches[0]} and at_us >= {since} and at_us < {until} then {start} end as c1
            from events where person_no > 0 and at_us >= {since} and at_us < {until + window}
              and ({" or ".join(matches)}))"""
    ]
    for k in range(2, last + 1):
        kept = "".join(f", m{n}" for n in range(k, last + 1))
        later = " or ".join(["false", *(f"m{n}" for n in range(k + 1, last + 1))])
        parts += [
            f"""w{k} as (select person_no, at_us, event_no{kept}, max(c{k - 1}) {before} as p{k - 1}
                from c{k - 1} where person_no in (select person_no from c{k - 1} where m{k}))""",
            f"""c{k} as (select * from (select *, case when m{k}
                  and at_us - p{k - 1}{start_at} <= {window} then p{k - 1} end as c{k} from w{k})
                where c{k} is not null or {later})""",
        ]
    reached = " union all ".join(
        f"""select person_no, {k} as far, {value.format(k=k)} as by_value
            from c{k} where c{k} is not null group by person_no"""
        for k in range(1, last + 1)
    )
    return f"""
      with {", ".join(parts)},
      persons as (select person_no, max(far) as far, arg_max(by_value, far) as by_value
                  from ({reached}) group by person_no)
      select by_value, far, count(*) from persons group by all order by all"""


def _by_sql(prop: str) -> str:
    if prop in ("channel", "page"):
        column = f"{prop}_id"
    elif prop in COLUMN_PROPS:
        column = prop
    else:
        column = f"json_extract_string(props, '$.\"{prop}\"')"
    return f"coalesce(cast({column} as varchar), '')"


def retention_sql(spec: RetentionSpec, codes: Codes) -> str:
    """Rows (day number of the cohort, persons, back in period 1, back in period 2, …)."""
    first, last = day_number(spec.first_day), day_number(spec.last_day)
    reach = max(spec.periods)
    day = local_day_sql((first - 2) * DAY_US, (last + reach + 3) * DAY_US, spec.time_zone)
    cells = ", ".join(
        f"count(*) filter (nearest <= {n})" if spec.within else f"count(*) filter (has{n})"
        for n in spec.periods
    )
    flags = ", ".join(
        f"coalesce(bool_or(d.day - b.day = {n}), false) as has{n}" for n in spec.periods
    )
    return f"""
      with births as (
        select person_no, {day.replace("at_us", "min(at_us)")} as day from events
        where person_no > 0 and {step_sql(spec.birth, codes)} group by person_no
        having day between {first} and {last}),
      days as (
        select distinct person_no, {day} as day from events
        where person_no > 0 and at_us >= {(first - 2) * DAY_US}
          and {step_sql(spec.back, codes)}),
      persons as (
        select b.person_no, b.day, min(d.day - b.day) filter (d.day > b.day) as nearest, {flags}
        from births b left join days d on d.person_no = b.person_no
          and d.day > b.day and d.day <= b.day + {reach}
        group by b.person_no, b.day)
      select day, count(*), {cells} from persons group by day order by day"""


def last_sql(spec: LastSpec, codes: Codes) -> str:
    """One row: the last moment, or null."""
    matches = " or ".join(step_sql(step, codes) for step in spec.steps)
    return f"select max(at_us) from events where ({matches}) and at_us < {to_us(spec.until)}"


def spans_us(spec: SeriesSpec) -> list[tuple[int, int]]:
    """The spans in microseconds."""
    return [(to_us(since), to_us(until)) for since, until in spec.spans]


def _cell_sql(spec: SeriesSpec) -> tuple[str, str]:
    """SQL for the number of the span that holds `at_us` (null: none), and for the business day."""
    spans = spans_us(spec)
    cases = " ".join(
        f"when at_us >= {since} and at_us < {until} then {n}"
        for n, (since, until) in enumerate(spans)
    )
    return f"case {cases} end", local_day_sql(min(spans)[0], max(spans)[1], spec.time_zone)


def plain_sql(spec: SeriesSpec, measures: Sequence[Measure], codes: Codes) -> str:
    """Rows (span, day number or null for the whole, a column per measure): PLAIN measures.

    First per day and person, then up: a person counts once in each sum.
    """
    span, day = _cell_sql(spec)
    wanted: dict[str, None] = {}
    inner, middle, outer = [], [], []
    for n, measure in enumerate(measures):
        condition = step_sql(measure.step, codes)
        wanted |= {condition: None}
        value = "sum(amount_fen)" if measure.count == Count.AMOUNT else "count(*)"
        inner.append(f"{value} filter ({condition}) as v{n}")
        middle.append(f"sum(v{n}) as v{n}")
        counted = f"v{n} > 0 and person_no > 0"
        if measure.also is not None:
            also = step_sql(measure.also, codes)
            wanted |= {also: None}
            inner.append(f"bool_or({also}) as a{n}")
            middle.append(f"bool_or(a{n}) as a{n}")
            counted += f" and a{n}"
        persons = measure.count == Count.PERSONS
        outer.append(f"count(*) filter ({counted})" if persons else f"coalesce(sum(v{n}), 0)")
    columns = ", ".join(outer)
    return f"""
      with days as (
        select {span} as span, {day} as day, person_no, {", ".join(inner)} from events
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


def special_sql(spec: SeriesSpec, measures: Sequence[Measure], codes: Codes) -> str:
    """Rows as `plain_sql`, of measures that look beyond the event: all ORDINAL, or all visits.

    The measures have one step in common.
    """
    span, day = _cell_sql(spec)
    spans = spans_us(spec)
    since, until = min(spans)[0], max(spans)[1]
    matching = f"person_no > 0 and {step_sql(measures[0].step, codes)}"
    order = "partition by person_no order by at_us, event_no"
    if measures[0].count in ORDINAL:
        marked = f"""select person_no, at_us, row_number() over ({order}) as n
                     from events where {matching} and at_us < {until}"""
        keep = "true"
    else:
        marked = f"""select person_no, at_us,
                       coalesce(at_us - lag(at_us) over own > {PAUSE_US}, true) as begins,
                       coalesce(lead(at_us) over own - at_us > {PAUSE_US}, true) as alone
                     from events where {matching} and at_us >= {since - PAUSE_US}
                       and at_us < {until + PAUSE_US} window own as ({order})"""
        keep = "begins"
    columns = ", ".join(_SPECIAL[measure.count] for measure in measures)
    return f"""
      with marked as ({marked}),
      kept as (select *, {span} as span, {day} as day from marked
               where {keep} and span is not null)
      select span, day, {columns} from kept group by span, day
      union all select span, null, {columns} from kept group by span"""
