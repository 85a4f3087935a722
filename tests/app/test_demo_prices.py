"""The demo's campaigns and shipping: what a first customer is offered."""

from siyu.app import demo_goods, demo_prices
from siyu.commerce.catalog import service as catalog
from siyu.commerce.promotions import queries, service
from siyu.commerce.promotions.contracts import Buyer, Region
from siyu.kernel import clock
from siyu.kernel.db import reading
from siyu.kernel.ids import ShopId

pytest_plugins = ["tests.commerce.catalog.fixtures"]


async def test_the_demo_is_priced_once(shop: ShopId) -> None:
    await demo_goods.load(shop)
    await demo_prices.load(shop)
    await demo_prices.load(shop)
    async with reading(shop) as tx:
        now = clock.now()
        rows = await queries.list_campaigns(tx, now=now, phase=None, after=None, limit=9)
        assert [row.phase for row in rows] == ["draft", "scheduled", "over", *["running"] * 4]
        known = await catalog.find_skus(tx, ["CD01-1", "TG01-2", "WT02-1"])
        skus = {
            s.sku_id: s for s in await catalog.load_for_sale(tx, [k.sku_id for k in known.values()])
        }
        rules = (await service.load_pricing(tx, now=now)).rules
    lines = {code: service.price_line(skus[sku.sku_id]) for code, sku in known.items()}
    first = Buyer(False, is_first_order=True, region=Region("广东省", "深圳市"))
    quote = service.price([lines["CD01-1"]], first, rules)
    # 49.00 at 85 折, 5.00 less on the first order, 8.00 of shipping.
    assert (quote.total_fen, quote.shipping_fen) == (4_165 - 500 + 800, 800)
    three = service.price([service.price_line(skus[known["TG01-2"].sku_id], 3)], Buyer(True), rules)
    # 3 × 98.00 for members, 20 off from 199, sent for nothing, with a gift.
    assert (three.total_fen, len(three.gifts)) == (27_400, 1)
    far = Buyer(False, region=Region("西藏自治区", "拉萨市"))
    assert service.price([lines["WT02-1"]], far, rules).undelivered == [known["WT02-1"].sku_id]
