"""Refunds inside the caller's transaction: intend, release, end. WeChat is spoken to afterwards,
by `refund_calls`, and always under the number that is stored here first (F027)."""

import logging
from datetime import datetime
from typing import Any
from uuid import UUID

from prometheus_client import Counter

from siyu.kernel import clock
from siyu.kernel.audit import Actor, System, audit
from siyu.kernel.db import Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.payments import queries, rules
from siyu.money.payments.contracts import (
    AttemptState,
    Channel,
    NothingPaid,
    PaidAttempt,
    ParkedResolved,
    ParkedState,
    Purpose,
    RefundAbnormal,
    RefundClosed,
    RefundMoveRefused,
    RefundOrigin,
    RefundState,
    RefundSucceeded,
    RefundUnknown,
    Resolution,
    Ticket,
)
from siyu.money.payments.queries import Attempt, Parked
from siyu.money.payments.service import refund_store
from siyu.money.payments.service.refund_store import Refund

log = logging.getLogger(__name__)
_MOVED = Counter("siyu_payments_refunds_total", "Refunds that came to a state", ["state"])

AT_MERCHANT = "AT_MERCHANT"
"""The problem of a refund whose money came back to the merchant's own card: the payer waits."""
_REASON_CHARACTERS = 80


async def lock_paid(tx: Tx, order_id: UUID) -> PaidAttempt | None:
    """The attempt that paid an order, all attempts of the order locked: whoever splits, unfreezes
    or refunds its money decides under this lock."""
    await queries.lock_attempts(tx, order_id)
    return await queries.get_paid(tx, order_id)


async def intend_refund(
    tx: Tx,
    *,
    refund_id: UUID,
    order_id: UUID,
    amount_fen: int,
    reason: str,
    origin: RefundOrigin,
    waits: bool = False,
    actor: Actor | None = None,
) -> None:
    """Decide to give back a part (amount_fen ≥ 1) of what an order or top-up paid; the worker
    then sees to it, and `payments.refund_succeeded` tells when the payer has it.

    waits: not before `release_refund`. reason: shown to the payer, cut to 80 characters. From now
    on the books owe the money. The same refund_id again changes nothing. Raises NothingPaid,
    RefundTooMuch, RefundsUsedUp, RefundTooLate; for a top-up BalanceShort.
    """
    assert amount_fen > 0 and reason
    attempts = await queries.lock_attempts(tx, order_id)
    known = await refund_store.get_refund(tx, refund_id)
    if known is not None:
        assert (known.order_id, known.amount_fen) == (order_id, amount_fen), "another refund"
        return
    attempt = next((one for one in attempts if one.state is AttemptState.PAID), None)
    if attempt is None or attempt.channel is Channel.INTERNAL:
        raise NothingPaid
    assert attempt.paid_at is not None
    now = clock.now()
    is_offline = attempt.channel is Channel.OFFLINE
    rules.check_refund(
        amount_fen,
        attempt.amount_fen,
        attempt.refunded_fen,
        attempt.refund_count,
        attempt.paid_at,
        now,
    )
    await queries.move_refunded(tx, attempt.payment_id, amount_fen)
    refund = Refund(
        refund_id=refund_id,
        order_id=order_id,
        payment_id=attempt.payment_id,
        parked_id=None,
        purpose=attempt.purpose,
        origin=origin,
        state=RefundState.WAITING if waits else _first_state(attempt),
        amount_fen=amount_fen,
        total_fen=attempt.amount_fen,
        reason=reason[:_REASON_CHARACTERS],
        number=refund_id.hex,
        merchant=attempt.merchant,
        provider_payment=attempt.provider_number or "",
        provider_number=None,
        problem=None,
        to_merchant=False,
        calls=0,
        restarts=0,
        created_at=now,
        moved_at=now,
        next_call_at=None if waits or is_offline else now,
    )
    await refund_store.insert_refund(tx, refund, (actor or System()).actor_name)
    await _owe(tx, refund, rules.earned(attempt.purpose, attempt.owner, amount_fen), "refund_due")


