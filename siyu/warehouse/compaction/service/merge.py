"""Many small files of a bucket-month become one (section 3, step 5)."""

import asyncio
from collections.abc import Sequence
from itertools import groupby

import duckdb

from siyu.warehouse.compaction import queries, rules
from siyu.warehouse.compaction.contracts import Intent, LiveFile
from siyu.warehouse.compaction.queries import Written
from siyu.warehouse.compaction.service.files import Lost, new_path, parts_of, workbench, write_file
from siyu.warehouse.tail import service as tail


async def merge_files(files: Sequence[LiveFile]) -> bool:
    """Replace live files of one bucket-month by one; False when somebody else was faster."""
    bucket, month = files[0].bucket, files[0].month
    level = max(file.level for file in files) + 1
    source = rules.read_parquet([str(tail.root() / file.path) for file in files])
    async with tail.opened() as tx:
        place = (new_path(bucket, month), bucket, month)
        [intent] = await queries.insert_intents(tx, [place], level, None)
    tail.crash_point("merge.intent_written")
    try:
        written = await asyncio.to_thread(_write, source, intent, sum(f.rows for f in files))
        tail.crash_point("merge.file_written")
        await _publish([file.file_no for file in files], written)
    except Lost:
        async with tail.opened() as tx:
            await queries.abandon_intents(tx, [intent.file_no])
        return False
    tail.crash_point("merge.published")
    return True


def _write(source: str, intent: Intent, rows: int) -> Written:
    with workbench() as (duck, _):
        try:
            parts = parts_of(duck, source)
            assert [(part.bucket, part.month, part.rows) for part in parts] == [
                (intent.bucket, intent.month, rows)
            ], f"the files of {intent.bucket} {intent.month} do not hold what their rows say"
            return write_file(duck, source, intent, parts[0], "merge")
        except duckdb.IOException as error:
            # An input is gone: merged and collected by another compactor.
            raise Lost from error


async def _publish(inputs: list[int], written: Written) -> None:
    async with tail.opened() as tx:
        if await queries.retire_files(tx, inputs) != len(inputs):
            raise Lost
        tail.crash_point("merge.inside_publish")
        if await queries.publish_files(tx, [written]) != 1:
            raise Lost


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


async def rebuild() -> int:
    """Write every live file anew, in today's format and order; returns how many were replaced.

    Readers and writers go on meanwhile; the old files are collected after their grace.
    """
    async with tail.opened() as tx:
        files = await queries.list_live_files(tx)
    replaced = 0
    for file in files:
        replaced += await merge_files([file])
    return replaced
