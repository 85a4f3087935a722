"""The SQL of top-ups and their refunds."""

from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.money.stored_value.contracts import (
    RefundTerms,
    TopUp,
    TopUpRefund,
    TopUpState,
)


class Overdue(msgspec.Struct, frozen=True):
    """A top-up whose time to pay is over."""

    shop_id: int
    top_up_id: UUID


_TOP_UP = """select t.top_up_id, t.member_id, t.person_no, t.offer_id, t.amount_fen, t.bonus_fen,
  t.platform, t.state, t.created_at, t.pay_before, t.paid_at, t.payment_id, t.refunded_fen,
  t.withdrawn_fen, t.kept_back_fen, coalesce(l.principal_left_fen, 0) as principal_left_fen,
  coalesce(l.bonus_left_fen, 0) as bonus_left_fen, coalesce(l.unused_fen, 0) as unused_fen,
  l.expires_on as bonus_expires_on
from stored_value.top_ups t
left join stored_value.lots l on l.shop_id = t.shop_id and l.lot_id = t.top_up_id"""


async def insert_top_up(tx: Tx, top_up: TopUp) -> None:
    """Store a top-up that waits for its money."""
    await tx.run(
        """insert into stored_value.top_ups (shop_id, top_up_id, member_id, person_no, offer_id,
             amount_fen, bonus_fen, platform, state, created_at, pay_before)
           values ($1, $2, $3, $4, $5, $6, $7, $8, 'pending', $9, $10)""",
        tx.shop_id,
        top_up.top_up_id,
        top_up.member_id,
        top_up.person_no,
        top_up.offer_id,
        top_up.amount_fen,
        top_up.bonus_fen,
        top_up.platform,
        top_up.created_at,
        top_up.pay_before,
    )


async def get_top_up(tx: ReadTx, top_up_id: UUID) -> TopUp | None:
    """A top-up with what is left of it."""
    return await tx.maybe(
        TopUp, f"{_TOP_UP} where t.shop_id = $1 and t.top_up_id = $2", tx.shop_id, top_up_id
    )


async def lock_top_up(tx: Tx, top_up_id: UUID) -> TopUp | None:
    """A top-up, locked. What is left of it changes under the lock of its wallet."""
    return await tx.maybe(
        TopUp,
        f"{_TOP_UP} where t.shop_id = $1 and t.top_up_id = $2 for no key update of t",
        tx.shop_id,
        top_up_id,
    )


async def list_top_ups(
    tx: ReadTx, member_id: UUID, before_id: UUID | None, limit: int
) -> list[TopUp]:
    """A member's top-ups, the newest first; `before_id` is the last one already seen."""
    return await tx.all(
        TopUp,
        f"""{_TOP_UP} where t.shop_id = $1 and t.member_id = $2
              and ($3::uuid is null or t.top_up_id < $3)
            order by t.top_up_id desc limit $4""",
        tx.shop_id,
        member_id,
        before_id,
        limit,
    )


async def move_top_up(
    tx: Tx,
    top_up_id: UUID,
    state: TopUpState,
    payment_id: UUID | None = None,
    paid_at: datetime | None = None,
) -> None:
    """Move a top-up that is locked."""
    await tx.run(
        """update stored_value.top_ups set state = $3, payment_id = $4, paid_at = $5
           where shop_id = $1 and top_up_id = $2""",
        tx.shop_id,
        top_up_id,
        state,
        payment_id,
        paid_at,
    )


async def list_overdue(tx: Tx, now: datetime, limit: int) -> list[Overdue]:
    """Top-ups of all shops whose time to pay is over; `tx` is a system transaction."""
    return await tx.all(
        Overdue,
        """select shop_id, top_up_id from stored_value.top_ups
           where state = 'pending' and pay_before <= $1 order by pay_before limit $2""",
        now,
        limit,
    )


# --- refunds --------------------------------------------------------------------------------------

_REFUND = """select refund_id, top_up_id, principal_fen, money_fen, withdrawn_fen, kept_back_fen,
  state, reason, created_at
from stored_value.refunds"""


async def get_refund(tx: ReadTx, refund_id: UUID) -> TopUpRefund | None:
    """A refund of a top-up."""
    return await tx.maybe(
        TopUpRefund, f"{_REFUND} where shop_id = $1 and refund_id = $2", tx.shop_id, refund_id
    )


async def list_refunds(tx: ReadTx, top_up_ids: list[UUID]) -> list[TopUpRefund]:
    """The refunds of these top-ups, the oldest first."""
    return await tx.all(
        TopUpRefund,
        f"{_REFUND} where shop_id = $1 and top_up_id = any($2) order by refund_id",
        tx.shop_id,
        top_up_ids,
    )


async def insert_refund(
    tx: Tx, refund_id: UUID, top_up_id: UUID, terms: RefundTerms, reason: str
) -> None:
    """Store a refund and take what it concerns out of the top-up and its lot."""
    await tx.run(
        """with made as (
             insert into stored_value.refunds (shop_id, refund_id, top_up_id, principal_fen,
               money_fen, withdrawn_fen, kept_back_fen, state, reason, created_at)
             values ($1, $2, $3, $4, $5, $6, $7, 'intended', $8, $9)),
           counted as (
             update stored_value.top_ups set refunded_fen = refunded_fen + $4,
               withdrawn_fen = withdrawn_fen + $6, kept_back_fen = kept_back_fen + $7
             where shop_id = $1 and top_up_id = $3)
           update stored_value.lots set principal_left_fen = principal_left_fen - $4,
             bonus_left_fen = bonus_left_fen - $6
           where shop_id = $1 and lot_id = $3""",
        tx.shop_id,
        refund_id,
        top_up_id,
        terms.principal_fen,
        terms.money_fen,
        terms.withdrawn_fen,
        terms.kept_back_fen,
        reason,
        clock.now(),
    )


async def move_refund(tx: Tx, refund_id: UUID, state: str) -> bool:
    """End a refund; False when it has ended already."""
    moved = await tx.run(
        """update stored_value.refunds set state = $3, ended_at = $4
           where shop_id = $1 and refund_id = $2 and state = 'intended'""",
        tx.shop_id,
        refund_id,
        state,
        clock.now(),
    )
    return bool(moved)


async def move_refund_back(tx: Tx, refund_id: UUID) -> None:
    """Put what an undone refund took back into the top-up and its lot."""
    await tx.run(
        """with undone as (
             select top_up_id, principal_fen, withdrawn_fen, kept_back_fen
             from stored_value.refunds where shop_id = $1 and refund_id = $2),
           counted as (
             update stored_value.top_ups t set refunded_fen = t.refunded_fen - u.principal_fen,
               withdrawn_fen = t.withdrawn_fen - u.withdrawn_fen,
               kept_back_fen = t.kept_back_fen - u.kept_back_fen
             from undone u where t.shop_id = $1 and t.top_up_id = u.top_up_id)
           update stored_value.lots l
           set principal_left_fen = l.principal_left_fen + u.principal_fen,
             bonus_left_fen = l.bonus_left_fen + u.withdrawn_fen
           from undone u where l.shop_id = $1 and l.lot_id = u.top_up_id""",
        tx.shop_id,
        refund_id,
    )
