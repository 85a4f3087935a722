"""Gifts in the console: what became of them, what may be given, festival kits."""

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import Parameter

from siyu.commerce.catalog import service as catalog
from siyu.growth.gifting import queries, rules, service
from siyu.growth.gifting.contracts import (
    MAX_KITS,
    MAX_MESSAGE,
    MAX_REASON,
    MAX_SHARES,
    EndedBy,
    GiftKind,
    GiftNotFound,
    GiftRefund,
    GiftSettings,
    Kit,
    Message,
    ShareState,
    Standing,
    Theme,
)
from siyu.growth.gifting.service import figures, gift_view
from siyu.growth.gifting.service.figures import Conversion, GiftRow
from siyu.kernel import clock
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.http import Page, decode_cursor, delete, get, post, put, staff

Limit = Annotated[int, Parameter(ge=1, le=100)]


class GiftLine(msgspec.Struct, frozen=True):
    """A gift in the list, and who gave it."""

    gift: GiftRow
    giver_name: str


class ConversionView(msgspec.Struct, frozen=True):
    """What became of the gifts of the last days, as a whole and in parts."""

    total: Conversion
    by_kit: list[Conversion]
    by_scene: list[Conversion]
    by_product: list[Conversion]
    product_titles: dict[str, str]


class GiftShareRow(msgspec.Struct, frozen=True):
    """A share for staff; where it goes is on the consignment."""

    share_no: int
    state: ShareState
    receiver_name: str | None
    is_new_customer: bool
    accepted_at: datetime | None
    ended_at: datetime | None
    ended_by: EndedBy | None
    sent_title: str | None
    consignment_id: UUID | None
    received_at: datetime | None
    returned_id: UUID | None


class ReturnBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """`reason` stands in the giver's refund; `restock`: a piece that had left is back on hand."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_REASON, pattern=r"\S")]
    restock: bool = False


class AnswerBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the receiver of a share is told."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_MESSAGE, pattern=r"\S")]


class GiftDetail(msgspec.Struct, frozen=True):
    """A gift with its shares and refunds, and what receivers and the shop said about it."""

    gift_id: UUID
    order_id: UUID
    order_no: str
    kind: GiftKind
    standing: Standing
    giver_name: str
    title: str
    option_values: list[str]
    image_url: str | None
    unit_fen: int
    total_fen: int
    share_count: int
    blessing: str
    theme: Theme
    kit: str | None
    scene: str | None
    has_voice: bool
    placed_at: datetime
    paid_at: datetime | None
    accept_before: datetime | None
    shares: list[GiftShareRow]
    refunds: list[GiftRefund]
    messages: list[Message]


class MarkedRow(msgspec.Struct, frozen=True):
    """A product with the mark; `why_not` says why it cannot be given now all the same."""

    product_id: UUID
    product_no: int
    title: str
    image_url: str | None
    price_fen: int
    why_not: str | None


class MarkedList(msgspec.Struct, frozen=True):
    """All marked products."""

    items: list[MarkedRow]


class ExclusionRow(msgspec.Struct, frozen=True):
    """A category, and whether gifts may come of it; `by_name`: what its name alone would say."""

    category_id: UUID
    parent_id: UUID | None
    name: str
    is_excluded: bool
    is_decided: bool
    by_name: bool
    reason: str


class ExclusionList(msgspec.Struct, frozen=True):
    """All categories."""

    items: list[ExclusionRow]


class ExclusionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """null: as the category's name says. A reason is needed to let in what its name excludes."""

    is_excluded: bool | None
    reason: Annotated[str, msgspec.Meta(max_length=100)] = ""


