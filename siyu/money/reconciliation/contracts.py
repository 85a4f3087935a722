"""Nouns of reconciliation: days, bill lines, tickets, errors, events."""

from datetime import date, datetime
from enum import StrEnum
from typing import ClassVar, NewType
from uuid import UUID

import msgspec

from siyu.kernel.errors import BadInput, Conflict, NotFound
from siyu.kernel.events import Event

TicketId = NewType("TicketId", UUID)


class DayState(StrEnum):
    """Where a day stands."""

    WAITING = "waiting"  # its bills are not here yet
    OPEN = "open"  # compared; tickets wait for somebody
    CLOSED = "closed"  # every line explained


class Bill(StrEnum):
    """Which of WeChat's books."""

    TRADE = "trade"  # payments and refunds, by their numbers
    FUND = "fund"  # every movement of our balance


class LineKind(StrEnum):
    """What a line says happened."""

    PAYMENT = "payment"
    REFUND = "refund"
    FEE = "fee"
    SPLIT = "split"
    SPLIT_RETURN = "split_return"
    TRANSFER = "transfer"
    WITHDRAWAL = "withdrawal"  # to the merchant's bank
    DEPOSIT = "deposit"  # from it
    OTHER = "other"  # a business we do not know


class Difference(StrEnum):
    """Why a ticket was opened."""

    MISSING_HERE = "missing_here"  # WeChat has it, we do not
    MISSING_THERE = "missing_there"  # we have it, no bill does
    AMOUNT = "amount"  # both have it, with other amounts
    LEDGER = "ledger"  # the domain and the ledger disagree
    FEE = "fee"  # the fee is not amount x rate
    UNKNOWN_BUSINESS = "unknown_business"  # a kind of movement we do not know
    BROKEN_CHAIN = "broken_chain"  # the running balance does not follow from the lines


class TicketState(StrEnum):
    """A ticket is open until somebody, or a later report, explains it."""

    OPEN = "open"
    RESOLVED = "resolved"


class Resolution(StrEnum):
    """How a ticket ends; what stood as unmatched goes to the book named."""

    MATCHED = "matched"  # a later report brought the match; its entry is reversed
    EXPLAINED = "explained"  # a note says why; nothing stands as unmatched
    WRITTEN_OFF = "written_off"  # to losses, or to sales when it is to our favour
    OUTSIDE = "outside"  # it is cash of ours outside WeChat: paid in, or withdrawn


class BillLine(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a bill. `amount_fen` as it changes our balance: > 0 in, < 0 out.

    own_number: ours of the payment, refund, split or transfer; number: WeChat's; flow_no: of the
    movement itself, balance_fen: after it (both fund bill only); fee_milli_fen: the fee in 1/1000
    fen, < 0 where it is given back.
    """

    line_no: int
    bill: Bill
    kind: LineKind
    number: str
    own_number: str
    flow_no: str
    amount_fen: int
    fee_milli_fen: int
    rate_bps: int
    balance_fen: int | None
    business: str
    at: datetime


class StoredLine(BillLine, frozen=True, kw_only=True):
    """A line with the merchant account whose bill it stands in."""

    merchant: str


class Ours(msgspec.Struct, frozen=True):
    """What we have of one of our numbers at WeChat, minor units as they change our balance.

    settled_fen: booked on the books of our balance; transit_fen: those together with what is on
    its way (refunds and payouts decided, whose end we have not recorded).
    """

    ref: UUID
    number: str
    settled_fen: int
    transit_fen: int
    domain_fen: int | None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A difference: what WeChat, the domain and the ledger say of one number."""

    kind: Difference
    bill: Bill
    number: str
    line_no: int | None
    ref: UUID | None
    theirs_fen: int | None
    ours_fen: int | None
    ledger_fen: int | None


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """A day of one merchant account; sums in fen, from the fund bill, > 0 in, < 0 out."""

    on: date
    merchant: str
    state: DayState
    lines: int
    open_tickets: int
    tickets: int
    payments_fen: int
    refunds_fen: int
    fees_fen: int
    others_fen: int
    closing_fen: int | None
    tries: int
    problem: str | None
    next_try_at: datetime | None
    compared_at: datetime | None
    closed_at: datetime | None


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A difference that wants an explanation. Amounts as they change our balance, in fen."""

    ticket_id: TicketId
    on: date
    merchant: str
    difference: Difference
    bill: Bill
    number: str
    ref: UUID | None
    theirs_fen: int | None
    ours_fen: int | None
    ledger_fen: int | None
    unmatched_fen: int
    state: TicketState
    resolution: Resolution | None
    note: str | None
    opened_at: datetime
    resolved_at: datetime | None
    resolved_by: str | None


class ThreeWay(msgspec.Struct, frozen=True, kw_only=True):
    """The same business seen thrice, in fen as it changes our balance."""

    kind: LineKind
    lines: int
    theirs_fen: int
    domain_fen: int | None
    ledger_fen: int


class DayUnknown(NotFound):
    """This day was not begun: it is not over, or lies before the first payment."""

    code = "reconciliation.day_unknown"
    zh = "没有这一天的对账"
    en = "This day has no reconciliation"


class DayNotOver(Conflict):
    """WeChat makes a day's bill on the next day."""

    code = "reconciliation.day_not_over"
    zh = "当日尚未结束，微信次日上午出账单"
    en = "The day is not over; WeChat gives its bill the next morning"


class EarlierDayWaits(Conflict):
    """The balance a day begins with is known when the day before was compared."""

    code = "reconciliation.earlier_day_waits"
    zh = "更早一天的账单尚未取到，请先处理"
    en = "An earlier day still waits for its bill"


class TicketUnknown(NotFound):
    """No such ticket in this shop."""

    code = "reconciliation.ticket_unknown"
    zh = "没有这张差错单"
    en = "No such ticket"


class TicketResolved(Conflict):
    """The ticket has ended already."""

    code = "reconciliation.ticket_resolved"
    zh = "这张差错单已处理"
    en = "This ticket is already resolved"


class ResolutionRefused(BadInput):
    """What stands as unmatched must go somewhere; what does not, cannot."""

    code = "reconciliation.resolution_refused"
    zh = "有差异金额的差错单须选择入账去向；无差异金额的只能填写说明"
    en = "A ticket with an unmatched amount needs a place for it; one without only a note"


class BillUnreadable(ValueError):
    """A bill that is not of the known form; `line_no` from 1, 0 for the file as a whole."""

    def __init__(self, line_no: int, reason: str) -> None:
        super().__init__(f"line {line_no}: {reason}")
        self.line_no, self.reason = line_no, reason


class DayClosed(Event, frozen=True):
    """A day of a merchant account is explained to the fen."""

    name: ClassVar[str] = "reconciliation.day_closed"
    on: date
    merchant: str
    lines: int
    tickets: int


class DifferenceFound(Event, frozen=True):
    """WeChat's books and ours differ; a ticket says in what."""

    name: ClassVar[str] = "reconciliation.difference_found"
    ticket_id: UUID
    on: date
    difference: str
    amount_fen: int
