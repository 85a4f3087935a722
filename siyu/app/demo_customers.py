"""Simulated customers: they come, look, buy and come back, through the real API and sandbox.

Each visit is a funnel with its own dice: about half of those who open the shop click on something,
a third of those put it into the cart, most of those pay. Some cancel at the pay sheet.
"""

import asyncio
import contextlib
import logging
import random
from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx

from siyu.kernel import clock
from siyu.sandbox.client import SandboxClient
from siyu.sandbox.people import Outcome, PhoneError

log = logging.getLogger("siyu.demo")

FAMILY = "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗"
GIVEN = [
    "晨",
    "若溪",
    "子墨",
    "雨桐",
    "一诺",
    "浩然",
    "静宜",
    "思远",
    "可心",
    "嘉树",
    "云舒",
    "知夏",
]
PLACES = [
    ("浙江省", "杭州市", "西湖区"),
    ("福建省", "厦门市", "思明区"),
    ("四川省", "成都市", "锦江区"),
    ("广东省", "广州市", "天河区"),
    ("云南省", "昆明市", "五华区"),
]


class Refused(Exception):
    """The shop said no; the text says to what, and why."""


class Customer:
    """One person with a phone. Remembers the login between visits, as the mini-program does."""

    def __init__(self, person_id: str, appid: str, shop: str, dice: random.Random) -> None:
        self.person_id = person_id
        self.appid = appid
        self.shop = shop
        self.dice = dice
        self.visitor = str(uuid4())
        self.token = ""
        self.address_id: str | None = None
        self.orders = 0

    async def call(self, http: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
        """One request of the shop's front end."""
        headers = {"X-Siyu-Shop": self.shop, "Idempotency-Key": str(uuid4())}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        answer = await http.request(method, path, json=body, headers=headers)
        if answer.is_error:
            raise Refused(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer.json() if answer.content else None

    async def log_in(self, http: httpx.AsyncClient, sandbox: SandboxClient) -> None:
        """wx.login, then the consents that the shop asks for."""
        code = await sandbox.login_code(self.person_id, self.appid)
        body = {"code": code, "platform": "mp-weixin"}
        self.token = (await self.call(http, "POST", "/shop/v1/login", body))["token"]
        asked = (await self.call(http, "GET", "/shop/v1/consents"))["items"]
        for text in asked:
            if text["granted"] is None:
                choice = {
                    "purpose": text["purpose"],
                    "text_version": text["text_version"],
                    "granted": text["purpose"] != "marketing" or self.dice.random() < 0.6,
                }
                await self.call(http, "POST", "/shop/v1/consents", choice)

    async def collect(self, http: httpx.AsyncClient, events: list[dict[str, Any]]) -> None:
        """Send behaviour events in one batch."""
        now = clock.now()
        for index, event in enumerate(events):
            at = now - timedelta(milliseconds=300 * (len(events) - index))
            empty: dict[str, Any] = {
                "product_id": None,
                "zone": None,
                "dwell_ms": None,
                "props": {},
            }
            events[index] = {**empty, **event, "at": at.isoformat()}
        body = {
            "batch_key": str(uuid4()),
            "visitor": self.visitor,
            "consent_version": None,
            "events": events,
        }
        await self.call(http, "POST", "/collect/v1", body)

    async def visit(self, http: httpx.AsyncClient, sandbox: SandboxClient) -> str:
        """One visit; returns how far it went: looked, clicked, carted, ordered, paid."""
        if not self.token:
            await self.log_in(http, sandbox)
        home = await self.call(http, "GET", "/shop/v1/home")
        cards = home["hot"] + home["bundles"]
        shown = self.dice.sample(cards, min(len(cards), 6))
        seen: list[dict[str, Any]] = [{"name": "view", "page": "pages/index/index"}]
        seen += [
            {"name": "expose", "page": "pages/index/index", "product_id": c["product_id"]}
            for c in shown
        ]
        if self.dice.random() > 0.55 or not shown:
            await self.collect(http, seen)
            return "looked"
        card = self.dice.choice(shown)
        page = "pkg-goods/detail/index"
        product_id = card["product_id"]
        seen += [
            {"name": "click", "page": "pages/index/index", "product_id": product_id, "zone": "hot"},
            {"name": "view", "page": page, "product_id": product_id},
            {
                "name": "dwell",
                "page": page,
                "product_id": product_id,
                "dwell_ms": self.dice.randint(2_000, 60_000),
            },
        ]
        product = await self.call(http, "GET", f"/shop/v1/products/{product_id}")
        skus = [sku for sku in product["skus"] if sku["available"] > 0]
        if self.dice.random() > 0.4 + min(self.orders, 4) * 0.05 or not skus:
            await self.collect(http, seen)
            return "clicked"
        sku = self.dice.choice(skus)
        seen.append({"name": "cart", "page": page, "product_id": product_id})
        await self.collect(http, seen)
        line = {"sku_id": sku["sku_id"], "quantity": self.dice.choice([1, 1, 1, 2, 3])}
        await self.call(http, "POST", "/shop/v1/cart/lines", line)
        return await self.buy(http, sandbox, line) if self.dice.random() < 0.8 else "carted"

    async def buy(
        self, http: httpx.AsyncClient, sandbox: SandboxClient, line: dict[str, Any]
    ) -> str:
        """Quote, order and pay one line; the purse may say no."""
        asked = {"source": "lines", "lines": [line], "address_id": None}
        quote = await self.call(http, "POST", "/shop/v1/checkout/quote", asked)
        address_id = await self.address(http) if quote["needs_address"] else None
        body = {
            **asked,
            "address_id": address_id,
            "remark": "",
            "expected_total_fen": quote["total_fen"],
            "platform": "mp-weixin",
        }
        order = await self.call(http, "POST", "/shop/v1/orders", body)
        path = f"/shop/v1/orders/{order['order_id']}"
        started = await self.call(http, "POST", f"{path}/pay", {"channel": "jsapi"})
        if started["state"] != "paid":
            arguments = {k: v for k, v in started["jsapi"].items() if k != "appId"}
            outcome: Outcome = "success" if self.dice.random() < 0.88 else "cancel"
            with contextlib.suppress(PhoneError):
                await sandbox.request_payment(
                    self.person_id, self.appid, arguments, outcome=outcome
                )
            if outcome != "success":
                return "ordered"
            await self.call(http, "POST", f"{path}/pay/sync")
        self.orders += 1
        self.order_id = order["order_id"]
        return "paid"

    async def address(self, http: httpx.AsyncClient) -> str:
        """The customer's address, noted at the first order."""
        if self.address_id is None:
            province, city, district = self.dice.choice(PLACES)
            body = {
                "receiver": self.dice.choice(FAMILY) + self.dice.choice(GIVEN),
                "phone": f"138{self.dice.randint(0, 99_999_999):08d}",
                "province": province,
                "city": city,
                "district": district,
                "detail": f"{self.dice.choice('青桂松竹梅兰')}园路 {self.dice.randint(1, 200)} 号",
                "is_default": True,
            }
            made = await self.call(http, "POST", "/shop/v1/addresses", body)
            self.address_id = made["address_id"]
        return self.address_id


async def make_customers(
    sandbox: SandboxClient, appid: str, shop: str, count: int, seed: int = 7
) -> list[Customer]:
    """People of the sandbox made for this shop."""
    dice = random.Random(seed)
    customers = []
    for _ in range(count):
        name = dice.choice(FAMILY) + dice.choice(GIVEN)
        person_id = await sandbox.add_person(name, f"139{dice.randint(0, 99_999_999):08d}")
        customers.append(Customer(person_id, appid, shop, random.Random(dice.random())))
    return customers


async def keep_coming(
    shop_url: str, sandbox_url: str, appid: str, shop: str, burst: int = 60, pause: float = 6.0
) -> None:
    """A first lively half hour in fast motion, then a visit every few seconds, until cancelled."""
    async with (
        httpx.AsyncClient(base_url=shop_url, timeout=20, trust_env=False) as http,
        SandboxClient(sandbox_url) as sandbox,
    ):
        customers = await make_customers(sandbox, appid, shop, 24)
        dice = random.Random(11)
        visits = 0
        while True:
            # Few come often and most come seldom, as in life.
            customer = customers[min(int(dice.expovariate(0.12)), len(customers) - 1)]
            try:
                await customer.visit(http, sandbox)
            except (httpx.HTTPError, PhoneError, Refused) as error:
                log.warning("a simulated visit failed: %r", error)
                customer.token = ""
            visits += 1
            await asyncio.sleep(0.05 if visits < burst else dice.expovariate(1 / pause))
