"""A member's own payouts: what is possible, ask, confirm on the phone, take back."""

from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import Parameter
from msgspec import Meta

from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import MEMBER, OnceKey, Page, decode_cursor, get, post
from siyu.money.payouts import service
from siyu.money.payouts.contracts import Confirmation, Offer, Payout
from siyu.money.payouts.service.agreements import AgreementView


class PayoutBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """amount_fen leaves the balance, tax is taken off it; name: the real one, from 2000 yuan on."""

    amount_fen: Annotated[int, Meta(ge=1, le=10_000_000_000)]
    name: Annotated[str, Meta(min_length=1, max_length=64)] | None = None


class MyAgreement(msgspec.Struct, frozen=True):
    """My agreement to receive without confirming; null without one."""

    agreement: AgreementView | None


@get("/payouts/offer", access=MEMBER)
async def get_payout_offer(member: MemberIdentity) -> Offer:
    """What I may ask for now, and if nothing, why."""
    async with reading(member.shop_id) as tx:
        return await service.get_offer(tx, member.member_id)


@post("/payouts", access=MEMBER)
async def request_payout(member: MemberIdentity, data: PayoutBody, once: OnceKey) -> Payout:
    """Ask for a payout; `waiting` when the phone can confirm it now. A repeat under the same key
    gives the first answer, a second one while it is under way 409 (F039)."""
    async with transaction(member.shop_id, once) as tx:
        made = await service.request_payout(
            tx, member.member_id, member.person_no, data.amount_fen, data.name
        )
        tx.answer(made)
    await service.follow_up(member.shop_id, made.payout_id)
    async with reading(member.shop_id) as read:
        return await service.get_payout(read, made.payout_id)


@get("/payouts", access=MEMBER)
async def list_my_payouts(
    member: MemberIdentity,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 20,
) -> Page[Payout]:
    """My payouts, the newest first."""
    before = decode_cursor(cursor, tuple[UUID])
    async with reading(member.shop_id) as tx:
        rows = await service.list_payouts(
            tx,
            member_id=member.member_id,
            state=None,
            before=before[0] if before else None,
            limit=limit + 1,
        )
    return Page.of(rows, limit, lambda row: [row.payout_id])


@get("/payouts/{payout_id:uuid}", access=MEMBER)
async def get_my_payout(member: MemberIdentity, payout_id: UUID) -> Payout:
    """One of my payouts."""
    async with reading(member.shop_id) as tx:
        return await service.get_payout(tx, payout_id, member.member_id)


@get("/payouts/{payout_id:uuid}/confirmation", access=MEMBER)
async def get_payout_confirmation(member: MemberIdentity, payout_id: UUID) -> Confirmation:
    """What wx.requestMerchantTransfer needs; 409 unless WeChat waits for my confirmation."""
    async with reading(member.shop_id) as tx:
        return await service.get_confirmation(tx, payout_id, member.member_id)


@post("/payouts/{payout_id:uuid}/sync", access=MEMBER)
async def sync_my_payout(member: MemberIdentity, payout_id: UUID) -> Payout:
    """Ask WeChat now, after the phone has confirmed."""
    async with reading(member.shop_id) as tx:
        await service.get_payout(tx, payout_id, member.member_id)
    await service.follow_up(member.shop_id, payout_id)
    async with reading(member.shop_id) as read:
        return await service.get_payout(read, payout_id, member.member_id)


@post("/payouts/{payout_id:uuid}/cancel", access=MEMBER)
async def cancel_my_payout(member: MemberIdentity, payout_id: UUID, once: OnceKey) -> Payout:
    """Take a payout back that I have not confirmed; `cancelling` until WeChat agrees."""
    async with transaction(member.shop_id, once) as tx:
        tx.answer(await service.cancel(tx, member, payout_id, member.member_id))
    await service.follow_up(member.shop_id, payout_id)
    async with reading(member.shop_id) as read:
        return await service.get_payout(read, payout_id)


@get("/payouts/agreement", access=MEMBER)
async def get_my_agreement(member: MemberIdentity) -> MyAgreement:
    """Whether I receive payouts without confirming each one."""
    async with reading(member.shop_id) as tx:
        return MyAgreement(await service.get_agreement_view(tx, member.member_id))


@post("/payouts/agreement", access=MEMBER)
async def request_my_agreement(member: MemberIdentity, once: OnceKey) -> MyAgreement:
    """Agree once to all payouts; the phone confirms it within 24 hours."""
    async with transaction(member.shop_id, once) as tx:
        agreement_id = await service.request_agreement(tx, member.member_id)
        tx.answer(MyAgreement(await service.get_agreement_view(tx, member.member_id)))
    await service.follow_agreement(member.shop_id, agreement_id)
    async with reading(member.shop_id) as read:
        return MyAgreement(await service.get_agreement_view(read, member.member_id))


@post("/payouts/agreement/sync", access=MEMBER)
async def sync_my_agreement(member: MemberIdentity) -> MyAgreement:
    """Ask WeChat now, after the phone has agreed."""
    async with reading(member.shop_id) as tx:
        found = await service.get_agreement_view(tx, member.member_id)
    if found is not None:
        await service.follow_agreement(member.shop_id, found.agreement_id)
    async with reading(member.shop_id) as read:
        return MyAgreement(await service.get_agreement_view(read, member.member_id))


routes = [
    get_payout_offer,
    request_payout,
    list_my_payouts,
    get_my_agreement,
    request_my_agreement,
    sync_my_agreement,
    get_my_payout,
    get_payout_confirmation,
    sync_my_payout,
    cancel_my_payout,
]
