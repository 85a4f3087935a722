"""Sealing: the open slot stops taking events and the next one opens (section 3, step 2)."""

import asyncpg

from siyu.kernel.errors import Busy
from siyu.warehouse.tail import queries, rules
from siyu.warehouse.tail.service.connection import crash_point, opened


async def seal() -> int | None:
    """Seal the open slot and open the next; returns the sealed slot.

    None when somebody else was faster or writers did not let go within the lock time-out: nothing
    happened, and the next tick tries again.
    """
    async with opened() as tx:
        slot = (await queries.get_open_slot(tx)).slot
    try:
        # The partition is made apart from the switch: its catalogue locks never wait for writers.
        async with opened("begin; set local lock_timeout = '500ms'") as tx:
            # One at a time: two that create the same table meet in the catalogue, not here.
            await tx.run(f"select pg_advisory_xact_lock({queries.PARTITION_LOCK})")
            await queries.create_partition(tx, slot + 1)
        crash_point("seal.prepared")
        async with opened("begin; set local lock_timeout = '500ms'") as tx:
            await tx.run(f"select pg_advisory_xact_lock({queries.SEAL_LOCK})")
            if not await queries.seal_slot(tx, slot):
                return None
            crash_point("seal.half_done")
            await queries.insert_open_slot(tx, slot + 1)
    except (Busy, asyncpg.DuplicateTableError, asyncpg.UniqueViolationError):
        return None
    crash_point("seal.done")
    return slot


async def seal_when_due() -> int | None:
    """Seal the open slot if it is full or old; returns the sealed slot."""
    async with opened() as tx:
        open_slot = await queries.get_open_slot(tx)
    return await seal() if rules.should_seal(open_slot.rows, open_slot.age_s) else None
