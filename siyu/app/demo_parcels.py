"""What the demo shows of shipping: places of collection, a split order, a merged parcel, pick-ups.

All through the console's and the shop's own API, as a clerk and customers would.
"""

import asyncio
import random
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx

from siyu.kernel import clock
from siyu.sandbox.client import SandboxClient

if TYPE_CHECKING:
    from siyu.app.demo_customers import Customer
    from siyu.app.demo_desk import Desk

PLACES = (
    {
        "name": "湖滨茶室",
        "address": "浙江省杭州市上城区湖滨路 28 号一层",
        "phone": "0571-87001122",
        "hours": "10:00 – 21:00",
        "latitude_e6": 30_254_000,
        "longitude_e6": 120_160_000,
    },
    {
        "name": "龙井山居",
        "address": "浙江省杭州市西湖区龙井路 1 号",
        "phone": "0571-87003344",
        "hours": "9:00 – 17:30",
        "is_open": False,
    },
)
STEPS = (
    ("collected", "杭州转运中心 已揽收"),
    ("in_transit", "已发往下一站"),
    ("out_for_delivery", "快递员正在派送，请保持电话畅通"),
    ("delivered", "已签收，签收人：本人"),
)
CARRIERS = ("顺丰速运", "中通快递", "圆通速递", "京东物流")
"""What else the demo's orders travel with."""


async def open_places(desk: "Desk") -> None:
    """Two places of collection, one of them closed; once."""
    if not (await desk.ask("GET", "/stores"))["items"]:
        for place in PLACES:
            await desk.ask("POST", "/stores", place)


async def first_parcels(
    desk: "Desk", buyers: "list[Customer]", http: httpx.AsyncClient, sandbox: SandboxClient
) -> None:
    """An order in two parcels, two orders in one, a pick-up that waits and one that was fetched."""
    await open_places(desk)
    place = (await desk.ask("GET", "/stores"))["items"][0]["store_id"]
    splitter, merger, waiter, fetcher = (buyers * 4)[:4]
    await _buy(splitter, http, sandbox, quantity=2)
    await _send(desk, splitter, [1])
    await _send(desk, splitter, None)
    for _ in range(2):
        await _buy(merger, http, sandbox)
    await _send(desk, merger, None, merged=True)
    await _buy(waiter, http, sandbox, place=place)
    await _buy(fetcher, http, sandbox, place=place)
    path = f"/shop/v1/orders/{fetcher.order_id}/deliveries"
    for one in (await fetcher.call(http, "GET", path))["items"]:
        await desk.ask("POST", "/pickups/hand-over", {"code": one["code_text"]})


async def move_parcels(desk: "Desk", dice: random.Random) -> None:
    """Carriers bring some parcels one step further."""
    parcels = (await desk.ask("GET", "/parcels?limit=20"))["items"]
    for parcel in parcels:
        done = len(parcel["events"]) - 1
        if done < len(STEPS) and dice.random() < 0.5:
            status, text = STEPS[done]
            news = {"at": clock.now().isoformat(), "status": status, "text": text}
            await desk.ask("POST", f"/parcels/{parcel['parcel_id']}/tracking", news)


async def _buy(
    buyer: "Customer",
    http: httpx.AsyncClient,
    sandbox: SandboxClient,
    *,
    quantity: int = 1,
    place: str | None = None,
) -> None:
    cards = (await buyer.call(http, "GET", "/shop/v1/products?limit=50"))["items"]
    goods = [card for card in cards if card["kind"] == "physical" and card["in_stock"]]
    product_id = buyer.dice.choice(goods)["product_id"]
    product = await buyer.call(http, "GET", f"/shop/v1/products/{product_id}")
    sku = next(one for one in product["skus"] if one["available"] >= quantity)
    line = {"sku_id": sku["sku_id"], "quantity": quantity}
    while await buyer.buy(http, sandbox, line, place) != "paid":
        pass
    for _ in range(480):  # the parcel's news comes a moment later
        path = f"/shop/v1/orders/{buyer.order_id}/deliveries"
        if (await buyer.call(http, "GET", path))["items"]:
            return
        await asyncio.sleep(0.25)


async def _send(
    desk: "Desk", buyer: "Customer", pieces: list[int] | None, *, merged: bool = False
) -> None:
    found = await desk.ask("GET", f"/orders/{buyer.order_id}/parcels")
    consignment_id = found["consignments"][0]["consignment_id"]
    chosen: list[dict[str, Any]] = [{"consignment_id": consignment_id, "lines": None}]
    if pieces:
        chosen[0]["lines"] = [{"line_no": 1, "quantity": count} for count in pieces]
    if merged:
        detail = await desk.ask("GET", f"/consignments/{consignment_id}")
        chosen += [
            {"consignment_id": one["consignment_id"], "lines": None} for one in detail["together"]
        ]
    parcel = {
        "carrier": buyer.dice.choice(CARRIERS),
        "tracking_no": f"SY{uuid4().int % 10**12:012d}",
        "consignments": chosen,
    }
    await desk.ask("POST", "/parcels", parcel)
