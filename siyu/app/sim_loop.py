"""Time and order of a simulation: nothing happens by itself, and nothing happens at once.

The event loop's clock stands still. Tasks run until all of them wait: for their turn, for a moment
to come, or for another's lock. Then the director lets one go on, chosen by its dice, or, when
nobody can, turns the clock to the next moment somebody waits for. The same dice give the same run:
a round trip to the database takes real time, but only one is under way at a time, unless it waits
for a lock, and then its answer waits for a turn like everything else.
"""

import asyncio
import hashlib
import random
import selectors
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import Context, ContextVar
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE = 0.004  # real seconds after which a round trip may be suspected to wait for a lock
STUCK_SECONDS = 60.0  # real seconds without any progress
SHOWN_STEPS = 40
WINDOWS = (0.0, 1.0, 10.0)  # simulated seconds
STALLS, LONGEST_STALL = 0.002, 600.0  # how often time passes although somebody could go on


class Stuck(Exception):
    """Nobody can go on and nobody waits for a moment: the simulation itself has a bug."""


class Killed(BaseException):
    """Raised in a task whose process was killed, wherever it next wants to do something."""


class Process:
    """What is killed together: its tasks and its connections."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_dead = False
        # Dictionaries as ordered sets: what is done to all of them has an order.
        self.tasks: dict[asyncio.Task[Any], None] = {}
        self.connections: dict[Any, None] = {}

    def begin(self, work: Coroutine[Any, Any, T], context: Context | None = None) -> Any:
        """Start a task that dies with the process."""
        loop: Any = asyncio.get_running_loop()
        task = loop.create_task(work, context=context)
        self.tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: "asyncio.Task[Any]") -> None:
        self.tasks.pop(task, None)
        if not self.is_dead and not task.cancelled() and (error := task.exception()) is not None:
            loop: Any = task.get_loop()
            loop.director.fail(error)


running_in: ContextVar[Process | None] = ContextVar("running_in", default=None)
"""The process a task belongs to; None: the world outside, whose round trips need no turn."""


class _Selector(selectors.DefaultSelector):
    """Tells the loop when nothing is left to do, instead of waiting for a real moment."""

    loop: "SimLoop"

    def select(self, timeout: float | None = None) -> Any:
        if not self.loop.under_way and timeout is not None and timeout <= 0:
            return []  # some are ready, and no answer is under way
        if timeout is not None and timeout <= 0:
            return super().select(0)
        found = super().select(PATIENCE if self.loop.under_way else 0)
        if not found and self.loop.under_way:
            self.loop.director.doubt()
        elif not found:
            self.loop.director.decide()
        return found


class SimLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is turned by the director; `under_way` counts real round trips."""

    def __init__(self, began_at: datetime) -> None:
        selector = _Selector()
        selector.loop = self
        self.began_at = began_at
        self.at = 0.0
        self.under_way = 0
        self.director: Director
        super().__init__(selector)

    def time(self) -> float:
        """Simulated seconds since the beginning."""
        return self.at

    def now(self) -> datetime:
        """The simulated moment, UTC."""
        return self.began_at + timedelta(seconds=self.at)

    def next_timer(self) -> float | None:
        """When the next sleeper wakes."""
        timers: list[Any] = self._scheduled  # type: ignore[attr-defined]
        return min((timer._when for timer in timers if not timer._cancelled), default=None)

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> "asyncio.Future[Any]":
        """A thread is a round trip, too."""
        future = super().run_in_executor(executor, func, *args)
        self.under_way += 1

        def back(_: Any) -> None:
            self.under_way -= 1

        future.add_done_callback(back)
        return future


class _Waiting:
    """A task that waits for its turn."""

    __slots__ = ("begins", "future", "label", "number", "pid")

    def __init__(
        self,
        label: str,
        number: int,
        future: "asyncio.Future[None]",
        begins: bool,
        pid: int | None,
    ) -> None:
        self.label, self.number, self.future, self.begins = label, number, future, begins
        self.pid = pid


class _Trip:
    """A round trip under way; `pid` is the server process that works on it."""

    __slots__ = ("blockers", "has_waited", "is_blocked", "number", "pid")

    def __init__(self, pid: int, number: int) -> None:
        self.pid, self.number = pid, number
        self.blockers: set[int] = set()
        self.is_blocked = self.has_waited = False


