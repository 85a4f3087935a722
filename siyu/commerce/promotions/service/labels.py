"""Which campaigns a product page may speak of."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ProductKind, SkuForSale
from siyu.commerce.promotions.contracts import (
    Audience,
    Buyer,
    CampaignRule,
    Floor,
    Measure,
    PriceLine,
    Rule,
    Threshold,
    Tier,
)
from siyu.commerce.promotions.queries import Live
from siyu.commerce.promotions.rules import covers
from siyu.commerce.promotions.service.loading import list_live
from siyu.commerce.promotions.service.pricing import price
from siyu.kernel.db import ReadTx


class Label(msgspec.Struct, frozen=True):
    """A campaign that is on for a product, as data: what it says is for the page to word.

    `prices`: the lowered price of each SKU (限时折扣, else empty). `tiers`, `by`, `repeats`: 满减,
    满折, 满赠 (else none).
    """

    campaign_id: UUID
    kind: str
    title: str
    audience: Audience
    ends_at: datetime | None
    takes_coupons: bool
    prices: dict[UUID, int]
    tiers: list[Tier]
    by: Measure | None
    repeats: bool


def price_line(sku: SkuForSale, quantity: int = 1) -> PriceLine:
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


async def list_labels(
    tx: ReadTx, product_ids: Sequence[UUID], *, now: datetime
) -> dict[UUID, list[Label]]:
    """The campaigns that are on for these products, best priority first; none where none is.

    One round trip while the shop has no campaign, else two.
    """
    live, others = await list_live(tx, now)
    labels: dict[UUID, list[Label]] = {product_id: [] for product_id in product_ids}
    if not live:
        return labels
    skus: dict[UUID, list[PriceLine]] = {product_id: [] for product_id in product_ids}
    for sku in await catalog.find_for_sale(tx, list(skus)):
        if sku.on_shelf:
            skus[sku.product_id].append(price_line(sku))
    floors = [rule for rule in others if isinstance(rule, Floor)]
    for product_id, lines in skus.items():
        found = (_label(row, rule, lines, floors) for row, rule in live)
        labels[product_id] = [label for label in found if label]
    return labels


def _label(
    row: Live, rule: CampaignRule, lines: Sequence[PriceLine], floors: Sequence[Rule]
) -> Label | None:
    """The label of a product with these SKUs, if the campaign is for any of them."""
    prices: dict[UUID, int] = {}
    tiers: list[Tier] = []
    by, repeats = None, False
    if isinstance(rule.terms, Threshold):
        if any(covers(rule.terms.scope, line) for line in lines):
            tiers, by, repeats = rule.terms.tiers, rule.terms.by, rule.terms.repeats
    else:
        anybody = Buyer(pays_member_price=True, is_first_order=True, is_birthday=True)
        for line in lines:
            quote = price([line], anybody, [rule, *floors], is_sent=False)
            if quote.discount_fen:
                prices[line.sku_id] = quote.total_fen
    if not (prices or tiers):
        return None
    return Label(
        campaign_id=rule.campaign_id,
        kind=str(rule.terms.__struct_config__.tag),
        title=rule.label,
        audience=rule.audience,
        ends_at=row.ends_at,
        takes_coupons=rule.takes_coupons,
        prices=prices,
        tiers=tiers,
        by=by,
        repeats=repeats,
    )
