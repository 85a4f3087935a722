"""Gifts in the shop: choose, give, open, accept, follow."""

from datetime import datetime, timedelta
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request, Response
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body, Parameter

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import Card, ProductNotFound
from siyu.commerce.ordering import service as ordering
from siyu.commerce.ordering.contracts import Platform
from siyu.growth.gifting import queries, rules, service
from siyu.growth.gifting.contracts import (
    MAX_MESSAGE,
    MAX_SHARES,
    MAX_VOICE_BYTES,
    Blessing,
    Gift,
    GiftAsked,
    GiftKind,
    GiftSettings,
    Kit,
    Scene,
    Theme,
    Voice,
    VoiceNotFound,
)
from siyu.growth.gifting.service import gift_view
from siyu.growth.gifting.service.aftercare import Notices
from siyu.growth.gifting.service.gift_view import (
    GivenSummary,
    GivenView,
    OpenView,
    ReceivedSummary,
    ReceivedView,
)
from siyu.kernel import clock
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.http import MEMBER, SHOP, OnceKey, Page, ShopIdentity, decode_cursor, get, post
from siyu.kernel.money import MAX_FEN
from siyu.merchant.shops import service as shops

Limit = Annotated[int, Parameter(ge=1, le=100)]
Fen = Annotated[int | None, Parameter(ge=0, le=MAX_FEN)]
PRIVATE = {
    "Cache-Control": "private, max-age=86400",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
    "Content-Disposition": "inline",
    "Accept-Ranges": "bytes",
}
LATELY = timedelta(days=90)


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused: a client cannot send a price (F064)."""


class QuoteGiftBody(_Body, frozen=True, kw_only=True):
    """Pieces of one SKU for so many receivers."""

    sku_id: UUID
    count: Annotated[int, msgspec.Meta(ge=1, le=MAX_SHARES)]
    kind: GiftKind
    use_points: bool = False
    use_balance: bool = False
    coupon_ids: Annotated[tuple[UUID, ...], msgspec.Meta(max_length=20)] | None = None


class GiveBody(QuoteGiftBody, frozen=True, kw_only=True):
    """A gift as confirmed. The expected amounts are what the giver saw; `scene`: where they came
    from; `promoter_id`: the member whose link brought them.
    """

    expected_total_fen: Annotated[int, msgspec.Meta(ge=0, le=MAX_FEN)]
    expected_payable_fen: Annotated[int, msgspec.Meta(ge=0, le=MAX_FEN)] | None = None
    platform: Platform
    blessing: Blessing = ""
    theme: Theme = Theme.PLAIN
    kit: Annotated[str, msgspec.Meta(max_length=32)] | None = None
    voice_id: UUID | None = None
    scene: Scene | None = None
    promoter_id: UUID | None = None


class OpenBody(_Body, frozen=True):
    """`scene`: how the link came here."""

    scene: Scene | None = None


class AcceptBody(_Body, frozen=True):
    """An own address; nobody but the shop's packers sees it."""

    address_id: UUID


class SwapBody(_Body, frozen=True):
    """What is to go instead."""

    sku_id: UUID


class MessageBody(_Body, frozen=True):
    """What is wrong with a received gift, or what one wants to know of it."""

    text: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_MESSAGE, pattern=r"\S")]


class HallView(msgspec.Struct, frozen=True):
    """Whether and how the shop sends gifts, and its festival kits of today."""

    settings: GiftSettings
    kits: list[Kit]


class GiftCard(msgspec.Struct, frozen=True):
    """A product that can be given."""

    product_id: UUID
    title: str
    subtitle: str
    image_url: str
    image_width: int
    image_height: int
    price_fen: int
    sold_count: int
    given_count: int
    tags: list[str]


class GoodsView(msgspec.Struct, frozen=True):
    """Gifts in the order recommended; `given_count`: accepted in the last 90 days."""

    items: list[GiftCard]


class GiveableView(msgspec.Struct, frozen=True):
    """Whether a product can be given; `cap_fen`: a SKU above it cannot."""

    can_give: bool
    cap_fen: int
    max_shares: int


class VoiceView(msgspec.Struct, frozen=True):
    """A recording that was taken."""

    voice_id: UUID
    duration_ms: int


