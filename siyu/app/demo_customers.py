"""Simulated customers: they come, look, buy and come back, through the real API and sandbox.

After a purchase they top up, confirm receipts, and now and then want something undone.

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

from siyu.app import demo_coupons, demo_reviews
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

_COMPLAINTS = {
    "quality": "泡开有异味，和上次买的不一样。",
    "damaged": "外包装压坏了，罐盖合不上。",
    "wrong_goods": "收到的规格和下单的不一致。",
    "not_as_described": "颜色和图片差别有点大。",
    "not_wanted": "买重复了，想退掉。",
}


HOME, ITEM = "pages/home/home", "commerce/catalog/product"
HOME_ZONES = {
    "home.search": (0.6, 0.06),
    "home.banner": (2.8, 0.10),
    "home.categories": (1.4, 0.14),
    "home.gifts": (0.9, 0.05),
    "home.hot": (5.2, 0.0),
    "home.bundles": (2.6, 0.0),
    "home.activity": (1.2, 0.03),
}
ITEM_ZONES = {
    "product.gallery": (4.5, 0.25),
    "product.price": (3.0, 0.04),
    "product.reviews": (5.5, 0.12),
    "product.detail": (8.0, 0.02),
}
"""Zones of a page from the top down: seconds they are looked at, and how likely a tap is."""


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
        self.member_id = ""
        self.address_id: str | None = None
        self.orders = 0

    async def call(self, http: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
        """One request of the shop's front end."""
        headers = {"X-Siyu-Shop": self.shop, "Idempotency-Key": str(uuid4())}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        files = {"file": ("picture.webp", body)} if isinstance(body, bytes) else None
        answer = await http.request(
            method, path, json=None if files else body, files=files, headers=headers
        )
        if answer.is_error:
            raise Refused(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer.json() if answer.content else None

    async def log_in(self, http: httpx.AsyncClient, sandbox: SandboxClient) -> None:
        """wx.login, then the consents that the shop asks for."""
        code = await sandbox.login_code(self.person_id, self.appid)
        body = {"code": code, "platform": "mp-weixin"}
        entered = await self.call(http, "POST", "/shop/v1/login", body)
        self.token, self.member_id = entered["token"], entered["member"]["member_id"]
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
        if self.dice.random() > 0.75:
            await self.claim_coupon(http)
        cards = home["hot"] + home["bundles"]
        shown = self.dice.sample(cards, min(len(cards), 6))
        seen: list[dict[str, Any]] = [{"name": "view", "page": HOME}]
        seen += [
            {"name": "expose", "page": HOME, "product_id": c["product_id"], "zone": "home.hot"}
            for c in shown
        ]
        seen += self.linger(HOME, HOME_ZONES)
        await self.see_experiments(http)
        if self.dice.random() > 0.55 or not shown:
            await self.collect(http, seen)
            return "looked"
        seen += self.wander()
        card = self.dice.choice(shown)
        product_id = card["product_id"]
        zone = "home.hot" if card in home["hot"] else "home.bundles"
        seen += [
            {"name": "click", "page": HOME, "product_id": product_id, "zone": zone},
            {"name": "view", "page": ITEM, "product_id": product_id},
            *self.linger(ITEM, ITEM_ZONES, product_id),
        ]
        if self.dice.random() < 0.12:
            seen.append({"name": "share", "page": ITEM, "product_id": product_id})
        product = await self.call(http, "GET", f"/shop/v1/products/{product_id}")
        await self.see_experiments(http, product_id)
        skus = [sku for sku in product["skus"] if sku["available"] > 0]
        if self.dice.random() > 0.4 + min(self.orders, 4) * 0.05 or not skus:
            await self.collect(http, seen)
            return "clicked"
        sku = self.dice.choice(skus)
        seen += [
            {"name": "click", "page": ITEM, "product_id": product_id, "zone": "product.buy"},
            {"name": "cart", "page": ITEM, "product_id": product_id},
        ]
        if self.dice.random() < 0.7:
            seen.append({"name": "view", "page": "pages/cart/cart"})
        seen.append({"name": "view", "page": "commerce/ordering/confirm"})
        await self.collect(http, seen)
        line = {"sku_id": sku["sku_id"], "quantity": self.dice.choice([1, 1, 1, 2, 3])}
        await self.call(http, "POST", "/shop/v1/cart/lines", line)
        return await self.buy(http, sandbox, line) if self.dice.random() < 0.8 else "carted"

    async def see_experiments(self, http: httpx.AsyncClient, product_id: str | None = None) -> None:
        """Tell which experiments came on the screen: those of an item, else of the home page."""
        path = f"/shop/v1/experiments?visitor={self.visitor}"
        shown = (await self.call(http, "GET", path))["items"]
        live = [one for one in shown if not one["is_settled"] and one["product_id"] == product_id]
        if live:
            body = {"visitor": self.visitor, "keys": [one["key"] for one in live]}
            await self.call(http, "POST", "/shop/v1/experiments/exposures", body)

    def linger(
        self, page: str, zones: dict[str, tuple[float, float]], product_id: str | None = None
    ) -> list[dict[str, Any]]:
        """The zones of a page that come into view, how long each is looked at, and taps on them."""
        seen: list[dict[str, Any]] = []
        whole_ms = 0
        for zone, (seconds, tapped) in zones.items():
            if self.dice.random() < 0.12:
                break  # does not scroll further
            dwell_ms = max(200, int(self.dice.lognormvariate(0, 0.5) * seconds * 1000))
            whole_ms += dwell_ms
            seen.append({"name": "dwell", "page": page, "zone": zone, "dwell_ms": dwell_ms})
            if self.dice.random() < tapped:
                seen.append({"name": "click", "page": page, "zone": zone})
        seen.append({"name": "dwell", "page": page, "dwell_ms": whole_ms + 500})
        return [{**one, "product_id": product_id} for one in seen]

    def wander(self) -> list[dict[str, Any]]:
        """Pages on the way from the home page to an item."""
        ways: list[list[str]] = [
            [],
            [],
            ["pages/categories/categories"],
            ["pages/categories/categories", "commerce/catalog/list"],
            ["commerce/catalog/list"],
            ["commerce/coupons/centre", HOME],
            ["growth/gifting/hall"],
        ]
        return [{"name": "view", "page": page} for page in self.dice.choice(ways)]

    async def claim_coupon(self, http: httpx.AsyncClient) -> None:
        """Take a coupon of the centre, unless somebody was faster."""

        async def ask(method: str, path: str, body: Any) -> Any:
            return await self.call(http, method, path, body)

        with contextlib.suppress(Refused):
            await demo_coupons.claim(ask, self.dice)

    async def buy(
        self,
        http: httpx.AsyncClient,
        sandbox: SandboxClient,
        line: dict[str, Any],
        place: str | None = None,
        brought_by: str | None = None,
    ) -> str:
        """Quote, order and pay one line, with points and balance if there are; the purse may say
        no. place: where it will be collected; brought_by: whose link it was.
        """
        asked = {
            "source": "lines",
            "lines": [line],
            "address_id": None,
            "use_points": self.dice.random() < 0.6,
            "use_balance": self.dice.random() < 0.7,
            "pickup_store_id": place,
        }
        quote = await self.call(http, "POST", "/shop/v1/checkout/quote", asked)
        address_id = await self.address(http) if quote["needs_address"] else None
        body = {
            **asked,
            "address_id": address_id,
            "remark": "",
            "expected_total_fen": quote["total_fen"],
            "expected_payable_fen": quote["payable_fen"],
            "coupon_ids": list(quote["coupons"]["chosen"]),
            "platform": "mp-weixin",
            "promoter_id": brought_by,
        }
        order = await self.call(http, "POST", "/shop/v1/orders", body)
        if order["status"] == "pending_payment":
            outcome: Outcome = "success" if self.dice.random() < 0.88 else "cancel"
            path = f"/shop/v1/orders/{order['order_id']}"
            if not await self.pay(http, sandbox, path, outcome):
                return "ordered"
        self.orders += 1
        self.order_id = order["order_id"]
        return "paid"

    async def pay(
        self, http: httpx.AsyncClient, sandbox: SandboxClient, path: str, outcome: Outcome
    ) -> bool:
        """WeChat's sheet for an order or a top-up; whether it was paid."""
        started = await self.call(http, "POST", f"{path}/pay", {"channel": "jsapi"})
        if started["state"] != "paid":
            arguments = {k: v for k, v in started["jsapi"].items() if k != "appId"}
            with contextlib.suppress(PhoneError):
                await sandbox.request_payment(
                    self.person_id, self.appid, arguments, outcome=outcome
                )
            if outcome != "success":
                return False
            await self.call(http, "POST", f"{path}/pay/sync")
        return True

    async def top_up(self, http: httpx.AsyncClient, sandbox: SandboxClient) -> None:
        """Take one of the offers, if the shop has any."""
        offers = (await self.call(http, "GET", "/shop/v1/wallet/offers"))["items"]
        if offers:
            body = {"offer_id": self.dice.choice(offers)["offer_id"], "platform": "mp-weixin"}
            made = await self.call(http, "POST", "/shop/v1/wallet/top-ups", body)
            path = f"/shop/v1/wallet/top-ups/{made['top_up_id']}"
            await self.pay(http, sandbox, path, "success")
            # The value is in the wallet a moment after the payment is known.
            for _ in range(40):
                if (await self.call(http, "GET", path))["principal_left_fen"]:
                    break
                await asyncio.sleep(0.25)

    async def look_after(self, http: httpx.AsyncClient, sandbox: SandboxClient) -> None:
        """What comes after a purchase: receipts, cases, a fuller wallet."""
        for order in (await self.call(http, "GET", "/shop/v1/orders?limit=10"))["items"]:
            path = f"/shop/v1/orders/{order['order_id']}"
            if order["status"] == "shipped" and self.dice.random() < 0.6:
                await self.call(http, "POST", f"{path}/confirm-receipt")
            if order["paid_at"] and self.dice.random() < 0.08:
                await self.want_back(http, order["order_id"])
        for case in (await self.call(http, "GET", "/shop/v1/after-sale?limit=10"))["items"]:
            path = f"/shop/v1/after-sale/{case['case_id']}"
            actions = (await self.call(http, "GET", path))["actions"]
            if "ship_back" in actions and self.dice.random() < 0.6:
                await self.ship_back(http, case["case_id"])
            elif "confirm" in actions:
                await self.call(http, "POST", f"{path}/confirm")
        if self.dice.random() < 0.5:
            await demo_reviews.speak(self, http)
        if self.dice.random() < 0.15:
            await self.top_up(http, sandbox)

    async def want_back(
        self, http: httpx.AsyncClient, order_id: str, kind: str = "", reason: str = ""
    ) -> str | None:
        """Ask for one line of an order back, with a picture where the reason needs one.

        Returns the case_id; None when nothing can be asked for. A kind and a reason that are not
        given, or not offered, are left to the dice.
        """
        path = f"/shop/v1/orders/{order_id}"
        offer = await self.call(http, "GET", f"{path}/after-sale")
        lines = [line for line in offer["lines"] if line["quantity"]]
        if not offer["kinds"] or not lines:
            return None
        kind = kind if kind in offer["kinds"] else self.dice.choice(offer["kinds"])
        fitting = [one for one in offer["reasons"] if kind in one["kinds"]]
        why = next((one for one in fitting if one["reason"] == reason), self.dice.choice(fitting))
        order = await self.call(http, "GET", path)
        picture_ids = []
        if why["needs_pictures"]:
            image = next(
                line["image_url"]
                for line in order["lines"]
                if line["line_no"] == lines[0]["line_no"]
            )
            photo = (await http.get(image)).content
            kept = await self.call(http, "POST", "/shop/v1/after-sale/pictures", photo)
            picture_ids = [kept["picture_id"]]
        body = {
            "kind": kind,
            "reason": why["reason"],
            "lines": [{"line_no": lines[0]["line_no"], "quantity": 1}],
            "amount_fen": None,
            "text": _COMPLAINTS.get(why["reason"], ""),
            "picture_ids": picture_ids,
        }
        made = await self.call(http, "POST", f"{path}/after-sale", body)
        return str(made["case_id"])

    async def ship_back(self, http: httpx.AsyncClient, case_id: str) -> None:
        """Hand the parcel in, and tell its number."""
        parcel = {"carrier": "圆通速递", "tracking_no": f"YT{self.dice.randrange(10**12):012d}"}
        await self.call(http, "POST", f"/shop/v1/after-sale/{case_id}/ship-back", parcel)

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
                if customer.orders and visits >= burst and dice.random() < 0.4:
                    await customer.look_after(http, sandbox)
            except (httpx.HTTPError, PhoneError, Refused) as error:
                log.warning("a simulated visit failed: %r", error)
                customer.token = ""
            visits += 1
            await asyncio.sleep(0.05 if visits < burst else dice.expovariate(1 / pause))
