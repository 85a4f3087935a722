"""How fast events come in, what that leaves to checkout, and what `kill -9` costs: nothing.

`ingest`: batches by COPY beside multi-row inserts into the same table, and through the verb of the
tail with its books and group commit. `kills`: processes that write, compact, merge and erase are
killed at random moments and at every fail point, while readers audit snapshot after snapshot.
"""

import asyncio
import contextlib
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

from siyu.app import bench
from siyu.app.bench_ground import (
    CONNECTIONS,
    PROCESSES,
    Bench,
    Figures,
    Ground,
    enlist,
    ground,
    load,
    served,
    stock,
    with_addresses,
)
from siyu.kernel import config, db
from siyu.kernel.audit import System
from siyu.kernel.ids import ShopId
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.tail import queries
from siyu.warehouse.tail import service as tail
from siyu.warehouse.tail.contracts import Batch, TailEvent

BATCH = 1_000
ROUNDS = 5
FLOOD_PER_S = 20_000
READERS = 4
CHECKOUT_S = 6.0
START_US = 1_750_000_000_000_000
DAY_US = 86_400_000_000
FORGOTTEN = 3
POINTS = [
    *("append.booked", "append.copied", "append.committed", "outbox.committed"),
    *("seal.prepared", "seal.half_done", "seal.done"),
    *("compact.slot_read", "compact.intent_written", "compact.half_written"),
    *("compact.file_written", "compact.inside_publish", "compact.published"),
    *("merge.intent_written", "merge.half_written", "merge.file_written"),
    *("merge.inside_publish", "merge.published", "collect.unlinked"),
    *("purge.asked", "purge.intent_written", "purge.half_written", "purge.file_written"),
    *("purge.inside_publish", "purge.published", "purge.clean"),
]


class IngestFigures(Figures, frozen=True):
    """`rate`: rows per second by COPY; `limit`: by inserts of 1,000 rows; medians of the rounds.

    verb_rate: events per second through `tail.collect` (batches of 50, group commit, its pace
    lifted). checkout_share: orders per second beside 20,000 events/s and four readers, as a share
    of those beside the readers alone, before and after; flood_rate: the events per second it was.
    """

    goal_share: float
    verb_rate: float
    checkout_share: float | None
    checkout_goal: float
    flood_rate: float | None


class KillFigures(Figures, frozen=True):
    """rate: events found again per second of the kills; limit: events acknowledged.

    lost, doubled: acknowledged events against rows; wrong: audits that found anything.
    """

    kills: int
    at_fail_points: int
    acknowledged: int
    lost: int
    doubled: int
    audits: int
    wrong: int
    left_of_forgotten: int
    ok: bool


def batch(count: int, key: UUID | None = None, shop: int = 1, step_us: int = DAY_US) -> Batch:
    """Events of seven persons, step_us apart."""
    return Batch(
        source=shop,
        batch_key=key or uuid4(),
        events=[
            TailEvent(
                shop_id=shop,
                person_no=number % 7 + 1,
                at_us=START_US + number * step_us,
                name="behaviour.view",
                channel="h5",
                page="pages/home/home",
                props={"zone": "首屏", "n": number % 100, "from": "poster"},
            )
            for number in range(count)
        ],
    )


# --- speed ---------------------------------------------------------------------------------------


