"""The warehouse's own way to its database: few connections, its own role, its own transactions.

The pool is small on purpose: a flood of page views waits here and leaves checkout alone.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from siyu.kernel import config, db
from siyu.kernel.ids import ShopId

_POOL = 3
_database: db.Database | None = None
_loop: asyncio.AbstractEventLoop | None = None
_opening = asyncio.Lock()


async def _connected() -> db.Database:
    global _database, _loop, _opening
    loop = asyncio.get_running_loop()
    if _loop is not loop:
        _database, _loop, _opening = None, loop, asyncio.Lock()
    url = config.settings().warehouse_url or db.database().url
    async with _opening:
        if _database is not None and _database.url != url:
            await _database.close()
            _database = None
        if _database is None:
            _database = await db.Database.connect(url, size=_POOL, role="siyu_warehouse")
    return _database


async def close() -> None:
    """Give the connections back, at the end of a process."""
    global _database
    if _database is not None:
        await _database.close()
        _database = None


@contextlib.asynccontextmanager
async def opened(begin: str = "begin") -> AsyncIterator[db.Tx]:
    """Open a transaction of the warehouse; commits when the block ends, rolls back when it raises.

    begin: the opening statements, sent in one trip. Raises Busy for transient failures.
    """
    database = await _connected()
    with db.weather():
        async with database.pool.acquire(timeout=5) as connection:
            await connection.execute(begin)
            try:
                yield db.Tx(connection, ShopId(0))
            except BaseException:
                with contextlib.suppress(Exception):
                    await asyncio.shield(connection.execute("rollback"))
                raise
            await connection.execute("commit")


@contextlib.asynccontextmanager
async def session() -> AsyncIterator[db.ReadTx]:
    """A connection without a transaction, for a lock that is held over several of them."""
    database = await _connected()
    with db.weather():
        async with database.pool.acquire(timeout=5) as connection:
            yield db.ReadTx(connection, ShopId(0))


def snapshotting() -> contextlib.AbstractAsyncContextManager[db.Tx]:
    """Open a transaction that sees one moment (W4).

    The lock comes before the first query: from then on no partition can be dropped, and only then
    the snapshot is taken. Copy what is needed, leave the block, and compute afterwards.
    """
    return opened(
        "begin isolation level repeatable read read only;"
        " lock table warehouse.event_tail in access share mode"
    )


def root() -> Path:
    """The folder of the Parquet files."""
    folder = config.settings().data_dir / "warehouse"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder


def crash_point(name: str, before: Callable[[], object] | None = None) -> None:
    """Die here, like a power cut, when the environment names this point (`SIYU_CRASH_AT`).

    before: what a half-finished step leaves behind, done just before dying.
    """
    if os.environ.get("SIYU_CRASH_AT") == name:
        if before is not None:
            before()
        os.kill(os.getpid(), signal.SIGKILL)
