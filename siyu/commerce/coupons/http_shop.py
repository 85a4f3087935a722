"""Coupons of the customer: the coupon centre, codes, own coupons, and the birthday."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import Parameter

from siyu.commerce.catalog import service as catalog
from siyu.commerce.coupons import queries, service
from siyu.commerce.coupons.contracts import (
    Birthday,
    CodeUnknown,
    CouponFace,
    CouponView,
    Tab,
)
from siyu.commerce.coupons.queries import Receiver
from siyu.commerce.promotions import service as promotions
from siyu.commerce.promotions.contracts import PriceLine
from siyu.kernel.auth import MemberIdentity, ShopIdentity
from siyu.kernel.db import ReadTx, reading, transaction
from siyu.kernel.http import (
    MEMBER,
    SHOP,
    OnceKey,
    Page,
    decode_cursor,
    delete,
    error_response,
    get,
    post,
    put,
)

_LIVING = 100


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class ClaimBody(_Body, frozen=True, kw_only=True):
    """device: the key this browser or phone made for itself, where a batch counts per device."""

    device: UUID | None = None


class CodeBody(_Body, frozen=True, kw_only=True):
    """What the customer typed or said."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=60)]
    device: UUID | None = None


class BirthdayBody(_Body, frozen=True, kw_only=True):
    """The customer's own word, for a coupon on that day; no year."""

    month: Annotated[int, msgspec.Meta(ge=1, le=12)]
    day: Annotated[int, msgspec.Meta(ge=1, le=31)]


class CentreState(StrEnum):
    """Whether the caller can claim one more."""

    OPEN = "open"
    HAD = "had"
    GONE = "gone"


class CentreView(CouponFace, frozen=True, kw_only=True):
    """A coupon in the centre. valid_days: good so many days after the claim, that day included;
    null: until `ends_at`. left: null where there is no limit."""

    ends_at: datetime
    valid_days: int | None
    left: int | None
    per_member: int
    had: int
    needs_phone: bool
    state: CentreState


class CentreList(msgspec.Struct, frozen=True):
    """What can be claimed now; those that end first come first."""

    items: list[CentreView]


class BirthdayView(msgspec.Struct, frozen=True):
    """The birthday that was given, if any."""

    birthday: Birthday | None


@get("/coupons", access=SHOP)
async def list_coupon_centre(
    shop: ShopIdentity,
    member: MemberIdentity | None,
    sku_id: Annotated[list[UUID] | None, Parameter(max_items=20)] = None,
) -> CentreList:
    """The coupon centre; with `sku_id` (several: those of a product) only what is good for one of
    them."""
    async with reading(shop.shop_id) as tx:
        entries = await service.list_centre(tx, member.member_id if member else None)
        lines = [] if not entries or sku_id is None else await _lines(tx, sku_id)
    if sku_id is not None:
        entries = [
            entry
            for entry in entries
            if any(promotions.covers(entry.batch.scope, line) for line in lines)
        ]
    return CentreList([_centre_view(entry) for entry in entries])


async def _lines(tx: ReadTx, sku_ids: list[UUID]) -> list[PriceLine]:
    return [
        PriceLine(
            sku.sku_id,
            1,
            sku.price_fen,
            product_id=sku.product_id,
            category_ids=sku.category_ids,
        )
        for sku in await catalog.load_for_sale(tx, sku_ids)
    ]


def _centre_view(entry: service.CentreEntry) -> CentreView:
    batch = entry.batch
    state = CentreState.GONE if entry.is_gone else CentreState.OPEN
    if entry.had >= batch.per_member:
        state = CentreState.HAD
    return CentreView(
        **service.face(batch),
        ends_at=batch.ends_at,
        valid_days=batch.valid_days,
        left=None if batch.total_count is None else batch.total_count - batch.claimed_count,
        per_member=batch.per_member,
        had=entry.had,
        needs_phone=batch.needs_phone,
        state=state,
    )


@post("/coupons/{batch_id:uuid}/claim", access=MEMBER)
async def claim_coupon(
    batch_id: UUID, data: ClaimBody, member: MemberIdentity, once: OnceKey
) -> CouponView:
    """Claim a coupon in the centre, once per key."""
    async with transaction(member.shop_id, once=once) as tx:
        claim_id = await service.claim(tx, _receiver(member), batch_id, data.device)
        return tx.answer(await _own(tx, member, claim_id))


@post("/coupons/code", access=MEMBER)
async def claim_coupon_by_code(
    data: CodeBody, member: MemberIdentity, once: OnceKey, request: Request[Any, Any, Any]
) -> CouponView:
    """Claim a coupon by its code. Wrong codes are counted, per member and per network."""
    address = request.client.host if request.client else ""
    async with transaction(member.shop_id, once=once) as tx:
        counted = await service.count_try(tx, member.member_id, address)
        try:
            claim_id = await service.claim_by_code(
                tx, _receiver(member), data.code, data.device, counted
            )
        except CodeUnknown as refusal:
            # Kept, count and answer, or a guess would cost nothing.
            wrong = refusal
            tx.answer(error_response(request, wrong).content, wrong.status)
        else:
            return tx.answer(await _own(tx, member, claim_id))
    raise wrong


def _receiver(member: MemberIdentity) -> Receiver:
    return Receiver(member.member_id, member.person_no)


async def _own(tx: ReadTx, member: MemberIdentity, claim_id: UUID) -> CouponView:
    (coupon,) = await queries.list_coupons(tx, member.member_id, [claim_id])
    return service.show_coupon(coupon)


@get("/coupons/own", access=MEMBER)
async def list_own_coupons(
    member: MemberIdentity,
    tab: Tab = Tab.USABLE,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[CouponView]:
    """Own coupons. The usable ones, those that end first coming first, are one page; the others
    are newest first."""
    before = decode_cursor(cursor, tuple[UUID])
    async with reading(member.shop_id) as tx:
        if tab is Tab.USABLE:
            living = await queries.list_living(tx, member.member_id, _LIVING)
            return Page([service.show_coupon(coupon) for coupon in living], None)
        past = await queries.list_past(
            tx, member.member_id, tab, before[0] if before else None, limit + 1
        )
    return Page.of(
        [service.show_coupon(coupon) for coupon in past], limit, lambda row: [row.claim_id]
    )


@get("/birthday", access=MEMBER)
async def show_birthday(member: MemberIdentity) -> BirthdayView:
    """The birthday the caller gave."""
    async with reading(member.shop_id) as tx:
        return BirthdayView(await service.get_birthday(tx, member.member_id))


@put("/birthday", access=MEMBER)
async def set_birthday(data: BirthdayBody, member: MemberIdentity) -> BirthdayView:
    """Give a birthday, for a coupon on that day and for nothing else; once a year."""
    birthday = Birthday(data.month, data.day)
    async with transaction(member.shop_id) as tx:
        await service.set_birthday(tx, _receiver(member), birthday)
    return BirthdayView(birthday)


@delete("/birthday", access=MEMBER)
async def clear_birthday(member: MemberIdentity) -> None:
    """Take the birthday back."""
    async with transaction(member.shop_id) as tx:
        await service.clear_birthday(tx, member.member_id)


routes = [
    list_coupon_centre,
    claim_coupon,
    claim_coupon_by_code,
    list_own_coupons,
    show_birthday,
    set_birthday,
    clear_birthday,
]
