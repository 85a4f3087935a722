"""From paid to received: ship, confirm, complete."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from uuid import UUID

import msgspec

from siyu.commerce.ordering import queries, rules
from siyu.commerce.ordering.contracts import (
    Delivery,
    MoveRefused,
    NothingToShip,
    Order,
    OrderCompleted,
    OrderNotFound,
    OrderSettings,
    OrderShipped,
    OrderStatus,
)
from siyu.commerce.ordering.service import delivery_store
from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit

RECEIVED, RECEIVED_BY_TIME, COMPLETED, DELIVERED = (
    "received",
    "received_by_time",
    "completed",
    "delivered",
)
RECEIVED_AT_WECHAT, PICKED_UP = "received_at_wechat", "picked_up"
"""How an order came to its end: keys of `rules.LABELS`."""


async def lock_order(tx: Tx, order_id: UUID) -> Order:
    """The order, held until the end of the transaction. Raises OrderNotFound."""
    order = await queries.lock_order(tx, order_id)
    if order is None:
        raise OrderNotFound
    return order


async def note_sent(tx: Tx, order_id: UUID, pieces: Mapping[int, int]) -> None:
    """Pieces (line_no -> quantity) of an order that is locked have left. Raises NothingToShip for
    more than were bought.
    """
    if await delivery_store.move_sent(tx, order_id, pieces) != len(pieces):
        raise NothingToShip


async def ship_order(tx: Tx, order_id: UUID, actor: Actor) -> Order:
    """Note that all that was not refunded has left; from now the days to automatic receipt are
    counted. Raises OrderNotFound, MoveRefused, and NothingToShip when nothing was sent.
    """
    order = await lock_order(tx, order_id)
    rules.check_move(order.status, OrderStatus.SHIPPED)
    lines = (await queries.list_lines(tx, [order_id]))[order_id]
    if not any(line.sent_quantity for line in lines):
        raise NothingToShip
    settings = await delivery_store.get_settings(tx)
    now = clock.now()
    due_at = now + timedelta(days=settings.receipt_days)
    await delivery_store.move_shipped(
        tx,
        order_id,
        at=now,
        receipt_due_at=due_at,
        actor=actor.actor_name,
    )
    audit(tx, actor, "ordering.order_shipped", ("order", order_id))
    shipped = OrderShipped(
        order_id=order_id,
        order_no=order.order_no,
        person_no=order.person_no,
        amount_fen=order.total_fen,
        shipped_at=now,
    )
    emit(tx, shipped)
    return msgspec.structs.replace(
        order, status=OrderStatus.SHIPPED, shipped_at=now, receipt_due_at=due_at
    )


async def confirm_receipt(
    tx: Tx, order_id: UUID, actor: Actor, *, by_receivers: bool = False
) -> Order:
    """The customer has the goods, or was served; by_receivers: all who were given something have
    it. Raises OrderNotFound, MoveRefused.
    """
    order = await lock_order(tx, order_id)
    is_arrived = by_receivers and order.status is OrderStatus.SHIPPED
    if not is_arrived and not rules.may_confirm(order.status, order.delivery):
        raise MoveRefused(status=order.status)
    return await complete(tx, order, RECEIVED, actor)


async def receive_by_time(tx: Tx, order_id: UUID, actor: Actor) -> Order:
    """A shipped order counts as received once its days are over.

    Raises OrderNotFound, and MoveRefused when it is not shipped or its time was put off.
    """
    order = await lock_order(tx, order_id)
    is_due = order.receipt_due_at is not None and order.receipt_due_at < clock.now()
    if order.status is not OrderStatus.SHIPPED or not is_due:
        raise MoveRefused(status=order.status)
    return await complete(tx, order, RECEIVED_BY_TIME, actor)


async def receive_at_wechat(tx: Tx, order_id: UUID, actor: Actor) -> None:
    """WeChat says that the buyer has it, or that its own days are over; nothing happens unless the
    order is shipped. Raises OrderNotFound.
    """
    order = await lock_order(tx, order_id)
    if order.status is OrderStatus.SHIPPED:
        await complete(tx, order, RECEIVED_AT_WECHAT, actor)


async def hand_over(tx: Tx, order_id: UUID, actor: Actor) -> Order:
    """The buyer has collected it. Raises OrderNotFound, MoveRefused."""
    order = await lock_order(tx, order_id)
    if order.delivery is not Delivery.PICKUP or order.status is not OrderStatus.PAID:
        raise MoveRefused(status=order.status)
    audit(tx, actor, "ordering.order_handed_over", ("order", order_id))
    return await complete(tx, order, PICKED_UP, actor)


async def complete_order(tx: Tx, order_id: UUID, actor: Actor) -> Order:
    """Staff say that the customer has it: served, collected at the counter, or delivered.

    Raises OrderNotFound, MoveRefused.
    """
    order = await lock_order(tx, order_id)
    rules.check_move(order.status, OrderStatus.COMPLETED)
    audit(tx, actor, "ordering.order_completed", ("order", order_id))
    return await complete(tx, order, COMPLETED, actor)


async def complete(tx: Tx, order: Order, how: str, actor: Actor) -> Order:
    """End an order that is locked and may end."""
    now = clock.now()
    await delivery_store.move_completed(tx, order.order_id, how, now, actor.actor_name)
    completed = OrderCompleted(
        order_id=order.order_id,
        order_no=order.order_no,
        person_no=order.person_no,
        member_id=order.member_id,
        amount_fen=order.total_fen,
        goods_fen=order.total_fen - order.shipping_fen,
        how=how,
        completed_at=now,
    )
    emit(tx, completed)
    return msgspec.structs.replace(order, status=OrderStatus.COMPLETED, completed_at=now)


async def postpone_receipt(tx: Tx, order_id: UUID, until: datetime) -> None:
    """No automatic receipt of a shipped order before `until` (an after-sale case is open); never
    brings it nearer, and does nothing in any other state.
    """
    await delivery_store.move_receipt_due(tx, order_id, until)


async def get_settings(tx: ReadTx) -> OrderSettings:
    """What the shop decided about its orders."""
    return await delivery_store.get_settings(tx)


async def edit_settings(tx: Tx, actor: Actor, settings: OrderSettings) -> OrderSettings:
    """Decide anew; orders that have left keep the day they were given."""
    before = await delivery_store.get_settings(tx)
    await delivery_store.set_settings(tx, settings)
    if before != settings:
        audit(
            tx,
            actor,
            "ordering.settings_changed",
            ("shop", tx.shop_id),
            before=msgspec.structs.asdict(before),
            after=msgspec.structs.asdict(settings),
        )
    return settings
