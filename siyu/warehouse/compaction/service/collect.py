"""Taking away what no longer counts (section 3, step 6)."""

import contextlib
import shutil
from pathlib import Path

from siyu.kernel import clock
from siyu.kernel.errors import Busy
from siyu.warehouse.compaction import queries, rules
from siyu.warehouse.tail import service as tail


async def collect(grace_s: float = rules.GRACE_S) -> tuple[int, int]:
    """Remove dead files after their grace, expired intents, partitions of compacted slots.

    The books of batches too old to be sent again are folded to one row per slot.

    Returns how many files and how many partitions went.
    """
    async with tail.opened() as tx:
        await queries.expire_intents(tx)
    async with tail.opened() as tx:
        files = await queries.list_collectable(tx, grace_s)
        slots = await queries.list_droppable_slots(tx)
    for file_no, path in files:
        # First the file, then its row: a crash in between leaves a row that is collected again.
        with contextlib.suppress(FileNotFoundError):
            (tail.root() / path).unlink()
        tail.crash_point("collect.unlinked")
        async with tail.opened() as tx:
            await queries.delete_file(tx, file_no)
    dropped = 0
    for slot in slots:
        # A waiting DROP would stall every writer behind it: try briefly, else later (W3).
        with contextlib.suppress(Busy):
            async with tail.opened("begin; set local lock_timeout = '50ms'") as tx:
                await queries.drop_partition(tx, slot)
            dropped += 1
    async with tail.opened() as tx:
        await queries.fold_batches(tx)
    _sweep_scratch()
    return len(files), dropped


def _sweep_scratch() -> None:
    """Remove what died a day ago or longer, by the machine's own clock.

    A process spills into a folder of its number for as long as it lives.
    """
    yesterday = (clock.now() - clock.shift()).timestamp() - 86_400
    for folder in (tail.root() / "scratch").glob("*"):
        with contextlib.suppress(FileNotFoundError):
            owner = Path("/proc") / folder.name.removeprefix("spill-")
            if folder.stat().st_mtime < yesterday and not owner.exists():
                shutil.rmtree(folder, ignore_errors=True)
