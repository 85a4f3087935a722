"""Verbs of reconciliation: begin days, fetch their bills, compare, resolve what differs."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.audit import Actor, System, audit
from siyu.kernel.db import ReadTx, Tx, reading, transaction
from siyu.kernel.errors import SiyuError
from siyu.kernel.events import emit
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book, Entry, EntryId, Leg
from siyu.money.payments import service as payments
from siyu.money.payouts import service as payouts
from siyu.money.profit_sharing import service as profit_sharing
from siyu.money.reconciliation import queries, rules
from siyu.money.reconciliation.contracts import (
    Bill,
    BillLine,
    BillUnreadable,
    Day,
    DayClosed,
    DayNotOver,
    DayState,
    DayUnknown,
    Difference,
    DifferenceFound,
    EarlierDayWaits,
    Found,
    LineKind,
    Ours,
    Resolution,
    ResolutionRefused,
    ThreeWay,
    Ticket,
    TicketResolved,
    TicketState,
    TicketUnknown,
)
from siyu.wechat.pay import service as pay
from siyu.wechat.pay.contracts import PayCredentials, WeChatError

log = logging.getLogger("siyu.reconciliation")
_LOOK_BACK = timedelta(days=3)
_MOST_DAYS = 90  # WeChat keeps bills for three months
FORMER_ACCOUNT = "FORMER_ACCOUNT"
"""Why a day waits: the shop has changed its merchant account, and only the old keys open it."""

list_days = queries.list_days
list_lines = queries.list_lines_page


async def begin_days(tx: Tx, merchant: str) -> None:
    """Begin every day that is over, from the first money on; harmless when repeated."""
    last = rules.last_day(clock.now())
    known = await queries.get_last_day(tx, merchant)
    if known is None:
        first_at = await ledger.first_outside_at(tx)
        if first_at is None:
            return
        first = first_at.astimezone(rules.CHINA).date()
    else:
        first = known + timedelta(days=1)
    first = max(first, last - timedelta(days=_MOST_DAYS))
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    if days:
        await queries.insert_days(tx, merchant, days, [rules.ready_at(day) for day in days])


async def fetch_day(shop_id: ShopId, on: date) -> None:
    """Fetch both bills of a day outside of any transaction, keep them and compare.

    What WeChat cannot give yet, or gives broken, is asked for again every half hour; after a day
    somebody is told (F023). A shop has the keys of one merchant account at a time: a day of a
    former one waits until they are entered again, and says so. Raises DayUnknown,
    EarlierDayWaits, WeChatNotSet.
    """
    async with reading(shop_id) as read:
        credentials = await shops.pay_credentials(read)
        days = await queries.list_days_on(read, on)
    if not days:
        raise DayUnknown
    for day in days:
        if day.state is not DayState.WAITING:
            await compare_day(shop_id, on, day.merchant)
        elif day.merchant != credentials.mchid:
            await _note_failure(shop_id, day, FORMER_ACCOUNT)
        else:
            await _fetch_and_compare(shop_id, day, credentials)


async def _fetch_and_compare(shop_id: ShopId, day: Day, credentials: PayCredentials) -> None:
    on = day.on
    try:
        lines = await _fetch(credentials, on)
    except (WeChatError, BillUnreadable) as error:
        problem = error.code if isinstance(error, WeChatError) else str(error)
        await _note_failure(shop_id, day, problem)
        return
    async with transaction(shop_id) as tx:
        if not await queries.lock_day(tx, on, credentials.mchid):
            raise EarlierDayWaits
        if not await queries.list_lines(tx, on, credentials.mchid):
            await queries.insert_lines(tx, on, credentials.mchid, lines)
            await _book_from_bill(tx, on, credentials.mchid, lines)
        await _compare(tx, on, credentials.mchid)


async def compare_day(shop_id: ShopId, on: date, merchant: str) -> None:
    """Compare a day again with what we know by now; tickets that found their match end."""
    async with transaction(shop_id) as tx:
        if not await queries.lock_day(tx, on, merchant):
            raise DayUnknown
        await _compare(tx, on, merchant)


async def _fetch(credentials: PayCredentials, on: date) -> list[BillLine]:
    trade = await pay.fetch_trade_bill(credentials, on)
    fund = await pay.fetch_fund_flow_bill(credentials, on)
    lines = rules.read_trade_bill(trade) if trade is not None else []
    return lines + (rules.read_fund_bill(fund) if fund is not None else [])


async def _note_failure(shop_id: ShopId, day: Day, problem: str) -> None:
    now = clock.now()
    async with transaction(shop_id) as tx:
        await queries.move_day_failed(tx, day.on, day.merchant, problem, now + rules.RETRY_EVERY)
    if rules.is_late(day.on, now):
        log.error(
            "bill is late",
            extra={"alarm": "bill_late", "on": day.on.isoformat(), "problem": problem},
        )


# --- comparing ------------------------------------------------------------------------------------


async def _compare(tx: Tx, on: date, merchant: str) -> None:
    lines = await queries.list_lines(tx, on, merchant)
    fund = [line for line in lines if line.bill is Bill.FUND]
    opening = await queries.get_closing(tx, on, merchant)
    if opening is None:
        opening = rules.opening_fen(fund)
    numbers = {line.own_number for line in lines}
    # What goes out on one day and comes back on another is judged as a whole.
    told = await queries.list_lines_of(tx, merchant, sorted(numbers))
    found = rules.compare(told, await _load_ours(tx, numbers), await _load_unseen(tx, on, merchant))
    broken = rules.chain_break(fund, opening)
    if broken is not None:
        found.append(_chain_ticket(broken))
    await _update_tickets(tx, on, merchant, _without_doubles(found))
    await _finish(tx, on, merchant, lines)


def _chain_ticket(line: BillLine) -> Found:
    return Found(
        kind=Difference.BROKEN_CHAIN, bill=Bill.FUND, number=line.flow_no, line_no=line.line_no,
        ref=None, theirs_fen=line.balance_fen, ours_fen=None, ledger_fen=None,
    )  # fmt: skip


def _without_doubles(found: Iterable[Found]) -> list[Found]:
    """A number that differs in both bills gets one ticket: that of the bill with the money."""
    kept = list(found)
    funds = {one.number for one in kept if one.bill is Bill.FUND}
    return [
        one
        for one in kept
        if one.bill is Bill.FUND or one.kind is Difference.FEE or one.number not in funds
    ]


async def _book_from_bill(tx: Tx, on: date, merchant: str, lines: Sequence[BillLine]) -> None:
    """Book what only the bill knows, once: the first balance, fees, withdrawals."""
    entries: list[Entry] = []
    fund = [line for line in lines if line.bill is Bill.FUND]
    if await queries.get_closing(tx, on, merchant) is None and (before := rules.opening_fen(fund)):
        legs = [Leg(Book.WECHAT, before), Leg(Book.OPENING, -before)]
        entries.append(Entry(f"opening:{merchant}", "opening", legs, at=fund[0].at))
    orders = await payments.find_orders(
        tx, [line.own_number for line in fund if rules.fee_fen(line)]
    )
    for line in fund:
        fee_fen = rules.fee_fen(line)
        kind = LineKind.FEE if fee_fen else line.kind
        moved_fen = fee_fen or line.amount_fen
        if kind in rules.FROM_BILL and moved_fen:
            entries.append(
                Entry(
                    f"{kind}:{merchant}:{line.flow_no}",
                    kind,
                    [Leg(Book.WECHAT, moved_fen), Leg(rules.FROM_BILL[kind], -moved_fen)],
                    order_id=orders.get(line.own_number),
                    at=line.at,
                )
            )
    await ledger.post_many(tx, entries)


async def _load_ours(tx: ReadTx, numbers: set[str]) -> dict[str, Ours]:
    """What we have under our numbers at WeChat: the domains' word and the ledger's."""
    wanted = sorted(numbers)
    rows = [
        *await payments.find_outside(tx, wanted),
        *await profit_sharing.find_outside(tx, wanted),
        *await payouts.find_outside(tx, wanted),
    ]
    booked = {one.ref: one for one in await ledger.sum_outside(tx, [row.ref for row in rows])}
    by_number: dict[str, list[Ours]] = defaultdict(list)
    for row in rows:
        sums = booked.get(row.ref)
        by_number[row.number].append(
            Ours(
                row.ref,
                row.number,
                sums.settled_fen if sums else 0,
                sums.transit_fen if sums else 0,
                row.amount_fen,
            )
        )
    return {number: _together(rows) for number, rows in by_number.items()}


def _together(rows: list[Ours]) -> Ours:
    domain = [row.domain_fen for row in rows if row.domain_fen is not None]
    return Ours(
        rows[0].ref,
        rows[0].number,
        sum(row.settled_fen for row in rows),
        sum(row.transit_fen for row in rows),
        sum(domain) if domain else None,
    )


async def _load_unseen(tx: ReadTx, on: date, merchant: str) -> list[Ours]:
    """What we settled in an account until the end of a day, and no bill has shown."""
    end = datetime.combine(on + timedelta(days=1), time(), rules.CHINA)
    refs = await ledger.list_outside_refs(tx, end - _LOOK_BACK, end)
    rows = [
        *await payments.list_outside(tx, refs),
        *await profit_sharing.list_outside(tx, refs),
        *await payouts.list_outside(tx, refs),
    ]
    shown = await queries.list_shown(tx, [row.number for row in rows])
    numbers = {row.number for row in rows if row.merchant == merchant} - shown
    return list((await _load_ours(tx, numbers)).values())


async def _update_tickets(tx: Tx, on: date, merchant: str, found: list[Found]) -> None:
    """Open a ticket for each new difference; end those that are gone."""
    known = await queries.list_tickets_on(tx, on, merchant)
    present = {(one.kind, one.bill, one.number) for one in found}
    for ticket in known:
        key = (ticket.difference, ticket.bill, ticket.number)
        if ticket.state is TicketState.OPEN and key not in present:
            await _reverse_unmatched(tx, ticket)
            await queries.move_ticket(
                tx, ticket.ticket_id, Resolution.MATCHED, None, System().actor_name
            )
    # On whichever day it was found first: a difference has one ticket.
    keys = await queries.list_ticket_keys(tx, merchant, [one.number for one in found])
    before = {(one.difference, one.bill, one.number) for one in keys}
    for one in found:
        if (one.kind, one.bill, one.number) not in before:
            await _open_ticket(tx, on, merchant, one)


async def _open_ticket(tx: Tx, on: date, merchant: str, found: Found) -> None:
    differs = 0
    if found.bill is Bill.FUND and found.kind is not Difference.BROKEN_CHAIN:
        differs = (found.theirs_fen or 0) - (found.ledger_fen or 0)
    entry_id: EntryId | None = None
    if differs:
        # No ref: what stands as unmatched must not count as the match it waits for.
        key = f"bill:{merchant}:{found.kind}:{found.number}"
        legs = [Leg(Book.WECHAT, differs), Leg(Book.UNMATCHED, -differs)]
        entry_id = await ledger.post(tx, Entry(key, "bill_unmatched", legs, note=found.number))
    ticket_id = await queries.insert_ticket(tx, on, merchant, found, differs, entry_id)
    emit(
        tx,
        DifferenceFound(ticket_id=ticket_id, on=on, difference=found.kind, amount_fen=abs(differs)),
    )
    log.error(
        "bill differs",
        extra={"alarm": "bill_differs", "ticket_id": str(ticket_id), "difference": found.kind},
    )


async def _reverse_unmatched(tx: Tx, ticket: Ticket) -> None:
    entry_id = await queries.get_unmatched_entry(tx, ticket.ticket_id)
    if entry_id is not None:
        await ledger.reverse(tx, EntryId(entry_id), f"bill_matched:{ticket.ticket_id}")


async def _finish(tx: Tx, on: date, merchant: str, lines: Sequence[BillLine]) -> None:
    day = await queries.get_day(tx, on, merchant)
    assert day is not None, "it is locked"
    fund = [line for line in lines if line.bill is Bill.FUND]
    state = DayState.OPEN if day.open_tickets else DayState.CLOSED
    await queries.move_day_compared(
        tx,
        on,
        merchant,
        state=state,
        lines=len(lines),
        sums=rules.totals(fund),
        closing_fen=fund[-1].balance_fen if fund else await queries.get_closing(tx, on, merchant),
    )
    if state is not day.state and state is DayState.CLOSED:
        emit(tx, DayClosed(on=on, merchant=merchant, lines=len(lines), tickets=day.tickets))


# --- what staff do and see ------------------------------------------------------------------------


async def list_tickets(
    tx: ReadTx, state: TicketState | None, before: UUID | None, limit: int
) -> list[Ticket]:
    """Tickets, the newest first."""
    return await queries.list_tickets(tx, state, before, limit)


async def load_day(tx: ReadTx, on: date) -> tuple[list[Day], list[ThreeWay], list[Ticket]]:
    """A date: its accounts, the three-way view of it, its tickets.

    Raises DayUnknown, DayNotOver.
    """
    if on > rules.last_day(clock.now()):
        raise DayNotOver
    days = await queries.list_days_on(tx, on)
    if not days:
        raise DayUnknown
    lines = [line for day in days for line in await queries.list_lines(tx, on, day.merchant)]
    tickets = [one for day in days for one in await queries.list_tickets_on(tx, on, day.merchant)]
    return days, await _three_way(tx, lines), tickets


async def _three_way(tx: ReadTx, lines: Sequence[BillLine]) -> list[ThreeWay]:
    fund = [line for line in lines if line.bill is Bill.FUND]
    ours = await _load_ours(tx, {line.own_number for line in fund})
    rows: list[ThreeWay] = []
    for kind, theirs in sorted(rules.totals(fund).items()):
        same = [line for line in fund if line.kind is kind]
        numbers = {line.own_number for line in same}
        mine = [ours[number] for number in numbers if number in ours]
        is_booked_here = kind in rules.FROM_BILL
        rows.append(
            ThreeWay(
                kind=kind,
                lines=len(same),
                theirs_fen=theirs,
                domain_fen=None if is_booked_here else sum(one.domain_fen or 0 for one in mine),
                ledger_fen=theirs if is_booked_here else sum(one.settled_fen for one in mine),
            )
        )
    return rows


async def resolve_ticket(
    tx: Tx, actor: Actor, ticket_id: UUID, resolution: Resolution, note: str
) -> Ticket:
    """Explain a difference; the day closes with its last ticket.

    An unmatched amount goes to losses or sales (WRITTEN_OFF), or is ours outside WeChat (OUTSIDE).
    Raises TicketUnknown, TicketResolved, ResolutionRefused.
    """
    ticket = await queries.lock_ticket(tx, ticket_id)
    if ticket is None:
        raise TicketUnknown
    if ticket.state is not TicketState.OPEN:
        raise TicketResolved
    places = (Resolution.WRITTEN_OFF, Resolution.OUTSIDE) if ticket.unmatched_fen else ()
    if resolution not in (places or (Resolution.EXPLAINED,)):
        raise ResolutionRefused
    if ticket.unmatched_fen:
        gain = ticket.unmatched_fen
        book = Book.PETTY
        if resolution is Resolution.WRITTEN_OFF:
            book = Book.SALES if gain > 0 else Book.LOSSES
        legs = [Leg(Book.UNMATCHED, gain), Leg(book, -gain)]
        kind = f"bill_{resolution}"
        await ledger.post(tx, Entry(f"{kind}:{ticket_id}", kind, legs, note=note))
    await queries.move_ticket(tx, ticket_id, resolution, note, actor.actor_name)
    audit(
        tx,
        actor,
        "reconciliation.ticket_resolved",
        subject=("ticket", ticket_id),
        after={"resolution": resolution, "note": note, "unmatched_fen": ticket.unmatched_fen},
    )
    await _finish(
        tx, ticket.on, ticket.merchant, await queries.list_lines(tx, ticket.on, ticket.merchant)
    )
    resolved = await queries.lock_ticket(tx, ticket_id)
    assert resolved is not None
    return resolved


async def begin_all(shop_ids: Iterable[ShopId]) -> None:
    """Begin the days of every shop that takes money."""
    for shop_id in shop_ids:
        async with transaction(shop_id) as tx:
            try:
                credentials = await shops.pay_credentials(tx)
            except SiyuError:
                continue  # a shop that is not set up has no bills
            await begin_days(tx, credentials.mchid)
