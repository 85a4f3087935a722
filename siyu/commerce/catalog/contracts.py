"""Nouns of the catalogue. Prices are fen of the shop's currency, 0..MAX_FEN."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Protocol
from uuid import UUID

import msgspec
from msgspec import Meta

from siyu.kernel.errors import BadInput, Conflict, NotFound
from siyu.kernel.money import MAX_FEN

Fen = Annotated[int, Meta(ge=0, le=MAX_FEN)]
Title = Annotated[str, Meta(min_length=1, max_length=60)]
ShortTitle = Annotated[str, Meta(min_length=1, max_length=30)]
Subtitle = Annotated[str, Meta(max_length=100)]
ImageUrl = Annotated[str, Meta(max_length=100)]
Tag = Annotated[str, Meta(min_length=1, max_length=10)]
OptionText = Annotated[str, Meta(min_length=1, max_length=20)]
Position = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
Products = Annotated[list[UUID], Meta(max_length=30)]


class ProductKind(StrEnum):
    """Physical goods are shipped; virtual ones and services need no address."""

    PHYSICAL = "physical"
    VIRTUAL = "virtual"
    SERVICE = "service"


class ProductStatus(StrEnum):
    """Where a product stands; only `on_shelf` is sold."""

    DRAFT = "draft"
    ON_SHELF = "on_shelf"
    OFF_SHELF = "off_shelf"


class ProductSort(StrEnum):
    """Orders of a product list, each with its own keyset."""

    DEFAULT = "default"
    SALES = "sales"
    PRICE_ASC = "price_asc"
    PRICE_DESC = "price_desc"
    NEW = "new"


class SkuForSale(msgspec.Struct, frozen=True):
    """What cart and checkout must know of a SKU; `on_shelf` is false when it is retired, too.

    `category_ids`: the product's category and its parent. `floor_fen`: no campaign or coupon takes
    a piece below it.
    """

    sku_id: UUID
    product_id: UUID
    product_no: int
    title: str
    kind: ProductKind
    option_values: list[str]
    image_url: str | None
    price_fen: int
    market_price_fen: int | None
    member_price_fen: int | None
    on_shelf: bool
    weight_g: int = 0
    floor_fen: int | None = None
    category_ids: tuple[UUID, ...] = ()


class Product(msgspec.Struct, frozen=True):
    """A product without its SKUs and pictures."""

    product_id: UUID
    product_no: int
    title: str
    subtitle: str
    kind: ProductKind
    status: ProductStatus
    category_id: UUID | None
    description_html: str
    tags: list[str]
    option_names: list[str]
    sold_count: int
    position: int
    version: int
    created_at: datetime
    updated_at: datetime


class ProductNumber(msgspec.Struct, frozen=True):
    """A product's two names: the public id and the warehouse's number."""

    product_id: UUID
    product_no: int
    title: str


class ProductHead(msgspec.Struct, frozen=True):
    """What must be known of a product before it changes."""

    product_no: int
    version: int
    status: ProductStatus


class Sku(msgspec.Struct, frozen=True):
    """A living SKU."""

    sku_id: UUID
    option_values: list[str]
    sku_code: str | None
    price_fen: int
    market_price_fen: int | None
    member_price_fen: int | None
    image_key: str | None
    weight_g: int
    floor_fen: int | None


class ImageSize(msgspec.Struct, frozen=True):
    """A picture of the shop, with the pixels of its largest size."""

    image_key: str
    width: int
    height: int


class Card(msgspec.Struct, frozen=True):
    """A product as lists show it; price of the cheapest SKU; the cover may be missing in drafts."""

    product_id: UUID
    product_no: int
    title: str
    subtitle: str
    kind: ProductKind
    status: ProductStatus
    category_id: UUID | None
    tags: list[str]
    price_fen: int
    market_price_fen: int | None
    member_price_fen: int | None
    sold_count: int
    position: int
    version: int
    updated_at: datetime
    image_key: str | None
    width: int | None
    height: int | None


class StockSku(msgspec.Struct, frozen=True):
    """A SKU as the stock keeper finds it."""

    sku_id: UUID
    product_id: UUID
    product_no: int
    place: int
    title: str
    option_values: list[str]
    sku_code: str | None
    image_key: str | None


class Category(msgspec.Struct, frozen=True):
    """A category; `product_count` counts what is on the shelf, sub-categories included."""

    category_id: UUID
    parent_id: UUID | None
    name: str
    image_key: str | None
    position: int
    product_count: int


class CollectionKind(StrEnum):
    """The three corners of the golden triangle."""

    HOT = "hot"
    BUNDLE = "bundle"
    ACTIVITY = "activity"


class Collection(msgspec.Struct, frozen=True):
    """Products shown together; an activity in [starts_at, ends_at), the other two always."""

    collection_id: UUID
    kind: CollectionKind
    title: str
    subtitle: str
    image_key: str | None
    starts_at: datetime | None
    ends_at: datetime | None
    product_ids: list[UUID]


class Banner(msgspec.Struct, frozen=True):
    """A picture at the top of the home page."""

    banner_id: UUID
    title: str
    subtitle: str
    image_key: str
    product_id: UUID | None


class Draft(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what a merchant writes; limits hold for JSON bodies, the database checks again."""


