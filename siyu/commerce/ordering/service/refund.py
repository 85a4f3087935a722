"""The one door through which money of an order goes back.

A refund claims what it gives back the moment it starts, under the order's lock; then WeChat's part
is asked for. Only when the payer has that part do balance and points follow, so that a refund which
WeChat never pays can be undone whole.
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.commerce.coupons import service as coupons
from siyu.commerce.inventory import service as inventory
from siyu.commerce.ordering import queries, rules
from siyu.commerce.ordering.contracts import (
    MoveRefused,
    Order,
    OrderLine,
    OrderNotFound,
    OrderRefund,
    OrderRefunded,
    OrderRefundStarted,
    OrderRefundUndone,
    OrderStatus,
    Refundable,
    RefundedLine,
    RefundLine,
    RefundSplit,
    RefundStatus,
)
from siyu.commerce.ordering.service import refund_store
from siyu.commerce.ordering.service.delivery import lock_order
from siyu.commerce.ordering.service.settlement import INSIDE, WECHAT
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import RefundOrigin
from siyu.money.points import service as points
from siyu.money.profit_sharing import service as profit_sharing
from siyu.money.stored_value import service as stored_value

list_refunds = refund_store.list_refunds


async def refundable(tx: ReadTx, order_id: UUID) -> Refundable:
    """What may still be given back of an order. Raises OrderNotFound."""
    order = await queries.get_order(tx, order_id)
    if order is None:
        raise OrderNotFound
    lines = await queries.list_lines(tx, [order_id])
    return rules.left_to_refund(order, lines[order_id])


async def refund(
    tx: Tx,
    *,
    order_id: UUID,
    refund_id: UUID,
    lines: Sequence[RefundLine],
    shipping_fen: int,
    reason: str,
    restock: bool,
    actor: Actor,
    unshipped_only: bool = False,
) -> RefundSplit:
    """Give money, points and goods of an order back; how it is shared over the tenders.

    refund_id: the caller's own number; told again it changes nothing and gives the same answer.
    lines: pieces and fen of each, 0 of one when only the other goes back; gifts go with the last of
    what was bought. restock: the pieces are (or stayed) in the house. unshipped_only: not once they
    have left. Raises OrderNotFound, MoveRefused, NothingToRefund, RefundTooMuch (F028), and what
    `payments.intend_refund` does (F029).
    """
    order = await lock_order(tx, order_id)
    known = await refund_store.get_refund(tx, refund_id)
    if known is not None:
        return RefundSplit(known.wechat_fen, known.balance_fen, known.points)
    is_open = order.status in rules.REFUNDABLE and order.payment_id is not None
    if not is_open or (unshipped_only and order.status is not OrderStatus.PAID):
        raise MoveRefused(status=order.status)
    bought = (await queries.list_lines(tx, [order_id]))[order_id]
    if unshipped_only:
        rules.check_unsent(bought, lines)
    rules.check_refund(rules.left_to_refund(order, bought), lines, shipping_fen)
    started = OrderRefund(
        refund_id=refund_id,
        order_id=order_id,
        status=RefundStatus.STARTED,
        amount_fen=sum(line.amount_fen for line in lines) + shipping_fen,
        shipping_fen=shipping_fen,
        wechat_fen=0,
        balance_fen=0,
        points=0,
        reason=reason,
        is_restocked=restock,
        actor=actor.actor_name,
        started_at=clock.now(),
        finished_at=None,
        lines=rules.with_gifts(bought, lines),
    )
    started = await _share(tx, order, bought, started)
    await refund_store.insert_refund(tx, started)
    _tell_started(tx, order, started, actor)
    # Parts of the order's money that others were given come back first, if they have it.
    waits = await profit_sharing.prepare_refund(
        tx, order_id, refund_id, started.amount_fen, started.wechat_fen
    )
    if started.wechat_fen:
        await payments.intend_refund(
            tx,
            refund_id=refund_id,
            order_id=order_id,
            amount_fen=started.wechat_fen,
            reason=reason,
            origin=RefundOrigin.CANCEL if unshipped_only else RefundOrigin.AFTER_SALE,
            waits=waits,
        )
    else:
        await _finish(tx, order, started, INSIDE)
    if restock and (goods := _goods(bought, started.lines)):
        # Last, for it locks the rows that everybody wants.
        await inventory.take_back(tx, refund_id, order_id, goods, actor)
    return RefundSplit(started.wechat_fen, started.balance_fen, started.points)


async def _share(
    tx: Tx, order: Order, bought: Sequence[OrderLine], asked: OrderRefund
) -> OrderRefund:
    left = await refund_store.get_tenders_left(tx, order.order_id)
    if left is None:
        return msgspec.structs.replace(asked, wechat_fen=asked.amount_fen)
    wechat_fen, balance_fen = rules.share_refund(
        asked.amount_fen, left.wechat_fen, left.balance_fen
    )
    after = {line.line_no: line for line in asked.lines}
    back = rules.points_back(order.points, bought, after) - left.points_back
    return msgspec.structs.replace(
        asked, wechat_fen=wechat_fen, balance_fen=balance_fen, points=back
    )


def _goods(bought: Sequence[OrderLine], lines: Sequence[RefundLine]) -> dict[UUID, int]:
    sku_ids = {line.line_no: line.sku_id for line in bought}
    return inventory.sum_demand(
        (sku_ids[line.line_no], line.quantity) for line in lines if line.quantity
    )


def _tell_started(tx: Tx, order: Order, started: OrderRefund, actor: Actor) -> None:
    told = OrderRefundStarted(
        order_id=order.order_id,
        order_no=order.order_no,
        refund_id=started.refund_id,
        person_no=order.person_no,
        refunded_fen=started.amount_fen,
    )
    emit(tx, told)
    after = {"refund_id": str(started.refund_id), "amount_fen": started.amount_fen}
    audit(tx, actor, "ordering.refund_started", ("order", order.order_id), after=after)


async def finish_refund(tx: Tx, refund_id: UUID, order_id: UUID) -> None:
    """The payer has WeChat's part: the rest follows. Harmless when told twice, or of a refund that
    is none of ours.
    """
    order, found = await _load(tx, refund_id, order_id)
    if found is not None and found.status is not RefundStatus.REFUNDED:
        assert found.status is not RefundStatus.CLOSED, "given up, and yet paid"
        await _finish(tx, order, found, WECHAT)


async def note_abnormal(tx: Tx, refund_id: UUID, order_id: UUID) -> None:
    """WeChat cannot go on by itself; the refund is still owed (F030)."""
    _, found = await _load(tx, refund_id, order_id)
    if found is not None and found.status is RefundStatus.STARTED:
        now = clock.now()
        await refund_store.move_refund(tx, refund_id, RefundStatus.ABNORMAL, now)
        await queries.insert_timeline(tx, order_id, "refund_abnormal", now, WECHAT)


async def undo_refund(tx: Tx, refund_id: UUID, order_id: UUID) -> None:
    """WeChat's part was given up for good: what the refund had claimed may be refunded anew. Goods
    that came back stay back.
    """
    order, found = await _load(tx, refund_id, order_id)
    if found is None or found.status not in (RefundStatus.STARTED, RefundStatus.ABNORMAL):
        return
    now = clock.now()
    await refund_store.undo_refund(tx, found)
    await refund_store.move_refund(tx, refund_id, RefundStatus.CLOSED, now)
    await queries.insert_timeline(tx, order_id, "refund_closed", now, WECHAT)
    undone = OrderRefundUndone(
        order_id=order_id,
        order_no=order.order_no,
        refund_id=refund_id,
        person_no=order.person_no,
        refunded_fen=found.amount_fen,
    )
    emit(tx, undone)


async def _load(tx: Tx, refund_id: UUID, order_id: UUID) -> tuple[Order, OrderRefund | None]:
    order = await lock_order(tx, order_id)
    return order, await refund_store.get_refund(tx, refund_id)


async def _finish(tx: Tx, order: Order, done: OrderRefund, actor: str) -> None:
    now, order_id = clock.now(), order.order_id
    # Points before balance, as everywhere: a member may order and be refunded at the same moment.
    if done.points:
        await points.give_back(tx, order_id, done.refund_id, done.points)
    if done.balance_fen:
        await stored_value.give_back(tx, order_id, done.refund_id, done.balance_fen)
    await refund_store.move_refund(tx, done.refund_id, RefundStatus.REFUNDED, now)
    after = await queries.get_order(tx, order_id)
    assert after is not None
    bought = (await queries.list_lines(tx, [order_id]))[order_id]
    others = await refund_store.list_refunds(tx, order_id)
    is_full = rules.is_all_back(after, bought, others)
    if is_full:
        await refund_store.move_refunded(tx, order_id)
        if order.coupons:
            await coupons.give_back(tx, order_id, done.refund_id)
    event = "refunded" if is_full else "refunded_in_part"
    await queries.insert_timeline(tx, order_id, event, now, actor)
    by_no = {line.line_no: line for line in bought}
    told = OrderRefunded(
        order_id=order_id,
        order_no=order.order_no,
        refund_id=done.refund_id,
        person_no=order.person_no,
        member_id=order.member_id,
        amount_fen=-done.amount_fen,
        refunded_fen=done.amount_fen,
        goods_fen=done.amount_fen - done.shipping_fen,
        points=done.points,
        is_full=is_full,
        lines=[
            RefundedLine(
                line_no=line.line_no,
                sku_id=by_no[line.line_no].sku_id,
                product_id=by_no[line.line_no].product_id,
                product_no=by_no[line.line_no].product_no,
                quantity=line.quantity,
                amount_fen=line.amount_fen,
            )
            for line in done.lines
        ],
    )
    emit(tx, told)
