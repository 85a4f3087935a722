"""What a change of rules would have cost, told from past orders. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec

from siyu.commerce.promotions.contracts import (
    MAX_COUPONS,
    CampaignCost,
    CampaignRule,
    CostReport,
    CouponCost,
    CouponOff,
    Floor,
    OrderFacts,
    Quote,
    Rule,
)
from siyu.commerce.promotions.rules import line_floor
from siyu.commerce.promotions.service.pricing import price
from siyu.kernel.money import share_bps


class CouponTrial(msgspec.Struct, frozen=True, kw_only=True):
    """A coupon as if everybody had it: at most one in an order, `per_member` of a member, and no
    more than `total_count` and `budget_fen` in all; None: no limit.
    """

    coupon: CouponOff
    per_member: int
    total_count: int | None = None
    budget_fen: int | None = None
    first_order_only: bool = False


def simulate(
    before: Sequence[Rule],
    after: Sequence[Rule],
    orders: Iterable[OrderFacts],
    trial: CouponTrial | None = None,
) -> CostReport:
    """Price past orders, the oldest first, under both sets of rules; every campaign of `after` is
    reported. `trial`: a coupon that buyers have beside `after`; whom it serves uses it, and who
    comes first has it.
    """
    tried = _Tried(trial) if trial else None
    campaigns = {rule.campaign_id: rule.label for rule in after if isinstance(rule, CampaignRule)}
    touched = dict.fromkeys(campaigns, 0)
    given = dict.fromkeys(campaigns, 0)
    gifts: dict[UUID, dict[UUID, int]] = {key: {} for key in campaigns}
    floor_bps = max((rule.bps for rule in after if isinstance(rule, Floor)), default=0)
    count = lines = at_floor = below_floor = list_fen = 0
    before_fen = after_fen = shipping_before = shipping_after = 0
    for order in orders:
        old = _price(order, before)
        new = tried.price(order, after) if tried else _price(order, after)
        count += 1
        lines += len(order.lines)
        list_fen += new.items_fen
        before_fen += old.items_fen - old.discount_fen
        after_fen += new.items_fen - new.discount_fen
        shipping_before += old.shipping_fen
        shipping_after += new.shipping_fen
        for line, priced in zip(order.lines, new.lines, strict=True):
            floor = line_floor(line, floor_bps)
            below_floor += priced.total_fen < floor
            at_floor += priced.total_fen == floor and priced.discount_fen > 0
        for key, off_fen in _given(new).items():
            touched[key] += 1
            given[key] += off_fen
        for gift in new.gifts:
            own = gifts[gift.campaign_id]
            own[gift.sku_id] = own.get(gift.sku_id, 0) + gift.quantity
    return CostReport(
        orders=count,
        list_fen=list_fen,
        before_fen=before_fen,
        after_fen=after_fen,
        shipping_before_fen=shipping_before,
        shipping_after_fen=shipping_after,
        lines=lines,
        lines_at_floor=at_floor,
        lines_below_floor=below_floor,
        campaigns=[
            CampaignCost(
                campaign_id=key,
                label=label,
                orders=touched[key],
                given_fen=given[key],
                share_bps=share_bps(given[key], list_fen),
                gifts=gifts[key],
            )
            for key, label in campaigns.items()
        ],
        coupon=tried.cost(list_fen) if tried else None,
    )


class _Tried:
    """What became of a coupon on trial so far: how many each member used, and would have used
    without an end of quantity and budget.
    """

    def __init__(self, trial: CouponTrial) -> None:
        self.trial = trial
        self.used: Counter[UUID] = Counter()
        self.wanted: Counter[UUID] = Counter()
        self.given_fen = 0

    def price(self, order: OrderFacts, rules: Sequence[Rule]) -> Quote:
        """The order with the coupon, if its buyer has one and it is better than without."""
        trial, member_id = self.trial, order.member_id
        if (
            member_id is None
            or self.used[member_id] >= trial.per_member
            or (trial.first_order_only and not order.buyer.is_first_order)
            or len(order.coupons) >= MAX_COUPONS
        ):
            return _price(order, rules)
        quote = _price(order, [*rules, trial.coupon])
        off_fen = quote.coupons.get(trial.coupon.claim_id, 0)
        if not off_fen:
            return quote
        self.wanted[member_id] = min(self.wanted[member_id] + 1, trial.per_member)
        is_gone = trial.total_count is not None and self.used.total() >= trial.total_count
        if is_gone or (
            trial.budget_fen is not None and self.given_fen + off_fen > trial.budget_fen
        ):
            return _price(order, rules)
        self.used[member_id] += 1
        self.given_fen += off_fen
        return quote

    def cost(self, list_fen: int) -> CouponCost:
        used, share = self.used.total(), share_bps(self.given_fen, list_fen)
        return CouponCost(used, self.given_fen, share, self.wanted.total() - used)


def _price(order: OrderFacts, rules: Sequence[Rule]) -> Quote:
    return price(order.lines, order.buyer, [*rules, *order.coupons], is_sent=order.is_sent)


def _given(quote: Quote) -> dict[UUID, int]:
    """What each campaign gave in an order; one that gave only gifts is there with 0."""
    given = {gift.campaign_id: 0 for gift in quote.gifts}
    for entry in quote.trace:
        if entry.rule in ("timed_price", "threshold") and entry.rule_id:
            given[entry.rule_id] = given.get(entry.rule_id, 0) - entry.amount_fen
    return given
