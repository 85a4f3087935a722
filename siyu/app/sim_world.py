"""The world of a simulation: siyu's processes, the ways to WeChat and back, and how they die.

Everything of siyu is real: the ASGI app, the relay, the jobs, PostgreSQL. Only what carries bytes
between them belongs to the simulation, so that each round trip waits for its turn and any process
can be killed between two of them.
"""

import asyncio
import contextlib
import copy
import os
import random
import secrets
import sqlite3
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextvars import copy_context
from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
from pgqueuer.adapters.drivers.asyncpg import AsyncpgPoolDriver

from siyu.app.sim_database import Behind, Pool
from siyu.app.sim_loop import Director, Process, SimLoop, running_in
from siyu.kernel import jobs
from siyu.kernel.errors import Busy
from siyu.kernel.relay import EventMap, Relay

NOT_SIMULATED = (
    "every.warehouse.",
    "every.insight.",
    "every.people.experiments.",
    "every.people.outreach.",
    "every.people.profiles.",
    "every.people.segments.",
    "every.app.",
)
"""The warehouse has crash tests of its own, and who asks it waits for a thread, whose pace no seed
draws; the truths are asked by the simulation itself."""
REACTION_SECONDS = (0.0, 0.5, 2.0, 5.0)  # from the bell to the first look
DOWN_SECONDS = (0.5, 6.0)
TAKEN_JOBS = 10  # at once, as the real worker


class Lost(httpx.TransportError):
    """The answer will never come: the process died, or is not there."""


class ToWeChat(httpx.AsyncBaseTransport):
    """siyu's way to WeChat; what WeChat does goes on when siyu dies."""

    def __init__(self, wechat: httpx.AsyncBaseTransport, director: Director) -> None:
        self._wechat = wechat
        self._director = director
        self.is_used = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """There, and back, each in its turn."""
        if running_in.get() is None:
            return await self._answer(request)
        where = f"{request.method} {_masked(request.url.path)}"
        await self._director.turn(f"to WeChat: {where}")
        self.is_used = True
        seconds = request.extensions.get("timeout", {}).get("read") or 10.0
        outside = copy_context()
        outside.run(running_in.set, None)
        work = asyncio.get_running_loop().create_task(self._answer(request), context=outside)
        try:
            async with asyncio.timeout(seconds):
                answer = await asyncio.shield(work)
        except TimeoutError:
            raise httpx.ReadTimeout("no answer", request=request) from None
        await self._director.turn(f"from WeChat: {answer.status_code} {where}")
        return answer

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        answer = await self._wechat.handle_async_request(request)
        await answer.aread()
        return answer


def _masked(path: str) -> str:
    """A path without what differs from run to run."""
    parts = [part for part in path.split("/") if part]
    return "/" + "/".join("…" if len(part) >= 20 else part for part in parts)


class Web(httpx.AsyncBaseTransport):
    """The web process, and the way to it. Requests are tasks of the process and die with it."""

    def __init__(self, app: Any, director: Director) -> None:
        self.direct = httpx.ASGITransport(app)
        """Past all turns: for what is done before time begins."""
        self._director = director
        self.process = Process("web")
        self.is_up = True
        self.answered = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request, or be lost."""
        if not self.is_up:
            raise Lost("connection refused", request=request)
        process = self.process
        inside = copy_context()
        inside.run(running_in.set, process)
        label = f"{request.method} {_masked(request.url.path)}"
        try:
            answer: httpx.Response = await process.begin(self._answer(request, label), inside)
        except BaseException as end:
            caller = asyncio.current_task()
            if not process.is_dead or (caller and caller.cancelling()):
                raise  # a simulation that ends cancels those who ask, too
            raise Lost("connection reset", request=request) from end
        if process.is_dead:
            raise Lost("connection reset", request=request)
        self.answered += 1
        return answer

    async def _answer(self, request: httpx.Request, label: str) -> httpx.Response:
        await self._director.turn(label, begins=True)
        answer = await self.direct.handle_async_request(request)
        await answer.aread()
        await self._director.turn(f"{answer.status_code} {label}")
        return answer


# A running transaction may hold back what it has nothing to do with; the real worker polls.
_NEXT_DELIVERY = """
select least(
  (select min(due_at) from kernel.deliveries where state = 'due'),
  (select now() + interval '1 s' where exists (
     select from kernel.outbox o join kernel.outbox_cursor c on c.consumer = 'relay'
      where (o.xid, o.event_id) > (c.xid, c.event_id))))
"""
_NEXT_JOB = """
select min(case status when 'queued' then execute_after
             else greatest(heartbeat + interval '20 s', now() + interval '1 s') end)
