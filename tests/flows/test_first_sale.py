"""The first sale: a customer logs in through WeChat, buys and pays; the merchant sees it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
import uvicorn

from siyu.app.event_map import EVENT_MAP
from siyu.app.http import create_litestar
from siyu.commerce.ordering import background
from siyu.kernel import clock, config
from siyu.kernel.audit import System
from siyu.kernel.db import reading, system_transaction
from siyu.kernel.relay import Relay
from siyu.merchant.staff import service as staff
from siyu.merchant.staff.contracts import Role
from tests.commerce.ordering.kit import broken_invariants, make_skus
from tests.money.payments.bench import Market, market
from tests.wechat.conftest import calling_sandbox

__all__ = ["market"]
PASSWORD = "龙井 before the rain"


@pytest.fixture
def wechat_url(sandbox_template: Path, tmp_path: Path) -> Iterator[str]:
    """A sandbox that calls the shop back."""
    with calling_sandbox(sandbox_template, tmp_path) as server:
        yield server.url


@contextlib.asynccontextmanager
async def serving(app: Any) -> AsyncIterator[str]:
    """The app on a port, so that WeChat can call it back."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning", lifespan="off"))
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    server.should_exit = True
    await task


class Day:
    """A customer's phone and the merchant's browser, both on the whole product."""

    def __init__(self, market: Market, phone: httpx.AsyncClient, desk: httpx.AsyncClient) -> None:
        self.market = market
        self.phone = phone
        self.desk = desk

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        headers = {"Idempotency-Key": uuid4().hex} if method == "POST" else {}
        answer = await self.phone.request(method, f"/shop/v1{path}", json=body, headers=headers)
        assert answer.status_code in (200, 201), answer.text
        return answer.json()

    async def see(self, path: str) -> Any:
        answer = await self.desk.get(f"/admin/v1{path}")
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def log_in(self) -> None:
        code = await self.market.person.login_code("p1", self.market.keys["appid"])
        entered = await self.ask("POST", "/login", {"code": code, "platform": "mp-weixin"})
        assert entered["is_new"] is True
        self.phone.headers["Authorization"] = f"Bearer {entered['token']}"

    async def news_arrived(self) -> None:
        """Wait until WeChat's notification lies in the inbox."""
        for _ in range(500):
            async with reading(self.market.shop_id) as tx:
                if await tx.value("select count(*) from kernel.inbox"):
                    return
            await asyncio.sleep(0.02)
        raise AssertionError("WeChat did not call back")

    async def order(self, sku_id: str, address_id: str) -> Any:
        await self.ask("POST", "/cart/lines", {"sku_id": sku_id, "quantity": 2})
        wanted = {"source": "cart", "lines": [], "address_id": address_id}
        quote = await self.ask("POST", "/checkout/quote", wanted)
        lines = [{"sku_id": one["sku_id"], "quantity": one["quantity"]} for one in quote["lines"]]
        return await self.ask(
            "POST",
            "/orders",
            wanted
            | {
                "lines": lines,
                "remark": "送礼用",
                "expected_total_fen": quote["total_fen"],
                "platform": "mp-weixin",
            },
        )


@pytest.fixture
async def day(market: Market) -> AsyncIterator[Day]:
    async with reading(market.shop_id) as tx:
        code = await tx.value("select code from shops.shops where shop_id = $1", market.shop_id)
    login_name = f"boss-{code}"
    hashed = await staff.hash_password(PASSWORD, login_name)
    async with system_transaction(market.shop_id) as tx:
        await staff.add_staff(
            tx, System(), login_name=login_name, name="店长", password_hash=hashed, role=Role.OWNER
        )
    async with serving(create_litestar()) as url:
        config.use(msgspec.structs.replace(config.settings(), public_url=url))
        headers = {"X-Siyu-Shop": code}
        async with (
            httpx.AsyncClient(base_url=url, headers=headers) as phone,
            httpx.AsyncClient(base_url=url, headers=headers) as desk,
        ):
            body = {"login_name": login_name, "password": PASSWORD, "totp": None}
            entered = await desk.post("/admin/v1/login", json=body)
            assert entered.status_code == 200, entered.text
            # The cookie is for https; over plain http to this machine it is carried by hand.
            desk.headers["Cookie"] = entered.headers["set-cookie"].partition(";")[0]
            yield Day(market, phone, desk)
    assert await broken_invariants(market.shop_id) == []


