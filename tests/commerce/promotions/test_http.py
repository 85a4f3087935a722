"""The lanes of prices: what the console writes, and what a product page reads."""

import uuid
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from litestar import Router

from siyu.commerce.catalog import queries as catalog_queries
from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ImageSize, ProductDraft, SkuDraft
from siyu.commerce.promotions import http_admin, http_shop, service
from siyu.commerce.promotions.contracts import CostReport
from siyu.kernel import clock
from siyu.kernel.audit import System
from siyu.kernel.auth import ShopIdentity, StaffIdentity
from siyu.kernel.db import transaction
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId, new_id

KEY = "0123456789abcdef" * 2
PLAN = {"charge_by": "flat", "otherwise": {"first_fen": 800, "free_from_fen": 9_900}}


class Hooks:
    """Shop `test` is `shop_id`; the token lists the permissions."""

    def __init__(self, shop_id: ShopId) -> None:
        self.shop_id = shop_id

    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        return ShopIdentity(self.shop_id, "test", "测试店", "CNY", "Asia/Shanghai")

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        rights = frozenset(token.split("+"))
        return StaffIdentity(uuid.uuid4(), uuid.uuid4(), self.shop_id, "店长", rights)


def client_of(shop_id: ShopId, rights: str = "prices.read+prices.write") -> httpx.AsyncClient:
    app = build_app(
        [
            Router("/shop/v1", route_handlers=http_shop.routes),
            Router("/admin/v1", route_handlers=http_admin.routes),
        ],
        Hooks(shop_id),
    )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="https://siyu.test",
        headers={"X-Siyu-Shop": "test"},
        cookies={"__Host-siyu": rights},
    )


