"""The merchant's side: products and SKU grid, pictures, categories, shop window, stock list."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body
from msgspec import Meta

from siyu.commerce.catalog import queries, rules, service
from siyu.commerce.catalog.contracts import (
    BannerDraft,
    Card,
    CategoryDraft,
    CollectionKind,
    Draft,
    ProductDraft,
    ProductKind,
    ProductNotFound,
    ProductSort,
    ProductStatus,
    ShowcaseDraft,
    StoredImage,
)
from siyu.commerce.catalog.http_shop import Limit, Number, Query
from siyu.commerce.inventory import service as inventory
from siyu.commerce.inventory.contracts import StockLevel
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.http import Page, StaffIdentity, decode_cursor, delete, get, post, put, staff

READ, WRITE, STOCK = staff("products.read"), staff("products.write"), staff("stock.read")
LOW_STOCK = 10


class ProductRow(msgspec.Struct, frozen=True):
    """A product in the merchant's list; price of the cheapest SKU, `available` over all SKUs."""

    product_id: UUID
    product_no: int
    title: str
    subtitle: str
    kind: ProductKind
    status: ProductStatus
    category_id: UUID | None
    image_url: str | None
    tags: list[str]
    price_fen: int
    market_price_fen: int | None
    member_price_fen: int | None
    available: int
    sold_count: int
    position: int
    version: int
    updated_at: datetime


class SkuEditor(msgspec.Struct, frozen=True):
    """A SKU as it is edited, with its stock."""

    sku_id: UUID
    option_values: list[str]
    sku_code: str | None
    price_fen: int
    market_price_fen: int | None
    member_price_fen: int | None
    weight_g: int
    floor_fen: int | None
    image_url: str | None
    on_hand: int
    reserved: int
    stock_version: int


class ProductEditor(msgspec.Struct, frozen=True):
    """All of a product, with the version that an edit must name."""

    product_id: UUID
    product_no: int
    version: int
    status: ProductStatus
    title: str
    subtitle: str
    kind: ProductKind
    category_id: UUID | None
    description_html: str
    tags: list[str]
    position: int
    images: list[StoredImage]
    option_names: list[str]
    skus: list[SkuEditor]
    sold_count: int
    created_at: datetime
    updated_at: datetime


class ProductEdit(ProductDraft, frozen=True, kw_only=True):
    """A whole product, and the version it replaces."""

    version: Annotated[int, Meta(ge=1)]

    def draft(self) -> ProductDraft:
        """The product alone."""
        names = ProductDraft.__struct_fields__
        return ProductDraft(**{name: getattr(self, name) for name in names})


class ShelfBody(Draft, frozen=True):
    """On the shelf, or off it."""

    on: bool


class CategoryRow(msgspec.Struct, frozen=True):
    """A category as it is edited."""

    category_id: UUID
    parent_id: UUID | None
    name: str
    image_url: str | None
    position: int
    product_count: int


class CategoryRows(msgspec.Struct, frozen=True):
    """The tree, upper floor first."""

    items: list[CategoryRow]


class ActivityEditor(msgspec.Struct, frozen=True):
    """An activity as it is edited."""

    title: str
    subtitle: str
    image_url: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    products: list[ProductRow]


class ShowcaseEditor(msgspec.Struct, frozen=True):
    """The golden triangle as it is edited; products off the shelf stand in it but are not shown."""

    hot: list[ProductRow]
    bundles: list[ProductRow]
    activities: list[ActivityEditor]


class BannerRow(msgspec.Struct, frozen=True):
    """A banner as it is edited."""

    title: str
    subtitle: str
    image_url: str
    product_id: UUID | None


class BannerRows(msgspec.Struct, frozen=True):
    """The banners in their order."""

    items: list[BannerRow]


class BannersBody(Draft, frozen=True):
    """All banners in their order."""

    items: Annotated[list[BannerDraft], Meta(max_length=10)]


class StockRow(msgspec.Struct, frozen=True):
    """A SKU with its stock; `version` is what an adjustment must name."""

    sku_id: UUID
    product_id: UUID
    product_no: int
    title: str
    option_values: list[str]
    sku_code: str | None
    image_url: str | None
    on_hand: int
    reserved: int
    available: int
    version: int


def _image(key: str | None, size: int) -> str | None:
    return rules.image_url(key, size) if key else None


async def _rows(tx: ReadTx, cards: list[Card]) -> list[ProductRow]:
    stock = await inventory.get_product_stock(tx, [card.product_no for card in cards])
    return [
        ProductRow(
            card.product_id,
            card.product_no,
            card.title,
            card.subtitle,
            card.kind,
            card.status,
            card.category_id,
            _image(card.image_key, 200),
            card.tags,
            card.price_fen,
            card.market_price_fen,
            card.member_price_fen,
            stock[card.product_no],
            card.sold_count,
            card.position,
            card.version,
            card.updated_at,
        )
        for card in cards
    ]


