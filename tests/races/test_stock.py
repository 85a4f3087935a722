"""Stock under 64 real connections. Each race is first shown to happen with the guard off."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from uuid import UUID

import asyncpg
import pytest

from siyu.commerce.inventory import service
from siyu.commerce.inventory.contracts import (
    StockChanged,
    StockLevel,
    StockShort,
    SupplyMoved,
)
from siyu.commerce.inventory.invariants import INVARIANTS
from siyu.kernel import db
from siyu.kernel.audit import System
from siyu.kernel.db import Database, Deadlocked, Tx, transaction
from siyu.kernel.errors import Busy
from siyu.kernel.ids import ShopId, new_id

pytestmark = pytest.mark.xdist_group("races")
AT_ONCE = 64
KEEPER = System("staff:1", "店长")


@pytest.fixture
async def crowd(database: Database) -> AsyncIterator[Database]:
    """The same database through 64 connections."""
    wide = await Database.connect(database.url, size=AT_ONCE)
    db.use(wide)
    yield wide
    db.use(database)
    await wide.close()


@pytest.fixture(autouse=True)
async def truths_hold(crowd: Database, shop: ShopId) -> AsyncIterator[None]:
    yield
    async with transaction(shop) as tx:
        for name, sql in INVARIANTS.items():
            assert await tx.connection.fetch(sql) == [], name


async def stocked(shop: ShopId, *quantities: int) -> list[UUID]:
    skus = [new_id() for _ in quantities]
    async with transaction(shop) as tx:
        await service.set_up(tx, dict.fromkeys(skus, 1))
        await service.receive(tx, dict(zip(skus, quantities, strict=True)), KEEPER)
    return skus


async def level(shop: ShopId, sku: UUID) -> StockLevel:
    async with transaction(shop) as tx:
        return (await service.list_levels(tx, [sku]))[sku]


async def together(tasks: Sequence[Callable[[], Awaitable[str]]]) -> Counter[str]:
    """Run all, 64 at once; how often each outcome came."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(task: Callable[[], Awaitable[str]]) -> str:
        async with gate:
            return await task()

    return Counter(await asyncio.gather(*(one(task) for task in tasks)))


async def buy(shop: ShopId, demand: dict[UUID, int], order: UUID | None = None) -> str:
    try:
        async with transaction(shop) as tx:
            await service.reserve(tx, order or new_id(), demand)
    except StockShort:
        return "short"
    except Deadlocked:
        return "deadlock"
    except Busy:  # a lock was waited for too long on a slow machine; nothing happened
        return await buy(shop, demand, order)
    return "sold"


async def naive_buy(shop: ShopId, sku: UUID) -> str:
    """The control: read, check, write."""
    async with transaction(shop) as tx:
        found = (await service.list_levels(tx, [sku]))[sku]
        if found.available < 1:
            return "short"
        await tx.run(
            "update inventory.stock set reserved = $3 where shop_id = $1 and sku_id = $2",
            shop,
            sku,
            found.reserved + 1,
        )
        await tx.run(
            "insert into inventory.reservations (shop_id, source, sku_id, warehouse_id, quantity)"
            " select $1, $2, $3, warehouse_id, 1 from inventory.warehouses where shop_id = $1",
            shop,
            new_id(),
            sku,
        )
    return "sold"


async def test_f041_control_read_check_write_oversells(shop: ShopId, crowd: Database) -> None:
    (sku,) = await stocked(shop, 100)
    outcome = await together([lambda: naive_buy(shop, sku)] * 400)
    assert outcome["sold"] > 100
    async with transaction(shop) as tx:  # leave the truths as they should be
        await tx.run("delete from inventory.reservations where shop_id = $1", shop)
        await tx.run("update inventory.stock set reserved = 0 where shop_id = $1", shop)


async def test_f041_ten_thousand_buyers_for_a_hundred(shop: ShopId, crowd: Database) -> None:
    (sku,) = await stocked(shop, 100)
    orders = [new_id() for _ in range(10_000)]
    bought: list[UUID] = []

    async def one(order: UUID) -> str:
        outcome = await buy(shop, {sku: 1}, order)
        if outcome == "sold":
            bought.append(order)
        return outcome

    outcome = await together([lambda order=order: one(order) for order in orders])
    assert outcome == {"sold": 100, "short": 9_900}

    # Half of the holds end unpaid, half are paid; what came back is sold again, to the last piece.
    async def end(i: int, order: UUID) -> str:
        async with transaction(shop) as tx:
            done = await (service.release if i % 2 else service.consume)(tx, order)
        return "ended" if done else "nothing"

    ended = await together([lambda i=i, o=o: end(i, o) for i, o in enumerate(bought)])
    assert ended == {"ended": 100}
    assert await level(shop, sku) == StockLevel(sku, 50, 0, 0)
    assert await together([lambda: buy(shop, {sku: 1})] * 200) == {"sold": 50, "short": 150}


