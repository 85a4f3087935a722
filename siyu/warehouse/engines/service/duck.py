"""One DuckDB with little memory, and a question on its way through it."""

import asyncio
import os
import threading
from typing import Any

import duckdb

from siyu.warehouse.tail import service as tail

KEPT_SECONDS = 10.0
"""DuckDB holds on to the memory of its largest answer; opening it again costs 15 ms."""

_duck: duckdb.DuckDBPyConnection | None = None
_closing: asyncio.TimerHandle | None = None
# One question at a time: several would share the little memory and each spill to disk.
asking = threading.Lock()


def _connection() -> duckdb.DuckDBPyConnection:
    global _duck
    if _duck is None:
        _duck = duckdb.connect(
            config={
                "memory_limit": "256MB",
                "threads": 2,
                "temp_directory": str(tail.root() / "scratch" / f"spill-{os.getpid()}"),
                "preserve_insertion_order": False,
            }
        )
    return _duck


def close_later() -> None:
    """Let go of DuckDB's memory when nobody asks for a while."""
    global _closing
    if _closing is not None:
        _closing.cancel()
    _closing = asyncio.get_running_loop().call_later(KEPT_SECONDS, close)


def close() -> None:
    """Let go of DuckDB and its memory, unless somebody is asking just now."""
    global _duck
    if asking.acquire(blocking=False):
        try:
            if _duck is not None:
                _duck.close()
            _duck = None
        finally:
            asking.release()


class Interrupted(Exception):
    """Nobody wants the answer any more."""


class Question:
    """A question on its way: it can be stopped from another thread and tells how far it is."""

    def __init__(self, tasks: int) -> None:
        """tasks: how many parts the work has; each counts the same in the percentage."""
        self._tasks = tasks
        self._done = 0
        self._percent = 0
        self._month, self._months = 0, 1
        self._stopped = False
        self._in_order = False
        self._guard = threading.Lock()
        self._duck: duckdb.DuckDBPyConnection | None = None

    def __enter__(self) -> "Question":
        while not asking.acquire(timeout=0.05):
            if self._stopped:
                raise Interrupted
        try:
            with self._guard:
                if self._stopped:
                    raise Interrupted
                self._duck = _connection().cursor()
            self.run("set enable_progress_bar = true; set enable_progress_bar_print = false")
        except BaseException:
            asking.release()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        with self._guard:
            if self._duck is not None:
                self._duck.close()
                self._duck = None
        asking.release()

    def run(self, sql: str, *arguments: Any) -> duckdb.DuckDBPyConnection:
        """Execute. Raises Interrupted once `stop` was called."""
        if self._stopped or self._duck is None:
            raise Interrupted
        try:
            return self._duck.execute(sql, arguments or None)
        except duckdb.InterruptException:
            raise Interrupted from None

    def stream(self, sql: str) -> object:
        """A query as an Arrow stream, in the order of the files."""
        if self._stopped or self._duck is None:
            raise Interrupted
        if not self._in_order:
            self.run("set preserve_insertion_order = true")
            self._in_order = True
        return self._duck.sql(sql).__arrow_c_stream__()

    @property
    def stopped(self) -> bool:
        """Whether nobody wants the answer any more."""
        return self._stopped

    def rows(self, sql: str) -> list[Any]:
        """All rows of a query."""
        found: list[Any] = self.run(sql).fetchall()
        return found

    def task_done(self) -> None:
        """One more of the parts is finished."""
        self._done += 1
        self._month, self._months = 0, 1

    def at_month(self, month: int, months: int) -> None:
        """The present part has come to this of so many months, from 0. Raises Interrupted once
        `stop` was called."""
        if self._stopped:
            raise Interrupted
        self._month, self._months = month, months

    def stop(self) -> None:
        """End it as soon as possible; callable from any thread.

        Repeat it until the question has ended: DuckDB forgets an interruption that comes in the
        moment before a statement begins.
        """
        with self._guard:
            self._stopped = True
            if self._duck is not None:
                self._duck.interrupt()

    def percent(self) -> int:
        """How far it is, 0 to 99; never falls; callable from any thread."""
        with self._guard:
            part = 0.0 if self._duck is None else max(0.0, self._duck.query_progress()) / 100
        part = (self._month + min(part, 1.0)) / self._months
        whole = int(100 * (self._done + part) / self._tasks)
        self._percent = max(self._percent, min(whole, 99))
        return self._percent
