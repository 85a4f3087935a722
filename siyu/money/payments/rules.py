"""Pure decisions of payments: what a report of WeChat means, when to ask again, who may pay."""

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from siyu.money.payments.contracts import AttemptState, ParkReason, Payable
from siyu.wechat.pay.contracts import Trade, TradeState

MOVES: Final[dict[AttemptState, frozenset[AttemptState]]] = {
    AttemptState.CREATED: frozenset(
        {AttemptState.PAYING, AttemptState.PAID, AttemptState.CLOSED, AttemptState.PARKED}
    ),
    AttemptState.PAYING: frozenset({AttemptState.PAID, AttemptState.CLOSED, AttemptState.PARKED}),
    # Money is a fact: should it arrive after the close, it is booked.
    AttemptState.CLOSED: frozenset({AttemptState.PAID, AttemptState.PARKED}),
    AttemptState.PAID: frozenset({AttemptState.PARKED}),
    AttemptState.PARKED: frozenset(),
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
