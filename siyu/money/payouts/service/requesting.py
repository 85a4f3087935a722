"""Asking for a payout, agreeing to it, taking it back: what happens before and beside WeChat."""

from uuid import UUID

import msgspec

from siyu.kernel import clock, config
from siyu.kernel.audit import Actor, audit
from siyu.kernel.crypto import mask_name, vault
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import WeChatNotSet
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import BalanceShort, Book, HoldId
from siyu.money.payouts import queries, rules
from siyu.money.payouts.contracts import (
    AgreementState,
    BalanceTooSmall,
    CannotCancel,
    CannotDecide,
    Confirmation,
    NameNeeded,
    NothingToConfirm,
    Offer,
    OverLimit,
    Payout,
    PayoutEnded,
    PayoutId,
    PayoutOpen,
    PayoutsOff,
    PayoutState,
    PayoutUnknown,
    Settings,
)
from siyu.money.payouts.queries import PayoutRow
from siyu.money.payouts.rules import Spent
from siyu.people.members import service as members


async def set_settings(tx: Tx, actor: Actor, settings: Settings) -> Settings:
    """Write what the shop pays out. Raises BadSettings."""
    rules.check_settings(settings)
    before = await queries.get_settings(tx)
    await queries.set_settings(tx, settings)
    audit(
        tx,
        actor,
        "payouts.settings_changed",
        ("shop", tx.shop_id),
        before=msgspec.to_builtins(before),
        after=msgspec.to_builtins(settings),
    )
    return settings


async def get_offer(tx: ReadTx, member_id: UUID) -> Offer:
    """What a member may ask for now, and if nothing, why."""
    settings = await queries.get_settings(tx)
    balance = await ledger.balance(tx, Book.COMMISSION, member_id)
    spent = await _spent(tx, member_id)
    wechat = await shops.get_wechat(tx)
    agreement = await queries.find_agreement(tx, wechat.mchid or "", member_id)
    most_fen, reason = rules.most_fen(balance.available, spent, settings)
    if not settings.is_enabled or not wechat.mchid or not wechat.appid:
        most_fen, reason = 0, "off"
    return Offer(
        balance_fen=balance.posted,
        available_fen=max(balance.available, 0),
        min_fen=settings.min_fen,
        most_fen=most_fen,
        reason=reason,
        tax_bps=settings.tax_bps,
        paid_this_year_fen=spent.year_fen,
        tax_this_year_fen=spent.year_tax_fen,
        name_needed_from_fen=rules.NAME_FROM_FEN,
        agreement=agreement.state if agreement else None,
    )


