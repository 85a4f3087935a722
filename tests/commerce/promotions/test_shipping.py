"""What sending costs, and where to."""

import itertools
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from siyu.commerce.promotions.contracts import (
    AmountTooLarge,
    BadPromotion,
    Buyer,
    ChargeBy,
    PriceLine,
    Region,
    Shipping,
    ShippingArea,
    ShippingRate,
    ShippingTemplate,
    TraceEntry,
)
from siyu.commerce.promotions.rules import check_plan, find_rate, shipping_fee
from siyu.commerce.promotions.service import price
from siyu.kernel.money import MAX_FEN
from tests.commerce.promotions.kit import CUP, CUP_PRODUCT, GUEST, TEA, cup, flat, off, plan, tea

SHENZHEN = Region("广东省", "深圳市")
NEAR, FAR, CITY = ShippingRate(500), ShippingRate(1_500), ShippingRate(300)


def test_flat_and_free_from_a_sum():
    shipping = Shipping(flat(ShippingRate(800, free_from_fen=9_900)))
    quote = price([tea(9_899)], GUEST, [shipping])
    assert (quote.shipping_fen, quote.total_fen) == (800, 10_699)
    assert quote.trace[-1] == TraceEntry("shipping", "快递", 800, None, UUID(int=71))
    free = price([tea(9_900)], GUEST, [shipping])
    assert (free.shipping_fen, len(free.trace)) == (0, 1)
    assert price([tea(9_899)], GUEST, [shipping], is_sent=False).total_fen == 9_899


def test_free_sums_look_at_what_campaigns_have_left():
    shipping = Shipping(flat(ShippingRate(800, free_from_fen=9_900)))
    assert price([tea(10_000)], GUEST, [shipping, off(1, 101)]).shipping_fen == 800
    assert price([tea(10_000)], GUEST, [shipping, off(1, 100)]).shipping_fen == 0


def test_free_from_a_number_of_pieces():
    shipping = Shipping(flat(ShippingRate(800, free_from_pieces=3)))
    assert price([tea(1, 1), cup(1, 1)], GUEST, [shipping]).shipping_fen == 800
    assert price([tea(1, 1), cup(1, 2)], GUEST, [shipping]).shipping_fen == 0


@pytest.mark.parametrize(
    ("weight_g", "fee_fen"),
    [(0, 800), (1_000, 800), (1_001, 950), (1_500, 950), (1_501, 1_100), (5_000, 2_000)],
)
def test_by_weight(weight_g, fee_fen):
    rate = ShippingRate(800, 1_000, 150, 500)
    shipping = Shipping(ShippingTemplate(UUID(int=71), "快递", plan(rate, ChargeBy.WEIGHT)))
    assert price([tea(weight_g=weight_g)], GUEST, [shipping]).shipping_fen == fee_fen
    several = [PriceLine(TEA, 2, 1, weight_g=400), PriceLine(CUP, 1, 1, weight_g=201)]
    assert price(several, GUEST, [shipping]).shipping_fen == 950


@pytest.mark.parametrize(
    ("pieces", "fee_fen"), [(1, 800), (2, 800), (3, 1_000), (4, 1_000), (5, 1_200)]
)
def test_by_piece(pieces, fee_fen):
    rate = ShippingRate(800, 2, 200, 2)
    shipping = Shipping(ShippingTemplate(UUID(int=71), "快递", plan(rate, ChargeBy.PIECE)))
    assert price([tea(1, pieces)], GUEST, [shipping]).shipping_fen == fee_fen


@given(
    st.sampled_from(ChargeBy),
    *(st.integers(low, 40) for low in (0, 1, 0, 1, 1, 0)),
)
def test_fees_as_a_clerk_would_count_them(by, first, first_units, more, next_units, pieces, weight):
    """The reference: unit after unit onto the scales, a new step begun whenever one is full."""
    units = {ChargeBy.FLAT: 0, ChargeBy.PIECE: pieces, ChargeBy.WEIGHT: weight}[by]
    fee, paid_for = first, first_units
    for unit in range(1, units + 1):
        if unit > paid_for:
            fee, paid_for = fee + more, paid_for + next_units
    rate = ShippingRate(first, first_units, more, next_units)
    counted = shipping_fee(plan(rate, by), rate, goods_fen=0, pieces=pieces, weight_g=weight)
    assert counted == fee


AREAS = (
    ShippingArea([Region("广东"), Region("广西壮族自治区")], NEAR),
    ShippingArea([Region("广东省", "深圳市")], CITY),
    ShippingArea([Region("新疆"), Region("西藏自治区")], None),
)


