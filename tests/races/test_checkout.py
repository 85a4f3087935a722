"""Checkout under real concurrency, through HTTP. Each race is first shown to happen unguarded."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from siyu.commerce.ordering import background, queries
from siyu.commerce.ordering.contracts import CancelReason
from siyu.commerce.ordering.service import cart_store
from siyu.kernel import clock, db
from siyu.kernel.db import Database, transaction
from siyu.kernel.errors import Busy
from siyu.kernel.ids import ShopId
from siyu.money.payments import service as payments
from tests.commerce.ordering.kit import (
    Shopper,
    broken_invariants,
    count,
    deliver,
    make_buyers,
    make_skus,
    shopper,
    stock_of,
)
from tests.money.payments.bench import Market, market, wechat_url

__all__ = ["market", "wechat_url"]

pytestmark = pytest.mark.xdist_group("races")
AT_ONCE = 64


@pytest.fixture
async def crowd(database: Database) -> AsyncIterator[Database]:
    """The same database through 64 connections."""
    wide = await Database.connect(database.url, size=AT_ONCE)
    # Opened before anybody runs, for the races are about rows and not about connecting.
    opened = [await wide.pool.acquire() for _ in range(AT_ONCE)]
    for connection in opened:
        await wide.pool.release(connection)
    db.use(wide)
    yield wide
    db.use(database)
    await wide.close()


@pytest.fixture(autouse=True)
async def truths_hold(crowd: Database, shop: ShopId) -> AsyncIterator[None]:
    yield
    assert await broken_invariants(shop) == []


@pytest.fixture
async def shoppers(shop: ShopId) -> AsyncIterator[list[Shopper]]:
    async with shopper(shop) as first:
        others = await make_buyers(shop, AT_ONCE - 1)
        yield [first, *(Shopper(first.http, *other) for other in others)]


async def together(work: list[Callable[[], Awaitable[Any]]]) -> list[Any]:
    """Start all at the same moment."""
    gate = asyncio.Barrier(len(work))

    async def one(task: Callable[[], Awaitable[Any]]) -> Any:
        await gate.wait()
        return await task()

    return await asyncio.gather(*(one(task) for task in work))


async def order(buyer: Shopper, lines: dict[UUID, int], total_fen: int) -> httpx.Response:
    """Order as a phone does: come again with the same key when told to."""
    body, key = buyer.order_body(lines, total_fen), uuid4().hex
    while (answer := await buyer.send("POST", "/orders", body, key)).status_code == 503:
        assert answer.headers["retry-after"] == "1"
    return answer


def outcomes(answers: list[httpx.Response]) -> Counter[str]:
    return Counter(
        "ok" if answer.status_code == 200 else answer.json()["error"]["code"] for answer in answers
    )


# --- the last piece ---------------------------------------------------------------------------


async def test_F041_unguarded_the_last_piece_is_sold_many_times(shop: ShopId, shoppers) -> None:
    """The control: read, check, then write, as a naive shop does."""
    (tea,) = await make_skus(shop, stock=1)
    sold = []

    async def naive(buyer: Shopper) -> None:
        async with transaction(shop) as tx:
            left = await tx.value(
                "select on_hand - reserved from inventory.stock where sku_id = $1", tea
            )
            await asyncio.sleep(0.01)
            if left > 0:
                sold.append(buyer)

    await together([lambda buyer=buyer: naive(buyer) for buyer in shoppers])
    assert len(sold) > 1


async def test_F041_the_last_piece_is_sold_once(shop: ShopId, shoppers) -> None:
    (tea,) = await make_skus(shop, stock=1)
    answers = await together(
        [lambda buyer=buyer: order(buyer, {tea: 1}, 1990) for buyer in shoppers]
    )
    assert outcomes(answers) == {"ok": 1, "inventory.stock_short": AT_ONCE - 1}
    assert await stock_of(shop, tea) == (1, 1)
    assert await count(shop, "select count(*) from ordering.orders") == 1


async def test_F041_a_sale_ends_neither_over_nor_under(market: Market, shoppers) -> None:
    """Many buyers for 20 pieces; unpaid holds expire, and what came back is sold to the last."""
    (tea,) = await make_skus(market.shop_id, stock=20)

    async def rush() -> Counter[str]:
        return outcomes(
            await together(
                [lambda buyer=buyer: order(buyer, {tea: 1}, 1990) for buyer in shoppers * 2]
            )
        )

    assert (await rush())["ok"] == 20
    with clock.turned(clock.now() + timedelta(minutes=16)):
        await background.cancel_overdue()
        assert await stock_of(market.shop_id, tea) == (20, 0)
        assert (await rush())["ok"] == 20
        assert await stock_of(market.shop_id, tea) == (20, 20)


# --- one key ----------------------------------------------------------------------------------


async def test_the_same_key_64_times_is_one_order(shop: ShopId, shoppers) -> None:
    (tea,) = await make_skus(shop, stock=100)
    anna, key = shoppers[0], uuid4().hex
    body = anna.order_body({tea: 1}, 1990)
    without = await together([lambda: anna.send("POST", "/orders", body)] * 8)
    assert outcomes(without) == {"ok": 8}, "keys of their own make orders of their own"

    answers = await together([lambda: anna.send("POST", "/orders", body, key)] * AT_ONCE)
    seen = outcomes(answers)
    assert set(seen) <= {"ok", "idempotency.still_running"} and seen["ok"] >= 1
    assert len({answer.json()["order_no"] for answer in answers if answer.is_success}) == 1
    assert await count(shop, "select count(*) from ordering.orders") == 9
    again = await anna.send("POST", "/orders", body, key)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json() == next(answer.json() for answer in answers if answer.is_success)
    assert await stock_of(shop, tea) == (100, 9)


# --- locks in one order -----------------------------------------------------------------------


async def test_F043_unsorted_locks_do_deadlock(shop: ShopId, crowd: Database) -> None:
    skus = await make_skus(shop, 5, stock=1_000_000)

    async def naive(order: list[UUID]) -> bool:
        try:
            async with transaction(shop) as tx:
                for sku in order:
                    await tx.run(
                        "update inventory.stock set reserved = reserved where sku_id = $1", sku
                    )
                    await asyncio.sleep(0)
        except Busy:
            return False
        return True

    done = await together([lambda: naive(random.sample(skus, 5)) for _ in range(AT_ONCE)])
    assert not all(done)


async def test_F043_carts_in_any_order_do_not_deadlock(shop: ShopId, shoppers) -> None:
    skus = await make_skus(shop, 5, stock=100_000)
    before = await deadlocks(shop)

    async def buy(buyer: Shopper) -> list[httpx.Response]:
        answers = []
        for _ in range(3):
            lines = dict.fromkeys(random.sample(skus, 5), 1)
            answers.append(await order(buyer, lines, 5 * 1990))
        return answers

    answers = await together([lambda buyer=buyer: buy(buyer) for buyer in shoppers])
    assert outcomes([one for each in answers for one in each]) == {"ok": 3 * AT_ONCE}
    assert await deadlocks(shop) == before
    assert await stock_of(shop, skus[0]) == (100_000, 3 * AT_ONCE)


async def deadlocks(shop: ShopId) -> int:
    await asyncio.sleep(1.1)  # statistics are told at most once a second
    return int(
        await count(
            shop, "select deadlocks from pg_stat_database where datname = current_database()"
        )
    )


# --- cancel against payment -------------------------------------------------------------------


async def paid_at_wechat(market: Market, anna: Shopper, tea: UUID) -> str:
    order = await anna.order({tea: 1}, 1990)
    path = f"/orders/{order['order_id']}/pay"
    started = (await anna.send("POST", path, {"channel": "jsapi"})).json()
    await market.pay(started["jsapi"]["package"].removeprefix("prepay_id="))
    return str(order["order_id"])


async def test_F044_without_asking_payments_a_paid_order_loses_its_goods(market: Market) -> None:
    """The control: a time-out that only looks at its own table."""
    (tea,) = await make_skus(market.shop_id, stock=1)
    account = (market.keys["appid"], market.openid)
    async with shopper(market.shop_id, account=account) as anna:
        order_id = UUID(await paid_at_wechat(market, anna, tea))
        await payments.sync(market.shop_id, order_id)
        with pytest.raises(RuntimeError, match="undo"):
            async with transaction(market.shop_id) as tx:
                order = await queries.lock_order(tx, order_id)
                assert order is not None and order.status == "pending_payment"
                await queries.move_cancelled(
                    tx, order_id, CancelReason.TIMED_OUT, clock.now(), "naive"
                )
                assert await payments.has_open(tx, order_id), "the money is there already"
                raise RuntimeError("undo")


@pytest.mark.parametrize("times", range(3))
async def test_F044_cancel_against_payment_ends_in_one_of_two_ways(
    market: Market, times: int
) -> None:
    (tea,) = await make_skus(market.shop_id, stock=1)
    account = (market.keys["appid"], market.openid)
    async with shopper(market.shop_id, account=account) as anna:
        order_id = await paid_at_wechat(market, anna, tea)
        path = f"/orders/{order_id}"
        await together(
            [
                lambda: anna.send("POST", f"{path}/pay/sync"),
                lambda: anna.send("POST", f"{path}/cancel", {}),
                lambda: anna.send("POST", f"{path}/cancel", {}),
                lambda: anna.send("POST", f"{path}/pay/sync"),
            ]
        )
        await payments.sync(market.shop_id, UUID(order_id))
        await asyncio.gather(deliver(market.shop_id), deliver(market.shop_id))
        status = (await anna.send("GET", path)).json()["status"]
        parked = [row.reason for row in await market.parked()]
        assert (status, parked, await stock_of(market.shop_id, tea)) in [
            ("paid", [], (0, 0)),
            ("cancelled", ["order_closed"], (1, 0)),
        ]


# --- the cart ---------------------------------------------------------------------------------


async def test_a_cart_locked_unseen_grows_beyond_its_limit(shop: ShopId, shoppers) -> None:
    skus = await make_skus(shop, 110)
    member = shoppers[0].member.member_id

    async def add(sku: UUID) -> None:
        async with transaction(shop) as tx:
            await tx.run(without, shop, member, sku, 1, clock.now())
            await asyncio.sleep(0.01)

    without = cart_store.INSERT_CART_LINE.replace(
        "where c.changed_at = (select changed_at from seen)", ""
    )
    assert without != cart_store.INSERT_CART_LINE
    for sku in skus[:90]:
        await add(sku)
    await together([lambda sku=sku: add(sku) for sku in skus[90:]])
    assert await count(shop, "select count(*) from ordering.cart_lines") > 100


async def test_a_cart_holds_a_hundred_lines(shop: ShopId, shoppers) -> None:
    skus = await make_skus(shop, 110)
    anna = shoppers[0]

    async def add(sku: UUID) -> httpx.Response:
        return await anna.send("POST", "/cart/lines", {"sku_id": sku, "quantity": 1})

    for sku in skus[:90]:
        await add(sku)
    answers = await together([lambda sku=sku: add(sku) for sku in skus[90:]])
    assert outcomes(answers) == {"ok": 10, "ordering.cart_full": 10}
    assert await count(shop, "select count(*) from ordering.cart_lines") == 100
    more = await anna.send("POST", "/cart/lines", {"sku_id": skus[0], "quantity": 1000})
    assert more.status_code == 422
    more = await anna.send("POST", "/cart/lines", {"sku_id": skus[0], "quantity": 999})
    assert more.json()["lines"][-1]["quantity"] == 999
