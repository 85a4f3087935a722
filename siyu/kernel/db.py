"""The one way to the database: transactions opened at the edge, typed rows, errors named once.

`transaction(shop)` fences every statement to one shop by row-level security; `reading` is the same
without the right to write; `system_transaction` sees all shops of the tables that allow it. What
must be written at the end of a transaction (events, audit, jobs, the idempotent answer) is kept
until the commit and then travels together, because a round trip costs more than a row.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextvars import ContextVar
from datetime import datetime
from typing import Any, ClassVar, Self, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from siyu.kernel import clock, config, idempotency
from siyu.kernel.errors import Busy
from siyu.kernel.ids import ShopId, new_id

T = TypeVar("T")
NO_SHOP = ShopId(0)
_encode_json = msgspec.json.Encoder().encode
_decode_json = msgspec.json.decode


class Deadlocked(Busy):
    """Two units of work met; this one was rolled back whole and may be run again at once (F118)."""


class RowMissing(AssertionError):
    """A row that must exist does not: a bug, not a refusal."""


class _Connection(asyncpg.Connection):
    """A pooled connection without asyncpg's reset trip: our settings end with the transaction."""

    def get_reset_query(self) -> str:
        return ""


class _Pool(asyncpg.Pool):
    """asyncpg's pool, which makes a task and a timer each time a connection is taken or given back;
    here only where there is something to wait for.
    """

    async def _acquire(self, timeout: float | None) -> Any:  # noqa: ASYNC109
        free: Any = self._queue  # type: ignore[attr-defined]
        # The last given back is the first taken.
        inner = None if free is None or free.empty() else free._queue[-1]._con
        is_ready = inner is not None and not inner.is_closed()
        return await super()._acquire(None if is_ready else timeout)  # type: ignore[misc]

    async def release(self, connection: Any, *, timeout: float | None = None) -> None:  # noqa: ASYNC109
        """Give a connection back; one with an open transaction or a cancelled statement is settled
        by asyncpg first.
        """
        inner = connection._con
        if (
            inner is None
            or inner.is_closed()
            or inner.is_in_transaction()
            or inner._protocol._is_cancelling()
        ):
            await super().release(connection, timeout=timeout or 5)
        else:
            is_wanted = bool(self._queue._getters)  # type: ignore[attr-defined]
            inner._on_release()
            await connection._holder.release(timeout)
            if is_wanted:  # who waits goes first, before we ask again
                await asyncio.sleep(0)


async def _set_up_connection(connection: Any) -> None:
    for name in ("json", "jsonb"):
        head = b"\x01" if name == "jsonb" else b""
        await connection.set_type_codec(
            name,
            schema="pg_catalog",
            format="binary",
            encoder=lambda value, head=head: head + _encode_json(value),
            decoder=lambda data, head=head: _decode_json(data[len(head) :]),
        )