class GiftQuoteView(msgspec.Struct, frozen=True):
    """What a gift costs; `payable_fen` is what the balance leaves for WeChat."""

    unit_fen: int
    items_fen: int
    discount_fen: int
    shipping_fen: int
    total_fen: int
    payable_fen: int
    points: int
    points_fen: int
    balance_fen: int


# --- choose -----------------------------------------------------------------------------------


@get("/gifts/hall", access=SHOP)
async def show_hall(shop: ShopIdentity) -> HallView:
    """The shop's terms, and the festival kits of today."""
    async with reading(shop.shop_id) as tx:
        settings, kits = await service.get_settings(tx), await service.list_kits(tx)
        today = clock.business_day(clock.now(), (await shops.get_shop(tx)).time_zone)
    return HallView(settings, [kit for kit in kits if rules.is_shown(kit, today)])


@get("/gifts/goods", access=SHOP)
async def list_goods(
    shop: ShopIdentity,
    *,
    kit: Annotated[str | None, Parameter(max_length=32)] = None,
    from_fen: Fen = None,
    to_fen: Fen = None,
    sort: rules.Order = "best",
) -> GoodsView:
    """Goods for a purse and an occasion, the most given first; nothing is asked about whom they
    are for.
    """
    async with reading(shop.shop_id) as tx:
        settings = await service.get_settings(tx)
        marked = await service.list_marked(tx) if settings.is_enabled else []
        tags = [tag for one in await service.list_kits(tx) if one.kit == kit for tag in one.tags]
        given = await service.count_given(tx, clock.now() - LATELY)
    cards = rules.recommend(
        [one.card for one in marked if one.why_not is None and one.card.image_key],
        given,
        tags=tags,
        from_fen=from_fen,
        to_fen=to_fen,
        order=sort,
    )
    return GoodsView([_card(card, given.get(card.product_no, 0)) for card in cards])


def _card(card: Card, given: int) -> GiftCard:
    assert card.image_key and card.width and card.height, "those without a picture are left out"
    return GiftCard(
        card.product_id,
        card.title,
        card.subtitle,
        catalog.image_url(card.image_key, 600),
        *catalog.fitted(card.width, card.height, 600),
        card.price_fen,
        card.sold_count,
        given,
        card.tags,
    )


@get("/gifts/goods/{product_id:uuid}", access=SHOP)
async def show_giveable(shop: ShopIdentity, product_id: UUID) -> GiveableView:
    """Whether the product page shows 赠予好友. Raises ProductNotFound."""
    async with reading(shop.shop_id) as tx:
        if not await catalog.product_numbers(tx, [product_id]):
            raise ProductNotFound
        settings = await service.get_settings(tx)
        card = await service.get_marked(tx, product_id) if settings.is_enabled else None
        excluded = await service.list_exclusions(tx) if card else {}
    can_give = card is not None and not rules.why_not_giftable(card, excluded, settings.cap_fen)
    return GiveableView(can_give, settings.cap_fen, settings.max_shares)


# --- give -------------------------------------------------------------------------------------


@post(
    "/gifts/voices",
    access=MEMBER,
    request_max_body_size=MAX_VOICE_BYTES + 65_536,
    status_code=201,
)
async def upload_voice(
    member: MemberIdentity,
    data: Annotated[UploadFile, Body(media_type=RequestEncodingType.MULTI_PART)],
) -> VoiceView:
    """Take a recorded greeting; its name and declared type are thrown away (F072)."""
    voice = await service.prepare_voice(member.shop_id, await data.read())
    async with transaction(member.shop_id) as tx:
        await service.keep_voice(tx, member.member_id, voice)
    return VoiceView(voice.voice_id, voice.duration_ms)


def _choice(data: QuoteGiftBody) -> ordering.Choice:
    return ordering.Choice(data.use_points, data.use_balance, data.coupon_ids)


@post("/gifts/quote", access=MEMBER)
async def quote_gift(data: QuoteGiftBody, member: MemberIdentity) -> GiftQuoteView:
    """What a gift costs now."""
    asked = GiftAsked(sku_id=data.sku_id, count=data.count, kind=data.kind)
    async with reading(member.shop_id) as tx:
        basket = await service.quote(tx, member, asked, _choice(data))
    quote = basket.quote
    return GiftQuoteView(
        unit_fen=basket.skus[0].price_fen,
        items_fen=quote.items_fen,
        discount_fen=quote.discount_fen,
        shipping_fen=quote.shipping_fen,
        total_fen=quote.total_fen,
        payable_fen=basket.payable_fen,
        points=basket.offer.points,
        points_fen=basket.offer.discount_fen,
        balance_fen=basket.wallet.total_fen,
    )


