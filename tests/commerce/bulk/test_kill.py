"""A worker that is really killed (SIGKILL) in the middle of a run."""

import asyncio
import os
import signal
import sys
from pathlib import Path
from uuid import UUID

from siyu.kernel import config
from siyu.kernel.db import Database
from siyu.kernel.ids import ShopId
from tests.commerce.bulk.kit import at_work, counts, ok
from tests.commerce.bulk.test_bulk import many

PRODUCTS = 150
WORKER = """
import asyncio, sys
from pathlib import Path
from uuid import UUID
from siyu.commerce.bulk import service as bulk
from siyu.kernel import config, crypto, db
from siyu.kernel.ids import ShopId

async def main():
    url, data_dir, shop_id, task_id = sys.argv[1:]
    settings = config.Settings(data_dir=Path(data_dir), public_url="https://shop.test")
    config.use(settings)
    crypto.use(crypto.load_vault(settings.key_file))
    db.use(await db.Database.connect(url, size=2))
    await bulk.run_task(ShopId(int(shop_id)), UUID(task_id), 1)

asyncio.run(main())
"""


async def test_kill_9_leaves_nothing_half_and_nothing_is_done_twice(
    shop: ShopId, database: Database
) -> None:
    async with at_work(shop) as clerk:
        task = await clerk.start(ok(await clerk.upload("products_in", many(PRODUCTS))))
        task_id, data_dir = UUID(task["task_id"]), config.settings().data_dir
        arguments = (database.url, str(data_dir), str(shop), str(task_id))
        for _ in range(2):  # two workers in a row are killed behind one chunk each
            before = await clerk.value("select done_lines from bulk.tasks")
            child = await asyncio.create_subprocess_exec(
                sys.executable, "-c", WORKER, *arguments,
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
            )  # fmt: skip
            while await clerk.value("select done_lines from bulk.tasks") == before:
                await asyncio.sleep(0.01)
                assert child.returncode is None, "the worker was to be killed, not to fail"
            child.send_signal(signal.SIGKILL)
            await child.wait()
            done = await clerk.value("select done_lines from bulk.tasks")
            assert await clerk.value("select count(*) from catalog.products") == done
        assert 0 < done <= PRODUCTS
        over = await clerk.run(task)
        assert (over["state"], counts(over)) == ("done", (PRODUCTS, 0, 0, 0))
        assert await clerk.value("select count(*) from catalog.products") == PRODUCTS
        assert await clerk.value("select sum(on_hand) from inventory.stock") == 2 * PRODUCTS
        assert await clerk.broken() == []
