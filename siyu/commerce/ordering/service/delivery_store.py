"""The SQL of sending and receiving, and of what a shop decides about them."""

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from siyu.commerce.ordering.contracts import OrderSettings
from siyu.commerce.ordering.queries import DueOrder
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id


async def move_shipped(
    tx: Tx,
    order_id: UUID,
    *,
    at: datetime,
    receipt_due_at: datetime,
    actor: str,
) -> None:
    """The order has left; notes it in the timeline."""
    await tx.run(
        """with moved as (
             update ordering.orders set status = 'shipped', shipped_at = $3, receipt_due_at = $4
             where shop_id = $1 and order_id = $2)
           insert into ordering.timeline (shop_id, order_id, entry_id, at, event, actor)
           values ($1, $2, $5, $3, 'shipped', $6)""",
        tx.shop_id,
        order_id,
        at,
        receipt_due_at,
        new_id(),
        actor,
    )


async def move_sent(tx: Tx, order_id: UUID, pieces: Mapping[int, int]) -> int:
    """Count pieces (line_no -> quantity) as sent; how many lines had that many left."""
    return await tx.run(
        """update ordering.order_lines l set sent_quantity = l.sent_quantity + s.quantity
           from unnest($3::int[], $4::int[]) as s (line_no, quantity)
           where l.shop_id = $1 and l.order_id = $2 and l.line_no = s.line_no
             and l.sent_quantity + s.quantity <= l.quantity""",
        tx.shop_id,
        order_id,
        list(pieces),
        list(pieces.values()),
    )


async def move_receipt_due(tx: Tx, order_id: UUID, until: datetime) -> None:
    """Put off when a shipped order counts as received; never brings it nearer."""
    await tx.run(
        """update ordering.orders set receipt_due_at = greatest(receipt_due_at, $3)
           where shop_id = $1 and order_id = $2 and status = 'shipped'""",
        tx.shop_id,
        order_id,
        until,
    )


async def move_completed(tx: Tx, order_id: UUID, how: str, at: datetime, actor: str) -> None:
    """The order has reached its buyer; notes how in the timeline."""
    await tx.run(
        """with moved as (
             update ordering.orders set status = 'completed', completed_at = $4
             where shop_id = $1 and order_id = $2)
           insert into ordering.timeline (shop_id, order_id, entry_id, at, event, actor)
           values ($1, $2, $5, $4, $3, $6)""",
        tx.shop_id,
        order_id,
        how,
        at,
        new_id(),
        actor,
    )


async def list_unreceived(tx: ReadTx, now: datetime, limit: int = 200) -> list[DueOrder]:
    """Shipped orders that count as received by now, of all shops, the longest due first."""
    return await tx.all(
        DueOrder,
        """select shop_id, order_id from ordering.orders
           where status = 'shipped' and receipt_due_at < $1 order by receipt_due_at limit $2""",
        now,
        limit,
    )


async def get_settings(tx: ReadTx) -> OrderSettings:
    """What the shop decided about its orders."""
    sql = "select receipt_days from ordering.settings where shop_id = $1"
    return await tx.maybe(OrderSettings, sql, tx.shop_id) or OrderSettings()


async def set_settings(tx: Tx, settings: OrderSettings) -> None:
    """Write what the shop decides about its orders."""
    await tx.run(
        """insert into ordering.settings (shop_id, receipt_days) values ($1, $2)
           on conflict (shop_id) do update set receipt_days = excluded.receipt_days""",
        tx.shop_id,
        settings.receipt_days,
    )
