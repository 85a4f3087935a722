"""The SQL of orders. That of carts, delivery, refunds and the import stands beside their verbs
(`service/*_store.py`).
"""

import contextlib
from collections.abc import AsyncIterator, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from siyu.commerce.ordering.contracts import (
    CancelReason,
    Delivery,
    Order,
    OrderKind,
    OrderLine,
    OrderStatus,
    PriceChanged,
    TimelineEntry,
)
from siyu.commerce.promotions.contracts import TraceEntry
from siyu.kernel.db import ReadTx, Tx, filters
from siyu.kernel.ids import new_id
from siyu.kernel.pool import BETWEEN

ORDER = """o.order_id, o.order_no, o.kind, o.status, o.member_id, o.person_no, o.platform,
  o.has_virtual, o.items_fen, o.discount_fen, o.shipping_fen, o.total_fen, o.paid_fen, o.placed_at,
  o.pay_before, o.paid_at, o.payment_id, o.remark, o.address_sealed, o.delivery, o.promoter_id,
  coalesce(t.wechat_fen, o.total_fen) as wechat_fen, coalesce(t.principal_fen, 0) as principal_fen,
  coalesce(t.bonus_fen, 0) as bonus_fen, coalesce(t.points, 0) as points,
  coalesce(t.points_fen, 0) as points_fen, o.refunded_fen, o.refunded_shipping_fen,
  o.shipped_at, o.receipt_due_at, o.completed_at, o.pickup, o.coupons,
  o.is_offline"""
FROM = "ordering.orders o left join ordering.tenders t using (shop_id, order_id)"
_LINE = """line_no, sku_id, product_id, product_no, title, option_values, image_url, quantity,
  list_price_fen, unit_price_fen, discount_fen, total_fen, points_fen, refunded_quantity,
  refunded_fen, is_gift, sent_quantity"""


# --- writing an order -------------------------------------------------------------------------


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the insert needs beside the order itself."""

    order: Order
    lines: list[OrderLine]
    adjustments: list[TraceEntry]
    is_first: bool = False
    phone_key: bytes | None
    empties_cart: bool


async def insert_order(tx: Tx, new: NewOrder) -> None:
    """Order and lines in one trip; the bought lines leave the cart in it.

    Raises PriceChanged when the member has another order at a first order's price.
    """
    with first_order_once():
        await _insert_order(tx, new)


@contextlib.contextmanager
def first_order_once() -> Iterator[None]:
    """Raise PriceChanged where the index on first orders refuses a second one."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "order_first_once":
            raise PriceChanged from error
        raise


async def _insert_order(tx: Tx, new: NewOrder) -> None:
    order, lines = new.order, new.lines
    await tx.run(
        """with placed as (
             insert into ordering.orders (shop_id, order_id, order_no, kind, source, status,
               member_id, person_no, platform, has_virtual, items_fen, discount_fen, shipping_fen,
               total_fen, adjustments, remark, address_sealed, phone_key, placed_at, pay_before,
               delivery, promoter_id, pickup, coupons, is_first)
             values ($1, $2, $3, 'sale', 'shop', 'pending_payment', $4, $5, $6, $7, $8, $9, $10,
               $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)),
           emptied as (
             delete from ordering.cart_lines
             where $23 and shop_id = $1 and member_id = $4 and sku_id = any ($24))
           insert into ordering.order_lines (shop_id, order_id, line_no, sku_id, product_id,
             product_no, title, title_key, option_values, image_url, quantity, list_price_fen,
             unit_price_fen, discount_fen, total_fen, points_fen, is_gift)
           select $1, $2, l.no, l.sku, l.product, l.product_no, l.title, l.title_key,
             string_to_array(l.options, e'\\x1f'), l.image, l.quantity, l.list, l.unit,
             l.discount, l.total, l.points, l.gift
           from unnest($24::uuid[], $25::uuid[], $26::int[], $27::text[], $28::text[],
             $29::text[], $30::text[], $31::int[], $32::bigint[], $33::bigint[], $34::bigint[],
             $35::bigint[], $36::bigint[], $37::boolean[]) with ordinality
             as l (sku, product, product_no, title, title_key, options, image, quantity, list,
               unit, discount, total, points, gift, no)""",
        tx.shop_id,
        order.order_id,
        order.order_no,
        order.member_id,
        order.person_no,
        order.platform,
        order.has_virtual,
        order.items_fen,
        order.discount_fen,
        order.shipping_fen,
        order.total_fen,
        new.adjustments,
        order.remark,
        order.address_sealed,
        new.phone_key,
        order.placed_at,
        order.pay_before,
        order.delivery,
        order.promoter_id,
        order.pickup,
        order.coupons,
        new.is_first,
        new.empties_cart,
        [line.sku_id for line in lines],
        [line.product_id for line in lines],
        [line.product_no for line in lines],
        [line.title for line in lines],
        [title_key(line.title) for line in lines],
        [BETWEEN.join(line.option_values) for line in lines],
        [line.image_url for line in lines],
        [line.quantity for line in lines],
        [line.list_price_fen for line in lines],
        [line.unit_price_fen for line in lines],
        [line.discount_fen for line in lines],
        [line.total_fen for line in lines],
        [line.points_fen for line in lines],
        [line.is_gift for line in lines],
    )