@post("/gifts", access=MEMBER)
async def give_gift(data: GiveBody, member: MemberIdentity, once: OnceKey) -> GivenView:
    """Order a gift as it was confirmed; it is paid like any order (`/orders/{order_id}/pay`)."""
    asked = GiftAsked(
        sku_id=data.sku_id,
        count=data.count,
        kind=data.kind,
        blessing=data.blessing,
        theme=data.theme,
        kit=data.kit,
        voice_id=data.voice_id,
        scene=data.scene,
    )
    async with transaction(member.shop_id, once=once) as tx:
        gift = await service.give(
            tx,
            member,
            asked,
            expected_total_fen=data.expected_total_fen,
            expected_payable_fen=data.expected_payable_fen,
            platform=data.platform,
            choice=_choice(data),
            promoter_id=data.promoter_id,
        )
        return tx.answer(await gift_view.show_given(tx, gift))


@get("/gifts/given", access=MEMBER)
async def list_given(
    member: MemberIdentity, cursor: str | None = None, limit: Limit = 20
) -> Page[GivenSummary]:
    """What the member gave, newest first."""
    after = decode_cursor(cursor, tuple[UUID])
    async with reading(member.shop_id) as tx:
        gifts = await queries.list_given(
            tx, member.member_id, after[0] if after else None, limit + 1
        )
        rows = await gift_view.list_given(tx, gifts)
    return Page.of(rows, limit, lambda row: [row.gift_id])


@get("/gifts/given/{gift_id:uuid}", access=MEMBER)
async def show_given(gift_id: UUID, member: MemberIdentity) -> GivenView:
    """An own gift with its shares."""
    async with reading(member.shop_id) as tx:
        return await gift_view.show_given(tx, await service.get_given(tx, member, gift_id))


@post("/gifts/given/{gift_id:uuid}/cancel", access=MEMBER)
async def cancel_given(gift_id: UUID, member: MemberIdentity, once: OnceKey) -> GivenView:
    """Take back what nobody has accepted yet; the money follows."""
    async with transaction(member.shop_id, once=once) as tx:
        gift = await service.cancel_gift(tx, member, gift_id)
        return tx.answer(await gift_view.show_given(tx, gift))


@get("/gifts/given/{gift_id:uuid}/voice", access=MEMBER)
async def play_given_voice(
    gift_id: UUID, member: MemberIdentity, request: Request[Any, Any, Any]
) -> Response[bytes]:
    """The greeting of an own gift."""
    async with reading(member.shop_id) as tx:
        voice = await _voice_of(tx, await service.get_given(tx, member, gift_id))
    return play(member.shop_id, voice, request.headers.get("range"))


# --- open and accept --------------------------------------------------------------------------


@post("/gifts/links/{link_key:str}/open", access=MEMBER)
async def open_link(link_key: str, data: OpenBody, member: MemberIdentity) -> OpenView:
    """Look at the gift of a link; that it was seen, and how, counts once per person."""
    async with transaction(member.shop_id) as tx:
        gift = await service.look_at(tx, member, link_key, data.scene)
        return await gift_view.show_opened(tx, gift, member, clock.now())


@get("/gifts/links/{link_key:str}/voice", access=MEMBER)
async def play_link_voice(
    link_key: str, member: MemberIdentity, request: Request[Any, Any, Any]
) -> Response[bytes]:
    """The greeting of a gift, for whoever has its link."""
    async with reading(member.shop_id) as tx:
        voice = await _voice_of(tx, await service.get_opened(tx, link_key))
    return play(member.shop_id, voice, request.headers.get("range"))


@post("/gifts/links/{link_key:str}/accept", access=MEMBER)
async def accept_gift(
    link_key: str, data: AcceptBody, member: MemberIdentity, once: OnceKey
) -> ReceivedView:
    """Take a share, to be sent to an own address."""
    async with transaction(member.shop_id, once=once) as tx:
        share = await service.accept(tx, member, link_key, data.address_id)
        return tx.answer(await gift_view.show_received(tx, share))