def _wait_in_circle(blocked: dict[int, set[int]]) -> bool:
    """Whether some wait for each other."""
    while free := [pid for pid, by in blocked.items() if not by & blocked.keys()]:
        blocked = {pid: by for pid, by in blocked.items() if pid not in free}
    return bool(blocked)


class Director:
    """Decides who goes on. `at_once`: how many tasks may be in the middle of their work."""

    def __init__(self, loop: SimLoop, seed: int, at_once: int = 8) -> None:
        loop.director = self
        self.loop = loop
        self.dice = random.Random(f"order {seed}")
        self.at_once = at_once
        self.steps = 0
        self.last: deque[str] = deque(maxlen=SHOWN_STEPS)
        self.digest = hashlib.sha256()
        self.turn_clock: Callable[[float], Awaitable[None]]
        """Carries the new time to the database, in seconds since the beginning."""
        self.find_blocked: Callable[[list[int]], Awaitable[dict[int, set[int]]]]
        """Which of these server processes wait for a lock, and for whom."""
        self.most_steps = sys.maxsize
        """A run that makes more of them goes round in circles."""
        self.check: Callable[[], Awaitable[None]]
        self.must_check: Callable[[], bool] = lambda: False
        self._waiting: list[_Waiting] = []
        self._trips: list[_Trip] = []
        self._ambushes: list[tuple[int, asyncio.Future[None]]] = []
        self._moment = "(opening)"
        self._last_number = 0
        self._look_again = False
        self._behind: asyncio.Task[None] | None = None
        self._quiet_since = time.monotonic()
        self.failed: asyncio.Future[None] = loop.create_future()

    # -- for tasks ---------------------------------------------------------------------------

    async def turn(
        self,
        label: str,
        *,
        begins: bool = False,
        number: int | None = None,
        pid: int | None = None,
    ) -> None:
        """Wait until the director lets this task go on. begins: new work, not the middle of some;
        number: its place among those who wait, when that is older than this call; pid: of its
        connection.

        Raises Killed in a killed process.
        """
        process = running_in.get()
        if (process is not None and process.is_dead) or self.failed.done():
            raise Killed  # after a failure nobody gets a turn any more, not even to clean up
        number = self.next_number() if number is None else number
        waiting = _Waiting(label, number, self.loop.create_future(), begins, pid)
        self._waiting.append(waiting)
        try:
            await waiting.future
        finally:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
        if process is not None and process.is_dead:
            raise Killed

    async def trip(self, pid: int, label: str, work: Callable[[], Awaitable[T]]) -> T:
        """A round trip to the database, when its turn has come."""
        if running_in.get() is None:
            return await self.offstage(work())
        await self.turn(label, pid=pid)
        trip = _Trip(pid, self.next_number())
        self._trips.append(trip)
        self.loop.under_way += 1
        try:
            return await work()
        finally:
            self._trips.remove(trip)
            self._look_again = True
            if not trip.is_blocked:
                self.loop.under_way -= 1
            if trip.has_waited:
                # Several let go by one commit come back in any order.
                await self.turn(f"{label} (had waited for a lock)", number=trip.number)

    async def offstage(self, work: Awaitable[T]) -> T:
        """A round trip of the simulation itself: everything waits for it."""
        self.loop.under_way += 1
        try:
            return await work
        finally:
            self.loop.under_way -= 1

    def next_number(self) -> int:
        """A place among those who wait, to be taken later."""
        self._last_number += 1
        return self._last_number

    async def after_steps(self, count: int) -> None:
        """Wait until so many steps were made, wherever the others then are."""
        ambush = (self.steps + count, self.loop.create_future())
        self._ambushes.append(ambush)
        try:
            await ambush[1]
        finally:
            self._ambushes.remove(ambush)

    # -- deciding ----------------------------------------------------------------------------

    def decide(self) -> None:
        """Called when every task waits: let one go on, or let time pass."""
        is_behind = self._behind is not None and not self._behind.done()
        if is_behind or self.failed.done():  # whoever waits for a failure ends the run
            self._check_progress()
            time.sleep(0.001)
            return
        blocked = [trip for trip in self._trips if trip.is_blocked]
        if blocked and self._look_again:
            self._do(self._recheck())
        elif self.must_check():
            self._do(self.check())
        elif due := [future for step, future in self._ambushes if step <= self.steps]:
            due[0].set_result(None)
        elif not self._choose():
            self._pass_time(blocked)

    def doubt(self) -> None:
        """A round trip takes long: find out whether it waits for somebody's lock."""
        self._check_progress()
        if (self._behind is None or self._behind.done()) and self._trips:
            self._do(self._recheck())

    def fail(self, error: BaseException) -> None:
        """Something that must not end has ended, or be true: end the run."""
        if not self.failed.done():
            self.failed.set_exception(error)

    def note(self, what: str) -> None:
        """Write a step into the log; the same seed gives the same log."""
        line = f"{self._moment} {what}"
        self.steps += 1
        self.digest.update(line.encode())
        self.last.append(line)
        self._quiet_since = time.monotonic()
        if self.steps > self.most_steps:
            self.fail(Stuck("\n".join(["more steps than a run can need:", *self.last])))

    def _choose(self) -> bool:
        ready = self._waiting
        if self.begun_now() >= self.at_once:
            ready = [one for one in ready if not one.begins]
        if not ready:
            return False
        if self.dice.random() < STALLS and self._can_stall():
            return False
        # Who holds a lock goes on before a second one can wait for it: which of two comes first
        # when it is let go, PostgreSQL does not say, and no seed draws.
        holders = set().union(*(trip.blockers for trip in self._trips if trip.is_blocked))
        ready = [one for one in ready if one.pid in holders] or ready
        ready = sorted(ready, key=lambda one: one.number)
        chosen = ready[self.dice.randrange(len(ready))]
        self._waiting.remove(chosen)
        self.note(chosen.label)
        chosen.future.set_result(None)
        return True

    def _can_stall(self) -> bool:
        """Whether the next moment is near: nobody who could go on sleeps through a night."""
        at = self.loop.next_timer()
        return at is not None and at - self.loop.at < LONGEST_STALL

    def begun_now(self) -> int:
        """How many are in the middle of their work and wait for their turn or a lock."""
        return sum(not one.begins for one in self._waiting) + len(self._trips)

    def _pass_time(self, blocked: list[_Trip]) -> None:
        at = self.loop.next_timer()
        if at is not None:
            # Those who wake at nearly the same time wake together.
            window = self.dice.choice(WINDOWS)
            self._do(self._turn_to(max(at, self.loop.at) + self.dice.uniform(0, window)))
        elif blocked:
            time.sleep(PATIENCE)  # PostgreSQL finds the deadlock
            self._do(self._recheck())
        elif self._waiting:
            self._choose()
        else:
            self._check_progress()

    async def _turn_to(self, at: float) -> None:
        await self.turn_clock(at)
        self.loop.at = at
        self._moment = f"{self.loop.now():%d %H:%M:%S.%f}"
        self._quiet_since = time.monotonic()

    async def _recheck(self) -> None:
        """Sort the round trips into those that wait for locks and those that are under way."""
        self._look_again = False
        pids = [trip.pid for trip in self._trips]
        blocked = await self.find_blocked(pids)
        while _wait_in_circle(blocked) and not self.failed.done():
            self._check_progress()  # PostgreSQL finds the deadlock; nobody goes on meanwhile
            blocked = await self.find_blocked(pids)
        for trip in self._trips:
            is_blocked = trip.pid in blocked
            self.loop.under_way += trip.is_blocked - is_blocked
            trip.is_blocked = is_blocked
            trip.blockers = blocked.get(trip.pid, set())
            trip.has_waited |= is_blocked

    def _do(self, work: Awaitable[None]) -> None:
        """Something behind the scenes, before anybody goes on."""

        async def guarded() -> None:
            try:
                await self.offstage(work)
            except Exception as error:
                self.fail(error)

        self._behind = self.loop.create_task(guarded())

    def _check_progress(self) -> None:
        quiet = time.monotonic() - self._quiet_since
        if quiet > STUCK_SECONDS:
            names = [str(task) for task in asyncio.all_tasks(self.loop)]
            stuck = Stuck("\n".join([*self.last, *names]))
            self.fail(stuck)
            if quiet > 2 * STUCK_SECONDS:
                raise stuck  # not even the end of the run goes on


def start_of_simulation() -> datetime:
    """A Monday morning in China."""
    return datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
