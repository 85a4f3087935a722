"""Questions to the warehouse beside plain DuckDB SQL, chDB and a scan of the columns they read.

All in one run over the same files, in interleaved rounds; the unit is CPU seconds of this process.
Every engine has to give the same integers. chDB takes part where it is installed (extra `dev`).
"""

import importlib.util
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import msgspec

from siyu.app.bench_ground import Figures
from siyu.kernel import config
from siyu.warehouse.compaction import rules as files
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.engines.rules import DAY_US, day_number, to_us
from siyu.warehouse.engines.service import kernels
from siyu.warehouse.query.contracts import (
    Absent,
    All,
    Feature,
    FeatureSpec,
    FunnelSpec,
    PersonsOf,
    RetentionSpec,
    SegmentSpec,
    Snapshot,
    Step,
    Sum,
    Times,
    Top,
    Where,
)

SHOP, MONTHS, VISIT, ZONE = 7, 6, 8, "Asia/Shanghai"
BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
NAMES = {"expose": 1, "view": 2, "click": 3, "dwell": 4, "cart": 5, "pay": 6}
SHARES = (30, 62, 80, 92, 97, 100)
"""Events of each name, of a hundred, summed up."""
PAGES, SECOND_US = 40, 1_000_000


class WarehouseFigures(Figures, frozen=True):
    """Medians of the rounds in CPU seconds. rate: events per CPU second; limit: of a scan.

    to_*: our seconds over those of the others; to_merged: over ours where each month is one file.
    wall_ms: of ours. mb: most memory that this process
    ever had, all engines in it.
    """

    events: int
    rounds: int
    ours_s: float
    scan_s: float
    sql_s: float
    chdb_s: float | None
    to_scan: float
    to_sql: float
    to_chdb: float | None
    to_merged: float | None
    wall_ms: float
    mb: int


class Contest(msgspec.Struct, frozen=True):
    """A question, what a scan of its columns is, and chDB's words for it.

    figures: what of the answer is compared with the rows that chDB gives.
    """

    questions: Questions
    columns: str
    chdb: str | None
    figures: Callable[[Any], list[tuple[int, ...]]]


