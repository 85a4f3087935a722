"""What a change of rules would have cost, told from past orders."""

from siyu.commerce.promotions.contracts import (
    CampaignCost,
    Floor,
    Gift,
    MemberPrice,
    OrderFacts,
    Shipping,
    ShippingRate,
    Threshold,
    Tier,
)
from siyu.commerce.promotions.service import simulate
from tests.commerce.promotions.kit import (
    GIFT,
    GUEST,
    PARTY,
    SALE,
    THIRD,
    VIP,
    campaign,
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
