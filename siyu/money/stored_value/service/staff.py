"""What staff do to a wallet: freeze, adjust with a second pair of eyes; and what time does."""

from datetime import timedelta
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.kernel.money import MAX_FEN
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.stored_value import queries, rules
from siyu.money.stored_value.contracts import (
    Adjustment,
    AdjustmentDecided,
    AdjustmentNotFound,
    AdjustmentState,
    BonusExpired,
    Held,
    NothingToAdjust,
    SecondPersonNeeded,
    Side,
    SpendOrder,
    ValueShort,
    WalletMovementKind,
)
from siyu.money.stored_value.service import following_store as store
from siyu.money.stored_value.service import offers, shop_store
from siyu.money.stored_value.service.following import follow_person
from siyu.money.stored_value.service.top_ups import check_limit
from siyu.money.stored_value.service.wallets import today
from siyu.people.members import service as members

COUNTED_OVER = timedelta(hours=24)


async def freeze(tx: Tx, actor: Actor, member_id: UUID, reason: str) -> None:
    """Stop a wallet from being spent or topped up; money that is on its way still arrives, and
    refunds work. Nothing moves out of it with a merge. Audited."""
    await queries.lock_wallet(tx, member_id)
    await queries.move_frozen(tx, member_id, reason)
    after = {"reason": reason}
    audit(tx, actor, "stored_value.wallet_frozen", ("member", member_id), after=after)


async def unfreeze(tx: Tx, actor: Actor, member_id: UUID, reason: str) -> None:
    """Let a wallet be used again. Audited."""
    await queries.lock_wallet(tx, member_id)
    await queries.move_frozen(tx, member_id, None)
    after = {"reason": reason}
    audit(tx, actor, "stored_value.wallet_unfrozen", ("member", member_id), after=after)
    await follow_person(tx, await store.list_homes(tx, member_id))


async def adjust(
    tx: Tx, actor: Actor, member_id: UUID, *, side: Side, delta_fen: int, reason: str
) -> Adjustment:
    """Correct a wallet by hand, with a reason; audited.

    When this and what the same person adjusted in the last 24 hours exceed the shop's limit, it
    waits for another person (`decide_adjustment`). Principal that is added was paid in outside of
    WeChat, so it needs the licence and keeps the limit of the wallet. Raises NothingToAdjust,
    ValueShort, NotLicensed, LimitExceeded.
    """
    assert abs(delta_fen) <= MAX_FEN
    if not delta_fen:
        raise NothingToAdjust
    member_id = await members.person_of(tx, member_id)
    settings, now = await shop_store.get_settings(tx), clock.now()
    await shop_store.lock_asking(tx, actor.actor)
    adjusted_fen = await shop_store.get_adjusted_since(tx, actor.actor, now - COUNTED_OVER)
    is_small = adjusted_fen + abs(delta_fen) <= settings.adjust_limit_fen
    adjustment = Adjustment(
        adjustment_id=new_id(),
        member_id=member_id,
        side=side,
        delta_fen=delta_fen,
        reason=reason,
        state=AdjustmentState.DONE if is_small else AdjustmentState.WAITING,
        asked_by=actor.actor,
        asked_by_name=actor.actor_name,
        asked_at=now,
        decided_by=None,
        decided_by_name=None,
        decided_at=now if is_small else None,
    )
    await queries.lock_wallet(tx, member_id)
    await shop_store.insert_adjustment(tx, adjustment)
    if is_small:
        await _apply(tx, adjustment)
    _audit(tx, actor, "adjusted" if is_small else "adjustment_asked", adjustment)
    return adjustment


async def decide_adjustment(
    tx: Tx, actor: Actor, adjustment_id: UUID, *, approved: bool
) -> Adjustment:
    """Approve or refuse what another person wants to adjust; audited. Who asked may refuse, too,
    but never approve. Raises AdjustmentNotFound, AdjustmentDecided, SecondPersonNeeded, and what
    `adjust` does."""
    found = await shop_store.lock_adjustment(tx, adjustment_id)
    if found is None:
        raise AdjustmentNotFound
    if found.state is not AdjustmentState.WAITING:
        raise AdjustmentDecided(state=found.state)
    if approved and found.asked_by == actor.actor:
        raise SecondPersonNeeded
    if approved:
        # A merge since it was asked for has given the wallet to who stands for the person.
        head_id = await members.person_of(tx, found.member_id)
        await queries.lock_wallet(tx, head_id)
        await _apply(tx, msgspec.structs.replace(found, member_id=head_id))
    state = AdjustmentState.DONE if approved else AdjustmentState.REFUSED
    decided = await shop_store.move_adjustment(tx, adjustment_id, state, actor)
    _audit(tx, actor, "adjustment_approved" if approved else "adjustment_refused", decided)
    return decided


