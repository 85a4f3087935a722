"""Pure decisions of payments: what a report of WeChat means, when to ask again, who may pay, what
may be refunded, and how each money fact is booked."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from siyu.money.ledger.contracts import Book, Leg, StoredEntry
from siyu.money.payments.contracts import (
    AttemptState,
    ParkReason,
    Payable,
    Purpose,
    RefundState,
    RefundsUsedUp,
    RefundTooLate,
    RefundTooMuch,
    Ticket,
)
from siyu.wechat.pay.contracts import RefundStatus, Trade, TradeState

MOVES: Final[dict[AttemptState, frozenset[AttemptState]]] = {
    AttemptState.CREATED: frozenset(
        {AttemptState.PAYING, AttemptState.PAID, AttemptState.CLOSED, AttemptState.PARKED}
    ),
    AttemptState.PAYING: frozenset({AttemptState.PAID, AttemptState.CLOSED, AttemptState.PARKED}),
    # Money is a fact: should it arrive after the close, it is booked.
    AttemptState.CLOSED: frozenset({AttemptState.PAID, AttemptState.PARKED}),
    AttemptState.PAID: frozenset({AttemptState.PARKED}),
    # A person may let the order have it after all.
    AttemptState.PARKED: frozenset({AttemptState.PAID}),
}
OPEN: Final = frozenset({AttemptState.CREATED, AttemptState.PAYING})

# Ask 10 s, 30 s, 1 min and 5 min after the start, then every 5 minutes (F014).
_QUERY_AFTER: Final = tuple(timedelta(seconds=seconds) for seconds in (10, 30, 60, 300))
_QUERY_EVERY: Final = timedelta(minutes=5)
_CALL_LASTS: Final = timedelta(seconds=30)
_SURELY_OVER: Final = timedelta(minutes=10)
_PAID: Final = frozenset({TradeState.SUCCESS, TradeState.REFUND})
_ENDED: Final = frozenset({TradeState.CLOSED, TradeState.REVOKED})


class Verdict(StrEnum):
    """What to do with a report of WeChat that parks nothing."""

    NOTHING = "nothing"
    PAY = "pay"
    CLOSE = "close"


def judge(
    trade: Trade,
    state: AttemptState,
    amount_fen: int,
    account: tuple[str, str],
    provider_number: str | None,
    is_order_paid: bool,
) -> Verdict | ParkReason:
    """What a verified report means for an attempt; a ParkReason puts its money into suspense.

    account: (merchant, app) the attempt was made with; provider_number: of the money already
    booked; is_order_paid: another attempt of the order is paid. Everything is compared with what
    we stored before the call, never with what the report says about itself (F004, F005, F021).
    """
    if trade.trade_state in _ENDED:
        return Verdict.CLOSE if state in OPEN else Verdict.NOTHING
    if trade.trade_state not in _PAID:
        return Verdict.NOTHING
    if state in (AttemptState.PAID, AttemptState.PARKED):
        known = provider_number == trade.transaction_id
        return Verdict.NOTHING if known else ParkReason.PAID_TWICE
    if (trade.mchid, trade.appid) != account:
        return ParkReason.WRONG_ACCOUNT
    if trade.amount.currency != "CNY" or trade.amount.payer_currency != "CNY":
        return ParkReason.WRONG_CURRENCY
    if trade.amount.total != amount_fen:
        return ParkReason.WRONG_AMOUNT
    if trade.amount.payer_total not in (None, amount_fen):
        return ParkReason.COUPON_USED
    return ParkReason.PAID_TWICE if is_order_paid else Verdict.PAY


def next_query_at(created_at: datetime, now: datetime) -> datetime:
    """When to ask WeChat again."""
    for after in _QUERY_AFTER:
        if created_at + after > now:
            return created_at + after
    return created_at + ((now - created_at) // _QUERY_EVERY + 1) * _QUERY_EVERY


def missing_means_closed(
    state: AttemptState, created_at: datetime, expires_at: datetime, now: datetime
) -> bool:
    """Whether "never heard of it" proves that nobody can pay: not while our call may still be on
    its way, and not of an order WeChat once accepted, until long after its last moment."""
    if now >= expires_at + _SURELY_OVER:
        return True
    return state is AttemptState.CREATED and now >= created_at + _CALL_LASTS


def is_overdue(expires_at: datetime, now: datetime) -> bool:
    """Whether an open attempt should be closed without anybody asking for it."""
    return now >= expires_at + _SURELY_OVER


def is_refused_on_ios(payable: Payable) -> bool:
    """WeChat's rule: no virtual goods through ordinary payment on iOS (F024)."""
    return payable.platform == "ios" and payable.has_virtual