async def request_payout(
    tx: Tx, member_id: UUID, person_no: int, amount_fen: int, name: str | None
) -> Payout:
    """Take `amount_fen` of a member's commission aside and store its payout; `follow_up` then asks
    WeChat, unless staff must approve first.

    name: the real name, from 2000 yuan on. The hold also lines up the requests of one member, so
    the limits are judged one after the other. Raises PayoutsOff, WeChatNotSet, NoPayer,
    BalanceTooSmall, OverLimit, NameNeeded, PayoutOpen.
    """
    settings = await queries.get_settings(tx)
    if not settings.is_enabled:
        raise PayoutsOff
    wechat = await shops.get_wechat(tx)
    if not wechat.mchid or not wechat.appid:
        raise WeChatNotSet(setting="appid" if wechat.mchid else "mchid")
    payer = await members.get_payer(tx, member_id, wechat.appid)
    payout_id = PayoutId(new_id())
    hold_id = await _hold(tx, payout_id, member_id, amount_fen)
    spent = await _spent(tx, member_id)
    most_fen, limit = rules.most_fen(amount_fen, spent, settings)
    if not settings.min_fen <= amount_fen <= most_fen:
        raise OverLimit(min_fen=settings.min_fen, most_fen=most_fen, limit=limit or "max_fen")
    tax_fen = rules.tax_fen(amount_fen, settings.tax_bps)
    net_fen = amount_fen - tax_fen
    if rules.needs_name(net_fen) and not name:
        raise NameNeeded
    waits = rules.needs_approval(amount_fen, settings)
    agreement = await queries.find_agreement(tx, wechat.mchid, member_id)
    is_agreed = agreement is not None and agreement.state is AgreementState.ACTIVE
    now = clock.now()
    row = PayoutRow(
        shop_id=tx.shop_id,
        payout_id=payout_id,
        member_id=member_id,
        person_no=person_no,
        state=PayoutState.REQUESTED if waits else PayoutState.CREATED,
        amount_fen=amount_fen,
        tax_fen=tax_fen,
        net_fen=net_fen,
        number=payout_id.hex,
        merchant=wechat.mchid,
        app=wechat.appid,
        account=payer.subject,
        authorization_id=agreement.authorization_id if agreement and is_agreed else None,
        name_sealed=vault().seal(name) if name else None,
        role=settings.role,
        reward=settings.reward,
        remark=settings.remark,
        notify_url=f"{config.settings().public_url}/callback/wechat/pay/{tx.shop_id}",
        hold_id=hold_id,
        is_taken=False,
        provider_number=None,
        package=None,
        confirm_before=None,
        fail_reason=None,
        problem=None,
        calls=0,
        requested_at=now,
        approved_at=None,
        ended_at=None,
        next_at=None if waits else now,
    )
    if not await queries.insert_payout(tx, row):
        raise PayoutOpen
    await queries.insert_timeline(tx, payout_id, row.state, {"amount_fen": amount_fen})
    return shown(row)


async def _hold(tx: Tx, payout_id: UUID, member_id: UUID, amount_fen: int) -> HoldId:
    try:
        return await ledger.hold(
            tx,
            key=f"payout:{payout_id}",
            book=Book.COMMISSION,
            owner=member_id,
            amount=amount_fen,
        )
    except BalanceShort:
        raise BalanceTooSmall from None


async def approve(tx: Tx, actor: Actor, payout_id: UUID) -> Payout:
    """Let a payout go that waits for approval. Raises PayoutUnknown, CannotDecide."""
    row = await lock(tx, payout_id)
    if row.state is not PayoutState.REQUESTED:
        raise CannotDecide
    now = clock.now()
    row = moved(row, PayoutState.CREATED, approved_at=now, next_at=now)
    await queries.update_payout(tx, row)
    await queries.insert_timeline(tx, payout_id, "approved", {"by": actor.actor_name})
    audit(tx, actor, "payouts.approved", ("payout", payout_id), after=_amounts(row))
    return shown(row)


async def reject(tx: Tx, actor: Actor, payout_id: UUID, reason: str) -> Payout:
    """Refuse a payout that waits for approval; the commission is free again. Raises
    PayoutUnknown, CannotDecide."""
    row = await lock(tx, payout_id)
    if row.state is not PayoutState.REQUESTED:
        raise CannotDecide
    audit(tx, actor, "payouts.rejected", ("payout", payout_id), after={"reason": reason})
    return await _end_here(tx, row, PayoutState.REJECTED, {"reason": reason})


async def cancel(tx: Tx, actor: Actor, payout_id: UUID, member_id: UUID | None = None) -> Payout:
    """Take a payout back, as long as the member has not confirmed it.

    member_id: whose it must be; None for staff. What WeChat may know of is only marked:
    `follow_up` asks WeChat, which may still say that the member was faster. Raises PayoutUnknown,
    CannotCancel.
    """
    row = await lock(tx, payout_id)
    if member_id not in (None, row.member_id):
        raise PayoutUnknown
    if row.state is PayoutState.CANCELLING:
        return shown(row)
    if PayoutState.CANCELLED not in rules.MOVES[row.state] or row.state is PayoutState.SENDING:
        raise CannotCancel
    audit(tx, actor, "payouts.cancelled", ("payout", payout_id), after=_amounts(row))
    if row.state is PayoutState.REQUESTED:
        return await _end_here(tx, row, PayoutState.CANCELLED, {"by": actor.actor_name})
    # A call may be on its way: the moment set before it is kept, so that we look after it.
    later = clock.now() if row.is_taken or row.next_at is None else row.next_at
    row = moved(row, PayoutState.CANCELLING, next_at=later)
    await queries.update_payout(tx, row)
    await queries.insert_timeline(tx, payout_id, "cancelling", {"by": actor.actor_name})
    return shown(row)


