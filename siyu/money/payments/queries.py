"""All SQL of payments."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id
from siyu.money.payments.contracts import (
    AttemptState,
    Channel,
    Kept,
    PaidAttempt,
    ParkedRow,
    ParkedState,
    ParkReason,
    PaymentId,
    PaymentRow,
    PaymentSucceeded,
    Purpose,
    Resolution,
    Ticket,
    TimelineEntry,
)


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """A row of payments.attempts."""

    shop_id: int
    payment_id: PaymentId
    order_id: UUID
    person_no: int
    channel: Channel
    state: AttemptState
    amount_fen: int
    number: str
    merchant: str
    app: str
    payer: str | None
    description: str
    provider_number: str | None
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    purpose: Purpose
    owner: UUID | None
    is_shared: bool
    refunded_fen: int
    refund_count: int

    def succeeded(self, paid_at: datetime) -> PaymentSucceeded:
        """What is told when its money belongs to the order."""
        return PaymentSucceeded(
            payment_id=self.payment_id,
            order_id=self.order_id,
            person_no=self.person_no,
            amount_fen=self.amount_fen,
            channel=self.channel,
            paid_at=paid_at,
            purpose=self.purpose,
        )


class Parked(msgspec.Struct, frozen=True, kw_only=True):
    """A row of payments.suspense. `is_booked`: it lies with our merchant account."""

    parked_id: UUID
    payment_id: PaymentId | None
    order_id: UUID | None
    reason: ParkReason
    amount_fen: int
    currency: str
    merchant: str
    number: str
    provider_number: str
    parked_at: datetime
    paid_at: datetime
    state: ParkedState
    ticket: Ticket | None
    is_booked: bool
    is_shared: bool


class Due(msgspec.Struct, frozen=True):
    """An attempt WeChat should be asked about."""

    shop_id: int
    payment_id: PaymentId
    created_at: datetime


_ATTEMPT = """select shop_id, payment_id, order_id, person_no, channel, state, amount_fen, number,
  merchant, app, payer, description, provider_number, created_at, expires_at, paid_at, purpose,
  owner, is_shared, refunded_fen, refund_count
from payments.attempts"""
_PARKED_ROW = """select parked_id, payment_id, order_id, state, reason, ticket, amount_fen,
  currency, merchant, number, provider_number, resolution, note, resolved_by, parked_at,
  resolved_at,
  (select r.refund_id from payments.refunds r
   where r.shop_id = s.shop_id and r.parked_id = s.parked_id
   order by r.refund_id desc limit 1) as refund_id
from payments.suspense s"""
_PAID = """select payment_id, order_id, amount_fen, refunded_fen, is_shared, merchant, app,
  provider_number, paid_at, channel, payer
from payments.attempts where shop_id = $1 and order_id = $2 and state = 'paid'"""


async def get_attempt(tx: ReadTx, payment_id: UUID) -> Attempt | None:
    """An attempt."""
    return await tx.maybe(
        Attempt, f"{_ATTEMPT} where shop_id = $1 and payment_id = $2", tx.shop_id, payment_id
    )


async def get_order_of_number(tx: ReadTx, number: str) -> UUID | None:
    """The order an attempt number belongs to."""
    found: UUID | None = await tx.value(
        "select order_id from payments.attempts where shop_id = $1 and number = $2",
        tx.shop_id,
        number,
    )
    return found


async def list_attempts(tx: ReadTx, order_id: UUID) -> list[Attempt]:
    """All attempts of an order, the oldest first."""
    return await tx.all(
        Attempt,
        f"{_ATTEMPT} where shop_id = $1 and order_id = $2 order by payment_id",
        tx.shop_id,
        order_id,
    )


async def lock_attempts(tx: Tx, order_id: UUID) -> list[Attempt]:
    """All attempts of an order, locked in the order of their ids: what is decided about one
    depends on the others."""
    return await tx.all(
        Attempt,
        f"""{_ATTEMPT} where shop_id = $1 and order_id = $2
            order by payment_id for no key update""",
        tx.shop_id,
        order_id,
    )


async def insert_attempt(
    tx: Tx,
    attempt: Attempt,
    next_query_at: datetime | None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Store a new attempt and the first line of its timeline."""
    await tx.run(
        """with made as (
             insert into payments.attempts (shop_id, payment_id, order_id, person_no, channel,
               state, amount_fen, number, merchant, app, payer, description, created_at, expires_at,
               paid_at, next_query_at, purpose, owner, is_shared)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $18,
               $19, $20)
             returning shop_id, payment_id, created_at, state)
           insert into payments.timeline (shop_id, payment_id, entry_id, at, event, detail)
           select shop_id, payment_id, $17, created_at, state, $21 from made""",
        tx.shop_id,
        attempt.payment_id,
        attempt.order_id,
        attempt.person_no,
        attempt.channel,
        attempt.state,
        attempt.amount_fen,
        attempt.number,
        attempt.merchant,
        attempt.app,
        attempt.payer,
        attempt.description,
        attempt.created_at,
        attempt.expires_at,
        attempt.paid_at,
        next_query_at,
        new_id(),
        attempt.purpose,
        attempt.owner,
        attempt.is_shared,
        detail or {},
    )


