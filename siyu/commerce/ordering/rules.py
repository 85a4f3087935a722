"""Decisions of ordering without database, clock or network."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from siyu.commerce.catalog.contracts import ProductKind, SkuForSale
from siyu.commerce.ordering.contracts import (
    MAX_LINES,
    MAX_QUANTITY,
    Delivery,
    LineAsked,
    MoveRefused,
    NothingToBuy,
    NothingToRefund,
    Order,
    OrderKind,
    OrderLine,
    OrderRefund,
    OrderStatus,
    Platform,
    QuantityTooLarge,
    Refundable,
    RefundLine,
    RefundStatus,
    RefundTooMuch,
    SkuNotFound,
    SkuUnavailable,
    VirtualOnIos,
)
from siyu.kernel.i18n import Language
from siyu.kernel.money import split_fen

MOVED = frozenset({Delivery.SHIP, Delivery.PICKUP, Delivery.GIFT})
"""Deliveries by which things change hands."""
REFUNDABLE = frozenset({OrderStatus.PAID, OrderStatus.SHIPPED, OrderStatus.COMPLETED})
PAY_WITHIN = timedelta(minutes=15)

MOVES: dict[OrderStatus, frozenset[OrderStatus]] = {
    OrderStatus.PENDING_PAYMENT: frozenset({OrderStatus.PAID, OrderStatus.CANCELLED}),
    OrderStatus.PAID: frozenset({OrderStatus.SHIPPED, OrderStatus.COMPLETED, OrderStatus.REFUNDED}),
    OrderStatus.SHIPPED: frozenset({OrderStatus.COMPLETED, OrderStatus.REFUNDED}),
    OrderStatus.COMPLETED: frozenset({OrderStatus.REFUNDED}),
    OrderStatus.REFUNDED: frozenset(),
    # An end, but for money that arrives after the close while the goods are still there (F015).
    OrderStatus.CANCELLED: frozenset({OrderStatus.PAID}),
}

LABELS: dict[str, tuple[str, str]] = {
    "placed": ("提交订单", "Placed"),
    "gift_gone": ("赠品已送完", "The gift had run out"),
    "paid": ("支付成功", "Paid"),
    "paid_offline": ("柜台收款", "Paid at the counter"),
    "paid_late": ("关闭后到账，订单恢复", "Paid after closing, restored"),
    "money_parked": ("关闭后到账，待人工处理", "Paid after closing, waits for staff"),
    "timed_out": ("超时未支付，已取消", "Not paid in time, cancelled"),
    "by_customer": ("顾客取消", "Cancelled by the customer"),
    "by_staff": ("商家取消", "Cancelled by staff"),
    "shipped": ("已发货", "Shipped"),
    "completed": ("已完成", "Completed"),
    "received": ("顾客确认收货", "Receipt confirmed by the customer"),
    "received_at_wechat": ("微信确认收货", "Receipt confirmed in WeChat"),
    "picked_up": ("已到店提货", "Collected"),
    "received_by_time": ("到期自动确认收货", "Receipt confirmed by time"),
    "delivered": ("虚拟商品已发放", "Virtual goods delivered"),
    "refund_started": ("退款处理中", "Refund under way"),
    "refund_abnormal": ("退款异常，商家处理中", "Refund abnormal, staff are on it"),
    "refund_closed": ("退款未成功，商家处理中", "Refund not executed, staff are on it"),
    "refunded_in_part": ("部分退款成功", "Refunded in part"),
    "refunded": ("退款成功", "Refunded"),
    "imported": ("历史订单导入", "Imported from history"),
}
"""What a timeline entry says, in Chinese and English."""


KIND_WORDS: dict[OrderKind, dict[Language, str]] = {
    OrderKind.SALE: {"zh-CN": "销售", "en": "Sale"},
    OrderKind.RETURN: {"zh-CN": "退货", "en": "Return"},
}
STATUS_WORDS: dict[OrderStatus, dict[Language, str]] = {
    OrderStatus.PENDING_PAYMENT: {"zh-CN": "待付款", "en": "To pay"},
    OrderStatus.PAID: {"zh-CN": "待发货", "en": "To ship"},
    OrderStatus.SHIPPED: {"zh-CN": "已发货", "en": "Shipped"},
    OrderStatus.COMPLETED: {"zh-CN": "已完成", "en": "Completed"},
    OrderStatus.CANCELLED: {"zh-CN": "已取消", "en": "Cancelled"},
    OrderStatus.REFUNDED: {"zh-CN": "已退款", "en": "Refunded"},
}
"""As the console says them; tables carry words, not codes."""


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


def delivery_of(skus: Iterable[SkuForSale], *, is_collected: bool = False) -> Delivery:
    """How a basket reaches its buyer: what is sent (or collected) decides, then what is served."""
    kinds = {sku.kind for sku in skus}
    if ProductKind.PHYSICAL in kinds:
        return Delivery.PICKUP if is_collected else Delivery.SHIP
    return Delivery.SERVE if ProductKind.SERVICE in kinds else Delivery.INSTANT


def may_confirm(status: OrderStatus, delivery: Delivery) -> bool:
    """Whether the customer may say "I have it": shipped goods, or a service once paid. Of a gift
    that is for those to say who have it.
    """
    if delivery is Delivery.SERVE:
        return status in (OrderStatus.PAID, OrderStatus.SHIPPED)
    return status is OrderStatus.SHIPPED and delivery is not Delivery.GIFT


def order_number(random_bytes: bytes) -> str:
    """Ten random bytes as `7Q2M-9FKD-0XWP-3HTV`: no letters that are mistaken for digits."""
    assert len(random_bytes) == 10
    bits, of = int.from_bytes(random_bytes), _PAIRS
    first, last = bits >> 40, bits & (1 << 40) - 1
    return (
        f"{of[first >> 30]}{of[first >> 20 & 1023]}-{of[first >> 10 & 1023]}{of[first & 1023]}-"
        f"{of[last >> 30]}{of[last >> 20 & 1023]}-{of[last >> 10 & 1023]}{of[last & 1023]}"
    )


def read_order_number(text: str) -> str | None:
    """What a person typed or read aloud, in the form of `order_number`; None when it is none."""
    letters = text.upper().replace("-", "").replace(" ", "").translate(_MISREAD)
    if len(letters) != 16 or not set(letters) <= set(_DIGITS):
        return None
    return "-".join(letters[i : i + 4] for i in range(0, 16, 4))


def left_to_refund(order: Order, lines: Sequence[OrderLine]) -> Refundable:
    """What may still be given back; nothing unless the order was paid here."""
    if order.status not in REFUNDABLE or order.payment_id is None:
        return Refundable(order.order_id, order.status, [], 0, 0)
    left = [
        RefundLine(
            line.line_no, line.quantity - line.refunded_quantity, line.total_fen - line.refunded_fen
        )
        for line in lines
    ]
    shipping_fen = order.shipping_fen - order.refunded_shipping_fen
    amount_fen = sum(line.amount_fen for line in left) + shipping_fen
    assert amount_fen == order.paid_fen - order.refunded_fen, "lines and order went apart"
    return Refundable(order.order_id, order.status, left, shipping_fen, amount_fen)


def check_refund(left: Refundable, asked: Sequence[RefundLine], shipping_fen: int) -> None:
    """Raise NothingToRefund, or RefundTooMuch naming what is left (F028)."""
    by_no = {line.line_no: line for line in left.lines}
    is_clear = len({line.line_no for line in asked}) == len(asked) and all(
        line.line_no in by_no and (line.quantity or line.amount_fen) for line in asked
    )
    if not is_clear or not (asked or shipping_fen):
        raise NothingToRefund
    for line in asked:
        most = by_no[line.line_no]
        if line.quantity > most.quantity or line.amount_fen > most.amount_fen:
            raise RefundTooMuch(
                line_no=line.line_no, quantity=most.quantity, amount_fen=most.amount_fen
            )
    if shipping_fen > left.shipping_fen:
        raise RefundTooMuch(shipping_fen=left.shipping_fen)


def check_unsent(bought: Sequence[OrderLine], asked: Sequence[RefundLine]) -> None:
    """Raise RefundTooMuch for pieces that have left already, of an order of several parcels."""
    by_no = {line.line_no: line for line in bought}
    for line in asked:
        known = by_no.get(line.line_no)
        if known is None:
            continue
        here = known.quantity - known.refunded_quantity - known.sent_quantity
        if line.quantity > here:
            raise RefundTooMuch(line_no=line.line_no, quantity=here)


def with_gifts(bought: Sequence[OrderLine], asked: Sequence[RefundLine]) -> list[RefundLine]:
    """What is given back, and the gifts with it once nothing that was bought is left."""
    pieces = {line.line_no: line.quantity for line in asked}
    left = {
        line.line_no: line.quantity - line.refunded_quantity - pieces.get(line.line_no, 0)
        for line in bought
    }
    if not pieces or any(left[line.line_no] for line in bought if not line.is_gift):
        return list(asked)
    gifts = [
        RefundLine(line.line_no, left[line.line_no], 0)
        for line in bought
        if line.is_gift and left[line.line_no] and line.line_no not in pieces
    ]
    return [*asked, *gifts]


def share_refund(amount_fen: int, wechat_left_fen: int, balance_left_fen: int) -> tuple[int, int]:
    """What of a refund goes back to WeChat and what to the balance: in proportion to what is left
    of each. However an order is refunded, the parts end exactly at what was paid with each.
    """
    if amount_fen == 0:
        return 0, 0
    wechat_fen, balance_fen = split_fen(amount_fen, [wechat_left_fen, balance_left_fen])
    return wechat_fen, balance_fen


def points_back(points: int, lines: Sequence[OrderLine], after: Mapping[int, RefundLine]) -> int:
    """How many points of an order are given back in all once `after` is too.

    Points belong to the lines they were used for, and return as the line's money does; where no
    money was left to pay, as its pieces do. The last fen or piece brings the last point.
    """
    if points == 0:
        return 0
    shares = split_fen(points, [line.points_fen for line in lines])
    back = 0
    for line, share in zip(lines, shares, strict=True):
        more = after.get(line.line_no)
        amount_fen = line.refunded_fen + (more.amount_fen if more else 0)
        quantity = line.refunded_quantity + (more.quantity if more else 0)
        done, whole = (amount_fen, line.total_fen) if line.total_fen else (quantity, line.quantity)
        back += share * done // whole
    return back


def is_all_back(order: Order, lines: Sequence[OrderLine], refunds: Sequence[OrderRefund]) -> bool:
    """Whether nothing of an order is left: no refund is still under way, all money and points went
    back, and of an order that cost neither all pieces.
    """
    waiting = (RefundStatus.STARTED, RefundStatus.ABNORMAL)
    if any(refund.status in waiting for refund in refunds):
        return False
    points = sum(one.points for one in refunds if one.status is RefundStatus.REFUNDED)
    if order.refunded_fen != order.paid_fen or points != order.points:
        return False
    return order.paid_fen + order.points > 0 or all(
        line.refunded_quantity == line.quantity for line in lines
    )


def is_overdue(pay_before: datetime | None, now: datetime) -> bool:
    """Whether the time to pay is over; the moment itself still counts as in time."""
    return pay_before is not None and now > pay_before


_DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = [a + b for a in _DIGITS for b in _DIGITS]
_MISREAD = str.maketrans("OIL", "011")
