"""Money and the end of waiting: start a payment, accept it, cancel what stays unpaid."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.commerce.coupons import service as coupons
from siyu.commerce.coupons.contracts import BudgetSpent, ClaimNotFound, CouponUnusable
from siyu.commerce.inventory import service as inventory
from siyu.commerce.inventory.contracts import StockShort
from siyu.commerce.ordering import queries, rules
from siyu.commerce.ordering.contracts import (
    CancelReason,
    Delivery,
    LimitReached,
    MoveRefused,
    OfflineMethod,
    Order,
    OrderCancelled,
    OrderLine,
    OrderPaid,
    OrderStatus,
    PaymentUnclear,
    SoldLine,
    WrongAmount,
)
from siyu.commerce.ordering.service import checkout_store, hot_lane_store
from siyu.commerce.ordering.service.delivery import DELIVERED, complete, lock_order
from siyu.kernel import clock
from siyu.kernel.audit import Actor, System, audit
from siyu.kernel.crypto import vault
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
from siyu.people.members import service as members
from siyu.people.members.contracts import AddressText

WECHAT = "微信支付"
"""Who acts in the timeline when money arrives."""
INSIDE = "站内支付"
"""Who acts when points, balance or nothing pays: WeChat is not asked."""
_TENDER_REFUSED = (
    BudgetSpent,
    ClaimNotFound,
    CouponUnusable,
    PointsShort,
    PointsSwitchedOff,
    ValueShort,
    WalletFrozen,
)


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
    """Keep the coupons, points and balance an order is to be paid with, until `release_tenders` or
    the payment; the order with the parts of the balance that were taken.

    Raises CouponUnusable, BudgetSpent, ClaimNotFound, PointsShort, PointsSwitchedOff, ValueShort,
    WalletFrozen.
    """
    if order.coupons:
        await coupons.hold(tx, order.member_id, order.order_id, order.coupons)
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
    if order.coupons:
        await coupons.release(tx, order.order_id)
    if order.points:
        await points.release(tx, order.order_id)
    if order.balance_fen:
        await stored_value.release(tx, order.order_id)


async def reserve_lines(
    tx: Tx, order: Order, lines: Sequence[OrderLine], until: datetime | None
) -> tuple[Order, list[OrderLine]]:
    """Keep the goods of an order that is written down; order and lines without the gifts that have
    run out, for those do not stop an order. Raises StockShort for what was bought; LimitReached
    unless there is no `until`, for then the order is paid.
    """
    try:
        limits = await inventory.reserve(tx, order.order_id, _demand(lines), until)
        await _check_limits(tx, order, limits, until)
        return order, list(lines)
    except StockShort as error:
        rows = msgspec.convert(error.details["short"], list[dict[str, Any]])
        short = {UUID(row["sku_id"]) for row in rows}
        gone = [line for line in lines if line.is_gift and line.sku_id in short]
        if not gone:
            raise
    kept = [line for line in lines if line not in gone]
    limits = await inventory.reserve(tx, order.order_id, _demand(kept), until)
    await _check_limits(tx, order, limits, until)
    gone_nos = [line.line_no for line in gone]
    await checkout_store.delete_gifts(tx, order.order_id, gone_nos, clock.now())
    worth_fen = sum(line.discount_fen for line in gone)
    order = msgspec.structs.replace(
        order, items_fen=order.items_fen - worth_fen, discount_fen=order.discount_fen - worth_fen
    )
    return order, kept


async def _check_limits(
    tx: Tx, order: Order, limits: Mapping[UUID, int], until: datetime | None
) -> None:
    # The stock is locked, so no other order of this member can pass here at the same time.
    for sku_id, limit in limits.items() if until is not None else ():
        bought = await hot_lane_store.count_bought(tx, sku_id, [order.member_id])
        if bought.get(order.member_id, 0) > limit:
            raise LimitReached(sku_id=str(sku_id), limit=limit)


def _demand(lines: Sequence[OrderLine]) -> dict[UUID, int]:
    return inventory.sum_demand((line.sku_id, line.quantity) for line in lines)


async def settle_free(tx: Tx, order: Order, lines: Sequence[OrderLine]) -> Order:
    """An order of which WeChat collects nothing is paid at once and once, by its points and
    balance or by nobody (F025)."""
    assert order.wechat_fen == 0
    payable = _payable(order, lines, None, is_shared=False)
    payment_id = await payments.intend(tx, payable, Channel.INTERNAL)
    return await _accept(tx, order, lines, payment_id, order.placed_at, INSIDE)


async def accept_payment(tx: Tx, event: PaymentSucceeded) -> None:
    """The money of an order has arrived; harmless when told twice.

    After the close goods, coupons, points and balance are reserved again if all of them are still
    there; else the money goes to suspense, and from there back (F015, F044). A second payment of a
    paid order goes there too (F017).
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
        order, lines = revived
    await _accept(tx, order, lines, event.payment_id, event.paid_at, WECHAT)


