"""The SQL of what WeChat is told of shipping."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.commerce.fulfilment.contracts import HeldFigures, HeldMoney, UploadState
from siyu.kernel.db import ReadTx, Tx, filters


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """A row of fulfilment.uploads."""

    payment_id: UUID
    order_id: UUID
    order_no: str
    purpose: str
    state: UploadState
    app: str
    number: str
    payer: str
    amount_fen: int
    paid_at: datetime
    state_since: datetime
    is_split: bool
    wanted: int
    told: int
    tries: int
    calls: int
    is_unclear: bool
    uploaded_at: datetime | None
    receipt_at: datetime | None
    reminded_at: datetime | None
    problem: str | None
    problem_text: str
    next_call_at: datetime | None


_UPLOAD = """select payment_id, order_id, order_no, purpose, state, app, number, payer, amount_fen,
  paid_at, state_since, is_split, wanted, told, tries, calls, is_unclear, uploaded_at, receipt_at,
  reminded_at, problem, problem_text, next_call_at
from fulfilment.uploads"""
_OPEN = "state not in ('settled', 'refunded', 'free')"


async def insert_upload(tx: Tx, new: Upload) -> None:
    """Begin to follow a payment; harmless when repeated."""
    await tx.run(
        """insert into fulfilment.uploads (shop_id, payment_id, order_id, order_no, purpose, state,
             app, number, payer, amount_fen, paid_at, state_since, wanted, next_call_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
           on conflict do nothing""",
        tx.shop_id,
        new.payment_id,
        new.order_id,
        new.order_no,
        new.purpose,
        new.state,
        new.app,
        new.number,
        new.payer,
        new.amount_fen,
        new.paid_at,
        new.state_since,
        new.wanted,
        new.next_call_at,
    )


async def get_upload(tx: ReadTx, payment_id: UUID) -> Upload | None:
    """What is known of a payment."""
    return await tx.maybe(
        Upload, f"{_UPLOAD} where shop_id = $1 and payment_id = $2", tx.shop_id, payment_id
    )


async def lock_upload(tx: Tx, payment_id: UUID) -> Upload | None:
    """What is known of a payment, locked. Orders come before it."""
    return await tx.maybe(
        Upload,
        f"{_UPLOAD} where shop_id = $1 and payment_id = $2 for no key update",
        tx.shop_id,
        payment_id,
    )


async def get_of_order(tx: ReadTx, order_id: UUID) -> Upload | None:
    """What is known of the payment of an order."""
    return await tx.maybe(
        Upload, f"{_UPLOAD} where shop_id = $1 and order_id = $2", tx.shop_id, order_id
    )


async def move_wanted(tx: Tx, order_ids: Sequence[UUID], now: datetime) -> None:
    """Something about the shipping of orders has changed: WeChat is to be told, at once."""
    await tx.run(
        f"""update fulfilment.uploads set wanted = wanted + 1, tries = 0, next_call_at = $3,
              state_since = case when state = 'due' then state_since else $3 end, state = 'due'
            where shop_id = $1 and order_id = any ($2::uuid[]) and {_OPEN} and state <> 'received'
        """,
        tx.shop_id,
        list(order_ids),
        now,
    )


async def move_waiting(tx: Tx, order_id: UUID, now: datetime) -> None:
    """An order has ended without a parcel: WeChat, if it was told nothing, is told now."""
    await tx.run(
        """update fulfilment.uploads set wanted = wanted + 1, tries = 0, state = 'due',
             state_since = $3, next_call_at = $3
           where shop_id = $1 and order_id = $2 and state = 'waiting'""",
        tx.shop_id,
        order_id,
        now,
    )


async def move_receipt(tx: Tx, order_id: UUID, at: datetime, now: datetime) -> None:
    """The buyer has it, as we know: WeChat may remind her to confirm."""
    await tx.run(
        """update fulfilment.uploads set receipt_at = $3,
             next_call_at = case when state = 'told' and reminded_at is null then $4
               else next_call_at end
           where shop_id = $1 and order_id = $2 and receipt_at is null""",
        tx.shop_id,
        order_id,
        at,
        now,
    )


async def move_reminded(tx: Tx, payment_id: UUID, now: datetime) -> None:
    """WeChat is asked to remind the buyer: once, whatever it answers."""
    await tx.run(
        """update fulfilment.uploads set reminded_at = $3, next_call_at = null
           where shop_id = $1 and payment_id = $2""",
        tx.shop_id,
        payment_id,
        now,
    )


async def move_begun(
    tx: Tx, payment_id: UUID, uploaded_at: datetime | None, is_split: bool, again_at: datetime
) -> None:
    """A question (None) or an upload is about to go out: from now its outcome is not known."""
    await tx.run(
        """update fulfilment.uploads set calls = calls + 1, next_call_at = $5,
             is_split = is_split or $4, uploaded_at = coalesce($3, uploaded_at),
             is_unclear = is_unclear or $3::timestamptz is not null
           where shop_id = $1 and payment_id = $2""",
        tx.shop_id,
        payment_id,
        uploaded_at,
        is_split,
        again_at,
    )


async def move_upload(
    tx: Tx,
    payment_id: UUID,
    state: UploadState,
    now: datetime,
    *,
    told: int,
    tries: int = 0,
    is_unclear: bool = False,
    problem: str | None = None,
    problem_text: str = "",
    next_call_at: datetime | None = None,
) -> None:
    """Write down how the telling stands."""
    await tx.run(
        """update fulfilment.uploads set state = $3, told = $5, tries = $6, is_unclear = $7,
             problem = $8, problem_text = $9, next_call_at = $10,
             state_since = case when state = $3 then state_since else $4 end
           where shop_id = $1 and payment_id = $2""",
        tx.shop_id,
        payment_id,
        state,
        now,
        told,
        tries,
        is_unclear,
        problem,
        problem_text[:300],
        next_call_at,
    )


class DueUpload(msgspec.Struct, frozen=True):
    """An upload whose turn has come."""

    shop_id: int
    payment_id: UUID


async def lock_due(tx: Tx, now: datetime, until: datetime, limit: int) -> list[DueUpload]:
    """Uploads of all shops whose turn has come, put off until `until` for all others."""
    return await tx.all(
        DueUpload,
        """with due as (
             select shop_id, payment_id from fulfilment.uploads where next_call_at <= $1
             order by next_call_at limit $3 for no key update skip locked)
           update fulfilment.uploads u set next_call_at = $2 from due
           where u.shop_id = due.shop_id and u.payment_id = due.payment_id
           returning u.shop_id, u.payment_id""",
        now,
        until,
        limit,
    )


class Watched(msgspec.Struct, frozen=True):
    """The payments of a shop's app that WeChat may have moved on by itself."""

    shop_id: int
    app: str
    paid_from: datetime
    paid_to: datetime


async def list_watched(tx: ReadTx) -> list[Watched]:
    """All shops with money that waits for the buyer, and when it was paid."""
    return await tx.all(
        Watched,
        """select shop_id, app, min(paid_at) as paid_from, max(paid_at) as paid_to
           from fulfilment.uploads where state in ('partly', 'told', 'received')
           group by 1, 2 order by 1""",
    )


async def list_numbers(tx: ReadTx, app: str, numbers: Sequence[str]) -> list[Upload]:
    """The watched payments of these numbers."""
    return await tx.all(
        Upload,
        f"""{_UPLOAD} where shop_id = $1 and app = $2 and number = any ($3::text[])
              and state in ('partly', 'told', 'received')""",
        tx.shop_id,
        app,
        list(numbers),
    )


async def move_state(tx: Tx, payment_id: UUID, state: UploadState, now: datetime) -> bool:
    """Move one that is still held; False when it stands there already, or was let go."""
    return bool(
        await tx.run(
            f"""update fulfilment.uploads set state = $3, state_since = $4,
                  next_call_at = case when $3 in ('told', 'received') then next_call_at end
                where shop_id = $1 and payment_id = $2 and {_OPEN} and state <> $3""",
            tx.shop_id,
            payment_id,
            state,
            now,
        )
    )


async def list_held(
    tx: ReadTx, state: UploadState | None, after: tuple[Any, ...] | None, limit: int
) -> list[HeldMoney]:
    """Money WeChat holds, the oldest payment first."""
    args: list[Any] = [tx.shop_id, limit]
    where = filters(args, ("state = ?", state))
    if after is not None:
        args += after
        where += f" and (paid_at, payment_id) > (${len(args) - 1}, ${len(args)})"
    return await tx.all(
        HeldMoney,
        f"""select payment_id, order_id, order_no, purpose, state, amount_fen, paid_at,
              state_since, tries, problem, problem_text, next_call_at
            from fulfilment.uploads where shop_id = $1 and {_OPEN} and {where}
            order by paid_at, payment_id limit $2""",
        *args,
    )


async def get_figures(tx: ReadTx) -> HeldFigures:
    """All money WeChat holds of the shop."""
    return await tx.one(
        HeldFigures,
        f"""select coalesce(sum(amount_fen), 0)::bigint as held_fen, count(*) as held_count,
              min(paid_at) as oldest_paid_at,
              coalesce(sum(amount_fen) filter (where state in
                ('waiting', 'due', 'partly', 'ticket')), 0)::bigint as ours_fen,
              count(*) filter (where state in
                ('waiting', 'due', 'partly', 'ticket')) as ours_count,
              count(*) filter (where state = 'ticket') as tickets
            from fulfilment.uploads where shop_id = $1 and {_OPEN}""",
        tx.shop_id,
    )


class Management(msgspec.Struct, frozen=True):
    """What an app said of itself."""

    is_managed: bool
    message_path: str | None
    checked_at: datetime


async def get_management(tx: ReadTx, app: str) -> Management | None:
    """Whether WeChat manages the trades of an app, as it said last."""
    return await tx.maybe(
        Management,
        """select is_managed, message_path, checked_at from fulfilment.trade_management
           where shop_id = $1 and app = $2""",
        tx.shop_id,
        app,
    )


async def set_management(tx: Tx, app: str, known: Management) -> None:
    """Write what an app said."""
    await tx.run(
        """insert into fulfilment.trade_management
             (shop_id, app, is_managed, message_path, checked_at)
           values ($1, $2, $3, $4, $5)
           on conflict (shop_id, app) do update set is_managed = excluded.is_managed,
             message_path = excluded.message_path, checked_at = excluded.checked_at""",
        tx.shop_id,
        app,
        known.is_managed,
        known.message_path,
        known.checked_at,
    )
