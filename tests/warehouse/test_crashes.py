"""Kill -9 at every fail point, and at any moment, with readers running (W1, W2, W5)."""

import asyncio
import multiprocessing
import random
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from siyu.kernel import db
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
        await asyncio.sleep(0.05)
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


@pytest.mark.parametrize("point", FAIL_POINTS)
async def test_W1_W2_W5_a_crash_at_a_fail_point_loses_and_doubles_nothing(
    warehouse, shop, database, forks, point
):
    async with db.transaction(shop) as tx:
        for person in range(3):
            tx.add_event("ordering.order_paid", {"person_no": person}, datetime.now(UTC))
    keys = [uuid4() for _ in range(4)]
    process = forks.Process(
        target=victims.live, args=(database.url, warehouse.parent, point, keys), daemon=True
    )
    stop = asyncio.Event()
    reader = asyncio.create_task(read_until(stop))
    process.start()
    assert await wait_for(process) == -signal.SIGKILL
    stop.set()
    assert await reader > 0
    on_disk = {str(path.relative_to(warehouse)) for path in warehouse.glob("b*/*/*")}
    assert on_disk <= {path for (path,) in await rows("select path from warehouse.file")}
    await check_invariants()
    await recover(keys, warehouse)
    taken = await rows("select sum(rows) from warehouse.batch where source = 1")
    assert taken == [(160,)]
    report = await compaction.verify()
    domain = await rows("select sum(rows) from warehouse.batch where source = 0")
    assert report.file_rows == report.batch_rows == 160 + domain[0][0]


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
            named |= {text.replace("{job}", job) for job in ("compact", "merge")} - {""}
    assert named == set(FAIL_POINTS)
