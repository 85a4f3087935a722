"""Our pool knows the insides of asyncpg's; when they change, this says so before anything else."""

import asyncio
from inspect import signature
from typing import Any

import asyncpg
import pytest
from asyncpg import connection, pool

from siyu.kernel import db
from siyu.kernel.ids import ShopId

READ = "siyu.kernel.pool.Pool knows asyncpg 0.32; read its pool.py anew, then change this test"


def test_asyncpg_is_the_one_whose_insides_are_known() -> None:
    assert asyncpg.__version__.startswith("0.32."), READ
    taken: Any = vars(pool.Pool)["_acquire"]
    assert list(signature(taken).parameters) == ["self", "timeout"], READ
    assert list(signature(pool.PoolConnectionHolder.release).parameters) == ["self", "timeout"], (
        READ
    )
    assert {"_con", "_holder"} <= set(pool.PoolConnectionProxy.__slots__), READ
    assert {"_queue"} <= set(pool.Pool.__slots__), READ
    assert "_on_release" in vars(connection.Connection), READ


async def test_a_free_connection_is_handed_over_without_a_task(
    database: db.Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await database.pool.release(await database.pool.acquire(timeout=5))

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a timer was made")

    monkeypatch.setattr(asyncio, "timeout", refuse)
    monkeypatch.setattr(asyncio, "create_task", refuse)
    taken = await database.pool.acquire(timeout=5)
    await database.pool.release(taken)


async def test_how_a_connection_plans_is_told_only_when_it_changes(database: db.Database) -> None:
    shop = ShopId(1)
    await database.pool.expire_connections()

    async def shown(replans: bool) -> tuple[str, str]:
        with db.recorded() as trips:
            async with db.reading(shop, replans=replans) as tx:
                mode = await tx.value("select current_setting('plan_cache_mode')")
        return trips[0][0].partition(";")[2].partition(";")[2].strip(), mode

    assert await shown(True) == ("", "auto")
    told, mode = await shown(False)
    assert (bool(told), mode) == (True, "force_generic_plan")
    assert await shown(False) == ("", "force_generic_plan")
    with pytest.raises(ZeroDivisionError):
        async with db.reading(shop):
            raise ZeroDivisionError
    told, mode = await shown(False)
    assert (bool(told), mode) == (True, "force_generic_plan"), "a rollback took the change back"
    told, mode = await shown(True)
    assert (bool(told), mode) == (True, "auto")


async def test_what_is_asked_at_once_sees_its_shop_only_and_takes_one_trip(
    database: db.Database,
) -> None:
    here, there = ShopId(901), ShopId(902)
    await database.pool.expire_connections()

    async def shown(shop: ShopId) -> tuple[int, str]:
        with db.recorded() as trips:
            async with db.looking(shop) as tx:
                found = await tx.value("select kernel.shop()")
        return len(trips), found

    assert await shown(here) == (2, here)
    assert await shown(here) == (1, here)
    assert await shown(there) == (2, there)
    # A transaction in between has its own shop, and leaves the session's.
    async with db.reading(here) as tx:
        assert await tx.value("select kernel.shop()") == here
    with pytest.raises(ZeroDivisionError):
        async with db.looking(there):
            raise ZeroDivisionError
    assert (await shown(there))[1] == there
    # Who forgets to say whose rows they want gets none.
    async with database.pool.acquire() as bare:
        with pytest.raises(asyncpg.InvalidTextRepresentationError):
            await bare.fetchval("select kernel.shop()")
    assert await shown(there) == (2, there)


async def test_what_is_written_at_once_stays_and_holds_nothing_back(database: db.Database) -> None:
    shop = ShopId(903)
    put = """insert into kernel.idempotency
               (shop_id, key_id, owner, fingerprint, expires_at, status, answer)
             values ($1, gen_random_uuid(), 'x', gen_random_uuid(), now(), 200, '')"""
    with pytest.raises(ZeroDivisionError):
        async with db.writing_at_once(shop) as tx:
            await tx.run(put, shop)
            raise ZeroDivisionError
    async with db.transaction(shop) as tx:
        assert await tx.value("select count(*) from kernel.idempotency") == 1
        await tx.run("delete from kernel.idempotency where shop_id = $1", shop)
    with pytest.raises(AssertionError):
        async with db.writing_at_once(shop) as tx:
            tx.later("select 1")