async def _editor(tx: ReadTx, product_id: UUID) -> ProductEditor:
    product = await queries.get_product(tx, product_id)
    if product is None:
        raise ProductNotFound
    skus = await queries.list_skus(tx, product_id)
    images = await queries.list_product_images(tx, product_id)
    levels = await inventory.list_levels(tx, [sku.sku_id for sku in skus])
    none = StockLevel(product_id, 0, 0, 0)
    return ProductEditor(
        product.product_id,
        product.product_no,
        product.version,
        product.status,
        product.title,
        product.subtitle,
        product.kind,
        product.category_id,
        product.description_html,
        product.tags,
        product.position,
        [StoredImage(rules.image_url(i.image_key), i.width, i.height) for i in images],
        product.option_names,
        [
            SkuEditor(
                sku.sku_id,
                sku.option_values,
                sku.sku_code,
                sku.price_fen,
                sku.market_price_fen,
                sku.member_price_fen,
                sku.weight_g,
                sku.floor_fen,
                _image(sku.image_key, rules.SIZES[0]),
                level.on_hand,
                level.reserved,
                level.version,
            )
            for sku in skus
            for level in [levels.get(sku.sku_id, none)]
        ],
        product.sold_count,
        product.created_at,
        product.updated_at,
    )


@get("/products", access=READ)
async def list_admin_products(
    staff: StaffIdentity,
    *,
    q: Query = None,
    status: ProductStatus | None = None,
    category_id: UUID | None = None,
    cursor: str | None = None,
    limit: Limit = 20,
) -> Page[ProductRow]:
    """Products, newest first; `q` looks into title, subtitle, tags and SKU codes."""
    after = decode_cursor(cursor, tuple[Number, Number])
    terms = rules.query_terms(q) if q and q.strip() else None
    if terms == []:
        return Page([], None)
    async with reading(staff.shop_id) as tx:
        found = await queries.list_cards(
            tx,
            sort=ProductSort.NEW,
            limit=limit + 1,
            after=after,
            status=status,
            category_id=category_id,
            terms=terms,
        )
        page = Page.of(found, limit, lambda card: [card.product_no, card.product_no])
        return Page(await _rows(tx, page.items), page.next_cursor)


@post("/products", access=WRITE, status_code=201)
async def create_product(staff: StaffIdentity, data: ProductDraft) -> ProductEditor:
    """Write a new product; it is a draft until it is put on the shelf."""
    async with transaction(staff.shop_id) as tx:
        return await _editor(tx, await service.create_product(tx, staff, data))


@get("/products/{product_id:uuid}", access=READ)
async def get_admin_product(staff: StaffIdentity, product_id: UUID) -> ProductEditor:
    """A product with everything that can be edited."""
    async with reading(staff.shop_id) as tx:
        return await _editor(tx, product_id)


@put("/products/{product_id:uuid}", access=WRITE)
async def edit_product(staff: StaffIdentity, product_id: UUID, data: ProductEdit) -> ProductEditor:
    """Replace a product; 409 when somebody else was first."""
    async with transaction(staff.shop_id) as tx:
        await service.edit_product(tx, staff, product_id, data.draft(), data.version)
        return await _editor(tx, product_id)


@post("/products/{product_id:uuid}/shelf", access=WRITE)
async def set_shelf(staff: StaffIdentity, product_id: UUID, data: ShelfBody) -> ProductEditor:
    """Put a product on the shelf or take it off."""
    async with transaction(staff.shop_id) as tx:
        await service.set_shelf(tx, staff, product_id, data.on)
        return await _editor(tx, product_id)


@post("/images", access=WRITE, request_max_body_size=rules.MAX_UPLOAD + 65_536, status_code=201)
async def upload_image(
    staff: StaffIdentity,
    data: Annotated[UploadFile, Body(media_type=RequestEncodingType.MULTI_PART)],
) -> StoredImage:
    """Take a picture; its name and everything but its pixels are thrown away."""
    picture = await service.prepare_image(await data.read())
    async with transaction(staff.shop_id) as tx:
        return await service.keep_image(tx, picture)


async def _category_rows(tx: ReadTx) -> CategoryRows:
    return CategoryRows(
        [
            CategoryRow(
                row.category_id,
                row.parent_id,
                row.name,
                _image(row.image_key, rules.SIZES[0]),
                row.position,
                row.product_count,
            )
            for row in await queries.list_categories(tx)
        ]
    )


@get("/categories", access=READ)
async def list_admin_categories(staff: StaffIdentity) -> CategoryRows:
    """All categories."""
    async with reading(staff.shop_id) as tx:
        return await _category_rows(tx)


