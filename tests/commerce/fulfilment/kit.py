"""Paid orders to be sent, a shop clerk's hands, and the truths that must hold after."""

from typing import Any
from uuid import UUID, uuid4

import httpx

from siyu.app.event_map import EVENT_MAP
from siyu.commerce.fulfilment import background
from siyu.kernel.db import reading
from siyu.kernel.ids import ShopId
from siyu.kernel.relay import Relay
from tests.commerce.ordering.kit import Shopper, make_skus
from tests.commerce.ordering.test_payment import begin
from tests.money.payments.bench import Market

SF, YTO = ("顺丰", "SF1234567890"), ("圆通", "YT9876543210")


async def ask(anna: Shopper, method: str, path: str, body: Any = None) -> httpx.Response:
    """Something at the console."""
    headers = {"Idempotency-Key": uuid4().hex} if method == "POST" else {}
    return await anna.http.request(method, f"/admin/v1{path}", json=body, headers=headers)


async def see(anna: Shopper, path: str) -> Any:
    """What the console shows."""
    answer = await ask(anna, "GET", path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def drain() -> None:
    """Every event reaches everybody."""
    await Relay(EVENT_MAP).drain()


async def of_order(anna: Shopper, order: dict[str, Any]) -> Any:
    """Consignments, parcels and money of an order."""
    return await see(anna, f"/orders/{order['order_id']}/parcels")


async def bought(
    shop: ShopId, anna: Shopper, quantities: list[int], **changes: Any
) -> dict[str, Any]:
    """An order of so many pieces of several goods at 10 yuan, paid from the balance, and heard."""
    skus = await make_skus(shop, len(quantities), price_fen=1000)
    lines = dict(zip(skus, quantities, strict=True))
    order = await anna.order(lines, 1000 * sum(quantities), use_balance=True, **changes)
    await drain()
    return order


async def paid_at_wechat(
    market: Market, anna: Shopper, quantities: list[int], **changes: Any
) -> dict[str, Any]:
    """The same, paid inside WeChat."""
    skus = await make_skus(market.shop_id, len(quantities), price_fen=1000)
    lines = dict(zip(skus, quantities, strict=True))
    order = await anna.order(lines, 1000 * sum(quantities), **changes)
    await market.pay(await begin(anna, order))
    await anna.send("POST", f"/orders/{order['order_id']}/pay/sync")
    await drain()
    return order


async def upload_of(shop: ShopId, order: dict[str, Any]) -> dict[str, Any]:
    """The row of an order's upload."""
    async with reading(shop) as tx:
        row = await tx.connection.fetchrow(
            "select * from fulfilment.uploads where order_id = $1", UUID(order["order_id"])
        )
    return dict(row) if row else {}


async def pieces(anna: Shopper, order: dict[str, Any], *asked: tuple[int, int]) -> dict[str, Any]:
    """A part of an order's own consignment, as the console names it."""
    [consignment] = (await of_order(anna, order))["consignments"]
    return {
        "consignment_id": consignment["consignment_id"],
        "lines": [{"line_no": no, "quantity": count} for no, count in asked] or None,
    }


async def send(
    anna: Shopper, *parts: dict[str, Any], parcel: tuple[str, str] = SF
) -> httpx.Response:
    """A parcel leaves."""
    body = {"carrier": parcel[0], "tracking_no": parcel[1], "consignments": list(parts)}
    return await ask(anna, "POST", "/parcels", body)


async def work() -> None:
    """What the worker does about uploads and what it sees at WeChat, and what follows from it."""
    await background.pursue_uploads()
    await background.look_over_trades()
    await drain()
