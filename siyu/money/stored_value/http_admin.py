"""The console's view of stored value: the gate, the offers, the wallets."""

from datetime import date, datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar import Request
from litestar.params import Parameter

from siyu.kernel.auth import StaffIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import OnceKey, Page, decode_cursor, delete, get, post, put, staff
from siyu.kernel.ids import new_id
from siyu.kernel.money import MAX_FEN
from siyu.money.stored_value import rules, service
from siyu.money.stored_value.contracts import (
    Adjustment,
    CardKind,
    Licence,
    LicenceKind,
    OfferId,
    Side,
    SpendOrder,
    StoredValueSettings,
    TopUpOffer,
    WalletRow,
)
from siyu.money.stored_value.http_shop import (
    TopUpRefundView,
    TopUpView,
    WalletMovementView,
    refund_view,
    statement_page,
    top_up_page,
)
from siyu.people.members import service as members

Reason = Annotated[str, msgspec.Meta(min_length=2, max_length=200, pattern=r"\S")]
Fen = Annotated[int, msgspec.Meta(ge=0, le=MAX_FEN)]


class _Body(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Unknown fields are refused."""


class StoredValueSettingsBody(_Body, frozen=True):
    """The shop's rules of stored value; what they mean stands at `StoredValueSettings`."""

    card_kind: CardKind
    limit_fen: Fen
    spend_order: SpendOrder
    bonus_limit_bps: Annotated[int, msgspec.Meta(ge=0, le=10_000)]
    bonus_months: Annotated[int, msgspec.Meta(ge=1, le=120)] | None
    grace_days: Annotated[int, msgspec.Meta(ge=1, le=366)]
    adjust_limit_fen: Fen


class StoredValueLicenceBody(_Body, frozen=True):
    """The licence or filing. `accepted`: staff state for the shop that it is true and in force."""

    kind: LicenceKind
    number: Annotated[str, msgspec.Meta(min_length=1, max_length=64, pattern=r"\S")]
    issuer: Annotated[str, msgspec.Meta(min_length=1, max_length=100, pattern=r"\S")]
    valid_from_on: date
    valid_until_on: date | None
    accepted: bool


class TopUpOfferBody(_Body, frozen=True):
    """`override_reason`: why the bonus may exceed the guard; kept in the trail."""

    amount_fen: Annotated[int, msgspec.Meta(ge=1, le=MAX_FEN)]
    bonus_fen: Fen
    override_reason: Reason | None


class WalletReasonBody(_Body, frozen=True):
    """Why; kept in the trail."""

    reason: Reason


class WalletAdjustBody(_Body, frozen=True):
    """Fen to add (> 0) or take, never 0. The member reads the reason in the statement."""

    side: Side
    delta_fen: Annotated[int, msgspec.Meta(ge=-MAX_FEN, le=MAX_FEN)]
    reason: Reason


class AdjustmentDecisionBody(_Body, frozen=True):
    """Whether another person's adjustment is done."""

    approved: bool


class TopUpRefundBody(_Body, frozen=True):
    """Principal to refund; null: all that is left of this top-up."""

    amount_fen: Annotated[int, msgspec.Meta(ge=1, le=MAX_FEN)] | None
    reason: Reason


class StoredValueSettingsView(msgspec.Struct, frozen=True, kw_only=True):
    """The shop's rules of stored value."""

    card_kind: CardKind
    limit_fen: int
    spend_order: SpendOrder
    bonus_limit_bps: int
    bonus_months: int | None
    grace_days: int
    adjust_limit_fen: int


class StoredValueView(msgspec.Struct, frozen=True, kw_only=True):
    """The shop's rules, and whether members may pay in today: `licence` null or over closes it.
    `legal_limit_fen`: what the rules for prepaid cards allow in one wallet of this kind."""

    is_open: bool
    legal_limit_fen: int
    licence: Licence | None
    settings: StoredValueSettingsView


class TopUpOffersView(msgspec.Struct, frozen=True):
    """The offers, the smallest first."""

    items: list[TopUpOffer]


class WalletDetailView(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet; all zero when nothing ever happened to it."""

    member_id: UUID
    nickname: str
    person_no: int
    principal_fen: int
    bonus_fen: int
    held_fen: int
    next_expiry_on: date | None
    next_expiry_fen: int
    frozen_at: datetime | None
    frozen_reason: str | None


# --- the gate and the offers ----------------------------------------------------------------------


@get("/stored-value", access=staff("money.read"))
async def show_stored_value(staff: StaffIdentity) -> StoredValueView:
    """Licence and rules."""
    return await _gate(staff)


async def _gate(staff: StaffIdentity) -> StoredValueView:
    async with reading(staff.shop_id) as tx:
        settings = await service.get_settings(tx)
        return StoredValueView(
            is_open=await service.is_open(tx),
            legal_limit_fen=rules.CARD_LIMITS[settings.card_kind],
            licence=await service.get_licence(tx),
            settings=StoredValueSettingsView(**msgspec.structs.asdict(settings)),
        )


@put("/stored-value/settings", access=staff("money.write"))
async def set_stored_value_settings(
    data: StoredValueSettingsBody, staff: StaffIdentity
) -> StoredValueView:
    """Change the rules, from now on; value that was given keeps its day."""
    settings = StoredValueSettings(**msgspec.structs.asdict(data))
    async with transaction(staff.shop_id) as tx:
        await service.set_settings(tx, staff, settings)
    return await _gate(staff)


@put("/stored-value/licence", access=staff("money.write"))
async def accept_licence(data: StoredValueLicenceBody, staff: StaffIdentity) -> StoredValueView:
    """Record the licence and open the gate (mission 53)."""
    async with transaction(staff.shop_id) as tx:
        await service.accept_licence(
            tx,
            staff,
            kind=data.kind,
            number=data.number,
            issuer=data.issuer,
            valid_from_on=data.valid_from_on,
            valid_until_on=data.valid_until_on,
            accepted=data.accepted,
        )
    return await _gate(staff)


@delete("/stored-value/licence", access=staff("money.write"))
async def withdraw_licence(staff: StaffIdentity) -> None:
    """Close the gate; what is in the wallets stays the members'."""
    async with transaction(staff.shop_id) as tx:
        await service.withdraw_licence(tx, staff)


@get("/stored-value/offers", access=staff("money.read"))
async def list_offers(staff: StaffIdentity) -> TopUpOffersView:
    """The offers of the shop."""
    async with reading(staff.shop_id) as tx:
        return TopUpOffersView(await service.list_offers(tx))


@post("/stored-value/offers", access=staff("money.write"))
async def add_offer(data: TopUpOfferBody, staff: StaffIdentity, once: OnceKey) -> TopUpOffer:
    """Add an offer; a bonus above the guard needs a reason."""
    async with transaction(staff.shop_id, once=once) as tx:
        offer = await service.add_offer(
            tx,
            staff,
            amount_fen=data.amount_fen,
            bonus_fen=data.bonus_fen,
            override_reason=data.override_reason,
        )
        return tx.answer(offer)


@delete("/stored-value/offers/{offer_id:uuid}", access=staff("money.write"))
async def retire_offer(offer_id: UUID, staff: StaffIdentity) -> None:
    """Take an offer away."""
    async with transaction(staff.shop_id) as tx:
        await service.retire_offer(tx, staff, OfferId(offer_id))


# --- wallets --------------------------------------------------------------------------------------


@get("/wallets", access=staff("money.read"))
async def list_wallets(
    staff: StaffIdentity,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 50,
) -> Page[WalletRow]:
    """The wallets of the shop, newest first."""
    before = decode_cursor(cursor, tuple[datetime, UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_wallets(tx, before, limit + 1)
    return Page.of(rows, limit, lambda row: [row.opened_at, row.member_id])


@get("/wallets/{member_id:uuid}", access=staff("money.read"))
async def show_wallet(member_id: UUID, staff: StaffIdentity) -> WalletDetailView:
    """A member's wallet."""
    return await _wallet(staff, member_id)


async def _wallet(staff: StaffIdentity, member_id: UUID) -> WalletDetailView:
    async with reading(staff.shop_id) as tx:
        member = await members.get_member(tx, member_id)
        found = await service.get_wallet(tx, member_id)
    return WalletDetailView(
        member_id=member_id,
        nickname=member.nickname,
        person_no=member.person_no,
        principal_fen=found.principal_fen if found else 0,
        bonus_fen=found.bonus_fen if found else 0,
        held_fen=found.held_fen if found else 0,
        next_expiry_on=found.next_expiry_on if found else None,
        next_expiry_fen=found.next_expiry_fen if found else 0,
        frozen_at=found.frozen_at if found else None,
        frozen_reason=found.frozen_reason if found else None,
    )


@get("/wallets/{member_id:uuid}/statement", access=staff("money.read"))
async def list_wallet_movements(
    member_id: UUID,
    staff: StaffIdentity,
    request: Request[Any, Any, Any],
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[WalletMovementView]:
    """The statement that explains each fen of a wallet, newest first."""
    return await statement_page(staff.shop_id, member_id, request, cursor, limit)


@get("/wallets/{member_id:uuid}/top-ups", access=staff("money.read"))
async def list_member_top_ups(
    member_id: UUID,
    staff: StaffIdentity,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[TopUpView]:
    """A member's top-ups and what may still be refunded of them, newest first."""
    return await top_up_page(staff.shop_id, member_id, cursor, limit)


@post("/wallets/{member_id:uuid}/freeze", access=staff("money.write"))
async def freeze_wallet(
    member_id: UUID, data: WalletReasonBody, staff: StaffIdentity
) -> WalletDetailView:
    """Stop a wallet from being spent or topped up."""
    async with transaction(staff.shop_id) as tx:
        await members.get_member(tx, member_id)
        await service.freeze(tx, staff, member_id, data.reason.strip())
    return await _wallet(staff, member_id)


@post("/wallets/{member_id:uuid}/unfreeze", access=staff("money.write"))
async def unfreeze_wallet(
    member_id: UUID, data: WalletReasonBody, staff: StaffIdentity
) -> WalletDetailView:
    """Let a wallet be used again."""
    async with transaction(staff.shop_id) as tx:
        await members.get_member(tx, member_id)
        await service.unfreeze(tx, staff, member_id, data.reason.strip())
    return await _wallet(staff, member_id)


@post("/wallets/{member_id:uuid}/adjust", access=staff("money.write"))
async def adjust_wallet(
    member_id: UUID, data: WalletAdjustBody, staff: StaffIdentity, once: OnceKey
) -> Adjustment:
    """Correct a wallet by hand; a large correction waits for another person."""
    async with transaction(staff.shop_id, once=once) as tx:
        await members.get_member(tx, member_id)
        made = await service.adjust(
            tx,
            staff,
            member_id,
            side=data.side,
            delta_fen=data.delta_fen,
            reason=data.reason.strip(),
        )
        return tx.answer(made)


@get("/wallet-adjustments", access=staff("money.read"))
async def list_wallet_adjustments(
    staff: StaffIdentity,
    waiting: bool = False,
    member_id: UUID | None = None,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 50,
) -> Page[Adjustment]:
    """Corrections by staff, newest first; `waiting`: those a second person must look at."""
    before = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_adjustments(
            tx,
            member_id,
            waiting=waiting,
            before_id=before[0] if before else None,
            limit=limit + 1,
        )
    return Page.of(rows, limit, lambda row: [row.adjustment_id])


@post("/wallet-adjustments/{adjustment_id:uuid}/decide", access=staff("money.write"))
async def decide_wallet_adjustment(
    adjustment_id: UUID, data: AdjustmentDecisionBody, staff: StaffIdentity, once: OnceKey
) -> Adjustment:
    """Approve or refuse what another person wants to correct."""
    async with transaction(staff.shop_id, once=once) as tx:
        decided = await service.decide_adjustment(tx, staff, adjustment_id, approved=data.approved)
        return tx.answer(decided)


@post("/top-ups/{top_up_id:uuid}/refund", access=staff("money.write"))
async def refund_top_up(
    top_up_id: UUID, data: TopUpRefundBody, staff: StaffIdentity, once: OnceKey
) -> TopUpRefundView:
    """Refund unspent principal to its payer; the bonus that belongs to it is withdrawn."""
    async with transaction(staff.shop_id, once=once) as tx:
        refund = await service.refund_top_up(
            tx,
            staff,
            top_up_id,
            refund_id=new_id(),
            amount_fen=data.amount_fen,
            reason=data.reason.strip(),
        )
        return tx.answer(refund_view(refund))


routes = [
    show_stored_value,
    set_stored_value_settings,
    accept_licence,
    withdraw_licence,
    list_offers,
    add_offer,
    retire_offer,
    list_wallets,
    show_wallet,
    list_wallet_movements,
    list_member_top_ups,
    freeze_wallet,
    unfreeze_wallet,
    adjust_wallet,
    list_wallet_adjustments,
    decide_wallet_adjustment,
    refund_top_up,
]
