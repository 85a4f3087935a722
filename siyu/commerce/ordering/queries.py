"""All SQL of ordering but that on the import's own tables (`service/history_store.py`)."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Annotated, Any, NamedTuple
from uuid import UUID

import msgspec

from siyu.commerce.ordering.contracts import (
    CancelReason,
    LineAsked,
    Order,
    OrderKind,
    OrderLine,
    OrderStatus,
    TimelineEntry,
)
from siyu.commerce.promotions.contracts import TraceEntry
from siyu.kernel.db import ReadTx, Tx, filters
from siyu.kernel.ids import new_id

_ORDER = """order_id, order_no, kind, status, member_id, person_no, platform, has_virtual,
  items_fen, discount_fen, shipping_fen, total_fen, paid_fen, placed_at, pay_before, paid_at,
  payment_id, remark, address_sealed"""
_LINE = """line_no, sku_id, product_id, product_no, title, option_values, image_url, quantity,
  list_price_fen, unit_price_fen, discount_fen, total_fen"""


# --- cart -------------------------------------------------------------------------------------


class CartLine(msgspec.Struct, frozen=True):
    """A line of a cart, without anything that may change by itself (price, title)."""

    sku_id: UUID
    quantity: int
    selected: bool


async def list_cart(tx: ReadTx, member_id: UUID) -> list[CartLine]:
    """The lines of a cart, newest first."""
    return await tx.all(
        CartLine,
        """select sku_id, quantity, selected from ordering.cart_lines
           where shop_id = $1 and member_id = $2 order by added_at desc, sku_id""",
        tx.shop_id,
        member_id,
    )


async def lock_cart(tx: Tx, member_id: UUID, at: datetime) -> None:
    """Let one change of a cart wait for the other; makes the cart's row at first use."""
    await tx.run(
        """insert into ordering.carts (shop_id, member_id, changed_at) values ($1, $2, $3)
           on conflict (shop_id, member_id) do update set changed_at = excluded.changed_at""",
        tx.shop_id,
        member_id,
        at,
    )


async def insert_cart_line(tx: Tx, member_id: UUID, line: LineAsked, at: datetime) -> int | None:
    """Put a line in or add to it (at most 999 pieces); None when 100 other lines are there."""
    quantity: int | None = await tx.value(
        """insert into ordering.cart_lines as l (shop_id, member_id, sku_id, quantity, added_at)
           select $1, $2, $3, $4, $5
           where (select count(*) from ordering.cart_lines
                  where shop_id = $1 and member_id = $2 and sku_id <> $3) < 100
           on conflict (shop_id, member_id, sku_id)
           do update set quantity = least(l.quantity + excluded.quantity, 999), selected = true
           returning quantity""",
        tx.shop_id,
        member_id,
        line.sku_id,
        line.quantity,
        at,
    )
    return quantity


async def set_cart_line(
    tx: Tx, member_id: UUID, sku_id: UUID, quantity: int | None, selected: bool | None
) -> int:
    """Change a line; None leaves a value as it is. Returns how many lines there were (0 or 1)."""
    return await tx.run(
        """update ordering.cart_lines
           set quantity = coalesce($4, quantity), selected = coalesce($5, selected)
           where shop_id = $1 and member_id = $2 and sku_id = $3""",
        tx.shop_id,
        member_id,
        sku_id,
        quantity,
        selected,
    )


async def set_cart_selected(tx: Tx, member_id: UUID, selected: bool) -> None:
    """Select all lines, or none."""
    await tx.run(
        """update ordering.cart_lines set selected = $3
           where shop_id = $1 and member_id = $2 and selected <> $3""",
        tx.shop_id,
        member_id,
        selected,
    )


async def delete_cart_line(tx: Tx, member_id: UUID, sku_id: UUID) -> None:
    """Take a line out; nothing happens when it is not there."""
    await tx.run(
        "delete from ordering.cart_lines where shop_id = $1 and member_id = $2 and sku_id = $3",
        tx.shop_id,
        member_id,
        sku_id,
    )


# --- writing an order -------------------------------------------------------------------------


class NewOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the insert needs beside the order itself."""

    order: Order
    lines: list[OrderLine]
    adjustments: list[TraceEntry]
    phone_key: bytes | None
    empties_cart: bool
    actor: str


# Option values travel as one text per line, for an array of arrays of different lengths is none.
_BETWEEN = "\x1f"


async def insert_order(tx: Tx, new: NewOrder) -> None:
    """Order, lines and first timeline entry in one trip; the bought lines leave the cart in it."""
    order, lines = new.order, new.lines
    await tx.run(
        """with placed as (
             insert into ordering.orders (shop_id, order_id, order_no, kind, source, status,
               member_id, person_no, platform, has_virtual, items_fen, discount_fen, shipping_fen,
               total_fen, adjustments, remark, address_sealed, phone_key, placed_at, pay_before)
             values ($1, $2, $3, 'sale', 'shop', 'pending_payment', $4, $5, $6, $7, $8, $9, $10,
               $11, $12, $13, $14, $15, $16, $17)),
           noted as (
             insert into ordering.timeline (shop_id, order_id, entry_id, at, event, actor)
             values ($1, $2, $18, $16, 'placed', $32)),
           emptied as (
             delete from ordering.cart_lines
             where $19 and shop_id = $1 and member_id = $4 and sku_id = any ($20))
           insert into ordering.order_lines (shop_id, order_id, line_no, sku_id, product_id,
             product_no, title, title_key, option_values, image_url, quantity, list_price_fen,
             unit_price_fen, discount_fen, total_fen)
           select $1, $2, l.no, l.sku, l.product, l.product_no, l.title, l.title_key,
             string_to_array(l.options, e'\\x1f'), l.image, l.quantity, l.list, l.unit,
             l.discount, l.total
           from unnest($20::uuid[], $21::uuid[], $22::int[], $23::text[], $24::text[],
             $25::text[], $26::text[], $27::int[], $28::bigint[], $29::bigint[], $30::bigint[],
             $31::bigint[]) with ordinality
             as l (sku, product, product_no, title, title_key, options, image, quantity, list,
               unit, discount, total, no)""",
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
        new_id(),
        new.empties_cart,
        [line.sku_id for line in lines],
        [line.product_id for line in lines],
        [line.product_no for line in lines],
        [line.title for line in lines],
        [title_key(line.title) for line in lines],
        [_BETWEEN.join(line.option_values) for line in lines],
        [line.image_url for line in lines],
        [line.quantity for line in lines],
        [line.list_price_fen for line in lines],
        [line.unit_price_fen for line in lines],
        [line.discount_fen for line in lines],
        [line.total_fen for line in lines],
        new.actor,
    )


def title_key(title: str) -> str:
    """A title as it is searched for."""
    return title.lower()


async def lock_order(tx: Tx, order_id: UUID) -> Order | None:
    """The order, locked until the end of the transaction."""
    return await tx.maybe(
        Order,
        f"""select {_ORDER} from ordering.orders
            where shop_id = $1 and order_id = $2 for no key update""",
        tx.shop_id,
        order_id,
    )


async def move_paid(tx: Tx, order: Order, payment_id: UUID, at: datetime, actor: str) -> bool:
    """The order is paid; whether it is the member's first paid one. Notes it in the timeline."""
    event = "paid" if order.status is OrderStatus.PENDING_PAYMENT else "paid_late"
    first: bool = await tx.value(
        """with moved as (
             update ordering.orders set status = 'paid', paid_at = $4, paid_fen = total_fen,
               payment_id = $3, cancelled_at = null, cancel_reason = null
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


class OverdueOrder(msgspec.Struct, frozen=True):
    """An order whose time to pay is over."""

    shop_id: int
    order_id: UUID


async def list_overdue(tx: ReadTx, now: datetime, limit: int = 200) -> list[OverdueOrder]:
    """Unpaid orders past their time, of all shops, the longest overdue first."""
    return await tx.all(
        OverdueOrder,
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
        f"select {_ORDER} from ordering.orders where shop_id = $1 and order_id = $2",
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
        f"""select {_ORDER}, source, cancel_reason, adjustments from ordering.orders
            where shop_id = $1 and order_id = $2""",
        tx.shop_id,
        order_id,
    )


async def list_timeline(tx: ReadTx, order_id: UUID) -> list[TimelineEntry]:
    """What happened to an order, oldest first."""
    return await tx.all(
        TimelineEntry,
        """select at, event, actor from ordering.timeline
           where shop_id = $1 and order_id = $2 order by entry_id""",
        tx.shop_id,
        order_id,
    )


class LineOfOrder(OrderLine, frozen=True):
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


def _below(args: list[Any], after: Place | None) -> str:
    if after is None:
        return "true"
    args += after
    return f"(o.placed_at, o.order_id) < (${len(args) - 1}, ${len(args)})"


async def list_member_orders(
    tx: ReadTx, member_id: UUID, status: OrderStatus | None, after: Place | None, limit: int
) -> list[Order]:
    """A member's orders, newest first."""
    args: list[Any] = [tx.shop_id, member_id, limit]
    where = filters(args, ("o.status = ?", status)) + " and " + _below(args, after)
    return await tx.all(
        Order,
        f"""select {_ORDER} from ordering.orders o
            where shop_id = $1 and member_id = $2 and {where}
            order by o.placed_at desc, o.order_id desc limit $3""",
        *args,
    )


class OrderFilter(msgspec.Struct, frozen=True, kw_only=True):
    """What the console can look for; None does not restrict. Times are half-open [from, to)."""

    status: OrderStatus | None = None
    kind: OrderKind | None = None
    placed_from: datetime | None = None
    placed_to: datetime | None = None
    order_no: str | None = None
    phone_key: bytes | None = None
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
    placed_at: datetime
    paid_at: datetime | None


_ROW = """select o.order_id, o.order_no, o.kind, o.source, o.status, o.member_id, o.person_no,
  l.title, l.line_count, l.quantity, o.items_fen, o.discount_fen, o.shipping_fen, o.total_fen,
  o.paid_fen, o.placed_at, o.paid_at
from ordering.orders o cross join lateral (
  select (array_agg(l.title order by l.line_no))[1] as title, count(*) as line_count,
    sum(l.quantity) as quantity
  from ordering.order_lines l where l.shop_id = o.shop_id and l.order_id = o.order_id) l"""


def _matching(args: list[Any], wanted: OrderFilter) -> str:
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
    where = f"o.shop_id = $1 and {_matching(args, wanted)} and {_below(args, after)}"
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
    order_total_fen: int
    remark: str


def stream_export(tx: ReadTx, wanted: OrderFilter) -> AsyncIterator[ExportLine]:
    """Lines of the matching orders, newest order first, through a cursor."""
    args: list[Any] = [tx.shop_id]
    where = f"o.shop_id = $1 and {_matching(args, wanted)}"
    return tx.stream(
        ExportLine,
        f"""select o.order_no, o.kind, o.source, o.status, o.person_no, o.placed_at, o.paid_at,
              l.line_no, l.product_no, l.title, l.option_values, l.quantity, l.list_price_fen,
              l.discount_fen, l.total_fen as line_total_fen, o.total_fen as order_total_fen,
              o.remark
            from ordering.orders o join ordering.order_lines l using (shop_id, order_id)
            where {where} order by o.placed_at desc, o.order_id desc, l.line_no""",
        *args,
    )