# --- refunds --------------------------------------------------------------------------------------

REFUND_MOVES: Final[dict[RefundState, frozenset[RefundState]]] = {
    RefundState.WAITING: frozenset(
        {RefundState.CREATED, RefundState.COUNTER, RefundState.SUCCEEDED, RefundState.CLOSED}
    ),
    RefundState.COUNTER: frozenset(
        {RefundState.SUCCEEDED, RefundState.SETTLED, RefundState.CLOSED}
    ),
    RefundState.CREATED: frozenset(
        {
            RefundState.CREATED,
            RefundState.PROCESSING,
            RefundState.SUCCEEDED,
            RefundState.ABNORMAL,
            RefundState.FAILED,
        }
    ),
    RefundState.PROCESSING: frozenset(
        {RefundState.CREATED, RefundState.SUCCEEDED, RefundState.ABNORMAL, RefundState.FAILED}
    ),
    # The money has left our balance and waits at WeChat: only another way out ends it.
    RefundState.ABNORMAL: frozenset(
        {
            RefundState.CREATED,
            RefundState.PROCESSING,
            RefundState.SUCCEEDED,
            RefundState.FAILED,
            RefundState.SETTLED,
        }
    ),
    RefundState.FAILED: frozenset(
        {
            RefundState.CREATED,
            RefundState.PROCESSING,
            RefundState.SUCCEEDED,
            RefundState.ABNORMAL,
            RefundState.SETTLED,
            RefundState.CLOSED,
        }
    ),
    RefundState.SUCCEEDED: frozenset(),
    RefundState.SETTLED: frozenset(),
    RefundState.CLOSED: frozenset(),
}
REFUND_ENDED: Final = frozenset({RefundState.SUCCEEDED, RefundState.SETTLED, RefundState.CLOSED})
REFUND_STOPPED: Final = frozenset({RefundState.ABNORMAL, RefundState.FAILED})
# Nothing is on its way: the payer may be given the money otherwise, or nothing at all.
REFUND_STANDS: Final = REFUND_STOPPED | {RefundState.COUNTER}
REFUND_UNPAID: Final = frozenset({RefundState.FAILED, RefundState.COUNTER})

MOST_REFUNDS: Final = 50
REFUND_WITHIN: Final = timedelta(days=365)
REFUNDS_APART: Final = timedelta(seconds=60)
MOST_RESTARTS: Final = 3
RESTART_AFTER: Final = timedelta(minutes=10)
# WeChat wants to be asked about a refund once a minute at most.
_CALL_AT_LEAST: Final = timedelta(minutes=1)
_CALL_AT_MOST: Final = timedelta(hours=1)
_REFUND_REASONS: Final = {
    ParkReason.WRONG_AMOUNT: "支付金额与订单不符，原路退回",
    ParkReason.PAID_TWICE: "订单重复支付，原路退回",
    ParkReason.ORDER_CLOSED: "订单已关闭，原路退回",
}


class RefundVerdict(StrEnum):
    """What to do with a report of WeChat about a refund."""

    NOTHING = "nothing"
    PROCESS = "process"
    SUCCEED = "succeed"
    HAND_OVER = "hand_over"  # the money came back to the merchant's own card; the payer waits
    STOP = "stop"  # abnormal: finance must find another way
    RESTART = "restart"  # closed: ask again by the same number
    FAIL = "fail"  # closed, and asked for again often enough
    TWICE = "twice"  # paid by WeChat after it was ended otherwise