async def move_attempt(
    tx: Tx,
    payment_id: UUID,
    state: AttemptState,
    *,
    from_states: frozenset[AttemptState],
    paid_at: datetime | None = None,
    provider_number: str | None = None,
    detail: dict[str, Any] | None = None,
) -> bool:
    """Move an attempt out of one of `from_states` and note it; False when it stands elsewhere."""
    is_open = state in (AttemptState.CREATED, AttemptState.PAYING)
    moved = await tx.run(
        """with moved as (
             update payments.attempts set state = $3,
               paid_at = case when $3 in ('paid', 'parked') then coalesce(paid_at, $5) end,
               closed_at = case when $3 = 'closed' then $6 else closed_at end,
               provider_number = coalesce(provider_number, $7),
               next_query_at = case when $8 then next_query_at end
             where shop_id = $1 and payment_id = $2 and state = any($4)
             returning shop_id, payment_id)
           insert into payments.timeline (shop_id, payment_id, entry_id, at, event, detail)
           select shop_id, payment_id, $9, $6, $3, $10 from moved""",
        tx.shop_id,
        payment_id,
        state,
        sorted(from_states),
        paid_at,
        clock.now(),
        provider_number,
        is_open,
        new_id(),
        detail or {},
    )
    return bool(moved)


async def insert_timeline(tx: Tx, payment_id: UUID, event: str, detail: dict[str, Any]) -> None:
    """Note what happened to an attempt."""
    await tx.run(
        """insert into payments.timeline (shop_id, payment_id, entry_id, at, event, detail)
           values ($1, $2, $3, $4, $5, $6)""",
        tx.shop_id,
        payment_id,
        new_id(),
        clock.now(),
        event,
        detail,
    )


async def insert_parked(tx: Tx, parked: Parked) -> bool:
    """Put money into suspense; False when this payment of WeChat stands there already."""
    return bool(
        await tx.run(
            """insert into payments.suspense (shop_id, parked_id, payment_id, order_id, reason,
                 amount_fen, currency, merchant, number, provider_number, parked_at, paid_at,
                 state, ticket, is_booked, is_shared)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)
               on conflict (shop_id, provider_number) where resolution is distinct from 'accepted'
               do nothing""",
            tx.shop_id,
            parked.parked_id,
            parked.payment_id,
            parked.order_id,
            parked.reason,
            parked.amount_fen,
            parked.currency,
            parked.merchant,
            parked.number,
            parked.provider_number,
            parked.parked_at,
            parked.paid_at,
            parked.state,
            parked.ticket,
            parked.is_booked,
            parked.is_shared,
        )
    )


_PARKED = """select parked_id, payment_id, order_id, reason, amount_fen, currency, merchant, number,
  provider_number, parked_at, paid_at, state, ticket, is_booked, is_shared
from payments.suspense where shop_id = $1 and parked_id = $2"""


async def get_parked(tx: ReadTx, parked_id: UUID) -> Parked | None:
    """Money in suspense."""
    return await tx.maybe(Parked, _PARKED, tx.shop_id, parked_id)


async def lock_parked(tx: Tx, parked_id: UUID) -> Parked | None:
    """Money in suspense, locked."""
    return await tx.maybe(Parked, f"{_PARKED} for no key update", tx.shop_id, parked_id)


async def sum_apart(tx: ReadTx, order_id: UUID) -> int:
    """What was paid on top of an order and stands frozen beside its own money, fen. What WeChat has
    sent to the merchant's own card is gone from there."""
    fen: int = await tx.value(
        """select coalesce(sum(s.amount_fen), 0)::bigint from payments.suspense s
           where s.shop_id = $1 and s.order_id = $2 and s.is_shared and s.state <> 'resolved'
             and not exists (select from payments.refunds r where r.shop_id = s.shop_id
               and r.parked_id = s.parked_id and r.state <> 'closed'
               and r.problem = 'AT_MERCHANT')""",
        tx.shop_id,
        order_id,
    )
    return fen


async def get_kept(tx: ReadTx, parked_id: UUID) -> Kept | None:
    """Money that was parked with one of our payments."""
    return await tx.maybe(
        Kept,
        """select a.person_no, s.amount_fen, s.merchant, a.app, s.provider_number, s.paid_at
           from payments.suspense s join payments.attempts a using (shop_id, payment_id)
           where s.shop_id = $1 and s.parked_id = $2""",
        tx.shop_id,
        parked_id,
    )


async def move_parked(
    tx: Tx,
    parked_id: UUID,
    state: ParkedState,
    *,
    from_state: ParkedState,
    ticket: Ticket | None = None,
    resolution: Resolution | None = None,
    note: str | None = None,
    actor_name: str | None = None,
) -> bool:
    """Move money in suspense; False when it does not stand in `from_state`. A note and a name
    once written are kept."""
    return bool(
        await tx.run(
            """update payments.suspense set state = $3, ticket = coalesce($5, ticket),
                 resolution = $6, note = coalesce($7, note),
                 resolved_by = coalesce($8, resolved_by),
                 resolved_at = case when $3 = 'resolved' then $9::timestamptz end
               where shop_id = $1 and parked_id = $2 and state = $4""",
            tx.shop_id,
            parked_id,
            state,
            from_state,
            ticket,
            resolution,
            note,
            actor_name,
            clock.now(),
        )
    )