async def _revive(
    tx: Tx, order: Order, lines: Sequence[OrderLine]
) -> tuple[Order, list[OrderLine]] | None:
    """Keep again all that a cancelled order had kept, or nothing of it (None)."""
    if await checkout_store.has_other_first(tx, order.order_id, order.member_id):
        return None
    await tx.run("savepoint revival")
    try:
        held = await hold_tenders(tx, order)
        held, kept = await reserve_lines(tx, held, lines, None)
    except (StockShort, *_TENDER_REFUSED):
        await tx.run("rollback to savepoint revival")
        return None
    if held.bonus_fen != order.bonus_fen:
        await queries.move_tenders(tx, held)
    return held, kept


async def _accept(
    tx: Tx, order: Order, lines: Sequence[OrderLine], payment_id: UUID, at: datetime, actor: str
) -> Order:
    is_first = await queries.move_paid(
        tx, order, payment_id, at, actor, is_offline=order.is_offline
    )
    if order.coupons:
        await coupons.use(tx, order.order_id, total_fen=order.total_fen)
    if order.points:
        await points.capture(tx, order.order_id)
    if order.balance_fen:
        await stored_value.capture(tx, order.order_id)
    if order.promoter_id is not None:
        await _tell_who_bought(tx, order, order.promoter_id)
    left = await inventory.consume(tx, order.order_id)
    assert left == _demand(lines), "its goods were not reserved"
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
        wechat_fen=0 if order.is_offline else order.wechat_fen,
        is_completed=order.delivery is Delivery.INSTANT,
        delivery=order.delivery,
        coupon_fen=sum(order.coupons.values()),
    )
    emit(tx, paid, at=at)
    order = msgspec.structs.replace(
        order, status=OrderStatus.PAID, paid_fen=order.total_fen, paid_at=at, payment_id=payment_id
    )
    if order.delivery is Delivery.INSTANT:
        return await complete(tx, order, DELIVERED, System())
    return order


async def _tell_who_bought(tx: Tx, order: Order, promoter_id: UUID) -> None:
    """What a commission may be judged by (F096): the buyer, and hashes of where the parcel goes; a
    gift's receiver is nobody's business."""
    phone_key = address_key = None
    if order.delivery is Delivery.SHIP and order.address_sealed is not None:
        address = msgspec.json.decode(vault().open(order.address_sealed), type=AddressText)
        phone_key, address_key = vault().lookup(address.phone), members.address_key(address)
    await profit_sharing.note_buyer(
        tx,
        order.order_id,
        promoter_id,
        order.member_id,
        phone_key=phone_key,
        address_key=address_key,
    )


async def pay_offline(
    tx: Tx, order_id: UUID, actor: Actor, method: OfflineMethod, amount_fen: int, note: str
) -> Order:
    """Staff collected at the counter what points and balance leave of a waiting order.

    amount_fen: what they took; it is compared with what is due. Raises OrderNotFound, MoveRefused
    (not waiting, or its time is over), WrongAmount, AlreadyPaid.
    """
    order = await lock_order(tx, order_id)
    now = clock.now()
    if order.status is not OrderStatus.PENDING_PAYMENT or rules.is_overdue(order.pay_before, now):
        raise MoveRefused(status=order.status)
    if amount_fen != order.wechat_fen:
        raise WrongAmount(due_fen=order.wechat_fen)
    lines = (await queries.list_lines(tx, [order_id]))[order_id]
    payable = _payable(order, lines, None, is_shared=False)
    told = f"{method}: {note}" if note else str(method)
    payment_id = await payments.collect_offline(tx, payable, actor, told)
    after = {"method": method, "amount_fen": order.wechat_fen, "note": note}
    audit(tx, actor, "ordering.paid_offline", ("order", order_id), after=after)
    order = msgspec.structs.replace(order, is_offline=True)
    return await _accept(tx, order, lines, payment_id, now, actor.actor_name)


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
