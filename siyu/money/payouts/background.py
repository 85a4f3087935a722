"""What the worker runs for payouts."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.db import system_transaction
from siyu.kernel.errors import SiyuError
from siyu.kernel.ids import ShopId
from siyu.kernel.inbox import Message, receives
from siyu.kernel.jobs import every
from siyu.money.payouts import queries, service
from siyu.money.payouts.queries import Due
from siyu.money.payouts.service.agreements import CALL_LASTS

log = logging.getLogger(__name__)

_AT_ONCE = 10
_BATCH = 200


@receives("wechatpay.transfers")
async def take_news(message: Message) -> None:
    """Apply what WeChat told us of a transfer or an agreement."""
    await service.record_notification(message.shop_id, message.raw)


@every(seconds=5)
async def follow_up_due() -> None:
    """Do what is due for every payout at WeChat: notifications can be lost, workers can die.

    The moment after is set before, so that a failure only waits for its turn.
    """
    now = clock.now()
    async with system_transaction() as tx:
        due = await queries.lock_due_payouts(tx, now, _BATCH)
        await queries.move_payouts_on(tx, due, now + CALL_LASTS)
    await _each(due, service.follow_up)


@every(seconds=30)
async def follow_agreements_due() -> None:
    """Ask for agreements, and how they stand."""
    now = clock.now()
    async with system_transaction() as tx:
        due = await queries.lock_due_agreements(tx, now, _BATCH)
        await queries.move_agreements_on(tx, due, now + CALL_LASTS)
    await _each(due, service.follow_agreement)


async def _each(due: list[Due], work: Callable[[ShopId, UUID], Awaitable[object]]) -> None:
    slots = asyncio.Semaphore(_AT_ONCE)

    async def run(one: Due) -> None:
        async with slots:
            try:
                await work(ShopId(one.shop_id), one.found_id)
            except SiyuError as error:
                # One shop's missing keys must not stop the others.
                log.warning(
                    "payout step failed",
                    extra={"found_id": str(one.found_id), "code": error.code},
                )

    done = await asyncio.gather(*(run(one) for one in due), return_exceptions=True)
    for failure in done:
        if failure is not None:
            raise failure
