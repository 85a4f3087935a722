"""What the worker runs for stored value."""

import logging

from siyu.kernel.db import Tx, system_transaction, transaction
from siyu.kernel.errors import Busy, SiyuError
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import every
from siyu.merchant.shops import service as shops
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import (
    PaymentSucceeded,
    Purpose,
    RefundClosed,
    RefundSucceeded,
)
from siyu.money.stored_value import queries, service
from siyu.people.members.contracts import MembersMerged, MergeUndone

log = logging.getLogger("siyu.stored_value")
_BATCH = 200


async def on_payment_succeeded(tx: Tx, event: PaymentSucceeded) -> None:
    """Credit the top-up that was paid."""
    if event.purpose is Purpose.TOP_UP:
        await service.accept_payment(tx, event)


async def on_refund_succeeded(tx: Tx, event: RefundSucceeded) -> None:
    """The payer of a top-up has the money."""
    if event.purpose is Purpose.TOP_UP:
        await service.record_refund_end(tx, event.refund_id, is_paid=True)


async def on_refund_closed(tx: Tx, event: RefundClosed) -> None:
    """A refund of a top-up was given up: its value is the member's again."""
    if event.purpose is Purpose.TOP_UP:
        await service.record_refund_end(tx, event.refund_id, is_paid=False)


async def on_members_merged(tx: Tx, event: MembersMerged) -> None:
    """Stored value follows to who stands for the person."""
    await service.follow_person(tx, event.record_ids)


async def on_merge_undone(tx: Tx, event: MergeUndone) -> None:
    """What is left of each record's lots goes home."""
    await service.follow_person(tx, event.record_ids)


@every(seconds=30)
async def close_overdue() -> None:
    """Close top-ups that were not paid in time, after WeChat has confirmed it (F016). What is
    unclear comes up again with the next tick."""
    async with system_transaction() as tx:
        overdue = await service.list_overdue(tx, _BATCH)
    for one in overdue:
        try:
            closing = await payments.close_order(ShopId(one.shop_id), one.top_up_id)
            async with transaction(ShopId(one.shop_id)) as own:
                await service.close_top_up(own, one.top_up_id, closing)
        except Busy:
            continue
        except SiyuError as error:
            # One shop whose payments are not set up must not hold up the others.
            log.warning(
                "overdue top-up stays",
                extra={"top_up_id": str(one.top_up_id), "code": error.code},
            )


@every("13 * * * *")
async def expire_due() -> None:
    """End bonus whose last day is over. Every hour, for midnight comes at its own time to each
    shop."""
    while True:
        async with system_transaction() as tx:
            due = await queries.list_ending(tx, await shops.list_days(tx), _BATCH)
        for one in due:
            async with transaction(ShopId(one.shop_id)) as own:
                await service.expire_bonus(own, one.member_id)
        if len(due) < _BATCH:
            return
