"""A product list is at most `LIST_SECONDS` old, and shows what this process changed at once."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest

from siyu.commerce.catalog.http_shop import LIST_SECONDS
from siyu.kernel import clock
from siyu.kernel.db import transaction
from siyu.kernel.ids import ShopId

pytest_plugins = ["tests.commerce.catalog.fixtures"]
Make = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def watch() -> Iterator[list[float]]:
    shown = [clock.monotonic()]
    clock.follow(steady=lambda: shown[0])
    yield shown
    clock.follow()


async def prices(goods: httpx.AsyncClient) -> list[int]:
    answer = await goods.get("/shop/v1/products", params={"sort": "price_asc"})
    assert answer.headers["content-type"] == "application/json"
    return [card["price_fen"] for card in answer.json()["items"]]


async def test_what_another_process_changed_is_seen_in_time(
    goods: httpx.AsyncClient, product: Make, shop: ShopId, watch: list[float]
) -> None:
    await product("a", skus=[{"price_fen": 100}])
    assert await prices(goods) == [100]
    async with transaction(shop) as tx:
        await tx.run("update catalog.products set price_fen = 200 where shop_id = $1", shop)
    watch[0] += LIST_SECONDS - 0.01
    assert await prices(goods) == [100]
    watch[0] += 0.01
    assert await prices(goods) == [200]
    assert LIST_SECONDS <= 1


async def test_what_this_process_changed_is_seen_at_once(
    goods: httpx.AsyncClient, product: Make, picture: str, watch: list[float]
) -> None:
    made = await product("a", skus=[{"price_fen": 100}])
    assert await prices(goods) == [100]
    other = await product("b", skus=[{"price_fen": 50}])
    assert await prices(goods) == [50, 100]
    body = {"title": "a", "version": made["version"], "image_urls": [picture],
            "skus": [{"price_fen": 70}]}  # fmt: skip
    path = f"/admin/v1/products/{made['product_id']}"
    assert (await goods.put(path, json=body)).status_code == 200
    assert await prices(goods) == [50, 70]
    await goods.post(f"/admin/v1/products/{other['product_id']}/shelf", json={"on": False})
    assert await prices(goods) == [70]
