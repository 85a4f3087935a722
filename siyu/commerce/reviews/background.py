"""What the worker runs for reviews."""

import asyncio

from siyu.commerce.reviews import service
from siyu.commerce.reviews.service.pictures import KEPT_FOR
from siyu.kernel import clock
from siyu.kernel.db import system_transaction
from siyu.kernel.jobs import every


@every("23 20 * * *")
async def forget_pictures() -> None:
    """Throw away pictures that were uploaded and came into no review, row first."""
    async with system_transaction() as tx:
        forgotten = await service.forget_pictures(tx, clock.now() - KEPT_FOR)
    for picture in forgotten:
        await asyncio.to_thread(service.drop_files, picture.shop_id, picture.picture_id)
