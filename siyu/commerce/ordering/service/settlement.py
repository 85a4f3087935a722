"""Money and the end of waiting: start a payment, accept it, cancel what stays unpaid."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.commerce.inventory import service as inventory
from siyu.commerce.inventory.contracts import StockShort
from siyu.commerce.ordering import queries, rules
from siyu.commerce.ordering.contracts import (
    CancelReason,
    MoveRefused,
    Order,
    OrderCancelled,
    OrderLine,
    OrderNotFound,
    OrderPaid,
    OrderStatus,
    PaymentUnclear,
    SoldLine,
)
from siyu.kernel import clock
from siyu.kernel.audit import Actor
from siyu.kernel.db import Tx
from siyu.kernel.events import emit
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import (
    Channel,
    ClosingResult,
    ParkReason,
    Payable,
    PaymentExpired,
    PaymentId,
    PaymentSucceeded,
)

WECHAT = "微信支付"
"""Who acts in the timeline when money arrives."""


async def start_payment(tx: Tx, order_id: UUID, channel: Channel, payer: str | None) -> PaymentId:
    """Intend a payment of a waiting order; `payments.call` then asks WeChat, outside of this
    transaction.

    payer: the customer's id in the shop's app, for JSAPI. Raises OrderNotFound, MoveRefused,
    PaymentExpired.
    """
    order = await _lock(tx, order_id)
    rules.check_move(order.status, OrderStatus.PAID)
    # A cancelled order may be paid only by money that was already on its way.
    if order.status is not OrderStatus.PENDING_PAYMENT:
        raise MoveRefused(status=order.status)
    if rules.is_overdue(order.pay_before, clock.now()):
        raise PaymentExpired
    lines = await queries.list_lines(tx, [order_id])
    return await payments.intend(tx, _payable(order, lines[order_id], payer), channel)


def describe(lines: Sequence[OrderLine]) -> str:
    """What the payer's bill says."""
    rest = f" 等{len(lines)}种" if len(lines) > 1 else ""
    return lines[0].title + rest


def _payable(order: Order, lines: Sequence[OrderLine], payer: str | None) -> Payable:
    assert order.pay_before is not None and order.platform is not None
    return Payable(
        order_id=order.order_id,
        amount_fen=order.total_fen,
        description=describe(lines),
        expires_at=order.pay_before,
        person_no=order.person_no,
        payer=payer,
        platform=order.platform,
        has_virtual=order.has_virtual,
    )


async def settle_free(tx: Tx, order: Order, lines: Sequence[OrderLine]) -> Order:
    """An order of 0 fen is paid by nobody, at once and once (F025)."""
    assert order.total_fen == 0
    payment_id = await payments.intend(tx, _payable(order, lines, None), Channel.INTERNAL)
    return await _accept(tx, order, lines, payment_id, order.placed_at)


async def accept_payment(tx: Tx, event: PaymentSucceeded) -> None:
    """The money of an order has arrived; harmless when told twice.

    After the close the goods are reserved again if they are still there; else the money goes to
    suspense and somebody is told (F015, F044). A second payment of a paid order goes there too
    (F017).
    """
    order = await _lock(tx, event.order_id)
    if order.payment_id == event.payment_id:
        return
    if OrderStatus.PAID not in rules.MOVES[order.status]:
        await payments.park(tx, PaymentId(event.payment_id), ParkReason.PAID_TWICE)
        return
    assert event.amount_fen == order.total_fen, "payments let a wrong amount through"
    lines = (await queries.list_lines(tx, [order.order_id]))[order.order_id]
    if order.status is OrderStatus.CANCELLED:
        try:
            demand = {line.sku_id: line.quantity for line in lines}
            await inventory.reserve(tx, order.order_id, demand, None)
        except StockShort:
            await payments.park(tx, PaymentId(event.payment_id), ParkReason.ORDER_CLOSED)
            await queries.insert_timeline(tx, order.order_id, "money_parked", clock.now(), WECHAT)
            return
    await _accept(tx, order, lines, event.payment_id, event.paid_at)


async def _accept(
    tx: Tx, order: Order, lines: Sequence[OrderLine], payment_id: UUID, at: datetime
) -> Order:
    is_first = await queries.move_paid(tx, order, payment_id, at, WECHAT)
    left = await inventory.consume(tx, order.order_id)
    assert left == {line.sku_id: line.quantity for line in lines}, "its goods were not reserved"
    paid = OrderPaid(
        order_id=order.order_id,
        order_no=order.order_no,
        person_no=order.person_no,
        amount_fen=order.total_fen,
        lines=[
            SoldLine(line.sku_id, line.product_id, line.product_no, line.quantity, line.total_fen)
            for line in lines
        ],
        first_order=is_first,
        paid_at=at,
    )
    emit(tx, paid, at=at)
    return msgspec.structs.replace(
        order, status=OrderStatus.PAID, paid_fen=order.total_fen, paid_at=at, payment_id=payment_id
    )


async def cancel_unpaid(
    tx: Tx, order_id: UUID, closing: ClosingResult, reason: CancelReason, actor: Actor
) -> Order:
    """Cancel an unpaid order and free its goods.

    closing: what `payments.close_order` said just before, outside of this transaction; the goods
    are free only when WeChat confirmed that nobody can pay any more (F016). Raises OrderNotFound,
    MoveRefused, PaymentUnclear.
    """
    order = await _lock(tx, order_id)
    rules.check_move(order.status, OrderStatus.CANCELLED)
    if closing is ClosingResult.PAID:
        raise MoveRefused(status=OrderStatus.PAID)
    # A payment begun between the close and our lock would be missed by `closing`.
    if closing is not ClosingResult.CLOSED or await payments.has_open(tx, order_id):
        raise PaymentUnclear
    now = clock.now()
    await queries.move_cancelled(tx, order_id, reason, now, actor.actor_name)
    cancelled = OrderCancelled(
        order_id=order_id,
        order_no=order.order_no,
        person_no=order.person_no,
        amount_fen=order.total_fen,
        reason=reason,
    )
    emit(tx, cancelled)
    await inventory.release(tx, order_id)
    return msgspec.structs.replace(order, status=OrderStatus.CANCELLED)


async def _lock(tx: Tx, order_id: UUID) -> Order:
    order = await queries.lock_order(tx, order_id)
    if order is None:
        raise OrderNotFound
    return order
