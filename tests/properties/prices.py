"""Baskets, buyers, rules and coupons to draw from, for everything that must hold of prices."""

from uuid import UUID

from hypothesis import strategies as st

from siyu.commerce.promotions.contracts import (
    ADDS,
    BEST,
    Audience,
    Buyer,
    CampaignRule,
    ChargeBy,
    CouponOff,
    Cut,
    Exchange,
    FixedOff,
    FixedPrice,
    Floor,
    Gift,
    Measure,
    MemberPrice,
    PercentOff,
    PointsUsed,
    PriceLine,
    Region,
    Scope,
    Shipping,
    ShippingArea,
    ShippingPlan,
    ShippingRate,
    ShippingTemplate,
    Target,
    Threshold,
    Tier,
    TimedPrice,
)


def ids(first: int, count: int) -> st.SearchStrategy[UUID]:
    return st.integers(first, first + count - 1).map(lambda number: UUID(int=number))


sku_ids, product_ids, category_ids = ids(1, 12), ids(101, 6), ids(201, 4)
fen = st.one_of(st.integers(0, 300), st.integers(0, 10_000_000))
bps = st.integers(0, 9_999)
lines = st.lists(
    st.builds(
        PriceLine,
        sku_id=sku_ids,
        quantity=st.integers(1, 9),
        list_price_fen=fen,
        member_price_fen=st.none() | fen,
        product_id=st.none() | product_ids,
        category_ids=st.lists(category_ids, max_size=2, unique=True).map(tuple),
        weight_g=st.integers(0, 5_000),
        floor_fen=st.none() | fen,
        is_sent=st.booleans(),
    ),
    min_size=1,
    max_size=8,
    unique_by=lambda line: line.sku_id,
)
regions = st.sampled_from(
    [Region("广东省", "深圳市"), Region("新疆", "喀什"), Region("浙江", "杭州")]
)
buyers = st.builds(Buyer, st.booleans(), st.booleans(), st.booleans(), st.none() | regions)


def some(strategy: st.SearchStrategy[UUID]) -> st.SearchStrategy[frozenset[UUID]]:
    return st.frozensets(strategy, max_size=3)


scopes = st.just(Scope()) | st.builds(
    Scope,
    some(category_ids),
    some(product_ids),
    some(sku_ids),
    some(category_ids),
    some(product_ids),
    some(sku_ids),
)
groups = st.sampled_from([BEST, ADDS, "own"])
prices = st.builds(lambda fen: (fen, None), fen) | st.builds(lambda bps: (None, bps), bps)
targets = st.one_of(
    st.tuples(st.just(Target.SKU), sku_ids),
    st.tuples(st.just(Target.PRODUCT), product_ids),
    st.tuples(st.just(Target.CATEGORY), category_ids),
)
timed = st.builds(
    TimedPrice,
    st.lists(st.builds(lambda t, p: Cut(*t, *p), targets, prices), min_size=1, max_size=5),
)
gifts = st.lists(st.builds(Gift, sku_ids, st.integers(1, 3)), max_size=2)
tiers = st.one_of(
    st.builds(Tier, st.integers(1, 20), off_fen=fen, gifts=gifts),
    st.builds(Tier, st.integers(1, 500_000), off_fen=fen, gifts=gifts),
    st.builds(Tier, st.integers(1, 500_000), pay_bps=bps, gifts=gifts),
)
thresholds = st.builds(
    Threshold, st.lists(tiers, min_size=1, max_size=3), st.sampled_from(Measure), scopes
) | st.builds(
    Threshold,
    st.lists(st.builds(Tier, st.integers(1, 500), off_fen=fen), min_size=1, max_size=1),
    scope=scopes,
    repeats=st.just(True),
)
campaigns = st.builds(
    CampaignRule,
    campaign_id=ids(301, 9),
    label=st.just("活动"),
    terms=timed | thresholds,
    group=groups,
    audience=st.sampled_from(Audience),
    takes_coupons=st.booleans(),
    ignores_floor=st.booleans(),
)
coupons = st.builds(
    CouponOff,
    claim_id=ids(401, 30),
    coupon_id=ids(501, 9),
    label=st.just("券"),
    gives=st.one_of(
        st.builds(FixedOff, st.integers(1, 5_000)),
        st.builds(PercentOff, bps, st.none() | st.integers(1, 5_000)),
        st.builds(Exchange, st.integers(1, 3), st.integers(0, 500)),
    ),
    from_fen=st.one_of(st.just(0), fen),
    scope=scopes,
    group=st.sampled_from(["coupon", "gift", "more"]),
    full_price_only=st.booleans(),
)
wallets = st.lists(coupons, max_size=4, unique_by=lambda coupon: coupon.claim_id)
rates = st.builds(
    ShippingRate,
    st.integers(0, 5_000),
    st.integers(1, 3_000),
    st.integers(0, 500),
    st.integers(1, 1_000),
    st.none() | fen,
    st.none() | st.integers(1, 20),
)
templates = st.builds(
    ShippingTemplate,
    ids(601, 3),
    st.just("快递"),
    st.builds(
        ShippingPlan,
        st.sampled_from(ChargeBy),
        st.none() | rates,
        st.lists(
            st.builds(ShippingArea, st.lists(regions, min_size=1, max_size=2), st.none() | rates),
            max_size=2,
        ),
    ),
)
shippings = st.builds(
    Shipping, st.none() | templates, st.dictionaries(product_ids, templates, max_size=2)
)
fixed_prices = st.builds(
    FixedPrice,
    st.dictionaries(sku_ids, fen, max_size=4),
    st.just("拼团价"),
    st.sampled_from([BEST, ADDS]),
    st.none() | ids(301, 9),
)
member_prices = st.builds(MemberPrice, st.just("会员价"), st.sampled_from([BEST, ADDS]))
reducing = st.one_of(member_prices, fixed_prices, campaigns, campaigns)
floors = st.builds(Floor, st.integers(0, 10_000))
shop_rules = st.builds(
    lambda reductions, floor, shipping: [*reductions, *floor, *shipping],
    st.lists(reducing, max_size=5),
    st.lists(floors, max_size=1),
    st.lists(shippings, max_size=1),
)
points = st.lists(st.builds(PointsUsed, fen), max_size=1)
