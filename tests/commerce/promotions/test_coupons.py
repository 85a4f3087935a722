"""Coupons inside the price function: what each is worth, and which are used together."""

import pytest

from siyu.commerce.promotions.contracts import (
    MAX_COUPONS,
    Exchange,
    FixedOff,
    Floor,
    MemberPrice,
    PercentOff,
    PointsUsed,
    Scope,
    Share,
    Shipping,
    ShippingRate,
    TooManyCoupons,
    TraceEntry,
)
from siyu.commerce.promotions.service import price
from tests.commerce.promotions.kit import (
    CUP,
    GUEST,
    SALE,
    TEA,
    TEAS,
    VIP,
    WARE,
    coupon,
    cup,
    flat,
    off,
    tea,
    timed,
)

FIXED = coupon(FixedOff(1_500))
FIXED_500 = coupon(FixedOff(500))


def test_what_else_could_be_chosen_does_not_change_what_two_coupons_take():
    """A third one came first in its group, and the exchange before the fixed one, which the floor
    then held: the price rose by a fen."""
    fixed = coupon(FixedOff(1), 51)
    swap = coupon(Exchange(pieces=1, pay_fen=1), 52, group="more")
    other = coupon(FixedOff(1), 50, group="more")
    basket = [cup(2, floor_fen=1)]
    assert price(basket, GUEST, [fixed, swap]).total_fen == 0
    assert price(basket, GUEST, [fixed, swap, other]).total_fen == 0


def test_a_fixed_coupon_is_shared_and_explained():
    quote = price([tea(), cup()], GUEST, [FIXED])
    assert [line.total_fen for line in quote.lines] == [9_000, 4_500]
    assert quote.coupons == {FIXED.claim_id: 1_500}
    assert quote.trace[2:] == [
        TraceEntry("coupon", "券", -1_000, TEA, FIXED.claim_id),
        TraceEntry("coupon", "券", -500, CUP, FIXED.claim_id),
    ]
    assert quote.lines[0].shares == [Share("coupon", FIXED.claim_id, 1_000)]
    assert quote.lines[0].unit_price_fen == 10_000


def test_a_fixed_coupon_takes_no_more_than_there_is():
    quote = price([tea(1_000)], GUEST, [FIXED])
    assert (quote.total_fen, quote.coupons) == (0, {FIXED.claim_id: 1_000})
    assert price([tea(0)], GUEST, [FIXED]).coupons == {}


@pytest.mark.parametrize(
    ("gives", "off_fen"),
    [
        (PercentOff(8_500), 1_501),  # of 100.07: 15.0105
        (PercentOff(8_500, 1_501), 1_501),
        (PercentOff(8_500, 1_500), 1_500),
        (PercentOff(0), 10_007),
    ],
)
def test_percent_coupons(gives, off_fen):
    assert price([tea(10_007)], GUEST, [coupon(gives)]).discount_fen == off_fen


def test_a_percentage_of_next_to_nothing_uses_no_coupon():
    assert price([tea(1)], GUEST, [coupon(PercentOff(9_999))]).coupons == {}


def test_an_exchange_takes_the_dearest_pieces():
    lines = [tea(10_000, 2), cup(5_000, 2)]
    for gives, offs in (
        (Exchange(), [10_000, 0]),
        (Exchange(3), [20_000, 5_000]),
        (Exchange(3, 100), [19_800, 4_900]),
        (Exchange(99, 6_000), [8_000, 0]),  # nothing cheaper is made dearer
    ):
        quote = price(lines, GUEST, [coupon(gives), Floor(10_000)])
        assert [line.discount_fen for line in quote.lines] == offs, gives


def test_an_exchanged_piece_of_a_reduced_line_is_worth_its_share():
    """Three pieces at 100.00 in all: one of them is worth 33.33."""
    quote = price([tea(4_000, 3)], GUEST, [off(12_000, 2_000), coupon(Exchange())])
    assert quote.total_fen == 6_667


def test_two_exchanges_do_not_take_the_same_piece_below_nothing():
    two = [coupon(Exchange(), 51, group="a"), coupon(Exchange(), 52, group="b")]
    quote = price([tea(10_000)], GUEST, two)
    assert (quote.total_fen, len(quote.coupons)) == (0, 1)


def test_two_exchanges_take_what_is_there_and_no_more():
    two = [coupon(Exchange(2), 51, group="a"), coupon(Exchange(2), 52, group="b")]
    quote = price([tea(10_000, 3)], GUEST, two)
    assert sorted(quote.coupons.values()) == [10_000, 20_000]


def test_a_coupon_counts_its_scope_after_campaigns():
    teas = coupon(FixedOff(500), from_fen=8_000, scope=Scope(category_ids=frozenset({TEAS})))
    assert price([tea(), cup()], GUEST, [timed(), teas]).discount_fen == 2_500
    assert price([tea(9_998), cup()], GUEST, [timed(), teas]).discount_fen == 1_999
    assert price([cup(50_000)], GUEST, [teas]).discount_fen == 0


def test_a_coupon_for_full_prices_passes_over_what_is_reduced():
    full = coupon(FixedOff(9_000), full_price_only=True)
    quote = price([tea(), cup()], GUEST, [timed(), full])
    assert [line.total_fen for line in quote.lines] == [8_000, 0]
    assert price([tea()], GUEST, [timed(), full]).coupons == {}


