"""All migrations together give what the `schema.sql` files say; they run once, in safety."""

import asyncio
import os
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from siyu.kernel import migrate
from siyu.kernel.postgres import Cluster

STEP = """-- {name}
-- depends: {depends}

-- migrate: apply
{sql}
-- migrate: rollback
"""


@pytest.fixture
async def empty(cluster: Cluster) -> AsyncIterator[str]:
    name = f"migrations_{os.getpid()}"
    await cluster.drop_database(name)
    await cluster.create_database(name)
    yield name
    await cluster.drop_database(name)


def dump(cluster: Cluster, database: str) -> list[str]:
    """The schema statement by statement, without what differs between two ways to the same thing:
    a step adds columns at the end of a table, and numbers of unnamed checks follow their order."""
    done = subprocess.run(
        [
            cluster.binaries / "pg_dump",
            "--schema-only",
            "--exclude-table=public._pogo*",
            cluster.owner_url(database),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = [
        line for line in done.stdout.splitlines() if not re.match(r"--|\\(un)?restrict ", line)
    ]
    statements = [one.strip() for one in re.split(r"\n\n+", "\n".join(lines)) if one.strip()]
    return sorted(_in_any_order(one) for one in statements)


def _in_any_order(statement: str) -> str:
    if not statement.startswith("CREATE TABLE"):
        return statement
    first, *parts, last = statement.splitlines()
    plain = (re.sub(r"CONSTRAINT \w+_check\d* ", "", part.rstrip(",")) for part in parts)
    return "\n".join([first, *sorted(plain), last])


async def test_migrations_give_what_the_schema_files_say(
    cluster: Cluster, empty: str, tmp_path: Path
) -> None:
    """With no step written yet, the step that `freeze` would write is tested instead."""
    folder = migrate.MIGRATIONS
    if not migrate.step_names():
        folder = tmp_path
        migrate.freeze("first", folder)
    await migrate.migrate(cluster.owner_url(empty), folder)
    migrated = await asyncio.to_thread(dump, cluster, empty)
    await cluster.drop_database(empty)
    await cluster.create_database(empty)
    connection = await asyncpg.connect(cluster.owner_url(empty))
    await migrate.apply_schemas(connection)
    await connection.close()
    written = await asyncio.to_thread(dump, cluster, empty)
    assert migrated == written


def write(folder: Path, number: int, sql: str) -> None:
    steps = migrate.step_names(folder)
    name = f"{number:04d}_step"
    (folder / f"{name}.sql").write_text(
        STEP.format(name=name, depends=" ".join(steps[-1:]), sql=sql)
    )


async def test_several_processes_migrate_once(cluster: Cluster, empty: str, tmp_path: Path) -> None:
    write(tmp_path, 1, "create schema a; create table a.t (n int);")
    write(tmp_path, 2, "insert into a.t values (1); select pg_sleep(0.2);")
    url = cluster.owner_url(empty)
    done = await asyncio.gather(*(migrate.migrate(url, tmp_path) for _ in range(4)))
    assert sorted(done) == [[], [], [], ["0001_step", "0002_step"]]
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("select count(*) from a.t") == 1
    await connection.close()


async def test_an_interrupted_step_leaves_nothing_and_runs_again(
    cluster: Cluster, empty: str, tmp_path: Path
) -> None:
    """F120."""
    url = cluster.owner_url(empty)
    write(tmp_path, 1, "create schema a; create table a.t (n int);")
    write(tmp_path, 2, "insert into a.t values (1); select 1 / 0;")
    with pytest.raises(Exception, match="0002_step"):
        await migrate.migrate(url, tmp_path)
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("select count(*) from a.t") == 0
    write(tmp_path, 2, "insert into a.t values (1);")
    (tmp_path / "0002_step.sql").write_text(
        STEP.format(name="x", depends="0001_step", sql="insert into a.t values (1);")
    )
    assert await migrate.migrate(url, tmp_path) == ["0002_step"]
    assert await connection.fetchval("select count(*) from a.t") == 1
    await connection.close()


async def test_a_step_gives_up_rather_than_make_everybody_wait(
    cluster: Cluster, empty: str, tmp_path: Path
) -> None:
    url = cluster.owner_url(empty)
    write(tmp_path, 1, "create schema a; create table a.t (n int);")
    await migrate.migrate(url, tmp_path)
    write(tmp_path, 2, "alter table a.t add m int;")
    holder = await asyncpg.connect(url)
    await holder.execute("begin; select * from a.t")
    with pytest.raises(Exception, match="0002_step") as failure:
        await migrate.migrate(url, tmp_path)
    assert isinstance(failure.value.__cause__, asyncpg.LockNotAvailableError)
    await holder.execute("rollback")
    await holder.close()
    assert await migrate.migrate(url, tmp_path) == ["0002_step"]
