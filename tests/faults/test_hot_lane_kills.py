"""F046, F113: `kill -9` of web and database while a hot SKU is ordered through the lane."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID, uuid4

import pytest

from siyu.app import bench_kills, sim_checks
from siyu.app.bench_flash import switch_on
from siyu.app.bench_kills import Killer, Place
from siyu.app.bench_kills_customers import Customer, Kept
from siyu.kernel.db import reading

ORDERS = 600
KILLS = 4


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with bench_kills.installation(seed=1) as running:
        yield running


@pytest.mark.timeout(600)
async def test_a_crash_loses_nobodys_acknowledged_order(place: Place) -> None:
    """Every key makes exactly one order, whichever process died while it was worked on."""
    customers = await place.hire_customers()
    sku_id, price_fen = customers[0].goods[0]
    await switch_on(place.shop.shop_id, UUID(sku_id))
    body = {
        "source": "lines",
        "lines": [{"sku_id": sku_id, "quantity": 1}],
        "address_id": None,
        "remark": "",
        "expected_total_fen": price_fen,
        "platform": "mp-weixin",
        "coupon_ids": [],
    }
    kept, numbers = Kept(), iter(range(ORDERS))

    async def shop_on(customer: Customer) -> None:
        for _ in numbers:
            kept.keys += 1
            answer = await customer.ask(kept, "/shop/v1/orders", body)
            kept.orders.append(answer["order_id"])

    killer = Killer(place, seed=1, victims=("web", "postmaster"))

    async def kill() -> None:
        for number in range(KILLS):
            goal = len(kept.orders) + ORDERS // (2 * KILLS)
            while len(kept.orders) < min(goal, ORDERS - 1):
                await asyncio.sleep(0.01)
            victim = killer.victims[number % 2]
            while killer.pid(victim) is None:
                await asyncio.sleep(0.05)
            killer.kill(victim)

    async with asyncio.TaskGroup() as group:
        group.create_task(kill())
        for customer in [*customers, *customers]:
            group.create_task(shop_on(customer))

    shop_id = place.shop.shop_id
    assert len(kept.orders) == len(set(kept.orders)) == kept.keys == ORDERS
    assert await sim_checks.lost_orders(shop_id, kept.orders) == []
    async with reading(shop_id) as tx:
        assert await tx.value("select count(*) from ordering.orders") == ORDERS
        by_lane = await tx.value("select sum(orders) from inventory.lanes")
        reserved = await tx.value("select sum(reserved) from inventory.stock")
        kept_for = await tx.value("select sum(quantity) from inventory.reservations")
    assert by_lane > ORDERS // 2, "it was the lane that was killed"
    assert reserved == kept_for == ORDERS
    assert await sim_checks.lost_orders(shop_id, [str(uuid4())]) != [], "the check can see a loss"
    assert kept.bugs == 0
    assert killer.kills == {"web": KILLS // 2, "postmaster": KILLS // 2}
