"""Whatever the basket and the rules: never negative, adds up, explained, order is irrelevant."""

import random
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from siyu.commerce.promotions.contracts import (
    Buyer,
    FixedPrice,
    MemberPrice,
    PointsUsed,
    PriceLine,
    Reduction,
    Shipping,
    Stacking,
)
from siyu.commerce.promotions.service import price

fen = st.integers(0, 10_000_000)
stacking = st.sampled_from(Stacking)
sku_ids = st.integers(1, 40).map(lambda number: UUID(int=number))
lines = st.lists(
    st.builds(PriceLine, sku_ids, st.integers(1, 9), fen, st.none() | fen),
    min_size=1,
    max_size=12,
    unique_by=lambda line: line.sku_id,
)
rules = st.lists(
    st.one_of(
        st.builds(MemberPrice, st.just("会员价"), stacking),
        st.builds(FixedPrice, st.dictionaries(sku_ids, fen, max_size=5), st.just("x"), stacking),
        st.builds(Reduction, fen, fen, st.just("满减"), stacking),
        st.builds(PointsUsed, fen),
        st.builds(Shipping, st.integers(0, 5000), st.none() | fen),
    ),
    max_size=6,
)
buyers = st.builds(Buyer, st.booleans())


@given(lines, buyers, rules, st.booleans(), st.randoms(use_true_random=False))
def test_F050_prices_hold(basket, buyer, applied, is_sent, shuffler: random.Random):
    quote = price(basket, buyer, applied, is_sent=is_sent)

    assert min(line.total_fen for line in quote.lines) >= 0
    assert quote.shipping_fen >= 0
    for asked, line in zip(basket, quote.lines, strict=True):
        assert line.sku_id == asked.sku_id and line.quantity == asked.quantity
        assert line.list_price_fen * line.quantity - line.discount_fen == line.total_fen
        assert 0 <= line.unit_price_fen <= line.list_price_fen
        assert line.total_fen <= line.unit_price_fen * line.quantity + line.quantity - 1
    assert sum(line.total_fen for line in quote.lines) + quote.shipping_fen == quote.total_fen
    assert quote.items_fen - quote.discount_fen + quote.shipping_fen == quote.total_fen

    assert sum(entry.amount_fen for entry in quote.trace) == quote.total_fen
    for line in quote.lines:
        steps = [entry.amount_fen for entry in quote.trace if entry.sku_id == line.sku_id]
        assert sum(steps) == line.total_fen
        by_points = [
            e.amount_fen for e in quote.trace if (e.rule, e.sku_id) == ("points", line.sku_id)
        ]
        assert sum(by_points) == -line.points_fen

    shuffled = list(basket)
    shuffler.shuffle(shuffled)
    other = price(shuffled, buyer, applied, is_sent=is_sent)
    assert sorted(other.lines, key=lambda line: line.sku_id) == sorted(
        quote.lines, key=lambda line: line.sku_id
    )
    assert other.trace == quote.trace