class KitList(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Festival kits in their order."""

    items: Annotated[list[Kit], msgspec.Meta(max_length=MAX_KITS)]


class AskedAgain(msgspec.Struct, frozen=True):
    """How many refunds are asked for at the next tick."""

    refunds: int


# --- gifts ------------------------------------------------------------------------------------


@get("/gifts", access=staff("orders.read"))
async def list_gifts(
    staff: StaffIdentity,
    *,
    standing: Standing | None = None,
    share_state: ShareState | None = None,
    kit: Annotated[str | None, Parameter(max_length=32)] = None,
    cursor: str | None = None,
    limit: Limit = 20,
) -> Page[GiftLine]:
    """Gifts, newest first."""
    after = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_gifts(
            tx,
            standing=standing,
            share_state=share_state,
            kit=kit,
            after=after[0] if after else None,
            limit=limit + 1,
        )
        names = await gift_view.load_names(tx, [row.giver_id for row in rows])
    lines = [GiftLine(row, names.get(row.giver_id, "")) for row in rows]
    return Page.of(lines, limit, lambda line: [line.gift.gift_id])


@get("/gifts/conversion", access=staff("orders.read"))
async def show_conversion(
    staff: StaffIdentity, days: Annotated[int, Parameter(ge=1, le=366)] = 30
) -> ConversionView:
    """Placed -> paid -> seen -> accepted or refunded, of gifts placed in the last days."""
    until = clock.now()
    since = until - timedelta(days=days)
    async with reading(staff.shop_id) as tx:
        total = await service.list_conversion(tx, "all", since, until)
        by_kit = await service.list_conversion(tx, "kit", since, until)
        by_scene = await service.list_conversion(tx, "scene", since, until)
        by_product = await service.list_conversion(tx, "product", since, until)
        titles = await figures.list_titles(tx, since, until)
    return ConversionView(
        total[0] if total else figures.NOTHING, by_kit, by_scene, by_product, titles
    )


@get("/gifts/{gift_id:uuid}", access=staff("orders.read"))
async def show_gift(gift_id: UUID, staff: StaffIdentity) -> GiftDetail:
    """A gift with its shares and refunds."""
    async with reading(staff.shop_id) as tx:
        return await _detail(tx, gift_id)


@post("/gifts/{gift_id:uuid}/ask-again", access=staff("orders.write"))
async def ask_refund_again(gift_id: UUID, staff: StaffIdentity) -> AskedAgain:
    """Ask for the gift's outstanding refunds at once, instead of after the pause."""
    async with transaction(staff.shop_id) as tx:
        await _detail(tx, gift_id)
        return AskedAgain(await service.ask_again_now(tx, gift_id))


@post("/gifts/{gift_id:uuid}/shares/{share_no:int}/return", access=staff("after_sale.write"))
async def return_share(
    gift_id: UUID,
    share_no: Annotated[int, Parameter(ge=1, le=MAX_SHARES)],
    data: ReturnBody,
    staff: StaffIdentity,
) -> GiftDetail:
    """Give the giver back what an accepted piece cost; one that has not left is not sent."""
    async with transaction(staff.shop_id) as tx:
        await service.return_share(
            tx, staff, gift_id, share_no, reason=data.reason, restock=data.restock
        )
        return await _detail(tx, gift_id)


@post("/gifts/{gift_id:uuid}/shares/{share_no:int}/messages", access=staff("orders.write"))
async def answer_receiver(
    gift_id: UUID,
    share_no: Annotated[int, Parameter(ge=1, le=MAX_SHARES)],
    data: AnswerBody,
    staff: StaffIdentity,
) -> GiftDetail:
    """Answer the receiver of a share."""
    async with transaction(staff.shop_id) as tx:
        await service.answer_receiver(tx, staff, gift_id, share_no, data.text)
        return await _detail(tx, gift_id)


async def _detail(tx: ReadTx, gift_id: UUID) -> GiftDetail:
    gift = await queries.get_gift(tx, gift_id)
    if gift is None:
        raise GiftNotFound
    shares = await queries.list_shares(tx, gift_id)
    people = [gift.giver_id, *(one.receiver_id for one in shares if one.receiver_id)]
    names = await gift_view.load_names(tx, people)
    shown = {field: getattr(gift, field) for field in _OF_GIFT}
    return GiftDetail(
        **shown,
        giver_name=names.get(gift.giver_id, ""),
        has_voice=gift.voice_id is not None,
        shares=[
            GiftShareRow(
                share_no=one.share_no,
                receiver_name=names.get(one.receiver_id) if one.receiver_id else None,
                **{field: getattr(one, field) for field in _OF_SHARE},
            )
            for one in shares
        ],
        refunds=await queries.list_refunds(tx, [gift_id]),
        messages=await service.list_messages(tx, gift_id),
    )


_OF_GIFT = (
    "gift_id", "order_id", "order_no", "kind", "standing", "title", "option_values", "image_url",
    "unit_fen", "total_fen", "share_count", "blessing", "theme", "kit", "scene", "placed_at",
    "paid_at", "accept_before",
)  # fmt: skip
_OF_SHARE = (
    "state", "is_new_customer", "accepted_at", "ended_at", "ended_by", "sent_title",
    "consignment_id", "received_at", "returned_id",
)  # fmt: skip


# --- what may be given ------------------------------------------------------------------------


@get("/gifts/settings", access=staff("shop.read"))
async def show_gift_settings(staff: StaffIdentity) -> GiftSettings:
    """What the shop decided about gifts."""
    async with reading(staff.shop_id) as tx:
        return await service.get_settings(tx)


@put("/gifts/settings", access=staff("shop.write"))
async def edit_gift_settings(data: GiftSettings, staff: StaffIdentity) -> GiftSettings:
    """Decide anew; paid gifts stay as they are."""
    async with transaction(staff.shop_id) as tx:
        return await service.edit_settings(tx, staff, data)


@get("/gifts/exclusions", access=staff("products.read"))
async def list_exclusions(staff: StaffIdentity) -> ExclusionList:
    """Categories and whether gifts may come of them."""
    async with reading(staff.shop_id) as tx:
        return await _exclusions(tx)


@put("/gifts/exclusions/{category_id:uuid}", access=staff("products.write"))
async def decide_exclusion(
    category_id: UUID, data: ExclusionBody, staff: StaffIdentity
) -> ExclusionList:
    """Exclude a category, let it in, or leave it to its name."""
    async with transaction(staff.shop_id) as tx:
        await service.decide_exclusion(tx, staff, category_id, data.is_excluded, data.reason)
        return await _exclusions(tx)


async def _exclusions(tx: ReadTx) -> ExclusionList:
    found = await service.list_exclusions(tx)
    return ExclusionList(
        [
            ExclusionRow(
                category_id=one.category_id,
                parent_id=one.parent_id,
                name=one.name,
                is_excluded=found[one.category_id].is_excluded,
                is_decided=found[one.category_id].is_decided,
                by_name=rules.excluded_by_name(one.name),
                reason=found[one.category_id].reason,
            )
            for one in await catalog.list_categories(tx)
        ]
    )


@get("/gifts/products", access=staff("products.read"))
async def list_marked(staff: StaffIdentity) -> MarkedList:
    """Products with the mark "supports gifting"."""
    async with reading(staff.shop_id) as tx:
        return await _marked(tx)


@put("/gifts/products/{product_id:uuid}", access=staff("products.write"))
async def mark_product(product_id: UUID, staff: StaffIdentity) -> MarkedList:
    """Let a product be given."""
    async with transaction(staff.shop_id) as tx:
        await service.mark_product(tx, staff, product_id)
        return await _marked(tx)


@delete("/gifts/products/{product_id:uuid}", access=staff("products.write"), status_code=200)
async def unmark_product(product_id: UUID, staff: StaffIdentity) -> MarkedList:
    """Let a product be given no more."""
    async with transaction(staff.shop_id) as tx:
        await service.unmark_product(tx, staff, product_id)
        return await _marked(tx)


async def _marked(tx: ReadTx) -> MarkedList:
    return MarkedList(
        [
            MarkedRow(
                one.card.product_id,
                one.card.product_no,
                one.card.title,
                catalog.image_url(one.card.image_key, 200) if one.card.image_key else None,
                one.card.price_fen,
                one.why_not,
            )
            for one in await service.list_marked(tx)
        ]
    )


# --- kits -------------------------------------------------------------------------------------


@get("/gifts/kits", access=staff("products.read"))
async def list_kits(staff: StaffIdentity) -> KitList:
    """The festival kits."""
    async with reading(staff.shop_id) as tx:
        return KitList(await service.list_kits(tx))


@put("/gifts/kits", access=staff("products.write"))
async def set_kits(data: KitList, staff: StaffIdentity) -> KitList:
    """Write the festival kits; an empty list brings back the standard ones."""
    async with transaction(staff.shop_id) as tx:
        return KitList(await service.set_kits(tx, staff, data.items))


routes = [
    list_gifts,
    show_conversion,
    show_gift_settings,
    edit_gift_settings,
    list_exclusions,
    decide_exclusion,
    list_marked,
    mark_product,
    unmark_product,
    list_kits,
    set_kits,
    show_gift,
    ask_refund_again,
    return_share,
    answer_receiver,
]
