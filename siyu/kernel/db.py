"""The one way to the database: transactions opened at the edge, typed rows, errors named once.

`transaction(shop)` fences every statement to one shop by row-level security; `reading` is the same
without the right to write; `system_transaction` sees all shops of the tables that allow it. What
must be written at the end of a transaction (events, audit, jobs, the idempotent answer) is kept
until the commit and then travels together, because a round trip costs more than a row.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from datetime import datetime
from itertools import repeat
from typing import Any, ClassVar, Generic, Self, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from siyu.kernel import clock, config, flushing, idempotency, pool
from siyu.kernel.errors import Busy
from siyu.kernel.ids import ShopId, new_id, new_ids

T = TypeVar("T")
NO_SHOP = ShopId(0)


class Deadlocked(Busy):
    """Two units of work met; this one was rolled back whole and may be run again at once (F118)."""


class RowMissing(AssertionError):
    """A row that must exist does not: a bug, not a refusal."""


class Database:
    """A pool of connections in the role of the program, which owns nothing."""

    def __init__(self, url: str, connections: pool.Pool) -> None:
        self.url = url
        self.pool = connections

    @classmethod
    async def connect(
        cls,
        url: str,
        size: int | None = None,
        role: str = "siyu_app",
        idle_seconds: float = 60.0,
        statement_seconds: int = 300,
        **server: str,
    ) -> Self:
        """Open a pool; `server` are further connection settings such as statement_timeout='60s'.

        A connection nobody used for `idle_seconds` is closed (0: never): it costs 10 MB there. A
        statement stays prepared for `statement_seconds` (0: as long as its connection).
        """
        made = await pool.Pool(
            url,
            min_size=0,
            max_size=size or config.settings().pool_size,
            max_queries=50_000,
            max_inactive_connection_lifetime=idle_seconds,
            loop=None,
            statement_cache_size=1000,
            max_cached_statement_lifetime=statement_seconds,
            connection_class=pool.Connection,
            record_class=asyncpg.Record,
            init=pool.set_up,
            timeout=10,
            server_settings={
                "application_name": "siyu",
                "role": role,
                "timezone": "UTC",
                "lock_timeout": "3s",
                "statement_timeout": "30s",
                "idle_in_transaction_session_timeout": "60s",
                **server,
            },
        )
        return cls(url, made)

    async def close(self) -> None:
        """Give the connections back; those still in use are cut after five seconds."""
        try:
            await asyncio.wait_for(self.pool.close(), 5)
        except TimeoutError:
            self.pool.terminate()


_database: Database | None = None


def use(database: Database | None) -> Database | None:
    """Name the database of this process; returns the one before."""
    global _database
    before, _database = _database, database
    return before


def database() -> Database:
    """The database of this process."""
    assert _database is not None, "no database: call db.use() at start"
    return _database


_recorder: list[tuple[str, tuple[Any, ...]]] | None = None


@contextlib.contextmanager
def recorded() -> Any:
    """Record every round trip (sql, args) inside the block; for tests and benchmarks."""
    global _recorder
    before, _recorder = _recorder, []
    try:
        yield _recorder
    finally:
        _recorder = before


def _note(sql: str, args: tuple[Any, ...]) -> None:
    if _recorder is not None:
        _recorder.append((sql, args))


class ReadTx:
    """An open transaction that cannot write. Its methods are the round trips."""

    read_only: ClassVar[bool] = True
    _has_news = False

    def __init__(self, connection: Any, shop_id: ShopId) -> None:
        self.connection = connection
        self.shop_id = shop_id

    async def one(self, row: type[T], sql: str, *args: Any) -> T:
        """Exactly the row that must exist; RowMissing (a bug) when it does not."""
        found = await self.maybe(row, sql, *args)
        if found is None:
            raise RowMissing(sql)
        return found

    async def maybe(self, row: type[T], sql: str, *args: Any) -> T | None:
        """The first row, or None."""
        _note(sql, args)
        record = await self.connection.fetchrow(sql, *args)
        return None if record is None else msgspec.convert(dict(record), row)

    async def all(self, row: type[T], sql: str, *args: Any) -> list[T]:
        """All rows, in the order of the statement."""
        _note(sql, args)
        records = await self.connection.fetch(sql, *args)
        return msgspec.convert([dict(record) for record in records], list[row])  # type: ignore[valid-type]

    async def value(self, sql: str, *args: Any) -> Any:
        """The first column of the first row, or None."""
        _note(sql, args)
        return await self.connection.fetchval(sql, *args)

    async def stream(self, row: type[T], sql: str, *args: Any) -> AsyncIterator[T]:
        """Rows one by one through a cursor, for exports that must not fill the memory."""
        _note(sql, args)
        async for record in self.connection.cursor(sql, *args, prefetch=500):
            yield msgspec.convert(dict(record), row)


class Tx(ReadTx):
    """An open transaction that may write. Only `transaction()` commits it."""

    read_only = False

    def __init__(self, connection: Any, shop_id: ShopId) -> None:
        super().__init__(connection, shop_id)
        self._events: list[tuple[UUID, str, Any, datetime]] = []
        self._audited: list[tuple[Any, ...]] = []
        self._last: list[tuple[str, tuple[Any, ...]]] = []
        self._once: idempotency.OnceKey | None = None
        self._answers: list[idempotency.Answer] = []

    async def run(self, sql: str, *args: Any) -> int:
        """Run a statement; how many rows it touched."""
        _note(sql, args)
        status: str = await self.connection.execute(sql, *args)
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def run_many(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        """Run one statement for many argument rows in one round trip."""
        batch = list(rows)
        _note(sql, tuple(batch[:1]))
        await self.connection.executemany(sql, batch)

    async def copy(self, table: str, columns: list[str], records: Iterable[Sequence[Any]]) -> None:
        """COPY records into `schema.table`."""
        schema, _, name = table.rpartition(".")
        _note(f"copy {table}", ())
        await self.connection.copy_records_to_table(
            name, schema_name=schema or None, columns=columns, records=records
        )

    def later(self, sql: str, *args: Any) -> None:
        """Run a statement at the end of this transaction, just before the commit."""
        self._last.append((sql, args))

    @property
    def has_more(self) -> bool:
        """Whether something was kept for the end."""
        return bool(self._events or self._audited or self._last or self._answers)

    def add_event(self, name: str, payload: Any, at: datetime) -> UUID:
        """Keep an event for the outbox; `events.emit` is the typed way."""
        event_id = new_id()
        self._events.append((event_id, name, payload, at))
        return event_id

    def add_events(self, name: str, payloads: Sequence[Any], moments: Sequence[datetime]) -> None:
        """Keep many of one kind; `events.emit_many` is the typed way."""
        ids = new_ids(len(payloads))
        self._events += zip(ids, repeat(name), payloads, moments)

    def add_audit(
        self, actor: str, actor_name: str, action: str, subject: tuple[str, str], detail: Any
    ) -> None:
        """Keep a line for the audit trail; `audit.audit` is the typed way."""
        self._audited.append((new_id(), clock.now(), actor, actor_name, action, *subject, detail))

    def answer(self, view: T, status: int = 200, made: UUID | None = None) -> T:
        """Keep `view` as the answer under this request's idempotency key, and return it.

        made: what the same answer can be made of again, so that only this is kept; the route then
        handles `idempotency.Recalled`.
        """
        if self._once is not None:
            body = pool.encode_json(view) if made is None else None
            self._answers = [idempotency.Answer(self._once, status, body, made)]
        return view

    def keep_answers(self, made: Iterable[tuple["idempotency.OnceKey", UUID]]) -> None:
        """Keep what was made under keys that `idempotency.claim_many` took."""
        self._answers += [idempotency.Answer(once, 200, None, what) for once, what in made]

    async def _claim(self, once: "idempotency.OnceKey") -> None:
        self._once = once
        await idempotency.claim(self, once)

    async def flush(self) -> None:
        """Write what was kept for the end of this transaction; `transaction()` does it."""
        await self._run_last()
        if self._events or self._answers or self._audited:
            sql = flushing.ALONE[bool(self._answers), bool(self._audited)]
            _note(sql, ())
            await self.connection.execute(sql, *self._kept())
        self._forget()

    async def run_and_flush(self, sql: str, *args: Any) -> None:
        """Run a statement that begins with `with`, and `flush`, in one trip."""
        await self._run_last()
        if self._answers and not self._audited:
            await self.run(flushing.together_with(sql), *args, *self._kept())
            self._forget()
        else:
            await self.run(sql, *args)
            await self.flush()

    async def _run_last(self) -> None:
        self._has_news |= bool(self._events or self._last)
        for sql, args in self._last:
            _note(sql, args)
            await self.connection.execute(sql, *args)
        self._last = []
        assert self._once is None or self._answers, "an idempotent request must call tx.answer()"

    def _kept(self) -> list[Any]:
        """The arguments of the flush."""
        ids, names, payloads, moments = zip(*self._events, strict=True) if self._events else _NONE
        names, moments = (one[:1] if len(set(one)) == 1 else one for one in (names, moments))
        told = pool.BETWEEN.encode().join(map(pool.encode_json, payloads)).decode()
        kept = [self.shop_id, ids, pool.BETWEEN.join(names), told, moments]
        if self._answers:
            kept += idempotency.columns(self._answers)
        if self._audited:
            kept += zip(*self._audited, strict=True)
        return kept

    def _forget(self) -> None:
        self._events, self._audited, self._answers, self._once = [], [], [], None


_NONE: tuple[tuple[Any, ...], ...] = ((),) * 4

_bell: Callable[[], None] | None = None


def on_commit(bell: Callable[[], None] | None) -> None:
    """Call `bell` after each commit that may have left work for the worker."""
    global _bell
    _bell = bell


_open: ContextVar[bool] = ContextVar("transaction_open", default=False)
AnyTx = TypeVar("AnyTx", bound=ReadTx)


# A kept plan must be good for the tables as they will be: one made while they were all but empty
# would go on reading them from end to end.
_PLANS = {
    True: "; set plan_cache_mode = auto; set enable_seqscan = on",
    False: "; set plan_cache_mode = force_generic_plan; set enable_seqscan = off",
}


class _Opened(Generic[AnyTx]):
    """An open transaction as a block: committed at its end, rolled back when it raises.

    A class, for of the two ways to write one it costs a third, and requests have nothing shorter.
    """

    def __init__(
        self,
        begin: str,
        kind: type[AnyTx],
        shop_id: ShopId,
        once: "idempotency.OnceKey | None" = None,
        *,
        replans: bool = True,
    ) -> None:
        self._begin, self._kind, self._shop_id = begin, kind, shop_id
        self._once, self._replans = once, replans

    async def __aenter__(self) -> AnyTx:
        assert not _open.get(), "transactions are never nested"
        with weather():
            self._pool: Any = database().pool
            try:
                self._connection: Any = await self._pool.take(timeout=5)
            except OSError as error:  # also FileNotFoundError: a server that is down has no socket
                raise Busy from error
            self._tx = self._kind(self._connection, self._shop_id)
            try:
                await self._begin_as_planned()
                _open.set(True)
                if self._once is not None and isinstance(self._tx, Tx):
                    await self._tx._claim(self._once)
            except BaseException:
                await self._roll_back()
                raise
        return self._tx

    async def _begin_as_planned(self) -> None:
        inner, begin = self._connection._con, self._begin
        if inner.replans is not self._replans:
            begin += _PLANS[self._replans]
            inner.replans = None  # a rollback takes it back
        _note(begin, ())
        await self._connection.execute(begin)

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        with weather():
            try:
                if error is not None:
                    raise error
                if isinstance(self._tx, Tx):
                    await self._tx.flush()
                _note("commit", ())
                await self._connection.execute("commit")
            except BaseException:
                await self._roll_back()
                raise
            _open.set(False)
            self._connection._con.replans = self._replans
            await self._pool.release(self._connection)
        if _bell is not None and self._tx._has_news:
            _bell()

    async def _roll_back(self) -> None:
        _open.set(False)
        try:
            # A cancelled or cut connection cannot roll back; the server does it by itself.
            with contextlib.suppress(Exception):
                await asyncio.shield(self._connection.execute("rollback"))
        finally:
            await self._pool.release(self._connection)


class _AtOnce(_Opened[AnyTx]):
    """No transaction: each statement is one of its own, which spares two trips of three."""

    async def _begin_as_planned(self) -> None:
        inner, mood = self._connection._con, ""
        if inner.shop_id != self._shop_id:
            mood = f"; set siyu.shop_id = '{int(self._shop_id)}'"
        if inner.replans is not self._replans:
            mood += _PLANS[self._replans]
        if mood:
            inner.shop_id, inner.replans = 0, None
            _note(mood, ())
            await self._connection.execute(mood.removeprefix("; "))
            inner.shop_id, inner.replans = self._shop_id, self._replans

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        await self._roll_back()
        assert not isinstance(self._tx, Tx) or not self._tx.has_more, "nothing flushes it here"
        with weather():
            if error is not None:
                raise error

    async def _roll_back(self) -> None:
        _open.set(False)
        await self._pool.release(self._connection)


def transaction(
    shop_id: ShopId, once: "idempotency.OnceKey | None" = None, *, replans: bool = True
) -> AbstractAsyncContextManager[Tx]:
    """Open a transaction of one shop; commits when the block ends, rolls back when it raises.

    once: the client's idempotency key. A replay raises `idempotency.Replayed` (rendered as the
    first answer); the block must end with `tx.answer(view)`. replans: False where the same few
    statements are sent all day, for which planning them anew may cost what they cost.
    """
    begin = f"begin; set local siyu.shop_id = '{int(shop_id)}'"
    return _Opened(begin, Tx, shop_id, once, replans=replans)


def reading(shop_id: ShopId, *, replans: bool = True) -> AbstractAsyncContextManager[ReadTx]:
    """Open a read-only transaction of one shop; replans: as for `transaction`."""
    begin = f"begin read only; set local siyu.shop_id = '{int(shop_id)}'"
    return _Opened(begin, ReadTx, shop_id, replans=replans)


def looking(shop_id: ShopId) -> AbstractAsyncContextManager[ReadTx]:
    """The same reads of one shop as in `reading`, each of them on its own, which READ COMMITTED
    makes no different. For what is asked all day; nothing is planned anew.
    """
    return _AtOnce("", ReadTx, shop_id, replans=False)


def writing_at_once(shop_id: ShopId) -> AbstractAsyncContextManager[Tx]:
    """For work of one statement all day, such as a line for a cart: it is committed when it has
    run, and nothing takes it back. No events, no key.
    """
    return _AtOnce("", Tx, shop_id, replans=False)


def system_transaction(shop_id: ShopId = NO_SHOP) -> AbstractAsyncContextManager[Tx]:
    """Open a transaction over all shops, in the role siyu_system.

    shop_id: the shop that events and audit lines written here belong to, if any.
    """
    begin = f"begin; set local role siyu_system; set local siyu.shop_id = '{int(shop_id)}'"
    return _Opened(begin, Tx, shop_id)


_DEADLOCKED = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)
_WEATHER = (
    asyncpg.LockNotAvailableError,
    asyncpg.QueryCanceledError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    ConnectionError,
    TimeoutError,
)


@contextlib.contextmanager
def weather() -> Any:
    """Turn transient database failures into `Busy`: nothing happened, try again."""
    try:
        yield
    except _DEADLOCKED as error:
        raise Deadlocked from error
    except _WEATHER as error:
        raise Busy from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        # The driver's own complaints are bugs of ours, but for a connection that went away: it was
        # closed, or the server's last word on it was read and its end not yet.
        if any(sign in str(error) for sign in ("closed", "released", "cannot switch to state")):
            raise Busy from error
        raise


def filters(args: list[Any], *conditions: tuple[str, Any]) -> str:
    """Compose the `where` of a screen.

    conditions: (sql with `?` for its value, value); those with value None are left out. The
    values are appended to `args` as parameters, never pasted. Returns sql that is at least `true`.
    """
    parts = ["true"]
    for sql, value in conditions:
        if value is not None:
            args.append(value)
            parts.append(sql.replace("?", f"${len(args)}"))
    return " and ".join(parts)
