"""All SQL of this domain: its own tables, and the statements that data maps are turned into.

Conditions and values come from `data_map.toml` files of the package, never from a request; what
they name of a person travels as parameters. A test prepares every one of them.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec

from siyu.kernel.audit import AuditRow
from siyu.kernel.db import ReadTx, Tx
from siyu.people.privacy import rules
from siyu.people.privacy.contracts import (
    Archive,
    DataMap,
    Erasure,
    Expires,
    RetentionRun,
    TableMap,
)

BITE = 5_000

_ERASURE = """erasure_id, member_id, person_no, state, asked_at, asked_by, reason, due_at,
  latest_at, ended_at, blocks, report, null::timestamptz as events_gone_at"""
_ARCHIVE = """archive_id, member_id, person_no, case when made_at is null then 'making'
  when content_sealed is null then 'gone' else 'ready' end as state, asked_at,
  asked_by_name as asked_by, reason, made_at, expires_at, size_bytes, row_count"""


class Person(msgspec.Struct, frozen=True):
    """Everything a person is known by: their member records and person numbers."""

    members: list[UUID]
    persons: list[int]


class DueRow(msgspec.Struct, frozen=True):
    """An erasure or archive of a shop whose time has come."""

    shop_id: int
    found_id: UUID


class ContentRow(msgspec.Struct, frozen=True):
    """An archive's bytes as stored."""

    member_id: UUID
    content_sealed: bytes | None


class SealedRow(msgspec.Struct, frozen=True):
    """A sealed value and where it lies."""

    place: str
    sealed: bytes


class AskedRow(msgspec.Struct, frozen=True):
    """Who asked for an archive, of whom."""

    member_id: UUID
    person_no: int
    asked_by_name: str
    made_at: datetime | None


# --- statements made of data maps -----------------------------------------------------------------


def of_person(condition: str) -> str:
    """The rows of a person: $1 shop, $2 members, $3 person numbers."""
    named = condition.replace("{members}", "$2::uuid[]").replace("{persons}", "$3::bigint[]")
    return f"t.shop_id = $1 and $2::uuid[] is not null and $3::bigint[] is not null and ({named})"


def rows_sql(name: str, table: TableMap) -> str:
    """A person's rows as JSON, with what their archive shows."""
    assert table.person is not None
    shown = ", ".join(f't."{column}"' for column in rules.shown_columns(table))
    return (
        f"select to_jsonb(r) as content from (select {shown} from {name} t"
        f" where {of_person(table.person)}) r"
    )


def count_sql(data_map: DataMap) -> str:
    """How many rows each table has of a person."""
    return " union all ".join(
        f"select '{name}' as name, count(*) as rows from {name} t where {of_person(table.person)}"
        for name, table in data_map.items()
        if table.person
    )


def blocks_sql(data_map: DataMap) -> str:
    """What an erasure must wait for."""
    return " union all ".join(
        f"select '{block}' as name where exists(select from {name} t"
        f" where {of_person(table.person)} and ({condition}))"
        for name, table in data_map.items()
        if table.person
        for block, condition in table.blocks.items()
    )


def erase_sql(name: str, table: TableMap) -> str | None:
    """What an erasure does to a person's rows; None: nothing. $4 a blank address, $5 a blank."""
    assert table.person is not None
    where = f"{of_person(table.person)} and $4::bytea is not null and $5::bytea is not null"
    if table.erase == "rows":
        return f"delete from {name} t where {where}"
    if isinstance(table.erase, dict):
        return f"update {name} t set {_values(table.erase)} where {where}"
    return None


def expire_sql(name: str, expires: Expires) -> str:
    """A bite of rows that are over: $1 shop, $2 older than, $3 blank address, $4 how many."""
    due = f"""ctid = any (array(select t.ctid from {name} t where t.shop_id = $1
      and {expires.after} < $2 and ({expires.when}) and $3::bytea is not null limit $4))"""
    if expires.do == "rows":
        return f"delete from {name} where {due}"
    values = _values(expires.do).replace("$4::bytea", "$3::bytea")
    return f"update {name} set {values} where {due}"


def _values(columns: dict[str, str]) -> str:
    text = ", ".join(f'"{column}" = {value}' for column, value in columns.items())
    return text.replace("{blank_address}", "$4::bytea").replace("{blank}", "$5::bytea")


async def list_rows(tx: ReadTx, name: str, table: TableMap, person: Person) -> list[dict[str, Any]]:
    """A person's rows of a table, sealed columns as hex text."""
    rows = await tx.connection.fetch(
        rows_sql(name, table), tx.shop_id, person.members, person.persons
    )
    return [row["content"] for row in rows]


async def count_rows(tx: ReadTx, data_map: DataMap, person: Person) -> dict[str, int]:
    """How many rows each table has of a person, in one trip."""
    rows = await tx.connection.fetch(
        count_sql(data_map), tx.shop_id, person.members, person.persons
    )
    return {row["name"]: row["rows"] for row in rows}