async def ingest(events: int, *, checkout: bool = False) -> IngestFigures:
    """Interleaved rounds of both ways, then the verb; with `checkout` also the flood."""
    copied, inserted = [], []
    async with ground():
        [prepared] = await tail.prepare([batch(BATCH, step_us=1_000)])
        rows = [(1, *row) for row in prepared.rows]
        times = max(1, events // BATCH // ROUNDS)
        for number in range(ROUNDS + 1):
            rates = await _by_copy(rows, times), await _by_insert(rows, times)
            if number:
                copied.append(rates[0])
                inserted.append(rates[1])
        verb = await _by_verb(events)
        await tail.close()
    share, flood = await _checkout() if checkout else (None, None)
    return IngestFigures.of(
        statistics.median(copied),
        statistics.median(inserted),
        f"COPY with multi-row inserts of {BATCH} rows into the tail, one transaction each",
        goal_share=3.0,
        verb_rate=round(verb),
        checkout_share=share,
        checkout_goal=0.85,
        flood_rate=flood,
    )


async def _by_copy(rows: Sequence[tuple[Any, ...]], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        async with tail.opened() as tx:
            await queries.insert_events(tx, rows)
    return times * len(rows) / (time.perf_counter() - began)


async def _by_insert(rows: Sequence[tuple[Any, ...]], times: int) -> float:
    """One statement per batch with a parameter per value, as many rows as parameters allow."""
    width = len(queries.COLUMNS)
    marks = ", ".join(
        f"({', '.join(f'${n * width + k + 1}' for k in range(width))})" for n in range(len(rows))
    )
    sql = f"insert into warehouse.event_tail ({', '.join(queries.COLUMNS)}) values {marks}"
    values = [value for row in rows for value in row]
    began = time.perf_counter()
    for _ in range(times):
        async with tail.opened() as tx:
            await tx.connection.execute(sql, *values)
    return times * len(rows) / (time.perf_counter() - began)


async def _by_verb(events: int) -> float:
    small = 50
    waiting = iter(range(max(1, events // small)))

    async def client() -> None:
        for _ in waiting:
            await tail.collect(batch(small, step_us=1_000))

    with tail.unpaced():
        began = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(64)))
        return events / (time.perf_counter() - began)


async def _checkout() -> tuple[float, float]:
    """(share, events per second): checkout beside flood and readers, beside readers alone.

    The flood stands between two stretches of readers alone, one before its events and one after:
    on average the readers read as much without it as beside it. Rounds begin with an empty tail.
    """
    async with served() as place:
        sku_ids = await stock(place.shop_id, bench.BUYERS * bench.LINES, 1_000_000)
        buyers = await with_addresses(place.shop_id, await enlist(place.shop_id, bench.BUYERS))
        requests = [
            bench.request(place, buyer, sku_ids[n * bench.LINES : (n + 1) * bench.LINES])
            for n, buyer in enumerate(buyers)
        ]
        shares: list[float] = []
        floods: list[float] = []
        for number in range(4):
            await compaction.compact()
            rates: list[float] = []
            for flood in (0, FLOOD_PER_S, 0):
                async with _children(place, flood) as taken:
                    sent = await load(
                        place.port, requests, seconds=CHECKOUT_S, at_once=bench.BUYERS
                    )
                assert set(sent["statuses"]) == {"200"}, sent["statuses"]
                rates.append(len(sent["latencies"]) / sent["seconds"])
                floods += [rate for rate in taken if number]
            if number:
                shares.append(rates[1] / statistics.mean((rates[0], rates[2])))
        await tail.close()
    return round(statistics.median(shares), 3), round(statistics.median(floods))


@contextlib.asynccontextmanager
async def _children(place: Bench, flood: int) -> AsyncIterator[list[float]]:
    """Four readers, and a process that writes `flood` events per second; its real rate after."""
    readers = [await _spawn(place, "read") for _ in range(READERS)]
    writer = await _spawn(place, "flood", str(flood)) if flood else None
    rates: list[float] = []
    for child in [*readers, *([writer] if writer else [])]:
        assert child.stdout is not None
        await child.stdout.readline()  # at work from here on
    try:
        yield rates
    finally:
        for child in [*readers, *([writer] if writer else [])]:
            child.send_signal(signal.SIGTERM)
        if writer is not None:
            out, _ = await writer.communicate()
            rates.append(float(out.split()[-1]))
        for child in readers:
            await child.wait()


async def _spawn(place: Ground, *what: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "siyu.app.bench_ingest", *what),
        stdout=asyncio.subprocess.PIPE,
        env={
            **os.environ,
            "SIYU_DATABASE_URL": place.cluster.url(place.database),
            "SIYU_DATA_DIR": str(config.settings().data_dir),
            "PGOPTIONS": "",
        },
    )


async def _flood(rate: int) -> None:
    """Write until told to stop; prints the events per second that were taken."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("at work", flush=True)
    began, taken = time.perf_counter(), 0
    while not stop.is_set():
        await tail.collect(batch(BATCH, step_us=1_000))
        taken += BATCH
        await asyncio.sleep(max(0.0, began + taken / rate - time.perf_counter()))
    print(round(taken / (time.perf_counter() - began)))


async def _read() -> None:
    """Ask for the books in snapshots until told to stop, ten times a second."""
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    print("at work", flush=True)
    while not stop.is_set():
        async with tail.snapshotting() as tx:
            await tx.value("select count(*), sum(event_no) from warehouse.event_tail")
        await asyncio.sleep(0.1)


# --- kills ---------------------------------------------------------------------------------------


async def kills(count: int, seed: int) -> KillFigures:
    """Two processes at a time, killed `count` times in all; then everybody sends again."""
    dice = random.Random(seed)
    plan = [*POINTS, *POINTS] if count >= 2 * len(POINTS) else []
    plan += [""] * (count - len(plan))
    dice.shuffle(plan)
    keys: list[UUID] = []
    done = asyncio.Event()
    began = time.monotonic()
    async with ground() as own:
        audits = asyncio.create_task(_audit(done))
        for pair in zip(plan[::2], plan[1::2], strict=False):
            mine = [[uuid4() for _ in range(6)] for _ in pair]
            keys += [key for some in mine for key in some]
            await asyncio.gather(
                *(_victim(own, point, some, dice) for point, some in zip(pair, mine, strict=True))
            )
        done.set()
        audited, wrong = await audits
        return await _settle(keys, plan, audited, wrong, began)


async def _victim(own: Ground, point: str, keys: list[UUID], dice: random.Random) -> None:
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "siyu.app.bench_ingest", "live", *map(str, keys)),
        env={
            **os.environ,
            "SIYU_DATABASE_URL": own.cluster.url(own.database),
            "SIYU_DATA_DIR": str(config.settings().data_dir),
            "SIYU_CRASH_AT": point,
        },
        stderr=asyncio.subprocess.DEVNULL,
    )
    with contextlib.suppress(TimeoutError, ProcessLookupError):
        # A fail point that is not reached in time becomes a random moment.
        await asyncio.wait_for(child.wait(), 20 if point else dice.uniform(1.5, 4.0))
    with contextlib.suppress(ProcessLookupError):
        child.kill()
    await child.wait()


async def _live(keys: Sequence[UUID]) -> None:
    for key in keys:
        await tail.collect(batch(40, key))
        while await tail.consume_outbox(settled=False):
            pass
        await compaction.compact()
        await compaction.collect(grace_s=0)
        await compaction.ask_erasure(ShopId(1), FORGOTTEN, System())


async def _audit(done: asyncio.Event) -> tuple[int, int]:
    audits, wrong = 0, 0
    while not done.is_set():
        wrong += not (await compaction.verify()).ok
        audits += 1
        await asyncio.sleep(0.1)
    return audits, wrong


async def _settle(
    keys: list[UUID], plan: list[str], audits: int, wrong: int, began: float
) -> KillFigures:
    """Every client sends again; what is there then, against what was acknowledged."""
    for key in keys:
        await tail.collect(batch(40, key))
    await compaction.ask_erasure(ShopId(1), FORGOTTEN, System())
    while await tail.consume_outbox(settled=False):
        pass
    async with tail.opened() as tx:
        await tx.run("update warehouse.file set lease_until = now() where state = 'writing'")
    for _ in range(2):
        await compaction.compact()
    # What does not count would stay for an hour; a half-written file cannot even be read.
    await compaction.collect(grace_s=0)
    report = await compaction.verify()
    paths = [str(path) for path in tail.root().glob("b*/*/*.parquet")]
    rows, left = await asyncio.to_thread(_count, paths)
    expected = sum(number % 7 + 1 != FORGOTTEN for number in range(40)) * len(keys)
    await tail.close()
    seconds = time.monotonic() - began
    return KillFigures.of(
        rows / seconds,
        expected / seconds,
        "events found in the files after the kills with events that were acknowledged",
        kills=len(plan),
        at_fail_points=sum(map(bool, plan)),
        acknowledged=expected,
        lost=max(0, expected - rows),
        doubled=max(0, rows - expected),
        audits=audits,
        wrong=wrong,
        left_of_forgotten=left,
        ok=report.ok and rows == expected and not wrong and not left,
    )


def _count(paths: list[str]) -> tuple[int, int]:
    import duckdb

    found = duckdb.execute(
        f"""select count(*) filter (shop_id = 1 and person_no <> {FORGOTTEN}),
              count(*) filter (shop_id = 1 and person_no = {FORGOTTEN})
            from {compaction.read_parquet(paths)}"""
    ).fetchone()
    assert found is not None
    return int(found[0]), int(found[1])


async def _child(what: str, arguments: list[str]) -> None:
    settings = config.settings()
    assert settings.database_url is not None
    Path(settings.data_dir).mkdir(exist_ok=True)
    database = await db.Database.connect(settings.database_url, size=CONNECTIONS // PROCESSES)
    db.use(database)
    match what:
        case "live":
            await _live([UUID(key) for key in arguments])
        case "flood":
            await _flood(int(arguments[0]))
        case "read":
            await _read()
    await tail.close()
    await database.close()


if __name__ == "__main__":
    asyncio.run(_child(sys.argv[1], sys.argv[2:]))