async def move_query_to_now(tx: Tx, order_id: UUID) -> None:
    """Look at the open attempts of an order at the next opportunity."""
    await tx.run(
        """update payments.attempts set next_query_at = $3
           where shop_id = $1 and order_id = $2 and next_query_at is not null""",
        tx.shop_id,
        order_id,
        clock.now(),
    )


async def lock_due(tx: Tx, now: datetime, limit: int) -> list[Due]:
    """Open attempts of all shops whose question is due; those another worker took are left out."""
    return await tx.all(
        Due,
        """select shop_id, payment_id, created_at from payments.attempts
           where next_query_at <= $1 order by next_query_at limit $2
           for no key update skip locked""",
        now,
        limit,
    )


async def move_queries(tx: Tx, due: list[Due], next_query_at: list[datetime]) -> None:
    """Set when to ask next."""
    await tx.run(
        """update payments.attempts a set next_query_at = d.at
           from unnest($1::int[], $2::uuid[], $3::timestamptz[]) as d (shop_id, payment_id, at)
           where a.shop_id = d.shop_id and a.payment_id = d.payment_id
             and a.next_query_at is not null""",
        [one.shop_id for one in due],
        [one.payment_id for one in due],
        next_query_at,
    )


async def get_paid(tx: ReadTx, order_id: UUID) -> PaidAttempt | None:
    """The attempt that paid an order."""
    return await tx.maybe(PaidAttempt, _PAID, tx.shop_id, order_id)


async def move_refunded(tx: Tx, payment_id: UUID, amount_fen: int) -> None:
    """Count a refund into its payment, or out of it again (`amount_fen` < 0); a constraint keeps
    the sum within the payment and the number within fifty."""
    await tx.run(
        """update payments.attempts set refunded_fen = refunded_fen + $3,
             refund_count = refund_count + case when $3 > 0 then 1 else 0 end
           where shop_id = $1 and payment_id = $2""",
        tx.shop_id,
        payment_id,
        amount_fen,
    )


async def take_refund_turn(
    tx: Tx, payment_id: UUID, now: datetime, until: datetime
) -> datetime | None:
    """Take the turn to ask for a refund of a payment, so that no other has it before `until`;
    None when it was free, else the moment when it is."""
    taken = await tx.run(
        """update payments.attempts set next_refund_at = $4
           where shop_id = $1 and payment_id = $2 and coalesce(next_refund_at <= $3, true)""",
        tx.shop_id,
        payment_id,
        now,
        until,
    )
    if taken:
        return None
    free_at: datetime = await tx.value(
        "select next_refund_at from payments.attempts where shop_id = $1 and payment_id = $2",
        tx.shop_id,
        payment_id,
    )
    return free_at


async def list_payments(tx: ReadTx, order_id: UUID) -> list[PaymentRow]:
    """The attempts of an order as the console shows them."""
    return await tx.all(
        PaymentRow,
        """select payment_id, order_id, channel, state, amount_fen, created_at, expires_at,
             paid_at, closed_at, number, provider_number
           from payments.attempts where shop_id = $1 and order_id = $2 order by payment_id""",
        tx.shop_id,
        order_id,
    )


async def list_timeline(tx: ReadTx, payment_ids: list[PaymentId]) -> list[TimelineEntry]:
    """What happened to these attempts, the oldest first."""
    return await tx.all(
        TimelineEntry,
        """select payment_id, at, event, detail from payments.timeline
           where shop_id = $1 and payment_id = any($2) order by payment_id, entry_id""",
        tx.shop_id,
        payment_ids,
    )


async def get_parked_row(tx: ReadTx, parked_id: UUID) -> ParkedRow | None:
    """Money in suspense as the console shows it."""
    return await tx.maybe(
        ParkedRow,
        f"{_PARKED_ROW} where s.shop_id = $1 and s.parked_id = $2",
        tx.shop_id,
        parked_id,
    )


async def list_parked(
    tx: ReadTx,
    before: tuple[datetime, UUID] | None,
    limit: int,
    state: ParkedState | None = None,
) -> list[ParkedRow]:
    """Money in suspense, the newest first; `before` is the last row already seen."""
    parked_at, parked_id = before or (None, None)
    return await tx.all(
        ParkedRow,
        f"""{_PARKED_ROW}
           where s.shop_id = $1
             and ($2::timestamptz is null or (s.parked_at, s.parked_id) < ($2, $3::uuid))
             and ($5::text is null or s.state = $5)
           order by s.parked_at desc, s.parked_id desc limit $4""",
        tx.shop_id,
        parked_at,
        parked_id,
        limit,
        state,
    )
