"""Kill -9 at every fail point, and at any moment, with readers running (W1, W2, W5)."""

import asyncio
import multiprocessing
import random
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import duckdb
import pytest

from siyu.kernel import db
from siyu.kernel.audit import System
from siyu.kernel.ids import ShopId
from siyu.warehouse.compaction import rules
from siyu.warehouse.compaction import service as compaction
from siyu.warehouse.tail import service as tail
from tests.warehouse import victims
from tests.warehouse.support import DAY_US, batch, check_invariants, rows

FAIL_POINTS = [
    "append.booked",
    "append.copied",
    "append.committed",
    "outbox.committed",
    "seal.prepared",
    "seal.half_done",
    "seal.done",
    "compact.slot_read",
    "compact.intent_written",
    "compact.half_written",
    "compact.file_written",
    "compact.inside_publish",
    "compact.published",
    "merge.intent_written",
    "merge.half_written",
    "merge.file_written",
    "merge.inside_publish",
    "merge.published",
    "collect.unlinked",
    "purge.asked",
    "purge.intent_written",
    "purge.half_written",
    "purge.file_written",
    "purge.inside_publish",
    "purge.published",
    "purge.clean",
]


@pytest.fixture(scope="session")
def forks() -> Iterator[multiprocessing.context.ForkServerContext]:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.warehouse.victims"])
    yield context


async def read_until(stop: asyncio.Event) -> int:
    """Audit snapshot after snapshot: each must be whole."""
    count = 0
    while not stop.is_set():
        report = await compaction.verify()
        assert report.ok, report
        count += 1
        await asyncio.sleep(0.2)
    return count


async def wait_for(process: multiprocessing.Process, seconds: float = 60) -> int | None:
    await asyncio.to_thread(process.join, seconds)
    return process.exitcode


async def recover(keys: list, root: Path) -> None:
    """The clients send again, the next compactor goes on: everything is there once."""
    for key in keys:
        await tail.collect(batch(40, key=key, step_us=DAY_US))
    while await tail.consume_outbox(settled=False):
        pass
    async with tail.opened() as tx:
        await tx.run(
            "update warehouse.file set lease_until = now() - interval '1 s' where state = 'writing'"
        )
    await compaction.compact()
    await compaction.collect(grace_s=0)
    await check_invariants()
    on_disk = {str(path.relative_to(root)) for path in root.glob("b*/*/*")}
    known = {path for (path,) in await rows("select path from warehouse.file")}
    assert on_disk == known
    assert await rows("select count(*) from warehouse.file where state <> 'live'") == [(0,)]


async def kill_at(point, forks, url, root, keys, forget=None) -> None:
    """Let a process live until it dies at the point; what it leaves is whole."""
    process = forks.Process(
        target=victims.live, args=(url, root.parent, point, keys, forget), daemon=True
    )
    process.start()
    assert await wait_for(process) == -signal.SIGKILL
    on_disk = {str(path.relative_to(root)) for path in root.glob("b*/*/*")}
    assert on_disk <= {path for (path,) in await rows("select path from warehouse.file")}
    await check_invariants()


@pytest.mark.parametrize("point", [p for p in FAIL_POINTS if not p.startswith("purge.")])
async def test_W1_W2_W5_a_crash_at_a_fail_point_loses_and_doubles_nothing(
    warehouse, shop, database, forks, point
):
    """Twice at each point, with a reader."""
    keys = [[uuid4() for _ in range(4)] for _ in range(2)]
    stop = asyncio.Event()
    reader = asyncio.create_task(read_until(stop))
    for mine in keys:
        async with db.transaction(shop) as tx:
            for person in range(3):
                tx.add_event("ordering.order_paid", {"person_no": person}, datetime.now(UTC))
        await kill_at(point, forks, database.url, warehouse, mine)
    stop.set()
    assert await reader > 0
    await recover(keys[0] + keys[1], warehouse)
    taken = await rows("select sum(rows) from warehouse.batch where source = 1")
    assert taken == [(320,)]
    report = await compaction.verify()
    domain = await rows("select sum(rows) from warehouse.batch where source = 0")
    assert report.file_rows == report.batch_rows == 320 + domain[0][0]


@pytest.mark.parametrize("point", [p for p in FAIL_POINTS if p.startswith("purge.")])
async def test_W1_W5_a_crash_while_a_person_is_forgotten_leaves_nothing_of_them(
    warehouse, database, forks, point
):
    """Twice, for two persons; the rows of everybody else are all there, once."""
    keys = [[uuid4() for _ in range(4)] for _ in range(2)]
    stop = asyncio.Event()
    reader = asyncio.create_task(read_until(stop))
    for mine, person in zip(keys, (3, 5), strict=True):
        await kill_at(point, forks, database.url, warehouse, mine, person)
    stop.set()
    assert await reader > 0
    for person in (3, 5):  # who was not answered asks again
        await compaction.ask_erasure(ShopId(1), person, System())
    await recover(keys[0] + keys[1], warehouse)
    await compaction.run_round()
    done = await rows("select person_no, done_at is not null from warehouse.erasure order by 1")
    assert done == [(3, True), (5, True)]
    source = rules.read_parquet([str(path) for path in warehouse.glob("b*/*/*")])
    found = duckdb.execute(
        f"select person_no, count(*) from {source} group by 1 order by 1"
    ).fetchall()
    assert found == [(1, 48), (2, 48), (4, 48), (6, 40), (7, 40)]
    assert await rows("select count(*) from warehouse.event_tail") == [(0,)]
    await check_invariants()


async def test_W1_W2_processes_killed_at_any_moment_lose_and_double_nothing(
    warehouse, database, forks
):
    """Two writers that compact, killed again and again while the reader audits."""
    rnd = random.Random(7)
    stop = asyncio.Event()
    reader = asyncio.create_task(read_until(stop))
    keys = []
    for _ in range(4):
        own = [[uuid4() for _ in range(1000)] for _ in range(2)]  # more than they live to write
        processes = [
            forks.Process(
                target=victims.live, args=(database.url, warehouse.parent, "", mine), daemon=True
            )
            for mine in own
        ]
        for process in processes:
            process.start()
        await asyncio.sleep(rnd.uniform(0.3, 1.5))
        for process in processes:
            process.kill()
        assert [await wait_for(process) for process in processes] == [-signal.SIGKILL] * 2
        keys += own[0][:3] + own[1][:3]
    stop.set()
    assert await reader > 0
    await recover(keys, warehouse)


def test_the_list_of_fail_points_is_complete():
    """Every point the code offers is in the list above."""
    named = set()
    for path in Path("siyu/warehouse").rglob("*.py"):
        for part in path.read_text().split("crash_point(")[1:]:
            text = part.split('"')[1] if part.lstrip("f").startswith('"') else ""
            named |= {text.replace("{job}", job) for job in ("compact", "merge", "purge")} - {""}
    assert named == set(FAIL_POINTS)