class Console:
    """A client that says what it expects."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self.http = http

    async def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        status: int = 200,
        lane: str = "/admin/v1",
    ) -> Any:
        answer = await self.http.request(method, lane + path, json=body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@pytest.fixture
async def console(shop: ShopId) -> AsyncIterator[Console]:
    async with client_of(shop) as http:
        yield Console(http)


@pytest.fixture
async def sku(shop: ShopId) -> dict[str, str]:
    """A SKU of 100 yuan on the shelf."""
    async with transaction(shop) as tx:
        await catalog_queries.insert_image(tx, ImageSize(KEY, 8, 8), clock.now())
        draft = ProductDraft(
            title="云雾",
            image_urls=[f"/media/{KEY}-1200.webp"],
            skus=[SkuDraft(price_fen=10_000, member_price_fen=9_000)],
        )
        product_id = await catalog.create_product(tx, System(), draft)
        await catalog.set_shelf(tx, System(), product_id, True)
        [made] = await catalog.find_for_sale(tx, [product_id])
    return {"sku_id": str(made.sku_id), "product_id": str(product_id)}


def campaign(**more: Any) -> dict[str, Any]:
    usual = {
        "title": "满减",
        "starts_at": (clock.now() - timedelta(hours=1)).isoformat(),
        "stacking": "adds",
        "terms": {"type": "threshold", "tiers": [{"at": 10_000, "off_fen": 1_500}]},
    }
    return usual | more


async def test_a_campaign_from_draft_to_end(console: Console, shop: ShopId) -> None:
    made = await console("POST", "/campaigns", campaign(), status=201)
    path = f"/campaigns/{made['campaign_id']}"
    assert (made["phase"], made["version"], made["takes_coupons"]) == ("draft", 1, True)
    changed = await console("PUT", path, campaign(title="大满减", version=1))
    assert (changed["title"], changed["version"]) == ("大满减", 2)
    stale = await console("PUT", path, campaign(version=1), status=409)
    assert stale["error"] == {
        "code": "promotions.changed",
        "message": "内容已被他人修改,请刷新后重试",
        "details": {"version": 2},
    }
    refused = await console("POST", f"{path}/start", {"version": 2}, status=409)
    assert refused["error"]["code"] == "promotions.not_simulated"
    async with transaction(shop) as tx:
        report = CostReport(1, 100, 90, 80, 0, 0, 1, 0, 0, [])
        await service.note_simulation(tx, System(), uuid.UUID(made["campaign_id"]), 2, report)
    started = await console("POST", f"{path}/start", {"version": 2})
    assert (started["phase"], started["simulation"]["after_fen"]) == ("running", 80)
    assert (await console("POST", f"{path}/pause"))["phase"] == "paused"
    assert (await console("POST", f"{path}/start", {"version": 2}))["phase"] == "running"
    assert (await console("POST", f"{path}/end"))["phase"] == "over"
    assert (await console("GET", path))["state"] == "ended"
    await console("DELETE", f"{path}?version=2", status=409)


async def test_drafts_are_deleted_by_version(console: Console) -> None:
    made = await console("POST", "/campaigns", campaign(), status=201)
    await console("DELETE", f"/campaigns/{made['campaign_id']}?version=2", status=409)
    await console("DELETE", f"/campaigns/{made['campaign_id']}?version=1", status=204)
    await console("GET", f"/campaigns/{made['campaign_id']}", status=404)


async def test_lists_are_paged_and_filtered(console: Console) -> None:
    made = [
        (await console("POST", "/campaigns", campaign(title=f"{i}"), status=201))["campaign_id"]
        for i in range(3)
    ]
    first = await console("GET", "/campaigns?limit=2")
    assert [row["campaign_id"] for row in first["items"]] == made[:0:-1]
    rest = await console("GET", f"/campaigns?limit=2&cursor={first['next_cursor']}")
    assert [row["campaign_id"] for row in rest["items"]] == made[:1]
    assert rest["next_cursor"] is None
    body = {"version": 1, "waiver": "试"}
    await console("POST", f"/campaigns/{made[1]}/start", body)
    running = await console("GET", "/campaigns?phase=running")
    assert [(row["campaign_id"], row["waiver"]) for row in running["items"]] == [(made[1], "试")]
    for query in ("limit=0", "limit=101", "phase=x", "cursor=x"):
        await console("GET", f"/campaigns?{query}", status=422)


async def test_F064_what_is_not_in_the_shape_is_refused(console: Console) -> None:
    for body in (
        campaign(price_fen=1),
        campaign(state="running"),
        campaign(starts_at="2026-01-01T00:00:00"),
        campaign(stacking="Best of all"),
        campaign(title=""),
        campaign(priority=True),
        campaign(terms={"type": "nothing"}),
        campaign(terms={"type": "threshold", "tiers": []}),
        campaign(terms={"type": "threshold", "tiers": [{"at": 1, "off_fen": 10**11}]}),
        campaign(terms={"type": "threshold", "tiers": [{"at": 1, "off_fen": -1}]}),
        campaign(terms={"type": "threshold", "tiers": [{"at": 1, "pay_bps": 10_000}]}),
        campaign(terms={"type": "threshold", "tiers": [{"at": 1.5, "off_fen": 1}]}),
        campaign(terms={"type": "timed_price", "cuts": [{"target": "shop", "target_id": KEY}]}),
    ):
        await console("POST", "/campaigns", body, status=422)
    assert (await console("GET", "/campaigns"))["items"] == []


async def test_a_sample_basket_under_a_campaign_in_the_editor(
    console: Console, sku: dict[str, str]
) -> None:
    await console("POST", "/shipping-templates", {"name": "快递", "plan": PLAN}, status=201)
    gifts = [{"sku_id": sku["sku_id"], "quantity": 1}]
    tiers = [{"at": 10_000, "off_fen": 1_500, "gifts": gifts}]
    body = {
        "lines": [{"sku_id": sku["sku_id"], "quantity": 2}],
        "campaign": campaign(terms={"type": "threshold", "tiers": tiers}),
        "is_member": True,
        "region": {"province": "广东省", "city": "深圳市"},
    }
    seen = await console("POST", "/price-previews", body)
    assert (seen["items_fen"], seen["total_fen"], seen["shipping_fen"]) == (20_000, 16_500, 0)
    assert seen["lines"][0]["title"] == "云雾"
    assert [share["off_fen"] for share in seen["lines"][0]["shares"]] == [2_000, 1_500]
    assert [(entry["rule"], entry["amount_fen"]) for entry in seen["trace"]] == [
        ("list_price", 20_000),
        ("member_price", -2_000),
        ("threshold", -1_500),
    ]
    assert [entry["label"] for entry in seen["trace"][:2]] == ["原价", "会员价"]
    assert [(gift["title"], gift["quantity"]) for gift in seen["gifts"]] == [("云雾", 1)]
    console.http.headers["Accept-Language"] = "en"
    seen = await console("POST", "/price-previews", body)
    assert [entry["label"] for entry in seen["trace"][:2]] == ["List price", "Member price"]
    plain = await console("POST", "/price-previews", {"lines": [{"sku_id": sku["sku_id"]}]})
    assert (plain["total_fen"], plain["gifts"], plain["undelivered"]) == (10_000, [], [])
    assert (await console("GET", "/campaigns"))["items"] == []
    made = await console("POST", "/campaigns", body["campaign"], status=201)
    detail = await console("GET", f"/campaigns/{made['campaign_id']}")
    assert detail["names"] == {sku["sku_id"]: "云雾"}
    for lines in ([{"sku_id": sku["sku_id"]}] * 2, [{"sku_id": str(new_id())}]):
        await console("POST", "/price-previews", {"lines": lines}, status=422)


async def test_shipping_templates_and_settings(console: Console, sku: dict[str, str]) -> None:
    body = {"name": "快递", "plan": PLAN}
    [first] = (await console("POST", "/shipping-templates", body, status=201))["items"]
    assert (first["is_default"], first["product_count"], first["version"]) == (True, 0, 1)
    both = (await console("POST", "/shipping-templates", body | {"name": "大件"}, status=201))[
        "items"
    ]
    second = f"/shipping-templates/{both[1]['template_id']}"
    edited = await console("PUT", second, body | {"name": "冷链", "version": 1})
    assert [row["name"] for row in edited["items"]] == ["快递", "冷链"]
    await console("PUT", second, body | {"version": 1}, status=409)

    mine = await console("PUT", f"{second}/products", {"product_ids": [sku["product_id"]]})
    assert [(row["title"], row["price_fen"]) for row in mine["items"]] == [("云雾", 10_000)]
    assert mine["items"][0]["image_url"] == f"/media/{KEY}-200.webp"
    assert await console("GET", f"{second}/products") == mine
    listed = (await console("GET", "/shipping-templates"))["items"]
    assert [row["product_count"] for row in listed] == [0, 1]

    default = {"floor_bps": 6_000, "default_template_id": both[1]["template_id"]}
    assert await console("PUT", "/price-settings", default) == default
    assert await console("GET", "/price-settings") == default
    await console("PUT", "/price-settings", default | {"floor_bps": 10_001}, status=422)
    await console("PUT", "/price-settings", default | {"version": 1}, status=422)
    await console("DELETE", second, status=409)
    left = await console("DELETE", f"/shipping-templates/{first['template_id']}")
    assert [row["name"] for row in left["items"]] == ["冷链"]
    bad = {"name": "", "plan": PLAN}
    await console("POST", "/shipping-templates", bad, status=422)


async def test_who_may_read_may_not_write(shop: ShopId) -> None:
    async with client_of(shop, "prices.read") as http:
        reader = Console(http)
        await reader("GET", "/campaigns")
        await reader("POST", "/campaigns", campaign(), status=403)
        await reader("POST", "/shipping-templates", {"name": "快递", "plan": PLAN}, status=403)
        await reader(
            "PUT", "/price-settings", {"floor_bps": 0, "default_template_id": None}, status=403
        )
    async with client_of(shop, "products.read") as http:
        await Console(http)("GET", "/campaigns", status=403)


async def test_product_pages(console: Console, sku: dict[str, str]) -> None:
    product = sku["product_id"]
    empty = await console("GET", f"/products/{product}/promotions", lane="/shop/v1")
    assert empty == {"items": [], "gifts": []}
    cuts = [{"target": "product", "target_id": product, "pay_bps": 8_800}]
    tiers = [{"at": 2, "gifts": [{"sku_id": sku["sku_id"], "quantity": 1}]}]
    for more in (
        {"terms": {"type": "timed_price", "cuts": cuts}, "stacking": "best", "priority": 3},
        {"terms": {"type": "threshold", "by": "pieces", "tiers": tiers}, "title": "买二送一"},
    ):
        made = await console("POST", "/campaigns", campaign(**more), status=201)
        body = {"version": 1, "waiver": "试"}
        await console("POST", f"/campaigns/{made['campaign_id']}/start", body)
    seen = await console("GET", f"/products/{product}/promotions", lane="/shop/v1")
    assert [(row["kind"], row["prices"]) for row in seen["items"]] == [
        ("timed_price", {sku["sku_id"]: 8_800}),
        ("threshold", {}),
    ]
    assert [(gift["title"], gift["label"]) for gift in seen["gifts"]] == [("云雾", "买二送一")]
    query = f"product_ids={product}&product_ids={new_id()}"
    listed = await console("GET", f"/promotion-labels?{query}", lane="/shop/v1")
    assert [
        (row["product_id"], [(label["kind"], label["from_fen"]) for label in row["labels"]])
        for row in listed["items"]
    ] == [(product, [("timed_price", 8_800), ("threshold", None)])]
    await console("GET", f"/products/{new_id()}/promotions", lane="/shop/v1", status=404)
    await console("GET", "/promotion-labels", lane="/shop/v1", status=422)
    many = "&".join(f"product_ids={new_id()}" for _ in range(51))
    await console("GET", f"/promotion-labels?{many}", lane="/shop/v1", status=422)
