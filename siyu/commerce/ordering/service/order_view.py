"""Orders as their customer sees them."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from siyu.commerce.ordering import queries, rules
from siyu.commerce.ordering.contracts import (
    Delivery,
    Order,
    OrderLine,
    OrderRefund,
    OrderStatus,
    PickupStore,
    RefundStatus,
    TimelineEntry,
)
from siyu.commerce.ordering.service import refund_store
from siyu.commerce.ordering.service.checkout import PlacedOrder, open_address
from siyu.kernel.db import ReadTx, Tx
from siyu.people.members.contracts import AddressText


class OrderLineView(msgspec.Struct, frozen=True):
    """A line as it was bought, and how much of it went back."""

    line_no: int
    sku_id: UUID
    product_id: UUID
    title: str
    option_values: list[str]
    image_url: str | None
    quantity: int
    unit_price_fen: int
    total_fen: int
    refunded_quantity: int
    refunded_fen: int
    is_gift: bool


class TimelineView(msgspec.Struct, frozen=True):
    """`label` is in the language of the request."""

    at: datetime
    event: str
    label: str


class TendersView(msgspec.Struct, frozen=True):
    """What an order is paid with: `wechat_fen + balance_fen` is its total; `points` took
    `points_fen` off before. An offline order's `wechat_fen` were paid at the counter.
    """

    wechat_fen: int
    balance_fen: int
    points: int
    points_fen: int


class ShipmentView(msgspec.Struct, frozen=True):
    """All has left (its parcels are fulfilment's); `receipt_due_at`: when it counts as received."""

    shipped_at: datetime
    receipt_due_at: datetime


class RefundView(msgspec.Struct, frozen=True):
    """Money on its way back, or there. `wechat_fen + balance_fen == amount_fen`."""

    refund_id: UUID
    status: RefundStatus
    amount_fen: int
    wechat_fen: int
    balance_fen: int
    points: int
    started_at: datetime
    finished_at: datetime | None


class OrderSummary(msgspec.Struct, frozen=True, kw_only=True):
    """An order in a list. `refunded_fen` counts what is on its way back too."""

    order_id: UUID
    order_no: str
    status: OrderStatus
    delivery: Delivery
    items_fen: int
    discount_fen: int
    shipping_fen: int
    total_fen: int
    paid_fen: int
    refunded_fen: int
    placed_at: datetime
    pay_before: datetime | None
    paid_at: datetime | None
    remark: str
    tenders: TendersView
    is_offline: bool
    pickup: PickupStore | None
    can_confirm: bool
    lines: list[OrderLineView]


class OrderView(OrderSummary, frozen=True, kw_only=True):
    """An order with where it goes and what happened to it."""

    completed_at: datetime | None
    shipment: ShipmentView | None
    refunds: list[RefundView]
    address: AddressText | None
    timeline: list[TimelineView]


_LINE_FIELDS = OrderLineView.__struct_fields__
_REFUND_FIELDS = RefundView.__struct_fields__
_OF_ORDER = tuple(set(OrderSummary.__struct_fields__) & set(Order.__struct_fields__))


def _summary(order: Order, lines: Sequence[OrderLine]) -> dict[str, Any]:
    return {field: getattr(order, field) for field in _OF_ORDER} | {
        "tenders": TendersView(order.wechat_fen, order.balance_fen, order.points, order.points_fen),
        "can_confirm": rules.may_confirm(order.status, order.delivery),
        "lines": [
            OrderLineView(*[getattr(line, field) for field in _LINE_FIELDS]) for line in lines
        ],
    }


def summarise(order: Order, lines: Sequence[OrderLine]) -> OrderSummary:
    """An order for a list."""
    return OrderSummary(**_summary(order, lines))


def show(
    order: Order,
    lines: Sequence[OrderLine],
    address: AddressText | None,
    timeline: Sequence[TimelineEntry],
    refunds: Sequence[OrderRefund],
    *,
    chinese: bool,
) -> OrderView:
    """An order for its own page."""
    return OrderView(
        **_summary(order, lines),
        completed_at=order.completed_at,
        shipment=_shipment(order),
        refunds=[
            RefundView(*[getattr(refund, field) for field in _REFUND_FIELDS]) for refund in refunds
        ],
        address=address,
        timeline=[
            TimelineView(entry.at, entry.event, rules.LABELS[entry.event][0 if chinese else 1])
            for entry in timeline
        ],
    )


async def load(tx: ReadTx, order: Order, *, chinese: bool) -> OrderView:
    """The page of an order that was just read."""
    lines = await queries.list_lines(tx, [order.order_id])
    timeline = await queries.list_timeline(tx, order.order_id)
    refunds = await refund_store.list_refunds(tx, order.order_id) if order.paid_at else []
    address = open_address(order.address_sealed)
    return show(order, lines[order.order_id], address, timeline, refunds, chinese=chinese)


def answer(tx: Tx, placed: PlacedOrder, *, chinese: bool) -> OrderView:
    """What is answered to an order just placed, and kept under the request's key: as the order
    itself, when `recall` can tell from it what was answered.
    """
    order, lines = placed.order, placed.lines
    view = show(order, lines, placed.address, placed.timeline, [], chinese=chinese)
    is_plain = order.paid_at is None and not any(line.is_gift for line in lines)
    is_plain = is_plain and len(placed.timeline) == 1
    return tx.answer(view, made=order.order_id if is_plain else None)


async def recall(tx: ReadTx, order_id: UUID, *, chinese: bool) -> OrderView:
    """An order as its buyer was first told of it, whatever happened to it since."""
    order = await queries.get_order(tx, order_id)
    assert order is not None, "an order is never deleted"
    first = replace(
        order,
        status=OrderStatus.PENDING_PAYMENT,
        paid_fen=0,
        paid_at=None,
        refunded_fen=0,
        shipped_at=None,
        receipt_due_at=None,
        completed_at=None,
        is_offline=False,
    )
    bought = (await queries.list_lines(tx, [order_id]))[order_id]
    lines = [replace(line, refunded_quantity=0, refunded_fen=0) for line in bought]
    timeline = await queries.list_timeline(tx, order_id)
    address = open_address(order.address_sealed)
    return show(first, lines, address, timeline[:1], [], chinese=chinese)


def _shipment(order: Order) -> ShipmentView | None:
    if order.shipped_at is None:
        return None
    assert order.receipt_due_at
    return ShipmentView(order.shipped_at, order.receipt_due_at)
