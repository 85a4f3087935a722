"""Points and balance at checkout: choices, holds, capture, release, and money that comes late."""

from collections.abc import AsyncIterator

import pytest

from siyu.commerce.ordering import service
from siyu.commerce.ordering.contracts import Delivery, LineAsked, OrderPaid, Platform
from siyu.kernel.audit import System
from siyu.kernel.db import transaction
from siyu.kernel.ids import new_id
from siyu.money.profit_sharing import service as profit_sharing
from siyu.money.profit_sharing.service import review_store
from siyu.money.stored_value import service as stored_value
from siyu.money.stored_value.contracts import SpendOrder, StoredValueSettings
from siyu.people.members import service as members
from siyu.people.members.contracts import Platform as MemberPlatform
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
    wallet,
)
from tests.commerce.ordering.test_payment import begin, pay_behind_our_back, show
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


@pytest.fixture
async def anna(market: Market) -> AsyncIterator[Shopper]:
    async with shopper(market.shop_id, account=(market.keys["appid"], market.openid)) as anna:
        yield anna
    assert await broken_invariants(market.shop_id) == []


async def quote(anna: Shopper, lines: dict, **choice: bool) -> dict:
    body = {
        "source": "lines",
        "lines": [{"sku_id": sku, "quantity": count} for sku, count in lines.items()],
        "address_id": anna.address_id,
    }
    answer = await anna.send("POST", "/checkout/quote", body | choice)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def test_a_quote_shows_what_could_be_used_and_uses_what_is_chosen(market: Market, anna):
    tea, cup = await make_skus(market.shop_id, 2, price_fen=1000)
    await fund(market.shop_id, anna.member, principal_fen=300, bonus_fen=100, point_count=100_000)

    plain = await quote(anna, {tea: 2, cup: 1})
    assert plain["points"] == {"points": 1500, "discount_fen": 1500, "used": False}
    assert plain["balance"] == {"available_fen": 400, "used_fen": 0}
    assert (plain["total_fen"], plain["payable_fen"]) == (3000, 3000)

    both = await quote(anna, {tea: 2, cup: 1}, use_points=True, use_balance=True)
    assert (both["discount_fen"], both["total_fen"], both["payable_fen"]) == (1500, 1500, 1100)
    assert both["points"]["used"] and both["balance"]["used_fen"] == 400
    assert [(e["rule"], e["amount_fen"], e["sku_id"]) for e in both["trace"][-2:]] == [
        ("points", -1000, str(tea)),
        ("points", -500, str(cup)),
    ]
    assert [line["total_fen"] for line in both["lines"]] == [1000, 500]


async def test_an_order_of_three_tenders_is_held_paid_and_captured(market: Market, anna):
    (tea,) = await make_skus(market.shop_id, price_fen=1000, stock=5)
    await fund(market.shop_id, anna.member, principal_fen=300, bonus_fen=100, point_count=500)
    chosen = {"use_points": True, "use_balance": True}
    order = await anna.order({tea: 2}, 1500, expected_payable_fen=1100, **chosen)
    assert order["tenders"] == {
        "wechat_fen": 1100,
        "balance_fen": 400,
        "points": 500,
        "points_fen": 500,
    }
    assert await wallet(market.shop_id, anna.member) == (0, 0, 0)

    await market.pay(await begin(anna, order))
    await anna.send("POST", f"/orders/{order['order_id']}/pay/sync")
    await deliver(market.shop_id, times=2)
    paid = await show(anna, order)
    assert (paid["status"], paid["paid_fen"], paid["total_fen"]) == ("paid", 1500, 1500)
    [event] = await events(market.shop_id, OrderPaid.name)
    assert (event["amount_fen"], event["wechat_fen"]) == (1500, 1100)
    assert event["member_id"] == str(anna.member.member_id)
    [spent] = await events(market.shop_id, "stored_value.value_spent")
    assert (spent["principal_fen"], spent["bonus_fen"]) == (300, 100)
    assert [e["points"] for e in await events(market.shop_id, "points.points_spent")] == [500]


