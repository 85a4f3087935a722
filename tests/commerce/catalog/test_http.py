import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

pytest_plugins = ["tests.commerce.catalog.fixtures"]
Make = Callable[..., Awaitable[dict[str, Any]]]


async def test_a_product_on_the_shelf_is_seen(goods: httpx.AsyncClient, product: Make) -> None:
    made = await product(
        subtitle="清明前一芽一叶",
        description_html="<h2>产地</h2><p>海拔 800 米</p>",
        option_names=["规格", "包装"],
        tags=["新茶"],
        skus=[
            {
                "option_values": ["50g", "袋"],
                "price_fen": 6800,
                "market_price_fen": 8800,
                "stock": 3,
            },
            {"option_values": ["100g", "袋"], "price_fen": 12800, "stock": 0},
            {"option_values": ["100g", "罐"], "price_fen": 13800, "sku_code": "YW-100"},
        ],
    )
    page = (await goods.get(f"/shop/v1/products/{made['product_id']}")).json()
    assert page["product_no"] == 1
    assert page["on_shelf"] is True
    assert page["options"] == [
        {"name": "规格", "values": ["50g", "100g"]},
        {"name": "包装", "values": ["袋", "罐"]},
    ]
    assert [(s["option_values"], s["price_fen"], s["available"]) for s in page["skus"]] == [
        (["50g", "袋"], 6800, 3),
        (["100g", "袋"], 12800, 0),
        (["100g", "罐"], 13800, 0),
    ]
    assert page["description_html"] == "<h2>产地</h2><p>海拔 800 米</p>"
    card = (await goods.get("/shop/v1/products")).json()["items"][0]
    assert card == {
        "product_id": made["product_id"],
        "title": "云雾绿茶",
        "subtitle": "清明前一芽一叶",
        "image_url": page["images"][0]["url"].replace("-1200", "-600"),
        "image_width": 40,
        "image_height": 30,
        "price_fen": 6800,
        "market_price_fen": 8800,
        "member_price_fen": None,
        "sold_count": 0,
        "in_stock": True,
        "kind": "physical",
        "tags": ["新茶"],
    }


async def test_drafts_and_goods_off_the_shelf(goods: httpx.AsyncClient, product: Make) -> None:
    draft = await product("草稿", on=False)
    made = await product("下架")
    await goods.post(f"/admin/v1/products/{made['product_id']}/shelf", json={"on": False})
    assert (await goods.get("/shop/v1/products")).json() == {"items": [], "next_cursor": None}
    answer = await goods.get(f"/shop/v1/products/{draft['product_id']}")
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "catalog.product_not_found"
    assert (await goods.get(f"/shop/v1/products/{made['product_id']}")).json()["on_shelf"] is False
    listed = (await goods.get("/admin/v1/products", params={"status": "draft"})).json()
    assert [row["title"] for row in listed["items"]] == ["草稿"]


async def test_an_edit_keeps_skus_and_refuses_a_stale_version(
    goods: httpx.AsyncClient, product: Make, picture: str
) -> None:
    made = await product(
        option_names=["规格"],
        skus=[
            {"option_values": ["小"], "price_fen": 100, "stock": 5},
            {"option_values": ["中"], "price_fen": 200, "stock": 5},
        ],
    )
    small, middle = (sku["sku_id"] for sku in made["skus"])
    body = {
        "version": made["version"],
        "title": "改过的",
        "image_urls": [picture],
        "option_names": ["容量"],
        "skus": [
            {"option_values": ["大"], "price_fen": 300, "stock": 7},
            {"option_values": ["迷你"], "sku_id": small, "price_fen": 90},
        ],
    }
    path = f"/admin/v1/products/{made['product_id']}"
    edited = await goods.put(path, json=body)
    assert edited.status_code == 200, edited.text
    skus = {tuple(sku["option_values"]): sku for sku in edited.json()["skus"]}
    assert skus[("迷你",)]["sku_id"] == small
    assert skus[("迷你",)]["on_hand"] == 5
    assert skus[("大",)]["on_hand"] == 7
    assert middle not in {sku["sku_id"] for sku in skus.values()}
    again = await goods.put(path, json=body)
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "catalog.product_changed"
    assert again.json()["error"]["details"] == {"version": made["version"] + 1}
    assert (await goods.get(path)).json() == edited.json()


