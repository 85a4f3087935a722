"""Work for later: jobs are rows written in the transaction that wants them, run by the worker.

    @job("payments.query")
    async def query_payment(shop_id: int, payment_id: UUID) -> None: ...

    enqueue(tx, query_payment, payment_id=payment.payment_id, delay=timedelta(minutes=5))

A job opens its own transactions and may run twice: it reads the present state and checks whether
there is still something to do. Arguments are ids, never people's data. After a failure it comes
back with growing pauses; after its last try it stays, dead, with the reason, until somebody
retries it. A killed worker's jobs come back within a minute. The queue itself is PgQueuer.
"""

import asyncio
import functools
import inspect
import logging
import random
import uuid
from collections.abc import Awaitable, Callable, Iterable
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import asyncpg
import msgspec
from croniter import croniter
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver, AsyncpgPoolDriver
from pgqueuer.adapters.persistence.qb import (
    QueryBuilderEnvironment,
    QueryQueueBuilder,
    QuerySchedulerBuilder,
)
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.executors import AbstractEntrypointExecutor, EntrypointExecutorParameters
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain import models
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.settings import DBSettings
from pgqueuer.ports.repository import EntrypointExecutionParameter

from siyu.kernel import clock, db, metrics
from siyu.kernel.db import Tx
from siyu.kernel.errors import SiyuError
from siyu.kernel.ids import ShopId
from siyu.kernel.logs import describe

K = TypeVar("K")
Function = TypeVar("Function", bound=Callable[..., Awaitable[None]])

HEARTBEAT = timedelta(seconds=20)  # a killed worker's jobs are taken over after this (F101)
_AT_ONCE = 10
LONGEST_PAUSE = 3600.0
LONGEST_STOP = 20.0
DEFAULT_TRIES = 12  # with the pauses of `pause_before`: about 70 minutes

_log = logging.getLogger(__name__)


class Job(msgspec.Struct, frozen=True):
    """What a name in the queue stands for."""

    name: str
    function: Callable[..., Awaitable[None]]
    tries: int


class Periodic(msgspec.Struct, frozen=True):
    """Work at every tick: `cron` (UTC) or every so many seconds, counted from the epoch."""

    name: str
    cron: str | None
    seconds: int | None

    def last_tick(self, now: datetime) -> datetime:
        """The latest tick that is not after `now`."""
        if self.seconds is not None:
            whole = int(now.timestamp()) // self.seconds * self.seconds
            return datetime.fromtimestamp(whole, UTC)
        tick, next_tick = _ticks.get(self.cron or "", (now, now))
        if not tick <= now < next_tick:
            later = now + timedelta(microseconds=1)  # a tick at `now` itself counts
            tick = croniter(self.cron, later).get_prev(datetime)
            _ticks[self.cron or ""] = tick, croniter(self.cron, now).get_next(datetime)
        return tick


class Payload(msgspec.Struct, frozen=True):
    """What is stored with a job."""

    shop_id: int | None
    arguments: dict[str, Any]


class JobFailed(Exception):
    """Stands in for a failure in PgQueuer's own records: only its kind and place, never data."""


_jobs: dict[str, Job] = {}
_names: dict[Callable[..., Awaitable[None]], str] = {}
_signature = functools.cache(inspect.signature)
_periodic: dict[str, Periodic] = {}
_ticks: dict[str, tuple[datetime, datetime]] = {}  # the last and the next tick of each `cron`


def lasting_name(function: Callable[..., Any]) -> str:
    """How a function is known in the database: `commerce.ordering.close_unpaid`."""
    parts = function.__module__.removeprefix("siyu.").split(".")
    where = [part for part in parts if part != "background"]
    return ".".join([*where, function.__qualname__])


def job(name: str, *, tries: int = DEFAULT_TRIES) -> Callable[[Function], Function]:
    """Name a function `domain.what_it_does`; the name never changes while old jobs may wait."""

    def register(function: Function) -> Function:
        assert name not in _jobs, f"two jobs are named {name}"
        _jobs[name] = Job(name, function, tries)
        _names[function] = name
        return function

    return register


