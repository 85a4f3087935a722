"""F100-F105 with real worker processes, real kills, and a database that is torn away."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import asyncpg
import pytest

from siyu.kernel import db, jobs, migrate, worker
from siyu.kernel.db import Database
from siyu.kernel.jobs import enqueue, every, job
from siyu.kernel.postgres import Cluster, embedded

ROOT = Path(__file__).parents[2]

WORKER = """
import asyncio, signal, sys
sys.path.insert(0, {tests!r})
import test_worker_faults as work
from siyu.kernel import db, worker
async def main():
    db.use(await db.Database.connect({url!r}, size=8))
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await worker.run({{}}, stop)
asyncio.run(main())
"""


async def mark(shop_id: int, what: str) -> None:
    """Say that something was done, whatever becomes of the rest: a call to the outside."""
    connection = await asyncpg.connect(db.database().url, server_settings={"role": "siyu_app"})
    await connection.execute("insert into public.marks values ($1, $2)", shop_id, what)
    await connection.close()


@job("faults.call_outside")
async def call_outside(shop_id: int, number: str) -> None:
    """Calls with a stored number; the first time the process dies before it can record."""
    await mark(shop_id, f"call {number}")
    async with db.transaction(shop_id) as tx:  # type: ignore[arg-type]
        first = await tx.value(
            "select count(*) = 1 from public.marks where what = $1", f"call {number}"
        )
    if first:
        await asyncio.sleep(3600)
    await mark(shop_id, f"recorded {number}")


@job("faults.quick")
async def quick(shop_id: int, number: int) -> None:
    await mark(shop_id, f"quick {number}")


@job("faults.long")
async def long(shop_id: int) -> None:
    await mark(shop_id, "long begins")
    await asyncio.sleep(2)
    await mark(shop_id, "long ends")


@every(seconds=2)
async def tock() -> None:
    await mark(0, f"tock {int(time.time()) // 2}")


@pytest.fixture
async def cluster_of_its_own() -> AsyncIterator[Cluster]:
    with tempfile.TemporaryDirectory(prefix="siyu-faults-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        async with embedded(Path(folder) / "home") as cluster:
            yield cluster


@pytest.fixture
async def mine(cluster_of_its_own: Cluster) -> AsyncIterator[Database]:
    """A database that may be torn away, and that this process uses too."""
    await cluster_of_its_own.create_database("faults")
    connection = await asyncpg.connect(cluster_of_its_own.owner_url("faults"))
    await migrate.apply_schemas(connection)
    await connection.execute(
        "create table public.marks (shop_id int, what text); grant all on public.marks to siyu_app"
    )
    await connection.close()
    opened = await Database.connect(cluster_of_its_own.url("faults"), size=4)
    before = db._database
    db.use(opened)
    yield opened
    db.use(before)
    await opened.close()


@pytest.fixture
async def start_worker(mine: Database) -> AsyncIterator[Callable[[], subprocess.Popen[bytes]]]:
    started: list[subprocess.Popen[bytes]] = []

    def start() -> subprocess.Popen[bytes]:
        script = WORKER.format(tests=str(Path(__file__).parent), url=mine.url)
        process = subprocess.Popen(
            [sys.executable, "-c", script], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


async def marks(database: Database) -> list[str]:
    async with database.pool.acquire() as connection:
        rows = await connection.fetch("select what from public.marks order by ctid")
    return [row["what"] for row in rows]


async def until(
    database: Database, condition: Callable[[list[str]], bool], seconds: float
) -> list[str]:
    deadline = time.monotonic() + seconds
    while True:
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            found = await marks(database)
            if condition(found):
                return found
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.1)


async def add(function: Callable[..., object], **arguments: object) -> None:
    async with db.transaction(1) as tx:  # type: ignore[arg-type]
        enqueue(tx, function, **arguments)  # type: ignore[arg-type]


Start = Callable[[], "subprocess.Popen[bytes]"]


async def test_killed_worker_gives_its_job_back(mine: Database, start_worker: Start) -> None:
    """F100, F101: another worker takes over in under a minute; the same outside number is used."""
    first = start_worker()
    await add(call_outside, number="N1")
    await until(mine, lambda found: "call N1" in found, 20)
    start_worker()
    first.send_signal(signal.SIGKILL)
    first.wait()
    async with db.system_transaction() as tx:  # most of the time passes at once
        aged = await tx.run(
            "update jobs.pgqueuer set heartbeat = heartbeat - $1::interval"
            " where status = 'picked' and entrypoint = 'faults.call_outside'",
            jobs.HEARTBEAT - timedelta(seconds=2),
        )
    assert aged == 1 and timedelta(seconds=30) >= jobs.HEARTBEAT
    found = await until(mine, lambda found: "recorded N1" in found, 20)
    assert [what for what in found if "N1" in what] == ["call N1", "call N1", "recorded N1"]


async def test_two_workers_tick_once(mine: Database, start_worker: Start) -> None:
    """F104."""
    start_worker()
    start_worker()
    begun = time.time()
    found = await until(mine, lambda found: sum("tock" in what for what in found) >= 5, 60)
    ticks = int(time.time()) // 2 - int(begun) // 2 + 1
    assert sum("tock" in what for what in found) <= ticks


async def test_worker_heals_after_the_database_was_torn_away(
    cluster_of_its_own: Cluster, mine: Database, start_worker: Start
) -> None:
    """No job is lost over a crash of PostgreSQL, and the worker connects again by itself."""
    worker_process = start_worker()
    await add(quick, number=0)
    await until(mine, lambda found: "quick 0" in found, 20)
    for round_number in (1, 2):
        await add(quick, number=round_number)
        await cluster_of_its_own.restart("immediate")
        healed = time.monotonic()
        while True:
            with contextlib.suppress(db.Busy):
                await add(quick, number=round_number * 100)
                break
            await asyncio.sleep(0.1)
        assert time.monotonic() - healed <= 5, "F114: the pool heals"
        await until(
            mine,
            lambda found, n=round_number: {f"quick {n}", f"quick {n * 100}"} <= set(found),  # type: ignore[misc]
            60,
        )
    assert worker_process.poll() is None, "the same process all the time"


async def test_graceful_stop_finishes_what_has_begun(mine: Database, start_worker: Start) -> None:
    process = start_worker()
    await add(long)
    await until(mine, lambda found: "long begins" in found, 20)
    process.send_signal(signal.SIGTERM)
    assert process.wait(25) == 0
    assert [what for what in await marks(mine) if "long" in what] == ["long begins", "long ends"]
    async with mine.pool.acquire() as connection:
        await connection.execute("begin; set local role siyu_system")
        left = await connection.fetchval(
            "select count(*) from jobs.pgqueuer where entrypoint = 'faults.long'"
        )
        await connection.execute("rollback")
    assert left == 0


async def test_a_ring_wakes_the_worker_at_once(mine: Database, start_worker: Start) -> None:
    start_worker()
    await add(quick, number=0)
    await until(mine, lambda found: "quick 0" in found, 20)
    db.on_commit(worker.ring)
    try:
        waits = []
        for number in range(1, 6):
            begun = time.monotonic()
            await add(quick, number=number)
            await until(mine, lambda found, n=number: f"quick {n}" in found, 5)  # type: ignore[misc]
            waits.append(time.monotonic() - begun)
    finally:
        db.on_commit(None)
    assert sorted(waits)[2] < 0.7, waits


def test_jobs_of_this_file_are_known() -> None:
    assert {"faults.call_outside", "faults.quick"} <= set(jobs.registered())
