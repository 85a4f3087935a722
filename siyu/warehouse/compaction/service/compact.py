"""A sealed slot becomes files (section 3, steps 3 and 4)."""

import asyncio

import duckdb

from siyu.warehouse.compaction import queries, rules
from siyu.warehouse.compaction.queries import Books
from siyu.warehouse.compaction.service.files import (
    Lost,
    Output,
    abandon,
    fetch_as,
    publish,
    workbench,
    write_files,
)
from siyu.warehouse.registry import service as registry
from siyu.warehouse.registry.contracts import Seen
from siyu.warehouse.tail import service as tail

LONG = "begin; set local statement_timeout = 0"


async def compact_slot(slot: int) -> bool:
    """Write the files of a sealed slot and publish them; False when somebody else was faster.

    What is erased or has expired does not get into a file. Raises AssertionError when the slot does
    not hold what its batches promise: then nothing is published, and the rows stay where they are.
    """
    with workbench() as (duck, scratch):
        csv = scratch / "slot.csv"
        async with tail.opened(LONG) as tx:
            if not await queries.copy_slot(tx, slot, csv):
                return False
            books = await queries.get_slot_books(tx, slot)
            removals = await queries.get_removals(tx)
            own = await queries.list_own_buckets(tx)
        tail.crash_point("compact.slot_read")
        await asyncio.to_thread(_load, duck, str(csv), books)
        output = await write_files(duck, "events", removals, "compact", own=own, level=0, slot=slot)
        seen = await asyncio.to_thread(fetch_as, duck, Seen, rules.seen_sql("events"))
    try:
        await _publish(slot, output)
    except Lost:
        await abandon(output.intents)
        return False
    tail.crash_point("compact.published")
    async with tail.opened() as tx:
        await registry.study(tx, seen)
    return True


def _load(duck: duckdb.DuckDBPyConnection, csv: str, books: Books) -> None:
    duck.execute(f"create table events as from {rules.read_csv(csv)}")
    held = duck.execute("select count(*), coalesce(sum(event_no), 0) from events").fetchone()
    assert held == (books.rows, books.sum_no), f"the slot holds {held}, its batches promise {books}"


async def _publish(slot: int, output: Output) -> None:
    """One transaction of plain updates, each hitting exactly its row; no DDL (W3)."""
    async with tail.opened() as tx:
        if not await queries.close_slot(tx, slot):
            raise Lost
        tail.crash_point("compact.inside_publish")
        await publish(tx, output)
        await queries.fold_counts(tx, slot)
