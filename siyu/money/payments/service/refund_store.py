"""All SQL of refunds."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id
from siyu.money.payments.contracts import (
    PaymentId,
    Purpose,
    RefundEntry,
    RefundOrigin,
    RefundRow,
    RefundState,
)


class DueRefund(msgspec.Struct, frozen=True):
    """A refund WeChat should be spoken to about."""

    shop_id: int
    refund_id: UUID
    moved_at: datetime


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A row of payments.refunds."""

    refund_id: UUID
    order_id: UUID | None
    payment_id: PaymentId | None
    parked_id: UUID | None
    purpose: Purpose
    origin: RefundOrigin
    state: RefundState
    amount_fen: int
    total_fen: int
    reason: str
    number: str
    merchant: str
    provider_payment: str
    provider_number: str | None
    problem: str | None
    to_merchant: bool
    calls: int
    restarts: int
    created_at: datetime
    moved_at: datetime
    next_call_at: datetime | None

    def due(self, shop_id: int) -> DueRefund:
        """As it stands in the list of what is to be done."""
        return DueRefund(shop_id, self.refund_id, self.moved_at)


_REFUND = """select refund_id, order_id, payment_id, parked_id, purpose, origin, state, amount_fen,
  total_fen, reason, number, merchant, provider_payment, provider_number, problem, to_merchant,
  calls, restarts, created_at, moved_at, next_call_at
from payments.refunds"""
_REFUND_ROW = """select refund_id, order_id, payment_id, parked_id, purpose, origin, state,
  amount_fen, reason, number, provider_number, problem, created_at, next_call_at, ended_at
from payments.refunds"""


async def get_refund(tx: ReadTx, refund_id: UUID) -> Refund | None:
    """A refund."""
    return await tx.maybe(
        Refund, f"{_REFUND} where shop_id = $1 and refund_id = $2", tx.shop_id, refund_id
    )


async def get_refund_of_number(tx: ReadTx, number: str) -> Refund | None:
    """The refund of one of our numbers."""
    return await tx.maybe(
        Refund, f"{_REFUND} where shop_id = $1 and number = $2", tx.shop_id, number
    )


async def lock_refund(tx: Tx, refund_id: UUID) -> Refund | None:
    """A refund, locked. Where attempts are locked too, they come first."""
    return await tx.maybe(
        Refund,
        f"{_REFUND} where shop_id = $1 and refund_id = $2 for no key update",
        tx.shop_id,
        refund_id,
    )


async def insert_refund(tx: Tx, refund: Refund, actor_name: str) -> None:
    """Store a new refund and the first line of its timeline."""
    await tx.run(
        """with made as (
             insert into payments.refunds (shop_id, refund_id, order_id, payment_id, parked_id,
               purpose, origin, state, amount_fen, total_fen, reason, number, merchant,
               provider_payment, created_at, moved_at, next_call_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $15, $16)
             returning shop_id, refund_id, created_at, state)
           insert into payments.refund_timeline
             (shop_id, refund_id, entry_id, at, event, actor_name, detail)
           select shop_id, refund_id, $17, created_at, state, $18, '{}' from made""",
        tx.shop_id,
        refund.refund_id,
        refund.order_id,
        refund.payment_id,
        refund.parked_id,
        refund.purpose,
        refund.origin,
        refund.state,
        refund.amount_fen,
        refund.total_fen,
        refund.reason,
        refund.number,
        refund.merchant,
        refund.provider_payment,
        refund.created_at,
        refund.next_call_at,
        new_id(),
        actor_name,
    )


async def move_refund(
    tx: Tx,
    refund: Refund,
    state: RefundState,
    actor_name: str,
    *,
    event: str | None = None,
    next_call_at: datetime | None = None,
    problem: str | None = None,
    provider_number: str | None = None,
    restarts: int | None = None,
    detail: dict[str, Any] | None = None,
) -> None:
    """Move a locked refund and note it under the state's name, or as `event`. The problem is
    replaced; calls are counted, so that answers to what was asked before decide nothing."""
    now = clock.now()
    await tx.run(
        """with moved as (
             update payments.refunds set state = $3, next_call_at = $4, problem = $5,
               provider_number = coalesce(provider_number, $6), restarts = coalesce($7, restarts),
               calls = calls + 1, moved_at = $8,
               ended_at = case when $3 in ('succeeded', 'settled', 'closed')
                 then $8::timestamptz end
             where shop_id = $1 and refund_id = $2
             returning shop_id, refund_id)
           insert into payments.refund_timeline
             (shop_id, refund_id, entry_id, at, event, actor_name, detail)
           select shop_id, refund_id, $9, $8, $10, $11, $12 from moved""",
        tx.shop_id,
        refund.refund_id,
        state,
        next_call_at,
        problem,
        provider_number,
        restarts,
        now,
        new_id(),
        event or state,
        actor_name,
        detail or {},
    )


