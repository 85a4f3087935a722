"""Place: the order that comes of a confirmed basket."""

import secrets
from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.commerce.catalog.contracts import ProductKind
from siyu.commerce.ordering import queries, rules
from siyu.commerce.ordering.contracts import (
    AddressNeeded,
    Delivery,
    LineAsked,
    Order,
    OrderKind,
    OrderLine,
    OrderPlaced,
    OrderStatus,
    Platform,
    PriceChanged,
    TimelineEntry,
)
from siyu.commerce.ordering.service.basket import Basket, Choice, Gift, load_basket
from siyu.commerce.ordering.service.settlement import hold_tenders, reserve_lines, settle_free
from siyu.commerce.promotions import service as promotions
from siyu.commerce.promotions.contracts import NotDelivered, TraceEntry
from siyu.kernel import clock
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.crypto import vault
from siyu.kernel.db import Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.people.members.contracts import Address, AddressText

GIFT = "gift"
"""The rule of a trace entry that takes the price of a gift off again."""


class PlacedOrder(msgspec.Struct, frozen=True):
    """A fresh order with its lines, its address in clear and its timeline so far."""

    order: Order
    lines: list[OrderLine]
    address: AddressText | None
    timeline: list[TimelineEntry]


async def place_order(
    tx: Tx,
    member: MemberIdentity,
    lines: Sequence[LineAsked],
    *,
    address_id: UUID | None,
    remark: str,
    expected_total_fen: int,
    platform: Platform,
    empties_cart: bool,
    choice: Choice = Choice(),  # noqa: B008  frozen
    expected_payable_fen: int | None = None,
    promoter_id: UUID | None = None,
    pickup_store_id: UUID | None = None,
    delivery: Delivery | None = None,
) -> PlacedOrder:
    """Make an order of what the customer confirmed, and keep its goods until `pay_before`, and with
    them the coupons, points and balance that are to pay for it.

    expected_total_fen, expected_payable_fen (after the balance): what the customer saw; they are
    only compared. promoter_id: the member who brought this order; oneself is nobody. delivery: GIFT
    for an order that needs no address. A gift of a campaign that is gone does not stop an order.
    Raises what `load_basket` does, and VirtualOnIos, AddressNeeded, NotDelivered, PriceChanged,
    StockShort, and what `hold_tenders` does when another order took coupons,
    points or balance meanwhile (F047, F059). An order of which WeChat collects nothing is paid at
    once (F025).
    """
    basket = await load_basket(
        tx,
        member.member_id,
        lines,
        address_id,
        choice,
        pickup_store_id=pickup_store_id,
        delivery=delivery,
    )
    check_confirmed(basket, platform, expected_total_fen, expected_payable_fen)
    address = address_text(basket.address) if basket.address else None
    order, new = compose(basket, member, address, remark, platform, empties_cart)
    if promoter_id != member.member_id:
        order = msgspec.structs.replace(order, promoter_id=promoter_id)
    order = await hold_tenders(tx, order)
    new = msgspec.structs.replace(new, order=order)
    await queries.insert_order(tx, new)
    if order.points or order.balance_fen:
        await queries.insert_tenders(tx, order)
    placed = OrderPlaced(
        order_id=order.order_id,
        order_no=order.order_no,
        person_no=order.person_no,
        amount_fen=order.total_fen,
    )
    emit(tx, placed, at=order.placed_at)
    # Last, for it locks the rows that everybody wants.
    order, kept = await reserve_lines(tx, order, new.lines, order.pay_before)
    timeline = [TimelineEntry(order.placed_at, "placed", member.actor_name)]
    if order.wechat_fen == 0:
        order = await settle_free(tx, order, kept)
    if order.paid_at is not None or len(kept) < len(new.lines):
        timeline = await queries.list_timeline(tx, order.order_id)
    return PlacedOrder(order, kept, address, timeline)


def check_confirmed(
    basket: Basket, platform: Platform, total_fen: int, payable_fen: int | None
) -> None:
    """Raise VirtualOnIos, AddressNeeded, NotDelivered, or PriceChanged when the basket does not
    cost what the customer saw.
    """
    rules.check_platform(platform, basket.skus)
    if basket.needs_address and basket.address is None:
        raise AddressNeeded
    quote = basket.quote
    if quote.undelivered:
        raise NotDelivered(sku_ids=[str(sku_id) for sku_id in quote.undelivered])
    if quote.total_fen != total_fen or payable_fen not in (None, basket.payable_fen):
        raise PriceChanged(quote_total_fen=quote.total_fen, quote_payable_fen=basket.payable_fen)


