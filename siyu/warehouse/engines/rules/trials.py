"""Trials as SQL."""

from siyu.warehouse.engines.rules.conditions import Ground, integer_sql, step_sql, text_sql
from siyu.warehouse.engines.rules.moments import local_day_sql, span_us, to_us
from siyu.warehouse.query.contracts import Count, Outcome, TrialSpec

WHOLE = 100_000_000
"""A person weighs this by their probability in basis points: exact to a millionth."""


def trial_sql(spec: TrialSpec, ground: Ground) -> str:
    """Rows (arm, day number, persons, done, weights, then per outcome: hits, y, yy, x, xx, xy, wy).

    Persons whose window is not over yet are only in `persons`. Persons who saw two arms make up a
    row of arm and day null.
    """
    since, until = to_us(spec.since), to_us(spec.until)
    window, before = span_us(spec.window), span_us(spec.before)
    order = "row(at_us, event_no)"
    numbers = range(len(spec.outcomes))
    steps = " or ".join(f"({step_sql(outcome.step, ground)})" for outcome in spec.outcomes)
    after = f"e.at_us >= f.first_us and e.at_us < f.first_us + {window}"
    earlier = f"e.at_us < f.first_us and e.at_us >= f.first_us - {before}"
    figures = ", ".join(
        f"{_figure(outcome, after, ground)} as y{n}, {_figure(outcome, earlier, ground)} as x{n}"
        for n, outcome in enumerate(spec.outcomes)
    )
    filled = ", ".join(f"coalesce(y{n}, 0) as y{n}, coalesce(x{n}, 0) as x{n}" for n in numbers)
    done = "filter (done)"
    sums = ", ".join(
        f"""count(*) filter (done and y{n} > 0), sum(y{n}) {done}, sum(y{n}::hugeint * y{n}) {done},
            sum(x{n}) {done}, sum(x{n}::hugeint * x{n}) {done}, sum(x{n}::hugeint * y{n}) {done},
            sum(weight::hugeint * y{n}) {done}"""
        for n in numbers
    )
    nothing = ", ".join(["0"] * 7 * len(spec.outcomes))
    day = local_day_sql(since, until, spec.time_zone).replace("at_us", "first_us")
    return f"""
      with shown as (
        select person_no, at_us, event_no, {text_sql(spec.arm)} as arm,
          {WHOLE} // greatest({integer_sql(spec.chance)}, 1) as weight
        from events where person_no > 0 and at_us >= {since} and at_us < {until}
          and {step_sql(spec.exposed, ground)}),
      firsts as (
        select person_no, min(at_us) as first_us, arg_min(arm, {order}) as arm,
          coalesce(arg_min(weight, {order}), 0) as weight, count(distinct arm) as arms,
          min(at_us) + {window} <= {until} as done
        from shown group by person_no),
      figures as (
        select e.person_no, {figures} from events e join firsts f on f.person_no = e.person_no
        where ({steps}) and (({after}) or ({earlier})) group by e.person_no),
      persons as (
        select arm, {day} as day, weight, done, {filled} from firsts f
        left join figures o on o.person_no = f.person_no where arms = 1)
      select arm, day, count(*), count(*) {done}, sum(weight) {done}, {sums}
      from persons group by arm, day
      union all
      select null, null, count(*), 0, 0, {nothing} from firsts where arms > 1
      order by 2, 1"""


def _figure(outcome: Outcome, when: str, ground: Ground) -> str:
    rows = f"filter ({step_sql(outcome.step, ground)} and {when})"
    match outcome.count:
        case Count.AMOUNT:
            return f"coalesce(sum(amount_fen) {rows}, 0)::bigint"
        case Count.PERSONS:
            return f"least(count(*) {rows}, 1)"
    return f"count(*) {rows}"
