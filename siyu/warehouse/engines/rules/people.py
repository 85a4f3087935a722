"""Funnels, segments and features of persons as SQL."""

from zoneinfo import ZoneInfo

from siyu.warehouse.engines.contracts import WAIT_EDGES_S
from siyu.warehouse.engines.rules.conditions import (
    Ground,
    compare_sql,
    facts_of,
    fits_nothing,
    integer_sql,
    source_sql,
    step_sql,
    text_sql,
)
from siyu.warehouse.engines.rules.moments import (
    DAY_US,
    local_day_sql,
    offset_changes,
    span_us,
    to_us,
)
from siyu.warehouse.query.contracts import (
    Absent,
    All,
    AnyOf,
    Feature,
    FeatureSpec,
    FunnelSpec,
    Not,
    Rule,
    SegmentSpec,
    Sum,
    Times,
    Top,
    Walked,
)


def funnel_sql(spec: FunnelSpec, ground: Ground) -> str:
    """Rows (by, step reached, persons)."""
    return f"""{_walk_sql(spec, ground)}
      select by_value, far, count(*) from persons group by all order by all"""


def walkers_sql(spec: FunnelSpec, ground: Ground) -> str:
    """Rows (person_no, far): who came how far."""
    return f"{_walk_sql(spec, ground)} select person_no, far from persons"


def waits_sql(spec: FunnelSpec, ground: Ground) -> str:
    """Rows (step, median wait in microseconds, persons per bucket …), of the second step and on."""
    lows = [None, *WAIT_EDGES_S]
    highs = [*WAIT_EDGES_S, None]
    cells = []
    for low, high in zip(lows, highs, strict=True):
        inside = ["true"] if low is None else [f"wait >= {low * 1_000_000}"]
        inside += [] if high is None else [f"wait < {high * 1_000_000}"]
        cells.append(f"count(*) filter ({' and '.join(inside)})")
    return f"""{_walk_sql(spec, ground)}
      select far, quantile_disc(wait, 0.5), {", ".join(cells)} from reached
      where far > 1 group by far order by far"""


def _walk_sql(spec: FunnelSpec, ground: Ground) -> str:
    """The running-maximum form of the funnel, up to a table `persons` (person_no, far, by_value).

    c{k} of an event is the newest start whose chain this event completes to step k; p{k} is the
    newest such start before the event. A start is a moment, or, where more is asked, (moment,
    number, value, - moment of step k, wait), whose order is the same and prefers among equal starts
    the one that was earliest at step k. What cannot matter any more is left out as early as
    possible: persons without an event of the next step, and events of steps that are done.
    """
    since, until, window = to_us(spec.since), to_us(spec.until), span_us(spec.window)
    matches = [step_sql(step, ground) for step in spec.steps]
    last = len(matches)
    marks = ", ".join(f"{sql} as m{k}" for k, sql in enumerate(matches[1:], 2))
    rich = spec.by is not None or spec.times
    value = "''" if spec.by is None else text_sql(spec.by)
    start, start_at = "at_us", ""
    if rich:
        start, start_at = _start("at_us", "event_no", value, "- at_us", "0::bigint"), ".at"
    before = """over (partition by person_no order by at_us, event_no
                  rows between unbounded preceding and 1 preceding)"""
    parts = [
        f"""c1 as (select person_no, at_us, event_no, {marks},
              case when {matches[0]} and at_us >= {since} and at_us < {until} then {start} end as c1
            from {source_sql(spec, ground)}
            where person_no > 0 and at_us >= {since} and at_us < {until + window}
              and ({" or ".join(matches)}))"""
    ]
    for k in range(2, last + 1):
        kept = "".join(f", m{n}" for n in range(k, last + 1))
        later = " or ".join(["false", *(f"m{n}" for n in range(k + 1, last + 1))])
        p = f"p{k - 1}"
        kept_start = (f"{p}.at", f"{p}.no", f"{p}.value", "- at_us", f"at_us + {p}.back")
        chain = _start(*kept_start) if rich else p
        parts += [
            f"""w{k} as (select person_no, at_us, event_no{kept}, max(c{k - 1}) {before} as {p}
                from c{k - 1} where person_no in (select person_no from c{k - 1} where m{k}))""",
            f"""c{k} as (select * from (select *, case when m{k}
                  and at_us - {p}{start_at} <= {window} then {chain} end as c{k} from w{k})
                where c{k} is not null or {later})""",
        ]
    first = "arg_min(c{k}, row(at_us, event_no))" if rich else "null"
    by_value, wait = ("began.value", "began.wait") if rich else ("''", "null")
    reached = " union all ".join(
        f"""select person_no, {k} as far, {first.format(k=k)} as began
            from c{k} where c{k} is not null group by person_no"""
        for k in range(1, last + 1)
    )
    return f"""
      with {", ".join(parts)},
      reached as (select person_no, far, {by_value} as by_value, {wait} as wait from ({reached})),
      persons as (select person_no, max(far) as far, arg_max(by_value, far) as by_value
                  from reached group by person_no)"""


