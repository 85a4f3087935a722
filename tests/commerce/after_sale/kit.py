"""A shop that has sold something, and both sides of its after-sale desk through HTTP."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import httpx
from litestar import Litestar, Router

from siyu.app.event_map import EVENT_MAP
from siyu.commerce.after_sale import background, http_admin, http_shop, invariants
from siyu.commerce.ordering import http_admin as ordering_admin
from siyu.commerce.ordering import http_shop as ordering_shop
from siyu.commerce.ordering import service as ordering
from siyu.kernel import clock
from siyu.kernel.auth import ShopIdentity, StaffIdentity, member_token
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId
from siyu.kernel.relay import Relay
from siyu.money.payments import background as payments_background
from tests.commerce.catalog.pictures import png
from tests.commerce.ordering.kit import Shopper, broken_invariants, make_buyers, ship
from tests.money.payments.bench import Market

DESK = frozenset({"after_sale.read", "after_sale.write", "orders.read", "orders.write"})
RETURN_TO = {
    "receiver": "退货组",
    "phone": "0595-23268888",
    "province": "福建省",
    "city": "泉州市",
    "district": "安溪县",
    "detail": "参洋工业区 6 号仓库",
}
TERMS = {
    "answer_hours": 48,
    "ship_back_days": 7,
    "inspect_days": 5,
    "confirm_days": 10,
    "no_reason_days": 7,
    "quality_days": 15,
    "not_returnable": [],
    "return_address": RETURN_TO,
}
PARCEL = {"carrier": "顺丰", "tracking_no": "SF1234567890"}


class _Hooks:
    def __init__(self, shop_id: ShopId, permissions: frozenset[str]) -> None:
        self.shop_id = shop_id
        self.permissions = permissions

    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        return ShopIdentity(self.shop_id, code, "测试店", "CNY", "Asia/Shanghai")

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        who = uuid5(NAMESPACE_OID, token)  # the same person at each request
        return StaffIdentity(who, who, self.shop_id, token, self.permissions)


def app(shop: ShopId, permissions: frozenset[str] = DESK) -> Litestar:
    """The lanes of ordering and after-sale; the cookie is the name of the staff."""
    return build_app(
        [
            Router("/shop/v1", route_handlers=[*ordering_shop.routes, *http_shop.routes]),
            Router("/admin/v1", route_handlers=[*ordering_admin.routes, *http_admin.routes]),
        ],
        _Hooks(shop, permissions),
    )


class Sale:
    """A customer, the staff, and WeChat between them."""

    def __init__(self, market: Market, anna: Shopper, http: httpx.AsyncClient) -> None:
        self.market = market
        self.shop = market.shop_id
        self.anna = anna
        self.http = http

    # --- the customer

    async def buy(self, lines: dict[UUID, int], total_fen: int, **more: Any) -> dict[str, Any]:
        """Order and pay at WeChat."""
        order = await self.anna.order(lines, total_fen, **more)
        path = f"/orders/{order['order_id']}"
        if total_fen:
            started = await self.anna.send("POST", f"{path}/pay", {"channel": "jsapi"})
            assert started.status_code == 200, started.text
            ticket = started.json()["jsapi"]["package"].removeprefix("prepay_id=")
            await self.market.pay(ticket)
            await self.anna.send("POST", f"{path}/pay/sync")
        await self.news()
        paid = (await self.anna.send("GET", path)).json()
        assert paid["status"] == "paid", paid
        return dict(paid)

    async def ask(
        self,
        order: dict[str, Any],
        kind: str = "refund_only",
        reason: str = "not_wanted",
        lines: dict[int, int] | None = None,
        **more: Any,
    ) -> httpx.Response:
        """Ask for something about an order; all of it when no lines are named."""
        wanted = lines or {line["line_no"]: line["quantity"] for line in order["lines"]}
        asked = [{"line_no": no, "quantity": count} for no, count in wanted.items()]
        body = {"kind": kind, "reason": reason, "lines": asked} | more
        return await self.anna.send("POST", f"/orders/{order['order_id']}/after-sale", body)

    async def open(self, *args: Any, **more: Any) -> dict[str, Any]:
        """Ask for something that must be accepted."""
        return ok(await self.ask(*args, **more))

    async def do(self, case: dict[str, Any], what: str, body: Any = None) -> httpx.Response:
        """The customer acts."""
        return await self.anna.send("POST", f"/after-sale/{case['case_id']}/{what}", body)

    async def see(self, case: dict[str, Any]) -> dict[str, Any]:
        """The case as its customer sees it."""
        return ok(await self.anna.send("GET", f"/after-sale/{case['case_id']}"))

    async def picture(self, raw: bytes | None = None) -> httpx.Response:
        """Upload evidence."""
        return await self.http.post(
            "/shop/v1/after-sale/pictures",
            files={"file": ("../../x.png", png(40, 30) if raw is None else raw)},
            headers={"Authorization": f"Bearer {member_token(self.anna.member)}"},
        )

    async def evidence(self) -> str:
        """The id of an uploaded picture."""
        answer = await self.picture()
        assert answer.status_code == 201, answer.text
        return str(answer.json()["picture_id"])

    # --- the shop

    async def desk(self, path: str = "", **query: Any) -> dict[str, Any]:
        return ok(await self.http.get(f"/admin/v1/after-sale{path}", params=query))

    async def act(self, case: dict[str, Any], what: str, body: Any = None) -> httpx.Response:
        """Staff act."""
        path = f"/admin/v1/after-sale/{case['case_id']}/{what}"
        return await self.http.post(path, json={} if body is None else body)

    async def refund(
        self, order_id: Any, body: dict[str, Any], key: str | None = None
    ) -> httpx.Response:
        """Staff give back without being asked."""
        path = f"/admin/v1/orders/{order_id}/after-sale"
        headers = {"Idempotency-Key": key or uuid4().hex}
        return await self.http.post(path, json=body, headers=headers)

    async def terms(self, **change: Any) -> httpx.Response:
        return await self.http.put("/admin/v1/after-sale/settings", json=TERMS | change)

    async def ship(self, order: dict[str, Any]) -> None:
        await ship(self.shop, order)

    async def receive(self, order: dict[str, Any]) -> None:
        """The customer confirms the receipt of the order."""
        async with transaction(self.shop) as tx:
            await ordering.confirm_receipt(tx, UUID(order["order_id"]), self.anna.member)
        await self.news()

    # --- the world

    async def news(self) -> None:
        """Everybody hears what has happened."""
        await Relay(EVENT_MAP).drain()

    async def money(self) -> None:
        """WeChat is asked for refunds until it has no more to do."""
        for _ in range(4):
            await payments_background.pursue_due_refunds()
            await self.news()
            clock.advance(timedelta(minutes=2))

    async def later(self, **delta: float) -> None:
        """Time passes, and the worker looks at what is due."""
        clock.advance(timedelta(**delta))
        await background.meet_deadlines()
        await self.news()

    async def order(self, order: dict[str, Any]) -> dict[str, Any]:
        return ok(await self.anna.send("GET", f"/orders/{order['order_id']}"))

    async def value(self, sql: str, *args: Any) -> Any:
        async with reading(self.shop) as tx:
            return await tx.value(sql, *args)

    async def stock(self, sku_id: UUID) -> tuple[int, int]:
        """(on hand, reserved)."""
        async with reading(self.shop) as tx:
            row = await tx.connection.fetchrow(
                "select on_hand, reserved from inventory.stock where sku_id = $1", sku_id
            )
        return row["on_hand"], row["reserved"]

    async def told(self, name: str) -> list[dict[str, Any]]:
        """Payloads of the events of after-sale of a name, oldest first."""
        return await self.market.events(f"after_sale.{name}")

    async def broken(self) -> list[str]:
        """The truths that do not hold."""
        async with reading(self.shop) as tx:
            ours = [
                name
                for name, sql in invariants.INVARIANTS.items()
                if await tx.connection.fetch(sql)
            ]
        return ours + await broken_invariants(self.shop)


def ok(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["error"]["code"])


def events(case: dict[str, Any]) -> list[str]:
    return [entry["event"] for entry in case["timeline"]]


@contextlib.asynccontextmanager
async def selling(market: Market, permissions: frozenset[str] = DESK) -> AsyncIterator[Sale]:
    """A customer known to WeChat, and staff with the shop's terms written."""
    account = (market.keys["appid"], market.openid)
    [(member, address_id)] = await make_buyers(market.shop_id, 1, account=account)
    transport = httpx.ASGITransport(app=app(market.shop_id, permissions))
    async with httpx.AsyncClient(
        transport=transport, base_url="https://test", headers={"X-Siyu-Shop": "test"}
    ) as http:
        http.cookies.set("__Host-siyu", "boss")
        sale = Sale(market, Shopper(http, member, address_id), http)
        if permissions >= DESK:
            ok(await sale.terms())
        yield sale


async def other_customer(sale: Sale) -> Shopper:
    """Somebody else of the same shop."""
    [(member, address_id)] = await make_buyers(sale.shop, 1)
    return Shopper(sale.http, member, address_id)