async def send_back(
    tx: Tx, parked: Parked, attempt: Attempt | None, actor: Actor | None = None
) -> None:
    """Intend the refund of parked money, all of it; an index allows one at a time."""
    refund_id, now = new_id(), clock.now()
    refund = Refund(
        refund_id=refund_id,
        order_id=parked.order_id,
        payment_id=parked.payment_id,
        parked_id=parked.parked_id,
        purpose=attempt.purpose if attempt else Purpose.ORDER,
        origin=RefundOrigin.SUSPENSE,
        state=RefundState.CREATED,
        amount_fen=parked.amount_fen,
        total_fen=parked.amount_fen,
        reason=rules.refund_reason(parked.reason),
        number=refund_id.hex,
        merchant=parked.merchant,
        provider_payment=parked.provider_number,
        provider_number=None,
        problem=None,
        to_merchant=False,
        calls=0,
        restarts=0,
        created_at=now,
        moved_at=now,
        next_call_at=now,
    )
    await refund_store.insert_refund(tx, refund, (actor or System()).actor_name)
    await _owe(tx, refund, Leg(Book.SUSPENSE, parked.amount_fen), "suspense_refund_due")


async def release_refund(tx: Tx, refund_id: UUID) -> None:
    """What a waiting refund waited for is done: it goes to WeChat. A repeat is harmless.

    Raises RefundUnknown.
    """
    refund, attempt = await lock(tx, refund_id)
    if refund.state is RefundState.WAITING:
        assert attempt is not None, "parked money waits for nobody"
        state = _first_state(attempt)
        next_call_at = clock.now() if state is RefundState.CREATED else None
        await refund_store.move_refund(
            tx, refund, state, System().actor_name, next_call_at=next_call_at
        )


# --- what staff do with a refund that stopped -----------------------------------------------------


async def retry_refund(tx: Tx, refund_id: UUID, actor: Actor) -> None:
    """Ask WeChat again, by the same number. Raises RefundUnknown, RefundMoveRefused."""
    refund, _ = await lock(tx, refund_id)
    _must_stand_still(refund)
    if refund.problem == AT_MERCHANT:
        raise RefundMoveRefused(state=refund.state, problem=refund.problem)
    await refund_store.move_refund(
        tx, refund, RefundState.CREATED, actor.actor_name, next_call_at=clock.now(), restarts=0
    )
    _audit(tx, actor, "payments.refund_retried", refund, "")


async def intend_abnormal(tx: Tx, refund_id: UUID, to_merchant: bool, actor: Actor) -> None:
    """Decide that an abnormal refund goes to a bank card: the payer's other one, or the merchant's
    own. `refund_calls.apply_abnormal` then asks WeChat; no card number is stored.

    Raises RefundUnknown, RefundMoveRefused.
    """
    refund, _ = await lock(tx, refund_id)
    if refund.state is not RefundState.ABNORMAL or refund.problem == AT_MERCHANT:
        raise RefundMoveRefused(state=refund.state, problem=refund.problem)
    now = clock.now()
    target = "merchant_card" if to_merchant else "payer_card"
    await refund_store.move_refund_target(tx, refund_id, to_merchant)
    # From now on nobody may settle it otherwise. Should the call get lost, WeChat is asked, and
    # the refund is abnormal again.
    await refund_store.move_refund(
        tx,
        refund,
        RefundState.PROCESSING,
        actor.actor_name,
        event="abnormal_applied",
        next_call_at=rules.next_call_at(now, now),
        detail={"to": target},
    )
    _audit(tx, actor, "payments.refund_redirected", refund, target)


async def settle_outside(tx: Tx, refund_id: UUID, reason: str, actor: Actor) -> None:
    """The payer was given the money outside of WeChat. reason: how and why, for the audit.

    Raises RefundUnknown, RefundMoveRefused: only for a refund that stopped, or of what was paid at
    the counter.
    """
    refund, attempt = await lock(tx, refund_id)
    if refund.state not in rules.REFUND_STANDS:
        raise RefundMoveRefused(state=refund.state, problem=refund.problem)
    legs = [Leg(Book.REFUND_DUE, refund.amount_fen), Leg(Book.PETTY, -refund.amount_fen)]
    await post(tx, refund, "refund_outside", legs, note=reason)
    if refund.parked_id is not None and refund.problem != AT_MERCHANT:
        await stand_apart(tx, refund.parked_id)
    await refund_store.move_refund(
        tx,
        refund,
        RefundState.SETTLED,
        actor.actor_name,
        problem=refund.problem,
        detail={"reason": reason},
    )
    await finish(tx, refund, attempt, is_outside=True)
    _audit(tx, actor, "payments.refund_settled_outside", refund, reason)


