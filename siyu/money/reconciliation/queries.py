"""All SQL of reconciliation."""

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

import msgspec

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, Tx
from siyu.kernel.ids import new_id
from siyu.money.reconciliation.contracts import (
    Bill,
    BillLine,
    Day,
    DayState,
    Difference,
    Found,
    LineKind,
    Resolution,
    StoredLine,
    Ticket,
    TicketId,
    TicketState,
)


class DueDay(msgspec.Struct, frozen=True):
    """A day whose bills may be asked for now."""

    shop_id: int
    on: date
    merchant: str


_DAY = """select d."on", d.merchant, d.state, d.lines, d.payments_fen, d.refunds_fen, d.fees_fen,
  d.others_fen, d.closing_fen, d.tries, d.problem, d.next_try_at, d.compared_at, d.closed_at,
  t.open_tickets, t.tickets
from reconciliation.days d cross join lateral (
  select count(*) filter (where state = 'open') as open_tickets, count(*) as tickets
  from reconciliation.tickets
  where shop_id = d.shop_id and "on" = d."on" and merchant = d.merchant) t
where d.shop_id = $1"""
_TICKET = """select ticket_id, "on", merchant, difference, bill, number, ref, theirs_fen, ours_fen,
  ledger_fen, unmatched_fen, state, resolution, note, opened_at, resolved_at, resolved_by
from reconciliation.tickets where shop_id = $1"""
_LINE = """select line_no, bill, kind, number, own_number, flow_no, amount_fen, fee_milli_fen,
  rate_bps, balance_fen, business, at, merchant from reconciliation.lines where shop_id = $1"""


async def list_due(tx: Tx, now: datetime, limit: int) -> list[DueDay]:
    """The oldest waiting day of each account, where its bills are due: the balance that a day
    begins with is that of the day before."""
    return await tx.all(
        DueDay,
        """select shop_id, "on", merchant from (
             select distinct on (shop_id, merchant) shop_id, "on", merchant, next_try_at
             from reconciliation.days where state = 'waiting'
             order by shop_id, merchant, "on") oldest
           where next_try_at <= $1 order by next_try_at limit $2""",
        now,
        limit,
    )


async def list_open(tx: Tx, limit: int) -> list[DueDay]:
    """Days of all shops that wait for an explanation, the longest not looked at first."""
    return await tx.all(
        DueDay,
        """select shop_id, "on", merchant from reconciliation.days
           where state = 'open' order by compared_at limit $1""",
        limit,
    )


async def get_last_day(tx: ReadTx, merchant: str) -> date | None:
    """The newest day that was begun for a merchant account."""
    found: date | None = await tx.value(
        'select max("on") from reconciliation.days where shop_id = $1 and merchant = $2',
        tx.shop_id,
        merchant,
    )
    return found


async def insert_days(
    tx: Tx, merchant: str, days: Sequence[date], next_try_at: Sequence[datetime]
) -> None:
    """Begin days; those that exist stay as they are."""
    await tx.run(
        """insert into reconciliation.days (shop_id, "on", merchant, state, next_try_at)
           select $1, d.day, $2, 'waiting', d.at
           from unnest($3::date[], $4::timestamptz[]) as d (day, at)
           on conflict do nothing""",
        tx.shop_id,
        merchant,
        days,
        next_try_at,
    )


async def get_day(tx: ReadTx, on: date, merchant: str) -> Day | None:
    """A day with its counts."""
    return await tx.maybe(
        Day, f'{_DAY} and d."on" = $2 and d.merchant = $3', tx.shop_id, on, merchant
    )


async def lock_day(tx: Tx, on: date, merchant: str) -> bool:
    """Lock a merchant account by its first day, so that one comparison runs at a time (a number
    may belong to two days); whether there is this day, and none before it waits for its bill."""
    await tx.value(
        """select true from reconciliation.days where shop_id = $1 and merchant = $2
           order by "on" limit 1 for no key update""",
        tx.shop_id,
        merchant,
    )
    return bool(
        await tx.value(
            """select min("on") = $2 from reconciliation.days
               where shop_id = $1 and merchant = $3 and "on" <= $2
                 and ("on" = $2 or state = 'waiting')""",
            tx.shop_id,
            on,
            merchant,
        )
    )


