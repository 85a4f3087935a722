"""Ground of all tests: one embedded PostgreSQL, one database per worker, one shop per test.

The server is real and shared by every process that tests (it stops with the last one). A template
database holds all schemas; each worker gets its own copy. Nothing may speak to the outside.
"""

import contextlib
import fcntl
import hashlib
import ipaddress
import itertools
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, settings

from siyu.kernel import clock, config, crypto, db, migrate, postgres
from siyu.kernel.db import Database, Tx
from siyu.kernel.ids import ShopId
from siyu.sandbox.world import SandboxSettings, open_world

ROOT = Path(__file__).parents[1]

# How long an example takes tells of the machine and its load, not of what is claimed.
settings.register_profile("siyu", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("siyu")


def _no_outside(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse every connection beyond this machine, whoever tries it."""
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        host = str(arguments[1][0]).partition("%")[0]
    elif event == "socket.getaddrinfo" and arguments[0]:
        host = os.fsdecode(arguments[0])
    else:
        return
    with contextlib.suppress(ValueError):
        if ipaddress.ip_address(host).is_loopback or event == "socket.getaddrinfo":
            return
    if host not in ("localhost", "127.0.0.1"):
        raise RuntimeError(f"a test tried to reach {host}")


sys.addaudithook(_no_outside)


@pytest.fixture(scope="session", autouse=True)
def settings(tmp_path_factory: pytest.TempPathFactory) -> config.Settings:
    """Settings of the tests: an own data folder, and so own keys and pictures."""
    own = config.Settings(data_dir=tmp_path_factory.mktemp("data"), public_url="https://shop.test")
    config.use(own)
    crypto.use(crypto.load_vault(own.key_file))
    return own


@pytest.fixture(autouse=True)
def honest_clock() -> Iterator[None]:
    """Every test begins at the machine's own time, whatever another one did to the clock."""
    clock.advance(-clock.shift())
    yield
    clock.advance(-clock.shift())


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """One event loop for the whole session, so that pools can be shared."""
    return "asyncio"


@pytest.fixture(scope="session")
def server_home() -> Path:
    """One cluster per checkout, kept between runs; outside it when root, for PostgreSQL's user."""
    key = hashlib.sha256(os.fsencode(ROOT)).hexdigest()[:8]
    if os.geteuid() == 0:
        return postgres.default_home().with_name(f"tests-{key}")
    return Path(tempfile.gettempdir()) / f"siyu-tests-{os.getuid()}-{key}"


@pytest.fixture(scope="session")
async def cluster(server_home: Path) -> AsyncIterator[postgres.Cluster]:
    """The shared server. A test that stops or kills one makes its own."""
    async with postgres.embedded(server_home) as running:
        yield running


@contextlib.contextmanager
def _alone(cluster: postgres.Cluster) -> Iterator[None]:
    with (cluster.home / "template.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


async def _make_template(cluster: postgres.Cluster) -> str:
    """The template of the present schemas; those of other versions and dead workers are dropped."""
    name = f"template_{migrate.schema_hash()}"
    owner = await asyncpg.connect(cluster.owner_url("postgres"))
    names = await owner.fetch("select datname from pg_database")
    await owner.close()
    present = {row["datname"] for row in names}
    for other in present:
        kind, _, rest = other.partition("_")
        dead = kind == "test" and not os.path.exists(f"/proc/{rest}")  # noqa: PTH110
        if dead or (kind == "template" and other != name and rest.isalnum() and len(rest) == 16):
            await cluster.drop_database(other)
    if name not in present:
        building = f"{name}_building"
        await cluster.drop_database(building)
        await cluster.create_database(building)
        connection = await asyncpg.connect(cluster.owner_url(building))
        await migrate.apply_schemas(connection)
        await connection.close()
        await cluster.rename_database(building, name)
    return name


@pytest.fixture(scope="session")
async def database(cluster: postgres.Cluster) -> AsyncIterator[Database]:
    """This worker's own database with all tables, in force for `transaction()`."""
    name = f"test_{os.getpid()}"
    with _alone(cluster):
        template = await _make_template(cluster)
        await cluster.drop_database(name)
        await cluster.create_database(name, template)
    opened = await Database.connect(cluster.url(name), size=12)
    db.use(opened)
    yield opened
    db.use(None)
    await opened.close()
    await cluster.drop_database(name)


@pytest.fixture(scope="session")
def sandbox_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sandbox's first state, made once: keys cost time."""
    home = tmp_path_factory.mktemp("sandbox")
    open_world(SandboxSettings(data_dir=home)).store.close()
    return home / "sandbox.sqlite"


_shop_numbers = itertools.count(1)


@pytest.fixture
async def quiet(database: Database) -> None:
    """Nothing waits in outbox or queue: what earlier tests left is not this one's to work on."""
    async with db.system_transaction() as tx:
        for table in ("kernel.deliveries", "kernel.outbox", "jobs.pgqueuer", "kernel.ticks"):
            await tx.run(f"delete from {table}")


@pytest.fixture
async def shop(database: Database, quiet: None) -> ShopId:
    """A fresh shop of its own, committed."""
    number = next(_shop_numbers)
    async with db.system_transaction() as tx:
        made = await tx.value(
            "insert into shops.shops (code, name, created_at) values ($1, $2, now())"
            " returning shop_id",
            f"test-{number}",
            f"测试店 {number}",
        )
    return ShopId(made)


@pytest.fixture
async def tx(database: Database, shop: ShopId) -> AsyncIterator[Tx]:
    """A transaction of `shop` that is rolled back; what it would flush stays in its buffers."""
    async with database.pool.acquire() as connection:
        await connection.execute(f"begin; set local siyu.shop_id = '{shop}'")
        yield Tx(connection, shop)
        await connection.execute("rollback")