async def _end_here(tx: Tx, row: PayoutRow, state: PayoutState, detail: dict[str, str]) -> Payout:
    await ledger.void_hold(tx, HoldId(row.hold_id))
    row = await end(tx, row, state, None)
    await queries.insert_timeline(tx, row.payout_id, state, detail)
    return shown(row)


async def end(tx: Tx, row: PayoutRow, state: PayoutState, reason: str | None) -> PayoutRow:
    """Bring a payout to its end and tell it; the caller has booked what that means."""
    row = moved(
        row,
        state,
        fail_reason=reason,
        package=None,
        confirm_before=None,
        next_at=None,
        ended_at=clock.now(),
    )
    await queries.update_payout(tx, row)
    ended = PayoutEnded(
        payout_id=row.payout_id,
        member_id=row.member_id,
        person_no=row.person_no,
        amount_fen=row.amount_fen,
        state=state,
        fail_reason=reason,
    )
    emit(tx, ended)
    return row


async def get_payout(tx: ReadTx, payout_id: UUID, member_id: UUID | None = None) -> Payout:
    """A payout; member_id: whose it must be, None for staff. Raises PayoutUnknown."""
    row = await queries.get_payout(tx, payout_id)
    if row is None or member_id not in (None, row.member_id):
        raise PayoutUnknown
    return shown(row)


async def get_confirmation(tx: ReadTx, payout_id: UUID, member_id: UUID) -> Confirmation:
    """What the member's phone needs to confirm. Raises PayoutUnknown, NothingToConfirm."""
    row = await queries.get_payout(tx, payout_id)
    if row is None or row.member_id != member_id:
        raise PayoutUnknown
    if row.state is not PayoutState.WAITING or row.package is None:
        raise NothingToConfirm
    return Confirmation(mchId=row.merchant, appId=row.app, package=row.package)


async def list_payouts(
    tx: ReadTx,
    *,
    member_id: UUID | None,
    state: PayoutState | None,
    before: UUID | None,
    limit: int,
) -> list[Payout]:
    """Payouts, the newest first; before: payout_id of the last one shown."""
    rows = await queries.list_payouts(
        tx, member_id=member_id, state=state, before=before, limit=limit
    )
    return [shown(row) for row in rows]


async def _spent(tx: ReadTx, member_id: UUID) -> Spent:
    zone = (await shops.get_shop(tx)).time_zone
    today = clock.business_day(clock.now(), zone)
    day_begun = clock.day_start(today, zone)
    year_begun = clock.day_start(today.replace(month=1, day=1), zone)
    return await queries.get_spent(tx, member_id, day_begun, year_begun)


async def lock(tx: Tx, payout_id: UUID) -> PayoutRow:
    """A payout under its lock; raises PayoutUnknown."""
    row = await queries.lock_payout(tx, payout_id)
    if row is None:
        raise PayoutUnknown
    return row


def moved(row: PayoutRow, state: PayoutState, **change: object) -> PayoutRow:
    """A payout in its next state."""
    assert state in rules.MOVES[row.state], f"{row.state} does not become {state}"
    return msgspec.structs.replace(row, state=state, **change)


def shown(row: PayoutRow) -> Payout:
    """A stored payout as others may see it."""
    kept = {
        field: getattr(row, field)
        for field in Payout.__struct_fields__
        if field in PayoutRow.__struct_fields__
    }
    name = mask_name(vault().open(row.name_sealed)) if row.name_sealed else None
    return Payout(name_masked=name, is_confirmed_once=row.authorization_id is not None, **kept)


def _amounts(row: PayoutRow) -> dict[str, int]:
    return {"amount_fen": row.amount_fen, "tax_fen": row.tax_fen}
