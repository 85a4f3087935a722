"""The merchant's side of prices: campaigns, shipping templates, floor, and trying them out."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import Parameter
from msgspec import Meta

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ProductStatus
from siyu.commerce.promotions import queries, service
from siyu.commerce.promotions.contracts import (
    BadPromotion,
    Buyer,
    PricedLine,
    Region,
    ShippingPlan,
    TraceEntry,
)
from siyu.commerce.promotions.http_shop import GiftView, gift_views
from siyu.commerce.promotions.queries import Campaign, CampaignDraft, Phase, Settings, Template
from siyu.kernel import clock
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.http import Page, decode_cursor, delete, get, post, put, staff
from siyu.kernel.i18n import language_of

READ, WRITE = staff("prices.read"), staff("prices.write")
Limit = Annotated[int, Parameter(ge=1, le=100)]
Version = Annotated[int, Meta(ge=1)]
Waiver = Annotated[str, Meta(min_length=1, max_length=200)]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class CampaignEdit(CampaignDraft, frozen=True, kw_only=True):
    """A whole campaign, and the version it replaces."""

    version: Version

    def draft(self) -> CampaignDraft:
        """The campaign alone."""
        names = CampaignDraft.__struct_fields__
        return CampaignDraft(**{name: getattr(self, name) for name in names})


class CampaignDetail(Campaign, frozen=True, kw_only=True):
    """A campaign with the names of all that it names: SKUs, products, categories."""

    names: dict[UUID, str]


class StartBody(_Body, frozen=True):
    """`waiver`: why this version goes live though its cost was not simulated."""

    version: Version
    waiver: Waiver | None = None


class PreviewLine(_Body, frozen=True):
    """A SKU and how many pieces of it."""

    sku_id: UUID
    quantity: Annotated[int, Meta(ge=1, le=999)] = 1


class PreviewBody(_Body, frozen=True):
    """A sample basket, and a campaign as it stands in the editor, with what it replaces."""

    lines: Annotated[list[PreviewLine], Meta(min_length=1, max_length=20)]
    campaign: CampaignDraft | None = None
    campaign_id: UUID | None = None
    is_member: bool = False
    is_first_order: bool = False
    is_birthday: bool = False
    region: Region | None = None


class PreviewedLine(PricedLine, frozen=True, kw_only=True):
    """A priced line with its name."""

    title: str
    option_values: list[str]


class Preview(msgspec.Struct, frozen=True):
    """What the sample basket would cost, fen by fen; `undelivered`: SKUs not sent to the region."""

    lines: list[PreviewedLine]
    items_fen: int
    discount_fen: int
    shipping_fen: int
    total_fen: int
    trace: list[TraceEntry]
    gifts: list[GiftView]
    undelivered: list[UUID]


class TemplateBody(_Body, frozen=True):
    """A shipping template."""

    name: Annotated[str, Meta(min_length=1, max_length=30)]
    plan: ShippingPlan


class TemplateEdit(TemplateBody, frozen=True):
    """A whole template, and the version it replaces."""

    version: Version


class Templates(msgspec.Struct, frozen=True):
    """All shipping templates, the default first."""

    items: list[Template]


class ProductsBody(_Body, frozen=True):
    """Products, each once."""

    product_ids: Annotated[list[UUID], Meta(max_length=1000)]


class TemplateProduct(msgspec.Struct, frozen=True):
    """A product that goes by a template."""

    product_id: UUID
    title: str
    status: ProductStatus
    image_url: str | None
    price_fen: int


class TemplateProducts(msgspec.Struct, frozen=True):
    """The products that go by a template."""

    items: list[TemplateProduct]


class PriceSettings(Settings, frozen=True, forbid_unknown_fields=True):
    """`floor_bps`: no line is reduced below this part of its list price; 0: no floor."""

    floor_bps: Annotated[int, Meta(ge=0, le=10_000)]
    default_template_id: UUID | None


# --- campaigns --------------------------------------------------------------------------------


@get("/campaigns", access=READ)
async def list_campaigns(
    staff: StaffIdentity, phase: Phase | None = None, cursor: str | None = None, limit: Limit = 20
) -> Page[Campaign]:
    """Campaigns, newest first."""
    seen = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await queries.list_campaigns(
            tx, now=clock.now(), phase=phase, after=seen[0] if seen else None, limit=limit + 1
        )
    return Page.of(rows, limit, lambda row: [row.campaign_id])


@post("/campaigns", access=WRITE, status_code=201)
async def create_campaign(staff: StaffIdentity, data: CampaignDraft) -> Campaign:
    """Write a campaign; it is a draft until it is started."""
    async with transaction(staff.shop_id) as tx:
        return await service.get_campaign(tx, await service.create_campaign(tx, staff, data))


@get("/campaigns/{campaign_id:uuid}", access=READ)
async def get_campaign(staff: StaffIdentity, campaign_id: UUID) -> CampaignDetail:
    """A campaign, with what it would have cost if that was simulated."""
    async with reading(staff.shop_id) as tx:
        found = await service.get_campaign(tx, campaign_id)
        names = await service.load_names(tx, found.terms)
    return CampaignDetail(**msgspec.structs.asdict(found), names=names)


@put("/campaigns/{campaign_id:uuid}", access=WRITE)
async def edit_campaign(staff: StaffIdentity, campaign_id: UUID, data: CampaignEdit) -> Campaign:
    """Replace a campaign that does not run; 409 when somebody else was first."""
    async with transaction(staff.shop_id) as tx:
        await service.edit_campaign(tx, staff, campaign_id, data.draft(), data.version)
        return await service.get_campaign(tx, campaign_id)


@delete("/campaigns/{campaign_id:uuid}", access=WRITE)
async def remove_campaign(
    staff: StaffIdentity, campaign_id: UUID, version: Annotated[int, Parameter(ge=1, le=2**31 - 1)]
) -> None:
    """Delete a draft."""
    async with transaction(staff.shop_id) as tx:
        await service.remove_campaign(tx, staff, campaign_id, version)


@post("/campaigns/{campaign_id:uuid}/start", access=WRITE)
async def start_campaign(staff: StaffIdentity, campaign_id: UUID, data: StartBody) -> Campaign:
    """Let a campaign run whose cost was simulated, or say why it runs without."""
    async with transaction(staff.shop_id) as tx:
        await service.start_campaign(tx, staff, campaign_id, data.version, data.waiver)
        return await service.get_campaign(tx, campaign_id)


@post("/campaigns/{campaign_id:uuid}/pause", access=WRITE)
async def pause_campaign(staff: StaffIdentity, campaign_id: UUID) -> Campaign:
    """Take a campaign's effect away; it may be edited and started again."""
    async with transaction(staff.shop_id) as tx:
        await service.pause_campaign(tx, staff, campaign_id)
        return await service.get_campaign(tx, campaign_id)


