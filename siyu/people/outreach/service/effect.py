"""What campaigns came to: figures per day, and what they changed against the hold-out."""

from datetime import timedelta
from uuid import UUID

from siyu.kernel import clock
from siyu.kernel.db import ReadTx, reading
from siyu.kernel.ids import ShopId, first_id_at
from siyu.merchant.shops import service as shops
from siyu.people.outreach import queries
from siyu.people.outreach.contracts import (
    CampaignNotFound,
    DayFigures,
    NotInState,
)
from siyu.people.outreach.contracts import (
    MessageEffect as Effect,
)
from siyu.people.outreach.rules import effect
from siyu.warehouse.engines import service as engines
from siyu.warehouse.engines.contracts import Questions
from siyu.warehouse.query.contracts import Feature, FeatureSpec, Step

PAID = Step(("ordering.order_paid", "ordering.order_imported"))
"""Wherever it was bought: the till's orders come by import, returns among them below zero."""


async def read_effect(shop_id: ShopId, campaign_id: UUID) -> Effect:
    """What a campaign changed so far. Opens its own transaction, asks the warehouse.

    Orders paid from the start for window_days count, of everybody planned and of those held out
    who would have been planned. Raises CampaignNotFound, NotInState before the start.
    """
    async with reading(shop_id) as tx:
        campaign = await queries.get_campaign(tx, campaign_id)
        if campaign is None:
            raise CampaignNotFound
        if campaign.started_at is None:
            raise NotInState
        arms = await queries.get_arms(tx, campaign_id)
        zone = await shops.get_time_zone(tx)
    ends = campaign.started_at + timedelta(days=campaign.window_days)
    spec = FeatureSpec(
        shop_id=shop_id,
        features=(Feature(name="paid", kind="sum", step=PAID, days=campaign.window_days),),
        as_of=ends,
        time_zone=zone,
    )
    found = (await engines.ask(Questions(features=(spec,)))).features[0]
    now = clock.now()
    wanted = {*arms.planned, *arms.held_out}
    paid = {
        person: fen
        for person, fen in zip(found.persons, found.values[0], strict=True)
        if fen and fen > 0 and person in wanted
    }
    return effect.effect_of(arms.planned, arms.held_out, paid, now, min(now, ends))


async def list_days(tx: ReadTx, days: int) -> list[DayFigures]:
    """Messages per business day and channel of the last days."""
    since = first_id_at(clock.now() - timedelta(days=days))
    return await queries.list_days(tx, since, await shops.get_time_zone(tx))