def judge_refund(
    status: RefundStatus, state: RefundState, restarts: int, to_merchant: bool
) -> RefundVerdict:
    """What a report means for a refund in `state`.

    A success is a fact, whenever it comes; anything else speaks only to refunds that have not
    ended. restarts: how often it was asked for again; to_merchant: its money was sent to the
    merchant's own card.
    """
    if status is RefundStatus.SUCCESS:
        if state is RefundState.SUCCEEDED:
            return RefundVerdict.NOTHING
        if to_merchant:
            return RefundVerdict.HAND_OVER
        return RefundVerdict.TWICE if state in REFUND_ENDED else RefundVerdict.SUCCEED
    if state in REFUND_ENDED or state in (RefundState.WAITING, RefundState.COUNTER):
        return RefundVerdict.NOTHING
    if status is RefundStatus.PROCESSING:
        going = state is RefundState.PROCESSING
        return RefundVerdict.NOTHING if going else RefundVerdict.PROCESS
    if status is RefundStatus.ABNORMAL:
        stopped = state is RefundState.ABNORMAL
        return RefundVerdict.NOTHING if stopped else RefundVerdict.STOP
    if state is RefundState.FAILED:
        return RefundVerdict.NOTHING
    again = state is not RefundState.ABNORMAL and restarts < MOST_RESTARTS
    return RefundVerdict.RESTART if again else RefundVerdict.FAIL


def check_refund(
    amount_fen: int, paid_fen: int, refunded_fen: int, count: int, paid_at: datetime, now: datetime
) -> None:
    """Whether WeChat would take one more refund of a payment; raises RefundTooLate,
    RefundsUsedUp, RefundTooMuch. Source: pay-v3, 退款申请 (one year, 50 refunds)."""
    if now - paid_at >= REFUND_WITHIN:
        raise RefundTooLate(paid_at=paid_at.isoformat())
    if count >= MOST_REFUNDS:
        raise RefundsUsedUp(count=count)
    if amount_fen > paid_fen - refunded_fen:
        raise RefundTooMuch(refundable_fen=paid_fen - refunded_fen)


def next_call_at(moved_at: datetime, now: datetime) -> datetime:
    """When to speak with WeChat about a refund again: after a third of the time it already stands
    where it stands, but no sooner than a minute and no later than an hour."""
    return now + min(max((now - moved_at) / 3, _CALL_AT_LEAST), _CALL_AT_MOST)


# --- suspense -------------------------------------------------------------------------------------


def ticket_of(
    reason: ParkReason, currency: str, is_booked: bool, paid_at: datetime, now: datetime
) -> Ticket | None:
    """Why parked money has to wait for a person; None: it is surely the payer's and goes back.

    Money paid with a coupon of WeChat's waits, for WeChat gives the merchant the whole price: the
    order may have it if somebody says so, and only F004 keeps us from taking it at once.
    """
    if not is_booked:
        return Ticket.FOREIGN_ACCOUNT
    if reason is ParkReason.UNKNOWN_NUMBER:
        return Ticket.UNKNOWN_NUMBER
    if currency != "CNY":
        return Ticket.FOREIGN_CURRENCY
    if now - paid_at >= REFUND_WITHIN:
        return Ticket.TOO_OLD
    return Ticket.COUPON_USED if reason is ParkReason.COUPON_USED else None


def refund_reason(reason: ParkReason) -> str:
    """What the payer reads beside money that comes back."""
    return _REFUND_REASONS.get(reason, "款项与订单不符，原路退回")


# --- books ----------------------------------------------------------------------------------------


def where_it_lies(is_shared: bool) -> Book:
    """The book of money at WeChat."""
    return Book.WECHAT_FROZEN if is_shared else Book.WECHAT


def earned(purpose: Purpose, owner: UUID | None, amount: int) -> Leg:
    """The leg of what money was paid for: sales, or the member's principal. amount: signed."""
    if purpose is Purpose.TOP_UP:
        return Leg(Book.PRINCIPAL, amount, owner)
    return Leg(Book.SALES, amount)


def frozen_rest(story: Sequence[StoredEntry]) -> int:
    """What of an order's money still lies frozen, by its entries."""
    return sum(
        leg.amount for entry in story for leg in entry.legs if leg.book is Book.WECHAT_FROZEN
    )


def paid_back(amount_fen: int, frozen_fen: int, against: Book) -> list[Leg]:
    """The legs of a refund that WeChat has paid: out of the frozen money first (F031). against: the
    book that is debited."""
    from_frozen = min(amount_fen, max(frozen_fen, 0))
    return [
        Leg(against, amount_fen),
        Leg(Book.WECHAT_FROZEN, -from_frozen),
        Leg(Book.WECHAT, from_frozen - amount_fen),
    ]
