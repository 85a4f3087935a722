"""Whatever basket and rules: never negative, adds up, explained, and no coupon makes it dearer."""

import random
from datetime import date, timedelta
from zoneinfo import available_timezones

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siyu.commerce.promotions.contracts import (
    CampaignRule,
    Exchange,
    FixedPrice,
    Floor,
    MemberPrice,
    Quote,
)
from siyu.commerce.promotions.rules import is_on, line_floor
from siyu.commerce.promotions.service import LIST_PRICE, price
from siyu.kernel.clock import business_day, day_start
from tests.properties.prices import buyers, coupons, lines, points, shop_rules, wallets

much = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def off_by(quote: Quote, *kinds: str) -> int:
    return -sum(entry.amount_fen for entry in quote.trace if entry.rule in kinds)


@given(lines, buyers, shop_rules, wallets, points, st.booleans())
@much
def test_F050_prices_hold(basket, buyer, rules, wallet, used, is_sent):
    quote = price(basket, buyer, [*rules, *wallet, *used], is_sent=is_sent)

    assert quote.shipping_fen >= 0
    for asked, line in zip(basket, quote.lines, strict=True):
        assert line.sku_id == asked.sku_id and line.quantity == asked.quantity
        assert 0 <= line.total_fen <= asked.list_price_fen * asked.quantity
        assert line.list_price_fen * line.quantity - line.discount_fen == line.total_fen
        assert 0 <= line.unit_price_fen <= line.list_price_fen
        assert line.total_fen <= line.unit_price_fen * line.quantity + line.quantity - 1
    assert sum(line.total_fen for line in quote.lines) + quote.shipping_fen == quote.total_fen
    assert quote.items_fen - quote.discount_fen + quote.shipping_fen == quote.total_fen

    # Every fen is explained: in all, by line, by rule.
    assert sum(entry.amount_fen for entry in quote.trace) == quote.total_fen
    assert off_by(quote, "shipping") == -quote.shipping_fen
    assert off_by(quote, "coupon") == sum(quote.coupons.values())
    assert min(quote.coupons.values(), default=1) > 0
    for line in quote.lines:
        mine = [entry for entry in quote.trace if entry.sku_id == line.sku_id]
        assert (mine[0].rule, sum(entry.amount_fen for entry in mine)) == (
            LIST_PRICE,
            line.total_fen,
        )
        assert [(e.rule, e.rule_id, -e.amount_fen) for e in mine[1:]] == [
            (share.rule, share.rule_id, share.off_fen) for share in line.shares
        ]
        assert min((share.off_fen for share in line.shares), default=1) > 0
        assert line.points_fen == sum(s.off_fen for s in line.shares if s.rule == "points")
    assert sum(line.points_fen for line in quote.lines) == min(
        sum(rule.off_fen for rule in used),
        quote.items_fen - quote.discount_fen + off_by(quote, "points"),
    )


@given(lines, buyers, shop_rules, wallets, points, st.randoms(use_true_random=False))
@much
def test_the_order_of_lines_and_coupons_changes_nothing(
    basket, buyer, rules, wallet, used, shuffler: random.Random
):
    quote = price(basket, buyer, [*rules, *wallet, *used])
    shuffled, others = list(basket), list(wallet)
    shuffler.shuffle(shuffled)
    shuffler.shuffle(others)
    other = price(shuffled, buyer, [*others, *used, *rules])
    places = {line.sku_id: line for line in other.lines}
    assert [places[line.sku_id] for line in quote.lines] == quote.lines
    assert msgspec.structs.replace(other, lines=[]) == msgspec.structs.replace(quote, lines=[])


@given(lines, buyers, shop_rules, wallets, coupons, points, st.booleans())
@much
def test_one_more_coupon_never_raises_the_price(basket, buyer, rules, wallet, one, used, is_sent):
    fewer = [coupon for coupon in wallet if coupon.claim_id != one.claim_id]
    before = price(basket, buyer, [*rules, *fewer, *used], is_sent=is_sent)
    after = price(basket, buyer, [*rules, *fewer, one, *used], is_sent=is_sent)
    assert after.total_fen <= before.total_fen
    if not fewer:
        assert after.total_fen < before.total_fen or not after.coupons


@given(lines, buyers, shop_rules, wallets, points)
@much
def test_the_floor_holds_against_all_that_do_not_say_otherwise(basket, buyer, rules, wallet, used):
    quote = price(basket, buyer, [*rules, *wallet, *used])
    bps = max((rule.bps for rule in rules if isinstance(rule, Floor)), default=0)
    free = {r.campaign_id for r in rules if isinstance(r, CampaignRule) and r.ignores_floor}
    free |= {r.rule_id for r in rules if isinstance(r, FixedPrice)}
    free |= {r.claim_id for r in wallet if isinstance(r.gives, Exchange)}
    stated = any(isinstance(rule, MemberPrice) for rule in rules) and "member_price"
    for line, priced in zip(basket, quote.lines, strict=True):
        held = [
            s for s in priced.shares
            if s.rule not in ("points", "fixed_price", stated) and s.rule_id not in free
        ]  # fmt: skip
        if held:
            # Whoever is held by the floor stopped at it; only the free may have gone further.
            by_free = priced.discount_fen - sum(share.off_fen for share in held)
            assert priced.total_fen + by_free >= line_floor(line, bps)


@given(lines, buyers, shop_rules, wallets)
@much
def test_coupons_of_a_group_are_used_one_at_a_time(basket, buyer, rules, wallet):
    quote = price(basket, buyer, [*rules, *wallet])
    used = [coupon.group for coupon in wallet if coupon.claim_id in quote.coupons]
    assert len(set(used)) == len(used)


@given(lines, buyers, shop_rules)
@much
def test_a_line_has_at_most_one_rule_of_a_group(basket, buyer, rules):
    unique = {getattr(rule, "campaign_id", None) or id(rule): rule for rule in rules}
    quote = price(basket, buyer, list(unique.values()))
    group = {r.campaign_id: r.group for r in unique.values() if isinstance(r, CampaignRule)}
    for line in quote.lines:
        groups = [group[s.rule_id] for s in line.shares if s.rule in ("timed_price", "threshold")]
        mine = [name for name in groups if name != "adds"]
        assert len(set(mine)) == len(mine)


@given(
    st.sampled_from(sorted(available_timezones())),
    st.dates(date(1971, 1, 1), date(2199, 12, 1)),
    st.integers(1, 40),
    st.integers(-3_600, 90 * 86_400),
)
@much
def test_F075_from_midnight_to_midnight_of_the_shop_is_whole_business_days(zone, on, days, seconds):
    """The console sends a merchant's days as two moments; whatever the zone does in between."""
    last = on + timedelta(days=days)
    starts_at, ends_at = day_start(on, zone), day_start(last, zone)
    at = starts_at + timedelta(seconds=seconds)
    assert is_on(starts_at, ends_at, at) == (on <= business_day(at, zone) < last)
    assert is_on(starts_at, None, at) == (on <= business_day(at, zone))