async def test_codes_change_hands_and_retired_skus_count_no_more(
    goods: httpx.AsyncClient, product: Make, picture: str
) -> None:
    def sku(size: str, code: str | None, stock: int) -> dict[str, Any]:
        return {"option_values": [size], "sku_code": code, "price_fen": 1, "stock": stock}

    grid = [sku("大", "A", 0), sku("小", "B", 9), sku("中", None, 0)]
    made = await product(option_names=["码"], skus=grid)
    body = {
        "title": "t",
        "version": made["version"],
        "image_urls": [picture],
        "option_names": ["码"],
        "skus": [sku("中", "A", 0), sku("大", "B", 0)],
    }
    edited = await goods.put(f"/admin/v1/products/{made['product_id']}", json=body)
    assert [row["sku_code"] for row in edited.json()["skus"]] == ["A", "B"]
    (card,) = (await goods.get("/shop/v1/products")).json()["items"]
    assert card["in_stock"] is False
    (row,) = (await goods.get("/admin/v1/products")).json()["items"]
    assert row["available"] == 0
    low = (await goods.get("/admin/v1/stock", params={"low": True})).json()["items"]
    assert [row["option_values"] for row in low] == [["中"], ["大"]]


async def test_each_sort_pages_without_gap_or_double(
    goods: httpx.AsyncClient, product: Make
) -> None:
    for i in range(7):
        skus = [{"price_fen": 100 * (i % 3), "stock": 1}]
        await product(f"茶{i}", position=i % 2, skus=skus)
    orders = {
        "new": "茶6 茶5 茶4 茶3 茶2 茶1 茶0",
        "default": "茶5 茶3 茶1 茶6 茶4 茶2 茶0",
        "price_asc": "茶0 茶3 茶6 茶1 茶4 茶2 茶5",
        "price_desc": "茶5 茶2 茶4 茶1 茶6 茶3 茶0",
        "sales": "茶6 茶5 茶4 茶3 茶2 茶1 茶0",
    }
    for sort, wanted in orders.items():
        seen, cursor = [], None
        while True:
            params = {"sort": sort, "limit": 3} | ({"cursor": cursor} if cursor else {})
            page = (await goods.get("/shop/v1/products", params=params)).json()
            seen += [item["title"] for item in page["items"]]
            cursor = page["next_cursor"]
            if cursor is None:
                break
        assert " ".join(seen) == wanted, sort


async def test_search(goods: httpx.AsyncClient, product: Make) -> None:
    await product("西湖龙井 特级")
    await product("龙珠茉莉", skus=[{"price_fen": 1, "sku_code": "JM-2024"}])
    await product("Yirgacheffe 耶加雪菲")

    async def found(q: str) -> list[str]:
        answer = await goods.get("/shop/v1/products", params={"q": q})
        assert answer.status_code == 200, answer.text
        return [item["title"] for item in answer.json()["items"]]

    assert await found("龙井") == ["西湖龙井 特级"]
    assert await found("龙") == ["龙珠茉莉", "西湖龙井 特级"]
    assert await found("井龙") == []
    assert await found("YIRGA") == ["Yirgacheffe 耶加雪菲"]
    assert await found("jm 茉莉") == ["龙珠茉莉"]
    assert await found("！？%_'") == []
    assert len(await found("  ")) == 3


async def test_categories_are_two_floors(goods: httpx.AsyncClient, product: Make) -> None:
    async def add(name: str, parent: str | None = None) -> httpx.Response:
        body = {"name": name, "parent_id": parent}
        return await goods.post("/admin/v1/categories", json=body)

    tea = (await add("茶")).json()["items"][0]["category_id"]
    tree = (await add("绿茶", tea)).json()["items"]
    green = next(row["category_id"] for row in tree if row["name"] == "绿茶")
    deep = await add("龙井", green)
    assert deep.status_code == 409
    assert deep.json()["error"]["code"] == "catalog.category_too_deep"
    under_itself = {"name": "茶", "parent_id": green}
    assert (await goods.put(f"/admin/v1/categories/{tea}", json=under_itself)).status_code == 409
    await product("雨前", category_id=green)
    shown = (await goods.get("/shop/v1/categories")).json()["items"]
    assert [(row["name"], row["product_count"]) for row in shown] == [("茶", 1), ("绿茶", 1)]
    listed = await goods.get("/shop/v1/products", params={"category_id": tea})
    assert [row["title"] for row in listed.json()["items"]] == ["雨前"]
    refused = await goods.delete(f"/admin/v1/categories/{green}")
    assert refused.json()["error"]["code"] == "catalog.category_in_use"
    assert len((await goods.get("/admin/v1/categories")).json()["items"]) == 2


