"""Many small files of a bucket-month become one (section 3, step 5)."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import date
from itertools import groupby

import duckdb

from siyu.warehouse.compaction import queries, rules
from siyu.warehouse.compaction.contracts import LiveFile
from siyu.warehouse.compaction.service.files import (
    Job,
    Lost,
    abandon,
    publish,
    workbench,
    write_files,
)
from siyu.warehouse.tail import service as tail


async def merge_files(files: Sequence[LiveFile], job: Job = "merge") -> bool:
    """Replace live files of one bucket-month by one; False when somebody else was faster.

    More than one above MAX_FILE_ROWS, or when a shop has grown big and moves to its own bucket;
    none when all rows are erased or have expired.
    """
    source = rules.read_parquet([str(tail.root() / file.path) for file in files])
    async with tail.opened() as tx:
        removals = await queries.get_removals(tx)
        own = await queries.list_own_buckets(tx)
    with workbench() as (duck, _):
        try:
            own |= await asyncio.to_thread(_check, duck, source, files)
            output = await write_files(
                duck,
                source,
                removals,
                job,
                own=own,
                level=max(file.level for file in files) + 1,
                max_rows=rules.MAX_FILE_ROWS,
            )
        except duckdb.IOException:
            # An input is gone: merged and collected by another compactor.
            return False
    try:
        async with tail.opened() as tx:
            if await queries.retire_files(tx, [file.file_no for file in files]) != len(files):
                raise Lost
            tail.crash_point(f"{job}.inside_publish")
            await publish(tx, output)
    except Lost:
        await abandon(output.intents)
        return False
    tail.crash_point(f"{job}.published")
    return True


def _check(duck: duckdb.DuckDBPyConnection, source: str, files: Sequence[LiveFile]) -> set[int]:
    """See that the files hold what the manifest says; returns the shops that have grown big."""
    shops = duck.execute(
        f"select shop_id, {rules.MONTH_SQL} as month, count(*) from {source} group by all"
    ).fetchall()
    held = ({month for _, month, _ in shops}, sum(count for _, _, count in shops))
    said = ({files[0].month}, sum(file.rows for file in files))
    assert held == said, f"files of {files[0].month} hold {held}, the manifest says {said}"
    return {shop for shop, _, count in shops if count > rules.BIG_SHOP_ROWS}


async def merge_due() -> int:
    """Merge every bucket-month that has files enough; returns how many were merged."""
    async with tail.opened() as tx:
        files = await queries.list_live_files(tx)
        quiet = await queries.list_quiet_months(tx)
    merged = 0
    for place, group in groupby(files, key=lambda file: (file.bucket, file.month)):
        chosen = rules.choose_merge(list(group), quiet=place in quiet)
        merged += bool(chosen) and await merge_files(chosen)
    return merged


async def rebuild(
    month: date | None = None, *, progress: Callable[[int, int], object] = lambda done, all: None
) -> int:
    """Write the live files of every bucket-month (or of one month) anew, together, in the present
    layout and order; returns how many bucket-months were written.

    Readers and writers go on meanwhile; the old files are collected after their grace. progress
    hears (rows written, rows in all).
    """
    async with tail.opened() as tx:
        files = [f for f in await queries.list_live_files(tx) if month in (None, f.month)]
    done, rebuilt = 0, 0
    for _, group in groupby(files, key=lambda file: (file.bucket, file.month)):
        together = list(group)
        rebuilt += await merge_files(together)
        done += sum(file.rows for file in together)
        progress(done, sum(file.rows for file in files))
    return rebuilt
