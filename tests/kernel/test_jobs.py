"""Jobs: written with what wants them, run at least once, retried, dead in the end; ticks once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.errors import RetryRequested

from siyu.kernel import clock, dead, jobs
from siyu.kernel.db import Database, system_transaction, transaction
from siyu.kernel.ids import ShopId
from siyu.kernel.jobs import JobFailed, Periodic, enqueue, every, job, lasting_name

ran: list[tuple[object, ...]] = []


@job("tests.brew")
async def brew(shop_id: int, pot_id: UUID, cups: int = 1) -> None:
    ran.append((shop_id, pot_id, cups))


@job("tests.spill", tries=3)
async def spill(shop_id: int) -> None:
    ran.append((shop_id, "spill"))
    raise RuntimeError("phone 13812345678")


@every(seconds=30)
async def sweep() -> None:
    ran.append(("sweep",))


@pytest.fixture(autouse=True)
async def quiet(database: Database) -> AsyncIterator[None]:
    async with system_transaction() as tx:
        await tx.run("delete from jobs.pgqueuer")
        await tx.run("delete from kernel.ticks")
    ran.clear()
    before = clock.shift()
    yield
    clock.advance(before - clock.shift())


async def waiting() -> list[tuple[str, str, int]]:
    async with system_transaction() as tx:
        rows = await tx.connection.fetch(
            "select entrypoint, status::text, attempts from jobs.pgqueuer"
            " where entrypoint like 'tests.%' order by id"
        )
    return [tuple(row) for row in rows]


async def test_runs_after_the_commit_with_typed_arguments(shop: ShopId) -> None:
    pot = uuid4()
    async with transaction(shop) as tx:
        enqueue(tx, brew, pot_id=pot, cups=2)
        enqueue(tx, brew, pot_id=pot, cups=3)
        assert await jobs.drain() == 0, "not before the commit"
    assert await jobs.drain() == 2
    assert ran == [(shop, pot, 2), (shop, pot, 3)]
    assert await waiting() == []


async def test_all_jobs_of_a_transaction_are_one_round_trip(shop: ShopId) -> None:
    from siyu.kernel.db import recorded

    with recorded() as trips:
        async with transaction(shop) as tx:
            for _ in range(5):
                enqueue(tx, brew, pot_id=uuid4())
    assert len(trips) == 3  # begin, jobs, commit


async def test_a_rolled_back_job_never_was(shop: ShopId) -> None:
    with pytest.raises(ZeroDivisionError):
        async with transaction(shop) as tx:
            enqueue(tx, brew, pot_id=uuid4())
            raise ZeroDivisionError
    assert await waiting() == []


async def test_wrong_arguments_are_refused_when_enqueued(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        with pytest.raises(TypeError):
            enqueue(tx, brew, kettle=1)
        with pytest.raises(AssertionError):
            enqueue(tx, brew, pot_id="x" * 101)


async def test_delay_follows_the_turned_clock(shop: ShopId) -> None:
    async with transaction(shop) as tx:
        enqueue(tx, brew, pot_id=uuid4(), delay=timedelta(minutes=15))
    clock.advance(timedelta(minutes=14))
    assert await jobs.drain() == 0
    clock.advance(timedelta(minutes=2))
    assert await jobs.drain() == 1


async def test_a_key_keeps_one_waiting(shop: ShopId) -> None:
    for _ in range(3):
        async with transaction(shop) as tx:
            enqueue(tx, brew, pot_id=uuid4(), key="pot-1")
    assert len(await waiting()) == 1


async def test_poison_is_dead_after_its_tries_and_others_proceed(shop: ShopId) -> None:
    """F102."""
    pot = uuid4()
    async with transaction(shop) as tx:
        enqueue(tx, spill)
        enqueue(tx, brew, pot_id=pot)
    with pytest.raises(RetryRequested):
        await jobs.drain()
    await jobs.drain(strict=False)
    assert (shop, pot, 1) in ran
    for _ in range(5):
        clock.advance(timedelta(hours=2))
        await jobs.drain(strict=False)
    assert ran.count((shop, "spill")) == 3
    assert await waiting() == [("tests.spill", "failed", 2)]
    async with system_transaction(shop) as tx:
        found = await dead.list_dead(tx, None, 10)
    assert [(item.kind, item.name, item.tries) for item in found] == [("job", "tests.spill", 3)]
    assert found[0].reason.startswith("RuntimeError at ")
    assert "138" not in found[0].reason
    async with system_transaction(shop) as tx:
        await dead.retry(tx, found[0].dead_id)
    with pytest.raises(RetryRequested):
        await jobs.drain()
    assert ran.count((shop, "spill")) == 4


async def test_unknown_name_stays_queued_and_alarms(shop: ShopId) -> None:
    """F103."""
    async with system_transaction() as tx:
        await tx.run(
            "insert into jobs.pgqueuer (priority, status, entrypoint, created)"
            " values (0, 'queued', 'tests.renamed', now() - interval '2 min')"
        )
    assert await jobs.drain() == 0
    assert await waiting() == [("tests.renamed", "queued", 0)]
    assert await jobs.unknown_names() == {"tests.renamed": 1}


async def run_ticks(workers: int = 1) -> int:
    """Let so many workers tick at once; how often `sweep` has run since the test began."""
    await asyncio.gather(*(jobs.tick() for _ in range(workers)))
    async with system_transaction() as tx:  # whatever else the program does periodically
        await tx.run(
            "delete from jobs.pgqueuer where entrypoint <> $1", f"every.{lasting_name(sweep)}"
        )
    await jobs.drain()
    return ran.count(("sweep",))


async def test_each_tick_once_over_many_workers() -> None:
    """F104."""
    with clock.turned(datetime(2031, 5, 1, 12, 0, 1, tzinfo=UTC)):
        assert await run_ticks(5) == 1
        clock.advance(timedelta(seconds=30))
        assert await run_ticks(5) == 2
        assert await run_ticks() == 2


async def test_after_three_hours_down_the_tick_is_made_up_for_once() -> None:
    """F105."""
    with clock.turned(datetime(2031, 5, 1, 12, 0, 1, tzinfo=UTC)):
        assert await run_ticks() == 1
        clock.advance(timedelta(hours=3))
        assert await run_ticks() == 2
        assert await run_ticks() == 2


async def test_ticks_of_cron_and_seconds() -> None:
    at = datetime(2026, 11, 22, 8, 30, 0, tzinfo=UTC)
    assert Periodic("x", "*/5 * * * *", None).last_tick(at) == at
    assert Periodic("x", "*/5 * * * *", None).last_tick(at - timedelta(seconds=1)) == at - (
        timedelta(minutes=5)
    )
    assert Periodic("x", None, 90).last_tick(at) <= at


async def test_pauses_grow_to_an_hour() -> None:
    assert timedelta(seconds=0.8) <= jobs.pause_before(0) <= timedelta(seconds=1.2)
    assert jobs.pause_before(40) <= timedelta(hours=1.2)


async def test_failure_of_a_job_is_told_without_its_data() -> None:
    assert str(JobFailed("X at y")) == "X at y"


@job("tests.meets_weather")
async def meet_weather(shop_id: int) -> None:
    raise Exhausted


class Exhausted(Exception):
    """The one failure of a job that is good otherwise."""


async def test_a_job_whose_next_try_cannot_be_written_is_not_dead(
    shop: ShopId, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database goes away between the failure and the note of it: the job stays claimed, and
    comes back without a heart-beat like one of a killed worker.
    """
    gone = asyncio.Event()

    async def cut(*_: Any) -> None:
        gone.set()
        raise ConnectionResetError

    monkeypatch.setattr(Queries, "retry_job", cut)
    async with transaction(shop) as tx:
        enqueue(tx, meet_weather)
    stop = asyncio.Event()
    serving = asyncio.create_task(jobs.serve(database.url, stop))
    await asyncio.wait_for(gone.wait(), 20)
    stop.set()
    await asyncio.wait_for(serving, 20)
    async with system_transaction() as tx:
        states = await tx.connection.fetch(
            "delete from jobs.pgqueuer where entrypoint = 'tests.meets_weather' returning status"
        )
    assert [row["status"] for row in states] == ["picked"]
