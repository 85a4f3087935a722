"""What the tables promise: fenced by shop, whole fen, aware times, words said."""

import asyncpg
import pytest

from siyu.kernel import clock, migrate
from siyu.kernel.db import Database, transaction
from siyu.kernel.ids import ShopId
from siyu.kernel.postgres import Cluster

# Tables of the installation, not of a shop; and those of a library, in its own form.
INSTALLATION = {
    "staff.attempts",
    "kernel.outbox_cursor", "kernel.ticks", "shops.shops", "staff.accounts", "staff.sessions",
}  # fmt: skip
LIBRARY = {"jobs", "public", "sandbox"}
WHOLE_INSTALLATION_SCHEMAS = {"warehouse"}  # its slots hold all shops; only its own role reads


@pytest.fixture
async def look(database: Database, cluster: Cluster) -> "asyncpg.Connection[asyncpg.Record]":
    async with database.pool.acquire() as connection:
        name = await connection.fetchval("select current_database()")
    return await asyncpg.connect(cluster.owner_url(name))


TABLES = """
select c.oid, n.nspname || '.' || c.relname as name, n.nspname as schema, c.relrowsecurity,
       c.relforcerowsecurity, obj_description(c.oid) as comment, c.relispartition,
       (select a.attname from pg_index i join pg_attribute a
           on a.attrelid = c.oid and a.attnum = i.indkey[0]
         where i.indrelid = c.oid and i.indisprimary) as first_key,
       (select count(*) from pg_policy p where p.polrelid = c.oid) as policies,
       pg_get_userbyid(c.relowner) as owner
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where c.relkind in ('r', 'p') and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema'
"""
COLUMNS = """
select table_schema || '.' || table_name as table, table_schema as schema, column_name as name,
       udt_name as type, is_nullable = 'YES' as nullable
  from information_schema.columns
 where table_schema not in ('pg_catalog', 'information_schema')
"""


async def test_every_table_of_a_shop_is_fenced(look: "asyncpg.Connection[asyncpg.Record]") -> None:
    wrong = []
    for row in await look.fetch(TABLES):
        if row["schema"] in LIBRARY | WHOLE_INSTALLATION_SCHEMAS or row["name"] in INSTALLATION:
            continue
        if row["first_key"] != "shop_id":
            wrong.append(f"{row['name']}: primary key begins with {row['first_key']}")
        if not (row["relrowsecurity"] and row["relforcerowsecurity"] and row["policies"]):
            wrong.append(f"{row['name']}: row-level security is not forced")
    assert wrong == []


async def test_the_program_owns_nothing_and_app_reaches_no_table_of_the_installation(
    look: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    owners = {row["owner"] for row in await look.fetch(TABLES)}
    assert owners <= {"siyu_owner", "siyu_warehouse"}
    for name in INSTALLATION - {"shops.shops"}:
        if await look.fetchval("select to_regclass($1) is not null", name):
            allowed = await look.fetchval(
                "select has_table_privilege('siyu_app', $1, 'select')", name
            )
            assert not allowed, name
    for role in ("siyu", "siyu_app", "siyu_system", "siyu_warehouse"):
        unfenced = await look.fetchval(
            "select rolsuper or rolbypassrls from pg_roles where rolname = $1", role
        )
        assert not unfenced, role


async def test_forgetting_the_shop_shows_nothing(database: Database, shop: ShopId) -> None:
    async with transaction(shop) as tx:  # an empty table would not even ask for the shop
        tx.add_event("tests.anything", {}, clock.now())
    # On a used connection the setting is known, and empty: also an error, never rows.
    errors = (asyncpg.UndefinedObjectError, asyncpg.InvalidTextRepresentationError)
    async with database.pool.acquire() as connection:
        with pytest.raises(errors):
            await connection.fetch("select * from kernel.outbox")


async def test_names_tell_types(look: "asyncpg.Connection[asyncpg.Record]") -> None:
    """`_fen` bigint, `_bps` whole, `_at` timestamptz, `_on` date, `shop_id` int; no float."""
    wrong = []
    for row in await look.fetch(COLUMNS):
        name, kind = row["name"], row["type"].lstrip("_")
        if row["schema"] in LIBRARY:
            continue
        expected = {
            "fen": {"int8"},
            "bps": {"int2", "int4", "int8"},
            "at": {"timestamptz"},
            "on": {"date"},
        }
        suffix = name.rpartition("_")[2] if "_" in name else ""
        if suffix in expected and kind not in expected[suffix]:
            wrong.append(f"{row['table']}.{name} is {kind}")
        if name == "shop_id" and (kind != "int4" or row["nullable"]):
            wrong.append(f"{row['table']}.shop_id is {kind}, nullable {row['nullable']}")
        if row["schema"] not in WHOLE_INSTALLATION_SCHEMAS and kind in (
            "float4",
            "float8",
            "money",
            "numeric",
            "timestamp",
            "json",
            "varchar",
            "bpchar",
        ):
            wrong.append(f"{row['table']}.{name} is {kind}")
        if any(word in name for word in ("amount", "price", "cost", "fee")) and (
            kind in ("int4", "int8") and not name.endswith(("_fen", "_bps", "_count"))
        ):
            wrong.append(f"{row['table']}.{name}: an amount without its unit")
    assert wrong == []


async def test_every_table_says_what_it_holds(look: "asyncpg.Connection[asyncpg.Record]") -> None:
    silent = [
        row["name"]
        for row in await look.fetch(TABLES)
        if not row["comment"] and row["schema"] != "public" and not row["relispartition"]
    ]
    assert silent == []


async def test_foreign_keys_stay_in_their_schema_and_carry_the_shop(
    look: "asyncpg.Connection[asyncpg.Record]",
) -> None:
    rows = await look.fetch(
        """select k.conname, k.conrelid::regclass::text as from_table,
                  k.confrelid::regclass::text as to_table,
                  (select attname from pg_attribute
                    where attrelid = k.conrelid and attnum = k.conkey[1]) as first,
                  f.relnamespace = t.relnamespace as inside
             from pg_constraint k join pg_class f on f.oid = k.conrelid
             join pg_class t on t.oid = k.confrelid where k.contype = 'f' and k.conparentid = 0
              and f.relnamespace <> 'warehouse'::regnamespace"""
    )
    wrong = [
        f"{row['from_table']} -> {row['to_table']} ({row['conname']})"
        for row in rows
        if not row["inside"] or (row["first"] != "shop_id" and row["to_table"] not in INSTALLATION)
    ]
    assert wrong == []


async def test_core_schema_needs_plpgsql_only(look: "asyncpg.Connection[asyncpg.Record]") -> None:
    found = {row["extname"] for row in await look.fetch("select extname from pg_extension")}
    assert found == {"plpgsql"}


def test_schemas_carry_the_name_of_their_domain() -> None:
    wrong = []
    for file in migrate.schema_files():
        text = file.read_text("utf-8")
        name = "kernel" if file.parent.name == "kernel" else file.parent.name
        if f"create schema {name};" not in text and file.parent.parent.name != "warehouse":
            wrong.append(str(file.relative_to(migrate.PACKAGE)))
    assert wrong == []
