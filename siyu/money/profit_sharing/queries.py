"""All SQL of profit sharing."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id
from siyu.money.profit_sharing.contracts import (
    Alarm,
    CommissionEntry,
    PartRow,
    PlanRow,
    PlanState,
    RequestRow,
    TimelineEntry,
)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A row of profit_sharing.plans."""

    order_id: UUID
    person_no: int
    promoter_id: UUID | None
    state: PlanState
    total_fen: int
    paid_fen: int
    refunded_fen: int
    refunded_paid_fen: int
    is_frozen: bool
    provider_number: str | None
    merchant: str
    app: str
    paid_at: datetime
    completed_at: datetime | None
    frozen_until: datetime | None
    alarm: Alarm | None
    alarmed_at: datetime | None
    next_at: datetime | None


class Part(PartRow, frozen=True, kw_only=True):
    """A row of profit_sharing.parts."""

    pool: str
    recall_fen: int
    revision: int
    request_id: UUID | None
    hold_id: UUID | None
    tries: int


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """A row of profit_sharing.requests."""

    request_id: UUID
    order_id: UUID
    kind: str
    number: str
    split_number: str | None
    part_no: int | None
    state: str
    amount_fen: int
    error: str | None
    tries: int
    next_at: datetime | None


class Refund(msgspec.Struct, frozen=True, kw_only=True):
    """A row of profit_sharing.refunds."""

    refund_id: UUID
    amount_fen: int
    paid_part_fen: int
    state: str


class Due(msgspec.Struct, frozen=True):
    """Something of a shop whose time has come."""

    shop_id: int
    found_id: UUID


# --- plans ----------------------------------------------------------------------------------------

_PLAN = """select order_id, person_no, promoter_id, state, total_fen, paid_fen, refunded_fen,
  refunded_paid_fen, is_frozen, provider_number, merchant, app, paid_at,
  completed_at, frozen_until, alarm, alarmed_at, next_at from profit_sharing.plans"""
_PART = """select part_no, rule_id, title, scope, level, owner_id, receiver_id, way, share_bps,
  base_fen, planned_fen, amount_fen, booked_fen, sent_fen, returned_fen, trigger, due_at, state,
  fail_reason, evidence, reviewed_at, review_note, pool, recall_fen, revision, request_id, hold_id,
  tries from profit_sharing.parts"""
_REQUEST = """select request_id, order_id, kind, number, split_number, part_no, state, amount_fen,
  error, tries, next_at from profit_sharing.requests"""


async def get_plan(tx: ReadTx, order_id: UUID) -> Plan | None:
    """The plan of an order."""
    return await tx.maybe(
        Plan, f"{_PLAN} where shop_id = $1 and order_id = $2", tx.shop_id, order_id
    )


async def lock_plan(tx: Tx, order_id: UUID) -> Plan | None:
    """The plan of an order, locked: everything about its sharing is decided under this lock."""
    return await tx.maybe(
        Plan,
        f"{_PLAN} where shop_id = $1 and order_id = $2 for no key update",
        tx.shop_id,
        order_id,
    )


async def insert_plan(tx: Tx, plan: Plan) -> bool:
    """Store a plan; False when the order has one."""
    return bool(
        await tx.run(
            """insert into profit_sharing.plans (shop_id, order_id, person_no, promoter_id, state,
                 total_fen, paid_fen, refunded_fen, refunded_paid_fen, is_frozen,
                 provider_number, merchant, app, paid_at, completed_at, frozen_until, alarm,
                 alarmed_at, next_at)
               values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
                 $18, $19)
               on conflict do nothing""",
            tx.shop_id,
            *msgspec.structs.astuple(plan),
        )
    )


async def update_plan(tx: Tx, plan: Plan) -> None:
    """Write back what moves of a plan; the caller holds its lock."""
    await tx.run(
        """update profit_sharing.plans set state = $3, refunded_fen = $4, refunded_paid_fen = $5,
             is_frozen = $6, completed_at = $7, alarm = $8, alarmed_at = $9, next_at = $10
           where shop_id = $1 and order_id = $2""",
        tx.shop_id,
        plan.order_id,
        plan.state,
        plan.refunded_fen,
        plan.refunded_paid_fen,
        plan.is_frozen,
        plan.completed_at,
        plan.alarm,
        plan.alarmed_at,
        plan.next_at,
    )


async def list_parts(tx: ReadTx, order_id: UUID) -> list[Part]:
    """The parts of an order, by their numbers."""
    return await tx.all(
        Part,
        f"{_PART} where shop_id = $1 and order_id = $2 order by part_no",
        tx.shop_id,
        order_id,
    )


