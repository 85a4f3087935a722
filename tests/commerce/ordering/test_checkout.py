"""The whole price at checkout: campaigns, coupons, gifts, shipping, pick-up, and refunds."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from siyu.commerce.coupons import service as coupons
from siyu.commerce.coupons.contracts import Batch, ClaimState
from siyu.commerce.inventory import service as inventory
from siyu.commerce.ordering import service
from siyu.commerce.ordering.contracts import Delivery, LineAsked, OrderPaid, Platform
from siyu.commerce.promotions import service as promotions
from siyu.commerce.promotions.contracts import (
    Audience,
    ChargeBy,
    FixedOff,
    Gift,
    Region,
    ShippingArea,
    ShippingPlan,
    ShippingRate,
    Terms,
    Threshold,
    Tier,
)
from siyu.commerce.promotions.queries import CampaignDraft
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import StoreText
from tests.commerce.coupons.kit import make_batch
from tests.commerce.ordering.kit import (
    Shopper,
    broken_invariants,
    deliver,
    events,
    fund,
    make_buyers,
    make_skus,
    shopper,
    stock_of,
)
from tests.commerce.ordering.test_payment import begin, pay_behind_our_back, show
from tests.commerce.ordering.test_refund import refund
from tests.commerce.ordering.test_tenders import quote
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


@pytest.fixture
async def anna(market: Market) -> AsyncIterator[Shopper]:
    async with shopper(market.shop_id, account=(market.keys["appid"], market.openid)) as anna:
        yield anna
    assert await broken_invariants(market.shop_id) == []


async def campaign(shop: ShopId, terms: Terms, **more: Any) -> UUID:
    """A campaign that runs."""
    draft = CampaignDraft(
        title="春茶节", starts_at=clock.now() - timedelta(hours=1), terms=terms, **more
    )
    async with transaction(shop) as tx:
        campaign_id = await promotions.create_campaign(tx, System(), draft)
        await promotions.start_campaign(tx, System(), campaign_id, 1, "test")
    return campaign_id


_STATE = "select state from coupons.claims where claim_id = $1"


async def take(anna: Shopper, batch: Batch) -> UUID:
    async with transaction(anna.member.shop_id) as tx:
        return await coupons.claim(tx, anna.member, batch.batch_id, None)


async def state_of(anna: Shopper, claim_id: UUID) -> str:
    async with reading(anna.member.shop_id) as tx:
        found: str = await tx.value(
            "select state from coupons.claims where claim_id = $1", claim_id
        )
    return found


async def paid(market: Market, anna: Shopper, order: dict) -> dict:
    await market.pay(await begin(anna, order))
    await anna.send("POST", f"/orders/{order['order_id']}/pay/sync")
    await deliver(market.shop_id)
    return await show(anna, order)


async def put_away(shop: ShopId, sku: UUID, pieces: int) -> None:
    """Somebody else has these pieces."""
    async with transaction(shop) as tx:
        await inventory.reserve(tx, UUID(int=7), {sku: pieces})


async def test_a_campaign_is_explained_and_shared_by_line(market: Market, anna: Shopper):
    shop = market.shop_id
    tea, cup = await make_skus(shop, 2, price_fen=1000)
    rule_id = await campaign(shop, Threshold([Tier(3000, off_fen=700)]), stacking="adds")
    seen = await quote(anna, {tea: 2, cup: 1})
    assert (seen["items_fen"], seen["discount_fen"], seen["total_fen"]) == (3000, 700, 2300)
    order = await anna.order({tea: 2, cup: 1}, 2300)
    desk = (await anna.http.get(f"/admin/v1/orders/{order['order_id']}")).json()
    shares = {one["sku_id"]: one for one in desk["adjustments"]}
    assert {one["rule_id"] for one in shares.values()} == {str(rule_id)}
    for line in desk["lines"]:
        assert line["discount_fen"] == -shares[line["sku_id"]]["amount_fen"]


async def test_gifts_come_for_nothing_and_go_back_with_the_last_of_the_goods(
    market: Market, anna: Shopper
):
    shop = market.shop_id
    tea, cup = await make_skus(shop, 2, price_fen=1000, stock=5)
    await campaign(shop, Threshold([Tier(2000, gifts=[Gift(cup, 1)])]), stacking="adds")
    seen = await quote(anna, {tea: 2})
    assert [(gift["sku_id"], gift["in_stock"]) for gift in seen["gifts"]] == [(str(cup), True)]
    assert (seen["items_fen"], seen["discount_fen"], seen["total_fen"]) == (3000, 1000, 2000)
    assert sum(entry["amount_fen"] for entry in seen["trace"]) == 2000
    order = await anna.order({tea: 2}, 2000)
    assert [(line["is_gift"], line["total_fen"]) for line in order["lines"]] == [
        (False, 2000),
        (True, 0),
    ]
    assert await stock_of(shop, cup) == (5, 1)
    await paid(market, anna, order)
    await refund(shop, order, [(1, 1, 1000)], restock=True)
    assert await stock_of(shop, cup) == (4, 0)
    await refund(shop, order, [(1, 1, 1000)], restock=True)
    assert await stock_of(shop, cup) == (5, 0)


async def test_a_gift_that_is_bought_too_is_one_demand(market: Market, anna: Shopper):
    """F042 with a gift: two of three pieces are bought, the third one comes on top."""
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000, stock=3)
    await campaign(shop, Threshold([Tier(2000, gifts=[Gift(tea, 1)])]), stacking="adds")
    order = await anna.order({tea: 2}, 2000)
    assert await stock_of(shop, tea) == (3, 3)
    assert (await paid(market, anna, order))["status"] == "paid"
    assert await stock_of(shop, tea) == (0, 0)


async def test_a_gift_that_ran_out_is_left_out_with_a_note(market: Market, anna: Shopper):
    shop = market.shop_id
    tea, cup = await make_skus(shop, 2, price_fen=1000, stock=5)
    await campaign(shop, Threshold([Tier(1000, gifts=[Gift(cup, 1)])]), stacking="adds")
    await put_away(shop, cup, 5)
    seen = await quote(anna, {tea: 1})
    assert [gift["in_stock"] for gift in seen["gifts"]] == [False]
    order = await anna.order({tea: 1}, 1000)
    assert len(order["lines"]) == 1


async def test_a_gift_that_runs_out_while_the_order_is_placed_stops_nothing(
    market: Market, anna: Shopper, monkeypatch: pytest.MonkeyPatch
):
    shop = market.shop_id
    tea, cup = await make_skus(shop, 2, price_fen=1000, stock=5)
    await campaign(shop, Threshold([Tier(1000, gifts=[Gift(cup, 1)])]), stacking="adds")
    order = await anna.order({tea: 1}, 1000)
    await pay_behind_our_back(market, anna, order)
    await put_away(shop, cup, 5)
    await deliver(shop)
    late = await show(anna, order)
    assert (late["status"], late["items_fen"], late["total_fen"]) == ("paid", 1000, 1000)
    assert [line["is_gift"] for line in late["lines"]] == [False]
    assert "gift_gone" in [entry["event"] for entry in late["timeline"]]


async def test_shipping_follows_the_address_and_the_weight(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000)
    far = ShippingArea([Region("西藏自治区")], None)
    near = ShippingArea([Region("福建省", "泉州市")], ShippingRate(600, 1, 200, 1))
    plan = ShippingPlan(ChargeBy.PIECE, ShippingRate(1200), [far, near])
    async with transaction(shop) as tx:
        await promotions.save_template(tx, System(), "快递", plan)
    seen = await quote(anna, {tea: 2})
    assert (seen["shipping_fen"], seen["total_fen"]) == (800, 2800)
    order = await anna.order({tea: 2}, 2800)
    assert order["shipping_fen"] == 800
    async with transaction(shop) as tx:
        here = ShippingArea([Region("福建省")], None)
        nobody = ShippingPlan(ChargeBy.FLAT, ShippingRate(1200), [here])
        row = await tx.connection.fetchrow(
            "select template_id, version from promotions.shipping_templates"
        )
        await promotions.save_template(
            tx, System(), "不送", nobody, row["template_id"], row["version"]
        )
    seen = await quote(anna, {tea: 2})
    assert seen["undelivered"] == [str(tea)]
    answer = await anna.send("POST", "/orders", anna.order_body({tea: 2}, seen["total_fen"]))
    assert (answer.status_code, answer.json()["error"]["code"]) == (
        409,
        "promotions.not_delivered",
    )


async def test_an_order_is_collected_where_it_was_said(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000)
    text = StoreText(name="安溪店", address="茶叶街 18 号", phone="0595-1", hours="9-18 点")
    async with transaction(shop) as tx:
        await promotions.save_template(
            tx, System(), "快递", ShippingPlan(ChargeBy.FLAT, ShippingRate(1200))
        )
        store = await shops.save_store(tx, System(), None, text)
    seen = await quote(anna, {tea: 1}, pickup_store_id=store.store_id)
    assert (seen["delivery"], seen["shipping_fen"], seen["needs_address"]) == ("pickup", 0, False)
    order = await anna.order({tea: 1}, 1000, pickup_store_id=store.store_id, address_id=None)
    assert (order["delivery"], order["address"]) == ("pickup", None)
    assert order["pickup"]["name"] == "安溪店"
    async with transaction(shop) as tx:
        closed = StoreText(name="安溪店", address="已搬", is_open=False)
        await shops.save_store(tx, System(), store.store_id, closed)
    assert (await show(anna, order))["pickup"]["address"] == "茶叶街 18 号", "as it was then"
    body = anna.order_body({tea: 1}, 1000, pickup_store_id=store.store_id)
    answer = await anna.send("POST", "/orders", body)
    assert answer.json()["error"]["code"] == "shops.store_not_found"


async def test_a_gift_to_somebody_needs_no_address(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000)
    async with transaction(shop) as tx:
        placed = await service.place_order(
            tx,
            anna.member,
            [LineAsked(tea, 1)],
            address_id=None,
            remark="",
            expected_total_fen=1000,
            platform=Platform.MINI_PROGRAM,
            empties_cart=False,
            delivery=Delivery.GIFT,
        )
    assert (placed.order.delivery, placed.order.address_sealed) == (Delivery.GIFT, None)


async def test_only_one_living_order_is_priced_as_the_first(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000)
    terms = Threshold([Tier(1000, off_fen=300)])
    await campaign(shop, terms, stacking="adds", audience=Audience.FIRST_ORDER)
    first = await anna.order({tea: 1}, 700)
    await anna.order({tea: 1}, 1000)
    await pay_behind_our_back(market, anna, first)
    again = await anna.order({tea: 1}, 700)
    await deliver(shop)
    assert (await show(anna, first))["status"] == "cancelled", "another order is the first one now"
    assert [row.reason for row in await market.parked()] == ["order_closed"]
    assert again["discount_fen"] == 300


async def test_the_best_coupon_is_chosen_held_used_and_given_back_once(
    market: Market, anna: Shopper
):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000)
    small = await take(anna, await make_batch(shop, gives=FixedOff(100)))
    big = await take(anna, await make_batch(shop, gives=FixedOff(300), return_days=3))
    seen = await quote(anna, {tea: 1})
    assert seen["coupons"]["chosen"] == {str(big): 300} and seen["total_fen"] == 700
    assert (await quote(anna, {tea: 1}, coupon_ids=[]))["total_fen"] == 1000
    assert (await quote(anna, {tea: 1}, coupon_ids=[str(small)]))["total_fen"] == 900
    order = await anna.order({tea: 1}, 700)
    assert await state_of(anna, big) == ClaimState.HELD
    await paid(market, anna, order)
    assert await state_of(anna, big) == ClaimState.USED
    [told] = await events(shop, OrderPaid.name)
    assert (told["coupon_fen"], told["delivery"]) == (300, "ship")
    await refund(shop, order, [(1, 1, 700)])
    async with reading(shop) as tx:
        refund_id = await tx.value("select refund_id from ordering.refunds")
    for _ in range(2):
        async with transaction(shop) as tx:
            await service.finish_refund(tx, refund_id, UUID(order["order_id"]))
    assert await state_of(anna, big) == ClaimState.CLAIMED
    assert len(await events(shop, "coupons.coupon_returned")) == 1


async def test_F025_a_full_coupon_is_an_order_of_0_fen(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id, price_fen=1000, stock=5)
    claim_id = await take(anna, await make_batch(market.shop_id, gives=FixedOff(5000)))
    order = await anna.order({tea: 1}, 0)
    assert (order["status"], order["paid_fen"]) == ("paid", 0)
    assert await state_of(anna, claim_id) == ClaimState.USED
    assert await stock_of(market.shop_id, tea) == (4, 0)
    await deliver(market.shop_id, times=2)
    assert len(await events(market.shop_id, OrderPaid.name)) == 1


async def test_F049_a_cancelled_order_gives_its_coupon_back_once(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id, price_fen=1000)
    claim_id = await take(anna, await make_batch(market.shop_id, gives=FixedOff(300)))
    order = await anna.order({tea: 1}, 700)
    for _ in range(2):
        await anna.send("POST", f"/orders/{order['order_id']}/cancel", {})
    assert await state_of(anna, claim_id) == ClaimState.CLAIMED
    assert len(await events(market.shop_id, "coupons.coupon_returned")) == 1


@pytest.mark.parametrize("is_gone", [False, True])
async def test_F015_late_money_holds_the_coupon_again_or_goes_back(
    market: Market, anna: Shopper, is_gone: bool
):
    tea, cup = await make_skus(market.shop_id, 2, price_fen=1000)
    claim_id = await take(anna, await make_batch(market.shop_id, gives=FixedOff(300)))
    order = await anna.order({tea: 1}, 700)
    await pay_behind_our_back(market, anna, order)
    if is_gone:
        await anna.order({cup: 1}, 700)
    await deliver(market.shop_id, times=2)
    late = await show(anna, order)
    assert late["status"] == ("cancelled" if is_gone else "paid")
    assert await state_of(anna, claim_id) == (ClaimState.HELD if is_gone else ClaimState.USED)
    assert len(await market.parked()) == is_gone


async def test_F050_member_price_coupon_and_points_never_go_below_nothing(
    market: Market, anna: Shopper
):
    shop = market.shop_id
    tea, cup = await make_skus(shop, 2, price_fen=100)
    await campaign(shop, Threshold([Tier(200, off_fen=150)]), stacking="adds")
    await take(anna, await make_batch(shop, gives=FixedOff(40)))
    await fund(shop, anna.member, point_count=10_000)
    seen = await quote(anna, {tea: 1, cup: 1}, use_points=True)
    assert min(line["total_fen"] for line in seen["lines"]) >= 0 <= seen["total_fen"]
    order = await anna.order({tea: 1, cup: 1}, seen["total_fen"], use_points=True)
    assert sum(line["total_fen"] for line in order["lines"]) == order["total_fen"]


async def test_F063_a_campaign_that_ended_is_told_with_the_new_price(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000)
    campaign_id = await campaign(shop, Threshold([Tier(1000, off_fen=300)]), stacking="adds")
    assert (await quote(anna, {tea: 1}))["total_fen"] == 700
    async with transaction(shop) as tx:
        await promotions.pause_campaign(tx, System(), campaign_id)
    answer = await anna.send("POST", "/orders", anna.order_body({tea: 1}, 700))
    assert answer.status_code == 409
    assert answer.json()["error"]["details"]["quote_total_fen"] == 1000


@pytest.mark.parametrize(
    "sent",
    [{"discount_fen": 1}, {"shipping_fen": 0}, {"coupons": {}}, {"gifts": []}, {"coupon_ids": "x"}],
)
async def test_F064_prices_reductions_and_gifts_cannot_be_sent(
    market: Market, anna: Shopper, sent: dict
):
    (tea,) = await make_skus(market.shop_id, price_fen=1000)
    answer = await anna.send("POST", "/orders", anna.order_body({tea: 1}, 1000) | sent)
    assert answer.status_code == 422


async def test_F081_anothers_coupon_is_no_coupon(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id, price_fen=1000)
    claim_id = await take(anna, await make_batch(market.shop_id, gives=FixedOff(300)))
    [(ben, address_id)] = await make_buyers(market.shop_id, 1)
    body = anna.order_body({tea: 1}, 700, coupon_ids=[str(claim_id)], address_id=address_id)
    answer = await Shopper(anna.http, ben, address_id).send("POST", "/orders", body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (
        404,
        "coupons.claim_not_found",
    )
