"""The lanes of insight over HTTP, on an empty warehouse."""

from collections.abc import AsyncIterator
from uuid import uuid4

import httpx
import pytest
from litestar import Router

from siyu.insight.behaviour import http_admin as behaviour_admin
from siyu.insight.behaviour import http_shop as behaviour_shop
from siyu.insight.behaviour import service as behaviour
from siyu.insight.metrics import http_admin as metrics_admin
from siyu.kernel.auth import StaffIdentity
from siyu.kernel.http import build_app
from siyu.kernel.ids import ShopId
from siyu.merchant.shops import service as shops
from siyu.people.segments import http_admin as segments_admin
from tests.warehouse.conftest import warehouse

__all__ = ["warehouse"]


@pytest.fixture
async def web(shop: ShopId) -> AsyncIterator[httpx.AsyncClient]:
    """A browser in `shop`. The session cookie "siyu" names the permission somebody holds."""

    class Hooks:
        resolve_shop = staticmethod(shops.resolve_shop)

        async def load_staff(self, token: str, shop_code: str | None) -> StaffIdentity:
            return StaffIdentity(uuid4(), uuid4(), shop, "小店员", frozenset({token}))

    app = build_app(
        [
            Router("/collect/v1", route_handlers=behaviour_shop.collect_routes),
            Router(
                "/admin/v1",
                route_handlers=[
                    *metrics_admin.routes,
                    *behaviour_admin.routes,
                    *segments_admin.routes,
                ],
            ),
        ],
        Hooks(),
    )
    behaviour.per_address.forget()
    behaviour.per_visitor.forget()
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False),
        base_url="https://shop.test",
        headers={"X-Siyu-Shop": await code_of(shop)},
        cookies={"siyu": "insight.read"},
    ) as client:
        yield client


async def code_of(shop_id: ShopId) -> str:
    """The code of a shop."""
    from siyu.kernel.db import reading

    async with reading(shop_id) as tx:
        return (await shops.get_shop(tx)).code