def every(
    cron: str | None = None, *, seconds: int | None = None, tries: int = 3
) -> Callable[[Function], Function]:
    """Run a function at each tick, once over all workers; one that is still running is not doubled.

    It takes no arguments and finds due work by the state of the rows, so that a missed tick (after
    a stop, exactly one is made up for) loses nothing.
    """
    assert (cron is None) != (seconds is None), "either cron or seconds"
    assert cron is None or croniter.is_valid(cron), f"not a cron expression: {cron}"

    def register(function: Function) -> Function:
        name = f"every.{lasting_name(function)}"
        _periodic[name] = Periodic(name, cron, seconds)
        return job(name, tries=tries)(function)

    return register


async def for_each(
    work: Callable[[ShopId, K], Awaitable[object]], due: Iterable[tuple[int, K]]
) -> None:
    """Do a work for rows of many shops, (shop_id, key) each, ten at once.

    A refusal is logged and no more, for one shop's missing keys must not stop the others; a bug is
    raised when all are through.
    """
    slots = asyncio.Semaphore(_AT_ONCE)

    async def run(shop_id: int, key: K) -> None:
        async with slots:
            try:
                await work(ShopId(shop_id), key)
            except SiyuError as error:
                _log.warning(
                    "work refused",
                    extra={
                        "work": lasting_name(work), "shop_id": shop_id, "about": str(key),
                        "code": error.code,
                    },
                )  # fmt: skip

    done = await asyncio.gather(*(run(*one) for one in due), return_exceptions=True)
    for failure in done:
        if failure is not None:
            raise failure


def registered() -> dict[str, Job]:
    """All jobs by name, as far as their modules are imported."""
    return dict(_jobs)


def periodic() -> dict[str, Periodic]:
    """All periodic work by name."""
    return dict(_periodic)


def forget_foreign() -> None:
    """Let go of work that others than siyu itself have registered, such as tests."""
    for name, known in list(_jobs.items()):
        if not known.function.__module__.startswith("siyu."):
            del _jobs[name], _names[known.function]
            _periodic.pop(name, None)


_ENQUEUE = """
insert into jobs.pgqueuer
  (priority, status, entrypoint, payload, headers, execute_after, dedupe_key)
select 0, 'queued', name, payload, headers, now() + wait, key
from unnest($1::text[], $2::bytea[], $3::jsonb[], $4::interval[], $5::text[])
  as wanted (name, payload, headers, wait, key)
on conflict do nothing
"""


def enqueue(
    tx: Tx,
    function: Callable[..., Awaitable[None]],
    *,
    delay: timedelta = timedelta(0),
    key: str | None = None,
    **arguments: uuid.UUID | str | int | None,
) -> None:
    """Have `function(shop_id=…, **arguments)` run after this transaction has committed.

    delay: earliest start, counted from now by the kernel clock. key: while a job with this key
    waits or runs in the shop, no second one is added. All jobs of a transaction are one round trip.
    """
    name = _names[function]
    _signature(function).bind(shop_id=tx.shop_id, **arguments)
    for value in arguments.values():
        assert not isinstance(value, str) or len(value) <= 100, "job arguments are ids"
    payload = msgspec.json.encode(Payload(tx.shop_id, dict(arguments)))
    row = (
        name,
        payload,
        {"shop_id": tx.shop_id},
        delay + clock.shift(),
        f"{tx.shop_id}:{name}:{key}" if key else None,
    )
    waiting: tuple[Any, ...] | None = next((a for sql, a in tx._last if sql is _ENQUEUE), None)
    if waiting is None:
        waiting = ([], [], [], [], [])
        tx.later(_ENQUEUE, *waiting)
    for column, entry in zip(waiting, row, strict=True):
        column.append(entry)


# -- running ---------------------------------------------------------------------------------

_last_try: ContextVar[bool] = ContextVar("last_try", default=False)


def is_last_try() -> bool:
    """Whether the job that runs now will be dead if it fails."""
    return _last_try.get()


def pause_before(attempt: int) -> timedelta:
    """The pause before try number `attempt` + 1: 1, 2, 4 … 3600 s, give or take a fifth."""
    return timedelta(seconds=min(2.0**attempt, LONGEST_PAUSE) * random.uniform(0.8, 1.2))


