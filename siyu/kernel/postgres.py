"""The embedded PostgreSQL: the same database from the first minute to the last, without a service.

    async with embedded(home) as cluster:
        await cluster.create_database("siyu")
        pool = await asyncpg.create_pool(cluster.url("siyu"))

Several processes share one cluster; it stops with the last of them, also when that one is killed.
Roles: `postgres` makes databases and roles and is used here only; `siyu_owner` owns what the
migrations make; the program logs in as `siyu`, who owns nothing and takes the role it needs:
`siyu_app` (one shop), `siyu_system` (all shops) or `siyu_warehouse`.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, urlencode

import asyncpg

from siyu.kernel.postgres_server import (
    OLDEST_VERSION,
    START_SECONDS,
    PostgresUnavailable,
    Server,
    default_home,
)

__all__ = [
    "HUNG_UP",
    "Cluster",
    "PostgresUnavailable",
    "attach",
    "check_server",
    "default_home",
    "embedded",
]

# How a server that ends, or is not ready, shows itself to whoever asks it something.
HUNG_UP = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InterfaceError,
)

ROLES = ("siyu_app", "siyu_system", "siyu_warehouse")

# Several processes may run this at once; whoever comes second finds nothing to do.
ROLES_SQL = """
do $$
declare
    wanted text;
begin
    foreach wanted in array array['siyu_owner', 'siyu_app', 'siyu_system', 'siyu_warehouse'] loop
        if to_regrole(wanted) is null then
            begin
                execute format('create role %I', wanted);
            exception when duplicate_object or unique_violation then null;
            end;
        end if;
    end loop;
    -- The warehouse makes and drops its own slots, so it owns them; migrations hand them over.
    if not pg_has_role('siyu_owner', 'siyu_warehouse', 'member') then
        grant siyu_warehouse to siyu_owner;
    end if;
