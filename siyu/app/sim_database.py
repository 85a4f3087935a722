"""The database of a simulation: PostgreSQL on the turned clock, and every round trip in its turn.

Its `now()` is found in the schema `sim`, before PostgreSQL's own, wherever the program or the
default of a column asks for the time.
"""

import asyncio
import contextlib
import os
import secrets
from collections.abc import AsyncIterator
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
# Sleeping autovacuum and planner statistics would change plans, and so the run, by chance.
QUIET = """
do $$ declare t regclass; begin
  for t in select c.oid::regclass from pg_class c join pg_namespace n on n.oid = relnamespace
            where relkind = 'r' and nspname not in ('pg_catalog', 'information_schema') loop
    execute format('alter table %s set (autovacuum_enabled = false)', t);
  end loop;
end $$
"""


async def make_template(cluster: postgres.Cluster, name: str) -> None:
    """A database with all schemas, whose clock is ours."""
    await cluster.create_database(name)
    owner = await asyncpg.connect(cluster.owner_url(name))
    try:
        await owner.execute(CLOCK)
        settings = {
            "search_path": "sim, pg_catalog, public",
            "synchronous_commit": "off",  # nothing here outlives the run
            "jit": "off",
        }
        for setting, value in settings.items():
            await owner.execute(f'alter database "{name}" set {setting} = {value}')
        await owner.execute("set search_path = sim, pg_catalog, public")
        await migrate.apply_schemas(owner)
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
        owner = await asyncpg.connect(cluster.owner_url(template))
        rows = await owner.fetch(
            "select unnest(setconfig) as one from pg_db_role_setting s join pg_database d"
            " on d.oid = s.setdatabase where d.datname = current_database()"
        )
        for row in rows:  # settings of a database are not copied with it
            setting, _, value = row["one"].partition("=")
            await owner.execute(f'alter database "{name}" set {setting} = {value}')
        await owner.close()
    try:
        yield name
    finally:
        await cluster.drop_database(name)


class Connection:
    """A connection whose every round trip waits for its turn."""

    def __init__(self, real: Any, director: Director) -> None:
        self.real = real
        self.pid = real.get_server_pid()
        self._director = director

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.real, name)
        if name not in _TRIPS:
            return found

        async def trip(*args: Any, **options: Any) -> Any:
            label = f"{name} {_head(args)}"
            return await self._director.trip(self.pid, label, lambda: found(*args, **options))

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

    async def acquire(self, *, timeout: float | None = None) -> Connection:  # noqa: ASYNC109
        """As asyncpg's. Several that connect at once are ready in any order."""
        async with asyncio.timeout(timeout):
            await self._free.acquire()
        number = self._director.next_number()
        try:
            real = await self._director.offstage(self._real.acquire())
        except BaseException:
            self._free.release()
            raise
        made = Connection(real, self._director)
        if running_in.get() is not None:
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
