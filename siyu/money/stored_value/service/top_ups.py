"""Paying in: the top-up as a row, its money through payments, the value once it is there."""

from datetime import timedelta
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.auth import MemberIdentity
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import (
    Channel,
    ClosingResult,
    ParkReason,
    Payable,
    PaymentExpired,
    PaymentId,
    PaymentSucceeded,
    Purpose,
)
from siyu.money.stored_value import queries, rules
from siyu.money.stored_value.contracts import (
    Held,
    LimitExceeded,
    OfferNotFound,
    ToppedUp,
    TopUp,
    TopUpId,
    TopUpNotFound,
    TopUpOver,
    TopUpRefund,
    TopUpState,
    WalletFrozen,
    WalletMovementKind,
)
from siyu.money.stored_value.service import offers, shop_store, top_up_store
from siyu.money.stored_value.service.following import follow_person
from siyu.money.stored_value.service.wallets import today
from siyu.people.members import service as members

PAY_WITHIN = timedelta(minutes=15)


async def place_top_up(tx: Tx, member: MemberIdentity, offer_id: UUID, platform: str) -> TopUp:
    """Begin a top-up; `start_payment` then asks for its money.

    What a member has begun to pay counts against the limit of the wallet, so that two phones
    cannot pass it together. Raises NotLicensed, OfferNotFound, WalletFrozen, LimitExceeded.
    """
    await offers.check_open(tx)
    offer = await shop_store.get_offer(tx, offer_id)
    if offer is None:
        raise OfferNotFound
    wallet = await queries.lock_wallet(tx, member.member_id)
    if wallet.frozen_at is not None:
        raise WalletFrozen
    await check_limit(tx, member.member_id, offer.amount_fen + offer.bonus_fen)
    now = clock.now()
    top_up = TopUp(
        top_up_id=TopUpId(new_id()),
        member_id=member.member_id,
        person_no=member.person_no,
        offer_id=offer.offer_id,
        amount_fen=offer.amount_fen,
        bonus_fen=offer.bonus_fen,
        platform=platform,
        state=TopUpState.PENDING,
        created_at=now,
        pay_before=now + PAY_WITHIN,
        paid_at=None,
        payment_id=None,
        refunded_fen=0,
        withdrawn_fen=0,
        kept_back_fen=0,
        principal_left_fen=0,
        bonus_left_fen=0,
        unused_fen=0,
        bonus_expires_on=None,
    )
    await top_up_store.insert_top_up(tx, top_up)
    return top_up


async def check_limit(
    tx: Tx, member_id: UUID, added_fen: int, except_top_up: UUID | None = None
) -> None:
    """Raise LimitExceeded when a wallet, locked, would hold more than the shop's rules allow."""
    settings = await shop_store.get_settings(tx)
    expected_fen = await queries.get_expected(tx, member_id, except_top_up)
    if expected_fen + added_fen > settings.limit_fen:
        raise LimitExceeded(limit_fen=settings.limit_fen, expected_fen=expected_fen)


async def get_top_up(tx: ReadTx, top_up_id: UUID) -> TopUp:
    """A top-up. Raises TopUpNotFound."""
    return _found(await top_up_store.get_top_up(tx, top_up_id))


async def list_top_ups(
    tx: ReadTx, member_id: UUID, before_id: UUID | None, limit: int
) -> list[TopUp]:
    """A member's top-ups, newest first; `before_id` is the last one seen."""
    return await top_up_store.list_top_ups(tx, member_id, before_id, limit)


async def list_overdue(tx: Tx, limit: int) -> list[top_up_store.Overdue]:
    """Top-ups of all shops whose time to pay is over; `tx` is a system transaction."""
    return await top_up_store.list_overdue(tx, clock.now(), limit)


async def list_refunds(tx: ReadTx, top_up_ids: list[UUID]) -> list[TopUpRefund]:
    """The refunds of these top-ups, oldest first."""
    return await top_up_store.list_refunds(tx, top_up_ids)


