"""What a shop's prices go by, from the tables to the price function.

A process keeps what it has read under the shop's revision: a new one comes with every change, in
the same transaction, and none comes twice, so that what was rolled back is never taken for kept.
"""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID

import msgspec

from siyu.commerce.promotions import queries
from siyu.commerce.promotions.contracts import (
    CampaignRule,
    Floor,
    Pricing,
    PromotionNotFound,
    Rule,
    Shipping,
)
from siyu.commerce.promotions.queries import Campaign, CampaignDraft, Live, Loaded
from siyu.commerce.promotions.rules import STANDARD_RULES, check_terms, is_on
from siyu.kernel import clock
from siyu.kernel.db import ReadTx
from siyu.kernel.ids import ShopId, new_id

_SHOPS_KEPT = 500


LiveRule = tuple[Live, CampaignRule]


class _Kept(NamedTuple):
    revision: UUID
    campaigns: list[LiveRule]
    others: tuple[Rule, ...]


_kept: dict[ShopId, _Kept] = {}


async def load_pricing(tx: ReadTx, *, now: datetime) -> Pricing:
    """The shop's prices as of `now`: member prices, campaigns in their order, floor, shipping.

    One round trip; it depends on shop and time only, so that a batch of orders may share it.
    """
    live, others = await list_live(tx, now)
    return _pricing(live, others)


async def load_simulation(
    tx: ReadTx, campaign_id: UUID, *, now: datetime
) -> tuple[Pricing, Pricing, Campaign]:
    """The shop's prices as of `now` without a campaign, with it, and the campaign itself.

    It counts as live whatever its state and window. Raises PromotionNotFound.
    """
    campaign = await queries.get_campaign(tx, campaign_id, clock.now())
    if campaign is None:
        raise PromotionNotFound
    live, others = await list_live(tx, now)
    without = [one for one in live if one[0].campaign_id != campaign_id]
    return (
        _pricing(without, others),
        _pricing([*without, (campaign, as_rule(campaign))], others),
        campaign,
    )


async def load_draft(
    tx: ReadTx, draft: CampaignDraft | None, replaces: UUID | None, *, now: datetime
) -> tuple[Rule, ...]:
    """The shop's prices as of `now`, with a campaign as it stands in the editor.

    replaces: the kept campaign whose place it takes. Raises BadPromotion.
    """
    live, others = await list_live(tx, now)
    live = [one for one in live if one[0].campaign_id != replaces]
    if draft:
        check_terms(draft.terms)
        row = Live(campaign_id=replaces or new_id(), **msgspec.structs.asdict(draft))
        live.append((row, as_rule(row)))
    return _pricing(live, others).rules


async def list_live(tx: ReadTx, now: datetime) -> tuple[list[LiveRule], tuple[Rule, ...]]:
    """The campaigns in effect in their order, and the rules of floor and shipping."""
    kept = await _load(tx)
    if kept is None:
        return [], ()
    live = [one for one in kept.campaigns if is_on(one[0].starts_at, one[0].ends_at, now)]
    return live, kept.others


def _pricing(live: list[LiveRule], others: tuple[Rule, ...]) -> Pricing:
    ordered = sorted(live, key=lambda one: (-one[0].priority, one[0].campaign_id))
    return Pricing((*STANDARD_RULES, *(rule for _, rule in ordered), *others))


def as_rule(campaign: Live) -> CampaignRule:
    """A campaign as the price function takes it."""
    return CampaignRule(
        campaign_id=campaign.campaign_id,
        label=campaign.title,
        terms=campaign.terms,
        group=campaign.stacking,
        audience=campaign.audience,
        takes_coupons=campaign.takes_coupons,
        ignores_floor=campaign.ignores_floor,
    )


async def _load(tx: ReadTx) -> _Kept | None:
    known = _kept.get(tx.shop_id)
    loaded = await queries.get_pricing(tx, known.revision if known else None)
    if loaded is None:
        return None
    if known and known.revision == loaded.revision:
        return known
    while len(_kept) >= _SHOPS_KEPT:
        del _kept[next(iter(_kept))]
    fresh = _kept[tx.shop_id] = _read(loaded)
    return fresh


def _read(loaded: Loaded) -> _Kept:
    templates = {template.template_id: template for template in loaded.templates or ()}
    others: list[Rule] = [Floor(loaded.floor_bps)] if loaded.floor_bps else []
    default = templates[loaded.default_template_id] if loaded.default_template_id else None
    by_product = {key: templates[own] for key, own in (loaded.by_product or {}).items()}
    if default or by_product:
        others.append(Shipping(default, by_product))
    campaigns = [(row, as_rule(row)) for row in loaded.campaigns or ()]
    return _Kept(loaded.revision, campaigns, tuple(others))
