"""The price function, to the fen."""

from uuid import UUID

import pytest

from siyu.commerce.promotions.contracts import (
    AmountTooLarge,
    Buyer,
    FixedPrice,
    MemberPrice,
    PointsUsed,
    PriceLine,
    Reduction,
    Shipping,
    Stacking,
    TraceEntry,
)
from siyu.commerce.promotions.service import STANDARD_RULES, price
from siyu.kernel.money import MAX_FEN

TEA, CUP, POT = UUID(int=1), UUID(int=2), UUID(int=3)
VIP, GUEST = Buyer(pays_member_price=True), Buyer(pays_member_price=False)


def test_list_price_for_everybody():
    quote = price([PriceLine(TEA, 3, 1999, 1500)], GUEST, STANDARD_RULES)
    assert (quote.items_fen, quote.discount_fen, quote.total_fen) == (5997, 0, 5997)
    assert quote.trace == [TraceEntry("list_price", "原价", 5997, TEA)]


def test_member_price_for_those_who_pay_it():
    quote = price([PriceLine(TEA, 3, 1999, 1500), PriceLine(CUP, 1, 800)], VIP, STANDARD_RULES)
    assert [line.unit_price_fen for line in quote.lines] == [1500, 800]
    assert [line.total_fen for line in quote.lines] == [4500, 800]
    assert quote.trace[-1] == TraceEntry("member_price", "会员价", -1497, TEA)
    assert quote.total_fen == 5300


def test_the_better_of_two_best_rules_wins_on_each_line():
    offer = FixedPrice({TEA: 1600, CUP: 700}, "拼团价")
    lines = [PriceLine(TEA, 1, 1999, 1500), PriceLine(CUP, 2, 800, 790)]
    quote = price(lines, VIP, [MemberPrice(), offer])
    assert [line.total_fen for line in quote.lines] == [1500, 1400]
    assert [entry.rule for entry in quote.trace[2:]] == ["member_price", "fixed_price"]


def test_a_reduction_is_shared_by_price_and_adds_up():
    lines = [PriceLine(TEA, 1, 100), PriceLine(CUP, 1, 100), PriceLine(POT, 1, 100)]
    quote = price(lines, GUEST, [Reduction(from_fen=300, off_fen=100, label="满3减1")])
    assert [line.discount_fen for line in quote.lines] == [34, 33, 33]
    assert quote.total_fen == 200


def test_a_reduction_below_its_threshold_does_nothing():
    quote = price([PriceLine(TEA, 1, 299)], GUEST, [Reduction(300, 100, "满3减1")])
    assert quote.total_fen == 299


def test_reductions_stop_at_zero():
    """F050: never below nothing, however many rules stack."""
    rules = [MemberPrice(), Reduction(0, 500, "a"), Reduction(0, 10_000, "b"), Reduction(0, 1, "c")]
    quote = price([PriceLine(TEA, 1, 1000, 900)], VIP, rules)
    assert quote.total_fen == 0
    assert [entry.amount_fen for entry in quote.trace] == [1000, -100, -500, -400]


def test_a_best_reduction_competes_instead_of_adding():
    best = Reduction(0, 300, "限时减3元", Stacking.BEST)
    quote = price([PriceLine(TEA, 1, 1000, 900)], VIP, [MemberPrice(), best])
    assert quote.total_fen == 700


def test_shipping_is_paid_by_what_is_sent_and_free_from_a_sum():
    rules = [Shipping(fee_fen=800, free_from_fen=9900)]
    cheap, dear = [PriceLine(TEA, 1, 9899)], [PriceLine(TEA, 1, 9900)]
    assert price(cheap, GUEST, rules).shipping_fen == 800
    assert price(cheap, GUEST, rules).total_fen == 10_699
    assert price(dear, GUEST, rules).shipping_fen == 0
    assert price(cheap, GUEST, rules, is_sent=False).total_fen == 9899


def test_points_come_last_and_shipping_looks_at_the_price_before_them():
    rules = [Shipping(800, free_from_fen=9900), PointsUsed(1000), Reduction(0, 100, "a")]
    lines = [PriceLine(TEA, 1, 9000), PriceLine(CUP, 1, 1000)]
    quote = price(lines, GUEST, rules)
    assert (quote.shipping_fen, quote.discount_fen, quote.total_fen) == (0, 1100, 8900)
    assert [line.points_fen for line in quote.lines] == [900, 100]
    assert quote.trace[-2:] == [
        TraceEntry("points", "积分抵扣", -900, TEA),
        TraceEntry("points", "积分抵扣", -100, CUP),
    ]
    assert price(lines, GUEST, [PointsUsed(99_999)]).total_fen == 0


def test_F066_amounts_above_the_limit_are_refused_before_arithmetic():
    assert price([PriceLine(TEA, 1, MAX_FEN)], GUEST, ()).total_fen == MAX_FEN
    for lines in (
        [PriceLine(TEA, 2, MAX_FEN)],
        [PriceLine(TEA, 999, MAX_FEN // 999 + 1)],
        [PriceLine(TEA, 1, MAX_FEN), PriceLine(CUP, 1, 1)],
        [PriceLine(TEA, 1, 2**63)],
    ):
        with pytest.raises(AmountTooLarge):
            price(lines, GUEST, STANDARD_RULES)
