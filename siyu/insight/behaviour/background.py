"""What the worker runs for behaviour."""

from siyu.insight.behaviour import service
from siyu.kernel import clock
from siyu.kernel.db import system_transaction
from siyu.kernel.jobs import every, for_each
from siyu.merchant.shops import service as shops


@every("*/15 * * * *")
async def make_digests() -> None:
    """Tell the staff of every shop what happened yesterday, once it is morning there."""
    async with system_transaction() as tx:
        due = [(shop.shop_id, clock.now()) for shop in await shops.list_shops(tx)]
    await for_each(service.make_digest, due)