async def insert_parts(tx: Tx, order_id: UUID, parts: Sequence[Part]) -> None:
    """Store the parts of a new plan."""
    await tx.run_many(
        """insert into profit_sharing.parts (shop_id, order_id, part_no, rule_id, title, scope,
             level, owner_id, receiver_id, way, share_bps, base_fen, planned_fen, amount_fen,
             trigger, due_at, state, pool)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
             $18)""",
        [
            (
                tx.shop_id,
                order_id,
                *(part.part_no, part.rule_id, part.title, part.scope, part.level, part.owner_id),
                *(part.receiver_id, part.way, part.share_bps, part.base_fen, part.planned_fen),
                *(part.amount_fen, part.trigger, part.due_at, part.state, part.pool),
            )
            for part in parts
        ],
    )


async def update_part(tx: Tx, order_id: UUID, part: Part) -> None:
    """Write back what moves of a part; the caller holds the plan's lock."""
    await tx.run(
        """update profit_sharing.parts set amount_fen = $4, booked_fen = $5, sent_fen = $6,
             recall_fen = $7, returned_fen = $8, revision = $9, due_at = $10, state = $11,
             request_id = $12, hold_id = $13, tries = $14, fail_reason = $15, evidence = $16,
             reviewed_at = $17, review_note = $18
           where shop_id = $1 and order_id = $2 and part_no = $3""",
        tx.shop_id,
        order_id,
        part.part_no,
        part.amount_fen,
        part.booked_fen,
        part.sent_fen,
        part.recall_fen,
        part.returned_fen,
        part.revision,
        part.due_at,
        part.state,
        part.request_id,
        part.hold_id,
        part.tries,
        part.fail_reason,
        part.evidence,
        part.reviewed_at,
        part.review_note,
    )


async def take_due_plans(tx: Tx, now: datetime, next_at: datetime, limit: int) -> list[Due]:
    """Plans of all shops that have something to do.
    `next_at`: when they are due again, should this time fail."""
    return await tx.all(
        Due,
        """with due as (
             select shop_id, order_id as found_id, next_at from profit_sharing.plans
             where next_at <= $1 order by next_at limit $3 for no key update skip locked),
           moved as (
             update profit_sharing.plans p set next_at = $2 from due
             where p.shop_id = due.shop_id and p.order_id = due.found_id)
           select shop_id, found_id from due order by next_at, found_id""",
        now,
        next_at,
        limit,
    )


# --- requests and refunds -------------------------------------------------------------------------


async def get_open_request(tx: ReadTx, order_id: UUID) -> Request | None:
    """The one call about an order that is under way."""
    return await tx.maybe(
        Request,
        f"""{_REQUEST} where shop_id = $1 and order_id = $2
            and state in ('created', 'processing')""",
        tx.shop_id,
        order_id,
    )


async def get_request(tx: ReadTx, request_id: UUID) -> Request:
    """A call."""
    return await tx.one(
        Request, f"{_REQUEST} where shop_id = $1 and request_id = $2", tx.shop_id, request_id
    )


async def insert_request(tx: Tx, request: Request) -> None:
    """Store a call before it is made."""
    await tx.run(
        """insert into profit_sharing.requests (shop_id, request_id, order_id, kind, number,
             split_number, part_no, state, amount_fen, created_at, next_at)
           values ($1, $2, $3, $4, $5, $6, $7, 'created', $8, $9, $9)""",
        tx.shop_id,
        request.request_id,
        request.order_id,
        request.kind,
        request.number,
        request.split_number,
        request.part_no,
        request.amount_fen,
        clock.now(),
    )


async def move_request(
    tx: Tx,
    request_id: UUID,
    state: str,
    *,
    error: str | None = None,
    tries: int = 0,
    next_at: datetime | None = None,
) -> None:
    """Write down where a call stands; the caller holds the plan's lock."""
    await tx.run(
        """update profit_sharing.requests set state = $3, error = $4, tries = $5, next_at = $6,
             finished_at = case when $3 in ('finished', 'refused') then $7::timestamptz end
           where shop_id = $1 and request_id = $2""",
        tx.shop_id,
        request_id,
        state,
        error,
        tries,
        next_at,
        clock.now(),
    )


async def list_requests(tx: ReadTx, order_id: UUID) -> list[RequestRow]:
    """The calls about an order, the oldest first."""
    return await tx.all(
        RequestRow,
        """select number, kind, state, amount_fen, error, created_at, finished_at
           from profit_sharing.requests where shop_id = $1 and order_id = $2 order by request_id""",
        tx.shop_id,
        order_id,
    )


_REFUND = "select refund_id, amount_fen, paid_part_fen, state from profit_sharing.refunds"


async def list_refunds(tx: ReadTx, order_id: UUID) -> list[Refund]:
    """The refunds of a shared order, the oldest first."""
    return await tx.all(
        Refund,
        f"{_REFUND} where shop_id = $1 and order_id = $2 order by created_at, refund_id",
        tx.shop_id,
        order_id,
    )


async def insert_refund(tx: Tx, order_id: UUID, refund: Refund) -> None:
    """Store a refund that was announced."""
    await tx.run(
        """insert into profit_sharing.refunds (shop_id, order_id, refund_id, amount_fen,
             paid_part_fen, state, created_at) values ($1, $2, $3, $4, $5, $6, $7)""",
        tx.shop_id,
        order_id,
        refund.refund_id,
        refund.amount_fen,
        refund.paid_part_fen,
        refund.state,
        clock.now(),
    )