async def insert_tenders(tx: Tx, order: Order) -> None:
    """What beside WeChat's money pays an order."""
    await tx.run(
        """insert into ordering.tenders
             (shop_id, order_id, wechat_fen, principal_fen, bonus_fen, points, points_fen)
           values ($1, $2, $3, $4, $5, $6, $7)""",
        tx.shop_id,
        order.order_id,
        order.wechat_fen,
        order.principal_fen,
        order.bonus_fen,
        order.points,
        order.points_fen,
    )


async def move_tenders(tx: Tx, order: Order) -> None:
    """The balance of an order was held anew, perhaps in other parts of principal and bonus."""
    await tx.run(
        """update ordering.tenders set principal_fen = $3, bonus_fen = $4
           where shop_id = $1 and order_id = $2""",
        tx.shop_id,
        order.order_id,
        order.principal_fen,
        order.bonus_fen,
    )


def title_key(title: str) -> str:
    """A title as it is searched for."""
    return title.lower()


async def lock_order(tx: Tx, order_id: UUID) -> Order | None:
    """The order, locked until the end of the transaction."""
    return await tx.maybe(
        Order,
        f"""select {ORDER} from {FROM}
            where o.shop_id = $1 and o.order_id = $2 for no key update of o""",
        tx.shop_id,
        order_id,
    )


async def move_paid(
    tx: Tx,
    order: Order,
    payment_id: UUID,
    at: datetime,
    actor: str,
    *,
    is_offline: bool = False,
) -> bool:
    """The order is paid; whether it is the member's first paid one. Notes it in the timeline."""
    event = "paid" if order.status is OrderStatus.PENDING_PAYMENT else "paid_late"
    if is_offline:
        event = "paid_offline"
    first: bool = await tx.value(
        """with moved as (
             update ordering.orders set status = 'paid', paid_at = $4, paid_fen = total_fen,
               payment_id = $3, cancelled_at = null, cancel_reason = null, is_offline = $9
             where shop_id = $1 and order_id = $2),
           noted as (
             insert into ordering.timeline (shop_id, order_id, entry_id, at, event, actor)
             values ($1, $2, $5, $4, $6, $8)),
           taken as (
             insert into ordering.buyers (shop_id, member_id, first_order_id)
             values ($1, $7, $2) on conflict do nothing returning true)
           select exists (select from taken)""",
        tx.shop_id,
        order.order_id,
        payment_id,
        at,
        new_id(),
        event,
        order.member_id,
        actor,
        is_offline,
    )
    return first


async def move_cancelled(
    tx: Tx, order_id: UUID, reason: CancelReason, at: datetime, actor: str
) -> None:
    """The order is cancelled; notes it in the timeline under the reason."""
    await tx.run(
        """with moved as (
             update ordering.orders set status = 'cancelled', cancelled_at = $4, cancel_reason = $3
             where shop_id = $1 and order_id = $2)
           insert into ordering.timeline (shop_id, order_id, entry_id, at, event, actor)
           values ($1, $2, $5, $4, $3, $6)""",
        tx.shop_id,
        order_id,
        reason.value,
        at,
        new_id(),
        actor,
    )


