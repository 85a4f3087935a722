"""Money that belongs to no order: it is parked, and goes back by itself when it is surely ours to
give back; else a person decides."""

import logging
from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec
from prometheus_client import Counter

from siyu.kernel import clock
from siyu.kernel.audit import Actor, audit
from siyu.kernel.db import Tx
from siyu.kernel.events import emit
from siyu.kernel.ids import new_id
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, Leg
from siyu.money.payments import queries, rules
from siyu.money.payments.contracts import (
    AttemptState,
    Decision,
    DecisionRefused,
    MoneyParked,
    ParkedResolved,
    ParkedState,
    ParkedUnknown,
    ParkReason,
    PaymentId,
    PaymentUnknown,
    Resolution,
    Ticket,
)
from siyu.money.payments.queries import Attempt, Parked
from siyu.money.payments.service import refunding

log = logging.getLogger(__name__)
_PARKED = Counter("siyu_payments_parked_total", "Money put into suspense", ["reason"])

# However much somebody wishes it, WeChat gives back no such money.
_NEVER_BACK = frozenset({Ticket.FOREIGN_ACCOUNT, Ticket.FOREIGN_CURRENCY, Ticket.TOO_OLD})


class Arrived(msgspec.Struct, frozen=True, kw_only=True):
    """Money as WeChat reports it. `is_booked`: it lies with our merchant account."""

    amount_fen: int
    currency: str
    merchant: str
    number: str
    provider_number: str
    paid_at: datetime
    is_booked: bool


async def park(tx: Tx, payment_id: PaymentId, reason: ParkReason) -> None:
    """Move the money of a paid attempt into suspense: what it was for cannot take it. It goes back
    to the payer by itself. Safe to repeat.

    Raises PaymentUnknown.
    """
    attempt = await queries.get_attempt(tx, payment_id)
    if attempt is None:
        raise PaymentUnknown
    attempts = await queries.lock_attempts(tx, attempt.order_id)
    attempt = next(one for one in attempts if one.payment_id == payment_id)
    if attempt.state is AttemptState.PARKED:
        return
    assert attempt.state is AttemptState.PAID, "only money that came can be parked"
    assert attempt.provider_number is not None, "an order of 0 fen has no money to park"
    assert attempt.paid_at is not None
    await queries.move_attempt(
        tx,
        payment_id,
        AttemptState.PARKED,
        from_states=frozenset({AttemptState.PAID}),
        detail={"reason": reason},
    )
    arrived = Arrived(
        amount_fen=attempt.amount_fen,
        currency="CNY",
        merchant=attempt.merchant,
        number=attempt.number,
        provider_number=attempt.provider_number,
        paid_at=attempt.paid_at,
        is_booked=True,
    )
    await park_money(
        tx,
        attempt,
        reason,
        arrived,
        rules.earned(attempt.purpose, attempt.owner, arrived.amount_fen),
    )


async def park_money(
    tx: Tx,
    attempt: Attempt | None,
    reason: ParkReason,
    arrived: Arrived,
    taken_from: Leg | None = None,
) -> None:
    """Put money into suspense, once, and send it back unless a person has to decide.

    taken_from: the leg that takes it out of where it was booked; None for money not booked yet.
    """
    now = clock.now()
    ticket = rules.ticket_of(reason, arrived.currency, arrived.is_booked, arrived.paid_at, now)
    parked = Parked(
        parked_id=new_id(),
        payment_id=attempt.payment_id if attempt else None,
        order_id=attempt.order_id if attempt else None,
        reason=reason,
        parked_at=now,
        state=ParkedState.PARKED if ticket else ParkedState.REFUNDING,
        ticket=ticket,
        is_shared=attempt.is_shared if attempt else False,
        **msgspec.structs.asdict(arrived),
    )
    if not await queries.insert_parked(tx, parked):
        return
    if arrived.is_booked:
        where = rules.where_it_lies(parked.is_shared)
        legs = [
            taken_from or Leg(where, arrived.amount_fen, asset=arrived.currency),
            Leg(Book.SUSPENSE, -arrived.amount_fen, asset=arrived.currency),
        ]
        await _post(tx, parked, "sale_parked" if taken_from else "payment_parked", "parked", legs)
    if ticket is None:
        await refunding.send_back(tx, parked, attempt)
    emit(
        tx,
        MoneyParked(
            parked_id=parked.parked_id,
            payment_id=parked.payment_id,
            order_id=parked.order_id,
            amount_fen=parked.amount_fen,
            reason=reason,
            ticket=ticket,
        ),
    )
    _PARKED.labels(reason).inc()
    log.error(
        "money parked",
        extra={
            "alarm": "money_parked",
            "parked_id": str(parked.parked_id),
            "reason": str(reason),
            "ticket": ticket,
        },
    )