from jobs.pgqueuer where status in ('queued', 'picked') and entrypoint not like all($1::text[])
"""


class Worker:
    """The worker process: it wakes when something was committed and when something is due."""

    def __init__(
        self,
        event_map: EventMap,
        pool: Pool,
        director: Director,
        dice: random.Random,
        until_tick: Callable[[], Awaitable[None]],
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        self._settled = settled
        self._relay = Relay(event_map)
        names = [name for name in jobs.registered() if not name.startswith(NOT_SIMULATED)]
        self._dice = dice
        self._pool = pool
        driver: Any = pool
        self._queue = jobs.Queue(AsyncpgPoolDriver(driver), names)
        self._director = director
        self._until_tick = until_tick
        self._events_bell, self._jobs_bell = asyncio.Event(), asyncio.Event()
        self.process = Process("worker")
        self.is_up = True
        self.failures: list[str] = []

    def ring(self) -> None:
        """Something was committed."""
        self._events_bell.set()
        self._jobs_bell.set()

    def start(self) -> None:
        """Begin to work, as a fresh process."""
        self.process, self.is_up = Process("worker"), True
        inside = copy_context()
        inside.run(running_in.set, self.process)
        for life in (self._tick(), self._deliver(), self._work()):
            self.process.begin(life, inside.copy())

    async def _tick(self) -> None:
        """Periodic work, at the simulation's pace: a late tick is made up for once."""
        while True:
            await self._in_turn("tick", jobs.tick)
            self._jobs_bell.set()
            await self._until_tick()

    async def _deliver(self) -> None:
        while True:
            while await self._in_turn("relay", self._relay_step):
                self._jobs_bell.set()
            await self._rest(self._events_bell, _NEXT_DELIVERY)

    async def _work(self) -> None:
        while True:
            taken = await self._queue.take(TAKEN_JOBS)
            for job in taken:
                self.process.begin(self._run(job))
            if not taken:
                others = [f"{name}%" for name in NOT_SIMULATED]
                await self._rest(self._jobs_bell, _NEXT_JOB, others)

    async def _relay_step(self) -> int:
        await self._director.offstage(self._settled())
        return await self._relay.step()

    async def _run(self, job: Any) -> None:
        await self._director.turn(f"job {job.entrypoint}", begins=True)
        with contextlib.suppress(Busy):
            failure = await self._queue.work_off(job)
            if failure is not None:
                self.failures.append(f"{job.entrypoint}: {failure}")
                self._jobs_bell.set()

    async def _in_turn(self, label: str, work: Callable[[], Awaitable[Any]]) -> Any:
        await self._director.turn(label, begins=True)
        try:
            return await work()
        except Busy:  # as the real worker: it waits for the database
            return 0

    async def _rest(self, bell: asyncio.Event, next_due: str, *args: Any) -> None:
        """Until the bell rings or something is due."""
        bell.clear()
        at = await self._pool.glance(next_due, *args)
        loop: Any = asyncio.get_running_loop()
        seconds = None if at is None else max((at - loop.now()).total_seconds(), 0.05)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(bell.wait(), seconds)
        await asyncio.sleep(self._dice.choice(REACTION_SECONDS))


class Courier:
    """Brings WeChat's notifications when they are due, several at once."""

    def __init__(self, sandbox: Any, file: Path, director: Director, loop: SimLoop) -> None:
        self._sandbox = sandbox
        self._store = sqlite3.connect(f"file:{file}?mode=ro", uri=True)
        self._director = director
        self._loop = loop
        self._rounds: set[asyncio.Task[Any]] = set()
        self.bell = asyncio.Event()

    async def life(self) -> None:
        """Look whenever something happened at WeChat, and when a repeat is due."""
        while True:
            await self._director.turn("WeChat's courier", begins=True)
            round_ = asyncio.get_running_loop().create_task(self._sandbox.deliver())
            self._rounds.add(round_)
            round_.add_done_callback(self._back)
            self.bell.clear()
            seconds = None
            if (at := self._next_at()) is not None:
                seconds = max(at - self._loop.now().timestamp(), 0.5)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.bell.wait(), seconds)

    def _next_at(self) -> float | None:
        """When WeChat next does something by itself, in seconds since 1970."""
        found: tuple[float | None] = self._store.execute(
            "select min(at) from (select min(next_at) as at from notifications"
            " union all select min(due_at) from tasks)"
        ).fetchone()
        return found[0]

    def _back(self, round_: "asyncio.Task[Any]") -> None:
        self._rounds.discard(round_)
        if not round_.cancelled() and round_.result():
            self.bell.set()


class Memory:
    """What a process keeps in memory beside the database: lost when it is killed."""

    def __init__(self) -> None:
        self._kept = {
            (name, key): copy.copy(value)
            for name, module in list(sys.modules.items())
            if name.startswith("siyu.") and not name.startswith(("siyu.sandbox", "siyu.app"))
            for key, value in vars(module).items()
            if key.startswith("_") and not key.startswith("__") and type(value) in (dict, set, list)
        }

    def forget(self) -> None:
        """As it was when this was made: after the imports, for a process that begins anew."""
        for (name, key), value in self._kept.items():
            now = getattr(sys.modules[name], key)
            now.clear()
            now.extend(value) if isinstance(now, list) else now.update(value)


# Transaction numbers are the cluster's; the relay reads below the oldest one that runs.
_HELD_BACK = """
select exists (
  select from pg_snapshot_xip(pg_current_snapshot()) as running (xid)
   where xid < (select max(xid) from kernel.outbox)
     and xid::xid <> all (array(
       select backend_xid from pg_stat_activity
        where datname = current_database() and backend_xid is not null)))
"""


