"""Bad values in catalogue and stock: refused with a stable code, and nothing has changed."""

import json
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from siyu.commerce.inventory import service as inventory
from siyu.commerce.inventory.contracts import StockShort
from siyu.kernel.db import transaction
from siyu.kernel.http import encode_cursor
from siyu.kernel.ids import ShopId, new_id
from siyu.kernel.money import MAX_FEN
from tests.commerce.catalog.lanes import client_of
from tests.commerce.catalog.pictures import SVG, bomb, png

pytest_plugins = ["tests.commerce.catalog.fixtures"]
Make = Callable[..., Awaitable[dict[str, Any]]]
PRODUCTS = "/admin/v1/products"


def code_of(answer: httpx.Response) -> str:
    return str(answer.json()["error"]["code"])


async def count(goods: httpx.AsyncClient) -> int:
    return len((await goods.get(PRODUCTS)).json()["items"])


async def test_f042_one_sku_on_two_lines(shop: ShopId, product: Make) -> None:
    sku = uuid.UUID((await product())["skus"][0]["sku_id"])
    demand = inventory.sum_demand([(sku, 6), (sku, 5)])
    with pytest.raises(StockShort) as refused:
        async with transaction(shop) as tx:
            await inventory.reserve(tx, new_id(), demand)
    assert refused.value.details["short"] == [{"sku_id": str(sku), "wanted": 11, "available": 10}]


async def test_f045_correction_against_an_old_version(
    goods: httpx.AsyncClient, product: Make
) -> None:
    path = f"/admin/v1/stock/{(await product())['skus'][0]['sku_id']}/adjust"
    body = {"delta": 5, "expected_version": 0, "reason": "到货"}
    assert (await goods.post(path, json=body)).json()["on_hand"] == 15
    again = await goods.post(path, json=body)
    assert (again.status_code, code_of(again)) == (409, "inventory.stock_changed")
    absolute = await goods.post(path, json={"on_hand": 99, "expected_version": 1, "reason": "改"})
    assert absolute.status_code == 422
    below = {"delta": -16, "expected_version": 1, "reason": "盘亏"}
    refused = await goods.post(path, json=below)
    assert (refused.status_code, code_of(refused)) == (409, "inventory.out_of_range")
    assert (await goods.get("/admin/v1/stock")).json()["items"][0]["on_hand"] == 15


@pytest.mark.parametrize("value", ["1.5", "1e9", '"１"', "NaN", "true", '"1"', "null", "1e400"])
async def test_f065_quantities_are_whole_numbers(
    goods: httpx.AsyncClient, product: Make, value: str
) -> None:
    path = f"/admin/v1/stock/{(await product())['skus'][0]['sku_id']}/adjust"
    body = f'{{"delta": {value}, "expected_version": 0, "reason": "x"}}'
    answer = await goods.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert code_of(answer) in ("request.malformed", "request.json_refused")
    sku = f'{{"title": "t", "skus": [{{"price_fen": 1, "stock": {value}}}]}}'
    answer = await goods.post(PRODUCTS, content=sku, headers={"content-type": "application/json"})
    assert answer.status_code == 422, answer.text
    assert (await goods.get("/admin/v1/stock")).json()["items"][0]["on_hand"] == 10
    assert await count(goods) == 1


@pytest.mark.parametrize("delta", [0, -1_000_001, 1_000_001, 2**31, 2**63, 10**30])
async def test_f065_senseless_corrections(
    goods: httpx.AsyncClient, product: Make, delta: int
) -> None:
    path = f"/admin/v1/stock/{(await product())['skus'][0]['sku_id']}/adjust"
    answer = await goods.post(path, json={"delta": delta, "expected_version": 0, "reason": "x"})
    assert answer.status_code == 422, answer.text


@pytest.mark.parametrize("price", [-1, MAX_FEN + 1, 2**63, 10**40])
async def test_f066_prices_beyond_sense(goods: httpx.AsyncClient, price: int) -> None:
    for name in ("price_fen", "market_price_fen", "member_price_fen"):
        body = {"title": "贵", "skus": [{"price_fen": 1} | {name: price}]}
        assert (await goods.post(PRODUCTS, json=body)).status_code == 422
    assert await count(goods) == 0


async def test_f067_money_is_never_a_fraction(goods: httpx.AsyncClient, product: Make) -> None:
    await product(skus=[{"price_fen": MAX_FEN, "member_price_fen": 0}])
    for path in ("/shop/v1/home", "/shop/v1/products", PRODUCTS):
        text = (await goods.get(path)).text
        found: list[object] = []
        json.loads(text, parse_float=found.append)
        assert found == [], path
    answer = await goods.post(PRODUCTS, json={"title": "t", "skus": [{"price_fen": 1.0}]})
    assert answer.status_code == 422


