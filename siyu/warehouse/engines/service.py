"""Asking DuckDB."""

import asyncio
import os
import threading
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import duckdb

from siyu.kernel.clock import business_day
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.compaction.contracts import FILE_COLUMNS
from siyu.warehouse.engines import rules
from siyu.warehouse.engines.contracts import (
    Answers,
    Cohort,
    Funnel,
    Questions,
    Retention,
    Series,
    WarehouseIncomplete,
)
from siyu.warehouse.engines.rules import from_us
from siyu.warehouse.query import service as query
from siyu.warehouse.query.contracts import (
    PERSON_JOINED,
    FunnelSpec,
    LastSpec,
    Need,
    RetentionSpec,
    SeriesSpec,
    Snapshot,
    Spec,
)
from siyu.warehouse.tail import service as tail

__all__ = ["ask", "close", "from_us"]

KEPT_SECONDS = 10.0
"""DuckDB holds on to the memory of its largest answer; opening it again costs 15 ms."""

_duck: duckdb.DuckDBPyConnection | None = None
_closing: asyncio.TimerHandle | None = None
# One question at a time: several would share the little memory and each spill to disk.
_asking = threading.Lock()


def _connection() -> duckdb.DuckDBPyConnection:
    global _duck
    if _duck is None:
        _duck = duckdb.connect(
            config={
                "memory_limit": "256MB",
                "threads": 2,
                "temp_directory": str(tail.root() / "scratch" / f"spill-{os.getpid()}"),
                "preserve_insertion_order": False,
            }
        )
    return _duck


def _close_later() -> None:
    global _closing
    if _closing is not None:
        _closing.cancel()
    _closing = asyncio.get_running_loop().call_later(KEPT_SECONDS, close)


def close() -> None:
    """Let go of DuckDB and its memory, unless somebody is asking just now."""
    global _duck
    if _asking.acquire(blocking=False):
        try:
            if _duck is not None:
                _duck.close()
            _duck = None
        finally:
            _asking.release()


def specs_of(questions: Questions) -> list[Spec]:
    """All specs of the questions."""
    return [*questions.funnels, *questions.retentions, *questions.series, *questions.lasts]


async def ask(questions: Questions) -> Answers:
    """Answer questions about one shop out of one snapshot.

    Raises WarehouseIncomplete when files are missing in three snapshots in a row (W9).
    """
    specs = specs_of(questions)
    [shop_id] = {spec.shop_id for spec in specs}
    needs = [need for spec in specs for need in rules.needs_of(spec)]
    texts = any(map(rules.uses_texts, specs))
    for _ in range(3):
        async with query.snapshot(shop_id, needs, texts=texts) as snapshot:
            try:
                return await asyncio.to_thread(_answer, questions, needs, snapshot)
            except duckdb.IOException:
                if all(path.exists() for path in snapshot.files):
                    raise
            finally:
                _close_later()
    raise WarehouseIncomplete([str(path) for path in snapshot.files if not path.exists()])


def _answer(questions: Questions, needs: Sequence[Need], snapshot: Snapshot) -> Answers:
    with _asking:
        duck = _connection().cursor()
        try:
            _load(duck, specs_of(questions), needs, snapshot)
            codes = snapshot.codes
            return Answers(
                [_funnel(duck, spec, codes) for spec in questions.funnels],
                [_retention(duck, spec, codes) for spec in questions.retentions],
                [_series(duck, spec, codes) for spec in questions.series],
                [_last(duck, spec, codes) for spec in questions.lasts],
            )
        finally:
            duck.close()


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


