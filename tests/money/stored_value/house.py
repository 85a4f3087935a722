"""A shop over HTTP with wallets and points, its staff, and a customer known to the local WeChat."""

import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import httpx
import pytest

from siyu.kernel import clock
from siyu.kernel.db import reading
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId
from siyu.kernel.relay import Relay
from siyu.merchant.shops import service as shops
from siyu.merchant.staff import service as staff
from siyu.merchant.staff.contracts import Role
from siyu.money.ledger import invariants as ledger_truths
from siyu.money.payments import background as payments
from siyu.money.payments.contracts import PaymentSucceeded, RefundClosed, RefundSucceeded
from siyu.money.points import http_admin as points_admin
from siyu.money.points import http_shop as points_shop
from siyu.money.points import invariants as points_truths
from siyu.money.stored_value import background, http_admin, http_shop, invariants
from tests.merchant.lanes import ADMIN_LANES, SHOP_LANES, Lanes, lane

EVENTS = {
    PaymentSucceeded: [background.on_payment_succeeded],
    RefundSucceeded: [background.on_refund_succeeded],
    RefundClosed: [background.on_refund_closed],
}
LICENCE = {
    "kind": "single_purpose",
    "number": "350500AAC0001",
    "issuer": "泉州市商务局",
    "valid_from_on": "2020-01-01",
    "valid_until_on": None,
    "accepted": True,
}
SETTINGS = {
    "card_kind": "named",
    "limit_fen": 500_000,
    "spend_order": "proportional",
    "bonus_limit_bps": 3000,
    "bonus_months": 12,
    "grace_days": 30,
    "adjust_limit_fen": 20_000,
}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["error"]["code"])


@dataclass
class House:
    """One shop: `lanes` opens browsers; what is asked here must succeed."""

    lanes: Lanes

    @property
    def shop_id(self) -> ShopId:
        return self.lanes.shop_id

    async def ask(self, who: Any, method: str, path: str, body: Any = None, key: str = "") -> Any:
        answer = await self.send(who, method, path, body, key)
        assert answer.status_code in (200, 204), answer.text
        return answer.json() if answer.content else None

    async def send(
        self, who: Any, method: str, path: str, body: Any = None, key: str = ""
    ) -> httpx.Response:
        headers = {"Idempotency-Key": key or secrets.token_hex(8)}
        found: httpx.Response = await who.request(method, path, json=body, headers=headers)
        return found

    async def open(self, boss: Any, **settings: Any) -> str:
        """Licence, rules and an offer of 1,000 yuan + 300; the offer's id."""
        await self.ask(boss, "PUT", "/admin/v1/stored-value/licence", LICENCE)
        await self.ask(boss, "PUT", "/admin/v1/stored-value/settings", SETTINGS | settings)
        offer = {"amount_fen": 100_000, "bonus_fen": 30_000, "override_reason": None}
        made = await self.ask(boss, "POST", "/admin/v1/stored-value/offers", offer)
        return str(made["offer_id"])

    async def work(self) -> None:
        """What the worker would do in the next minute: reactions, and WeChat asked for refunds."""
        await Relay(EVENTS).drain()
        for _ in range(3):
            await payments.pursue_due_refunds()
            clock.advance(timedelta(minutes=1))
            await Relay(EVENTS).drain()

    async def top_up(self, phone: Any, offer_id: str) -> dict[str, Any]:
        """A paid top-up."""
        body = {"offer_id": offer_id, "platform": "mp-weixin"}
        placed = await self.ask(phone, "POST", "/shop/v1/wallet/top-ups", body)
        path = f"/shop/v1/wallet/top-ups/{placed['top_up_id']}"
        started = await self.ask(phone, "POST", f"{path}/pay", {"channel": "jsapi"})
        ticket = started["jsapi"]["package"].removeprefix("prepay_id=")
        await self.lanes.wechat.person.pay("p1", ticket)
        await self.ask(phone, "POST", f"{path}/pay/sync")
        await self.work()
        return dict(await self.ask(phone, "GET", path))

    async def member_id(self, phone: Any) -> UUID:
        return UUID((await self.ask(phone, "GET", "/shop/v1/me"))["member_id"])

    async def broken(self) -> list[str]:
        truths = {
            **invariants.INVARIANTS,
            **points_truths.INVARIANTS,
            **ledger_truths.INVARIANTS,
        }
        async with reading(self.shop_id) as tx:
            return [name for name, sql in truths.items() if await tx.connection.fetch(sql)]


class _Hooks:
    resolve_shop = staticmethod(shops.resolve_shop)
    load_staff = staticmethod(staff.load_staff)


@pytest.fixture
async def house(quiet: None, lanes: Lanes) -> AsyncIterator[House]:
    """The lanes of wallets and points beside those of merchant and people."""
    lanes.app = build_app(
        [
            lane("/shop/v1", [*SHOP_LANES, http_shop, points_shop]),
            lane("/admin/v1", [*ADMIN_LANES, http_admin, points_admin]),
        ],
        _Hooks(),
    )
    made = House(lanes)
    yield made
    assert await made.broken() == []


@pytest.fixture
async def boss(house: House) -> Any:
    """The owner at the console."""
    return await house.lanes.desk(Role.OWNER)


@pytest.fixture
async def phone(house: House) -> Any:
    """A customer's phone."""
    return await house.lanes.phone("p1")