async def list_blocks(tx: ReadTx, data_map: DataMap, person: Person) -> list[str]:
    """What an erasure must wait for, in one trip."""
    rows = await tx.connection.fetch(
        blocks_sql(data_map), tx.shop_id, person.members, person.persons
    )
    return sorted({row["name"] for row in rows})


async def erase_rows(
    tx: Tx, name: str, table: TableMap, person: Person, blank_address: bytes, blank: bytes
) -> int:
    """Do to a person's rows what the map says; how many."""
    sql = erase_sql(name, table)
    assert sql is not None
    return await tx.run(sql, tx.shop_id, person.members, person.persons, blank_address, blank)


async def expire_rows(
    tx: Tx, name: str, expires: Expires, before: datetime, blank_address: bytes
) -> int:
    """Let a bite of rows go that are older than the map allows."""
    return await tx.run(expire_sql(name, expires), tx.shop_id, before, blank_address, BITE)


async def lock_sealed(tx: Tx, name: str, column: str, newest: int) -> list[SealedRow]:
    """A bite of values that another key than the newest has sealed, held."""
    return await tx.all(
        SealedRow,
        f"""select ctid::text as place, {column} as sealed from {name}
            where shop_id = $1 and get_byte({column}, 0) <> $2 limit $3 for no key update""",
        *(tx.shop_id, newest, BITE),
    )


async def move_sealed(tx: Tx, name: str, column: str, again: Sequence[tuple[str, bytes]]) -> None:
    """Write values sealed anew, at the places that were held."""
    await tx.run(
        f"""update {name} t set {column} = n.sealed
            from unnest($2::text[], $3::bytea[]) n (place, sealed)
            where t.shop_id = $1 and t.ctid = n.place::tid""",
        *(tx.shop_id, [place for place, _ in again], [sealed for _, sealed in again]),
    )


# --- erasures -------------------------------------------------------------------------------------


async def insert_erasure(
    tx: Tx,
    *,
    erasure_id: UUID,
    member_id: UUID,
    person_no: int,
    asked_at: datetime,
    asked_by: str,
    reason: str,
    due_at: datetime,
    latest_at: datetime,
) -> bool:
    """Keep a wish to be forgotten; False when one is open."""
    done = await tx.run(
        """insert into privacy.erasures (shop_id, erasure_id, member_id, person_no, asked_at,
             asked_by, reason, due_at, latest_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
           on conflict (shop_id, member_id) where state in ('waiting', 'blocked') do nothing""",
        *(tx.shop_id, erasure_id, member_id, person_no, asked_at, asked_by, reason),
        *(due_at, latest_at),
    )
    return done == 1


async def get_open_erasure(tx: ReadTx, member_id: UUID) -> Erasure | None:
    """The wish of a member that is not ended."""
    return await tx.maybe(
        Erasure,
        f"""select {_ERASURE} from privacy.erasures
            where shop_id = $1 and member_id = $2 and state in ('waiting', 'blocked')""",
        tx.shop_id,
        member_id,
    )


async def lock_erasure(tx: Tx, erasure_id: UUID) -> Erasure | None:
    """An erasure, held."""
    return await tx.maybe(
        Erasure,
        f"""select {_ERASURE} from privacy.erasures
            where shop_id = $1 and erasure_id = $2 for no key update""",
        tx.shop_id,
        erasure_id,
    )


async def get_erasure(tx: ReadTx, erasure_id: UUID) -> Erasure | None:
    """An erasure."""
    return await tx.maybe(
        Erasure,
        f"select {_ERASURE} from privacy.erasures where shop_id = $1 and erasure_id = $2",
        *(tx.shop_id, erasure_id),
    )


async def list_erasures(
    tx: ReadTx, member_id: UUID | None, before: UUID | None, limit: int
) -> list[Erasure]:
    """Newest first."""
    return await tx.all(
        Erasure,
        f"""select {_ERASURE} from privacy.erasures
            where shop_id = $1 and ($2::uuid is null or member_id = $2)
              and ($3::uuid is null or erasure_id < $3) order by erasure_id desc limit $4""",
        *(tx.shop_id, member_id, before, limit),
    )


async def move_erasure(
    tx: Tx,
    erasure_id: UUID,
    state: str,
    *,
    ended_at: datetime | None,
    blocks: Sequence[str] = (),
    report: Any = (),
) -> None:
    """Write how far an erasure is."""
    await tx.run(
        """update privacy.erasures set state = $3, ended_at = $4, blocks = $5, report = $6
           where shop_id = $1 and erasure_id = $2""",
        *(tx.shop_id, erasure_id, state, ended_at, list(blocks), msgspec.to_builtins(report)),
    )


async def list_due_erasures(tx: ReadTx, now: datetime) -> list[DueRow]:
    """Erasures of all shops whose cool-off is over."""
    return await tx.all(
        DueRow,
        """select shop_id, erasure_id as found_id from privacy.erasures
           where state in ('waiting', 'blocked') and due_at <= $1 order by due_at limit 500""",
        now,
    )