@pytest.mark.parametrize("title", ["🍵🫖", "👨‍👩‍👧‍👦 家庭装", "𠮷野茶", "café ☕️"])
async def test_f068_words_come_back_equal(
    goods: httpx.AsyncClient, product: Make, title: str
) -> None:
    made = await product(title)
    assert (await goods.get(f"/shop/v1/products/{made['product_id']}")).json()["title"] == title


async def test_f068_words_that_are_refused_or_cleaned(
    goods: httpx.AsyncClient, product: Make
) -> None:
    json_type = {"content-type": "application/json"}
    for bad in (r"a\u0000b", r"\ud800", "长" * 10_000, "", r"\u202e"):
        body = f'{{"title": "{bad}", "skus": [{{"price_fen": 1}}]}}'
        answer = await goods.post(PRODUCTS, content=body.encode(), headers=json_type)
        assert answer.status_code == 422, (bad[:10], answer.text)
    raw_nul = b'{"title": "a\x00b", "skus": [{"price_fen": 1}]}'
    assert (await goods.post(PRODUCTS, content=raw_nul, headers=json_type)).status_code == 422
    assert await count(goods) == 0
    made = await product("绿\u202e茶\u2066", on=False)
    assert made["title"] == "绿茶"
    for q in ("\x00", "茶\x00", "\u202e", "%", "😀"):
        for path in ("/shop/v1/products", PRODUCTS, "/admin/v1/stock"):
            assert (await goods.get(path, params={"q": q})).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 10_000,
        b'{"title": "a", "title": "b", "skus": [{"price_fen": 1}]}',
        b'{"title": "t", "skus": [' + b'{"price_fen": 1},' * 99_999 + b'{"price_fen": 1}]}',
        b'{"title": "' + b"x" * 20_000_000 + b'"}',
        b"",
        b"null",
        b"\xff\xfe",
    ],
    ids=["deep", "twice", "many", "20 MB", "empty", "null", "not utf-8"],
)
async def test_f071_bodies_that_are_bombs(goods: httpx.AsyncClient, body: bytes) -> None:
    started = time.perf_counter()
    answer = await goods.post(PRODUCTS, content=body, headers={"content-type": "application/json"})
    assert answer.status_code in (413, 422), answer.text
    assert time.perf_counter() - started < 2
    assert await count(goods) == 0


async def test_f072_uploads(goods: httpx.AsyncClient, media: Any) -> None:
    async def upload(name: str, data: bytes, kind: str = "image/png") -> httpx.Response:
        return await goods.post("/admin/v1/images", files={"file": (name, data, kind)})

    for data in (SVG, bomb(20_000, 20_000), b"<html><script>", b""):
        answer = await upload("a.png", data)
        assert (answer.status_code, code_of(answer)) == (422, "catalog.bad_image")
    too_large = await upload("a.png", b"\x89PNG" + b"\0" * 11_000_000)
    assert too_large.status_code in (413, 422)
    assert not media.exists()
    answer = await upload("../../../etc/x.svg", png(20, 10), "image/svg+xml")
    assert answer.status_code == 201
    files = sorted(path.relative_to(media) for path in media.rglob("*") if path.is_file())
    key = answer.json()["url"].removeprefix("/media/").removesuffix("-1200.webp")
    assert [str(file) for file in files] == [
        f"{key[:2]}/{key}-{size}.webp" for size in (1200, 200, 600)
    ]
    shown = await goods.get(answer.json()["url"])
    assert shown.headers["content-type"] == "image/webp"
    assert shown.headers["x-content-type-options"] == "nosniff"
    assert shown.content[8:12] == b"WEBP"
    for path in ("/media/x.svg", f"/media/{key}.webp", "/media/..%2Fkeys.json"):
        assert (await goods.get(path)).status_code == 404, path
    assert (await goods.post("/admin/v1/images", data={"file": "text"})).status_code == 422
    assert (await goods.post("/admin/v1/images", json={})).status_code == 422


async def test_f072_only_pictures_of_the_shop_are_shown(
    goods: httpx.AsyncClient, shop: ShopId
) -> None:
    for url in (
        "https://evil.example/a.png",
        "/media/../x",
        f"/media/{'0' * 32}-1200.webp",
        "/media/x-1200.webp\n",
    ):
        body = {"title": "t", "skus": [{"price_fen": 1}], "image_urls": [url]}
        answer = await goods.post(PRODUCTS, json=body)
        assert (answer.status_code, code_of(answer)) == (422, "catalog.bad_product"), url
        banners = {"items": [{"title": "b", "image_url": url}]}
        assert (await goods.put("/admin/v1/banners", json=banners)).status_code == 422
    assert await count(goods) == 0


