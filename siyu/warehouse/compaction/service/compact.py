"""A sealed slot becomes files (section 3, steps 3 and 4)."""

import asyncio

import duckdb

from siyu.warehouse.compaction import queries, rules
from siyu.warehouse.compaction.contracts import Intent, Part
from siyu.warehouse.compaction.queries import Books, Written
from siyu.warehouse.compaction.service.files import Lost, new_path, parts_of, workbench, write_file
from siyu.warehouse.tail import service as tail

LONG = "begin; set local statement_timeout = 0"


async def compact_slot(slot: int) -> bool:
    """Write the files of a sealed slot and publish them; False when somebody else was faster.

    Raises AssertionError when the slot does not hold what its batches promise: then nothing is
    published, and the rows stay where they are.
    """
    intents: list[Intent] = []
    with workbench() as (duck, scratch):
        csv = scratch / "slot.csv"
        async with tail.opened(LONG) as tx:
            if not await queries.copy_slot(tx, slot, csv):
                return False
            books = await queries.get_books(tx, slot)
        tail.crash_point("compact.slot_read")
        parts = await asyncio.to_thread(_load, duck, str(csv), books)
        if parts:
            async with tail.opened() as tx:
                places = [(new_path(p.bucket, p.month), p.bucket, p.month) for p in parts]
                intents = await queries.insert_intents(tx, places, 0, slot)
        tail.crash_point("compact.intent_written")
        by_place = {(intent.bucket, intent.month): intent for intent in intents}
        written = [
            await asyncio.to_thread(
                write_file, duck, "events", by_place[part.bucket, part.month], part, "compact"
            )
            for part in parts
        ]
    tail.crash_point("compact.file_written")
    try:
        await _publish(slot, written)
    except Lost:
        async with tail.opened() as tx:
            await queries.abandon_intents(tx, [intent.file_no for intent in intents])
        return False
    tail.crash_point("compact.published")
    return True


def _load(duck: duckdb.DuckDBPyConnection, csv: str, books: Books) -> list[Part]:
    duck.execute(f"create table events as from {rules.read_csv(csv)}")
    held = duck.execute("select count(*), coalesce(sum(event_no), 0) from events").fetchone()
    assert held == (books.rows, books.sum_no), f"the slot holds {held}, its batches promise {books}"
    return parts_of(duck, "events")


async def _publish(slot: int, written: list[Written]) -> None:
    """One transaction of plain updates, each hitting exactly its row; no DDL (W3)."""
    async with tail.opened() as tx:
        if not await queries.close_slot(tx, slot):
            raise Lost
        tail.crash_point("compact.inside_publish")
        if written and await queries.publish_files(tx, written) != len(written):
            raise Lost