async def count_late(tx: ReadTx, now: datetime) -> int:
    """Erasures of the shop that were not done by their last day."""
    late: int = await tx.value(
        """select count(*) from privacy.erasures
           where shop_id = $1 and state in ('waiting', 'blocked') and latest_at < $2""",
        tx.shop_id,
        now,
    )
    return late


# --- archives -------------------------------------------------------------------------------------


async def insert_archive(
    tx: Tx,
    *,
    archive_id: UUID,
    member_id: UUID,
    person_no: int,
    at: datetime,
    asked_by: str,
    asked_by_name: str,
    reason: str,
) -> None:
    """Keep that an archive is wanted."""
    await tx.run(
        """insert into privacy.archives (shop_id, archive_id, member_id, person_no, asked_at,
             asked_by, asked_by_name, reason) values ($1, $2, $3, $4, $5, $6, $7, $8)""",
        *(tx.shop_id, archive_id, member_id, person_no, at, asked_by, asked_by_name, reason),
    )


async def get_asked(tx: ReadTx, archive_id: UUID) -> AskedRow | None:
    """Who asked for an archive, of whom."""
    return await tx.maybe(
        AskedRow,
        """select member_id, person_no, asked_by_name, made_at from privacy.archives
           where shop_id = $1 and archive_id = $2""",
        tx.shop_id,
        archive_id,
    )


async def fill_archive(
    tx: Tx,
    archive_id: UUID,
    content: bytes,
    *,
    size_bytes: int,
    row_count: int,
    made_at: datetime,
    expires_at: datetime,
) -> None:
    """Put the sealed content in."""
    await tx.run(
        """update privacy.archives set content_sealed = $3, size_bytes = $4, row_count = $5,
             made_at = $6, expires_at = $7
           where shop_id = $1 and archive_id = $2 and made_at is null""",
        *(tx.shop_id, archive_id, content, size_bytes, row_count, made_at, expires_at),
    )


async def get_content(tx: ReadTx, archive_id: UUID, now: datetime) -> ContentRow | None:
    """The sealed content of an archive that is not over."""
    return await tx.maybe(
        ContentRow,
        """select member_id, content_sealed from privacy.archives
           where shop_id = $1 and archive_id = $2 and expires_at > $3""",
        *(tx.shop_id, archive_id, now),
    )


async def list_archives(
    tx: ReadTx, member_id: UUID | None, before: UUID | None, limit: int
) -> list[Archive]:
    """Newest first."""
    return await tx.all(
        Archive,
        f"""select {_ARCHIVE} from privacy.archives
            where shop_id = $1 and ($2::uuid is null or member_id = $2)
              and ($3::uuid is null or archive_id < $3) order by archive_id desc limit $4""",
        *(tx.shop_id, member_id, before, limit),
    )


async def count_new_archives(tx: ReadTx, member_id: UUID, since: datetime) -> int:
    """How many archives of a member were asked for lately."""
    count: int = await tx.value(
        """select count(*) from privacy.archives
           where shop_id = $1 and member_id = $2 and asked_at > $3""",
        *(tx.shop_id, member_id, since),
    )
    return count


async def empty_archives(tx: Tx, now: datetime) -> int:
    """Throw away contents whose time is over, of all shops."""
    return await tx.run(
        """update privacy.archives set content_sealed = null
           where content_sealed is not null and expires_at <= $1""",
        now,
    )


# --- retention and the trail ----------------------------------------------------------------------


async def insert_run(tx: Tx, name: str, at: datetime, rows: int) -> None:
    """Note what a night took away."""
    await tx.run(
        "insert into privacy.retention_runs (shop_id, name, ran_at, rows) values ($1, $2, $3, $4)",
        *(tx.shop_id, name, at, rows),
    )


async def list_runs(tx: ReadTx, limit: int) -> list[RetentionRun]:
    """The newest runs of the shop."""
    return await tx.all(
        RetentionRun,
        """select name, ran_at, rows from privacy.retention_runs where shop_id = $1
           order by ran_at desc, name limit $2""",
        *(tx.shop_id, limit),
    )


async def list_access(
    tx: ReadTx, actions: Sequence[str], before: UUID | None, limit: int, member_id: UUID | None
) -> list[AuditRow]:
    """Who looked at personal data, of one member or of anybody, newest first."""
    return await tx.all(
        AuditRow,
        """select audit_id::text, to_json(at) #>> '{}' as at, actor_name, action, subject_kind,
             subject_id, detail
           from kernel.audit where shop_id = $1 and action = any($2::text[])
             and ($3::uuid is null or audit_id < $3)
             and ($5::text is null or (subject_kind = 'member' and subject_id = $5))
           order by audit_id desc limit $4""",
        *(tx.shop_id, list(actions), before, limit, member_id and str(member_id)),
    )
