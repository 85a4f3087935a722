"""The worker: jobs, periodic work and event delivery in one event loop, any number of processes.

`ring` wakes all of them after a commit. It is a notification sent beside the transaction, at most
one per process and 20 ms: inside, it would make every commit of the installation wait its turn.
Whoever misses it (a process that died in between) is found by the poll of each second.
"""

import asyncio
import contextlib
import json
import logging
from typing import Any

import asyncpg

from siyu.kernel import clock, db, jobs, metrics
from siyu.kernel.errors import Busy
from siyu.kernel.relay import EventMap, Relay

CHANNEL = "ch_pgqueuer"  # PgQueuer listens here too, and expects a message of this form
_MESSAGE = {"channel": CHANNEL, "operation": "insert", "table": "pgqueuer"}

_log = logging.getLogger(__name__)
_ringing: asyncio.Task[None] | None = None


def ring() -> None:
    """Have the workers look for work; returns at once. For `db.on_commit`."""
    global _ringing
    if _ringing is None or _ringing.done():
        _ringing = asyncio.get_running_loop().create_task(_ring(db.database()))


async def _ring(database: db.Database) -> None:
    await asyncio.sleep(0.02)
    message = {
        **_MESSAGE,
        "type": "table_changed_event",
        "sent_at": clock.now().isoformat(),
    }
    # A process that is just ending has closed its pool: the poll of each second is soon enough.
    with contextlib.suppress(Busy, OSError, asyncpg.InterfaceError), db.weather():
        async with database.pool.acquire(timeout=2) as connection:
            await connection.execute("select pg_notify($1, $2)", CHANNEL, json.dumps(message))


async def run(event_map: EventMap, stop: asyncio.Event, *, at_once: int = 20) -> None:
    """Work until `stop` is set; then finish what has begun, for at most 20 s.

    Needs `db.use()` and the imported modules of all jobs. What is cut off by the end of the
    process comes back: jobs by their heart-beat, deliveries by their released lock.
    """
    bell = asyncio.Event()
    parts = [
        asyncio.create_task(jobs.serve(db.database().url, stop, at_once=at_once)),
        asyncio.create_task(Relay(event_map).serve(stop, bell)),
        asyncio.create_task(_listen(bell, stop)),
        asyncio.create_task(_repeat(jobs.tick, 1, stop)),
        asyncio.create_task(_repeat(_watch_queues, 30, stop)),
    ]
    stopped = asyncio.create_task(stop.wait())
    done, _ = await asyncio.wait([stopped, *parts], return_when=asyncio.FIRST_COMPLETED)
    stop.set()
    await asyncio.wait(parts, timeout=jobs.LONGEST_STOP)
    for part in (stopped, *parts):
        part.cancel()
    await asyncio.gather(stopped, *parts, return_exceptions=True)
    for part in done - {stopped}:
        part.result()  # a part that ended by itself has failed: let the process end with it


async def _repeat(work: Any, seconds: float, stop: asyncio.Event) -> None:
    while not stop.is_set():
        try:
            await work()
        except Busy as error:
            _log.warning("the worker waits for the database", exc_info=error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)


async def _listen(bell: asyncio.Event, stop: asyncio.Event) -> None:
    """Ring the bell of this process at each notification; connects again when cut off."""

    while not stop.is_set():
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            connection = await asyncpg.connect(db.database().url, timeout=5)
            ended = asyncio.Event()
            connection.add_termination_listener(lambda _, ended=ended: ended.set())
            waits = [asyncio.ensure_future(event.wait()) for event in (stop, ended)]
            try:
                await connection.add_listener(CHANNEL, lambda *_: bell.set())
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for wait in waits:
                    wait.cancel()
                connection.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), 0.2)


async def _watch_queues() -> None:
    """Count what waits and what is dead, and raise the alarm for names nobody knows (F103)."""
    unknown = await jobs.unknown_names()
    metrics.unknown.clear()
    for name, count in unknown.items():
        metrics.unknown.labels(name).set(count)
        _log.error("jobs of an unknown name wait", extra={"job": name, "count": count})
    async with db.system_transaction() as tx:
        rows = await tx.connection.fetch(
            """select 'waiting' as kind, entrypoint as label, count(*)::float as n
                 from jobs.pgqueuer where status = 'queued' and execute_after <= now()
                group by entrypoint
               union all
               select 'dead', 'job', count(*) from jobs.pgqueuer where status = 'failed'
               union all
               select 'dead', 'delivery', count(*) from kernel.deliveries where state = 'dead'
               union all
               select 'lag', consumer, case when exists (
                   select from kernel.outbox o where (o.xid, o.event_id) > (c.xid, c.event_id))
                 then extract(epoch from now() - moved_at) else 0 end
                 from kernel.outbox_cursor c"""
        )
    metrics.waiting.clear()
    gauges = {"waiting": metrics.waiting, "dead": metrics.dead, "lag": metrics.outbox_lag}
    for row in rows:
        gauges[row["kind"]].labels(row["label"]).set(row["n"])
