"""Truths are asked when what they read was written to: at that step, and not before."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from siyu.app.sim_checks import Auditor
from siyu.app.sim_database import WRITTEN, Behind, own_database
from siyu.kernel import postgres

# What a truth reads as PostgreSQL understands it, views and functions included.
READS = """
with recursive reads as (
  select d.refclassid, d.refobjid from pg_rewrite r
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid
   where r.ev_class = 'truth_of_a_domain'::regclass
  union
  select d.refclassid, d.refobjid from reads
    join pg_rewrite r on reads.refclassid = 'pg_class'::regclass and r.ev_class = reads.refobjid
    join pg_depend d on d.classid = 'pg_rewrite'::regclass and d.objid = r.oid)
select distinct refobjid::regclass::text as name from reads join pg_class c on c.oid = refobjid
 where refclassid = 'pg_class'::regclass and relkind in ('r', 'p')
   and relnamespace <> 'pg_catalog'::regnamespace
union all
select refobjid::regproc::text from reads join pg_proc p on p.oid = refobjid
 where refclassid = 'pg_proc'::regclass and provolatile <> 'i'
"""
CLOCK = {"now"}  # reads no table; at midnight all truths are asked anyway


class Counted(Behind):
    """Remembers what was asked."""

    def __init__(self, real: Any) -> None:
        super().__init__(real)
        self.asked: list[str] = []

    async def fetch(self, sql: str, *args: Any) -> Any:
        self.asked.append(sql)
        return await super().fetch(sql, *args)


@pytest.fixture
async def owner(cluster: postgres.Cluster, template: str) -> AsyncIterator[asyncpg.Connection]:
    """The owner of a fresh database of a simulation."""
    async with own_database(cluster, template) as name:
        connection = await asyncpg.connect(cluster.owner_url(name))
        yield connection
        await connection.close()


async def test_the_tables_of_a_truth_are_those_that_postgresql_reads(owner):
    """A table that the auditor does not see in a truth would change behind its back."""
    auditor = Auditor(Behind(owner), Behind(owner))
    counted = {row["table"] for row in await owner.fetch(WRITTEN)}
    for domain in auditor.domains:
        await owner.execute(f"create view truth_of_a_domain as {domain.all_at_once}")
        read = {row["name"] for row in await owner.fetch(READS)} - CLOCK
        await owner.execute("drop view truth_of_a_domain")
        assert read and read <= domain.tables, domain.name
        assert {name for name in read if not name.startswith("jobs.")} <= counted, domain.name


async def test_a_wrong_row_is_found_at_the_step_and_nothing_is_asked_twice(owner):
    connection = Counted(owner)
    auditor = Auditor(connection, connection)
    assert await auditor.broken() == [], "an empty shop is in order"
    assert len(connection.asked) == 1 + len(auditor.domains)
    connection.asked.clear()
    assert await auditor.broken() == [] and connection.asked == [WRITTEN]

    await owner.execute(
        """alter table inventory.stock no force row level security,
             drop constraint stock_shop_id_sku_id_fkey,
             drop constraint stock_shop_id_warehouse_id_fkey"""
    )
    row = "insert into inventory.stock values (1, $1, $2, 5, 0)"
    await owner.execute(row, uuid4(), uuid4())  # pieces that never came
    connection.asked.clear()
    [found] = [one for one in await auditor.broken() if "sum of the movements" in one]
    assert found.startswith("inventory: ")
    readers = [one for one in auditor.domains if "inventory.stock" in one.tables]
    asked = [sql for sql in connection.asked if sql.endswith("*/")]
    assert 0 < len(asked) == len(readers) < len(auditor.domains)
