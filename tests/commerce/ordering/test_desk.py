"""Finding and handling orders: search, buy again, notes, the till, and trials on past orders."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from siyu.commerce.catalog import service as catalog
from siyu.commerce.coupons import service as coupons
from siyu.commerce.coupons.contracts import BatchState
from siyu.commerce.ordering import service
from siyu.commerce.ordering.contracts import MoveRefused, OrderPaid
from siyu.commerce.ordering.service import simulation
from siyu.commerce.promotions import service as promotions
from siyu.commerce.promotions.contracts import FixedOff, Threshold, Tier
from siyu.commerce.promotions.queries import CampaignDraft
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.money.ledger import service as ledger
from siyu.money.ledger.contracts import Book
from siyu.money.payments import service as payments
from siyu.money.payments.contracts import RefundMoveRefused, RefundSucceeded
from tests.commerce.coupons.kit import make_batch
from tests.commerce.ordering import kit
from tests.commerce.ordering.kit import (
    Shopper,
    broken_invariants,
    deliver,
    events,
    make_buyers,
    make_skus,
    shopper,
    stock_of,
    tell,
)
from tests.commerce.ordering.test_payment import begin, show
from tests.commerce.ordering.test_refund import refund
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]


@pytest.fixture
async def anna(market: Market) -> AsyncIterator[Shopper]:
    async with shopper(market.shop_id, account=(market.keys["appid"], market.openid)) as anna:
        yield anna
    assert await broken_invariants(market.shop_id) == []


async def staff(anna: Shopper, path: str, body: dict) -> tuple[int, dict]:
    answer = await anna.http.post(
        f"/admin/v1{path}", json=body, headers={"Idempotency-Key": uuid4().hex}
    )
    return answer.status_code, answer.json()


async def collect(anna: Shopper, order: dict, amount_fen: int) -> tuple[int, dict]:
    body = {"method": "cash", "amount_fen": amount_fen, "note": "一号柜台"}
    return await staff(anna, f"/orders/{order['order_id']}/pay-offline", body)


async def balance(market: Market, book: Book) -> int:
    async with reading(market.shop_id) as tx:
        return (await ledger.balance(tx, book)).posted


async def test_cash_at_the_counter_pays_an_order_once(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000, stock=5)
    order = await anna.order({tea: 2}, 2000)
    assert (await collect(anna, order, 1999))[1]["error"]["details"] == {"due_fen": 2000}
    status, paid = await collect(anna, order, 2000)
    assert (status, paid["status"], paid["paid_fen"]) == (200, "paid", 2000)
    paid = (await anna.http.get(f"/admin/v1/orders/{order['order_id']}")).json()
    assert paid["is_offline"]
    assert paid["timeline"][-1]["event"] == "paid_offline"
    assert paid["timeline"][-1]["actor"] == "小李"
    assert (await collect(anna, order, 2000))[1]["error"]["code"] == MoveRefused.code
    await deliver(shop, times=2)
    [told] = await events(shop, OrderPaid.name)
    assert (told["amount_fen"], told["wechat_fen"]) == (2000, 0), "nothing to be split"
    assert (await balance(market, Book.PETTY), await balance(market, Book.SALES)) == (2000, 2000)
    assert await stock_of(shop, tea) == (3, 0)
    async with reading(shop) as tx:
        trail = await tx.value(
            "select count(*) from kernel.audit where action = 'ordering.paid_offline'"
        )
    assert trail == 1


async def test_F129_a_replay_tells_of_the_order_as_it_was_placed(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id, price_fen=1000, stock=5)
    body = anna.order_body({tea: 2}, 2000)
    first = await anna.send("POST", "/orders", body, "k")
    async with reading(market.shop_id) as tx:
        kept = await tx.connection.fetchrow("select answer, made from kernel.idempotency")
    assert (kept["answer"], str(kept["made"])) == (None, first.json()["order_id"])
    assert (await collect(anna, first.json(), 2000))[0] == 200
    await refund(market.shop_id, first.json(), [(1, 1, 1000)])
    again = await anna.send("POST", "/orders", body, "k")
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (again.status_code, again.json()) == (200, first.json())


async def test_what_was_paid_at_the_counter_is_given_back_there(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000, stock=5)
    order = await anna.order({tea: 2}, 2000)
    await collect(anna, order, 2000)
    await refund(shop, order, [(1, 1, 1000)])
    async with reading(shop) as tx:
        [row] = await payments.list_refunds(tx, UUID(order["order_id"]))
    assert (row.state, row.next_call_at) == ("counter", None), "WeChat is not asked"
    assert (await show(anna, order))["refunds"][0]["status"] == "started"
    async with transaction(shop) as tx:
        await payments.hand_out_refund(tx, row.refund_id, "现金", System())
        with pytest.raises(RefundMoveRefused):
            await payments.hand_out_refund(tx, row.refund_id, "现金", System())
    await tell(shop, RefundSucceeded, service_finish, times=2)
    assert (await show(anna, order))["refunds"][0]["status"] == "refunded"
    assert (await balance(market, Book.PETTY), await balance(market, Book.SALES)) == (1000, 1000)
    await refund(shop, order, [(1, 1, 1000)])
    async with reading(shop) as tx:
        second = (await payments.list_refunds(tx, UUID(order["order_id"])))[-1]
    async with transaction(shop) as tx:
        await payments.give_up_refund(tx, second.refund_id, "顾客不要了", System())
        await service.undo_refund(tx, second.refund_id, UUID(order["order_id"]))
    assert (await show(anna, order))["refunded_fen"] == 1000
    assert await balance(market, Book.REFUND_DUE) == 0


async def service_finish(tx, event: RefundSucceeded) -> None:
    await service.finish_refund(tx, event.refund_id, event.order_id)


async def test_F017_money_that_comes_through_wechat_too_goes_back(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id, price_fen=1000, stock=5)
    order = await anna.order({tea: 1}, 1000)
    ticket = await begin(anna, order)
    assert (await collect(anna, order, 1000))[0] == 200
    await market.pay(ticket)
    await anna.send("POST", f"/orders/{order['order_id']}/pay/sync")
    async with reading(market.shop_id) as tx:
        attempts = await payments.list_payments(tx, UUID(order["order_id"]))
    for attempt in attempts:
        await payments.follow_up(market.shop_id, attempt.payment_id)
    await deliver(market.shop_id)
    assert [row.reason for row in await market.parked()] == ["paid_twice"]
    assert await stock_of(market.shop_id, tea) == (4, 0)


async def test_only_who_may_collect_writes_down_cash(shop):
    (tea,) = await make_skus(shop, price_fen=1000)
    async with shopper(shop) as anna:
        order = await anna.order({tea: 1}, 1000)
        anna.http._transport.app = kit.app(shop, frozenset({"orders.read", "orders.write"}))
        assert (await collect(anna, order, 1000))[0] == 403


async def test_a_customer_finds_orders_by_number_title_and_receiver(market: Market, anna: Shopper):
    shop = market.shop_id
    (tea,) = await make_skus(shop, title="安溪铁观音")
    (cup,) = await make_skus(shop, title="建盏")
    first = await anna.order({tea: 1}, 1990)
    second = await anna.order({cup: 1}, 1990)

    async def found(text: str) -> list[str]:
        page = await anna.send("GET", f"/orders?q={text}")
        return [row["order_no"] for row in page.json()["items"]]

    assert await found(first["order_no"].lower()) == [first["order_no"]]
    assert await found("铁观") == [first["order_no"]]
    assert await found("建盏") == [second["order_no"]]
    assert await found("小明") == [second["order_no"], first["order_no"]]
    assert await found("5678") == [second["order_no"], first["order_no"]]
    assert await found("没有") == []
    async with shopper(shop) as ben:
        page = await ben.send("GET", f"/orders?q={first['order_no']}")
        assert page.json()["items"] == []


async def test_buying_again_puts_what_is_left_and_says_what_is_not(market: Market, anna: Shopper):
    shop = market.shop_id
    tea, cup, pot, tin = await make_skus(shop, 4, price_fen=1000, stock=5)
    order = await anna.order({tea: 2, cup: 1, pot: 4, tin: 1}, 8000)
    async with transaction(shop) as tx:
        product = await tx.value("select product_id from catalog.skus where sku_id = $1", cup)
        await catalog.set_shelf(tx, System(), product, False)
    await anna.order({tin: 4}, 4000)
    await anna.send("POST", "/cart/lines", {"sku_id": tea, "quantity": 3})
    answer = (await anna.send("POST", f"/orders/{order['order_id']}/again")).json()
    assert {line["sku_id"]: line["quantity"] for line in answer["cart"]["lines"]} == {
        str(tea): 3,
        str(pot): 1,
    }
    assert sorted(answer["sku_ids"]) == sorted([str(tea), str(pot)])
    assert [(one["reason"], one["quantity"]) for one in answer["left_out"]] == [
        ("off_shelf", 1),
        ("sold_out", 3),
        ("sold_out", 1),
    ]
    async with shopper(shop) as ben:
        stranger = await ben.send("POST", f"/orders/{order['order_id']}/again")
        assert stranger.status_code == 404


async def test_notes_are_for_colleagues_and_stay(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id)
    order = await anna.order({tea: 1}, 1990, remark="请早点送")
    path = f"/orders/{order['order_id']}/notes"
    assert (await staff(anna, path, {"content": "顾客来电，改周五送 📞"}))[0] == 200
    assert (await staff(anna, path, {"content": ""}))[0] == 422
    seen = (await anna.http.get(f"/admin/v1/orders/{order['order_id']}")).json()
    assert [(note["actor"], note["content"]) for note in seen["notes"]] == [
        ("小李", "顾客来电，改周五送 📞")
    ]
    assert "notes" not in await show(anna, order)
    rows = (await anna.http.get("/admin/v1/orders?delivery=ship&is_offline=false")).json()
    assert [row["note_count"] for row in rows["items"]] == [1]
    none = (await anna.http.get("/admin/v1/orders?is_refunded=true")).json()
    assert none["items"] == []


async def test_a_campaign_is_tried_on_past_orders_before_it_goes_live(
    market: Market, anna: Shopper
):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000, stock=50)
    for pieces in (1, 2, 3):
        order = await anna.order({tea: pieces}, 1000 * pieces)
        await collect(anna, order, 1000 * pieces)
    await anna.order({tea: 9}, 9000)
    draft = CampaignDraft(
        title="满20减5",
        starts_at=clock.now() + timedelta(days=1),
        terms=Threshold([Tier(2000, off_fen=500)]),
        stacking="adds",
    )
    async with transaction(shop) as tx:
        campaign_id = await promotions.create_campaign(tx, System(), draft)
    body = {"campaign_id": str(campaign_id), "days": 30}
    status, report = await staff(anna, "/price-simulations", body)
    assert status == 200, report
    assert (report["order_count"], report["sample_count"]) == (3, 3), "unpaid ones do not count"
    cost = report["cost"]
    assert (cost["before_fen"], cost["after_fen"]) == (6000, 5000)
    assert [(one["orders"], one["given_fen"]) for one in cost["campaigns"]] == [(2, 1000)]
    async with transaction(shop) as tx:
        await promotions.start_campaign(tx, System(), campaign_id, 1)


async def test_a_coupon_is_tried_on_past_orders_before_it_goes_live(
    market: Market, anna: Shopper, monkeypatch: pytest.MonkeyPatch
):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000, stock=50)
    old = await make_batch(shop, gives=FixedOff(200))
    async with transaction(shop) as tx:
        await coupons.claim(tx, anna.member, old.batch_id, None)
    for pieces, due in ((1, 800), (2, 2000), (3, 3000), (4, 4000)):
        order = await anna.order({tea: pieces}, due)
        await collect(anna, order, due)
    await anna.order({tea: 9}, 9000)

    async def tried(days: int = 30, **changes: Any) -> dict[str, Any]:
        batch = await make_batch(shop, state=BatchState.DRAFT, gives=FixedOff(300), **changes)
        answer = await anna.http.get(f"/admin/v1/coupons/{batch.batch_id}/simulation?days={days}")
        assert answer.status_code == 200, answer.text
        async with reading(shop) as tx:
            assert await coupons.get_batch(tx, batch.batch_id) == batch, "nothing is kept"
        return dict(answer.json())

    report = await tried(per_member=3)
    assert (report["version"], report["order_count"], report["sample_count"]) == (1, 4, 4)
    assert report["cost"]["coupon"] == {
        "orders": 3, "given_fen": 900, "share_bps": 900, "missed": 0,
    }  # fmt: skip
    # The oldest three: the first one's own coupon gives way to the better one.
    assert (report["cost"]["before_fen"], report["cost"]["after_fen"]) == (9800, 9100)
    assert (await tried(from_fen=4001))["cost"]["coupon"]["given_fen"] == 0
    assert (await tried(budget_fen=899))["cost"]["coupon"] == {
        "orders": 2, "given_fen": 600, "share_bps": 600, "missed": 2,
    }  # fmt: skip
    monkeypatch.setattr(simulation, "SAMPLE", 2)
    half = await tried(total_count=2)
    assert (half["order_count"], half["sample_count"]) == (4, 2)
    assert (half["cost"]["coupon"]["orders"], half["cost"]["coupon"]["missed"]) == (1, 1)
    for path in (f"{old.batch_id}/simulation?days=366", f"{uuid4()}/simulation"):
        answer = await anna.http.get(f"/admin/v1/coupons/{path}")
        assert answer.status_code == (404 if "days" not in path else 422)


async def test_a_campaign_shows_what_came_of_it_beside_what_was_expected(
    market: Market, anna: Shopper
):
    shop = market.shop_id
    (tea,) = await make_skus(shop, price_fen=1000, stock=50)
    order = await anna.order({tea: 3}, 3000)
    await collect(anna, order, 3000)
    draft = CampaignDraft(
        title="满20减5", starts_at=clock.now(), terms=Threshold([Tier(2000, off_fen=500)]),
        stacking="adds",
    )  # fmt: skip
    async with transaction(shop) as tx:
        campaign_id = await promotions.create_campaign(tx, System(), draft)
    body = {"campaign_id": str(campaign_id), "days": 30}
    assert (await staff(anna, "/price-simulations", body))[0] == 200
    async with transaction(shop) as tx:
        await promotions.start_campaign(tx, System(), campaign_id, 1)
    for pieces, due in ((1, 1000), (2, 1500), (4, 3500)):
        order = await anna.order({tea: pieces}, due)
        await collect(anna, order, due)
    await anna.order({tea: 2}, 1500)
    path = f"/admin/v1/campaigns/{campaign_id}/result"
    result = (await anna.http.get(path)).json()
    assert result == {
        "orders": 2,
        "buyers": 1,
        "revenue_fen": 5000,
        "refunded_fen": 0,
        "given_fen": 1000,
        "gifts_fen": 0,
        "sold_fen": 7000,
        "share_bps": 1429,
        "simulated_bps": 1667,
    }
    nothing = await anna.http.get(f"/admin/v1/campaigns/{uuid4()}/result")
    assert nothing.status_code == 404


async def test_orders_are_counted_by_status(market: Market, anna: Shopper):
    (tea,) = await make_skus(market.shop_id, price_fen=1000, stock=50)
    paid = await anna.order({tea: 1}, 1000)
    await collect(anna, paid, 1000)
    for _ in range(2):
        await anna.order({tea: 1}, 1000)
    none = dict.fromkeys(
        ("pending_payment", "paid", "shipped", "completed", "cancelled", "refunded"), 0
    )
    expected = none | {"pending_payment": 2, "paid": 1}
    assert (await anna.http.get("/admin/v1/orders/counts")).json() == expected
    assert (await anna.send("GET", "/orders/counts")).json() == expected
    offline = (await anna.http.get("/admin/v1/orders/counts?is_offline=true")).json()
    assert offline == none | {"paid": 1}
    named = (await anna.http.get(f"/admin/v1/orders/counts?q={paid['order_no']}")).json()
    assert named == none | {"paid": 1}
    [(other, address_id)] = await make_buyers(market.shop_id, 1)
    ben = Shopper(anna.http, other, address_id)
    assert (await ben.send("GET", "/orders/counts")).json() == none


async def test_the_steps_of_a_price_are_named_in_the_language_of_who_asks(
    market: Market, anna: Shopper
):
    (tea,) = await make_skus(market.shop_id, price_fen=1000, stock=5)
    body = {"source": "lines", "lines": [{"sku_id": str(tea), "quantity": 1}], "address_id": None}
    for language, label in (("zh-CN", "原价"), ("en", "List price")):
        anna.http.headers["Accept-Language"] = language
        quote = (await anna.send("POST", "/checkout/quote", body)).json()
        assert [entry["label"] for entry in quote["trace"]] == [label]
