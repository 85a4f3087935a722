"""Every column of every table is in a data map, and what the maps say can be done (F089, F091)."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from siyu.kernel.db import Database
from siyu.kernel.postgres import Cluster
from siyu.people.privacy import queries, service
from siyu.people.privacy.contracts import Kind

COLUMNS = """
select n.nspname || '.' || c.relname as name, array_agg(a.attname::text) as columns
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where c.relkind in ('r', 'p') and not c.relispartition and n.nspname not like 'pg\\_%'
   and n.nspname not in ('information_schema', 'public', 'sandbox')
 group by 1 order by 1
"""


@pytest.fixture
async def look(
    database: Database, cluster: Cluster
) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    async with database.pool.acquire() as connection:
        name = await connection.fetchval("select current_database()")
    owner = await asyncpg.connect(cluster.owner_url(name))
    yield owner
    await owner.close()


async def test_F091_every_column_is_classified(
    look: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    data_map, wrong = service.data_map(), []
    rows = await look.fetch(COLUMNS)
    for row in rows:
        table = data_map.get(row["name"])
        known = {*table.plain, *table.personal} if table else set()
        wrong += [f"{row['name']}.{c}: classify it" for c in set(row["columns"]) - known]
        wrong += [f"{row['name']}.{c}: gone" for c in known - set(row["columns"])]
    assert wrong == [], "each table's columns stand in data_map.toml beside its schema.sql"
    assert set(data_map) == {row["name"] for row in rows}


async def test_F091_what_looks_like_a_person_is_called_personal(
    look: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    """A column named like a person's number or a sealed secret is never "plain" by mistake."""
    of_the_shop = {
        "after_sale.terms", "shops.wechat", "kernel.deliveries", "transport.access_tokens",
        "mini_program.message_push", "official_account.accounts", "wecom.corps",
        "warehouse.file", "warehouse.event_count", "warehouse.event_day",
    }  # fmt: skip
    wrong = [
        f"{name}.{column}"
        for name, table in service.data_map().items()
        for column in table.plain
        if name not in of_the_shop
        and (
            column in ("member_id", "person_no") or column.endswith("_sealed") or "phone" in column
        )
    ]
    assert wrong == ["shops.stores.phone", "coupons.batches.needs_phone"]


async def test_F089_every_statement_of_the_maps_is_prepared(
    look: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    tables = service.tables_of_persons()
    statements = [queries.count_sql(tables), queries.blocks_sql(tables)]
    for name, table in service.data_map().items():
        if table.person:
            statements.append(queries.rows_sql(name, table))
            if sql := queries.erase_sql(name, table):
                statements.append(sql)
        if table.expires:
            statements.append(queries.expire_sql(name, table.expires))
    for sql in statements:
        await look.prepare(sql)
    assert len(statements) > len(tables)


def test_F089_an_archive_leaves_out_only_hashes_and_staff() -> None:
    from siyu.people.privacy import rules

    for name, table in service.tables_of_persons().items():
        left_out = {*table.plain, *table.personal} - set(rules.shown_columns(table)) - {"shop_id"}
        assert {table.personal[column] for column in left_out} <= {Kind.HASH, Kind.STAFF}, name