async def move_refund(tx: Tx, order_id: UUID, refund_id: UUID, state: str) -> None:
    """Write down where a refund stands; the caller holds the plan's lock."""
    await tx.run(
        """update profit_sharing.refunds set state = $4
           where shop_id = $1 and order_id = $2 and refund_id = $3""",
        tx.shop_id,
        order_id,
        refund_id,
        state,
    )


# --- screens --------------------------------------------------------------------------------------


async def insert_timeline(tx: Tx, order_id: UUID, event: str, detail: dict[str, Any]) -> None:
    """Note what happened to an order's sharing."""
    await tx.run(
        """insert into profit_sharing.timeline (shop_id, order_id, entry_id, at, event, detail)
           values ($1, $2, $3, $4, $5, $6)""",
        tx.shop_id,
        order_id,
        new_id(),
        clock.now(),
        event,
        detail,
    )


async def list_timeline(tx: ReadTx, order_id: UUID) -> list[TimelineEntry]:
    """What happened to an order's sharing, the oldest first."""
    return await tx.all(
        TimelineEntry,
        """select at, event, detail from profit_sharing.timeline
           where shop_id = $1 and order_id = $2 order by entry_id""",
        tx.shop_id,
        order_id,
    )


_PLAN_ROW = """select p.order_id, p.person_no, p.promoter_id, p.state, p.total_fen, p.paid_fen,
  p.refunded_fen, p.is_frozen, p.alarm, p.paid_at, p.completed_at, p.frozen_until,
  (select coalesce(sum(amount_fen), 0)::bigint from profit_sharing.parts a
   where a.shop_id = p.shop_id and a.order_id = p.order_id) as shared_fen
from profit_sharing.plans p"""


async def list_plans(
    tx: ReadTx,
    *,
    state: PlanState | None,
    only_alarms: bool,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[PlanRow]:
    """Shared orders, the newest first; after: paid_at and order_id of the last one shown."""
    return await tx.all(
        PlanRow,
        f"""{_PLAN_ROW} where p.shop_id = $1
              and ($2::text is null or p.state = $2) and (p.alarm is not null or not $3)
              and ($4::timestamptz is null or (p.paid_at, p.order_id) < ($4, $5::uuid))
            order by p.paid_at desc, p.order_id desc limit $6""",
        tx.shop_id,
        state,
        only_alarms,
        *(after or (None, None)),
        limit,
    )


async def get_plan_row(tx: ReadTx, order_id: UUID) -> PlanRow | None:
    """The plan of an order as the console shows it."""
    return await tx.maybe(
        PlanRow, f"{_PLAN_ROW} where p.shop_id = $1 and p.order_id = $2", tx.shop_id, order_id
    )


async def list_part_rows(tx: ReadTx, order_id: UUID) -> list[PartRow]:
    """The parts of an order as the console shows them."""
    return await tx.all(
        PartRow,
        f"{_PART} where shop_id = $1 and order_id = $2 order by part_no",
        tx.shop_id,
        order_id,
    )


async def sum_expected(tx: ReadTx, owner_id: UUID, *, held: bool = False) -> int:
    """Fen of an owner's parts that are not due yet, or on their way; of those held instead."""
    found: int = await tx.value(
        """select coalesce(sum(amount_fen), 0)::bigint from profit_sharing.parts
           where shop_id = $1 and owner_id = $2 and state = any($3)""",
        tx.shop_id,
        owner_id,
        ["held"] if held else ["planned", "refused", "sent"],
    )
    return found


async def sum_earned(tx: ReadTx, owner_id: UUID) -> int:
    """Fen an owner has earned by parts that were due, refunds taken off."""
    found: int = await tx.value(
        """select coalesce(sum(booked_fen), 0)::bigint from profit_sharing.parts
           where shop_id = $1 and owner_id = $2 and state in ('paid', 'credited')""",
        tx.shop_id,
        owner_id,
    )
    return found


async def list_owner_parts(
    tx: ReadTx, owner_id: UUID, after: tuple[UUID, int] | None, limit: int
) -> list[CommissionEntry]:
    """An owner's parts, of the newest order first; after: order_id and part_no shown last."""
    order_id, part_no = after or (None, None)
    return await tx.all(
        CommissionEntry,
        """select a.order_id, a.part_no, a.title, a.level, a.amount_fen, a.state, a.way,
             p.paid_at, a.due_at
           from profit_sharing.parts a join profit_sharing.plans p using (shop_id, order_id)
           where a.shop_id = $1 and a.owner_id = $2
             and ($3::uuid is null or a.order_id < $3 or (a.order_id = $3 and a.part_no > $4))
           order by a.order_id desc, a.part_no limit $5""",
        tx.shop_id,
        owner_id,
        order_id,
        part_no,
        limit,
    )
