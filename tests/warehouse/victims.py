"""Processes that the crash tests kill: they write and compact like the real ones."""

import asyncio
import os
from pathlib import Path
from uuid import UUID

from siyu.kernel import config, db
from siyu.kernel.audit import System
from siyu.kernel.ids import ShopId
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.tail import service as tail
from tests.warehouse.support import DAY_US, batch


def live(
    url: str, data_dir: Path, crash_at: str, keys: list[UUID], forget: int | None = None
) -> None:
    """Write a batch per key, and after each bring everything into files and clean up.

    forget: a person of shop 1 who asks to be forgotten after the first round.
    """
    os.environ["SIYU_CRASH_AT"] = crash_at
    config.use(config.Settings(data_dir=data_dir, warehouse_url=url))
    asyncio.run(_live(url, keys, forget))


async def _live(url: str, keys: list[UUID], forget: int | None) -> None:
    db.use(await db.Database.connect(url, size=2))
    for key in keys:
        await tail.collect(batch(40, key=key, step_us=DAY_US))
        while await tail.consume_outbox(settled=False):
            pass
        await compaction.compact()
        await compaction.collect(grace_s=0)
        if forget is not None:
            await compaction.ask_erasure(ShopId(1), forget, System())
            forget = None
    await tail.close()
    await db.database().close()