async def move_refund_target(tx: Tx, refund_id: UUID, to_merchant: bool) -> None:
    """Set whether an abnormal refund goes to the merchant's own card."""
    await tx.run(
        "update payments.refunds set to_merchant = $3 where shop_id = $1 and refund_id = $2",
        tx.shop_id,
        refund_id,
        to_merchant,
    )


async def move_refund_problem(tx: Tx, refund_id: UUID, problem: str) -> None:
    """Set what stands against a refund that goes on all the same."""
    await tx.run(
        "update payments.refunds set problem = $3 where shop_id = $1 and refund_id = $2",
        tx.shop_id,
        refund_id,
        problem,
    )


async def insert_refund_entry(
    tx: Tx, refund_id: UUID, event: str, actor_name: str, detail: dict[str, Any]
) -> None:
    """Note what happened to a refund."""
    await tx.run(
        """insert into payments.refund_timeline
             (shop_id, refund_id, entry_id, at, event, actor_name, detail)
           values ($1, $2, $3, $4, $5, $6, $7)""",
        tx.shop_id,
        refund_id,
        new_id(),
        clock.now(),
        event,
        actor_name,
        detail,
    )


async def lock_due_refunds(tx: Tx, now: datetime, limit: int) -> list[DueRefund]:
    """Refunds of all shops whose turn has come; those another worker took are left out."""
    return await tx.all(
        DueRefund,
        """select shop_id, refund_id, moved_at from payments.refunds
           where next_call_at <= $1 order by next_call_at limit $2
           for no key update skip locked""",
        now,
        limit,
    )


async def move_refund_calls(tx: Tx, due: list[DueRefund], next_call_at: list[datetime]) -> None:
    """Set when to speak with WeChat again, before it is spoken to."""
    await tx.run(
        """update payments.refunds r set next_call_at = d.at
           from unnest($1::int[], $2::uuid[], $3::timestamptz[]) as d (shop_id, refund_id, at)
           where r.shop_id = d.shop_id and r.refund_id = d.refund_id
             and r.next_call_at is not null""",
        [one.shop_id for one in due],
        [one.refund_id for one in due],
        next_call_at,
    )


async def move_refund_call(tx: Tx, refund_id: UUID) -> None:
    """Count a question to WeChat before it is asked."""
    await tx.run(
        "update payments.refunds set calls = calls + 1 where shop_id = $1 and refund_id = $2",
        tx.shop_id,
        refund_id,
    )


async def list_stopped(tx: ReadTx, since: datetime, limit: int) -> list[DueRefund]:
    """Refunds of all shops that finance must see to, made since; the oldest first."""
    return await tx.all(
        DueRefund,
        """select shop_id, refund_id, moved_at from payments.refunds
           where state in ('abnormal', 'failed') and created_at >= $1
           order by refund_id limit $2""",
        since,
        limit,
    )


async def get_refund_row(tx: ReadTx, refund_id: UUID) -> RefundRow | None:
    """A refund as the console shows it."""
    return await tx.maybe(
        RefundRow, f"{_REFUND_ROW} where shop_id = $1 and refund_id = $2", tx.shop_id, refund_id
    )


async def list_refunds(tx: ReadTx, order_id: UUID) -> list[RefundRow]:
    """The refunds of an order, the oldest first, those of money that was parked included."""
    return await tx.all(
        RefundRow,
        f"{_REFUND_ROW} where shop_id = $1 and order_id = $2 order by refund_id",
        tx.shop_id,
        order_id,
    )


async def list_all_refunds(
    tx: ReadTx, state: RefundState | None, before: UUID | None, limit: int
) -> list[RefundRow]:
    """Refunds of the shop, the newest first; `before` is the last one already seen."""
    return await tx.all(
        RefundRow,
        f"""{_REFUND_ROW}
           where shop_id = $1 and ($2::text is null or state = $2)
             and ($3::uuid is null or refund_id < $3)
           order by refund_id desc limit $4""",
        tx.shop_id,
        state,
        before,
        limit,
    )


async def list_refund_entries(tx: ReadTx, refund_ids: list[UUID]) -> list[RefundEntry]:
    """What happened to these refunds, the oldest first."""
    return await tx.all(
        RefundEntry,
        """select refund_id, at, event, actor_name, detail from payments.refund_timeline
           where shop_id = $1 and refund_id = any($2) order by refund_id, entry_id""",
        tx.shop_id,
        refund_ids,
    )