@get("/gifts/received", access=MEMBER)
async def list_received(
    member: MemberIdentity, cursor: str | None = None, limit: Limit = 20
) -> Page[ReceivedSummary]:
    """What the member accepted, newest first."""
    after = decode_cursor(cursor, tuple[datetime, UUID])
    async with reading(member.shop_id) as tx:
        shares = await queries.list_received(tx, member.member_id, after, limit + 1)
        rows = await gift_view.list_received(tx, shares)
    return Page.of(rows, limit, lambda row: [row.accepted_at, row.share_id])


@get("/gifts/received/{share_id:uuid}", access=MEMBER)
async def show_received(share_id: UUID, member: MemberIdentity) -> ReceivedView:
    """An own accepted share, where its parcel is, and what might go instead."""
    async with reading(member.shop_id) as tx:
        return await gift_view.show_received(tx, await service.get_received(tx, member, share_id))


@post("/gifts/received/{share_id:uuid}/swap", access=MEMBER)
async def swap_received(
    share_id: UUID, data: SwapBody, member: MemberIdentity, once: OnceKey
) -> ReceivedView:
    """Take something else of equal price, for the original is out of stock."""
    async with transaction(member.shop_id, once=once) as tx:
        share = await service.swap(tx, member, share_id, data.sku_id)
        return tx.answer(await gift_view.show_received(tx, share))


@post("/gifts/received/{share_id:uuid}/confirm", access=MEMBER)
async def confirm_received(share_id: UUID, member: MemberIdentity, once: OnceKey) -> ReceivedView:
    """Say "I have it". With the last of a gift's pieces its order is completed."""
    async with transaction(member.shop_id, once=once) as tx:
        share = await service.confirm_received(tx, member, share_id)
        return tx.answer(await gift_view.show_received(tx, share))


@post("/gifts/received/{share_id:uuid}/messages", access=MEMBER)
async def ask_shop(
    share_id: UUID, data: MessageBody, member: MemberIdentity, once: OnceKey
) -> ReceivedView:
    """Ask the shop about a received gift, or say what is wrong; the giver does not see it."""
    async with transaction(member.shop_id, once=once) as tx:
        share = await service.ask_shop(tx, member, share_id, data.text)
        return tx.answer(await gift_view.show_received(tx, share))


@get("/gifts/notices", access=MEMBER)
async def show_notices(member: MemberIdentity) -> Notices:
    """What waits for the member: a gift that nobody took and that ends within six hours, one that
    was opened and not accepted, a parcel that is not confirmed, money that came back.
    """
    async with reading(member.shop_id) as tx:
        return await service.load_notices(tx, member.member_id)


async def _voice_of(tx: ReadTx, gift: Gift) -> Voice:
    if gift.voice_id is None:
        raise VoiceNotFound
    return await service.get_voice(tx, gift.voice_id)


def play(shop_id: int, voice: Voice, asked: str | None) -> Response[bytes]:
    """A recording, or the bytes of it that a player asks for (RFC 9110, one range). It is told its
    type and may not be anything else.
    """
    path = service.voice_file(shop_id, voice.voice_id)
    if not path.is_file():
        raise VoiceNotFound
    raw = path.read_bytes()
    part = rules.read_range(asked, len(raw))
    if part is None:
        return Response(raw, media_type=voice.media_type, headers=PRIVATE)
    begin, end = part
    if begin >= end:
        headers = PRIVATE | {"Content-Range": f"bytes */{len(raw)}"}
        return Response(b"", media_type=voice.media_type, status_code=416, headers=headers)
    headers = PRIVATE | {"Content-Range": f"bytes {begin}-{end - 1}/{len(raw)}"}
    return Response(raw[begin:end], media_type=voice.media_type, status_code=206, headers=headers)


routes = [
    show_hall,
    list_goods,
    show_giveable,
    upload_voice,
    quote_gift,
    give_gift,
    list_given,
    show_given,
    cancel_given,
    play_given_voice,
    open_link,
    play_link_voice,
    accept_gift,
    list_received,
    show_received,
    swap_received,
    confirm_received,
    ask_shop,
    show_notices,
]
