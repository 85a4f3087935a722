"""How fast products come in; `SIYU_BULK_PRODUCTS=10000` measures the figure of the docs."""

import os
import resource
import time

from siyu.kernel.ids import ShopId
from tests.commerce.bulk.kit import at_work, book, counts

PRODUCTS = int(os.environ.get("SIYU_BULK_PRODUCTS", "300"))
HEADER = ["商品名称", "商家编码", "售价", "规格", "会员价", "期初库存", "标签", "详情"]


async def test_products_come_in_quickly_and_in_little_memory(shop: ShopId) -> None:
    lines = [
        [f"批量好茶 {n}", f"B{n:06}", "68.00", "净含量:100克", "62", 20, "新品;春茶", "<p>香</p>"]
        for n in range(PRODUCTS)
    ]
    raw = book(HEADER, *lines)
    async with at_work(shop) as clerk:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        began = time.perf_counter()
        task = await clerk.take_in("products_in", raw)
        took = time.perf_counter() - began
        grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        assert counts(task) == (PRODUCTS, 0, 0, 0)
        again_began = time.perf_counter()
        assert counts(await clerk.take_in("products_in", raw)) == (0, 0, PRODUCTS, 0)
        again = time.perf_counter() - again_began
        assert await clerk.broken() == []
    print(f"\n{PRODUCTS} products: {took:.1f} s, again {again:.1f} s, memory +{grown} MB")
    assert PRODUCTS / took > 10, f"{PRODUCTS} products took {took:.1f} s"
    assert grown < 120
