"""A rush on hot goods: several orders of one member at the same moment, some under one key.

Two warehouses hold the hot goods, a few pieces are kept back, and nobody may have more than
`LIMIT`; what comes of it is proven by the truths of inventory and ordering.
"""

import asyncio
from typing import Any

import httpx

from siyu.app.sim_members import Habits, Member
from siyu.app.sim_people import Problem

LIMIT = 4
HOT_GOODS = 3

_hot_goods: list[str] = []


async def rush(member: Member) -> None:
    """Order one hot SKU, which opens its lane, then on two to five devices at once; pay for what
    was got, or leave it.
    """
    if not _hot_goods:
        return
    lines = [{"sku_id": member.dice.choice(_hot_goods), "quantity": 1}]
    quoted = await member.quote(lines, coupon_ids=[])
    if quoted is None:
        return
    body = member.order_body(lines, quoted, coupon_ids=[])
    keys = [member.new_key() for _ in range(member.dice.randint(3, 6))]
    if member.chance(0.3):
        keys[2] = keys[1]
    answers = [await member.ask("POST", "/orders", body, key=keys[0])]
    await member.think(0.5, 5)
    orders = (member.ask("POST", "/orders", body, key=key) for key in keys[1:])
    answers += await asyncio.gather(*orders)
    made = {key: one for key, one in zip(keys, answers, strict=True) if one.is_good}
    told = {one.data["order_id"] for one in answers if one.is_good}
    if len(told) != len(made):
        member.street.problems.append(f"{member.name}: a key made two orders in the rush")
        raise Problem("/orders")
    for answer in made.values():
        bought = member.remember(answer, body)
        if bought:
            member.street.score["orders in a rush"] += 1
            await member.think(1, 30)
            if member.chance(0.7):
                await member.pay(bought)


async def set_up(http: httpx.AsyncClient, headers: dict[str, str]) -> None:
    """A second warehouse with half of some goods, which are hot from then on."""

    async def ask(method: str, path: str, body: Any = None) -> Any:
        answer = await http.request(method, f"/admin/v1{path}", json=body, headers=headers)
        assert answer.is_success, f"{path}: {answer.text}"
        return answer.json()

    made = await ask("POST", "/warehouses", {"name": "分仓", "priority": 2})
    (main,) = [one for one in (await ask("GET", "/warehouses"))["items"] if one["is_default"]]
    goods = (await ask("GET", "/stock?limit=50"))["items"]
    _hot_goods[:] = [row["sku_id"] for row in goods if row["available"] > 5][:HOT_GOODS]
    for sku_id in _hot_goods:
        (row,) = [row for row in goods if row["sku_id"] == sku_id]
        transfer = {
            "from_id": main["warehouse_id"],
            "to_id": made["warehouse_id"],
            "quantity": row["available"] // 2,
            "expected_version": row["version"],
            "reason": "分仓备货",
        }
        moved = await ask("POST", f"/stock/{sku_id}/transfer", transfer)
        decided = {"safety": 1, "lane": "on", "limit_per_buyer": LIMIT}
        await ask("PUT", f"/stock/{sku_id}", decided | {"expected_version": moved["version"]})


HABITS: Habits = {rush: 2}
