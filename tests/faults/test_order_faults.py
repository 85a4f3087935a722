"""Faults that a checkout must survive, by their number."""

import asyncio
import json
from datetime import timedelta
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from siyu.commerce.catalog.contracts import ProductKind
from siyu.commerce.inventory import service as inventory
from siyu.commerce.inventory.contracts import StockChanged
from siyu.commerce.ordering import service
from siyu.commerce.ordering.contracts import LineAsked, OrderNotFound, Platform
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.db import reading, transaction
from siyu.kernel.errors import Busy
from siyu.kernel.ids import ShopId, new_id
from siyu.kernel.money import MAX_FEN
from siyu.money.payments.contracts import PaymentSucceeded
from siyu.people.members.contracts import Level
from tests.commerce.ordering.kit import (
    Shopper,
    broken_invariants,
    count,
    make_buyers,
    make_skus,
    shopper,
    stock_of,
)

ORDERS = "select count(*) from ordering.orders"


@pytest.fixture
async def anna(shop: ShopId):
    async with shopper(shop) as anna:
        yield anna
    assert await broken_invariants(shop) == []


async def refused(anna: Shopper, body: dict, status: int, code: str, path: str = "/orders"):
    """It is refused with this code, and nothing was kept."""
    shop = anna.member.shop_id
    before = await count(shop, ORDERS)
    answer = await anna.send("POST", path, body)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code), answer.text
    assert await count(shop, ORDERS) == before
    assert await count(shop, "select coalesce(sum(reserved), 0) from inventory.stock") == 0
    return answer.json()["error"]["details"]


async def test_F003_news_of_an_order_not_yet_committed_come_again(shop: ShopId):
    """The reaction fails, so the relay repeats it; the money is never forgotten."""
    event = PaymentSucceeded(
        payment_id=new_id(),
        order_id=new_id(),
        person_no=1,
        amount_fen=1,
        channel="jsapi",
        paid_at=clock.now(),
    )
    with pytest.raises(OrderNotFound):
        async with transaction(shop) as tx:
            await service.accept_payment(tx, event)


async def test_F024_no_virtual_goods_on_ios(shop: ShopId, anna: Shopper):
    (card,) = await make_skus(shop, kind=ProductKind.VIRTUAL)
    body = anna.order_body({card: 1}, 1990, platform="ios", address_id=None)
    details = await refused(anna, body, 403, "ordering.virtual_on_ios")
    assert details == {"sku_ids": [str(card)]}
    order = await anna.order({card: 1}, 1990, platform="h5", address_id=None)
    assert order["address"] is None


async def test_F042_one_sku_on_two_lines_counts_once_against_the_stock(shop: ShopId, anna: Shopper):
    (tea,) = await make_skus(shop, stock=3)
    line = {"sku_id": tea, "quantity": 2}
    body = anna.order_body({}, 7960) | {"lines": [line, line]}
    await refused(anna, body, 409, "inventory.stock_short")
    body = anna.order_body({}, 5970) | {"lines": [line, {"sku_id": tea, "quantity": 1}]}
    answer = await anna.send("POST", "/orders", body)
    assert [one["quantity"] for one in answer.json()["lines"]] == [3]
    assert await stock_of(shop, tea) == (3, 3)


async def test_F045_stock_is_edited_by_differences_beside_the_sale(shop: ShopId, anna: Shopper):
    (tea,) = await make_skus(shop, stock=50)

    async def edit() -> None:
        async with transaction(shop) as tx:
            await inventory.adjust(tx, System(), tea, delta=-10, expected_version=0, reason="盘点")

    done = await asyncio.gather(*(anna.order({tea: 1}, 1990) for _ in range(20)), edit())
    assert len(done) == 21
    assert await stock_of(shop, tea) == (40, 20)
    with pytest.raises(StockChanged):
        await edit()
    assert await stock_of(shop, tea) == (40, 20)


async def test_F046_killed_between_order_and_stock_nothing_is_half(shop: ShopId, anna: Shopper):
    (tea,) = await make_skus(shop, stock=5)
    with pytest.raises(Busy):
        async with transaction(shop) as tx:
            await service.place_order(
                tx,
                anna.member,
                [LineAsked(tea, 1)],
                address_id=anna.address_id,
                remark="",
                expected_total_fen=1990,
                platform=Platform.H5,
                empties_cart=False,
            )
            tx.connection.terminate()
    assert await count(shop, ORDERS) == 0
    assert await stock_of(shop, tea) == (5, 0)
    assert await count(shop, "select count(*) from kernel.outbox where name ~ '^ordering'") == 0
    await anna.order({tea: 1}, 1990)


