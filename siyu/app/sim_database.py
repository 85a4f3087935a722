"""The database of a simulation: PostgreSQL on the turned clock, and every round trip in its turn.

Its `now()` is found in the schema `sim`, before PostgreSQL's own, wherever the program or the
default of a column asks for the time.
"""

import asyncio
import contextlib
import hashlib
import os
import secrets
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import asyncpg

from siyu.app.sim_loop import Director, running_in
from siyu.kernel import migrate, postgres

POOL_SIZE = 24
CLOCK = """
create schema sim;
create sequence sim.clock as bigint minvalue 0 start 0;
create function sim.now() returns timestamptz language sql stable as
  $$ select timestamptz 'epoch' + last_value * interval '1 microsecond' from sim.clock $$;
create function sim.clock_timestamp() returns timestamptz language sql volatile as
  $$ select sim.now() $$;
grant usage on schema sim to public;
grant select, update on sequence sim.clock to public;
"""
# A sequence for each table counts the rows written to it, without locks and before any commit.
COUNTED = """
create function sim.count_row() returns trigger language plpgsql as
  $$ begin perform nextval(tg_argv[0]::regclass); return null; end $$;
do $$ declare t regclass; begin
  for t in select c.oid::regclass from pg_class c join pg_namespace n on n.oid = relnamespace
            where relkind in ('r', 'p') and not relispartition
              and nspname not in ('pg_catalog', 'information_schema', 'sim', 'jobs') loop
    execute format('create sequence sim.%I', t::text);
    execute format('create trigger zz_counted after insert or update or delete on %s
      for each row execute function sim.count_row(%L)', t, format('sim.%I', t::text));
  end loop;
end $$;
grant usage, select on all sequences in schema sim to public;
"""
WRITTEN = """
select relname as table, coalesce(pg_sequence_last_value(c.oid), 0) as times
  from pg_class c join pg_namespace n on n.oid = relnamespace
 where relkind = 'S' and nspname = 'sim' order by relname
"""
# Sleeping autovacuum and planner statistics would change plans, and so the run, by chance.
QUIET = """
do $$ declare t regclass; begin
  for t in select c.oid::regclass from pg_class c join pg_namespace n on n.oid = relnamespace
            where relkind = 'r' and nspname not in ('pg_catalog', 'information_schema') loop
    execute format('alter table %s set (autovacuum_enabled = false)', t);
  end loop;
end $$
"""

SETTINGS = {
    "search_path": "sim, pg_catalog, public",
    "synchronous_commit": "off",  # nothing here outlives the run
    "jit": "off",
    "plan_cache_mode": "force_generic_plan",  # killed connections plan often enough
    # Milliseconds. Nobody goes on before those who wait have looked for a circle, which they do
    # once (`World.find_blocked`): so who closes one is who finds it, at every pace.
    "deadlock_timeout": "1",
}


def template_hash() -> str:
    """Names a template: of the schemas, and of what the simulation adds to them."""
    own = hashlib.sha256("".join((CLOCK, COUNTED, QUIET)).encode()).hexdigest()
    return f"{migrate.schema_hash()}_{own[:8]}"


async def make_template(cluster: postgres.Cluster, name: str) -> None:
    """A database with all schemas, whose clock is ours."""
    await cluster.create_database(name)
    owner = await asyncpg.connect(cluster.owner_url(name))
    try:
        await owner.execute(CLOCK)
        await owner.execute("set search_path = sim, pg_catalog, public")
        await migrate.apply_schemas(owner)
        await owner.execute(COUNTED)
        await owner.execute(QUIET)
    finally:
        await owner.close()


@contextlib.asynccontextmanager
async def own_database(cluster: postgres.Cluster, template: str | None) -> AsyncIterator[str]:
    """A fresh database, dropped at the end; its name. template: one that `make_template` made."""
    name = f"sim_{os.getpid()}_{secrets.token_hex(4)}"
    if template is None:
        await make_template(cluster, name)
    else:
        await cluster.create_database(name, template)
    admin = await asyncpg.connect(cluster.admin_url())
    for setting, value in SETTINGS.items():
        await admin.execute(f'alter database "{name}" set {setting} = {value}')
    await admin.close()
    try:
        yield name
    finally:
        await cluster.drop_database(name)


