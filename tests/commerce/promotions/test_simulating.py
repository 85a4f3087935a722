"""What a change of rules would have cost, told from past orders."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from siyu.commerce.promotions.contracts import (
    MAX_COUPONS,
    Buyer,
    CampaignCost,
    CostReport,
    CouponCost,
    CouponGives,
    CouponOff,
    Exchange,
    FixedOff,
    Floor,
    Gift,
    MemberPrice,
    OrderFacts,
    PercentOff,
    PriceLine,
    Rule,
    Shipping,
    ShippingRate,
    Threshold,
    Tier,
)
from siyu.commerce.promotions.service import CouponTrial, simulate
from tests.commerce.promotions.kit import (
    GIFT,
    GUEST,
    PARTY,
    SALE,
    THIRD,
    VIP,
    campaign,
    coupon,
    cup,
    flat,
    off,
    tea,
    timed,
)


def test_a_cost_report():
    shipping = Shipping(flat(ShippingRate(800, free_from_fen=9_000)))
    before = [MemberPrice(), Floor(8_000), shipping]
    presents = campaign(Threshold([Tier(20_000, gifts=[Gift(GIFT, 2)])]), THIRD)
    after = [*before, timed(), presents, off(10_000, 4_000, ignores_floor=True)]
    orders = [
        OrderFacts([tea(10_000, 1, 9_000)], VIP),  # 90 -> 80, held by the floor; now pays shipping
        OrderFacts([cup(5_000)], GUEST),  # nothing; 8 of shipping either way
        OrderFacts([tea(10_000, 2), cup(5_000)], GUEST, is_sent=False),
    ]  # 250 -> 210 -> 170: tea 200 -> 160 -> 129.52, below its floor; a gift
    report = simulate(before, after, orders)
    assert (report.orders, report.lines, report.list_fen) == (3, 4, 40_000)
    assert (report.before_fen, report.after_fen) == (39_000, 8_000 + 5_000 + 17_000)
    assert (report.shipping_before_fen, report.shipping_after_fen) == (800, 1_600)
    assert (report.lines_at_floor, report.lines_below_floor) == (1, 1)
    assert report.campaigns == [
        CampaignCost(SALE, "活动", 2, 6_000, 1_500, {}),
        CampaignCost(THIRD, "活动", 1, 0, 0, {GIFT: 2}),
        CampaignCost(PARTY, "活动", 1, 4_000, 1_000, {}),
    ]


def test_gifts_of_several_orders_are_counted_together():
    presents = campaign(Threshold([Tier(1, gifts=[Gift(GIFT)])], repeats=True))
    orders = [OrderFacts([tea(3)], GUEST), OrderFacts([tea(4)], GUEST)]
    [cost] = simulate([], [presents], orders).campaigns
    assert (cost.orders, cost.gifts) == (2, {GIFT: 7})


def test_no_orders_no_cost():
    report = simulate([], [timed()], [])
    assert (report.orders, report.campaigns[0].share_bps) == (0, None)


ANNA, BEN = UUID(int=81), UUID(int=82)


def bought(*lines: PriceLine, by: UUID | None = ANNA, **more: Any) -> OrderFacts:
    return OrderFacts(list(lines), more.pop("buyer", GUEST), member_id=by, **more)


def tried(
    gives: CouponGives, *orders: OrderFacts, rules: Sequence[Rule] = (), **more: Any
) -> CostReport:
    limits = {"per_member": 9} | {
        name: more.pop(name) for name in list(more) if name in CouponTrial.__struct_fields__
    }
    return simulate(rules, rules, orders, CouponTrial(coupon=coupon(gives, 59, **more), **limits))


@pytest.mark.parametrize(
    ("gives", "cost", "at_floor", "below_floor"),
    [
        # 100 -> 70; 50 is below the threshold; 250 -> 220
        (FixedOff(3_000), CouponCost(2, 6_000, 1_500, 0), 0, 0),
        # 100 -> 60, held by the floor; 250 -> 200
        (FixedOff(5_000), CouponCost(2, 9_000, 2_250, 0), 1, 0),
        # 30 % of 100; of 250 it would be 75, the cap is 40
        (PercentOff(7_000, cap_fen=4_000), CouponCost(2, 7_000, 1_750, 0), 0, 0),
        # a tea of each: both lines go below the floor
        (Exchange(), CouponCost(2, 20_000, 5_000, 0), 0, 2),
    ],
    ids=["fixed", "held", "percent", "exchange"],
)
def test_what_a_coupon_costs(gives: CouponGives, cost: CouponCost, at_floor: int, below_floor: int):
    orders = [bought(tea(10_000)), bought(cup(5_000), by=BEN), bought(tea(10_000, 2), cup(5_000))]
    report = tried(gives, *orders, rules=[Floor(6_000)], from_fen=6_000)
    assert report.coupon == cost
    assert (report.orders, report.list_fen, report.before_fen) == (3, 40_000, 40_000)
    assert report.after_fen == 40_000 - cost.given_fen
    assert (report.lines_at_floor, report.lines_below_floor) == (at_floor, below_floor)


def test_a_coupon_nobody_reaches_costs_nothing():
    report = tried(FixedOff(3_000), bought(tea()), bought(cup()), from_fen=10_001)
    assert (report.coupon, report.after_fen) == (CouponCost(0, 0, 0, 0), report.before_fen)


def test_a_buyer_uses_no_more_coupons_than_one_may_have():
    orders = [bought(tea()), bought(tea()), bought(tea(), by=BEN), bought(tea(), by=None)]
    for per_member, served in ((1, 2), (2, 3)):
        report = tried(FixedOff(1_000), *orders, per_member=per_member)
        assert report.coupon is not None
        assert (report.coupon.orders, report.coupon.missed) == (served, 0)


@pytest.mark.parametrize(
    ("limits", "given_fen", "missed"),
    [
        ({}, 7_500, 0),
        # 30, then 30 are more than the 20 left, but 15 fit
        ({"budget_fen": 5_000}, 4_500, 1),
        ({"budget_fen": 4_499}, 3_000, 2),
        ({"total_count": 2}, 6_000, 1),
    ],
    ids=["none", "budget", "budget-1", "count"],
)
def test_quantity_and_budget_end(limits: dict[str, int], given_fen: int, missed: int):
    orders = [bought(tea()), bought(tea(), by=BEN), bought(cup())]
    cost = tried(PercentOff(7_000), *orders, **limits).coupon
    assert cost is not None
    assert (cost.given_fen, cost.missed) == (given_fen, missed)


def test_who_comes_too_late_again_and_again_misses_no_more_than_one_may_have():
    orders = [bought(tea()) for _ in range(3)]
    late = tried(FixedOff(1_000), *orders, per_member=2, budget_fen=999).coupon
    assert late == CouponCost(0, 0, 0, 2)
    served_at_last = tried(PercentOff(9_000), bought(tea()), bought(cup()), per_member=1,
                           budget_fen=500).coupon  # fmt: skip
    assert served_at_last == CouponCost(1, 500, 333, 0)


@pytest.mark.parametrize(
    ("old", "given_fen", "before_fen", "after_fen"),
    [
        (coupon(FixedOff(2_000)), 3_000, 8_000, 7_000),
        (coupon(FixedOff(4_000)), 0, 6_000, 6_000),
        (coupon(FixedOff(2_000), group="extra"), 3_000, 8_000, 5_000),
    ],
    ids=["replaced", "kept", "added"],
)
def test_an_order_that_has_a_coupon(
    old: CouponOff, given_fen: int, before_fen: int, after_fen: int
):
    report = tried(FixedOff(3_000), bought(tea(10_000), coupons=[old]))
    assert report.coupon is not None
    assert (report.before_fen, report.after_fen) == (before_fen, after_fen)
    assert (report.coupon.orders, report.coupon.given_fen) == (given_fen > 0, given_fen)


def test_an_order_full_of_coupons_takes_no_more():
    full = [coupon(FixedOff(100), 51 + n, group=f"g{n}") for n in range(MAX_COUPONS)]
    report = tried(FixedOff(3_000), bought(tea(10_000), coupons=full), group="extra")
    assert (report.coupon, report.after_fen) == (CouponCost(0, 0, 0, 0), 9_400)


def test_a_coupon_for_first_orders():
    first = Buyer(pays_member_price=False, is_first_order=True)
    orders = [bought(tea(), buyer=first), bought(tea())]
    assert tried(FixedOff(1_000), *orders, first_order_only=True).coupon == CouponCost(
        1, 1_000, 500, 0
    )
