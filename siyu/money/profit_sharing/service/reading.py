"""What the console and promoters see."""

from datetime import datetime
from uuid import UUID

import msgspec

from siyu.kernel.db import ReadTx
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book
from siyu.money.profit_sharing import queries
from siyu.money.profit_sharing.contracts import (
    Commission,
    CommissionEntry,
    PartRow,
    PlanRow,
    PlanState,
    PlanUnknown,
    Receiver,
    RequestRow,
    TimelineEntry,
)
from siyu.money.profit_sharing.service import books, partner_store
from siyu.money.profit_sharing.service.receivers import shown


class PlanDetail(msgspec.Struct, frozen=True, kw_only=True):
    """An order's sharing with all that belongs to it; frozen_fen: still frozen by our books."""

    plan: PlanRow
    frozen_fen: int
    parts: list[PartRow]
    requests: list[RequestRow]
    timeline: list[TimelineEntry]


async def list_plans(
    tx: ReadTx,
    *,
    state: PlanState | None,
    only_alarms: bool,
    after: tuple[datetime, UUID] | None,
    limit: int,
) -> list[PlanRow]:
    """Shared orders, the newest first; after: paid_at and order_id of the last one shown."""
    return await queries.list_plans(
        tx, state=state, only_alarms=only_alarms, after=after, limit=limit
    )


async def get_plan(tx: ReadTx, order_id: UUID) -> PlanDetail:
    """An order's sharing; raises PlanUnknown."""
    plan = await queries.get_plan_row(tx, order_id)
    if plan is None:
        raise PlanUnknown
    return PlanDetail(
        plan=plan,
        frozen_fen=await books.frozen_fen(tx, order_id),
        parts=await queries.list_part_rows(tx, order_id),
        requests=await queries.list_requests(tx, order_id),
        timeline=await queries.list_timeline(tx, order_id),
    )


async def list_receivers(tx: ReadTx) -> list[Receiver]:
    """All receivers that were not removed, names masked."""
    return [shown(row) for row in await partner_store.list_receivers(tx)]


async def get_commission(tx: ReadTx, member_id: UUID) -> Commission:
    """A member's commission: what is there, what is expected, what was ever earned."""
    balance = await ledger.balance(tx, Book.COMMISSION, member_id)
    owed = await ledger.balance(tx, Book.RECEIVABLE, member_id)
    return Commission(
        balance_fen=balance.posted - owed.posted,
        available_fen=max(balance.available, 0),
        expected_fen=await queries.sum_expected(tx, member_id),
        held_fen=await queries.sum_expected(tx, member_id, held=True),
        earned_fen=await queries.sum_earned(tx, member_id),
        is_promoter=await partner_store.get_promoter(tx, member_id) is not None,
    )


async def list_commission_entries(
    tx: ReadTx, member_id: UUID, after: tuple[UUID, int] | None, limit: int
) -> list[CommissionEntry]:
    """A member's parts, of the newest order first; after: order_id and part_no shown last."""
    return await queries.list_owner_parts(tx, member_id, after, limit)
