"""Collected at the shop: a code, a counter, a reminder, and goods that nobody fetches."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from siyu.commerce.fulfilment import background, rules
from siyu.commerce.fulfilment.contracts import PickupDue, PickupReady
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import transaction
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.merchant.shops.contracts import Store, StoreText
from tests.commerce.fulfilment.kit import (
    ask,
    drain,
    of_order,
    paid_at_wechat,
    see,
    upload_of,
    work,
)
from tests.commerce.fulfilment.test_uploads import no_waiting, trade_of
from tests.commerce.ordering.kit import (
    Shopper,
    broken_invariants,
    events,
    fund,
    make_skus,
    shopper,
    stock_of,
)
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "no_waiting", "wechat_url"]


@pytest.fixture
async def store(shop: ShopId) -> Store:
    given = StoreText(name="西湖店", address="龙井路 1 号", phone="0571-88888888", hours="9-21")
    async with transaction(shop) as tx:
        return await shops.save_store(tx, System(), None, given)


@pytest.fixture
async def anna(shop: ShopId) -> AsyncIterator[Shopper]:
    async with shopper(shop) as anna:
        await fund(shop, anna.member, principal_fen=12_000)
        yield anna
    assert await broken_invariants(shop) == []


async def collect(anna: Shopper, store: Store) -> tuple[dict[str, Any], Any]:
    """A paid order that is to be collected, and its sku."""
    (sku,) = await make_skus(anna.member.shop_id, price_fen=1000, stock=5)
    order = await anna.order(
        {sku: 2}, 2000, use_balance=True, address_id=None, pickup_store_id=str(store.store_id)
    )
    await drain()
    return order, sku


async def own(anna: Shopper, order: dict[str, Any]) -> dict[str, Any]:
    answer = await anna.send("GET", f"/orders/{order['order_id']}/deliveries")
    [delivery] = answer.json()["items"]
    return dict(delivery)


async def test_the_code_hands_the_goods_over_once(shop: ShopId, anna: Shopper, store: Store):
    order, _ = await collect(anna, store)
    waits = await own(anna, order)
    assert (waits["kind"], waits["state"], waits["store"]["name"]) == ("pickup", "open", "西湖店")
    assert len(waits["code"].replace(" ", "")) == 10
    assert waits["code_text"] == "siyu:pickup:" + waits["code"].replace(" ", "")
    [ready] = await events(shop, PickupReady.name)
    assert ready["order_id"] == order["order_id"]
    assert [one["order_no"] for one in (await see(anna, "/consignments?kind=pickup"))["items"]] == [
        order["order_no"]
    ]

    found = await ask(anna, "POST", "/pickups/find", {"code": waits["code_text"]})
    assert found.json()["consignment"]["order_no"] == order["order_no"]
    done = await ask(anna, "POST", "/pickups/hand-over", {"code": waits["code"]})
    assert done.json()["consignment"]["state"] == "done"
    again = await ask(anna, "POST", "/pickups/hand-over", {"code": waits["code"]})
    assert (again.status_code, again.json()["error"]["code"]) == (404, "fulfilment.code_unknown")
    seen = (await anna.send("GET", f"/orders/{order['order_id']}")).json()
    assert (seen["status"], seen["timeline"][-1]["event"]) == ("completed", "picked_up")
    after = await own(anna, order)
    assert (after["code"], after["handed_over_at"] is not None) == (None, True)
    await drain()


async def test_codes_are_not_to_be_guessed(shop: ShopId, anna: Shopper, store: Store):
    order, _ = await collect(anna, store)
    right = (await own(anna, order))["code"]
    for number in range(rules.CODES_TRIED):
        answer = await ask(anna, "POST", "/pickups/find", {"code": f"{number:010d}"})
        assert answer.status_code == 404
    for code in ("0000000000", right):
        answer = await ask(anna, "POST", "/pickups/find", {"code": code})
        assert (answer.status_code, answer.headers["retry-after"]) == (429, "600")
    clock.advance(timedelta(minutes=11))
    assert (await ask(anna, "POST", "/pickups/find", {"code": right})).status_code == 200
    for bad in ("", "x" * 65, "１２３４５６７８９０"):
        assert (await ask(anna, "POST", "/pickups/find", {"code": bad})).status_code in (404, 422)


async def test_who_has_no_part_in_it_sees_no_code(shop: ShopId, anna: Shopper, store: Store):
    order, _ = await collect(anna, store)
    async with shopper(shop) as ben:
        answer = await ben.send("GET", f"/orders/{order['order_id']}/deliveries")
        assert (answer.status_code, answer.json()["error"]["code"]) == (
            404, "ordering.order_not_found",
        )  # fmt: skip


@pytest.mark.parametrize("on_expiry", ["keep", "refund"])
async def test_reminded_once_and_after_its_days_as_the_shop_decided(
    shop: ShopId, anna: Shopper, store: Store, on_expiry: str
):
    settings = {"pickup_days": 3, "remind_days": 1, "on_expiry": on_expiry}
    assert (await ask(anna, "PUT", "/fulfilment-settings", settings)).json() == settings
    order, sku = await collect(anna, store)
    with clock.turned(clock.now() + timedelta(days=1)):
        await background.meet_pickup_times()
        assert await events(shop, PickupDue.name) == []
    for hours in (49, 50, 73, 74):
        with clock.turned(clock.now() + timedelta(hours=hours)):
            await background.meet_pickup_times()
            await drain()
    assert len(await events(shop, PickupDue.name)) == 1
    [consignment] = (await of_order(anna, order))["consignments"]
    seen = (await anna.send("GET", f"/orders/{order['order_id']}")).json()
    if on_expiry == "keep":
        assert (consignment["state"], seen["status"]) == ("open", "paid")
        counts = "/consignments/counts"
        with clock.turned(clock.now() + timedelta(days=4)):
            assert (await see(anna, counts))["overdue_pickups"] == 1
    else:
        assert (consignment["state"], seen["status"]) == ("cancelled", "refunded")
        assert await stock_of(shop, sku) == (5, 0)
    for bad in ({"pickup_days": 0}, {"on_expiry": "burn"}, {"remind_days": True}):
        assert (await ask(anna, "PUT", "/fulfilment-settings", settings | bad)).status_code == 422


async def test_a_pickup_is_told_to_wechat_when_it_was_handed_over(market: Market):
    given = StoreText(name="西湖店", address="龙井路 1 号")
    async with transaction(market.shop_id) as tx:
        place = await shops.save_store(tx, System(), None, given)
    account = (market.keys["appid"], market.openid)
    async with shopper(market.shop_id, account=account) as anna:
        order = await paid_at_wechat(
            market, anna, [1], address_id=None, pickup_store_id=str(place.store_id)
        )
        await work()
        assert (await upload_of(market.shop_id, order))["state"] == "waiting"
        code = (await own(anna, order))["code"]
        await ask(anna, "POST", "/pickups/hand-over", {"code": code})
        await drain()
        await work()
        assert (await upload_of(market.shop_id, order))["state"] == "told"
        trade = await trade_of(market, order)
        assert trade.shipping is not None and trade.shipping.logistics_type == 4
    assert await broken_invariants(market.shop_id) == []


async def test_places_are_kept_and_shown(shop: ShopId, anna: Shopper, store: Store):
    async with transaction(shop) as tx:
        closed = StoreText(name="城东店", address="庆春路 2 号", is_open=False)
        await shops.save_store(tx, System(), None, closed)
        moved = StoreText(
            name="西湖店", address="龙井路 3 号", latitude_e6=30_220_000, longitude_e6=120_130_000
        )
        await shops.save_store(tx, System(), store.store_id, moved)
    async with transaction(shop) as tx:
        places = await shops.list_stores(tx)
    assert [(one.name, one.is_open) for one in places] == [("西湖店", True), ("城东店", False)]
    assert places[0].address == "龙井路 3 号"