async def run_now(name: str, payload: bytes | None) -> None:
    """Run one job in this task; its failure passes through."""
    wanted = _jobs[name]
    stored = msgspec.json.decode(payload or b'{"shop_id":null,"arguments":{}}', type=Payload)
    kinds = inspect.get_annotations(wanted.function, eval_str=True)
    arguments = {
        key: msgspec.convert(value, kinds.get(key, Any)) for key, value in stored.arguments.items()
    }
    if stored.shop_id is not None:
        arguments["shop_id"] = stored.shop_id
    await wanted.function(**arguments)


class _Executor(AbstractEntrypointExecutor):
    """Runs a job for PgQueuer; turns failures into retries, the last one into a dead job."""

    async def execute(self, job: models.Job, context: models.Context) -> None:
        dead = job.attempts + 1 >= _jobs[job.entrypoint].tries
        mark = _last_try.set(dead)
        try:
            await run_now(job.entrypoint, job.payload)
        except asyncio.CancelledError:
            # PgQueuer would take a cancelled job for finished.
            raise RetryRequested(timedelta(0), "the worker stopped") from None
        except Exception as error:
            metrics.jobs.labels(job.entrypoint, "dead" if dead else "retried").inc()
            _log.log(
                logging.ERROR if dead else logging.WARNING,
                "job failed",
                extra={"job": job.entrypoint, "job_id": job.id, "try": job.attempts + 1},
                exc_info=error,
            )
            if dead:
                raise JobFailed(describe(error)) from None
            raise RetryRequested(pause_before(job.attempts), describe(error)) from None
        finally:
            _last_try.reset(mark)
        metrics.jobs.labels(job.entrypoint, "done").inc()


_SETTINGS = DBSettings(db_schema="jobs")


class _Queries(Queries):
    """PgQueuer holds a job for dead whose wish to be tried again finds no database: here it is left
    as it is, and comes back like one of a killed worker.
    """

    async def retry_job(
        self, job: models.Job, delay: timedelta, traceback_record: models.TracebackRecord | None
    ) -> None:
        try:
            await super().retry_job(job, delay, traceback_record)
        except Exception as error:
            _log.warning("a job comes back without its pause", exc_info=error)


def _queries(driver: AsyncpgDriver | AsyncpgPoolDriver) -> Queries:
    return _Queries(
        driver,
        qbe=QueryBuilderEnvironment(_SETTINGS),
        qbq=QueryQueueBuilder(_SETTINGS),
        qbs=QuerySchedulerBuilder(_SETTINGS),
    )


async def serve(url: str, stop: asyncio.Event, *, at_once: int = 20) -> None:
    """Run due jobs until `stop`, however often the database goes away meanwhile.

    at_once: how many jobs run at the same time in this process; at least 2.
    """
    pause = 0.0
    while not stop.is_set():
        begun = clock.monotonic()
        try:
            await _serve_once(url, stop, at_once)
        except Exception as error:  # whatever it was: report, breathe, connect again
            pause = 0.1 if clock.monotonic() - begun > 5 else min(pause * 2 or 0.1, 1.0)
            _log.warning("job queue lost, connecting again", exc_info=error)
            metrics.queue_reconnects.inc()
            await _wait(stop, pause)


