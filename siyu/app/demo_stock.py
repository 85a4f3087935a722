"""What the demo shows of stock: a second warehouse with a part of the goods, and a hot SKU that
sells while everybody wants it.
"""

import asyncio
from typing import TYPE_CHECKING

import httpx

from siyu.sandbox.client import SandboxClient

if TYPE_CHECKING:
    from siyu.app.demo_customers import Customer
    from siyu.app.demo_desk import Desk

KEPT_BACK = 5
LIMIT = 3
SHARED = 6
"""So many SKUs lie in both warehouses."""


async def open_warehouse(desk: "Desk") -> None:
    """Through the console's own API; once."""
    known = (await desk.ask("GET", "/warehouses"))["items"]
    if len(known) != 1:
        return
    made = await desk.ask("POST", "/warehouses", {"name": "泉州分仓", "priority": 2})
    goods = (await desk.ask("GET", "/products?status=on_shelf&limit=100"))["items"]
    sent = {row["product_id"] for row in goods if row["kind"] == "physical"}
    rows = (await desk.ask("GET", "/stock?limit=100"))["items"]
    rows = [row for row in rows if row["product_id"] in sent and row["available"]]
    for row in sorted(rows, key=lambda row: -row["available"])[:SHARED]:
        transfer = {
            "from_id": known[0]["warehouse_id"],
            "to_id": made["warehouse_id"],
            "quantity": row["available"] // 3 or 1,
            "expected_version": row["version"],
            "reason": "闽南订单就近发货",
        }
        row["version"] = (await desk.ask("POST", f"/stock/{row['sku_id']}/transfer", transfer))[
            "version"
        ]
    hot = max(rows, key=lambda row: row["available"])
    decided = {"safety": KEPT_BACK, "lane": "on", "limit_per_buyer": LIMIT}
    await desk.ask("PUT", f"/stock/{hot['sku_id']}", decided | {"expected_version": hot["version"]})


async def sell_hot(
    desk: "Desk", buyers: "list[Customer]", http: httpx.AsyncClient, sandbox: SandboxClient
) -> None:
    """Everybody buys what is hot, at the same moment."""
    for lane in (await desk.ask("GET", "/stock/lanes"))["items"]:
        line = {"sku_id": lane["sku_id"], "quantity": 1}
        await asyncio.gather(*(buyer.buy(http, sandbox, line) for buyer in buyers))