@post("/campaigns/{campaign_id:uuid}/end", access=WRITE)
async def end_campaign(staff: StaffIdentity, campaign_id: UUID) -> Campaign:
    """End a campaign for good."""
    async with transaction(staff.shop_id) as tx:
        await service.end_campaign(tx, staff, campaign_id)
        return await service.get_campaign(tx, campaign_id)


@post("/price-previews", access=READ)
async def preview_prices(
    staff: StaffIdentity, data: PreviewBody, request: Request[Any, Any, Any]
) -> Preview:
    """Price a sample basket with a campaign as it stands in the editor; nothing is written."""
    wanted = {line.sku_id: line.quantity for line in data.lines}
    if len(wanted) < len(data.lines):
        raise BadPromotion(field="lines", why="the same SKU twice")
    buyer = Buyer(data.is_member, data.is_first_order, data.is_birthday, data.region)
    async with reading(staff.shop_id) as tx:
        skus = {sku.sku_id: sku for sku in await catalog.load_for_sale(tx, list(wanted))}
        if len(skus) < len(wanted):
            raise BadPromotion(field="lines", why="no such SKU")
        rules = await service.load_draft(tx, data.campaign, data.campaign_id, now=clock.now())
        lines = [service.price_line(skus[sku_id], quantity) for sku_id, quantity in wanted.items()]
        quote = service.price(lines, buyer, rules)
        gifts = await gift_views(tx, quote.gifts)
    return Preview(
        [
            PreviewedLine(
                **msgspec.structs.asdict(line),
                title=skus[line.sku_id].title,
                option_values=skus[line.sku_id].option_values,
            )
            for line in quote.lines
        ],
        quote.items_fen,
        quote.discount_fen,
        quote.shipping_fen,
        quote.total_fen,
        service.word_trace(
            quote.trace, chinese=language_of(request.headers.get("accept-language")) == "zh-CN"
        ),
        gifts,
        quote.undelivered,
    )


