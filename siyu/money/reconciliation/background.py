"""What the worker runs for reconciliation."""

from datetime import date

from siyu.kernel import clock
from siyu.kernel.db import system_transaction
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import every, for_each
from siyu.merchant.shops import service as shops
from siyu.money.reconciliation import queries, service

_BATCH = 50


@every("*/10 * * * *")
async def fetch_due_bills() -> None:
    """Begin the days that are over, and fetch and compare those whose bills are due."""
    async with system_transaction() as tx:
        shop_ids = [ShopId(shop.shop_id) for shop in await shops.list_shops(tx)]
    await service.begin_all(shop_ids)
    done: set[tuple[int, date]] = set()
    while True:  # the next day of an account comes up when the one before was compared
        async with system_transaction() as tx:
            due = await queries.list_due(tx, clock.now(), _BATCH)
        found = {(day.shop_id, day.on) for day in due} - done
        if not found:
            break
        await for_each(service.fetch_day, sorted(found))
        done |= found


@every("17 * * * *")
async def compare_open_days() -> None:
    """Look again at the days that wait: what was late has perhaps arrived."""
    async with system_transaction() as tx:
        days = await queries.list_open(tx, _BATCH)
    for day in days:
        await service.compare_day(ShopId(day.shop_id), day.on, day.merchant)