@contextlib.contextmanager
def on_one_core() -> Iterator[None]:
    """A simulation and its server only ever wait for each other: side by side on one core a round
    trip takes 60 µs, across two 230.
    """
    if sys.platform != "linux":
        yield
        return
    cores = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(cores)[os.getpid() % len(cores)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, cores)


def bring_near(pid: int) -> None:
    """Have a process of the server run on our core; without the right to, it stays where it is."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setaffinity(pid, os.sched_getaffinity(0))


class Connection:
    """A connection whose every round trip waits for its turn. `begin` sees and holds nothing yet,
    so it goes with the trip after it: one step less of every transaction, and no order is lost.
    """

    def __init__(self, real: Any, director: Director) -> None:
        self.real = real
        self.pid = real.get_server_pid()
        self._director = director
        self._begin: str | None = None

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.real, name)
        if name not in _TRIPS:
            return found

        async def work(*args: Any, **options: Any) -> Any:
            if begin := self._begin:
                self._begin = None
                await self.real.execute(begin)
            return await found(*args, **options)

        async def trip(*args: Any, **options: Any) -> Any:
            if name == "execute" and args[0].startswith("begin"):
                self._begin = args[0]
                return "BEGIN"
            label = f"{name} {_head(args)}"
            return await self._director.trip(self.pid, label, lambda: work(*args, **options))

        return trip


_TRIPS = {
    "execute",
    "executemany",
    "fetch",
    "fetchrow",
    "fetchval",
    "copy_records_to_table",
}


def _head(args: tuple[Any, ...]) -> str:
    return " ".join(str(args[0]).split()[:3]) if args else ""


class Behind:
    """A connection of the simulation itself; one round trip after the other."""

    def __init__(self, real: Any) -> None:
        self._real = real
        self._free = asyncio.Lock()

    async def fetch(self, sql: str, *args: Any) -> Any:
        """All rows."""
        async with self._free:
            return await self._real.fetch(sql, *args)

    async def value(self, sql: str, *args: Any) -> Any:
        """The first value."""
        async with self._free:
            return await self._real.fetchval(sql, *args)


class Pool:
    """A pool that knows which process holds which connection. Who finds none free waits here, as
    long as the others' turns take: a wait inside of asyncpg's pool would hold everybody up.
    """

    def __init__(self, real: Any, director: Director) -> None:
        self._real = real
        self._director = director
        self._free = asyncio.Semaphore(POOL_SIZE)
        self._known: set[int] = set()

    async def acquire(self, *, timeout: float | None = None) -> Connection:  # noqa: ASYNC109
        """As asyncpg's."""
        return await self._wait_for(self._real.acquire, timeout)

    async def take(self, *, timeout: float | None = None) -> Connection:  # noqa: ASYNC109
        """As the kernel's pool."""
        return await self._wait_for(self._real.take, timeout)

    async def _wait_for(self, ask: Callable[[], Any], timeout: float | None) -> Connection:  # noqa: ASYNC109
        """Several that connect at once are ready in any order; one that is open already is there
        at once.
        """
        async with asyncio.timeout(timeout):
            await self._free.acquire()
        number = self._director.next_number()
        try:
            real = await self._director.offstage(ask())
        except BaseException:
            self._free.release()
            raise
        is_new = real.get_server_pid() not in self._known
        if is_new:
            self._known.add(real.get_server_pid())
            bring_near(real.get_server_pid())
        made = Connection(real, self._director)
        if is_new and running_in.get() is not None:
            try:
                await self._director.turn("connection", number=number)
            except BaseException:
                await self.release(made)
                raise
        if process := running_in.get():
            process.connections[made] = None
        return made

    async def release(self, connection: Connection) -> None:
        """As asyncpg's."""
        if process := running_in.get():
            process.connections.pop(connection, None)
        try:
            await self._director.offstage(self._real.release(connection.real))
        finally:
            self._free.release()

    async def fetch(self, sql: str, *args: Any) -> Any:
        """Of the job queue: one round trip, in its turn."""
        await self._director.turn(f"queue {_head((sql,))}")
        return await self._director.offstage(self._real.fetch(sql, *args))

    async def execute(self, sql: str, *args: Any) -> Any:
        """Of the job queue: one round trip, in its turn."""
        await self._director.turn(f"queue {_head((sql,))}")
        return await self._director.offstage(self._real.execute(sql, *args))

    async def glance(self, sql: str, *args: Any) -> Any:
        """A value for the simulation itself; no step of anybody."""
        return await self._director.offstage(self._real.fetchval(sql, *args))
