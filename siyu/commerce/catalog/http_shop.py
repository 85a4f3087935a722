"""What customers see: home, categories, lists and product pages."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import MediaType
from litestar.params import Parameter
from msgspec import Meta

from siyu.commerce.catalog import queries, rules
from siyu.commerce.catalog.contracts import (
    Card,
    CollectionKind,
    ProductKind,
    ProductNotFound,
    ProductSort,
    ProductStatus,
    StoredImage,
)
from siyu.commerce.inventory import service as inventory
from siyu.kernel import clock, moment
from siyu.kernel.db import ReadTx, reading
from siyu.kernel.http import SHOP, Page, Response, ShopIdentity, decode_cursor, get
from siyu.merchant.shops import service as shops

Number = Annotated[int, Meta(ge=-(2**62), le=2**62)]
Limit = Annotated[int, Parameter(ge=1, le=100)]
Query = Annotated[str | None, Parameter(max_length=100)]
BEST_SELLERS = 6


class ProductCard(msgspec.Struct, frozen=True):
    """A product in a list; prices of its cheapest SKU."""

    product_id: UUID
    title: str
    subtitle: str
    image_url: str
    image_width: int
    image_height: int
    price_fen: int
    market_price_fen: int | None
    member_price_fen: int | None
    sold_count: int
    in_stock: bool
    kind: ProductKind
    tags: list[str]


class CategoryView(msgspec.Struct, frozen=True):
    """A category with its products on the shelf, sub-categories included."""

    category_id: UUID
    parent_id: UUID | None
    name: str
    image_url: str | None
    product_count: int


class CategoryList(msgspec.Struct, frozen=True):
    """The tree, upper floor first."""

    items: list[CategoryView]


class BannerView(msgspec.Struct, frozen=True):
    """A banner; it leads to a product when there is one."""

    title: str
    subtitle: str
    image_url: str
    product_id: UUID | None


class ActivityView(msgspec.Struct, frozen=True):
    """An activity that is on now."""

    collection_id: UUID
    title: str
    subtitle: str
    image_url: str
    products: list[ProductCard]


class ShopView(msgspec.Struct, frozen=True):
    """The shop's name plate."""

    code: str
    name: str
    logo_url: str | None
    notice: str | None
    currency: str


class HomeView(msgspec.Struct, frozen=True):
    """The home page with its golden triangle 爆品 + 套餐 + 活动."""

    shop: ShopView
    banners: list[BannerView]
    hot: list[ProductCard]
    bundles: list[ProductCard]
    activities: list[ActivityView]
    categories: list[CategoryView]


class OptionView(msgspec.Struct, frozen=True):
    """An option and its values, in the order of the grid."""

    name: str
    values: list[str]


class SkuView(msgspec.Struct, frozen=True):
    """A SKU that can be chosen; `available` pieces."""

    sku_id: UUID
    option_values: list[str]
    price_fen: int
    market_price_fen: int | None
    member_price_fen: int | None
    available: int
    image_url: str | None


class ProductView(msgspec.Struct, frozen=True):
    """A product page. Off the shelf it is still shown, for orders lead here."""

    product_id: UUID
    product_no: int
    title: str
    subtitle: str
    kind: ProductKind
    images: list[StoredImage]
    description_html: str
    options: list[OptionView]
    skus: list[SkuView]
    sold_count: int
    category_id: UUID | None
    tags: list[str]
    on_shelf: bool


async def cards(tx: ReadTx, rows: list[Card]) -> list[ProductCard]:
    """Rows as cards, with what is in stock; products without a picture are left out."""
    stock = await inventory.get_product_stock(tx, [row.product_no for row in rows])
    return [
        ProductCard(
            row.product_id,
            row.title,
            row.subtitle,
            rules.image_url(row.image_key, 600),
            *rules.fitted(row.width, row.height, 600),
            row.price_fen,
            row.market_price_fen,
            row.member_price_fen,
            row.sold_count,
            stock[row.product_no] > 0,
            row.kind,
            row.tags,
        )
        for row in rows
        if row.image_key and row.width and row.height
    ]


async def _categories(tx: ReadTx) -> list[CategoryView]:
    return [
        CategoryView(
            row.category_id,
            row.parent_id,
            row.name,
            rules.image_url(row.image_key, 200) if row.image_key else None,
            row.product_count,
        )
        for row in await queries.list_categories(tx)
    ]


