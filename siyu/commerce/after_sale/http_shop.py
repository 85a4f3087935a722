"""After-sale of the customer: ask, send back, talk, follow."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.datastructures import UploadFile
from litestar.enums import RequestEncodingType
from litestar.params import Body, Parameter
from litestar.response import File

from siyu.commerce.after_sale import queries, rules, service
from siyu.commerce.after_sale.contracts import (
    Action,
    Case,
    CaseAsked,
    CaseLine,
    CaseNotFound,
    CaseSide,
    Kind,
    LineOffer,
    Parcel,
    Payer,
    Picture,
    PictureNotFound,
    Pictures,
    Reason,
    Said,
    State,
)
from siyu.commerce.after_sale.service.pictures import SIZES
from siyu.commerce.catalog.service import MAX_UPLOAD
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.http import MEMBER, SHOP, OnceKey, Page, ShopIdentity, decode_cursor, get, post
from siyu.kernel.i18n import language_of
from siyu.people.members.contracts import AddressText

Caller = Request[Any, Any, Any]
PRIVATE = {
    "Cache-Control": "private, max-age=86400",
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "X-Content-Type-Options": "nosniff",
}


class SayBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A message, perhaps with more evidence."""

    text: Said
    picture_ids: Pictures = []


class ReasonView(msgspec.Struct, frozen=True):
    """`label` is in the language of the request; `kinds` that it may be given for."""

    reason: Reason
    label: str
    kinds: list[Kind]
    freight_by: Payer
    needs_pictures: bool


class ReasonsView(msgspec.Struct, frozen=True):
    """All reasons a customer can give."""

    items: list[ReasonView]


class OfferView(msgspec.Struct, frozen=True):
    """What an order allows now; no kinds: nothing."""

    kinds: list[Kind]
    reasons: list[ReasonView]
    lines: list[LineOffer]
    shipping_fen: int


class CaseEntryView(msgspec.Struct, frozen=True):
    """A step or a message; `label` is in the language of the request."""

    at: datetime
    event: str
    label: str
    side: CaseSide
    text: str


class CaseSummary(msgspec.Struct, frozen=True):
    """A case in a list. `amount_fen` is what is, or will be, given back."""

    case_id: UUID
    case_no: str
    order_id: UUID
    order_no: str
    kind: Kind
    state: State
    reason: Reason
    reason_label: str
    freight_by: Payer
    asked_fen: int
    amount_fen: int
    opened_at: datetime
    due_at: datetime | None
    closed_at: datetime | None
    trouble: str | None
    lines: list[CaseLine]


class CaseView(CaseSummary, frozen=True):
    """A case with all its customer may see and do; where to send goods once it is approved."""

    actions: list[Action]
    return_address: AddressText | None
    return_carrier: str | None
    return_tracking_no: str | None
    exchange_carrier: str | None
    exchange_tracking_no: str | None
    pictures: list[Picture]
    timeline: list[CaseEntryView]


_SUMMARY = tuple(
    field for field in CaseSummary.__struct_fields__ if field in Case.__struct_fields__
)
_PARCELS = ("return_carrier", "return_tracking_no", "exchange_carrier", "exchange_tracking_no")


def _place(request: Caller) -> int:
    """Which of two words the caller reads."""
    return 0 if language_of(request.headers.get("accept-language")) == "zh-CN" else 1


def _reasons(reasons: list[Reason] | tuple[Reason, ...], request: Caller) -> list[ReasonView]:
    place = _place(request)
    return [
        ReasonView(
            reason,
            (rule.zh, rule.en)[place],
            [kind for kind in Kind if kind in rule.unshipped | rule.shipped],
            rule.freight_by,
            rule.needs_pictures,
        )
        for reason in reasons
        for rule in (rules.REASONS[reason],)
    ]


def _summary(case: Case, lines: list[CaseLine], request: Caller) -> dict[str, Any]:
    rule = rules.REASONS[case.reason]
    return {field: getattr(case, field) for field in _SUMMARY} | {
        "reason_label": (rule.zh, rule.en)[_place(request)],
        "lines": lines,
    }


async def _view(tx: ReadTx, case: Case, request: Caller) -> CaseView:
    lines = (await queries.list_lines(tx, [case.case_id]))[case.case_id]
    place = _place(request)
    return CaseView(
        **_summary(case, lines, request),
        **{field: getattr(case, field) for field in _PARCELS},
        actions=rules.actions(case, CaseSide.CUSTOMER),
        return_address=service.open_address(case.return_address_sealed),
        pictures=await service.list_pictures(tx, case.case_id),
        timeline=[
            CaseEntryView(one.at, one.event, rules.LABELS[one.event][place], one.side, one.text)
            for one in await queries.list_timeline(tx, case.case_id, False)
        ],
    )


async def _load(tx: ReadTx, case_id: UUID, member: MemberIdentity) -> Case:
    """An own case: another's and none are the same answer."""
    case = await queries.get_case(tx, case_id)
    if case is None or case.member_id != member.member_id:
        raise CaseNotFound
    return case


# --- before a case ----------------------------------------------------------------------------


@get("/after-sale/reasons", access=SHOP)
async def list_reasons(shop: ShopIdentity, request: Caller) -> ReasonsView:
    """Why a customer may want something undone."""
    return ReasonsView(_reasons(rules.CUSTOMER_REASONS, request))


