"""A fresh warehouse for every test that asks for one: empty schema, empty folder."""

from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import msgspec
import pytest

from siyu.kernel import config, postgres
from siyu.kernel.db import Database
from siyu.warehouse.registry import service as registry
from siyu.warehouse.tail import service as tail
from tests.warehouse.support import ROOT


@pytest.fixture
async def warehouse(
    cluster: postgres.Cluster, database: Database, tmp_path: Path
) -> AsyncIterator[Path]:
    """The root folder of an empty warehouse, in force for this process."""
    await make_warehouse(cluster, database)
    before = config.settings()
    config.use(msgspec.structs.replace(before, data_dir=tmp_path))
    yield tail.root()
    await tail.close()
    config.use(before)


async def make_warehouse(cluster: postgres.Cluster, database: Database) -> None:
    """An empty schema in place of whatever was there."""
    await tail.close()
    tail.forget()
    registry.forget()
    name = database.url.partition("@/")[2].partition("?")[0]
    owner = await asyncpg.connect(cluster.owner_url(name))
    await owner.execute("drop schema if exists warehouse cascade")
    for domain in ("tail", "registry", "compaction"):
        await owner.execute((ROOT / "siyu/warehouse" / domain / "schema.sql").read_text())
    await owner.close()