# Who waits looks for a circle once, after a millisecond (`deadlock_timeout`): an alarm wakes it.
_BLOCKED = """
select pid, pg_blocking_pids(pid) as by,
  coalesce(waitstart > pg_catalog.clock_timestamp() - interval '1.5 ms', true) as is_new
from pg_locks where not granted and pid = any($1)
"""


def _is_busy(pid: int) -> bool:
    """Whether a process has something to do just now."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "R"
    except OSError:  # it has ended, or there is no such folder here
        return False


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        pass
    return True


class World:
    """Processes, database and WeChat, and what can happen to them."""

    def __init__(
        self,
        loop: SimLoop,
        director: Director,
        web: Web,
        worker: Worker,
        observer: Behind,
        reaper: Behind,
    ) -> None:
        self.loop = loop
        self.director = director
        self.web = web
        self.worker = worker
        self._observer = observer
        self._reaper = reaper
        self._memory = Memory()
        self._is_over = False
        self.kills = {"web": 0, "worker": 0, "connection": 0}
        director.turn_clock = self.turn_clock
        director.find_blocked = self.find_blocked

    async def turn_clock(self, at: float) -> None:
        """Tell the database the time."""
        moment = self.loop.began_at + timedelta(seconds=at)
        micros = int(moment.timestamp() * 1_000_000)
        await self._observer.value("select setval('sim.clock', $1)", micros)

    async def find_blocked(self, pids: list[int]) -> dict[int, set[int]]:
        """Those that wait for a lock and have looked for a circle, each with those it waits for."""
        while True:
            rows = await self._observer.fetch(_BLOCKED, pids)
            if not any(row["is_new"] or _is_busy(row["pid"]) for row in rows):
                return {row["pid"]: set(row["by"]) for row in rows}
            await self._observer.value("select pg_sleep(0.0005)")

    async def settled(self) -> None:
        """Wait until transactions of other databases of the cluster hold back no event of ours."""
        while await self._observer.value(_HELD_BACK):
            await self._observer.value("select pg_sleep(0.002)")

    async def kill_web(self, down_seconds: float) -> None:
        """All requests under way are cut, wherever they are; after a while it is there again."""
        self.kills["web"] += 1
        self.web.is_up = False
        await self._end(self.web.process)
        self._memory.forget()
        try:
            await asyncio.sleep(down_seconds)
        finally:  # also when the faults are over
            self.web.process, self.web.is_up = Process("web"), True

    async def kill_worker(self, down_seconds: float) -> None:
        """Jobs and reactions under way are cut; what they had claimed comes back by itself."""
        self.kills["worker"] += 1
        self.worker.is_up = False
        await self._end(self.worker.process)
        try:
            await asyncio.sleep(down_seconds)
        finally:  # also when the faults are over, but not when all is
            if not self._is_over:
                self.worker.start()

    async def cut_connection(self, choose: Callable[[list[Any]], Any]) -> None:
        """One connection to the database is gone, in the middle of what it does."""
        held = [*self.web.process.connections, *self.worker.process.connections]
        if held:
            self.kills["connection"] += 1
            await self._terminate([choose(held).pid])

    async def end(self) -> None:
        """Both processes stop where they are, for good."""
        self._is_over = True
        self.web.is_up = self.worker.is_up = False
        await self._end(self.web.process)
        await self._end(self.worker.process)

    async def _end(self, process: Process) -> None:
        process.is_dead = True
        held = list(process.connections)
        await self._terminate([one.pid for one in held])
        for one in held:
            with contextlib.suppress(asyncpg.InterfaceError):  # already given back
                one.real.terminate()
        for task in list(process.tasks):
            task.cancel()

    async def _terminate(self, pids: list[int]) -> None:
        if pids:
            await self.director.offstage(self._gone(pids))

    async def _gone(self, pids: list[int]) -> None:
        """End them and wait until their sockets are shut; PostgreSQL would look each 0.1 s."""
        await self._reaper.fetch("select pg_terminate_backend(p) from unnest($1::int[]) p", pids)
        while any(map(_is_there, pids)):
            await self._reaper.value("select pg_sleep(0.001)")


@contextlib.contextmanager
def silenced(loop: SimLoop) -> Iterator[None]:
    """Tasks of killed processes end with exceptions nobody asks for."""
    loop.set_exception_handler(lambda *_: None)
    try:
        yield
    finally:
        loop.set_exception_handler(None)


@contextlib.contextmanager
def luck_of(seed: int) -> Iterator[None]:
    """Numbers that WeChat and codes that the shop make up: rows are found in their order. Nothing
    of the simulated installation outlives the run, so nobody can guess anything by it.
    """
    real: Any = secrets._sysrand  # type: ignore[attr-defined]
    secrets._sysrand = random.Random(f"luck {seed}")  # type: ignore[attr-defined]
    try:
        yield
    finally:
        secrets._sysrand = real  # type: ignore[attr-defined]
