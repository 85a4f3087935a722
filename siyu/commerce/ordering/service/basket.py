"""What a basket costs now: goods, campaigns, coupons, shipping, gifts, and what pays for it."""

from collections.abc import Sequence
from uuid import UUID

import msgspec

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ProductKind, SkuForSale
from siyu.commerce.coupons import service as coupons
from siyu.commerce.coupons.contracts import Offer
from siyu.commerce.inventory import service as inventory
from siyu.commerce.ordering import rules
from siyu.commerce.ordering.contracts import Delivery, LineAsked, PickupStore
from siyu.commerce.ordering.service import checkout_store
from siyu.commerce.promotions import service as promotions
from siyu.commerce.promotions.contracts import (
    Audience,
    Buyer,
    CampaignRule,
    CouponOff,
    PointsUsed,
    PriceLine,
    Pricing,
    Quote,
    Region,
    Rule,
)
from siyu.kernel import clock
from siyu.kernel.db import ReadTx
from siyu.kernel.money import MAX_FEN
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import StoreNotFound
from siyu.money.points import service as points
from siyu.money.points.contracts import PointsOffer
from siyu.money.stored_value import service as stored_value
from siyu.money.stored_value.contracts import Wallet
from siyu.people.members import service as members
from siyu.people.members.contracts import Address, Level


class Choice(msgspec.Struct, frozen=True):
    """What a customer wants to use; how much it takes off is never theirs to say.

    `coupon_ids`: the coupons (claims) to use, () for none, None for the best ones.
    """

    use_points: bool = False
    use_balance: bool = False
    coupon_ids: tuple[UUID, ...] | None = None


class Gift(msgspec.Struct, frozen=True):
    """What a campaign gives on top."""

    sku: SkuForSale
    quantity: int
    label: str
    campaign_id: UUID

    @property
    def worth_fen(self) -> int:
        """Its list price, all of which is taken off again."""
        return self.sku.price_fen * self.quantity


class Basket(msgspec.Struct, frozen=True, kw_only=True):
    """What would be bought: SKUs and priced lines side by side, and where it would go.

    `quote` knows nothing of `gifts` (items, discount and trace here do); `left_out` are those there
    is too little of. `coupons`: what each used one takes off; `offers`: what all coupons of the
    member may do. `offer` is what points may do and `wallet` what the balance holds (each empty
    when not asked for); of them `points` and `balance_fen` are used, as chosen. `is_first`: some of
    the price is for first orders only.
    """

    skus: list[SkuForSale]
    quote: Quote
    gifts: list[Gift]
    left_out: list[Gift]
    delivery: Delivery
    address: Address | None
    pickup: PickupStore | None
    offers: list[Offer]
    offer: PointsOffer
    wallet: Wallet
    points: int
    balance_fen: int
    is_first: bool

    @property
    def needs_address(self) -> bool:
        """Whether it is sent to whom it is sold."""
        return self.delivery is Delivery.SHIP

    @property
    def coupons(self) -> dict[UUID, int]:
        """What each used coupon takes off."""
        return self.quote.coupons

    @property
    def gifts_fen(self) -> int:
        """What the gifts would cost: a part of `items_fen` and of `discount_fen`."""
        return sum(gift.worth_fen for gift in self.gifts)

    @property
    def payable_fen(self) -> int:
        """What is left for WeChat to collect."""
        return self.quote.total_fen - self.balance_fen


class _Pricer(msgspec.Struct, frozen=True):
    """A basket with all that does not change while coupons and points are tried."""

    lines: list[PriceLine]
    buyer: Buyer
    pricing: Pricing
    is_sent: bool

    def price(self, *more: Rule) -> Quote:
        """What it costs under more rules than the shop's own."""
        every = (*self.pricing.rules, *more)
        return promotions.price(self.lines, self.buyer, every, is_sent=self.is_sent)

    def price_with(self, used: Sequence[CouponOff]) -> Quote:
        """What it costs with these coupons."""
        return self.price(*used)


