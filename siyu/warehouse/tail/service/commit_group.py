"""Group commit: batches of many requests travel to the database in one transaction.

While one transaction is under way the next batches gather. The pace is limited and so is the
queue, so that a flood of page views costs checkout nothing but is told to slow down.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator, Sequence

from siyu.kernel import clock
from siyu.kernel.errors import TooMany
from siyu.warehouse.tail import queries
from siyu.warehouse.tail.contracts import Batch, Reject
from siyu.warehouse.tail.service.append import append, prepare
from siyu.warehouse.tail.service.connection import crash_point, opened

EVENTS_PER_S = 20_000
_events_per_s: float = EVENTS_PER_S
_GROUP_EVENTS = 5_000
_QUEUE_EVENTS = 40_000
_SAMPLES = 20
_Waiting = tuple[Batch, "asyncio.Future[None]"]
_queue: deque[_Waiting] = deque()
_queued_events = 0
_committer: "asyncio.Task[None] | None" = None


async def collect(batch: Batch) -> None:
    """Write a batch together with those of other requests; returns when it is committed.

    Raises TooMany when more is waiting than two seconds can write.
    """
    global _queued_events, _committer
    if _queued_events + len(batch.events) > _QUEUE_EVENTS:
        raise TooMany(retry_after=2)
    committed = asyncio.get_running_loop().create_future()
    _queue.append((batch, committed))
    _queued_events += len(batch.events)
    if _committer is None or _committer.done():
        _committer = asyncio.create_task(_commit_queue())
    # A caller that goes away must not take the others' batch with it.
    await asyncio.shield(committed)


@contextlib.contextmanager
def unpaced() -> Iterator[None]:
    """As fast as it goes, for measurements."""
    global _events_per_s
    before, _events_per_s = _events_per_s, float("inf")
    try:
        yield
    finally:
        _events_per_s = before


async def _commit_queue() -> None:
    while _queue:
        started = clock.monotonic()
        group = _next_group()
        await _commit(group)
        events = sum(len(batch.events) for batch, _ in group)
        await asyncio.sleep(max(0.0, started + events / _events_per_s - clock.monotonic()))


def _next_group() -> list[_Waiting]:
    global _queued_events
    group: list[_Waiting] = []
    size = 0
    while _queue and (not group or size + len(_queue[0][0].events) <= _GROUP_EVENTS):
        group.append(_queue.popleft())
        size += len(group[-1][0].events)
    _queued_events -= size
    return group


async def _write(batches: Sequence[Batch]) -> None:
    prepared = await prepare(batches)
    async with opened() as tx:
        await append(tx, prepared)
    crash_point("append.committed")


async def _commit(group: list[_Waiting]) -> None:
    try:
        await _write([batch for batch, _ in group])
    except Exception as error:
        if len(group) > 1:
            # One bad batch must not fail its neighbours.
            for waiting in group:
                await _commit([waiting])
        elif not group[0][1].done():
            group[0][1].set_exception(error)
        return
    for _, committed in group:
        if not committed.done():
            committed.set_result(None)


async def reject(rejects: Sequence[Reject]) -> None:
    """Count refused events by reason and day, and keep up to 20 of them to look at."""
    if rejects:
        async with opened() as tx:
            await queries.insert_rejects(tx, rejects, rejects[:_SAMPLES])


async def forget_rejects() -> int:
    """Remove samples older than 30 days; returns how many."""
    async with opened() as tx:
        return await queries.delete_old_rejects(tx)