def _start(at: str, no: str, value: str, back: str, wait: str) -> str:
    return f"{{'at': {at}, 'no': {no}, 'value': {value}, 'back': {back}, 'wait': {wait}}}"


def segment_sql(spec: SegmentSpec, ground: Ground) -> str:
    """Rows (person_no): who fits. One pass over the events, one column per fact."""
    facts = facts_of(spec.rule)
    until = to_us(spec.as_of)
    columns, matches, sources = [], [], []
    for n, fact in enumerate(facts):
        if isinstance(fact, Walked):
            sources.append((n, f"select person_no, far from {ground.tables[fact.funnel]}"))
            continue
        since = 0 if fact.days is None else until - fact.days * DAY_US
        inside = f"{step_sql(fact.step, ground)} and at_us >= {since}"
        matches.append(f"({inside})")
        if isinstance(fact, Times | Absent):
            columns.append(f"count(*) filter ({inside}) as f{n}")
        else:
            columns.append(f"coalesce(sum({integer_sql(fact.prop)}) filter ({inside}), 0) as f{n}")
    everybody = "true" if fits_nothing(spec.rule) else " or ".join(matches) or "false"
    joins = "".join(
        f" full join (select person_no, far as f{n} from ({sql})) using (person_no)"
        for n, sql in sources
    )
    ranks = "".join(
        f""", coalesce(f{n}, 0) > 0 and (rank() over (order by coalesce(f{n}, 0) desc) - 1) * 100
              < {fact.percent} * count(*) filter (coalesce(f{n}, 0) > 0) over () as t{n}"""
        for n, fact in enumerate(facts)
        if isinstance(fact, Top)
    )
    return f"""
      with facts as (select {", ".join(["person_no", *columns])} from events
                     where person_no > 0 and at_us < {until} and ({everybody}) group by person_no),
      persons as (select *{ranks} from facts{joins})
      select person_no from persons where {_rule_sql(spec.rule, facts)}"""


def _rule_sql(rule: Rule, facts: list[Times | Absent | Sum | Top | Walked]) -> str:
    match rule:
        case All():
            return "(" + " and ".join(_rule_sql(part, facts) for part in rule.rules) + ")"
        case AnyOf():
            return "(" + " or ".join(_rule_sql(part, facts) for part in rule.rules) + ")"
        case Not():
            return f"not {_rule_sql(rule.rule, facts)}"
    n = facts.index(rule)
    match rule:
        case Times():
            return f"({compare_sql(f'coalesce(f{n}, 0)', rule.op, rule.n)})"
        case Absent():
            return f"(coalesce(f{n}, 0) = 0)"
        case Sum():
            return f"({compare_sql(f'coalesce(f{n}, 0)', rule.op, rule.value)})"
        case Top():
            return f"t{n}"
        case Walked():
            return f"(coalesce(f{n}, 0) {'=' if rule.dropped else '>='} {rule.step})"


def feature_sql(spec: FeatureSpec, ground: Ground) -> str:
    """Rows (person_no, a column per feature)."""
    until = to_us(spec.as_of)
    columns, matches = [], []
    for feature in spec.features:
        since = 0 if feature.days is None else until - feature.days * DAY_US
        inside = f"{step_sql(feature.step, ground)} and at_us >= {since}"
        matches.append(f"({inside})")
        columns.append(_feature_column(feature, inside, until, spec.time_zone))
    return f"""
      select person_no, {", ".join(columns)} from {source_sql(spec, ground)}
      where person_no > {max(0, spec.after)} and at_us < {until} and ({" or ".join(matches)})
      group by person_no order by person_no limit {spec.limit}"""


def _feature_column(feature: Feature, inside: str, until: int, time_zone: str) -> str:
    match feature.kind:
        case "count":
            return f"count(*) filter ({inside})"
        case "sum":
            return f"coalesce(sum({integer_sql(feature.prop)}) filter ({inside}), 0)"
        case "days":
            since = until - (feature.days or _ZONE_DAYS) * DAY_US
            return f"count(distinct {local_day_sql(since, until, time_zone)}) filter ({inside})"
        case "first":
            return f"min(at_us) filter ({inside})"
    return f"max(at_us) filter ({inside})"


def feature_offsets(spec: FeatureSpec) -> list[int]:
    """(from when, microseconds ahead of UTC) after each other, as far as days are asked for."""
    days = [feature.days or _ZONE_DAYS for feature in spec.features if feature.kind == "days"]
    until = to_us(spec.as_of)
    changes = offset_changes(until - max(days, default=1) * DAY_US, until, ZoneInfo(spec.time_zone))
    return [part for change in changes for part in change]


_ZONE_DAYS = 12_000
"""Offsets of a zone are worked out for the last 33 years."""
