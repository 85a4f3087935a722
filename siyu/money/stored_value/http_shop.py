"""A member's own wallet: what is in it, and paying in."""

from datetime import date, datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import Parameter

from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import MEMBER, OnceKey, Page, decode_cursor, get, post
from siyu.kernel.i18n import Language, language_of
from siyu.kernel.idempotency import Replayed
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import AttemptState, Channel, PaymentId
from siyu.money.stored_value import rules, service
from siyu.money.stored_value.contracts import (
    TopUp,
    TopUpNotFound,
    TopUpRefund,
    TopUpState,
    WalletMovement,
    WalletMovementKind,
)
from siyu.people.members import service as members
from siyu.wechat.pay.contracts import JsapiPayment

_MovementNo = Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused: a client cannot send an amount (F064)."""


class TopUpBody(_Body, frozen=True):
    """The offer to take; what is paid and given is the offer's."""

    offer_id: UUID
    platform: Literal["mp-weixin", "h5", "ios"]


class TopUpPayBody(_Body, frozen=True):
    """jsapi: inside WeChat; native: a code to scan."""

    channel: Literal["jsapi", "native"]


class OwnWalletView(msgspec.Struct, frozen=True, kw_only=True):
    """principal, bonus: may be spent now; held: reserved by unpaid orders; `can_top_up`: the shop
    has a licence and the wallet is not frozen."""

    principal_fen: int
    bonus_fen: int
    held_fen: int
    next_expiry_on: date | None
    next_expiry_fen: int
    is_frozen: bool
    can_top_up: bool


class OwnOfferView(msgspec.Struct, frozen=True, kw_only=True):
    """Pay in `amount_fen`, get `bonus_fen` on top, good for `bonus_months` (null: for ever)."""

    offer_id: UUID
    amount_fen: int
    bonus_fen: int
    bonus_months: int | None


class OwnOffersView(msgspec.Struct, frozen=True):
    """The offers, the smallest first; none when the shop may not take money beforehand."""

    items: list[OwnOfferView]


class WalletMovementView(msgspec.Struct, frozen=True, kw_only=True):
    """A line of the statement; `label` says in words why."""

    movement_no: int
    at: datetime
    kind: WalletMovementKind
    label: str
    principal_fen: int
    bonus_fen: int
    principal_after_fen: int
    bonus_after_fen: int
    kept_back_fen: int
    order_id: UUID | None
    top_up_id: UUID | None
    note: str


class TopUpRefundView(msgspec.Struct, frozen=True, kw_only=True):
    """A refund of a top-up: `principal_fen` left the wallet, `money_fen` goes to the payer; the
    difference paid for bonus that was spent; `withdrawn_fen` of bonus went with it."""

    refund_id: UUID
    principal_fen: int
    money_fen: int
    withdrawn_fen: int
    kept_back_fen: int
    state: str
    reason: str
    created_at: datetime


class TopUpView(msgspec.Struct, frozen=True, kw_only=True):
    """A top-up and what is left of it."""

    top_up_id: UUID
    amount_fen: int
    bonus_fen: int
    state: TopUpState
    created_at: datetime
    pay_before: datetime
    paid_at: datetime | None
    principal_left_fen: int
    bonus_left_fen: int
    bonus_expires_on: date | None
    refunds: list[TopUpRefundView]


class TopUpPaymentView(msgspec.Struct, frozen=True):
    """What the page hands to WeChat (`jsapi`), or the text of the code to scan."""

    payment_id: UUID
    state: AttemptState
    jsapi: JsapiPayment | None
    code_url: str | None


class TopUpSyncView(msgspec.Struct, frozen=True):
    """How the payment of a top-up stands after asking WeChat."""

    state: TopUpState
    payment_state: AttemptState | None


@get("/wallet", access=MEMBER)
async def show_own_wallet(member: MemberIdentity) -> OwnWalletView:
    """Own stored value."""
    async with reading(member.shop_id) as tx:
        found = await service.get_wallet(tx, member.member_id)
        is_open = await service.is_open(tx)
    is_frozen = found is not None and found.frozen_at is not None
    return OwnWalletView(
        principal_fen=found.principal_fen if found else 0,
        bonus_fen=found.bonus_fen if found else 0,
        held_fen=found.held_fen if found else 0,
        next_expiry_on=found.next_expiry_on if found else None,
        next_expiry_fen=found.next_expiry_fen if found else 0,
        is_frozen=is_frozen,
        can_top_up=is_open and not is_frozen,
    )


@get("/wallet/offers", access=MEMBER)
async def list_own_offers(member: MemberIdentity) -> OwnOffersView:
    """What may be paid in."""
    async with reading(member.shop_id) as tx:
        settings = await service.get_settings(tx)
        offers = await service.list_offers(tx) if await service.is_open(tx) else []
    return OwnOffersView(
        [
            OwnOfferView(
                offer_id=offer.offer_id,
                amount_fen=offer.amount_fen,
                bonus_fen=offer.bonus_fen,
                bonus_months=settings.bonus_months,
            )
            for offer in offers
        ]
    )


