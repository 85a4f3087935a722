"""The process tree of one small server: web, worker and, for the demo, the sandbox.

The parent starts the others, writes their output to `data_dir/logs`, starts again what died (at
once; with a growing pause what fails at its start) and stops all of them when it is told to. A
child also stops when its parent is gone, so that nothing is left running.
"""

import asyncio
import contextlib
import ctypes
import faulthandler
import multiprocessing
import os
import signal
import sys
import time
import types
from collections.abc import AsyncIterator, Iterator
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import httpx

from siyu.kernel import config, db, migrate, postgres, worker
from siyu.warehouse.tail import service as tail
from siyu.wechat.transport import service as transport

STOP_SECONDS = 15


def die_with_parent() -> None:
    """Linux: ask for SIGTERM when the parent dies, even by `kill -9`."""
    _prctl(1, signal.SIGTERM)


def _prctl(option: int, value: int | bytes) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value)


def pause_before_restart(code: int, lived: float, before: float) -> float:
    """At once for what was killed or had worked; longer and longer for what fails at its start."""
    if lived > 30 or (code < 0 and lived > 1):
        return 0.0
    return min(max(before * 2, 0.5), 30.0)


def _forks() -> Any:
    """Where children come from: a process that has imported siyu and does nothing but fork.

    So a killed child is back without importing anything, and the code is in memory once.
    """
    # More of malloc's arenas would keep what threads had used and never use again.
    os.environ.setdefault("MALLOC_ARENA_MAX", "2")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["siyu.app.forks"])
    return context


@contextlib.contextmanager
def _without_main() -> Iterator[None]:
    """Start a child that knows nothing of our script: multiprocessing would run it again in each,
    and one that starts an installation would start the next one instead of being its part.
    """
    main, sys.modules["__main__"] = sys.modules["__main__"], types.ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def tell_tasks(*_: object) -> None:
    """A signal's handler: write what each task waits for, from the outside in, to stderr."""
    try:
        tasks = asyncio.all_tasks()
    except RuntimeError:  # no loop runs
        tasks = set()
    for task in tasks:
        print(f"{task.get_name()}: {' > '.join(_waits_in(task.get_coro()))}", file=sys.stderr)
    faulthandler.dump_traceback()


def _waits_in(coroutine: Any) -> Iterator[str]:
    while coroutine is not None:
        frame = next(filter(None, (getattr(coroutine, f"{k}_frame", None) for k in _KINDS)), None)
        if frame is not None:
            yield f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno} {frame.f_code.co_name}"
        inner = (getattr(coroutine, f"{kind}_await", None) for kind in ("cr", "ag"))
        coroutine = next(filter(None, (*inner, getattr(coroutine, "gi_yieldfrom", None))), None)


_KINDS = ("cr", "ag", "gi")  # coroutine, asynchronous generator, generator


def _be(command: tuple[str, ...], environ: dict[str, str], log_file: Path) -> None:
    """The life of a child: `siyu COMMAND…` with an output of its own."""
    die_with_parent()
    _prctl(15, f"siyu {command[0]}".encode())  # its name, for `top`
    os.setsid()
    with log_file.open("ab") as log, Path(os.devnull).open() as nothing:
        os.dup2(nothing.fileno(), 0)
        for output in (1, 2):
            os.dup2(log.fileno(), output)
    sys.stdin = os.fdopen(0)  # the number by which uvicorn hands it to its own processes
    signal.signal(signal.SIGUSR1, tell_tasks)
    os.environ.update(environ)
    sys.argv = ["siyu", *command]
    from siyu.app.cli import main

    main()


