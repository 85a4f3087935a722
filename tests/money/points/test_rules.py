"""Decisions about points."""

from datetime import date

import pytest

from siyu.kernel import clock
from siyu.money.points import rules
from siyu.money.points.contracts import PointsMovementKind, PointsOffer, PointsSettings


@pytest.mark.parametrize(
    ("on", "months", "last"),
    [
        (date(2026, 1, 31), 1, date(2026, 2, 28)),
        (date(2024, 1, 31), 1, date(2024, 2, 29)),
        (date(2026, 11, 22), 1, date(2026, 12, 31)),
        (date(2026, 12, 1), 12, date(2027, 12, 31)),
        (date(2026, 5, 5), 120, date(2036, 5, 31)),
        (date(2026, 5, 5), None, None),
    ],
)
def test_points_end_with_a_month(on: date, months: int | None, last: date | None) -> None:
    assert clock.month_end(on, months) == last


def test_every_kind_of_movement_has_its_words() -> None:
    assert set(rules.WORDS) == set(PointsMovementKind)
    assert all(zh and en for zh, en in rules.WORDS.values())


def test_nothing_paid_earns_nothing() -> None:
    assert [rules.earned(fen, 3) for fen in (-100, 0, 33, 34, 100)] == [0, 0, 0, 1, 3]


@pytest.mark.parametrize(
    ("available", "eligible_fen", "offer"),
    [
        (0, 10_000, PointsOffer(0, 0)),
        (-5, 10_000, PointsOffer(0, 0)),
        (100, 1, PointsOffer(0, 0)),  # half a fen is none
        (100, 2, PointsOffer(1, 1)),
        (7, 10_000, PointsOffer(7, 7)),
        (10**9, 10_000, PointsOffer(5_000, 5_000)),
    ],
)
def test_offers(available: int, eligible_fen: int, offer: PointsOffer) -> None:
    assert rules.offer(available, eligible_fen, PointsSettings()) == offer


def test_points_worth_less_than_a_fen_are_not_offered() -> None:
    assert rules.offer(9, 10_000, PointsSettings(points_per_yuan=1000)) == PointsOffer(0, 0)
