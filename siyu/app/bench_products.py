"""Product lists of 24 out of 10,000 through HTTP, beside a handler of the same stack that does
nothing. The pages asked for differ: the first eight of each of four orders.
"""

import io
import random
import statistics
from collections.abc import Sequence

import asyncpg
import httpx
from PIL import Image

from siyu.app.bench_ground import (
    FULL,
    PROCESSES,
    Bench,
    Effort,
    Figures,
    analyze,
    load,
    p99,
    served,
)
from siyu.commerce.catalog import service as catalog
from siyu.commerce.catalog.contracts import ImportedProduct
from siyu.kernel.db import transaction
from siyu.kernel.http import encode_cursor

PRODUCTS, SHOWN, PAGES = 10_000, 24, 8
SORTS = ("default", "sales", "price_asc", "new")
AT_ONCE = 32
ONCE = 4_000
GOAL_RATE = 1_500
WORDS = ["云雾", "龙井", "普洱", "乌龙", "红茶", "白茶", "茉莉", "礼盒", "手冲", "特级", "茶壶"]


class ProductsFigures(Figures, frozen=True):
    """Medians of the rounds. unkept_rate: of pages that were asked for once only."""

    unkept_rate: float
    p99_ms: float
    goal_rate: int


async def products(effort: Effort = FULL) -> ProductsFigures:
    """Median rates of interleaved rounds, after one round of each to warm up."""
    count = max(effort.of(PRODUCTS), SHOWN * PAGES + 1)
    async with served() as bench:
        await _fill(bench, count)
        pages = [_request(bench, path) for path in await _paths(bench)]
        empty = [_request(bench, "/")]
        dice = random.Random(2)
        rounds = []
        for number in range(effort.rounds + 1):
            lists = await load(bench.port, pages, seconds=effort.seconds, at_once=AT_ONCE)
            fresh = [_request(bench, _anywhere(dice)) for _ in range(effort.of(ONCE))]
            unkept = await load(bench.port, fresh, seconds=None, at_once=min(AT_ONCE, len(fresh)))
            nothing = await load(bench.port, empty, seconds=effort.seconds, at_once=AT_ONCE)
            assert set(lists["statuses"]) | set(unkept["statuses"]) == {"200"}
            if number:
                rates = [len(one["latencies"]) / one["seconds"] for one in (lists, unkept, nothing)]
                rounds.append([*rates, p99(lists["latencies"])])
    rate, unkept_rate, limit, slow = (statistics.median(one[i] for one in rounds) for i in range(4))
    return ProductsFigures.of(
        rate,
        limit,
        f"lists of {SHOWN} of {count} products through HTTP with a handler of the same stack that"
        f" does nothing, {PROCESSES} web processes, {AT_ONCE} connections each",
        unkept_rate=round(unkept_rate, 1),
        p99_ms=round(slow, 1),
        goal_rate=GOAL_RATE,
    )


async def _fill(bench: Bench, count: int) -> None:
    """Products with a picture, on the shelf; every other one is in stock."""
    dice = random.Random(1)
    wanted = [
        ImportedProduct(
            f"C{number:05}", "".join(dice.sample(WORDS, 4)), dice.randrange(100, 99_999)
        )
        for number in range(count)
    ]
    picture = io.BytesIO()
    Image.new("RGB", (8, 8)).save(picture, "PNG")
    prepared = await catalog.prepare_image(picture.getvalue())
    async with transaction(bench.shop_id) as tx:
        await catalog.keep_image(tx, prepared)
        await catalog.import_products(tx, wanted)
    owner = await asyncpg.connect(bench.cluster.owner_url(bench.database))
    for statement in _SHELVES:
        await owner.execute(statement)
    await owner.close()
    await analyze(bench)


_SHELVES = (
    "update catalog.products set status = 'on_shelf', sold_count = product_no * 7919 % 1000",
    """insert into catalog.product_images (shop_id, product_id, position, image_key)
       select shop_id, product_id, 0, (select image_key from catalog.images)
       from catalog.products""",
    """update inventory.stock s set on_hand = 5 from inventory.items i
       where i.shop_id = s.shop_id and i.sku_id = s.sku_id and i.product_no % 2 = 0""",
)


async def _paths(bench: Bench) -> Sequence[str]:
    """The first pages of each order, by their cursors."""
    found = []
    headers = {"X-Siyu-Shop": "bench"}
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{bench.port}", headers=headers, trust_env=False
    ) as http:
        for sort in SORTS:
            path = first = f"/shop/v1/products?limit={SHOWN}&sort={sort}"
            for _ in range(PAGES):
                found.append(path)
                page = (await http.get(path)).json()
                assert len(page["items"]) == SHOWN, page
                path = f"{first}&cursor={page['next_cursor']}"
    return found


def _anywhere(dice: random.Random) -> str:
    """A page that begins anywhere in the order of prices."""
    cursor = encode_cursor([dice.randrange(100, 99_000), dice.randrange(1_000_000)])
    return f"/shop/v1/products?limit={SHOWN}&sort=price_asc&cursor={cursor}"


def _request(bench: Bench, path: str) -> tuple[bytes, bytes]:
    head = (
        f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{bench.port}\r\nX-Siyu-Shop: bench\r\n"
        "Accept-Language: zh-CN\r\nX-Request-Id: "
    )
    return head.encode(), b"\r\n\r\n"