def _cart(skus: list[UUID], seed: int) -> dict[UUID, int]:
    mixed = random.Random(seed).sample(skus, len(skus))
    return dict.fromkeys(mixed, 1)


async def test_f043_control_unordered_locks_deadlock(shop: ShopId, crowd: Database) -> None:
    skus = await stocked(shop, *[1_000_000] * 5)

    async def line_by_line(cart: dict[UUID, int]) -> str:
        try:
            async with transaction(shop) as tx:
                for sku in cart:
                    await tx.run(
                        "update inventory.stock set on_hand = on_hand"
                        " where shop_id = $1 and sku_id = $2",
                        shop,
                        sku,
                    )
        except Deadlocked:
            return "deadlock"
        except Busy:
            return "waited too long"
        return "sold"

    carts = [_cart(skus, seed) for seed in range(AT_ONCE)]
    outcome = await together([lambda cart=cart: line_by_line(cart) for cart in carts])
    assert outcome["deadlock"] > 0


async def test_f043_five_skus_in_any_order_never_deadlock(shop: ShopId, crowd: Database) -> None:
    skus = await stocked(shop, *[1_000_000] * 5)

    async def life(seed: int) -> str:
        order = new_id()
        outcome = await buy(shop, _cart(skus, seed), order)
        if outcome == "sold" and seed % 2:
            try:
                async with transaction(shop) as tx:
                    await (service.release if seed % 4 == 1 else service.consume)(tx, order)
            except Deadlocked:
                return "deadlock"
        return outcome

    outcome = await together([lambda seed=seed: life(seed) for seed in range(1_200)])
    assert outcome == {"sold": 1_200}
    assert await level(shop, skus[0]) == StockLevel(skus[0], 1_000_000 - 300, 600, 0)


async def test_f044_release_and_payment_in_the_same_instant(shop: ShopId, crowd: Database) -> None:
    (sku,) = await stocked(shop, 500)
    orders = [new_id() for _ in range(200)]
    assert await together([lambda o=o: buy(shop, {sku: 1}, o) for o in orders]) == {"sold": 200}

    async def end(verb: Callable[[Tx, UUID], Awaitable[dict[UUID, int]]], order: UUID) -> str:
        async with transaction(shop) as tx:
            return verb.__name__ if await verb(tx, order) else "too late"

    verbs = (service.release, service.consume)
    outcome = await together([lambda v=v, o=o: end(v, o) for o in orders for v in verbs])
    assert outcome["release"] + outcome["consume"] == outcome["too late"] == 200
    assert await level(shop, sku) == StockLevel(sku, 500 - outcome["consume"], 0, 0)


async def test_f045_corrections_during_the_sale(shop: ShopId, crowd: Database) -> None:
    (sku,) = await stocked(shop, 1_000)

    async def correct() -> str:
        version = (await level(shop, sku)).version
        await asyncio.sleep(0)
        try:
            async with transaction(shop) as tx:
                await service.adjust(
                    tx, KEEPER, sku, delta=10, expected_version=version, reason="到货"
                )
        except StockChanged:
            return "changed"
        return "corrected"

    tasks = [lambda: buy(shop, {sku: 1})] * 300 + [correct] * 100
    random.Random(1).shuffle(tasks)
    outcome = await together(tasks)
    assert outcome["sold"] == 300
    assert outcome["changed"] > 0
    done = outcome["corrected"]
    assert await level(shop, sku) == StockLevel(sku, 1_000 + 10 * done, 300, done)


async def test_f046_a_killed_worker_leaves_nothing_half(shop: ShopId, crowd: Database) -> None:
    (sku,) = await stocked(shop, 10)
    with pytest.raises(Exception):  # noqa: B017 (whatever a cut line raises)
        async with transaction(shop) as tx:
            await service.reserve(tx, new_id(), {sku: 3})
            pid = await tx.value("select pg_backend_pid()")
            async with crowd.pool.acquire() as other:
                await other.execute("select pg_terminate_backend($1)", pid)
            await tx.value("select 1")
    assert await level(shop, sku) == StockLevel(sku, 10, 0, 0)