@get("/wallet/statement", access=MEMBER)
async def list_own_wallet_movements(
    member: MemberIdentity,
    request: Request[Any, Any, Any],
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[WalletMovementView]:
    """What happened to own stored value, newest first."""
    return await statement_page(member.shop_id, member.member_id, request, cursor, limit)


async def statement_page(
    shop_id: ShopId,
    member_id: UUID,
    request: Request[Any, Any, Any],
    cursor: str | None,
    limit: int,
) -> Page[WalletMovementView]:
    """One page of a member's statement, in the caller's language."""
    before = decode_cursor(cursor, tuple[_MovementNo])
    language = language_of(request.headers.get("accept-language"))
    async with reading(shop_id) as tx:
        rows = await service.list_statement(tx, member_id, before[0] if before else None, limit + 1)
    return Page.of([_line(row, language) for row in rows], limit, lambda row: [row.movement_no])


def _line(row: WalletMovement, language: Language) -> WalletMovementView:
    zh, en = rules.WORDS[row.kind]
    return WalletMovementView(
        label=zh if language == "zh-CN" else en, **msgspec.structs.asdict(row)
    )


# --- paying in ------------------------------------------------------------------------------------


@post("/wallet/top-ups", access=MEMBER)
async def place_top_up(data: TopUpBody, member: MemberIdentity, once: OnceKey) -> TopUpView:
    """Begin a top-up; pay it next."""
    async with transaction(member.shop_id, once=once) as tx:
        top_up = await service.place_top_up(tx, member, data.offer_id, data.platform)
        return tx.answer(top_up_view(top_up, []))


@get("/wallet/top-ups", access=MEMBER)
async def list_own_top_ups(
    member: MemberIdentity,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[TopUpView]:
    """Own top-ups, newest first."""
    return await top_up_page(member.shop_id, member.member_id, cursor, limit)


async def top_up_page(
    shop_id: ShopId, member_id: UUID, cursor: str | None, limit: int
) -> Page[TopUpView]:
    """One page of a member's top-ups with their refunds."""
    before = decode_cursor(cursor, tuple[UUID])
    async with reading(shop_id) as tx:
        rows = await service.list_top_ups(tx, member_id, before[0] if before else None, limit + 1)
        refunds = await service.list_refunds(tx, [row.top_up_id for row in rows])
    return Page.of([top_up_view(row, refunds) for row in rows], limit, lambda row: [row.top_up_id])


@get("/wallet/top-ups/{top_up_id:uuid}", access=MEMBER)
async def show_own_top_up(top_up_id: UUID, member: MemberIdentity) -> TopUpView:
    """One own top-up."""
    async with reading(member.shop_id) as tx:
        top_up = _own(await service.get_top_up(tx, top_up_id), member)
        return top_up_view(top_up, await service.list_refunds(tx, [top_up_id]))


class _Intended(msgspec.Struct, frozen=True):
    """What is kept under the key of a pay request: with it WeChat can be asked again."""

    payment_id: UUID


@post("/wallet/top-ups/{top_up_id:uuid}/pay", access=MEMBER)
async def pay_top_up(
    top_up_id: UUID, data: TopUpPayBody, member: MemberIdentity, once: OnceKey
) -> TopUpPaymentView:
    """Begin to pay: store the attempt, then ask WeChat. A replay asks again by the same number."""
    channel = Channel(data.channel)
    try:
        async with transaction(member.shop_id, once=once) as tx:
            payer = None
            if channel is Channel.JSAPI:
                settings = await shops.get_wechat(tx)
                account = await members.get_payer(tx, member.member_id, settings.appid or "")
                payer = account.subject
            payment_id = await service.start_payment(
                tx, member.member_id, top_up_id, channel, payer
            )
            tx.answer(_Intended(payment_id))
    except Replayed as replay:
        payment_id = PaymentId(msgspec.json.decode(replay.answer, type=_Intended).payment_id)
    started = await payments.call(member.shop_id, payment_id)
    return TopUpPaymentView(started.payment_id, started.state, started.jsapi, started.code_url)


@post("/wallet/top-ups/{top_up_id:uuid}/pay/sync", access=MEMBER)
async def sync_top_up(top_up_id: UUID, member: MemberIdentity) -> TopUpSyncView:
    """Ask WeChat now how the payment stands; for a client that came back from the pay sheet. The
    value is in the wallet a moment after the payment is known."""
    async with reading(member.shop_id) as tx:
        _own(await service.get_top_up(tx, top_up_id), member)
    state = await payments.sync(member.shop_id, top_up_id)
    async with reading(member.shop_id) as tx:
        top_up = await service.get_top_up(tx, top_up_id)
    return TopUpSyncView(top_up.state, state)


def _own(top_up: TopUp, member: MemberIdentity) -> TopUp:
    """Another's top-up and none are the same answer (F080)."""
    if top_up.member_id != member.member_id:
        raise TopUpNotFound
    return top_up


def top_up_view(top_up: TopUp, refunds: list[TopUpRefund]) -> TopUpView:
    """A top-up with those of these refunds that are its own."""
    return TopUpView(
        top_up_id=top_up.top_up_id,
        amount_fen=top_up.amount_fen,
        bonus_fen=top_up.bonus_fen,
        state=top_up.state,
        created_at=top_up.created_at,
        pay_before=top_up.pay_before,
        paid_at=top_up.paid_at,
        principal_left_fen=top_up.principal_left_fen,
        bonus_left_fen=top_up.bonus_left_fen,
        bonus_expires_on=top_up.bonus_expires_on,
        refunds=[refund_view(one) for one in refunds if one.top_up_id == top_up.top_up_id],
    )


def refund_view(refund: TopUpRefund) -> TopUpRefundView:
    """A refund of a top-up."""
    return TopUpRefundView(
        refund_id=refund.refund_id,
        principal_fen=refund.principal_fen,
        money_fen=refund.money_fen,
        withdrawn_fen=refund.withdrawn_fen,
        kept_back_fen=refund.kept_back_fen,
        state=refund.state,
        reason=refund.reason,
        created_at=refund.created_at,
    )


routes = [
    show_own_wallet,
    list_own_offers,
    list_own_wallet_movements,
    place_top_up,
    list_own_top_ups,
    show_own_top_up,
    pay_top_up,
    sync_top_up,
]
