"""The events of a shop, and the groups of people that specs stand on, inside DuckDB."""

from collections.abc import Sequence

from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.compaction.contracts import FILE_COLUMNS
from siyu.warehouse.engines import rules
from siyu.warehouse.engines.service import kernels
from siyu.warehouse.engines.service.duck import Question
from siyu.warehouse.query.contracts import (
    PERSON_JOINED,
    FunnelSpec,
    Need,
    PersonsOf,
    SegmentSpec,
    Snapshot,
    Spec,
)

# A visitor may have been joined to a visitor that was joined later; follow to the end.
_MEMBERS = """
create temp table members as
with recursive pairs as (
  select distinct cast(json_extract_string(props, '$.joined_person_no') as bigint) as visitor_no,
         person_no
  from ({source}) where shop_id = {shop_id} and name_id = {name_id}),
walk as (
  select visitor_no, person_no, 1 as depth from pairs
  union all
  select w.visitor_no, p.person_no, w.depth + 1
  from walk w join pairs p on p.visitor_no = w.person_no where w.depth < 8)
select visitor_no, arg_max(person_no, depth) as member_no from walk group by visitor_no
"""


def load(question: Question, specs: Sequence[Spec], snapshot: Snapshot) -> rules.Ground:
    """Make `events`: what is needed of one shop, visitors as who they are; and what it stands on.

    For one spec a view, so that only what it reads is decoded; for several a temporary table, so
    that it is decoded once. What the compiled kernels answer reads the files itself.
    """
    listed = ", ".join(FILE_COLUMNS)
    sources = [f"select {listed} from {compaction.read_csv(str(snapshot.tail))}"]
    if snapshot.files:
        paths = [str(path) for path in snapshot.files]
        sources.append(f"select {listed} from {compaction.read_parquet(paths)}")
    source = " union all ".join(sources)
    names = snapshot.codes["event_name"]
    question.run("create temp table members (visitor_no bigint, member_no bigint)")
    person, join = "person_no", ""
    if PERSON_JOINED in names:
        question.run("drop table members")
        question.run(
            _MEMBERS.format(source=source, shop_id=snapshot.shop_id, name_id=names[PERSON_JOINED])
        )
        person = "coalesce(m.member_no, e.person_no) as person_no"
        join = "left join members m on m.visitor_no = e.person_no"
    here = [own for spec in specs for own in _for_duckdb(spec)]
    needs = [need for spec in here for need in rules.needs_of(spec)]
    more = sorted(set().union(*map(rules.columns_of, here)))
    columns = ", ".join([person, "at_us", "event_no", "name_id", *more])
    wanted = " or ".join(sorted({_need_sql(need, names) for need in needs})) or "false"
    kind = "view" if len(here) < 2 else "table"
    question.run(
        f"""create temp {kind} events as select {columns} from ({source}) e {join}
            where shop_id = {snapshot.shop_id} and ({wanted})"""
    )
    if any(map(rules.uses_texts, here)):
        _load_texts(question, snapshot)
    ground = rules.Ground(snapshot)
    for spec in specs:
        for group in rules.groups_of(spec):
            if group not in ground.tables:
                _gather(question, group, ground)
    return ground


def _for_duckdb(spec: Spec) -> list[Spec]:
    """What DuckDB has to read for a spec; of a kernel's spec only who counts."""
    if not kernels.can_answer(spec):
        return [spec]
    people = getattr(spec, "people", None)
    return [PersonsOf(segment=people)] if isinstance(people, SegmentSpec) else []


def _need_sql(need: Need, names: dict[str, int]) -> str:
    times = f"at_us >= {need.since_us} and at_us < {need.until_us}"
    if need.names is None:
        return f"({times})"
    ids = sorted(names[name] for name in need.names if name in names)
    return f"(name_id in ({', '.join(map(str, ids))}) and {times})" if ids else "false"


def _load_texts(question: Question, snapshot: Snapshot) -> None:
    for prop, dictionary in rules.TEXTS.items():
        codes = snapshot.codes.get(dictionary, {})
        question.run(
            f"""create temp table texts_{prop} as
                select unnest($1::bigint[]) as id, unnest($2::varchar[]) as text""",
            list(codes.values()),
            list(codes),
        )


def _gather(question: Question, group: rules.Group, ground: rules.Ground) -> None:
    """Find a group of people that a spec stands on, and keep it as a temporary table."""
    table = f"group_{len(ground.tables)}"
    if isinstance(group, frozenset):
        question.run(
            f"""create temp table {table} as
                select distinct coalesce(m.member_no, n) as person_no
                from (select unnest($1::bigint[]) as n) left join members m on m.visitor_no = n
                where n > 0""",
            sorted(group),
        )
    elif isinstance(group, FunnelSpec):
        question.run(f"create temp table {table} as {rules.walkers_sql(group, ground)}")
    else:
        question.run(f"create temp table {table} as {rules.segment_sql(group, ground)}")
    ground.tables[group] = table