async def load_basket(
    tx: ReadTx,
    member_id: UUID,
    lines: Sequence[LineAsked],
    address_id: UUID | None,
    choice: Choice = Choice(),  # noqa: B008  frozen
    *,
    pickup_store_id: UUID | None = None,
    delivery: Delivery | None = None,
    shows_offers: bool = False,
) -> Basket:
    """Price a basket for a member as of now; three round trips, and more only for what it uses:
    coupons, points, balance, gifts, a place of collection, prices for first orders.

    delivery: GIFT when somebody else gets it; else it follows from the goods and the place of
    collection. shows_offers: ask also what coupons, points and balance might do. Raises
    NothingToBuy, QuantityTooLarge, SkuNotFound, SkuUnavailable, AmountTooLarge, StoreNotFound,
    AddressNotFound (also for another member's address, F081), and what `coupons.load_rules` does.
    """
    asked = rules.merge_lines(lines)
    found = await catalog.load_for_sale(tx, [line.sku_id for line in asked])
    skus = rules.match_skus(asked, found)
    delivery = delivery or rules.delivery_of(skus, is_collected=pickup_store_id is not None)
    pickup = await _load_pickup(tx, pickup_store_id) if delivery is Delivery.PICKUP else None
    is_sent = delivery is Delivery.SHIP
    member = await members.load_for_checkout(tx, member_id, address_id if is_sent else None)
    pricing = await promotions.load_pricing(tx, now=clock.now())
    sees_coupons = shows_offers or choice.coupon_ids != ()
    for_first = {rule.campaign_id for rule in campaigns(pricing, Audience.FIRST_ORDER)}
    is_first = (
        await checkout_store.is_first_order(tx, member_id) if for_first or sees_coupons else False
    )
    asks_birthday = any(campaigns(pricing, Audience.BIRTHDAY))
    buyer = Buyer(
        pays_member_price=member.level is Level.VIP,
        is_first_order=is_first,
        is_birthday=asks_birthday and await coupons.is_birthday(tx, member_id),
        region=Region(member.address.province, member.address.city) if member.address else None,
    )
    price_lines = [price_line(sku, line.quantity) for line, sku in zip(asked, skus, strict=True)]
    pricer = _Pricer(price_lines, buyer, pricing, is_sent)
    offers, used = await _choose_coupons(tx, member_id, pricer, choice.coupon_ids, shows_offers)
    quote, offer, wallet = pricer.price_with(used), PointsOffer(0, 0), Wallet(0, 0)
    if choice.use_points or shows_offers:
        # Points pay for goods only, and for what other reductions have left of them.
        offer = await points.quote(tx, member_id, quote.total_fen - quote.shipping_fen)
    if choice.use_points and offer.points:
        quote = pricer.price(*used, PointsUsed(offer.discount_fen))
    if choice.use_balance or shows_offers:
        wallet = await stored_value.spendable(tx, member_id)
    gifts, left_out = await _load_gifts(tx, quote, delivery)
    return Basket(
        skus=skus,
        quote=quote,
        gifts=gifts,
        left_out=left_out,
        delivery=delivery,
        address=member.address,
        pickup=pickup,
        offers=offers,
        offer=offer,
        wallet=wallet,
        points=offer.points if choice.use_points else 0,
        balance_fen=min(wallet.total_fen, quote.total_fen) if choice.use_balance else 0,
        is_first=any(entry.rule_id in for_first for entry in quote.trace)
        or any(gift.campaign_id in for_first for gift in gifts),
    )


async def _choose_coupons(
    tx: ReadTx,
    member_id: UUID,
    pricer: _Pricer,
    claim_ids: Sequence[UUID] | None,
    shows_offers: bool,
) -> tuple[list[Offer], list[CouponOff]]:
    """What the member's coupons may do (only when that is asked, or must be known to choose), and
    those that are used: the ones named, else the best ones.
    """
    is_first = pricer.buyer.is_first_order
    offers: list[Offer] = []
    if shows_offers or claim_ids is None:
        offers = await coupons.list_usable(
            tx, member_id, pricer.lines, pricer.price_with, is_first_order=is_first
        )
    if claim_ids is None:
        claim_ids = coupons.best_choice(offers, pricer.price_with)
    used = await coupons.load_rules(tx, member_id, claim_ids, is_first_order=is_first)
    return offers, used


def price_line(sku: SkuForSale, quantity: int) -> PriceLine:
    """A SKU as the price function takes it."""
    return PriceLine(
        sku_id=sku.sku_id,
        quantity=quantity,
        list_price_fen=sku.price_fen,
        member_price_fen=sku.member_price_fen,
        product_id=sku.product_id,
        category_ids=sku.category_ids,
        weight_g=sku.weight_g,
        floor_fen=sku.floor_fen,
        is_sent=sku.kind is ProductKind.PHYSICAL,
    )


def campaigns(pricing: Pricing, audience: Audience) -> list[CampaignRule]:
    """The campaigns of a shop for some of its members only."""
    return [
        rule
        for rule in pricing.rules
        if isinstance(rule, CampaignRule) and rule.audience is audience
    ]


async def _load_pickup(tx: ReadTx, store_id: UUID | None) -> PickupStore:
    store = await shops.load_store(tx, store_id) if store_id else None
    if store is None or not store.is_open:
        raise StoreNotFound
    return PickupStore(store.store_id, store.name, store.address, store.phone, store.hours)


async def _load_gifts(
    tx: ReadTx, quote: Quote, delivery: Delivery
) -> tuple[list[Gift], list[Gift]]:
    """The gifts of a quote, and those that are left out because there is too little of them."""
    if not quote.gifts:
        return [], []
    sku_ids = sorted({gift.sku_id for gift in quote.gifts})
    skus = {sku.sku_id: sku for sku in await catalog.load_for_sale(tx, sku_ids)}
    left = await inventory.get_available(tx, sku_ids)
    for line in quote.lines:
        if line.sku_id in left:
            left[line.sku_id] -= line.quantity
    room_fen = MAX_FEN - quote.items_fen
    gifts: list[Gift] = []
    left_out: list[Gift] = []
    for given in quote.gifts:
        sku = skus.get(given.sku_id)
        if sku is None:
            continue
        gift = Gift(sku, given.quantity, given.label, given.campaign_id)
        # Who gets no parcel gets no gift that would need one.
        reaches = delivery in rules.MOVED or sku.kind is not ProductKind.PHYSICAL
        if reaches and left[sku.sku_id] >= gift.quantity and gift.worth_fen <= room_fen:
            left[sku.sku_id] -= gift.quantity
            room_fen -= gift.worth_fen
            gifts.append(gift)
        else:
            left_out.append(gift)
    return gifts, left_out