async def test_F063_a_changed_price_is_told_and_must_be_confirmed(shop: ShopId, anna: Shopper):
    (tea,) = await make_skus(shop, price_fen=2000)
    body = anna.order_body({tea: 2}, 3990)
    details = await refused(anna, body, 409, "ordering.price_changed")
    assert details == {"quote_total_fen": 4000, "quote_payable_fen": 4000}
    await anna.order({tea: 2}, 4000)


@pytest.mark.parametrize(
    "field",
    ["price_fen", "discount_fen", "shipping_fen", "total_fen", "points", "member_id", "paid_fen"],
)
async def test_F064_prices_do_not_exist_in_what_a_client_sends(
    shop: ShopId, anna: Shopper, field: str
):
    (tea,) = await make_skus(shop)
    body = anna.order_body({tea: 1}, 1990)
    await refused(anna, body | {field: 1}, 422, "request.malformed")
    line = {"sku_id": tea, "quantity": 1, field: 1}
    await refused(anna, body | {"lines": [line]}, 422, "request.malformed")


@pytest.mark.parametrize(
    "quantity", ["-1", "0", "1.5", "1e9", '"１"', '"1"', "NaN", "true", "null", "1000", "[1]"]
)
async def test_F065_quantities_are_whole_and_sane(shop: ShopId, anna: Shopper, quantity: str):
    (tea,) = await make_skus(shop)
    raw = f'{{"sku_id": "{tea}", "quantity": {quantity}}}'
    for path, body in (
        ("/cart/lines", raw),
        ("/checkout/quote", f'{{"source":"lines","lines":[{raw}],"address_id":null}}'),
        (
            "/orders",
            f'{{"source":"lines","lines":[{raw}],"address_id":"{anna.address_id}","remark":"",'
            f'"expected_total_fen":1990,"platform":"h5"}}',
        ),
    ):
        answer = await anna.send("POST", path, msgspec.Raw(body.encode()))
        assert answer.status_code == 422, (path, answer.text)
    answer = await anna.send(
        "PATCH", f"/cart/lines/{tea}", msgspec.Raw(f'{{"quantity":{quantity}}}'.encode())
    )
    assert answer.status_code == (404 if quantity == "null" else 422)
    assert await count(shop, "select count(*) from ordering.cart_lines") == 0