async def test_the_database_refuses_what_the_program_would_forget(
    shop: ShopId, crowd: Database
) -> None:
    (sku,) = await stocked(shop, 1)
    with pytest.raises(asyncpg.CheckViolationError):
        async with transaction(shop) as tx:
            await tx.run("update inventory.stock set reserved = 2 where sku_id = $1", sku)
    assert await level(shop, sku) == StockLevel(sku, 1, 0, 0)


# --- two warehouses ---------------------------------------------------------------------------


async def split(shop: ShopId, sku: UUID, pieces: int) -> tuple[UUID, UUID]:
    """A second warehouse with so many pieces more; the ids of both."""
    async with transaction(shop) as tx:
        (main,) = await service.list_warehouses(tx)
        other = await service.create_warehouse(tx, KEEPER, name="分仓", priority=2)
        await service.receive(tx, {sku: pieces}, KEEPER, "", other.warehouse_id)
    return main.warehouse_id, other.warehouse_id


async def test_f041_two_warehouses_sell_to_the_last_piece(shop: ShopId, crowd: Database) -> None:
    (sku,) = await stocked(shop, 60)
    await split(shop, sku, 40)
    orders = [new_id() for _ in range(300)]
    assert await together([lambda o=o: buy(shop, {sku: 1}, o) for o in orders]) == {
        "sold": 100,
        "short": 200,
    }

    async def end(i: int, order: UUID) -> str:
        async with transaction(shop) as tx:
            done = await (service.release if i % 2 else service.consume)(tx, order)
        return "ended" if done else "nothing"

    ended = await together([lambda i=i, o=o: end(i, o) for i, o in enumerate(orders)])
    assert ended == {"ended": 100, "nothing": 200}
    left = (await level(shop, sku)).on_hand
    assert await together([lambda: buy(shop, {sku: 1})] * 200) == {
        "sold": left,
        "short": 200 - left,
    }


async def test_f043_sales_and_transfers_never_deadlock(shop: ShopId, crowd: Database) -> None:
    skus = await stocked(shop, *[100_000] * 3)
    main, other = await split(shop, skus[0], 100_000)

    async def move(seed: int) -> str:
        places = (main, other) if seed % 2 else (other, main)
        version = (await level(shop, skus[0])).version
        try:
            async with transaction(shop) as tx:
                await service.transfer(
                    tx,
                    KEEPER,
                    skus[0],
                    from_id=places[0],
                    to_id=places[1],
                    quantity=seed + 1,
                    expected_version=version,
                    reason="调拨",
                )
        except StockChanged:
            return "changed"
        except Deadlocked:
            return "deadlock"
        return "moved"

    carts = [lambda s=s: buy(shop, dict(sorted(_cart(skus, s).items()))) for s in range(300)]
    moves = [lambda s=s: move(s) for s in range(60)]
    tasks = [*carts, *moves]
    random.Random(2).shuffle(tasks)
    outcome = await together(tasks)
    assert outcome["sold"] == 300 and outcome["deadlock"] == 0 and outcome["moved"] > 0
    assert (await level(shop, skus[0])).on_hand == 200_000


async def test_a_first_warehouse_is_opened_once(shop: ShopId, crowd: Database) -> None:
    async def begin() -> str:
        async with transaction(shop) as tx:
            await service.set_up(tx, {new_id(): 1})
        return "begun"

    assert await together([begin] * 32) == {"begun": 32}
    async with transaction(shop) as tx:
        assert len(await service.list_warehouses(tx)) == 1
        assert await tx.value("select count(*) from inventory.stock") == 32


async def test_many_at_once_never_take_what_another_took(shop: ShopId, crowd: Database) -> None:
    """Batches that counted on the same pieces: all but the first find out, and lose nothing."""
    (sku,) = await stocked(shop, 30)
    await split(shop, sku, 30)

    async def batch() -> str:
        async with transaction(shop) as tx:
            supply = await service.load_supply(tx, sku, locked=False)
            if supply.available < 20:
                return "short"
            await asyncio.sleep(0.01)
            try:
                await service.reserve_many(tx, sku, supply, _wishes())
            except SupplyMoved:
                return "moved"
        return "sold"

    outcome = await together([batch] * 32)
    assert outcome["sold"] in (1, 2, 3) and outcome["moved"] > 0
    found = await level(shop, sku)
    assert found.reserved == 20 * outcome["sold"]


def _wishes() -> list[tuple[UUID, int, None]]:
    return [(new_id(), 1, None) for _ in range(20)]