async def list_days(tx: ReadTx, before: tuple[date, str] | None, limit: int) -> list[Day]:
    """Days, the newest first; `before` is the last one already seen."""
    on, merchant = before or (None, None)
    return await tx.all(
        Day,
        f"""{_DAY} and ($2::date is null or (d."on", d.merchant) < ($2, $3::text))
            order by d."on" desc, d.merchant desc limit $4""",
        tx.shop_id,
        on,
        merchant,
        limit,
    )


async def list_days_on(tx: ReadTx, on: date) -> list[Day]:
    """One date, for each merchant account the shop had."""
    return await tx.all(Day, f'{_DAY} and d."on" = $2 order by d.merchant', tx.shop_id, on)


async def move_day_failed(
    tx: Tx, on: date, merchant: str, problem: str, next_try_at: datetime
) -> None:
    """Note why the bills are not here, and when to ask again."""
    await tx.run(
        """update reconciliation.days set tries = tries + 1, problem = $4, next_try_at = $5
           where shop_id = $1 and "on" = $2 and merchant = $3 and state = 'waiting'""",
        tx.shop_id,
        on,
        merchant,
        problem[:200],
        next_try_at,
    )


async def move_day_compared(
    tx: Tx,
    on: date,
    merchant: str,
    *,
    state: DayState,
    lines: int,
    sums: dict[LineKind, int],
    closing_fen: int | None,
) -> None:
    """Write down what the bills came to."""
    now = clock.now()
    own = (LineKind.PAYMENT, LineKind.REFUND, LineKind.FEE)
    await tx.run(
        """update reconciliation.days set state = $4, lines = $5, payments_fen = $6,
             refunds_fen = $7, fees_fen = $8, others_fen = $9, closing_fen = $10,
             tries = tries + case when state = 'waiting' then 1 else 0 end, problem = null,
             next_try_at = null, compared_at = $11,
             closed_at = case when $4 = 'closed' then coalesce(closed_at, $11) end
           where shop_id = $1 and "on" = $2 and merchant = $3""",
        tx.shop_id,
        on,
        merchant,
        state,
        lines,
        *(sums.get(kind, 0) for kind in own),
        sum(amount for kind, amount in sums.items() if kind not in own),
        closing_fen,
        now,
    )


async def insert_lines(tx: Tx, on: date, merchant: str, lines: Sequence[BillLine]) -> None:
    """Keep the lines of a bill."""
    await tx.run(
        """insert into reconciliation.lines (shop_id, "on", merchant, bill, line_no, kind, number,
             own_number, flow_no, amount_fen, fee_milli_fen, rate_bps, balance_fen, business, at)
           select $1, $2, $3, l.* from unnest($4::text[], $5::int[], $6::text[], $7::text[],
             $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::int[], $13::bigint[],
             $14::text[], $15::timestamptz[]) as l""",
        tx.shop_id,
        on,
        merchant,
        *([getattr(line, column) for line in lines] for column in _COLUMNS),
    )


_COLUMNS = (
    "bill", "line_no", "kind", "number", "own_number", "flow_no", "amount_fen", "fee_milli_fen",
    "rate_bps", "balance_fen", "business", "at",
)  # fmt: skip


async def list_lines(tx: ReadTx, on: date, merchant: str) -> list[BillLine]:
    """The lines of a day in the order of the bills, trades first."""
    return await tx.all(
        BillLine,
        f'{_LINE} and "on" = $2 and merchant = $3 order by bill desc, line_no',
        tx.shop_id,
        on,
        merchant,
    )


async def list_lines_of(tx: ReadTx, merchant: str, own_numbers: Sequence[str]) -> list[BillLine]:
    """What all bills so far say of these numbers of ours, the oldest first."""
    return await tx.all(
        BillLine,
        f"""{_LINE} and merchant = $2 and own_number = any($3)
            order by bill desc, "on", line_no""",
        tx.shop_id,
        merchant,
        list(own_numbers),
    )


async def list_lines_page(
    tx: ReadTx, on: date, after: tuple[str, int] | None, limit: int
) -> list[StoredLine]:
    """Fund lines of a date, in their order; `after` is the last one already seen."""
    merchant, line_no = after or ("", 0)
    return await tx.all(
        StoredLine,
        f"""{_LINE} and "on" = $2 and bill = 'fund' and (merchant, line_no) > ($3, $4)
            order by merchant, line_no limit $5""",
        tx.shop_id,
        on,
        merchant,
        line_no,
        limit,
    )


