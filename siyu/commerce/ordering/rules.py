"""Decisions of ordering without database, clock or network."""

import base64
from collections.abc import Iterable
from datetime import datetime, timedelta

from siyu.commerce.catalog.contracts import ProductKind, SkuForSale
from siyu.commerce.ordering.contracts import (
    MAX_LINES,
    MAX_QUANTITY,
    LineAsked,
    MoveRefused,
    NothingToBuy,
    OrderStatus,
    Platform,
    QuantityTooLarge,
    SkuNotFound,
    SkuUnavailable,
    VirtualOnIos,
)

PAY_WITHIN = timedelta(minutes=15)

MOVES: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING_PAYMENT: frozenset({OrderStatus.PAID, OrderStatus.CANCELLED}),
    OrderStatus.PAID: frozenset({OrderStatus.SHIPPED, OrderStatus.COMPLETED}),
    OrderStatus.SHIPPED: frozenset({OrderStatus.COMPLETED}),
    OrderStatus.COMPLETED: frozenset(),
    # An end, but for money that arrives after the close while the goods are still there (F015).
    OrderStatus.CANCELLED: frozenset({OrderStatus.PAID}),
}

LABELS: dict[str, tuple[str, str]] = {
    "placed": ("提交订单", "Placed"),
    "paid": ("支付成功", "Paid"),
    "paid_late": ("关闭后到账，订单恢复", "Paid after closing, restored"),
    "money_parked": ("关闭后到账，待人工处理", "Paid after closing, waits for staff"),
    "timed_out": ("超时未支付，已取消", "Not paid in time, cancelled"),
    "by_customer": ("顾客取消", "Cancelled by the customer"),
    "by_staff": ("商家取消", "Cancelled by staff"),
    "shipped": ("已发货", "Shipped"),
    "completed": ("已完成", "Completed"),
    "imported": ("历史订单导入", "Imported from history"),
}
"""What a timeline entry says, in Chinese and English."""


def check_move(now: OrderStatus, to: OrderStatus) -> None:
    """Raise MoveRefused when the state table does not allow it."""
    if to not in MOVES[now]:
        raise MoveRefused(status=now)


def merge_lines(lines: Iterable[LineAsked]) -> list[LineAsked]:
    """One line per SKU, in the order first asked for; quantities of a SKU count together (F042).

    Raises NothingToBuy, QuantityTooLarge.
    """
    merged: dict[object, LineAsked] = {}
    for line in lines:
        known = merged.get(line.sku_id)
        quantity = line.quantity + (known.quantity if known else 0)
        merged[line.sku_id] = LineAsked(line.sku_id, quantity)
        if quantity > MAX_QUANTITY:
            raise QuantityTooLarge(limit=MAX_QUANTITY, sku_id=str(line.sku_id))
    if not 0 < len(merged) <= MAX_LINES:
        raise NothingToBuy(limit=MAX_LINES)
    return list(merged.values())


def match_skus(lines: list[LineAsked], skus: list[SkuForSale]) -> list[SkuForSale]:
    """The SKUs in the order of the lines; raises SkuNotFound, SkuUnavailable."""
    by_id = {sku.sku_id: sku for sku in skus}
    missing = [str(line.sku_id) for line in lines if line.sku_id not in by_id]
    if missing:
        raise SkuNotFound(sku_ids=missing)
    gone = [str(sku.sku_id) for sku in skus if not sku.on_shelf]
    if gone:
        raise SkuUnavailable(sku_ids=gone)
    return [by_id[line.sku_id] for line in lines]


def check_platform(platform: Platform, skus: Iterable[SkuForSale]) -> None:
    """Refuse virtual goods on iOS (F024)."""
    virtual = [str(sku.sku_id) for sku in skus if sku.kind is ProductKind.VIRTUAL]
    if platform is Platform.IOS and virtual:
        raise VirtualOnIos(sku_ids=virtual)


def needs_address(skus: Iterable[SkuForSale]) -> bool:
    """Only physical goods are sent."""
    return any(sku.kind is ProductKind.PHYSICAL for sku in skus)


def order_number(random_bytes: bytes) -> str:
    """Ten random bytes as `7Q2M-9FKD-0XWP-3HTV`: no letters that are mistaken for digits."""
    assert len(random_bytes) == 10
    text = base64.b32encode(random_bytes).decode().translate(_CROCKFORD)
    return "-".join(text[i : i + 4] for i in range(0, 16, 4))


def read_order_number(text: str) -> str | None:
    """What a person typed or read aloud, in the form of `order_number`; None when it is none."""
    letters = text.upper().replace("-", "").replace(" ", "").translate(_MISREAD)
    if len(letters) != 16 or not set(letters) <= set(_DIGITS):
        return None
    return "-".join(letters[i : i + 4] for i in range(0, 16, 4))


def is_overdue(pay_before: datetime | None, now: datetime) -> bool:
    """Whether the time to pay is over; the moment itself still counts as in time."""
    return pay_before is not None and now > pay_before


_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_CROCKFORD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", _DIGITS)
_MISREAD = str.maketrans("OIL", "011")
