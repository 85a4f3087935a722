"""From the tables as they are written (`schema.sql`) to the tables of a living installation.

`schema.sql` files are what people read; `siyu/migrations/` is the one line of numbered steps that
brings an installation there, run by pogo. A test proves that both give the same database.

    python -m siyu.kernel.migrate freeze NAME   # the first step, or the frame of the next one

Rules for a step: it must bear being interrupted and run again, and the program of the release
before must still work on its result (expand first, contract a release later). A step that builds
an index concurrently says `-- transaction: false` and holds nothing else.
"""

import hashlib
import sys
from pathlib import Path
from typing import Any

import asyncpg
from pogo_core.util import migrate as pogo
from pogo_core.util import sql as pogo_sql

from siyu.kernel.postgres import check_server, ensure_roles

PACKAGE = Path(__file__).parents[1]
MIGRATIONS = PACKAGE / "migrations"

# Groups and their domains, bottom to top: code may only use what stands before it. The planned
# order; a domain appears when its first feature is built (`tools/new_domain.py` keeps to it).
TOWER: dict[str, tuple[str, ...]] = {
    "kernel": (),
    "wechat": ("transport", "channels", "wecom", "official_account", "mini_program", "pay"),
    "warehouse": ("tail", "registry", "compaction", "query", "engines"),
    "merchant": ("shops", "staff"),
    "compliance": ("rulebook", "approvals"),
    "people": ("members", "consents", "privacy", "profiles", "segments", "experiments", "outreach"),
    "money": (
        "ledger", "payments", "payouts", "profit_sharing", "points", "stored_value",
        "reconciliation",
    ),
    "commerce": (
        "supply", "inventory", "catalog", "promotions", "coupons", "ordering", "fulfilment",
        "reviews", "after_sale", "bulk",
    ),
    "content": ("live", "paid_content", "accounts", "publishing", "library"),
    "scrm": ("desk", "archive", "guides", "communities", "contacts"),
    "growth": (
        "loyalty", "lottery", "fission", "distribution", "gifting", "bargain", "group_buy",
        "journeys",
    ),
    "insight": ("ads", "recommendation", "prediction", "metrics", "behaviour"),
    "open": ("connectors", "billing", "webhooks", "api_keys"),
    "app": (),
}  # fmt: skip

_ONE_AT_A_TIME = 0x73697975  # any fixed number: "siyu"
_TEMPLATE = """\
-- {title}
-- depends: {depends}

-- migrate: apply
{apply}
-- migrate: rollback
"""


def schema_files() -> list[Path]:
    """All `schema.sql` files, in the order of the tower."""
    folders = [
        PACKAGE / group / domain
        for group, domains in TOWER.items()
        for domain in (domains or ("",))
    ]
    return [file for folder in folders if (file := folder / "schema.sql").exists()]


def schema_hash() -> str:
    """Short hash over all schema files: names the template database of the tests."""
    text = b"\0".join(file.read_bytes() for file in schema_files())
    return hashlib.sha256(text).hexdigest()[:16]


async def apply_schemas(connection: "asyncpg.Connection[Any]") -> None:
    """Make all schemas in an empty database from the `schema.sql` files (tests, `freeze`)."""
    await ensure_roles(connection)
    for file in schema_files():
        try:
            await connection.execute(file.read_text("utf-8"))
        except asyncpg.PostgresError as error:
            where = f" near character {error.position}" if error.position else ""
            raise RuntimeError(f"{file.relative_to(PACKAGE)}{where}: {error}") from error


async def migrate(url: str, folder: Path = MIGRATIONS) -> list[str]:
    """Bring the database at `url` (its owner) up to date; the names of the steps now applied.

    Several processes may call it at once: one works, the others wait and find nothing to do. A
    statement waits at most 3 s for a lock, for behind a waiting `alter` everybody waits.
    """
    connection = await asyncpg.connect(url, server_settings={"lock_timeout": "0"})
    try:
        await check_server(connection)
        await connection.fetch("select pg_advisory_lock($1)", _ONE_AT_A_TIME)
        await connection.execute("set lock_timeout = '3s'")
        await ensure_roles(connection)
        await pogo_sql.ensure_pogo_sync(connection)
        before = await pogo_sql.get_applied_migrations(connection, schema_name="public")
        await pogo.apply(connection, folder, schema_name="public")
        # The program itself may see how far it is (`pending`), and no more.
        await connection.execute(
            "grant select on public._pogo_migration, public._pogo_version to public"
        )
        after = await pogo_sql.get_applied_migrations(connection, schema_name="public")
        return sorted(after - before)
    finally:
        await connection.close()


def step_names(folder: Path = MIGRATIONS) -> list[str]:
    """The steps that this program brings, in their order."""
    return sorted(file.stem for file in folder.glob("*.sql"))


async def pending(url: str) -> list[str]:
    """Steps that this program brings and the database does not have yet (doctor, `/health`)."""
    connection = await asyncpg.connect(url)
    try:
        known = await pogo_sql.get_pogo_version(connection)
        done: set[str] = set()
        if known is not None:
            done = await pogo_sql.get_applied_migrations(connection, schema_name="public")
        return sorted(set(step_names()) - done)
    finally:
        await connection.close()


def freeze(name: str, folder: Path = MIGRATIONS) -> Path:
    """Write the next step: the first holds all `schema.sql` files, later ones are to fill in."""
    folder.mkdir(exist_ok=True)
    steps = step_names(folder)
    title = name.replace("_", " ")
    parts = [f"-- {file.relative_to(PACKAGE)}\n{file.read_text()}" for file in schema_files()]
    target = folder / f"{len(steps) + 1:04d}_{name}.sql"
    target.write_text(
        _TEMPLATE.format(
            title=title, depends=" ".join(steps[-1:]), apply="" if steps else "\n".join(parts)
        )
    )
    return target


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] != "freeze":
        sys.exit("usage: python -m siyu.kernel.migrate freeze NAME")
    print(freeze(sys.argv[2]))
