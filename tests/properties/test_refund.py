"""However an order is refunded: never too much of anything, and in the end exactly all of it."""

from datetime import UTC, datetime
from uuid import UUID

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from siyu.commerce.ordering import rules
from siyu.commerce.ordering.contracts import (
    Delivery,
    Order,
    OrderKind,
    OrderLine,
    OrderStatus,
    RefundLine,
)
from siyu.commerce.promotions.contracts import (
    Buyer,
    FixedOff,
    PointsUsed,
    PriceLine,
    Shipping,
    ShippingRate,
)
from siyu.commerce.promotions.service import price
from tests.commerce.promotions.kit import coupon, flat

NOBODY = UUID(int=0)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FEN = st.integers(0, 2_000)
baskets = st.lists(st.tuples(FEN, st.integers(1, 4)), min_size=1, max_size=4)


def paid_order(
    basket: list[tuple[int, int]], off_fen: int, points: int, shipping_fen: int, balance_bps: int
) -> tuple[Order, list[OrderLine]]:
    asked = [PriceLine(UUID(int=i), count, fen) for i, (fen, count) in enumerate(basket, 1)]
    ticket = coupon(FixedOff(off_fen // 2 + 1))
    shipping = Shipping(flat(ShippingRate(shipping_fen)))
    quote = price(asked, Buyer(False), [ticket, PointsUsed(off_fen), shipping])
    lines = [
        OrderLine(
            line_no=i,
            sku_id=line.sku_id,
            product_id=line.sku_id,
            product_no=i,
            title="tea",
            option_values=[],
            image_url=None,
            quantity=line.quantity,
            list_price_fen=line.list_price_fen,
            unit_price_fen=line.unit_price_fen,
            discount_fen=line.discount_fen,
            total_fen=line.total_fen,
            points_fen=line.points_fen,
            refunded_quantity=0,
            refunded_fen=0,
        )
        for i, line in enumerate(quote.lines, 1)
    ]
    points_fen = sum(line.points_fen for line in lines)
    balance_fen = quote.total_fen * balance_bps // 10_000
    order = Order(
        order_id=NOBODY,
        order_no="",
        kind=OrderKind.SALE,
        status=OrderStatus.PAID,
        member_id=NOBODY,
        person_no=1,
        platform=None,
        has_virtual=False,
        items_fen=quote.items_fen,
        discount_fen=quote.discount_fen,
        shipping_fen=quote.shipping_fen,
        total_fen=quote.total_fen,
        paid_fen=quote.total_fen,
        placed_at=NOW,
        pay_before=None,
        paid_at=NOW,
        payment_id=NOBODY,
        remark="",
        address_sealed=None,
        delivery=Delivery.SHIP,
        promoter_id=None,
        wechat_fen=quote.total_fen - balance_fen,
        principal_fen=balance_fen,
        bonus_fen=0,
        points=points if points_fen else 0,
        points_fen=points_fen,
        refunded_fen=0,
        refunded_shipping_fen=0,
        shipped_at=None,
        receipt_due_at=None,
        completed_at=None,
        pickup=None,
        coupons=quote.coupons,
        is_offline=False,
    )
    return order, lines


class Books:
    """What refunds have taken, as the tables keep it."""

    def __init__(self, order: Order, lines: list[OrderLine]) -> None:
        self.order, self.lines = order, lines
        self.wechat_fen, self.balance_fen, self.points = 0, 0, 0

    def refund(self, asked: list[RefundLine], shipping_fen: int) -> None:
        rules.check_refund(rules.left_to_refund(self.order, self.lines), asked, shipping_fen)
        amount_fen = sum(line.amount_fen for line in asked) + shipping_fen
        wechat_fen, balance_fen = rules.share_refund(
            amount_fen,
            self.order.wechat_fen - self.wechat_fen,
            self.order.balance_fen - self.balance_fen,
        )
        assert min(wechat_fen, balance_fen) >= 0 and wechat_fen + balance_fen == amount_fen
        after = {line.line_no: line for line in asked}
        back = rules.points_back(self.order.points, self.lines, after)
        assert self.points <= back <= self.order.points, "points only ever come back"
        self.points = back
        self.wechat_fen += wechat_fen
        self.balance_fen += balance_fen
        assert self.wechat_fen <= self.order.wechat_fen
        assert self.balance_fen <= self.order.balance_fen
        self.lines = [
            msgspec.structs.replace(
                line,
                refunded_quantity=line.refunded_quantity + after[line.line_no].quantity,
                refunded_fen=line.refunded_fen + after[line.line_no].amount_fen,
            )
            if line.line_no in after
            else line
            for line in self.lines
        ]
        self.order = msgspec.structs.replace(
            self.order,
            refunded_fen=self.order.refunded_fen + amount_fen,
            refunded_shipping_fen=self.order.refunded_shipping_fen + shipping_fen,
        )


@given(
    baskets,
    FEN,
    st.integers(1, 50_000),
    st.integers(0, 900),
    st.integers(0, 10_000),
    st.data(),
)
def test_any_sequence_of_refunds_ends_exactly_at_every_tender(
    basket, off_fen, points, shipping_fen, balance_bps, data
):
    books = Books(*paid_order(basket, off_fen, points, shipping_fen, balance_bps))
    for _ in range(data.draw(st.integers(0, 5))):
        left = rules.left_to_refund(books.order, books.lines)
        asked = [
            RefundLine(
                line.line_no,
                data.draw(st.integers(0, line.quantity)),
                data.draw(st.integers(0, line.amount_fen)),
            )
            for line in left.lines
        ]
        asked = [line for line in asked if line.quantity or line.amount_fen]
        shipping = data.draw(st.integers(0, left.shipping_fen))
        if asked or shipping:
            books.refund(asked, shipping)

    left = rules.left_to_refund(books.order, books.lines)
    rest = [
        RefundLine(line.line_no, line.quantity, line.amount_fen)
        for line in left.lines
        if line.quantity or line.amount_fen
    ]
    if rest or left.shipping_fen:
        books.refund(rest, left.shipping_fen)
    assert books.wechat_fen == books.order.wechat_fen
    assert books.balance_fen == books.order.balance_fen
    assert books.points == books.order.points
    assert books.order.refunded_fen == books.order.paid_fen


@given(FEN, FEN, st.data())
def test_a_share_is_within_a_fen_of_its_proportion(wechat_fen, balance_fen, data):
    whole = wechat_fen + balance_fen
    amount_fen = data.draw(st.integers(0, whole))
    if whole:
        by_wechat, by_balance = rules.share_refund(amount_fen, wechat_fen, balance_fen)
        assert abs(by_wechat * whole - amount_fen * wechat_fen) < whole
        assert abs(by_balance * whole - amount_fen * balance_fen) < whole