end $$
"""


class Cluster:
    """A running cluster that this process uses. Addresses stay valid while it is used."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.home = server.home

    @property
    def binaries(self) -> Path:
        """The folder of this server's own programs: pg_dump, pg_basebackup, pgbench, psql."""
        return self.server.binaries

    @property
    def port(self) -> int:
        """Of the loopback TCP address; also part of the socket's name."""
        return self._where()[0]

    def url(self, database: str = "siyu") -> str:
        """For the program: role `siyu`, which may do nothing until it takes a role."""
        return self._address("siyu", database)

    def owner_url(self, database: str = "siyu") -> str:
        """For migrations, backup and tests: role `siyu_owner`, not bound by row-level security."""
        return self._address("siyu_owner", database)

    def admin_url(self) -> str:
        """For backups: role `postgres`, who may copy the whole cluster."""
        return self._address("postgres", "postgres")

    def tcp_url(self, database: str = "siyu") -> str:
        """As `url`, over loopback TCP instead of the socket."""
        secret = quote(self._password("siyu"))
        return f"postgresql://siyu:{secret}@127.0.0.1:{self.port}/{quote(database)}"

    async def create_database(self, name: str, template: str | None = None) -> None:
        """Make a database that `siyu_owner` owns, unless it exists. A template must be unused."""
        origin = f" template {_quoted(template)}" if template else ""
        with contextlib.suppress(asyncpg.DuplicateDatabaseError, asyncpg.UniqueViolationError):
            await self._admin(f"create database {_quoted(name)} owner siyu_owner{origin}")

    async def drop_database(self, name: str) -> None:
        """Drop a database and cut whoever is connected to it."""
        await self._admin(f"drop database if exists {_quoted(name)} with (force)")

    async def rename_database(self, name: str, new: str) -> None:
        """Rename a database that nobody is connected to."""
        await self._admin(f"alter database {_quoted(name)} rename to {_quoted(new)}")

    async def restart(self, mode: str = "fast") -> None:
        """Stop and start the server under its users; `immediate` is a crash with recovery."""

        def work() -> None:
            with self.server.starting():
                self.server.stop(mode)
                self.server.start()

        await asyncio.to_thread(work)

    async def detach(self) -> None:
        """Stop using the cluster. For the last user it returns when the server has stopped."""
        await asyncio.to_thread(self.server.leave)

    async def _start(self) -> None:
        """Make sure that the server answers a query; start it when its process is dead.

        The watchdog waits for us meanwhile: one that is killed just now is ours to start again.
        """
        await asyncio.to_thread(self.server.prepare)
        for is_last in (False, False, True):
            if not self.server.alive():
                await asyncio.to_thread(self.server.start)
            try:
                await self.wait_until_it_answers()
                await self._ensure_roles()
                break
            except (*HUNG_UP, PostgresUnavailable):
                if is_last or self.server.alive():
                    raise
        self.server.ensure_watchdog()

    async def wait_until_it_answers(self) -> None:
        """Return when a query was answered. Raises PostgresUnavailable when the server ends."""
        deadline = time.monotonic() + START_SECONDS
        while not await self._answers():
            if not self.server.alive():  # as one whose log does not reach the wanted moment
                raise PostgresUnavailable(f"PostgreSQL ended:\n{self.server.last_words()}")
            if time.monotonic() > deadline:
                raise PostgresUnavailable(f"PostgreSQL in {self.home} runs but does not answer")
            await asyncio.sleep(0.05)

    async def _answers(self) -> bool:
        if self.server.running() is None:
            return False
        try:
            return bool(await self._admin("select true") == "SELECT 1")
        except HUNG_UP:
            return False

    async def _ensure_roles(self) -> None:
        connection = await self._connect("postgres")
        try:
            await ensure_roles(connection)
            if await connection.fetchval("select to_regrole('siyu') is not null"):
                return
            async with connection.transaction():
                for role, rights in (
                    ("siyu_owner", "alter role siyu_owner login bypassrls"),
                    ("siyu", "create role siyu login noinherit"),
                ):
                    await connection.execute(f"{rights} password '{self._password(role)}'")
                await connection.execute(f"grant {', '.join(ROLES)} to siyu")
        finally:
            await connection.close()

    async def _admin(self, sql: str) -> str:
        connection = await self._connect("postgres")
        try:
            return str(await connection.execute(sql))
        finally:
            await connection.close()

    async def _connect(self, database: str) -> "asyncpg.Connection[asyncpg.Record]":
        return await asyncpg.connect(self._address("postgres", database), timeout=10)

    def _where(self) -> tuple[int, str]:
        running = self.server.running()
        if running is None:
            raise PostgresUnavailable(f"PostgreSQL in {self.home} does not run")
        return running[1], running[2]

    def _address(self, role: str, database: str) -> str:
        port, folder = self._where()
        secret = quote(self._password(role))
        query = urlencode({"host": folder, "port": port})
        return f"postgresql://{role}:{secret}@/{quote(database)}?{query}"

    def _password(self, role: str) -> str:
        """`siyu_owner` could become anything `postgres` is by restoring: one password for both."""
        name = "siyu" if role == "siyu" else "postgres"
        return (self.home / f"{name}.password").read_text()


async def attach(home: Path | None = None) -> Cluster:
    """Use the cluster in `home`, making and starting it as needed. Warm, this takes under 2 s.

    Raises PostgresUnavailable, with the next step in its message.
    """
    server = Server(home or default_home())
    await asyncio.to_thread(server.enter)
    cluster = Cluster(server)
    try:
        starting = server.starting()
        await asyncio.to_thread(starting.__enter__)
        try:
            await cluster._start()
        finally:
            starting.__exit__(None, None, None)
    except BaseException:
        await asyncio.to_thread(server.leave)
        raise
    return cluster


@contextlib.asynccontextmanager
async def embedded(home: Path | None = None) -> AsyncIterator[Cluster]:
    """`attach` and `detach` around a block."""
    cluster = await attach(home)
    try:
        yield cluster
    finally:
        await cluster.detach()


async def ensure_roles(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Make siyu's roles where they are missing; needs the right to make roles only then."""
    await connection.execute(ROLES_SQL)


async def check_server(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """Refuse a server that would lose acknowledged orders, or is too old."""
    version = await connection.fetchval("select current_setting('server_version_num')::int")
    if version < OLDEST_VERSION * 10000:
        raise PostgresUnavailable(f"PostgreSQL {OLDEST_VERSION} or newer is needed, not {version}")
    for name, refused in (
        ("fsync", "off"),
        ("full_page_writes", "off"),
        ("synchronous_commit", "off"),
    ):
        if await connection.fetchval("select current_setting($1)", name) == refused:
            raise PostgresUnavailable(
                f"the server runs with {name} = {refused}: a power cut would lose orders"
            )


def _quoted(name: str) -> str:
    escaped = name.replace('"', '""')
    return f'"{escaped}"'