async def start_payment(
    tx: Tx, member_id: UUID, top_up_id: UUID, channel: Channel, payer: str | None
) -> PaymentId:
    """Intend the payment of a waiting top-up; `payments.call` then asks WeChat, outside of this
    transaction.

    payer: the member's id in the shop's app, for JSAPI. Raises TopUpNotFound (also for another
    member's), TopUpOver, PaymentExpired, and what `payments.intend` does.
    """
    top_up = await _lock(tx, top_up_id)
    if top_up.member_id != member_id:
        raise TopUpNotFound
    if top_up.state is not TopUpState.PENDING:
        raise TopUpOver(state=top_up.state)
    if top_up.pay_before <= clock.now():
        raise PaymentExpired
    payable = Payable(
        order_id=top_up_id,
        amount_fen=top_up.amount_fen,
        description="会员储值",
        expires_at=top_up.pay_before,
        person_no=top_up.person_no,
        payer=payer,
        platform=top_up.platform,
        has_virtual=False,
        purpose=Purpose.TOP_UP,
        owner=member_id,
    )
    return await payments.intend(tx, payable, channel)


async def accept_payment(tx: Tx, event: PaymentSucceeded) -> None:
    """The money of a top-up has arrived: credit principal and bonus, once.

    The principal itself is booked by payments with the money. Money that comes after the close is
    welcome, too; what would break the limit of the wallet goes back to the payer (F015).
    """
    top_up = await _lock(tx, event.order_id)
    paid = await payments.lock_paid(tx, top_up.top_up_id)
    # Payments keeps one paid attempt per top-up: told again, or parked meanwhile, there is no news.
    is_news = paid is not None and paid.payment_id == event.payment_id
    if not is_news or TopUpState.PAID not in rules.MOVES[top_up.state]:
        return
    assert event.amount_fen == top_up.amount_fen, "payments let a wrong amount through"
    await queries.lock_wallet(tx, top_up.member_id)
    whole_fen = top_up.amount_fen + top_up.bonus_fen
    try:
        await check_limit(tx, top_up.member_id, whole_fen, top_up.top_up_id)
    except LimitExceeded:
        await top_up_store.move_top_up(tx, top_up.top_up_id, TopUpState.PARKED, event.payment_id)
        await payments.park(tx, PaymentId(event.payment_id), ParkReason.ORDER_CLOSED)
        return
    await _credit(tx, top_up, event)


async def _credit(tx: Tx, top_up: TopUp, event: PaymentSucceeded) -> None:
    settings = await shop_store.get_settings(tx)
    expires_on = clock.month_end(await today(tx), settings.bonus_months)
    given = Held(top_up.amount_fen, top_up.bonus_fen)
    top_up_id, member_id = top_up.top_up_id, top_up.member_id
    await top_up_store.move_top_up(tx, top_up_id, TopUpState.PAID, event.payment_id, event.paid_at)
    await queries.insert_lot(tx, top_up_id, member_id, given, expires_on)
    await members.mark_balance(tx, member_id)
    if top_up.bonus_fen:
        legs = [
            Leg(Book.BONUS_COST, top_up.bonus_fen),
            Leg(Book.BONUS, -top_up.bonus_fen, member_id),
        ]
        key = f"top_up_bonus:{top_up_id}"
        await ledger.post(tx, Entry(key, "top_up_bonus", legs, order_id=top_up_id, ref=top_up_id))
    await queries.insert_movement(
        tx, member_id, WalletMovementKind.TOPPED_UP, given, top_up_id=top_up_id
    )
    emit(
        tx,
        ToppedUp(
            person_no=top_up.person_no,
            member_id=member_id,
            top_up_id=top_up_id,
            amount_fen=top_up.amount_fen,
            bonus_fen=top_up.bonus_fen,
        ),
        at=event.paid_at,
    )
    # Paid by a record that was merged meanwhile: the value is the person's.
    await follow_person(tx, [member_id])


async def close_top_up(tx: Tx, top_up_id: UUID, closing: ClosingResult) -> bool:
    """End a top-up that was not paid in time; whether it ended. `closing` is what
    `payments.close_order` said just before: only what WeChat confirmed is closed (F016)."""
    top_up = await _lock(tx, top_up_id)
    if top_up.state is not TopUpState.PENDING or closing is not ClosingResult.CLOSED:
        return False
    # A payment begun between the close and our lock would be missed by `closing`.
    if await payments.has_open(tx, top_up_id):
        return False
    await top_up_store.move_top_up(tx, top_up_id, TopUpState.CLOSED)
    return True


async def _lock(tx: Tx, top_up_id: UUID) -> TopUp:
    return _found(await top_up_store.lock_top_up(tx, top_up_id))


def _found(top_up: TopUp | None) -> TopUp:
    if top_up is None:
        raise TopUpNotFound
    return top_up
