"""A basket as the customer confirms it."""

from uuid import UUID

import msgspec

from siyu.commerce.coupons import service as coupons
from siyu.commerce.coupons.contracts import CouponOfferView
from siyu.commerce.ordering.contracts import Delivery, PickupStore
from siyu.commerce.ordering.service.basket import Basket, Gift
from siyu.commerce.ordering.service.checkout import explain
from siyu.commerce.promotions import service as promotions
from siyu.commerce.promotions.contracts import TraceEntry
from siyu.people.members.contracts import Address


class QuoteLineView(msgspec.Struct, frozen=True):
    """A priced line; `total_fen` bears its share of reductions."""

    sku_id: UUID
    title: str
    option_values: list[str]
    image_url: str | None
    quantity: int
    list_price_fen: int
    unit_price_fen: int
    total_fen: int


class PointsView(msgspec.Struct, frozen=True):
    """What points may do for this basket; `used` when they were chosen and do."""

    points: int
    discount_fen: int
    used: bool


class BalanceView(msgspec.Struct, frozen=True):
    """What the balance holds, and what of it pays for this basket."""

    available_fen: int
    used_fen: int


class GiftView(msgspec.Struct, frozen=True):
    """What a campaign (`label`) gives on top; not `in_stock`: it has run out and is left out."""

    sku_id: UUID
    title: str
    option_values: list[str]
    image_url: str | None
    quantity: int
    label: str
    in_stock: bool


class CouponsView(msgspec.Struct, frozen=True):
    """`chosen`: what each used coupon takes off, by claim; `offers`: what each may do alone."""

    chosen: dict[UUID, int]
    offers: list[CouponOfferView]


class QuoteView(msgspec.Struct, frozen=True):
    """The trace sums to `total_fen`; `payable_fen` is what the balance leaves for WeChat.
    `undelivered`: SKUs that are not sent to the address; with any of them no order is taken.
    """

    lines: list[QuoteLineView]
    items_fen: int
    discount_fen: int
    shipping_fen: int
    total_fen: int
    payable_fen: int
    points: PointsView
    balance: BalanceView
    coupons: CouponsView
    gifts: list[GiftView]
    delivery: Delivery
    needs_address: bool
    address: Address | None
    pickup: PickupStore | None
    undelivered: list[UUID]
    trace: list[TraceEntry]


def show(basket: Basket, *, chinese: bool) -> QuoteView:
    """A basket for the confirm page."""
    quote = basket.quote
    return QuoteView(
        lines=[
            QuoteLineView(
                sku_id=sku.sku_id,
                title=sku.title,
                option_values=sku.option_values,
                image_url=sku.image_url,
                quantity=line.quantity,
                list_price_fen=line.list_price_fen,
                unit_price_fen=line.unit_price_fen,
                total_fen=line.total_fen,
            )
            for sku, line in zip(basket.skus, quote.lines, strict=True)
        ],
        items_fen=quote.items_fen + basket.gifts_fen,
        discount_fen=quote.discount_fen + basket.gifts_fen,
        shipping_fen=quote.shipping_fen,
        total_fen=quote.total_fen,
        payable_fen=basket.payable_fen,
        points=PointsView(basket.offer.points, basket.offer.discount_fen, basket.points > 0),
        balance=BalanceView(basket.wallet.total_fen, basket.balance_fen),
        coupons=CouponsView(basket.coupons, [coupons.show_offer(one) for one in basket.offers]),
        gifts=[_gift_view(gift, True) for gift in basket.gifts]
        + [_gift_view(gift, False) for gift in basket.left_out],
        delivery=basket.delivery,
        needs_address=basket.needs_address,
        address=basket.address,
        pickup=basket.pickup,
        undelivered=quote.undelivered,
        trace=promotions.word_trace(explain(basket), chinese=chinese),
    )


def _gift_view(gift: Gift, in_stock: bool) -> GiftView:
    sku = gift.sku
    return GiftView(
        sku.sku_id,
        sku.title,
        sku.option_values,
        sku.image_url,
        gift.quantity,
        gift.label,
        in_stock,
    )