async def list_shown(tx: ReadTx, numbers: Sequence[str]) -> set[str]:
    """Those of our numbers that some fund bill has shown."""
    rows = await tx.value(
        """select array_agg(distinct own_number) from reconciliation.lines
           where shop_id = $1 and own_number = any($2) and bill = 'fund'""",
        tx.shop_id,
        list(numbers),
    )
    return set(rows or ())


async def get_closing(tx: ReadTx, on: date, merchant: str) -> int | None:
    """The last balance WeChat told before a day."""
    found: int | None = await tx.value(
        """select closing_fen from reconciliation.days
           where shop_id = $1 and merchant = $3 and "on" < $2 and closing_fen is not null
           order by "on" desc limit 1""",
        tx.shop_id,
        on,
        merchant,
    )
    return found


async def list_tickets(
    tx: ReadTx, state: TicketState | None, before: UUID | None, limit: int
) -> list[Ticket]:
    """Tickets, the newest first; `before` is the last one already seen."""
    return await tx.all(
        Ticket,
        f"""{_TICKET} and ($2::text is null or state = $2)
            and ($3::uuid is null or ticket_id < $3) order by ticket_id desc limit $4""",
        tx.shop_id,
        state,
        before,
        limit,
    )


async def list_tickets_on(tx: ReadTx, on: date, merchant: str) -> list[Ticket]:
    """The tickets of a day."""
    return await tx.all(
        Ticket,
        f'{_TICKET} and "on" = $2 and merchant = $3 order by ticket_id',
        tx.shop_id,
        on,
        merchant,
    )


class TicketKey(msgspec.Struct, frozen=True):
    """What a ticket is about."""

    difference: Difference
    bill: Bill
    number: str


async def list_ticket_keys(tx: ReadTx, merchant: str, numbers: Sequence[str]) -> list[TicketKey]:
    """What was ever ticketed of these numbers, on whichever day."""
    return await tx.all(
        TicketKey,
        """select difference, bill, number from reconciliation.tickets
           where shop_id = $1 and merchant = $2 and number = any($3)""",
        tx.shop_id,
        merchant,
        list(numbers),
    )


async def lock_ticket(tx: Tx, ticket_id: UUID) -> Ticket | None:
    """A ticket, locked."""
    return await tx.maybe(
        Ticket, f"{_TICKET} and ticket_id = $2 for no key update", tx.shop_id, ticket_id
    )


async def insert_ticket(
    tx: Tx, on: date, merchant: str, found: Found, unmatched_fen: int, entry_id: UUID | None
) -> TicketId:
    """Open a ticket; the lock on the merchant account's days keeps it the only one."""
    ticket_id: TicketId = await tx.value(
        """insert into reconciliation.tickets (shop_id, ticket_id, "on", merchant, difference, bill,
             number, ref, theirs_fen, ours_fen, ledger_fen, unmatched_fen, unmatched_entry, state,
             opened_at)
           values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, 'open', $14)
           returning ticket_id""",
        tx.shop_id,
        new_id(),
        on,
        merchant,
        found.kind,
        found.bill,
        found.number,
        found.ref,
        found.theirs_fen,
        found.ours_fen,
        found.ledger_fen,
        unmatched_fen,
        entry_id,
        clock.now(),
    )
    return ticket_id


async def get_unmatched_entry(tx: ReadTx, ticket_id: UUID) -> UUID | None:
    """The ledger entry that put a ticket's difference as unmatched."""
    found: UUID | None = await tx.value(
        """select unmatched_entry from reconciliation.tickets
           where shop_id = $1 and ticket_id = $2""",
        tx.shop_id,
        ticket_id,
    )
    return found


async def move_ticket(
    tx: Tx, ticket_id: UUID, resolution: Resolution, note: str | None, resolved_by: str
) -> None:
    """End a ticket."""
    await tx.run(
        """update reconciliation.tickets set state = 'resolved', resolution = $3, note = $4,
             resolved_at = $5, resolved_by = $6
           where shop_id = $1 and ticket_id = $2 and state = 'open'""",
        tx.shop_id,
        ticket_id,
        resolution,
        note,
        clock.now(),
        resolved_by,
    )
