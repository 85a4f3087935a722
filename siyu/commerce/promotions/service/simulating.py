"""What a change of rules would have cost, told from past orders. Pure."""

from collections.abc import Iterable, Sequence
from uuid import UUID

from siyu.commerce.promotions.contracts import (
    CampaignCost,
    CampaignRule,
    CostReport,
    Floor,
    OrderFacts,
    Quote,
    Rule,
)
from siyu.commerce.promotions.rules import line_floor
from siyu.commerce.promotions.service.pricing import price
from siyu.kernel.money import share_bps


def simulate(
    before: Sequence[Rule], after: Sequence[Rule], orders: Iterable[OrderFacts]
) -> CostReport:
    """Price past orders under both sets of rules; every campaign of `after` is reported."""
    campaigns = {rule.campaign_id: rule.label for rule in after if isinstance(rule, CampaignRule)}
    touched = dict.fromkeys(campaigns, 0)
    given = dict.fromkeys(campaigns, 0)
    gifts: dict[UUID, dict[UUID, int]] = {key: {} for key in campaigns}
    floor_bps = max((rule.bps for rule in after if isinstance(rule, Floor)), default=0)
    count = lines = at_floor = below_floor = list_fen = 0
    before_fen = after_fen = shipping_before = shipping_after = 0
    for order in orders:
        old = price(order.lines, order.buyer, before, is_sent=order.is_sent)
        new = price(order.lines, order.buyer, after, is_sent=order.is_sent)
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
    )


def _given(quote: Quote) -> dict[UUID, int]:
    """What each campaign gave in an order; one that gave only gifts is there with 0."""
    given = {gift.campaign_id: 0 for gift in quote.gifts}
    for entry in quote.trace:
        if entry.rule in ("timed_price", "threshold") and entry.rule_id:
            given[entry.rule_id] = given.get(entry.rule_id, 0) - entry.amount_fen
    return given
