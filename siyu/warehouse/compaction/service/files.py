"""Writing Parquet files so that a power cut leaves each of them whole or not there."""

import asyncio
import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Literal, TypeVar

import duckdb
import msgspec

from siyu.kernel.db import Tx
from siyu.kernel.ids import new_id
from siyu.warehouse.compaction import queries, rules
from siyu.warehouse.compaction.contracts import FILE_COLUMNS, Intent, Part, Removals, Removed
from siyu.warehouse.compaction.queries import Written
from siyu.warehouse.tail import service as tail

Job = Literal["compact", "merge", "purge"]
"""Who writes, for the fail points."""
T = TypeVar("T")
_ANY_SIZE = 2**62
_TEXTS = {"event_name": "name_id", "channel": "channel_id", "page": "page_id"}


class Lost(Exception):
    """Somebody else has done this work; throw ours away."""


class Output(msgspec.Struct, frozen=True):
    """New files on disk with their intents, and the rows that were left out of them on purpose."""

    intents: list[Intent]
    written: list[Written]
    removed: list[Removed]


@contextlib.contextmanager
def workbench() -> Iterator[tuple[duckdb.DuckDBPyConnection, Path]]:
    """A DuckDB for one job with little memory, and a scratch folder that it may spill to."""
    scratch = tail.root() / "scratch"
    scratch.mkdir(mode=0o700, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=scratch) as folder,
        duckdb.connect(
            config={"memory_limit": "256MB", "threads": 2, "temp_directory": folder}
        ) as duck,
    ):
        yield duck, Path(folder)


def new_path(bucket: int, month: date) -> str:
    """A fresh path below the root."""
    return rules.file_path(bucket, month, new_id())


def fetch_as(duck: duckdb.DuckDBPyConnection, kind: type[T], sql: str) -> list[T]:
    """The rows of a query as structs of the same field names."""
    found = duck.execute(sql)
    names = [column[0] for column in found.description or []]
    return [msgspec.convert(dict(zip(names, row, strict=True)), kind) for row in found.fetchall()]


def parts_of(
    duck: duckdb.DuckDBPyConnection,
    source: str,
    *,
    own: set[int],
    reason: str,
    max_rows: int = _ANY_SIZE,
) -> list[Part]:
    """Which files the rows of `source` that stay (`reason` is null) belong to.

    Above max_rows a bucket-month is cut between shops, and inside a shop's own bucket between
    persons: never through a person, whose events stay together.
    """
    bucket = rules.bucket_sql(own)
    return fetch_as(
        duck,
        Part,
        f"""with sizes as (
              select {bucket} as bucket, {rules.MONTH_SQL} as month, shop_id,
                     case when {bucket} >= {rules.BUCKETS} then person_no end as person,
                     count(*) as rows, min(at_us) as min_us, max(at_us) as max_us,
                     min(person_no) as min_person, max(person_no) as max_person
              from {source} where {reason} is null group by all),
            cuts as (
              select *, (sum(rows) over (partition by bucket, month order by shop_id, person)
                         - rows) // {max_rows} as cut from sizes)
            select bucket, month, sum(rows)::bigint as rows, min(min_us) as min_us,
                   max(max_us) as max_us, min(shop_id) as min_shop, max(shop_id) as max_shop,
                   min(min_person) as min_person, max(max_person) as max_person
            from cuts group by bucket, month, cut order by bucket, month, cut""",
    )


def removed_of(duck: duckdb.DuckDBPyConnection, source: str, reason: str) -> list[Removed]:
    """What of `source` has a reason to go."""
    return fetch_as(
        duck,
        Removed,
        f"""select shop_id, {reason} as reason, count(*) as rows,
                   sum(event_no)::bigint as sum_no
            from {source} where {reason} is not null group by all order by all""",
    )


async def write_files(
    duck: duckdb.DuckDBPyConnection,
    source: str,
    removals: Removals,
    job: Job,
    *,
    own: set[int],
    level: int,
    slot: int | None = None,
    max_rows: int = _ANY_SIZE,
) -> Output:
    """Write the rows of `source` (a table expression) that stay into new files, each announced by a
    committed intent (W5) and in order (W6)."""
    reason = rules.reason_sql(removals)
    removed = await asyncio.to_thread(removed_of, duck, source, reason)
    parts = await asyncio.to_thread(
        parts_of, duck, source, own=own, reason=reason, max_rows=max_rows
    )
    texts = await asyncio.to_thread(_ids_of, duck, source)
    intents: list[Intent] = []
    async with tail.opened() as tx:
        notes = rules.quoted(msgspec.json.encode(await queries.get_texts(tx, texts)).decode())
        if parts:
            places = [(new_path(p.bucket, p.month), p.bucket, p.month) for p in parts]
            intents = await queries.insert_intents(tx, places, level, slot)
    tail.crash_point(f"{job}.intent_written")
    written = []
    for intent, part in zip(intents, parts, strict=True):
        rows = f"(from {source} where {reason} is null and {rules.part_sql(part, own)})"
        written.append(await asyncio.to_thread(_write_file, duck, rows, intent, part, notes, job))
    tail.crash_point(f"{job}.file_written")
    return Output(intents, written, removed)


def _ids_of(duck: duckdb.DuckDBPyConnection, source: str) -> dict[str, list[int]]:
    return {
        kind: [row[0] for row in duck.execute(f"select distinct {column} from {source}").fetchall()]
        for kind, column in _TEXTS.items()
    }


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_file(
    duck: duckdb.DuckDBPyConnection, rows: str, intent: Intent, part: Part, notes: str, job: Job
) -> Written:
    """Write and fsync one file. notes: the texts of its numbers, so that it can be read alone."""
    target = tail.root() / intent.path
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    duck.execute(
        f"""copy (select {", ".join(FILE_COLUMNS)} from {rows} order by {rules.ORDER})
            to {rules.quoted(str(target))} ({rules.PARQUET}, kv_metadata {{texts: {notes}}})"""
    )
    size = target.stat().st_size
    tail.crash_point(f"{job}.half_written", lambda: os.truncate(target, size // 2))
    for place in (target, target.parent, target.parent.parent, tail.root()):
        _sync(place)
    return Written(intent.file_no, part, size)


async def publish(tx: Tx, output: Output) -> None:
    """Intents → live, and what was left out into the books. Raises Lost."""
    if output.written and await queries.publish_files(tx, output.written) != len(output.written):
        raise Lost
    await queries.insert_corrections(tx, output.removed)


async def abandon(intents: Sequence[Intent]) -> None:
    """Throw away the files of an attempt that was lost."""
    async with tail.opened() as tx:
        await queries.abandon_intents(tx, [intent.file_no for intent in intents])