async def _serve_once(url: str, stop: asyncio.Event, at_once: int) -> None:
    pool = await asyncpg.create_pool(
        url, min_size=1, max_size=4, timeout=5, command_timeout=30,
        server_settings={"application_name": "siyu jobs", "role": "siyu_system"},
    )  # fmt: skip
    try:
        manager = QueueManager(_queries(AsyncpgPoolDriver(pool)), channel=_SETTINGS.channel)
        for name in _jobs:
            manager.entrypoint(name, on_failure="hold", executor_factory=_Executor)(_never)
        stopping = asyncio.create_task(_stop_with(stop, manager))
        try:
            await manager.run(
                dequeue_timeout=timedelta(seconds=1),
                batch_size=max(1, at_once // 2),
                max_concurrent_tasks=at_once,
                heartbeat_timeout=HEARTBEAT,
                shutdown_on_listener_failure=True,
                log_aggregation_interval=timedelta(0),
            )
        finally:
            stopping.cancel()
    finally:
        pool.terminate()


async def _never(job: models.Job) -> None:
    raise AssertionError("jobs are run by _Executor")


async def _stop_with(stop: asyncio.Event, manager: QueueManager) -> None:
    await stop.wait()
    manager.shutdown.set()


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


_TICK = """
with moved as (
  insert into kernel.ticks as t (name, ticked_at)
  select name, at from unnest($1::text[], $2::timestamptz[]) as due (name, at)
   where not exists (  -- a conflict locks the row and so writes; an idle poll should not
     select from kernel.ticks o where o.name = due.name and o.ticked_at >= at)
  on conflict (name) do update set ticked_at = excluded.ticked_at
    where t.ticked_at < excluded.ticked_at
  returning name)
insert into jobs.pgqueuer (priority, status, entrypoint, execute_after, dedupe_key)
select 0, 'queued', name, now(), name from moved
on conflict do nothing
"""


async def tick() -> None:
    """Enqueue the periodic work whose tick has come; any number of workers may call this."""
    async with db.system_transaction() as tx:
        now = await tx.value("select clock_timestamp()") + clock.shift()
        names = sorted(_periodic)
        await tx.run(_TICK, names, [_periodic[name].last_tick(now) for name in names])


async def unknown_names() -> dict[str, int]:
    """Names that wait in the queue for over a minute and that this program does not know (F103)."""
    async with db.system_transaction() as tx:
        found = await tx.connection.fetch(
            "select entrypoint, count(*) as n from jobs.pgqueuer where status = 'queued'"
            " and entrypoint <> all($1::text[]) and created < now() - interval '1 minute'"
            " group by 1",
            list(_jobs),
        )
    return {row["entrypoint"]: row["n"] for row in found}


class Queue:
    """The queue for one who takes job by job: `drain`, and the simulation."""

    def __init__(self, driver: AsyncpgDriver | AsyncpgPoolDriver, names: Iterable[str]) -> None:
        self._queries = _queries(driver)
        self._limits: Any = {
            name: EntrypointExecutionParameter(concurrency_limit=0) for name in names
        }
        self._executor = _Executor(EntrypointExecutorParameters(0, _never))
        self._context = models.Context(cancellation=None)  # type: ignore[arg-type]

    async def take(self, limit: int) -> list[models.Job]:
        """Claim due jobs; those of a dead worker come back after its heart-beat."""
        taker: Any = uuid.uuid4()
        return await self._queries.dequeue(limit, self._limits, taker, None, HEARTBEAT)

    async def work_off(self, job: models.Job) -> Exception | None:
        """Run a claimed job and note how it ended; its failure, if it failed."""
        try:
            await self._executor.execute(job, self._context)
        except RetryRequested as retry:
            await self._queries.retry_job(job, retry.delay + clock.shift(), None)
            return retry
        except JobFailed as failure:
            record = models.TracebackRecord.from_exception(failure, job.id)
            await self._queries.log_jobs([(job, "failed", record)])
            return failure
        await self._queries.log_jobs([(job, "successful", None)])
        return None


async def drain(*, strict: bool = True) -> int:
    """Run every due job in this task, by the kernel clock; how many ran. For tests.

    strict: the first failure is raised (after its batch; its job stays for a retry).
    """
    connection = await asyncpg.connect(
        db.database().url, server_settings={"role": "siyu_system", "application_name": "drain"}
    )
    try:
        queue = Queue(AsyncpgDriver(connection), _jobs)
        count = 0
        while True:
            await connection.execute(
                "update jobs.pgqueuer set execute_after = now() - interval '1 ms'"
                " where status = 'queued' and execute_after <= now() + $1::interval",
                clock.shift(),
            )
            batch = await queue.take(50)
            if not batch:
                return count
            ended = [await queue.work_off(waiting) for waiting in batch]
            count += len(batch)
            if strict and any(ended):
                raise next(failure for failure in ended if failure)
    finally:
        await connection.close()
