"""Single decisions of pricing: what counts, what is reached, what sending costs. Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from siyu.commerce.promotions.contracts import (
    Audience,
    BadPromotion,
    Buyer,
    ChargeBy,
    Cut,
    Measure,
    MemberPrice,
    PriceLine,
    Region,
    Rule,
    Scope,
    ShippingPlan,
    ShippingRate,
    Target,
    Terms,
    Threshold,
    Tier,
    TimedPrice,
)
from siyu.kernel.money import split_fen

STANDARD_RULES: tuple[Rule, ...] = (MemberPrice(),)
"""What every shop's prices go by."""

# --- what counts ------------------------------------------------------------------------------


def covers(scope: Scope, line: PriceLine) -> bool:
    """Whether a line counts."""
    if (
        line.sku_id in scope.except_sku_ids
        or line.product_id in scope.except_product_ids
        or not scope.except_category_ids.isdisjoint(line.category_ids)
    ):
        return False
    return (
        not (scope.category_ids or scope.product_ids or scope.sku_ids)
        or line.sku_id in scope.sku_ids
        or line.product_id in scope.product_ids
        or not scope.category_ids.isdisjoint(line.category_ids)
    )


def is_for(audience: Audience, buyer: Buyer) -> bool:
    """Whether a campaign is for this buyer."""
    return {
        Audience.EVERYONE: True,
        Audience.MEMBERS: buyer.pays_member_price,
        Audience.FIRST_ORDER: buyer.is_first_order,
        Audience.BIRTHDAY: buyer.is_birthday,
    }[audience]


# --- how much ---------------------------------------------------------------------------------


def spread(off_fen: int, room: list[int]) -> list[int]:
    """Share a reduction among lines by the room each has; no line gets more than its room."""
    return split_fen(off_fen, room) if off_fen else [0] * len(room)