class SkuDraft(Draft, frozen=True, kw_only=True):
    """A SKU: `option_values` say which one, `sku_id` is for renaming them.

    market price >= price >= member price and floor price; `weight_g` with its packing; `stock` is
    put on hand when the SKU is new.
    """

    sku_id: UUID | None = None
    option_values: Annotated[list[OptionText], Meta(max_length=3)] = []
    sku_code: Annotated[str, Meta(min_length=1, max_length=40)] | None = None
    price_fen: Fen
    market_price_fen: Fen | None = None
    member_price_fen: Fen | None = None
    weight_g: Annotated[int, Meta(ge=0, le=1_000_000)] = 0
    floor_fen: Fen | None = None
    image_url: ImageUrl | None = None
    stock: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class ProductDraft(Draft, frozen=True, kw_only=True):
    """A product: the first image is the cover; SKUs stand in the order of the grid."""

    title: Title
    subtitle: Subtitle = ""
    kind: ProductKind = ProductKind.PHYSICAL
    category_id: UUID | None = None
    description_html: Annotated[str, Meta(max_length=100_000)] = ""
    tags: Annotated[list[Tag], Meta(max_length=10)] = []
    position: Position = 0
    image_urls: Annotated[list[ImageUrl], Meta(max_length=20)] = []
    option_names: Annotated[list[OptionText], Meta(max_length=3)] = []
    skus: Annotated[list[SkuDraft], Meta(min_length=1, max_length=200)]


class StoredImage(msgspec.Struct, frozen=True):
    """A re-encoded picture: address of its largest size under /media/, and that size in pixels."""

    url: str
    width: int
    height: int


class ProductSheet(msgspec.Struct, frozen=True):
    """All of a product that a table holds: its living SKUs and its pictures in their order."""

    product: Product
    skus: list[Sku]
    images: list[StoredImage]


class ImportedProduct(msgspec.Struct, frozen=True):
    """A product known from another system's records: its code, title and last known price."""

    sku_code: str
    title: str
    price_fen: int


class ImportedSku(msgspec.Struct, frozen=True):
    """The SKU that carries a code."""

    sku_code: str
    sku_id: UUID
    product_id: UUID
    product_no: int


class CategoryDraft(Draft, frozen=True, kw_only=True):
    """A category; one with a parent cannot have children."""

    name: Annotated[str, Meta(min_length=1, max_length=20)]
    parent_id: UUID | None = None
    image_url: ImageUrl | None = None
    position: Position = 0


class BannerDraft(Draft, frozen=True, kw_only=True):
    """A picture at the top of the home page that may lead to a product."""

    title: ShortTitle
    subtitle: Annotated[str, Meta(max_length=60)] = ""
    image_url: ImageUrl
    product_id: UUID | None = None


class ActivityDraft(Draft, frozen=True, kw_only=True):
    """An activity (活动), shown in [starts_at, ends_at); an open end is null."""

    title: ShortTitle
    subtitle: Annotated[str, Meta(max_length=60)] = ""
    image_url: ImageUrl | None = None
    starts_at: Annotated[datetime, Meta(tz=True)] | None = None
    ends_at: Annotated[datetime, Meta(tz=True)] | None = None
    product_ids: Products


class ShowcaseDraft(Draft, frozen=True, kw_only=True):
    """The golden triangle of the home page, 爆品 套餐 活动, in the order shown."""

    hot: Products
    bundles: Products
    activities: Annotated[list[ActivityDraft], Meta(max_length=10)]


class SoldLine(Protocol):
    """What the catalogue reads of a paid order's line."""

    @property
    def product_no(self) -> int:
        """Number of the product."""

    @property
    def quantity(self) -> int:
        """Pieces bought."""


class ProductNotFound(NotFound):
    """No such product in this shop, or a draft that customers must not see."""

    code = "catalog.product_not_found"
    zh = "商品不存在或已下架"
    en = "No such product"


class CategoryNotFound(NotFound):
    """No such category in this shop."""

    code = "catalog.category_not_found"
    zh = "分类不存在"
    en = "No such category"


class ProductChanged(Conflict):
    """Another edit came first. `details.version` is the present one."""

    code = "catalog.product_changed"
    zh = "商品已被他人修改,请刷新后重试"
    en = "The product was changed by somebody else; reload and try again"


class CategoryTreeTooDeep(Conflict):
    """The tree has two floors: a parent has no parent, and who has children gets none."""

    code = "catalog.category_too_deep"
    zh = "分类最多两级"
    en = "Categories have at most two levels"


class CategoryInUse(Conflict):
    """The category still has products or sub-categories."""

    code = "catalog.category_in_use"
    zh = "分类下还有商品或子分类"
    en = "The category still has products or sub-categories"


class SkuCodeTaken(Conflict):
    """Another SKU of the shop carries one of these codes."""

    code = "catalog.sku_code_taken"
    zh = "商家编码已被其他规格使用"
    en = "The SKU code is already in use"


class NotReadyForShelf(Conflict):
    """A product without a picture cannot be put on the shelf."""

    code = "catalog.not_ready_for_shelf"
    zh = "商品还没有图片,不能上架"
    en = "A product needs a picture before it goes on the shelf"


class BadProduct(BadInput):
    """The draft contradicts itself or names what is not there. `details`: field, why."""

    code = "catalog.bad_product"
    zh = "商品资料有误"
    en = "The product is not valid"


class BadImage(BadInput):
    """Not a picture we accept. `details.why`: format, size, pixels, broken."""

    code = "catalog.bad_image"
    zh = "图片无法使用,请上传 10 MB 以内的 JPG、PNG、WebP 或 GIF"
    en = "The picture cannot be used: upload JPG, PNG, WebP or GIF of at most 10 MB"