async def test_f073_rich_text_on_the_product_page(goods: httpx.AsyncClient, product: Make) -> None:
    made = await product(description_html='<p onclick="x()">好<script>alert(1)</script>茶</p>')
    assert made["description_html"] == "<p>好茶</p>"
    page = await goods.get(f"/shop/v1/products/{made['product_id']}")
    assert page.json()["description_html"] == "<p>好茶</p>"


@pytest.mark.parametrize(
    "params",
    [
        {"sort": "price_fen; drop table catalog.products"},
        {"sort": "PRICE_ASC"},
        {"limit": 0},
        {"limit": -1},
        {"limit": 10**9},
        {"limit": "1.5"},
        {"cursor": "' or 1=1 --"},
        {"cursor": "WyJhIiwxXQ"},
        {"cursor": "WzFlNDAwLDFd"},
        {"cursor": "WzkyMjMzNzIwMzY4NTQ3NzU4MDgsMV0"},
        {"category_id": "1 or 1=1"},
        {"q": "茶" * 101},
    ],
)
async def test_f076_parameters_of_lists(goods: httpx.AsyncClient, params: dict[str, Any]) -> None:
    answer = await goods.get("/shop/v1/products", params=params)
    assert answer.status_code == 422, answer.text
    assert code_of(answer) in ("request.malformed", "request.cursor_invalid")


async def test_f076_cursors_at_the_edge_of_numbers(goods: httpx.AsyncClient, product: Make) -> None:
    await product()
    edge = encode_cursor([2**62, 2**62])
    for sort in ("default", "sales", "price_asc", "price_desc", "new"):
        params = {"sort": sort, "cursor": edge}
        assert (await goods.get("/shop/v1/products", params=params)).status_code == 200
    assert (await goods.get("/admin/v1/products", params={"cursor": edge})).status_code == 200
    for beyond in (
        edge,
        encode_cursor([-(2**62), -(2**62)]),
        encode_cursor([2**63, 1]),
        encode_cursor(["x"]),
    ):
        answer = await goods.get("/admin/v1/stock", params={"cursor": beyond})
        assert answer.status_code in (200, 422), answer.text
    listed = (await goods.get("/admin/v1/stock")).json()["items"]
    path = f"/admin/v1/stock/{listed[0]['sku_id']}/movements"
    assert (await goods.get(path, params={"cursor": edge})).status_code == 422


async def test_f077_nothing_of_another_shop(
    goods: httpx.AsyncClient, product: Make, picture: str, shop: ShopId
) -> None:
    made = await product()
    stranger = ShopId(shop + 1_000_000)
    async with client_of(stranger) as other:
        path = f"{PRODUCTS}/{made['product_id']}"
        assert (await other.get(path)).status_code == 404
        assert (await other.post(f"{path}/shelf", json={"on": False})).status_code == 404
        body = {"title": "t", "skus": [{"price_fen": 1}]}
        assert (await other.put(path, json=body | {"version": 1})).status_code == 404
        taken = await other.post(PRODUCTS, json=body | {"image_urls": [picture]})
        assert (taken.status_code, code_of(taken)) == (422, "catalog.bad_product")
        stock = f"/admin/v1/stock/{made['skus'][0]['sku_id']}"
        adjust = {"delta": 1, "expected_version": 0, "reason": "x"}
        assert (await other.post(f"{stock}/adjust", json=adjust)).status_code == 404
        assert (await other.get(f"{stock}/movements")).status_code == 404
        window = {"hot": [made["product_id"]], "bundles": [], "activities": []}
        assert (await other.put("/admin/v1/collections", json=window)).status_code == 422
        assert (await other.get(PRODUCTS)).json()["items"] == []


async def test_permissions_are_asked_one_by_one(
    goods: httpx.AsyncClient, product: Make, shop: ShopId
) -> None:
    sku = (await product())["skus"][0]["sku_id"]
    async with client_of(shop, frozenset({"products.read", "stock.read"})) as reader:
        assert (await reader.get(PRODUCTS)).status_code == 200
        assert (await reader.get("/admin/v1/stock")).status_code == 200
        body = {"title": "t", "skus": [{"price_fen": 1}]}
        assert (await reader.post(PRODUCTS, json=body)).status_code == 403
        adjust = {"delta": 1, "expected_version": 0, "reason": "x"}
        answer = await reader.post(f"/admin/v1/stock/{sku}/adjust", json=adjust)
        assert (answer.status_code, code_of(answer)) == (403, "auth.forbidden")
    assert await count(goods) == 1