# --- shipping and floor -----------------------------------------------------------------------


@get("/shipping-templates", access=READ)
async def list_templates(staff: StaffIdentity) -> Templates:
    """All shipping templates."""
    async with reading(staff.shop_id) as tx:
        return Templates(await queries.list_templates(tx))


@post("/shipping-templates", access=WRITE, status_code=201)
async def create_template(staff: StaffIdentity, data: TemplateBody) -> Templates:
    """Add a shipping template; the first one is the shop's default. Returns all."""
    async with transaction(staff.shop_id) as tx:
        await service.save_template(tx, staff, data.name, data.plan)
        return Templates(await queries.list_templates(tx))


@put("/shipping-templates/{template_id:uuid}", access=WRITE)
async def edit_template(staff: StaffIdentity, template_id: UUID, data: TemplateEdit) -> Templates:
    """Replace a shipping template; 409 when somebody else was first. Returns all."""
    async with transaction(staff.shop_id) as tx:
        await service.save_template(tx, staff, data.name, data.plan, template_id, data.version)
        return Templates(await queries.list_templates(tx))


@delete("/shipping-templates/{template_id:uuid}", access=WRITE)
async def remove_template(staff: StaffIdentity, template_id: UUID) -> Templates:
    """Delete a template that is not the default; its products go by the default."""
    async with transaction(staff.shop_id) as tx:
        await service.remove_template(tx, staff, template_id)
        return Templates(await queries.list_templates(tx))


async def _products(tx: ReadTx, template_id: UUID) -> TemplateProducts:
    wanted = await queries.list_template_products(tx, template_id)
    return TemplateProducts(
        [
            TemplateProduct(
                card.product_id,
                card.title,
                card.status,
                catalog.image_url(card.image_key, 200) if card.image_key else None,
                card.price_fen,
            )
            for card in sorted(
                await catalog.load_cards(tx, wanted), key=lambda card: -card.product_no
            )
        ]
    )


@get("/shipping-templates/{template_id:uuid}/products", access=READ)
async def list_template_products(staff: StaffIdentity, template_id: UUID) -> TemplateProducts:
    """The products that go by a template, newest first."""
    async with reading(staff.shop_id) as tx:
        return await _products(tx, template_id)


@put("/shipping-templates/{template_id:uuid}/products", access=WRITE)
async def assign_products(
    staff: StaffIdentity, template_id: UUID, data: ProductsBody
) -> TemplateProducts:
    """Let exactly these products go by a template."""
    async with transaction(staff.shop_id) as tx:
        await service.assign_products(tx, staff, template_id, data.product_ids)
        return await _products(tx, template_id)


@get("/price-settings", access=READ)
async def get_price_settings(staff: StaffIdentity) -> Settings:
    """Floor and default shipping template."""
    async with reading(staff.shop_id) as tx:
        return await queries.get_settings(tx)


@put("/price-settings", access=WRITE)
async def set_price_settings(staff: StaffIdentity, data: PriceSettings) -> Settings:
    """Set floor and default shipping template."""
    async with transaction(staff.shop_id) as tx:
        await service.save_settings(tx, staff, data)
        return await queries.get_settings(tx)


routes = [
    list_campaigns, create_campaign, get_campaign, edit_campaign, remove_campaign, start_campaign,
    pause_campaign, end_campaign, preview_prices, list_templates, create_template, edit_template,
    remove_template, list_template_products, assign_products, get_price_settings,
    set_price_settings,
]  # fmt: skip