class Database:
    """A pool of connections in the role of the program, which owns nothing."""

    def __init__(self, url: str, pool: "asyncpg.Pool[Any]") -> None:
        self.url = url
        self.pool = pool

    @classmethod
    async def connect(
        cls,
        url: str,
        size: int | None = None,
        role: str = "siyu_app",
        idle_seconds: float = 60.0,
        **server: str,
    ) -> Self:
        """Open a pool; `server` are further connection settings such as statement_timeout='60s'.

        A connection nobody used for `idle_seconds` is closed (0: never): it costs 10 MB there.
        """
        pool = await _Pool(
            url,
            min_size=0,
            max_size=size or config.settings().pool_size,
            max_queries=50_000,
            max_inactive_connection_lifetime=idle_seconds,
            loop=None,
            statement_cache_size=1000,
            connection_class=_Connection,
            record_class=asyncpg.Record,
            init=_set_up_connection,
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
        return cls(url, pool)

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
        self._answer: Any = None
        self._has_news = False

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

    def add_event(self, name: str, payload: Any, at: datetime) -> UUID:
        """Keep an event for the outbox; `events.emit` is the typed way."""
        event_id = new_id()
        self._events.append((event_id, name, payload, at))
        return event_id

    def add_audit(
        self, actor: str, actor_name: str, action: str, subject: tuple[str, str], detail: Any
    ) -> None:
        """Keep a line for the audit trail; `audit.audit` is the typed way."""
        self._audited.append((new_id(), clock.now(), actor, actor_name, action, *subject, detail))

    def answer(self, view: T, status: int = 200) -> T:
        """Keep `view` as the answer under this request's idempotency key, and return it."""
        if self._once is not None:
            self._answer = (status, _encode_json(view))
        return view

    async def _claim(self, once: "idempotency.OnceKey") -> None:
        self._once = once
        _note(idempotency.CLAIM, ())
        await idempotency.claim(self.connection, self.shop_id, once)

    async def flush(self) -> None:
        """Write what was kept for the end of this transaction.

        `transaction()` does it; done before a row is locked that everybody wants, that row is
        locked for one trip less.
        """
        self._has_news |= bool(self._events or self._last)
        audited = list(zip(*self._audited, strict=True)) or [()] * 8
        for sql, args in self._last:
            _note(sql, args)
            await self.connection.execute(sql, *args)
        if self._once is not None:
            assert self._answer is not None, "an idempotent request must call tx.answer()"
        if self._events or self._once:
            columns = list(zip(*self._events, strict=True)) or [(), (), (), ()]
            arguments = idempotency.answer_arguments(self._once, self._answer)
            _note(_FLUSH, ())
            await self.connection.execute(_FLUSH, self.shop_id, *columns, *arguments, *audited)
        elif self._audited:
            _note(_AUDIT, ())
            await self.connection.execute(_AUDIT, self.shop_id, *audited)
        self._last, self._events, self._audited, self._once = [], [], [], None


_AUDIT = """
insert into kernel.audit (shop_id, audit_id, at, actor, actor_name, action, subject_kind,
  subject_id, detail)
select $1, * from unnest($2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::text[],
  $7::text[], $8::text[], $9::jsonb[])
"""

# One trip: the answer is kept by an update, events and audit by inserts; any may be empty.
_FLUSH = """
with kept as (
  update kernel.idempotency set status = $6, answer = $7
  where shop_id = $1 and owner = $8 and key = $9),
audited as (
  insert into kernel.audit (shop_id, audit_id, at, actor, actor_name, action, subject_kind,
    subject_id, detail)
  select $1, * from unnest($10::uuid[], $11::timestamptz[], $12::text[], $13::text[], $14::text[],
    $15::text[], $16::text[], $17::jsonb[]))
insert into kernel.outbox (shop_id, event_id, name, payload, happened_at)
select $1, * from unnest($2::uuid[], $3::text[], $4::jsonb[], $5::timestamptz[])
"""

_bell: Callable[[], None] | None = None


def on_commit(bell: Callable[[], None] | None) -> None:
    """Call `bell` after each commit that may have left work for the worker."""
    global _bell
    _bell = bell


_open: ContextVar[bool] = ContextVar("transaction_open", default=False)


@contextlib.asynccontextmanager
async def _connected() -> AsyncIterator[Any]:
    pool = database().pool
    try:
        connection = await pool.acquire(timeout=5)
    except OSError as error:  # also FileNotFoundError: a server that is down has no socket
        raise Busy from error
    try:
        yield connection
    finally:
        await pool.release(connection)


@contextlib.asynccontextmanager
async def _opened(begin: str, kind: Any, shop_id: ShopId) -> AsyncIterator[Any]:
    assert not _open.get(), "transactions are never nested"
    with weather():
        async with _connected() as connection:
            _note(begin, ())
            await connection.execute(begin)
            mark = _open.set(True)
            tx = kind(connection, shop_id)
            try:
                yield tx
            except BaseException:
                _open.reset(mark)
                # A cancelled or cut connection cannot roll back; the server does it by itself.
                with contextlib.suppress(Exception):
                    await asyncio.shield(connection.execute("rollback"))
                raise
            _open.reset(mark)
            _note("commit", ())
            await connection.execute("commit")
    if _bell is not None and kind is Tx and tx._has_news:
        _bell()


# A kept plan must be good for the tables as they will be: one made while they were all but empty
# would go on reading them from end to end.
_PLANNED = "; set local plan_cache_mode = force_generic_plan; set local enable_seqscan = off"


@contextlib.asynccontextmanager
async def transaction(
    shop_id: ShopId, once: "idempotency.OnceKey | None" = None, *, replans: bool = True
) -> AsyncIterator[Tx]:
    """Open a transaction of one shop; commits when the block ends, rolls back when it raises.

    once: the client's idempotency key. A replay raises `idempotency.Replayed` (rendered as the
    first answer); the block must end with `tx.answer(view)`. replans: False where the same few
    statements are sent all day, for which planning them anew may cost what they cost.
    """
    begin = f"begin; set local siyu.shop_id = '{int(shop_id)}'{'' if replans else _PLANNED}"
    async with _opened(begin, Tx, shop_id) as tx:
        if once is not None:
            await tx._claim(once)
        yield tx
        await tx.flush()


@contextlib.asynccontextmanager
async def reading(shop_id: ShopId, *, replans: bool = True) -> AsyncIterator[ReadTx]:
    """Open a read-only transaction of one shop; replans: as for `transaction`."""
    again = "" if replans else _PLANNED
    begin = f"begin read only; set local siyu.shop_id = '{int(shop_id)}'{again}"
    async with _opened(begin, ReadTx, shop_id) as tx:
        yield tx


@contextlib.asynccontextmanager
async def system_transaction(shop_id: ShopId = NO_SHOP) -> AsyncIterator[Tx]:
    """Open a transaction over all shops, in the role siyu_system.

    shop_id: the shop that events and audit lines written here belong to, if any.
    """
    begin = f"begin; set local role siyu_system; set local siyu.shop_id = '{int(shop_id)}'"
    async with _opened(begin, Tx, shop_id) as tx:
        yield tx
        await tx.flush()


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
