"""One round of the compactor: seal, compact, purge, merge, collect."""

from siyu.warehouse.compaction import queries, rules
from siyu.warehouse.compaction.contracts import Compacted
from siyu.warehouse.compaction.service.collect import collect
from siyu.warehouse.compaction.service.compact import compact_slot
from siyu.warehouse.compaction.service.merge import merge_due
from siyu.warehouse.compaction.service.purge import (
    finish_forgetting,
    is_forgetting,
    is_in_tail,
    purge,
)
from siyu.warehouse.tail import service as tail


async def compact() -> Compacted | None:
    """A round that seals the open slot first, so that all events end in files."""
    return await run_round(seal_now=True)


async def run_round(*, seal_now: bool = False) -> Compacted | None:
    """Do all that is due; None when another process is the compactor just now.

    seal_now: seal the open slot even when it is neither full nor old. While a person waits to be
    forgotten, dead files go at once: readers take a new snapshot (W9).
    """
    async with tail.session() as connection:
        if not await queries.try_lock_compactor(connection):
            return None
        try:
            forgetting = await is_forgetting()
            seal_now = seal_now or (forgetting and await is_in_tail())
            sealed = await (tail.seal() if seal_now else tail.seal_when_due())
            slots = await queries.list_sealed_slots(connection)
            compacted = sum([await compact_slot(slot) for slot in slots])
            purged = await purge()
            merges = await merge_due()
            collected, dropped = await collect(0 if forgetting else rules.GRACE_S)
            if forgetting:
                await finish_forgetting()
        finally:
            await queries.unlock_compactor(connection)
    return Compacted(
        sealed=int(sealed is not None),
        slots=compacted,
        merges=merges,
        collected=collected,
        dropped=dropped,
        purged=purged,
    )