@get("/orders/{order_id:uuid}/after-sale", access=MEMBER)
async def show_offer(order_id: UUID, member: MemberIdentity, request: Caller) -> OfferView:
    """What can be asked for about an own order now."""
    async with reading(member.shop_id) as tx:
        offer = await service.load_offer(tx, member, order_id)
    return OfferView(offer.kinds, _reasons(offer.reasons, request), offer.lines, offer.shipping_fen)


@post(
    "/after-sale/pictures",
    access=MEMBER,
    request_max_body_size=MAX_UPLOAD + 65_536,
    status_code=201,
)
async def upload_evidence(
    member: MemberIdentity,
    data: Annotated[UploadFile, Body(media_type=RequestEncodingType.MULTI_PART)],
) -> Picture:
    """Take a picture as evidence; its name and everything but its pixels are thrown away (F072)."""
    picture = await service.prepare_picture(member.shop_id, await data.read())
    async with transaction(member.shop_id) as tx:
        await service.keep_picture(tx, member.member_id, picture)
    return picture


@get("/after-sale/pictures/{picture_id:uuid}", access=MEMBER)
async def show_own_evidence(picture_id: UUID, member: MemberIdentity, size: int = SIZES[0]) -> File:
    """An own picture as WebP; `size` 1200 or 200. Anybody else's is not found."""
    async with reading(member.shop_id) as tx:
        picture = await service.get_picture(tx, picture_id)
    if picture.member_id != member.member_id:
        raise PictureNotFound
    return evidence(member.shop_id, picture_id, size)


def evidence(shop_id: int, picture_id: UUID, size: int) -> File:
    """The answer with a size of a picture that the caller may see; raises PictureNotFound."""
    path = service.picture_file(shop_id, picture_id, size)
    if size not in SIZES or not path.is_file():
        raise PictureNotFound
    return File(path, media_type="image/webp", content_disposition_type="inline", headers=PRIVATE)


# --- a case -----------------------------------------------------------------------------------


@post("/orders/{order_id:uuid}/after-sale", access=MEMBER)
async def open_case(
    order_id: UUID, data: CaseAsked, member: MemberIdentity, once: OnceKey, request: Caller
) -> CaseView:
    """Ask for money back, a return or an exchange; before shipping it cancels."""
    async with transaction(member.shop_id, once=once) as tx:
        case = await service.open_case(tx, member, order_id, data)
        return tx.answer(await _view(tx, case, request))


@get("/after-sale", access=MEMBER)
async def list_own_cases(
    member: MemberIdentity,
    request: Caller,
    order_id: UUID | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[CaseSummary]:
    """Own cases, newest first; of one order when it is named."""
    after = decode_cursor(cursor, tuple[UUID])
    async with reading(member.shop_id) as tx:
        cases = await queries.list_member_cases(
            tx, member.member_id, order_id, after[0] if after else None, limit + 1
        )
        lines = await queries.list_lines(tx, [case.case_id for case in cases])
    return Page.of(
        [CaseSummary(**_summary(case, lines[case.case_id], request)) for case in cases],
        limit,
        key=lambda case: [case.case_id],
    )


@get("/after-sale/{case_id:uuid}", access=MEMBER)
async def show_own_case(case_id: UUID, member: MemberIdentity, request: Caller) -> CaseView:
    """One own case with its story."""
    async with reading(member.shop_id) as tx:
        return await _view(tx, await _load(tx, case_id, member), request)


@post("/after-sale/{case_id:uuid}/withdraw", access=MEMBER)
async def withdraw_case(
    case_id: UUID, member: MemberIdentity, once: OnceKey, request: Caller
) -> CaseView:
    """Think better of it, while nothing is on its way."""
    async with transaction(member.shop_id, once=once) as tx:
        case = await service.withdraw_case(tx, member, case_id)
        return tx.answer(await _view(tx, case, request))


@post("/after-sale/{case_id:uuid}/ship-back", access=MEMBER)
async def ship_back(
    case_id: UUID, data: Parcel, member: MemberIdentity, once: OnceKey, request: Caller
) -> CaseView:
    """Say how the goods come back."""
    async with transaction(member.shop_id, once=once) as tx:
        case = await service.ship_back(tx, member, case_id, data)
        return tx.answer(await _view(tx, case, request))


@post("/after-sale/{case_id:uuid}/confirm", access=MEMBER)
async def confirm_exchange(
    case_id: UUID, member: MemberIdentity, once: OnceKey, request: Caller
) -> CaseView:
    """The replacement is here."""
    async with transaction(member.shop_id, once=once) as tx:
        case = await service.confirm_exchange(tx, member, case_id)
        return tx.answer(await _view(tx, case, request))


@post("/after-sale/{case_id:uuid}/messages", access=MEMBER)
async def say_to_shop(
    case_id: UUID, data: SayBody, member: MemberIdentity, once: OnceKey, request: Caller
) -> CaseView:
    """A message to the shop, perhaps with more evidence."""
    async with transaction(member.shop_id, once=once) as tx:
        await service.say_as_member(tx, member, case_id, data.text, data.picture_ids)
        return tx.answer(await _view(tx, await _load(tx, case_id, member), request))


routes = [
    list_reasons, show_offer, upload_evidence, show_own_evidence, open_case, list_own_cases,
    show_own_case, withdraw_case, ship_back, confirm_exchange, say_to_shop,
]  # fmt: skip
