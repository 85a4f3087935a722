"""What the worker runs for ordering."""

import contextlib
import logging
from collections.abc import Awaitable, Callable
from uuid import UUID

from siyu.commerce.ordering import queries, service
from siyu.commerce.ordering.contracts import (
    CancelReason,
    MoveRefused,
    OrderCompleted,
    OrderRefunded,
    OrderShipped,
    PaymentUnclear,
)
from siyu.commerce.ordering.service import cart_store, checkout_store, delivery_store
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import Tx, system_transaction, transaction
from siyu.kernel.errors import Busy, SiyuError
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import every
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import (
    PaymentSucceeded,
    Purpose,
    RefundAbnormal,
    RefundClosed,
    RefundSucceeded,
)
from siyu.money.points import service as points
from siyu.people.members import service as members
from siyu.people.members.contracts import MembersMerged, MergeUndone
from siyu.people.outreach import service as outreach
from siyu.people.outreach.contracts import PersonNotReachable

log = logging.getLogger("siyu.ordering")


async def on_members_merged(tx: Tx, event: MembersMerged) -> None:
    """Orders and carts follow their buyer, but for orders the buyer got a commission for as another
    person."""
    await _follow(tx, event.record_ids)


async def on_merge_undone(tx: Tx, event: MergeUndone) -> None:
    """Orders and carts go home; orders placed since stay with who placed them."""
    await _follow(tx, event.record_ids)


async def _follow(tx: Tx, record_ids: list[UUID]) -> None:
    await members.follow(tx, "ordering.orders", record_ids, but="promoter_id = $3")
    # Who has bought before, as any of their records, is no new customer.
    await members.follow(tx, "ordering.buyers", record_ids, once_per=("shop_id",))
    await checkout_store.ensure_buyers(tx, record_ids)
    head_ids = {await members.person_of(tx, one) for one in record_ids}
    await cart_store.ensure_carts(tx, sorted(head_ids), clock.now())
    await members.follow(tx, "ordering.cart_lines", record_ids, once_per=("sku_id",))


async def on_payment_succeeded(tx: Tx, event: PaymentSucceeded) -> None:
    """Mark the order paid, or find the money its place."""
    if event.purpose is Purpose.ORDER:
        await service.accept_payment(tx, event)


async def on_refund_succeeded(tx: Tx, event: RefundSucceeded) -> None:
    """The payer has the money: give back balance and points, and finish the refund."""
    if event.purpose is Purpose.ORDER:
        await service.finish_refund(tx, event.refund_id, event.order_id)


async def on_refund_abnormal(tx: Tx, event: RefundAbnormal) -> None:
    """Show that a refund waits for finance (F030)."""
    if event.purpose is Purpose.ORDER:
        await service.note_abnormal(tx, event.refund_id, event.order_id)


async def on_refund_closed(tx: Tx, event: RefundClosed) -> None:
    """A refund was given up: what it claimed may be refunded anew."""
    if event.purpose is Purpose.ORDER:
        await service.undo_refund(tx, event.refund_id, event.order_id)


async def on_order_completed(tx: Tx, event: OrderCompleted) -> None:
    """Points are earned on receipt, for goods and not for shipping (money cannot hear us)."""
    await points.earn(
        tx, member_id=event.member_id, order_id=event.order_id, eligible_fen=event.goods_fen
    )


async def on_order_shipped(tx: Tx, event: OrderShipped) -> None:
    """Tell the buyer that the goods have left: a subscription message, else the inbox."""
    await _tell(
        tx,
        event,
        "order_shipped",
        {"shipped_at": event.shipped_at.isoformat()},
        f"order_shipped:{event.order_id}",
    )


async def _tell(
    tx: Tx, event: OrderShipped | OrderRefunded, key: str, words: dict[str, str], once: str
) -> None:
    about = {"order_no": event.order_no, "order_id": str(event.order_id)}
    with contextlib.suppress(PersonNotReachable):
        await outreach.reach(tx, event.person_no, key, about | words, once=once)


async def on_order_refunded(tx: Tx, event: OrderRefunded) -> None:
    """What a refund was for earns no points, whether they were granted already or not (F058); the
    buyer is told that the money is back."""
    await points.revoke(
        tx,
        member_id=event.member_id,
        order_id=event.order_id,
        refund_id=event.refund_id,
        refunded_fen=event.goods_fen,
    )
    await _tell(
        tx,
        event,
        "refund_arrived",
        {"amount": str(event.refunded_fen)},
        f"refund_arrived:{event.refund_id}",
    )


@every(seconds=15)
async def cancel_overdue() -> None:
    """Cancel what was not paid in time: close at WeChat, and only then free the goods (F016).

    What WeChat does not confirm stays as it is and comes up again with the next tick.
    """
    async with system_transaction() as tx:
        overdue = await queries.list_overdue(tx, clock.now())
    await _each(overdue, cancel_one, "overdue order stays")


@every(seconds=60)
async def receive_due() -> None:
    """Shipped orders whose days are over count as received."""
    async with system_transaction() as tx:
        due = await delivery_store.list_unreceived(tx, clock.now())
    await _each(due, receive_one, "order due for receipt stays")


async def _each(
    orders: list[queries.DueOrder],
    work: Callable[[ShopId, UUID], Awaitable[None]],
    complaint: str,
) -> None:
    for order in orders:
        try:
            await work(ShopId(order.shop_id), order.order_id)
        except (MoveRefused, PaymentUnclear, Busy):
            continue
        except SiyuError as error:
            # One shop whose payments are not set up must not hold up the others.
            log.warning(complaint, extra={"order_id": str(order.order_id), "code": error.code})


async def cancel_one(shop_id: ShopId, order_id: UUID) -> None:
    """Close the payments of an overdue order, then cancel it. Raises what `cancel_unpaid` does."""
    closing = await payments.close_order(shop_id, order_id)
    async with transaction(shop_id) as tx:
        await service.cancel_unpaid(tx, order_id, closing, CancelReason.TIMED_OUT, System())


async def receive_one(shop_id: ShopId, order_id: UUID) -> None:
    """Let one shipped order count as received. Raises what `receive_by_time` does."""
    async with transaction(shop_id) as tx:
        await service.receive_by_time(tx, order_id, System())