async def test_F066_an_order_above_the_limit_is_refused_before_arithmetic(
    shop: ShopId, anna: Shopper
):
    dear, other = await make_skus(shop, 2, price_fen=MAX_FEN // 2 + 1)
    for lines in ({dear: 2}, {dear: 1, other: 1}, {dear: 999}):
        body = anna.order_body(lines, MAX_FEN)
        await refused(anna, body, 422, "promotions.amount_too_large")
        quote = {"source": "lines", "lines": body["lines"], "address_id": None}
        await refused(anna, quote, 422, "promotions.amount_too_large", "/checkout/quote")
    async with transaction(shop) as tx:
        with pytest.raises(asyncpg.CheckViolationError):
            await tx.run(
                """insert into ordering.orders (shop_id, order_id, order_no, kind, source, status,
                     member_id, person_no, has_virtual, items_fen, discount_fen, shipping_fen,
                     total_fen, adjustments, remark, placed_at, pay_before)
                   values ($1, $2, 'x', 'sale', 'shop', 'pending_payment', $2, 1, false, $3, 0, 0,
                     $3, '[]', '', now(), now())""",
                shop,
                new_id(),
                MAX_FEN + 1,
            )
        await tx.connection.execute("rollback; begin")


async def test_F067_money_is_never_a_fraction_in_json(shop: ShopId):
    (tea,) = await make_skus(shop, price_fen=1999, member_price_fen=1799)
    async with shopper(shop, Level.VIP) as anna:
        order = await anna.send("POST", "/orders", anna.order_body({tea: 3}, 5397))
        shown = await anna.http.get(f"/admin/v1/orders/{order.json()['order_id']}")
        for answer in (order, shown, await anna.send("GET", "/orders")):
            assert answer.status_code == 200

            def no_fraction(text: str) -> float:
                raise AssertionError(text)

            json.loads(answer.text, parse_float=no_fraction)


@pytest.mark.parametrize(
    "remark",
    ["👩‍👩‍👧‍👦 四口之家", "\u202eevil\u202c", "مرحبا", "𠮷野家", "x" * 200, "'; drop table--"],
)
async def test_F068_a_remark_comes_back_as_it_was_written(shop: ShopId, anna: Shopper, remark: str):
    (tea,) = await make_skus(shop)
    order = await anna.order({tea: 1}, 1990, remark=remark)
    shown = (await anna.send("GET", f"/orders/{order['order_id']}")).json()
    assert shown["remark"] == remark


@pytest.mark.parametrize("raw", ['"\\u0000"', '"\\ud800"', '"' + "x" * 201 + '"', '"a\x00b"', "1"])
async def test_F068_a_remark_that_is_no_text_is_refused(shop: ShopId, anna: Shopper, raw: str):
    (tea,) = await make_skus(shop)
    body = anna.order_body({tea: 1}, 1990) | {"remark": "REMARK"}
    text = msgspec.json.encode(body).decode().replace('"REMARK"', raw)
    answer = await anna.send("POST", "/orders", msgspec.Raw(text.encode()))
    assert answer.status_code == 422, answer.text
    assert await count(shop, ORDERS) == 0


async def test_F071_a_cart_of_a_hundred_thousand_lines_is_refused(shop: ShopId, anna: Shopper):
    line = {"sku_id": str(uuid4()), "quantity": 1}
    body = {"source": "lines", "lines": [line] * 100_000, "address_id": None}
    answer = await anna.send("POST", "/checkout/quote", body)
    assert answer.status_code in (413, 422)
    body["lines"] = [{"sku_id": str(uuid4()), "quantity": 1} for _ in range(101)]
    assert (await anna.send("POST", "/checkout/quote", body)).status_code == 422


async def test_F080_F081_what_is_anothers_does_not_exist(shop: ShopId, anna: Shopper):
    (tea,) = await make_skus(shop)
    order = await anna.order({tea: 1}, 1990)
    [(_, foreign_address)] = await make_buyers(shop, 1)
    async with shopper(shop) as ben:
        path = f"/orders/{order['order_id']}"
        for method, sub, body in (
            ("GET", "", None),
            ("POST", "/cancel", {}),
            ("POST", "/pay", {"channel": "native"}),
            ("POST", "/pay/sync", None),
        ):
            answer = await ben.send(method, path + sub, body)
            assert answer.status_code == 404, sub
            assert answer.json()["error"]["code"] == "ordering.order_not_found"
        assert (await ben.send("GET", "/orders")).json()["items"] == []
        body = ben.order_body({tea: 1}, 1990, address_id=anna.address_id)
        answer = await ben.send("POST", "/orders", body)
        assert (answer.status_code, answer.json()["error"]["code"]) == (
            404,
            "members.address_not_found",
        )
    quote = {"source": "lines", "lines": [{"sku_id": tea, "quantity": 1}]}
    answer = await anna.send("POST", "/checkout/quote", quote | {"address_id": foreign_address})
    assert answer.status_code == 404
    assert await count(shop, ORDERS) == 1
    assert await stock_of(shop, tea) == (100, 1)


async def test_F080_order_numbers_cannot_be_counted_up(shop: ShopId, anna: Shopper):
    (tea,) = await make_skus(shop)
    numbers = [(await anna.order({tea: 1}, 1990))["order_no"] for _ in range(20)]
    assert len(set(numbers)) == 20 and sorted(numbers) != numbers
    assert len({number[:4] for number in numbers}) == 20, "80 random bits from the first sign on"


async def test_F076_lists_of_the_shop_are_bounded(shop: ShopId, anna: Shopper):
    for query in ("limit=0", "limit=101", "limit=x", "status=x", "cursor=%00", "cursor=e30"):
        answer = await anna.send("GET", f"/orders?{query}")
        assert answer.status_code == 422, query


async def test_an_address_is_stored_sealed_and_stays_as_it_was(shop: ShopId, anna: Shopper):
    (tea,) = await make_skus(shop)
    order = await anna.order({tea: 1}, 1990)
    async with reading(shop) as tx:
        row = await tx.connection.fetchrow("select * from ordering.orders")
    stored = repr(dict(row))
    assert "王小明" not in stored and "13812345678" not in stored and "18 号" not in stored
    async with transaction(shop) as write:
        await write.run("delete from members.addresses")
    shown = (await anna.send("GET", f"/orders/{order['order_id']}")).json()
    assert shown["address"]["detail"] == "龙涓乡茶叶街 18 号 🍵"


async def test_an_expired_reservation_is_not_anothers_until_it_is_released(
    shop: ShopId, anna: Shopper
):
    """F041: a hold ends when its order is cancelled, not when the clock says so."""
    (tea,) = await make_skus(shop, stock=1)
    await anna.order({tea: 1}, 1990)
    with clock.turned(clock.now() + timedelta(hours=1)):
        answer = await anna.send("POST", "/orders", anna.order_body({tea: 1}, 1990))
        assert answer.json()["error"]["code"] == "inventory.stock_short"
