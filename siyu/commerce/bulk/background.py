"""What the worker runs for bulk tasks."""

import asyncio
from uuid import UUID

from siyu.commerce.bulk import queries, service
from siyu.commerce.bulk.service.tasks import KEPT_FOR
from siyu.kernel import clock
from siyu.kernel.db import system_transaction
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import every, is_last_try, job


@job("bulk.run")
async def run_task(shop_id: int, task_id: UUID, run_no: int) -> None:
    """Bring a run to its end; a worker that dies in it leaves the place to the next one."""
    try:
        await service.run_task(ShopId(shop_id), task_id, run_no)
    except Exception:
        if is_last_try():
            await service.end_run(ShopId(shop_id), task_id, run_no, "broken_off")
        raise


@every("41 20 * * *")
async def forget_files() -> None:
    """Throw away the files of tasks older than 30 days; their reports stay."""
    now = clock.now()
    async with system_transaction() as tx:
        old = await queries.list_old(tx, now - KEPT_FOR)
    for task in old:
        await asyncio.to_thread(service.drop_files, task.shop_id, task.task_id)
        async with system_transaction() as tx:
            await queries.move_files_gone(tx, task.shop_id, task.task_id, now)