async def test_F025_an_order_paid_by_balance_alone_never_asks_wechat(market: Market, anna):
    (tea,) = await make_skus(market.shop_id, price_fen=1000, stock=5)
    await fund(market.shop_id, anna.member, principal_fen=1000, point_count=500)
    order = await anna.order({tea: 1}, 500, use_points=True, use_balance=True)
    assert (order["status"], order["paid_fen"]) == ("paid", 500)
    assert order["tenders"]["wechat_fen"] == 0
    assert await wallet(market.shop_id, anna.member) == (500, 0, 0)
    assert await stock_of(market.shop_id, tea) == (4, 0)
    await deliver(market.shop_id, times=2)
    assert len(await events(market.shop_id, OrderPaid.name)) == 1
    assert len(await events(market.shop_id, "stored_value.value_spent")) == 1
    assert await show(anna, order) == order


async def test_what_an_unpaid_order_held_is_free_again_once_it_is_cancelled(market: Market, anna):
    (tea,) = await make_skus(market.shop_id, price_fen=1000)
    await fund(market.shop_id, anna.member, principal_fen=300, point_count=500)
    order = await anna.order({tea: 1}, 500, use_points=True, use_balance=True)
    assert await wallet(market.shop_id, anna.member) == (0, 0, 0)
    answer = await anna.send("POST", f"/orders/{order['order_id']}/cancel", {})
    assert answer.json()["status"] == "cancelled"
    assert answer.json()["tenders"] == order["tenders"], "what it would have been paid with stays"
    assert await wallet(market.shop_id, anna.member) == (300, 0, 500)


async def test_choices_without_means_change_nothing(market: Market, anna):
    (tea,) = await make_skus(market.shop_id, price_fen=1000)
    order = await anna.order({tea: 1}, 1000, use_points=True, use_balance=True)
    assert order["tenders"] == {"wechat_fen": 1000, "balance_fen": 0, "points": 0, "points_fen": 0}
    answer = await anna.send("POST", f"/orders/{order['order_id']}/cancel", {})
    assert answer.json()["status"] == "cancelled"


async def test_F063_a_balance_that_changed_is_told_and_must_be_confirmed(market: Market, anna):
    (tea,) = await make_skus(market.shop_id, price_fen=1000)
    await fund(market.shop_id, anna.member, principal_fen=300)
    body = anna.order_body({tea: 1}, 1000, use_balance=True, expected_payable_fen=1000)
    answer = await anna.send("POST", "/orders", body)
    assert answer.status_code == 409
    error = answer.json()["error"]
    assert error["code"] == "ordering.price_changed"
    assert error["details"] == {"quote_total_fen": 1000, "quote_payable_fen": 700}
    assert await wallet(market.shop_id, anna.member) == (300, 0, 0)


async def test_F015_late_money_holds_points_and_balance_again(market: Market, anna):
    (tea,) = await make_skus(market.shop_id, price_fen=1000, stock=1)
    await fund(market.shop_id, anna.member, principal_fen=200, bonus_fen=100, point_count=500)
    order = await anna.order({tea: 1}, 500, use_points=True, use_balance=True)
    await pay_behind_our_back(market, anna, order)
    assert await wallet(market.shop_id, anna.member) == (200, 100, 500)
    await deliver(market.shop_id)
    restored = await show(anna, order)
    assert restored["status"] == "paid"
    assert [entry["event"] for entry in restored["timeline"]][-1] == "paid_late"
    assert await wallet(market.shop_id, anna.member) == (0, 0, 0)
    assert await stock_of(market.shop_id, tea) == (0, 0)


async def test_F015_what_is_held_again_may_be_other_parts_of_the_balance(market: Market, anna):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000)
    await fund(shop, anna.member, principal_fen=300)
    order = await anna.order({tea: 1}, 1000, use_balance=True)
    await pay_behind_our_back(market, anna, order)
    await fund(shop, anna.member, bonus_fen=100)
    async with transaction(shop) as tx:
        bonus_first = StoredValueSettings(spend_order=SpendOrder.BONUS_FIRST)
        await stored_value.set_settings(tx, System(), bonus_first)
    await deliver(shop)
    restored = await show(anna, order)
    assert (restored["status"], restored["tenders"]) == ("paid", order["tenders"])
    seen = (await anna.http.get(f"/admin/v1/orders/{order['order_id']}")).json()["tenders"]
    assert (seen["principal_fen"], seen["bonus_fen"]) == (200, 100)
    assert await wallet(shop, anna.member) == (100, 0, 0)