@post("/categories", access=WRITE, status_code=201)
async def create_category(staff: StaffIdentity, data: CategoryDraft) -> CategoryRows:
    """Add a category; returns all."""
    async with transaction(staff.shop_id) as tx:
        await service.save_category(tx, staff, data)
        return await _category_rows(tx)


@put("/categories/{category_id:uuid}", access=WRITE)
async def edit_category(
    staff: StaffIdentity, category_id: UUID, data: CategoryDraft
) -> CategoryRows:
    """Change a category; returns all."""
    async with transaction(staff.shop_id) as tx:
        await service.save_category(tx, staff, data, category_id)
        return await _category_rows(tx)


@delete("/categories/{category_id:uuid}", access=WRITE)
async def remove_category(staff: StaffIdentity, category_id: UUID) -> CategoryRows:
    """Delete an empty category; returns the others."""
    async with transaction(staff.shop_id) as tx:
        await service.remove_category(tx, staff, category_id)
        return await _category_rows(tx)


async def _showcase(tx: ReadTx) -> ShowcaseEditor:
    shown = await queries.list_collections(tx)
    wanted = list({product_id for row in shown for product_id in row.product_ids})
    rows = {r.product_id: r for r in await _rows(tx, await queries.list_cards_of(tx, wanted))}
    products = {
        row.collection_id: [rows[product_id] for product_id in row.product_ids] for row in shown
    }

    def of(kind: CollectionKind) -> list[ProductRow]:
        return [p for row in shown if row.kind is kind for p in products[row.collection_id]]

    return ShowcaseEditor(
        of(CollectionKind.HOT),
        of(CollectionKind.BUNDLE),
        [
            ActivityEditor(
                row.title,
                row.subtitle,
                _image(row.image_key, rules.SIZES[0]),
                row.starts_at,
                row.ends_at,
                products[row.collection_id],
            )
            for row in shown
            if row.kind is CollectionKind.ACTIVITY
        ],
    )


@get("/collections", access=READ)
async def get_showcase(staff: StaffIdentity) -> ShowcaseEditor:
    """爆品, 套餐 and 活动 of the home page."""
    async with reading(staff.shop_id) as tx:
        return await _showcase(tx)


@put("/collections", access=WRITE)
async def set_showcase(staff: StaffIdentity, data: ShowcaseDraft) -> ShowcaseEditor:
    """Replace 爆品, 套餐 and 活动."""
    async with transaction(staff.shop_id) as tx:
        await service.set_showcase(tx, staff, data)
        return await _showcase(tx)


async def _banner_rows(tx: ReadTx) -> BannerRows:
    return BannerRows(
        [
            BannerRow(row.title, row.subtitle, rules.image_url(row.image_key), row.product_id)
            for row in await queries.list_banners(tx)
        ]
    )


@get("/banners", access=READ)
async def list_banners(staff: StaffIdentity) -> BannerRows:
    """The banners of the home page."""
    async with reading(staff.shop_id) as tx:
        return await _banner_rows(tx)


@put("/banners", access=WRITE)
async def set_banners(staff: StaffIdentity, data: BannersBody) -> BannerRows:
    """Replace the banners."""
    async with transaction(staff.shop_id) as tx:
        await service.set_banners(tx, staff, data.items)
        return await _banner_rows(tx)


@get("/stock", access=STOCK)
async def list_stock(
    staff: StaffIdentity,
    q: Query = None,
    low: bool = False,
    cursor: str | None = None,
    limit: Limit = 20,
) -> Page[StockRow]:
    """Stock of every SKU, newest product first; `low`: at most 10 available."""
    after = decode_cursor(cursor, tuple[Number, Number])
    terms = rules.query_terms(q) if q and q.strip() else None
    if terms == []:
        return Page([], None)
    async with reading(staff.shop_id) as tx:
        sku_ids = await inventory.list_low(tx, LOW_STOCK) if low else None
        rows = await queries.list_stock_skus(
            tx, terms=terms, sku_ids=sku_ids, after=after, limit=limit + 1
        )
        page = Page.of(rows, limit, lambda row: [row.product_no, row.place])
        levels = await inventory.list_levels(tx, [row.sku_id for row in page.items])
    return Page(
        [
            StockRow(
                row.sku_id,
                row.product_id,
                row.product_no,
                row.title,
                row.option_values,
                row.sku_code,
                _image(row.image_key, 200),
                level.on_hand,
                level.reserved,
                level.available,
                level.version,
            )
            for row in page.items
            if (level := levels.get(row.sku_id))
        ],
        page.next_cursor,
    )


routes = [
    list_admin_products, create_product, get_admin_product, edit_product, set_shelf, upload_image,
    list_admin_categories, create_category, edit_category, remove_category,
    get_showcase, set_showcase, list_banners, set_banners, list_stock,
]  # fmt: skip