async def resolve(tx: Tx, parked_id: UUID, decision: Decision, note: str, actor: Actor) -> None:
    """Do what a person decided about parked money; note: why, 1..500 characters.

    REFUND sends it back; ACCEPT gives it to its order if it fits there, else books it as a sale of
    its own; DISMISS closes the case of money that lies with another merchant. Raises
    ParkedUnknown, DecisionRefused.
    """
    found = await queries.get_parked(tx, parked_id)
    if found is None:
        raise ParkedUnknown
    attempts: list[Attempt] = []
    if found.order_id is not None:
        attempts = await queries.lock_attempts(tx, found.order_id)
    parked = await queries.lock_parked(tx, parked_id)
    assert parked is not None
    if parked.state is not ParkedState.PARKED:
        raise DecisionRefused(state=parked.state)
    attempt = next((one for one in attempts if one.payment_id == parked.payment_id), None)
    match decision:
        case Decision.REFUND:
            if parked.ticket in _NEVER_BACK:
                raise DecisionRefused(ticket=parked.ticket)
            await _move(tx, parked, ParkedState.REFUNDING, None, note, actor)
            await refunding.send_back(tx, parked, attempt, actor)
        case Decision.ACCEPT if parked.is_booked:
            await _accept(tx, parked, attempt, attempts, note, actor)
        case Decision.DISMISS if not parked.is_booked:
            await _move(tx, parked, ParkedState.RESOLVED, Resolution.DISMISSED, note, actor)
        case _:
            raise DecisionRefused(ticket=parked.ticket)
    audit(
        tx,
        actor,
        "payments.parked_resolved",
        ("parked_money", parked_id),
        before={"state": parked.state, "ticket": parked.ticket},
        after={"decision": decision, "note": note, "amount_fen": parked.amount_fen},
    )


async def _accept(
    tx: Tx,
    parked: Parked,
    attempt: Attempt | None,
    attempts: Sequence[Attempt],
    note: str,
    actor: Actor,
) -> None:
    fits = (
        attempt is not None
        and attempt.state is AttemptState.PARKED
        and (attempt.amount_fen, "CNY", attempt.provider_number)
        == (parked.amount_fen, parked.currency, parked.provider_number)
        and not any(one.state is AttemptState.PAID for one in attempts)
    )
    sold = Leg(Book.SALES, -parked.amount_fen, asset=parked.currency)
    if attempt is not None and fits:
        sold = rules.earned(attempt.purpose, attempt.owner, -parked.amount_fen)
    out = Leg(Book.SUSPENSE, parked.amount_fen, asset=parked.currency)
    await _post(
        tx,
        parked,
        "parked_accepted" if fits else "parked_kept",
        "parked_accepted" if fits else "parked_kept",
        [out, sold],
        note,
    )
    if not fits:
        await refunding.stand_apart(tx, parked.parked_id)
    resolution = Resolution.ACCEPTED if fits else Resolution.KEPT
    await _move(tx, parked, ParkedState.RESOLVED, resolution, note, actor)
    if attempt is not None and fits:
        await queries.move_attempt(
            tx,
            attempt.payment_id,
            AttemptState.PAID,
            from_states=frozenset({AttemptState.PARKED}),
            detail={"accepted_by": actor.actor_name},
        )
        emit(tx, attempt.succeeded(parked.paid_at))


async def _move(
    tx: Tx,
    parked: Parked,
    state: ParkedState,
    resolution: Resolution | None,
    note: str,
    actor: Actor,
) -> None:
    moved = await queries.move_parked(
        tx,
        parked.parked_id,
        state,
        from_state=ParkedState.PARKED,
        resolution=resolution,
        note=note,
        actor_name=actor.actor_name,
    )
    assert moved, "the row was locked"
    if resolution is not None:
        emit(
            tx,
            ParkedResolved(
                parked_id=parked.parked_id,
                payment_id=parked.payment_id,
                order_id=parked.order_id,
                amount_fen=parked.amount_fen,
                resolution=resolution,
            ),
        )


async def _post(
    tx: Tx, parked: Parked, kind: str, key: str, legs: list[Leg], note: str = ""
) -> None:
    await ledger.post(
        tx,
        Entry(
            key=f"{key}:{parked.parked_id}",
            kind=kind,
            legs=legs,
            order_id=parked.order_id,
            ref=parked.parked_id,
            note=note,
        ),
    )