@get("/home", access=SHOP)
async def home(shop: ShopIdentity) -> HomeView:
    """The home page. Where the merchant has chosen no 爆品, the best sellers stand in."""
    now = clock.now()
    async with reading(shop.shop_id) as tx:
        profile = await shops.get_shop(tx)
        banners = await queries.list_banners(tx)
        shown = [row for row in await queries.list_collections(tx) if rules.is_on(row, now)]
        wanted = list({product_id for row in shown for product_id in row.product_ids})
        rows = await queries.list_cards_of(tx, wanted)
        if not any(row.product_ids for row in shown if row.kind is CollectionKind.HOT):
            best = await queries.list_cards(
                tx, sort=ProductSort.SALES, limit=BEST_SELLERS, status=ProductStatus.ON_SHELF
            )
        else:
            best = []
        on_shelf = {row.product_id: row for row in [*rows, *best]}
        on_shelf = {k: row for k, row in on_shelf.items() if row.status is ProductStatus.ON_SHELF}
        card = {row.product_id: row for row in await cards(tx, list(on_shelf.values()))}
        categories = await _categories(tx)

    def of(kind: CollectionKind) -> list[ProductCard]:
        return [card[p] for row in shown if row.kind is kind for p in row.product_ids if p in card]

    return HomeView(
        ShopView(profile.code, profile.name, profile.logo_url, profile.notice, profile.currency),
        [
            BannerView(row.title, row.subtitle, rules.image_url(row.image_key), row.product_id)
            for row in banners
        ],
        of(CollectionKind.HOT) or [card[row.product_id] for row in best if row.product_id in card],
        of(CollectionKind.BUNDLE),
        [
            ActivityView(
                row.collection_id,
                row.title,
                row.subtitle,
                rules.image_url(row.image_key) if row.image_key else products[0].image_url,
                products,
            )
            for row in shown
            if row.kind is CollectionKind.ACTIVITY
            and (products := [card[p] for p in row.product_ids if p in card])
        ],
        [row for row in categories if row.parent_id is None],
    )


@get("/categories", access=SHOP)
async def list_categories(shop: ShopIdentity) -> CategoryList:
    """All categories."""
    async with reading(shop.shop_id) as tx:
        return CategoryList(await _categories(tx))


LIST_SECONDS = 1.0
"""So old may a list be: its prices, its stock, what is on the shelf. Nothing is decided by it: an
order that was shown another price is refused. What this process changes itself is seen sooner."""


@get("/products", access=SHOP)
async def list_products(
    shop: ShopIdentity,
    *,
    category_id: UUID | None = None,
    q: Query = None,
    sort: ProductSort = ProductSort.DEFAULT,
    cursor: str | None = None,
    limit: Limit = 20,
) -> Response[Page[ProductCard]]:
    """Products on the shelf, of a category or by search."""
    after = decode_cursor(cursor, tuple[Number, Number])
    terms = rules.query_terms(q) if q and q.strip() else None
    if terms == []:
        return Response(Page([], None))

    async def make() -> bytes:
        async with reading(shop.shop_id) as tx:
            rows = await queries.list_cards(
                tx,
                sort=sort,
                limit=limit + 1,
                after=after,
                status=ProductStatus.ON_SHELF,
                category_id=category_id,
                terms=terms,
            )
            page = Page.of(rows, limit, lambda row: [queries.sort_value(row, sort), row.product_no])
            return msgspec.json.encode(Page(await cards(tx, page.items), page.next_cursor))

    asked = ("products", category_id, tuple(terms or ()), sort, after, limit)
    body: Any = await moment.keep(shop.shop_id, asked, LIST_SECONDS, make)
    return Response(body, media_type=MediaType.JSON)


@get("/products/{product_id:uuid}", access=SHOP)
async def get_product(shop: ShopIdentity, product_id: UUID) -> ProductView:
    """A product page; a draft is not found."""
    async with reading(shop.shop_id) as tx:
        product = await queries.get_product(tx, product_id)
        if product is None or product.status is ProductStatus.DRAFT:
            raise ProductNotFound
        skus = await queries.list_skus(tx, product_id)
        images = await queries.list_product_images(tx, product_id)
        available = await inventory.get_available(tx, [sku.sku_id for sku in skus])
    values = rules.option_values([sku.option_values for sku in skus])
    return ProductView(
        product.product_id,
        product.product_no,
        product.title,
        product.subtitle,
        product.kind,
        [StoredImage(rules.image_url(i.image_key), i.width, i.height) for i in images],
        rules.sanitise(product.description_html),
        [OptionView(n, v) for n, v in zip(product.option_names, values, strict=True)],
        [
            SkuView(
                sku.sku_id,
                sku.option_values,
                sku.price_fen,
                sku.market_price_fen,
                sku.member_price_fen,
                available[sku.sku_id],
                rules.image_url(sku.image_key, 600) if sku.image_key else None,
            )
            for sku in skus
        ],
        product.sold_count,
        product.category_id,
        product.tags,
        product.status is ProductStatus.ON_SHELF,
    )


routes = [home, list_categories, list_products, get_product]
