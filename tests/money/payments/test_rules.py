"""Decisions of payments, without a database."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.money.payments import rules
from siyu.money.payments.contracts import AttemptState, ParkReason
from siyu.money.payments.rules import Verdict
from siyu.wechat.pay.contracts import Trade, TradeAmount, TradeState

START = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
UNPAID = (TradeState.NOTPAY, TradeState.USERPAYING, TradeState.PAYERROR)


def trade(state: TradeState = TradeState.SUCCESS, **change: Any) -> Trade:
    fields: dict[str, Any] = {
        "appid": "wx1",
        "mchid": "19",
        "out_trade_no": "N1",
        "trade_state": state,
        "amount": TradeAmount(total=8800, payer_total=8800),
        "transaction_id": "42",
    }
    return Trade(**(fields | change))


def judge(report: Trade, state: AttemptState, **change: Any) -> Verdict | ParkReason:
    fields: dict[str, Any] = {
        "amount_fen": 8800,
        "account": ("19", "wx1"),
        "provider_number": None,
        "is_order_paid": False,
    }
    fields |= change
    return rules.judge(
        report,
        state,
        fields["amount_fen"],
        fields["account"],
        fields["provider_number"],
        fields["is_order_paid"],
    )


def test_every_report_in_every_state_has_an_answer_that_is_an_allowed_move() -> None:
    for state, reported, is_paid in product(AttemptState, TradeState, (False, True)):
        verdict = judge(trade(reported), state, provider_number="42", is_order_paid=is_paid)
        match verdict:
            case Verdict.PAY:
                assert AttemptState.PAID in rules.MOVES[state] and not is_paid
            case Verdict.CLOSE:
                assert AttemptState.CLOSED in rules.MOVES[state]
            case ParkReason():
                assert AttemptState.PARKED in rules.MOVES[state] and is_paid


def test_the_state_table_is_complete_and_parked_is_the_end() -> None:
    assert set(rules.MOVES) == set(AttemptState)
    assert rules.MOVES[AttemptState.PARKED] == frozenset()
    reached = set().union(*rules.MOVES.values())
    assert reached == set(AttemptState) - {AttemptState.CREATED}
    assert all(AttemptState.PAID in rules.MOVES[state] for state in rules.OPEN)


@pytest.mark.parametrize("state", [AttemptState.CREATED, AttemptState.PAYING, AttemptState.CLOSED])
def test_money_for_the_right_order_pays_it(state: AttemptState) -> None:
    assert judge(trade(), state) is Verdict.PAY
    assert judge(trade(TradeState.REFUND), state) is Verdict.PAY
    assert judge(trade(amount=TradeAmount(total=8800)), state) is Verdict.PAY


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"mchid": "18"}, ParkReason.WRONG_ACCOUNT),
        ({"appid": "wx2"}, ParkReason.WRONG_ACCOUNT),
        ({"amount": TradeAmount(total=1)}, ParkReason.WRONG_AMOUNT),
        ({"amount": TradeAmount(total=8800, currency="USD")}, ParkReason.WRONG_CURRENCY),
        (
            {"amount": TradeAmount(total=8800, payer_total=8800, payer_currency="HKD")},
            ParkReason.WRONG_CURRENCY,
        ),
        ({"amount": TradeAmount(total=8800, payer_total=0)}, ParkReason.COUPON_USED),
        ({"amount": TradeAmount(total=8800, payer_total=8801)}, ParkReason.COUPON_USED),
    ],
)
def test_F004_money_that_does_not_fit_is_parked(change: dict[str, Any], reason: ParkReason) -> None:
    for state in (AttemptState.CREATED, AttemptState.PAYING, AttemptState.CLOSED):
        assert judge(trade(**change), state) is reason


@pytest.mark.parametrize("state", [AttemptState.PAID, AttemptState.PARKED])
def test_what_is_booked_stays_booked(state: AttemptState) -> None:
    assert judge(trade(), state, provider_number="42") is Verdict.NOTHING
    assert judge(trade(), state, provider_number="41") is ParkReason.PAID_TWICE
    for reported in (*UNPAID, TradeState.CLOSED, TradeState.REVOKED):
        assert judge(trade(reported), state) is Verdict.NOTHING


def test_a_paid_report_without_wechats_number_is_no_report() -> None:
    with pytest.raises(ValueError, match="number"):
        trade(transaction_id="")
    assert trade(TradeState.NOTPAY, transaction_id="").transaction_id == ""


@given(st.integers(0, 7 * 86400))
def test_F014_the_next_question_is_always_ahead_and_never_far(seconds: int) -> None:
    now = START + timedelta(seconds=seconds)
    ahead = rules.next_query_at(START, now) - now
    assert timedelta(0) < ahead <= timedelta(minutes=5)


def test_never_heard_of_it_proves_nothing_too_early() -> None:
    expires = START + timedelta(minutes=30)

    def closed(state: AttemptState, seconds: int) -> bool:
        now = START + timedelta(seconds=seconds)
        return rules.missing_means_closed(state, START, expires, now)

    assert not closed(AttemptState.CREATED, 29)
    assert closed(AttemptState.CREATED, 30)
    assert not closed(AttemptState.PAYING, 30)
    assert not closed(AttemptState.PAYING, 40 * 60 - 1)
    assert closed(AttemptState.PAYING, 40 * 60)
    assert not rules.is_overdue(expires, expires + timedelta(minutes=9))
    assert rules.is_overdue(expires, expires + timedelta(minutes=10))
