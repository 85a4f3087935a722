"""How much may be paid out, and what WeChat's states mean: pure decisions."""

from datetime import UTC, datetime

import msgspec
import pytest

from siyu.money.payouts import rules
from siyu.money.payouts.contracts import PayoutState, Settings
from siyu.money.payouts.rules import Spent
from siyu.wechat.pay.contracts import Transfer, TransferState

NOW = datetime(2026, 3, 1, 2, 0, tzinfo=UTC)
NOTHING = Spent(0, 0, 0, 0)


def test_tax_is_rounded_half_up() -> None:
    assert [rules.tax_fen(amount, 2000) for amount in (0, 2, 3, 10_001)] == [0, 0, 1, 2_000]
    assert rules.tax_fen(10_000, 0) == 0


@pytest.mark.parametrize(
    ("available", "spent", "change", "expected"),
    [
        (100_000, NOTHING, {}, (100_000, None)),
        (99, NOTHING, {}, (0, "balance")),
        (-5, NOTHING, {}, (0, "balance")),
        (900_000, NOTHING, {}, (500_000, None)),
        (900_000, Spent(1, 600_000, 600_000, 0), {}, (400_000, None)),
        (900_000, Spent(1, 999_950, 0, 0), {}, (0, "daily_fen")),
        (900_000, Spent(3, 0, 0, 0), {}, (0, "daily_count")),
        (900_000, Spent(0, 0, 950, 0), {"yearly_fen": 1_000}, (0, "yearly_fen")),
        (900_000, Spent(0, 0, 0, 0), {"min_fen": 10, "max_fen": 9}, (0, "max_fen")),
    ],
)
def test_the_most_that_may_be_asked_for(
    available: int, spent: Spent, change: dict[str, int], expected: tuple[int, str | None]
) -> None:
    settings = msgspec.structs.replace(Settings(), **change)
    assert rules.most_fen(available, spent, settings) == expected


def test_who_must_agree_and_who_must_be_named() -> None:
    assert not rules.needs_approval(10**9, Settings())
    limited = Settings(approve_above_fen=500)
    assert [rules.needs_approval(amount, limited) for amount in (500, 501)] == [False, True]
    assert [rules.needs_name(amount) for amount in (199_999, 200_000)] == [False, True]


def test_states_move_by_the_table_only_and_ends_are_final() -> None:
    assert set(rules.MOVES) == set(PayoutState)
    assert set(rules.STATES) == set(TransferState)
    ends = {state for state, moves in rules.MOVES.items() if not moves}
    assert ends == {
        PayoutState.PAID, PayoutState.FAILED, PayoutState.CANCELLED, PayoutState.REJECTED,
    }  # fmt: skip
    for state in rules.AT_WECHAT:
        for end in (PayoutState.PAID, PayoutState.FAILED, PayoutState.CANCELLED):
            assert end in rules.MOVES[state], "money is a fact, whatever we thought before"


def test_a_report_must_be_about_what_was_asked() -> None:
    told = Transfer(out_bill_no="1", transfer_bill_no="2", state=TransferState.SUCCESS)
    assert rules.fits(told, 100, "o1")
    assert not rules.fits(msgspec.structs.replace(told, transfer_amount=99), 100, "o1")
    assert not rules.fits(msgspec.structs.replace(told, openid="o2"), 100, "o1")


def test_when_to_ask_again() -> None:
    def seconds(state: PayoutState, calls: int) -> float:
        return (rules.ask_again_at(state, calls, NOW) - NOW).total_seconds()

    assert [seconds(PayoutState.CREATED, calls) for calls in (0, 1, 99)] == [5, 10, 3600]
    assert [seconds(PayoutState.WAITING, calls) for calls in (0, 1, 99)] == [60, 120, 3600]
