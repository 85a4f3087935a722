"""R 43: something of equal price, only when the original is out of stock, after the address."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from siyu.commerce.fulfilment import service as fulfilment
from siyu.commerce.inventory import service as inventory
from siyu.kernel.audit import System
from siyu.kernel.db import transaction
from tests.commerce.ordering.kit import Shopper, make_skus
from tests.growth.gifting.kit import TEA, Fair, ok, refused, why

pytestmark = pytest.mark.xdist_group("sandbox")


async def sell_out(fair: Fair, sku_id: UUID) -> None:
    """Everything that is left of a SKU is bought by others."""
    on_hand, _ = await fair.stock(sku_id)
    source = uuid4()
    async with transaction(fair.shop) as tx:
        await inventory.reserve(tx, source, {sku_id: on_hand})
        await inventory.consume(tx, source)


async def accepted(fair: Fair) -> tuple[Shopper, dict[str, Any]]:
    ben = await fair.person()
    return ben, ok(await fair.accept(ben, await fair.give(1)))


async def test_a_gift_that_is_there_cannot_be_swapped(shop_fair: Fair) -> None:
    fair = shop_fair
    [other] = await make_skus(fair.shop, price_fen=TEA, title="白茶")
    await fair.mark(other)
    ben, share = await accepted(fair)
    assert share["swaps"] == []
    answer = await ben.send(
        "POST", f"/gifts/received/{share['share_id']}/swap", {"sku_id": str(other)}
    )
    assert (refused(answer), why(answer)) == ((409, "gifting.swap_refused"), "in_stock")
    assert await fair.stock(other) == (100, 0)


async def test_an_equal_one_goes_instead(shop_fair: Fair) -> None:
    fair = shop_fair
    equal, dear, plain, gone = await make_skus(fair.shop, 4, price_fen=TEA, title="白茶", stock=5)
    for sku in (equal, dear, gone):
        await fair.mark(sku)
    async with transaction(fair.shop) as tx:
        await tx.run("update catalog.skus set price_fen = $1 where sku_id = $2", TEA + 1, dear)
        # Another kind of the same tea has the same title: the options tell them apart.
        await tx.run("update catalog.skus set option_values = '{散装}' where sku_id = $1", equal)
    await sell_out(fair, gone)
    ben, share = await accepted(fair)
    await sell_out(fair, fair.tea)
    path = f"/gifts/received/{share['share_id']}"
    seen = ok(await ben.send("GET", path))
    assert [one["sku_id"] for one in seen["swaps"]] == [str(equal)]
    for sku, reason in ((dear, "price"), (plain, "not_giftable"), (fair.tea, "not_giftable")):
        answer = await ben.send("POST", f"{path}/swap", {"sku_id": str(sku)})
        assert (refused(answer), why(answer)) == ((409, "gifting.swap_refused"), reason)
    answer = await ben.send("POST", f"{path}/swap", {"sku_id": str(gone)})
    assert refused(answer) == (409, "inventory.stock_short")
    answer = await ben.send("POST", f"{path}/swap", {"sku_id": share["share_id"]})
    assert refused(answer) == (404, "ordering.sku_not_found")
    after = ok(await ben.send("POST", f"{path}/swap", {"sku_id": str(equal)}))
    assert (after["sent_title"], after["swaps"]) == ("白茶 1 散装", [])
    line = after["delivery"]["lines"][0]
    assert (line["title"], line["option_values"]) == ("白茶 1", ["散装"])
    # What was sold of the original is back, one of the other has left, and no money moved.
    assert await fair.stock(fair.tea) == (1, 0)
    assert await fair.stock(equal) == (4, 0)
    assert await fair.value("select count(*) from ordering.refunds") == 0
    [told] = await fair.told("gift_swapped")
    assert told["person_no"] == ben.member.person_no and told["amount_fen"] == TEA
    answer = await ben.send("POST", f"{path}/swap", {"sku_id": str(equal)})
    assert why(answer) == "swapped"


async def test_what_was_sent_is_not_swapped(shop_fair: Fair) -> None:
    fair = shop_fair
    [equal] = await make_skus(fair.shop, price_fen=TEA, title="白茶")
    await fair.mark(equal)
    ben, share = await accepted(fair)
    await sell_out(fair, fair.tea)
    consignment = {UUID(share["consignment_id"]): None}
    async with transaction(fair.shop) as tx:
        await fulfilment.send(
            tx, System(), consignment, carrier="顺丰速运", tracking_no="SF1234567890"
        )
    path = f"/gifts/received/{share['share_id']}"
    answer = await ben.send("POST", f"{path}/swap", {"sku_id": str(equal)})
    assert refused(answer) == (409, "fulfilment.nothing_left")
    assert await fair.stock(equal) == (100, 0)
    [parcel] = ok(await ben.send("GET", path))["delivery"]["parcels"]
    assert parcel["tracking_no"] == "SF1234567890"