def compose(
    basket: Basket,
    member: MemberIdentity,
    address: AddressText | None,
    remark: str,
    platform: Platform,
    empties_cart: bool,
) -> tuple[Order, queries.NewOrder]:
    """The order and what the insert needs; nothing is asked, held or written."""
    now, quote = clock.now(), basket.quote
    order = Order(
        order_id=new_id(),
        order_no=rules.order_number(secrets.token_bytes(10)),
        kind=OrderKind.SALE,
        status=OrderStatus.PENDING_PAYMENT,
        member_id=member.member_id,
        person_no=member.person_no,
        platform=platform,
        has_virtual=any(sku.kind is ProductKind.VIRTUAL for sku in basket.skus),
        items_fen=quote.items_fen + basket.gifts_fen,
        discount_fen=quote.discount_fen + basket.gifts_fen,
        shipping_fen=quote.shipping_fen,
        total_fen=quote.total_fen,
        paid_fen=0,
        placed_at=now,
        pay_before=now + rules.PAY_WITHIN,
        paid_at=None,
        payment_id=None,
        remark=remark,
        address_sealed=seal_address(msgspec.json.encode(address)) if address else None,
        delivery=basket.delivery,
        promoter_id=None,
        wechat_fen=basket.payable_fen,
        principal_fen=basket.balance_fen,  # until it is held, and known how much of it is bonus
        bonus_fen=0,
        points=basket.points,
        points_fen=sum(line.points_fen for line in quote.lines),
        refunded_fen=0,
        refunded_shipping_fen=0,
        shipped_at=None,
        receipt_due_at=None,
        completed_at=None,
        pickup=basket.pickup,
        coupons=basket.coupons,
        is_offline=False,
    )
    new = queries.NewOrder(
        order=order,
        lines=order_lines(basket),
        adjustments=[entry for entry in explain(basket) if entry.rule != promotions.LIST_PRICE],
        is_first=basket.is_first,
        phone_key=vault().lookup(address.phone) if address else None,
        empties_cart=empties_cart,
    )
    return order, new


def explain(basket: Basket) -> list[TraceEntry]:
    """The trace of a basket with its gifts: what each would cost, and that it costs nothing."""
    trace = list(basket.quote.trace)
    for gift in basket.gifts:
        sku_id, worth = gift.sku.sku_id, gift.worth_fen
        trace.append(TraceEntry(promotions.LIST_PRICE, "原价", worth, sku_id))
        trace.append(TraceEntry(GIFT, gift.label, -worth, sku_id, gift.campaign_id))
    return trace


def order_lines(basket: Basket) -> list[OrderLine]:
    """The lines of a basket as they are kept, gifts last."""
    bought = [
        OrderLine(
            line_no=line_no,
            sku_id=sku.sku_id,
            product_id=sku.product_id,
            product_no=sku.product_no,
            title=sku.title,
            option_values=sku.option_values,
            image_url=sku.image_url,
            quantity=line.quantity,
            list_price_fen=line.list_price_fen,
            unit_price_fen=line.unit_price_fen,
            discount_fen=line.discount_fen,
            total_fen=line.total_fen,
            points_fen=line.points_fen,
            refunded_quantity=0,
            refunded_fen=0,
        )
        for line_no, (sku, line) in enumerate(
            zip(basket.skus, basket.quote.lines, strict=True), start=1
        )
    ]
    first_no = len(bought) + 1
    return bought + [_gift_line(no, gift) for no, gift in enumerate(basket.gifts, first_no)]


def _gift_line(line_no: int, gift: Gift) -> OrderLine:
    sku = gift.sku
    return OrderLine(
        line_no=line_no,
        sku_id=sku.sku_id,
        product_id=sku.product_id,
        product_no=sku.product_no,
        title=sku.title,
        option_values=sku.option_values,
        image_url=sku.image_url,
        quantity=gift.quantity,
        list_price_fen=sku.price_fen,
        unit_price_fen=0,
        discount_fen=gift.worth_fen,
        total_fen=0,
        points_fen=0,
        refunded_quantity=0,
        refunded_fen=0,
        is_gift=True,
    )


def address_text(address: Address) -> AddressText:
    """The address as it is now, without the id under which the member keeps it."""
    return AddressText(
        receiver=address.receiver,
        phone=address.phone,
        province=address.province,
        city=address.city,
        district=address.district,
        detail=address.detail,
    )


def seal_address(address: bytes) -> bytes:
    """An AddressText in JSON, as `open_address` opens it."""
    return vault().seal(address.decode())


def open_address(sealed: bytes | None) -> AddressText | None:
    """The address an order was sent to."""
    return None if sealed is None else msgspec.json.decode(vault().open(sealed), type=AddressText)
