"""A shop with goods that were received, its customers and its staff, through HTTP."""

import contextlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

import httpx
import msgspec
from litestar import Router

from siyu.commerce.reviews import http_admin, http_shop, invariants
from siyu.kernel.auth import MemberIdentity, ShopIdentity, StaffIdentity, member_token
from siyu.kernel.db import reading, transaction
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from tests.commerce.catalog.pictures import png
from tests.commerce.ordering.kit import make_buyers, make_skus

DESK = frozenset({"reviews.read", "reviews.write"})


class _Hooks:
    def __init__(self, shop_id: ShopId, permissions: frozenset[str]) -> None:
        self.shop_id = shop_id
        self.permissions = permissions

    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        return await shops.resolve_shop(code)

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        who = uuid5(NAMESPACE_OID, token)
        return StaffIdentity(who, who, self.shop_id, token, self.permissions)


class Street:
    """Goods, customers who have received some, and the review desk."""

    def __init__(self, shop: ShopId, code: str, http: httpx.AsyncClient, skus: list[UUID]) -> None:
        self.shop = shop
        self.code = code
        self.http = http
        self.skus = skus

    async def product_of(self, sku_id: UUID) -> UUID:
        return await self.value("select product_id from catalog.skus where sku_id = $1", sku_id)

    async def received(
        self, member: MemberIdentity, *skus: UUID, status: str = "completed", source: str = "shop",
        days_ago: float = 1, delivery: str = "ship",
    ) -> UUID:  # fmt: skip
        """An order of one piece of each SKU, as it stands in the books of `ordering`."""
        order_id = uuid4()
        async with transaction(self.shop) as tx:
            await tx.run(
                """insert into ordering.orders (shop_id, order_id, order_no, kind, source, status,
                     member_id, person_no, has_virtual, items_fen, discount_fen, shipping_fen,
                     total_fen, paid_fen, adjustments, remark, placed_at, paid_at, completed_at,
                     delivery, shipped_at, receipt_due_at)
                   values ($1, $2, $3, 'sale', $4, $5, $6, $7, false, $8, 0, 0, $8, $8, '[]', '',
                     now(), now(), case when $5 = 'completed' then now() - $9::interval end, $10,
                     case when $5 = 'shipped' then now() end,
                     case when $5 = 'shipped' then now() end)""",
                self.shop, order_id, order_id.hex[:20], source, status, member.member_id,
                member.person_no, 1990 * len(skus), timedelta(days=days_ago), delivery,
            )  # fmt: skip
            for line_no, sku_id in enumerate(skus, start=1):
                await tx.run(
                    """insert into ordering.order_lines (shop_id, order_id, line_no, sku_id,
                         product_id, product_no, title, title_key, option_values, quantity,
                         list_price_fen, unit_price_fen, discount_fen, total_fen)
                       select $1, $2, $3, sku_id, product_id, 7, '安溪铁观音', '安溪铁观音',
                         array['100 克'], 1, 1990, 1990, 0, 1990
                       from catalog.skus where sku_id = $4""",
                    self.shop, order_id, line_no, sku_id,
                )  # fmt: skip
        return order_id

    # --- customers

    async def send(
        self, member: MemberIdentity | None, method: str, path: str, body: Any = None,
        key: str | None = None, **query: Any,
    ) -> httpx.Response:  # fmt: skip
        headers = {"X-Siyu-Shop": self.code, "Content-Type": "application/json"}
        if member:
            headers["Authorization"] = f"Bearer {member_token(member)}"
            headers["Idempotency-Key"] = key or uuid4().hex
        content = None if body is None else msgspec.json.encode(body)
        return await self.http.request(
            method, f"/shop/v1{path}", headers=headers, content=content, params=query
        )

    async def review(
        self, member: MemberIdentity, order_id: UUID, line_no: int = 1, **more: Any
    ) -> httpx.Response:
        body = {"order_id": order_id, "line_no": line_no, "stars": 5, "text": "很香。"} | more
        return await self.send(member, "POST", "/reviews", body)

    async def picture(self, member: MemberIdentity, raw: bytes | None = None) -> httpx.Response:
        return await self.http.post(
            "/shop/v1/reviews/pictures",
            files={"file": ("../../x.png", png(40, 30) if raw is None else raw)},
            headers={"Authorization": f"Bearer {member_token(member)}"},
        )

    async def uploaded(self, member: MemberIdentity) -> str:
        answer = await self.picture(member)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["picture_id"])

    async def shown(self, product_id: UUID, member: Any = None, **query: Any) -> dict[str, Any]:
        return ok(await self.send(member, "GET", f"/products/{product_id}/reviews", **query))

    # --- staff

    async def desk(self, path: str = "", **query: Any) -> dict[str, Any]:
        return ok(await self.http.get(f"/admin/v1/reviews{path}", params=query))

    async def act(self, review_id: Any, what: str, body: Any) -> httpx.Response:
        return await self.http.post(f"/admin/v1/reviews/{review_id}/{what}", json=body)

    async def seen(self, review_id: Any, part: str = "first") -> dict[str, Any]:
        """What a decision about a part must name."""
        row = await self.desk(f"/{review_id}")
        return {"part": part, "seen_at": row[part]["seen_at"]}

    async def approve(self, review_id: Any, part: str = "first") -> httpx.Response:
        return await self.act(review_id, "approve", await self.seen(review_id, part))

    async def hide(self, review_id: Any, part: str = "first", why: str = "广告") -> httpx.Response:
        return await self.act(review_id, "hide", await self.seen(review_id, part) | {"reason": why})

    async def decide(self, **change: Any) -> dict[str, Any]:
        body = ok(await self.http.get("/admin/v1/review-settings")) | change
        return ok(await self.http.put("/admin/v1/review-settings", json=body))

    # --- the books

    async def value(self, sql: str, *args: Any) -> Any:
        async with reading(self.shop) as tx:
            return await tx.value(sql, *args)

    async def told(self, name: str) -> list[dict[str, Any]]:
        async with reading(self.shop) as tx:
            rows = await tx.connection.fetch(
                "select payload from kernel.outbox where name = $1 order by event_id",
                f"reviews.{name}",
            )
        return [row["payload"] for row in rows]

    async def broken(self) -> list[str]:
        async with reading(self.shop) as tx:
            return [
                name
                for name, sql in invariants.INVARIANTS.items()
                if await tx.connection.fetch(sql)
            ]


def ok(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code in (200, 201), answer.text
    return dict(answer.json())


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, str(answer.json()["error"]["code"])


async def customers(street: Street, count: int) -> list[MemberIdentity]:
    return [member for member, _ in await make_buyers(street.shop, count)]


@contextlib.asynccontextmanager
async def open_street(
    shop: ShopId, permissions: frozenset[str] = DESK, skus: int = 2
) -> AsyncIterator[Street]:
    """A fresh shop; staff who may do all about reviews."""
    app = build_app(
        [
            Router("/shop/v1", route_handlers=http_shop.routes),
            Router("/admin/v1", route_handlers=http_admin.routes),
        ],
        _Hooks(shop, permissions),
    )
    async with reading(shop) as tx:
        code = await tx.value("select code from shops.shops where shop_id = $1", shop)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(
        transport=transport, base_url="https://test", headers={"X-Siyu-Shop": code}
    ) as http:
        http.cookies.set("__Host-siyu", "boss")
        yield Street(shop, code, http, await make_skus(shop, skus))
