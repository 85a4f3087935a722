"""Campaigns and shipping templates, from the merchant's draft to the price function."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from siyu.commerce.catalog import queries as catalog_queries
from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import CategoryDraft, ImageSize, ProductDraft, SkuDraft
from siyu.commerce.promotions import queries, service
from siyu.commerce.promotions.contracts import (
    ADDS,
    BadPromotion,
    Buyer,
    CampaignRule,
    CostReport,
    Cut,
    Floor,
    Gift,
    Measure,
    MemberPrice,
    NotSimulated,
    PromotionChanged,
    PromotionNotFound,
    PromotionStands,
    Region,
    Scope,
    Shipping,
    ShippingRate,
    Target,
    Terms,
    Threshold,
    Tier,
    TimedPrice,
)
from siyu.commerce.promotions.invariants import INVARIANTS
from siyu.commerce.promotions.queries import CampaignDraft, CampaignState, Phase, Settings
from siyu.commerce.promotions.rules import check_terms, named_by
from siyu.commerce.promotions.service import loading
from siyu.kernel import clock, db
from siyu.kernel.audit import System
from siyu.kernel.db import Database, Tx, reading, transaction
from siyu.kernel.ids import ShopId, new_id
from tests.commerce.promotions.kit import GUEST, plan

STAFF = System("staff:1", "店长")
KEY = "0123456789abcdef" * 2
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
OFF = Threshold([Tier(10_000, 1_000)])
REPORT = CostReport(9, 90, 80, 70, 5, 4, 12, 1, 0, [])


@pytest.fixture(autouse=True)
async def truths_hold(tx: Tx) -> AsyncIterator[None]:
    yield
    for name, sql in INVARIANTS.items():
        assert await tx.connection.fetch(sql) == [], name


def audits(tx: Tx) -> list[tuple[str, Any]]:
    return [(row[4], row[7]) for row in tx._audited]


def draft(terms: Terms = OFF, **more: Any) -> CampaignDraft:
    usual = {"title": "满减", "starts_at": NOW, "stacking": ADDS}
    return CampaignDraft(terms=terms, **(usual | more))


async def running(tx: Tx, terms: Terms = OFF, **more: Any) -> UUID:
    campaign_id = await service.create_campaign(tx, STAFF, draft(terms, **more))
    await service.start_campaign(tx, STAFF, campaign_id, 1, "试卖")
    return campaign_id


async def product(
    tx: Tx, *prices_fen: int, category_id: UUID | None = None
) -> tuple[UUID, list[UUID]]:
    """A product on the shelf and its SKUs."""
    await catalog_queries.insert_image(tx, ImageSize(KEY, 8, 8), clock.now())
    product_id = await catalog.create_product(
        tx,
        STAFF,
        ProductDraft(
            title="云雾",
            category_id=category_id,
            image_urls=[f"/media/{KEY}-1200.webp"],
            option_names=["规格"],
            skus=[
                SkuDraft(option_values=[str(fen)], price_fen=fen, weight_g=500, floor_fen=fen // 2)
                for fen in prices_fen
            ],
        ),
    )
    await catalog.set_shelf(tx, STAFF, product_id, True)
    return product_id, [sku.sku_id for sku in await catalog_queries.list_skus(tx, product_id)]


async def get(tx: Tx, campaign_id: UUID, at: datetime = NOW) -> queries.Campaign:
    found = await queries.get_campaign(tx, campaign_id, at)
    assert found is not None
    return found


async def campaigns_at(tx: Tx, at: datetime) -> list[UUID]:
    pricing = await service.load_pricing(tx, now=at)
    return [rule.campaign_id for rule in pricing.rules if isinstance(rule, CampaignRule)]


# --- loading ----------------------------------------------------------------------------------


async def test_a_shop_that_set_nothing_has_member_prices_only(tx: Tx) -> None:
    with db.recorded() as trips:
        pricing = await service.load_pricing(tx, now=NOW)
    assert pricing.rules == service.STANDARD_RULES == (MemberPrice(),)
    assert len(trips) == 1


async def test_pricing_comes_in_one_trip_and_is_kept_until_something_changes(tx: Tx) -> None:
    template_id = await service.save_template(tx, STAFF, "快递", plan(ShippingRate(800)))
    await service.save_settings(tx, STAFF, Settings(6_000, template_id))
    low = await running(tx, title="低", priority=1)
    high = await running(tx, title="高", priority=2, takes_coupons=False, ignores_floor=True)
    with db.recorded() as trips:
        pricing = await service.load_pricing(tx, now=NOW)
    assert len(trips) == 1
    member, first, second, floor, shipping = pricing.rules
    assert (member, floor) == (MemberPrice(), Floor(6_000))
    assert isinstance(shipping, Shipping) and shipping.default
    assert (shipping.default.template_id, shipping.by_product) == (template_id, {})
    assert first == CampaignRule(
        campaign_id=high,
        label="高",
        terms=OFF,
        group=ADDS,
        takes_coupons=False,
        ignores_floor=True,
    )
    assert isinstance(second, CampaignRule) and second.campaign_id == low

    kept = loading._kept[tx.shop_id]
    assert await service.load_pricing(tx, now=NOW) == pricing
    assert loading._kept[tx.shop_id] is kept
    [again] = [await queries.get_pricing(tx, kept.revision)]
    assert again is not None and (again.campaigns, again.templates, again.by_product) == (None,) * 3
    await service.end_campaign(tx, STAFF, low)
    assert await campaigns_at(tx, NOW) == [high]


async def test_what_was_rolled_back_is_not_taken_for_kept(database: Database, shop: ShopId) -> None:
    """A change that is undone, another one after it: each has a revision of its own."""
    async with transaction(shop) as tx:
        first = await running(tx)
    async with transaction(shop) as tx:
        assert await campaigns_at(tx, NOW) == [first]
    with pytest.raises(ZeroDivisionError):
        async with transaction(shop) as tx:
            await service.end_campaign(tx, STAFF, first)
            assert await campaigns_at(tx, NOW) == []
            raise ZeroDivisionError
    async with reading(shop) as read:
        pricing = await service.load_pricing(read, now=NOW)
    assert [rule.campaign_id for rule in pricing.rules if isinstance(rule, CampaignRule)] == [first]


async def test_only_so_many_shops_are_kept(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    await running(tx)
    monkeypatch.setattr(loading, "_kept", {})
    for number in range(loading._SHOPS_KEPT):
        loading._kept[ShopId(-number - 1)] = None  # type: ignore[assignment]
    await service.load_pricing(tx, now=NOW)
    assert len(loading._kept) == loading._SHOPS_KEPT
    assert tx.shop_id in loading._kept and ShopId(-1) not in loading._kept


async def test_F075_a_campaign_is_on_in_its_half_open_window(tx: Tx) -> None:
    ends_at = NOW + timedelta(days=1)
    campaign_id = await running(tx, ends_at=clock.now() + timedelta(days=400))
    await tx.run(
        "update promotions.campaigns set ends_at = $2 where shop_id = $1", tx.shop_id, ends_at
    )
    await queries.move_revision(tx, NOW)
    for at, on in (
        (NOW - timedelta(microseconds=1), []),
        (NOW, [campaign_id]),
        (ends_at - timedelta(microseconds=1), [campaign_id]),
        (ends_at, []),
    ):
        assert await campaigns_at(tx, at) == on


# --- the life of a campaign -------------------------------------------------------------------


async def test_a_campaign_goes_live_when_it_was_simulated(tx: Tx) -> None:
    campaign_id = await service.create_campaign(tx, STAFF, draft())
    with pytest.raises(NotSimulated):
        await service.start_campaign(tx, STAFF, campaign_id, 1)
    assert (await get(tx, campaign_id)).state is CampaignState.DRAFT
    await service.note_simulation(tx, STAFF, campaign_id, 1, REPORT)
    with clock.turned(NOW):
        await service.start_campaign(tx, STAFF, campaign_id, 1, "不必要的理由")
    found = await get(tx, campaign_id)
    assert (found.state, found.simulation, found.simulated_version) == ("running", REPORT, 1)
    assert found.waiver is None
    assert [name for name, _ in audits(tx)] == [
        "promotions.campaign_created",
        "promotions.campaign_simulated",
        "promotions.campaign_moved",
    ]
    assert audits(tx)[1][1]["after"]["after_fen"] == 70


async def test_or_with_a_reason_which_is_kept(tx: Tx) -> None:
    campaign_id = await running(tx)
    found = await get(tx, campaign_id)
    assert (found.state, found.waiver) == ("running", "试卖")
    assert audits(tx)[-1][1]["after"] == {"state": "running", "version": 1, "waiver": "试卖"}
    await service.pause_campaign(tx, STAFF, campaign_id)
    assert await campaigns_at(tx, NOW) == []
    await service.start_campaign(tx, STAFF, campaign_id, 1)  # the reason stands for this version
    assert await campaigns_at(tx, NOW) == [campaign_id]


async def test_an_edited_campaign_must_be_simulated_anew(tx: Tx) -> None:
    campaign_id = await running(tx)
    await service.note_simulation(tx, STAFF, campaign_id, 1, REPORT)
    with pytest.raises(PromotionStands):
        await service.edit_campaign(tx, STAFF, campaign_id, draft(title="新"), 1)
    await service.pause_campaign(tx, STAFF, campaign_id)
    with pytest.raises(PromotionChanged):
        await service.edit_campaign(tx, STAFF, campaign_id, draft(title="新"), 2)
    await service.edit_campaign(tx, STAFF, campaign_id, draft(title="新"), 1)
    found = await get(tx, campaign_id)
    assert (found.title, found.version, found.waiver) == ("新", 2, None)
    with pytest.raises(NotSimulated):
        await service.start_campaign(tx, STAFF, campaign_id, 2)
    with pytest.raises(PromotionChanged):
        await service.note_simulation(tx, STAFF, campaign_id, 1, REPORT)
    with pytest.raises(PromotionChanged):
        await service.start_campaign(tx, STAFF, campaign_id, 1, "理由")
    await service.start_campaign(tx, STAFF, campaign_id, 2, "理由")


async def test_the_database_itself_refuses_what_was_not_simulated(tx: Tx) -> None:
    campaign_id = await service.create_campaign(tx, STAFF, draft())
    await tx.run("savepoint before")
    with pytest.raises(asyncpg.CheckViolationError, match="campaigns_run_when_simulated"):
        await queries.move_state(tx, campaign_id, CampaignState.RUNNING, NOW, None)
    await tx.run("rollback to before")


async def test_moves(tx: Tx) -> None:
    moves = {"pause": service.pause_campaign, "end": service.end_campaign}
    for start, allowed in (("draft", set()), ("running", {"pause", "end"}), ("paused", {"end"})):
        for name, move in moves.items():
            campaign_id = await service.create_campaign(tx, STAFF, draft())
            if start != "draft":
                await service.start_campaign(tx, STAFF, campaign_id, 1, "试")
            if start == "paused":
                await service.pause_campaign(tx, STAFF, campaign_id)
            if name in allowed:
                await move(tx, STAFF, campaign_id)
                continue
            with pytest.raises(PromotionStands):
                await move(tx, STAFF, campaign_id)
            assert (await get(tx, campaign_id)).state == start
    ended = await running(tx)
    await service.end_campaign(tx, STAFF, ended)
    with pytest.raises(PromotionStands):
        await service.start_campaign(tx, STAFF, ended, 1)
    with pytest.raises(PromotionStands):
        await service.remove_campaign(tx, STAFF, ended, 1)
    with pytest.raises(PromotionStands):
        await service.edit_campaign(tx, STAFF, ended, draft(), 1)


async def test_a_draft_can_be_deleted(tx: Tx) -> None:
    campaign_id = await service.create_campaign(tx, STAFF, draft())
    await service.remove_campaign(tx, STAFF, campaign_id, 1)
    assert await queries.get_campaign(tx, campaign_id, NOW) is None
    with pytest.raises(PromotionNotFound):
        await service.pause_campaign(tx, STAFF, campaign_id)


async def test_what_is_over_cannot_be_started(tx: Tx) -> None:
    ends_at = NOW + timedelta(days=1)
    campaign_id = await service.create_campaign(tx, STAFF, draft(ends_at=ends_at))
    with clock.turned(ends_at), pytest.raises(PromotionStands):
        await service.start_campaign(tx, STAFF, campaign_id, 1, "试")
    with clock.turned(ends_at - timedelta(minutes=1)):
        await service.start_campaign(tx, STAFF, campaign_id, 1, "试")


async def test_a_hundred_campaigns_run_at_most(tx: Tx, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siyu.commerce.promotions.service.campaigns.MAX_RUNNING", 1)
    over = await running(tx, ends_at=clock.now() + timedelta(days=1))
    with pytest.raises(PromotionStands):
        await running(tx)
    await service.end_campaign(tx, STAFF, over)
    await running(tx)


async def test_phases(tx: Tx) -> None:
    """The list says what a merchant sees, and filters by it."""
    with clock.turned(NOW - timedelta(days=9)):
        one = await running(tx, ends_at=NOW + timedelta(days=1))
        two = await service.create_campaign(tx, STAFF, draft())

    async def phases(at: datetime) -> list[str]:
        rows = await queries.list_campaigns(tx, now=at, phase=None, after=None, limit=9)
        assert [row.campaign_id for row in rows] == [two, one]
        for row in rows:
            [same] = await queries.list_campaigns(tx, now=at, phase=row.phase, after=None, limit=9)
            assert same == row
        return [row.phase for row in rows]

    assert await phases(NOW - timedelta(seconds=1)) == ["draft", "scheduled"]
    assert await phases(NOW) == ["draft", "running"]
    assert await phases(NOW + timedelta(days=1)) == ["draft", "over"]
    await service.pause_campaign(tx, STAFF, one)
    assert await phases(NOW) == ["draft", "paused"]
    await service.end_campaign(tx, STAFF, one)
    assert await phases(NOW) == ["draft", "over"]
    assert set(Phase) == {"draft", "scheduled", "running", "paused", "over"}


# --- what a draft may say ---------------------------------------------------------------------

A, B = UUID(int=1), UUID(int=2)


@pytest.mark.parametrize(
    "terms",
    [
        TimedPrice([Cut(Target.SKU, A, 5), Cut(Target.SKU, A, pay_bps=5)]),
        TimedPrice([Cut(Target.SKU, A)]),
        TimedPrice([Cut(Target.SKU, A, 5, 5)]),
        Threshold([Tier(5, 1), Tier(5, 2)]),
        Threshold([Tier(5)]),
        Threshold([Tier(5, 1), Tier(6)]),
        Threshold([Tier(5, 1, 5)]),
        Threshold([Tier(5, 6)]),
        Threshold([Tier(5, 1), Tier(6, 2)], repeats=True),
        Threshold([Tier(5, pay_bps=5)], repeats=True),
        Threshold([Tier(5, gifts=[Gift(A), Gift(A, 2)])]),
    ],
)
async def test_contradictions_are_refused(tx: Tx, terms: Terms) -> None:
    with pytest.raises(BadPromotion):
        await service.create_campaign(tx, STAFF, draft(terms))
    with pytest.raises(BadPromotion):
        await service.load_draft(tx, draft(terms), None, now=NOW)


@pytest.mark.parametrize(
    "terms",
    [
        TimedPrice(
            [Cut(Target.SKU, A, 5), Cut(Target.PRODUCT, A, pay_bps=5), Cut(Target.SKU, B, 0)]
        ),
        TimedPrice([Cut(Target.SKU, A, pay_bps=0)]),
        Threshold([Tier(5, 5), Tier(6, 1)]),
        Threshold([Tier(5, 6)], Measure.PIECES),
        Threshold([Tier(5, pay_bps=0)]),
        Threshold([Tier(5, 1, gifts=[Gift(A), Gift(B)])], repeats=True),
    ],
)
async def test_what_does_not_contradict_itself_passes(terms: Terms) -> None:
    check_terms(terms)


async def test_a_window_must_not_be_empty(tx: Tx) -> None:
    with pytest.raises(BadPromotion):
        await service.create_campaign(tx, STAFF, draft(ends_at=NOW))
    campaign_id = await service.create_campaign(tx, STAFF, draft())
    with pytest.raises(BadPromotion):
        await service.edit_campaign(tx, STAFF, campaign_id, draft(ends_at=NOW), 1)


async def test_everything_that_is_named() -> None:
    ids = [UUID(int=number) for number in range(1, 8)]
    scope = Scope(*(frozenset({key}) for key in ids[:6]))
    named = named_by(Threshold([Tier(1, gifts=[Gift(ids[6])])], scope=scope))
    assert named == (
        frozenset({ids[2], ids[5], ids[6]}),
        frozenset({ids[1], ids[4]}),
        frozenset({ids[0], ids[3]}),
    )
    cuts = [Cut(kind, key, 1) for kind, key in zip(Target, ids[:3], strict=True)]
    assert named_by(TimedPrice(cuts)) == tuple(frozenset({key}) for key in ids[:3])


async def test_only_goods_of_the_shop_are_named(tx: Tx) -> None:
    category_id = await catalog.save_category(tx, STAFF, CategoryDraft(name="茶"))
    await catalog.save_category(tx, STAFF, CategoryDraft(name="器具"))
    product_id, [sku_id] = await product(tx, 10_000)
    good = TimedPrice(
        [
            Cut(Target.SKU, sku_id, 1),
            Cut(Target.PRODUCT, product_id, 2),
            Cut(Target.CATEGORY, category_id, 3),
        ]
    )
    campaign_id = await service.create_campaign(tx, STAFF, draft(good))
    assert (await get(tx, campaign_id)).terms == good
    assert await service.load_names(tx, good) == {
        sku_id: "云雾 10000",
        product_id: "云雾",
        category_id: "茶",
    }
    strange = new_id()
    for terms in (
        TimedPrice([Cut(Target.SKU, strange, 1)]),
        TimedPrice([Cut(Target.PRODUCT, strange, 1)]),
        TimedPrice([Cut(Target.CATEGORY, strange, 1), Cut(Target.CATEGORY, category_id, 1)]),
    ):
        with pytest.raises(BadPromotion) as refused:
            await service.edit_campaign(tx, STAFF, campaign_id, draft(terms), 1)
        assert refused.value.details["ids"] == [str(strange)]


# --- trying out -------------------------------------------------------------------------------


async def test_a_simulation_compares_with_and_without(tx: Tx) -> None:
    other = await running(tx, priority=5)
    draft_id = await service.create_campaign(
        tx, STAFF, draft(priority=9, ends_at=NOW + timedelta(1))
    )
    far = NOW + timedelta(days=99)  # its window has nothing to do with it
    before, after, campaign = await service.load_simulation(tx, draft_id, now=far)
    ids = [
        [rule.campaign_id for rule in pricing.rules if isinstance(rule, CampaignRule)]
        for pricing in (before, after)
    ]
    assert (ids, campaign.version) == ([[other], [draft_id, other]], 1)
    before, after, _ = await service.load_simulation(tx, other, now=NOW)
    assert (len(before.rules), len(after.rules)) == (1, 2)
    with pytest.raises(PromotionNotFound):
        await service.load_simulation(tx, new_id(), now=NOW)


async def test_a_draft_in_the_editor_takes_the_place_of_what_is_kept(tx: Tx) -> None:
    kept = await running(tx)
    better = draft(Threshold([Tier(1, 1)]))
    rules = await service.load_draft(tx, better, kept, now=NOW)
    assert [rule.campaign_id for rule in rules if isinstance(rule, CampaignRule)] == [kept]
    assert rules[1].terms == better.terms  # type: ignore[union-attr]
    assert len(await service.load_draft(tx, better, None, now=NOW)) == 3
    assert len(await service.load_draft(tx, None, None, now=NOW)) == 2


# --- shipping and floor -----------------------------------------------------------------------


async def test_templates(tx: Tx) -> None:
    first = await service.save_template(tx, STAFF, "快递", plan(ShippingRate(800)))
    second = await service.save_template(tx, STAFF, "大件", plan(ShippingRate(3_000)))
    product_id, [sku_id] = await product(tx, 10_000)
    await service.assign_products(tx, STAFF, second, [product_id])
    rows = await queries.list_templates(tx)
    assert [(row.name, row.is_default, row.product_count, row.version) for row in rows] == [
        ("快递", True, 0, 1),
        ("大件", False, 1, 1),
    ]

    async def fee() -> int:
        [sku] = await catalog.load_for_sale(tx, [sku_id])
        rules = (await service.load_pricing(tx, now=NOW)).rules
        return service.price([service.price_line(sku, 1)], GUEST, rules).shipping_fen

    assert await fee() == 3_000
    await service.save_template(tx, STAFF, "大件", plan(ShippingRate(3_500)), second, 1)
    assert await fee() == 3_500
    with pytest.raises(PromotionChanged):
        await service.save_template(tx, STAFF, "旧", plan(ShippingRate(1)), second, 1)
    await service.assign_products(tx, STAFF, first, [product_id])
    assert await queries.list_template_products(tx, second) == []
    assert await fee() == 800
    await service.assign_products(tx, STAFF, second, [product_id])
    await service.remove_template(tx, STAFF, second)
    assert await fee() == 800
    with pytest.raises(PromotionStands):
        await service.remove_template(tx, STAFF, first)
    await service.save_settings(tx, STAFF, Settings(0, None))
    assert await fee() == 0
    await service.remove_template(tx, STAFF, first)
    assert await queries.list_templates(tx) == []


async def test_templates_name_what_is_there(tx: Tx) -> None:
    for call in (
        service.save_template(tx, STAFF, "快递", plan(ShippingRate(1)), new_id(), 1),
        service.remove_template(tx, STAFF, new_id()),
        service.assign_products(tx, STAFF, new_id(), []),
        service.save_settings(tx, STAFF, Settings(0, new_id())),
    ):
        with pytest.raises(PromotionNotFound):
            await call
    template_id = await service.save_template(tx, STAFF, "快递", plan(ShippingRate(1)))
    with pytest.raises(BadPromotion):
        await service.assign_products(tx, STAFF, template_id, [new_id()])
    with pytest.raises(BadPromotion):
        await service.save_template(tx, STAFF, "空", plan(None))


async def test_settings_are_audited(tx: Tx) -> None:
    await service.save_settings(tx, STAFF, Settings(5_000, None))
    await service.save_settings(tx, STAFF, Settings(0, None))
    assert audits(tx)[-1] == (
        "promotions.settings_changed",
        {
            "before": {"floor_bps": 5_000, "template": None},
            "after": {"floor_bps": 0, "template": None},
        },
    )
    assert (await service.load_pricing(tx, now=NOW)).rules == service.STANDARD_RULES


async def test_a_sku_goes_into_the_price_with_all_that_prices_ask(tx: Tx) -> None:
    parent = await catalog.save_category(tx, STAFF, CategoryDraft(name="茶"))
    child = await catalog.save_category(tx, STAFF, CategoryDraft(name="绿茶", parent_id=parent))
    product_id, [sku_id] = await product(tx, 10_000, category_id=child)
    [sku] = await catalog.load_for_sale(tx, [sku_id])
    line = service.price_line(sku, 2)
    assert (line.product_id, line.category_ids) == (product_id, (child, parent))
    assert (line.weight_g, line.floor_fen, line.is_sent, line.quantity) == (500, 5_000, True, 2)
    region = Buyer(False, region=Region("广东", "深圳"))
    assert service.price([line], region, service.STANDARD_RULES).total_fen == 20_000


# --- labels -----------------------------------------------------------------------------------


async def test_labels_say_what_is_on_for_a_product(tx: Tx) -> None:
    product_id, [small, big] = await product(tx, 10_000, 20_000)
    other_id, [other] = await product(tx, 3_000)
    hidden_id, _ = await product(tx, 5_000)
    await catalog.set_shelf(tx, STAFF, hidden_id, False)
    with db.recorded() as trips:
        assert await service.list_labels(tx, [product_id], now=NOW) == {product_id: []}
    assert len(trips) == 1
    cuts = TimedPrice([Cut(Target.SKU, small, pay_bps=4_000), Cut(Target.SKU, other, 3_000)])
    timed = await running(tx, cuts, priority=2)
    terms = Threshold(
        [Tier(2, gifts=[Gift(other)])],
        Measure.PIECES,
        Scope(except_product_ids=frozenset({other_id})),
    )
    pieces = await running(tx, terms, title="满赠")
    await running(tx, OFF, starts_at=NOW + timedelta(days=1))
    with db.recorded() as trips:
        labels = await service.list_labels(tx, [product_id, other_id, hidden_id], now=NOW)
    assert len(trips) == 2
    sale, gift = labels[product_id]
    # The SKU's floor of 50 yuan holds on the page as it does in the basket.
    assert (sale.campaign_id, sale.kind, sale.prices) == (timed, "timed_price", {small: 5_000})
    assert (sale.tiers, sale.by, sale.repeats) == ([], None, False)
    assert (gift.campaign_id, gift.kind, gift.title) == (pieces, "threshold", "满赠")
    assert (gift.prices, gift.tiers, gift.by) == ({}, terms.tiers, Measure.PIECES)
    assert labels[other_id] == labels[hidden_id] == []
    assert big not in sale.prices