async def give_up_refund(tx: Tx, refund_id: UUID, reason: str, actor: Actor) -> None:
    """Close a refund that WeChat refuses, or that staff never handed out, for good: the books no
    longer owe it, and its amount may be refunded anew. Parked money is parked again.

    Raises RefundUnknown, RefundMoveRefused: not for an abnormal one, whose money has already left
    our balance.
    """
    refund, attempt = await lock(tx, refund_id)
    if refund.state not in rules.REFUND_UNPAID:
        raise RefundMoveRefused(state=refund.state, problem=refund.problem)
    owed = await ledger.find_entry(tx, f"refund_due:{refund_id}")
    assert owed is not None, "a refund is booked when it is intended"
    await ledger.reverse(
        tx, owed.entry_id, f"refund_closed:{refund_id}", reason, kind="refund_closed"
    )
    await refund_store.move_refund(
        tx,
        refund,
        RefundState.CLOSED,
        actor.actor_name,
        problem=refund.problem,
        detail={"reason": reason},
    )
    _MOVED.labels(RefundState.CLOSED).inc()
    if refund.parked_id is not None:
        await queries.move_parked(
            tx,
            refund.parked_id,
            ParkedState.PARKED,
            from_state=ParkedState.REFUNDING,
            ticket=Ticket.REFUND_FAILED,
        )
    else:
        assert attempt is not None
        await queries.move_refunded(tx, attempt.payment_id, -refund.amount_fen)
        emit(tx, RefundClosed(**_told(refund, attempt), reason=reason))
    _audit(tx, actor, "payments.refund_closed", refund, reason)


# --- shared with refund_calls ---------------------------------------------------------------------


async def lock(tx: Tx, refund_id: UUID) -> tuple[Refund, Attempt | None]:
    """A refund and the attempt it gives back, all attempts of the order locked before it; None
    for parked money, and raises RefundUnknown."""
    found = await refund_store.get_refund(tx, refund_id)
    if found is None:
        raise RefundUnknown
    attempts: list[Attempt] = []
    if found.order_id is not None:
        attempts = await queries.lock_attempts(tx, found.order_id)
    refund = await refund_store.lock_refund(tx, refund_id)
    assert refund is not None
    if refund.parked_id is not None:
        return refund, None
    return refund, next(one for one in attempts if one.payment_id == refund.payment_id)


async def pay_back(
    tx: Tx, refund: Refund, kind: str, against: Book, at: datetime | None = None
) -> None:
    """Book that WeChat has paid a refund, out of its payment's frozen money first (F031).

    against: the book that is debited: what was owed, or where the money went instead.
    """
    frozen = 0
    if refund.order_id is not None:
        frozen = rules.frozen_rest(await ledger.list_story(tx, refund.order_id))
        apart_fen = await queries.sum_apart(tx, refund.order_id)
        frozen = min(frozen, apart_fen) if refund.parked_id else frozen - apart_fen
    await post(tx, refund, kind, rules.paid_back(refund.amount_fen, frozen, against), at=at)


async def finish(
    tx: Tx, refund: Refund, attempt: Attempt | None, *, is_outside: bool = False
) -> None:
    """Tell that the payer has the money, and end the story of money that was parked."""
    _MOVED.labels(RefundState.SETTLED if is_outside else RefundState.SUCCEEDED).inc()
    if refund.parked_id is None:
        assert attempt is not None
        emit(tx, RefundSucceeded(**_told(refund, attempt), is_outside=is_outside))
        return
    await queries.move_parked(
        tx,
        refund.parked_id,
        ParkedState.RESOLVED,
        from_state=ParkedState.REFUNDING,
        resolution=Resolution.REFUNDED,
    )
    emit(
        tx,
        ParkedResolved(
            parked_id=refund.parked_id,
            payment_id=refund.payment_id,
            order_id=refund.order_id,
            amount_fen=refund.amount_fen,
            resolution=Resolution.REFUNDED,
        ),
    )


