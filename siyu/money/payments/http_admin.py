"""The console's view of payments."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from litestar.params import Parameter

from siyu.kernel.db import reading
from siyu.kernel.http import Page, StaffIdentity, decode_cursor, get, staff
from siyu.money.payments import service
from siyu.money.payments.contracts import (
    AttemptState,
    Channel,
    ParkedRow,
    PaymentRow,
    TimelineEntry,
)


class TimelineView(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened; detail holds WeChat's own codes."""

    at: datetime
    event: str
    detail: dict[str, Any]


class PaymentView(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt with its timeline. number: ours at WeChat; provider_number: WeChat's own."""

    payment_id: UUID
    order_id: UUID
    channel: Channel
    state: AttemptState
    amount_fen: int
    number: str
    provider_number: str | None
    created_at: datetime
    expires_at: datetime
    paid_at: datetime | None
    closed_at: datetime | None
    timeline: list[TimelineView]


@get("/payments", access=staff("orders.read"))
async def list_payments(
    staff: StaffIdentity, order_id: Annotated[UUID, Parameter(query="order_id")]
) -> Page[PaymentView]:
    """The attempts to collect an order's money, the oldest first."""
    async with reading(staff.shop_id) as tx:
        rows = await service.list_payments(tx, order_id)
        entries = await service.list_timeline(tx, [row.payment_id for row in rows])
    return Page([_view(row, entries) for row in rows], None)


@get("/suspense", access=staff("orders.read"))
async def list_suspense(
    staff: StaffIdentity,
    cursor: str | None = None,
    limit: Annotated[int, Parameter(ge=1, le=100)] = 50,
) -> Page[ParkedRow]:
    """Money that fits no order, the newest first."""
    before = decode_cursor(cursor, tuple[datetime, UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_parked(tx, before, limit + 1)
    return Page.of(rows, limit, lambda row: [row.parked_at, row.parked_id])


def _view(row: PaymentRow, entries: list[TimelineEntry]) -> PaymentView:
    return PaymentView(
        **msgspec.structs.asdict(row),
        timeline=[
            TimelineView(at=entry.at, event=entry.event, detail=entry.detail)
            for entry in entries
            if entry.payment_id == row.payment_id
        ],
    )


routes = [list_payments, list_suspense]
