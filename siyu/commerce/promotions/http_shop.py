"""What customers see of campaigns: on a product page, and in lists of products."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import Parameter

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ProductNotFound
from siyu.commerce.promotions import service
from siyu.commerce.promotions.contracts import GiftLine
from siyu.commerce.promotions.service import Label
from siyu.kernel import clock
from siyu.kernel.db import ReadTx, reading
from siyu.kernel.http import SHOP, ShopIdentity, get


class GiftView(msgspec.Struct, frozen=True):
    """A gift with its name."""

    sku_id: UUID
    title: str
    option_values: list[str]
    image_url: str | None
    quantity: int
    label: str


class Promotions(msgspec.Struct, frozen=True):
    """The campaigns that are on for a product, and the gifts they name."""

    items: list[Label]
    gifts: list[GiftView]


class ProductLabel(msgspec.Struct, frozen=True):
    """A campaign in a list of products; `from_fen`: the lowest price of a 限时折扣."""

    campaign_id: UUID
    kind: str
    title: str
    from_fen: int | None


class ProductLabels(msgspec.Struct, frozen=True):
    """The campaigns that are on for a product."""

    product_id: UUID
    labels: list[ProductLabel]


class LabelList(msgspec.Struct, frozen=True):
    """Labels of several products; those without any are left out."""

    items: list[ProductLabels]


async def gift_views(tx: ReadTx, gifts: Sequence[GiftLine]) -> list[GiftView]:
    """Gifts with their names; one round trip if there are any."""
    if not gifts:
        return []
    found = await catalog.load_for_sale(tx, list({gift.sku_id for gift in gifts}))
    skus = {sku.sku_id: sku for sku in found}
    return [
        GiftView(
            gift.sku_id,
            skus[gift.sku_id].title,
            skus[gift.sku_id].option_values,
            skus[gift.sku_id].image_url,
            gift.quantity,
            gift.label,
        )
        for gift in gifts
    ]


@get("/products/{product_id:uuid}/promotions", access=SHOP)
async def list_product_promotions(shop: ShopIdentity, product_id: UUID) -> Promotions:
    """The campaigns that are on for a product. Raises ProductNotFound."""
    async with reading(shop.shop_id) as tx:
        if not await catalog.product_numbers(tx, [product_id]):
            raise ProductNotFound
        labels = (await service.list_labels(tx, [product_id], now=clock.now()))[product_id]
        gifts = [
            GiftLine(gift.sku_id, gift.quantity, label.title, label.campaign_id)
            for label in labels
            for tier in label.tiers
            for gift in tier.gifts
        ]
        return Promotions(labels, await gift_views(tx, gifts))


@get("/promotion-labels", access=SHOP)
async def list_promotion_labels(
    shop: ShopIdentity, product_ids: Annotated[list[UUID], Parameter(min_items=1, max_items=50)]
) -> LabelList:
    """The campaigns that are on for the products of a list."""
    async with reading(shop.shop_id) as tx:
        found = await service.list_labels(tx, product_ids, now=clock.now())
    return LabelList(
        [
            ProductLabels(
                product_id,
                [
                    ProductLabel(
                        label.campaign_id,
                        label.kind,
                        label.title,
                        min(label.prices.values(), default=None),
                    )
                    for label in labels
                ],
            )
            for product_id, labels in found.items()
            if labels
        ]
    )


routes = [list_product_promotions, list_promotion_labels]