async def insert_timeline(tx: Tx, order_id: UUID, event: str, at: datetime, actor: str) -> None:
    """Note something that did not move the order."""
    await tx.run(
        """insert into ordering.timeline (shop_id, order_id, entry_id, at, event, actor)
           values ($1, $2, $3, $4, $5, $6)""",
        tx.shop_id,
        order_id,
        new_id(),
        at,
        event,
        actor,
    )


class DueOrder(msgspec.Struct, frozen=True):
    """An order for which some time is over."""

    shop_id: int
    order_id: UUID


async def list_overdue(tx: ReadTx, now: datetime, limit: int = 200) -> list[DueOrder]:
    """Unpaid orders past their time, of all shops, the longest overdue first."""
    return await tx.all(
        DueOrder,
        """select shop_id, order_id from ordering.orders
           where status = 'pending_payment' and pay_before < $1 order by pay_before limit $2""",
        now,
        limit,
    )


# --- reading orders ---------------------------------------------------------------------------


async def get_order(tx: ReadTx, order_id: UUID) -> Order | None:
    """One order."""
    return await tx.maybe(
        Order,
        f"select {ORDER} from {FROM} where o.shop_id = $1 and o.order_id = $2",
        tx.shop_id,
        order_id,
    )


class OrderDetail(Order, frozen=True):
    """An order with what only staff see."""

    source: str
    cancel_reason: CancelReason | None
    adjustments: list[TraceEntry]


async def get_order_detail(tx: ReadTx, order_id: UUID) -> OrderDetail | None:
    """One order as staff see it."""
    return await tx.maybe(
        OrderDetail,
        f"""select {ORDER}, o.source, o.cancel_reason, o.adjustments from {FROM}
            where o.shop_id = $1 and o.order_id = $2""",
        tx.shop_id,
        order_id,
    )


async def list_timeline(tx: ReadTx, order_id: UUID) -> list[TimelineEntry]:
    """What happened to an order, oldest first. The first entry is the order itself: it was placed
    by its member, or came with an import.
    """
    return await tx.all(
        TimelineEntry,
        """select at, event, actor
           from (
             select placed_at as at, case source when 'shop' then 'placed' else 'imported' end,
               case source when 'shop' then '会员 ' || person_no else source end, null::uuid
             from ordering.orders where shop_id = $1 and order_id = $2
             union all
             select at, event, actor, entry_id
             from ordering.timeline where shop_id = $1 and order_id = $2
           ) as entries (at, event, actor, entry_id)
           order by entry_id nulls first""",
        tx.shop_id,
        order_id,
    )


class LineOfOrder(OrderLine, frozen=True, kw_only=True):
    """A line that says whose it is."""

    order_id: UUID


async def list_lines(tx: ReadTx, order_ids: Sequence[UUID]) -> dict[UUID, list[OrderLine]]:
    """The lines of some orders, in their order."""
    rows = await tx.all(
        LineOfOrder,
        f"""select {_LINE}, order_id from ordering.order_lines
            where shop_id = $1 and order_id = any ($2::uuid[]) order by order_id, line_no""",
        tx.shop_id,
        list(order_ids),
    )
    lines: dict[UUID, list[OrderLine]] = {order_id: [] for order_id in order_ids}
    for row in rows:
        lines[row.order_id].append(row)
    return lines


class Place(NamedTuple):
    """Where a page of orders ended: the sort values of its last row."""

    placed_at: Annotated[datetime, msgspec.Meta(tz=True)]
    order_id: UUID


def below(args: list[Any], after: Place | None) -> str:
    """The condition that continues a page after `after`."""
    if after is None:
        return "true"
    args += after
    return f"(o.placed_at, o.order_id) < (${len(args) - 1}, ${len(args)})"


class OrderFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What the console can look for; None does not restrict. Times are half-open [from, to).
    is_refunded: some of its money went back, or is on its way.
    """

    status: OrderStatus | None = None
    kind: OrderKind | None = None
    placed_from: datetime | None = None
    placed_to: datetime | None = None
    order_no: str | None = None
    phone_key: bytes | None = None
    delivery: Delivery | None = None
    is_offline: bool | None = None
    is_refunded: bool | None = None
    title_prefix: str | None = None


class OrderRow(msgspec.Struct, frozen=True, kw_only=True):
    """An order in a list of the console; `title` is its first line's."""

    order_id: UUID
    order_no: str
    kind: OrderKind
    source: str
    status: OrderStatus
    member_id: UUID
    person_no: int
    title: str
    line_count: int
    quantity: int
    items_fen: int
    discount_fen: int
    shipping_fen: int
    total_fen: int
    paid_fen: int
    refunded_fen: int
    delivery: Delivery
    is_offline: bool
    note_count: int
    placed_at: datetime
    paid_at: datetime | None


_ROW = """select o.order_id, o.order_no, o.kind, o.source, o.status, o.member_id, o.person_no,
  l.title, l.line_count, l.quantity, o.items_fen, o.discount_fen, o.shipping_fen, o.total_fen,
  o.paid_fen, o.refunded_fen, o.delivery, o.is_offline, o.placed_at, o.paid_at,
  (select count(*) from ordering.notes n
   where n.shop_id = o.shop_id and n.order_id = o.order_id) as note_count
from ordering.orders o cross join lateral (
  select (array_agg(l.title order by l.line_no))[1] as title, count(*) as line_count,
    sum(l.quantity) as quantity
  from ordering.order_lines l where l.shop_id = o.shop_id and l.order_id = o.order_id) l"""


def matching(args: list[Any], wanted: OrderFilter) -> str:
    """The condition on `o`; a title is matched by its beginning in any line."""
    title = wanted.title_prefix and title_key(wanted.title_prefix)
    where = filters(
        args,
        ("o.status = ?", wanted.status),
        ("o.kind = ?", wanted.kind),
        ("o.placed_at >= ?", wanted.placed_from),
        ("o.placed_at < ?", wanted.placed_to),
        ("o.order_no = ?", wanted.order_no),
        ("o.phone_key = ?", wanted.phone_key),
        ("o.delivery = ?", wanted.delivery),
        ("o.is_offline = ?", wanted.is_offline),
        ("(o.refunded_fen > 0) = ?", wanted.is_refunded),
    )
    if title:
        args += [title, title + chr(0x10FFFF)]
        where += f""" and o.order_id in (select order_id from ordering.order_lines
            where shop_id = $1 and title_key >= ${len(args) - 1} and title_key < ${len(args)})"""
    return where


async def list_orders(
    tx: ReadTx, wanted: OrderFilter, after: Place | None, limit: int
) -> list[OrderRow]:
    """The console's list, newest first."""
    args: list[Any] = [tx.shop_id, limit]
    where = f"o.shop_id = $1 and {matching(args, wanted)} and {below(args, after)}"
    return await tx.all(
        OrderRow,
        f"{_ROW} where {where} order by o.placed_at desc, o.order_id desc limit $2",
        *args,
    )


class ExportLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of one order, as exported."""

    order_no: str
    kind: OrderKind
    source: str
    status: OrderStatus
    person_no: int
    placed_at: datetime
    paid_at: datetime | None
    line_no: int
    product_no: int
    title: str
    option_values: list[str]
    quantity: int
    list_price_fen: int
    discount_fen: int
    line_total_fen: int
    refunded_quantity: int
    refunded_fen: int
    order_total_fen: int
    remark: str


def stream_export(tx: ReadTx, wanted: OrderFilter) -> AsyncIterator[ExportLine]:
    """Lines of the matching orders, newest order first, through a cursor."""
    args: list[Any] = [tx.shop_id]
    where = f"o.shop_id = $1 and {matching(args, wanted)}"
    return tx.stream(
        ExportLine,
        f"""select o.order_no, o.kind, o.source, o.status, o.person_no, o.placed_at, o.paid_at,
              l.line_no, l.product_no, l.title, l.option_values, l.quantity, l.list_price_fen,
              l.discount_fen, l.total_fen as line_total_fen, l.refunded_quantity, l.refunded_fen,
              o.total_fen as order_total_fen, o.remark
            from ordering.orders o join ordering.order_lines l using (shop_id, order_id)
            where {where} order by o.placed_at desc, o.order_id desc, l.line_no""",
        *args,
    )