@pytest.mark.parametrize("is_self", [False, True])
async def test_who_brought_an_order_is_frozen_in_it_and_never_oneself(
    market: Market, anna, is_self: bool
):
    shop = market.shop_id
    (gift,) = await make_skus(shop, price_fen=0)
    promoter_id = anna.member.member_id if is_self else new_id()
    async with transaction(shop) as tx:
        placed = await service.place_order(
            tx,
            anna.member,
            [LineAsked(gift, 1)],
            address_id=anna.address_id,
            remark="",
            expected_total_fen=0,
            platform=Platform.MINI_PROGRAM,
            empties_cart=False,
            promoter_id=promoter_id,
        )
    expected = None if is_self else promoter_id
    assert placed.order.promoter_id == expected
    [event] = await events(shop, OrderPaid.name)
    assert event["promoter_id"] == (None if expected is None else str(expected))


@pytest.mark.parametrize("delivery", [None, Delivery.GIFT])
async def test_F096_a_promoters_commission_is_judged_by_where_the_parcel_goes_never_by_a_gifts(
    market: Market, anna, delivery: Delivery | None
):
    """Of an order that no promoter brought nothing is noted either."""
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=0)
    orders = []
    async with transaction(shop) as tx:
        promoter = await members.record_login(
            tx, "wx-a", "o-promoter", union_id=None, platform=MemberPlatform.MINI_PROGRAM
        )
        promoter_id = promoter.member.member_id
        await profit_sharing.set_promoter(tx, System(), promoter_id, None)
        for brought_by in (promoter_id, new_id(), None):
            placed = await service.place_order(
                tx,
                anna.member,
                [LineAsked(tea, 1)],
                address_id=None if delivery else anna.address_id,
                remark="",
                expected_total_fen=0,
                platform=Platform.MINI_PROGRAM,
                empties_cart=False,
                promoter_id=brought_by,
                delivery=delivery,
            )
            orders.append(placed.order.order_id)
        noted = [await review_store.get_buyer(tx, order_id) for order_id in orders]
        address = await members.get_address(tx, anna.member.member_id, anna.address_id)
    expected = review_store.Buyer(
        anna.member.member_id,
        None if delivery else members.phone_key(address.phone),
        None if delivery else members.address_key(address),
    )
    assert noted == [expected, None, None]


@pytest.mark.parametrize("gone", ["goods", "balance", "points"])
async def test_F015_late_money_goes_back_when_anything_is_gone(market: Market, anna, gone: str):
    (tea,) = await make_skus(market.shop_id, price_fen=1000, stock=1)
    await fund(market.shop_id, anna.member, principal_fen=200, bonus_fen=100, point_count=500)
    order = await anna.order({tea: 1}, 500, use_points=True, use_balance=True)
    await pay_behind_our_back(market, anna, order)
    other = (await make_skus(market.shop_id, price_fen=600))[0]
    match gone:
        case "goods":
            [(ben, address_id)] = await make_buyers(market.shop_id, 1)
            await Shopper(anna.http, ben, address_id).order({tea: 1}, 1000)
        case "balance":
            await anna.order({other: 1}, 600, use_balance=True)
        case "points":
            await anna.order({other: 1}, 300, use_points=True)
    before = await wallet(market.shop_id, anna.member)
    await deliver(market.shop_id, times=2)
    closed = await show(anna, order)
    assert closed["status"] == "cancelled"
    assert closed["timeline"][-1]["event"] == "money_parked"
    assert [row.reason for row in await market.parked()] == ["order_closed"]
    assert await wallet(market.shop_id, anna.member) == before, "nothing of it stays held"


async def test_a_frozen_wallet_pays_nothing(market: Market, anna):
    (tea,) = await make_skus(market.shop_id, price_fen=1000)
    await fund(market.shop_id, anna.member, principal_fen=300)
    async with transaction(market.shop_id) as tx:
        await stored_value.freeze(tx, System(), anna.member.member_id, "dispute")
    shown = await quote(anna, {tea: 1}, use_balance=True)
    assert (shown["payable_fen"], shown["balance"]["available_fen"]) == (1000, 0)