async def stop(
    tx: Tx,
    refund: Refund,
    attempt: Attempt | None,
    state: RefundState,
    problem: str,
    actor_name: str,
    provider_number: str | None = None,
) -> None:
    """A refund does not go on by itself: finance gets its task, and an alarm (F030)."""
    await refund_store.move_refund(
        tx,
        refund,
        state,
        actor_name,
        problem=problem,
        provider_number=provider_number,
        detail={"code": problem},
    )
    _MOVED.labels(state).inc()
    log.error(
        "refund stopped",
        extra={"alarm": "refund_stopped", "refund_id": str(refund.refund_id), "problem": problem},
    )
    if attempt is not None:
        emit(tx, RefundAbnormal(**_told(refund, attempt), state=state, problem=problem))


async def post(
    tx: Tx,
    refund: Refund,
    kind: str,
    legs: list[Leg],
    *,
    at: datetime | None = None,
    note: str = "",
) -> None:
    """Book something about a refund, once per kind."""
    await ledger.post(
        tx,
        Entry(
            key=f"{kind}:{refund.refund_id}",
            kind=kind,
            legs=legs,
            order_id=refund.order_id,
            ref=refund.refund_id,
            at=at,
            note=note,
        ),
    )


async def stand_apart(tx: Tx, parked_id: UUID) -> None:
    """What was paid on top stays with us: what is frozen of it leaves its order's story and is one
    of its own, under the id of the parked money, from which it is unfrozen by itself."""
    parked = await queries.get_parked(tx, parked_id)
    if parked is None or parked.order_id is None or not parked.is_shared:
        return
    frozen_fen = rules.frozen_rest(await ledger.list_story(tx, parked.order_id))
    fen = min(parked.amount_fen, frozen_fen)
    if fen <= 0:
        return
    for story, key, amount in (parked_id, "in", fen), (parked.order_id, "out", -fen):
        legs = [Leg(Book.WECHAT_FROZEN, amount), Leg(Book.SUSPENSE, -amount)]
        key = f"parked_apart:{parked_id}:{key}"
        await ledger.post(tx, Entry(key, "parked_apart", legs, order_id=story, ref=parked_id))


async def _owe(tx: Tx, refund: Refund, source: Leg, kind: str) -> None:
    await ledger.post(
        tx,
        Entry(
            key=f"refund_due:{refund.refund_id}",
            kind=kind,
            legs=[source, Leg(Book.REFUND_DUE, -refund.amount_fen)],
            order_id=refund.order_id,
            ref=refund.refund_id,
            note=refund.reason,
        ),
    )


def _first_state(attempt: Attempt) -> RefundState:
    """Where a refund begins: with the provider, or with those who stand at the counter."""
    is_offline = attempt.channel is Channel.OFFLINE
    return RefundState.COUNTER if is_offline else RefundState.CREATED


async def hand_out_refund(tx: Tx, refund_id: UUID, note: str, actor: Actor) -> None:
    """Staff gave back at the counter what was paid there. Raises RefundUnknown, RefundMoveRefused:
    only for such a refund."""
    refund, _ = await lock(tx, refund_id)
    if refund.state is not RefundState.COUNTER:
        raise RefundMoveRefused(state=refund.state, problem=refund.problem)
    await settle_outside(tx, refund_id, note, actor)


def _must_stand_still(refund: Refund) -> None:
    if refund.state not in rules.REFUND_STOPPED:
        raise RefundMoveRefused(state=refund.state, problem=refund.problem)


def _told(refund: Refund, attempt: Attempt) -> dict[str, Any]:
    return {
        "refund_id": refund.refund_id,
        "order_id": attempt.order_id,
        "payment_id": attempt.payment_id,
        "person_no": attempt.person_no,
        "amount_fen": refund.amount_fen,
        "purpose": refund.purpose,
        "origin": refund.origin,
    }


def _audit(tx: Tx, actor: Actor, action: str, refund: Refund, reason: str) -> None:
    audit(
        tx,
        actor,
        action,
        ("refund", refund.refund_id),
        before={"state": refund.state, "problem": refund.problem},
        after={"amount_fen": refund.amount_fen, "reason": reason},
    )