class Processes:
    """A set of named child processes, kept alive until `stop`."""

    def __init__(self, log_dir: Path, environ: dict[str, str]) -> None:
        self._log_dir = log_dir
        self._environ = {**os.environ, **environ}
        self._forks = _forks()
        self._keepers: dict[str, asyncio.Task[None]] = {}
        self._children: dict[str, BaseProcess] = {}
        log_dir.mkdir(parents=True, exist_ok=True)

    def start(self, name: str, *command: str) -> None:
        """Start `siyu COMMAND…` and keep it running."""
        self._keepers[name] = asyncio.create_task(self._keep(name, command))

    async def _keep(self, name: str, command: tuple[str, ...]) -> None:
        pause = 0.0
        while True:
            began = time.monotonic()
            log_file = self._log_dir / f"{name}.log"
            child = self._forks.Process(target=_be, args=(command, self._environ, log_file))
            with _without_main():
                child.start()  # the first one waits for the imports
            self._children[name] = child
            await _ended(child)
            pause = pause_before_restart(child.exitcode or 0, time.monotonic() - began, pause)
            await asyncio.sleep(pause)

    def pid(self, name: str) -> int | None:
        """The process that runs under this name now; None while there is none."""
        child = self._children.get(name)
        return child.pid if child and _runs(child) else None

    def tell(self, name: str) -> int | None:
        """Have a process write to its log what it waits for; its process id."""
        pid = self.pid(name)
        if pid is not None:
            os.kill(pid, signal.SIGUSR1)
        return pid

    async def stop(self) -> None:
        """End all children: politely first, for sure after 15 seconds."""
        for keeper in self._keepers.values():
            keeper.cancel()
        await asyncio.gather(*self._keepers.values(), return_exceptions=True)
        running = [child for child in self._children.values() if _runs(child)]
        for child in running:
            child.terminate()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(asyncio.gather(*map(_ended, running)), STOP_SECONDS)
        for child in running:
            if _runs(child):
                child.kill()


def _runs(child: BaseProcess) -> bool:
    return child.exitcode is None


async def _ended(child: BaseProcess) -> None:
    """Return when a child has ended."""
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(child.sentinel, ended.set)
    try:
        await ended.wait()
    finally:
        loop.remove_reader(child.sentinel)


async def wait_for(url: str, seconds: float = 60) -> None:
    """Wait until an address answers without a server error."""
    deadline = time.monotonic() + seconds
    async with httpx.AsyncClient(timeout=2) as client:
        while True:
            with contextlib.suppress(httpx.HTTPError):
                if (await client.get(url)).status_code < 500:
                    return
            if time.monotonic() > deadline:
                raise TimeoutError(f"{url} did not answer within {seconds:.0f} s; see the logs")
            await asyncio.sleep(0.1)


@contextlib.asynccontextmanager
async def ready_database(settings: config.Settings) -> AsyncIterator[str]:
    """The program's database, started when embedded and brought up to date; yields its URL."""
    async with contextlib.AsyncExitStack() as stack:
        if settings.database_url is None:
            cluster = await stack.enter_async_context(
                postgres.embedded(settings.data_dir / "postgres")
            )
            await cluster.create_database("siyu")
            url, owner_url = cluster.url("siyu"), cluster.owner_url("siyu")
        else:
            url = settings.database_url
            owner_url = settings.database_owner_url or url
        await migrate.migrate(owner_url)
        yield url


@contextlib.asynccontextmanager
async def program_database(
    settings: config.Settings, size: int | None = None
) -> AsyncIterator[None]:
    """This process's pool, on the database that `ready_database` brought up to date."""
    async with contextlib.AsyncExitStack() as stack:
        url = settings.database_url
        if url is None:
            home = settings.data_dir / "postgres"
            url = (await stack.enter_async_context(postgres.embedded(home))).url("siyu")
        database = await db.Database.connect(url, size)
        stack.push_async_callback(database.close)
        stack.push_async_callback(transport.close)
        stack.push_async_callback(tail.close)
        db.use(database)
        db.on_commit(worker.ring)
        stack.callback(db.on_commit, None)
        yield


@contextlib.asynccontextmanager
async def connected(settings: config.Settings) -> AsyncIterator[None]:
    """`ready_database` with this process's pool opened on it, for commands."""
    async with ready_database(settings), program_database(settings, size=4):
        yield


async def until_stopped() -> None:
    """Wait for Ctrl-C or SIGTERM."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for kind in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(kind, stopped.set)
    await stopped.wait()


async def serve(settings: config.Settings, announce: str) -> None:
    """Web and worker in one process tree, until stopped."""
    async with ready_database(settings):
        processes = Processes(settings.data_dir / "logs", {})
        processes.start("web", "web")
        processes.start("worker", "worker")
        try:
            await wait_for(f"http://{settings.host}:{settings.port}/health")
            print(announce, flush=True)
            await until_stopped()
        finally:
            await processes.stop()
