"""Decisions of payments, without a database."""

from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.money.ledger.contracts import Book, Leg
from siyu.money.payments import rules
from siyu.money.payments.contracts import (
    AttemptState,
    ParkReason,
    Payable,
    Purpose,
    RefundState,
    RefundsUsedUp,
    RefundTooLate,
    RefundTooMuch,
)
from siyu.money.payments.rules import RefundVerdict, Verdict
from siyu.wechat.pay.contracts import RefundStatus, Trade, TradeAmount, TradeState

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


def test_the_state_table_is_complete_and_only_a_person_takes_money_out_of_suspense() -> None:
    assert set(rules.MOVES) == set(AttemptState)
    assert rules.MOVES[AttemptState.PARKED] == {AttemptState.PAID}
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


# --- refunds --------------------------------------------------------------------------------------

MOVE_OF = {
    RefundVerdict.PROCESS: RefundState.PROCESSING,
    RefundVerdict.SUCCEED: RefundState.SUCCEEDED,
    RefundVerdict.STOP: RefundState.ABNORMAL,
    RefundVerdict.RESTART: RefundState.CREATED,
    RefundVerdict.FAIL: RefundState.FAILED,
}


def test_every_report_about_every_refund_has_an_answer_that_is_an_allowed_move() -> None:
    for status, state, restarts in product(RefundStatus, RefundState, (0, 2, 3, 9)):
        verdict = rules.judge_refund(status, state, restarts, False)
        if verdict in MOVE_OF:
            assert MOVE_OF[verdict] in rules.REFUND_MOVES[state], (status, state)
        else:
            assert verdict in (RefundVerdict.NOTHING, RefundVerdict.TWICE)
        if verdict is RefundVerdict.RESTART:
            assert restarts < rules.MOST_RESTARTS


def test_a_success_is_a_fact_in_every_state() -> None:
    for state in RefundState:
        verdict = rules.judge_refund(RefundStatus.SUCCESS, state, 0, False)
        expected = RefundVerdict.SUCCEED
        if state is RefundState.SUCCEEDED:
            expected = RefundVerdict.NOTHING
        elif state in (RefundState.SETTLED, RefundState.CLOSED):
            expected = RefundVerdict.TWICE
        assert verdict is expected
        over = rules.judge_refund(RefundStatus.SUCCESS, state, 0, True)
        assert over is (
            RefundVerdict.NOTHING if state is RefundState.SUCCEEDED else RefundVerdict.HAND_OVER
        )


def test_an_ended_refund_is_moved_by_nothing_but_a_success() -> None:
    for status, state in product(RefundStatus, rules.REFUND_ENDED):
        if status is not RefundStatus.SUCCESS:
            assert rules.judge_refund(status, state, 0, False) is RefundVerdict.NOTHING


def test_the_refund_table_is_complete_and_ends() -> None:
    assert set(rules.REFUND_MOVES) == set(RefundState)
    assert {s for s, moves in rules.REFUND_MOVES.items() if not moves} == rules.REFUND_ENDED
    reached = set().union(*rules.REFUND_MOVES.values())
    assert reached == set(RefundState) - {RefundState.WAITING}
    assert RefundState.CLOSED not in rules.REFUND_MOVES[RefundState.ABNORMAL], "its money is gone"


def test_F029_what_wechat_would_refuse_is_refused_before_the_call() -> None:
    year = timedelta(days=365)
    check = rules.check_refund
    check(100, 100, 0, 49, START, START + year - timedelta(seconds=1))
    with pytest.raises(RefundTooLate):
        check(1, 100, 0, 0, START, START + year)
    with pytest.raises(RefundsUsedUp):
        check(1, 100, 0, 50, START, START)
    with pytest.raises(RefundTooMuch) as refused:
        check(42, 100, 59, 1, START, START)
    assert refused.value.details == {"refundable_fen": 41}
    assert refused.value.message("zh-CN") == "退款金额超过可退金额 41 分"


@given(st.integers(0, 10**7))
def test_wechat_is_asked_again_after_a_minute_to_an_hour(seconds: int) -> None:
    now = START + timedelta(seconds=seconds)
    wait = rules.next_call_at(START, now) - now
    assert wait == min(
        max(timedelta(seconds=seconds) / 3, timedelta(minutes=1)), timedelta(hours=1)
    )


@given(
    st.sampled_from(ParkReason), st.sampled_from(["CNY", "USD"]), st.booleans(), st.integers(0, 800)
)
def test_money_goes_back_by_itself_only_when_it_surely_can(
    reason: ParkReason, currency: str, is_booked: bool, days: int
) -> None:
    ticket = rules.ticket_of(reason, currency, is_booked, START, START + timedelta(days=days))
    if ticket is None:
        assert is_booked and currency == "CNY" and days < 365
        assert reason not in (ParkReason.UNKNOWN_NUMBER, ParkReason.COUPON_USED)
        assert "退回" in rules.refund_reason(reason)
    else:
        assert not is_booked or currency != "CNY" or days >= 365 or str(ticket) == str(reason)


# --- books ----------------------------------------------------------------------------------------


@given(st.integers(1, 10**10), st.integers(-(10**10), 10**10))
def test_F031_a_refund_takes_the_frozen_money_first_and_adds_up(amount: int, frozen: int) -> None:
    owed, from_frozen, from_balance = rules.paid_back(amount, frozen, Book.REFUND_DUE)
    assert owed.amount == amount and owed.book is Book.REFUND_DUE
    assert owed.amount + from_frozen.amount + from_balance.amount == 0
    assert -from_frozen.amount == max(0, min(amount, frozen))
    assert from_balance.amount <= 0


def test_money_is_earned_by_sales_or_by_the_member_who_topped_up() -> None:
    owner = UUID(int=7)
    assert rules.earned(Purpose.ORDER, None, -5) == Leg(Book.SALES, -5)
    assert rules.earned(Purpose.TOP_UP, owner, -5) == Leg(Book.PRINCIPAL, -5, owner)
    assert rules.where_it_lies(True) is Book.WECHAT_FROZEN
    assert rules.where_it_lies(False) is Book.WECHAT


def test_only_a_top_up_has_an_owner() -> None:
    fields: dict[str, Any] = {
        "order_id": UUID(int=1), "amount_fen": 1, "description": "", "expires_at": START,
        "person_no": 1, "payer": None, "platform": "h5", "has_virtual": False,
    }  # fmt: skip
    Payable(**fields)
    Payable(**fields, purpose=Purpose.TOP_UP, owner=UUID(int=7))
    for wrong in ({"owner": UUID(int=7)}, {"purpose": Purpose.TOP_UP}):
        with pytest.raises(AssertionError):
            Payable(**fields, **wrong)
