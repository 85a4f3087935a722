"""The two lanes of catalogue and stock as an ASGI app of their own, with a known shop and staff."""

import uuid

import httpx
from litestar import Router

from siyu.commerce.catalog import http_admin, http_shop
from siyu.commerce.inventory import http_admin as stock_admin
from siyu.kernel import config, static
from siyu.kernel.auth import ShopIdentity, StaffIdentity
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId
from siyu.kernel.observe import observed

EVERYTHING = frozenset({"products.read", "products.write", "stock.read", "stock.write"})


class Hooks:
    """Shop `test` is `shop_id`; the token lists the permissions."""

    def __init__(self, shop_id: ShopId) -> None:
        self.shop_id = shop_id

    async def resolve_shop(self, code: str) -> ShopIdentity | None:
        if code != "test":
            return None
        return ShopIdentity(self.shop_id, "test", "测试店", "CNY", "Asia/Shanghai")

    async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity | None:
        permissions = frozenset(token.split("+"))
        return StaffIdentity(uuid.uuid4(), uuid.uuid4(), self.shop_id, "店长", permissions)


def client_of(shop_id: ShopId, permissions: frozenset[str] = EVERYTHING) -> httpx.AsyncClient:
    """A client that is both a customer and a member of staff of the shop."""
    app = build_app(
        [
            Router("/shop/v1", route_handlers=http_shop.routes),
            Router("/admin/v1", route_handlers=[*http_admin.routes, *stock_admin.routes]),
            *static.media("/media", lambda: config.settings().media_dir),
        ],
        Hooks(shop_id),
    )
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=observed(app)),
        base_url="https://siyu.test",
        headers={"X-Siyu-Shop": "test"},
        cookies={"__Host-siyu": "+".join(sorted(permissions))},
    )
