"""F114, F117, F118: the database stops under load, runs out of connections, or two units meet."""

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from siyu.kernel import db, migrate
from siyu.kernel.db import Database, Deadlocked, transaction
from siyu.kernel.errors import Busy
from siyu.kernel.events import Event, emit
from siyu.kernel.ids import ShopId
from siyu.kernel.postgres import Cluster, embedded

SHOP = ShopId(1)


class OrderNoted(Event, frozen=True):
    name = "tests.order_noted"
    number: int


@pytest.fixture
async def torn() -> AsyncIterator[Cluster]:
    """A cluster that may be torn away, with a database in force for this process."""
    with tempfile.TemporaryDirectory(prefix="siyu-torn-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        async with embedded(Path(folder) / "home") as cluster:
            await cluster.create_database("torn")
            connection = await asyncpg.connect(cluster.owner_url("torn"))
            await migrate.apply_schemas(connection)
            await connection.close()
            opened = await Database.connect(cluster.url("torn"), size=8)
            before = db._database
            db.use(opened)
            yield cluster
            db.use(before)
            await opened.close()


async def test_F114_crash_under_load_loses_nothing_that_was_acknowledged(torn: Cluster) -> None:
    """F114: callers see Busy (503), the pool heals within 5 s, every acknowledged row is there."""
    acknowledged: set[int] = set()
    other: list[BaseException] = []
    stop = False
    numbers = iter(range(1_000_000))
    last_success = [0.0] * 16

    async def write(who: int) -> None:
        while not stop:
            number = next(numbers)
            try:
                async with transaction(SHOP) as tx:
                    emit(tx, OrderNoted(number=number))
                acknowledged.add(number)
                last_success[who] = time.monotonic()
            except Busy:
                await asyncio.sleep(0.05)
            except BaseException as error:
                other.append(error)
                raise

    writers = [asyncio.create_task(write(who)) for who in range(16)]
    healed = []
    for _ in range(2):
        await asyncio.sleep(0.5)
        await torn.restart("immediate")
        back = time.monotonic()
        while min(last_success) < back:
            assert other == []
            assert time.monotonic() - back < 5, "the pool did not heal"
            await asyncio.sleep(0.02)
        healed.append(time.monotonic() - back)
    stop = True
    await asyncio.gather(*writers, return_exceptions=True)
    assert other == []
    async with transaction(SHOP) as tx:
        rows = await tx.connection.fetch("select payload from kernel.outbox")
    stored = [row["payload"]["number"] for row in rows]
    assert len(stored) == len(set(stored))
    assert acknowledged <= set(stored), "an acknowledged order is gone"
    assert len(acknowledged) > 100


async def test_F118_deadlock_ends_one_unit_whole(database: Database, shop: ShopId) -> None:
    """F118: one is rolled back as Deadlocked and may be run again at once; the other goes on."""
    async with transaction(shop) as tx:
        emit(tx, OrderNoted(number=1))
        emit(tx, OrderNoted(number=2))
    async with transaction(shop) as tx:
        ids = await tx.connection.fetch("select event_id from kernel.outbox order by event_id")
    left, right = (row["event_id"] for row in ids)
    met = asyncio.Barrier(2)

    async def touch(first: object, second: object) -> str:
        try:
            async with transaction(shop) as tx:
                await tx.run("update kernel.outbox set name = name where event_id = $1", first)
                with contextlib.suppress(asyncio.BrokenBarrierError):
                    await met.wait()
                await tx.run("update kernel.outbox set name = name where event_id = $1", second)
        except Deadlocked:
            return "deadlocked"
        return "done"

    results = await asyncio.gather(touch(left, right), touch(right, left))
    assert sorted(results) == ["deadlocked", "done"]


async def test_F118_waiting_for_a_lock_ends_as_busy(database: Database, shop: ShopId) -> None:
    """F118: after lock_timeout (3 s) the waiter gets 503; the holder is not disturbed."""
    async with transaction(shop) as tx:
        emit(tx, OrderNoted(number=0))
    holder = await asyncpg.connect(database.url, server_settings={"role": "siyu_app"})
    await holder.execute(f"begin; set local siyu.shop_id = '{shop}'")
    await holder.execute("update kernel.outbox set name = name")
    begun = time.monotonic()
    with pytest.raises(Busy) as refusal:
        async with transaction(shop) as tx:
            await tx.run("update kernel.outbox set name = name")
    assert 2.5 < time.monotonic() - begun < 6
    assert type(refusal.value) is Busy
    assert refusal.value.status == 503
    await holder.execute("commit")
    await holder.close()


async def test_F118_a_statement_without_end_is_cut_and_busy(
    database: Database, shop: ShopId
) -> None:
    with pytest.raises(Busy):
        async with transaction(shop) as tx:
            await tx.run("set local statement_timeout = '100ms'")
            await tx.run("select pg_sleep(5)")
    async with transaction(shop) as tx:
        assert await tx.value("select 1") == 1


async def test_F117_more_callers_than_connections_wait_their_turn(torn: Cluster) -> None:
    """F117: the pool is bounded; a short crowd is served, and nobody opens a ninth connection."""

    async def ask() -> int:
        async with transaction(SHOP) as tx:
            await tx.run("select pg_sleep(0.01)")
            count: int = await tx.value(
                "select count(*) from pg_stat_activity where application_name = 'siyu'"
            )
            return count

    counts = await asyncio.gather(*(ask() for _ in range(100)))
    assert max(counts) <= 8
