"""The console and the phone, over the lanes of sharing and payouts alone."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import httpx
from litestar import Router

from siyu.kernel.auth import MemberIdentity, StaffIdentity, member_token
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId, new_id
from siyu.money.payouts import http_admin as payouts_admin
from siyu.money.payouts import http_shop as payouts_shop
from siyu.money.profit_sharing import http_admin as sharing_admin
from siyu.money.profit_sharing import http_shop as sharing_shop


class _Hooks:
    async def resolve_shop(self, code: str) -> None:
        return None

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity:
        rights = frozenset(token.split("|"))
        return StaffIdentity(new_id(), new_id(), ShopId(int(shop_code or 0)), "小周", rights)


class Lane:
    """Sends as staff with these rights, or as this member."""

    def __init__(self, http: httpx.AsyncClient, prefix: str, headers: dict[str, str]) -> None:
        self.http = http
        self.prefix = prefix
        self.headers = headers

    async def send(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = self.headers | {"Idempotency-Key": uuid4().hex}
        return await self.http.request(method, self.prefix + path, headers=headers, json=body)

    async def get(self, path: str, status: int = 200) -> Any:
        answer = await self.send("GET", path)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def write(self, method: str, path: str, body: Any = None, status: int = 200) -> Any:
        answer = await self.send(method, path, body)
        assert answer.status_code == status, answer.text
        return answer.json() if answer.content else None


@contextlib.asynccontextmanager
async def lanes(shop_id: ShopId, member_id: UUID | None = None) -> AsyncIterator[list[Lane]]:
    """[staff with money.read and money.write, staff with money.read only, the member]"""
    app = build_app(
        [
            Router("/admin/v1", route_handlers=[*sharing_admin.routes, *payouts_admin.routes]),
            Router("/shop/v1", route_handlers=[*sharing_shop.routes, *payouts_shop.routes]),
        ],
        _Hooks(),
    )
    member = MemberIdentity(shop_id, member_id or new_id(), 7)
    wire = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=wire, base_url="https://shop.test") as http:

        def staff(rights: str) -> Lane:
            headers = {"X-Siyu-Shop": str(shop_id), "Cookie": f"__Host-siyu={rights}"}
            return Lane(http, "/admin/v1", headers)

        phone = Lane(http, "/shop/v1", {"Authorization": f"Bearer {member_token(member)}"})
        yield [staff("money.read|money.write"), staff("money.read"), phone]
