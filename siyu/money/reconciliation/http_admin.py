"""The console's reconciliation: days, lines, tickets."""

from datetime import date
from typing import Annotated
from uuid import UUID

import msgspec
from litestar.params import Parameter
from msgspec import Meta

from siyu.kernel.db import reading, transaction
from siyu.kernel.http import OnceKey, Page, StaffIdentity, decode_cursor, get, post, staff
from siyu.money.reconciliation import service
from siyu.money.reconciliation.contracts import (
    Day,
    Resolution,
    StoredLine,
    ThreeWay,
    Ticket,
    TicketState,
)

Limit = Annotated[int, Parameter(ge=1, le=100)]


class DayView(msgspec.Struct, frozen=True, kw_only=True):
    """A date: each merchant account, the same business seen thrice, and its tickets."""

    days: list[Day]
    three_way: list[ThreeWay]
    tickets: list[Ticket]


class ResolveBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a ticket ends: `explained` where nothing stands as unmatched, else where it goes."""

    resolution: Resolution
    note: Annotated[str, Meta(min_length=1, max_length=500)]


@get("/reconciliation/days", access=staff("money.read"))
async def list_days(
    staff: StaffIdentity, cursor: str | None = None, limit: Limit = 31
) -> Page[Day]:
    """Days, the newest first."""
    before = decode_cursor(cursor, tuple[date, str])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_days(tx, before, limit + 1)
    return Page.of(rows, limit, lambda row: [row.on, row.merchant])


@get("/reconciliation/days/{on:date}", access=staff("money.read"))
async def get_day(staff: StaffIdentity, on: date) -> DayView:
    """A day: what WeChat, the domains and the ledger say, and what differs."""
    async with reading(staff.shop_id) as tx:
        days, three_way, tickets = await service.load_day(tx, on)
    return DayView(days=days, three_way=three_way, tickets=tickets)


@get("/reconciliation/days/{on:date}/lines", access=staff("money.read"))
async def list_lines(
    staff: StaffIdentity, on: date, cursor: str | None = None, limit: Limit = 50
) -> Page[StoredLine]:
    """The movements of our balance on a day, as WeChat's bill has them."""
    after = decode_cursor(cursor, tuple[str, int])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_lines(tx, on, after, limit + 1)
    return Page.of(rows, limit, lambda row: [row.merchant, row.line_no])


@post("/reconciliation/days/{on:date}/fetch", access=staff("money.write"))
async def fetch_day(staff: StaffIdentity, on: date) -> DayView:
    """Ask WeChat for the bills of a day now, or compare it again."""
    await service.fetch_day(staff.shop_id, on)
    async with reading(staff.shop_id) as tx:
        days, three_way, tickets = await service.load_day(tx, on)
    return DayView(days=days, three_way=three_way, tickets=tickets)


@get("/reconciliation/tickets", access=staff("money.read"))
async def list_tickets(
    staff: StaffIdentity,
    ticket_state: Annotated[TicketState | None, Parameter(query="state")] = None,
    cursor: str | None = None,
    limit: Limit = 50,
) -> Page[Ticket]:
    """Differences, the newest first."""
    before = decode_cursor(cursor, tuple[UUID])
    async with reading(staff.shop_id) as tx:
        rows = await service.list_tickets(
            tx, ticket_state, before[0] if before else None, limit + 1
        )
    return Page.of(rows, limit, lambda row: [row.ticket_id])


@post("/reconciliation/tickets/{ticket_id:uuid}/resolve", access=staff("money.write"))
async def resolve_ticket(
    staff: StaffIdentity, ticket_id: UUID, data: ResolveBody, once: OnceKey
) -> Ticket:
    """Explain a difference and put what stands as unmatched where it belongs."""
    async with transaction(staff.shop_id, once) as tx:
        return tx.answer(
            await service.resolve_ticket(tx, staff, ticket_id, data.resolution, data.note)
        )


routes = [list_days, get_day, list_lines, fetch_day, list_tickets, resolve_ticket]
