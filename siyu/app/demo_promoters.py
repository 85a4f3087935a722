"""What the demo shows of promoters: two orders by a promoter's link, one of a customer, one that
the promoter seems to have placed with a second account: its commission waits for a review.
"""

from typing import TYPE_CHECKING
from uuid import uuid4

import httpx

from siyu.sandbox.client import SandboxClient

if TYPE_CHECKING:
    from siyu.app.demo_customers import Customer
    from siyu.app.demo_desk import Desk

RULE = {
    "title": "推广佣金 · 下单奖励",
    "scope": "promoter",
    "level": 1,
    "share_bps": 800,
    "way": "balance",
    "trigger": "days",
    "after_days": 0,
}


async def buy_by_link(
    desk: "Desk",
    promoter: "Customer",
    customer: "Customer",
    second: "Customer",
    sandbox: SandboxClient,
) -> None:
    """customer: somebody whom the link brought; second: the promoter's other account, on the same
    phone."""
    http = desk.http
    await desk.ask("POST", "/split-rules", RULE)
    await second.log_in(http, sandbox)
    phone = str(uuid4())
    for account in (promoter, second):
        await _use(account, http, phone)
    for buyer in (customer, second):
        await _buy(buyer, promoter, http, sandbox)


async def _use(account: "Customer", http: httpx.AsyncClient, phone: str) -> None:
    await account.call(http, "PUT", "/shop/v1/commission/device", {"device": phone})


async def _buy(
    buyer: "Customer", promoter: "Customer", http: httpx.AsyncClient, sandbox: SandboxClient
) -> None:
    cards = (await buyer.call(http, "GET", "/shop/v1/products?limit=50"))["items"]
    card = next(c for c in cards if c["kind"] == "physical" and c["in_stock"])
    product = await buyer.call(http, "GET", f"/shop/v1/products/{card['product_id']}")
    sku = next(one for one in product["skus"] if one["available"] > 1)
    line = {"sku_id": sku["sku_id"], "quantity": 1}
    while await buyer.buy(http, sandbox, line, brought_by=promoter.member_id) != "paid":
        pass
