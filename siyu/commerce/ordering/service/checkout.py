"""Confirm and place: what a basket costs now, and the order that comes of it."""

import secrets
from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ProductKind, SkuForSale
from siyu.commerce.inventory import service as inventory
from siyu.commerce.ordering import queries, rules
from siyu.commerce.ordering.contracts import (
    AddressNeeded,
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
from siyu.commerce.ordering.service.settlement import hold_tenders, settle_free
from siyu.commerce.promotions import service as promotions
from siyu.commerce.promotions.contracts import Buyer, PointsUsed, PriceLine, Quote, Rule
from siyu.kernel import clock
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.crypto import vault
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.money.points import service as points
from siyu.money.points.contracts import PointsOffer
from siyu.money.stored_value import service as stored_value
from siyu.money.stored_value.contracts import Wallet
from siyu.people.members import service as members
from siyu.people.members.contracts import Address, AddressText, Level


class Choice(msgspec.Struct, frozen=True):
    """What beside WeChat a customer wants to pay with; how much of it is never theirs to say."""

    use_points: bool = False
    use_balance: bool = False


class Basket(msgspec.Struct, frozen=True):
    """What would be bought: SKUs and priced lines side by side, and where it would go.

    `offer` is what points may do for it and `wallet` what the balance holds (both empty when not
    asked for); of them `points` and `balance_fen` are used, as chosen.
    """

    skus: list[SkuForSale]
    quote: Quote
    needs_address: bool
    address: Address | None
    offer: PointsOffer
    wallet: Wallet
    points: int
    balance_fen: int

    @property
    def payable_fen(self) -> int:
        """What is left for WeChat to collect."""
        return self.quote.total_fen - self.balance_fen


class PlacedOrder(msgspec.Struct, frozen=True):
    """A fresh order with its lines, its address in clear and its timeline so far."""

    order: Order
    lines: list[OrderLine]
    address: AddressText | None
    timeline: list[TimelineEntry]


async def load_basket(
    tx: ReadTx,
    member_id: UUID,
    lines: Sequence[LineAsked],
    address_id: UUID | None,
    choice: Choice = Choice(),  # noqa: B008  frozen
    *,
    shows_offers: bool = False,
) -> Basket:
    """Price a basket for a member as of now; two round trips, and more for points and balance when
    they are chosen or `shows_offers`.

    Raises NothingToBuy, QuantityTooLarge, SkuNotFound, SkuUnavailable, AmountTooLarge,
    AddressNotFound (also for another member's address, F081).
    """
    asked = rules.merge_lines(lines)
    found = await catalog.load_for_sale(tx, [line.sku_id for line in asked])
    skus = rules.match_skus(asked, found)
    needs_address = rules.needs_address(skus)
    member = await members.load_for_checkout(tx, member_id, address_id if needs_address else None)
    price_lines = [
        PriceLine(sku.sku_id, line.quantity, sku.price_fen, sku.member_price_fen)
        for line, sku in zip(asked, skus, strict=True)
    ]
    buyer = Buyer(pays_member_price=member.level is Level.VIP)

    def price(*more: Rule) -> Quote:
        rules_applied = (*promotions.STANDARD_RULES, *more)
        return promotions.price(price_lines, buyer, rules_applied, is_sent=needs_address)

    quote, offer, wallet = price(), PointsOffer(0, 0), Wallet(0, 0)
    if choice.use_points or shows_offers:
        # Points pay for goods only, and for what other reductions have left of them.
        offer = await points.quote(tx, member_id, quote.total_fen - quote.shipping_fen)
    if choice.use_points and offer.points:
        quote = price(PointsUsed(offer.discount_fen))
    if choice.use_balance or shows_offers:
        wallet = await stored_value.spendable(tx, member_id)
    return Basket(
        skus=skus,
        quote=quote,
        needs_address=needs_address,
        address=member.address,
        offer=offer,
        wallet=wallet,
        points=offer.points if choice.use_points else 0,
        balance_fen=min(wallet.total_fen, quote.total_fen) if choice.use_balance else 0,
    )


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
) -> PlacedOrder:
    """Make an order of what the customer confirmed, and keep its goods until `pay_before`, and with
    them the points and the balance that are to pay for it.

    expected_total_fen, expected_payable_fen (after the balance): what the customer saw; they are
    only compared. promoter_id: the member who brought this order; oneself is nobody. Raises what
    `load_basket` does, and VirtualOnIos, AddressNeeded, PriceChanged, StockShort, and what
    `hold_tenders` does when another order took points or balance meanwhile (F059). An order of
    which WeChat collects nothing is paid at once (F025).
    """
    basket = await load_basket(tx, member.member_id, lines, address_id, choice)
    rules.check_platform(platform, basket.skus)
    if basket.needs_address and basket.address is None:
        raise AddressNeeded
    payable_fen = basket.payable_fen
    if basket.quote.total_fen != expected_total_fen or expected_payable_fen not in (
        None,
        payable_fen,
    ):
        raise PriceChanged(quote_total_fen=basket.quote.total_fen, quote_payable_fen=payable_fen)
    address = _text(basket.address) if basket.address else None
    order, new = _compose(basket, member, address, remark, platform, empties_cart)
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
    demand = {line.sku_id: line.quantity for line in new.lines}
    await inventory.reserve(tx, order.order_id, demand, order.pay_before)
    timeline = [TimelineEntry(order.placed_at, "placed", member.actor_name)]
    if order.wechat_fen == 0:
        order = await settle_free(tx, order, new.lines)
        timeline = await queries.list_timeline(tx, order.order_id)
    return PlacedOrder(order, new.lines, address, timeline)


