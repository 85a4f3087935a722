"""All SQL of a snapshot."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from siyu.kernel.db import ReadTx
from siyu.warehouse.compaction.contracts import FILE_COLUMNS
from siyu.warehouse.tail.contracts import SYSTEMS

DEED = """person_no, at_us, event_no, name_id, channel_id, item_no, amount_fen, page_id, zone,
  dwell_ms, props"""
"""What is read of an event of one person."""


async def get_codes(tx: ReadTx, dictionary: str, texts: Sequence[str] | None) -> dict[str, int]:
    """Numbers of texts (None: of all texts) in event_name, channel or page."""
    records = await tx.connection.fetch(
        f"select text, id from warehouse.{dictionary} where $1::text[] is null or text = any($1)",
        None if texts is None else list(texts),
    )
    return {record["text"]: record["id"] for record in records}


async def list_paths(tx: ReadTx, shop_id: int, until_us: int) -> list[str]:
    """Live files that may hold events of a shop before a moment, oldest months first (W7)."""
    records = await tx.connection.fetch(
        """select path from warehouse.file
           where state = 'live' and $1 between min_shop and max_shop and min_us < $2
           order by month, file_no""",
        shop_id,
        until_us,
    )
    return [record["path"] for record in records]


async def get_withdrawn(tx: ReadTx, shop_id: int) -> tuple[dict[int, int], list[int]]:
    """Person → the moment before which nothing counts that pages told, of whoever withdrew and is
    still to be taken out of the files; and the numbers of the channels that are no pages."""
    found = await tx.connection.fetch(
        """select person_no, before_us from warehouse.withdrawal
           where shop_id = $1 and done_at is null""",
        shop_id,
    )
    systems = await get_codes(tx, "channel", SYSTEMS) if found else {}
    return {one["person_no"]: one["before_us"] for one in found}, list(systems.values())


async def copy_tail(
    tx: ReadTx,
    output: Path,
    *,
    shop_id: int,
    name_ids: Sequence[int],
    until_us: int,
    props_of: Sequence[int],
) -> None:
    """Copy a shop's events out of open and sealed slots.

    props_of: the events whose props are wanted; those of the others stay empty.
    """
    columns = ", ".join(name for name in FILE_COLUMNS if name != "props")
    await tx.connection.copy_from_query(
        f"""select {columns}, case when name_id = any($4) then props end from warehouse.event_tail
            where slot = any(array(select slot from warehouse.slot where state <> 'compacted'))
              and shop_id = $1 and name_id = any($2) and at_us < $3""",
        shop_id,
        list(name_ids),
        until_us,
        list(props_of),
        output=str(output),
        format="csv",
    )


async def list_paths_of(
    tx: ReadTx, shop_id: int, persons: Sequence[int], since_us: int
) -> list[str]:
    """Live files that may hold events of any of these persons from a moment on."""
    records = await tx.connection.fetch(
        """select path from warehouse.file
           where state = 'live' and $1 between min_shop and max_shop and max_us >= $3
             and exists (select from unnest($2::bigint[]) no where no between min_person
                         and max_person)
           order by month, file_no""",
        *(shop_id, list(persons), since_us),
    )
    return [record["path"] for record in records]


async def list_tail_of(
    tx: ReadTx, shop_id: int, persons: Sequence[int], name_ids: Sequence[int], since_us: int
) -> list[tuple[Any, ...]]:
    """Events of these persons out of open and sealed slots, columns as in `DEED`."""
    records = await tx.connection.fetch(
        f"""select {DEED} from warehouse.event_tail
            where slot = any(array(select slot from warehouse.slot where state <> 'compacted'))
              and shop_id = $1 and person_no = any($2::bigint[]) and name_id = any($3::int[])
              and at_us >= $4""",
        *(shop_id, list(persons), list(name_ids), since_us),
    )
    return [tuple(record.values()) for record in records]


async def get_texts(tx: ReadTx, dictionary: str, ids: Sequence[int]) -> dict[int, str]:
    """Texts of numbers in channel or page."""
    records = await tx.connection.fetch(
        f"select id, text from warehouse.{dictionary} where id = any($1::int[])", list(ids)
    )
    return {record["id"]: record["text"] for record in records}


async def count_tail(
    tx: ReadTx, shop_id: int, name_ids: Sequence[int]
) -> dict[tuple[int, int], int]:
    """(slot, person) → events of these names that are in no file yet."""
    records = await tx.connection.fetch(
        """select slot, person_no, count(*) as events from warehouse.event_tail
           where slot = any(array(select slot from warehouse.slot where state <> 'compacted'))
             and shop_id = $1 and name_id = any($2::int[]) and person_no > 0
           group by slot, person_no""",
        *(shop_id, list(name_ids)),
    )
    return {(one["slot"], one["person_no"]): one["events"] for one in records}
