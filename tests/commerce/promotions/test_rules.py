"""The price function, to the fen."""

import itertools

import pytest

from siyu.commerce.promotions.contracts import (
    ADDS,
    AmountTooLarge,
    Audience,
    Buyer,
    Cut,
    FixedPrice,
    Floor,
    Gift,
    GiftLine,
    Measure,
    MemberPrice,
    PointsUsed,
    PriceLine,
    Quote,
    Scope,
    Share,
    Target,
    Threshold,
    Tier,
    TimedPrice,
    TraceEntry,
)
from siyu.commerce.promotions.rules import line_floor
from siyu.commerce.promotions.service import STANDARD_RULES, covers, price
from siyu.kernel.money import MAX_FEN
from tests.commerce.promotions.kit import (
    CUP,
    CUP_PRODUCT,
    GIFT,
    GREEN,
    GUEST,
    PARTY,
    POT,
    SALE,
    TEA,
    TEA_PRODUCT,
    TEAS,
    THIRD,
    VIP,
    WARE,
    campaign,
    cup,
    off,
    tea,
    timed,
)


def totals(quote: Quote) -> list[int]:
    return [line.total_fen for line in quote.lines]


def test_list_price_for_everybody():
    quote = price([tea(1999, 3, 1500)], GUEST, STANDARD_RULES)
    assert (quote.items_fen, quote.discount_fen, quote.total_fen) == (5997, 0, 5997)
    assert quote.trace == [TraceEntry("list_price", "原价", 5997, TEA)]
    assert (quote.lines[0].shares, quote.gifts, quote.coupons, quote.undelivered) == (
        [],
        [],
        {},
        [],
    )


def test_member_price_for_those_who_pay_it():
    quote = price([tea(1999, 3, 1500), cup(800)], VIP, STANDARD_RULES)
    assert [line.unit_price_fen for line in quote.lines] == [1500, 800]
    assert totals(quote) == [4500, 800]
    assert quote.trace[-1] == TraceEntry("member_price", "会员价", -1497, TEA)
    assert quote.lines[0].shares == [Share("member_price", None, 1497)]


def test_a_member_price_above_the_list_price_has_no_effect():
    assert price([tea(1000, 1, 1100)], VIP, STANDARD_RULES).total_fen == 1000


def test_the_better_of_two_prices_wins_on_each_line():
    offer = FixedPrice({TEA: 1600, CUP: 700}, "拼团价", rule_id=SALE)
    quote = price([tea(1999, 1, 1500), cup(800, 2, 790)], VIP, [MemberPrice(), offer])
    assert totals(quote) == [1500, 1400]
    assert [(entry.rule, entry.rule_id) for entry in quote.trace[2:]] == [
        ("member_price", None),
        ("fixed_price", SALE),
    ]


def test_of_equal_prices_the_first_is_named():
    quote = price([tea(1000, 1, 900)], VIP, [MemberPrice(), FixedPrice({TEA: 900}, "拼团价")])
    assert [entry.rule for entry in quote.trace] == ["list_price", "member_price"]


# --- 限时折扣 -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cuts", "unit_fen"),
    [
        ([Cut(Target.SKU, TEA, price_fen=880)], 880),
        ([Cut(Target.SKU, TEA, pay_bps=8_500)], 850),  # 849.15, rounded up
        ([Cut(Target.PRODUCT, TEA_PRODUCT, price_fen=870)], 870),
        ([Cut(Target.CATEGORY, GREEN, price_fen=860)], 860),
        ([Cut(Target.CATEGORY, TEAS, price_fen=850)], 850),
        ([Cut(Target.CATEGORY, WARE, price_fen=1)], 999),
        ([Cut(Target.SKU, TEA, pay_bps=0)], 0),
        ([Cut(Target.SKU, TEA, price_fen=1_000)], 999),
        # The narrowest counts, even if a wider one is cheaper.
        ([Cut(Target.PRODUCT, TEA_PRODUCT, price_fen=1), Cut(Target.SKU, TEA, price_fen=900)], 900),
        (
            [
                Cut(Target.CATEGORY, GREEN, price_fen=1),
                Cut(Target.PRODUCT, TEA_PRODUCT, price_fen=900),
            ],
            900,
        ),
        (
            [Cut(Target.CATEGORY, TEAS, price_fen=1), Cut(Target.CATEGORY, GREEN, price_fen=900)],
            900,
        ),
    ],
)  # fmt: skip
def test_timed_prices(cuts, unit_fen):
    quote = price([tea(999, 3)], GUEST, [campaign(TimedPrice(cuts))])
    assert quote.lines[0].unit_price_fen == unit_fen
    assert quote.total_fen == unit_fen * 3


