"""Payouts in the console: settings, list, approve, reject, cancel."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import Parameter

from siyu.kernel.db import reading, transaction
from siyu.kernel.http import OnceKey, Page, StaffIdentity, decode_cursor, get, post, put, staff
from siyu.money.payouts import service
from siyu.money.payouts.contracts import (
    Agreement,
    AgreementState,
    Payout,
    PayoutState,
    Settings,
    TimelineEntry,
)

Limit = Annotated[int, Parameter(ge=1, le=100)]


class ReasonBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Why; the member's phone shows it and the trail keeps it."""

    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class SettingsView(msgspec.Struct, frozen=True, kw_only=True):
    """What the shop pays out; see contracts.Settings."""

    is_enabled: bool
    min_fen: int
    max_fen: int
    daily_count: int
    daily_fen: int
    yearly_fen: int | None
    approve_above_fen: int | None
    tax_bps: int
    role: str
    reward: str
    remark: str


class PayoutDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A payout and what happened to it; detail holds WeChat's own codes."""

    payout: Payout
    timeline: list[TimelineEntry]


def _view(settings: Settings) -> SettingsView:
    return SettingsView(**msgspec.structs.asdict(settings))


@get("/payout-settings", access=staff("money.read"))
async def get_payout_settings(staff: StaffIdentity) -> SettingsView:
    """What the shop pays out."""
    async with reading(staff.shop_id) as tx:
        return _view(await service.get_settings(tx))


@put("/payout-settings", access=staff("money.write"))
async def put_payout_settings(staff: StaffIdentity, data: Settings) -> SettingsView:
    """Write what the shop pays out."""
    async with transaction(staff.shop_id) as tx:
        return _view(await service.set_settings(tx, staff, data))


@get("/payouts", access=staff("money.read"))
async def list_payouts(
    staff: StaffIdentity,
    status: PayoutState | None = None,
    member_id: UUID | None = None,
    cursor: str | None = None,
    limit: Limit = 50,
) -> Page[Payout]:
    """Payouts, the newest first; names masked."""
    before = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_payouts(
            tx,
            member_id=member_id,
            state=status,
            before=before[0] if before else None,
            limit=limit + 1,
        )
    return Page.of(rows, limit, lambda row: [row.payout_id])


@get("/payouts/{payout_id:uuid}", access=staff("money.read"))
async def get_payout(staff: StaffIdentity, payout_id: UUID) -> PayoutDetail:
    """A payout and what happened to it."""
    async with reading(staff.shop_id) as tx:
        return PayoutDetail(
            payout=await service.get_payout(tx, payout_id),
            timeline=await service.list_timeline(tx, payout_id),
        )


@post("/payouts/{payout_id:uuid}/approve", access=staff("money.write"))
async def approve_payout(staff: StaffIdentity, payout_id: UUID, once: OnceKey) -> Payout:
    """Let a payout go that waits for approval; the worker asks WeChat."""
    async with transaction(staff.shop_id, once) as tx:
        return tx.answer(await service.approve(tx, staff, payout_id))


@post("/payouts/{payout_id:uuid}/reject", access=staff("money.write"))
async def reject_payout(
    staff: StaffIdentity, payout_id: UUID, data: ReasonBody, once: OnceKey
) -> Payout:
    """Refuse a payout that waits for approval; the commission is free again."""
    async with transaction(staff.shop_id, once) as tx:
        return tx.answer(await service.reject(tx, staff, payout_id, data.reason))


@post("/payouts/{payout_id:uuid}/cancel", access=staff("money.write"))
async def cancel_payout(staff: StaffIdentity, payout_id: UUID, once: OnceKey) -> Payout:
    """Take a payout back that the member has not confirmed; `cancelling` until WeChat agrees."""
    async with transaction(staff.shop_id, once) as tx:
        tx.answer(await service.cancel(tx, staff, payout_id))
    await service.follow_up(staff.shop_id, payout_id)
    async with reading(staff.shop_id) as read:
        return await service.get_payout(read, payout_id)


@get("/payout-agreements", access=staff("money.read"))
async def list_payout_agreements(
    staff: StaffIdentity,
    status: AgreementState | None = None,
    cursor: str | None = None,
    limit: Limit = 50,
) -> Page[Agreement]:
    """Who receives payouts without confirming each one, or was asked to; the newest first."""
    before = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_agreements(tx, status, before[0] if before else None, limit + 1)
    return Page.of(rows, limit, lambda row: [row.agreement_id])


routes = [
    get_payout_settings,
    put_payout_settings,
    list_payouts,
    get_payout,
    approve_payout,
    reject_payout,
    cancel_payout,
    list_payout_agreements,
]
