"""All SQL of a snapshot."""

from collections.abc import Sequence
from pathlib import Path

from siyu.kernel.db import ReadTx
from siyu.warehouse.compaction.contracts import FILE_COLUMNS


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