def test_a_coupon_does_not_pass_the_floor():
    assert price([tea()], GUEST, [FIXED, Floor(9_000)]).total_fen == 9_000
    assert price([tea()], GUEST, [FIXED, Floor(10_000)]).coupons == {}


def test_of_a_group_the_best_coupon_is_used():
    two = [coupon(FixedOff(900), 51), coupon(FixedOff(1_000), 52)]
    assert price([tea()], GUEST, two).coupons == {two[1].claim_id: 1_000}
    other = coupon(FixedOff(300), 53, group="more")
    quote = price([tea()], GUEST, [*two, other])
    assert quote.coupons == {two[1].claim_id: 1_000, other.claim_id: 300}


def test_of_equal_coupons_one_is_used_and_the_same_whatever_the_order():
    two = [coupon(FixedOff(900), 51), coupon(FixedOff(900), 52)]
    assert price([tea()], GUEST, two).coupons == {two[0].claim_id: 900}
    assert price([tea()], GUEST, two[::-1]).coupons == {two[0].claim_id: 900}


def test_a_coupon_that_another_makes_useless_is_kept():
    two = [coupon(FixedOff(90_000), 51), coupon(FixedOff(900), 52, group="more")]
    assert price([tea()], GUEST, two).coupons == {two[0].claim_id: 10_000}


def test_of_equal_choices_the_one_with_fewer_coupons_is_made():
    whole, half, rest = (
        coupon(FixedOff(fen), number, group=f"g{number}")
        for number, fen in ((51, 10_000), (52, 5_000), (53, 5_000))
    )
    assert price([tea()], GUEST, [whole, half, rest]).coupons == {whole.claim_id: 10_000}


def test_a_coupon_that_is_not_used_changes_nothing():
    """Without the campaign shipping would be free; but nothing is used in its place."""
    shipping = Shipping(flat(ShippingRate(800, free_from_fen=10_000)))
    rules = [off(1, 500, takes_coupons=False), shipping]
    ware = coupon(FixedOff(500), scope=Scope(category_ids=frozenset({WARE})))
    assert price([tea()], GUEST, [*rules, ware]) == price([tea()], GUEST, rules)
    assert price([tea()], GUEST, rules).total_fen == 10_300


def test_every_coupon_counts_the_goods_before_any_coupon():
    """One that needs 100 yuan is not lost because another has taken 20 of them."""
    first = coupon(FixedOff(2_000), 51)
    second = coupon(PercentOff(9_000), 52, group="more", from_fen=10_000)
    assert price([tea()], GUEST, [first, second]).total_fen == 7_000


def test_shipping_that_is_free_from_a_sum_stays_free_with_a_coupon():
    shipping = Shipping(flat(ShippingRate(800, free_from_fen=10_000)))
    quote = price([tea()], GUEST, [FIXED, shipping, PointsUsed(1_000)])
    assert (quote.shipping_fen, quote.total_fen) == (0, 7_500)


def test_campaign_or_coupons_whichever_is_cheaper():
    """A campaign that takes no coupons: 20 yuan off tea, against a coupon for 15 or 25."""
    closed = timed(takes_coupons=False)
    quote = price([tea()], GUEST, [closed, FIXED])
    assert (quote.total_fen, quote.coupons) == (8_000, {})
    big = coupon(FixedOff(2_500))
    quote = price([tea()], GUEST, [closed, big])
    assert (quote.total_fen, [entry.rule for entry in quote.trace]) == (
        7_500,
        ["list_price", "coupon"],
    )
    # On the cup, which the campaign did not touch, the coupon comes on top.
    assert price([tea(), cup()], GUEST, [closed, FIXED]).total_fen == 11_500
    # What does not depend on the coupon stays.
    quote = price([tea(10_000, 1, 9_000)], VIP, [MemberPrice(), closed, big])
    assert quote.total_fen == 6_500
    equal = coupon(FixedOff(2_000))
    assert price([tea()], GUEST, [closed, equal]).trace[-1].rule_id == SALE


def test_without_the_closed_campaign_shipping_is_counted_anew():
    shipping = Shipping(flat(ShippingRate(800, free_from_fen=9_000)))
    closed = timed(takes_coupons=False)
    # 80 + 8 for the campaign, 85 and free for the coupon.
    assert price([tea()], GUEST, [closed, FIXED, shipping]).total_fen == 8_500
    # Points pay for goods only: with 80 yuan of them, 5 are left to pay against 8 of shipping.
    quote = price([tea()], GUEST, [closed, FIXED, shipping, PointsUsed(8_000)])
    assert (quote.total_fen, quote.shipping_fen) == (500, 0)
    assert price([tea()], GUEST, [closed, FIXED_500, shipping, PointsUsed(20_000)]).total_fen == 0
    quote = price([tea()], GUEST, [closed, coupon(FixedOff(1_000)), shipping, PointsUsed(500)])
    assert (quote.total_fen, quote.shipping_fen) == (8_300, 800)


def test_no_more_than_six_coupons():
    many = [coupon(FixedOff(1), 60 + i, group=f"g{i}") for i in range(MAX_COUPONS + 1)]
    assert len(price([tea()], GUEST, many[:-1]).coupons) == MAX_COUPONS
    with pytest.raises(TooManyCoupons):
        price([tea()], GUEST, many)


def test_a_coupon_outside_its_scope_is_not_used():
    ware = coupon(FixedOff(500), scope=Scope(category_ids=frozenset({WARE})))
    assert price([tea()], GUEST, [ware]).coupons == {}
