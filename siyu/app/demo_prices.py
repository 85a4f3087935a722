"""What the demo's goods cost beyond their price tags: campaigns, shipping, a floor."""

from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ImportedSku
from siyu.commerce.promotions import queries, service
from siyu.commerce.promotions.contracts import (
    ADDS,
    BEST,
    Audience,
    ChargeBy,
    Cut,
    Gift,
    Measure,
    Region,
    Scope,
    ShippingArea,
    ShippingPlan,
    ShippingRate,
    Target,
    Terms,
    Threshold,
    Tier,
    TimedPrice,
)
from siyu.commerce.promotions.queries import CampaignDraft, Settings
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.clock import business_day, day_start
from siyu.kernel.db import Tx, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops

_BY = System(actor_name="演示数据")
_WAIVER = "演示数据,没有历史订单可试算"
_FLOOR_BPS = 5_000
_FAR = [Region(name) for name in ("新疆维吾尔自治区", "西藏自治区", "青海省")]
_ABROAD = [Region(name) for name in ("台湾省", "香港特别行政区", "澳门特别行政区")]
_EXPRESS = ShippingPlan(
    ChargeBy.WEIGHT,
    ShippingRate(800, 1_000, 300, 1_000, free_from_fen=9_900),
    [
        ShippingArea(_FAR, ShippingRate(1_800, 1_000, 1_200, 1_000, free_from_fen=29_900)),
        ShippingArea(_ABROAD, None),
    ],
)
_FRAGILE = ShippingPlan(
    ChargeBy.PIECE,
    ShippingRate(1_200, 2, 400, 1, free_from_fen=19_900),
    [ShippingArea([*_FAR, *_ABROAD], None)],
)


async def load(shop_id: ShopId) -> None:
    """Price the demo's goods; nothing happens in a shop that has campaigns or templates already."""
    async with transaction(shop_id) as tx:
        now = clock.now()
        if await queries.list_templates(tx) or await queries.list_campaigns(
            tx, now=now, phase=None, after=None, limit=1
        ):
            return
        codes = ["CD01-1", "CD02-1", "TF01-1", "WC03-1", "WT02-1"]
        skus = await catalog.find_skus(tx, codes)
        tree = {row.name: row.category_id for row in await catalog.list_categories(tx)}
        express = await service.save_template(tx, _BY, "普通快递", _EXPRESS)
        fragile = await service.save_template(tx, _BY, "易碎器具", _FRAGILE)
        heavy = [skus[code].product_id for code in ("WC03-1", "WT02-1")]
        await service.assign_products(tx, _BY, fragile, heavy)
        await service.save_settings(tx, _BY, Settings(_FLOOR_BPS, express))
        zone = (await shops.get_shop(tx)).time_zone
        today = business_day(now, zone)
        starts_at = day_start(today - timedelta(days=1), zone)
        week, month = (day_start(today + timedelta(days=days), zone) for days in (8, 31))
        cards = frozenset({tree["卡券体验"]})
        everyone, week_of = Audience.EVERYONE, skus["CD02-1"]
        for title, priority, stacking, audience, ends_at, terms in (
            ("挂耳周", 30, BEST, everyone, week, _coffee(skus["CD01-1"], week_of)),
            ("满减", 20, ADDS, everyone, month, _full(cards)),
            ("三件有礼", 10, ADDS, everyone, month, _gift(tree["茶"], week_of.sku_id)),
            ("首单立减", 5, ADDS, Audience.FIRST_ORDER, None, _first(cards)),
        ):
            draft = CampaignDraft(
                title=title,
                starts_at=starts_at,
                ends_at=ends_at,
                priority=priority,
                stacking=stacking,
                audience=audience,
                terms=terms,
            )
            campaign_id = await service.create_campaign(tx, _BY, draft)
            await service.start_campaign(tx, _BY, campaign_id, 1, _WAIVER)
        await _before_and_after(tx, today, zone, cards)
        # Left for whoever tries the demo: to be simulated on the orders that come in meanwhile.
        half = TimedPrice([Cut(Target.CATEGORY, tree["茶"], pay_bps=8_800)])
        draft = CampaignDraft(
            title="双十二茶季", starts_at=month, ends_at=None, stacking=BEST, terms=half
        )
        await service.create_campaign(tx, _BY, draft)


async def _before_and_after(tx: Tx, today: date, zone: str, cards: frozenset[UUID]) -> None:
    """A campaign that is over, and one that is yet to come."""
    threshold = Threshold([Tier(9_900, 1_000)], scope=Scope(except_category_ids=cards))
    for title, begins, ends, is_over in (("开业酬宾", -15, 1, True), ("周末加享", 5, 8, False)):
        draft = CampaignDraft(
            title=title,
            starts_at=day_start(today + timedelta(days=begins), zone),
            ends_at=day_start(today + timedelta(days=ends), zone),
            stacking=BEST,
            terms=threshold,
        )
        campaign_id = await service.create_campaign(tx, _BY, draft)
        await service.start_campaign(tx, _BY, campaign_id, 1, _WAIVER)
        if is_over:
            await service.end_campaign(tx, _BY, campaign_id)


async def count_costs(ask: Callable[..., Awaitable[Any]]) -> None:
    """What the campaigns give away, counted on the orders so far. ask: a request of the console."""
    for row in (await ask("GET", "/campaigns?phase=running"))["items"]:
        await ask("POST", "/price-simulations", {"campaign_id": row["campaign_id"]})


def _coffee(ten: ImportedSku, seven: ImportedSku) -> Terms:
    """挂耳 at 85 折 and 9 折."""
    cuts = [(ten.product_id, 8_500), (seven.product_id, 9_000)]
    return TimedPrice([Cut(Target.PRODUCT, key, pay_bps=bps) for key, bps in cuts])


def _full(cards: frozenset[UUID]) -> Terms:
    """满 199 减 20, 满 399 减 50, not for cards and courses."""
    tiers = [Tier(19_900, 2_000), Tier(39_900, 5_000)]
    return Threshold(tiers, scope=Scope(except_category_ids=cards))


def _gift(tea: UUID, sku_id: UUID) -> Terms:
    """Three pieces of tea bring a week of drip bags."""
    scope = Scope(category_ids=frozenset({tea}))
    return Threshold([Tier(3, gifts=[Gift(sku_id)])], Measure.PIECES, scope)


def _first(cards: frozenset[UUID]) -> Terms:
    """5 yuan off the first order from 30 yuan on."""
    return Threshold([Tier(3_000, 500)], scope=Scope(except_category_ids=cards))
