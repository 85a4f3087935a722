"""What the worker runs for ordering."""

import logging
from uuid import UUID

from siyu.commerce.ordering import queries, service
from siyu.commerce.ordering.contracts import CancelReason, MoveRefused, PaymentUnclear
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import Tx, system_transaction, transaction
from siyu.kernel.errors import Busy, SiyuError
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import every
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import PaymentSucceeded

log = logging.getLogger("siyu.ordering")


async def on_payment_succeeded(tx: Tx, event: PaymentSucceeded) -> None:
    """Mark the order paid, or find the money its place."""
    await service.accept_payment(tx, event)


@every(seconds=15)
async def cancel_overdue() -> None:
    """Cancel what was not paid in time: close at WeChat, and only then free the goods (F016).

    What WeChat does not confirm stays as it is and comes up again with the next tick.
    """
    async with system_transaction() as tx:
        overdue = await queries.list_overdue(tx, clock.now())
    for order in overdue:
        try:
            await cancel_one(ShopId(order.shop_id), order.order_id)
        except (MoveRefused, PaymentUnclear, Busy):
            continue
        except SiyuError as error:
            # One shop whose payments are not set up must not hold up the others.
            log.warning(
                "overdue order stays",
                extra={"order_id": str(order.order_id), "code": error.code},
            )


async def cancel_one(shop_id: ShopId, order_id: UUID) -> None:
    """Close the payments of an overdue order, then cancel it. Raises what `cancel_unpaid` does."""
    closing = await payments.close_order(shop_id, order_id)
    async with transaction(shop_id) as tx:
        await service.cancel_unpaid(tx, order_id, closing, CancelReason.TIMED_OUT, System())