def test_a_timed_price_is_explained_by_its_campaign():
    quote = price([tea()], GUEST, [timed()])
    assert quote.trace[1:] == [TraceEntry("timed_price", "活动", -2_000, TEA, SALE)]
    assert quote.lines[0].shares == [Share("timed_price", SALE, 2_000)]


def test_a_price_that_adds_is_still_a_price():
    """Under ADDS it lowers what is above it, and never compounds."""
    lines = [tea(10_000, 1, 9_000)]
    assert price(lines, VIP, [MemberPrice(), timed(group=ADDS)]).total_fen == 8_000
    assert price(lines, VIP, [timed(group=ADDS), MemberPrice()]).total_fen == 8_000


# --- 满减 满折 满赠 ------------------------------------------------------------------------------


def test_a_reduction_is_shared_by_price_and_adds_up():
    lines = [PriceLine(TEA, 1, 100), PriceLine(CUP, 1, 100), PriceLine(POT, 1, 100)]
    quote = price(lines, GUEST, [off(300, 100)])
    assert [line.discount_fen for line in quote.lines] == [34, 33, 33]
    assert [line.unit_price_fen for line in quote.lines] == [100, 100, 100]
    assert quote.trace[3:] == [
        TraceEntry("threshold", "活动", -34, TEA, PARTY),
        TraceEntry("threshold", "活动", -33, CUP, PARTY),
        TraceEntry("threshold", "活动", -33, POT, PARTY),
    ]


def test_a_reduction_below_its_threshold_does_nothing():
    assert price([tea(299)], GUEST, [off(300, 100)]).total_fen == 299
    assert price([tea(300)], GUEST, [off(300, 100)]).total_fen == 200


def test_the_highest_tier_that_is_reached_counts():
    rule = campaign(Threshold([Tier(30_000, 5_000), Tier(10_000, 1_000), Tier(20_000, 2_500)]))
    costs = [price([tea(fen)], GUEST, [rule]).total_fen for fen in (9_999, 10_000, 29_999, 30_000)]
    assert costs == [9_999, 9_000, 27_499, 25_000]


def test_pieces_are_counted_over_the_lines_in_scope():
    terms = Threshold(
        [Tier(3, pay_bps=7_000)], Measure.PIECES, Scope(category_ids=frozenset({TEAS}))
    )
    two = price([tea(1_000, 2), cup(1_000, 5)], GUEST, [campaign(terms)])
    three = price([tea(1_001, 3), cup(1_000, 5)], GUEST, [campaign(terms)])
    assert totals(two) == [2_000, 5_000]
    assert totals(three) == [2_103, 5_000]  # 3003 * 0.3 = 900.9 off, rounded down


def test_each_time_a_sum_is_reached():
    terms = Threshold([Tier(10_000, 1_000, gifts=[Gift(GIFT, 2)])], repeats=True)
    quote = price([tea(3_999, 9)], GUEST, [campaign(terms)])  # 359.91 yuan
    assert quote.discount_fen == 3_000
    assert quote.gifts == [GiftLine(GIFT, 6, "活动", PARTY)]
    once = Threshold(terms.tiers)
    assert price([tea(3_999, 9)], GUEST, [campaign(once)]).discount_fen == 1_000


def test_a_gift_alone_is_no_reduction():
    rule = campaign(Threshold([Tier(10_000, gifts=[Gift(GIFT)])]))
    assert price([tea(9_999)], GUEST, [rule]).gifts == []
    quote = price([tea(10_000)], GUEST, [rule])
    assert quote.gifts == [GiftLine(GIFT, 1, "活动", PARTY)]
    assert (quote.total_fen, len(quote.trace)) == (10_000, 1)


def test_every_way_a_scope_counts():
    line = tea()
    for scope, counts in (
        (Scope(), True),
        (Scope(sku_ids=frozenset({TEA})), True),
        (Scope(product_ids=frozenset({TEA_PRODUCT})), True),
        (Scope(category_ids=frozenset({GREEN})), True),
        (Scope(category_ids=frozenset({TEAS})), True),
        (Scope(sku_ids=frozenset({CUP}), product_ids=frozenset({TEA_PRODUCT})), True),
        (Scope(sku_ids=frozenset({CUP})), False),
        (Scope(product_ids=frozenset({CUP_PRODUCT})), False),
        (Scope(category_ids=frozenset({WARE})), False),
        (Scope(except_sku_ids=frozenset({TEA})), False),
        (Scope(except_product_ids=frozenset({TEA_PRODUCT})), False),
        (Scope(except_category_ids=frozenset({TEAS})), False),
        (Scope(sku_ids=frozenset({TEA}), except_category_ids=frozenset({GREEN})), False),
        (Scope(except_sku_ids=frozenset({CUP})), True),
    ):
        assert covers(scope, line) is counts, scope
    bare = PriceLine(TEA, 1, 100)
    assert not covers(Scope(product_ids=frozenset({TEA_PRODUCT})), bare)
    assert covers(Scope(except_product_ids=frozenset({TEA_PRODUCT})), bare)