@pytest.mark.parametrize(
    ("region", "rate"),
    [
        (Region("广东省", "广州市"), NEAR),
        (Region("广东", ""), NEAR),
        (Region("广西", "桂林市"), NEAR),
        (SHENZHEN, CITY),
        (Region("广东", "深圳"), CITY),
        (Region("海南省", "深圳市"), FAR),
        (Region("新疆维吾尔自治区", "喀什地区"), None),
        (Region("西藏", "拉萨市"), None),
        (Region("浙江省", "杭州市"), FAR),
        (None, FAR),
    ],
)
def test_regions(region, rate):
    for areas in itertools.permutations(AREAS):
        assert find_rate(plan(FAR, ChargeBy.FLAT, *areas), region) == rate


def test_a_name_is_never_shortened_to_one_letter():
    area = ShippingArea([Region("湖北省", "沙市")], CITY)
    assert find_rate(plan(FAR, ChargeBy.FLAT, area), Region("湖北", "沙市")) == CITY
    assert find_rate(plan(FAR, ChargeBy.FLAT, area), Region("湖北", "沙")) == FAR


def test_what_is_not_delivered_is_said():
    shipping = Shipping(
        ShippingTemplate(UUID(int=71), "快递", plan(FAR, ChargeBy.FLAT, AREAS[2])),
        {CUP_PRODUCT: flat(NEAR, 72)},
    )
    far = Buyer(False, region=Region("新疆", "喀什地区"))
    quote = price([tea(), cup()], far, [shipping])
    assert (quote.undelivered, quote.shipping_fen) == ([TEA], 500)
    assert price([tea(is_sent=False), cup()], far, [shipping]).undelivered == []


def test_without_an_address_nothing_is_refused_yet():
    nowhere_else = plan(None, ChargeBy.FLAT, ShippingArea([Region("广东")], NEAR))
    quote = price([tea()], GUEST, [Shipping(ShippingTemplate(UUID(int=71), "快递", nowhere_else))])
    assert (quote.undelivered, quote.shipping_fen) == ([], 0)


def test_each_product_goes_by_its_template_and_the_fees_add_up():
    heavy = ShippingTemplate(UUID(int=72), "大件", plan(ShippingRate(3_000, free_from_fen=6_000)))
    shipping = Shipping(flat(ShippingRate(800, free_from_fen=10_000)), {CUP_PRODUCT: heavy})
    quote = price([tea(9_000), cup(5_000)], GUEST, [shipping])
    # Each counts its own goods: 90 and 50 yuan are below 100 and 60.
    assert quote.shipping_fen == 3_800
    assert [(e.label, e.amount_fen) for e in quote.trace[2:]] == [("快递", 800), ("大件", 3_000)]
    assert price([tea(10_000), cup(6_000)], GUEST, [shipping]).shipping_fen == 0


def test_nothing_is_charged_without_a_template_or_for_what_is_not_sent():
    only_cups = Shipping(None, {CUP_PRODUCT: flat(NEAR)})
    assert price([tea()], GUEST, [only_cups]).shipping_fen == 0
    assert price([tea(), cup()], GUEST, [only_cups]).shipping_fen == 500
    assert price([cup(is_sent=False)], GUEST, [only_cups]).shipping_fen == 0
    assert price([PriceLine(TEA, 1, 100)], GUEST, [only_cups]).shipping_fen == 0


def test_F066_a_fee_beyond_the_limit_is_refused():
    dear = Shipping(
        ShippingTemplate(UUID(int=71), "快递", plan(ShippingRate(0, 1, MAX_FEN), ChargeBy.PIECE))
    )
    assert price([tea(0, 2)], GUEST, [dear]).total_fen == MAX_FEN
    with pytest.raises(AmountTooLarge):
        price([tea(0, 3)], GUEST, [dear])


def test_a_plan_names_each_region_once_and_sends_somewhere():
    check_plan(plan(None, ChargeBy.FLAT, AREAS[0]))
    check_plan(plan(FAR, ChargeBy.FLAT, AREAS[2]))
    for areas in ((AREAS[0], AREAS[0]), (ShippingArea([Region("广东"), Region("广东省")], NEAR),)):
        with pytest.raises(BadPromotion):
            check_plan(plan(FAR, ChargeBy.FLAT, *areas))
    with pytest.raises(BadPromotion):
        check_plan(plan(None, ChargeBy.FLAT, AREAS[2]))