async def test_home_shows_the_golden_triangle(
    goods: httpx.AsyncClient, product: Make, picture: str
) -> None:
    hot, bundle, act, hidden = [await product(t) for t in ("爆款", "套装", "活动品", "藏")]
    draft = await product("草稿", on=False)
    empty = (await goods.get("/shop/v1/home")).json()
    assert [card["title"] for card in empty["hot"]] == ["藏", "活动品", "套装", "爆款"]
    window = {
        "hot": [hot["product_id"], draft["product_id"]],
        "bundles": [bundle["product_id"]],
        "activities": [
            {
                "title": "春茶节",
                "image_url": picture,
                "product_ids": [act["product_id"]],
                "starts_at": "2020-01-01T00:00:00Z",
                "ends_at": None,
            },
            {
                "title": "过期",
                "product_ids": [hidden["product_id"]],
                "ends_at": "2020-01-01T00:00:00+08:00",
            },
        ],
    }
    answer = await goods.put("/admin/v1/collections", json=window)
    assert answer.status_code == 200, answer.text
    assert [row["title"] for row in answer.json()["hot"]] == ["爆款", "草稿"]
    banner = {"title": "头图", "image_url": picture, "product_id": hot["product_id"]}
    answer = await goods.put("/admin/v1/banners", json={"items": [banner]})
    assert answer.json()["items"] == [banner | {"subtitle": ""}]
    home = (await goods.get("/shop/v1/home")).json()
    assert [card["title"] for card in home["hot"]] == ["爆款"]
    assert [card["title"] for card in home["bundles"]] == ["套装"]
    assert [(a["title"], [p["title"] for p in a["products"]]) for a in home["activities"]] == [
        ("春茶节", ["活动品"])
    ]
    assert home["banners"][0]["product_id"] == hot["product_id"]
    assert home["shop"]["currency"] == "CNY"


async def test_stock_list_and_correction(goods: httpx.AsyncClient, product: Make) -> None:
    await product("多的", skus=[{"price_fen": 1, "stock": 500}])
    made = await product("少的", skus=[{"price_fen": 1, "stock": 4, "sku_code": "S-1"}])
    low = (await goods.get("/admin/v1/stock", params={"low": True})).json()["items"]
    assert [(row["title"], row["available"], row["sku_code"]) for row in low] == [
        ("少的", 4, "S-1")
    ]
    both = (await goods.get("/admin/v1/stock", params={"limit": 1})).json()
    rest = await goods.get("/admin/v1/stock", params={"limit": 1, "cursor": both["next_cursor"]})
    assert [row["title"] for row in both["items"] + rest.json()["items"]] == ["少的", "多的"]
    path = f"/admin/v1/stock/{made['skus'][0]['sku_id']}"
    body = {"delta": -1, "expected_version": low[0]["version"], "reason": "破损"}
    done = await goods.post(f"{path}/adjust", json=body)
    assert done.json() | {"sku_id": ""} == {
        "sku_id": "", "on_hand": 3, "reserved": 0, "available": 3, "version": 1,
        "safety": 0,
    }  # fmt: skip
    again = await goods.post(f"{path}/adjust", json=body)
    assert again.status_code == 409
    assert again.json()["error"]["code"] == "inventory.stock_changed"
    moves = (await goods.get(f"{path}/movements")).json()["items"]
    assert [(m["kind"], m["delta"], m["actor_name"]) for m in moves] == [
        ("adjusted", -1, "店长"),
        ("received", 4, "店长"),
    ]


async def patient(ask: Callable[[], Awaitable[httpx.Response]]) -> httpx.Response:
    """Ask again while the answer is "busy" (a lock waited for too long on a slow machine)."""
    while (answer := await ask()).status_code == 503:
        await asyncio.sleep(0.1)
    return answer


async def test_products_made_at_once_have_numbers_without_gaps(
    goods: httpx.AsyncClient, product: Make
) -> None:
    codes = [f"K{i % 10}" for i in range(20)]

    async def make(code: str) -> httpx.Response:
        body = {"title": code, "skus": [{"price_fen": 1, "sku_code": code}]}
        return await patient(lambda: goods.post("/admin/v1/products", json=body))

    answers = await asyncio.gather(*(make(code) for code in codes))
    made = [answer.json()["product_no"] for answer in answers if answer.status_code == 201]
    refused = [answer.json()["error"]["code"] for answer in answers if answer.status_code == 409]
    assert sorted(made) == list(range(1, 11))
    assert refused == ["catalog.sku_code_taken"] * 10


async def test_two_edits_at_once_one_wins(
    goods: httpx.AsyncClient, product: Make, picture: str
) -> None:
    made = await product()

    async def edit(title: str) -> int:
        body = {"title": title, "image_urls": [picture], "skus": [{"price_fen": 1}]}
        path = f"/admin/v1/products/{made['product_id']}"
        stale = body | {"version": made["version"]}
        return (await patient(lambda: goods.put(path, json=stale))).status_code

    assert sorted(await asyncio.gather(*(edit(f"改{i}") for i in range(8)))) == [200] + [409] * 7