def _compose(
    basket: Basket,
    member: MemberIdentity,
    address: AddressText | None,
    remark: str,
    platform: Platform,
    empties_cart: bool,
) -> tuple[Order, queries.NewOrder]:
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
        items_fen=quote.items_fen,
        discount_fen=quote.discount_fen,
        shipping_fen=quote.shipping_fen,
        total_fen=quote.total_fen,
        paid_fen=0,
        placed_at=now,
        pay_before=now + rules.PAY_WITHIN,
        paid_at=None,
        payment_id=None,
        remark=remark,
        address_sealed=seal_address(address) if address else None,
        delivery=rules.delivery_of(basket.skus),
        promoter_id=None,
        wechat_fen=basket.payable_fen,
        principal_fen=basket.balance_fen,  # until it is held, and known how much of it is bonus
        bonus_fen=0,
        points=basket.points,
        points_fen=sum(line.points_fen for line in quote.lines),
        refunded_fen=0,
        refunded_shipping_fen=0,
        carrier=None,
        tracking_no=None,
        shipped_at=None,
        receipt_due_at=None,
        completed_at=None,
    )
    new = queries.NewOrder(
        order=order,
        lines=_lines(basket),
        adjustments=[entry for entry in quote.trace if entry.rule != promotions.LIST_PRICE],
        phone_key=vault().lookup(address.phone) if address else None,
        empties_cart=empties_cart,
        actor=member.actor_name,
    )
    return order, new


def _lines(basket: Basket) -> list[OrderLine]:
    return [
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


def _text(address: Address) -> AddressText:
    """The address as it is now, without the id under which the member keeps it."""
    return AddressText(**{field: getattr(address, field) for field in _ADDRESS_FIELDS})


_ADDRESS_FIELDS = AddressText.__struct_fields__


def seal_address(address: AddressText) -> bytes:
    """What `open_address` opens."""
    return vault().seal(msgspec.json.encode(address).decode())


def open_address(sealed: bytes | None) -> AddressText | None:
    """The address an order was sent to."""
    return None if sealed is None else msgspec.json.decode(vault().open(sealed), type=AddressText)