def line_floor(line: PriceLine, floor_bps: int) -> int:
    """The fen below which reductions do not take a line."""
    unit = max(-(-line.list_price_fen * floor_bps // 10_000), line.floor_fen or 0)
    return min(unit, line.list_price_fen) * line.quantity


def cut_price(cuts: Sequence[Cut], line: PriceLine) -> int | None:
    """The lowered price of a piece: by SKU, else product, else category, else by its parent."""
    ids = {(Target.SKU, line.sku_id): 0, (Target.PRODUCT, line.product_id): 1}
    ids |= {(Target.CATEGORY, key): 2 + i for i, key in enumerate(line.category_ids)}
    fitting = [cut for cut in cuts if (cut.target, cut.target_id) in ids]
    if not fitting:
        return None
    cut = min(fitting, key=lambda cut: ids[cut.target, cut.target_id])
    if cut.price_fen is not None:
        return cut.price_fen
    return -(-line.list_price_fen * (cut.pay_bps or 0) // 10_000)


def reach(terms: Threshold, amount_fen: int, pieces: int) -> tuple[Tier | None, int]:
    """The highest tier that is reached, and how often."""
    have = amount_fen if terms.by is Measure.AMOUNT else pieces
    tier = max((t for t in terms.tiers if t.at <= have), key=lambda t: t.at, default=None)
    return tier, have // tier.at if tier and terms.repeats else 1


def tier_off(tier: Tier, times: int, amount_fen: int) -> int:
    """What a tier takes off an amount; parts of a fen stay with the shop."""
    if tier.pay_bps is not None:
        return part_off(amount_fen, tier.pay_bps)
    return tier.off_fen * times


def part_off(amount_fen: int, pay_bps: int) -> int:
    """What is taken off when this part of an amount is paid."""
    return amount_fen * (10_000 - pay_bps) // 10_000


# --- shipping ---------------------------------------------------------------------------------

_ENDINGS = (
    "特别行政区", "壮族自治区", "回族自治区", "维吾尔自治区", "自治区", "自治州", "地区", "省",
    "市", "盟",
)  # fmt: skip


def _place(name: str) -> str:
    """A region's name without its ending: 广东省 and 广东 are one."""
    for ending in _ENDINGS:
        if len(name) > len(ending) + 1 and name.endswith(ending):
            return name.removesuffix(ending)
    return name


def find_rate(plan: ShippingPlan, region: Region | None) -> ShippingRate | None:
    """The rate of the area that names the city, else the province, else the plan's other; None is
    not delivered.
    """
    if region is None:
        return plan.otherwise
    province, city = _place(region.province), _place(region.city)
    whole = plan.otherwise
    for area in plan.areas:
        for named in area.regions:
            if _place(named.province) == province:
                if named.city and _place(named.city) == city:
                    return area.rate
                if not named.city:
                    whole = area.rate
    return whole


def shipping_fee(
    plan: ShippingPlan, rate: ShippingRate, *, goods_fen: int, pieces: int, weight_g: int
) -> int:
    """What sending these goods costs at a rate."""
    if (rate.free_from_fen is not None and goods_fen >= rate.free_from_fen) or (
        rate.free_from_pieces is not None and pieces >= rate.free_from_pieces
    ):
        return 0
    units = {ChargeBy.WEIGHT: weight_g, ChargeBy.PIECE: pieces, ChargeBy.FLAT: 0}[plan.charge_by]
    more = -(-max(0, units - rate.first_units) // rate.next_units)
    return rate.first_fen + rate.next_fen * more


# --- what a merchant writes -------------------------------------------------------------------


def is_on(starts_at: datetime, ends_at: datetime | None, now: datetime) -> bool:
    """Whether `now` lies in [starts_at, ends_at); an open end is always."""
    return starts_at <= now and (ends_at is None or now < ends_at)


class Named(NamedTuple):
    """What terms name of the catalogue."""

    sku_ids: frozenset[UUID]
    product_ids: frozenset[UUID]
    category_ids: frozenset[UUID]


def named_by(terms: Terms) -> Named:
    """Everything of the catalogue that terms name, gifts included."""
    if isinstance(terms, TimedPrice):
        of = {kind: {c.target_id for c in terms.cuts if c.target is kind} for kind in Target}
        return Named(*(frozenset(of[kind]) for kind in Target))
    scope = terms.scope
    gifts = frozenset(gift.sku_id for tier in terms.tiers for gift in tier.gifts)
    return Named(
        scope.sku_ids | scope.except_sku_ids | gifts,
        scope.product_ids | scope.except_product_ids,
        scope.category_ids | scope.except_category_ids,
    )


def check_terms(terms: Terms) -> None:
    """Raise BadPromotion when terms contradict themselves."""
    if isinstance(terms, TimedPrice):
        targets = [(cut.target, cut.target_id) for cut in terms.cuts]
        wrong = {
            "the same goods twice": len(set(targets)) < len(targets),
            "either a price or a part of it": any(
                (cut.price_fen is None) == (cut.pay_bps is None) for cut in terms.cuts
            ),
        }
    else:
        tiers, ats = terms.tiers, [tier.at for tier in terms.tiers]
        by_amount = terms.by is Measure.AMOUNT
        wrong = {
            "the same tier twice": len(set(ats)) < len(ats),
            "a tier that gives nothing": not all(
                tier.off_fen or tier.pay_bps is not None or tier.gifts for tier in tiers
            ),
            "either an amount or a part of the price": any(
                tier.off_fen and tier.pay_bps is not None for tier in tiers
            ),
            "more off than there is": by_amount and any(tier.off_fen > tier.at for tier in tiers),
            "only a single tier without a part of the price repeats": terms.repeats
            and (len(tiers) > 1 or tiers[0].pay_bps is not None),
            "the same gift twice": any(
                len({gift.sku_id for gift in tier.gifts}) < len(tier.gifts) for tier in tiers
            ),
        }
    for why, is_wrong in wrong.items():
        if is_wrong:
            raise BadPromotion(field="terms", why=why)


def check_plan(plan: ShippingPlan) -> None:
    """Raise BadPromotion when a region stands twice in a plan, or nothing is sent anywhere."""
    regions = [(_place(r.province), _place(r.city)) for area in plan.areas for r in area.regions]
    if len(set(regions)) < len(regions):
        raise BadPromotion(field="areas", why="the same region twice")
    if plan.otherwise is None and not any(area.rate for area in plan.areas):
        raise BadPromotion(field="areas", why="delivered nowhere")
