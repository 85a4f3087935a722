"""Customer and staff of a fresh shop, through HTTP; for `pytest_plugins`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from siyu.kernel import config
from siyu.kernel.ids import ShopId
from tests.commerce.catalog.lanes import client_of
from tests.commerce.catalog.pictures import png


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A data directory of its own."""
    before = config.settings()
    config.use(msgspec.structs.replace(before, data_dir=tmp_path))
    yield tmp_path / "media"
    config.use(before)


@pytest.fixture
async def goods(shop: ShopId, media: Path) -> AsyncIterator[httpx.AsyncClient]:
    """Customer and staff of a fresh shop."""
    async with client_of(shop) as client:
        yield client


@pytest.fixture
async def picture(goods: httpx.AsyncClient) -> str:
    """The address of a picture of the shop."""
    answer = await goods.post("/admin/v1/images", files={"file": ("a.png", png(40, 30))})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["url"])


@pytest.fixture
def product(goods: httpx.AsyncClient, picture: str) -> Callable[..., Awaitable[dict[str, Any]]]:
    """Write a product and put it on the shelf."""

    async def make(title: str = "云雾绿茶", on: bool = True, **fields: Any) -> dict[str, Any]:
        body = {
            "title": title,
            "image_urls": [picture],
            "skus": [{"price_fen": 6800, "member_price_fen": 6200, "stock": 10}],
        } | fields
        answer = await goods.post("/admin/v1/products", json=body)
        assert answer.status_code == 201, answer.text
        made = answer.json()
        if on:
            path = f"/admin/v1/products/{made['product_id']}/shelf"
            answer = await goods.post(path, json={"on": True})
            assert answer.status_code == 200, answer.text
        return dict(answer.json())

    return make
