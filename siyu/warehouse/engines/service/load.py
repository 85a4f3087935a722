"""The events of a shop, and the groups of people that specs stand on, inside DuckDB."""

from array import array
from collections.abc import Sequence

import msgspec

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
    SeriesSpec,
    Snapshot,
    Spec,
)

# A visitor may have been joined to a visitor that was joined later; follow to the end. The last
# word about a number counts; one joined to itself is its own person again (its merge was undone).
_MEMBERS = """
create temp table members as
with recursive pairs as (
  select cast(json_extract_string(props, '$.joined_person_no') as bigint) as visitor_no,
         last(e.person_no order by at_us, event_no) as person_no
  from ({source}) e where shop_id = {shop_id} and name_id = {name_id}
  group by 1 having last(e.person_no order by at_us, event_no)
    <> cast(json_extract_string(props, '$.joined_person_no') as bigint)),
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
    if snapshot.kept:
        source = f"select * from ({source}) where {snapshot.kept}"
    names = snapshot.codes["event_name"]
    person, join = "person_no", ""
    members: tuple[list[int], list[int]] = ([], [])
    if PERSON_JOINED in names:
        question.run(
            _MEMBERS.format(source=source, shop_id=snapshot.shop_id, name_id=names[PERSON_JOINED])
        )
        person = "coalesce(m.member_no, e.person_no) as person_no"
        join = "left join members m on m.visitor_no = e.person_no"
        pairs = question.rows("select visitor_no, member_no from members where visitor_no > 0")
        members = [visitor for visitor, _ in pairs], [member for _, member in pairs]
    fresh = _fresh(question, snapshot)
    return ground_on(question, specs, snapshot, (f"({source}) e {join}", person), members, fresh)


def ground_on(
    question: Question,
    specs: Sequence[Spec],
    snapshot: Snapshot,
    joined: tuple[str, str],
    members: tuple[list[int], list[int]],
    fresh: frozenset[str] = frozenset(),
) -> rules.Ground:
    """The ground of specs. joined: all events, and SQL for who it was by today's knowledge;
    members: visitors, and who they turned out to be; fresh: months of which kernels read the tail.
    """
    here = [own for spec in specs for own in _for_duckdb(spec)]
    groups = _groups_for_duckdb(here)
    if here:
        _load_events(question, snapshot, here, groups, joined)
    ground = rules.Ground(snapshot, members=members, fresh=fresh)
    every = dict.fromkeys(group for spec in specs for group in rules.groups_of(spec))
    easy = [group for group in every if group not in groups and kernels.can_gather(group)]
    found = dict.fromkeys(part for group in easy for part in (*rules.groups_of(group), group))
    kernels.gather(question, list(found), ground)
    for group in every:
        if group in groups or any(group == getattr(spec, "people", None) for spec in here):
            _gather(question, group, ground)
    return ground


def _load_events(
    question: Question,
    snapshot: Snapshot,
    specs: Sequence[Spec],
    groups: Sequence[rules.Group],
    joined: tuple[str, str],
) -> None:
    """`events`, for what SQL answers."""
    source, person = joined
    needs = [need for part in (*specs, *groups) for need in rules.own_needs(part)]
    more = sorted(set().union(*map(rules.columns_of, specs)))
    columns = ", ".join([person, "at_us", "event_no", "name_id", *more])
    names = snapshot.codes["event_name"]
    wanted = " or ".join(sorted({_need_sql(need, names) for need in needs})) or "false"
    kind = "view" if len(specs) < 2 else "table"
    question.run(
        f"""create temp {kind} events as select {columns} from {source}
            where shop_id = {snapshot.shop_id} and ({wanted})"""
    )
    if any(map(rules.uses_texts, specs)):
        _load_texts(question, snapshot)


def _for_duckdb(spec: Spec) -> list[Spec]:
    """What DuckDB has to read for a spec; of a kernel's spec only who counts."""
    if not kernels.can_answer(spec):
        if isinstance(spec, SeriesSpec):
            # A kernel may answer the rest.
            hard = tuple(kernels.hard_measures(spec))
            return [msgspec.structs.replace(spec, measures=hard)]
        return [spec]
    people = getattr(spec, "people", None)
    if isinstance(people, SegmentSpec) and not kernels.can_gather(people):
        return [PersonsOf(segment=people)]
    return []


def _groups_for_duckdb(specs: Sequence[Spec]) -> list[rules.Group]:
    """The groups of people that no kernel finds, and those inside them."""
    known = [group for spec in specs for group in rules.groups_of(spec)]
    hard = [group for group in known if not kernels.can_gather(group)]
    inner = [part for group in hard for part in (*rules.groups_of(group), group)]
    return list(dict.fromkeys(inner))


def _fresh(question: Question, snapshot: Snapshot) -> frozenset[str]:
    """The months of which there is something in the tail."""
    if not snapshot.tail.stat().st_size:
        return frozenset()
    tail = compaction.read_csv(str(snapshot.tail))
    rows = question.rows(f"select distinct strftime(make_timestamp(at_us), '%Y-%m') from {tail}")
    return frozenset(month for (month,) in rows)


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
    """Keep a group of people that SQL stands on as a temporary table."""
    table = f"group_{len(ground.tables)}"
    if isinstance(group, frozenset) or group in ground.people:
        question.run(
            f"create temp table {table} as select unnest($1::bigint[]) as person_no",
            _numbers(group, ground),
        )
    elif isinstance(group, FunnelSpec):
        question.run(f"create temp table {table} as {rules.walkers_sql(group, ground)}")
    else:
        question.run(f"create temp table {table} as {rules.segment_sql(group, ground)}")
    ground.tables[group] = table


def _numbers(group: rules.Group, ground: rules.Ground) -> list[int]:
    """Who is in a group that stands by its numbers, as who they are by now."""
    if isinstance(group, frozenset):
        joined = dict(zip(*ground.members, strict=True))
        return sorted({joined.get(number, number) for number in group if number > 0})
    found = array("q")
    found.frombytes(ground.people[group])
    return found.tolist()
