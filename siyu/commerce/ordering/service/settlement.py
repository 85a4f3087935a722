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
    Delivery,
    MoveRefused,
    Order,
    OrderCancelled,
    OrderLine,
    OrderPaid,
    OrderStatus,
    PaymentUnclear,
    SoldLine,
)
from siyu.commerce.ordering.service.delivery import DELIVERED, complete, lock_order
from siyu.kernel import clock
from siyu.kernel.audit import Actor, System
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
from siyu.money.points import service as points
from siyu.money.points.contracts import PointsShort, PointsSwitchedOff
from siyu.money.profit_sharing import service as profit_sharing
from siyu.money.stored_value import service as stored_value
from siyu.money.stored_value.contracts import ValueShort, WalletFrozen

WECHAT = "微信支付"
"""Who acts in the timeline when money arrives."""
INSIDE = "站内支付"
"""Who acts when points, balance or nothing pays: WeChat is not asked."""
_TENDER_REFUSED = (PointsShort, PointsSwitchedOff, ValueShort, WalletFrozen)


async def start_payment(tx: Tx, order_id: UUID, channel: Channel, payer: str | None) -> PaymentId:
    """Intend a payment of a waiting order; `payments.call` then asks WeChat, outside of this
    transaction.

    payer: the customer's id in the shop's app, for JSAPI. Raises OrderNotFound, MoveRefused,
    PaymentExpired.
    """
    order = await lock_order(tx, order_id)
    rules.check_move(order.status, OrderStatus.PAID)
    # A cancelled order may be paid only by money that was already on its way.
    if order.status is not OrderStatus.PENDING_PAYMENT:
        raise MoveRefused(status=order.status)
    if rules.is_overdue(order.pay_before, clock.now()):
        raise PaymentExpired
    lines = (await queries.list_lines(tx, [order_id]))[order_id]
    product_ids = [line.product_id for line in lines]
    is_shared = await profit_sharing.is_shared(tx, product_ids, order.promoter_id)
    return await payments.intend(tx, _payable(order, lines, payer, is_shared), channel)


def describe(lines: Sequence[OrderLine]) -> str:
    """What the payer's bill says."""
    rest = f" 等{len(lines)}种" if len(lines) > 1 else ""
    return lines[0].title + rest


def _payable(
    order: Order, lines: Sequence[OrderLine], payer: str | None, is_shared: bool
) -> Payable:
    assert order.pay_before is not None and order.platform is not None
    return Payable(
        order_id=order.order_id,
        amount_fen=order.wechat_fen,
        description=describe(lines),
        expires_at=order.pay_before,
        person_no=order.person_no,
        payer=payer,
        platform=order.platform,
        has_virtual=order.has_virtual,
        is_shared=is_shared,
    )


async def hold_tenders(tx: Tx, order: Order) -> Order:
    """Keep the points and the balance an order is to be paid with, until `release_tenders` or the
    payment; the order with the parts of the balance that were taken.

    Raises PointsShort, PointsSwitchedOff, ValueShort, WalletFrozen.
    """
    if order.points:
        await points.hold(
            tx, member_id=order.member_id, order_id=order.order_id, points=order.points
        )
    if not order.balance_fen:
        return order
    held = await stored_value.hold(
        tx, member_id=order.member_id, order_id=order.order_id, amount_fen=order.balance_fen
    )
    return msgspec.structs.replace(
        order, principal_fen=held.principal_fen, bonus_fen=held.bonus_fen
    )


async def release_tenders(tx: Tx, order: Order) -> None:
    """Give back what `hold_tenders` kept; harmless when repeated."""
    if order.points:
        await points.release(tx, order.order_id)
    if order.balance_fen:
        await stored_value.release(tx, order.order_id)


async def settle_free(tx: Tx, order: Order, lines: Sequence[OrderLine]) -> Order:
    """An order of which WeChat collects nothing is paid at once and once, by its points and
    balance or by nobody (F025)."""
    assert order.wechat_fen == 0
    payable = _payable(order, lines, None, is_shared=False)
    payment_id = await payments.intend(tx, payable, Channel.INTERNAL)
    return await _accept(tx, order, lines, payment_id, order.placed_at, INSIDE)


async def accept_payment(tx: Tx, event: PaymentSucceeded) -> None:
    """The money of an order has arrived; harmless when told twice.

    After the close goods, points and balance are reserved again if all of them are still there;
    else the money goes to suspense, and from there back (F015, F044). A second payment of a paid
    order goes there too (F017).
    """
    order = await lock_order(tx, event.order_id)
    if order.payment_id == event.payment_id:
        return
    if OrderStatus.PAID not in rules.MOVES[order.status]:
        await payments.park(tx, PaymentId(event.payment_id), ParkReason.PAID_TWICE)
        return
    assert event.amount_fen == order.wechat_fen, "payments let a wrong amount through"
    lines = (await queries.list_lines(tx, [order.order_id]))[order.order_id]
    if order.status is OrderStatus.CANCELLED:
        revived = await _revive(tx, order, lines)
        if revived is None:
            await payments.park(tx, PaymentId(event.payment_id), ParkReason.ORDER_CLOSED)
            await queries.insert_timeline(tx, order.order_id, "money_parked", clock.now(), WECHAT)
            return
        order = revived
    await _accept(tx, order, lines, event.payment_id, event.paid_at, WECHAT)


async def _revive(tx: Tx, order: Order, lines: Sequence[OrderLine]) -> Order | None:
    """Keep again all that a cancelled order had kept, or nothing of it (None)."""
    try:
        held = await hold_tenders(tx, order)
        demand = {line.sku_id: line.quantity for line in lines}
        await inventory.reserve(tx, order.order_id, demand, None)
    except (StockShort, *_TENDER_REFUSED):
        await release_tenders(tx, order)
        return None
    if held.bonus_fen != order.bonus_fen:
        await queries.move_tenders(tx, held)
    return held


async def _accept(
    tx: Tx, order: Order, lines: Sequence[OrderLine], payment_id: UUID, at: datetime, actor: str
) -> Order:
    is_first = await queries.move_paid(tx, order, payment_id, at, actor)
    if order.points:
        await points.capture(tx, order.order_id)
    if order.balance_fen:
        await stored_value.capture(tx, order.order_id)
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
        member_id=order.member_id,
        payment_id=payment_id,
        promoter_id=order.promoter_id,
        wechat_fen=order.wechat_fen,
        is_completed=order.delivery is Delivery.INSTANT,
    )
    emit(tx, paid, at=at)
    order = msgspec.structs.replace(
        order, status=OrderStatus.PAID, paid_fen=order.total_fen, paid_at=at, payment_id=payment_id
    )
    if order.delivery is Delivery.INSTANT:
        return await complete(tx, order, DELIVERED, System())
    return order


async def cancel_unpaid(
    tx: Tx, order_id: UUID, closing: ClosingResult, reason: CancelReason, actor: Actor
) -> Order:
    """Cancel an unpaid order and free its goods.

    closing: what `payments.close_order` said just before, outside of this transaction; the goods
    are free only when WeChat confirmed that nobody can pay any more (F016). Raises OrderNotFound,
    MoveRefused, PaymentUnclear.
    """
    order = await lock_order(tx, order_id)
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
    await release_tenders(tx, order)
    await inventory.release(tx, order_id)
    return msgspec.structs.replace(order, status=OrderStatus.CANCELLED)