async def test_from_login_to_the_merchants_screen(day: Day):
    (tea,) = await make_skus(day.market.shop_id, price_fen=8800, stock=10)
    await day.log_in()
    home = {
        "receiver": "王小明",
        "phone": "13812345678",
        "province": "浙江省",
        "city": "杭州市",
        "district": "西湖区",
        "detail": "文三路 90 号",
        "is_default": True,
    }
    address = await day.ask("POST", "/addresses", home)
    order = await day.order(str(tea), address["address_id"])
    assert (order["status"], order["total_fen"]) == ("pending_payment", 17600)

    path = f"/orders/{order['order_id']}"
    started = await day.ask("POST", f"{path}/pay", {"channel": "jsapi"})
    await day.market.pay(started["jsapi"]["package"].removeprefix("prepay_id="))
    await day.news_arrived()
    await Relay(EVENT_MAP).drain()

    paid = await day.ask("GET", path)
    assert (paid["status"], paid["paid_fen"]) == ("paid", 17600)
    assert [entry["label"] for entry in paid["timeline"]] == ["提交订单", "支付成功"]
    assert (await day.ask("GET", "/cart"))["lines"] == []
    card = await day.ask("GET", f"/products/{paid['lines'][0]['product_id']}")
    assert (card["sold_count"], card["skus"][0]["available"]) == (2, 8)

    listed = await day.see("/orders?status=paid&q=13812345678")
    assert [row["order_no"] for row in listed["items"]] == [order["order_no"]]
    shown = await day.see(path)
    assert shown["remark"] == "送礼用" and shown["address"]["receiver"] == "王**"
    payments = await day.see(f"/payments?order_id={order['order_id']}")
    assert [one["state"] for one in payments["items"]] == ["paid"]
    stock = await day.see("/stock")
    assert [(row["on_hand"], row["reserved"]) for row in stock["items"]] == [(8, 0)]


async def test_a_customer_who_does_not_pay_and_one_whose_news_are_lost(day: Day):
    (tea,) = await make_skus(day.market.shop_id, price_fen=8800, stock=3)
    await day.log_in()
    home = {
        "receiver": "李雷",
        "phone": "13912345678",
        "province": "浙江省",
        "city": "杭州市",
        "district": "西湖区",
        "detail": "文三路 91 号",
        "is_default": True,
    }
    address = await day.ask("POST", "/addresses", home)
    left = await day.order(str(tea), address["address_id"])
    await day.ask("POST", f"/orders/{left['order_id']}/pay", {"channel": "jsapi"})
    with clock.turned(clock.now() + timedelta(minutes=16)):
        await background.cancel_overdue()
        assert (await day.ask("GET", f"/orders/{left['order_id']}"))["status"] == "cancelled"

        order = await day.order(str(tea), address["address_id"])
        path = f"/orders/{order['order_id']}"
        started = await day.ask("POST", f"{path}/pay", {"channel": "jsapi"})
        await day.market.pay(started["jsapi"]["package"].removeprefix("prepay_id="))
        # The notification is lost; the phone asks when it comes back from the pay sheet.
        assert (await day.ask("POST", f"{path}/pay/sync"))["payment_state"] == "paid"
        await Relay(EVENT_MAP).drain()
        assert (await day.ask("GET", path))["status"] == "paid"
    statuses = [row["status"] for row in (await day.see("/orders"))["items"]]
    assert statuses == ["paid", "cancelled"]