@pytest.mark.parametrize(
    ("audience", "buyer"),
    [
        (Audience.MEMBERS, Buyer(True)),
        (Audience.FIRST_ORDER, Buyer(False, is_first_order=True)),
        (Audience.BIRTHDAY, Buyer(False, is_birthday=True)),
    ],
)
def test_a_campaign_is_for_its_audience(audience, buyer):
    rule = off(1, 500, audience=audience)
    assert price([tea()], buyer, [rule]).total_fen == 9_500
    assert price([tea()], GUEST, [rule]).total_fen == 10_000


# --- stacking ---------------------------------------------------------------------------------


def test_F050_reductions_stop_at_zero():
    """However many rules stack."""
    rules = [MemberPrice(), off(1, 500), off(1, 10_000, SALE), off(1, 1, THIRD), PointsUsed(9)]
    quote = price([tea(1000, 1, 900)], VIP, rules)
    assert quote.total_fen == 0
    assert [entry.amount_fen for entry in quote.trace] == [1000, -100, -500, -400]


def test_what_adds_counts_what_is_left():
    rules = [off(10_000, 1_000), campaign(Threshold([Tier(9_000, pay_bps=9_000)]), SALE)]
    assert price([tea(10_000)], GUEST, rules).total_fen == 8_100
    assert price([tea(10_000)], GUEST, rules[::-1]).total_fen == 9_000  # 9000: not reached


def test_prices_come_before_what_is_counted_by_them():
    rules = [off(10_000, 1_000), timed()]
    quote = price([tea(10_000)], GUEST, rules)
    assert quote.total_fen == 8_000
    assert price([tea(12_500)], GUEST, rules).total_fen == 9_000


def test_in_a_group_the_best_rule_has_the_line():
    """限时折扣 8 折 against 满减, exclusive."""
    for off_fen, total_fen, rule in (
        (1_999, 8_000, "timed_price"),
        (2_000, 8_000, "timed_price"),
        (2_001, 7_999, "threshold"),
    ):
        quote = price([tea()], GUEST, [timed(), off(10_000, off_fen, group="best")])
        assert (quote.total_fen, quote.trace[-1].rule) == (total_fen, rule)


def test_a_threshold_must_beat_the_prices_on_all_lines_it_touches():
    """The price cut takes 20 yuan off tea alone; 30 off both lines beat that, 19 do not."""
    better = price([tea(), cup()], GUEST, [timed(), off(15_000, 3_000, group="best")])
    assert totals(better) == [8_000, 4_000]
    worse = price([tea(), cup()], GUEST, [timed(), off(15_000, 1_900, group="best")])
    assert totals(worse) == [8_000, 5_000]


def test_what_prices_leave_is_counted_again():
    """满减 from 50 yuan loses tea to the price cut, and still has the cup."""
    rules = [timed(), off(5_000, 900, group="best")]
    assert totals(price([tea(), cup()], GUEST, rules)) == [8_000, 4_100]
    assert totals(price([tea(), cup(4_999)], GUEST, rules)) == [8_000, 4_999]


def test_what_is_left_goes_to_one_rule_only():
    rules = [timed(), off(5_000, 800, group="best"), off(5_000, 900, THIRD, group="best")]
    assert totals(price([tea(), cup()], GUEST, rules)) == [8_000, 4_100]
    pennies = [off(1, 1, SALE, group="own"), off(1, 1, group="own")]
    assert price([tea()], GUEST, pennies).total_fen == 9_999


def test_thresholds_of_a_group_share_no_line():
    ware = Scope(category_ids=frozenset({WARE}))
    cups = campaign(Threshold([Tier(5_000, 900)], scope=ware), SALE, group="own")
    everything = off(15_000, 1_000, group="own")
    # Cups alone lose less than the whole, and the whole is not reached without the cups.
    assert price([tea(), cup()], GUEST, [cups, everything]).discount_fen == 1_000
    dear = campaign(Threshold([Tier(5_000, 1_100)], scope=ware), SALE, group="own")
    quote = price([tea(), cup()], GUEST, [everything, dear])
    assert totals(quote) == [10_000, 3_900]
    rest = off(10_000, 500, THIRD, group="own")
    assert totals(price([tea(), cup()], GUEST, [everything, dear, rest])) == [9_500, 3_900]


