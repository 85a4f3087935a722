"""The stock keeper's routes, through HTTP."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx
import pytest
from litestar import Router

from siyu.commerce.inventory import http_admin, service
from siyu.kernel.audit import System
from siyu.kernel.auth import ShopIdentity, StaffIdentity
from siyu.kernel.db import transaction
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId, new_id


class Hooks:
    def __init__(self, shop: ShopId) -> None:
        permissions = frozenset({"stock.read", "stock.write"})
        self.staff = StaffIdentity(new_id(), new_id(), shop, "店长", permissions)

    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        return None

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        return self.staff


@pytest.fixture
async def desk(shop: ShopId) -> AsyncIterator[httpx.AsyncClient]:
    app = build_app([Router("", route_handlers=http_admin.routes)], Hooks(shop))
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="https://test") as http:
        http.cookies.set("__Host-siyu", "staff")
        yield http


@pytest.fixture
async def sku(shop: ShopId) -> UUID:
    made = new_id()
    async with transaction(shop) as tx:
        await service.set_up(tx, {made: 1})
        await service.receive(tx, {made: 10}, System(), "到货")
    return made


async def ask(desk: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    answer = await desk.request(method, path, json=body)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else None


async def test_a_day_of_a_stock_keeper(desk: httpx.AsyncClient, sku: UUID) -> None:
    made = await ask(desk, "POST", "/warehouses", {"name": "分仓", "priority": 2})
    (main, other) = (await ask(desk, "GET", "/warehouses"))["items"]
    assert (main["is_default"], other) == (True, made)
    moved = {
        "from_id": main["warehouse_id"],
        "to_id": other["warehouse_id"],
        "quantity": 4,
        "expected_version": 0,
        "reason": "备货",
    }
    assert (await ask(desk, "POST", f"/stock/{sku}/transfer", moved))["version"] == 1
    adjust = {"delta": -1, "expected_version": 1, "reason": "破损"}
    assert (await ask(desk, "POST", f"/stock/{sku}/adjust", adjust))["on_hand"] == 9
    decided = {"safety": 2, "lane": "on", "limit_per_buyer": 3, "expected_version": 2}
    assert (await ask(desk, "PUT", f"/stock/{sku}", decided))["version"] == 3
    seen = await ask(desk, "GET", f"/stock/{sku}")
    assert (seen["available"], seen["lane"], seen["is_hot"]) == (7, "on", False)
    assert [(one["on_hand"], one["reserved"]) for one in seen["places"]] == [(5, 0), (4, 0)]
    first = await ask(desk, "GET", f"/stock/{sku}/movements?limit=2")
    assert [one["kind"] for one in first["items"]] == ["adjusted", "transferred"]
    rest = await ask(desk, "GET", f"/stock/{sku}/movements?cursor={first['next_cursor']}")
    assert [one["kind"] for one in rest["items"]] == ["transferred", "received"]
    closed = {"name": "分仓", "priority": 1, "is_default": False, "is_open": False}
    path = f"/warehouses/{other['warehouse_id']}"
    assert (await ask(desk, "PUT", path, closed))["items"][1]["is_open"] is False
    assert (await ask(desk, "GET", f"/stock/{sku}"))["available"] == 3
    assert (await desk.delete(path)).status_code == 409
    empty = await ask(desk, "POST", "/warehouses", {"name": "空仓", "priority": 9})
    await ask(desk, "DELETE", f"/warehouses/{empty['warehouse_id']}")


async def test_hot_lanes_are_shown(desk: httpx.AsyncClient, sku: UUID, shop: ShopId) -> None:
    decided = {"safety": 0, "lane": "on", "limit_per_buyer": None, "expected_version": 0}
    await ask(desk, "PUT", f"/stock/{sku}", decided)
    async with transaction(shop) as tx:
        for _ in range(2):
            await service.reserve(tx, new_id(), {sku: 1})
        supply = await service.load_supply(tx, sku, locked=True)
        for orders, refused in ((7, 2), (3, 0)):
            await service.count_batch(tx, sku, supply.lane, orders=orders, refused=refused)
    (lane,) = (await ask(desk, "GET", "/stock/lanes"))["items"]
    told = ("orders", "refused", "batches", "largest", "queue", "works")
    assert [lane[field] for field in told] == [10, 2, 2, 9, 0, True]
    assert (await ask(desk, "GET", f"/stock/{sku}"))["is_hot"] is True
    service.close_lane(shop, sku)
    async with transaction(shop) as tx:
        await service.count_batch(tx, sku, supply.lane, orders=1, refused=0)
    assert (await ask(desk, "GET", "/stock/lanes"))["items"] == [lane], (
        "a closed lane counts no more"
    )


async def test_unknown_goods_are_not_found(desk: httpx.AsyncClient, sku: UUID) -> None:
    for path in (f"/stock/{new_id()}", f"/stock/{new_id()}/movements"):
        assert (await desk.get(path)).status_code == 404
