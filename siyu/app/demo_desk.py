"""The merchant's side of the demo, through the console's own API: opens what the shop offers with
money, lives through a first day, then ships, answers and pays, and always leaves some work over.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx

from siyu.app import (
    demo_coupons,
    demo_events,
    demo_gifts,
    demo_members,
    demo_parcels,
    demo_prices,
    demo_promoters,
    demo_reviews,
    demo_stock,
)
from siyu.app.demo_customers import Customer, Refused, make_customers
from siyu.sandbox.client import SandboxClient
from siyu.sandbox.people import PhoneError

log = logging.getLogger("siyu.demo")

SETTINGS: dict[str, Any] = {
    "/stored-value/licence": {
        "kind": "single_purpose",
        "number": "演示-330106-0001",
        "issuer": "杭州市商务局（演示）",
        "valid_from_on": "2026-01-01",
        "valid_until_on": None,
        "accepted": True,
    },
    "/points/settings": {
        "is_enabled": True,
        "earned_per_yuan": 10,
        "points_per_yuan": 100,
        "cap_bps": 3000,
        "expiry_months": 12,
        "grace_days": 30,
        "negative_allowed": True,
    },
    "/after-sale/settings": {
        "answer_hours": 48,
        "ship_back_days": 7,
        "inspect_days": 5,
        "confirm_days": 10,
        "no_reason_days": 7,
        "quality_days": 15,
        "not_returnable": [],
        "return_address": {
            "receiver": "山房茶咖退货组",
            "phone": "0571-87654321",
            "province": "浙江省",
            "city": "杭州市",
            "district": "西湖区",
            "detail": "龙井路 88 号 1 幢",
        },
    },
    "/payout-settings": {"approve_above_fen": 500},
}
OFFERS = ((10_000, 0), (30_000, 3_000), (50_000, 8_000))
SHARES = (("团长 · 签收后分账", "split", 500), ("推广佣金", "balance", 1000))
LEFT_OVER = 2  # so many of every kind of work stay on the desk
FLOAT_FEN = 500_000


class Desk:
    """Somebody at the console."""

    def __init__(self, http: httpx.AsyncClient, shop: str, cookie: str) -> None:
        self.http = http
        self.shop = shop
        self.cookie = cookie

    @classmethod
    async def sign_in(
        cls, http: httpx.AsyncClient, shop: str, login_name: str, password: str
    ) -> "Desk":
        """A new session with this account."""
        body = {"login_name": login_name, "password": password, "totp": None}
        entered = await http.post("/admin/v1/login", json=body)
        entered.raise_for_status()
        # httpx keeps __Host- cookies from http to itself; the session is passed on by hand.
        cookies = (f"{name}={value}" for name, value in entered.cookies.items())
        return cls(http, shop, "; ".join(cookies))

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        """One request of the console; raises Refused."""
        headers = {
            "X-Siyu-Shop": self.shop,
            "Cookie": self.cookie,
            "Idempotency-Key": str(uuid4()),
        }
        answer = await self.http.request(method, f"/admin/v1{path}", json=body, headers=headers)
        if answer.is_error:
            raise Refused(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return answer.json() if answer.content else None

    async def open_money(self) -> None:
        """Licence and offers, points, terms of after-sale, payouts; once."""
        if (await self.ask("GET", "/stored-value/offers"))["items"]:
            return
        for path, wanted in SETTINGS.items():
            await self.ask("PUT", path, wanted)
        for amount_fen, bonus_fen in OFFERS:
            offer = {"amount_fen": amount_fen, "bonus_fen": bonus_fen, "override_reason": None}
            await self.ask("POST", "/stored-value/offers", offer)
        await demo_coupons.issue(self.ask)

    async def share_with(self, member_ids: list[str]) -> None:
        """A group leader who gets a part of each order, a promoter whose commission is saved up."""
        for member_id, (title, way, share_bps) in zip(member_ids, SHARES, strict=True):
            receiver = {"kind": "person", "member_id": member_id, "relation": "PARTNER"}
            made = await self.ask("POST", "/split-receivers", receiver)
            rule = {
                "title": title,
                "scope": "leader",
                "share_bps": share_bps,
                "way": way,
                "trigger": "receipt",
                "receiver_id": made["receiver_id"],
            }
            await self.ask("POST", "/split-rules", rule)
        await self.ask("PUT", f"/promoters/{member_ids[-1]}", {"parent_id": None})

    async def ship(self, order_id: str) -> None:
        """Send all that is left of an order; a service is done when it is done."""
        path = f"/orders/{order_id}"
        if (await self.ask("GET", path))["delivery"] == "serve":
            await self.ask("POST", f"{path}/complete")
            return
        for _ in range(480):  # what is to be sent is known a moment after the payment
            sent = await self.ask("GET", f"{path}/parcels")
            own = [one for one in sent["consignments"] if not one["is_gift"]]
            if own:
                break
            await asyncio.sleep(0.25)
        parcel = {
            "carrier": "顺丰速运",
            "tracking_no": f"SF{uuid4().int % 10**12:012d}",
            "consignments": [
                {"consignment_id": one["consignment_id"]}
                for one in own
                if (one["kind"], one["state"]) == ("ship", "open")
            ],
        }
        if parcel["consignments"]:
            await self.ask("POST", "/parcels", parcel)

    async def answer(self, case_id: str, dice: random.Random) -> None:
        """The next step of a case that waits for the shop."""
        actions = (await self.ask("GET", f"/after-sale/{case_id}"))["actions"]
        for action, (route, body) in _ANSWERS.items():
            if action in actions and (action != "reject" or dice.random() < 0.15):
                await self.ask("POST", f"/after-sale/{case_id}/{route}", body)
                return

    async def work(self, dice: random.Random) -> None:
        """One round over the lists."""
        for order in (await self.ask("GET", "/orders?status=paid&limit=30"))["items"][LEFT_OVER:]:
            if order["delivery"] in ("ship", "serve"):
                await self.ship(order["order_id"])
        for state in ("requested", "returning", "received"):
            rows = (await self.ask("GET", f"/after-sale?state={state}&limit=30"))["items"]
            for row in rows[LEFT_OVER:]:
                await self.answer(row["case_id"], dice)
        await demo_reviews.look_over(self)
        await demo_parcels.move_parcels(self, dice)
        for payout in (await self.ask("GET", "/payouts?status=requested"))["items"][LEFT_OVER:]:
            await self.ask("POST", f"/payouts/{payout['payout_id']}/approve")


_ANSWERS: dict[str, tuple[str, Any]] = {
    "reject": ("reject", {"text": "商品已拆封饮用，不符合退货条件，抱歉。"}),
    "approve": ("approve", {"text": "同意，麻烦保持包装完整。"}),
    "pass": ("receive", {"restock": "sellable", "text": ""}),
    "ship_exchange": ("ship-exchange", {"carrier": "顺丰速运", "tracking_no": "SF600100200300"}),
    "refund": ("refund", {}),
}


# --- the first day ------------------------------------------------------------------------------


async def first_day(
    desk: Desk, sandbox: SandboxClient, appid: str, mchid: str, cast: int = 7
) -> None:
    """Seven customers, a group leader and a promoter: receipts, cases in every state, wallets,
    commissions and a payout that waits. What goes wrong is told, and the rest of the day goes on.
    """
    http = desk.http
    await sandbox.deposit(mchid, FLOAT_FEN)
    partners = [
        Customer(
            await sandbox.add_person(name, phone, listed=True), appid, desk.shop, random.Random(5)
        )
        for name, phone in (("沈团长", "13700000001"), ("顾推广", "13700000002"))
    ]
    for partner in partners:
        await partner.log_in(http, sandbox)
    second = Customer(
        await sandbox.add_person("顾小号", "13700000003"), appid, desk.shop, random.Random(6)
    )
    await desk.share_with([partner.member_id for partner in partners])
    buyers = await make_customers(sandbox, appid, desk.shop, cast, seed=23)
    for number, buyer in enumerate(buyers):
        await buyer.log_in(http, sandbox)
        if number % 3 == 0:
            await buyer.top_up(http, sandbox)
        await buy_goods(buyer, http, sandbox)
    first, *others = buyers
    case_id = await first.want_back(http, first.order_id, "refund_only", "not_wanted")
    await desk.ask("POST", f"/after-sale/{case_id}/approve", {"text": "已为你退款。"})
    for buyer in others:
        await desk.ship(buyer.order_id)
        path = f"/shop/v1/orders/{buyer.order_id}/confirm-receipt"
        await buyer.call(http, "POST", path)
    steps: tuple[Callable[[], Awaitable[object]], ...] = (
        lambda: demo_reviews.first_words(desk, others),
        lambda: demo_reviews.take_in(desk),
        lambda: _ask_back(desk, others),
        lambda: demo_gifts.give_some(http, sandbox, buyers),
        lambda: demo_parcels.first_parcels(desk, others, http, sandbox),
        lambda: demo_stock.open_warehouse(desk),
        lambda: demo_events.book_tastings(desk),
        lambda: demo_stock.sell_hot(desk, others, http, sandbox),
        lambda: demo_promoters.buy_by_link(desk, partners[-1], others[0], second, sandbox),
        lambda: _spend_points(desk, others[-2:], sandbox),
        lambda: demo_prices.count_costs(desk.ask),
        lambda: demo_members.show_people(desk.ask),
        lambda: _be_paid(partners[-1], http, sandbox),
    )
    for step in steps:
        try:
            await step()
        except (httpx.HTTPError, PhoneError, Refused) as error:
            log.warning("a part of the demo's first day is missing: %r", error)


async def _spend_points(desk: Desk, buyers: list[Customer], sandbox: SandboxClient) -> None:
    """Those whose points have come use them."""
    for buyer in buyers:
        await buy_goods(buyer, desk.http, sandbox)
        await desk.ship(buyer.order_id)


async def buy_goods(buyer: Customer, http: httpx.AsyncClient, sandbox: SandboxClient) -> None:
    """Something that is sent, paid for certain."""
    cards = (await buyer.call(http, "GET", "/shop/v1/products?limit=50"))["items"]
    card = buyer.dice.choice([c for c in cards if c["kind"] == "physical" and c["in_stock"]])
    product = await buyer.call(http, "GET", f"/shop/v1/products/{card['product_id']}")
    sku = next(one for one in product["skus"] if one["available"] > 0)
    line = {"sku_id": sku["sku_id"], "quantity": buyer.dice.choice([1, 2])}
    while await buyer.buy(http, sandbox, line) != "paid":
        pass
    path = f"/shop/v1/orders/{buyer.order_id}"
    for _ in range(480):  # the order learns of its payment a moment later
        if (await buyer.call(http, "GET", path))["status"] != "pending_payment":
            return
        await asyncio.sleep(0.25)


_WAY = (
    ("approve", {"text": "同意，请寄回。"}),
    ("ship-back", None),
    ("receive", {"restock": "damaged", "text": ""}),
    ("ship-exchange", _ANSWERS["ship_exchange"][1]),
)


async def _ask_back(desk: Desk, buyers: list[Customer]) -> None:
    """Cases that stand everywhere on their way: asked, approved, sent back, exchanged, refused."""
    wishes = (
        ("return_refund", "quality", 0),
        ("refund_only", "damaged", 0),
        ("return_refund", "not_wanted", 1),
        ("return_refund", "wrong_goods", 2),
        ("exchange", "damaged", 4),
    )
    for buyer, (kind, reason, steps) in zip(buyers, wishes, strict=False):
        case_id = await buyer.want_back(desk.http, buyer.order_id, kind, reason)
        for route, body in _WAY[:steps] if case_id else ():
            if route == "ship-back":
                await buyer.ship_back(desk.http, str(case_id))
            else:
                await desk.ask("POST", f"/after-sale/{case_id}/{route}", body)
    last = buyers[-1]
    if case_id := await last.want_back(desk.http, last.order_id, "return_refund", "not_wanted"):
        await desk.ask("POST", f"/after-sale/{case_id}/reject", _ANSWERS["reject"][1])


async def _be_paid(
    promoter: Customer, http: httpx.AsyncClient, sandbox: SandboxClient, patience: int = 90
) -> None:
    """A small payout taken at once, a larger one that waits for the shop, and an agreement to
    receive the next ones without confirming them."""
    offer: dict[str, Any] = {}
    for _ in range(patience):  # WeChat splits a payment a minute after it at the earliest
        offer = await promoter.call(http, "GET", "/shop/v1/payouts/offer")
        if offer["most_fen"] > 2_500:
            break
        await asyncio.sleep(2)
    if offer["most_fen"] < 2 * offer["min_fen"]:
        return
    made = await promoter.call(
        http, "POST", "/shop/v1/payouts", {"amount_fen": offer["min_fen"], "name": None}
    )
    path = f"/shop/v1/payouts/{made['payout_id']}"
    if made["state"] == "waiting":
        sheet = await promoter.call(http, "GET", f"{path}/confirmation")
        await sandbox.confirm_transfer(promoter.person_id, sheet["package"])
    for _ in range(10):
        if (await promoter.call(http, "POST", f"{path}/sync"))["state"] == "paid":
            break
        await asyncio.sleep(0.5)
    most = (await promoter.call(http, "GET", "/shop/v1/payouts/offer"))["most_fen"]
    if most > SETTINGS["/payout-settings"]["approve_above_fen"]:
        await promoter.call(http, "POST", "/shop/v1/payouts", {"amount_fen": most, "name": None})
    path = "/shop/v1/payouts/agreement"
    if sheet := (await promoter.call(http, "POST", path))["agreement"]["confirmation"]:
        await sandbox.confirm_transfer(promoter.person_id, sheet["package"])
    await promoter.call(http, "POST", f"{path}/sync")


async def keep_working(
    shop_url: str,
    sandbox_url: str,
    shop: str,
    account: tuple[str, str],
    told: Path,
    pause: float = 15.0,
) -> None:
    """The first day, once (`told` remembers), then a round over the desk every few seconds."""
    dice = random.Random(17)
    async with (
        httpx.AsyncClient(base_url=shop_url, timeout=30, trust_env=False) as http,
        SandboxClient(sandbox_url) as sandbox,
    ):
        desk = await Desk.sign_in(http, shop, *account)
        await desk.open_money()
        await demo_gifts.mark_goods(desk.ask)
        if not told.exists():
            given = await sandbox.credentials()
            told.touch()
            for opening in (
                demo_coupons.say_sorry(desk.ask),
                first_day(desk, sandbox, given["appid"], given["mchid"]),
            ):
                try:
                    await opening
                except (httpx.HTTPError, PhoneError, Refused) as error:
                    log.warning("the demo's first day ended early: %r", error)
        while True:
            await asyncio.sleep(dice.expovariate(1 / pause))
            try:
                await desk.work(dice)
            except (httpx.HTTPError, Refused) as error:
                log.warning("the demo's desk failed: %r", error)