def generate(
    folder: Path,
    events: int,
    parts: int = 1,
    *,
    shop: int = SHOP,
    codes: Sequence[int] = tuple(NAMES.values()),
) -> list[Path]:
    """Files of a shop over six months: visits of eight events, most of them by few persons.

    parts: how many files a month has that are not merged yet. codes: the numbers of NAMES.
    """
    duck = duckdb.connect(config={"threads": 2})
    persons, visits = max(events // 40, 10), events // MONTHS // VISIT
    cases = " ".join(
        f"when dice < {share} then {number}" for share, number in zip(SHARES, codes, strict=True)
    )
    made = []
    for month, part in product(range(MONTHS), range(parts)):
        first = to_us(datetime(2025, 1 + month, 1, tzinfo=UTC))
        length = to_us(datetime(2025, 2 + month, 1, tzinfo=UTC)) - first - 3_600_000_000
        path = folder / f"b{shop}" / f"2025-{1 + month:02}" / f"{part}.2.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        duck.execute(f"""
          copy (
            select {shop}::integer as shop_id, person_no, at_us, event_no, name_id::integer as
              name_id, (1 + event_no % 2)::smallint as channel_id,
              (1 + hash(event_no) % 500)::bigint as item_no,
              case when name_id = {codes[5]} then 100 + hash(event_no + 1) % 50000
              else 0 end::bigint as amount_fen,
              (1 + hash(event_no + 2) % {PAGES})::integer as page_id,
              case when name_id in ({codes[2]}, {codes[3]}) then 'zone' || hash(event_no + 3) % 8
              else '' end as zone, case when name_id = {codes[3]}
              then 200 + hash(event_no + 4) % 30000 else 0 end::integer as dwell_ms,
              case when event_no % 16 = 0 then '{{"kind":"k' || event_no % 5 || '"}}' end
              as props
            from (
              select *, case {cases} end as name_id from (
                select 1 + floor({persons} * pow((hash(v) % 1000003) / 1000003, 3))::bigint
                    as person_no,
                  {first} + (hash(v + 77) % {length})::bigint + i * 41000000 + v % 1000 as at_us,
                  {month * visits * VISIT} + v * {VISIT} + i as event_no,
                  hash(v * {VISIT} + i + {month}) % 100 as dice
                from (select unnest(range({visits})) as v), (select unnest(range({VISIT})) as i)
                where v % {parts} = {part}))
            order by {files.ORDER}
          ) to {files.quoted(str(path))} ({files.PARQUET})""")
        made.append(path)
    duck.close()
    return made


def _snapshot(folder: Path, paths: list[Path]) -> Snapshot:
    tail = folder / "tail.csv"
    tail.touch()
    pages = {f"/pages/{n}": n for n in range(1, PAGES + 1)}
    codes = {"event_name": NAMES, "channel": {"h5": 1, "mp": 2}, "page": pages}
    return Snapshot(shop_id=SHOP, files=paths, tail=tail, codes=codes)


def _wanted(*names: str) -> str:
    return f"name_id in ({', '.join(str(NAMES[name]) for name in names)})"


def funnel() -> Contest:
    """See, click, put into the cart, pay within a week, over three months."""
    names = ("view", "click", "cart", "pay")
    since, until, window = BEGIN + timedelta(30), BEGIN + timedelta(120), timedelta(7)
    spec = FunnelSpec(
        shop_id=SHOP,
        steps=tuple(map(Step, names)),
        window=window,
        since=since,
        until=until,
    )
    first = f"name_id = {NAMES['view']} and at_us < {to_us(until)}"
    rest = ", ".join(f"name_id = {NAMES[name]}" for name in names[1:])
    span = f"at_us >= {to_us(since)} and at_us < {to_us(until + window)}"
    return Contest(
        Questions(funnels=(spec,)),
        "person_no, at_us, event_no, name_id",
        f"""select countIf(level >= 1), countIf(level >= 2), countIf(level >= 3),
              countIf(level >= 4) from (
              select windowFunnel({to_us(BEGIN + window) - to_us(BEGIN)})
                (toUInt64(at_us), {first}, {rest}) as level
              from {{files}} where {span} and {_wanted(*names)} group by person_no)""",
        lambda answers: [tuple(answers.funnels[0].persons)],
    )


def filtered() -> Contest:
    """The same with a condition on every step."""
    plain = funnel()
    [spec] = plain.questions.funnels
    wheres = (
        (Where("channel", "eq", "mp"), "channel_id = 2"),
        (Where("zone", "in", ("zone1", "zone2", "zone3")), "zone in ('zone1', 'zone2', 'zone3')"),
        (Where("item_no", "le", 400), "item_no <= 400"),
        (Where("amount_fen", "between", (1_000, 40_000)), "amount_fen between 1000 and 40000"),
    )
    steps = tuple(Step(step.event, (wheres[n][0],)) for n, step in enumerate(spec.steps))
    assert plain.chdb is not None
    sql = plain.chdb
    for (_, condition), step in zip(wheres[::-1], spec.steps[::-1], strict=True):
        name = f"name_id = {NAMES[str(step.event)]}"
        sql = sql.replace(name, f"({name} and {condition})")
    return Contest(
        Questions(funnels=(msgspec.structs.replace(spec, steps=steps),)),
        f"{plain.columns}, channel_id, item_no, amount_fen",
        sql,
        plain.figures,
    )


def split() -> Contest:
    """The same, broken down by the page of the first step."""
    [spec] = funnel().questions.funnels
    return Contest(
        Questions(funnels=(msgspec.structs.replace(spec, by="page"),)),
        "person_no, at_us, event_no, name_id, page_id",
        None,
        lambda answers: sorted(tuple(persons) for persons in answers.funnels[0].by.values()),
    )


def retention() -> Contest:
    """Who was new on each of 60 days, and came back on days 1, 3, 7, 14 and 30."""
    first, periods = date(2025, 3, 1), (1, 3, 7, 14, 30)
    spec = RetentionSpec(
        shop_id=SHOP,
        birth=Step("view"),
        back=Step(("view", "click", "cart", "pay")),
        first_day=first,
        last_day=first + timedelta(59),
        periods=periods,
        time_zone=ZONE,
    )
    low, high = day_number(first), day_number(first) + 59
    day = f"intDiv(at_us + {8 * 3_600_000_000}, {DAY_US})"
    born = f"minIf({day}, name_id = {NAMES['view']})"
    cells = ", ".join(f"countIf(has(days, born + {n}))" for n in periods)
    return Contest(
        Questions(retentions=(spec,)),
        "person_no, at_us, event_no, name_id",
        f"""select born, count(), {cells} from (
              select {born} as born, groupUniqArray({day}) as days,
                countIf(name_id = {NAMES["view"]}) as births
              from {{files}} where {_wanted("view", "click", "cart", "pay")}
                and at_us < {(high + 31) * DAY_US - 8 * 3_600_000_000} group by person_no)
            where births > 0 and born between {low} and {high} group by born order by born""",
        lambda answers: [
            (day_number(cohort.on), cohort.persons, *cohort.back)
            for cohort in answers.retentions[0].cohorts
        ],
    )


AS_OF = BEGIN + timedelta(175)


def segments() -> Contest:
    """Four groups: regulars, asleep, who pays well, the upper tenth."""
    rules = (
        Times(Step("view"), 30, "ge", 3),
        All((Absent(Step("view"), 30), Times(Step("pay"), 90, "ge", 1))),
        Sum("amount_fen", Step("pay"), 90, "ge", 50_000),
        Top("amount_fen", Step("pay"), 90, 10),
    )
    asked = tuple(
        PersonsOf(segment=SegmentSpec(shop_id=SHOP, rule=rule, as_of=AS_OF), limit=1)
        for rule in rules
    )
    until = to_us(AS_OF)
    month, quarter = (f"at_us >= {until - days * DAY_US}" for days in (30, 90))
    view, pay = (f"name_id = {NAMES[name]}" for name in ("view", "pay"))
    return Contest(
        Questions(persons=asked),
        "person_no, at_us, name_id, amount_fen",
        f"""with facts as (
              select countIf({view} and {month}) as seen, countIf({pay} and {quarter}) as paid,
                sumIf(amount_fen, {pay} and {quarter}) as spent
              from {{files}} where at_us < {until} and {_wanted("view", "pay")} group by person_no)
            select countIf(seen >= 3), countIf(seen = 0 and paid >= 1), countIf(spent >= 50000),
              (select countIf((rank - 1) * 100 < 10 * size) from (
                 select rank() over (order by spent desc) as rank, count() over () as size
                 from facts where spent > 0))
            from facts""",
        lambda answers: [tuple(found.size for found in answers.persons)],
    )


def features() -> Contest:
    """Nine figures per person; compared are their sums."""
    kinds = [
        ("view", "count", 30),
        ("click", "count", None),
        ("pay", "count", None),
        ("pay", "sum", 90),
        ("pay", "sum", None),
        ("view", "days", 30),
        ("view", "first", None),
        ("view", "last", None),
        ("pay", "last", None),
    ]
    spec = FeatureSpec(
        shop_id=SHOP,
        features=tuple(
            Feature(name=f"f{n}", kind=kind, step=Step(name), days=days)  # type: ignore[arg-type]
            for n, (name, kind, days) in enumerate(kinds)
        ),
        as_of=AS_OF,
        time_zone=ZONE,
        limit=100_000_000,
    )
    until = to_us(AS_OF)
    columns = []
    for name, kind, days in kinds:
        inside = f"name_id = {NAMES[name]} and at_us >= {until - (days or 20_000) * DAY_US}"
        columns.append(
            {
                "count": f"countIf({inside})",
                "sum": f"sumIf(amount_fen, {inside})",
                "days": f"uniqExactIf(intDiv(at_us + {8 * 3_600_000_000}, {DAY_US}), {inside})",
                "first": f"intDiv(minIf(at_us, {inside}), {SECOND_US})",
                "last": f"intDiv(maxIf(at_us, {inside}), {SECOND_US})",
            }[kind]
        )
    return Contest(
        Questions(features=(spec,)),
        "person_no, at_us, name_id, amount_fen",
        f"""select count(), {", ".join(f"sum(f{n})" for n in range(9))} from (
              select {", ".join(f"{sql} as f{n}" for n, sql in enumerate(columns))}
              from {{files}} where at_us < {until} and {_wanted("view", "click", "pay")}
              group by person_no)""",
        lambda answers: [
            (
                len(answers.features[0].persons),
                *(
                    sum(
                        (value or 0) // (SECOND_US if kind in ("first", "last") else 1)
                        for value in column
                    )
                    for (_, kind, _), column in zip(kinds, answers.features[0].values, strict=True)
                ),
            )
        ],
    )


CONTESTS = {
    "funnel": funnel,
    "filtered": filtered,
    "split": split,
    "unmerged": funnel,
    "retention": retention,
    "segments": segments,
    "features": features,
}
UNMERGED = 16


def measure(question: str, events: int, rounds: int) -> WarehouseFigures:
    """Median CPU seconds of interleaved rounds, after one of each to warm up."""
    contest = CONTESTS[question]()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        config.use(msgspec.structs.replace(config.settings(), data_dir=folder))
        (folder / "warehouse" / "scratch").mkdir(parents=True)
        unmerged = question == "unmerged"
        paths = generate(folder, events, UNMERGED if unmerged else 1)
        snapshot = _snapshot(folder, paths)
        runners: dict[str, Callable[[], Any]] = {
            "ours": lambda: contest.figures(engines.answer(contest.questions, snapshot)),
            "sql": lambda: _by_sql(contest, snapshot),
            "scan": lambda: _scan(contest, paths),
        }
        if contest.chdb is not None and importlib.util.find_spec("chdb") is not None:
            runners["chdb"] = lambda: _chdb(contest, paths)
        if unmerged:
            merged = _snapshot(folder, generate(folder / "merged", events))
            runners["merged"] = lambda: contest.figures(engines.answer(contest.questions, merged))
        times: dict[str, list[tuple[float, float]]] = {name: [] for name in runners}
        for number in range(rounds + 1):
            found = {}
            for name, run in runners.items():
                cpu, wall = time.process_time(), time.perf_counter()
                found[name] = run()
                if number:
                    times[name].append((time.process_time() - cpu, time.perf_counter() - wall))
            del found["scan"]
            assert all(one == found["ours"] for one in found.values()), f"not the same: {found}"
        engines.close()
    medians = {name: statistics.median(cpu for cpu, _ in some) for name, some in times.items()}
    ours, chdb = medians["ours"], medians.get("chdb")
    return WarehouseFigures.of(
        events / ours,
        events / medians["scan"],
        f"events per CPU second of a {question} question over {events} events with a scan of its"
        " columns; beside it plain DuckDB SQL and chDB: same files, same figures",
        events=events,
        rounds=rounds,
        ours_s=round(ours, 3),
        scan_s=round(medians["scan"], 3),
        sql_s=round(medians["sql"], 3),
        chdb_s=None if chdb is None else round(chdb, 3),
        to_scan=round(ours / medians["scan"], 2),
        to_sql=round(ours / medians["sql"], 2),
        to_chdb=None if chdb is None else round(ours / chdb, 2),
        to_merged=round(ours / medians["merged"], 2) if "merged" in medians else None,
        wall_ms=round(1_000 * statistics.median(wall for _, wall in times["ours"]), 1),
        mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
    )


def _by_sql(contest: Contest, snapshot: Snapshot) -> list[tuple[int, ...]]:
    with kernels.put_aside():
        return contest.figures(engines.answer(contest.questions, snapshot))


def _scan(contest: Contest, paths: list[Path]) -> object:
    sums = ", ".join(f"sum({column})" for column in contest.columns.split(", "))
    with duckdb.connect(config={"threads": 2}) as duck:
        listed = files.read_parquet([str(path) for path in paths])
        return duck.execute(f"select {sums} from {listed}").fetchone()


@cache
def _clickhouse() -> Any:
    """ClickHouse in this process, started once."""
    import chdb

    return chdb.connect(":memory:")  # type: ignore[no-untyped-call]


def _chdb(contest: Contest, paths: list[Path]) -> list[tuple[int, ...]]:
    listed = f"file('{paths[0].parents[1]}/*/*.parquet', Parquet)"
    assert contest.chdb is not None
    sql = contest.chdb.replace("{files}", listed) + " settings max_threads = 2"
    text = str(_clickhouse().query(sql, "CSV"))
    return [tuple(map(int, line.split(","))) for line in text.splitlines()]