async def list_adjustments(
    tx: ReadTx, member_id: UUID | None, *, waiting: bool, before_id: UUID | None, limit: int
) -> list[Adjustment]:
    """Adjustments, newest first: of one member or of all; `waiting`: only those that wait."""
    return await shop_store.list_adjustments(
        tx, member_id, waiting=waiting, before_id=before_id, limit=limit
    )


async def _apply(tx: Tx, adjustment: Adjustment) -> None:
    """Move the value. The wallet is locked."""
    delta_fen, member_id = adjustment.delta_fen, adjustment.member_id
    is_principal = adjustment.side is Side.PRINCIPAL
    change = Held(delta_fen, 0) if is_principal else Held(0, delta_fen)
    if delta_fen > 0:
        if is_principal:
            await offers.check_open(tx)
        await check_limit(tx, member_id, delta_fen)
        settings = await shop_store.get_settings(tx)
        months = None if is_principal else settings.bonus_months
        expires_on = clock.month_end(await today(tx), months)
        await queries.insert_lot(tx, adjustment.adjustment_id, member_id, change, expires_on)
        await members.mark_balance(tx, member_id)
    else:
        await _take(tx, member_id, adjustment.side, -delta_fen)
    # Principal was paid, or paid out, outside of WeChat; bonus is the shop's cost.
    book, against = (Book.PRINCIPAL, Book.PETTY) if is_principal else (Book.BONUS, Book.BONUS_COST)
    legs = [Leg(against, delta_fen), Leg(book, -delta_fen, member_id)]
    key = f"balance_adjusted:{adjustment.adjustment_id}"
    note = adjustment.reason
    await ledger.post(
        tx, Entry(key, "balance_adjusted", legs, ref=adjustment.adjustment_id, note=note)
    )
    await queries.insert_movement(tx, member_id, WalletMovementKind.ADJUSTED, change, note=note)


async def _take(tx: Tx, member_id: UUID, side: Side, amount_fen: int) -> None:
    lots = await queries.list_lots(tx, member_id, await today(tx))
    whole = rules.sum_lots(lots)
    is_principal = side is Side.PRINCIPAL
    available_fen = whole.principal_fen if is_principal else whole.bonus_fen
    if available_fen < amount_fen:
        raise ValueShort(available_fen=available_fen, wanted_fen=amount_fen)
    # One side first, and no more than there is of it: only this side is touched.
    order = SpendOrder.PRINCIPAL_FIRST if is_principal else SpendOrder.BONUS_FIRST
    await queries.move_lots_away(tx, rules.take(lots, amount_fen, order))


def _audit(tx: Tx, actor: Actor, what: str, adjustment: Adjustment) -> None:
    after = {
        "adjustment_id": str(adjustment.adjustment_id),
        "side": adjustment.side,
        "delta_fen": adjustment.delta_fen,
        "reason": adjustment.reason,
    }
    audit(tx, actor, f"stored_value.{what}", ("member", adjustment.member_id), after=after)


async def expire_bonus(tx: Tx, member_id: UUID) -> int:
    """End a member's bonus whose last day is over; how much that was. Principal never expires.
    Harmless when repeated."""
    await queries.lock_wallet(tx, member_id)
    amount_fen = await queries.move_bonus_over(tx, member_id, await today(tx))
    if amount_fen:
        number = await queries.insert_movement(
            tx, member_id, WalletMovementKind.EXPIRED, Held(0, -amount_fen)
        )
        legs = [Leg(Book.BONUS, amount_fen, member_id), Leg(Book.BREAKAGE, -amount_fen)]
        key = f"bonus_expired:{member_id}:{number}"
        await ledger.post(tx, Entry(key, "balance_expired", legs))
        member = await members.get_member(tx, member_id)
        emit(
            tx,
            BonusExpired(person_no=member.person_no, member_id=member_id, amount_fen=amount_fen),
        )
    return amount_fen
