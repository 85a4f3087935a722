import time

import httpx

from siyu.app import demo_goods
from siyu.kernel.ids import ShopId

pytest_plugins = ["tests.commerce.catalog.fixtures"]


async def test_the_assortment_fills_a_shop_once(goods: httpx.AsyncClient, shop: ShopId) -> None:
    started = time.process_time()
    await demo_goods.load(shop)
    print("cpu", time.process_time() - started)
    home = (await goods.get("/shop/v1/home")).json()
    assert len(home["banners"]) == 3
    assert [len(home["hot"]), len(home["bundles"]), len(home["activities"])] == [6, 4, 2]
    assert [row["name"] for row in home["categories"]] == [
        "茶", "咖啡", "器具", "礼盒套餐", "卡券体验",
    ]  # fmt: skip
    assert all(row["image_url"] for row in home["categories"])
    assert sum(row["product_count"] for row in home["categories"]) == 60
    seen, cursor = [], None
    while len(seen) < 60:
        params = {"limit": 50} | ({"cursor": cursor} if cursor else {})
        page = (await goods.get("/shop/v1/products", params=params)).json()
        seen += page["items"]
        cursor = page["next_cursor"]
    assert cursor is None
    assert {card["image_width"] for card in seen} == {600}
    assert len({card["image_url"] for card in seen}) == 60
    assert all(card["in_stock"] for card in seen)
    assert {card["kind"] for card in seen} == {"physical", "virtual", "service"}
    started = time.perf_counter()
    await demo_goods.load(shop)
    assert time.perf_counter() - started < 0.5
    assert (await goods.get("/shop/v1/home")).json() == home
