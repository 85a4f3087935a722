"""What the worker runs for payouts."""

from siyu.kernel import clock
from siyu.kernel.db import system_transaction
from siyu.kernel.inbox import Message, receives
from siyu.kernel.jobs import every, for_each
from siyu.money.payouts import queries, service
from siyu.money.payouts.service.agreements import CALL_LASTS

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
        due = await queries.take_due_payouts(tx, now, now + CALL_LASTS, _BATCH)
    await for_each(service.follow_up, [(one.shop_id, one.found_id) for one in due])


@every(seconds=30)
async def follow_agreements_due() -> None:
    """Ask for agreements, and how they stand."""
    now = clock.now()
    async with system_transaction() as tx:
        due = await queries.take_due_agreements(tx, now, now + CALL_LASTS, _BATCH)
    await for_each(service.follow_agreement, [(one.shop_id, one.found_id) for one in due])