def _load(
    duck: duckdb.DuckDBPyConnection,
    specs: Sequence[Spec],
    needs: Sequence[Need],
    snapshot: Snapshot,
) -> None:
    """Make the temporary table `events`: what is needed of one shop, visitors as who they are."""
    listed = ", ".join(FILE_COLUMNS)
    sources = [f"select {listed} from {compaction.read_csv(str(snapshot.tail))}"]
    if snapshot.files:
        paths = [str(path) for path in snapshot.files]
        sources.append(f"select {listed} from {compaction.read_parquet(paths)}")
    source = " union all ".join(sources)
    names = snapshot.codes["event_name"]
    person, join = "person_no", ""
    if PERSON_JOINED in names:
        duck.execute(
            _MEMBERS.format(source=source, shop_id=snapshot.shop_id, name_id=names[PERSON_JOINED])
        )
        person = "coalesce(m.member_no, e.person_no) as person_no"
        join = "left join members m on m.visitor_no = e.person_no"
    more = sorted(set().union(*map(rules.columns_of, specs)))
    columns = ", ".join([person, "at_us", "event_no", "name_id", *more])
    wanted = " or ".join(sorted({_need_sql(need, names) for need in needs}))
    duck.execute(
        f"""create temp table events as select {columns} from ({source}) e {join}
            where shop_id = {snapshot.shop_id} and ({wanted})"""
    )


def _need_sql(need: Need, names: dict[str, int]) -> str:
    ids = sorted(names[name] for name in need.names if name in names)
    if not ids:
        return "false"
    listed = ", ".join(map(str, ids))
    return f"(name_id in ({listed}) and at_us >= {need.since_us} and at_us < {need.until_us})"


def _funnel(duck: duckdb.DuckDBPyConnection, spec: FunnelSpec, codes: rules.Codes) -> Funnel:
    size = len(spec.steps)
    persons = [0] * size
    by: dict[str, list[int]] = defaultdict(lambda: [0] * size)
    texts: dict[str, str] = {}
    if spec.by in ("channel", "page"):
        texts = {str(number): text for text, number in codes[spec.by].items()}
    for value, far, count in duck.execute(rules.funnel_sql(spec, codes)).fetchall():
        for step in range(far):
            persons[step] += count
            if spec.by is not None:
                by[texts.get(value, value)][step] += count
    return Funnel(persons, dict(by))


def _retention(
    duck: duckdb.DuckDBPyConnection, spec: RetentionSpec, codes: rules.Codes
) -> Retention:
    rows = duck.execute(rules.retention_sql(spec, codes)).fetchall()
    return Retention([Cohort(rules.day_of(day), size, list(back)) for day, size, *back in rows])


def _series(duck: duckdb.DuckDBPyConnection, spec: SeriesSpec, codes: rules.Codes) -> list[Series]:
    found = [_empty(since, until, spec) for since, until in spec.spans]
    firsts = [rules.day_number(series.days[0]) for series in found]
    groups: dict[Any, list[int]] = defaultdict(list)
    for n, measure in enumerate(spec.measures):
        plain, ordinal = measure.count in rules.PLAIN, measure.count in rules.ORDINAL
        groups["plain" if plain else (ordinal, measure.step)].append(n)
    for kind, numbers in groups.items():
        lower = rules.plain_sql if kind == "plain" else rules.special_sql
        sql = lower(spec, [spec.measures[n] for n in numbers], codes)
        for span, day, *values in duck.execute(sql).fetchall():
            for n, value in zip(numbers, values, strict=True):
                if day is None:
                    found[span].totals[n] = int(value)
                else:
                    found[span].values[n][day - firsts[span]] = int(value)
    return found


def _empty(since: datetime, until: datetime, spec: SeriesSpec) -> Series:
    first = rules.day_number(business_day(since, spec.time_zone))
    last = rules.day_number(business_day(until - timedelta(microseconds=1), spec.time_zone))
    days = [rules.day_of(day) for day in range(first, last + 1)]
    return Series(days, [[0] * len(days) for _ in spec.measures], [0] * len(spec.measures))


def _last(duck: duckdb.DuckDBPyConnection, spec: LastSpec, codes: rules.Codes) -> int | None:
    row = duck.execute(rules.last_sql(spec, codes)).fetchone()
    return None if row is None else row[0]
