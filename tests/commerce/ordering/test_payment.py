"""Paying, not paying in time, paying too late: order and money against a local WeChat."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from siyu.commerce.ordering import background
from siyu.kernel import clock
from siyu.kernel.db import reading, transaction
from siyu.merchant.shops import service as shops
from siyu.money.payments.service import recording
from tests.commerce.ordering.kit import (
    Shopper,
    broken_invariants,
    deliver,
    events,
    make_skus,
    shopper,
    stock_of,
)
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


@pytest.fixture
async def anna(market: Market) -> AsyncIterator[Shopper]:
    async with shopper(market.shop_id, account=(market.keys["appid"], market.openid)) as anna:
        yield anna
    assert await broken_invariants(market.shop_id) == []


async def begin(anna: Shopper, order: dict, channel: str = "jsapi", key: str | None = None) -> str:
    """Start to pay; the ticket for the pay sheet."""
    path = f"/orders/{order['order_id']}/pay"
    answer = await anna.send("POST", path, {"channel": channel}, key)
    assert answer.status_code == 200, answer.text
    started = answer.json()
    assert started["state"] == "paying"
    if channel == "native":
        return str(started["code_url"])
    return str(started["jsapi"]["package"]).removeprefix("prepay_id=")


async def show(anna: Shopper, order: dict) -> dict:
    return dict((await anna.send("GET", f"/orders/{order['order_id']}")).json())


async def test_paid_once_however_often_it_is_told(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id, stock=5)
    order = await anna.order({tea: 2}, 3980)
    ticket = await begin(anna, order)
    await market.pay(ticket)
    path = f"/orders/{order['order_id']}/pay/sync"
    synced = (await anna.send("POST", path)).json()
    assert synced["payment_state"] == "paid"
    await deliver(market.shop_id, times=3)

    paid = await show(anna, order)
    assert (paid["status"], paid["paid_fen"]) == ("paid", 3980)
    assert [entry["event"] for entry in paid["timeline"]] == ["placed", "paid"]
    assert await stock_of(market.shop_id, tea) == (3, 0)
    [event] = await events(market.shop_id, "ordering.order_paid")
    assert event["order_id"] == order["order_id"]
    assert event["amount_fen"] == 3980 and event["first_order"] is True
    assert event["lines"][0]["quantity"] == 2 and event["lines"][0]["total_fen"] == 3980

    order = await anna.order({tea: 1}, 1990)
    await market.pay(await begin(anna, order))
    await anna.send("POST", f"/orders/{order['order_id']}/pay/sync")
    await deliver(market.shop_id)
    assert [e["first_order"] for e in await events(market.shop_id, "ordering.order_paid")] == [
        True,
        False,
    ]


async def test_the_same_key_pays_under_the_same_number(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id)
    order = await anna.order({tea: 1}, 1990)
    for key in ("tap", "tap", "another tap"):
        await begin(anna, order, key=key)
    assert await market.states(order["order_id"]) == ["paying"]


async def test_F025_an_order_of_nothing_is_paid_at_once(market: Market, anna: Shopper):
    (gift,) = await make_skus(market.shop_id, price_fen=0, stock=1)
    order = await anna.order({gift: 1}, 0)
    assert (order["status"], order["paid_fen"]) == ("paid", 0)
    assert await stock_of(market.shop_id, gift) == (0, 0)
    await deliver(market.shop_id, times=2)
    assert len(await events(market.shop_id, "ordering.order_paid")) == 1
    assert await show(anna, order) == order


async def test_not_paid_in_time_closes_first_and_then_frees_the_goods(
    market: Market, anna: Shopper
):
    (tea,) = await make_skus(market.shop_id, stock=5)
    order = await anna.order({tea: 2}, 3980)
    await begin(anna, order)
    await background.cancel_overdue()
    assert (await show(anna, order))["status"] == "pending_payment"
    with clock.turned(clock.now() + timedelta(minutes=16)):
        await background.cancel_overdue()
        await background.cancel_overdue()
        late = await show(anna, order)
        assert late["status"] == "cancelled"
        assert [entry["event"] for entry in late["timeline"]] == ["placed", "timed_out"]
        assert await stock_of(market.shop_id, tea) == (5, 0)
        assert await market.states(order["order_id"]) == ["closed"]
        [event] = await events(market.shop_id, "ordering.order_cancelled")
        assert event["reason"] == "timed_out"


async def test_F016_goods_stay_reserved_until_the_close_is_confirmed(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id, stock=5)
    order = await anna.order({tea: 2}, 3980)
    await begin(anna, order)
    await market.fault("system_error", "pay.close", times=20)
    with clock.turned(clock.now() + timedelta(minutes=16)):
        await background.cancel_overdue()
        assert (await show(anna, order))["status"] == "pending_payment"
        assert await stock_of(market.shop_id, tea) == (5, 2)


async def test_F015_paid_after_the_close_with_goods_still_there(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id, stock=2)
    order = await anna.order({tea: 2}, 3980)
    await pay_behind_our_back(market, anna, order)
    await deliver(market.shop_id, times=2)
    restored = await show(anna, order)
    assert restored["status"] == "paid"
    assert [entry["event"] for entry in restored["timeline"]] == [
        "placed", "by_customer", "paid_late",
    ]  # fmt: skip
    assert await stock_of(market.shop_id, tea) == (0, 0)
    assert await market.parked() == []


async def test_F015_paid_after_the_close_when_the_goods_are_gone(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id, stock=2)
    order = await anna.order({tea: 2}, 3980)
    await pay_behind_our_back(market, anna, order)
    await anna.order({tea: 1}, 1990)
    await deliver(market.shop_id, times=2)
    assert (await show(anna, order))["status"] == "cancelled"
    assert await stock_of(market.shop_id, tea) == (2, 1)
    assert [(row.reason, row.amount_fen) for row in await market.parked()] == [
        ("order_closed", 3980)
    ]
    assert len(await events(market.shop_id, "payments.money_parked")) == 1


async def pay_behind_our_back(market: Market, anna: Shopper, order: dict) -> None:
    """Cancel an order although a payment of it succeeds afterwards."""
    ticket = await begin(anna, order)
    await market.pay(ticket)
    async with transaction(market.shop_id) as tx:
        # As if WeChat had confirmed a close it did not keep: the attempt counts as closed here.
        await tx.run(
            "update payments.attempts set state = 'closed', closed_at = now(), next_query_at = null"
        )
    answer = await anna.send("POST", f"/orders/{order['order_id']}/cancel", {"reason": "不要了"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "cancelled"
    [attempt] = await market.attempts(order["order_id"])
    async with reading(market.shop_id) as tx:
        credentials = await shops.pay_credentials(tx)
    await recording.ask_and_record(market.shop_id, credentials, attempt)


async def test_F017_the_second_payment_of_an_order_is_parked(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id, stock=5)
    order = await anna.order({tea: 1}, 1990)
    first, second = await begin(anna, order), await begin(anna, order, "native")
    await market.pay(first)
    await market.pay(second)
    await anna.send("POST", f"/orders/{order['order_id']}/pay/sync")
    await deliver(market.shop_id, times=2)
    assert (await show(anna, order))["status"] == "paid"
    assert await stock_of(market.shop_id, tea) == (4, 0)
    assert len(await events(market.shop_id, "ordering.order_paid")) == 1
    assert [row.reason for row in await market.parked()] == ["paid_twice"]


async def test_a_paid_order_cannot_be_cancelled(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id, stock=5)
    order = await anna.order({tea: 1}, 1990)
    await market.pay(await begin(anna, order))
    answer = await anna.send("POST", f"/orders/{order['order_id']}/cancel", {})
    assert answer.status_code == 409
    await deliver(market.shop_id)
    for _ in range(2):
        answer = await anna.send("POST", f"/orders/{order['order_id']}/cancel", {})
        assert answer.json()["error"]["code"] == "ordering.move_refused"
    assert (await show(anna, order))["status"] == "paid"
    assert await stock_of(market.shop_id, tea) == (4, 0)


async def test_nothing_can_be_begun_on_an_order_that_is_over(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id)
    order = await anna.order({tea: 1}, 1990)
    path = f"/orders/{order['order_id']}/pay"
    with clock.turned(clock.now() + timedelta(minutes=15, seconds=1)):
        answer = await anna.send("POST", path, {"channel": "jsapi"})
        assert answer.json()["error"]["code"] == "payments.expired"
        await background.cancel_overdue()
        answer = await anna.send("POST", path, {"channel": "jsapi"})
        assert answer.json()["error"]["code"] == "ordering.move_refused"
    assert await market.states(order["order_id"]) == []
