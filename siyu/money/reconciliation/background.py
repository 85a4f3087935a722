"""What the worker runs for reconciliation."""

import logging

from siyu.kernel import clock
from siyu.kernel.db import system_transaction
from siyu.kernel.errors import Busy, SiyuError
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import every
from siyu.merchant.shops import service as shops
from siyu.money.reconciliation import queries, service

log = logging.getLogger("siyu.reconciliation")
_BATCH = 50


@every("*/10 * * * *")
async def fetch_due_bills() -> None:
    """Begin the days that are over, and fetch and compare those whose bills are due."""
    async with system_transaction() as tx:
        shop_ids = [ShopId(shop.shop_id) for shop in await shops.list_shops(tx)]
    await service.begin_all(shop_ids)
    async with system_transaction() as tx:
        due = await queries.list_due(tx, clock.now(), _BATCH)
    for day in due:
        try:
            await service.fetch_day(ShopId(day.shop_id), day.on)
        except Busy:
            continue
        except SiyuError as error:
            # One shop's missing keys must not keep the others from their bills.
            log.warning("bill not fetched", extra={"on": str(day.on), "code": error.code})


@every("17 * * * *")
async def compare_open_days() -> None:
    """Look again at the days that wait: what was late has perhaps arrived."""
    async with system_transaction() as tx:
        days = await queries.list_open(tx, _BATCH)
    for day in days:
        await service.compare_day(ShopId(day.shop_id), day.on, day.merchant)