def test_of_equal_thresholds_the_first_is_taken():
    for first, second in itertools.permutations(
        [off(1, 100, SALE, group="own"), off(1, 100, group="own")]
    ):
        quote = price([tea()], GUEST, [first, second])
        assert [entry.rule_id for entry in quote.trace[1:]] == [first.campaign_id]


def test_in_a_group_gifts_come_for_lines_that_nothing_else_took():
    gift = campaign(Threshold([Tier(5_000, gifts=[Gift(GIFT)])]), group="best")
    assert price([tea()], GUEST, [timed(), gift]).gifts == []
    assert price([tea(), cup()], GUEST, [timed(), gift]).gifts == [GiftLine(GIFT, 1, "活动", PARTY)]
    assert price([tea()], GUEST, [timed(), off(1, 3_000, group="best"), gift]).gifts == []


def test_groups_do_not_know_each_other():
    rules = [timed(group="one"), off(8_000, 1_000, group="two")]
    assert price([tea()], GUEST, rules).total_fen == 7_000


# --- floor ------------------------------------------------------------------------------------


def test_reductions_stop_at_the_floor():
    quote = price([tea(999, 2)], GUEST, [off(1, 1_900), Floor(5_001)])
    assert quote.total_fen == 1_000  # half of 9.99, rounded up, twice
    assert price([tea(999, 2)], GUEST, [off(1, 900), Floor(5_001)]).total_fen == 1_098


def test_what_one_line_may_not_bear_others_do():
    """A reduction is shared by what may still be taken off."""
    quote = price([tea(10_000, floor_fen=9_500), cup(5_000)], GUEST, [off(15_000, 2_000)])
    assert totals(quote) == [9_818, 3_182]  # 500 and 5000 of room
    assert totals(price([tea(floor_fen=9_500), cup()], GUEST, [off(1, 9_999)])) == [9_500, 0]


def test_the_higher_of_two_floors_holds_and_never_above_the_list_price():
    rules = [off(1, 10_000), Floor(6_000)]
    assert price([tea(10_000, floor_fen=7_000)], GUEST, rules).total_fen == 7_000
    assert price([tea(10_000, floor_fen=5_000)], GUEST, rules).total_fen == 6_000
    assert price([tea(10_000, floor_fen=20_000)], GUEST, rules).total_fen == 10_000
    assert price([tea(10_000)], GUEST, [*rules, Floor(8_000)]).total_fen == 8_000


def test_the_floor_of_a_line():
    assert line_floor(tea(999, 2), 5_001) == 1_000
    assert line_floor(tea(999, 2, floor_fen=600), 5_001) == 1_200
    assert line_floor(tea(999, 2, floor_fen=1_000), 0) == 1_998
    assert line_floor(tea(999, 2), 0) == 0


def test_stated_prices_and_rules_that_say_so_go_below_the_floor():
    floor = Floor(9_000)
    assert price([tea(10_000, 1, 5_000)], VIP, [MemberPrice(), floor]).total_fen == 5_000
    assert price([tea()], GUEST, [FixedPrice({TEA: 1}, "拼团"), floor]).total_fen == 1
    assert price([tea()], GUEST, [timed(), floor]).total_fen == 9_000
    assert price([tea()], GUEST, [timed(ignores_floor=True), floor]).total_fen == 8_000
    assert price([tea()], GUEST, [off(1, 5_000), floor]).total_fen == 9_000
    assert price([tea()], GUEST, [off(1, 5_000, ignores_floor=True), floor]).total_fen == 5_000
    # Below the floor, nothing that it holds takes any more.
    rules = [MemberPrice(), off(1, 5_000), floor]
    assert price([tea(10_000, 1, 5_000)], VIP, rules).total_fen == 5_000


def test_a_reduction_that_the_floor_stops_still_brings_its_gift():
    terms = Threshold([Tier(1, 500, gifts=[Gift(GIFT)])])
    quote = price([tea()], GUEST, [campaign(terms), Floor(10_000)])
    assert (quote.total_fen, quote.gifts) == (10_000, [GiftLine(GIFT, 1, "活动", PARTY)])


# --- points and limits ------------------------------------------------------------------------


def test_points_come_last_are_shared_and_pass_the_floor():
    lines = [tea(9_000), cup(1_000)]
    quote = price(lines, GUEST, [PointsUsed(1_000), Floor(10_000), off(1, 100, ignores_floor=True)])
    assert (quote.discount_fen, quote.total_fen) == (1_100, 8_900)
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
