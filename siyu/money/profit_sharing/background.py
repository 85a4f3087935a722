"""What the worker runs for profit sharing."""

from datetime import timedelta
from typing import Protocol
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.db import Tx, system_transaction
from siyu.kernel.jobs import every, for_each
from siyu.money.payments.contracts import ParkedResolved, RefundClosed, RefundSucceeded
from siyu.money.profit_sharing import queries, service
from siyu.money.profit_sharing.contracts import PaidOrder
from siyu.money.profit_sharing.service import partner_store

_BATCH = 200
_IN_CASE_OF_FAILURE = timedelta(minutes=2)


class CompletedOrder(Protocol):
    """What is read of `ordering.order_completed`, an event of a floor above."""

    @property
    def order_id(self) -> UUID:
        """The order."""


async def on_order_paid(tx: Tx, event: PaidOrder) -> None:
    """Freeze who earns what of the order."""
    await service.plan_order(tx, event)


async def on_order_completed(tx: Tx, event: CompletedOrder) -> None:
    """Parts that waited for the receipt fall due."""
    await service.complete_order(tx, event.order_id)


async def on_refund_succeeded(tx: Tx, event: RefundSucceeded) -> None:
    """What the refund had promised to itself of the frozen money is gone."""
    await service.finish_refund(tx, event.order_id, event.refund_id)


async def on_refund_closed(tx: Tx, event: RefundClosed) -> None:
    """The refund was given up: its parts are earned again."""
    await service.give_up_refund(tx, event.order_id, event.refund_id)


async def on_parked_resolved(tx: Tx, event: ParkedResolved) -> None:
    """Money that was paid on top stays with us: it is not to be split, so it is unfrozen."""
    await service.unfreeze_apart(tx, event.parked_id)


@every(seconds=5)
async def share_due() -> None:
    """Take the next step of every plan whose moment has come.

    The moment after is set before, so that a failure only waits for its turn.
    """
    now = clock.now()
    async with system_transaction() as tx:
        due = await queries.take_due_plans(tx, now, now + _IN_CASE_OF_FAILURE, _BATCH)
    await for_each(service.advance, [(one.shop_id, one.found_id) for one in due])


@every(seconds=15)
async def tell_receivers() -> None:
    """Tell WeChat of receivers that come or go."""
    now = clock.now()
    async with system_transaction() as tx:
        due = await partner_store.take_due_receivers(tx, now, now + _IN_CASE_OF_FAILURE, _BATCH)
    await for_each(service.tell_wechat, [(one.shop_id, one.found_id) for one in due])
