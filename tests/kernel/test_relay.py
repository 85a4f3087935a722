"""Events reach their reactions at least once and are applied once, also past failures and kills."""

import asyncio
from datetime import timedelta
from typing import ClassVar

import pytest

from siyu.kernel import clock, db
from siyu.kernel.db import Database, Tx, system_transaction, transaction
from siyu.kernel.events import Event, emit
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import lasting_name
from siyu.kernel.relay import TRIES, Relay, advance, read_outbox


class TeaPoured(Event, frozen=True):
    name: ClassVar[str] = "tests.tea_poured"
    cups: int


class TeaDrunk(Event, frozen=True):
    name: ClassVar[str] = "tests.tea_drunk"
    cups: int


class Broken(Exception):
    pass


applied: list[tuple[int, str, int]] = []
failing: set[str] = set()


async def on_tea_poured(tx: Tx, event: TeaPoured) -> None:
    applied.append((tx.shop_id, "poured", event.cups))
    if "poured" in failing:
        raise Broken("13812345678 must not be kept")
    emit(tx, TeaDrunk(cups=event.cups))


async def on_tea_drunk(tx: Tx, event: TeaDrunk) -> None:
    applied.append((tx.shop_id, "drunk", event.cups))


async def on_tea_poured_too(tx: Tx, event: TeaPoured) -> None:
    applied.append((tx.shop_id, "too", event.cups))


@pytest.fixture
async def relay(database: Database) -> Relay:
    made = Relay({TeaPoured: [on_tea_poured, on_tea_poured_too], TeaDrunk: [on_tea_drunk]})
    await made.drain(strict=False)
    applied.clear()
    failing.clear()
    return made


async def pour(shop: ShopId, cups: int) -> None:
    async with transaction(shop) as tx:
        emit(tx, TeaPoured(cups=cups))


async def states(shop: ShopId) -> list[tuple[str, str, int]]:
    async with transaction(shop) as tx:
        rows = await tx.connection.fetch(
            "select reaction, state, tries from kernel.deliveries order by reaction"
        )
    return [(row["reaction"].rpartition(".")[2], row["state"], row["tries"]) for row in rows]


async def test_each_reaction_once_and_its_own_events_after(shop: ShopId, relay: Relay) -> None:
    await pour(shop, 2)
    await relay.drain()
    assert sorted(applied) == [(shop, "drunk", 2), (shop, "poured", 2), (shop, "too", 2)]
    assert await relay.drain() == 0
    assert await states(shop) == [
        ("on_tea_drunk", "done", 0),
        ("on_tea_poured", "done", 0),
        ("on_tea_poured_too", "done", 0),
    ]


async def test_a_rolled_back_event_never_happened(shop: ShopId, relay: Relay) -> None:
    with pytest.raises(Broken):
        async with transaction(shop) as tx:
            emit(tx, TeaPoured(cups=1))
            raise Broken
    await relay.drain()
    assert applied == []


async def test_failure_rolls_back_waits_and_ends_dead(shop: ShopId, relay: Relay) -> None:
    failing.add("poured")
    await pour(shop, 3)
    with pytest.raises(Broken):
        await relay.drain()
    await relay.drain()
    assert await states(shop) == [("on_tea_poured", "due", 1), ("on_tea_poured_too", "done", 0)]
    before = clock.shift()
    try:
        for _ in range(TRIES):
            clock.advance(timedelta(hours=2))
            await relay.drain(strict=False)
    finally:
        clock.advance(before - clock.shift())
    assert (await states(shop))[0] == ("on_tea_poured", "dead", TRIES)
    assert [entry for entry in applied if entry[1] == "drunk"] == [], "nothing of it was kept"
    async with transaction(shop) as tx:
        reason = await tx.value("select reason from kernel.deliveries where state = 'dead'")
    assert reason.startswith("Broken at ")
    assert "138" not in reason


async def test_two_relays_apply_once(shop: ShopId, relay: Relay) -> None:
    for cups in range(30):
        await pour(shop, cups)
    while await relay.fan_out(settled=False):
        pass
    due = await relay.due()
    assert len(due) == 60
    results = await asyncio.gather(*(relay.deliver(one) for one in due * 2))
    assert results.count(True) == 60
    assert len(applied) == 60


async def test_a_late_commit_is_not_jumped_over(shop: ShopId, relay: Relay) -> None:
    """The event of a long transaction has a smaller number than those committed before it."""
    late = await db.database().pool.acquire()
    try:
        await late.execute(f"begin; set local siyu.shop_id = '{shop}'")
        await late.execute(
            "insert into kernel.outbox (shop_id, event_id, name, payload, happened_at)"
            " values ($1, gen_random_uuid(), 'tests.tea_poured', '{\"cups\": 1}', now())",
            shop,
        )
        await pour(shop, 2)
        assert await relay.fan_out() == 0, "the younger event waits for the older one"
        await late.execute("commit")
    finally:
        await db.database().pool.release(late)
    for _ in range(100):
        if await relay.step() == 0 and len(applied) >= 6:
            break
        await asyncio.sleep(0.05)
    assert sorted(applied) == sorted(
        (shop, kind, cups) for cups in (1, 2) for kind in ("poured", "too", "drunk")
    )


async def test_another_consumer_reads_everything_once(shop: ShopId, relay: Relay) -> None:
    await pour(shop, 5)
    read = []
    for _ in range(1000):
        async with system_transaction() as tx:
            rows = await read_outbox(tx, "tests", 3, settled=False)
            assert rows is not None
            if not rows:
                break
            read += [row for row in rows if row.shop_id == shop]
            await advance(tx, "tests", rows[-1])
    assert [(row.name, row.payload) for row in read] == [("tests.tea_poured", {"cups": 5})]


async def test_one_process_reads_at_a_time(shop: ShopId, relay: Relay) -> None:
    await pour(shop, 1)
    async with system_transaction() as tx:
        await tx.run("insert into kernel.outbox_cursor (consumer) values ('alone')")

    async def read() -> bool:
        async with system_transaction() as tx:
            rows = await read_outbox(tx, "alone", settled=False)
            await asyncio.sleep(0.2)
            return bool(rows)

    assert sorted(await asyncio.gather(read(), read())) == [False, True]


def test_names_last() -> None:
    assert lasting_name(on_tea_poured) == f"{__name__}.on_tea_poured"
