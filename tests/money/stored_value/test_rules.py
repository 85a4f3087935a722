"""Decisions about stored value."""

from datetime import date
from uuid import UUID

import pytest

from siyu.kernel import clock
from siyu.money.stored_value import rules
from siyu.money.stored_value.contracts import Held, TopUpState, WalletMovementKind


def test_every_kind_of_movement_has_its_words() -> None:
    assert set(rules.WORDS) == set(WalletMovementKind)
    assert all(zh and en for zh, en in rules.WORDS.values())


def test_the_state_table_is_complete_and_money_is_never_lost() -> None:
    assert set(rules.MOVES) == set(TopUpState)
    reached = {TopUpState.PENDING}.union(*rules.MOVES.values())
    assert reached == set(TopUpState)
    assert all(
        TopUpState.PAID in rules.MOVES[state]
        for state in TopUpState
        if state is not TopUpState.PAID
    )
    assert rules.MOVES[TopUpState.PAID] == frozenset()


def test_no_licence_is_not_in_force() -> None:
    assert not rules.is_in_force(None, date(2026, 1, 1))


def test_bonus_ends_with_a_month() -> None:
    assert clock.month_end(date(2026, 12, 31), 2) == date(2027, 2, 28)
    assert clock.month_end(date(2026, 12, 31), None) is None


def test_value_goes_back_to_the_lots_it_came_from_the_last_one_first() -> None:
    first, second, third = (UUID(int=number) for number in (1, 2, 3))
    parts = [
        rules.SpentPart(first, 50, 5, 0, 0),
        rules.SpentPart(second, 30, 3, 10, 1),
        rules.SpentPart(third, 20, 2, 20, 2),  # has it all back already
    ]
    assert rules.put_back(parts, Held(25, 2)) == [
        rules.Part(second, 20, 2),
        rules.Part(first, 5, 0),
    ]
    assert rules.put_back(parts, Held(70, 7)) == [
        rules.Part(second, 20, 2),
        rules.Part(first, 50, 5),
    ]
    with pytest.raises(AssertionError, match="more value comes back"):
        rules.put_back(parts, Held(71, 7))
